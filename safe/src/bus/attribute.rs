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

/// An attribute of a bus: C's `struct bus_attribute`, a file in the bus's folder in sysfs. It is
/// there while the bus's state is.
#[vtable]
#[doc(alias = "bus_attribute")]
pub trait Attribute: 'static {
    /// The bus whose attribute it is.
    type Bus: BusType;
    /// The file's name.
    const NAME: &'static CStr;

    /// Writes what is shown. Context: may sleep; no lock.
    #[doc(alias = "bus_attribute.show")]
    fn show(bus: &Registration<Self::Bus>, page: &mut Page) -> Result {
        let _ = (bus, page);
        Err(EIO)
    }

    /// Takes what was written, a page at most; where it has one, with the line's end. Context: may
    /// sleep; no lock.
    #[doc(alias = "bus_attribute.store")]
    fn store(bus: &Registration<Self::Bus>, text: &[u8]) -> Result {
        let _ = (bus, text);
        Err(EIO)
    }
}

/// An attribute of the bus `B`, for [`BusType::ATTRIBUTES`]. Made by [`attribute`].
pub struct Attr<B>(*const sys::bus_attribute, Invariant<B>);

impl<B> Attr<B> {
    /// As C has it: in read-only memory, where C only reads it.
    pub(super) fn raw(&self) -> *mut sys::bus_attribute {
        self.0.cast_mut()
    }
}

/// An attribute, for [`BusType::ATTRIBUTES`].
pub const fn attribute<A: Attribute>() -> Attr<A::Bus> {
    Attr(OfBus::<A>::ATTRIBUTE, PhantomData)
}

struct OfBus<A>(A);

impl<A: Attribute> OfBus<A> {
    const ATTRIBUTE: &'static sys::bus_attribute = &{
        // SAFETY: `struct bus_attribute` is pointers and integers, for which zero is what a C
        // static starts with.
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

/// A callback as the field of `struct bus_attribute` has it, whose type moves between kernels.
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

/// Called by `bus_attr_show`, for a file that is there while the bus's state is.
unsafe extern "C" fn show_const<A: Attribute>(
    bus: *const sys::bus_type,
    buf: *mut c_char,
) -> isize {
    // SAFETY: the file is made when the state is, and taken away, with a wait for us, before it is
    // dropped.
    let bus = unsafe { Registration::<A::Bus>::from_raw(bus) };
    // SAFETY: `buf` is the page for this call.
    let mut page = unsafe { Page::new(buf.cast()) };
    let result = A::show(bus, &mut page);
    sysfs::shown(&page, result)
}

/// As [`show_const`], where the bus is not const.
unsafe extern "C" fn show_mut<A: Attribute>(bus: *mut sys::bus_type, buf: *mut c_char) -> isize {
    // SAFETY: by the caller's promise, which is the same.
    unsafe { show_const::<A>(bus, buf) }
}

/// Called by `bus_attr_store`, for a file that is there while the bus's state is.
unsafe extern "C" fn store_const<A: Attribute>(
    bus: *const sys::bus_type,
    buf: *const c_char,
    size: usize,
) -> isize {
    // SAFETY: as in `show_const`.
    let bus = unsafe { Registration::<A::Bus>::from_raw(bus) };
    // SAFETY: sysfs hands over so many bytes.
    let text = unsafe { core::slice::from_raw_parts(buf.cast(), size) };
    sysfs::stored(size, A::store(bus, text))
}

/// As [`store_const`], where the bus is not const.
unsafe extern "C" fn store_mut<A: Attribute>(
    bus: *mut sys::bus_type,
    buf: *const c_char,
    size: usize,
) -> isize {
    // SAFETY: by the caller's promise, which is the same.
    unsafe { store_const::<A>(bus, buf, size) }
}
