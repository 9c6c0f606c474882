// SPDX-License-Identifier: GPL-2.0-only
#![no_main]

#[path = "../src/ko.rs"]
mod ko;

libfuzzer_sys::fuzz_target!(|data: &[u8]| ko::ko(data));
