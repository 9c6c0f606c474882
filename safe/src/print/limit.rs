// SPDX-License-Identifier: GPL-2.0-only
//! What a place of a source knows of the lines that it has logged.
//!
//! C headers: `include/linux/ratelimit_types.h`, `include/linux/ratelimit.h`,
//! `include/linux/once_lite.h`; `lib/ratelimit.c`.

use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use linux_driver_sys as sys;

const RAW: u8 = 0;
const BEING_MADE: u8 = 1;
const READY: u8 = 2;

/// How often a place may log: C's `static DEFINE_RATELIMIT_STATE(…)`, with the defaults.
///
/// C makes its contents at compile time. Which these are is not known here: they are made at the
/// first use.
///
/// # Invariants
///
/// The state is a `struct ratelimit_state` where `stage` is `READY`.
#[doc(hidden)]
pub struct RateLimit {
    state: UnsafeCell<sys::linux_driver_ratelimit>,
    stage: AtomicU8,
}

// SAFETY: who made the stage `BEING_MADE` writes the state; from `READY` on C does, under its own
// lock.
unsafe impl Sync for RateLimit {}

impl RateLimit {
    /// For a static.
    #[expect(clippy::new_without_default, reason = "for a static, made by a macro")]
    pub const fn new() -> Self {
        // SAFETY: zero is a value of the integers of which the room is made.
        let state = unsafe { core::mem::zeroed() };
        Self {
            state: UnsafeCell::new(state),
            stage: AtomicU8::new(RAW),
        }
    }

    /// Whether `place` may log now: C's `__ratelimit`, which says how many lines it has held back,
    /// under that name.
    ///
    /// Context: any.
    pub fn allows(&'static self, place: &'static CStr) -> bool {
        let raw = self.state.get();
        if self.stage.load(Ordering::Acquire) != READY {
            let first =
                self.stage
                    .compare_exchange(RAW, BEING_MADE, Ordering::Relaxed, Ordering::Relaxed);
            if first.is_err() {
                // Another CPU makes it, or this one was interrupted while it did: not a place to
                // wait.
                return true;
            }
            // SAFETY: `ratelimit_state_init` asks for memory of a `struct ratelimit_state` that
            // nobody uses: the room is as large (`static_assert` in `shims.c`), and only the one
            // that found `RAW` gets here.
            unsafe { sys::linux_driver_ratelimit_init(raw) };
            // INVARIANT: made just now.
            self.stage.store(READY, Ordering::Release);
        }
        // SAFETY: `___ratelimit` asks for a state that `ratelimit_state_init` made, and for a
        // string. By the type's invariant the state is there, and stays: it is a static. The
        // function tries its lock, and so may be called in any context.
        unsafe { sys::linux_driver_ratelimit(raw, place.as_ptr()) != 0 }
    }
}

/// Whether a place has logged: what C's `DO_ONCE_LITE` keeps.
#[doc(hidden)]
pub struct Once(AtomicBool);

impl Once {
    /// For a static.
    #[expect(clippy::new_without_default, reason = "for a static, made by a macro")]
    pub const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Whether this is the first time. Context: any.
    #[inline]
    pub fn first(&self) -> bool {
        !self.0.load(Ordering::Relaxed) && !self.0.swap(true, Ordering::Relaxed)
    }
}

/// A place's name, from a literal that ends in NUL.
#[doc(hidden)]
pub const fn place(name: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(name.as_bytes()) {
        Ok(name) => name,
        Err(_) => panic!("the name of a place has no NUL in it"),
    }
}

/// Does something if it is to be done at all, and the place may log now.
#[doc(hidden)]
#[macro_export]
macro_rules! __ratelimited {
    ($when:expr => $($log:tt)*) => {{
        static LIMIT: $crate::print::expansion::RateLimit = $crate::print::expansion::RateLimit::new();
        const PLACE: &$crate::__core::ffi::CStr =
            $crate::print::expansion::place($crate::__core::concat!($crate::__core::module_path!(), "\0"));
        if $when && LIMIT.allows(PLACE) {
            $($log)*
        }
    }};
}

/// Does something if it is to be done at all, the first time.
#[doc(hidden)]
#[macro_export]
macro_rules! __once {
    ($when:expr => $($log:tt)*) => {{
        static ONCE: $crate::print::expansion::Once = $crate::print::expansion::Once::new();
        if $when && ONCE.first() {
            $($log)*
        }
    }};
}

/// The macros that log a line of another macro's at times. `$d` is a dollar sign, for the macros
/// that are made.
macro_rules! limited {
    ($d:tt pr $($plain:ident $ratelimited:ident $once:ident if ($($when:tt)*);)*) => { $(
        #[doc = concat!("Logs a line as [`", stringify!($plain), "!`](crate::", stringify!($plain), ") does, ten times in five seconds at most from each place. C: `", stringify!($ratelimited), "`.")]
        ///
        /// What was held back is counted, and logged when the five seconds are over, with the
        /// module's path in front. Arguments are evaluated only if the line is logged. Any context.
        /// See [`print`](mod@crate::print) for the format string.
        ///
        /// ```no_run
        #[doc = concat!("use linux_driver::", stringify!($ratelimited), ";")]
        ///
        /// fn overrun(bus: u8) {
        #[doc = concat!("    ", stringify!($ratelimited), "!(\"bus {bus}: overrun\");")]
        /// }
        /// ```
        #[macro_export]
        macro_rules! $ratelimited {
            ($d($d arg:tt)*) => { $d crate::__ratelimited!($($when)* => $d crate::$plain!($d($d arg)*);) };
        }

        #[doc = concat!("Logs a line as [`", stringify!($plain), "!`](crate::", stringify!($plain), ") does, once from each place as long as the module is loaded. C: `", stringify!($once), "`.")]
        ///
        /// Arguments are evaluated only if the line is logged. Any context. See
        /// [`print`](mod@crate::print) for the format string.
        ///
        /// ```no_run
        #[doc = concat!("use linux_driver::", stringify!($once), ";")]
        ///
        /// fn old(revision: u8) {
        #[doc = concat!("    ", stringify!($once), "!(\"revision {revision} has no interrupts\");")]
        /// }
        /// ```
        #[macro_export]
        macro_rules! $once {
            ($d($d arg:tt)*) => { $d crate::__once!($($when)* => $d crate::$plain!($d($d arg)*);) };
        }
    )* };
    ($d:tt dev $($plain:ident $ratelimited:ident $once:ident if ($($when:tt)*);)*) => { $(
        #[doc = concat!("Logs a line about a device as [`", stringify!($plain), "!`](crate::", stringify!($plain), ") does, ten times in five seconds at most from each place, whatever the device. C: `", stringify!($ratelimited), "`.")]
        ///
        /// What was held back is counted, and logged when the five seconds are over, with the
        /// module's path in front. Arguments are evaluated only if the line is logged. Any context.
        /// See [`print`](mod@crate::print) for the format string.
        ///
        /// ```no_run
        /// # use linux_driver::print::Printable;
        #[doc = concat!("use linux_driver::", stringify!($ratelimited), ";")]
        ///
        /// fn overrun(dev: &impl Printable, count: u32) {
        #[doc = concat!("    ", stringify!($ratelimited), "!(dev, \"{count} overruns\");")]
        /// }
        /// ```
        #[macro_export]
        macro_rules! $ratelimited {
            ($d($d arg:tt)*) => { $d crate::__ratelimited!($($when)* => $d crate::$plain!($d($d arg)*);) };
        }

        #[doc = concat!("Logs a line about a device as [`", stringify!($plain), "!`](crate::", stringify!($plain), ") does, once from each place as long as the module is loaded, whatever the device. C: `", stringify!($once), "`.")]
        ///
        /// Arguments are evaluated only if the line is logged. Any context. See
        /// [`print`](mod@crate::print) for the format string.
        ///
        /// ```no_run
        /// # use linux_driver::print::Printable;
        #[doc = concat!("use linux_driver::", stringify!($once), ";")]
        ///
        /// fn old(dev: &impl Printable, revision: u8) {
        #[doc = concat!("    ", stringify!($once), "!(dev, \"revision {revision} has no interrupts\");")]
        /// }
        /// ```
        #[macro_export]
        macro_rules! $once {
            ($d($d arg:tt)*) => { $d crate::__once!($($when)* => $d crate::$plain!($d($d arg)*);) };
        }
    )* };
}

limited! {
    $ pr
    pr_emerg pr_emerg_ratelimited pr_emerg_once if (true);
    pr_alert pr_alert_ratelimited pr_alert_once if (true);
    pr_crit pr_crit_ratelimited pr_crit_once if (true);
    pr_err pr_err_ratelimited pr_err_once if (true);
    pr_warn pr_warn_ratelimited pr_warn_once if (true);
    pr_notice pr_notice_ratelimited pr_notice_once if (true);
    pr_info pr_info_ratelimited pr_info_once if (true);
    pr_debug pr_debug_ratelimited pr_debug_once if ($crate::__core::cfg!(debug_assertions));
}

limited! {
    $ dev
    dev_emerg dev_emerg_ratelimited dev_emerg_once if (true);
    dev_alert dev_alert_ratelimited dev_alert_once if (true);
    dev_crit dev_crit_ratelimited dev_crit_once if (true);
    dev_err dev_err_ratelimited dev_err_once if (true);
    dev_warn dev_warn_ratelimited dev_warn_once if (true);
    dev_notice dev_notice_ratelimited dev_notice_once if (true);
    dev_info dev_info_ratelimited dev_info_once if (true);
    dev_dbg dev_dbg_ratelimited dev_dbg_once if ($crate::__core::cfg!(debug_assertions));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_is_once() {
        let once = Once::new();
        assert!(once.first());
        assert!(!once.first() && !once.first());
    }

    #[test]
    fn each_place_has_its_own() {
        let (mut first, mut second) = (0, 0);
        for _ in 0..3 {
            crate::__once!(true => first += 1);
            crate::__once!(true => second += 1);
        }
        assert_eq!((first, second), (1, 1));
    }
}
