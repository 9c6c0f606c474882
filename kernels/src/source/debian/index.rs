// SPDX-License-Identifier: GPL-2.0-only
//! The parser of apt's output about packages. The texts come from the archive: a name or a version
//! with unexpected characters is dropped, so that it cannot become an option or a path.

/// A package as the archive's index describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IndexEntry {
    /// Its name.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
    /// Its architecture, or "all".
    pub(super) arch: String,
    /// The hash that the signed index has for its file, which apt checks when it downloads it.
    pub(super) sha256: String,
    /// The size of its file.
    pub(super) size: u64,
    /// The first choice of each of its dependencies, with the version if exactly one is allowed.
    pub(super) depends: Vec<(String, Option<String>)>,
}

impl IndexEntry {
    /// Returns the package as apt takes it on the command line.
    pub(super) fn exactly(&self) -> String {
        format!("{}={}", self.name, self.version)
    }

    /// Returns the name that `apt-get download` gives its file.
    pub(super) fn file_name(&self) -> String {
        format!(
            "{}_{}_{}.deb",
            self.name,
            self.version.replace(':', "%3a"),
            self.arch
        )
    }
}

/// A package that a suite offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    /// Its name.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
}

/// Reads the stanzas that `apt-cache show` prints.
pub(super) fn packages(text: &str) -> Vec<IndexEntry> {
    text.split("\n\n").filter_map(package).collect()
}

fn package(stanza: &str) -> Option<IndexEntry> {
    let field = |name: &str| {
        let mut lines = stanza.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.trim())
    };
    let sha256 = field("SHA256")
        .filter(|hash| hash.len() == 64 && hash.bytes().all(|c| c.is_ascii_hexdigit()))?;
    Some(IndexEntry {
        name: name(field("Package")?)?.to_owned(),
        version: version(field("Version")?)?.to_owned(),
        arch: name(field("Architecture")?)?.to_owned(),
        sha256: sha256.to_owned(),
        size: field("Size")?.parse().ok()?,
        depends: field("Depends")
            .unwrap_or_default()
            .split(',')
            .filter_map(dependency)
            .collect(),
    })
}

/// `a (= 1) | b` gives a and 1; `a (>= 1)` only a.
fn dependency(text: &str) -> Option<(String, Option<String>)> {
    let first = text.split('|').next()?.trim();
    let (package, relation) = first.split_once(' ').unwrap_or((first, ""));
    let package = package
        .split_once(':')
        .map_or(package, |(package, _)| package);
    let exact = relation
        .trim()
        .strip_prefix("(=")
        .and_then(|rest| rest.strip_suffix(')'));
    Some((
        name(package)?.to_owned(),
        exact
            .and_then(|text| version(text.trim()))
            .map(str::to_owned),
    ))
}

/// Reads what `apt-cache madison` prints: `name | version | URI suite/component arch Packages`.
pub(super) fn offers(text: &str) -> Vec<Offer> {
    let offer = |line: &str| {
        let mut columns = line.split('|').map(str::trim);
        let (package, found, source) = (columns.next()?, columns.next()?, columns.next()?);
        source.ends_with(" Packages").then_some(())?;
        Some(Offer {
            name: name(package)?.to_owned(),
            version: version(found)?.to_owned(),
        })
    };
    text.lines().filter_map(offer).collect()
}

/// Reads the `Inst` lines that `apt-get --simulate install` prints, as apt takes them on the
/// command line.
pub(super) fn installed(text: &str) -> Vec<String> {
    let inst = |line: &str| {
        let (package, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
        let package = package
            .split_once(':')
            .map_or(package, |(package, _)| package);
        let found = rest.split_once('(')?.1.split(' ').next()?;
        Some(format!("{}={}", name(package)?, version(found)?))
    };
    text.lines().filter_map(inst).collect()
}

/// Returns the text, if it can be a package's name.
pub(super) fn name(text: &str) -> Option<&str> {
    let sound = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c));
    sound.then_some(text)
}

/// Returns the text, if it can be a version.
pub(super) fn version(text: &str) -> Option<&str> {
    let sound = text.starts_with(|c: char| c.is_ascii_digit())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ".+-~:".contains(c));
    sound.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_are_read() {
        let hash = "7e852381f1c455a439230ea3261e3669f2307afdbed57db0fc08ed8ffa689f60";
        let text = format!(
            "Package: linux-headers-6.1.0-56-amd64\nSource: linux\nVersion: 6.1.192-2\nArchitecture: amd64\n\
             Depends: linux-headers-6.1.0-56-common (= 6.1.192-2), linux-kbuild-6.1 (>= 6.1.192-2), a:any | b\n\
             Description: x\n Package: y\nSize: 12\nSHA256: {hash}\n\nPackage: ../x\nVersion: 1\nSize: 1\nSHA256: {hash}\n"
        );
        let found = packages(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].exactly(), "linux-headers-6.1.0-56-amd64=6.1.192-2");
        assert_eq!(found[0].size, 12);
        let depends: Vec<(&str, Option<&str>)> = found[0]
            .depends
            .iter()
            .map(|(name, version)| (name.as_str(), version.as_deref()))
            .collect();
        let expected = [
            ("linux-headers-6.1.0-56-common", Some("6.1.192-2")),
            ("linux-kbuild-6.1", None),
            ("a", None),
        ];
        assert_eq!(depends, expected);
    }

    #[test]
    fn a_colon_is_quoted_in_the_name_of_a_file() {
        let package = IndexEntry {
            name: "zlib1g".into(),
            version: "1:1.3+x-1".into(),
            arch: "amd64".into(),
            sha256: String::new(),
            size: 0,
            depends: Vec::new(),
        };
        assert_eq!(package.file_name(), "zlib1g_1%3a1.3+x-1_amd64.deb");
    }

    #[test]
    fn offers_are_read() {
        let text = " linux-headers-6.1.0-56-amd64 | 6.1.192-2 | https://mirror.example/debian-security bookworm-security/main amd64 Packages\n\
                    linux | 6.1.192-2 | https://mirror.example/debian bookworm/main Sources\n";
        let expected = Offer {
            name: "linux-headers-6.1.0-56-amd64".into(),
            version: "6.1.192-2".into(),
        };
        assert_eq!(offers(text), [expected]);
    }

    #[test]
    fn a_simulated_installation_is_read() {
        let text = "Inst gcc-14-base (14.2.0-19 Debian:13.7/stable [amd64])\n\
                    Inst libattr1:amd64 [1:2.4] (1:2.5.2-3 Debian:13.7/stable [amd64]) []\n\
                    Conf gcc-14-base (14.2.0-19 Debian:13.7/stable [amd64])\n";
        assert_eq!(
            installed(text),
            ["gcc-14-base=14.2.0-19", "libattr1=1:2.5.2-3"]
        );
    }
}
