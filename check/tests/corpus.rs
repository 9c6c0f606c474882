// SPDX-License-Identifier: GPL-2.0-only
//! Passes the fuzzer's corpus of modules to the fuzzed function, then each file truncated and
//! damaged.

#[path = "../../abi/fuzz/src/ko.rs"]
#[expect(unreachable_pub, reason = "the fuzz crate has the same file")]
mod ko;

use std::fs;
use std::path::Path;

use linux_driver_check::module_abi;

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

#[test]
fn ko() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../abi/fuzz/corpus/ko");
    let mut count = 0;
    for file in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = file.expect("a folder can be read").path();
        let bytes = fs::read(&path).expect("a file can be read");
        ko::ko(&bytes);
        for length in (0..bytes.len()).step_by(97) {
            ko::ko(&bytes[..length]);
        }
        for at in (0..bytes.len()).step_by(31) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            ko::ko(&damaged);
        }
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}

#[test]
fn a_real_module_says_what_it_exports() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../abi/fuzz/corpus/ko/6.1-exports");
    let said = module_abi::said(&path, &fs::read(&path).unwrap()).unwrap();
    assert_eq!(said.uses, ["__fentry__", "__x86_return_thunk", "_printk"]);
    let symbol = &said.exports["mini_answer"];
    assert_eq!(
        (said.exports.len(), symbol.gpl, symbol.module.as_str()),
        (1, true, "mini")
    );
    assert!(symbol.crc.is_some_and(|crc| crc != 0), "{symbol:?}");
}
