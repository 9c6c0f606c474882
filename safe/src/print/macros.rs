// SPDX-License-Identifier: GPL-2.0-only
//! The macros of `include/linux/printk.h` and `include/linux/dev_printk.h`, under the same names.

/// Logs a line at level `KERN_EMERG`: the system is unusable. C: `pr_emerg`.
///
/// The line starts with the driver's name. See [`print`](mod@crate::print) for the format string.
///
/// # Context
///
/// Any.
///
/// # Examples
///
/// ```no_run
/// # let bus = 3u8;
/// linux_driver::pr_emerg!("the board is on fire, bus {bus} is dead");
/// ```
#[macro_export]
macro_rules! pr_emerg {
    ($($arg:tt)*) => {
        $crate::print::__printk!($crate, pr Emerg, $($arg)*)
    };
}

/// Logs a line at level `KERN_ALERT`: action must be taken immediately. C: `pr_alert`.
///
/// The line starts with the driver's name. See [`print`](mod@crate::print) for the format string.
///
/// # Context
///
/// Any.
///
/// # Examples
///
/// ```no_run
/// # let bus = 3u8;
/// linux_driver::pr_alert!("bus {bus} has to be reset by hand");
/// ```
#[macro_export]
macro_rules! pr_alert {
    ($($arg:tt)*) => {
        $crate::print::__printk!($crate, pr Alert, $($arg)*)
    };
}

/// Logs a line at level `KERN_CRIT`: a critical condition. C: `pr_crit`.
///
/// The line starts with the driver's name. See [`print`](mod@crate::print) for the format string.
///
/// # Context
///
/// Any.
///
/// # Examples
///
/// ```no_run
/// # let bus = 3u8;
/// linux_driver::pr_crit!("bus {bus} failed");
/// ```
#[macro_export]
macro_rules! pr_crit {
    ($($arg:tt)*) => {
        $crate::print::__printk!($crate, pr Crit, $($arg)*)
    };
}

/// Logs a line at level `KERN_ERR`: an error. C: `pr_err`.
///
/// The line starts with the driver's name. See [`print`](mod@crate::print) for the format string.
///
/// # Context
///
/// Any.
///
/// # Examples
///
/// ```no_run
/// # let bus = 3u8;
/// linux_driver::pr_err!("bus {bus}: reset failed");
/// ```
#[macro_export]
macro_rules! pr_err {
    ($($arg:tt)*) => {
        $crate::print::__printk!($crate, pr Err, $($arg)*)
    };
}

/// Logs a line at level `KERN_WARNING`: a warning. C: `pr_warn`.
///
/// The line starts with the driver's name. See [`print`](mod@crate::print) for the format string.
///
/// # Context
///
/// Any.
///
/// # Examples
///
/// ```no_run
/// # let bus = 3u8;
/// linux_driver::pr_warn!("bus {bus} answers late");
/// ```
#[macro_export]
macro_rules! pr_warn {
    ($($arg:tt)*) => {
        $crate::print::__printk!($crate, pr Warn, $($arg)*)
    };
}

/// Logs a line at level `KERN_NOTICE`: normal, but worth notice. C: `pr_notice`.
///
/// The line starts with the driver's name. See [`print`](mod@crate::print) for the format string.
///
/// # Context
///
/// Any.
///
/// # Examples
///
/// ```no_run
/// # let bus = 3u8;
/// linux_driver::pr_notice!("bus {bus} has come back");
/// ```
#[macro_export]
macro_rules! pr_notice {
    ($($arg:tt)*) => {
        $crate::print::__printk!($crate, pr Notice, $($arg)*)
    };
}

/// Logs a line at level `KERN_INFO`: informational. C: `pr_info`.
///
/// The line starts with the driver's name. See [`print`](mod@crate::print) for the format string.
///
/// # Context
///
/// Any.
///
/// # Examples
///
/// ```no_run
/// # let vendor = 0x1234u16;
/// # let id = 0x11e8u16;
/// linux_driver::pr_info!("probing {:04x}:{:04x}", vendor, id);
/// ```
#[macro_export]
macro_rules! pr_info {
    ($($arg:tt)*) => {
        $crate::print::__printk!($crate, pr Info, $($arg)*)
    };
}

/// Logs a line at level `KERN_DEBUG`, only in builds with debug assertions. C: `pr_debug`, built
/// with `DEBUG`.
///
/// Without debug assertions the driver contains nothing of it, but its arguments are still checked.
/// The kernel's dynamic debugging does not control it. See [`print`](mod@crate::print) for the
/// format string.
///
/// # Context
///
/// Any.
///
/// # Examples
///
/// ```no_run
/// # let head = 7u32;
/// linux_driver::pr_debug!("ring head at {head}");
/// ```
#[macro_export]
macro_rules! pr_debug {
    ($($arg:tt)*) => {
        if $crate::__core::cfg!(debug_assertions) {
            $crate::print::__printk!($crate, pr Debug, $($arg)*)
        }
    };
}

/// Continues a line that was left open, or begins one at the default level. C: `pr_cont`.
///
/// `pr_info!` and similar macros end their lines, unless their last argument is `..`, which leaves
/// the line open. (In C, a message without a newline leaves it open. The kernel shows such a line
/// when the next message comes, which may be never.) `pr_cont!` adds neither the driver's name nor
/// a newline. End the line with a `\n` of your own.
///
/// Messages of other CPUs can split a line that is made of several calls, so prefer a single call.
/// See [`print`](mod@crate::print) for the format string.
///
/// # Context
///
/// Any.
///
/// # Examples
///
/// ```no_run
/// use linux_driver::{pr_cont, pr_info};
///
/// pr_info!("registers:", ..);
/// for value in [1u32, 2, 3] {
///     pr_cont!(" {value:08x}");
/// }
/// pr_cont!("\n");
/// ```
#[macro_export]
macro_rules! pr_cont {
    ($($arg:tt)*) => {
        $crate::print::__printk!($crate, cont, $($arg)*)
    };
}

/// Logs a line about a device at level `KERN_EMERG`: the system is unusable. C: `dev_emerg`.
///
/// The line starts with the names of the device's driver and of the device. See
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
/// use linux_driver::dev_emerg;
///
/// fn report(dev: &impl Printable, celsius: u8) {
///     dev_emerg!(dev, "over-temperature, {celsius} degrees");
/// }
/// ```
#[macro_export]
macro_rules! dev_emerg {
    ($dev:expr, $($arg:tt)*) => {
        $crate::print::__printk!($crate, dev Emerg, $dev, $($arg)*)
    };
}

/// Logs a line about a device at level `KERN_ALERT`: action must be taken immediately. C:
/// `dev_alert`.
///
/// The line starts with the names of the device's driver and of the device. See
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
/// use linux_driver::dev_alert;
///
/// fn report(dev: &impl Printable, celsius: u8) {
///     dev_alert!(dev, "cooling failed at {celsius} degrees");
/// }
/// ```
#[macro_export]
macro_rules! dev_alert {
    ($dev:expr, $($arg:tt)*) => {
        $crate::print::__printk!($crate, dev Alert, $dev, $($arg)*)
    };
}

/// Logs a line about a device at level `KERN_CRIT`: a critical condition. C: `dev_crit`.
///
/// The line starts with the names of the device's driver and of the device. See
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
/// use linux_driver::dev_crit;
///
/// fn report(dev: &impl Printable, celsius: u8) {
///     dev_crit!(dev, "{celsius} degrees, throttling");
/// }
/// ```
#[macro_export]
macro_rules! dev_crit {
    ($dev:expr, $($arg:tt)*) => {
        $crate::print::__printk!($crate, dev Crit, $dev, $($arg)*)
    };
}

/// Logs a line about a device at level `KERN_ERR`: an error. C: `dev_err`.
///
/// The line starts with the names of the device's driver and of the device. See
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
/// use linux_driver::dev_err;
///
/// fn report(dev: &impl Printable, status: u32) {
///     dev_err!(dev, "no answer, status {status:#010x}");
/// }
/// ```
#[macro_export]
macro_rules! dev_err {
    ($dev:expr, $($arg:tt)*) => {
        $crate::print::__printk!($crate, dev Err, $dev, $($arg)*)
    };
}

/// Logs a line about a device at level `KERN_WARNING`: a warning. C: `dev_warn`.
///
/// The line starts with the names of the device's driver and of the device. See
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
/// use linux_driver::dev_warn;
///
/// fn report(dev: &impl Printable, status: u32) {
///     dev_warn!(dev, "unexpected status {status:#x}");
/// }
/// ```
#[macro_export]
macro_rules! dev_warn {
    ($dev:expr, $($arg:tt)*) => {
        $crate::print::__printk!($crate, dev Warn, $dev, $($arg)*)
    };
}

/// Logs a line about a device at level `KERN_NOTICE`: normal, but worth notice. C: `dev_notice`.
///
/// The line starts with the names of the device's driver and of the device. See
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
/// use linux_driver::dev_notice;
///
/// fn report(dev: &impl Printable) {
///     dev_notice!(dev, "link is down");
/// }
/// ```
#[macro_export]
macro_rules! dev_notice {
    ($dev:expr, $($arg:tt)*) => {
        $crate::print::__printk!($crate, dev Notice, $dev, $($arg)*)
    };
}

/// Logs a line about a device at level `KERN_INFO`: informational. C: `dev_info`.
///
/// The line starts with the names of the device's driver and of the device. See
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
/// use linux_driver::dev_info;
///
/// fn report(dev: &impl Printable, status: u32) {
///     dev_info!(dev, "revision {}.{}", status >> 8, status & 0xff);
/// }
/// ```
#[macro_export]
macro_rules! dev_info {
    ($dev:expr, $($arg:tt)*) => {
        $crate::print::__printk!($crate, dev Info, $dev, $($arg)*)
    };
}

/// Logs a line about a device at level `KERN_DEBUG`, only in builds with debug assertions. C:
/// `dev_dbg`, built with `DEBUG`.
///
/// Without debug assertions the driver contains nothing of it, but its arguments are still checked.
/// The kernel's dynamic debugging does not control it. See [`print`](mod@crate::print) for the
/// format string.
///
/// # Context
///
/// Any.
///
/// # Examples
///
/// ```no_run
/// # use linux_driver::print::Printable;
/// use linux_driver::dev_dbg;
///
/// fn report(dev: &impl Printable, status: u32) {
///     dev_dbg!(dev, "status {status:#x}");
/// }
/// ```
#[macro_export]
macro_rules! dev_dbg {
    ($dev:expr, $($arg:tt)*) => {
        if $crate::__core::cfg!(debug_assertions) {
            $crate::print::__printk!($crate, dev Debug, $dev, $($arg)*)
        }
    };
}
