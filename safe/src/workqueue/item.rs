// SPDX-License-Identifier: GPL-2.0-only
//! The common part of [`Work`](super::Work) and [`DelayedWork`](super::DelayedWork).

use core::ffi::{CStr, c_char};
use core::marker::PhantomPinned;
use core::mem::{ManuallyDrop, offset_of};
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

/// An item as C knows it: `struct work_struct` or `struct delayed_work`.
///
/// # Safety
///
/// A value must have a `struct work_struct` at the offset [`WORK`](Self::WORK). An item that
/// [`init`](Self::init) initialised must call its function with a pointer to that field. C's
/// functions for the item may be called on any thread, and on several at the same time.
pub(super) unsafe trait RawItem {
    /// The offset of the `struct work_struct`.
    const WORK: usize;

    /// Initialises an item: C's `INIT_WORK` or `INIT_DELAYED_WORK`.
    ///
    /// # Safety
    ///
    /// - `raw` must be valid for writes. No item may be pending or running in this memory, and no
    ///   timer may be armed in it.
    /// - `name` and `key` must stay as long as the item, which lockdep requires.
    unsafe fn init(
        raw: *mut Self,
        run: sys::work_func_t,
        name: *const c_char,
        key: *mut sys::lock_class_key,
    );

    /// Takes an item off its queue, or waits until it has run: C's `cancel_work_sync` or
    /// `cancel_delayed_work_sync`. Returns true if it was pending.
    ///
    /// # Safety
    ///
    /// - `raw` must be an item that [`init`](Self::init) initialised.
    /// - The queue to which it was last queued must stay until this returns.
    /// - It must never have been queued to another queue, because this would wait for a run on only
    ///   one of the two. On an ordered queue this may not wait for a run even then.
    unsafe fn cancel_sync(raw: *mut Self) -> bool;
}

/// The handler of an [`Item`].
pub(super) trait Handler<R: RawItem>: Sized + Send + Sync + 'static {
    /// Does the work.
    fn handle(item: &Item<R, Self>, dev: &Device<Bound>);
}

/// A work item with its handler.
///
/// # Invariants
///
/// The item is in the data of the binding of `dev`, and is initialised with [`run`] for this `R`
/// and this `H`. It was never queued to another queue than that of `member`. The handler is
/// initialised.
#[pin_data(PinnedDrop)]
pub(super) struct Item<R: RawItem, H: Handler<R>> {
    raw: Opaque<R>,
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
unsafe impl<R: RawItem, H: Handler<R>> Send for Item<R, H> {}
// SAFETY: as above. C's functions may be called for one item on several threads at the same time.
unsafe impl<R: RawItem, H: Handler<R>> Sync for Item<R, H> {}

impl<R: RawItem, H: Handler<R>> Item<R, H> {
    /// Returns an initialiser of a `W` with an item for a queue.
    ///
    /// `W` is a parameter because an initialiser around this one makes modules larger.
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
    ///
    /// # Safety
    ///
    /// `W` must be a `#[repr(transparent)]` struct with this type as its field.
    pub(super) unsafe fn init<W, E>(
        dev: &Device<Bound>,
        queue: ItemQueue,
        handler: impl PinInit<H, E>,
        name: &'static CStr,
        key: &'static LockClassKey,
    ) -> impl PinInit<W, Error>
    where
        Error: From<E>,
    {
        let dev = NonNull::from(dev);
        let init = move |slot: *mut W| {
            let slot: *mut Self = slot.cast();
            // SAFETY: the reference from which the pointer was made is still valid, because the
            // initialiser borrows it.
            let place = unsafe { dev.as_ref() }.place(slot)?;
            // SAFETY: the slot is valid for writes. Only the address of the field is taken.
            let raw: *mut R = unsafe { &raw mut (*slot).raw }.cast();
            // SAFETY: the item has this field, which `RawItem` demands of its implementer.
            let work = unsafe { raw.byte_add(R::WORK) }.cast();
            // SAFETY: the slot is valid for writes. Only the address of the field is taken.
            let member = unsafe { &raw mut (*slot).member };
            // SAFETY: as above.
            unsafe { Member::write(member, queue, work)? };
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
            // SAFETY:
            // - The memory is valid for writes, and the slot held no value before. So no item is
            //   pending or running in it, and no timer is armed.
            // - The key and the name are statics of the module, so they stay as long as the item.
            unsafe { R::init(raw, Some(run::<R, H>), name.as_ptr(), key.as_raw()) };
            Ok(())
        };
        // SAFETY: on `Ok` all fields of the item that have a size are initialised, and `W` has no
        // other field, as the caller promises. On an error no field is left initialised.
        unsafe { pin_init_from_closure(init) }
    }

    /// Returns the item as C knows it. It is initialised.
    #[inline(always)]
    pub(super) fn raw(&self) -> *mut R {
        self.raw.get()
    }

    /// Returns the membership of the item in its queue. All calls that queue the item or take it
    /// off its queue go through it.
    #[inline(always)]
    pub(super) fn member(&self) -> &Member {
        &self.member
    }

    /// Takes the item off its queue, or waits until it has run. Returns true if it was pending.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EDEADLK`](crate::error::code::EDEADLK) in the item's own run, because the call would wait
    /// for itself.
    pub(super) fn cancel_sync(&self) -> Result<bool> {
        self.member.may_cancel()?;
        Ok(self.member.cancel(|| self.cancel()))
    }

    /// Calls the C function that cancels the item, for `member`. Must not be called in the item
    /// itself, and requires a caller that may sleep: sleeping elsewhere is a bug that the kernel
    /// reports, but no memory error.
    fn cancel(&self) -> bool {
        // SAFETY:
        // - The item is initialised, by the type's invariant.
        // - The queue stays until this returns, because `member` keeps it.
        // - The item was never on another queue, by the type's invariant. If C does not wait for a
        //   run of an ordered queue, `member` waits for it.
        unsafe { R::cancel_sync(self.raw.get()) }
    }

    /// Returns the handler, pinned.
    pub(super) fn handler(&self) -> Pin<&H> {
        // SAFETY: an item is made only in place, by a pin-initialiser, and has no method that moves
        // its handler.
        unsafe { Pin::new_unchecked(&*self.handler) }
    }
}

/// Implements `work_func_t`. `process_one_work` calls it.
unsafe extern "C" fn run<R: RawItem, H: Handler<R>>(work: *mut sys::work_struct) {
    // SAFETY: C passes the `work_struct` of the item that was initialised with this function, which
    // `RawItem` demands of its implementer. That item is the field of an `Item<R, H>`.
    let item = unsafe { work.byte_sub(offset_of!(Item<R, H>, raw) + R::WORK) };
    // SAFETY: `drop` cancels the item before it drops any field, and waits for this call
    // (`Member::cancel_before_drop`). The item is initialised, because it was queued through a
    // reference to it. Nothing has a `&mut` to a pinned value.
    let item = unsafe { &*item.cast::<Item<R, H>>() };
    // SAFETY: the item is in the data of the device's binding. That data is dropped while the
    // device is bound, and its drop waits for this call.
    let dev = unsafe { item.dev.as_ref() };
    item.member.run(|| H::handle(item, dev));
}

#[pinned_drop]
impl<R: RawItem, H: Handler<R>> PinnedDrop for Item<R, H> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: nothing is moved out of the value, except what is dropped below.
        let this = unsafe { self.get_unchecked_mut() };
        let made = this.place.of(this);
        // SAFETY: until the handler is dropped below, the item is where it was made.
        let item = unsafe { &*made };
        item.member.assert_may_drop();
        // Nothing else has the item, so nothing queues it. If a run queues the item itself, this
        // waits for the run, and cancels the item again.
        item.member.cancel_before_drop(|| item.cancel());
        // SAFETY: the memory in which this was made exists, and nothing else refers to the field.
        let handler = unsafe { &mut (*made).handler };
        // SAFETY: by the call above, no run is left that uses the handler, and the item is not
        // pending. The handler is dropped once, at the address at which the runs used it.
        unsafe { ManuallyDrop::drop(handler) };
    }
}
