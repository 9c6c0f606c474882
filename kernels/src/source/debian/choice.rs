// SPDX-License-Identifier: GPL-2.0-only
//! The choice of a kernel from the archive: the pinned one, or if the archive no longer has it, the
//! newest of its series.

use linux_driver_host::{Error, Result};

use super::apt::Apt;
use super::index::Offer;
use super::version;
use crate::spec::KernelSpec;

/// The kernel that is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) release: String,
    pub(super) version: String,
    /// Why it is not the pinned one.
    pub(super) note: Option<String>,
}

/// The package of the headers and that of the image.
pub(super) const KINDS: [&str; 2] = ["linux-headers-", "linux-image-"];

/// Chooses from what the archive has.
pub(super) fn choose(apt: &Apt, spec: &KernelSpec) -> Result<Choice> {
    let refreshed = apt.refresh_if_old()?;
    if let Some(choice) = pinned(apt, spec)? {
        return Ok(choice);
    }
    // Lists that are younger than an hour can still be older than the archive.
    if !refreshed {
        apt.refresh()?;
        if let Some(choice) = pinned(apt, spec)? {
            return Ok(choice);
        }
    }
    newest_in(apt, spec)
}

/// Returns the newest kernel of the series and flavour of `spec`, from lists that are an hour old
/// at most.
pub(super) fn newest_in(apt: &Apt, spec: &KernelSpec) -> Result<Choice> {
    apt.refresh_if_old()?;
    let mut names = Vec::new();
    for kind in KINDS {
        let found = apt.names(&format!("{kind}{}.", spec.series))?;
        names.extend(
            found
                .into_iter()
                .filter(|name| belongs(&name[kind.len()..], spec)),
        );
    }
    newest(&apt.offers(&names)?, spec).ok_or_else(|| {
        Error::new(
            format_args!("Debian's archive, {}", spec.suites.join(", ")),
            format_args!(
                "linux-headers-{} {}, or another kernel of the series {}",
                spec.release, spec.version, spec.series
            ),
            "none of that series",
            "use another kernel (`cargo xtask kernels` lists them), or name another series in headers/kernels.toml",
        )
    })
}

fn pinned(apt: &Apt, spec: &KernelSpec) -> Result<Option<Choice>> {
    let names: Vec<String> = KINDS
        .iter()
        .map(|kind| format!("{kind}{}", spec.release))
        .collect();
    let offers = apt.offers(&names)?;
    let all = names.iter().all(|name| {
        offers
            .iter()
            .any(|offer| offer.name == *name && offer.version == spec.version)
    });
    Ok(all.then(|| Choice {
        release: spec.release.clone(),
        version: spec.version.clone(),
        note: None,
    }))
}

/// Returns the newest kernel of which there are headers and image.
fn newest(offers: &[Offer], spec: &KernelSpec) -> Option<Choice> {
    let releases = offers
        .iter()
        .filter_map(|offer| Some((offer.name.strip_prefix(KINDS[0])?, &offer.version)));
    let bootable = |release: &str, version: &String| {
        offers.iter().any(|offer| {
            offer.name.strip_prefix(KINDS[1]) == Some(release) && offer.version == *version
        })
    };
    let (release, version) = releases
        .filter(|(release, version)| belongs(release, spec) && bootable(release, version))
        .max_by(|a, b| version::compare(a.1, b.1))?;
    Some(Choice {
        release: release.to_owned(),
        version: version.clone(),
        note: Some(format!(
            "{} ({}) has left the archive; took {version} ({release})",
            spec.version, spec.release
        )),
    })
}

/// Returns whether this release is of the series and the flavour that the catalogue names.
fn belongs(release: &str, spec: &KernelSpec) -> bool {
    release
        .strip_prefix(&spec.series)
        .is_some_and(|rest| rest.starts_with('.'))
        && flavour(release) == flavour(&spec.release)
}

/// "cloud-amd64" of "6.12.117+deb12-cloud-amd64": what follows the parts that start with a digit.
fn flavour(release: &str) -> &str {
    let mut rest = release;
    while rest.starts_with(|c: char| c.is_ascii_digit()) {
        rest = rest.split_once('-').map_or("", |(_, rest)| rest);
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> KernelSpec {
        KernelSpec {
            name: "debian-6.12".into(),
            series: "6.12".into(),
            release: "6.12.117+deb12-amd64".into(),
            version: "6.12.117-1~deb12u1".into(),
            arch: "amd64".into(),
            suites: vec!["bookworm".into()],
            compiler: "gcc-12".into(),
            config: None,
        }
    }

    fn offers(list: &[(&str, &str)]) -> Vec<Offer> {
        let both = |(release, version): &(&str, &str)| {
            KINDS.map(|kind| Offer {
                name: format!("{kind}{release}"),
                version: (*version).to_owned(),
            })
        };
        list.iter().flat_map(both).collect()
    }

    #[test]
    fn the_flavour_follows_the_numbers() {
        assert_eq!(flavour("6.1.0-56-amd64"), "amd64");
        assert_eq!(flavour("6.12.117+deb12-cloud-amd64"), "cloud-amd64");
        assert_eq!(flavour("6.12"), "");
    }

    #[test]
    fn the_newest_of_the_series_is_taken_and_noted() {
        let mut all = offers(&[
            ("6.12.9+deb12-amd64", "6.12.9-1~deb12u1"),
            ("6.12.119+deb12-amd64", "6.12.119-1~deb12u1"),
            ("6.12.120+deb12-cloud-amd64", "6.12.120-1~deb12u1"),
            ("6.12-amd64", "6.12.130-1"),
            ("6.120.1-amd64", "6.120.1-1"),
        ]);
        // Headers whose image is not there yet do not make a kernel.
        all.push(Offer {
            name: "linux-headers-6.12.121+deb12-amd64".into(),
            version: "6.12.121-1~deb12u1".into(),
        });
        let choice = newest(&all, &spec()).unwrap();
        assert_eq!(
            (choice.release.as_str(), choice.version.as_str()),
            ("6.12.119+deb12-amd64", "6.12.119-1~deb12u1")
        );
        assert_eq!(
            choice.note.unwrap(),
            "6.12.117-1~deb12u1 (6.12.117+deb12-amd64) has left the archive; took 6.12.119-1~deb12u1 (6.12.119+deb12-amd64)"
        );
    }

    #[test]
    fn an_archive_without_the_series_has_no_choice() {
        assert_eq!(
            newest(&offers(&[("7.3.4+deb13-amd64", "7.3.4-1")]), &spec()),
            None
        );
    }
}
