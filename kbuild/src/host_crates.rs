// SPDX-License-Identifier: GPL-2.0-only
//! The crates that cargo compiled for this machine (bindgen and what it depends on, proc macros),
//! kept in the cache for the first build in another target folder. They take most of such a build
//! and are the same for all drivers.
//!
//! Only crates of a registry are kept. cargo names their files by a hash of all that they depend
//! on, and the files do not depend on their location. Crates with a path are not kept: cargo tells
//! those of two workspaces apart only by their paths within the workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use linux_driver_host::cache::Key;
use linux_driver_host::{Cache, Result, fs, process};

use crate::toolchain::Toolchain;

/// The cache's folder for them.
const KIND: &str = "host-crates";
/// The number of lists of versions whose crates are kept: each takes some 200 MB.
const KEPT: usize = 3;
/// The subfolder of a target folder with cargo's output for this machine. The entries of its
/// subfolders `FOLDERS` are named `NAME-HASH`.
const RELEASE: &str = "release";
const FOLDERS: [&str; 3] = [".fingerprint", "build", "deps"];

/// The crates that cargo compiled for this machine, for one compiler and one list of versions.
pub(crate) struct HostCrates<'a> {
    cache: &'a Cache,
    key: Key,
}

impl<'a> HostCrates<'a> {
    /// Returns the kept crates of this compiler, and of the versions that the library in `sys` (the
    /// C sources of `linux-driver-sys`) was tried with.
    pub(crate) fn new(cache: &'a Cache, toolchain: &Toolchain, sys: &Path) -> Result<Self> {
        let lock = sys.ancestors().nth(2).map(|root| root.join("Cargo.lock"));
        let key = Key::new().with(&toolchain.version);
        let key = match lock.filter(|lock| lock.is_file()) {
            Some(lock) => {
                let text = fs::read_to_string(&lock)?;
                // A list in another form is used whole.
                key.with(needed_by("linux-driver", &text).unwrap_or(text))
            }
            None => key,
        };
        Ok(Self { cache, key })
    }

    /// Puts them into a target folder in which nothing was built yet.
    pub(crate) fn put_into(&self, target_dir: &Path) -> Result<()> {
        let place = target_dir.join(RELEASE);
        let Some(entry) = self
            .cache
            .get(KIND, "crates", &self.key)
            .filter(|_| !place.exists())
        else {
            return Ok(());
        };
        let half = target_dir.join(format!("{RELEASE}.new"));
        if half.exists() {
            fs::remove_dir_all(&half)?;
        }
        self.cache.used(&entry);
        copy(&[entry], &half)?;
        fs::rename(&half, &place)
    }

    /// Keeps those that `made` names by their hashes, if none are kept yet.
    pub(crate) fn keep(&self, target_dir: &Path, made: &BTreeSet<String>) -> Result<()> {
        if made.is_empty() {
            return Ok(());
        }
        let fill = |staging: &Path, _: &Path| {
            for folder in FOLDERS {
                let of = target_dir.join(RELEASE).join(folder);
                let kept: Vec<PathBuf> = fs::read_dir(&of)?
                    .into_iter()
                    .filter(|path| hash_in(path).is_some_and(|hash| made.contains(hash)))
                    .collect();
                let to = staging.join(folder);
                fs::create_dir(&to)?;
                if !kept.is_empty() {
                    copy(&kept, &to)?;
                }
            }
            Ok(())
        };
        if self.cache.get(KIND, "crates", &self.key).is_none() {
            self.cache.get_or_make(KIND, "crates", &self.key, fill)?;
            self.cache.keep_latest(KIND, KEPT)?;
        }
        Ok(())
    }
}

/// Returns what a `Cargo.lock` says of a package and of all that it depends on, or nothing if it is
/// not in the form that we know. Crates that only the tool depends on are left out: they change
/// more often.
fn needed_by(package: &str, lock: &str) -> Option<String> {
    let lock: toml::Table = lock.parse().ok()?;
    let packages = lock.get("package")?.as_array()?;
    let mut needed = BTreeMap::new();
    let mut left = vec![package.to_owned()];
    while let Some(name) = left.pop() {
        // "name", with " version" where there are several, with " (source)" where these are of one
        // version.
        let (name, version) = match name.split_once(' ') {
            Some((name, rest)) => (name, rest.split(' ').next()),
            None => (name.as_str(), None),
        };
        for (number, package) in packages.iter().enumerate() {
            let is = |key: &str, value: &str| {
                package.get(key).and_then(toml::Value::as_str) == Some(value)
            };
            let asked_for =
                is("name", name) && version.is_none_or(|version| is("version", version));
            if asked_for && needed.insert(number, package.to_string()).is_none() {
                let on = package.get("dependencies").and_then(toml::Value::as_array);
                left.extend(
                    on.into_iter()
                        .flatten()
                        .filter_map(|on| Some(on.as_str()?.to_owned())),
                );
            }
        }
    }
    (!needed.is_empty()).then(|| needed.into_values().collect::<Vec<_>>().join("\n"))
}

/// Returns the hash in a file's or folder's name `NAME-HASH` or `NAME-HASH.END`: 16 digits.
pub(crate) fn hash_in(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    let (_, hash) = stem.rsplit_once('-')?;
    (hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(hash)
}

/// Copies files with their times, by which cargo decides what to build.
fn copy(from: &[PathBuf], to: &Path) -> Result<()> {
    let mut cp = Command::new("cp");
    cp.args(["-a", "--reflink=auto", "--"]).args(from).arg(to);
    process::run(&mut cp).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
    const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

    #[test]
    fn the_first_build_elsewhere_has_what_was_kept_and_no_other_does() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new, used) = (
            dir.path().join("old"),
            dir.path().join("new"),
            dir.path().join("used"),
        );
        for (path, text) in [
            ("deps/libsyn-0123456789abcdef.rlib", "syn"),
            ("deps/libedu-0000456789abcdef.rlib", "edu"),
            ("build/syn-0123456789abcdef/output", "out"),
            (".fingerprint/syn-0123456789abcdef/lib", "print"),
        ] {
            let path = old.join(RELEASE).join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let cache = Cache::at(&dir.path().join("cache")).unwrap();
        let crates = HostCrates {
            cache: &cache,
            key: Key::new(),
        };
        fs::create_dir_all(&new).unwrap();
        crates.put_into(&new).unwrap();
        assert!(!new.join(RELEASE).exists());
        crates
            .keep(&old, &BTreeSet::from(["0123456789abcdef".to_owned()]))
            .unwrap();
        crates.put_into(&new).unwrap();
        let has = |path: &str| new.join(RELEASE).join(path).is_file();
        assert!(
            has("deps/libsyn-0123456789abcdef.rlib") && has("build/syn-0123456789abcdef/output")
        );
        assert!(
            has(".fingerprint/syn-0123456789abcdef/lib")
                && !has("deps/libedu-0000456789abcdef.rlib")
        );
        let times = [&old, &new].map(|dir| {
            let path = dir.join(RELEASE).join("deps/libsyn-0123456789abcdef.rlib");
            fs::metadata(path).unwrap().modified().unwrap()
        });
        assert_eq!(times[0], times[1]);
        // A target folder in which cargo has built something is left alone.
        fs::create_dir_all(used.join(RELEASE)).unwrap();
        crates.put_into(&used).unwrap();
        assert_eq!(fs::read_dir(used.join(RELEASE)).unwrap().len(), 0);
    }

    #[test]
    fn a_crate_of_the_tool_alone_changes_nothing() {
        let lock = |tool: &str, macros: &str, other: &str| {
            format!(
                r#"
                [[package]]
                name = "linux-driver"
                version = "0.1.0"
                dependencies = ["linux-driver-macros", "syn 2.0.1"]
                [[package]]
                name = "linux-driver-macros"
                version = "0.1.0"
                dependencies = ["quote", "linux-driver"]
                [[package]]
                name = "quote"
                version = "{macros}"
                [[package]]
                name = "syn"
                version = "1.0.9"
                checksum = "{other}"
                [[package]]
                name = "syn"
                version = "2.0.1"
                [[package]]
                name = "xtask"
                version = "{tool}"
                "#
            )
        };
        let needed = |lock: String| needed_by("linux-driver", &lock).unwrap();
        let usual = needed(lock("1.0.0", "1.0.0", "a"));
        assert_eq!(usual, needed(lock("1.0.1", "1.0.0", "b")));
        assert_ne!(usual, needed(lock("1.0.0", "1.0.1", "a")));
        assert_eq!(needed_by("linux-driver", "version = 4"), None);
        // The project's own list has the form that is read here.
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let own = needed(fs::read_to_string(root.join("Cargo.lock")).unwrap());
        assert!(
            own.contains("\"bindgen\"") && !own.contains("\"cargo_metadata\""),
            "{own}"
        );
    }

    #[test]
    fn a_hash_is_16_digits_after_the_name() {
        let hash = |name: &str| hash_in(Path::new(name)).map(str::to_owned);
        assert_eq!(
            hash("/t/libproc-macro2-0123456789abcdef.rlib").as_deref(),
            Some("0123456789abcdef")
        );
        assert_eq!(
            hash("/t/build/syn-0123456789abcdef").as_deref(),
            Some("0123456789abcdef")
        );
        assert_eq!(hash("/t/libedu.a"), None);
        assert_eq!(hash("/t/build-script-build"), None);
    }
}
