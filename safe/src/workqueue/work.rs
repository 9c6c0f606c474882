// SPDX-License-Identifier: GPL-2.0-only
//! `struct work_struct`.
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
use crate::place::Place;
use crate::sync::LockClassKey;
use crate::types::Opaque;

/// What a [`Work`] does, and on which data: the handler owns it.
pub trait WorkItem: Sized + Send + Sync + 'static {
    /// Does the work. `work` gives the handler's data (it derefs to it), and can be queued again.
    ///
    /// Runs once a time that it was queued while it was not pending, never twice at once. Context: may sleep. It must not
    /// wait for, or cancel, its own item.
    #[doc(alias = "work_func_t")]
    fn run(work: &Work<Self>, dev: &Device<Bound>);
}

/// A work item with its handler: C's `struct work_struct`.
///
/// It is made by [`new_work!`](crate::new_work) in the data of the driver that is bound, and anywhere else refused (`EINVAL`).
/// When it goes, it is cancelled, and only then the handler is dropped.
///
/// ```no_run
/// use linux_driver_safe::device::{self, Bound};
/// use linux_driver_safe::prelude::*;
/// use linux_driver_safe::workqueue::{Work, WorkItem};
/// use linux_driver_safe::{new_work, pci};
///
/// struct Reset {
///     tries: u32,
/// }
///
/// impl WorkItem for Reset {
///     fn run(work: &Work<Self>, dev: &device::Device<Bound>) {
///         dev_info!(dev, "reset, {} tries", work.tries);
///     }
/// }
///
/// #[pin_data]
/// struct Data {
///     #[pin]
///     reset: Work<Reset>,
/// }
///
/// fn data(dev: &pci::Device<Bound>) -> impl PinInit<Data, Error> {
///     let dev: &device::Device<Bound> = dev.as_ref();
///     try_pin_init!(Data { reset <- new_work!(dev, Reset { tries: 3 }) }? Error)
/// }
///
/// fn interrupt(data: &Data) {
///     data.reset.queue();
/// }
/// ```
///
/// # Invariants
///
/// The item stands in the data of the binding of `dev`, and is initialised with [`run`] for this `H`. The handler is initialised.
#[pin_data(PinnedDrop)]
#[doc(alias = "work_struct")]
pub struct Work<H: WorkItem> {
    raw: Opaque<sys::work_struct>,
    dev: NonNull<Device<Bound>>,
    place: Place,
    #[pin]
    handler: ManuallyDrop<H>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: all in it but the device is `Send`, and of a device that is bound, which it is as long as the item is there,
// references may be on any thread.
unsafe impl<H: WorkItem> Send for Work<H> {}
// SAFETY: as above; C's functions may be called for one item on several threads at once.
unsafe impl<H: WorkItem> Sync for Work<H> {}

impl<H: WorkItem> Work<H> {
    /// Makes an item: C's `INIT_WORK`. Use [`new_work!`](crate::new_work), which brings the class.
    ///
    /// [`EINVAL`](crate::error::code::EINVAL) unless it is initialised in the data of `dev`'s driver; else what `handler`
    /// returns. Context: any that `handler` may run in.
    #[doc(alias = "INIT_WORK")]
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
            unsafe { sys::linux_driver_init_work(raw, Some(run::<H>), name.as_ptr(), key.as_raw()) };
            Ok(())
        };
        // SAFETY: on `Ok` all that has a size is initialised; on an error nothing is, but for what cleaned up after itself.
        unsafe { pin_init_from_closure(init) }
    }

    /// Has it run soon, on the kernel's own queue ([`system`]): C's `schedule_work`. `false` if it is pending already.
    ///
    /// Context: any but NMI.
    #[inline]
    #[doc(alias = "schedule_work")]
    pub fn queue(&self) -> bool {
        self.queue_on(system())
    }

    /// Has it run soon on this queue: C's `queue_work`. `false` if it is pending already, on this or another one.
    ///
    /// Context: any but NMI.
    #[inline]
    #[doc(alias = "queue_work")]
    #[doc(alias = "queue_work_on")]
    pub fn queue_on(&self, queue: &Queue) -> bool {
        // SAFETY: the queue is there, and what is queued runs before it is destroyed; the item is initialised, and stays until it
        // was cancelled.
        unsafe { sys::queue_work_on(sys::LINUX_DRIVER_CPU_UNBOUND, queue.as_raw(), self.raw.get()) }
    }

    /// Waits until it has run, if it is pending or runs: C's `flush_work`. `false` if it was idle.
    ///
    /// Context: may sleep; not in the item itself.
    #[doc(alias = "flush_work")]
    pub fn flush(&self) -> bool {
        // SAFETY: the item is initialised.
        unsafe { sys::flush_work(self.raw.get()) }
    }

    /// Takes it off its queue, or waits until it has run: C's `cancel_work_sync`. `true` if it was pending.
    ///
    /// It can be queued again afterwards. Context: may sleep; not in the item itself.
    #[doc(alias = "cancel_work_sync")]
    pub fn cancel_sync(&self) -> bool {
        // SAFETY: the item is initialised.
        unsafe { sys::cancel_work_sync(self.raw.get()) }
    }

    /// The handler, pinned.
    pub fn handler(&self) -> Pin<&H> {
        // SAFETY: an item is made in place alone, by a pin-initialiser, and gives nobody a way to move it.
        unsafe { Pin::new_unchecked(&*self.handler) }
    }
}

/// `work_func_t`. Called by `process_one_work`.
unsafe extern "C" fn run<H: WorkItem>(work: *mut sys::work_struct) {
    // SAFETY: the item is a field of a `Work<H>`, for which alone this function is given to C.
    let work = unsafe { work.byte_sub(offset_of!(Work<H>, raw)) }.cast::<Work<H>>();
    // SAFETY: it is there until it was cancelled, which waits for this call; nobody has it borrowed mutably meanwhile.
    let work = unsafe { &*work };
    // SAFETY: the item stands in the data of the device's binding, so that the device is bound until it was cancelled.
    H::run(work, unsafe { work.dev.as_ref() });
}

impl<H: WorkItem> Deref for Work<H> {
    type Target = H;

    fn deref(&self) -> &H {
        &self.handler
    }
}

#[pinned_drop]
impl<H: WorkItem> PinnedDrop for Work<H> {
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

/// An initialiser of a [`Work`](crate::workqueue::Work) with a lockdep class of its own: C's `INIT_WORK`.
///
/// `new_work!(dev, handler)`, where `handler` is the handler or an initialiser of it; or `new_work!(dev, handler, "name")` with a name for lockdep's
/// reports, else it is the place.
#[macro_export]
macro_rules! new_work {
    ($dev:expr, $handler:expr $(, $name:literal)? $(,)?) => {{
        let (name, key) = $crate::__lock_class!($($name)?);
        $crate::workqueue::Work::new($dev, $handler, name, key)
    }};
}
