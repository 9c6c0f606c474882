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

/// The handler of a [`Work`], with the data on which it works.
pub trait WorkItem: Sized + Send + Sync + 'static {
    /// Does the work. `work` dereferences to the handler, and can be queued again.
    ///
    /// Runs once for each time that the item was queued while it was not pending. Runs never
    /// overlap, because the item has one queue for its life. In its own run, an item cannot be
    /// flushed or cancelled (`EDEADLK`).
    ///
    /// # Context
    ///
    /// May sleep.
    #[doc(alias = "work_func_t")]
    fn run(work: &Work<Self>, dev: &Device<Bound>);
}

/// A work item with its handler: C's `struct work_struct`.
///
/// [`new_work!`](crate::new_work) makes it in the data of the bound driver. Anywhere else that
/// fails with `EINVAL`. An item is made for one queue and can be queued only there; [`ItemQueue`]
/// explains why. When it is dropped, it is cancelled first, and then the handler is dropped.
///
/// # Examples
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
///     try_pin_init!(Data { reset <- new_work!(dev, Reset { tries: 3 }) })
/// }
///
/// fn interrupt(data: &Data) {
///     data.reset.queue();
/// }
/// ```
///
/// # Invariants
///
/// The item is in the data of the binding of `dev`, and is initialised with [`run`] for this `H`.
/// It was never queued to another queue than that of `member`. The handler is initialised.
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

// SAFETY: a handler is `Send`, and so are the parts of `member`. The device is bound as long as the
// item exists, and references to a bound device may be on any thread (`Device<Bound>: Sync`). C
// lets any task cancel an item.
unsafe impl<H: WorkItem> Send for Work<H> {}
// SAFETY: as above. C's functions may be called for one item on several threads at the same time.
unsafe impl<H: WorkItem> Sync for Work<H> {}

impl<H: WorkItem> Work<H> {
    /// Makes an item for a queue: C's `INIT_WORK`. Use [`new_work!`](crate::new_work), which
    /// provides the class.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`](crate::error::code::EINVAL) if the item is not initialised in the data of
    ///   `dev`'s driver;
    /// - [`ENOMEM`](crate::error::code::ENOMEM) if there is no memory;
    /// - the error of `handler`.
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
            // SAFETY: the reference from which the pointer was made is still valid, because the
            // initialiser borrows it.
            let place = unsafe { dev.as_ref() }.place(slot)?;
            // SAFETY: the slot is valid for writes. Only the address of the field is taken.
            let raw: *mut sys::work_struct = unsafe { &raw mut (*slot).raw }.cast();
            // SAFETY: as above.
            let member = unsafe { &raw mut (*slot).member };
            // SAFETY: as above.
            unsafe { Member::write(member, queue, raw)? };
            // SAFETY: the slot is valid for writes. Only the address of the field is taken.
            let field: *mut H = unsafe { &raw mut (*slot).handler }.cast();
            // SAFETY: the field is pinned with the slot, and is not used after an error.
            let made = unsafe { handler.__pinned_init(field) };
            if let Err(error) = made {
                // SAFETY: `drop_in_place` requires a value that is not used again. It was written
                // above, and nothing uses the slot after an error.
                unsafe { member.drop_in_place() };
                return Err(error.into());
            }
            // SAFETY: the slot is valid for writes. Only the address of the field is taken.
            let field = unsafe { &raw mut (*slot).place };
            // SAFETY: as above.
            unsafe { field.write(place.take()) };
            // SAFETY: the slot is valid for writes. Only the address of the field is taken.
            let field = unsafe { &raw mut (*slot).dev };
            // SAFETY: as above.
            unsafe { field.write(dev) };
            // INVARIANT: the item is in the data of this binding, and was not queued yet.
            // SAFETY: `INIT_WORK` requires memory in which no item is pending or running. It is
            // valid for writes, and the slot held no value before. lockdep requires a key and a
            // name that stay as long as the item: both are statics of the module.
            unsafe {
                sys::linux_driver_init_work(raw, Some(run::<H>), name.as_ptr(), key.as_raw())
            };
            Ok(())
        };
        // SAFETY: on `Ok` all fields that have a size are initialised. On an error no field is left
        // initialised.
        unsafe { pin_init_from_closure(init) }
    }

    /// Queues the item to its queue, to run soon: C's `queue_work`. Returns `false` and does
    /// nothing if it is pending already.
    ///
    /// # Context
    ///
    /// Any except NMI.
    #[inline]
    #[doc(alias = "queue_work")]
    #[doc(alias = "queue_work_on")]
    #[doc(alias = "schedule_work")]
    pub fn queue(&self) -> bool {
        let cpu = sys::LINUX_DRIVER_CPU_UNBOUND;
        // SAFETY: `queue_work_on` requires:
        // - an initialised item that stays until it was cancelled: by the type's invariant, and by
        //   `drop`;
        // - a queue that is not destroyed before the item has run: `member` keeps it, and is
        //   dropped after the item was cancelled;
        // - that no run of the item on another queue is left, because two runs would overlap: it
        //   was never queued to another one;
        // - a CPU that is online: `WORK_CPU_UNBOUND` leaves the choice to C.
        self.member
            .queue(|queue| unsafe { sys::queue_work_on(cpu, queue, self.raw.get()) })
    }

    /// Waits until the item has run, if it is pending or running: C's `flush_work`. Returns `false`
    /// if it was idle.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EDEADLK`](crate::error::code::EDEADLK) in the item's own run, and in a run of another item
    /// of a queue that runs one at a time
    /// ([`OwnedQueue::new_ordered`](super::OwnedQueue::new_ordered)). The call would wait for
    /// itself.
    #[doc(alias = "flush_work")]
    pub fn flush(&self) -> Result<bool> {
        self.member.may_flush()?;
        // SAFETY: `flush_work` requires an initialised item whose memory and queue stay until it
        // returns, which this value ensures. It requires a caller that may sleep. Sleeping
        // elsewhere is a bug that the kernel reports, but no memory error.
        let flush = || unsafe { sys::flush_work(self.raw.get()) };
        Ok(self.member.flush(flush, |_, _| ()))
    }

    /// Takes the item off its queue, or waits until it has run: C's `cancel_work_sync`. Returns
    /// `true` if it was pending. It can be queued again afterwards.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EDEADLK`](crate::error::code::EDEADLK) in the item's own run, because the call would wait
    /// for itself.
    #[doc(alias = "cancel_work_sync")]
    pub fn cancel_sync(&self) -> Result<bool> {
        self.member.may_cancel()?;
        Ok(self.member.cancel(|| self.cancel()))
    }

    /// Calls C's `cancel_work_sync`, for `member`. Must not be called in the item itself.
    fn cancel(&self) -> bool {
        // SAFETY: `cancel_work_sync` requires:
        // - an initialised item that is not a `delayed_work`: by the type's invariant;
        // - that the queue to which it was last queued stays until it returns: `member` keeps it;
        // - that the item was never on another queue, because it would wait for a run on only one
        //   of them: by the type's invariant. On an ordered queue it may not wait for a run;
        //   `member` waits for that one;
        // - a caller that may sleep: sleeping elsewhere is a bug that the kernel reports, but no
        //   memory error.
        unsafe { sys::cancel_work_sync(self.raw.get()) }
    }

    /// Returns the handler, pinned.
    pub fn handler(&self) -> Pin<&H> {
        // SAFETY: an item is made only in place, by a pin-initialiser, and has no method that moves
        // its handler.
        unsafe { Pin::new_unchecked(&*self.handler) }
    }
}

/// Implements `work_func_t`. `process_one_work` calls it.
unsafe extern "C" fn run<H: WorkItem>(work: *mut sys::work_struct) {
    // SAFETY: C passes the item that was initialised with this function. It is the field of a
    // `Work<H>`.
    let work = unsafe { work.byte_sub(offset_of!(Work<H>, raw)) }.cast::<Work<H>>();
    // SAFETY: `drop` cancels the item before it drops any field, and waits for this call
    // (`Member::cancel_before_drop`). The item is initialised, because it was queued through a
    // reference to it. Nothing has a `&mut` to a pinned value.
    let work = unsafe { &*work };
    // SAFETY: the item is in the data of the device's binding. That data is dropped while the
    // device is bound, and its drop waits for this call.
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
        // SAFETY: nothing is moved out of the value, except what is dropped below.
        let this = unsafe { self.get_unchecked_mut() };
        let made = this.place.of(this);
        // SAFETY: until the handler is dropped below, the item is where it was made.
        let item = unsafe { &*made };
        item.member.assert_may_drop();
        // Nothing else has the item, so nothing queues it. If a run queues the item itself, the run
        // is waited for, and what it queued is cancelled.
        item.member.cancel_before_drop(|| item.cancel());
        // SAFETY: the memory in which this was made exists, and nothing else refers to the field.
        let handler = unsafe { &mut (*made).handler };
        // SAFETY: by the call above, no run is left that uses the handler, and the item is not
        // pending. The handler is dropped once, at the address at which the runs used it.
        unsafe { ManuallyDrop::drop(handler) };
    }
}

/// Returns an initialiser of a [`Work`](crate::workqueue::Work) with a lockdep class of its own:
/// C's `INIT_WORK`.
///
/// `new_work!(dev, handler)` makes an item for the kernel's own queue
/// ([`system`](crate::workqueue::system)). `new_work!(dev, handler, on: queue)` makes one for
/// another queue. `handler` is a handler or an initialiser of one. Both forms accept a name for
/// lockdep's reports at the end: `new_work!(dev, handler, "name")`. Without it, the name is the
/// source location.
///
/// # Examples
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
/// /// Makes an item that runs for a long time, so it is not on the queue for short items.
/// fn upload(dev: &Device<Bound>) -> impl PinInit<Work<Upload>, Error> {
///     new_work!(dev, Upload, on: workqueue::system_unbound(), "upload")
/// }
/// ```
#[macro_export]
macro_rules! new_work {
    ($dev:expr, $handler:expr, on: $queue:expr $(, $name:literal)? $(,)?) => {{
        let (name, key) = $crate::__lock_class!($($name)?);
        $crate::workqueue::Work::new(
            $dev,
            $crate::workqueue::ItemQueue::from($queue),
            $handler,
            name,
            key,
        )
    }};
    ($dev:expr, $handler:expr $(, $name:literal)? $(,)?) => {
        $crate::new_work!($dev, $handler, on: $crate::workqueue::system() $(, $name)?)
    };
}
