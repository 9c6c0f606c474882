// SPDX-License-Identifier: GPL-2.0-only
//! The function that the fuzz target `ko` calls with any bytes. A test calls it with the corpus.

use std::path::Path;

use linux_driver_check::module_abi;

/// Reads all information in a module's file.
pub fn ko(data: &[u8]) {
    if let Ok(said) = module_abi::said(Path::new("fuzz.ko"), data) {
        assert!(
            said.uses.windows(2).all(|pair| pair[0] < pair[1]),
            "each name once, in order"
        );
        assert!(!said.exports.contains_key(""), "a symbol without a name");
    }
}
