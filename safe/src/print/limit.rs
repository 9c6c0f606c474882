// SPDX-License-Identifier: GPL-2.0-only
//! Limits on the lines that a source location logs.
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

/// The rate limit of a source location: C's `static DEFINE_RATELIMIT_STATE(…)`, with the defaults.
///
/// C initialises it at compile time. The contents are not known to Rust, so it is initialised at
/// its first use.
///
/// # Invariants
///
/// If `stage` is `READY`, the state is a `struct ratelimit_state`.
#[doc(hidden)]
pub struct RateLimit {
    state: UnsafeCell<sys::linux_driver_ratelimit>,
    stage: AtomicU8,
}

// SAFETY: only the code that set the stage to `BEING_MADE` writes the state. Once the stage is
// `READY`, C writes it, under its own lock.
unsafe impl Sync for RateLimit {}

impl RateLimit {
    /// Returns a limit, for a static.
    #[expect(clippy::new_without_default, reason = "for a static, made by a macro")]
    pub const fn new() -> Self {
        // SAFETY: the memory consists of integers, for which zero is a valid value.
        let state = unsafe { core::mem::zeroed() };
        Self {
            state: UnsafeCell::new(state),
            stage: AtomicU8::new(RAW),
        }
    }

    /// Returns true if the source location `location` may log now: C's `__ratelimit`. It logs the
    /// number of suppressed lines, under that name.
    ///
    /// # Context
    ///
    /// Any.
    pub fn allows(&'static self, location: &'static CStr) -> bool {
        let raw = self.state.get();
        if self.stage.load(Ordering::Acquire) != READY {
            let first =
                self.stage
                    .compare_exchange(RAW, BEING_MADE, Ordering::Relaxed, Ordering::Relaxed);
            if first.is_err() {
                // Another CPU initialises the state, or this code interrupted the initialisation.
                // It cannot wait here.
                return true;
            }
            // SAFETY: `ratelimit_state_init` requires memory for a `struct ratelimit_state` that
            // nothing uses. The memory is large enough (`static_assert` in `shims.c`). Only the
            // code that found `RAW` gets here.
            unsafe { sys::linux_driver_ratelimit_init(raw) };
            // INVARIANT: the state was initialised just now.
            self.stage.store(READY, Ordering::Release);
        }
        // SAFETY: `___ratelimit` requires a state that `ratelimit_state_init` initialised, and a
        // string. By the type's invariant the state is initialised, and it is a static, so it
        // stays. The function only tries to take its lock, so it may be called in any context.
        unsafe { sys::linux_driver_ratelimit(raw, location.as_ptr()) != 0 }
    }
}

/// A flag that a source location has logged, as C's `DO_ONCE_LITE` has.
#[doc(hidden)]
pub struct Once(AtomicBool);

impl Once {
    /// Returns a value for a static.
    #[expect(clippy::new_without_default, reason = "for a static, made by a macro")]
    pub const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Returns true at the first call.
    ///
    /// # Context
    ///
    /// Any.
    #[inline]
    pub fn first(&self) -> bool {
        !self.0.load(Ordering::Relaxed) && !self.0.swap(true, Ordering::Relaxed)
    }
}

/// Returns the name of a source location, from a literal that ends with NUL.
#[doc(hidden)]
pub const fn location(name: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(name.as_bytes()) {
        Ok(name) => name,
        Err(_) => panic!("the name of a source location must not contain a NUL"),
    }
}

/// Executes the code if `$when` is true and the source location may log now.
#[doc(hidden)]
#[macro_export]
macro_rules! __ratelimited {
    ($when:expr => $($log:tt)*) => {{
        static LIMIT: $crate::print::expansion::RateLimit =
            $crate::print::expansion::RateLimit::new();
        const LOCATION: &$crate::__core::ffi::CStr = $crate::print::expansion::location(
            $crate::__core::concat!($crate::__core::module_path!(), "\0"),
        );
        if $when && LIMIT.allows(LOCATION) {
            $($log)*
        }
    }};
}

/// Executes the code if `$when` is true, but only the first time.
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

/// Declares macros that limit how often another macro logs. `$d` is a dollar sign, for the declared
/// macros.
macro_rules! limited {
    ($d:tt pr $($plain:ident $ratelimited:ident $once:ident if ($($when:tt)*);)*) => { $(
        #[doc = concat!(
            "Logs a line as [`", stringify!($plain), "!`](crate::", stringify!($plain),
            ") does, at most ten times in five seconds from each source location. C: `",
            stringify!($ratelimited), "`."
        )]
        ///
        /// Suppressed lines are counted. After the five seconds their number is logged, with the
        /// path of the module in front. Arguments are evaluated only if the line is logged. See
        /// [`print`](mod@crate::print) for the format string.
        ///
        /// # Context
        ///
        /// Any.
        ///
        /// # Examples
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
            ($d($d arg:tt)*) => {
                $d crate::__ratelimited!($($when)* => $d crate::$plain!($d($d arg)*);)
            };
        }

        #[doc = concat!(
            "Logs a line as [`", stringify!($plain), "!`](crate::", stringify!($plain),
            ") does, once from each source location while the module is loaded. C: `",
            stringify!($once), "`."
        )]
        ///
        /// Arguments are evaluated only if the line is logged. See [`print`](mod@crate::print) for
        /// the format string.
        ///
        /// # Context
        ///
        /// Any.
        ///
        /// # Examples
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
        #[doc = concat!(
            "Logs a line about a device as [`", stringify!($plain), "!`](crate::",
            stringify!($plain),
            ") does, at most ten times in five seconds from each source location, for all devices \
             together. C: `",
            stringify!($ratelimited), "`."
        )]
        ///
        /// Suppressed lines are counted. After the five seconds their number is logged, with the
        /// path of the module in front. Arguments are evaluated only if the line is logged. See
        /// [`print`](mod@crate::print) for the format string.
        ///
        /// # Context
        ///
        /// Any.
        ///
        /// # Examples
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
            ($d($d arg:tt)*) => {
                $d crate::__ratelimited!($($when)* => $d crate::$plain!($d($d arg)*);)
            };
        }

        #[doc = concat!(
            "Logs a line about a device as [`", stringify!($plain), "!`](crate::",
            stringify!($plain),
            ") does, once from each source location while the module is loaded, for all devices \
             together. C: `",
            stringify!($once), "`."
        )]
        ///
        /// Arguments are evaluated only if the line is logged. See [`print`](mod@crate::print) for
        /// the format string.
        ///
        /// # Context
        ///
        /// Any.
        ///
        /// # Examples
        ///
        /// ```no_run
        /// # use linux_driver::print::Printable;
        #[doc = concat!("use linux_driver::", stringify!($once), ";")]
        ///
        /// fn old(dev: &impl Printable, revision: u8) {
        #[doc = concat!(
            "    ", stringify!($once), "!(dev, \"revision {revision} has no interrupts\");"
        )]
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
    fn only_the_first_call_is_the_first() {
        let once = Once::new();
        assert!(once.first());
        assert!(!once.first() && !once.first());
    }

    #[test]
    fn each_source_location_has_its_own_limit() {
        let (mut first, mut second) = (0, 0);
        for _ in 0..3 {
            crate::__once!(true => first += 1);
            crate::__once!(true => second += 1);
        }
        assert_eq!((first, second), (1, 1));
    }
}
