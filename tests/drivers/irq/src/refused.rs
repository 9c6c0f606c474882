// SPDX-License-Identifier: GPL-2.0-only
//! Calls that must be refused.

use linux_driver::alloc::{GFP_KERNEL, KBox};
use linux_driver::device;
use linux_driver::irq::{self, Flags, IRQF_ONESHOT, IRQF_SHARED, IrqReturn, Line};
use linux_driver::pci::{self, PCI_IRQ_MSI, PCI_IRQ_MSIX};
use linux_driver::prelude::*;

/// A handler that handles no interrupt.
struct Nothing;

impl irq::Handler for Nothing {
    fn handle(self: Pin<&Self>, _dev: &device::Device<Bound>) -> IrqReturn {
        IrqReturn::None
    }
}

#[vtable]
impl irq::ThreadedHandler for Nothing {
    fn handle_threaded(self: Pin<&Self>, _dev: &device::Device<Bound>) -> IrqReturn {
        IrqReturn::None
    }
}

/// The interrupt line of the last binding.
static LAST: spin::Mutex<Option<Line>> = spin::Mutex::new(None);

pub(crate) fn vectors(dev: &pci::Device<Core>) {
    let none = error(dev.alloc_irq_vectors(0, 1, PCI_IRQ_MSI));
    let too_few = error(dev.alloc_irq_vectors(2, 1, PCI_IRQ_MSI));
    dev_info!(dev, "none: {}, too few: {}", none, too_few);
    if dev.alloc_irq_vectors(1, 1, PCI_IRQ_MSIX).is_ok() {
        dev_err!(dev, "edu has MSI-X?");
    }
}

pub(crate) fn second_time(dev: &pci::Device<Core>) {
    dev_info!(
        dev,
        "a second time: {}",
        error(dev.alloc_irq_vectors(1, 1, PCI_IRQ_MSI))
    );
}

pub(crate) fn lines(dev: &pci::Device<Core>, line: Line) {
    let elsewhere = |line, flags| {
        let init = irq::Registration::new(dev, line, flags, c"nothing", Ok(Nothing));
        error(KBox::pin_init(init, GFP_KERNEL))
    };
    let threaded = irq::Registration::new_threaded(dev, line, Flags::NONE, c"nothing", Ok(Nothing));
    dev_info!(
        dev,
        "no such: {}, elsewhere: {}, one shot: {}, of no thread: {}",
        error(dev.irq_vector(1)),
        elsewhere(line, IRQF_SHARED),
        elsewhere(line, IRQF_ONESHOT),
        error(KBox::pin_init(threaded, GFP_KERNEL)),
    );
    if let Some(last) = LAST.lock().replace(line) {
        dev_info!(
            dev,
            "a line of an earlier binding: {}",
            elsewhere(last, IRQF_SHARED)
        );
    }
}

/// Returns the error of a result, or `EALREADY` if it is `Ok`.
fn error<T>(result: Result<T>) -> Error {
    result.err().unwrap_or(EALREADY)
}
