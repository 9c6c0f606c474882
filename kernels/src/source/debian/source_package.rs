// SPDX-License-Identifier: GPL-2.0-only
//! A kernel's source: the package `linux-source-SERIES`.

use std::path::Path;
use std::process::Command;

use linux_driver_host::progress::Progress;
use linux_driver_host::{Cache, Error, Result, fs, process};

use super::apt::Apt;
use super::archives::Archives;
use super::index::Offer;
use super::{unpack, version};
use crate::record::Package;
use crate::spec::KernelSpec;

/// The source package that was unpacked.
pub(crate) struct SourcePackage {
    /// The kernel's release, as `uname -r` will print it.
    pub(crate) release: String,
    /// The package.
    pub(crate) package: Package,
    /// Why it is not the pinned one.
    pub(crate) note: Option<String>,
}

fn package_of(spec: &KernelSpec) -> String {
    format!("linux-source-{}", spec.series)
}

fn open(cache: &Cache, spec: &KernelSpec) -> Result<Apt> {
    Apt::open(cache, &Archives::of_system()?, &spec.suites, &spec.arch)
}

/// Returns the spec with the newest version of the source that the archive holds.
pub(crate) fn newest(cache: &Cache, spec: &KernelSpec) -> Result<KernelSpec> {
    let apt = open(cache, spec)?;
    apt.refresh_if_old()?;
    newest_in(&apt, spec)
}

fn newest_in(apt: &Apt, spec: &KernelSpec) -> Result<KernelSpec> {
    let name = package_of(spec);
    let newest = newest_of(apt.offers(std::slice::from_ref(&name))?);
    let version = newest.ok_or_else(|| {
        Error::new(
            format_args!("Debian's archive, {}", spec.suites.join(", ")),
            format_args!("the package {name}"),
            "none",
            "name another series or other suites in headers/kernels.toml",
        )
    })?;
    Ok(KernelSpec {
        release: release(spec, &version),
        version,
        ..spec.clone()
    })
}

fn newest_of(offers: Vec<Offer>) -> Option<String> {
    let versions = offers.into_iter().map(|offer| offer.version);
    versions.max_by(|a, b| version::compare(a, b))
}

/// Returns the release of a kernel that is built from the source of this version: the kernel's own
/// version, and the end of the catalogue's release.
fn release(spec: &KernelSpec, version: &str) -> String {
    let local = spec
        .release
        .strip_prefix(upstream(&spec.version))
        .unwrap_or_default();
    format!("{}{local}", upstream(version))
}

/// "6.12.117" of "6.12.117-1~deb12u1".
fn upstream(version: &str) -> &str {
    version.split(['-', '~']).next().unwrap_or(version)
}

/// Downloads the source and unpacks it into `tree`; `staging` takes the files that are not kept.
pub(crate) fn fetch(
    cache: &Cache,
    spec: &KernelSpec,
    staging: &Path,
    tree: &Path,
) -> Result<SourcePackage> {
    let apt = open(cache, spec)?;
    apt.refresh_if_old()?;
    let offers = apt.offers(&[package_of(spec)])?;
    let (choice, note) = if offers.iter().any(|offer| offer.version == spec.version) {
        (spec.clone(), None)
    } else {
        apt.refresh()?;
        let newest = newest_in(&apt, spec)?;
        let note = (newest.version != spec.version).then(|| {
            format!(
                "the source {} has left the archive; took {} ({})",
                spec.version, newest.version, newest.release
            )
        });
        (newest, note)
    };
    let packages = apt.show(&[format!("{}={}", package_of(&choice), choice.version)])?;
    let debs = staging.join("debs");
    fs::create_dir(&debs)?;
    let archive = staging.join("source.tar");
    let found = apt.download(&packages.iter().collect::<Vec<_>>(), &debs)?;
    drop(apt);
    let step = Progress::start(format!(
        "unpacking the source of linux {}",
        upstream(&choice.version)
    ));
    let mut package = None;
    for (deb, held) in found.iter().zip(&packages) {
        if unpack::unpack_file(deb, "*/linux-source-*.tar.*", &archive)? {
            package = Some(Package::from(held));
        }
    }
    let package = package.ok_or_else(|| {
        Error::new(
            package_of(&choice),
            "a file linux-source-….tar.xz in this package",
            "none",
            "name another version in headers/kernels.toml",
        )
    })?;
    fs::create_dir(tree)?;
    let mut tar = Command::new("tar");
    tar.args([
        "--extract",
        "--strip-components=1",
        "--no-same-owner",
        "--file",
    ])
    .arg(&archive)
    .arg("--directory")
    .arg(tree);
    process::run(&mut tar)?;
    drop(step);
    fs::remove_dir_all(&debs)?;
    fs::remove_file(&archive)?;
    Ok(SourcePackage {
        release: choice.release,
        package,
        note,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_follows_the_version_of_its_source() {
        let spec = KernelSpec {
            name: "debug-6.12".into(),
            series: "6.12".into(),
            release: "6.12.117-debug".into(),
            version: "6.12.117-1~deb12u1".into(),
            arch: "amd64".into(),
            suites: vec!["bookworm".into()],
            compiler: "gcc-12".into(),
            config: None,
        };
        assert_eq!(package_of(&spec), "linux-source-6.12");
        assert_eq!(release(&spec, &spec.version), spec.release);
        assert_eq!(release(&spec, "6.12.120-2"), "6.12.120-debug");
        assert_eq!(release(&spec, "6.12.120~rc1-2"), "6.12.120-debug");
    }

    #[test]
    fn the_newest_source_is_that_of_the_highest_version() {
        let offers = ["6.12.9-1", "6.12.117-1~deb12u1", "6.12.115-2"].map(|version| Offer {
            name: "linux-source-6.12".into(),
            version: version.into(),
        });
        assert_eq!(
            newest_of(offers.into()).as_deref(),
            Some("6.12.117-1~deb12u1")
        );
        assert_eq!(newest_of(Vec::new()), None);
    }
}
