// SPDX-License-Identifier: GPL-2.0-only
//! Waiting for a register.
//!
//! C header: `include/linux/iopoll.h`.

use linux_driver_sys as sys;

use crate::error::{Result, code::ETIMEDOUT};
use crate::wait::might_sleep;

/// Reads with `op` until `cond` holds of what it read: C's `read_poll_timeout`.
///
/// `sleep_us` microseconds at most are slept between two reads (0: none; less than 20 ms, as C
/// asks), `timeout_us` microseconds are waited in all, after which it reads once more; 0 is no
/// limit, as in C. [`ETIMEDOUT`](crate::error::code::ETIMEDOUT) if the condition still does not
/// hold then.
///
/// Context: may sleep, and says so to a kernel that looks for it (`might_sleep`) before it reads;
/// any but NMI with a `sleep_us` of 0.
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
    // SAFETY: `ktime_get` demands a context that is no NMI, and timekeeping that is not suspended
    // (it warns): the caller promises to be able to sleep or to wait.
    let now = || unsafe { sys::linux_driver_ktime_get_ns() };
    let end = now().saturating_add(i64::from(timeout_us) * 1000);
    loop {
        let value = op();
        if cond(value) {
            return Ok(value);
        }
        if timeout_us != 0 && now() > end {
            // The task may have been held up between the last read and the clock: the last word is
            // the register's.
            let value = op();
            return if cond(value) {
                Ok(value)
            } else {
                Err(ETIMEDOUT)
            };
        }
        if sleep_us > 0 {
            // At least a quarter of it, as in C: a range lets the kernel put wake-ups together.
            let min = u64::from(sleep_us >> 2) + 1;
            // SAFETY: `usleep_range` asks for a caller that may sleep, and for a minimum that is
            // not above the maximum. To sleep where one may not is a bug that the kernel reports,
            // and no memory error.
            unsafe { sys::linux_driver_usleep_range(min, u64::from(sleep_us).max(min)) };
        } else {
            core::hint::spin_loop();
        }
    }
}
