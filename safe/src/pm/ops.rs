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

/// The power management callbacks of a driver: C's `struct dev_pm_ops`. A callback that a driver
/// does not write is NULL in the table. Then the bus or the driver core applies its default.
///
/// The callbacks with `_late`, `_early` and `_noirq` in their names are not available. The core
/// calls them without the device's lock, so nothing would keep the driver bound while they run.
///
/// C has a macro that uses one function for several callbacks (`DEFINE_SIMPLE_DEV_PM_OPS`): suspend
/// also as `freeze` and `poweroff`, resume also as `thaw` and `restore`. Here a driver writes each
/// callback.
///
/// # Examples
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
/// Without `.pm()` this does not compile. [`runtime`](super::runtime) has a driver with
/// `runtime_suspend` and `runtime_resume`.
#[vtable]
#[doc(alias = "dev_pm_ops")]
pub trait Operations: Send + Sync + 'static {
    /// The bus of the driver's devices.
    type Bus: Bus;

    /// Prepares the device, because the system is about to sleep. The driver must not add children
    /// of the device from here to [`complete`](Self::complete).
    ///
    /// # Context
    ///
    /// May sleep. The device's lock is held.
    #[doc(alias = "dev_pm_ops.prepare")]
    fn prepare(dev: &<Self::Bus as Bus>::Device<Core>, this: Pin<&Self>) -> Result {
        let _ = (dev, this);
        Ok(())
    }

    /// Undoes [`prepare`](Self::prepare) after the system woke up.
    ///
    /// # Context
    ///
    /// May sleep. The device's lock is held.
    #[doc(alias = "dev_pm_ops.complete")]
    fn complete(dev: &<Self::Bus as Bus>::Device<Core>, this: Pin<&Self>) {
        let _ = (dev, this);
    }

    /// Stops the device, because the system goes to sleep. Memory keeps its contents.
    ///
    /// # Context
    ///
    /// May sleep. The device's lock is held.
    #[doc(alias = "dev_pm_ops.suspend")]
    fn suspend(dev: &<Self::Bus as Bus>::Device<Core>, this: Pin<&Self>) -> Result {
        let _ = (dev, this);
        Ok(())
    }

    /// Undoes [`suspend`](Self::suspend) when the system wakes up.
    ///
    /// # Context
    ///
    /// May sleep. The device's lock is held.
    #[doc(alias = "dev_pm_ops.resume")]
    fn resume(dev: &<Self::Bus as Bus>::Device<Core>, this: Pin<&Self>) -> Result {
        let _ = (dev, this);
        Ok(())
    }

    /// Stops the device before an image of memory is created for hibernation. The device keeps its
    /// power.
    ///
    /// # Context
    ///
    /// May sleep. The device's lock is held.
    #[doc(alias = "dev_pm_ops.freeze")]
    fn freeze(dev: &<Self::Bus as Bus>::Device<Core>, this: Pin<&Self>) -> Result {
        let _ = (dev, this);
        Ok(())
    }

    /// Undoes [`freeze`](Self::freeze) after an image was created, or could not be created.
    ///
    /// # Context
    ///
    /// May sleep. The device's lock is held.
    #[doc(alias = "dev_pm_ops.thaw")]
    fn thaw(dev: &<Self::Bus as Bus>::Device<Core>, this: Pin<&Self>) -> Result {
        let _ = (dev, this);
        Ok(())
    }

    /// Stops the device before the system is powered off, after the image was saved.
    ///
    /// # Context
    ///
    /// May sleep. The device's lock is held.
    #[doc(alias = "dev_pm_ops.poweroff")]
    fn poweroff(dev: &<Self::Bus as Bus>::Device<Core>, this: Pin<&Self>) -> Result {
        let _ = (dev, this);
        Ok(())
    }

    /// Sets the device up again after memory was restored from an image. The device is in the state
    /// in which the firmware or another kernel left it.
    ///
    /// # Context
    ///
    /// May sleep. The device's lock is held.
    #[doc(alias = "dev_pm_ops.restore")]
    fn restore(dev: &<Self::Bus as Bus>::Device<Core>, this: Pin<&Self>) -> Result {
        let _ = (dev, this);
        Ok(())
    }

    /// Puts the device, which is not in use, into a state that saves power. Its registers can still
    /// be accessed.
    ///
    /// [`resume_and_get`](super::runtime::resume_and_get) would wait for the end of this callback.
    /// It does not compile with this `dev`, and otherwise returns `EDEADLK`.
    ///
    /// # Context
    ///
    /// May sleep. No lock is held, but code that wakes the device waits for this callback.
    ///
    /// # Errors
    ///
    /// After an error other than `EAGAIN` and `EBUSY`, the core does not call the runtime callbacks
    /// of the device again until its status is set again.
    #[doc(alias = "dev_pm_ops.runtime_suspend")]
    fn runtime_suspend(dev: &<Self::Bus as Bus>::Device<Transition>, this: Pin<&Self>) -> Result {
        let _ = (dev, this);
        Ok(())
    }

    /// Brings the device back for use. As in [`runtime_suspend`](Self::runtime_suspend), the driver
    /// cannot wait here until the device is awake.
    ///
    /// # Context
    ///
    /// May sleep. No lock is held, but code that wakes the device waits for this callback.
    #[doc(alias = "dev_pm_ops.runtime_resume")]
    fn runtime_resume(dev: &<Self::Bus as Bus>::Device<Transition>, this: Pin<&Self>) -> Result {
        let _ = (dev, this);
        Ok(())
    }

    /// Decides whether the core may suspend the device, which seems to be idle. `Ok` means yes, an
    /// error means no.
    ///
    /// # Context
    ///
    /// May sleep. No lock is held.
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
            // SAFETY: `under_lock` requires the device's lock. `device_prepare`, `device_suspend`
            // and `device_resume` hold it around the callback.
            let _turn = unsafe { Turn::under_lock(dev) };
            // SAFETY: `data` requires that any data of the device is a `T`. The driver core chose
            // this table for the driver that is bound, or being bound, to the device. That does not
            // change under the device's lock.
            let Some(this) = (unsafe { data::<T>(dev) }) else {
                return 0;
            };
            // SAFETY: `Core` requires a device of the driver's bus that is bound, its lock, and the
            // turn. All last for this call.
            let dev = unsafe { T::Bus::from_raw::<Core>(dev) };
            match T::$name(dev, this) {
                Ok(()) => 0,
                Err(error) => error.to_errno(),
            }
        }
    )* };
    ($($name:ident $state:ident $unbound:expr;)*) => { $(
        /// Called by runtime power management without a lock, for a device whose driver has this
        /// table.
        unsafe extern "C" fn $name<T: Operations>(dev: *mut sys::device) -> c_int {
            // SAFETY: `head_and_data` requires that any data of the device is a `T`, and that head
            // and data stay. The table is that of the driver that is bound, or being bound, to the
            // device. `unbind` waits for runtime callbacks (`pm_runtime_barrier`) before it drops
            // the data and before it frees the head.
            let Some((head, this)) = (unsafe { head_and_data::<T>(dev) }) else {
                return $unbound;
            };
            // SAFETY: `from_raw` requires a device of the driver's bus in this state. It is bound
            // until `unbind` has waited for this callback.
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
    // The returned errno if there is no data yet: a device that is being bound is in use.
    runtime_suspend Transition EBUSY.to_errno();
    runtime_resume Transition 0;
    runtime_idle Bound EBUSY.to_errno();
}

/// Records, while it exists, the task that runs a transition of the device's power state.
struct During<'a>(&'a AtomicUsize);

impl Transition {
    /// Records that this task runs a callback, and that other tasks wait until it has returned.
    fn begin(head: &Head) -> During<'_> {
        let transition = &head.transition;
        transition.store(task::current(), Ordering::Relaxed);
        During(transition)
    }
}

impl Bound {
    /// Records nothing: no task waits for the end of such a callback.
    fn begin(_head: &Head) {}
}

impl Drop for During<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// Implements `dev_pm_ops.complete`. `device_complete` calls it with the device's lock held.
unsafe extern "C" fn complete<T: Operations>(dev: *mut sys::device) {
    // SAFETY: `under_lock` requires the device's lock. `device_complete` holds it around the
    // callback.
    let _turn = unsafe { Turn::under_lock(dev) };
    // SAFETY: `data` requires that any data of the device is a `T`. The device is bound to the
    // driver with this table, and its lock is held.
    if let Some(this) = unsafe { data::<T>(dev) } {
        // SAFETY: `Core` requires a device of the driver's bus that is bound, its lock, and the
        // turn. All last for this call.
        T::complete(unsafe { T::Bus::from_raw::<Core>(dev) }, this);
    }
}

/// Returns the table, which is in read-only memory.
pub(crate) const fn ops<T: Operations>() -> *const sys::dev_pm_ops {
    struct Table<T>(T);
    impl<T: Operations> Table<T> {
        const OPS: &'static sys::dev_pm_ops = &{
            // SAFETY: `struct dev_pm_ops` consists of pointers to functions, for which zero is
            // NULL.
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

/// Returns true if the driver has a callback of runtime power management.
pub(crate) const fn has_runtime<T: Operations>() -> bool {
    T::HAS_RUNTIME_SUSPEND || T::HAS_RUNTIME_RESUME || T::HAS_RUNTIME_IDLE
}
