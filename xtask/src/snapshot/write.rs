// SPDX-License-Identifier: GPL-2.0-only
//! The writer of a snapshot's folder. It replaces the whole folder, or leaves it unchanged.

use std::fs;
use std::path::{Path, PathBuf};

use linux_driver_host::{Error, Result, process};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::Snapshot;

pub(super) const HEADER: &str = "kernel.h";
const ABI: &str = "abi.json";
const ORIGIN: &str = "snapshot.toml";
pub(super) const BINDINGS: &str = "bindings.rs";

/// Writes the folder `dir`, and replaces an older snapshot.
pub(super) fn write(dir: &Path, snapshot: &Snapshot) -> Result<()> {
    let dir = linux_driver_host::fs::absolute(dir)?;
    check(&dir)?;
    let parent = dir
        .parent()
        .ok_or_else(|| not_ours(&dir, "the root of all folders"))?;
    linux_driver_host::fs::create_dir_all(parent)?;
    let staging = tempfile::Builder::new()
        .prefix(".staging-")
        .tempdir_in(parent)
        .map_err(|e| Error::io(parent, "write", &e))?;
    let whole = staging.path().join("snapshot");
    linux_driver_host::fs::create_dir(&whole)?;
    for (name, text) in [
        (HEADER, &snapshot.header),
        (ABI, &snapshot.abi),
        (ORIGIN, &snapshot.origin),
    ] {
        let path = whole.join(name);
        linux_driver_host::fs::write(&path, text)?;
    }
    process::check_interrupted()?;
    put(&whole, &dir)
}

/// Renames `whole` to `dir`. The old folder takes the name of the new one and is removed with the
/// staging folder.
fn put(whole: &Path, dir: &Path) -> Result<()> {
    if fs::symlink_metadata(dir).is_ok() {
        match renameat_with(CWD, whole, CWD, dir, RenameFlags::EXCHANGE) {
            Ok(()) => return Ok(()),
            // Not every file system can exchange two folders. In that case, this takes two steps.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                let old: PathBuf = whole.with_file_name("old");
                fs::rename(dir, &old).map_err(|e| Error::io(dir, "write", &e))?;
            }
            Err(e) => return Err(Error::io(dir, "write", &e.into())),
        }
    }
    fs::rename(whole, dir).map_err(|e| Error::io(dir, "write", &e))
}

/// Checks that only a snapshot would be overwritten.
fn check(dir: &Path) -> Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::io(dir, "read", &e)),
        Ok(entries) => entries,
    };
    for entry in entries {
        let name = entry.map_err(|e| Error::io(dir, "read", &e))?.file_name();
        if ![HEADER, ABI, ORIGIN, BINDINGS]
            .iter()
            .any(|own| name == *own)
        {
            return Err(not_ours(dir, &name.to_string_lossy()));
        }
    }
    Ok(())
}

fn not_ours(dir: &Path, found: &str) -> Error {
    Error::new(
        dir.display(),
        "a new folder, or one that contains a snapshot and nothing else",
        found,
        "name another folder with --out",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(text: &str) -> Snapshot {
        Snapshot {
            header: text.to_owned(),
            abi: text.to_owned(),
            origin: text.to_owned(),
            has_constants: true,
        }
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_newer_snapshot_replaces_an_older_one() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("snapshots/name");
        write(&dir, &snapshot("1")).unwrap();
        write(&dir, &snapshot("2")).unwrap();
        assert_eq!(names(&dir), [ABI, HEADER, ORIGIN]);
        assert_eq!(fs::read_to_string(dir.join(ABI)).unwrap(), "2");
        assert_eq!(
            names(&root.path().join("snapshots")),
            ["name"],
            "something was left"
        );
    }

    #[test]
    fn a_path_below_a_file_is_named_and_nothing_is_left() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("letter.txt");
        fs::write(&file, "dear").unwrap();
        for dir in [file.clone(), file.join("name"), file.join("deep/name")] {
            let error = write(&dir, &snapshot("1")).unwrap_err();
            assert_eq!(error.location(), dir.display().to_string());
            assert_eq!(names(root.path()), ["letter.txt"]);
            assert_eq!(fs::read_to_string(&file).unwrap(), "dear");
        }
    }

    #[test]
    fn a_folder_with_other_files_is_not_touched() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("letter.txt"), "dear").unwrap();
        let error = write(root.path(), &snapshot("1")).unwrap_err();
        assert!(error.to_string().contains("letter.txt"), "{error}");
        assert_eq!(names(root.path()), ["letter.txt"]);
    }
}
