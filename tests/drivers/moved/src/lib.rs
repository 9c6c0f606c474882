// SPDX-License-Identifier: GPL-2.0-only
//! Moves its registrations to the stack and drops them there, as the compiler does with the fields
//! of a packed type.
//!
//! Without `unsafe` no driver can do this: a packed type that contains a registration does not
//! compile. An unsound crate could. Even then, the kernel must not keep pointers to freed memory.
#![no_std]

use core::mem::ManuallyDrop;
use core::ptr;

use linux_driver::init::pin_init_from_closure;
use linux_driver::io::read_poll_timeout;
use linux_driver::irq::{self, IRQF_SHARED, IrqReturn};
use linux_driver::pci::{self, DeviceId, PCI_IRQ_INTX, PCI_IRQ_MSI};
use linux_driver::prelude::*;
use linux_driver::sync::atomic::{AtomicU32, Ordering};
use linux_driver::workqueue::{Work, WorkItem};
use linux_driver::{device, new_work};

/// A value that is moved before it is dropped.
struct Moved<T>(ManuallyDrop<T>);

impl<T> Moved<T> {
    fn new(init: impl PinInit<T, Error>) -> impl PinInit<Self, Error> {
        // SAFETY: `__pinned_init` needs a slot that is valid for a `T`. `Self` only contains a `T`,
        // at the same address.
        let init = move |slot: *mut Self| unsafe { init.__pinned_init(slot.cast()) };
        // SAFETY: if the closure returns `Ok`, it has initialised the only field; if it returns an
        // error, the slot is uninitialised. (The field does not stay pinned: this is what the test
        // is about.)
        unsafe { pin_init_from_closure(init) }
    }
}

impl<T> Drop for Moved<T> {
    fn drop(&mut self) {
        // SAFETY: the field is initialised, and it is not used after this.
        drop(unsafe { ptr::read(&*self.0) });
    }
}

/// A counter. A copy of it would not see what the original counts.
struct Events(AtomicU32);

impl irq::Handler for Events {
    fn handle(self: Pin<&Self>, _dev: &device::Device<Bound>) -> IrqReturn {
        IrqReturn::None
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        pr_info!("the handler goes with {}", self.0.load(Ordering::Relaxed));
    }
}

struct Item(AtomicU32);

impl WorkItem for Item {
    fn run(work: &Work<Self>, _dev: &device::Device<Bound>) {
        pr_info!("the item runs");
        // Runs long enough that the device is unbound meanwhile.
        let _ = read_poll_timeout(|| 0u32, |_| false, 10_000, 1_000_000);
        work.0.fetch_add(1, Ordering::Relaxed);
        pr_info!("the item has run");
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        pr_info!(
            "the item goes after {} runs",
            self.0.load(Ordering::Relaxed)
        );
    }
}

#[pin_data]
struct Data {
    #[pin]
    irq: Moved<irq::Registration<Events>>,
    #[pin]
    work: Moved<Work<Item>>,
}

#[vtable]
impl pci::Driver for Data {
    type IdInfo = ();
    const NAME: &'static CStr = c"moved";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x11e8)];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            dev.pcim_enable_device()?;
            dev.alloc_irq_vectors(1, 1, PCI_IRQ_INTX | PCI_IRQ_MSI)?;
            let line = dev.irq_vector(0)?;
            let bound: &device::Device<Bound> = dev.as_ref();
            let events = Ok(Events(AtomicU32::new(7)));
            Ok(try_pin_init!(Self {
                irq <- Moved::new(irq::Registration::new(dev, line, IRQF_SHARED, c"moved", events)),
                work <- Moved::new(new_work!(bound, Item(AtomicU32::new(0))).pin_chain(|work| {
                    work.queue();
                    Ok(())
                })),
            }))
        })
    }
}

linux_driver::module_pci_driver! {
    type: Data,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Moves its registrations before it drops them, on purpose",
}
