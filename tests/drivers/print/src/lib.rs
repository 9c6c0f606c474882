// SPDX-License-Identifier: GPL-2.0-only
//! Logs every kind of argument that the print macros accept. The kernel's output is compared with
//! the output of Rust's own formatting on the host.
//!
//! Both use the cases in `cases.rs`. Here each case is a `pr_info!`. In `tests/expected.rs`, on the
//! host, it is a `format!`. The lines are numbered, `case 12: …`, and in the log they start with
//! the driver's name. The last line is `cases: done`.

#![no_std]
#![forbid(unsafe_code)]

use core::fmt;

use linux_driver::module::{Module, ThisModule};
use linux_driver::prelude::*;
use linux_driver::{pr_info_once, pr_info_ratelimited};

include!("cases.rs");

macro_rules! log {
    ($($case:tt)*) => {
        apart(|| pr_info!($($case)*))
    };
}

macro_rules! log_special {
    ($expected:literal; $($case:tt)*) => {
        apart(|| pr_info!($($case)*))
    };
}

/// Logs a case in its own stack frame: one frame for all cases would need several kilobytes.
#[inline(never)]
fn apart(log: impl FnOnce()) {
    log();
}

/// Logs a value whose type only the caller knows. `core::fmt` formats it.
fn log_generic<T: fmt::Display + fmt::LowerHex>(value: T) {
    generic_cases!(log, value);
}

/// Logs all cases in order.
pub fn log_all() {
    cases!(log);
    log_generic(0xfeed_u32);
    special_cases!(log_special);
    zero_cases!(log);
    pr_info!("cases: done");
}

/// Logs fifteen times from one place, and once from another. Each place has its own rate limit.
fn log_limited() {
    let (mut limited, mut once) = (0u32, 0u32);
    let count = |count: &mut u32| {
        *count += 1;
        *count
    };
    for _ in 0..15 {
        pr_info_ratelimited!("limited: {}", count(&mut limited));
        pr_info_once!("once: {}", count(&mut once));
    }
    pr_info!("of 15 lines: {limited} limited, {once} once");
    pr_info_ratelimited!("another place");
    pr_info_once!("once more");
}

/// Logs an address in every possible format. None may reveal the address.
fn log_addresses() {
    let address = core::ptr::without_provenance::<u8>(0xffff_8880_1234_5678);
    pr_info!("hashed: {:p} and {:?}", address, address);
    pr_info!("addresses: done");
}

struct Print;

impl Module for Print {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        log_all();
        log_limited();
        log_addresses();
        Ok(Print)
    }
}

linux_driver::module! {
    type: Print,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Logs every kind of argument",
}
