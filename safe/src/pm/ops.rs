// SPDX-License-Identifier: GPL-2.0-only
//! `struct dev_pm_ops`.

use core::ffi::c_int;
use core::pin::Pin;
use core::sync::atomic::{AtomicUsize, Ordering};

use linux_driver_sys as sys;

use crate::bus::Bus;
use crate::device::{Bound, Core, Transition};
use crate::driver::{Head, Turn, data, head_and_data};
use crate::error::{Result, code::EBUSY};
use crate::macros::vtable;
use crate::task;

/// The power management of a driver: C's `struct dev_pm_ops`. What a driver does not write is NULL
/// in the table, and the bus or the core does what it does without.
///
/// The callbacks with `_late`, `_early` and `_noirq` in their names are not here: the core calls
/// them without the device's lock, so that nothing would keep the driver bound while they run.
///
/// C has macros that put one function in several places (`DEFINE_SIMPLE_DEV_PM_OPS`): suspend also
/// as `freeze` and `poweroff`, resume also as `thaw` and `restore`. Here that is written out.
///
/// ```
/// use linux_driver::driver::DeviceDriver;
/// use linux_driver::pci;
/// use linux_driver::pm;
/// use linux_driver::prelude::*;
///
/// struct Nic;
///
/// #[vtable]
/// impl pm::Operations for Nic {
///     type Bus = pci::Bus;
///
///     fn suspend(dev: &pci::Device<Core>, _this: Pin<&Self>) -> Result {
///         dev_info!(dev, "going to sleep");
///         Ok(())
///     }
/// }
///
/// #[vtable]
/// impl pci::Driver for Nic {
///     type IdInfo = ();
///     const NAME: &'static CStr = c"nic";
///     const ID_TABLE: pci::IdTable<()> = pci::id_table![pci::DeviceId::new(0x8086, 0x100e)];
///     const DRIVER: DeviceDriver<Self, pci::Bus> = DeviceDriver::new().pm();
///
///     fn probe(_dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
///         Ok::<_, Error>(Nic)
///     }
/// }
/// ```
///
/// Without `.pm()` it does not compile.
/// [`runtime`](super::runtime) has a driver with `runtime_suspend` and `runtime_resume`.
#[vtable]
#[doc(alias = "dev_pm_ops")]
pub trait Operations: Send + Sync + 'static {
    /// The bus of the driver's devices.
    type Bus: Bus;

    /// The system is about to go to sleep: no children may be added from here to
    /// [`complete`](Self::complete). Context: may sleep; under the device's lock.
    #[doc(alias = "dev_pm_ops.prepare")]
    fn prepare(dev: &<Self::Bus as Bus>::Device<Core>, this: Pin<&Self>) -> Result {
        let _ = (dev, this);
        Ok(())
    }

    /// The system is awake again. Context: may sleep; under the device's lock.
    #[doc(alias = "dev_pm_ops.complete")]
    fn complete(dev: &<Self::Bus as Bus>::Device<Core>, this: Pin<&Self>) {
        let _ = (dev, this);
    }

    /// The system goes to sleep, memory stays: quiesce the device. Context: may sleep; under the
    /// device's lock.
    #[doc(alias = "dev_pm_ops.suspend")]
    fn suspend(dev: &<Self::Bus as Bus>::Device<Core>, this: Pin<&Self>) -> Result {
        let _ = (dev, this);
        Ok(())
    }

    /// The system wakes up: undo [`suspend`](Self::suspend). Context: may sleep; under the device's
    /// lock.
    #[doc(alias = "dev_pm_ops.resume")]
    fn resume(dev: &<Self::Bus as Bus>::Device<Core>, this: Pin<&Self>) -> Result {
        let _ = (dev, this);
        Ok(())
    }

    /// Before an image of memory is made: quiesce the device, which keeps its power. Context: may
    /// sleep; under the device's lock.
    #[doc(alias = "dev_pm_ops.freeze")]
    fn freeze(dev: &<Self::Bus as Bus>::Device<Core>, this: Pin<&Self>) -> Result {
        let _ = (dev, this);
        Ok(())
    }

    /// After an image was made, or could not be: undo [`freeze`](Self::freeze). Context: may sleep;
    /// under the device's lock.
    #[doc(alias = "dev_pm_ops.thaw")]
    fn thaw(dev: &<Self::Bus as Bus>::Device<Core>, this: Pin<&Self>) -> Result {
        let _ = (dev, this);
        Ok(())
    }

    /// After the image was saved, the power goes. Context: may sleep; under the device's lock.
    #[doc(alias = "dev_pm_ops.poweroff")]
    fn poweroff(dev: &<Self::Bus as Bus>::Device<Core>, this: Pin<&Self>) -> Result {
        let _ = (dev, this);
        Ok(())
    }

    /// Memory is as it was when the image was made; the device is as the firmware or another kernel
    /// left it. Context: may sleep; under the device's lock.
    #[doc(alias = "dev_pm_ops.restore")]
    fn restore(dev: &<Self::Bus as Bus>::Device<Core>, this: Pin<&Self>) -> Result {
        let _ = (dev, this);
        Ok(())
    }

    /// Nobody uses the device: put it into a state that saves power. Its registers answer. An error
    /// other than `EAGAIN` and `EBUSY` switches the device's runtime power management off until it
    /// is set anew.
    ///
    /// [`resume_and_get`](super::runtime::resume_and_get) would wait for the end of this callback:
    /// it does not compile with this `dev`, and returns `EDEADLK` otherwise.
    ///
    /// Context: may sleep; no lock, but everybody who wants the device awake waits.
    #[doc(alias = "dev_pm_ops.runtime_suspend")]
    fn runtime_suspend(dev: &<Self::Bus as Bus>::Device<Transition>, this: Pin<&Self>) -> Result {
        let _ = (dev, this);
        Ok(())
    }

    /// Somebody uses the device: bring it back. As in [`runtime_suspend`](Self::runtime_suspend),
    /// its being awake is not waited for here.
    ///
    /// Context: may sleep; no lock, but everybody who wants the device awake waits.
    #[doc(alias = "dev_pm_ops.runtime_resume")]
    fn runtime_resume(dev: &<Self::Bus as Bus>::Device<Transition>, this: Pin<&Self>) -> Result {
        let _ = (dev, this);
        Ok(())
    }

    /// The device seems to be idle. `Ok` lets the core suspend it, an error does not. Context: may
    /// sleep; no lock.
    #[doc(alias = "dev_pm_ops.runtime_idle")]
    fn runtime_idle(dev: &<Self::Bus as Bus>::Device<Bound>, this: Pin<&Self>) -> Result {
        let _ = (dev, this);
        Ok(())
    }
}

macro_rules! callbacks {
    ($($name:ident;)*) => { $(
        /// Called by the core's power management with the device's lock held, for a device whose
        /// driver has this table.
        unsafe extern "C" fn $name<T: Operations>(dev: *mut sys::device) -> c_int {
            // SAFETY: `device_prepare`, `device_suspend` and `device_resume` hold the device's lock
            // around the callback.
            let _turn = unsafe { Turn::under_lock(dev) };
            // SAFETY: the driver core chose this table for the driver that is bound, or being
            // bound, to the device: where there is data it is `T`'s. It stays so under the device's
            // lock.
            let Some(this) = (unsafe { data::<T>(dev) }) else {
                return 0;
            };
            // SAFETY: the device is one of the driver's bus, and bound, under its lock, with the
            // turn.
            let dev = unsafe { T::Bus::from_raw::<Core>(dev) };
            match T::$name(dev, this) {
                Ok(()) => 0,
                Err(error) => error.to_errno(),
            }
        }
    )* };
    ($($name:ident $state:ident $unbound:expr;)*) => { $(
        /// Called by runtime power management, with no lock, for a device whose driver has this
        /// table.
        unsafe extern "C" fn $name<T: Operations>(dev: *mut sys::device) -> c_int {
            // SAFETY: the table is that of the driver that is bound, or being bound, to the device:
            // where there is data it is `T`'s. It stays: `unbind` waits for runtime callbacks
            // (`pm_runtime_barrier`) before it drops the data and before it frees the head.
            let Some((head, this)) = (unsafe { head_and_data::<T>(dev) }) else {
                return $unbound;
            };
            // SAFETY: the device is one of the driver's bus, and bound until `unbind` has waited
            // for this callback.
            let device = unsafe { T::Bus::from_raw::<$state>(dev) };
            let _during = $state::begin(head);
            match T::$name(device, this) {
                Ok(()) => 0,
                Err(error) => error.to_errno(),
            }
        }
    )* };
}

callbacks! {
    prepare;
    suspend;
    resume;
    freeze;
    thaw;
    poweroff;
    restore;
}

callbacks! {
    // A device that is being bound is in use.
    runtime_suspend Transition EBUSY.to_errno();
    runtime_resume Transition 0;
    runtime_idle Bound EBUSY.to_errno();
}

/// Notes, for as long as it is there, which task the end of a transition depends on.
struct During<'a>(&'a AtomicUsize);

impl Transition {
    /// A callback begins for whose end others wait.
    fn begin(head: &Head) -> During<'_> {
        let transition = &head.transition;
        transition.store(task::current(), Ordering::Relaxed);
        During(transition)
    }
}

impl Bound {
    /// Of what nobody waits for, nothing is noted.
    fn begin(_head: &Head) {}
}

impl Drop for During<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// Called by `device_complete` with the device's lock held.
unsafe extern "C" fn complete<T: Operations>(dev: *mut sys::device) {
    // SAFETY: `device_complete` holds the device's lock around the callback.
    let _turn = unsafe { Turn::under_lock(dev) };
    // SAFETY: the device is bound to the driver whose table this is, and its lock is held.
    if let Some(this) = unsafe { data::<T>(dev) } {
        // SAFETY: the device is one of the driver's bus, and bound, under its lock, with the turn.
        T::complete(unsafe { T::Bus::from_raw::<Core>(dev) }, this);
    }
}

/// The table, in read-only memory.
pub(crate) const fn ops<T: Operations>() -> *const sys::dev_pm_ops {
    struct Table<T>(T);
    impl<T: Operations> Table<T> {
        const OPS: &'static sys::dev_pm_ops = &{
            // SAFETY: `struct dev_pm_ops` is pointers to functions, for which zero is NULL.
            let mut ops: sys::dev_pm_ops = unsafe { core::mem::zeroed() };
            if T::HAS_PREPARE {
                ops.prepare = Some(prepare::<T>);
            }
            if T::HAS_SUSPEND {
                ops.suspend = Some(suspend::<T>);
            }
            if T::HAS_RESUME {
                ops.resume = Some(resume::<T>);
            }
            if T::HAS_FREEZE {
                ops.freeze = Some(freeze::<T>);
            }
            if T::HAS_THAW {
                ops.thaw = Some(thaw::<T>);
            }
            if T::HAS_POWEROFF {
                ops.poweroff = Some(poweroff::<T>);
            }
            if T::HAS_RESTORE {
                ops.restore = Some(restore::<T>);
            }
            if T::HAS_RUNTIME_SUSPEND {
                ops.runtime_suspend = Some(runtime_suspend::<T>);
            }
            if T::HAS_RUNTIME_RESUME {
                ops.runtime_resume = Some(runtime_resume::<T>);
            }
            if T::HAS_RUNTIME_IDLE {
                ops.runtime_idle = Some(runtime_idle::<T>);
            }
            if T::HAS_COMPLETE {
                ops.complete = Some(complete::<T>);
            }
            ops
        };
    }
    Table::<T>::OPS
}

/// Whether the driver takes part in runtime power management.
pub(crate) const fn has_runtime<T: Operations>() -> bool {
    T::HAS_RUNTIME_SUSPEND || T::HAS_RUNTIME_RESUME || T::HAS_RUNTIME_IDLE
}
