// SPDX-License-Identifier: GPL-2.0-only
//! The kernels that Debian's archive holds, and their type information.
//!
//! The archive holds far more kernels than the catalogue names: every version whose packages are
//! still in a suite's index, of each flavour and architecture that the history knows. The cache
//! keeps only a kernel's BTF and its `Module.symvers`.

use std::path::{Path, PathBuf};

use linux_driver_abi::btf_file::BtfFile;
use linux_driver_abi::history::{nearest, order_of, series_of};
use linux_driver_host::cache::Key;
use linux_driver_host::{Cache, Error, Result, fs, process};
use serde::{Deserialize, Serialize};

use crate::catalogue::Catalogue;
use crate::record::{self, Package};
use crate::source::debian::holdings::{self, Holding};

/// The suites with kernels, in addition to those of the catalogue.
const SUITES: [&str; 8] = [
    "bookworm",
    "bookworm-security",
    "bookworm-backports",
    "trixie",
    "trixie-security",
    "trixie-backports",
    "sid",
    "experimental",
];

/// Debian's names of the architectures, and those that `uname -m` prints.
const ARCHES: [(&str, &str); 2] = [("amd64", "x86_64"), ("arm64", "aarch64")];

/// The flavours that the archive has; any other word in a release is part of its version.
const FLAVOURS: [&str; 2] = ["cloud", "rt"];

/// A kernel in the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Its release, as `uname -r` prints it.
    pub release: String,
    /// The version of its packages.
    pub version: String,
    /// The architecture, as `uname -m` prints it.
    pub arch: &'static str,
    /// "rt", "cloud", or empty.
    pub flavour: String,
    /// "6.12".
    pub series: String,
    /// True if its headers are there too: then its exported symbols can be known, and modules can
    /// be built for it.
    pub headers: bool,
    #[serde(skip)]
    debian_arch: &'static str,
    #[serde(skip)]
    holding: Holding,
}

/// The archive's kernels.
#[derive(Debug, Clone)]
pub struct Archive {
    suites: Vec<String>,
    held: Vec<Held>,
}

/// The files that the cache keeps of a kernel in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its BTF.
    pub btf: PathBuf,
    /// Its `Module.symvers`, if there is one.
    pub symvers: Option<PathBuf>,
    /// The file that the BTF was read from.
    pub source: String,
    /// The packages that both were taken from.
    pub packages: Vec<Package>,
}

/// The record of a kept kernel.
#[derive(Debug, Serialize, Deserialize)]
struct BtfRecord {
    release: String,
    source: String,
    symvers: bool,
    packages: Vec<Package>,
}

/// The file of the BTF in an entry.
const BTF: &str = "btf";

/// The version of an entry's contents. Increase it when they change.
const SCHEMA: &str = "1";

impl Archive {
    /// Asks the archive which kernels it holds. An answer that is younger than an hour is used
    /// again.
    pub fn open(cache: &Cache, catalogue: &Catalogue) -> Result<Self> {
        let mut suites: Vec<String> = SUITES.map(str::to_owned).to_vec();
        let more: Vec<String> = catalogue
            .specs()
            .flat_map(|spec| spec.suites.clone())
            .collect();
        for suite in more {
            if !suites.contains(&suite) {
                suites.push(suite);
            }
        }
        let mut held = Vec::new();
        for (debian_arch, arch) in ARCHES {
            let found = holdings::list(cache, &suites, debian_arch)?;
            held.extend(
                found
                    .into_iter()
                    .map(|holding| Held::of(holding, debian_arch, arch)),
            );
        }
        held.sort_by_cached_key(|held| {
            (
                held.arch != "x86_64",
                held.flavour.clone(),
                order_of(&held.release),
            )
        });
        Ok(Self { suites, held })
    }

    /// Returns the kernels: by architecture and flavour, from the oldest to the newest.
    pub fn kernels(&self) -> &[Held] {
        &self.held
    }

    /// Returns the kernel of this release.
    pub fn get(&self, release: &str) -> Result<&Held> {
        self.held
            .iter()
            .find(|held| held.release == release)
            .ok_or_else(|| {
                let near = nearest(release, self.held.iter().map(|held| held.release.as_str()));
                let near = match near.is_empty() {
                    true => String::new(),
                    false => format!("; similar names: {}", near.join(", ")),
                };
                Error::new(
                    format_args!("`{release}`"),
                    format_args!("one of the {} kernels in Debian's archive", self.held.len()),
                    "no kernel with this release",
                    format_args!("see `cargo xtask history list --archive`{near}"),
                )
            })
    }

    /// Returns the newest kernel of each flavour and architecture of these series; of all series,
    /// if none is named.
    pub fn newest(&self, series: &[&str]) -> Vec<&Held> {
        newest(&self.held, series)
    }

    /// Returns the BTF and the symbols of a kernel: from the cache, or taken out of its packages.
    pub fn fetch(&self, cache: &Cache, held: &Held) -> Result<Kept> {
        let key = Key::new()
            .with(SCHEMA)
            .with(&held.release)
            .with(&held.version)
            .with(held.debian_arch);
        let entry = cache.get_or_make("kernel-btf", &held.release, &key, |staging, _| {
            process::check_interrupted()?;
            let files = holdings::files(
                cache,
                &self.suites,
                held.debian_arch,
                &held.holding,
                staging,
            )?;
            let kernel = staging.join(holdings::KERNEL);
            {
                let source = BtfFile::open(&kernel)?;
                let btf = staging.join(BTF);
                fs::write(&btf, source.btf())?;
            }
            fs::remove_file(&kernel)?;
            let record = BtfRecord {
                release: held.release.clone(),
                source: files.kernel,
                symvers: files.symvers,
                packages: files.packages,
            };
            record::write(staging, &record)
        })?;
        open(&entry)
    }
}

/// Returns the newest kernels of these series that the archive holds, one of each flavour and
/// architecture.
pub fn newest_of(cache: &Cache, catalogue: &Catalogue, series: &[&str]) -> Result<Vec<Held>> {
    let archive = Archive::open(cache, catalogue)?;
    Ok(archive.newest(series).into_iter().cloned().collect())
}

fn newest<'h>(held: &'h [Held], series: &[&str]) -> Vec<&'h Held> {
    let mut newest: Vec<&Held> = Vec::new();
    // The kernels come from the oldest to the newest: each replaces the one before it.
    for held in held
        .iter()
        .filter(|held| series.is_empty() || series.contains(&held.series.as_str()))
    {
        let same = |other: &&mut &Held| {
            (&other.series, &other.flavour, other.arch) == (&held.series, &held.flavour, held.arch)
        };
        match newest.iter_mut().find(same) {
            Some(place) => *place = held,
            None => newest.push(held),
        }
    }
    newest
}

fn open(entry: &Path) -> Result<Kept> {
    let record: BtfRecord = record::read(entry, "the record of a kernel's type information")?;
    Ok(Kept {
        btf: entry.join(BTF),
        symvers: record.symvers.then(|| entry.join(holdings::SYMVERS)),
        source: record.source,
        packages: record.packages,
    })
}

impl Held {
    fn of(holding: Holding, debian_arch: &'static str, arch: &'static str) -> Self {
        Self {
            release: holding.release.clone(),
            version: holding.version.clone(),
            arch,
            flavour: flavour_of(&holding.release).to_owned(),
            series: series_of(&holding.release).to_owned(),
            headers: holding.headers.is_some(),
            debian_arch,
            holding,
        }
    }
}

/// Returns the flavour of a release: "rt" of "6.12.117+deb12-rt-amd64"; empty if it has none.
pub fn flavour_of(release: &str) -> &'static str {
    let words = || release.split('-');
    let found = FLAVOURS
        .into_iter()
        .find(|flavour| words().any(|word| word == *flavour));
    found.unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(release: &str) -> Held {
        let holding = Holding {
            release: release.to_owned(),
            version: "1".to_owned(),
            image: None,
            headers: None,
        };
        Held::of(holding, "amd64", "x86_64")
    }

    #[test]
    fn the_newest_of_each_series_and_flavour_is_taken() {
        // In the order of their age, as an archive has them.
        let all = [
            "6.12.99+deb12-amd64",
            "6.12.117+deb12-amd64",
            "7.3-amd64",
            "6.12.57+deb12-rt-amd64",
        ]
        .map(held);
        let releases = |series: &[&str]| -> Vec<String> {
            newest(&all, series)
                .into_iter()
                .map(|held| held.release.clone())
                .collect()
        };
        assert_eq!(
            releases(&["6.12"]),
            ["6.12.117+deb12-amd64", "6.12.57+deb12-rt-amd64"]
        );
        assert_eq!(releases(&[]).len(), 3);
        assert!(releases(&["6.1"]).is_empty());
    }

    #[test]
    fn a_flavour_is_a_word_of_the_release() {
        for (release, flavour) in [
            ("6.1.0-56-amd64", ""),
            ("6.12.117+deb12-rt-amd64", "rt"),
            ("7.3-cloud-arm64", "cloud"),
        ] {
            assert_eq!(flavour_of(release), flavour, "{release}");
        }
    }
}
