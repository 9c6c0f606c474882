// SPDX-License-Identifier: GPL-2.0-only
//! Paths that make and the kernel's makefiles can hold.

use std::fmt::Display;
use std::path::Path;

use linux_driver_host::{Error, Result};

/// What may be in a path beside letters and digits. make takes spaces as separators, `:`, `=`, `%`, `#` and `$` as its own;
/// the compiler takes the `,` of `-Wp,-MMD,PATH`; the shell takes most others.
const SIGNS: &str = "/._+-~@";

/// An error unless Kbuild can work at this path: to be asked before anything is compiled. `what` the path is for, and what
/// there is to do about it, are the caller's words.
pub(crate) fn fit_for_make(path: &Path, what: &str, remedy: impl Display) -> Result<()> {
    let sound = |c: char| c.is_alphanumeric() || SIGNS.contains(c);
    let Some(text) = path.to_str() else {
        return Err(refused(path, what, "a path that is no UTF-8", remedy));
    };
    match text.chars().find(|&c| !sound(c)) {
        None => Ok(()),
        Some(c) => Err(refused(path, what, format_args!("{c:?} in it"), remedy)),
    }
}

fn refused(path: &Path, what: &str, found: impl Display, remedy: impl Display) -> Error {
    Error::new(
        path.display(),
        format_args!("a path for {what} that a makefile can hold: letters, digits and {SIGNS}"),
        found,
        remedy,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_make_cannot_read_is_refused() {
        let fit = |path: &str| fit_for_make(Path::new(path), "a test", "move it");
        for sound in ["/home/me/.cache/linux-driver/kernels/debian-6.12-0", "/srv/ä+b@2~c"] {
            fit(sound).unwrap();
        }
        for wrong in [
            "/home/my cache",
            "/a:b",
            "/a#b",
            "/a$b",
            "/a%b",
            "/a,b",
            "/a=b",
            "/a'b",
            "/a\nb",
            "/a*",
            "/a(b)",
        ] {
            let error = fit(wrong).unwrap_err().to_string();
            assert!(
                error.contains("a path for a test") && error.contains("move it"),
                "{error}"
            );
        }
    }
}
