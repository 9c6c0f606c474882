// SPDX-License-Identifier: GPL-2.0-only
//! A test's own archive with one kernel in it, which is read through a `file:` URI. It does not
//! change when Debian's archive does.
//!
//! The packages are Debian's. They are downloaded once and kept in the target folder. A new key
//! signs the index. Needs gpg, and the tools that fetch a kernel.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::support::{DEFAULT, run, xtask};

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

/// The suites that are searched for the default kernel's packages. The last one holds them.
const SUITES: [&str; 2] = ["bookworm", "bookworm-security"];

/// An archive, given by its folder.
pub(crate) struct Archive(PathBuf);

/// The record of a fetched kernel in a cache.
#[derive(Deserialize)]
struct Fetched {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
}

impl Archive {
    /// Returns the archive for this pin of the default kernel, and makes it if needed. It holds the
    /// kernel that Debian's archive had when it was made, which may be newer than the pinned one.
    pub(crate) fn of_default_kernel(dir: &Path, pinned: &str) -> Self {
        let place = dir.join(format!("archive-{pinned}"));
        if !place.is_dir() {
            let half = tempfile::Builder::new()
                .prefix("half-")
                .tempdir_in(dir)
                .unwrap();
            download(half.path());
            for suite in SUITES {
                index(half.path(), suite);
            }
            sign(half.path());
            fs::remove_dir_all(half.path().join("cache")).unwrap();
            fs::rename(half.keep(), &place).unwrap();
        }
        Self(place)
    }

    /// Returns the environment variables that name the archive and its keys.
    pub(crate) fn environment(&self) -> [(&'static str, String); 3] {
        let uri = format!("file:{}", self.0.display());
        [
            ("LINUX_DRIVER_DEBIAN_MIRROR", uri.clone()),
            ("LINUX_DRIVER_DEBIAN_SECURITY_MIRROR", uri),
            (
                "LINUX_DRIVER_DEBIAN_KEYRING",
                self.0.join("keys.gpg").display().to_string(),
            ),
        ]
    }

    /// Returns the version of its kernel.
    pub(crate) fn version(&self) -> String {
        fs::read_to_string(self.0.join("version")).unwrap()
    }
}

/// Fetches the kernel into a separate cache. Then that cache's apt downloads the same packages to
/// keep them.
fn download(dir: &Path) {
    let cache = dir.join("cache");
    run(xtask(["fetch", DEFAULT]).env("LINUX_DRIVER_CACHE", &cache)).good();
    let entry = |kind: &str, file: &str| {
        let entries = fs::read_dir(cache.join(kind)).unwrap().flatten();
        let mut files = entries.map(|entry| entry.path().join(file));
        files.find(|path| path.is_file()).unwrap()
    };
    let record = fs::read_to_string(entry("kernels", "fetched.json")).unwrap();
    let record: Fetched = serde_json::from_str(&record).unwrap();
    let pool = dir.join("pool");
    fs::create_dir(&pool).unwrap();
    let wanted = record
        .packages
        .iter()
        .map(|package| format!("{}={}", package.name, package.version));
    let mut apt = Command::new("apt-get");
    apt.env("APT_CONFIG", entry("apt", "apt.conf"))
        .current_dir(&pool);
    run(apt.args(["-qq", "download"]).args(wanted)).good();
    fs::write(dir.join("version"), &record.packages[0].version).unwrap();
}

/// Writes the index of a suite. The last suite has all packages, the others are empty.
fn index(dir: &Path, suite: &str) {
    let folder = dir.join("dists").join(suite);
    let list = "main/binary-amd64/Packages";
    let mut packages = String::new();
    if suite == SUITES[SUITES.len() - 1] {
        for entry in fs::read_dir(dir.join("pool")).unwrap().flatten() {
            let path = entry.path();
            let control = run(Command::new("dpkg-deb").arg("--field").arg(&path));
            let bytes = fs::read(&path).unwrap();
            packages += &format!(
                "{}\nFilename: pool/{}\nSize: {}\nSHA256: {}\n\n",
                control.good().trim_end(),
                entry.file_name().to_str().unwrap(),
                bytes.len(),
                hash(&bytes)
            );
        }
        assert!(!packages.is_empty());
    }
    let path = folder.join(list);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, &packages).unwrap();
    let date = run(Command::new("date")
        .env("LC_ALL", "C")
        .args(["-u", "+%a, %d %b %Y %T UTC"]));
    let release = format!(
        "Origin: Debian\nSuite: {suite}\nCodename: {suite}\nDate: {}\nArchitectures: amd64\nComponents: main\nSHA256:\n {} {} {list}\n",
        date.good().trim_end(),
        hash(packages.as_bytes()),
        packages.len()
    );
    fs::write(folder.join("Release"), release).unwrap();
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Signs the suites with a new key and keeps its public half.
fn sign(dir: &Path) {
    // gpg's agent listens on a socket in this folder, and the path of a socket must be short.
    let home = tempfile::tempdir().unwrap();
    let gpg = |words: &[&str]| {
        let mut gpg = Command::new("gpg");
        gpg.args([
            "--batch",
            "--quiet",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]);
        gpg.arg("--homedir")
            .arg(home.path())
            .args(words)
            .current_dir(dir);
        run(&mut gpg).good();
    };
    gpg(&[
        "--quick-generate-key",
        "an archive of a test",
        "default",
        "default",
        "never",
    ]);
    gpg(&["--output", "keys.gpg", "--export"]);
    for suite in SUITES {
        let release = format!("dists/{suite}/Release");
        let signed = format!("dists/{suite}/InRelease");
        gpg(&["--output", &signed, "--clearsign", &release]);
        fs::remove_file(dir.join(release)).unwrap();
    }
    let mut end = Command::new("gpgconf");
    run(end
        .arg("--homedir")
        .arg(home.path())
        .args(["--kill", "all"]))
    .good();
}
