// SPDX-License-Identifier: GPL-2.0-only
//! `bindings.rs` of a snapshot: the output of bindgen, for machines without libclang.

use std::path::{Path, PathBuf};

use linux_driver_host::{Error, Result, fs};
use linux_driver_kbuild::bindings::Workspace;
use sha2::{Digest, Sha256};

use super::place;
use super::write::{BINDINGS, HEADER};
use crate::folders::{manifest, workspace};

/// The first lines of the file. The hash of the input follows.
const HEAD: &str = "\
// SPDX-License-Identifier: GPL-2.0-only
// Written by `cargo xtask snapshot`: do not edit. bindgen made it of kernel.h, of sys/c and of
// sys/needed.toml, whose sha256 without comments is this:
// ";

/// Returns the bindings that the snapshot of this name holds.
pub(super) fn stored(name: &str) -> Option<String> {
    fs::read_to_string(place(name).join(BINDINGS)).ok()
}

/// Writes the bindings of the snapshot of this name. `before` are its previous bindings. They are
/// kept if the input is the same, because each libclang prints a little differently.
///
/// # Errors
///
/// Fails if there is no libclang, or if bindgen cannot make the bindings.
pub(super) fn write(name: &str, before: Option<&str>) -> Result<PathBuf> {
    let path = place(name).join(BINDINGS);
    let hash = hash(&place(name))?;
    let text = match before {
        Some(before) if made_of(before) == Some(&*hash) => before.to_owned(),
        _ => {
            let made = of_snapshot(name).bindings()?;
            let text = fs::read_to_string(&made)?;
            if made_of(&text).is_some() {
                return Err(Error::new(
                    "libclang",
                    "the library with which bindgen reads the snapshot",
                    "no libclang: the build used the stored bindings",
                    "install what `cargo xtask doctor` names for libclang",
                ));
            }
            format!("{HEAD}{hash}\n\n{text}")
        }
    };
    fs::replace(&path, text)?;
    Ok(path)
}

/// Returns the workspace with the bindings of this snapshot.
pub(super) fn of_snapshot(name: &str) -> Workspace {
    Workspace {
        manifest: manifest(),
        target_dir: workspace().join("target"),
        env: vec![("LINUX_DRIVER_KERNEL".to_owned(), name.into())],
    }
}

/// Returns the hash of the input of stored bindings, or `None` for fresh output of bindgen.
fn made_of(text: &str) -> Option<&str> {
    text.strip_prefix(HEAD)?.lines().next()
}

/// Returns the hash of the input for the bindings of the snapshot in `dir`.
fn hash(dir: &Path) -> Result<String> {
    let read = |path: PathBuf| linux_driver_host::fs::read_to_string(&path);
    let sys = workspace().join("sys");
    let mut hash = Sha256::new();
    hash.update(read(dir.join(HEADER))?);
    for header in ["c/wrapper.h", "c/shims.h"] {
        hash.update(without_comments(&read(sys.join(header))?));
    }
    let needed = read(sys.join("needed.toml"))?;
    hash.update(lines(&needed, |line| !line.trim_start().starts_with('#')));
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Removes the comments and the empty lines from C code.
fn without_comments(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("/*") {
        code.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    code.push_str(rest);
    lines(&code, |line| !line.trim().is_empty())
}

fn lines(text: &str, keep: impl Fn(&str) -> bool) -> String {
    let kept = text
        .lines()
        .filter(|line| keep(line) && !line.trim().is_empty());
    kept.flat_map(|line| [line.trim_end(), "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_bindings_are_made_of_the_snapshots_that_are_there() {
        let snapshots = fs::read_dir(place("")).unwrap();
        assert!(snapshots.len() >= 3, "{snapshots:?}");
        for dir in snapshots {
            let name = dir.file_name().unwrap().to_str().unwrap();
            let stored = stored(name).unwrap_or_else(|| panic!("{name} without {BINDINGS}"));
            let hash = hash(&dir).unwrap();
            let remedy = "run `cargo xtask snapshot --bindings`";
            assert_eq!(made_of(&stored), Some(&*hash), "{name}: {remedy}");
        }
    }

    #[test]
    fn comments_do_not_count() {
        let text = "/* a */ int b; /* c\n * d */\n\nint e;\n";
        assert_eq!(without_comments(text), " int b;\nint e;\n");
        assert_eq!(without_comments("int a; /* open"), "int a;\n");
    }
}
