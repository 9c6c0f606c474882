// SPDX-License-Identifier: GPL-2.0-only
//! A registered interrupt handler.
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

/// A registered interrupt handler, and its data. Making it calls C's `request_irq`. Dropping it
/// calls `free_irq`, which waits until the handler has returned.
///
/// A registration must be a field of the data of the device's driver, and stays there. Making it
/// anywhere else fails with [`EINVAL`].
///
/// # Invariants
///
/// An action is registered for `number`. Its `dev_id` is the address that `place` holds, where this
/// value was made, in the data of the driver that is bound to `device`. The handler is initialised
/// and pinned.
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

// SAFETY: it consists of a handler and of arguments for C functions that may be called on any
// thread.
unsafe impl<H: Send> Send for Registration<H> {}
// SAFETY: as above; a shared reference gives shared references to the handler.
unsafe impl<H: Sync> Sync for Registration<H> {}

impl<H: Handler> Registration<H> {
    /// Registers a handler for an interrupt: C's `request_irq`. Like that function, it sets
    /// `IRQF_COND_ONESHOT` in kernels that have this flag. `/proc/interrupts` shows `name`.
    ///
    /// The interrupt may arrive before this returns.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// * [`ENODEV`] if the line belongs to another binding.
    /// * `EBUSY` if the line has a handler already, and not both of them share it.
    /// * `EINVAL` if the registration is not in the data of the device's driver, or not aligned.
    /// * `EINVAL` if the flags do not go together, or if [`IRQF_ONESHOT`] is set, which needs a
    ///   thread.
    /// * `ENOMEM` if there is no memory.
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
            // SAFETY: `request_threaded_irq` requires
            // - a line that belongs to this device: `init` has checked its binding;
            // - a `dev_id` that no other action of the line has, and that stays valid until
            //   `free_irq`: it is the slot's address, as `init` promises;
            // - handlers that may be called with it immediately: `handle` takes a `dev_id` of this
            //   type, and `init` has written everything that it reads;
            // - a name that stays valid until `free_irq`: it is a static of the module;
            // - a context that may sleep: in another context the kernel reports it.
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
        // SAFETY: `request` returns `Ok` if the action is registered with `dev_id`, and an error
        // otherwise.
        unsafe { init(device.as_ref(), line, handler, request) }
    }
}

impl<H: ThreadedHandler> Registration<H> {
    /// Registers a handler with a thread: C's `request_threaded_irq`. As [`new`](Self::new), except
    /// that [`IRQF_ONESHOT`] is allowed.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new). `EINVAL` also if the driver has no hard handler, [`IRQF_ONESHOT`]
    /// is not set and the line is not an MSI.
    ///
    /// # Examples
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
    /// /// A counter under a mutex: the handler's thread may sleep.
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
    /// /// Registers the handler. `probe` uses it for a pinned field of the driver's data.
    /// fn register(
    ///     dev: &pci::Device<Core>,
    ///     line: irq::Line,
    /// ) -> impl PinInit<Registration<Events>, Error> {
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
            // SAFETY: as in `new`; the threaded handler, at least, is not NULL.
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
        // SAFETY: `request` returns `Ok` if the action is registered with `dev_id`, and an error
        // otherwise.
        unsafe { init(device.as_ref(), line, handler, request) }
    }
}

impl<H: Send + Sync + 'static> Registration<H> {
    /// Returns the handler and its data, pinned.
    pub fn handler(self: Pin<&Self>) -> Pin<&H> {
        // SAFETY: the handler is pinned with the registration: no method moves it out.
        unsafe { self.map_unchecked(|this| &*this.handler) }
    }

    /// Waits until no handler of the line runs, threaded handlers included: C's `synchronize_irq`.
    ///
    /// # Context
    ///
    /// May sleep. The caller must not hold a lock that the handler takes, and must not be the
    /// handler: both deadlock.
    #[doc(alias = "synchronize_irq")]
    pub fn synchronize(&self) {
        // SAFETY: `synchronize_irq` requires
        // - an existing line: by the invariant an action of this value is registered for it;
        // - a caller that may sleep and that no handler waits for: otherwise it hangs, or the
        //   kernel reports it.
        unsafe { sys::synchronize_irq(self.number) };
    }

    /// Disables the line, for all devices that share it, and waits until no handler runs: C's
    /// `disable_irq`.
    ///
    /// Dropping the returned value enables the line again. Calls nest: the line is enabled when the
    /// last such value is dropped. An interrupt that arrives meanwhile is pending until then. If
    /// the value is leaked, the line stays disabled for all devices that share it.
    ///
    /// # Context
    ///
    /// As for [`synchronize`](Self::synchronize).
    #[doc(alias = "disable_irq")]
    pub fn disable(&self) -> Disabled<'_> {
        // SAFETY: as in `synchronize`. `disable_irq` is counted: each call needs one `enable_irq`,
        // in any order.
        unsafe { sys::disable_irq(self.number) };
        // INVARIANT: disabled above, for this value.
        Disabled {
            number: self.number,
            _registration: core::marker::PhantomData,
        }
    }
}

/// A disabled interrupt line; see [`Registration::disable`].
///
/// # Invariants
///
/// The line was disabled once for this value. An action is registered for the line as long as this
/// value exists.
#[must_use = "the line is switched on again when this is dropped"]
#[doc(alias = "disable_irq")]
pub struct Disabled<'a> {
    number: c_uint,
    _registration: core::marker::PhantomData<&'a ()>,
}

impl Drop for Disabled<'_> {
    #[doc(alias = "enable_irq")]
    fn drop(&mut self) {
        // SAFETY: `enable_irq` requires
        // - one call for each call of `disable_irq`, or it warns about an "Unbalanced enable": by
        //   the invariant the line was disabled for this value;
        // - an existing line: this value borrows the registration.
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
    // Not inlined, so that it is in each module only once: `probe` drops the data at each step that
    // can fail, and `remove` drops it as well.
    #[inline(never)]
    fn drop(&mut self) {
        let made = self.place.of(self);
        // SAFETY: the registration was made at this address: the memory is still allocated, and the
        // number was written there.
        let number = unsafe { (*made).number };
        // SAFETY: `free_irq` requires
        // - the line and the `dev_id` that were given to `request_threaded_irq`: by the invariant
        //   the action is registered with the address at which this was made, and only this `drop`
        //   frees it;
        // - a context that may sleep: the data of a driver is dropped in one.
        unsafe { sys::free_irq(number, made.cast()) };
        // SAFETY: the memory in which the registration was made is still allocated, and no other
        // reference to the field exists.
        let handler = unsafe { &mut (*made).handler };
        // SAFETY: `ManuallyDrop::drop` requires that the value is not used again. `free_irq` has
        // waited until no handler runs, and this is the only drop, at the address at which the
        // handlers used it.
        unsafe { ManuallyDrop::drop(handler) };
    }
}

/// Returns an initialiser of a registration. It initialises the handler first and then calls
/// `request`.
///
/// # Safety
///
/// `request` registers the address that it is given as the `dev_id` of an action for `line`. It
/// returns an error if it did not register it.
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
        // SAFETY: the field is valid for writes, is pinned with the slot, and is not used as an `H`
        // after an error.
        unsafe { handler.__pinned_init(field)? };
        // SAFETY: the address of a device that exists is not null.
        let device = unsafe { NonNull::new_unchecked(device.as_raw()) };
        // SAFETY: the slot is valid; only the field's address is taken.
        let of_device = unsafe { &raw mut (*slot).device };
        // SAFETY: the slot is valid for writes.
        unsafe { of_device.write(device) };
        // SAFETY: the slot is valid; only the field's address is taken.
        let of_number = unsafe { &raw mut (*slot).number };
        // SAFETY: the slot is valid for writes.
        unsafe { of_number.write(line.number) };
        // Everything that the callbacks read is written: they may run from here on. The slot is in
        // the driver's data, as `place` has checked. That data is dropped in the bus's `remove`, or
        // when `probe` fails. Its drop frees the interrupt before the memory is freed, and while
        // the device is bound.
        if let Err(error) = request(slot) {
            // SAFETY: the handler was initialised above, and nothing is registered that uses it.
            unsafe { core::ptr::drop_in_place(field) };
            return Err(error);
        }
        // SAFETY: the slot is valid; only the field's address is taken.
        let of_place = unsafe { &raw mut (*slot).place };
        // INVARIANT: the action is registered; the other fields were written above.
        // SAFETY: the slot is valid for writes.
        unsafe { of_place.write(place.take()) };
        Ok(())
    };
    // SAFETY: on `Ok` all fields that have a size are written; on `Err` nothing is left that needs
    // to be dropped.
    unsafe { pin_init_from_closure(init) }
}

/// Returns the handler and the device of a `dev_id`.
///
/// # Safety
///
/// `dev_id` is the address of a `Registration<H>` in which everything that callbacks read is
/// written, and which stays for `'a`.
#[inline(always)]
unsafe fn parts<'a, H: 'static>(dev_id: *mut c_void) -> (Pin<&'a H>, &'a Device<Bound>) {
    let registration: *mut Registration<H> = dev_id.cast();
    // SAFETY: the handler was initialised before the interrupt was requested, and stays until the
    // interrupt is freed.
    let handler: &H = unsafe { &(*registration).handler };
    // SAFETY: the handler is pinned with the registration.
    let handler = unsafe { Pin::new_unchecked(handler) };
    // SAFETY: the field was written before the interrupt was requested.
    let device = unsafe { (*registration).device };
    // SAFETY: `from_raw` requires a device that is bound, or being bound, for `'a`. The
    // registration is in the data of the driver that is bound to it. It is dropped, and `free_irq`
    // waits for this callback, before the device is unbound.
    (handler, unsafe { Device::from_raw(device.as_ptr()) })
}

/// The hard handler of a [`Handler`]. `__handle_irq_event_percpu` calls it until `free_irq` has
/// returned.
unsafe extern "C" fn handle<H: Handler>(_irq: c_int, dev_id: *mut c_void) -> sys::irqreturn_t {
    // SAFETY: `dev_id` is the address with which the interrupt was requested, and `free_irq` waits
    // for this callback.
    let (handler, device) = unsafe { parts::<H>(dev_id) };
    handler.handle(device).raw()
}

/// The hard handler of a [`ThreadedHandler`]. `__handle_irq_event_percpu` calls it until `free_irq`
/// has returned.
unsafe extern "C" fn handle_hard<H: ThreadedHandler>(
    _irq: c_int,
    dev_id: *mut c_void,
) -> sys::irqreturn_t {
    // SAFETY: `dev_id` is the address with which the interrupt was requested, and `free_irq` waits
    // for this callback.
    let (handler, device) = unsafe { parts::<H>(dev_id) };
    handler.handle(device).raw()
}

/// The threaded handler of a [`ThreadedHandler`]. `irq_thread_fn` calls it until `free_irq` has
/// returned.
unsafe extern "C" fn handle_threaded<H: ThreadedHandler>(
    _irq: c_int,
    dev_id: *mut c_void,
) -> sys::irqreturn_t {
    // SAFETY: `dev_id` is the address with which the interrupt was requested, and `free_irq` waits
    // for this callback.
    let (handler, device) = unsafe { parts::<H>(dev_id) };
    handler.handle_threaded(device).raw()
}
