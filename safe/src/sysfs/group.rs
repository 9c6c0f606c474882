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

/// An attribute in the list of a group, or the NULL that ends the list. `O` is the type of its
/// owner.
#[doc(hidden)]
#[repr(transparent)]
pub struct Attr<O>(*mut sys::attribute, Invariant<O>);

impl<O> Attr<O> {
    /// The end of a list.
    pub const END: Self = Self(core::ptr::null_mut(), PhantomData);
}

/// Returns a device's attribute, for a list.
#[doc(hidden)]
pub const fn of_device<A: DeviceAttribute>() -> Attr<(A::Data, A::Bus)> {
    Attr(
        (&raw const OfDevice::<A>::ATTRIBUTE.attr).cast_mut(),
        PhantomData,
    )
}

/// Returns a driver's attribute, for a list.
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

/// The offset of a group's list: `attrs` is the pointer before `bin_attrs`. In some kernels it is
/// in a union with a pointer to const.
const ATTRS: usize = offset_of!(sys::attribute_group, bin_attrs) - size_of::<*mut ()>();

/// Returns a group of the attributes in a list, which [`Attr::END`] ends. If there is a name, the
/// files are in a folder of that name.
#[doc(hidden)]
pub const fn group<O>(name: Option<&'static CStr>, attrs: &'static [Attr<O>]) -> Group<O> {
    assert!(!attrs.is_empty() && attrs[attrs.len() - 1].0.is_null());
    // SAFETY: `struct attribute_group` consists of pointers, for which zero is NULL.
    let mut raw: sys::attribute_group = unsafe { core::mem::zeroed() };
    match name {
        Some(name) if !name.is_empty() => raw.name = name.as_ptr(),
        _ => {}
    }
    // SAFETY: the offset is inside the structure.
    let field = unsafe { (&raw mut raw).cast::<u8>().add(ATTRS) };
    // SAFETY: this is the position of `attrs`. A list of `Attr` is a list of pointers.
    unsafe { field.cast::<*const Attr<O>>().write(attrs.as_ptr()) };
    Group(raw, PhantomData)
}

/// A group in a list, or the NULL that ends the list.
#[doc(hidden)]
#[repr(transparent)]
pub struct Listed<O>(*const sys::attribute_group, Invariant<O>);

impl<O> Listed<O> {
    /// The end of a list.
    pub const END: Self = Self(core::ptr::null(), PhantomData);

    /// Returns a group, for a list.
    pub const fn new(group: &'static Group<O>) -> Self {
        Self(&raw const group.0, PhantomData)
    }
}

/// Lists of groups of attributes, or none: the type of [`DeviceGroups`] and [`DriverGroups`].
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

    /// Returns the groups of a list, which [`Listed::END`] ends.
    #[doc(hidden)]
    pub const fn new(list: &'static [Listed<O>]) -> Self {
        assert!(!list.is_empty() && list[list.len() - 1].0.is_null());
        Self(list.as_ptr())
    }

    /// Returns the list as C has it.
    pub(crate) const fn raw(&self) -> *const *const sys::attribute_group {
        self.0.cast()
    }
}

impl<T, B> Groups<(T, B)> {
    /// Checks that no attribute has the name of a file that the device's folder contains already.
    ///
    /// This is necessary because of `remove_files` in `fs/sysfs/group.c`. If sysfs fails to create
    /// a file of a group without a folder, it removes all files that the group names. One of them
    /// would be the other file with that name.
    ///
    /// # Errors
    ///
    /// [`EEXIST`] if a name is taken.
    ///
    /// # Safety
    ///
    /// The device must be registered, and the driver whose groups these are is being bound to it.
    #[inline(always)]
    pub(crate) unsafe fn check(&self, dev: *mut sys::device) -> Result {
        if self.0.is_null() {
            return Ok(());
        }
        // SAFETY: the caller promises the device. A list of groups ends with NULL.
        unsafe { check(self.raw(), dev) }
    }
}

/// Checks the groups in a list.
///
/// # Safety
///
/// Same as for [`Groups::check`]. `groups` must be a list that ends with NULL.
unsafe fn check(mut groups: *const *const sys::attribute_group, dev: *mut sys::device) -> Result {
    loop {
        // SAFETY: the loop has not reached the end of the list, so this is an element.
        let group = unsafe { *groups };
        if group.is_null() {
            return Ok(());
        }
        // SAFETY: the group is a static.
        let name = unsafe { (*group).name };
        if name.is_null() {
            // SAFETY: the offset is inside the structure.
            let field = unsafe { group.cast::<u8>().add(ATTRS) };
            // SAFETY: this is the position of `attrs`.
            let attrs = unsafe { field.cast::<*const *const sys::attribute>().read() };
            // SAFETY: `attrs` is a list that ends with NULL. The caller promises the device.
            unsafe { check_files(attrs, dev)? };
        } else {
            // SAFETY: the name is a static C string. The caller promises the device.
            unsafe { is_free(dev, name)? };
        }
        groups = groups.wrapping_add(1);
    }
}

/// Checks the attributes in a list.
///
/// # Safety
///
/// Same as for [`Groups::check`]. `attrs` must be a list that ends with NULL.
unsafe fn check_files(mut attrs: *const *const sys::attribute, dev: *mut sys::device) -> Result {
    loop {
        // SAFETY: the loop has not reached the end of the list, so this is an element.
        let attribute = unsafe { *attrs };
        if attribute.is_null() {
            return Ok(());
        }
        // SAFETY: the attribute is a static.
        let name = unsafe { (*attribute).name };
        // SAFETY: the name is a static C string. The caller promises the device.
        unsafe { is_free(dev, name)? };
        attrs = attrs.wrapping_add(1);
    }
}

/// A device to which a driver is being bound.
///
/// # Invariants
///
/// The device exists and the driver stays as long as this value exists.
struct Probed(*mut sys::device);

// SAFETY: the type's invariant is what `Printable` requires.
unsafe impl Printable for Probed {
    const BOUND: bool = true;

    fn raw(&self) -> *const sys::device {
        self.0
    }
}

/// Fails with [`EEXIST`], and logs why, if the device's folder contains a file of this name.
///
/// # Safety
///
/// Same as for [`Groups::check`]. The name must be a C string.
unsafe fn is_free(dev: *mut sys::device, name: *const c_char) -> Result {
    // SAFETY: `kernfs_find_and_get` requires a folder that exists. `device_add` created the folder
    // of a registered device. `device_del` removes it only after it has unbound the device
    // (`bus_remove_device`), for which it waits for the device's lock.
    if !unsafe { sys::linux_driver_sysfs_has(dev, name) } {
        return Ok(());
    }
    // INVARIANT: the caller is the driver's `probe`, under the device's lock.
    let dev = Probed(dev);
    // SAFETY: the caller promises a C string.
    let name = unsafe { CStr::from_ptr(name) };
    crate::dev_err!(
        &dev,
        "\"{}\" is in its folder already: rename the attribute",
        name
    );
    Err(EEXIST)
}

/// Lists the attributes of a driver's devices, for `DEV_GROUPS`: types that implement
/// [`DeviceAttribute`](crate::sysfs::DeviceAttribute).
///
/// `device_groups![A, B]` makes files in the device's folder. `device_groups![c"stats" => [A, B]]`
/// makes files in a folder `stats` inside it; `c""` means the device's folder itself. All of it is
/// in read-only memory.
///
/// The driver core creates the files after `probe` and removes them before `remove`, both under the
/// device's lock.
///
/// # Examples
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
/// const GROUPS: sysfs::DeviceGroups<Nic, pci::Bus> =
///     sysfs::device_groups![c"stats" => [Packets, Errors]];
/// # let _ = GROUPS;
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __sysfs_device_groups {
    ($($name:expr => [$($attr:ty),+ $(,)?]),+ $(,)?) => {
        $crate::__sysfs_groups!(
            of_device, $(($crate::__core::option::Option::Some($name), $($attr),+)),+
        )
    };
    ($($attr:ty),+ $(,)?) => {
        $crate::__sysfs_groups!(of_device, ($crate::__core::option::Option::None, $($attr),+))
    };
}

/// Lists the attributes of a driver, for `GROUPS`: types that implement
/// [`DriverAttribute`](crate::sysfs::DriverAttribute). The syntax is that of
/// [`device_groups!`](crate::sysfs::device_groups).
///
/// # Examples
///
/// ```
/// use linux_driver::prelude::*;
/// use linux_driver::sync::atomic::{AtomicU32, Ordering};
/// use linux_driver::sysfs::{self, Page};
///
/// /// The number of packets that each device of the driver gathers before it raises an interrupt.
/// static GATHER: AtomicU32 = AtomicU32::new(1);
///
/// /// `/sys/bus/pci/drivers/…/gather`: reads or sets that number.
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
        $crate::__sysfs_groups!(
            of_driver, $(($crate::__core::option::Option::Some($name), $($attr),+)),+
        )
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
                    &$crate::sysfs::group($name, const {
                        &[$($crate::sysfs::$of::<$attr>()),+, $crate::sysfs::Attr::END]
                    })
                }),)+
                $crate::sysfs::Listed::END,
            ]
        })
    };
}
