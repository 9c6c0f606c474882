// SPDX-License-Identifier: GPL-2.0-only
//! Takes a thousand interrupts in each way that QEMU's `edu` supports, and is unbound while more
//! arrive.
//!
//! The module contains four drivers: INTx and MSI, each with a hard handler and with a thread. The
//! handler makes the device compute the next factorial, which ends with the next interrupt.
#![no_std]
#![forbid(unsafe_code)]

mod events;
mod refused;

use linux_driver::driver;
use linux_driver::io::read_poll_timeout;
use linux_driver::irq::{self, Flags, IRQF_ONESHOT, IRQF_SHARED, Line};
use linux_driver::module::{Module, ThisModule};
use linux_driver::pci::{self, DeviceId, IrqTypes, PCI_IRQ_INTX, PCI_IRQ_MSI};
use linux_driver::prelude::*;

use events::{Both, Events, Hard, Thread};

/// One of the four ways to take interrupts.
trait Way: Send + Sync + 'static {
    const NAME: &'static str;
    const DRIVER: &'static CStr;
    const TYPES: IrqTypes;
    type Handler: AsRef<Events> + From<Events> + Send + Sync + 'static;

    fn request(
        dev: &pci::Device<Bound>,
        line: Line,
        handler: Self::Handler,
    ) -> impl PinInit<irq::Registration<Self::Handler>, Error>;
}

struct Intx;
struct Msi;
struct IntxThreaded;
struct MsiThreaded;

impl Way for Intx {
    const NAME: &'static str = "INTx";
    const DRIVER: &'static CStr = c"irq_intx";
    const TYPES: IrqTypes = PCI_IRQ_INTX;
    type Handler = Hard;

    fn request(
        dev: &pci::Device<Bound>,
        line: Line,
        handler: Hard,
    ) -> impl PinInit<irq::Registration<Hard>, Error> {
        irq::Registration::new(dev, line, IRQF_SHARED, Self::DRIVER, Ok(handler))
    }
}

impl Way for Msi {
    const NAME: &'static str = "MSI";
    const DRIVER: &'static CStr = c"irq_msi";
    const TYPES: IrqTypes = PCI_IRQ_MSI;
    type Handler = Hard;

    fn request(
        dev: &pci::Device<Bound>,
        line: Line,
        handler: Hard,
    ) -> impl PinInit<irq::Registration<Hard>, Error> {
        irq::Registration::new(dev, line, Flags::NONE, Self::DRIVER, Ok(handler))
    }
}

impl Way for IntxThreaded {
    const NAME: &'static str = "INTx, threaded";
    const DRIVER: &'static CStr = c"irq_intx_threaded";
    const TYPES: IrqTypes = PCI_IRQ_INTX;
    type Handler = Both;

    fn request(
        dev: &pci::Device<Bound>,
        line: Line,
        handler: Both,
    ) -> impl PinInit<irq::Registration<Both>, Error> {
        irq::Registration::new_threaded(
            dev,
            line,
            IRQF_SHARED | IRQF_ONESHOT,
            Self::DRIVER,
            Ok(handler),
        )
    }
}

impl Way for MsiThreaded {
    const NAME: &'static str = "MSI, threaded";
    const DRIVER: &'static CStr = c"irq_msi_threaded";
    const TYPES: IrqTypes = PCI_IRQ_MSI;
    type Handler = Thread;

    fn request(
        dev: &pci::Device<Bound>,
        line: Line,
        handler: Thread,
    ) -> impl PinInit<irq::Registration<Thread>, Error> {
        irq::Registration::new_threaded(dev, line, IRQF_ONESHOT, Self::DRIVER, Ok(handler))
    }
}

#[pin_data]
struct Irq<W: Way> {
    #[pin]
    irq: irq::Registration<W::Handler>,
}

#[vtable]
impl<W: Way> pci::Driver for Irq<W> {
    type IdInfo = ();
    const NAME: &'static CStr = W::DRIVER;
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x11e8)];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            let early = dev.alloc_irq_vectors(1, 1, W::TYPES).err();
            dev_info!(dev, "not enabled: {}", early.unwrap_or(EALREADY));
            dev.pcim_enable_device()?;
            dev.set_master();
            let events = Events::new(W::NAME, dev.iomap_region(0)?)?;
            // This comes before MSI is enabled: with MSI, edu does not lower its pin.
            events.quiet(dev)?;
            refused::vectors(dev);
            if dev.alloc_irq_vectors(1, 1, W::TYPES)? != 1 {
                return Err(EIO);
            }
            let line = dev.irq_vector(0)?;
            if W::TYPES == PCI_IRQ_MSI {
                refused::second_time(dev);
            }
            refused::lines(dev, line);
            let init = try_pin_init!(Self { irq <- W::request(dev, line, events.into()) });
            Ok(init.pin_chain(move |this| try_out(dev, &this.irq)))
        })
    }

    fn remove(dev: &pci::Device<Core>, this: Pin<&Self>) {
        let events = (*this.irq).as_ref();
        let now = events.count();
        if read_poll_timeout(|| events.count(), |count| count > now, 100, 10_000_000).is_ok() {
            dev_info!(dev, "{}: still coming", events.way);
        }
        // A pin that is raised when nobody handles its interrupt stays raised. QEMU's I/O APIC
        // would then interrupt the next user of the line, for a device without an interrupt. MSIs
        // may keep arriving, even after their vectors are freed.
        if W::TYPES == PCI_IRQ_INTX && events.stop(dev).is_err() {
            dev_err!(dev, "no registers in remove?");
        }
    }
}

/// Runs the tests that happen before `probe` has finished.
fn try_out<H: AsRef<Events> + Send + Sync>(
    dev: &pci::Device<Bound>,
    irq: &irq::Registration<H>,
) -> Result {
    let events = (**irq).as_ref();
    let come = |count| read_poll_timeout(|| events.count(), |n| n >= count, 100, 10_000_000);
    events.raise(dev)?;
    come(1)?;
    dev_info!(dev, "{}: comes before probe has finished", events.way);

    irq.synchronize();
    let before = events.count();
    let off = irq.disable();
    events.raise(dev)?;
    if read_poll_timeout(|| events.count(), |n| n != before, 1000, 50_000) != Err(ETIMEDOUT) {
        return Err(EIO);
    }
    drop(off);
    come(before.wrapping_add(1))?;
    dev_info!(dev, "{}: off and on again", events.way);

    events.start(dev)?;
    come(1000)?;
    dev_info!(
        dev,
        "{}: 1000 interrupts, in a thread: {}",
        events.way,
        events.in_thread()
    );
    Ok(())
}

#[pin_data]
struct Drivers {
    #[pin]
    intx: driver::Registration<pci::Adapter<Irq<Intx>>>,
    #[pin]
    msi: driver::Registration<pci::Adapter<Irq<Msi>>>,
    #[pin]
    intx_threaded: driver::Registration<pci::Adapter<Irq<IntxThreaded>>>,
    #[pin]
    msi_threaded: driver::Registration<pci::Adapter<Irq<MsiThreaded>>>,
}

impl Module for Drivers {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            intx <- driver::Registration::new(module),
            msi <- driver::Registration::new(module),
            intx_threaded <- driver::Registration::new(module),
            msi_threaded <- driver::Registration::new(module),
        })
    }
}

linux_driver::module! {
    type: Drivers,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Takes interrupts in each way",
}
