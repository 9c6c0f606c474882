// SPDX-License-Identifier: GPL-2.0-only
//! Calls an error handler without the device's lock, as `drivers/pci/xen-pcifront.c` does. Also
//! calls functions in callbacks that would wait for a lock that the callback's caller holds.
#![no_std]

use linux_driver::driver::DeviceDriver;
use linux_driver::miscdevice::{self, Call};
use linux_driver::pci::{self, ChannelState, DeviceId, ErsResult};
use linux_driver::platform::{DeviceInfo, DeviceRegistration, Id};
use linux_driver::pm::{self, runtime};
use linux_driver::prelude::*;
use linux_driver::sync::Mutex;
use linux_driver::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use linux_driver::{device, new_mutex, pr_cont, sys, sysfs};

/// The number of running callbacks with exclusive access to the device.
static INSIDE: AtomicU32 = AtomicU32::new(0);
/// The device that was probed last, with a reference that is never released.
static DEVICE: AtomicPtr<sys::pci_dev> = AtomicPtr::new(core::ptr::null_mut());

/// The error handlers of its driver, as C finds them.
static HANDLERS: AtomicPtr<sys::pci_error_handlers> = AtomicPtr::new(core::ptr::null_mut());

/// Set while the error handler waits for someone else to try a reset of the device.
static AWAITS_RESET: AtomicBool = AtomicBool::new(false);

/// The data of the misc device: a platform device, which the first opened file drops.
#[pin_data]
struct Front {
    #[pin]
    child: Mutex<Option<DeviceRegistration>>,
}

#[vtable]
impl miscdevice::Operations for Front {
    type File = ();

    fn open(this: Pin<&Self>, call: &Call<'_>) -> impl PinInit<(), Error> {
        let made = DeviceRegistration::new(&DeviceInfo::new(c"callback_locks_made").id(Id::Auto));
        match made.err() {
            Some(error) => dev_info!(call.dev(), "in open: a device is made: {}", error),
            None => dev_err!(call.dev(), "in open: a device is made"),
        }
        this.child.lock().take();
        Ok(())
    }
}

#[pin_data]
struct Locks {
    #[pin]
    front: miscdevice::Registration<Front>,
    _says: Says,
}

struct Says;

impl Drop for Says {
    fn drop(&mut self) {
        pr_info!("dropped");
    }
}

#[vtable]
impl pci::Driver for Locks {
    type IdInfo = ();
    const NAME: &'static CStr = c"callback_locks";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x11e8)];
    const DRIVER: DeviceDriver<Self, pci::Bus> = DeviceDriver::new().pm();
    const ERR_HANDLER: pci::ErrHandler<Self> = pci::ErrHandler::of();
    const GROUPS: sysfs::DriverGroups = sysfs::driver_groups![ErrorAttribute];
    const DEV_GROUPS: sysfs::DeviceGroups<Self, pci::Bus> = sysfs::device_groups![TryReset];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            dev.pcim_enable_device()?;
            // SAFETY: `pci_dev_get` needs a valid device. `dev` is being bound, so it is valid.
            DEVICE.store(unsafe { sys::pci_dev_get(dev.as_raw()) }, Ordering::Relaxed);
            let raw: &device::Device<Bound> = dev.as_ref();
            // SAFETY: reading `driver` needs a valid device whose lock is held. The device is being
            // bound, so it is valid, and the core holds its lock.
            let driver = unsafe { (*raw.as_raw()).driver };
            // SAFETY: the offset must stay within one structure. The device is being bound to this
            // driver, so its `struct device_driver` is embedded in a `struct pci_driver`.
            let driver = unsafe { driver.byte_sub(core::mem::offset_of!(sys::pci_driver, driver)) };
            // SAFETY: as above, this points to the `struct pci_driver`, which is valid while
            // registered.
            let handlers = unsafe { (*driver.cast::<sys::pci_driver>()).err_handler };
            HANDLERS.store(handlers.cast_mut(), Ordering::Relaxed);
            // A line that later calls continue, as in C.
            pr_info!("a line of [", ..);
            for number in 1..=3u32 {
                pr_cont!("{number}");
                if number < 3 {
                    pr_cont!(", ");
                }
            }
            pr_cont!("] pieces\n");
            let child =
                DeviceRegistration::new(&DeviceInfo::new(c"callback_locks_child").id(Id::Auto))?;
            let bound: &device::Device<Bound> = dev.as_ref();
            let front = try_pin_init!(Front { child <- new_mutex!(Some(child)) });
            Ok(try_pin_init!(Self {
                front <- miscdevice::Registration::new(bound, c"callback_locks", front),
                _says: Says,
            }))
        })
    }

    fn remove(dev: &pci::Device<Core>, _this: Pin<&Self>) {
        dev_info!(dev, "remove: {} inside", INSIDE.load(Ordering::Relaxed));
        let _ = dev.reset_function();
    }
}

#[vtable]
impl pci::ErrorHandlers for Locks {
    fn error_detected(
        dev: &pci::Device<Exclusive>,
        _this: Pin<&Self>,
        _state: ChannelState,
    ) -> ErsResult {
        INSIDE.fetch_add(1, Ordering::Relaxed);
        dev_info!(dev, "error_detected begins");
        for _ in 0..1000 {
            if !AWAITS_RESET.load(Ordering::Relaxed) {
                break;
            }
            // SAFETY: `msleep` needs a context that may sleep. Error handlers may sleep.
            unsafe { sys::msleep(10) };
        }
        // SAFETY: as above.
        unsafe { sys::msleep(1500) };
        dev_info!(dev, "error_detected ends");
        INSIDE.fetch_sub(1, Ordering::Relaxed);
        ErsResult::CanRecover
    }

    fn reset_prepare(dev: &pci::Device<Exclusive>, _this: Pin<&Self>) {
        dev_info!(
            dev,
            "reset_prepare: {} inside",
            INSIDE.fetch_add(1, Ordering::Relaxed) + 1
        );
    }

    fn reset_done(dev: &pci::Device<Exclusive>, _this: Pin<&Self>) {
        dev_info!(
            dev,
            "reset_done: {} inside",
            INSIDE.fetch_sub(1, Ordering::Relaxed)
        );
    }
}

/// Returns the error of `resume_and_get` for a device that is being suspended or resumed.
fn wake(dev: &device::Device<Bound>) -> Error {
    match runtime::resume_and_get(dev) {
        Ok(_) => EIO,
        Err(error) => error,
    }
}

#[vtable]
impl pm::Operations for Locks {
    type Bus = pci::Bus;

    fn runtime_suspend(dev: &pci::Device<Transition>, _this: Pin<&Self>) -> Result {
        dev_info!(dev, "runtime_suspend: wake up: {}", wake(dev.as_ref()));
        Ok(())
    }

    fn runtime_resume(dev: &pci::Device<Transition>, _this: Pin<&Self>) -> Result {
        dev_info!(dev, "runtime_resume: wake up: {}", wake(dev.as_ref()));
        Ok(())
    }
}

/// `try_reset`: tries to reset the device. The reset fails if the device's lock is taken.
struct TryReset;

#[vtable]
impl sysfs::DeviceAttribute for TryReset {
    type Data = Locks;
    type Bus = pci::Bus;
    const NAME: &'static CStr = c"try_reset";

    fn store(dev: &pci::Device<Bound>, _this: Pin<&Locks>, _text: &[u8]) -> Result {
        match dev.try_reset_function() {
            Ok(()) => dev_info!(dev, "a reset is tried: done"),
            Err(error) => dev_info!(dev, "a reset is tried: {}", error),
        }
        AWAITS_RESET.store(false, Ordering::Relaxed);
        Ok(())
    }
}

struct ErrorAttribute;

/// Calls the driver's handlers as `pcifront_common_process` does in C.
#[vtable]
impl sysfs::DriverAttribute for ErrorAttribute {
    const NAME: &'static CStr = c"error";

    fn store(text: &[u8]) -> Result {
        AWAITS_RESET.store(text == b"wait", Ordering::Relaxed);
        let pdev = DEVICE.load(Ordering::Relaxed);
        // SAFETY: the pointer is NULL or a table of this driver's handlers. The table is valid
        // while the driver is registered, which it is while its attribute is written.
        let handlers = unsafe { HANDLERS.load(Ordering::Relaxed).as_ref() }.ok_or(EIO)?;
        // Kernel 6.1 checks for this handler only, and then calls any of them.
        let (error_detected, resume) = (
            handlers.error_detected.ok_or(EIO)?,
            handlers.resume.ok_or(EIO)?,
        );
        // SAFETY: the handler needs a device to which the caller has a reference. `probe` took this
        // reference.
        let answer = unsafe { error_detected(pdev, sys::LINUX_DRIVER_PCI_CHANNEL_IO_NORMAL) };
        // SAFETY: as above.
        unsafe { resume(pdev) };
        if answer == sys::LINUX_DRIVER_PCI_ERS_RESULT_NONE {
            pr_info!("too late: none");
        }
        Ok(())
    }
}

linux_driver::module_pci_driver! {
    type: Locks,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Callbacks without the device's lock, and calls that wait for what the caller holds",
}
