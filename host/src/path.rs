// SPDX-License-Identifier: GPL-2.0-only
//! Checks of paths that Kbuild has to handle.
//!
//! make splits its input at spaces and expands `$`, `%` and `#`. Its rules pass paths to a shell,
//! and to the compiler among words that are split at commas. Quoting does not help, because a path
//! passes through several of these.

use std::fmt::Display;
use std::path::Path;

use crate::{Error, Result};

/// The characters that a path may contain in addition to letters and digits. make takes spaces as
/// separators, and `:`, `=`, `%`, `#` and `$` as its own syntax. The compiler splits
/// `-Wp,-MMD,PATH` at commas. The shell interprets most other characters.
const SIGNS: &str = "/._+-~@^!";

/// Checks that Kbuild can work at this path, before anything is compiled.
///
/// Call it for the kernel's build tree, the cache and the target folder. `what` names the purpose
/// of the path and `remedy` what to do, in the caller's words.
///
/// # Errors
///
/// The path contains a character that make, the shell or the compiler interprets.
pub fn fit_for_make(path: &Path, what: &str, remedy: impl Display) -> Result<()> {
    let found = match path.to_str() {
        None => "a path that is not UTF-8".to_owned(),
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
    fn a_plain_path_is_accepted() {
        for path in [
            "/home/me/linux-6.12+deb12/a_b-c",
            "/home/jürgen/~a/b@c",
            "/a^b/c!",
        ] {
            fit_for_make(Path::new(path), "a target folder", "move it").unwrap();
        }
    }

    #[test]
    fn a_path_with_special_characters_is_refused() {
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
