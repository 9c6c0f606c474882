// SPDX-License-Identifier: GPL-2.0-only
//! Polls a register until a condition holds.
//!
//! C header: `include/linux/iopoll.h`.

use linux_driver_sys as sys;

use crate::error::{Result, code::ETIMEDOUT};
use crate::wait::might_sleep;

/// Calls `op` until `cond` holds for the value that it returns: C's `read_poll_timeout`.
///
/// Sleeps at most `sleep_us` microseconds between two reads. With 0 it does not sleep; the value
/// should be less than 20000 (20 ms), as in C. Reads for `timeout_us` microseconds in total, and
/// then once more. With a `timeout_us` of 0 there is no limit, as in C.
///
/// # Context
///
/// May sleep, and calls `might_sleep` before the first read. With a `sleep_us` of 0: any context
/// except NMI.
///
/// # Errors
///
/// [`ETIMEDOUT`](crate::error::code::ETIMEDOUT) if the condition does not hold for the last read
/// either.
///
/// # Examples
///
/// ```no_run
/// # use linux_driver::error::Result;
/// # use linux_driver::io::Mmio;
/// use linux_driver::io::read_poll_timeout;
///
/// /// Waits until bit 0 of the status register is clear.
/// fn wait(registers: &Mmio<0x100>) -> Result<u32> {
///     read_poll_timeout(|| registers.readl::<0x20>(), |status| status & 1 == 0, 10, 1_000_000)
/// }
/// ```
pub fn read_poll_timeout<T: Copy>(
    mut op: impl FnMut() -> T,
    mut cond: impl FnMut(T) -> bool,
    sleep_us: u32,
    timeout_us: u32,
) -> Result<T> {
    if sleep_us != 0 {
        might_sleep();
    }
    // SAFETY: `ktime_get` requires a context other than NMI, and timekeeping that is not suspended
    // (it warns): the caller promises a context that may sleep or wait.
    let now = || unsafe { sys::linux_driver_ktime_get_ns() };
    let end = now().saturating_add(i64::from(timeout_us) * 1000);
    loop {
        let value = op();
        if cond(value) {
            return Ok(value);
        }
        if timeout_us != 0 && now() > end {
            // The task may have been delayed between the last read and reading the clock. So the
            // register is read once more.
            let value = op();
            return if cond(value) {
                Ok(value)
            } else {
                Err(ETIMEDOUT)
            };
        }
        if sleep_us > 0 {
            // At least a quarter of `sleep_us`, as in C. The range lets the kernel combine
            // wake-ups.
            let min = u64::from(sleep_us >> 2) + 1;
            // SAFETY: `usleep_range` requires
            // - a minimum that is not above the maximum: `max` ensures that;
            // - a caller that may sleep: to sleep in another context is a bug that the kernel
            //   reports, but not a memory error.
            unsafe { sys::linux_driver_usleep_range(min, u64::from(sleep_us).max(min)) };
        } else {
            core::hint::spin_loop();
        }
    }
}
