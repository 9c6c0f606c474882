// SPDX-License-Identifier: GPL-2.0-only
//! Paths that Kbuild can work in.
//!
//! make splits what it is given at spaces and expands `$`, `%` and `#`; its rules hand paths to a
//! shell, and to the compiler among words that are split at commas. No quoting helps: the paths
//! pass through several of them.

use std::fmt::Display;
use std::path::Path;

use crate::{Error, Result};

/// What may be in a path beside letters and digits. make takes spaces as separators, `:`, `=`, `%`,
/// `#` and `$` as its own; the compiler takes the `,` of `-Wp,-MMD,PATH`; the shell takes most
/// others.
const SIGNS: &str = "/._+-~@^!";

/// An error unless Kbuild can work at this path: to be asked before anything is compiled, for the
/// kernel's build tree, the cache and the target folder. `what` the path is for, and what there is
/// to do about it, are the caller's words.
pub fn fit_for_make(path: &Path, what: &str, remedy: impl Display) -> Result<()> {
    let found = match path.to_str() {
        None => "a path that is no UTF-8".to_owned(),
        Some(text) => match text.chars().find(|&letter| !is_plain(letter)) {
            None => return Ok(()),
            Some(letter) => format!("{letter:?} in it"),
        },
    };
    Err(Error::new(
        path.display(),
        format_args!("a path for {what} that a makefile can hold: letters, digits and {SIGNS}"),
        found,
        remedy,
    ))
}

fn is_plain(letter: char) -> bool {
    letter.is_alphanumeric() || SIGNS.contains(letter)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_plain_path_is_taken() {
        for path in [
            "/home/me/linux-6.12+deb12/a_b-c",
            "/home/jürgen/~a/b@c",
            "/a^b/c!",
        ] {
            fit_for_make(Path::new(path), "a target folder", "move it").unwrap();
        }
    }

    #[test]
    fn a_path_that_make_takes_apart_is_refused() {
        for letter in " #$'%\",=:;&*?[](){}<>|\\`\t\n".chars() {
            let path = format!("/a/b{letter}c");
            let error = fit_for_make(Path::new(&path), "a target folder", "move it").unwrap_err();
            assert!(
                error.to_string().contains("a path for a target folder"),
                "{error}"
            );
        }
        let error = fit_for_make(Path::new("/a b"), "a cache", "move it").unwrap_err();
        assert!(error.to_string().contains("found:    ' ' in it"), "{error}");
        fit_for_make(
            Path::new(OsStr::from_bytes(b"/a\xff")),
            "a cache",
            "move it",
        )
        .unwrap_err();
    }
}
