// SPDX-License-Identifier: GPL-2.0-only
//! `struct delayed_work`.
//!
//! C header: `include/linux/workqueue.h`.

use core::ffi::CStr;
use core::marker::PhantomPinned;
use core::mem::{ManuallyDrop, offset_of};
use core::ops::Deref;
use core::pin::Pin;
use core::ptr::NonNull;

use linux_driver_sys as sys;
use pinned_init::{PinInit, pin_data, pin_init_from_closure, pinned_drop};

use super::{Queue, system};
use crate::device::{Bound, Device};
use crate::error::Error;
use crate::jiffies::Jiffies;
use crate::place::Place;
use crate::sync::LockClassKey;
use crate::types::Opaque;

/// What a [`DelayedWork`] does, and on which data: the handler owns it.
pub trait DelayedWorkItem: Sized + Send + Sync + 'static {
    /// Does the work. `work` gives the handler's data (it derefs to it), and can be queued again.
    ///
    /// Runs once a time that it was queued while it was not pending, never twice at once. Context: may sleep. It must not
    /// wait for, or cancel, its own item.
    #[doc(alias = "work_func_t")]
    fn run(work: &DelayedWork<Self>, dev: &Device<Bound>);
}

/// A work item that runs after a while, with its handler: C's `struct delayed_work`.
///
/// It is made by [`new_delayed_work!`](crate::new_delayed_work) in the data of the driver that is bound, and anywhere else refused (`EINVAL`).
/// When it goes, it is cancelled, and only then the handler is dropped.
///
/// ```no_run
/// use linux_driver_safe::device::{self, Bound};
/// use linux_driver_safe::jiffies::Jiffies;
/// use linux_driver_safe::prelude::*;
/// use linux_driver_safe::workqueue::{DelayedWork, DelayedWorkItem};
/// use linux_driver_safe::{new_delayed_work, pci};
///
/// struct Reset {
///     tries: u32,
/// }
///
/// impl DelayedWorkItem for Reset {
///     fn run(work: &DelayedWork<Self>, dev: &device::Device<Bound>) {
///         dev_info!(dev, "reset, {} tries", work.tries);
///     }
/// }
///
/// #[pin_data]
/// struct Data {
///     #[pin]
///     reset: DelayedWork<Reset>,
/// }
///
/// fn data(dev: &pci::Device<Bound>) -> impl PinInit<Data, Error> {
///     let dev: &device::Device<Bound> = dev.as_ref();
///     try_pin_init!(Data { reset <- new_delayed_work!(dev, Reset { tries: 3 }) }? Error)
/// }
///
/// fn interrupt(data: &Data) {
///     data.reset.queue(Jiffies::from_msecs(20));
/// }
/// ```
///
/// # Invariants
///
/// The item stands in the data of the binding of `dev`, and is initialised with [`run`] for this `H`. The handler is initialised.
#[pin_data(PinnedDrop)]
#[doc(alias = "delayed_work")]
pub struct DelayedWork<H: DelayedWorkItem> {
    raw: Opaque<sys::delayed_work>,
    dev: NonNull<Device<Bound>>,
    place: Place,
    #[pin]
    handler: ManuallyDrop<H>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: all in it but the device is `Send`, and of a device that is bound, which it is as long as the item is there,
// references may be on any thread.
unsafe impl<H: DelayedWorkItem> Send for DelayedWork<H> {}
// SAFETY: as above; C's functions may be called for one item on several threads at once.
unsafe impl<H: DelayedWorkItem> Sync for DelayedWork<H> {}

impl<H: DelayedWorkItem> DelayedWork<H> {
    /// Makes an item: C's `INIT_DELAYED_WORK`. Use [`new_delayed_work!`](crate::new_delayed_work), which brings the class.
    ///
    /// [`EINVAL`](crate::error::code::EINVAL) unless it is initialised in the data of `dev`'s driver; else what `handler`
    /// returns. Context: any that `handler` may run in.
    #[doc(alias = "INIT_DELAYED_WORK")]
    pub fn new<E>(
        dev: &Device<Bound>,
        handler: impl PinInit<H, E>,
        name: &'static CStr,
        key: &'static LockClassKey,
    ) -> impl PinInit<Self, Error>
    where
        Error: From<E>,
    {
        let dev = NonNull::from(dev);
        let init = move |slot: *mut Self| {
            // SAFETY: the initialiser is used while the device is bound: it fits the data of its binding alone, which is
            // initialised in `probe`.
            let place = unsafe { dev.as_ref() }.place(slot)?;
            // SAFETY: the slot is valid for writes; only the field's address is taken.
            let field: *mut H = unsafe { &raw mut (*slot).handler }.cast();
            // SAFETY: the field is pinned with the slot, and not used after an error.
            unsafe { handler.__pinned_init(field)? };
            // SAFETY: the slot is valid for writes; only the field's address is taken.
            let field = unsafe { &raw mut (*slot).place };
            // SAFETY: as above.
            unsafe { field.write(place) };
            // SAFETY: the slot is valid for writes; only the field's address is taken.
            let field = unsafe { &raw mut (*slot).dev };
            // SAFETY: as above.
            unsafe { field.write(dev) };
            // SAFETY: the slot is valid for writes; only the field's address is taken.
            let raw = unsafe { &raw mut (*slot).raw }.cast();
            // INVARIANT: the place is one of this binding's.
            // SAFETY: the memory is valid for writes and stays the item's; name and key are statics.
            unsafe { sys::linux_driver_init_delayed_work(raw, Some(run::<H>), name.as_ptr(), key.as_raw()) };
            Ok(())
        };
        // SAFETY: on `Ok` all that has a size is initialised; on an error nothing is, but for what cleaned up after itself.
        unsafe { pin_init_from_closure(init) }
    }

    /// Has it run after `delay`, on the kernel's own queue ([`system`]): C's `schedule_delayed_work`. `false` if it is pending
    /// already, which changes nothing.
    ///
    /// Context: any but NMI.
    #[inline]
    #[doc(alias = "schedule_delayed_work")]
    pub fn queue(&self, delay: Jiffies) -> bool {
        self.queue_on(system(), delay)
    }

    /// Has it run after `delay`, on this queue, which is one of the kernel's own: C's `queue_delayed_work`. `false` if it is
    /// pending already, which changes nothing.
    ///
    /// Context: any but NMI.
    #[inline]
    #[doc(alias = "queue_delayed_work")]
    #[doc(alias = "queue_delayed_work_on")]
    pub fn queue_on(&self, queue: &'static Queue, delay: Jiffies) -> bool {
        let (cpu, queue) = (sys::LINUX_DRIVER_CPU_UNBOUND, queue.as_raw());
        // SAFETY: the queue is there for good; the item is initialised, and stays until it was cancelled.
        unsafe { sys::queue_delayed_work_on(cpu, queue, self.raw.get(), delay.ticks()) }
    }

    /// Has it run after `delay` from now, whether it is pending or not, on the kernel's own queue ([`system`]): C's
    /// `mod_delayed_work`. `true` if it was pending.
    ///
    /// Context: any but NMI.
    #[inline]
    #[doc(alias = "mod_delayed_work")]
    #[doc(alias = "mod_delayed_work_on")]
    pub fn modify(&self, delay: Jiffies) -> bool {
        let (cpu, queue) = (sys::LINUX_DRIVER_CPU_UNBOUND, system().as_raw());
        // SAFETY: the queue is there for good; the item is initialised, and stays until it was cancelled.
        unsafe { sys::mod_delayed_work_on(cpu, queue, self.raw.get(), delay.ticks()) }
    }

    /// Has it run now, if it is pending, and waits until it has run: C's `flush_delayed_work`. `false` if it was idle.
    ///
    /// Context: may sleep; not in the item itself.
    #[doc(alias = "flush_delayed_work")]
    pub fn flush(&self) -> bool {
        // SAFETY: the item is initialised.
        unsafe { sys::flush_delayed_work(self.raw.get()) }
    }

    /// Takes it off its queue, or waits until it has run: C's `cancel_delayed_work_sync`. `true` if it was pending.
    ///
    /// It can be queued again afterwards. Context: may sleep; not in the item itself.
    #[doc(alias = "cancel_delayed_work_sync")]
    pub fn cancel_sync(&self) -> bool {
        // SAFETY: the item is initialised.
        unsafe { sys::cancel_delayed_work_sync(self.raw.get()) }
    }

    /// The handler, pinned.
    pub fn handler(&self) -> Pin<&H> {
        // SAFETY: an item is made in place alone, by a pin-initialiser, and gives nobody a way to move it.
        unsafe { Pin::new_unchecked(&*self.handler) }
    }
}

/// `work_func_t`. Called by `process_one_work`.
unsafe extern "C" fn run<H: DelayedWorkItem>(work: *mut sys::work_struct) {
    // SAFETY: the item is a field of a `DelayedWork<H>`, for which alone this function is given to C.
    let work = unsafe { work.byte_sub(offset_of!(DelayedWork<H>, raw) + offset_of!(sys::delayed_work, work)) }
        .cast::<DelayedWork<H>>();
    // SAFETY: it is there until it was cancelled, which waits for this call; nobody has it borrowed mutably meanwhile.
    let work = unsafe { &*work };
    // SAFETY: the item stands in the data of the device's binding, so that the device is bound until it was cancelled.
    H::run(work, unsafe { work.dev.as_ref() });
}

impl<H: DelayedWorkItem> Deref for DelayedWork<H> {
    type Target = H;

    fn deref(&self) -> &H {
        &self.handler
    }
}

#[pinned_drop]
impl<H: DelayedWorkItem> PinnedDrop for DelayedWork<H> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: nothing is moved out but what is dropped below.
        let this = unsafe { self.get_unchecked_mut() };
        let made = this.place.of(this);
        // SAFETY: the item is where it was made until the handler is dropped below.
        let item = unsafe { &*made };
        // Nobody else has the item, so that nobody queues it; a run that does so itself is waited for, and what it queued is
        // cancelled.
        item.cancel_sync();
        // SAFETY: the memory in which this was made is there, and nothing else refers to the field.
        let handler = unsafe { &mut (*made).handler };
        // SAFETY: no run is left that uses the handler, which is dropped this once, where the runs used it.
        unsafe { ManuallyDrop::drop(handler) };
    }
}

/// An initialiser of a [`DelayedWork`](crate::workqueue::DelayedWork) with a lockdep class of its own: C's `INIT_DELAYED_WORK`.
///
/// `new_delayed_work!(dev, handler)`, where `handler` is the handler or an initialiser of it; or `new_delayed_work!(dev, handler, "name")` with a name for lockdep's
/// reports, else it is the place.
#[macro_export]
macro_rules! new_delayed_work {
    ($dev:expr, $handler:expr $(, $name:literal)? $(,)?) => {{
        let (name, key) = $crate::__lock_class!($($name)?);
        $crate::workqueue::DelayedWork::new($dev, $handler, name, key)
    }};
}
