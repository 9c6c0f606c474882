// SPDX-License-Identifier: GPL-2.0-only
//! The writer of a snapshot's folder. It replaces the whole folder, or leaves it unchanged.

use std::path::{Path, PathBuf};

use linux_driver_host::{Error, Result, fs, process};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::Snapshot;

pub(super) const HEADER: &str = "kernel.h";
const ABI: &str = "abi.json";
const ORIGIN: &str = "snapshot.toml";
pub(super) const BINDINGS: &str = "bindings.rs";

/// Writes the folder `dir`, and replaces an older snapshot.
pub(super) fn write(dir: &Path, snapshot: &Snapshot) -> Result<()> {
    let dir = fs::absolute(dir)?;
    check(&dir)?;
    let parent = dir
        .parent()
        .ok_or_else(|| not_ours(&dir, "the root of all folders"))?;
    fs::create_dir_all(parent)?;
    let staging = fs::tempdir_in(parent, ".staging-")?;
    let whole = staging.path().join("snapshot");
    fs::create_dir(&whole)?;
    for (name, text) in [
        (HEADER, &snapshot.header),
        (ABI, &snapshot.abi),
        (ORIGIN, &snapshot.origin),
    ] {
        let path = whole.join(name);
        fs::write(&path, text)?;
    }
    process::check_interrupted()?;
    put(&whole, &dir)
}

/// Renames `whole` to `dir`. The old folder takes the name of the new one and is removed with the
/// staging folder.
fn put(whole: &Path, dir: &Path) -> Result<()> {
    if dir.symlink_metadata().is_ok() {
        match renameat_with(CWD, whole, CWD, dir, RenameFlags::EXCHANGE) {
            Ok(()) => return Ok(()),
            // Not every file system can exchange two folders. In that case, this takes two steps.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                let old: PathBuf = whole.with_file_name("old");
                fs::rename(dir, &old)?;
            }
            Err(e) => return Err(Error::io(dir, "write", &e.into())),
        }
    }
    fs::rename(whole, dir)
}

/// Checks that only a snapshot would be overwritten.
fn check(dir: &Path) -> Result<()> {
    if matches!(dir.try_exists(), Ok(false)) {
        return Ok(());
    }
    for path in fs::read_dir(dir)? {
        let name = path.file_name().unwrap_or_default();
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
        let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        fs::read_dir(dir).unwrap().into_iter().map(name).collect()
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
