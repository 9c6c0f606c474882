// SPDX-License-Identifier: GPL-2.0-only
//! Initialisation in place: pin-init, as published in the crate `pinned-init`.
//!
//! A driver needs no dependency of its own for it. The [prelude](crate::prelude) has the macros;
//! they are documented where pin-init is (`pinned_init::pin_init!` and the others), and take what
//! those take.
//!
//! ```
//! use linux_driver::new_mutex;
//! use linux_driver::prelude::*;
//! use linux_driver::sync::Mutex;
//!
//! #[pin_data]
//! struct Queue {
//!     #[pin]
//!     entries: Mutex<[u32; 8]>,
//!     length: usize,
//! }
//!
//! fn queue(length: usize) -> impl PinInit<Queue> {
//!     pin_init!(Queue { entries <- new_mutex!([0; 8]), length })
//! }
//! # let _ = queue(2);
//! ```
//!
//! The struct may be named by a path, and with arguments:
//!
//! ```
//! use linux_driver::prelude::*;
//!
//! mod data {
//!     pub struct Words<T, const N: usize> {
//!         pub first: T,
//!         pub others: [u16; N],
//!     }
//! }
//! use data::Words;
//!
//! fn words() -> impl Init<Words<[u8; 3], 2>> {
//!     init!(Words::<[u8; 3], 2> { first: [1; 3], others: [2; 2] })
//! }
//! fn none() {
//!     // What no field says, the arguments do.
//!     let _ = init!(Words::<Option<u8>, 1> { first: None, others: [0] });
//! }
//! fn by_path<T>(first: T) -> impl Init<Words<T, 0>, Error> {
//!     try_init!(data::Words::<T, 0> { first, others: [] }? Error)
//! }
//! # let _ = (words(), none(), by_path(1));
//! ```
//!
//! # What is not here, and why
//!
//! pinned-init 0.0.10 has items with which code without `unsafe` writes through any pointer, or
//! moves what is pinned. This module re-exports by name what has no such item in it, and puts
//! macros of its own before those that do. A driver that depends on `pinned-init` itself depends on
//! a crate that is not sound. To be changed there:
//!
//! - **The initialiser macros evaluate the field shorthand inside their own `unsafe`**
//!   (`__init_internal!`, the arm `init_slot` "Init by-value"). `init!(Foo { X })` expands to
//!   `unsafe { ptr::write(&raw mut (*slot).X, X) }`, which reads a `static mut X` of the caller's,
//!   or reborrows a `static mut X: &mut T` at each run. Right: bind the value before, outside of
//!   the block, also where none is written: `let $field = $field;`. Here: the shorthand becomes `X:
//!   X`.
//! - **`#[pin_data]` accepts `#[repr(packed)]`.** The drop glue of a packed type moves each field
//!   that may not be aligned to the stack and drops it there, so that a pinned field is moved.
//!   Right: a function in the expansion that takes a reference to each field, which the compiler
//!   refuses for such fields (E0793). Here: that function.
//! - **`Wrapper for MaybeUninit`**: what `MaybeUninit::pin_init(…)` has initialised is overwritten,
//!   undropped, by `Pin::set(slot, MaybeUninit::zeroed())` in `pin_chain`, while C's lists refer to
//!   it. `Pin` promises that a pinned value is dropped before its memory is used anew. Right: no
//!   such implementation; one for a type of pin-init's own, which is not assigned to. Here: not
//!   re-exported.
//! - **Macros that are exported for others' expansions are unsound by hand**:
//!   `__init_internal!(init_slot: …)` writes through a pointer that the caller names,
//!   `__derive_zeroable!` believes the list of fields that it is given, `__pin_data!` the list of
//!   pinned ones. Right: the `unsafe` depends on something that only the outer macro can name.
//!   Here: those that our macros expand to are in a hidden module whose name says so; the derive is
//!   our own.
//! - **The macros say `::core::…`**, which is another crate where the caller has a dependency of
//!   that name, or says `extern crate self as core;`: `::core::mem::forget(guard)` then drops. They
//!   say `Ok` and mean the caller's. Right: a re-export of `core` that `$crate` names. Here: our
//!   macros check that what the expansions name is `core`'s own
//!   ([`__core_is_core!`](crate::__core_is_core)).
//! - **The name of the struct is no path and has no arguments**: `init!(Foo::<[u8; 3]> { … })`
//!   hands its arguments on to where a struct literal cannot have them ("struct literal body
//!   without path"), an argument that is a constant matches no rule, nor does `inner::Foo`. Right:
//!   parse a path, and use its arguments for the type alone. Here: our macros do so.
//! - **`StackInit` is exported**, for the expansion of `stack_pin_init!`. Here: neither is
//!   re-exported; what C calls back is not made on a stack.

mod sound {
    // `Zeroable` is a derive, too: ours takes its place below.
    pub use pinned_init::{
        Init, PinInit, Zeroable, init_array_from_fn, init_from_closure, init_zeroed,
        pin_init_array_from_fn, pin_init_from_closure, zeroed,
    };
}

pub use linux_driver_macros::{Zeroable, pin_data, pinned_drop};
pub use sound::*;

/// Returns an initialiser of a struct with `#[pin_data]`; its pinned fields are initialised in
/// place, by `field <- initialiser`.
///
/// It cannot fail. pin-init documents the syntax.
#[macro_export]
macro_rules! pin_init {
    ($($initializer:tt)*) => { $crate::macros::__initializer!($crate pin_init; $($initializer)*) };
}

/// As [`pin_init!`](crate::pin_init), for fields whose initialisers can fail: `try_pin_init!(Data {
/// … }? Error)`.
#[macro_export]
macro_rules! try_pin_init {
    ($($initializer:tt)*) => { $crate::macros::__initializer!($crate try_pin_init; $($initializer)*) };
}

/// Returns an initialiser of a struct, by which it is made where it stays: a large one never is on
/// the stack.
///
/// It cannot fail. pin-init documents the syntax.
#[macro_export]
macro_rules! init {
    ($($initializer:tt)*) => { $crate::macros::__initializer!($crate init; $($initializer)*) };
}

/// As [`init!`](crate::init!), for fields whose initialisers can fail: `try_init!(Data { … }?
/// Error)`.
#[macro_export]
macro_rules! try_init {
    ($($initializer:tt)*) => { $crate::macros::__initializer!($crate try_init; $($initializer)*) };
}

/// Returns an initialiser that first runs `make`, which can fail, and then initialises with what it
/// returns.
///
/// It is for a `probe` that has to do things before it knows its data. When `make` or the
/// initialiser that it returns fails, the place stays uninitialised and nothing is dropped in it.
///
/// ```
/// use linux_driver::error::{Error, code::EINVAL};
/// use linux_driver::init::{PinInit, pin_init_scope};
///
/// struct Even(u32);
///
/// fn even(n: u32) -> impl PinInit<Even, Error> {
///     pin_init_scope(move || if n % 2 == 0 { Ok(Even(n)) } else { Err(EINVAL) })
/// }
/// # let _ = even(2);
/// ```
pub fn pin_init_scope<T, E, E2, I>(make: impl FnOnce() -> Result<I, E>) -> impl PinInit<T, E>
where
    I: PinInit<T, E2>,
    E: From<E2>,
{
    let init = move |slot: *mut T| {
        let init = make()?;
        // SAFETY: the caller of this closure promises for `slot` what `__pinned_init` asks: valid
        // for writes, pinned until dropped, and not used as a `T` after an error.
        unsafe { init.__pinned_init(slot) }.map_err(E::from)
    };
    // SAFETY: on `Ok` the slot was initialised by an initialiser for `T`; on `Err` either nothing
    // was written or that initialiser cleaned up after itself. The slot is not moved.
    unsafe { pinned_init::pin_init_from_closure(init) }
}

/// Whether a type may be moved when it is pinned: for the message of
/// [`__may_move!`](crate::__may_move).
#[doc(hidden)]
pub struct Moved<T: ?Sized>(core::marker::PhantomData<T>);

/// What a type has that does not have the constant of its own.
#[doc(hidden)]
pub trait NotMoved {
    const MAY: bool = false;
}

impl<T: ?Sized> NotMoved for Moved<T> {}

impl<T: ?Sized + Unpin> Moved<T> {
    #[doc(hidden)]
    pub const MAY: bool = true;
}

/// The initialiser, as one of a `T`.
#[doc(hidden)]
pub fn __of<T, E, I: PinInit<T, E>>(init: I) -> I {
    init
}

/// An error that names the field, where one that has to stay where it is lacks `#[pin]`.
#[doc(hidden)]
#[macro_export]
macro_rules! __may_move {
    ($name:ident: $type:ty) => {
        const _: () = {
            #[allow(
                unused_imports,
                reason = "a type that may move has the constant of its own"
            )]
            use $crate::init::NotMoved as _;
            $crate::__core::assert!(
                <$crate::init::Moved<$type>>::MAY,
                $crate::__core::concat!(
                    "`",
                    $crate::__core::stringify!($name),
                    "` has to stay where it is made: write `#[pin]` before the field"
                )
            );
        };
    };
}

/// What `#[pin_data]` expands to. The check is this crate's own, whatever a driver names like it.
#[doc(hidden)]
#[macro_export]
macro_rules! __pin_data_unsound_by_hand {
    ($($data:tt)*) => {
        $crate::__core_is_core! {}
        $crate::__for_its_own_macros_and_unsound_by_hand::__pin_data! { $($data)* }
    };
}

/// An error unless `::core` is what it seems, for what the macros of pin-init name there: a name
/// that two globs import is ambiguous, unless it is one and the same item.
#[doc(hidden)]
#[macro_export]
macro_rules! __core_is_core {
    () => {
        const _: () = {
            #[allow(unused_imports, reason = "of each glob only some names are looked at")]
            mod mem {
                pub use ::core::mem::*;
                pub use $crate::__core::mem::*;
            }
            #[allow(unused_imports, reason = "of each glob only some names are looked at")]
            mod ptr {
                pub use ::core::ptr::*;
                pub use $crate::__core::ptr::*;
            }
            #[allow(unused_imports, reason = "of each glob only some names are looked at")]
            mod marker {
                pub use ::core::marker::*;
                pub use $crate::__core::marker::*;
            }
            #[allow(unused_imports, reason = "of each glob only some names are looked at")]
            mod others {
                pub use ::core::clone::*;
                pub use ::core::convert::*;
                pub use ::core::ops::*;
                pub use ::core::pin::*;
                pub use ::core::result::*;
                pub use $crate::__core::clone::*;
                pub use $crate::__core::convert::*;
                pub use $crate::__core::ops::*;
                pub use $crate::__core::pin::*;
                pub use $crate::__core::result::*;
            }
            const _: fn(()) = mem::forget::<()>;
            const _: unsafe fn() = mem::zeroed::<()>;
            const _: unsafe fn(*mut (), ()) = ptr::write::<()>;
            const _: unsafe fn(*mut (), u8, usize) = ptr::write_bytes::<()>;
            const _: fn(*mut ()) -> $crate::__core::option::Option<ptr::NonNull<()>> =
                ptr::NonNull::new;
            const _: fn(&mut ()) -> *mut () = |place| ptr::addr_of_mut!(*place);
            const _: marker::PhantomData<(
                marker::PhantomPinned,
                others::Infallible,
                others::Pin<&()>,
            )> = marker::PhantomData;
            // `Ok` is the caller's: a variant, no function, and not `Err` by that name, whose type
            // is another here.
            const _: fn(others::Result<(), u8>) = |result| if let Ok(()) = result {};
            #[allow(dead_code, reason = "only the compiler looks at it")]
            trait Bounds: marker::Copy + marker::Unpin + others::Clone + others::Drop {}
        };
    };
}
