// SPDX-License-Identifier: GPL-2.0-only
//! All kernels that the archive holds, whether modules can be built for them or not: an old
//! version's image stays in the archive for longer than its headers.

use std::collections::BTreeMap;
use std::path::Path;

use linux_driver_host::progress::Progress;
use linux_driver_host::{Cache, Error, Result, fs};

use super::apt::Apt;
use super::archives::Archives;
use super::index::{self, Offer};
use super::{unpack, version};
use crate::record::Package;

/// The starts of the names of the packages of a kernel: those that hold a kernel first. If a kernel
/// has `linux-binary-…`, its `linux-image-…` is empty.
const KINDS: [&str; 3] = ["linux-binary-", "linux-image-", "linux-headers-"];

/// A kernel in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holding {
    /// Its release, as `uname -r` prints it.
    pub(crate) release: String,
    /// The version of its packages.
    pub(crate) version: String,
    /// The package that holds the kernel.
    pub(crate) image: Option<String>,
    /// The package of its headers.
    pub(crate) headers: Option<String>,
}

/// The files of a kernel that the history is made of.
pub(crate) struct Files {
    /// The file that holds BTF: its name, and in which package it was.
    pub(crate) kernel: String,
    /// True if there is a `Module.symvers`.
    pub(crate) symvers: bool,
    /// The packages that they were taken from.
    pub(crate) packages: Vec<Package>,
}

/// The names under which [`files`] puts what it finds.
pub(crate) const KERNEL: &str = "kernel";
pub(crate) const SYMVERS: &str = "Module.symvers";

fn open(cache: &Cache, suites: &[String], arch: &str) -> Result<Apt> {
    Apt::open(cache, &Archives::of_system()?, suites, arch)
}

/// Returns the kernels of an architecture in these suites, in no order.
pub(crate) fn list(cache: &Cache, suites: &[String], arch: &str) -> Result<Vec<Holding>> {
    let apt = open(cache, suites, arch)?;
    apt.refresh_if_old()?;
    let mut names = Vec::new();
    for kind in KINDS {
        let found = apt.names(kind)?;
        names.extend(
            found
                .into_iter()
                .filter(|name| release(name, arch).is_some()),
        );
    }
    Ok(holdings(&apt.offers(&names)?, arch))
}

/// Returns the release that a package's name ends with, if it is one of a kernel's packages.
fn release<'n>(name: &'n str, arch: &str) -> Option<(usize, &'n str)> {
    let (kind, release) = KINDS
        .iter()
        .enumerate()
        .find_map(|(number, kind)| Some((number, name.strip_prefix(kind)?)))?;
    let of_arch = release
        .strip_suffix(arch)
        .is_some_and(|rest| rest.ends_with('-'));
    (of_arch && release.starts_with(|c: char| c.is_ascii_digit())).then_some((kind, release))
}

/// Returns whether the package only refers to the newest of a series: `linux-image-6.12-amd64` in
/// version 6.12.117-1. A kernel whose release has no third number has none in its version either
/// (7.3-amd64 in version 7.3~rc7-1).
fn refers(release: &str, version: &str) -> bool {
    let series = release.split('-').next().unwrap_or(release);
    let more = version
        .strip_prefix(series)
        .is_some_and(|rest| rest.starts_with('.'));
    series.matches('.').count() == 1 && more
}

/// Returns the newest version of each release.
fn holdings(offers: &[Offer], arch: &str) -> Vec<Holding> {
    let mut all: BTreeMap<&str, BTreeMap<&str, [bool; KINDS.len()]>> = BTreeMap::new();
    for offer in offers {
        let found =
            release(&offer.name, arch).filter(|(_, release)| !refers(release, &offer.version));
        if let Some((kind, release)) = found {
            all.entry(release)
                .or_default()
                .entry(&offer.version)
                .or_default()[kind] = true;
        }
    }
    let holding = |(release, versions): (&str, BTreeMap<&str, [bool; KINDS.len()]>)| {
        // Headers alone can hold BTF; a kernel of another version is another kernel.
        let (version, kinds) = versions
            .into_iter()
            .max_by(|a, b| version::compare(a.0, b.0))?;
        let package = |kind: usize| kinds[kind].then(|| format!("{}{release}", KINDS[kind]));
        Some(Holding {
            release: release.to_owned(),
            version: version.to_owned(),
            image: package(0).or_else(|| package(1)),
            headers: package(2),
        })
    };
    all.into_iter().filter_map(holding).collect()
}

/// Downloads what holds the kernel's BTF and its symbols, and puts both into `staging`.
pub(crate) fn files(
    cache: &Cache,
    suites: &[String],
    arch: &str,
    holding: &Holding,
    staging: &Path,
) -> Result<Files> {
    let apt = open(cache, suites, arch)?;
    let debs = staging.join("debs");
    fs::create_dir(&debs)?;
    let deb_of = |name: &str| -> Result<(std::path::PathBuf, index::IndexEntry)> {
        let found = apt.show(&[format!("{name}={}", holding.version)])?;
        let package = found
            .into_iter()
            .next()
            .filter(|package| package.name == name);
        let package = package.ok_or_else(|| {
            Error::new(
                name,
                "its entry in the archive's index",
                "none",
                "try again later: the archive is changing",
            )
        })?;
        let deb = apt.download(&[&package], &debs)?.into_iter().next();
        let deb =
            deb.ok_or_else(|| Error::new(name, "to be downloaded", "no file", "report this"))?;
        Ok((deb, package))
    };
    let (kernel, symvers) = (staging.join(KERNEL), staging.join(SYMVERS));
    let mut files = Files {
        kernel: String::new(),
        symvers: false,
        packages: Vec::new(),
    };
    if let Some(name) = &holding.headers {
        let (deb, package) = deb_of(name)?;
        let _step = Progress::start(format!("unpacking {name}"));
        files.symvers = unpack::unpack_file(&deb, "*/Module.symvers", &symvers)?;
        if unpack::unpack_file(&deb, "*/vmlinux", &kernel)? {
            files.kernel = format!("vmlinux of {name}");
        }
        files.packages.push((&package).into());
    }
    if let (true, Some(name)) = (files.kernel.is_empty(), &holding.image) {
        let (deb, package) = deb_of(name)?;
        let _step = Progress::start(format!("unpacking {name}"));
        if unpack::unpack_image(&deb, &kernel)? {
            files.kernel = format!("vmlinuz of {name}");
        }
        files.packages.push((&package).into());
    }
    fs::remove_dir_all(&debs)?;
    if files.kernel.is_empty() {
        return Err(Error::new(
            &holding.release,
            "a vmlinux in its headers package or a vmlinuz in its image package",
            "neither",
            "take another kernel: `cargo xtask history list --archive` shows them",
        ));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(name: &str, version: &str) -> Offer {
        Offer {
            name: name.to_owned(),
            version: version.to_owned(),
        }
    }

    #[test]
    fn the_packages_of_a_kernel_are_told_from_others() {
        for name in [
            "linux-image-amd64",
            "linux-image-6.1.0-56-amd64-dbg",
            "linux-headers-6.1.0-56-common",
            "linux-image-6.12.117+deb12-arm64",
            "linux-image-6.12.117+deb13-arm64-16k",
        ] {
            assert_eq!(release(name, "amd64"), None, "{name}");
        }
        let name = "linux-image-6.12.117+deb12-rt-amd64";
        assert_eq!(release(name, "amd64"), Some((1, "6.12.117+deb12-rt-amd64")));
    }

    #[test]
    fn a_kernel_without_headers_is_held_too() {
        let offers = [
            offer("linux-image-6.1.0-49-amd64", "6.1.174-1"),
            offer("linux-image-6.1.0-56-amd64", "6.1.192-2"),
            offer("linux-image-6.1.0-56-amd64", "6.1.192-1"),
            offer("linux-headers-6.1.0-56-amd64", "6.1.192-2"),
            offer("linux-image-7.2.12+deb13-amd64", "7.2.12-1~bpo13+1"),
            offer("linux-binary-7.2.12+deb13-amd64", "7.2.12-1~bpo13+1"),
            offer("linux-image-6.12-amd64", "6.12.117-1~deb12u1"),
            offer("linux-binary-7.3-amd64", "7.3~rc7-1~exp1"),
        ];
        let found = holdings(&offers, "amd64");
        let found: Vec<(&str, &str, Option<&str>, Option<&str>)> = found
            .iter()
            .map(|h| {
                (
                    h.release.as_str(),
                    h.version.as_str(),
                    h.image.as_deref(),
                    h.headers.as_deref(),
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                (
                    "6.1.0-49-amd64",
                    "6.1.174-1",
                    Some("linux-image-6.1.0-49-amd64"),
                    None
                ),
                (
                    "6.1.0-56-amd64",
                    "6.1.192-2",
                    Some("linux-image-6.1.0-56-amd64"),
                    Some("linux-headers-6.1.0-56-amd64")
                ),
                (
                    "7.2.12+deb13-amd64",
                    "7.2.12-1~bpo13+1",
                    Some("linux-binary-7.2.12+deb13-amd64"),
                    None
                ),
                (
                    "7.3-amd64",
                    "7.3~rc7-1~exp1",
                    Some("linux-binary-7.3-amd64"),
                    None
                ),
            ]
        );
    }
}
