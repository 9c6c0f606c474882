// SPDX-License-Identifier: GPL-2.0-only
//! Compares what is printed with what Rust formats.
//!
//! vsnprintf here is that of the C library. For the formats that are used, it behaves like the
//! kernel's, except for the `0x` before a zero. The driver in `tests/drivers/print` lets a kernel
//! print the same cases.

use std::cell::RefCell;
use std::ffi::{CStr, c_char};
use std::fmt;

use expected::{Ring, Version};

use super::Printable;

#[path = "../../../tests/drivers/print/src/expected.rs"]
#[macro_use]
mod expected;

/// A device with a number.
struct Device(u32);

// SAFETY: NULL means no device.
unsafe impl Printable for Device {
    fn raw(&self) -> *const linux_driver_sys::device {
        std::ptr::null()
    }
}

thread_local! {
    /// The recorded messages: format strings and results.
    static LOG: RefCell<Vec<(String, String)>> = const { RefCell::new(Vec::new()) };
}

/// The paths of the crate as the expansion knows them, with a log that records messages.
mod host {
    pub(super) mod print {
        pub(in super::super) mod expansion {
            use super::super::super::{LOG, snprintf};
            pub(in super::super::super) use crate::print::expansion::*;
            use crate::print::{args::List, call::Scalars, line};

            pub(in super::super::super) fn printk<
                P: Line,
                L: List<Scalars: Scalars>,
                const A: usize,
                const B: usize,
                const C: usize,
                const D: usize,
            >(
                args: L,
            ) {
                let format = line::Format::<P, L, A, B, C, D>::C;
                // SAFETY: the format string was made for these arguments.
                let text = unsafe { snprintf(args.scalars(), format) };
                LOG.with_borrow_mut(|log| log.push((format.to_str().unwrap().into(), text)));
            }

            pub(in super::super::super) fn dev_printk<
                P: Line,
                L: List<Scalars: Scalars>,
                T: std::borrow::Borrow<super::super::super::Device>,
                const A: usize,
                const B: usize,
                const C: usize,
                const D: usize,
            >(
                level: Level,
                dev: &T,
                args: L,
            ) {
                LOG.with_borrow_mut(|log| {
                    log.push((format!("{level:?}"), format!("device {}", dev.borrow().0)))
                });
                printk::<P, L, A, B, C, D>(args);
            }
        }
    }
}

/// Formats the values with `snprintf`.
///
/// # Safety
///
/// The conversions of `format` must match these values.
unsafe fn snprintf(values: impl super::call::Scalars, format: &CStr) -> String {
    let mut buffer = vec![0u8; 1 << 17];
    // SAFETY: the caller promises matching conversions. The buffer has the given size.
    let len = unsafe {
        values.snprintf(
            buffer.as_mut_ptr().cast::<c_char>(),
            buffer.len(),
            format.as_ptr(),
        )
    };
    String::from_utf8(buffer[..usize::try_from(len).unwrap()].to_vec()).unwrap()
}

/// Returns what was printed since the last call.
fn taken() -> Vec<(String, String)> {
    LOG.take()
}

macro_rules! log {
    ($($case:tt)*) => {
        crate::print::__printk!(host, pr Info, $($case)*)
    };
}

macro_rules! log_special {
    ($expected:literal; $($case:tt)*) => {
        log!($($case)*)
    };
}

/// Returns the format string and the text of one message.
macro_rules! printed {
    ($($case:tt)*) => {{
        log!($($case)*);
        let (format, text) = taken().pop().unwrap();
        let strip = |text: &str| {
            let text = text.strip_prefix("\x016linux_driver_safe: ").unwrap();
            text.trim_end_matches('\n').to_owned()
        };
        (strip(&format), strip(&text))
    }};
}

fn log_generic<T: fmt::Display + fmt::LowerHex>(value: T) {
    generic_cases!(log, value);
}

#[test]
fn all_cases_print_what_rust_formats() {
    cases!(log);
    log_generic(0xfeed_u32);
    special_cases!(log_special);
    let lines: Vec<_> = taken().into_iter().map(|(_, text)| text).collect();
    let expected: Vec<_> = expected::lines()
        .into_iter()
        .map(|line| format!("\x016linux_driver_safe: {line}\n"))
        .collect();
    for (line, expected) in lines.iter().zip(&expected) {
        assert_eq!(line, expected);
    }
    // The last case is that of `zero_cases!`.
    assert_eq!(lines.len(), expected.len() - 1);
    assert!(lines.len() > 60);
}

#[test]
fn kernel_formats_are_used_where_possible() {
    let (number, name) = (7u16, "eth0");
    assert_eq!(printed!("{number:04x}:{:#x}", -1i64).0, "%04x:%#llx");
    assert_eq!(printed!("{number} {} {}", -1i8, u64::MAX).0, "%u %d %llu");
    assert_eq!(printed!("{name} {} {}", c"c", true).0, "%.*s %s %s");
    assert_eq!(
        printed!("[{name:<8}] [{number:<8}] [{number:>8}]").0,
        "[%*.*s] [%-8u] [%8u]"
    );
    assert_eq!(printed!("{:?} {:?}", &&number, &mut 5u64).0, "%u %llu");
    assert_eq!(printed!("100% %s").0, "100%% %%s");
    // `core::fmt` formats each of these.
    assert_eq!(
        printed!("{name:?} {:b} {:^8} {:+} {:#X}", 1, 2, 3, 4).0,
        "%.*s %.*s %.*s %.*s %.*s"
    );
}

#[test]
fn the_kernel_hashes_addresses() {
    let (format, text) = printed!("{:p}K", core::ptr::without_provenance::<u8>(0x1000));
    assert_eq!(format, "%p%sK");
    assert_eq!(text, "0x1000K");
    let mut value = 0u8;
    let (raw, nonnull) = (&raw mut value, core::ptr::NonNull::from(&mut value));
    assert_eq!(
        printed!("{:?} {:?} {:?} {:?}", raw.cast_const(), raw, nonnull, &raw).0,
        "%p%s %p%s %p%s %p%s"
    );
    // A type parameter, which may be unsized.
    fn generic<T: ?Sized>(pointer: *const T) -> String {
        printed!("{pointer:?}").0
    }
    assert_eq!(generic::<[u8]>(&[1, 2]), "%p%s");
}

#[test]
fn text_longer_than_a_precision_is_truncated() {
    let long = "é".repeat(40_000);
    assert_eq!(printed!("{}", &long[..32_766]).1.len(), 32_766);
    let long = "x".repeat(40_000);
    assert_eq!(printed!("{}", long.as_str()).1.len(), 32_767);
    assert_eq!(printed!("{:.39999}", long.as_str()).1.len(), 32_767);
    assert_eq!(printed!("{:>65535}", "é").1.chars().count(), 65_535);
}

#[test]
fn levels_prefixes_and_newlines() {
    crate::print::__printk!(host, cont, "{:x}", 255u8);
    crate::print::__printk!(host, dev Warn, Device(9), "status {}", 1);
    crate::print::__printk!(host, pr Emerg, "line\n");
    crate::print::__printk!(host, pr Info, "open {}", 1, ..);
    crate::print::__printk!(host, dev Warn, Device(9), "open", ..);
    let log = taken();
    let log: Vec<_> = log
        .iter()
        .map(|(format, text)| (format.as_str(), text.as_str()))
        .collect();
    assert_eq!(
        log,
        [
            ("\x01c%x", "\x01cff"),
            ("Warn", "device 9"),
            ("status %d\n", "status 1\n"),
            (
                "\x010linux_driver_safe: line\n",
                "\x010linux_driver_safe: line\n"
            ),
            (
                "\x016linux_driver_safe: open %d",
                "\x016linux_driver_safe: open 1"
            ),
            ("Warn", "device 9"),
            ("open", "open"),
        ]
    );
}

#[test]
fn arguments_are_evaluated_once_in_order() {
    let mut calls = Vec::new();
    let mut call = |n: u32| {
        calls.push(n);
        n
    };
    let (_, text) = printed!("{1} {0} {1:x} {0:b}", call(10), call(11));
    assert_eq!(text, "11 10 b 1010");
    assert_eq!(calls, [10, 11]);
}

#[test]
fn names_in_the_expansion_do_not_clash_with_the_drivers() {
    #[derive(Debug)]
    struct Line;
    const SIZES: u8 = 3;
    let (argument0, device, value) = (1u8, 2u8, 3u8);
    assert_eq!(
        printed!("{:?} {} {argument0} {device} {value:3}", Line, SIZES).1,
        "Line 3 1 2   3"
    );
}

/// The kernel functions that a line about a device calls. They record their calls.
mod kernel {
    use std::cell::{Cell, RefCell};
    use std::ffi::{CStr, c_char};

    use linux_driver_sys as sys;

    thread_local! {
        static READERS: Cell<u32> = const { Cell::new(0) };
        /// The format string of each line, and the number of RCU read-side critical sections of
        /// this thread.
        pub(super) static LINES: RefCell<Vec<(String, u32)>> = const { RefCell::new(Vec::new()) };
    }

    #[unsafe(no_mangle)]
    extern "C" fn __rcu_read_lock() {
        READERS.set(READERS.get() + 1);
    }

    #[unsafe(no_mangle)]
    extern "C" fn __rcu_read_unlock() {
        READERS.set(READERS.get() - 1);
    }

    #[unsafe(no_mangle)]
    extern "C" fn linux_driver_rcu_read_lock() {
        __rcu_read_lock();
    }

    #[unsafe(no_mangle)]
    extern "C" fn linux_driver_rcu_read_unlock() {
        __rcu_read_unlock();
    }

    #[unsafe(no_mangle)]
    extern "C" fn _dev_printk(
        _level: *const c_char,
        _dev: *const sys::device,
        format: *const c_char,
    ) {
        // SAFETY: a format string ends with NUL.
        let format = unsafe { CStr::from_ptr(format) }
            .to_str()
            .unwrap()
            .to_owned();
        LINES.with_borrow_mut(|lines| lines.push((format, READERS.get())));
    }
}

#[test]
fn a_drivers_name_is_read_inside_an_rcu_section() {
    use crate::device::{Bound, Normal};
    use crate::{pci, platform};

    let memory = Box::new(std::mem::MaybeUninit::<linux_driver_sys::pci_dev>::zeroed());
    let raw = Box::into_raw(memory);
    // SAFETY: only the address of the device is used.
    let normal = unsafe { pci::Device::<Normal>::from_raw(raw.cast()) };
    // SAFETY: as above.
    let bound = unsafe { pci::Device::<Bound>::from_raw(raw.cast()) };
    crate::dev_info!(normal, "normal");
    crate::dev_info!(bound, "bound");
    crate::dev_info!(std::pin::Pin::new(&normal), "pinned");
    let general: &crate::device::Device<Normal> = normal.as_ref();
    crate::dev_info!(general, "general");
    let lines = kernel::LINES.take();
    let lines: Vec<_> = lines
        .iter()
        .map(|(line, readers)| (line.as_str(), *readers))
        .collect();
    assert_eq!(
        lines,
        [
            ("normal\n", 1),
            ("bound\n", 0),
            ("pinned\n", 1),
            ("general\n", 1)
        ]
    );
    const { assert!(!<platform::Device<Normal> as Printable>::BOUND) };
    // SAFETY: `into_raw` returned the pointer above.
    drop(unsafe { Box::from_raw(raw) });
}
