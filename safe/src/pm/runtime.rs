// SPDX-License-Identifier: GPL-2.0-only
//! Runtime power management: a device sleeps while it is not in use.
//!
//! C header: `include/linux/pm_runtime.h`; `drivers/base/power/runtime.c`.
//!
//! A driver takes part if it writes one of the runtime callbacks of
//! [`Operations`](super::Operations). This crate does the rest:
//!
//! - When `probe` has succeeded, it gives up the use that the bus counted for `probe`.
//! - It takes a use again before `remove`, so that `remove` finds the device awake.
//! - No runtime callback runs before `probe` has finished, and none while the data is dropped.
//!
//! User space decides whether a PCI device may sleep at all: `power/control` in its folder in sysfs
//! (`auto` or `on`).
//!
//! # Examples
//!
//! ```no_run
//! use linux_driver::driver::DeviceDriver;
//! use linux_driver::pci::{self, Bar, DeviceId};
//! use linux_driver::pm::{self, runtime};
//! use linux_driver::prelude::*;
//!
//! struct Nic {
//!     bar: Bar<0x100>,
//! }
//!
//! #[vtable]
//! impl pci::Driver for Nic {
//!     type IdInfo = ();
//!     const NAME: &'static CStr = c"nic";
//!     const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x0001)];
//!     const DRIVER: DeviceDriver<Self, pci::Bus> = DeviceDriver::new().pm();
//!
//!     fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
//!         pin_init_scope(move || {
//!             dev.pcim_enable_device()?;
//! // The device sleeps a tenth of a second after its last use, not at once.
//!             runtime::use_autosuspend(dev, 100);
//!             let bar: Bar<0x100> = dev.iomap_region(0)?;
//! // The device is awake after `probe`. `runtime_resume` is called after it has slept.
//!             bar.access(dev)?.writel::<0x00>(1);
//!             Ok(Nic { bar })
//!         })
//!     }
//! }
//!
//! #[vtable]
//! impl pm::Operations for Nic {
//!     type Bus = pci::Bus;
//!
//!     fn runtime_suspend(dev: &pci::Device<Transition>, this: Pin<&Self>) -> Result {
//!         let registers = this.bar.access(dev)?;
//! // The device is still busy: keep it awake.
//!         if registers.readl::<0x04>() & 1 != 0 {
//!             return Err(EBUSY);
//!         }
//!         registers.writel::<0x00>(0);
//!         Ok(())
//!     }
//!
//! /// The bus has switched the device on. Its registers may be as after power-on.
//!     fn runtime_resume(dev: &pci::Device<Transition>, this: Pin<&Self>) -> Result {
//!         this.bar.access(dev)?.writel::<0x00>(1);
//!         Ok(())
//!     }
//! }
//!
//! impl Nic {
//! /// Wakes the device, which may sleep again some time after this.
//!     fn send(&self, dev: &pci::Device<Bound>, packet: u32) -> Result {
//!         let _awake = runtime::resume_and_get(dev)?.autosuspend();
//!         self.bar.access(dev)?.writel::<0x08>(packet);
//!         Ok(())
//!     }
//! }
//! ```

use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use linux_driver_sys as sys;

use crate::device::{Bound, Core, Device, Exclusive};
use crate::error::{Error, Result, code::EDEADLK};
use crate::{bus, miscdevice, pci, platform, task};

/// A use of a device: the device stays awake as long as this value exists.
#[must_use = "the device may sleep again as soon as this value is dropped"]
pub struct Awake<'a> {
    dev: &'a Device<Bound>,
    autosuspend: bool,
}

/// A device that can be woken: one that is bound and is not in the state
/// [`Transition`](crate::device::Transition).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be woken here",
    label = "waking this device would wait for the callback that runs",
    note = "the device of `runtime_suspend` and `runtime_resume` changes its power state: \
            waking it would wait for the end of the callback",
    note = "the device of any other callback can be woken while it is bound"
)]
pub trait Wake: AsRef<Device<Bound>> {
    /// True if a runtime callback of the same device could have this value. Then [`resume_and_get`]
    /// must check for that.
    #[doc(hidden)]
    const ASK: bool = true;
}

impl Wake for Device<Core> {}
impl Wake for Device<Exclusive> {}
impl Wake for Device<Bound> {}
impl Wake for pci::Device<Core> {}
impl Wake for pci::Device<Exclusive> {}
impl Wake for pci::Device<Bound> {}
impl Wake for platform::Device<Core> {}
impl Wake for platform::Device<Bound> {}
impl<B: bus::BusType> Wake for bus::Device<B, Core> {}
impl<B: bus::BusType> Wake for bus::Device<B, Bound> {}
impl Wake for miscdevice::Call<'_> {
    // An operation has its `Call` only while it runs. A runtime callback that runs on the same
    // thread meanwhile cannot reach it.
    const ASK: bool = false;
}
impl<T: Wake + ?Sized> Wake for &T
where
    Self: AsRef<Device<Bound>>,
{
    const ASK: bool = T::ASK;
}

/// Wakes the device and keeps it awake: C's `pm_runtime_resume_and_get`.
///
/// # Context
///
/// May sleep. Must not be called in the device's own `runtime_suspend` and `runtime_resume`,
/// because it waits until they have returned. With the device that these callbacks get it does not
/// compile.
///
/// # Errors
///
/// - `EACCES` if runtime power management is disabled for the device;
/// - [`EDEADLK`] on the thread that runs the device's `runtime_suspend` or `runtime_resume`;
/// - otherwise the error of the device's driver or bus.
#[doc(alias = "pm_runtime_resume_and_get")]
#[inline]
pub fn resume_and_get<D: Wake + ?Sized>(dev: &D) -> Result<Awake<'_>> {
    let ask = const { D::ASK };
    let dev = dev.as_ref();
    if ask && in_transition(dev) {
        return Err(EDEADLK);
    }
    wake(dev)
}

/// Returns true if this thread runs a callback, and waking the device would wait until that
/// callback has returned.
fn in_transition(dev: &Device<Bound>) -> bool {
    // Only this thread writes and clears its own task there.
    let task = dev.head().transition.load(Ordering::Relaxed);
    task != 0 && task == task::current()
}

fn wake(dev: &Device<Bound>) -> Result<Awake<'_>> {
    // SAFETY: `__pm_runtime_resume` requires a device that exists, which a bound device does, and a
    // task that may sleep, which the caller promises. It reports a task that may not.
    let woken = unsafe { sys::__pm_runtime_resume(dev.as_raw(), sys::RPM_GET_PUT as c_int) };
    if woken < 0 {
        // SAFETY: `not_woken` requires a counted use and a device that exists. With `RPM_GET_PUT`
        // C's function counts a use even if it fails.
        return Err(unsafe { not_woken(dev.as_raw(), woken) });
    }
    Ok(Awake {
        dev,
        autosuspend: false,
    })
}

/// Gives up the use of a device that could not be woken, and returns the error. This code is linked
/// only once into a module, even if several operations wake a device.
///
/// # Safety
///
/// Same as for [`put_noidle`].
#[cold]
#[inline(never)]
unsafe fn not_woken(dev: *mut sys::device, woken: c_int) -> Error {
    // SAFETY: the caller promises what `put_noidle` requires.
    unsafe { put_noidle(dev) };
    Error::from_errno(woken)
}

impl Awake<'_> {
    /// Makes the device wait before it sleeps when this value is dropped, as [`use_autosuspend`]
    /// has set: C's `pm_runtime_put_autosuspend`.
    #[doc(alias = "pm_runtime_put_autosuspend")]
    pub fn autosuspend(mut self) -> Self {
        self.autosuspend = true;
        self
    }
}

/// The flags for giving up a use without waiting for the device to sleep.
const PUT: c_int = (sys::RPM_GET_PUT | sys::RPM_ASYNC) as c_int;

impl Drop for Awake<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.autosuspend {
            put_autosuspend(self.dev);
        } else {
            // SAFETY: `__pm_runtime_idle` with `RPM_GET_PUT` requires a counted use, which
            // `resume_and_get` counted for this value. With `RPM_ASYNC` it may be called in any
            // context. The device is bound as long as this value borrows it.
            unsafe { sys::__pm_runtime_idle(self.dev.as_raw(), PUT) };
        }
    }
}

/// Gives up a use that [`resume_and_get`] counted: C's `pm_runtime_mark_last_busy` and
/// `pm_runtime_put_autosuspend`. This code is linked only once into a module, even if several
/// operations end with it.
#[inline(never)]
fn put_autosuspend(dev: &Device<Bound>) {
    // SAFETY: the device exists. Only the address of the field is taken.
    let last_busy = unsafe { &raw mut (*dev.as_raw()).power.last_busy };
    // SAFETY: the core reads and writes the field with `READ_ONCE` and `WRITE_ONCE`, without a
    // lock.
    let last_busy = unsafe { AtomicU64::from_ptr(last_busy) };
    // SAFETY: `ktime_get_mono_fast_ns` may be called in any context.
    last_busy.store(unsafe { sys::ktime_get_mono_fast_ns() }, Ordering::Relaxed);
    // SAFETY: same preconditions as for `__pm_runtime_idle` in `drop`, which calls this function.
    // The device is bound.
    unsafe { sys::__pm_runtime_suspend(dev.as_raw(), PUT | sys::RPM_AUTO as c_int) };
}

/// Makes the device sleep `delay_ms` milliseconds after its last use, instead of at once: C's
/// `pm_runtime_set_autosuspend_delay` and `pm_runtime_use_autosuspend`. For a driver that has
/// runtime callbacks, this is undone when the device is unbound.
///
/// # Context
///
/// May sleep.
#[doc(alias = "pm_runtime_set_autosuspend_delay")]
#[doc(alias = "pm_runtime_use_autosuspend")]
pub fn use_autosuspend(dev: &impl AsRef<Device<Core>>, delay_ms: u16) {
    let dev = dev.as_ref().as_raw();
    // SAFETY: both functions take `power.lock` themselves and may put the device to sleep. They
    // require a device that exists, and a context that may sleep, which a callback with `Core` is.
    unsafe { sys::pm_runtime_set_autosuspend_delay(dev, c_int::from(delay_ms)) };
    // SAFETY: as above.
    unsafe { sys::__pm_runtime_use_autosuspend(dev, true) };
}

/// Counts a use without waking the device: C's `pm_runtime_get_noresume`.
///
/// # Safety
///
/// The device must exist.
pub(super) unsafe fn get_noresume(dev: *mut sys::device) {
    // SAFETY: the caller promises that the device exists.
    unsafe { usage_count(dev) }.fetch_add(1, Ordering::Relaxed);
}

/// Gives up a use without checking whether the device is idle then: C's `pm_runtime_put_noidle`.
///
/// # Safety
///
/// The device must exist.
pub(super) unsafe fn put_noidle(dev: *mut sys::device) {
    let one_less = |count: c_int| (count != 0).then(|| count.wrapping_sub(1));
    // SAFETY: the caller promises that the device exists.
    let count = unsafe { usage_count(dev) };
    // If the count is 0 there is no use to give up, and the count stays 0.
    let _ = count.fetch_update(Ordering::SeqCst, Ordering::Relaxed, one_less);
}

/// Returns the count of the device's uses.
///
/// # Safety
///
/// The device must exist for `'a`.
unsafe fn usage_count<'a>(dev: *mut sys::device) -> &'a AtomicI32 {
    // SAFETY: the caller promises that the device exists. Only the address of the field is taken.
    let count = unsafe { &raw mut (*dev).power.usage_count };
    // SAFETY: an `atomic_t` is an `int` that C changes with atomic instructions only.
    unsafe { AtomicI32::from_ptr(count.cast()) }
}

/// Must be called after `probe`. Gives up the use that the bus counted for it.
///
/// # Safety
///
/// The device's lock must be held. The bus must count a use during `probe` and `remove`. The driver
/// must have a runtime callback.
pub(crate) unsafe fn start(dev: *mut sys::device) {
    // SAFETY: the device exists while its lock is held. The core itself looks for idle devices
    // after `probe`.
    unsafe { put_noidle(dev) };
}

/// Takes the use again before `remove`, and waits for runtime callbacks that run. If the device is
/// awake, no callback runs after this. A device that could not be woken can still be woken later,
/// and `unbind` handles that.
///
/// # Safety
///
/// Same as for [`start`], which must have been called.
pub(crate) unsafe fn stop(dev: *mut sys::device) {
    // SAFETY: the device exists while its lock is held.
    unsafe { get_noresume(dev) };
    // SAFETY: the function requires a device that exists.
    unsafe { sys::__pm_runtime_use_autosuspend(dev, false) };
    // SAFETY: `pm_runtime_barrier` requires a context that may sleep, which a bus's `remove` is.
    unsafe { sys::pm_runtime_barrier(dev) };
}
