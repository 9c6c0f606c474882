// SPDX-License-Identifier: GPL-2.0-only
//! Runtime power management: a device sleeps while nobody uses it.
//!
//! C header: `include/linux/pm_runtime.h`; `drivers/base/power/runtime.c`.
//!
//! A driver takes part if it writes one of the runtime callbacks of
//! [`Operations`](super::Operations). The rest is done for it: the use that the bus counts during
//! `probe` is given up when `probe` has succeeded, and taken again before `remove`, which so finds
//! the device awake; no runtime callback comes before `probe` has finished, and none runs while the
//! data is dropped. Whether a PCI device sleeps at all is user space's to say: `power/control` in
//! its folder in sysfs (`auto`, or `on`).
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
//!             // It sleeps a tenth of a second after its last use, not at once.
//!             runtime::use_autosuspend(dev, 100);
//!             let bar: Bar<0x100> = dev.iomap_region(0)?;
//!             // It is awake after `probe`: `runtime_resume` comes when it has slept.
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
//!         // It is still at something: it stays awake.
//!         if registers.readl::<0x04>() & 1 != 0 {
//!             return Err(EBUSY);
//!         }
//!         registers.writel::<0x00>(0);
//!         Ok(())
//!     }
//!
//!     /// The bus has switched the device on; its registers may be as after power-on.
//!     fn runtime_resume(dev: &pci::Device<Transition>, this: Pin<&Self>) -> Result {
//!         this.bar.access(dev)?.writel::<0x00>(1);
//!         Ok(())
//!     }
//! }
//!
//! impl Nic {
//!     /// Wakes the device, which may sleep again a while after this.
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

/// A use of a device: it stays awake as long as this is there.
#[must_use = "the device may sleep again as soon as this goes"]
pub struct Awake<'a> {
    dev: &'a Device<Bound>,
    autosuspend: bool,
}

/// A device that can be woken, as a callback has it: any that is bound and not in
/// [`Transition`](crate::device::Transition).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be woken here",
    label = "its being awake is waited for",
    note = "the device of `runtime_suspend` and `runtime_resume` is on its way: to wake it would be to wait for the end of the callback",
    note = "the device of any other callback can be woken while it is bound"
)]
pub trait Wake: AsRef<Device<Bound>> {
    /// Whether this can be at hand in a runtime callback of the same device.
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
    // It is made by an operation, for which it is borrowed: a runtime callback that runs meanwhile,
    // on this thread, has no way to it.
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
/// May sleep. Not in the device's own `runtime_suspend` and `runtime_resume`, whose end it waits
/// for: with the device that they are given it does not compile.
///
/// # Errors
///
/// `EACCES` if runtime power management is off for the device; [`EDEADLK`] on the thread of its
/// `runtime_suspend` or `runtime_resume`; else the error of its driver or bus.
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

/// Whether this thread runs a callback that the device's being awake waits for.
fn in_transition(dev: &Device<Bound>) -> bool {
    // Only this thread writes its own task there, and takes it away.
    let task = dev.head().transition.load(Ordering::Relaxed);
    task != 0 && task == task::current()
}

fn wake(dev: &Device<Bound>) -> Result<Awake<'_>> {
    // SAFETY: `__pm_runtime_resume` demands a device that is there, which a bound one is, and a
    // task that may sleep, which the caller promises by the documented context; it reports one that
    // may not.
    let woken = unsafe { sys::__pm_runtime_resume(dev.as_raw(), sys::RPM_GET_PUT as c_int) };
    if woken < 0 {
        // SAFETY: with `RPM_GET_PUT` the function counts a use before it fails, which is the
        // caller's to give up; the device is there.
        return Err(unsafe { not_woken(dev.as_raw(), woken) });
    }
    Ok(Awake {
        dev,
        autosuspend: false,
    })
}

/// Gives up the use of a device that was not woken; the error that it is. Once for a module,
/// however many operations wake it.
///
/// # Safety
///
/// As for [`put_noidle`].
#[cold]
#[inline(never)]
unsafe fn not_woken(dev: *mut sys::device, woken: c_int) -> Error {
    // SAFETY: by the caller's promise.
    unsafe { put_noidle(dev) };
    Error::from_errno(woken)
}

impl Awake<'_> {
    /// When this goes, the device waits before it sleeps, as [`use_autosuspend`] has set: C's
    /// `pm_runtime_put_autosuspend`.
    #[doc(alias = "pm_runtime_put_autosuspend")]
    pub fn autosuspend(mut self) -> Self {
        self.autosuspend = true;
        self
    }
}

/// How a use is given up: who does it does not wait for what comes of it.
const PUT: c_int = (sys::RPM_GET_PUT | sys::RPM_ASYNC) as c_int;

impl Drop for Awake<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.autosuspend {
            put_autosuspend(self.dev);
        } else {
            // SAFETY: `__pm_runtime_idle` with `RPM_GET_PUT` demands a use to give up:
            // `resume_and_get` has counted this value's. With `RPM_ASYNC` it may be called in any
            // context. The device is bound as long as this borrows it.
            unsafe { sys::__pm_runtime_idle(self.dev.as_raw(), PUT) };
        }
    }
}

/// Gives up a use that [`resume_and_get`] has counted: C's `pm_runtime_mark_last_busy` and
/// `pm_runtime_put_autosuspend`. Once for a module, however many operations end with it.
#[inline(never)]
fn put_autosuspend(dev: &Device<Bound>) {
    // SAFETY: the device is there; only the field's address is taken.
    let last_busy = unsafe { &raw mut (*dev.as_raw()).power.last_busy };
    // SAFETY: the field is one that the core reads and writes with `READ_ONCE` and `WRITE_ONCE`,
    // with no lock.
    let last_busy = unsafe { AtomicU64::from_ptr(last_busy) };
    // SAFETY: it may be called in any context.
    last_busy.store(unsafe { sys::ktime_get_mono_fast_ns() }, Ordering::Relaxed);
    // SAFETY: as for `__pm_runtime_idle` in `drop`, which this stands for; the device is bound.
    unsafe { sys::__pm_runtime_suspend(dev.as_raw(), PUT | sys::RPM_AUTO as c_int) };
}

/// The device is to sleep `delay_ms` milliseconds after its last use, not at once: C's
/// `pm_runtime_set_autosuspend_delay` and `pm_runtime_use_autosuspend`. Undone when the device is
/// unbound, for a driver that has runtime callbacks.
///
/// Context: may sleep.
#[doc(alias = "pm_runtime_set_autosuspend_delay")]
#[doc(alias = "pm_runtime_use_autosuspend")]
pub fn use_autosuspend(dev: &impl AsRef<Device<Core>>, delay_ms: u16) {
    let dev = dev.as_ref().as_raw();
    // SAFETY: both take `power.lock` themselves, and may put the device to sleep: they demand a
    // device that is there, and a context that may sleep, which a callback with `Core` is.
    unsafe { sys::pm_runtime_set_autosuspend_delay(dev, c_int::from(delay_ms)) };
    // SAFETY: as above.
    unsafe { sys::__pm_runtime_use_autosuspend(dev, true) };
}

/// Counts a use, and does not wake the device for it: C's `pm_runtime_get_noresume`.
///
/// # Safety
///
/// The device is there.
pub(super) unsafe fn get_noresume(dev: *mut sys::device) {
    // SAFETY: by the caller's promise.
    unsafe { usage_count(dev) }.fetch_add(1, Ordering::Relaxed);
}

/// Gives up a use, and does not ask whether the device is idle now: C's `pm_runtime_put_noidle`.
///
/// # Safety
///
/// The device is there.
pub(super) unsafe fn put_noidle(dev: *mut sys::device) {
    let one_less = |count: c_int| (count != 0).then(|| count.wrapping_sub(1));
    // SAFETY: by the caller's promise.
    let count = unsafe { usage_count(dev) };
    // Where it is 0 nobody has a use, and it stays so.
    let _ = count.fetch_update(Ordering::SeqCst, Ordering::Relaxed, one_less);
}

/// # Safety
///
/// The device is there for `'a`.
unsafe fn usage_count<'a>(dev: *mut sys::device) -> &'a AtomicI32 {
    // SAFETY: the device is there; only the field's address is taken.
    let count = unsafe { &raw mut (*dev).power.usage_count };
    // SAFETY: an `atomic_t` is an `int` that C changes with atomic instructions alone.
    unsafe { AtomicI32::from_ptr(count.cast()) }
}

/// After `probe`: gives up the use that the bus has counted.
///
/// # Safety
///
/// The device's lock is held; the bus counts a use during `probe` and `remove`; the driver takes
/// part.
pub(crate) unsafe fn start(dev: *mut sys::device) {
    // SAFETY: the device is there. The core looks for idle devices after `probe` itself.
    unsafe { put_noidle(dev) };
}

/// Before `remove`: takes the use again, and waits for callbacks that run. None comes after this
/// where the device is awake; one that could not be woken can be woken later, for which `unbind` is
/// prepared.
///
/// # Safety
///
/// As for [`start`], which came before.
pub(crate) unsafe fn stop(dev: *mut sys::device) {
    // SAFETY: the device is there.
    unsafe { get_noresume(dev) };
    // SAFETY: the device is there.
    unsafe { sys::__pm_runtime_use_autosuspend(dev, false) };
    // SAFETY: `pm_runtime_barrier` demands a context that may sleep: this is a bus's `remove`.
    unsafe { sys::pm_runtime_barrier(dev) };
}
