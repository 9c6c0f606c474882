// SPDX-License-Identifier: GPL-2.0-only
//! Headers packages name the folder that they are made for, /usr/src, in their makefiles. In the
//! cache they are elsewhere.

use std::path::Path;

use linux_driver_host::path::fit_for_make;
use linux_driver_host::{Result, fs};

/// The makefiles of a headers folder that name paths.
const MAKEFILES: [&str; 2] = ["Makefile", ".kernelvariables"];

/// The folder that headers packages are made for.
const MADE_FOR: &str = "/usr/src/";

/// Checks that make can read the path of an entry of the cache.
pub(crate) fn check(place: &Path) -> Result<()> {
    fit_for_make(
        place,
        "the cache",
        "set LINUX_DRIVER_CACHE to a folder with such a path",
    )
}

/// Makes the headers in `tree` fit for an entry at `place`.
pub(super) fn move_to(tree: &Path, place: &Path) -> Result<()> {
    for name in MAKEFILES {
        let path = tree.join(name);
        if path.is_file() {
            let text = fs::read_to_string(&path)?;
            fs::write(&path, moved(&text, place))?;
        }
    }
    Ok(())
}

/// Returns the text with every path in /usr/src as a path in `place`.
fn moved(text: &str, place: &Path) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(MADE_FOR) {
        let (before, found) = rest.split_at(at);
        result.push_str(before);
        // In the middle of a longer path, it is another folder.
        if !result.ends_with(|c: char| c.is_alphanumeric() || "._-/)}".contains(c)) {
            result.push_str(&place.to_string_lossy());
        }
        result.push_str(MADE_FOR);
        rest = &found[MADE_FOR.len()..];
    }
    result + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_moved() {
        let text = "KBUILD_OUTPUT=/usr/src/linux-headers-7\ninclude /usr/src/linux-headers-7-common/Makefile\n\
                    other = $(HOME)/usr/src/x /srv/usr/src/y\n";
        let expected = "KBUILD_OUTPUT=/c/usr/src/linux-headers-7\ninclude /c/usr/src/linux-headers-7-common/Makefile\n\
                        other = $(HOME)/usr/src/x /srv/usr/src/y\n";
        assert_eq!(moved(text, Path::new("/c")), expected);
    }

    #[test]
    fn a_cache_that_make_cannot_read_is_refused() {
        check(Path::new(
            "/home/me/.cache/linux-driver/kernels/debian-6.12-0",
        ))
        .unwrap();
        let error = check(Path::new("/home/my cache")).unwrap_err();
        assert!(error.remedy().contains("LINUX_DRIVER_CACHE"), "{error}");
    }
}
