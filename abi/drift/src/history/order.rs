// SPDX-License-Identifier: GPL-2.0-only
//! The order of releases, and the names similar to a given one.

/// Returns a key that sorts releases from the oldest to the newest: the upstream version, the
/// numbers after it, the text.
pub fn order_of(release: &str) -> (Vec<u64>, Vec<u64>, String) {
    let (upstream, rest) = split(release);
    let numbers = |text: &str| -> Vec<u64> {
        // In "-47-amd64" and "+deb13.1-amd64", a part that starts with a letter is a flavour or an
        // architecture. Its digits do not count.
        let parts = text
            .split('-')
            .filter(|part| !part.starts_with(|c: char| c.is_ascii_alphabetic()));
        let runs = parts.flat_map(|part| part.split(|c: char| !c.is_ascii_digit()));
        let runs = runs.filter(|run| !run.is_empty());
        runs.map(|run| run.parse().unwrap_or(u64::MAX)).collect()
    };
    (numbers(upstream), numbers(rest), release.to_owned())
}

/// Returns the series of a release: "6.12" of "6.12.117+deb12-amd64".
pub fn series_of(release: &str) -> &str {
    let (upstream, _) = split(release);
    match upstream.match_indices('.').nth(1) {
        Some((at, _)) => &upstream[..at],
        None => upstream,
    }
}

/// Splits a release into the upstream version and the rest.
fn split(release: &str) -> (&str, &str) {
    let end = release.find(|c: char| !c.is_ascii_digit() && c != '.');
    release.split_at(end.unwrap_or(release.len()))
}

/// The largest number of suggestions.
const PROPOSED: usize = 5;

/// The length of the longest name that is compared with others. No real name is longer.
const LONGEST: usize = 128;

/// Returns the names similar to this one, the most similar first.
pub fn nearest<'n>(name: &str, among: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    if name.is_empty() || name.len() > LONGEST {
        return Vec::new();
    }
    let mut near: Vec<(usize, &str)> = among
        .filter_map(|other| {
            let distance = distance(name, other);
            let close = distance <= 1 + name.len() / 4;
            // A name that contains this one is similar, however long it is.
            let part = name.len() >= 3 && other.contains(name);
            (close || part).then_some((
                distance.min(if part { 1 + name.len() / 4 } else { distance }),
                other,
            ))
        })
        .collect();
    near.sort_by(|a, b| (a.0, a.1.len(), a.1).cmp(&(b.0, b.1.len(), b.1)));
    near.dedup();
    near.into_iter()
        .take(PROPOSED)
        .map(|(_, name)| name)
        .collect()
}

/// Returns the number of characters to insert, delete or replace.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(2 * LONGEST).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_ordered() {
        let ordered = [
            "6.1.0-47-amd64",
            "6.1.0-56-amd64",
            "6.12.43+deb12-amd64",
            "6.12.115+deb12-amd64",
            "6.12.115+deb13-amd64",
            "6.12.115+deb13.1-amd64",
            "6.12.117+deb12-amd64",
            "6.19.6+deb13-amd64",
            "7.3-amd64",
            "7.3.4+deb13-amd64",
        ];
        for pair in ordered.windows(2) {
            assert!(order_of(pair[0]) < order_of(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn a_release_has_a_series() {
        for (release, series) in [
            ("6.1.0-47-amd64", "6.1"),
            ("6.12.117+deb12-amd64", "6.12"),
            ("7.3-rt-arm64", "7.3"),
            ("x", ""),
        ] {
            assert_eq!(series_of(release), series, "{release}");
        }
    }

    #[test]
    fn similar_names_are_found() {
        let names = ["pci_driver", "pci_dev", "device_driver", "kfree"];
        assert_eq!(nearest("pci_drivr", names.into_iter())[0], "pci_driver");
        assert_eq!(nearest("kfre", names.into_iter()), ["kfree"]);
        assert!(nearest("wholly_other_thing", names.into_iter()).is_empty());
        assert!(nearest("", names.into_iter()).is_empty());
    }
}
