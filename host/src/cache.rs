// SPDX-License-Identifier: GPL-2.0-only
//! What was downloaded or built once, kept outside the checkout.
//!
//! An entry is a folder `KIND/NAME-HASH`, where the hash is over all that the entry depends on. It
//! is made in a staging folder beside its place and renamed into it when complete: an entry that
//! exists is whole. A lock an entry lets two runs ask for the same one at the same time, and lets
//! the later run sweep what a killed run left.

use std::ffi::CString;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest, Sha256};

use crate::path::fit_for_make;
use crate::{Error, Result, process, progress};

/// The folder of cached entries.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// All that an entry depends on, as a hash.
#[derive(Debug, Clone, Default)]
pub struct Key(Sha256);

impl Key {
    /// A key over nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The key with one more thing that the entry depends on. Its length goes in too: no two lists
    /// collide.
    #[must_use]
    pub fn with(mut self, part: impl AsRef<[u8]>) -> Self {
        let part = part.as_ref();
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
        self
    }

    /// The key with the contents of a file.
    pub fn with_file(self, path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(|e| Error::io(path, "read", &e))?;
        Ok(self.with(bytes))
    }

    /// The hash, 16 hexadecimal digits of it.
    pub fn hex(&self) -> String {
        self.0
            .clone()
            .finalize()
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl Cache {
    /// The user's cache: `$LINUX_DRIVER_CACHE`, else `$XDG_CACHE_HOME/linux-driver`, else
    /// `~/.cache/linux-driver`.
    pub fn of_user() -> Result<Self> {
        let set = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let root = set("LINUX_DRIVER_CACHE")
            .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("linux-driver")))
            .or_else(|| set("HOME").map(|dir| dir.join(".cache/linux-driver")))
            .ok_or_else(|| {
                Error::new(
                    "environment",
                    "LINUX_DRIVER_CACHE, XDG_CACHE_HOME or HOME",
                    "none of them set",
                    "set LINUX_DRIVER_CACHE to a folder for the cache",
                )
            })?;
        Self::at(&root)
    }

    /// A cache in this folder, which is made if it is missing. Kbuild works in it, so that not
    /// every path will do.
    pub fn at(root: &Path) -> Result<Self> {
        let plain = |root: &Path| {
            fit_for_make(
                root,
                "the cache, in which Kbuild works",
                "set LINUX_DRIVER_CACHE to a folder with such a path",
            )
        };
        plain(&std::path::absolute(root).map_err(|e| Error::io(root, "find", &e))?)?;
        fs::create_dir_all(root).map_err(|e| Error::io(root, "make", &e))?;
        let root = root
            .canonicalize()
            .map_err(|e| Error::io(root, "find", &e))?;
        plain(&root)?;
        Ok(Self { root })
    }

    /// The folder of the cache.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the entry stands once it is made.
    pub fn entry_path(&self, kind: &str, name: &str, key: &Key) -> PathBuf {
        self.root.join(kind).join(format!("{name}-{}", key.hex()))
    }

    /// The entry if it is there, whole.
    pub fn get(&self, kind: &str, name: &str, key: &Key) -> Option<PathBuf> {
        Some(self.entry_path(kind, name, key)).filter(|path| path.is_dir())
    }

    /// The entry, made by `make(staging, location)` if it is not there: `make` fills the folder
    /// `staging`, which then becomes `location`. If `make` fails, nothing stays.
    pub fn get_or_make(
        &self,
        kind: &str,
        name: &str,
        key: &Key,
        make: impl FnOnce(&Path, &Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let location = self.entry_path(kind, name, key);
        if location.is_dir() {
            return Ok(location);
        }
        let _lock = self.lock(kind, &format!("{name}-{}", key.hex()))?;
        if location.is_dir() {
            return Ok(location);
        }
        let dir = self.root.join(kind);
        let prefix = format!(".staging-{name}-{}-", key.hex());
        sweep(&dir, &prefix)?;
        let staging = tempfile::Builder::new()
            .prefix(&prefix)
            .tempdir_in(&dir)
            .map_err(|e| Error::io(&dir, "write", &e))?;
        make(staging.path(), &location)?;
        process::check_interrupted()?;
        // The staging folder is private; the entry is as readable as any folder of the user's.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(staging.path(), mode)
            .map_err(|e| Error::io(staging.path(), "change", &e))?;
        fs::rename(staging.path(), &location).map_err(|e| Error::io(&location, "write", &e))?;
        let _ = staging.keep();
        Ok(location)
    }

    /// Removes an entry that does not hold any more. It is gone at once, and whole.
    pub fn remove(&self, location: &Path) -> Result<()> {
        let (Some(dir), Some(name)) = (location.parent(), location.file_name()) else {
            return Ok(());
        };
        // Swept with what killed runs left, should this one be killed.
        let prefix = format!(".staging-{}-", name.to_string_lossy());
        let away = tempfile::Builder::new()
            .prefix(&prefix)
            .tempdir_in(dir)
            .map_err(|e| Error::io(dir, "write", &e))?;
        match fs::rename(location, away.path().join("removed")) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io(location, "remove", &e))
            }
            _ => Ok(()),
        }
    }

    /// Notes that this entry is in use, for [`keep_latest`](Self::keep_latest).
    pub fn used(&self, location: &Path) {
        // A cache that cannot be written to is not tidied up either.
        let _ = File::open(location).and_then(|dir| dir.set_modified(SystemTime::now()));
    }

    /// Removes the entries of this kind but for the `count` that were made or used last. For a kind
    /// whose entries are replaced by others and never asked for again.
    pub fn keep_latest(&self, kind: &str, count: usize) -> Result<()> {
        let dir = self.root.join(kind);
        let entries = fs::read_dir(&dir).map_err(|e| Error::io(&dir, "read", &e))?;
        let mut entries: Vec<_> = entries
            .flatten()
            .filter(|entry| !entry.file_name().as_bytes().starts_with(b"."))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        entries.sort_unstable_by(|a, b| b.cmp(a));
        entries
            .iter()
            .skip(count)
            .try_for_each(|(_, location)| self.remove(location))
    }

    /// Holds the lock of this name until the value goes; waits for whoever holds it.
    pub fn lock(&self, kind: &str, name: &str) -> Result<File> {
        let dir = self.root.join(kind);
        fs::create_dir_all(&dir).map_err(|e| Error::io(&dir, "make", &e))?;
        lock_file(&dir.join(format!(".lock-{name}")))
    }
}

/// How long a disk has to be full before it counts as that: what fills it may be removed again at
/// once.
const FULL: Duration = Duration::from_secs(2);

/// Watches the disk of a folder for a program that does not say when it is full.
#[derive(Debug)]
pub struct Disk {
    dir: PathBuf,
    full_since: Option<Instant>,
}

impl Disk {
    /// The disk of this folder.
    pub fn of(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            full_since: None,
        }
    }

    /// An error once nothing more can be written there.
    pub fn check(&mut self) -> Result<()> {
        if free_blocks(&self.dir).is_none_or(|blocks| blocks > 0) {
            self.full_since = None;
        } else if self.full_since.get_or_insert_with(Instant::now).elapsed() >= FULL {
            return Err(Error::io(
                &self.dir,
                "write",
                &ErrorKind::StorageFull.into(),
            ));
        }
        Ok(())
    }
}

/// The blocks that are free for us on the disk of this folder, if it says so.
fn free_blocks(dir: &Path) -> Option<u64> {
    let dir = CString::new(dir.as_os_str().as_bytes()).ok()?;
    // SAFETY: `statvfs` is a plain C structure, for which all zeroes is a value.
    let mut disk: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: statvfs(3) reads a string that ends with a zero byte and writes no more than one
    // `statvfs`.
    let asked = unsafe { libc::statvfs(dir.as_ptr(), &raw mut disk) };
    // A file system without a size has no blocks at all.
    (asked == 0 && disk.f_blocks > 0).then_some(disk.f_bavail)
}

/// How often a lock is tried that another run holds.
const AGAIN: Duration = Duration::from_millis(50);

/// Holds the lock of this file, which is made if it is missing, until the value goes. Waits for
/// whoever holds it, unless a signal asks us to end: a system call that waits would be taken up
/// again after the signal.
pub fn lock_file(path: &Path) -> Result<File> {
    let file = File::create(path).map_err(|e| Error::io(path, "write", &e))?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(e)) => return Err(Error::io(path, "lock", &e)),
            Err(TryLockError::WouldBlock) => process::check_interrupted()?,
        }
        if !told {
            progress::say(&format!(
                "waiting for another run, which holds {}",
                path.display()
            ));
            told = true;
        }
        thread::sleep(AGAIN);
    }
}

/// Removes what a killed run left under these names. The entry's lock is held.
fn sweep(dir: &Path, prefix: &str) -> Result<()> {
    let entries = fs::read_dir(dir).map_err(|e| Error::io(dir, "read", &e))?;
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            fs::remove_dir_all(entry.path()).map_err(|e| Error::io(&entry.path(), "remove", &e))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path()).unwrap();
        (dir, cache)
    }

    #[test]
    fn the_entries_used_last_are_kept() {
        let (_dir, cache) = cache();
        let make = |name: &str, day: u64| {
            let location = cache
                .get_or_make("kind", name, &Key::new(), |_, _| Ok(()))
                .unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 * day);
            File::open(&location).unwrap().set_modified(time).unwrap();
            location
        };
        let locations = ["a", "b", "c", "d"].map(|name| make(name, u64::from(name.as_bytes()[0])));
        cache.used(&locations[0]);
        cache.keep_latest("kind", 2).unwrap();
        assert_eq!(
            locations.map(|location| location.exists()),
            [true, false, false, true]
        );
        // Locks are files of other runs.
        let left = fs::read_dir(cache.root().join("kind")).unwrap().count();
        assert_eq!(left, 2 + 4, "two entries, four locks");
    }

    fn entries(cache: &Cache) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(cache.root().join("kind"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with(".lock-"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn an_entry_is_made_once() {
        let (_dir, cache) = cache();
        let key = Key::new().with("a");
        let path = cache
            .get_or_make("kind", "name", &key, |dir, _| {
                fs::write(dir.join("f"), "1").map_err(|e| Error::io(dir, "write", &e))
            })
            .unwrap();
        let again = cache
            .get_or_make("kind", "name", &key, |_, _| panic!("made twice"))
            .unwrap();
        assert_eq!(path, again);
        assert_eq!(fs::read_to_string(path.join("f")).unwrap(), "1");
    }

    #[test]
    fn a_failed_entry_leaves_nothing() {
        let (_dir, cache) = cache();
        let failed = cache.get_or_make("kind", "name", &Key::new(), |dir, _| {
            fs::write(dir.join("half"), "").unwrap();
            Err(Error::new("here", "a", "b", "c"))
        });
        assert!(failed.is_err());
        assert_eq!(entries(&cache), Vec::<String>::new());
    }

    #[test]
    fn what_a_killed_run_left_is_swept() {
        let (_dir, cache) = cache();
        let key = Key::new().with("x");
        let stale = cache
            .root()
            .join(format!("kind/.staging-name-{}-dead", key.hex()));
        fs::create_dir_all(&stale).unwrap();
        cache
            .get_or_make("kind", "name", &key, |_, _| Ok(()))
            .unwrap();
        assert_eq!(entries(&cache), [format!("name-{}", key.hex())]);
    }

    #[test]
    fn a_path_that_kbuild_cannot_work_in_is_refused_and_not_made() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("my cache");
        let error = Cache::at(&root).unwrap_err();
        assert!(error.remedy().contains("LINUX_DRIVER_CACHE"), "{error}");
        assert!(!root.exists());
        // A link does not hide it.
        fs::create_dir(&root).unwrap();
        std::os::unix::fs::symlink(&root, dir.path().join("link")).unwrap();
        assert!(Cache::at(&dir.path().join("link")).is_err());
    }

    #[test]
    fn a_key_is_over_each_part_apart() {
        assert_ne!(
            Key::new().with("ab").with("c").hex(),
            Key::new().with("a").with("bc").hex()
        );
    }
}
