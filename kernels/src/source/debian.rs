// SPDX-License-Identifier: GPL-2.0-only
//! Kernels and build roots from Debian's archive.
//!
//! [`archives`] finds the mirrors, and [`apt`] runs a private apt with them. [`index`] reads its
//! output. [`choice`] picks a kernel, in the order of [`version`]. [`holdings`] lists all kernels
//! in the archive. [`unpack`] unpacks packages. [`source_package`] fetches a kernel's source.
//! [`makefiles`] adapts headers to the folder that they are moved to.

mod apt;
mod archives;
mod choice;
pub(crate) mod holdings;
mod index;
pub(crate) mod makefiles;
pub(crate) mod source_package;
mod unpack;
mod version;

use std::path::Path;

use linux_driver_host::progress::Progress;
use linux_driver_host::{Cache, Error, Result, fs, process};

use self::apt::Apt;
use self::archives::Archives;
use self::index::IndexEntry;
use crate::build_tree::BuildTree;
use crate::record::{Package, Record};
use crate::spec::KernelSpec;

impl From<&IndexEntry> for Package {
    fn from(package: &IndexEntry) -> Self {
        Self {
            name: package.name.clone(),
            version: package.version.clone(),
            sha256: package.sha256.clone(),
        }
    }
}

/// The start of the name of the package of a kernel's host programs.
const PROGRAMS: &str = "linux-kbuild-";

/// The file of a kernel in its entry.
const IMAGE: &str = "vmlinuz";

/// Returns whether there are keys that the archive's signatures can be checked against.
pub(crate) fn has_keyring() -> bool {
    archives::has_keyring()
}

/// Returns the spec of the newest kernel of the same series, flavour and suites that the archive
/// holds.
pub(crate) fn newest(cache: &Cache, spec: &KernelSpec) -> Result<KernelSpec> {
    let apt = Apt::open(cache, &Archives::of_system()?, &spec.suites, &spec.arch)?;
    let choice = choice::newest_in(&apt, spec)?;
    Ok(KernelSpec {
        release: choice.release,
        version: choice.version,
        ..spec.clone()
    })
}

/// Downloads a kernel and unpacks it into `staging`, which will be moved to `place`.
pub(crate) fn fetch_kernel(
    cache: &Cache,
    spec: &KernelSpec,
    staging: &Path,
    place: &Path,
) -> Result<Record> {
    makefiles::check(place)?;
    let apt = Apt::open(cache, &Archives::of_system()?, &spec.suites, &spec.arch)?;
    let choice = choice::choose(&apt, spec)?;
    let packages = packages_of(&apt, &choice)?;
    let is_image = |package: &&IndexEntry| {
        ["linux-image-", "linux-binary-"]
            .iter()
            .any(|kind| package.name.starts_with(kind))
    };
    let (mut images, headers): (Vec<&IndexEntry>, Vec<&IndexEntry>) =
        packages.iter().partition(is_image);
    // If there is a package `linux-binary-…`, the image package only depends on it.
    images.sort_by_key(|package| !package.name.starts_with("linux-binary-"));

    let debs = staging.join("debs");
    fs::create_dir(&debs)?;
    for deb in apt.download(&headers, &debs)? {
        unpack::unpack(&deb, staging)?;
    }
    let mut used: Vec<Package> = headers.into_iter().map(Package::from).collect();
    used.push(image(&apt, &images, &debs, &staging.join(IMAGE))?);
    for dir in [
        debs,
        staging.join("usr/share"),
        staging.join("lib"),
        staging.join("usr/lib/modules"),
    ] {
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
    }

    let programs = packages
        .iter()
        .filter(|package| package.name.starts_with(PROGRAMS));
    let programs_need = programs
        .flat_map(|package| package.depends.iter().map(|(name, _)| name.clone()))
        .collect();
    let build_tree = format!("usr/src/linux-headers-{}", choice.release);
    makefiles::move_to(&staging.join(&build_tree), place)?;
    let tree = BuildTree::open(&staging.join(&build_tree))?;
    if tree.release != choice.release {
        return Err(Error::new(
            tree.dir.display(),
            format_args!("the build tree of {}", choice.release),
            format_args!("that of {}", tree.release),
            "name another version in headers/kernels.toml",
        ));
    }
    Ok(Record {
        version: choice.version,
        packages: used,
        programs_need,
        note: choice.note,
        ..Record::of_tree(&spec.name, &tree, &build_tree, IMAGE)
    })
}

/// Returns the packages that a kernel consists of: its headers, its image, and the packages of the
/// same kernel that these depend on.
fn packages_of(apt: &Apt, choice: &choice::Choice) -> Result<Vec<IndexEntry>> {
    let mut wanted: Vec<String> = choice::KINDS
        .iter()
        .map(|kind| format!("{kind}{}={}", choice.release, choice.version))
        .collect();
    let mut found: Vec<IndexEntry> = Vec::new();
    while !wanted.is_empty() {
        found.extend(apt.show(&wanted)?);
        wanted.clear();
        for (name, version) in found.iter().flat_map(|package| &package.depends) {
            let own = ["linux-headers-", "linux-binary-", PROGRAMS]
                .iter()
                .any(|kind| name.starts_with(kind));
            if own && found.iter().all(|package| package.name != *name) {
                wanted.push(
                    version
                        .as_ref()
                        .map_or_else(|| name.clone(), |version| format!("{name}={version}")),
                );
            }
        }
    }
    Ok(found)
}

/// Takes the kernel from the first of the packages that holds one.
fn image(apt: &Apt, packages: &[&IndexEntry], debs: &Path, image: &Path) -> Result<Package> {
    for &package in packages {
        for deb in apt.download(&[package], debs)? {
            if unpack::unpack_image(&deb, image)? {
                return Ok(package.into());
            }
        }
    }
    let names: Vec<&str> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    Err(Error::new(
        names.join(", "),
        "a file vmlinuz in one of these packages",
        "none",
        "name another version in headers/kernels.toml",
    ))
}

/// Downloads these packages (with all that they depend on) and unpacks them into `root`. Returns
/// the packages; `staging` takes the files that are not kept.
pub(crate) fn fetch_root(
    cache: &Cache,
    spec: &KernelSpec,
    wanted: &[String],
    staging: &Path,
    root: &Path,
) -> Result<Vec<Package>> {
    let apt = Apt::open(cache, &Archives::of_system()?, &spec.suites, &spec.arch)?;
    apt.refresh_if_old()?;
    let closure = apt.closure(wanted)?;
    let packages: Vec<&IndexEntry> = closure.iter().collect();
    let debs = staging.join("debs");
    fs::create_dir(&debs)?;
    let files = apt.download(&packages, &debs)?;
    drop(apt);
    let step = Progress::start(format!("unpacking {} packages", files.len()));
    for deb in files {
        process::check_interrupted()?;
        unpack::unpack_into_root(&deb, root)?;
    }
    drop(step);
    fs::remove_dir_all(&debs)?;
    Ok(packages.into_iter().map(Package::from).collect())
}
