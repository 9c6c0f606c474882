// SPDX-License-Identifier: GPL-2.0-only
//! Copies of the sample and of its twin in C, in which a line can be changed: the checkout stays as it is.

use std::fs;
use std::path::{Path, PathBuf};

use linux_driver_host::{Error, Result};

use crate::args::workspace;

/// The text of a log message that stands once in the sample and once in its twin: the line that is changed.
const MARK: &str = "edu device, removed";

/// The sample as a crate of its own, as a user's would be.
pub(super) struct RustCopy {
    pub(super) manifest: PathBuf,
    source: Changing,
}

/// The twin: a folder with a Kbuild file.
pub(super) struct CCopy {
    pub(super) dir: PathBuf,
    pub(super) ko: PathBuf,
    source: Changing,
}

/// A source file in which one line can be changed.
struct Changing {
    path: PathBuf,
    text: String,
    changes: u32,
}

impl RustCopy {
    /// Copies the sample into the folder `dir`, which is made.
    pub(super) fn new(dir: &Path) -> Result<Self> {
        let root = workspace();
        let sample = root.join("samples/edu");
        make(&dir.join("src"))?;
        for entry in entries(&sample.join("src"))? {
            copy(&entry, &dir.join("src"))?;
        }
        // The same versions of all dependencies.
        copy(&root.join("Cargo.lock"), dir)?;
        let manifest = dir.join("Cargo.toml");
        write(&manifest, &manifest_of(&root))?;
        Ok(Self {
            manifest,
            source: Changing::new(dir.join("src/lib.rs"))?,
        })
    }

    /// Changes a line.
    pub(super) fn change(&mut self) -> Result<()> {
        self.source.change()
    }
}

impl CCopy {
    /// Copies the twin into the folder `dir`, which is made.
    pub(super) fn new(dir: &Path) -> Result<Self> {
        let twin = workspace().join("samples/edu-c");
        make(dir)?;
        for name in ["Kbuild", "edu_c.c"] {
            copy(&twin.join(name), dir)?;
        }
        Ok(Self {
            dir: dir.to_owned(),
            ko: dir.join("edu_c.ko"),
            source: Changing::new(dir.join("edu_c.c"))?,
        })
    }

    /// Changes a line.
    pub(super) fn change(&mut self) -> Result<()> {
        self.source.change()
    }
}

impl Changing {
    fn new(path: PathBuf) -> Result<Self> {
        let text = read(&path)?;
        match text.matches(MARK).count() {
            1 => Ok(Self { path, text, changes: 0 }),
            count => Err(Error::new(
                path.display(),
                format_args!("the text \"{MARK}\" once, as the line to change"),
                format_args!("it is there {count} times"),
                "put the text of the sample's message on removal into xtask/src/bench/copies.rs",
            )),
        }
    }

    fn change(&mut self) -> Result<()> {
        self.changes += 1;
        write(
            &self.path,
            &self.text.replace(MARK, &format!("{MARK} ({})", self.changes)),
        )
    }
}

/// The manifest of the copy, which belongs to no workspace but its own.
fn manifest_of(root: &Path) -> String {
    format!(
        "[package]\nname = \"edu\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n\
         linux-driver = {{ path = {root:?} }}\n\n[workspace]\n"
    )
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).map_err(|e| Error::io(dir, "read", &e))?;
    Ok(entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect())
}

fn copy(file: &Path, dir: &Path) -> Result<()> {
    let to = dir.join(file.file_name().unwrap_or_default());
    fs::copy(file, &to).map(drop).map_err(|e| Error::io(file, "copy", &e))
}

fn make(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(|e| Error::io(dir, "make", &e))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|e| Error::io(path, "read", &e))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|e| Error::io(path, "write", &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_one_line_and_never_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let mut c = CCopy::new(&dir.path().join("c")).unwrap();
        let mut rust = RustCopy::new(&dir.path().join("rust")).unwrap();
        for (source, change) in [
            (
                c.source.path.clone(),
                &mut (|| c.change()) as &mut dyn FnMut() -> Result<()>,
            ),
            (rust.source.path.clone(), &mut || rust.change()),
        ] {
            let mut before = read(&source).unwrap();
            for _ in 0..2 {
                change().unwrap();
                let after = read(&source).unwrap();
                assert_eq!(before.lines().zip(after.lines()).filter(|(a, b)| a != b).count(), 1);
                assert_eq!(before.lines().count(), after.lines().count());
                before = after;
            }
        }
    }

    #[test]
    fn the_copy_depends_on_the_library_of_this_checkout() {
        let text = manifest_of(Path::new("/root of it"));
        assert!(text.contains("\nlinux-driver = { path = \"/root of it\" }\n"), "{text}");
    }
}
