// SPDX-License-Identifier: GPL-2.0-only
//! An entry of the catalogue: the description of a kernel before it is fetched.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A kernel that can be fetched.
#[derive(Debug, Clone, Serialize)]
pub struct KernelSpec {
    /// Its name in the catalogue.
    pub name: String,
    /// Its series ("6.12"). If the archive no longer has the pinned version, the newest kernel of
    /// the series is used.
    pub series: String,
    /// Its release, as `uname -r` prints it.
    pub release: String,
    /// The version of its packages.
    pub version: String,
    /// Debian's name of its architecture.
    pub arch: String,
    /// The suites that hold it and its compiler.
    pub suites: Vec<String>,
    /// The compiler that its `.config` will name.
    pub compiler: String,
    /// The configuration that it is built with here, from its series' source package. `None` if it
    /// is prebuilt.
    pub config: Option<Fragment>,
}

/// A configuration in this repository, with which a kernel is built here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fragment {
    /// Its file.
    pub file: PathBuf,
    /// The file's contents: the options that are not off.
    #[serde(skip)]
    pub text: String,
    /// The changes to the source, made first.
    pub edits: Vec<Edit>,
}

/// A change to a kernel's source, because the kernel itself has a bug that its detectors would
/// report in each run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The file, from the top of the source.
    pub file: PathBuf,
    /// The text to replace.
    pub find: String,
    /// The text that replaces it, each time.
    pub replace: String,
    /// The reason for the change.
    pub why: String,
}

impl KernelSpec {
    /// Returns whether this is the distribution's own build, which people run. Only the ABI of such
    /// a kernel is of interest: a kernel that is built here is for drivers to be tried on.
    pub fn is_stock(&self) -> bool {
        self.config.is_none()
    }
}
