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
/// The file can be read if the driver writes `show`. Root can write the file if the driver writes
/// `store`. These are the modes of C's `DEVICE_ATTR_RO`, `_WO` and `_RW`.
#[vtable]
#[doc(alias = "device_attribute")]
pub trait DeviceAttribute: 'static {
    /// The data of the driver whose devices have this attribute.
    type Data: Send + Sync + 'static;
    /// The bus of the driver.
    type Bus: Bus;
    /// The name of the file.
    const NAME: &'static CStr;

    /// Writes the output of the attribute to `page`.
    ///
    /// # Context
    ///
    /// May sleep. No lock is held, but the device stays bound.
    #[doc(alias = "device_attribute.show")]
    fn show(
        dev: &<Self::Bus as Bus>::Device<Bound>,
        this: Pin<&Self::Data>,
        page: &mut Page,
    ) -> Result {
        let _ = (dev, this, page);
        Err(EIO)
    }

    /// Handles `text`, which user space wrote to the file: at most a page. It includes the newline
    /// at its end, if there is one.
    ///
    /// # Context
    ///
    /// May sleep. No lock is held, but the device stays bound.
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
    /// The name of the file.
    const NAME: &'static CStr;

    /// Writes the output of the attribute to `page`.
    ///
    /// # Context
    ///
    /// May sleep.
    #[doc(alias = "driver_attribute.show")]
    fn show(page: &mut Page) -> Result {
        let _ = page;
        Err(EIO)
    }

    /// Handles `text`, which user space wrote to the file: at most a page.
    ///
    /// # Context
    ///
    /// May sleep.
    #[doc(alias = "driver_attribute.store")]
    fn store(text: &[u8]) -> Result {
        let _ = text;
        Err(EIO)
    }
}

/// Returns the name of a file as C has it. The code does not compile if the name is not valid for a
/// file, or if the driver core uses the name in the folder of a device, a driver or a bus.
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
            "NAME is the name of a file that the driver core creates"
        );
        i += 1;
    }
    name.as_ptr()
}

/// The files that are in the folder of every device, driver or bus. Conflicts with other files are
/// found when a device is probed.
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
    // SAFETY: `struct attribute` consists of pointers and integers. All of them start as zero in a
    // C static.
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

/// The C structure of a [`DeviceAttribute`].
pub(super) struct OfDevice<A>(A);

impl<A: DeviceAttribute> OfDevice<A> {
    pub(super) const ATTRIBUTE: &'static sys::device_attribute = &{
        // In some kernels the callbacks are in unions, together with callbacks that take const
        // pointers. In every kernel there are two pointers.
        assert!(
            size_of::<sys::device_attribute>()
                == size_of::<sys::attribute>() + 2 * size_of::<Show>()
        );
        // SAFETY: `struct device_attribute` consists of pointers and integers. All of them start as
        // zero in a C static.
        let mut raw: sys::device_attribute = unsafe { core::mem::zeroed() };
        raw.attr = attribute(A::NAME, A::HAS_SHOW, A::HAS_STORE);
        // SAFETY: the first callback follows the attribute, so the offset is inside the structure.
        let callbacks = unsafe { (&raw mut raw).cast::<u8>().add(size_of::<sys::attribute>()) };
        if A::HAS_SHOW {
            // SAFETY: this is the position of `show`, of this type or of one that differs only in a
            // const.
            unsafe { callbacks.cast::<Option<Show>>().write(Some(show::<A>)) };
        }
        if A::HAS_STORE {
            // SAFETY: `store` is the second callback, so the offset is inside the structure.
            let second = unsafe { callbacks.add(size_of::<Show>()) };
            // SAFETY: this is the position of `store`, of this type or of one that differs only in
            // a const.
            unsafe { second.cast::<Option<Store>>().write(Some(store::<A>)) };
        }
        raw
    };
}

/// The C structure of a [`DriverAttribute`].
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

/// Implements `device_attribute.show`. `dev_attr_show` calls it for a file that exists while the
/// device is bound.
unsafe extern "C" fn show<A: DeviceAttribute>(
    dev: *mut sys::device,
    _attribute: *mut sys::device_attribute,
    buf: *mut c_char,
) -> isize {
    // SAFETY: `bound_data` requires a device that is bound to the driver of this attribute. The
    // driver core creates the file after `probe` (`device_add_groups`). It removes the file before
    // `remove`, and waits for this call (`device_remove_groups`).
    let this = unsafe { bound_data::<A::Data>(dev) };
    // SAFETY: the device is bound, as above, and belongs to the driver's bus.
    let dev = unsafe { A::Bus::from_raw::<Bound>(dev) };
    // SAFETY: `buf` is the page of sysfs, and only this call uses it.
    let mut page = unsafe { Page::new(buf.cast()) };
    let result = A::show(dev, this, &mut page);
    shown(&page, result)
}

/// Implements `device_attribute.store`. `dev_attr_store` calls it for a file that exists while the
/// device is bound.
unsafe extern "C" fn store<A: DeviceAttribute>(
    dev: *mut sys::device,
    _attribute: *mut sys::device_attribute,
    buf: *const c_char,
    size: usize,
) -> isize {
    // SAFETY: same preconditions as in `show`.
    let this = unsafe { bound_data::<A::Data>(dev) };
    // SAFETY: the device is bound, as above, and belongs to the driver's bus.
    let dev = unsafe { A::Bus::from_raw::<Bound>(dev) };
    // SAFETY: `from_raw_parts` requires `size` bytes that do not change meanwhile.
    // `kernfs_fop_write_iter` passes a buffer of its own with `size` bytes and a NUL, and does not
    // write to it during the call.
    let text = unsafe { core::slice::from_raw_parts(buf.cast(), size) };
    stored(size, A::store(dev, this, text))
}

/// Implements `driver_attribute.show`. `drv_attr_show` calls it for a file that exists while the
/// driver is registered.
unsafe extern "C" fn show_driver<A: DriverAttribute>(
    _driver: *mut sys::device_driver,
    buf: *mut c_char,
) -> isize {
    // SAFETY: `buf` is the page of sysfs, and only this call uses it.
    let mut page = unsafe { Page::new(buf.cast()) };
    let result = A::show(&mut page);
    shown(&page, result)
}

/// Implements `driver_attribute.store`. `drv_attr_store` calls it for a file that exists while the
/// driver is registered.
unsafe extern "C" fn store_driver<A: DriverAttribute>(
    _driver: *mut sys::device_driver,
    buf: *const c_char,
    size: usize,
) -> isize {
    // SAFETY: same preconditions as in `store`.
    let text = unsafe { core::slice::from_raw_parts(buf.cast(), size) };
    stored(size, A::store(text))
}
