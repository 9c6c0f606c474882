// SPDX-License-Identifier: GPL-2.0-only
//! What a bus is, and its callbacks: `struct bus_type`.
//!
//! C header: `include/linux/device/bus.h`; the callbacks are called by `drivers/base/dd.c` and
//! `drivers/base/core.c`.

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

/// A bus that is made in Rust. The value is the bus's state, which lies in its
/// [`Registration`](super::Registration): what is registered on the bus, and what else it has.
///
/// [The module's first page](super) has an example.
#[vtable]
#[doc(alias = "bus_type")]
pub trait BusType: Sized + Send + Sync + 'static {
    /// The bus's data of each device: what it is, where it is. It is made with the device, and
    /// dropped with the last reference to it.
    type DeviceData: Send + Sync + 'static;

    /// Which devices an entry of a driver's ID table is for.
    type DeviceId: Sync + 'static;

    /// The bus's name: the folder in `/sys/bus`. It does not compile if it is empty, longer than 55
    /// bytes or has a `/` in it.
    #[doc(alias = "bus_type.name")]
    const NAME: &'static CStr;

    /// Attributes of the bus: files in its folder in sysfs, there from the end of
    /// [`init`](Self::init) until the state is dropped.
    const ATTRIBUTES: &'static [Attr<Self>] = &[];

    /// The bus's state: called when the bus is registered. Drivers that are registered here can be
    /// probed before it returns.
    ///
    /// Context: may sleep.
    fn init(module: &'static ThisModule, bus: &Handle<Self>) -> impl PinInit<Self, Error>;

    /// Whether an entry is for the device: `bus_type.match`, which calls it for each entry of a
    /// driver. (`match` is a word of Rust's.)
    ///
    /// Context: may sleep; the device's lock may be held, or not: the device may be bound to
    /// another driver meanwhile.
    #[doc(alias = "bus_type.match")]
    fn match_id(dev: &Device<Self>, id: &Self::DeviceId) -> bool;

    /// Variables for the events that user space is sent about a device, `MODALIAS` above all:
    /// `bus_type.uevent`. An error means that it is sent none.
    ///
    /// Context: may sleep; the device's lock may be held, or not.
    #[doc(alias = "bus_type.uevent")]
    fn uevent(dev: &Device<Self>, env: &mut UeventEnv<'_>) -> Result {
        let _ = (dev, env);
        Ok(())
    }

    /// What the bus does before a driver's `probe`; an error means that the driver is not asked:
    /// `bus_type.probe`.
    ///
    /// Context: may sleep; under the device's lock.
    #[doc(alias = "bus_type.probe")]
    fn probe(dev: &Device<Self>) -> Result {
        let _ = dev;
        Ok(())
    }

    /// What the bus does after a driver's `remove`, and after a `probe` of a driver's that failed:
    /// `bus_type.remove`.
    ///
    /// Context: may sleep; under the device's lock.
    #[doc(alias = "bus_type.remove")]
    fn remove(dev: &Device<Self>) {
        let _ = dev;
    }
}

/// A callback as the field of `struct bus_type` has it, whose type moves between kernels.
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

/// The structure as it is before it is registered.
pub(super) const fn contents<B: BusType>() -> sys::bus_type {
    // SAFETY: `struct bus_type` is pointers and integers, for which zero is what a C static starts
    // with.
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

/// `bus_type.match`. Called by `driver_match_device` for a device and a driver of the bus.
unsafe extern "C" fn match_const<B: BusType>(
    dev: *mut sys::device,
    driver: *const sys::device_driver,
) -> c_int {
    // SAFETY: the drivers of the bus are registered by `Registration::on` alone, as `RawDriver<B>`,
    // which begins with its driver.
    let matches = unsafe { (*driver.cast::<RawDriver<B>>()).matches };
    // SAFETY: the devices of the bus are made by `NewDevice` alone; the core holds this one for the
    // call.
    let dev = unsafe { Device::<B, Normal>::from_raw(dev.cast()) };
    c_int::from(matches(dev))
}

/// As [`match_const`], where the driver is not const.
unsafe extern "C" fn match_mut<B: BusType>(
    dev: *mut sys::device,
    driver: *mut sys::device_driver,
) -> c_int {
    // SAFETY: by the caller's promise, which is the same.
    unsafe { match_const::<B>(dev, driver) }
}

/// `bus_type.uevent`. Called by `dev_uevent` for a device of the bus.
unsafe extern "C" fn uevent_const<B: BusType>(
    dev: *const sys::device,
    env: *mut sys::kobj_uevent_env,
) -> c_int {
    // SAFETY: the devices of the bus are made by `NewDevice` alone; the core holds this one for the
    // call.
    let dev = unsafe { Device::<B, Normal>::from_raw(dev.cast_mut().cast()) };
    // SAFETY: the core hands over an environment for the call.
    let mut env = unsafe { UeventEnv::new(env) };
    match B::uevent(dev, &mut env) {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}

/// As [`uevent_const`], where the device is not const.
unsafe extern "C" fn uevent_mut<B: BusType>(
    dev: *mut sys::device,
    env: *mut sys::kobj_uevent_env,
) -> c_int {
    // SAFETY: by the caller's promise, which is the same.
    unsafe { uevent_const::<B>(dev, env) }
}

/// The driver that is bound to a device of the bus, or being bound; NULL if there is none.
///
/// # Safety
///
/// The device is one of the bus `B`, and its lock is held.
unsafe fn driver_of<'a, B: BusType>(dev: *mut sys::device) -> Option<&'a RawDriver<B>> {
    // SAFETY: the device is there; the field changes under the device's lock.
    let driver = unsafe { (*dev).driver };
    // SAFETY: the drivers of the bus are registered by `Registration::on` alone, as `RawDriver<B>`,
    // which begins with its driver; one that is bound to a device stays registered until it was
    // unbound, for which the lock is needed.
    unsafe { driver.cast::<RawDriver<B>>().as_ref() }
}

/// `bus_type.probe`. Called by `call_driver_probe` with the device's lock held.
unsafe extern "C" fn probe<B: BusType>(dev: *mut sys::device) -> c_int {
    // SAFETY: the core calls it for a device of the bus, under its lock.
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
    // SAFETY: this is the bus's `probe`, with this driver.
    let returned = unsafe { (driver.probe)(dev) };
    if B::HAS_REMOVE && returned != 0 {
        B::remove(device);
    }
    returned
}

/// `bus_type.remove`. Called by `device_remove` with the device's lock held, once after a `probe`
/// that returned 0.
unsafe extern "C" fn remove<B: BusType>(dev: *mut sys::device) {
    // SAFETY: the core calls it for a device of the bus, under its lock.
    if let Some(driver) = unsafe { driver_of::<B>(dev) } {
        // SAFETY: this is the bus's `remove`, with the driver that is bound.
        unsafe { (driver.remove)(dev) };
    }
    if B::HAS_REMOVE {
        // SAFETY: as above.
        B::remove(unsafe { Device::<B, Normal>::from_raw(dev.cast()) });
    }
}

/// `bus_type.shutdown`. Called by `device_shutdown` with the device's lock held, whether a driver
/// is bound or not.
unsafe extern "C" fn shutdown<B: BusType>(dev: *mut sys::device) {
    // SAFETY: the core calls it for a device of the bus, under its lock.
    if let Some(shutdown) = unsafe { driver_of::<B>(dev) }.and_then(|driver| driver.shutdown) {
        // SAFETY: this is the bus's `shutdown`, with the driver that is bound.
        unsafe { shutdown(dev) };
    }
}
