// SPDX-License-Identifier: GPL-2.0-only
//! Logs every kind of argument that the print macros take, so that what a kernel makes of it can be
//! compared with what Rust's own formatting makes of it on the host.
//!
//! Both come from `cases.rs`: here each case is a `pr_info!`, in `tests/expected.rs`, on the host,
//! a `format!`. The lines are numbered, `case 12: …`, and stand in the log with the driver's name
//! in front. The last one is `cases: done`.

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

/// Logs a case in a stack frame of its own: all of them together would need some kilobytes.
#[inline(never)]
fn apart(log: impl FnOnce()) {
    log();
}

/// Logs a value of a type that only the caller knows: formatted by `core::fmt`.
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

/// Logs from one place fifteen times, and from another, each of which has a limit of its own.
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

/// Logs an address in each way that there is: none tells where it is.
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
