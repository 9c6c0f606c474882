// SPDX-License-Identifier: GPL-2.0-only
//! `struct device_attribute` and `struct driver_attribute`.
//!
//! C header: `include/linux/device.h`; `drivers/base/core.c`.

use core::ffi::{CStr, c_char};
use core::pin::Pin;

use linux_driver_sys as sys;

use super::Page;
use crate::bus::Bus;
use crate::device::Bound;
use crate::driver::bound_data;
use crate::error::{Result, code::EIO};
use crate::macros::vtable;

/// An attribute of a bound device: C's `struct device_attribute`, in a driver's `dev_groups`.
///
/// It can be read if `show` is written, and written, by root, if `store` is: the modes of C's
/// `DEVICE_ATTR_RO`, `_WO` and `_RW`.
#[vtable]
#[doc(alias = "device_attribute")]
pub trait DeviceAttribute: 'static {
    /// The data of the driver whose devices have the attribute.
    type Data: Send + Sync + 'static;
    /// The bus of the driver.
    type Bus: Bus;
    /// The file's name.
    const NAME: &'static CStr;

    /// Writes what is shown. Context: may sleep; no lock, but the device stays bound.
    #[doc(alias = "device_attribute.show")]
    fn show(
        dev: &<Self::Bus as Bus>::Device<Bound>,
        this: Pin<&Self::Data>,
        page: &mut Page,
    ) -> Result {
        let _ = (dev, this, page);
        Err(EIO)
    }

    /// Takes what was written, a page at most; where it has one, with the line's end. Context: may
    /// sleep; no lock, but the device stays bound.
    #[doc(alias = "device_attribute.store")]
    fn store(
        dev: &<Self::Bus as Bus>::Device<Bound>,
        this: Pin<&Self::Data>,
        text: &[u8],
    ) -> Result {
        let _ = (dev, this, text);
        Err(EIO)
    }
}

/// An attribute of a driver: C's `struct driver_attribute`, in a driver's `groups`.
#[vtable]
#[doc(alias = "driver_attribute")]
pub trait DriverAttribute: 'static {
    /// The file's name.
    const NAME: &'static CStr;

    /// Writes what is shown. Context: may sleep.
    #[doc(alias = "driver_attribute.show")]
    fn show(page: &mut Page) -> Result {
        let _ = page;
        Err(EIO)
    }

    /// Takes what was written, a page at most. Context: may sleep.
    #[doc(alias = "driver_attribute.store")]
    fn store(text: &[u8]) -> Result {
        let _ = text;
        Err(EIO)
    }
}

/// The name of a file, as C has it. As a constant, it does not compile if it is none, or one of the
/// core's in a folder of a device, a driver or a bus.
const fn file_name(name: &'static CStr) -> *const c_char {
    let bytes = name.to_bytes();
    assert!(
        !bytes.is_empty(),
        "NAME is empty: it is the name of a file in sysfs"
    );
    assert!(
        bytes.len() <= 255,
        "NAME is longer than 255 bytes: no file can have that name"
    );
    let mut i = 0;
    while i < bytes.len() {
        assert!(
            bytes[i] != b'/',
            "NAME has a `/` in it: it is the name of one file in sysfs"
        );
        i += 1;
    }
    let mut i = 0;
    while i < TAKEN.len() {
        assert!(
            !is_equal(bytes, TAKEN[i].to_bytes()),
            "NAME is that of a file of the core's"
        );
        i += 1;
    }
    name.as_ptr()
}

/// What stands in each device's folder, or in each driver's. (What else does is found when a device
/// is probed.)
const TAKEN: &[&CStr] = &[
    c".",
    c"..",
    c"uevent",
    c"power",
    c"subsystem",
    c"driver",
    c"driver_override",
    c"bind",
    c"unbind",
    c"module",
];

const fn is_equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

pub(crate) const fn attribute(
    name: &'static CStr,
    can_show: bool,
    can_store: bool,
) -> sys::attribute {
    // SAFETY: `struct attribute` is pointers and integers, for which zero is what a C static starts
    // with.
    let mut attribute: sys::attribute = unsafe { core::mem::zeroed() };
    attribute.name = file_name(name);
    attribute.mode = if can_show { 0o444 } else { 0 } | if can_store { 0o200 } else { 0 };
    attribute
}

type Show =
    unsafe extern "C" fn(*mut sys::device, *mut sys::device_attribute, *mut c_char) -> isize;
type Store = unsafe extern "C" fn(
    *mut sys::device,
    *mut sys::device_attribute,
    *const c_char,
    usize,
) -> isize;

/// As C has a [`DeviceAttribute`].
pub(super) struct OfDevice<A>(A);

impl<A: DeviceAttribute> OfDevice<A> {
    pub(super) const ATTRIBUTE: &'static sys::device_attribute = &{
        // Some kernels have the callbacks in unions with others that take const pointers: the same
        // two pointers in any case.
        assert!(
            size_of::<sys::device_attribute>()
                == size_of::<sys::attribute>() + 2 * size_of::<Show>()
        );
        // SAFETY: `struct device_attribute` is pointers and integers, for which zero is what a C
        // static starts with.
        let mut raw: sys::device_attribute = unsafe { core::mem::zeroed() };
        raw.attr = attribute(A::NAME, A::HAS_SHOW, A::HAS_STORE);
        // SAFETY: the first callback stands right after the attribute.
        let callbacks = unsafe { (&raw mut raw).cast::<u8>().add(size_of::<sys::attribute>()) };
        if A::HAS_SHOW {
            // SAFETY: this is the place of `show`, of this type or one that differs in a const.
            unsafe { callbacks.cast::<Option<Show>>().write(Some(show::<A>)) };
        }
        if A::HAS_STORE {
            // SAFETY: `store` is the second callback.
            let place = unsafe { callbacks.add(size_of::<Show>()) };
            // SAFETY: this is the place of `store`, of this type or one that differs in a const.
            unsafe { place.cast::<Option<Store>>().write(Some(store::<A>)) };
        }
        raw
    };
}

/// As C has a [`DriverAttribute`].
pub(super) struct OfDriver<A>(A);

impl<A: DriverAttribute> OfDriver<A> {
    pub(super) const ATTRIBUTE: &'static sys::driver_attribute = &sys::driver_attribute {
        attr: attribute(A::NAME, A::HAS_SHOW, A::HAS_STORE),
        show: if A::HAS_SHOW {
            Some(show_driver::<A>)
        } else {
            None
        },
        store: if A::HAS_STORE {
            Some(store_driver::<A>)
        } else {
            None
        },
    };
}

pub(crate) fn shown(page: &Page, result: Result) -> isize {
    match result {
        Ok(()) => page.len() as isize,
        Err(error) => error.to_errno() as isize,
    }
}

pub(crate) fn stored(size: usize, result: Result) -> isize {
    match result {
        Ok(()) => size as isize,
        Err(error) => error.to_errno() as isize,
    }
}

/// Called by `dev_attr_show`, for a file that is there while the device is bound.
unsafe extern "C" fn show<A: DeviceAttribute>(
    dev: *mut sys::device,
    _attribute: *mut sys::device_attribute,
    buf: *mut c_char,
) -> isize {
    // SAFETY: the file is there, and so the device bound to the driver whose attribute this is: the
    // core makes it (`device_add_groups`) after `probe`, and takes it away, and waits for us
    // (`device_remove_groups`), before `remove`.
    let this = unsafe { bound_data::<A::Data>(dev) };
    // SAFETY: as above; the device is one of the driver's bus.
    let dev = unsafe { A::Bus::from_raw::<Bound>(dev) };
    // SAFETY: `buf` is the page for this call.
    let mut page = unsafe { Page::new(buf.cast()) };
    let result = A::show(dev, this, &mut page);
    shown(&page, result)
}

/// Called by `dev_attr_store`, for a file that is there while the device is bound.
unsafe extern "C" fn store<A: DeviceAttribute>(
    dev: *mut sys::device,
    _attribute: *mut sys::device_attribute,
    buf: *const c_char,
    size: usize,
) -> isize {
    // SAFETY: as in `show`.
    let this = unsafe { bound_data::<A::Data>(dev) };
    // SAFETY: as above; the device is one of the driver's bus.
    let dev = unsafe { A::Bus::from_raw::<Bound>(dev) };
    // SAFETY: `kernfs_fop_write_iter` hands over a buffer of its own with `size` bytes (and a NUL),
    // which nobody else writes for the call.
    let text = unsafe { core::slice::from_raw_parts(buf.cast(), size) };
    stored(size, A::store(dev, this, text))
}

/// Called by `drv_attr_show`, for a file that is there while the driver is registered.
unsafe extern "C" fn show_driver<A: DriverAttribute>(
    _driver: *mut sys::device_driver,
    buf: *mut c_char,
) -> isize {
    // SAFETY: `buf` is the page for this call.
    let mut page = unsafe { Page::new(buf.cast()) };
    let result = A::show(&mut page);
    shown(&page, result)
}

/// Called by `drv_attr_store`, for a file that is there while the driver is registered.
unsafe extern "C" fn store_driver<A: DriverAttribute>(
    _driver: *mut sys::device_driver,
    buf: *const c_char,
    size: usize,
) -> isize {
    // SAFETY: as in `store`.
    let text = unsafe { core::slice::from_raw_parts(buf.cast(), size) };
    stored(size, A::store(text))
}
