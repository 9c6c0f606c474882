// SPDX-License-Identifier: GPL-2.0-only
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| linux_driver_abi_fuzz::kallsyms(data));
