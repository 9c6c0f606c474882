// SPDX-License-Identifier: GPL-2.0-only
//! The contents of a bus, and its callbacks: `struct bus_type`.
//!
//! C header: `include/linux/device/bus.h`. `drivers/base/dd.c` and `drivers/base/core.c` call the
//! callbacks.

use core::ffi::{CStr, c_int};

use linux_driver_sys as sys;
use pinned_init::PinInit;

use super::driver::RawDriver;
use super::{Attr, Device, Handle, UeventEnv};
use crate::device::Normal;
use crate::driver;
use crate::error::{Error, Result};
use crate::macros::vtable;
use crate::module::ThisModule;

/// A bus that is made in Rust. The value is the bus's state, which is part of the bus's
/// [`Registration`](super::Registration). It contains the registrations on the bus, and other data
/// of the bus.
///
/// [The module's documentation](super) has an example.
#[vtable]
#[doc(alias = "bus_type")]
pub trait BusType: Sized + Send + Sync + 'static {
    /// The bus's data for each device. It is made with the device, and dropped with the last
    /// reference to the device.
    type DeviceData: Send + Sync + 'static;

    /// The type of an entry in a driver's ID table, which says for which devices the driver is.
    type DeviceId: Sync + 'static;

    /// The bus's name, and the name of its directory in `/sys/bus`. A name that is empty, is longer
    /// than 55 bytes or contains a `/` is a compile error.
    #[doc(alias = "bus_type.name")]
    const NAME: &'static CStr;

    /// Attributes of the bus: files in its sysfs directory. They exist from the end of
    /// [`init`](Self::init) until the state is dropped.
    const ATTRIBUTES: &'static [Attr<Self>] = &[];

    /// Makes the bus's state, after the bus was registered. Drivers that `init` registers may be
    /// probed before it returns.
    ///
    /// # Context
    ///
    /// May sleep.
    fn init(module: &'static ThisModule, bus: &Handle<Self>) -> impl PinInit<Self, Error>;

    /// Returns whether an entry of a driver's ID table is for the device: `bus_type.match`, which
    /// calls it for each entry. (`match` is a keyword in Rust.)
    ///
    /// # Context
    ///
    /// May sleep. The device's lock may be held or not, so the device may be bound to another
    /// driver meanwhile.
    #[doc(alias = "bus_type.match")]
    fn match_id(dev: &Device<Self>, id: &Self::DeviceId) -> bool;

    /// Adds variables to an event about a device, which the kernel sends to user space. The most
    /// important one is `MODALIAS`.
    ///
    /// # Context
    ///
    /// May sleep. The device's lock may be held or not.
    ///
    /// # Errors
    ///
    /// With any error the kernel sends no event.
    ///
    /// C: `bus_type.uevent`.
    #[doc(alias = "bus_type.uevent")]
    fn uevent(dev: &Device<Self>, env: &mut UeventEnv<'_>) -> Result {
        let _ = (dev, env);
        Ok(())
    }

    /// Prepares the device before a driver's `probe`.
    ///
    /// # Context
    ///
    /// May sleep. The device's lock is held.
    ///
    /// # Errors
    ///
    /// With any error the driver's `probe` is not called.
    ///
    /// C: `bus_type.probe`.
    #[doc(alias = "bus_type.probe")]
    fn probe(dev: &Device<Self>) -> Result {
        let _ = dev;
        Ok(())
    }

    /// Cleans up after a driver's `remove`, and after a driver's `probe` that failed.
    ///
    /// # Context
    ///
    /// May sleep. The device's lock is held.
    ///
    /// C: `bus_type.remove`.
    #[doc(alias = "bus_type.remove")]
    fn remove(dev: &Device<Self>) {
        let _ = dev;
    }
}

/// A callback in the type of the field of `struct bus_type`, which differs between kernels.
trait Field<B> {
    const CONTENTS: Self;
}

impl<B: BusType> Field<B>
    for Option<unsafe extern "C" fn(*mut sys::device, *const sys::device_driver) -> c_int>
{
    const CONTENTS: Self = Some(match_const::<B>);
}

impl<B: BusType> Field<B>
    for Option<unsafe extern "C" fn(*mut sys::device, *mut sys::device_driver) -> c_int>
{
    const CONTENTS: Self = Some(match_mut::<B>);
}

impl<B: BusType> Field<B>
    for Option<unsafe extern "C" fn(*const sys::device, *mut sys::kobj_uevent_env) -> c_int>
{
    const CONTENTS: Self = Some(uevent_const::<B>);
}

impl<B: BusType> Field<B>
    for Option<unsafe extern "C" fn(*mut sys::device, *mut sys::kobj_uevent_env) -> c_int>
{
    const CONTENTS: Self = Some(uevent_mut::<B>);
}

const fn field<B, F: Field<B>>() -> F {
    F::CONTENTS
}

/// Returns the contents of the structure before it is registered.
pub(super) const fn contents<B: BusType>() -> sys::bus_type {
    // SAFETY: all members of `struct bus_type` are pointers and integers, for which zero is a valid
    // value.
    let mut raw: sys::bus_type = unsafe { core::mem::zeroed() };
    raw.name = driver::name(B::NAME);
    raw.match_ = field::<B, _>();
    if B::HAS_UEVENT {
        raw.uevent = field::<B, _>();
    }
    raw.probe = Some(probe::<B>);
    raw.remove = Some(remove::<B>);
    raw.shutdown = Some(shutdown::<B>);
    raw
}

/// The `match` of `struct bus_type`. `driver_match_device` calls it for a device and a driver of
/// the bus.
unsafe extern "C" fn match_const<B: BusType>(
    dev: *mut sys::device,
    driver: *const sys::device_driver,
) -> c_int {
    // SAFETY: the driver starts a `RawDriver<B>`, because only `Registration::on` registers drivers
    // of this bus.
    let matches = unsafe { (*driver.cast::<RawDriver<B>>()).matches };
    // SAFETY: `from_raw` requires a device of this bus that exists during the call: only
    // `NewDevice` makes devices of the bus, and the core holds a reference to this one.
    let dev = unsafe { Device::<B, Normal>::from_raw(dev.cast()) };
    c_int::from(matches(dev))
}

/// As [`match_const`], for kernels in which `driver` is not const.
unsafe extern "C" fn match_mut<B: BusType>(
    dev: *mut sys::device,
    driver: *mut sys::device_driver,
) -> c_int {
    // SAFETY: `match_const` requires what the kernel guarantees for this call.
    unsafe { match_const::<B>(dev, driver) }
}

/// The `uevent` of `struct bus_type`. `dev_uevent` calls it for a device of the bus.
unsafe extern "C" fn uevent_const<B: BusType>(
    dev: *const sys::device,
    env: *mut sys::kobj_uevent_env,
) -> c_int {
    // SAFETY: `from_raw` requires a device of this bus that exists during the call: only
    // `NewDevice` makes devices of the bus, and the core holds a reference to this one.
    let dev = unsafe { Device::<B, Normal>::from_raw(dev.cast_mut().cast()) };
    // SAFETY: the core passes an environment that no other code uses during the call.
    let mut env = unsafe { UeventEnv::new(env) };
    match B::uevent(dev, &mut env) {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}

/// As [`uevent_const`], for kernels in which `dev` is not const.
unsafe extern "C" fn uevent_mut<B: BusType>(
    dev: *mut sys::device,
    env: *mut sys::kobj_uevent_env,
) -> c_int {
    // SAFETY: `uevent_const` requires what the kernel guarantees for this call.
    unsafe { uevent_const::<B>(dev, env) }
}

/// Returns the driver that is bound to a device of the bus, or being bound; `None` if there is no
/// driver.
///
/// # Safety
///
/// The device is on the bus `B`, and its lock is held.
unsafe fn driver_of<'a, B: BusType>(dev: *mut sys::device) -> Option<&'a RawDriver<B>> {
    // SAFETY: the device exists, and the field changes only under the device's lock, which is held.
    let driver = unsafe { (*dev).driver };
    // SAFETY: the driver starts a `RawDriver<B>`, because only `Registration::on` registers drivers
    // of this bus. A driver that is bound stays registered until it is unbound, and unbinding needs
    // the lock.
    unsafe { driver.cast::<RawDriver<B>>().as_ref() }
}

/// The `probe` of `struct bus_type`. `call_driver_probe` calls it with the device's lock held.
unsafe extern "C" fn probe<B: BusType>(dev: *mut sys::device) -> c_int {
    // SAFETY: the core calls this for a device of the bus, with its lock held.
    let Some(driver) = (unsafe { driver_of::<B>(dev) }) else {
        return crate::error::code::ENODEV.to_errno();
    };
    // SAFETY: as above.
    let device = unsafe { Device::<B, Normal>::from_raw(dev.cast()) };
    if B::HAS_PROBE
        && let Err(error) = B::probe(device)
    {
        return error.to_errno();
    }
    // SAFETY: the driver's `probe` requires a call from the bus's `probe` for a device that is
    // being bound to this driver, with its lock held: this is that call.
    let returned = unsafe { (driver.probe)(dev) };
    if B::HAS_REMOVE && returned != 0 {
        B::remove(device);
    }
    returned
}

/// The `remove` of `struct bus_type`. `device_remove` calls it with the device's lock held, once
/// after a `probe` that returned 0.
unsafe extern "C" fn remove<B: BusType>(dev: *mut sys::device) {
    // SAFETY: the core calls this for a device of the bus, with its lock held.
    if let Some(driver) = unsafe { driver_of::<B>(dev) } {
        // SAFETY: the driver's `remove` requires a call from the bus's `remove` for a device that
        // is bound to this driver, with its lock held: this is that call.
        unsafe { (driver.remove)(dev) };
    }
    if B::HAS_REMOVE {
        // SAFETY: as above.
        B::remove(unsafe { Device::<B, Normal>::from_raw(dev.cast()) });
    }
}

/// The `shutdown` of `struct bus_type`. `device_shutdown` calls it with the device's lock held,
/// even if no driver is bound.
unsafe extern "C" fn shutdown<B: BusType>(dev: *mut sys::device) {
    // SAFETY: the core calls this for a device of the bus, with its lock held.
    if let Some(shutdown) = unsafe { driver_of::<B>(dev) }.and_then(|driver| driver.shutdown) {
        // SAFETY: the driver's `shutdown` requires a call from the bus's `shutdown` for a device
        // that is bound to this driver, with its lock held: this is that call.
        unsafe { shutdown(dev) };
    }
}
