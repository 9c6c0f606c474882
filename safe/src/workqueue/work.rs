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

use super::ItemQueue;
use super::member::Member;
use crate::device::{Bound, Device};
use crate::error::{Error, Result};
use crate::place::Place;
use crate::sync::LockClassKey;
use crate::types::Opaque;

/// What a [`Work`] does, and on which data: the handler owns it.
pub trait WorkItem: Sized + Send + Sync + 'static {
    /// Does the work. `work` gives the handler's data (it derefs to it), and can be queued again.
    ///
    /// Runs once each time that the item was queued while it was not pending, and never twice at
    /// once: the item has one queue for its life. It cannot wait for, or cancel, its own item
    /// (`EDEADLK`). Context: may sleep.
    #[doc(alias = "work_func_t")]
    fn run(work: &Work<Self>, dev: &Device<Bound>);
}

/// A work item with its handler: C's `struct work_struct`.
///
/// It is made by [`new_work!`](crate::new_work) in the data of the driver that is bound, and
/// anywhere else refused (`EINVAL`). It is made for one queue and is queued there alone, as
/// [`ItemQueue`] explains. When it is dropped it is cancelled, and only then the handler is
/// dropped.
///
/// ```no_run
/// use linux_driver::device::{self, Bound};
/// use linux_driver::prelude::*;
/// use linux_driver::workqueue::{Work, WorkItem};
/// use linux_driver::{new_work, pci};
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
/// The item lies in the data of the binding of `dev`, and is initialised with [`run`] for this `H`.
/// It was never queued but to the queue of `member`. The handler is initialised.
#[pin_data(PinnedDrop)]
#[doc(alias = "work_struct")]
pub struct Work<H: WorkItem> {
    raw: Opaque<sys::work_struct>,
    dev: NonNull<Device<Bound>>,
    member: Member,
    place: Place,
    #[pin]
    handler: ManuallyDrop<H>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: a handler, and what it is made for, are `Send`; of a device that is bound, which it is as
// long as the item is there, references may be on any thread (`Device<Bound>: Sync`). C lets an
// item be cancelled by any task.
unsafe impl<H: WorkItem> Send for Work<H> {}
// SAFETY: as above; C's functions may be called for one item on several threads at once.
unsafe impl<H: WorkItem> Sync for Work<H> {}

impl<H: WorkItem> Work<H> {
    /// Makes an item for a queue: C's `INIT_WORK`. Use [`new_work!`](crate::new_work), which brings
    /// the class.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EINVAL`](crate::error::code::EINVAL) unless the item is initialised in the data of `dev`'s
    /// driver, [`ENOMEM`](crate::error::code::ENOMEM), or what `handler` returns.
    #[doc(alias = "INIT_WORK")]
    pub fn new<E>(
        dev: &Device<Bound>,
        queue: ItemQueue,
        handler: impl PinInit<H, E>,
        name: &'static CStr,
        key: &'static LockClassKey,
    ) -> impl PinInit<Self, Error>
    where
        Error: From<E>,
    {
        let dev = NonNull::from(dev);
        let init = move |slot: *mut Self| {
            // SAFETY: the reference that the pointer was made of is still valid: the initialiser
            // borrows it.
            let place = unsafe { dev.as_ref() }.place(slot)?;
            // SAFETY: the slot is valid for writes; only the field's address is taken.
            let raw: *mut sys::work_struct = unsafe { &raw mut (*slot).raw }.cast();
            // SAFETY: as above.
            let member = unsafe { &raw mut (*slot).member };
            // SAFETY: as above.
            unsafe { Member::write(member, queue, raw)? };
            // SAFETY: the slot is valid for writes; only the field's address is taken.
            let field: *mut H = unsafe { &raw mut (*slot).handler }.cast();
            // SAFETY: the field is pinned with the slot, and not used after an error.
            let made = unsafe { handler.__pinned_init(field) };
            if let Err(error) = made {
                // SAFETY: `drop_in_place` asks for a value that is not used again: it was written
                // above, and nobody uses the slot after an error.
                unsafe { member.drop_in_place() };
                return Err(error.into());
            }
            // SAFETY: the slot is valid for writes; only the field's address is taken.
            let field = unsafe { &raw mut (*slot).place };
            // SAFETY: as above.
            unsafe { field.write(place.take()) };
            // SAFETY: the slot is valid for writes; only the field's address is taken.
            let field = unsafe { &raw mut (*slot).dev };
            // SAFETY: as above.
            unsafe { field.write(dev) };
            // INVARIANT: the place is one of this binding's; the item was not queued yet.
            // SAFETY: `INIT_WORK` asks for memory that is no item that is pending or runs: it is
            // valid for writes, and the slot held no value before. lockdep asks for a key, and a
            // name, that stay as long as the item: both are statics of the module.
            unsafe {
                sys::linux_driver_init_work(raw, Some(run::<H>), name.as_ptr(), key.as_raw())
            };
            Ok(())
        };
        // SAFETY: on `Ok` all that has a size is initialised; on an error nothing is, but for what
        // cleaned up after itself.
        unsafe { pin_init_from_closure(init) }
    }

    /// Has it run soon, on its queue: C's `queue_work`. Returns `false` if it is pending already,
    /// which changes nothing.
    ///
    /// Context: any but NMI.
    #[inline]
    #[doc(alias = "queue_work")]
    #[doc(alias = "queue_work_on")]
    #[doc(alias = "schedule_work")]
    pub fn queue(&self) -> bool {
        let cpu = sys::LINUX_DRIVER_CPU_UNBOUND;
        // SAFETY: `queue_work_on` asks for
        // - an initialised item, that stays until it was cancelled: by the type's invariant, and by
        //   `drop`;
        // - a queue that is not destroyed meanwhile, nor before the item has run: `member` keeps
        //   it, and is dropped after the item was cancelled;
        // - that a run of the item on another queue has ended, or two runs are at once: it was
        //   never queued to another one;
        // - a CPU that is online: `WORK_CPU_UNBOUND` leaves the choice to C.
        self.member
            .queue(|queue| unsafe { sys::queue_work_on(cpu, queue, self.raw.get()) })
    }

    /// Waits until it has run, if it is pending or runs: C's `flush_work`. Returns `false` if it
    /// was idle.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EDEADLK`](crate::error::code::EDEADLK) in the item itself, and in another item of a queue
    /// that runs one at a time ([`OwnedQueue::new_ordered`](super::OwnedQueue::new_ordered)): it
    /// would wait for itself.
    #[doc(alias = "flush_work")]
    pub fn flush(&self) -> Result<bool> {
        self.member.may_flush()?;
        // SAFETY: `flush_work` asks for an initialised item, whose memory and queue stay until it
        // returns: this value has them. It asks for a caller that may sleep: to sleep elsewhere is
        // a bug that the kernel reports, and no memory error.
        let flush = || unsafe { sys::flush_work(self.raw.get()) };
        Ok(self.member.flush(flush, |_, _| ()))
    }

    /// Takes it off its queue, or waits until it has run: C's `cancel_work_sync`. Returns `true` if
    /// it was pending.
    ///
    /// It can be queued again afterwards.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EDEADLK`](crate::error::code::EDEADLK) in the item itself, which would wait for itself.
    #[doc(alias = "cancel_work_sync")]
    pub fn cancel_sync(&self) -> Result<bool> {
        self.member.may_cancel()?;
        Ok(self.member.cancel(|| self.cancel()))
    }

    /// C's `cancel_work_sync`, for `member`. Not in the item itself.
    fn cancel(&self) -> bool {
        // SAFETY: `cancel_work_sync` asks for
        // - an initialised item that is no `delayed_work`: by the type's invariant;
        // - the queue on which it was last queued to stay until it returns: `member` keeps it;
        // - that the item was never on another queue, or it waits for a run on one of the two: by
        //   the type's invariant. What it does not wait for on an ordered queue, `member` does;
        // - a caller that may sleep: another one is a bug that the kernel reports, and no memory
        //   error.
        unsafe { sys::cancel_work_sync(self.raw.get()) }
    }

    /// The handler, pinned.
    pub fn handler(&self) -> Pin<&H> {
        // SAFETY: an item is made in place alone, by a pin-initialiser, and gives nobody a way to
        // move its handler.
        unsafe { Pin::new_unchecked(&*self.handler) }
    }
}

/// `work_func_t`. Called by `process_one_work`.
unsafe extern "C" fn run<H: WorkItem>(work: *mut sys::work_struct) {
    // SAFETY: C calls with the item that it was given with this function, which is the field of a
    // `Work<H>`.
    let work = unsafe { work.byte_sub(offset_of!(Work<H>, raw)) }.cast::<Work<H>>();
    // SAFETY: `drop` cancels the item before any of its fields goes, and waits for this call, by
    // `Member::cancel_before_drop`. The item is initialised, since it was queued by a reference to
    // it. A pinned value has no `&mut`.
    let work = unsafe { &*work };
    // SAFETY: the item lies in the data of the device's binding, which is dropped, and so waits for
    // this call, while the device is bound.
    let dev = unsafe { work.dev.as_ref() };
    work.member.run(|| H::run(work, dev));
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
        item.member.assert_may_drop();
        // Nobody else has the item, so that nobody queues it; a run that does so itself is waited
        // for, and what it queued is cancelled.
        item.member.cancel_before_drop(|| item.cancel());
        // SAFETY: the memory in which this was made is there, and nothing else refers to the field.
        let handler = unsafe { &mut (*made).handler };
        // SAFETY: no run is left that uses the handler, nor is the item pending, by the line above.
        // The handler is dropped this once, where the runs used it.
        unsafe { ManuallyDrop::drop(handler) };
    }
}

/// An initialiser of a [`Work`](crate::workqueue::Work) with a lockdep class of its own: C's
/// `INIT_WORK`.
///
/// `new_work!(dev, handler)`, where `handler` is the handler or an initialiser of it, for the
/// kernel's own queue ([`system`](crate::workqueue::system)); `new_work!(dev, handler, on: queue)`
/// for another one. Either may end with a name for lockdep's reports: `new_work!(dev, handler,
/// "name")`; else it is the place.
///
/// ```no_run
/// # use linux_driver::device::{Bound, Device};
/// # use linux_driver::prelude::*;
/// # use linux_driver::workqueue::{Work, WorkItem};
/// use linux_driver::{new_work, workqueue};
/// # struct Upload;
/// # impl WorkItem for Upload {
/// #     fn run(_work: &Work<Self>, _dev: &Device<Bound>) {}
/// # }
///
/// /// Takes long: not on the queue for short items.
/// fn upload(dev: &Device<Bound>) -> impl PinInit<Work<Upload>, Error> {
///     new_work!(dev, Upload, on: workqueue::system_unbound(), "upload")
/// }
/// ```
#[macro_export]
macro_rules! new_work {
    ($dev:expr, $handler:expr, on: $queue:expr $(, $name:literal)? $(,)?) => {{
        let (name, key) = $crate::__lock_class!($($name)?);
        $crate::workqueue::Work::new($dev, $crate::workqueue::ItemQueue::from($queue), $handler, name, key)
    }};
    ($dev:expr, $handler:expr $(, $name:literal)? $(,)?) => {
        $crate::new_work!($dev, $handler, on: $crate::workqueue::system() $(, $name)?)
    };
}
