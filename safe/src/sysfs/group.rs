// SPDX-License-Identifier: GPL-2.0-only
//! `struct attribute_group`, and lists of them.
//!
//! C header: `include/linux/sysfs.h`; `fs/sysfs/group.c`.

use core::ffi::{CStr, c_char};
use core::marker::PhantomData;
use core::mem::offset_of;

use linux_driver_sys as sys;

use super::attribute::{OfDevice, OfDriver};
use super::{DeviceAttribute, DriverAttribute};
use crate::error::{Result, code::EEXIST};
use crate::print::Printable;
use crate::types::Invariant;

/// An attribute in the list of a group, or the NULL that ends it. `O` says whose it is.
#[doc(hidden)]
#[repr(transparent)]
pub struct Attr<O>(*mut sys::attribute, Invariant<O>);

impl<O> Attr<O> {
    /// The end of a list.
    pub const END: Self = Self(core::ptr::null_mut(), PhantomData);
}

/// A device's attribute, for a list.
#[doc(hidden)]
pub const fn of_device<A: DeviceAttribute>() -> Attr<(A::Data, A::Bus)> {
    Attr(
        (&raw const OfDevice::<A>::ATTRIBUTE.attr).cast_mut(),
        PhantomData,
    )
}

/// A driver's attribute, for a list.
#[doc(hidden)]
pub const fn of_driver<A: DriverAttribute>() -> Attr<()> {
    Attr(
        (&raw const OfDriver::<A>::ATTRIBUTE.attr).cast_mut(),
        PhantomData,
    )
}

/// A group of attributes.
#[doc(hidden)]
pub struct Group<O>(sys::attribute_group, Invariant<O>);

/// Where the list of a group is: `attrs` is the pointer before `bin_attrs`; some kernels have it in
/// a union with one to const.
const ATTRS: usize = offset_of!(sys::attribute_group, bin_attrs) - size_of::<*mut ()>();

/// A group of the attributes of a list, which [`Attr::END`] ends; in a folder of that name, where
/// there is one.
#[doc(hidden)]
pub const fn group<O>(name: Option<&'static CStr>, attrs: &'static [Attr<O>]) -> Group<O> {
    assert!(!attrs.is_empty() && attrs[attrs.len() - 1].0.is_null());
    // SAFETY: `struct attribute_group` is pointers, for which zero is NULL.
    let mut raw: sys::attribute_group = unsafe { core::mem::zeroed() };
    match name {
        Some(name) if !name.is_empty() => raw.name = name.as_ptr(),
        _ => {}
    }
    // SAFETY: the offset is one in the structure.
    let place = unsafe { (&raw mut raw).cast::<u8>().add(ATTRS) };
    // SAFETY: this is the place of `attrs`; a list of `Attr` is one of pointers.
    unsafe { place.cast::<*const Attr<O>>().write(attrs.as_ptr()) };
    Group(raw, PhantomData)
}

/// A list of groups, or the NULL that ends it.
#[doc(hidden)]
#[repr(transparent)]
pub struct Listed<O>(*const sys::attribute_group, Invariant<O>);

impl<O> Listed<O> {
    /// The end of a list.
    pub const END: Self = Self(core::ptr::null(), PhantomData);

    /// A group, for a list.
    pub const fn new(group: &'static Group<O>) -> Self {
        Self(&raw const group.0, PhantomData)
    }
}

/// Lists of groups of attributes, or none: what [`DeviceGroups`] and [`DriverGroups`] are.
pub struct Groups<O>(*const Listed<O>);

/// The attributes of a driver's devices: C's `dev_groups`. Made by
/// [`device_groups!`](super::device_groups).
#[doc(alias = "dev_groups")]
pub type DeviceGroups<T, B> = Groups<(T, B)>;

/// The attributes of a driver: C's `groups`. Made by [`driver_groups!`](super::driver_groups).
#[doc(alias = "groups")]
pub type DriverGroups = Groups<()>;

impl<O> Groups<O> {
    /// NULL: no attributes.
    pub const NONE: Self = Self(core::ptr::null());

    /// The groups of a list, which [`Listed::END`] ends.
    #[doc(hidden)]
    pub const fn new(list: &'static [Listed<O>]) -> Self {
        assert!(!list.is_empty() && list[list.len() - 1].0.is_null());
        Self(list.as_ptr())
    }

    /// As C has it.
    pub(crate) const fn raw(&self) -> *const *const sys::attribute_group {
        self.0.cast()
    }
}

impl<T, B> Groups<(T, B)> {
    /// Refuses attributes whose names stand in the device's folder already: [`EEXIST`]. Where sysfs
    /// fails to make a file of a group without a folder it removes all files that the group names
    /// (`remove_files` in `fs/sysfs/group.c`), the other one of that name among them.
    ///
    /// # Safety
    ///
    /// The device is registered, and being bound to the driver whose groups these are.
    #[inline(always)]
    pub(crate) unsafe fn check(&self, dev: *mut sys::device) -> Result {
        if self.0.is_null() {
            return Ok(());
        }
        // SAFETY: by the caller's promise; a list of groups ends with NULL.
        unsafe { check(self.raw(), dev) }
    }
}

/// # Safety
///
/// As for [`Groups::check`]; `groups` is a list that NULL ends.
unsafe fn check(mut groups: *const *const sys::attribute_group, dev: *mut sys::device) -> Result {
    loop {
        // SAFETY: the list has not ended yet: this is one of its places.
        let group = unsafe { *groups };
        if group.is_null() {
            return Ok(());
        }
        // SAFETY: the group is a static.
        let name = unsafe { (*group).name };
        if name.is_null() {
            // SAFETY: the offset is one in the structure.
            let place = unsafe { group.cast::<u8>().add(ATTRS) };
            // SAFETY: this is the place of `attrs`.
            let attrs = unsafe { place.cast::<*const *const sys::attribute>().read() };
            // SAFETY: it is a list that NULL ends; the device is the caller's.
            unsafe { check_files(attrs, dev)? };
        } else {
            // SAFETY: the name is a static C string; the device is the caller's.
            unsafe { is_free(dev, name)? };
        }
        groups = groups.wrapping_add(1);
    }
}

/// # Safety
///
/// As for [`Groups::check`]; `attrs` is a list that NULL ends.
unsafe fn check_files(mut attrs: *const *const sys::attribute, dev: *mut sys::device) -> Result {
    loop {
        // SAFETY: the list has not ended yet: this is one of its places.
        let attribute = unsafe { *attrs };
        if attribute.is_null() {
            return Ok(());
        }
        // SAFETY: the attribute is a static.
        let name = unsafe { (*attribute).name };
        // SAFETY: the name is a static C string; the device is the caller's.
        unsafe { is_free(dev, name)? };
        attrs = attrs.wrapping_add(1);
    }
}

/// A device that a driver is being bound to.
///
/// # Invariants
///
/// It is there, and the driver stays, as long as this is.
struct Probed(*mut sys::device);

// SAFETY: by the type's invariant.
unsafe impl Printable for Probed {
    const BOUND: bool = true;

    fn raw(&self) -> *const sys::device {
        self.0
    }
}

/// # Safety
///
/// As for [`Groups::check`]; the name is a C string.
unsafe fn is_free(dev: *mut sys::device, name: *const c_char) -> Result {
    // SAFETY: `kernfs_find_and_get` demands a folder that is there: `device_add` has made that of a
    // device that is registered, and `device_del` takes it away after it has unbound the device
    // (`bus_remove_device`), for which it waits for the device's lock.
    if !unsafe { sys::linux_driver_sysfs_has(dev, name) } {
        return Ok(());
    }
    // INVARIANT: the caller is the driver's `probe`, under the device's lock.
    let dev = Probed(dev);
    // SAFETY: by the caller's promise.
    let name = unsafe { CStr::from_ptr(name) };
    crate::dev_err!(
        &dev,
        "\"{}\" is in its folder already: rename the attribute",
        name
    );
    Err(EEXIST)
}

/// The attributes of a driver's devices, for `DEV_GROUPS`: types that implement
/// [`DeviceAttribute`](crate::sysfs::DeviceAttribute).
///
/// `device_groups![A, B]` are files in the device's folder; `device_groups![c"stats" => [A, B]]`
/// are files in a folder of that name in it (`c""`: in its own). All of it is in read-only memory.
///
/// The core makes the files after `probe` and takes them away before `remove`, both under the
/// device's lock.
///
/// ```
/// use linux_driver::pci;
/// use linux_driver::prelude::*;
/// use linux_driver::sysfs::{self, Page};
///
/// struct Nic { packets: u64, errors: u64 }
///
/// struct Packets;
///
/// #[vtable]
/// impl sysfs::DeviceAttribute for Packets {
///     type Data = Nic;
///     type Bus = pci::Bus;
///     const NAME: &'static CStr = c"packets";
///
///     fn show(_dev: &pci::Device<Bound>, this: Pin<&Nic>, page: &mut Page) -> Result {
///         sysfs_emit!(page, "{}\n", this.packets)
///     }
/// }
///
/// struct Errors;
///
/// #[vtable]
/// impl sysfs::DeviceAttribute for Errors {
///     type Data = Nic;
///     type Bus = pci::Bus;
///     const NAME: &'static CStr = c"errors";
///
///     fn show(_dev: &pci::Device<Bound>, this: Pin<&Nic>, page: &mut Page) -> Result {
///         sysfs_emit!(page, "{}\n", this.errors)
///     }
/// }
///
/// const GROUPS: sysfs::DeviceGroups<Nic, pci::Bus> = sysfs::device_groups![c"stats" => [Packets, Errors]];
/// # let _ = GROUPS;
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __sysfs_device_groups {
    ($($name:expr => [$($attr:ty),+ $(,)?]),+ $(,)?) => {
        $crate::__sysfs_groups!(of_device, $(($crate::__core::option::Option::Some($name), $($attr),+)),+)
    };
    ($($attr:ty),+ $(,)?) => {
        $crate::__sysfs_groups!(of_device, ($crate::__core::option::Option::None, $($attr),+))
    };
}

/// The attributes of a driver, for `GROUPS`: types that implement
/// [`DriverAttribute`](crate::sysfs::DriverAttribute), as in
/// [`device_groups!`](crate::sysfs::device_groups).
///
/// ```
/// use linux_driver::prelude::*;
/// use linux_driver::sync::atomic::{AtomicU32, Ordering};
/// use linux_driver::sysfs::{self, Page};
///
/// /// How many packets each device of the driver gathers before it raises an interrupt.
/// static GATHER: AtomicU32 = AtomicU32::new(1);
///
/// /// `/sys/bus/pci/drivers/…/gather`: that number, to be read and set.
/// struct Gather;
///
/// #[vtable]
/// impl sysfs::DriverAttribute for Gather {
///     const NAME: &'static CStr = c"gather";
///
///     fn show(page: &mut Page) -> Result {
///         sysfs_emit!(page, "{}\n", GATHER.load(Ordering::Relaxed))
///     }
///
///     fn store(text: &[u8]) -> Result {
///         let text = core::str::from_utf8(text).map_err(|_| EINVAL)?;
///         let number = text.trim_ascii().parse().map_err(|_| EINVAL)?;
///         GATHER.store(number, Ordering::Relaxed);
///         Ok(())
///     }
/// }
///
/// const GROUPS: sysfs::DriverGroups = sysfs::driver_groups![Gather];
/// # let _ = GROUPS;
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __sysfs_driver_groups {
    ($($name:expr => [$($attr:ty),+ $(,)?]),+ $(,)?) => {
        $crate::__sysfs_groups!(of_driver, $(($crate::__core::option::Option::Some($name), $($attr),+)),+)
    };
    ($($attr:ty),+ $(,)?) => {
        $crate::__sysfs_groups!(of_driver, ($crate::__core::option::Option::None, $($attr),+))
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __sysfs_groups {
    ($of:ident, $(($name:expr, $($attr:ty),+)),+) => {
        $crate::sysfs::Groups::new(const {
            &[
                $($crate::sysfs::Listed::new(const {
                    &$crate::sysfs::group($name, const { &[$($crate::sysfs::$of::<$attr>()),+, $crate::sysfs::Attr::END] })
                }),)+
                $crate::sysfs::Listed::END,
            ]
        })
    };
}
