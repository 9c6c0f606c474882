// SPDX-License-Identifier: GPL-2.0-only
//! The cache: a folder outside the checkout that keeps what was downloaded or built once.
//!
//! An entry is a folder `KIND/NAME-HASH`. The hash covers all that the entry depends on. An entry
//! is made in a staging folder beside its final path and renamed when it is complete, so an entry
//! that exists is complete. Each entry has a lock. Two runs can ask for the same entry at the same
//! time, and the later run removes what a killed run left.

use std::ffi::CString;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::path::fit_for_make;
use crate::{Error, Result, fs, process, progress};

/// A folder of cached entries.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// The folder of the cache in which a driver's repository compiles the tool.
const TOOL: &str = "tool";
/// The start of the names of folders in which entries are made.
const STAGING: &str = ".staging-";

/// An entry of the cache, or what a killed run left of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The kind: "kernels". It is empty for the tool's target folder.
    pub kind: String,
    /// The name, with its hash.
    pub name: String,
    /// The folder.
    pub path: PathBuf,
    /// `true` if the entry was never complete, because the run that made it was killed, or because
    /// a run makes it now.
    pub is_leftover: bool,
    /// The name of its lock.
    lock: String,
}

impl Entry {
    /// Returns the entry in this folder, if the folder has the name of one: NAME-HASH.
    fn of(kind: &str, path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_owned();
        // A staging folder has the name of its entry, and random letters.
        let staged = name.strip_prefix(STAGING);
        let entry = match staged {
            Some(rest) => rest.rsplit_once('-')?.0,
            None => &name,
        };
        let (_, hash) = entry.rsplit_once('-')?;
        let is_hash = hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hash.then(|| Self {
            kind: kind.to_owned(),
            is_leftover: staged.is_some(),
            lock: entry.to_owned(),
            name: name.clone(),
            path,
        })
    }

    fn of_tool(path: PathBuf) -> Self {
        Self {
            kind: String::new(),
            name: TOOL.to_owned(),
            path,
            is_leftover: false,
            lock: TOOL.to_owned(),
        }
    }

    /// Returns the number of bytes that its files take on the disk.
    pub fn bytes(&self) -> u64 {
        bytes(&self.path)
    }

    /// Returns the time at which it was made or marked as used.
    pub fn used(&self) -> Option<SystemTime> {
        self.path.symlink_metadata().ok()?.modified().ok()
    }
}

/// Returns the number of bytes that the files below a path take on the disk. Files that disappear
/// meanwhile do not count.
fn bytes(path: &Path) -> u64 {
    let Ok(metadata) = path.symlink_metadata() else {
        return 0;
    };
    let below = metadata.is_dir().then(|| std::fs::read_dir(path).ok());
    let below = below.flatten().into_iter().flatten().flatten();
    // `stat` counts blocks of 512 bytes.
    below.fold(metadata.blocks() * 512, |sum, entry| {
        sum + bytes(&entry.path())
    })
}

/// A hash of all that an entry depends on.
#[derive(Debug, Clone, Default)]
pub struct Key(Sha256);

impl Key {
    /// Returns a key over nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one more thing that the entry depends on. The key covers its length too, so two
    /// different lists never give the same key.
    #[must_use]
    pub fn with(mut self, part: impl AsRef<[u8]>) -> Self {
        let part = part.as_ref();
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
        self
    }

    /// Adds the contents of a file.
    pub fn with_file(self, path: &Path) -> Result<Self> {
        let bytes = fs::read(path)?;
        Ok(self.with(bytes))
    }

    /// Returns the first 16 hexadecimal digits of the hash.
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
    /// Opens the user's cache: `$LINUX_DRIVER_CACHE`, else `$XDG_CACHE_HOME/linux-driver`, else
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
                    "none of these environment variables",
                    "set LINUX_DRIVER_CACHE to a folder for the cache",
                )
            })?;
        Self::at(&root)
    }

    /// Opens the cache in this folder, and makes the folder if it is missing.
    ///
    /// # Errors
    ///
    /// Kbuild works inside the cache, so a path that make cannot handle is refused.
    pub fn at(root: &Path) -> Result<Self> {
        let plain = |root: &Path| {
            fit_for_make(
                root,
                "the cache, in which Kbuild works",
                "set LINUX_DRIVER_CACHE to a folder with such a path",
            )
        };
        plain(&fs::absolute(root)?)?;
        fs::create_dir_all(root)?;
        let root = fs::canonicalize(root)?;
        plain(&root)?;
        Ok(Self { root })
    }

    /// Returns the folder of the cache.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the path that the entry has once it is made.
    pub fn entry_path(&self, kind: &str, name: &str, key: &Key) -> PathBuf {
        self.root.join(kind).join(format!("{name}-{}", key.hex()))
    }

    /// Returns the path of the entry if it exists.
    pub fn get(&self, kind: &str, name: &str, key: &Key) -> Option<PathBuf> {
        Some(self.entry_path(kind, name, key)).filter(|path| path.is_dir())
    }

    /// Returns the entry's path, and makes the entry first if it is missing.
    ///
    /// `make(staging, location)` fills the folder `staging`, which is then renamed to `location`.
    /// If `make` fails, nothing is left.
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
        let staging = fs::tempdir_in(&dir, &prefix)?;
        let made = make(staging.path(), &location).and_then(|()| process::check_interrupted());
        if let Err(error) = made {
            discard(staging);
            return Err(error);
        }
        // Only the user can read the staging folder. The entry gets a folder's usual permissions.
        fs::set_mode(staging.path(), 0o755)?;
        fs::rename(staging.path(), &location)?;
        let _ = staging.keep();
        Ok(location)
    }

    /// Removes an entry that is no longer valid. The entry disappears at once and as a whole.
    pub fn remove(&self, location: &Path) -> Result<()> {
        let (Some(dir), Some(name)) = (location.parent(), location.file_name()) else {
            return Ok(());
        };
        // If this run is killed too, the next one removes what is left under this name.
        let prefix = format!(".staging-{}-", name.to_string_lossy());
        let away = fs::tempdir_in(dir, &prefix)?;
        match std::fs::rename(location, away.path().join("removed")) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io(location, "remove", &e))
            }
            _ => Ok(()),
        }
    }

    /// Returns all entries, and what killed runs left, sorted by kind and name. Other folders do not
    /// count: the cache may be in a folder that the user has for other things too.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for kind in fs::read_dir(&self.root)? {
            // The target folder of the tool has folders of cargo, and is one entry. cargo marks it.
            if kind.ends_with(TOOL) {
                let is_cargos = kind.join("CACHEDIR.TAG").is_file();
                entries.extend(is_cargos.then(|| Entry::of_tool(kind)));
            } else if kind.is_dir() {
                let name = kind.file_name().unwrap_or_default();
                let name = name.to_string_lossy().into_owned();
                let paths = fs::read_dir(&kind)?.into_iter();
                let paths = paths.filter(|path| !path.is_symlink() && path.is_dir());
                entries.extend(paths.filter_map(|path| Entry::of(&name, path)));
            }
        }
        Ok(entries)
    }

    /// Removes an entry, unless another run makes it now. Returns whether it was removed.
    pub fn clear(&self, entry: &Entry) -> Result<bool> {
        let Some(dir) = entry.path.parent() else {
            return Ok(false);
        };
        let lock = fs::create(dir.join(format!(".lock-{}", entry.lock)))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(e)) => return Err(Error::io(&entry.path, "lock", &e)),
        }
        if entry.is_leftover {
            fs::remove_dir_all(&entry.path)?;
        } else {
            self.remove(&entry.path)?;
        }
        Ok(true)
    }

    /// Marks an entry as in use, for [`keep_latest`](Self::keep_latest).
    pub fn used(&self, location: &Path) {
        // A cache that cannot be written to is not tidied either.
        let _ = File::open(location).and_then(|dir| dir.set_modified(SystemTime::now()));
    }

    /// Removes the entries of a kind, except the `count` that were made or used last.
    ///
    /// This is for kinds whose old entries are never asked for again.
    pub fn keep_latest(&self, kind: &str, count: usize) -> Result<()> {
        let dir = self.root.join(kind);
        let hidden = |path: &Path| {
            path.file_name()
                .is_some_and(|name| name.as_bytes().starts_with(b"."))
        };
        let mut entries: Vec<_> = fs::read_dir(&dir)?
            .into_iter()
            .filter(|path| !hidden(path))
            .filter_map(|path| Some((path.symlink_metadata().ok()?.modified().ok()?, path)))
            .collect();
        entries.sort_unstable_by(|a, b| b.cmp(a));
        entries
            .iter()
            .skip(count)
            .try_for_each(|(_, location)| self.remove(location))
    }

    /// Takes the lock of this name, and holds it until the returned file is dropped. Waits while
    /// another run holds it.
    pub fn lock(&self, kind: &str, name: &str) -> Result<File> {
        let dir = self.root.join(kind);
        fs::create_dir_all(&dir)?;
        lock_file(&dir.join(format!(".lock-{name}")))
    }
}

/// How long a disk must stay full before a program is ended. Whatever fills it may be removed again
/// at once.
const FULL: Duration = Duration::from_secs(2);

/// A watch on a folder's disk, for a program that does not report a full disk.
#[derive(Debug)]
pub struct Disk {
    dir: PathBuf,
    full_since: Option<Instant>,
}

impl Disk {
    /// Watches the disk that holds this folder.
    pub fn of(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            full_since: None,
        }
    }

    /// Checks that the disk has room.
    ///
    /// # Errors
    ///
    /// The disk has been full for two seconds.
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

/// Returns how many blocks of the folder's disk an unprivileged user may fill, if the system knows.
fn free_blocks(dir: &Path) -> Option<u64> {
    let dir = CString::new(dir.as_os_str().as_bytes()).ok()?;
    // SAFETY: A `statvfs` of all zeroes must be valid: it is a plain C structure of integers.
    let mut disk: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: statvfs(3) takes a string that ends with a zero byte, and space for one `statvfs`.
    // `dir` is a `CString`, and `disk` is that space.
    let asked = unsafe { libc::statvfs(dir.as_ptr(), &raw mut disk) };
    // A file system without a size reports no blocks at all.
    (asked == 0 && disk.f_blocks > 0).then_some(disk.f_bavail)
}

/// The time between two attempts to take a lock that another run holds, or to remove a folder.
const AGAIN: Duration = Duration::from_millis(50);
/// The number of attempts to remove a folder.
const DISCARDS: u32 = 40;

/// Locks this file until the returned value is dropped. Makes the file if it is missing.
///
/// Waits while another run holds the lock, unless a signal asks this process to end. It polls,
/// because a blocking system call would restart after the signal.
pub fn lock_file(path: &Path) -> Result<File> {
    let file = fs::create(path)?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(e)) => return Err(Error::io(path, "lock", &e)),
            Err(TryLockError::WouldBlock) => process::check_interrupted()?,
        }
        if !told {
            progress::say(&format!(
                "waiting for another run, which holds the lock {}",
                path.display()
            ));
            told = true;
        }
        thread::sleep(AGAIN);
    }
}

/// Removes a folder in which an entry was to be made.
///
/// A signal ends a program and the processes that it started at the same time, but the latter may
/// still finish a system call that creates a file. So this tries again for a moment. If it fails
/// all the same, the next run removes the folder.
fn discard(staging: TempDir) {
    let path = staging.keep();
    for _ in 0..DISCARDS {
        if fs::remove_dir_all(&path).is_ok() || !path.exists() {
            return;
        }
        thread::sleep(AGAIN);
    }
}

/// Removes what a killed run left under these names. The caller holds the entry's lock.
fn sweep(dir: &Path, prefix: &str) -> Result<()> {
    for path in fs::read_dir(dir)? {
        let name = path.file_name().unwrap_or_default();
        if name.to_string_lossy().starts_with(prefix) {
            fs::remove_dir_all(&path)?;
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
    fn entries_are_listed_and_cleared_unless_a_run_makes_them() {
        let (_dir, cache) = cache();
        let key = Key::new();
        let made = cache.get_or_make("kernels", "a", &key, |staging, _| {
            fs::write(staging.join("file"), vec![1; 10_000])
        });
        let made = made.unwrap();
        let lock = format!("b-{}", key.hex());
        let left = cache.root().join(format!("kernels/.staging-{lock}-xyz"));
        fs::create_dir_all(&left).unwrap();
        fs::create_dir_all(cache.root().join("tool/debug")).unwrap();
        // These are of somebody else.
        let others = [
            "pictures/holidays",
            "pictures/holidays-2026",
            "kernels/mine",
        ];
        for other in others {
            fs::create_dir_all(cache.root().join(other)).unwrap();
        }
        assert_eq!(cache.entries().unwrap().len(), 2);
        fs::write(cache.root().join("tool/CACHEDIR.TAG"), "").unwrap();
        let entries = cache.entries().unwrap();
        let rows: Vec<(&str, &Path, bool)> = entries
            .iter()
            .map(|entry| (&*entry.kind, &*entry.path, entry.is_leftover))
            .collect();
        let tool = cache.root().join("tool");
        assert_eq!(
            rows,
            [
                ("kernels", &*left, true),
                ("kernels", &*made, false),
                ("", &*tool, false)
            ]
        );
        assert!(entries[1].bytes() >= 10_000 && entries[1].used().is_some());
        let held = cache.lock("kernels", &lock).unwrap();
        let cleared: Vec<bool> = entries
            .iter()
            .map(|entry| cache.clear(entry).unwrap())
            .collect();
        assert_eq!(cleared, [false, true, true]);
        drop(held);
        assert!(cache.clear(&entries[0]).unwrap());
        assert_eq!(cache.entries().unwrap(), []);
        assert!(others.iter().all(|other| cache.root().join(other).is_dir()));
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
        // Lock files belong to other runs, so they stay.
        let left = std::fs::read_dir(cache.root().join("kind"))
            .unwrap()
            .count();
        assert_eq!(left, 2 + 4, "two entries, four locks");
    }

    fn entries(cache: &Cache) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(cache.root().join("kind"))
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
            .get_or_make("kind", "name", &key, |dir, _| fs::write(dir.join("f"), "1"))
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
    fn a_failed_entry_is_removed_while_a_process_still_writes_to_it() {
        let (_dir, cache) = cache();
        let mut writer = None;
        let failed = cache.get_or_make("kind", "name", &Key::new(), |dir, _| {
            let (dir, end) = (dir.to_owned(), Instant::now() + Duration::from_millis(500));
            let (started, starts) = std::sync::mpsc::channel();
            writer = Some(thread::spawn(move || {
                for number in 0.. {
                    let written = fs::write(dir.join(number.to_string()), "");
                    if number == 100 {
                        started.send(()).unwrap();
                    }
                    if written.is_err() || Instant::now() >= end {
                        break;
                    }
                }
            }));
            starts.recv().unwrap();
            Err(Error::new("here", "a", "b", "c"))
        });
        writer.unwrap().join().unwrap();
        assert!(failed.is_err());
        assert_eq!(entries(&cache), Vec::<String>::new());
    }

    #[test]
    fn leftovers_of_a_killed_run_are_removed() {
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
    fn a_path_that_kbuild_cannot_use_is_refused_and_not_made() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("my cache");
        let error = Cache::at(&root).unwrap_err();
        assert!(error.remedy().contains("LINUX_DRIVER_CACHE"), "{error}");
        assert!(!root.exists());
        // A link to such a path is refused too.
        fs::create_dir(&root).unwrap();
        std::os::unix::fs::symlink(&root, dir.path().join("link")).unwrap();
        assert!(Cache::at(&dir.path().join("link")).is_err());
    }

    #[test]
    fn each_part_of_a_key_counts_separately() {
        assert_ne!(
            Key::new().with("ab").with("c").hex(),
            Key::new().with("a").with("bc").hex()
        );
    }
}
