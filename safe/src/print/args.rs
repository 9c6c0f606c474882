// SPDX-License-Identifier: GPL-2.0-only
//! The types that can be printed, and their C arguments.
//!
//! An argument of a [`Native`] type is passed to the kernel unchanged, with a conversion of the
//! kernel. `core::fmt` formats every other argument into a [`Buffer`], which is printed as a
//! string. Method resolution selects between the two ([`Tag`]): the compiler finds a [`ByKernel`]
//! method before a [`ByCore`] one. In a function that is generic over the type of the argument, the
//! compiler cannot know the type, so it selects `ByCore`.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::fmt;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use super::Printable;
use super::buffer::{Buffer, is_continuation};
use super::line::Conversions;

/// The stack that an argument takes in bytes if `core::fmt` formats it. This is more text than
/// anyone reads on a line. It is a small part of a kernel stack, which has 16 KiB (8 KiB on some
/// architectures). printk itself needs about 1 KiB.
pub const BUFFER_SIZE: usize = 256;

/// The maximum length of a string in bytes that a precision can express. vsnprintf stores it in 16
/// bits and warns if it is larger. No record of the log is nearly as long.
const LEN_MAX: usize = i16::MAX as usize;

/// The format of a placeholder: one of the kinds below, or a type that the macro declares for a
/// placeholder with a width.
pub trait Spec {
    /// The kind of format, which selects the trait that a type must implement.
    type Kind;
    /// The width, alignment and precision of text.
    const LAYOUT: Layout = Layout {
        width: 0,
        right: false,
        precision: None,
    };
}

/// A [`Spec`] for values of `T` that `core::fmt` formats.
pub trait Format<T: ?Sized> {
    /// Formats the value with [`formatted`].
    fn format<'a>(value: &T, slot: &'a mut Buffer<BUFFER_SIZE>) -> Str<'a>;
}

/// The layout of text. It counts characters, as `core::fmt` does; C counts bytes.
#[derive(Clone, Copy)]
pub struct Layout {
    /// The minimum width, or 0 for none.
    pub width: u16,
    /// True to align the text to the right of its width, false for the left.
    pub right: bool,
    /// The maximum number of characters to print.
    pub precision: Option<usize>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $spec:literal;)*) => {$(
        $(#[$doc])*
        pub struct $kind;

        impl Spec for $kind {
            type Kind = Self;
        }

        impl<T: fmt::$kind + ?Sized> Format<T> for $kind {
            #[inline]
            fn format<'a>(value: &T, slot: &'a mut Buffer<BUFFER_SIZE>) -> Str<'a> {
                formatted(format_args!($spec, value), slot)
            }
        }
    )*};
}

kinds! {
    /// `{}`
    Display "{}";
    /// `{:?}`
    Debug "{:?}";
    /// `{:x}`
    LowerHex "{:x}";
    /// `{:X}`
    UpperHex "{:X}";
    /// `{:o}`
    Octal "{:o}";
}

/// `{}` with a width or a precision.
pub struct Padded;

/// A type that the kernel formats itself, for placeholders of the kind `K`.
///
/// A type of this crate that has such a form in C implements this, as
/// [`Error`](crate::error::Error) does. Its `Arg` is one of the arguments here.
pub trait Native<K> {
    /// A value that must outlive the call, or `()` if there is none.
    type Slot: Default;
    /// The argument for C.
    type Arg<'a>
    where
        Self: 'a;

    /// Makes the argument for C.
    fn arg<'a>(&'a self, layout: Layout, slot: &'a mut Self::Slot) -> Self::Arg<'a>;
}

impl<K, T: Native<K> + ?Sized> Native<K> for &T {
    type Slot = T::Slot;
    type Arg<'a>
        = T::Arg<'a>
    where
        Self: 'a;

    #[inline(always)]
    fn arg<'a>(&'a self, layout: Layout, slot: &'a mut T::Slot) -> T::Arg<'a> {
        T::arg(self, layout, slot)
    }
}

impl<K, T: Native<K> + ?Sized> Native<K> for &mut T {
    type Slot = T::Slot;
    type Arg<'a>
        = T::Arg<'a>
    where
        Self: 'a;

    #[inline(always)]
    fn arg<'a>(&'a self, layout: Layout, slot: &'a mut T::Slot) -> T::Arg<'a> {
        T::arg(self, layout, slot)
    }
}

/// The conversion of an argument: the text after `%`.
pub struct Conversion {
    /// True if the C flags and the width of the placeholder come first.
    pub(super) flags: bool,
    /// The rest of the conversion.
    pub(super) letters: &'static str,
}

/// An argument as C takes it.
///
/// # Safety
///
/// [`Self::push`] must add exactly the values that vsnprintf reads for [`Self::CONVERSION`]. The
/// pointers among them must be valid for that conversion as long as `Self` lives.
pub unsafe trait Arg {
    /// The conversion of the argument.
    const CONVERSION: Conversion;
    /// The values of the argument, followed by others.
    type Push<R>;

    /// Puts the values of the argument before others.
    fn push<R>(self, rest: R) -> Self::Push<R>;
}

/// The arguments of a message: `(first, (second, ()))`.
pub trait List {
    /// The conversions of the arguments.
    const CONVERSIONS: Option<&'static Conversions>;
    /// The values of the arguments as one list: `(i32, (*const c_char, (u64, ())))`.
    type Scalars;

    /// Returns the values of the arguments.
    fn scalars(self) -> Self::Scalars;
}

impl List for () {
    const CONVERSIONS: Option<&'static Conversions> = None;
    type Scalars = ();

    #[inline(always)]
    fn scalars(self) {}
}

impl<A: Arg, R: List> List for (A, R) {
    const CONVERSIONS: Option<&'static Conversions> = Some(&Conversions {
        first: A::CONVERSION,
        rest: R::CONVERSIONS,
    });
    type Scalars = A::Push<R::Scalars>;

    #[inline(always)]
    fn scalars(self) -> Self::Scalars {
        self.0.push(self.1.scalars())
    }
}

/// An integer, printed in base `B`.
pub struct Number<B, V>(V, PhantomData<B>);

impl<B, V> Number<B, V> {
    #[inline(always)]
    pub(super) const fn new(value: V) -> Self {
        Self(value, PhantomData)
    }
}

/// Base ten.
pub struct Decimal;

macro_rules! numbers {
    ($($base:ident: $($value:ty => $letters:literal),*;)*) => {$($(
        // SAFETY: there is one value, of the type that C reads for these letters.
        unsafe impl Arg for Number<$base, $value> {
            const CONVERSION: Conversion = Conversion { flags: true, letters: $letters };
            type Push<R> = ($value, R);

            #[inline(always)]
            fn push<R>(self, rest: R) -> ($value, R) {
                (self.0, rest)
            }
        }
    )*)*};
}

// Narrower types are widened, as C's promotion does. On every architecture `unsigned int` is u32
// and `unsigned long long` is u64.
numbers! {
    Decimal: i32 => "d", u32 => "u", i64 => "lld", u64 => "llu";
    LowerHex: u32 => "x", u64 => "llx";
    UpperHex: u32 => "X", u64 => "llX";
    Octal: u32 => "o", u64 => "llo";
}

macro_rules! integers {
    // The type; its type in decimal; the unsigned type of the same width, and the type in other
    // bases.
    ($($type:ty: $decimal:ty, $unsigned:ty as $other:ty;)*) => {$(
        integers!(@ $type: $decimal as $decimal, Decimal for Display Padded Debug);
        integers!(@ $type: $unsigned as $other, LowerHex for LowerHex);
        integers!(@ $type: $unsigned as $other, UpperHex for UpperHex);
        integers!(@ $type: $unsigned as $other, Octal for Octal);
    )*};
    (@ $type:ty: $first:ty as $then:ty, $base:ident for $($kind:ident)*) => {$(
        impl Native<$kind> for $type {
            type Slot = ();
            type Arg<'a> = Number<$base, $then>;

            #[inline(always)]
            fn arg<'a>(&'a self, _: Layout, (): &'a mut ()) -> Self::Arg<'a> {
                // In bases other than ten, a negative number is printed as its two's complement, in
                // its own width.
                Number::new(*self as $first as $then)
            }
        }
    )*};
}

integers! {
    u8: u32, u8 as u32;
    u16: u32, u16 as u32;
    u32: u32, u32 as u32;
    u64: u64, u64 as u64;
    usize: u64, usize as u64;
    i8: i32, u8 as u32;
    i16: i32, u16 as u32;
    i32: i32, u32 as u32;
    i64: i64, u64 as u64;
    isize: i64, usize as u64;
}

/// Text with a length. A NUL in the text ends it, as in C.
pub struct Str<'a> {
    len: c_int,
    text: *const c_char,
    _borrow: PhantomData<&'a [u8]>,
}

impl<'a> Str<'a> {
    #[inline(always)]
    pub(super) fn new(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        let text = text.as_ref();
        Self {
            len: text.len().min(LEN_MAX) as c_int,
            text: text.as_ptr().cast(),
            _borrow: PhantomData,
        }
    }
}

// SAFETY: `%.*s` reads an `int` and a pointer, and at most that many bytes from the pointer. The
// borrow keeps the bytes. The pointer of an empty text may be any: for an invalid one vsnprintf
// prints `(efault)`, truncated to 0 bytes.
unsafe impl Arg for Str<'_> {
    const CONVERSION: Conversion = Conversion {
        flags: false,
        letters: ".*s",
    };
    type Push<R> = (c_int, (*const c_char, R));

    #[inline(always)]
    fn push<R>(self, rest: R) -> Self::Push<R> {
        (self.len, (self.text, rest))
    }
}

/// Text with a width or a precision.
pub struct PaddedStr<'a> {
    width: c_int,
    text: Str<'a>,
}

impl<'a> PaddedStr<'a> {
    #[inline(always)]
    fn new(text: &'a (impl AsRef<[u8]> + ?Sized), layout: Layout) -> Self {
        let text = text.as_ref();
        let (width, len) = measure(text, layout);
        Self {
            width,
            text: Str {
                len,
                text: text.as_ptr().cast(),
                _borrow: PhantomData,
            },
        }
    }
}

/// Returns the width and the precision, in bytes, with which C's vsnprintf lays out the text.
/// vsnprintf counts bytes. So the precision becomes the length of that many characters, and the
/// width grows by the number of bytes that continue a character.
#[inline(never)]
fn measure(text: &[u8], layout: Layout) -> (c_int, c_int) {
    let (mut len, mut further) = (0usize, 0usize);
    let mut room = layout.precision.unwrap_or(usize::MAX);
    for &byte in text.get(..LEN_MAX).unwrap_or(text) {
        if is_continuation(byte) {
            further = further.wrapping_add(1);
        } else if room == 0 {
            break;
        } else {
            room = room.wrapping_sub(1);
        }
        len = len.wrapping_add(1);
    }
    let width = match layout.width {
        0 => 0,
        width => c_int::from(width).wrapping_add(further as c_int),
    };
    // In C a negative width aligns the text to the left.
    (
        if layout.right {
            width
        } else {
            width.wrapping_neg()
        },
        len as c_int,
    )
}

// SAFETY: `%*.*s` reads two `int`s and a pointer, which `Str` explains.
unsafe impl Arg for PaddedStr<'_> {
    const CONVERSION: Conversion = Conversion {
        flags: false,
        letters: "*.*s",
    };
    type Push<R> = (c_int, (c_int, (*const c_char, R)));

    #[inline(always)]
    fn push<R>(self, rest: R) -> Self::Push<R> {
        (self.width, self.text.push(rest))
    }
}

/// Text that ends with NUL.
pub struct CString<'a>(&'a CStr);

// SAFETY: `%s` reads a pointer to a string that ends with NUL, which a `CStr` is.
unsafe impl Arg for CString<'_> {
    const CONVERSION: Conversion = Conversion {
        flags: false,
        letters: "s",
    };
    type Push<R> = (*const c_char, R);

    #[inline(always)]
    fn push<R>(self, rest: R) -> Self::Push<R> {
        (self.0.as_ptr(), rest)
    }
}

macro_rules! native {
    ($(
        $kind:ident for $type:ty, $slot:ty, $arg:ty:
            |$value:ident, $layout:pat_param, $memory:pat_param| $made:expr;
    )*) => {$(
        impl Native<$kind> for $type {
            type Slot = $slot;
            type Arg<'a> = $arg;

            #[inline(always)]
            fn arg<'a>(&'a self, $layout: Layout, $memory: &'a mut $slot) -> $arg {
                let $value = self;
                $made
            }
        }
    )*};
}

native! {
    Display for str, (), Str<'a>: |text, _, _| Str::new(text);
    Padded for str, (), PaddedStr<'a>: |text, layout, _| PaddedStr::new(text, layout);
    Display for CStr, (), CString<'a>: |text, _, _| CString(text);
    Padded for CStr, (), PaddedStr<'a>: |text, layout, _| PaddedStr::new(text.to_bytes(), layout);
    Display for bool, (), CString<'a>: |yes, _, _| CString(if *yes { c"true" } else { c"false" });
    Debug for bool, (), CString<'a>: |yes, _, _| CString(if *yes { c"true" } else { c"false" });
    Padded for bool, (), PaddedStr<'a>:
        |yes, layout, _| PaddedStr::new(if *yes { "true" } else { "false" }, layout);
    Display for char, [u8; 4], Str<'a>: |c, _, utf8| encode(*c, utf8);
    Padded for char, [u8; 4], PaddedStr<'a>:
        |c, layout, utf8| PaddedStr::new(&*c.encode_utf8(utf8), layout);
}

/// Returns a character as text.
#[inline(never)]
fn encode(c: char, utf8: &mut [u8; 4]) -> Str<'_> {
    Str::new(&*c.encode_utf8(utf8))
}

/// A kernel error number, printed as the kernel names it: `-ENOMEM`, or `-12` if the kernel was
/// built without `CONFIG_SYMBOLIC_ERRNAME`.
///
/// This is the argument of [`Native<Display>`] of an error type, so that printing an error needs no
/// table of names.
pub struct ErrorName(c_int);

impl ErrorName {
    /// Takes a negative error number, -4095 to -1. Any other number is printed like an address:
    /// hashed.
    #[inline(always)]
    pub const fn new(errno: c_int) -> Self {
        Self(errno)
    }
}

// SAFETY: `%pe` reads a pointer and does not dereference it. `%s` reads a string, which is empty.
// It separates `%pe`, whose letters have no end of their own, from the text that follows.
unsafe impl Arg for ErrorName {
    const CONVERSION: Conversion = Conversion {
        flags: false,
        letters: "pe%s",
    };
    type Push<R> = (*const c_void, (*const c_char, R));

    #[inline(always)]
    fn push<R>(self, rest: R) -> Self::Push<R> {
        (
            ptr::without_provenance(self.0 as isize as usize),
            (c"".as_ptr(), rest),
        )
    }
}

/// An address. The kernel hashes it before it prints it, unless it was booted with
/// `no_hash_pointers`.
pub struct Address(*const c_void);

// SAFETY: `%p` reads a pointer and does not dereference it. `ErrorName` explains `%s`.
unsafe impl Arg for Address {
    const CONVERSION: Conversion = Conversion {
        flags: false,
        letters: "p%s",
    };
    type Push<R> = (*const c_void, (*const c_char, R));

    #[inline(always)]
    fn push<R>(self, rest: R) -> Self::Push<R> {
        (self.0, (c"".as_ptr(), rest))
    }
}

/// A type whose address `{:p}` prints.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a pointer",
    label = "`{{:p}}` prints the address in a pointer or reference"
)]
pub trait Pointer {
    /// Returns the address.
    fn address(&self) -> *const c_void;
}

macro_rules! pointers {
    ($($type:ty: |$pointer:ident| $address:expr;)*) => {$(
        impl<T: ?Sized> Pointer for $type {
            #[inline(always)]
            fn address(&self) -> *const c_void {
                let $pointer = self;
                $address
            }
        }
    )*};
}

macro_rules! raw_pointers {
    ($($type:ty),*) => {$(
        // Rust would print the address itself, and the log would reveal where the kernel is in
        // memory.
        impl<T: ?Sized> Native<Debug> for $type {
            type Slot = ();
            type Arg<'a>
                = Address
            where
                Self: 'a;

            #[inline(always)]
            fn arg<'a>(&'a self, _: Layout, (): &'a mut ()) -> Address {
                Address(self.address())
            }
        }
    )*};
}

raw_pointers!(*const T, *mut T, NonNull<T>);

pointers! {
    *const T: |pointer| pointer.cast();
    *mut T: |pointer| pointer.cast_const().cast();
    &T: |pointer| ptr::from_ref::<T>(pointer).cast();
    &mut T: |pointer| ptr::from_ref::<T>(pointer).cast();
    NonNull<T>: |pointer| pointer.as_ptr().cast_const().cast();
}

/// Formats a value with `core::fmt`. This is not inlined, so that only the code for the value
/// itself is at the message.
#[inline(never)]
pub fn formatted<'a>(value: fmt::Arguments<'_>, slot: &'a mut Buffer<BUFFER_SIZE>) -> Str<'a> {
    // An error means that the value was truncated, which is marked, or that its own formatting
    // failed. Either way the text so far is printed.
    let _ = fmt::write(slot, value);
    Str::new(slot.as_bytes())
}

/// A value with the placeholder for which it is used.
pub struct Tag<'a, S, T: ?Sized>(&'a T, PhantomData<S>);

/// Combines a value with its placeholder.
#[inline(always)]
pub const fn tag<S, T: ?Sized>(value: &T) -> Tag<'_, S, T> {
    Tag(value, PhantomData)
}

impl<'a, S, T: ?Sized> Tag<'a, S, T> {
    /// Returns the argument of `{:p}`.
    #[inline(always)]
    pub fn pointer(&self) -> Address
    where
        T: Pointer,
    {
        Address(self.0.address())
    }

    /// Returns the device of a message.
    #[inline(always)]
    pub const fn device(&self) -> &'a T
    where
        T: Printable,
    {
        self.0
    }
}

/// An argument that the kernel formats.
pub trait ByKernel<'a> {
    /// A value that must outlive the call.
    type Slot;
    /// The argument for C.
    type Arg;

    /// Makes the argument for C.
    fn arg(&self, slot: &'a mut Self::Slot) -> Self::Arg;
}

impl<'a, S: Spec, T: Native<S::Kind> + ?Sized> ByKernel<'a> for Tag<'a, S, T> {
    type Slot = T::Slot;
    type Arg = T::Arg<'a>;

    #[inline(always)]
    fn arg(&self, slot: &'a mut T::Slot) -> T::Arg<'a> {
        self.0.arg(S::LAYOUT, slot)
    }
}

/// An argument that `core::fmt` formats. It is implemented for one more reference, so that the
/// compiler finds it second.
pub trait ByCore<'a, S, T: ?Sized> {
    /// Formats the value and makes the argument for C.
    fn arg(&self, slot: &'a mut Buffer<BUFFER_SIZE>) -> Str<'a>
    where
        S: Format<T>;
}

impl<'a, S, T: ?Sized> ByCore<'a, S, T> for &Tag<'a, S, T> {
    #[inline(always)]
    fn arg(&self, slot: &'a mut Buffer<BUFFER_SIZE>) -> Str<'a>
    where
        S: Format<T>,
    {
        S::format(self.0, slot)
    }
}
