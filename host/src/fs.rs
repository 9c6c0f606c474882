// SPDX-License-Identifier: GPL-2.0-only
//! The functions of [`std::fs`] whose errors name the path and what was tried.
//!
//! Most functions have the name of their model in [`std::fs`], [mod@std::env], [`std::path`] or
//! `tempfile`. They return the project's [`Error`], made by [`Error::io`].

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{Error, Result};

/// Returns the contents of a file.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    named(path.as_ref(), "read", |path| fs::read(path))
}

/// Returns the contents of a file that is UTF-8.
pub fn read_to_string(path: impl AsRef<Path>) -> Result<String> {
    named(path.as_ref(), "read", |path| fs::read_to_string(path))
}

/// Writes a file, and replaces an existing one.
pub fn write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> Result<()> {
    named(path.as_ref(), "write", |path| fs::write(path, contents))
}

/// Adds to the end of a file, and makes the file if it is missing.
pub fn append(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> Result<()> {
    named(path.as_ref(), "write", |path| {
        let mut file = File::options().append(true).create(true).open(path)?;
        file.write_all(contents.as_ref())
    })
}

/// Writes a file as a whole. At any time, either the old or the new file exists and is complete.
pub fn replace(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> Result<()> {
    named(path.as_ref(), "write", |path| {
        // If this process is killed, the next one overwrites the unfinished file.
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(".new");
        let unfinished = path.with_file_name(name);
        let written = (|| {
            let mut file = File::create(&unfinished)?;
            file.set_permissions(fs::Permissions::from_mode(0o644))?;
            file.write_all(contents.as_ref())?;
            file.sync_all()?;
            fs::rename(&unfinished, path)
        })();
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written
    })
}

/// Opens a file to read it.
pub fn open(path: impl AsRef<Path>) -> Result<File> {
    named(path.as_ref(), "read", |path| File::open(path))
}

/// Creates a file, or empties the one that is there, and opens it to write.
pub fn create(path: impl AsRef<Path>) -> Result<File> {
    named(path.as_ref(), "write", |path| File::create(path))
}

/// Returns what the system knows of a file: its size, its times and more. Follows links.
pub fn metadata(path: impl AsRef<Path>) -> Result<fs::Metadata> {
    named(path.as_ref(), "read", |path| fs::metadata(path))
}

/// Returns the paths of a folder's entries, in the order of their names.
pub fn read_dir(path: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
    named(path.as_ref(), "read", |path| {
        let mut paths = fs::read_dir(path)?
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    })
}

/// Makes a folder whose parent exists. A folder that exists is an error.
pub fn create_dir(path: impl AsRef<Path>) -> Result<()> {
    named(path.as_ref(), "make", |path| fs::create_dir(path))
}

/// Makes a folder and the folders above it, as far as they are missing.
pub fn create_dir_all(path: impl AsRef<Path>) -> Result<()> {
    named(path.as_ref(), "make", |path| fs::create_dir_all(path))
}

/// Removes a file.
pub fn remove_file(path: impl AsRef<Path>) -> Result<()> {
    named(path.as_ref(), "remove", |path| fs::remove_file(path))
}

/// Removes a folder with all that is in it.
pub fn remove_dir_all(path: impl AsRef<Path>) -> Result<()> {
    named(path.as_ref(), "remove", |path| fs::remove_dir_all(path))
}

/// Moves a file or folder to another name in the same file system. The error names `from`.
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<()> {
    named(from.as_ref(), "move", |from| fs::rename(from, to))
}

/// Copies a file with its permissions. The error names `from`.
pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<()> {
    named(from.as_ref(), "copy", |from| fs::copy(from, to)).map(drop)
}

/// Makes a symbolic link at `link` that leads to `target`. The error names `link`.
pub fn symlink(target: impl AsRef<Path>, link: impl AsRef<Path>) -> Result<()> {
    named(link.as_ref(), "make", |link| {
        std::os::unix::fs::symlink(target, link)
    })
}

/// Sets the permission bits of a file or folder, such as `0o755`.
pub fn set_mode(path: impl AsRef<Path>, mode: u32) -> Result<()> {
    named(path.as_ref(), "change", |path| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    })
}

/// Returns the absolute path of a file that exists, with all links resolved.
pub fn canonicalize(path: impl AsRef<Path>) -> Result<PathBuf> {
    named(path.as_ref(), "find", |path| fs::canonicalize(path))
}

/// Returns the absolute form of a path, which need not exist. Links stay.
pub fn absolute(path: impl AsRef<Path>) -> Result<PathBuf> {
    named(path.as_ref(), "find", |path| std::path::absolute(path))
}

/// Returns the folder that this process works in.
pub fn current_dir() -> Result<PathBuf> {
    named(Path::new("."), "find", |_| std::env::current_dir())
}

/// Makes a folder in the system's folder for temporary files. Only this user can read it: it may
/// hold a socket that controls a machine. It is removed when the value is dropped.
pub fn tempdir() -> Result<TempDir> {
    named(&std::env::temp_dir(), "write", |_| {
        tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir()
    })
}

/// Makes a temporary folder in `dir`, with a name that starts with `prefix`. It is removed when
/// the value is dropped.
pub fn tempdir_in(dir: impl AsRef<Path>, prefix: &str) -> Result<TempDir> {
    named(dir.as_ref(), "write", |dir| {
        tempfile::Builder::new().prefix(prefix).tempdir_in(dir)
    })
}

/// A temporary file without a name. It takes the output of programs.
#[derive(Debug)]
pub struct TempFile(File);

impl TempFile {
    /// Makes an empty file.
    pub fn new() -> Result<Self> {
        named(&std::env::temp_dir(), "write", |_| tempfile::tempfile()).map(Self)
    }

    /// Returns a handle of the file for a program. All handles have one position, so no program
    /// overwrites the output of another.
    pub fn try_clone(&self) -> Result<File> {
        named(&std::env::temp_dir(), "write", |_| self.0.try_clone())
    }

    /// Returns the contents of the file. Bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> Result<String> {
        named(&std::env::temp_dir(), "read", |_| {
            let mut bytes = Vec::new();
            (&self.0).rewind()?;
            (&self.0).read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        })
    }
}

fn named<T>(path: &Path, doing: &str, work: impl FnOnce(&Path) -> std::io::Result<T>) -> Result<T> {
    work(path).map_err(|error| Error::io(path, doing, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_path_and_what_was_tried() {
        let dir = tempdir().unwrap();
        let missing = dir.path().join("missing");
        let (path, elsewhere) = (missing.display().to_string(), dir.path().join("elsewhere"));
        for (error, doing) in [
            (read(&missing).unwrap_err(), "read"),
            (read_dir(&missing).unwrap_err(), "read"),
            (write(missing.join("file"), "text").unwrap_err(), "write"),
            (create_dir(missing.join("dir")).unwrap_err(), "make"),
            (remove_file(&missing).unwrap_err(), "remove"),
            (rename(&missing, &elsewhere).unwrap_err(), "move"),
            (copy(&missing, &elsewhere).unwrap_err(), "copy"),
            (canonicalize(&missing).unwrap_err(), "find"),
        ] {
            let text = error.to_string();
            assert!(text.starts_with(&path), "{text}");
            assert!(text.contains(&format!("to {doing} it")), "{text}");
        }
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("file");
        for text in ["a long first text", "another"] {
            replace(&path, text).unwrap();
            assert_eq!(read_to_string(&path).unwrap(), text);
            append(&path, ", and more").unwrap();
            assert_eq!(read_to_string(&path).unwrap(), format!("{text}, and more"));
        }
        let mode = metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0o044, "others may read it");
        // The file is opened before it is replaced, so it has the old contents.
        let old = open(&path).unwrap();
        replace(&path, "new").unwrap();
        assert_eq!(std::io::read_to_string(old).unwrap(), "another, and more");
        assert_eq!(read_dir(dir.path()).unwrap(), [path]);
        let error = replace(dir.path().join("missing/file"), "").unwrap_err();
        assert!(error.location().ends_with("missing/file"), "{error}");
    }

    #[test]
    fn programs_write_to_a_temporary_file_in_turn() {
        let file = TempFile::new().unwrap();
        for bytes in [&b"one "[..], b"two \xff"] {
            file.try_clone().unwrap().write_all(bytes).unwrap();
        }
        assert_eq!(file.text().unwrap(), "one two \u{fffd}");
    }

    #[test]
    fn entries_come_in_the_order_of_their_names() {
        let dir = tempdir().unwrap();
        for name in ["b", "c", "a"] {
            write(dir.path().join(name), name).unwrap();
        }
        let names = ["a", "b", "c"].map(|name| dir.path().join(name));
        assert_eq!(read_dir(dir.path()).unwrap(), names);
    }
}
