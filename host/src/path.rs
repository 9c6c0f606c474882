// SPDX-License-Identifier: GPL-2.0-only
//! Paths that Kbuild can work in.
//!
//! make splits what it is given at spaces and expands `$`, `%` and `#`; its rules hand paths to a shell, and to the compiler
//! among words that are split at commas. No quoting helps: the paths pass through several of them.

use std::path::Path;

use crate::{Error, Result};

/// What a path may hold beside letters and digits.
const PLAIN: &str = "/._-+@~^!";

/// Refuses a path that make, a shell or the compiler would take apart. To be called before anything is compiled, for each
/// path that reaches Kbuild: the kernel's build tree, the cache, the target folder. `what` names it for a person:
/// "a kernel build tree", and `remedy` says how to have it elsewhere.
pub fn check_for_make(path: &Path, what: &str, remedy: &str) -> Result<()> {
    let found = match path.to_str() {
        None => "bytes that are no UTF-8".to_owned(),
        Some(text) => match text.chars().find(|&letter| !is_plain(letter)) {
            None => return Ok(()),
            Some(' ') => "a space".to_owned(),
            Some(letter) => format!("{letter:?}"),
        },
    };
    Err(Error::new(
        path.display(),
        format_args!("a path for {what} of letters, digits and {PLAIN}: make and its shell take others apart"),
        found,
        remedy,
    ))
}

fn is_plain(letter: char) -> bool {
    letter.is_alphanumeric() || PLAIN.contains(letter)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_plain_path_is_taken() {
        for path in ["/home/me/linux-6.12+deb12/a_b-c", "/home/jürgen/~a/b@c", "/a^b/c!"] {
            check_for_make(Path::new(path), "a target folder", "move it").unwrap();
        }
    }

    #[test]
    fn a_path_that_make_takes_apart_is_refused() {
        for letter in " #$'%\",=:;&*?[](){}<>|\\`\t\n".chars() {
            let path = format!("/a/b{letter}c");
            let error = check_for_make(Path::new(&path), "a target folder", "move it").unwrap_err();
            assert!(error.to_string().contains("a path for a target folder"), "{error}");
        }
        let error = check_for_make(Path::new("/a b"), "a cache", "move it").unwrap_err();
        assert!(error.to_string().contains("found:    a space"), "{error}");
        check_for_make(Path::new(OsStr::from_bytes(b"/a\xff")), "a cache", "move it").unwrap_err();
    }
}
