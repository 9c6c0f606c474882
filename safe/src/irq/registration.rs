// SPDX-License-Identifier: GPL-2.0-only
//! A handler that is registered.
//!
//! C header: `include/linux/interrupt.h`; `kernel/irq/manage.c`.

use core::ffi::{CStr, c_int, c_uint, c_ulong, c_void};
use core::marker::PhantomPinned;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::pin::Pin;
use core::ptr::NonNull;

use linux_driver_sys as sys;
use pinned_init::{PinInit, pin_init_from_closure};

use super::{Flags, Handler, IRQF_ONESHOT, Line, ThreadedHandler};
use crate::device::{Bound, Device};
use crate::error::{Error, Result, code::EINVAL, code::ENODEV, to_result};
use crate::place::Place;

/// A handler that is registered for an interrupt of a device, with what it works with: C's
/// `request_irq` when it is made, `free_irq` when it is dropped, which waits until no handler runs.
///
/// It stands in the data of the device's driver, where it stays; nowhere else is it made
/// ([`EINVAL`]).
///
/// # Invariants
///
/// The action whose `dev_id` is the address of `place`, at which this was made, is registered for
/// `number`; that is in the data of the driver that is bound to `device`. The handler is
/// initialised and pinned.
#[doc(alias = "irqaction")]
#[doc(alias = "request_irq")]
#[doc(alias = "request_threaded_irq")]
#[doc(alias = "free_irq")]
pub struct Registration<H: 'static> {
    handler: ManuallyDrop<H>,
    device: NonNull<sys::device>,
    number: c_uint,
    _pin: PhantomPinned,
    place: Place,
}

// SAFETY: it is a handler, and a handle for functions of C that can be called on any thread.
unsafe impl<H: Send> Send for Registration<H> {}
// SAFETY: as above; a shared one gives shared references to the handler.
unsafe impl<H: Sync> Sync for Registration<H> {}

impl<H: Handler> Registration<H> {
    /// Registers a handler for an interrupt: C's `request_irq`, which sets `IRQF_COND_ONESHOT`
    /// where the kernel at hand has it. `name` is what `/proc/interrupts` shows.
    ///
    /// The interrupt may come before this returns. [`ENODEV`] if the line is another binding's;
    /// `EBUSY` if it is taken, and not shared by both; `EINVAL` outside of the data of the device's
    /// driver, for flags that do not go together, and for [`IRQF_ONESHOT`], which is for threads;
    /// `ENOMEM`. Context: may sleep.
    ///
    /// [`IRQF_ONESHOT`]: super::IRQF_ONESHOT
    pub fn new(
        device: &impl AsRef<Device<Bound>>,
        line: Line,
        flags: Flags,
        name: &'static CStr,
        handler: impl PinInit<H, Error>,
    ) -> impl PinInit<Self, Error> {
        let request = move |dev_id: *mut Self| {
            if flags.contains(IRQF_ONESHOT) {
                return Err(EINVAL);
            }
            // SAFETY: `request_threaded_irq` asks for
            // - a line that is this device's: `init` has checked the binding that it was got for;
            // - a `dev_id` that no other action of the line has, and that stays until `free_irq`:
            //   the slot's address, by what `init` promises;
            // - handlers that may be called with it at once: `handle` is for a `dev_id` of this
            //   type, of which `init` has written all that it reads;
            // - a name that stays until `free_irq`: it is a static of the module;
            // - a caller that may sleep: elsewhere the kernel reports it.
            to_result(unsafe {
                sys::request_threaded_irq(
                    line.number,
                    Some(handle::<H>),
                    None,
                    flags.raw() | c_ulong::from(sys::LINUX_DRIVER_IRQF_COND_ONESHOT),
                    name.as_ptr(),
                    dev_id.cast(),
                )
            })
        };
        // SAFETY: it is registered with `dev_id` if this returns `Ok`, and else not.
        unsafe { init(device.as_ref(), line, handler, request) }
    }
}

impl<H: ThreadedHandler> Registration<H> {
    /// Registers a handler with a thread: C's `request_threaded_irq`. Else as [`new`](Self::new),
    /// but that [`IRQF_ONESHOT`] may be given.
    ///
    /// Context: may sleep.
    ///
    /// ```
    /// use core::pin::Pin;
    ///
    /// use linux_driver::device::{Bound, Core, Device};
    /// use linux_driver::irq::{self, IRQF_ONESHOT, IrqReturn, Registration};
    /// use linux_driver::new_mutex;
    /// use linux_driver::pci;
    /// use linux_driver::prelude::*;
    /// use linux_driver::sync::Mutex;
    ///
    /// /// What the thread does may sleep: it takes a mutex.
    /// #[pin_data]
    /// struct Events {
    ///     #[pin]
    ///     count: Mutex<u32>,
    /// }
    ///
    /// #[vtable]
    /// impl irq::ThreadedHandler for Events {
    ///     fn handle_threaded(self: Pin<&Self>, _dev: &Device<Bound>) -> IrqReturn {
    ///         let this = self.get_ref();
    ///         let mut count = this.count.lock();
    ///         *count = count.wrapping_add(1);
    ///         IrqReturn::Handled
    ///     }
    /// }
    ///
    /// /// In `probe`, for a pinned field of the driver's data.
    /// fn register(dev: &pci::Device<Core>, line: irq::Line) -> impl PinInit<Registration<Events>, Error> {
    ///     let events = || -> Result<_> { Ok(pin_init!(Events { count <- new_mutex!(0) })) };
    ///     Registration::new_threaded(dev, line, IRQF_ONESHOT, c"events", pin_init_scope(events))
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// [`IRQF_ONESHOT`]: super::IRQF_ONESHOT
    pub fn new_threaded(
        device: &impl AsRef<Device<Bound>>,
        line: Line,
        flags: Flags,
        name: &'static CStr,
        handler: impl PinInit<H, Error>,
    ) -> impl PinInit<Self, Error> {
        let request = move |dev_id: *mut Self| {
            let hard: sys::irq_handler_t = if H::HAS_HANDLE {
                Some(handle_hard::<H>)
            } else {
                None
            };
            // SAFETY: as in `new`; one of the two handlers is there.
            to_result(unsafe {
                sys::request_threaded_irq(
                    line.number,
                    hard,
                    Some(handle_threaded::<H>),
                    flags.raw(),
                    name.as_ptr(),
                    dev_id.cast(),
                )
            })
        };
        // SAFETY: it is registered with `dev_id` if this returns `Ok`, and else not.
        unsafe { init(device.as_ref(), line, handler, request) }
    }
}

impl<H: Send + Sync + 'static> Registration<H> {
    /// What the handler works with, pinned.
    pub fn handler(self: Pin<&Self>) -> Pin<&H> {
        // SAFETY: the handler is pinned with the registration: nothing moves it out.
        unsafe { self.map_unchecked(|this| &*this.handler) }
    }

    /// Waits until no handler of the line runs, threads included: C's `synchronize_irq`.
    ///
    /// Context: may sleep; not under a lock that the handler takes, nor in the handler, for which
    /// it would wait without an end.
    #[doc(alias = "synchronize_irq")]
    pub fn synchronize(&self) {
        // SAFETY: `synchronize_irq` asks for a line that is there: an action of ours is registered
        // for it, by the invariant. It asks for a caller that may sleep, and for whom no handler
        // waits: elsewhere it hangs, or the kernel reports it.
        unsafe { sys::synchronize_irq(self.number) };
    }

    /// Switches the line off, for all who share it, and waits until no handler runs: C's
    /// `disable_irq`. It is switched on again when what this returns is dropped; they nest. What
    /// comes meanwhile is pending then. Where that is forgotten, the line stays off, for all who
    /// share it.
    ///
    /// Context: as [`synchronize`](Self::synchronize).
    #[doc(alias = "disable_irq")]
    pub fn disable(&self) -> Disabled<'_> {
        // SAFETY: as in `synchronize`. `disable_irq` is counted, and made up for by `enable_irq`,
        // in whatever order.
        unsafe { sys::disable_irq(self.number) };
        // INVARIANT: disabled just now, for this value.
        Disabled {
            number: self.number,
            _registration: core::marker::PhantomData,
        }
    }
}

/// That a line is switched off; see [`Registration::disable`].
///
/// # Invariants
///
/// The line was disabled once for this value, and an action is registered for it as long as this
/// value is there.
#[must_use = "the line is switched on again when this is dropped"]
#[doc(alias = "disable_irq")]
pub struct Disabled<'a> {
    number: c_uint,
    _registration: core::marker::PhantomData<&'a ()>,
}

impl Drop for Disabled<'_> {
    #[doc(alias = "enable_irq")]
    fn drop(&mut self) {
        // SAFETY: `enable_irq` asks for one call after each of `disable_irq` ("Unbalanced enable",
        // otherwise), and for a line that is there: by the invariant the line was disabled for this
        // value, which borrows the registration.
        unsafe { sys::enable_irq(self.number) };
    }
}

impl<H> Deref for Registration<H> {
    type Target = H;

    fn deref(&self) -> &H {
        &self.handler
    }
}

impl<H> Drop for Registration<H> {
    // Once for a module: the data that it lies in is dropped where `probe` fails, at each of its
    // steps, and in `remove`.
    #[inline(never)]
    fn drop(&mut self) {
        let made = self.place.of(self);
        // SAFETY: this is where it was made: the memory is there, and the number was written there.
        let number = unsafe { (*made).number };
        // SAFETY: `free_irq` asks for the line and the `dev_id` that `request_threaded_irq` was
        // given, and for a context that may sleep: by the invariant the action is registered with
        // the address at which this was made, and only this frees it, where data is dropped.
        unsafe { sys::free_irq(number, made.cast()) };
        // SAFETY: the memory in which this was made is there, and nothing else refers to the field.
        let handler = unsafe { &mut (*made).handler };
        // SAFETY: `free_irq` has waited until no handler runs: what it used where this was made is
        // nobody's, and is dropped this once.
        unsafe { ManuallyDrop::drop(handler) };
    }
}

/// Initialises a registration: what the handler works with first, then `request`.
///
/// # Safety
///
/// `request` registers the address it is given as the `dev_id` of an action for `line`; it returns
/// an error if it did not.
unsafe fn init<H: Send + Sync + 'static>(
    device: &Device<Bound>,
    line: Line,
    handler: impl PinInit<H, Error>,
    request: impl FnOnce(*mut Registration<H>) -> Result,
) -> impl PinInit<Registration<H>, Error> {
    let init = move |slot: *mut Registration<H>| {
        if line.binding != device.binding() {
            return Err(ENODEV);
        }
        let place = device.place(slot)?;
        // SAFETY: the slot is valid; only the field's address is taken.
        let field: *mut H = unsafe { &raw mut (*slot).handler }.cast();
        // SAFETY: the field is valid for writes, pinned with the slot, and not used as an `H` after
        // an error.
        unsafe { handler.__pinned_init(field)? };
        // SAFETY: a device is there, so its address is not null.
        let device = unsafe { NonNull::new_unchecked(device.as_raw()) };
        // SAFETY: the slot is valid; only the field's address is taken.
        let of_device = unsafe { &raw mut (*slot).device };
        // SAFETY: the slot is valid for writes.
        unsafe { of_device.write(device) };
        // SAFETY: the slot is valid; only the field's address is taken.
        let of_number = unsafe { &raw mut (*slot).number };
        // SAFETY: the slot is valid for writes.
        unsafe { of_number.write(line.number) };
        // What the callbacks read is written: they may come from here on. The slot lies in the
        // driver's data and is dropped there, in the bus's `remove` or when `probe` fails, which
        // frees the interrupt before the data goes and while the device is bound.
        if let Err(error) = request(slot) {
            // SAFETY: it was initialised above, and nothing was registered that uses it.
            unsafe { core::ptr::drop_in_place(field) };
            return Err(error);
        }
        // SAFETY: the slot is valid; only the field's address is taken.
        let of_place = unsafe { &raw mut (*slot).place };
        // INVARIANT: it is registered; the rest was written above.
        // SAFETY: the slot is valid for writes.
        unsafe { of_place.write(place.take()) };
        Ok(())
    };
    // SAFETY: on `Ok` all fields are written that have a size; on `Err` nothing is left that would
    // have to be dropped.
    unsafe { pin_init_from_closure(init) }
}

/// What a callback works with, and the device.
///
/// # Safety
///
/// `dev_id` is the address of a `Registration<H>` of which all that callbacks read is written, and
/// which for `'a` stays.
#[inline(always)]
unsafe fn parts<'a, H: 'static>(dev_id: *mut c_void) -> (Pin<&'a H>, &'a Device<Bound>) {
    let registration: *mut Registration<H> = dev_id.cast();
    // SAFETY: the handler was initialised before the interrupt was asked for, and is there until it
    // is freed.
    let handler: &H = unsafe { &(*registration).handler };
    // SAFETY: it is pinned with the registration.
    let handler = unsafe { Pin::new_unchecked(handler) };
    // SAFETY: the field was written before the interrupt was asked for.
    let device = unsafe { (*registration).device };
    // SAFETY: the registration lies in the data of the driver that is bound to the device, or being
    // bound, and is dropped, which waits for the callback, before the device is unbound.
    (handler, unsafe { Device::from_raw(device.as_ptr()) })
}

/// Called by `__handle_irq_event_percpu`, until `free_irq` has returned.
unsafe extern "C" fn handle<H: Handler>(_irq: c_int, dev_id: *mut c_void) -> sys::irqreturn_t {
    // SAFETY: `dev_id` is what the interrupt was asked for with.
    let (handler, device) = unsafe { parts::<H>(dev_id) };
    handler.handle(device).raw()
}

/// Called by `__handle_irq_event_percpu`, until `free_irq` has returned.
unsafe extern "C" fn handle_hard<H: ThreadedHandler>(
    _irq: c_int,
    dev_id: *mut c_void,
) -> sys::irqreturn_t {
    // SAFETY: `dev_id` is what the interrupt was asked for with.
    let (handler, device) = unsafe { parts::<H>(dev_id) };
    handler.handle(device).raw()
}

/// Called by `irq_thread_fn`, until `free_irq` has returned.
unsafe extern "C" fn handle_threaded<H: ThreadedHandler>(
    _irq: c_int,
    dev_id: *mut c_void,
) -> sys::irqreturn_t {
    // SAFETY: `dev_id` is what the interrupt was asked for with.
    let (handler, device) = unsafe { parts::<H>(dev_id) };
    handler.handle_threaded(device).raw()
}
