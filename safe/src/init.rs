// SPDX-License-Identifier: GPL-2.0-only
//! Initialisation in place: pin-init, as published in the crate `pinned-init`.
//!
//! A driver that has pinned fields uses `#[pin_data]` and `try_pin_init!` of that crate. Their expansion names
//! `::pinned_init`: such a driver lists `pinned-init` among its own dependencies, under that very name.

pub use pinned_init::{Init, PinInit};

/// An initialiser that first runs `make`, which can fail, and then initialises with what it returns.
///
/// It is for a `probe` that has to do things before it knows its data. When `make` or the initialiser that it returns
/// fails, the place stays uninitialised and nothing is dropped in it.
///
/// ```
/// use linux_driver_safe::error::{Error, code::EINVAL};
/// use linux_driver_safe::init::{PinInit, pin_init_scope};
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
        // SAFETY: the caller of this closure promises for `slot` what `__pinned_init` asks: valid for writes, pinned
        // until dropped, and not used as a `T` after an error.
        unsafe { init.__pinned_init(slot) }.map_err(E::from)
    };
    // SAFETY: on `Ok` the slot was initialised by an initialiser for `T`; on `Err` either nothing was written or that
    // initialiser cleaned up after itself. The slot is not moved.
    unsafe { pinned_init::pin_init_from_closure(init) }
}
