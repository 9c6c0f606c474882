// SPDX-License-Identifier: GPL-2.0-only
//! Initialisation in place: pin-init, as published in the crate `pinned-init`.
//!
//! A driver needs no dependency on that crate. The [prelude](crate::prelude) contains the macros.
//! pin-init's own documentation describes their syntax (`pinned_init::pin_init!` and the others).
//!
//! # Examples
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
//! The name of the struct may be a path, and may have generic arguments:
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
//!     // The generic arguments say what no field does.
//!     let _ = init!(Words::<Option<u8>, 1> { first: None, others: [0] });
//! }
//! fn by_path<T>(first: T) -> impl Init<Words<T, 0>, Error> {
//!     try_init!(data::Words::<T, 0> { first, others: [] })
//! }
//! # let _ = (words(), none(), by_path(1));
//! ```
//!
//! # What is left out, and why
//!
//! Some items of pinned-init 0.0.10 let code without `unsafe` write through any pointer, or move a
//! pinned value. This module re-exports by name the items without such a fault, and replaces the
//! macros that have one with its own. A driver that depends on `pinned-init` itself depends on a
//! crate that is not sound. For each fault, this list says what the crate should do and what this
//! module does:
//!
//! - **The initialiser macros evaluate the field shorthand inside their own `unsafe`**
//!   (`__init_internal!`, the arm `init_slot` "Init by-value"). `init!(Foo { X })` expands to
//!   `unsafe { ptr::write(&raw mut (*slot).X, X) }`. That reads a `static mut X` of the caller, or
//!   reborrows a `static mut X: &mut T` at each run. Correct: bind the value outside of the block,
//!   also for the shorthand: `let $field = $field;`. Here: the shorthand becomes `X: X`.
//! - **`#[pin_data]` accepts `#[repr(packed)]`.** The drop glue of a packed type moves each field
//!   that may be unaligned to the stack and drops it there, so it moves pinned fields. Correct: a
//!   function in the expansion that takes a reference to each field, which the compiler refuses for
//!   such fields (E0793). Here: that function.
//! - **`Wrapper for MaybeUninit`**: in `pin_chain`, `Pin::set(slot, MaybeUninit::zeroed())`
//!   overwrites the value that `MaybeUninit::pin_init(…)` has initialised, without dropping it,
//!   while C's lists refer to it. `Pin` promises that a pinned value is dropped before its memory
//!   is reused. Correct: no such implementation, but one for a type of pin-init's own that cannot
//!   be assigned to. Here: not re-exported.
//! - **Macros that are exported for the expansions of other macros are unsound when called
//!   directly**: `__init_internal!(init_slot: …)` writes through a pointer that the caller names.
//!   `__derive_zeroable!` does not check its list of fields, and `__pin_data!` does not check its
//!   list of pinned fields. Correct: their `unsafe` depends on something that only the outer macro
//!   can name. Here: the ones that this crate's macros expand to are in a hidden module whose name
//!   says that they are unsound; the derive is this crate's own.
//! - **The macros name `::core::…`.** That is another crate if the caller has a dependency called
//!   `core`, or declares `extern crate self as core;`: `::core::mem::forget(guard)` then drops the
//!   guard. They also name `Ok`, which may be the caller's. Correct: a re-export of `core` that
//!   `$crate` names. Here: this crate's macros check that the names in the expansions refer to
//!   `core`'s own items ([`__core_is_core!`](crate::__core_is_core)).
//! - **The name of the struct must not be a path or have generic arguments**:
//!   `init!(Foo::<[u8; 3]> { … })` passes its arguments to a position where a struct literal cannot
//!   have them ("struct literal body without path"). No rule matches an argument that is a
//!   constant, or `inner::Foo`. Correct: parse a path, and use its arguments only in the type.
//!   Here: this crate's macros do so.
//! - **`StackInit` is exported**, for the expansion of `stack_pin_init!`. Here: neither is
//!   re-exported, because a registration with C must not be on a stack.

mod sound {
    // `Zeroable` is a derive as well; this crate's own derive replaces it below.
    pub use pinned_init::{
        Init, PinInit, Zeroable, init_array_from_fn, init_from_closure, init_zeroed,
        pin_init_array_from_fn, pin_init_from_closure, zeroed,
    };
}

pub use linux_driver_macros::{Zeroable, pin_data, pinned_drop};
pub use sound::*;

/// Returns an initialiser of a struct with `#[pin_data]`. Its pinned fields are initialised in
/// place, with `field <- initialiser`.
///
/// The initialiser cannot fail. pin-init documents the syntax.
#[macro_export]
macro_rules! pin_init {
    ($($initializer:tt)*) => { $crate::macros::__initializer!($crate pin_init; $($initializer)*) };
}

/// As [`pin_init!`](crate::pin_init), for fields whose initialisers can fail.
///
/// The initialiser fails with an [`Error`](crate::error::Error). Another type of error is named
/// after the braces.
///
/// ```
/// use linux_driver::prelude::*;
/// # #[pin_data]
/// # struct Data {
/// #     words: [u16; 2],
/// # }
///
/// struct Full;
///
/// fn first(words: impl Init<[u16; 2], Error>) -> impl PinInit<Data, Error> {
///     try_pin_init!(Data { words <- words })
/// }
/// fn second(words: impl Init<[u16; 2], Full>) -> impl PinInit<Data, Full> {
///     try_pin_init!(Data { words <- words }? Full)
/// }
/// ```
#[macro_export]
macro_rules! try_pin_init {
    ($($initializer:tt)*) => {
        $crate::macros::__initializer!($crate try_pin_init; $($initializer)*)
    };
}

/// Returns an initialiser of a struct, which makes the struct at its final address. A large struct
/// is never on the stack.
///
/// The initialiser cannot fail. pin-init documents the syntax.
#[macro_export]
macro_rules! init {
    ($($initializer:tt)*) => { $crate::macros::__initializer!($crate init; $($initializer)*) };
}

/// As [`init!`](crate::init!), for fields whose initialisers can fail.
///
/// The initialiser fails with an [`Error`](crate::error::Error). Another type of error is named
/// after the braces: `try_init!(Data { … }? Other)`.
#[macro_export]
macro_rules! try_init {
    ($($initializer:tt)*) => { $crate::macros::__initializer!($crate try_init; $($initializer)*) };
}

/// Returns an initialiser that first calls `make`, which can fail, and then initialises the value
/// with the initialiser that `make` returns.
///
/// A `probe` uses it if it must do something before its data is initialised. If `make` or its
/// initialiser fails, the memory stays uninitialised and nothing in it is dropped.
///
/// # Examples
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
        // SAFETY: `__pinned_init` requires a slot that is valid for writes, is pinned until
        // dropped, and is not used as a `T` after an error: the caller of this closure promises
        // that for `slot`.
        unsafe { init.__pinned_init(slot) }.map_err(E::from)
    };
    // SAFETY: on `Ok` an initialiser for `T` has initialised the slot. On `Err` either nothing was
    // written, or that initialiser has cleaned up. The slot does not move.
    unsafe { pinned_init::pin_init_from_closure(init) }
}

/// A type, to find out whether its values may move while they are pinned: for the message of
/// [`__may_move!`](crate::__may_move).
#[doc(hidden)]
pub struct Moved<T: ?Sized>(core::marker::PhantomData<T>);

/// The constant of [`Moved`] for a type without a constant of its own.
#[doc(hidden)]
pub trait NotMoved {
    const MAY: bool = false;
}

impl<T: ?Sized> NotMoved for Moved<T> {}

impl<T: ?Sized + Unpin> Moved<T> {
    #[doc(hidden)]
    pub const MAY: bool = true;
}

/// Returns the initialiser, which must be one for `T`.
#[doc(hidden)]
pub fn __of<T, E, I: PinInit<T, E>>(init: I) -> I {
    init
}

/// Fails to compile, and names the field, if a field that must not move lacks `#[pin]`.
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
                    "` must not move: write `#[pin]` before the field"
                )
            );
        };
    };
}

/// The expansion of `#[pin_data]`. The check is always this crate's own, even if a driver defines
/// an item of the same name.
#[doc(hidden)]
#[macro_export]
macro_rules! __pin_data_unsound_by_hand {
    ($($data:tt)*) => {
        $crate::__core_is_core! {}
        $crate::__for_its_own_macros_and_unsound_by_hand::__pin_data! { $($data)* }
    };
}

/// Fails to compile unless `::core` is the real `core`, for the items that pin-init's macros name
/// there. A name that two globs import is ambiguous unless both mean the same item.
#[doc(hidden)]
#[macro_export]
macro_rules! __core_is_core {
    () => {
        const _: () = {
            #[allow(unused_imports, reason = "only some names of each glob are used")]
            mod mem {
                pub use ::core::mem::*;
                pub use $crate::__core::mem::*;
            }
            #[allow(unused_imports, reason = "only some names of each glob are used")]
            mod ptr {
                pub use ::core::ptr::*;
                pub use $crate::__core::ptr::*;
            }
            #[allow(unused_imports, reason = "only some names of each glob are used")]
            mod marker {
                pub use ::core::marker::*;
                pub use $crate::__core::marker::*;
            }
            #[allow(unused_imports, reason = "only some names of each glob are used")]
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
            const _: fn(&mut ()) -> *mut () = |value| ptr::addr_of_mut!(*value);
            const _: marker::PhantomData<(
                marker::PhantomPinned,
                others::Infallible,
                others::Pin<&()>,
            )> = marker::PhantomData;
            // `Ok` is resolved in the caller's scope: it must be a variant, not a function, and not
            // `Err` under that name. The two types differ here, so `Err` would not compile.
            const _: fn(others::Result<(), u8>) = |result| if let Ok(()) = result {};
            #[allow(dead_code, reason = "only the compiler uses it")]
            trait Bounds: marker::Copy + marker::Unpin + others::Clone + others::Drop {}
        };
    };
}
