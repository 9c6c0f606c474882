// SPDX-License-Identifier: GPL-2.0-only
//! Times in ticks of the scheduler.
//!
//! C header: `include/linux/jiffies.h`; `kernel/time/time.c`.

use core::ffi::{c_long, c_ulong};

use linux_driver_sys as sys;

/// A length of time in ticks of the scheduler. There are `HZ` ticks in a second: with 250, a tick
/// is 4 ms.
///
/// # Invariants
///
/// The value is at most `MAX_JIFFY_OFFSET` (`LONG_MAX / 2 - 1`), which C's conversions return for
/// an infinite timeout.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Jiffies(c_ulong);

impl Jiffies {
    /// The maximum: C's `MAX_JIFFY_OFFSET`, hundreds of millions of years.
    #[doc(alias = "MAX_JIFFY_OFFSET")]
    pub const MAX: Self = Self((c_long::MAX as c_ulong >> 1) - 1);

    /// The number of ticks in a second: C's `HZ`.
    pub const HZ: u32 = sys::LINUX_DRIVER_HZ as u32;

    /// Returns a length of `ticks` ticks, limited to [`MAX`](Self::MAX).
    pub const fn new(ticks: u64) -> Self {
        // INVARIANT: limited here.
        if ticks < Self::MAX.0 {
            Self(ticks)
        } else {
            Self::MAX
        }
    }

    /// Returns a length of at least `ms` milliseconds: C's `msecs_to_jiffies`, which rounds up. For
    /// more than `i32::MAX` (24 days) it returns [`MAX`](Self::MAX), as C does.
    #[doc(alias = "msecs_to_jiffies")]
    #[doc(alias = "__msecs_to_jiffies")]
    pub fn from_msecs(ms: u32) -> Self {
        if ms > i32::MAX.cast_unsigned() {
            return Self::MAX;
        }
        // C's inline function does the same for a constant. If a tick is a whole number of
        // milliseconds, no call is left.
        if const { Self::HZ <= 1000 && 1000 % Self::HZ == 0 } {
            return Self::new(u64::from(ms.div_ceil(const { 1000 / Self::HZ })));
        }
        // SAFETY: `__msecs_to_jiffies` has no precondition: its result depends only on its argument
        // (`__attribute_const__`).
        Self::new(unsafe { sys::__msecs_to_jiffies(ms) })
    }

    /// Returns the number of ticks.
    pub const fn ticks(self) -> u64 {
        self.0
    }

    /// Returns the length in milliseconds, rounded up: C's `jiffies_to_msecs`, but limited to the
    /// maximum instead of overflowing.
    ///
    /// # Examples
    ///
    /// ```
    /// use linux_driver::jiffies::Jiffies;
    ///
    /// assert_eq!(Jiffies::new(2 * u64::from(Jiffies::HZ)).as_msecs(), 2000);
    /// ```
    #[doc(alias = "jiffies_to_msecs")]
    pub const fn as_msecs(self) -> u64 {
        self.0.saturating_mul(1000).div_ceil(Self::HZ as u64)
    }

    /// Returns the length as a `long`, as C's functions take a timeout.
    pub(crate) const fn as_long(self) -> c_long {
        self.0 as c_long
    }

    /// Converts the time that is left of a timeout, as C returns it.
    pub(crate) const fn left(ticks: c_long) -> Self {
        Self::new(if ticks > 0 { ticks as u64 } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_rounded_up_to_ticks() {
        let tick = 1000 / Jiffies::HZ;
        for (ms, ticks) in [
            (0, 0),
            (1, 1),
            (tick, 1),
            (tick + 1, 2),
            (2000, u64::from(2 * Jiffies::HZ)),
        ] {
            assert_eq!(Jiffies::from_msecs(ms).ticks(), ticks, "{ms} ms");
        }
        let most = i32::MAX.cast_unsigned();
        assert_eq!(
            Jiffies::from_msecs(most).ticks(),
            u64::from(most.div_ceil(tick))
        );
        assert_eq!(Jiffies::from_msecs(most + 1).ticks(), Jiffies::MAX.ticks());
    }
}
