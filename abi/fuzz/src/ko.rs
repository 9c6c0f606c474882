// SPDX-License-Identifier: GPL-2.0-only
//! Reads any bytes as the file of a module. A test hands the corpus to the same function.

use std::path::Path;

use linux_driver_check::module_abi;

/// Reads all that a module's file says of itself.
pub fn ko(data: &[u8]) {
    if let Ok(said) = module_abi::said(Path::new("fuzz.ko"), data) {
        assert!(
            said.uses.windows(2).all(|pair| pair[0] < pair[1]),
            "each name once, in order"
        );
        assert!(!said.exports.contains_key(""), "a symbol without a name");
    }
}
