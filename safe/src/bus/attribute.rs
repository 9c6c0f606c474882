// SPDX-License-Identifier: GPL-2.0-only
//! `struct bus_attribute`.

use core::ffi::{CStr, c_char};
use core::marker::PhantomData;

use linux_driver_sys as sys;

use super::{BusType, Registration};
use crate::error::{Result, code::EIO};
use crate::macros::vtable;
use crate::sysfs::{self, Page};
use crate::types::Invariant;

/// An attribute of a bus: C's `struct bus_attribute`, a file in the bus's sysfs directory. The file
/// exists while the bus's state does.
#[vtable]
#[doc(alias = "bus_attribute")]
pub trait Attribute: 'static {
    /// The bus that has the attribute.
    type Bus: BusType;
    /// The file's name.
    const NAME: &'static CStr;

    /// Writes the text that a reader of the file gets.
    ///
    /// # Context
    ///
    /// May sleep. No lock is held.
    #[doc(alias = "bus_attribute.show")]
    fn show(bus: &Registration<Self::Bus>, page: &mut Page) -> Result {
        let _ = (bus, page);
        Err(EIO)
    }

    /// Handles the text that was written to the file: at most a page, including the newline if
    /// there is one.
    ///
    /// # Context
    ///
    /// May sleep. No lock is held.
    #[doc(alias = "bus_attribute.store")]
    fn store(bus: &Registration<Self::Bus>, text: &[u8]) -> Result {
        let _ = (bus, text);
        Err(EIO)
    }
}

/// An attribute of the bus `B`, for [`BusType::ATTRIBUTES`]. [`attribute`] makes it.
pub struct Attr<B>(*const sys::bus_attribute, Invariant<B>);

impl<B> Attr<B> {
    /// Returns the C structure. It is in read-only memory; C only reads it.
    pub(super) fn raw(&self) -> *mut sys::bus_attribute {
        self.0.cast_mut()
    }
}

/// Returns the attribute of the type `A`, for [`BusType::ATTRIBUTES`].
pub const fn attribute<A: Attribute>() -> Attr<A::Bus> {
    Attr(OfBus::<A>::ATTRIBUTE, PhantomData)
}

struct OfBus<A>(A);

impl<A: Attribute> OfBus<A> {
    const ATTRIBUTE: &'static sys::bus_attribute = &{
        // SAFETY: all members of `struct bus_attribute` are pointers and integers, for which zero
        // is a valid value.
        let mut raw: sys::bus_attribute = unsafe { core::mem::zeroed() };
        raw.attr = sysfs::attribute(A::NAME, A::HAS_SHOW, A::HAS_STORE);
        if A::HAS_SHOW {
            raw.show = field::<A, _>();
        }
        if A::HAS_STORE {
            raw.store = field::<A, _>();
        }
        raw
    };
}

/// A callback in the type of the field of `struct bus_attribute`, which differs between kernels.
trait Field<A> {
    const CONTENTS: Self;
}

impl<A: Attribute> Field<A>
    for Option<unsafe extern "C" fn(*const sys::bus_type, *mut c_char) -> isize>
{
    const CONTENTS: Self = Some(show_const::<A>);
}

impl<A: Attribute> Field<A>
    for Option<unsafe extern "C" fn(*mut sys::bus_type, *mut c_char) -> isize>
{
    const CONTENTS: Self = Some(show_mut::<A>);
}

impl<A: Attribute> Field<A>
    for Option<unsafe extern "C" fn(*const sys::bus_type, *const c_char, usize) -> isize>
{
    const CONTENTS: Self = Some(store_const::<A>);
}

impl<A: Attribute> Field<A>
    for Option<unsafe extern "C" fn(*mut sys::bus_type, *const c_char, usize) -> isize>
{
    const CONTENTS: Self = Some(store_mut::<A>);
}

const fn field<A, F: Field<A>>() -> F {
    F::CONTENTS
}

/// The `show` of `struct bus_attribute`. `bus_attr_show` calls it, for a file that exists while the
/// bus's state does.
unsafe extern "C" fn show_const<A: Attribute>(
    bus: *const sys::bus_type,
    buf: *mut c_char,
) -> isize {
    // SAFETY: `from_raw` requires a registration whose state exists. The file is created after the
    // state is made. It is removed before the state is dropped, and removing it waits for this
    // call.
    let bus = unsafe { Registration::<A::Bus>::from_raw(bus) };
    // SAFETY: sysfs passes a page for this call as `buf`.
    let mut page = unsafe { Page::new(buf.cast()) };
    let result = A::show(bus, &mut page);
    sysfs::shown(&page, result)
}

/// As [`show_const`], for kernels in which `bus` is not const.
unsafe extern "C" fn show_mut<A: Attribute>(bus: *mut sys::bus_type, buf: *mut c_char) -> isize {
    // SAFETY: `show_const` requires what the kernel guarantees for this call.
    unsafe { show_const::<A>(bus, buf) }
}

/// The `store` of `struct bus_attribute`. `bus_attr_store` calls it, for a file that exists while
/// the bus's state does.
unsafe extern "C" fn store_const<A: Attribute>(
    bus: *const sys::bus_type,
    buf: *const c_char,
    size: usize,
) -> isize {
    // SAFETY: as in `show_const`.
    let bus = unsafe { Registration::<A::Bus>::from_raw(bus) };
    // SAFETY: sysfs passes `size` bytes for this call.
    let text = unsafe { core::slice::from_raw_parts(buf.cast(), size) };
    sysfs::stored(size, A::store(bus, text))
}

/// As [`store_const`], for kernels in which `bus` is not const.
unsafe extern "C" fn store_mut<A: Attribute>(
    bus: *mut sys::bus_type,
    buf: *const c_char,
    size: usize,
) -> isize {
    // SAFETY: `store_const` requires what the kernel guarantees for this call.
    unsafe { store_const::<A>(bus, buf, size) }
}
