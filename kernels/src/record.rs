// SPDX-License-Identifier: GPL-2.0-only
//! The record of an entry in the cache: `fetched.json`.
//!
//! It says what the entry was made of. It is written when the entry is made and read each time that
//! the entry is used.

use std::path::{Path, PathBuf};

use linux_driver_host::{Error, Result, fs};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::build_tree::BuildTree;

/// The name of the file in an entry.
const FILE: &str = "fetched.json";

/// A package that something in the cache was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The SHA-256 of its file, as the archive's signed index has it.
    pub sha256: String,
}

/// The cache's notes about a kernel that was fetched or built. Paths are relative to the entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// The kernel's name in the catalogue.
    pub name: String,
    /// Its release, as `uname -r` prints it.
    pub release: String,
    /// The version of its packages.
    pub version: String,
    /// The kernel's name of the architecture: "x86".
    pub arch: String,
    /// The compiler that it was built with, as its `.config` has it.
    pub compiler: String,
    /// The packages that it was made of.
    pub packages: Vec<Package>,
    /// The packages that its host programs need (libraries).
    pub programs_need: Vec<String>,
    /// A remark for the user, such as why it is not the pinned version.
    pub note: Option<String>,
    /// Its build tree.
    pub build_tree: PathBuf,
    /// The kernel itself, to boot.
    pub image: PathBuf,
    /// The kernel unpacked, if a virtual machine can boot it so. Older entries have none.
    #[serde(default)]
    pub unpacked: Option<PathBuf>,
}

impl Record {
    /// Returns a record of what a build tree says about its kernel. The caller fills in the
    /// packages and their version.
    pub(crate) fn of_tree(name: &str, tree: &BuildTree, build_tree: &str, image: &str) -> Self {
        Self {
            name: name.to_owned(),
            release: tree.release.clone(),
            version: String::new(),
            arch: tree.arch.clone(),
            compiler: tree
                .config
                .value("CONFIG_CC_VERSION_TEXT")
                .unwrap_or_default()
                .to_owned(),
            packages: Vec::new(),
            programs_need: Vec::new(),
            note: None,
            build_tree: build_tree.into(),
            image: image.into(),
            unpacked: None,
        }
    }

    /// Writes the record into a kernel's entry.
    pub(crate) fn write(&self, entry: &Path) -> Result<()> {
        write(entry, self)
    }

    /// Reads the record of a kernel's entry.
    pub(crate) fn read(entry: &Path) -> Result<Self> {
        read(entry, "the record of a fetched kernel")
    }
}

/// Writes the record of an entry of any kind.
pub(crate) fn write(entry: &Path, record: &impl Serialize) -> Result<()> {
    let path = entry.join(FILE);
    let json = serde_json::to_vec_pretty(record)
        .map_err(|e| Error::new(path.display(), "to write it", e, "report this"))?;
    fs::write(&path, json)
}

/// Reads the record of an entry. `what` names the kind of record for the error.
pub(crate) fn read<T: DeserializeOwned>(entry: &Path, what: &str) -> Result<T> {
    let path = entry.join(FILE);
    serde_json::from_slice(&fs::read(&path)?).map_err(|e| {
        Error::new(
            path.display(),
            what,
            e,
            format_args!("remove {} and fetch it again", entry.display()),
        )
    })
}
