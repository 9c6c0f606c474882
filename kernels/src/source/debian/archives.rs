// SPDX-License-Identifier: GPL-2.0-only
//! The addresses of Debian's archives, from the system's own apt sources or from two environment
//! variables, and the keys that verify their signatures.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use linux_driver_host::{Error, Result, process};

/// Names the mirror of the main archive.
const MAIN: &str = "LINUX_DRIVER_DEBIAN_MIRROR";
/// Names the mirror of the security archive.
const SECURITY: &str = "LINUX_DRIVER_DEBIAN_SECURITY_MIRROR";
/// Names the file of keys that verify both archives, for mirrors that sign their contents
/// themselves.
const KEYRING: &str = "LINUX_DRIVER_DEBIAN_KEYRING";

/// The files of the keys that Debian signs its archives with. The newer name comes second: older
/// systems lack it.
const KEYRINGS: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
];

/// The suites by which Debian's archive is recognised if its lists were never downloaded.
const SUITES: [&str; 10] = [
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "oldoldstable",
    "oldstable",
    "stable",
    "testing",
];

/// Mirrors of Debian's archives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Archives {
    /// The main archive's URI, up to the folder that holds `dists`.
    pub(crate) main: Option<String>,
    /// The security archive's.
    pub(crate) security: Option<String>,
}

impl Archives {
    /// Returns the mirrors that the environment names. For those that it does not name, the
    /// system's own apt sources are used.
    pub(crate) fn of_system() -> Result<Self> {
        let mut archives = Self {
            main: mirror(MAIN)?,
            security: mirror(SECURITY)?,
        };
        if archives.main.is_none() || archives.security.is_none() {
            let mut command = Command::new("apt-get");
            command.args([
                "indextargets",
                "--format",
                "$(REPO_URI)|$(RELEASE)|$(ORIGIN)|$(LABEL)",
                "Created-By: Packages",
            ]);
            // If apt cannot read the system's sources, the remedy is the variables, as on a system
            // without apt.
            let text = process::run(&mut command).unwrap_or_default();
            let found = Self::from_targets(&text);
            archives.main = archives.main.or(found.main);
            archives.security = archives.security.or(found.security);
        }
        Ok(archives)
    }

    /// Reads what `apt-get indextargets` prints, a line a list: `URI|release|origin|label`.
    fn from_targets(text: &str) -> Self {
        let mut archives = Self::default();
        for line in text.lines() {
            let mut columns = line.split('|');
            let mut next = || columns.next().unwrap_or_default();
            let (uri, release, origin, label) = (next(), next(), known(next()), known(next()));
            let named = release.split(['-', '/']).next().unwrap_or_default();
            let debian = origin == "Debian" || origin.is_empty() && SUITES.contains(&named);
            if !debian || !is_uri(uri) {
                continue;
            }
            let security = label == "Debian-Security" || release.ends_with("-security");
            let place = if security {
                &mut archives.security
            } else {
                &mut archives.main
            };
            place.get_or_insert_with(|| uri.trim_end_matches('/').to_owned());
        }
        archives
    }

    /// Returns the text of a `sources.list` with these suites, each checked against the keys.
    pub(crate) fn sources(&self, suites: &[String], arch: &str) -> Result<String> {
        let keyring = keyring()?;
        let mut text = String::new();
        for suite in suites {
            let security = suite.ends_with("-security");
            let (uri, variable, what) = if security {
                (&self.security, SECURITY, "security archive")
            } else {
                (&self.main, MAIN, "archive")
            };
            let uri = uri.as_ref().ok_or_else(|| {
                Error::new(
                    "this system's apt sources",
                    format_args!("Debian's {what}, which has the suite {suite}"),
                    "no such archive there",
                    format_args!(
                        "set {variable} to a mirror of Debian's {what}: the URI of the folder that holds `dists`, as in a sources.list"
                    ),
                )
            })?;
            text.push_str(&format!(
                "deb [arch={arch} signed-by={}] {uri} {suite} main\n",
                keyring.display()
            ));
        }
        Ok(text)
    }
}

/// Returns the file of the keys: the one that the environment names, or Debian's.
pub(crate) fn keyring() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(KEYRING).filter(|value| !value.is_empty()) {
        return named_keyring(&named);
    }
    let found = KEYRINGS.iter().map(Path::new).find(|path| path.is_file());
    found.map(Path::to_owned).ok_or_else(|| {
        Error::new(
            KEYRINGS[0],
            "the keys that Debian signs its archives with",
            "no such file",
            "install the package debian-archive-keyring",
        )
    })
}

/// Returns whether there is something that signatures can be checked against; a wrong name is an
/// error once it is used.
pub(crate) fn has_keyring() -> bool {
    std::env::var_os(KEYRING).is_some_and(|value| !value.is_empty()) || keyring().is_ok()
}

/// Returns the file of keys that the environment names.
fn named_keyring(value: &OsStr) -> Result<PathBuf> {
    // If the text is not a path, apt takes it for something else: fingerprints, a list, the end of
    // the options.
    let sound = |c: char| c.is_ascii_graphic() && !"[]#\"'\\,".contains(c);
    let path = Path::new(value);
    let fits = path.is_absolute() && value.to_str().is_some_and(|text| text.chars().all(sound));
    if fits && path.is_file() {
        return Ok(path.to_owned());
    }
    let found = if fits {
        "no such file".to_owned()
    } else {
        format!("`{}`", path.display())
    };
    Err(Error::new(
        format_args!("{KEYRING}={}", path.display()),
        "the absolute path of a file of OpenPGP keys",
        found,
        "correct it (no spaces, no commas, no brackets), or unset it: Debian's own keys are used then",
    ))
}

fn mirror(variable: &str) -> Result<Option<String>> {
    let Some(value) = std::env::var_os(variable).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let uri = value.to_string_lossy();
    if is_uri(&uri) {
        return Ok(Some(uri.trim_end_matches('/').to_owned()));
    }
    Err(Error::new(
        variable,
        "the URI of a mirror, as in a sources.list",
        format_args!("`{uri}`"),
        "correct it: scheme://host/folder, where the folder holds `dists`; no spaces, no brackets",
    ))
}

/// Returns whether the text is a URI in a `sources.list` and nothing else.
fn is_uri(text: &str) -> bool {
    let sound = |c: char| c.is_ascii_graphic() && !"[]#\"'\\|".contains(c);
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    text.chars().all(sound) && scheme.is_some_and(|scheme| !scheme.is_empty() && scheme != "cdrom")
}

/// apt leaves `$(ORIGIN)` unchanged if it does not know it.
fn known(text: &str) -> &str {
    if text.starts_with("$(") { "" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archives(main: Option<&str>, security: Option<&str>) -> Archives {
        Archives {
            main: main.map(str::to_owned),
            security: security.map(str::to_owned),
        }
    }

    #[test]
    fn the_archives_are_told_apart() {
        let text = "https://other.example/x/|stable|Other|Other\n\
                    https://mirror.example/debian/|bookworm|Debian|Debian\n\
                    https://mirror.example/debian/|bookworm-updates|Debian|Debian\n\
                    https://mirror.example/security/|bookworm-security|Debian|Debian-Security\n";
        let expected = archives(
            Some("https://mirror.example/debian"),
            Some("https://mirror.example/security"),
        );
        assert_eq!(Archives::from_targets(text), expected);
    }

    #[test]
    fn without_lists_the_suites_name_the_archives() {
        let text = "https://mirror.example/ubuntu/|noble|$(ORIGIN)|$(LABEL)\n\
                    https://mirror.example/security/|trixie-security||\n\
                    cdrom:[Debian]/|trixie||\n\
                    https://mirror.example/debian/|trixie-backports||\n";
        let expected = archives(
            Some("https://mirror.example/debian"),
            Some("https://mirror.example/security"),
        );
        assert_eq!(Archives::from_targets(text), expected);
    }

    #[test]
    fn another_distribution_has_no_archive_and_a_remedy() {
        let text = "https://mirror.example/ubuntu/|noble|Ubuntu|Ubuntu\n";
        let found = Archives::from_targets(text);
        assert_eq!(found, Archives::default());
        if has_keyring() {
            let error = found
                .sources(&["bookworm-security".to_owned()], "amd64")
                .unwrap_err();
            assert!(error.remedy().contains(SECURITY), "{error}");
        }
    }

    #[test]
    fn a_file_of_keys_cannot_be_anything_else() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keys.gpg");
        let absent = named_keyring(file.as_os_str()).unwrap_err();
        assert!(absent.to_string().contains("no such file"), "{absent}");
        std::fs::write(&file, "").unwrap();
        assert_eq!(named_keyring(file.as_os_str()).unwrap(), file);
        for wrong in [
            "keys.gpg",
            "0123456789ABCDEF",
            "/a b",
            "/a,/b",
            "/a] [trusted=yes",
            "/",
        ] {
            let error = named_keyring(OsStr::new(wrong)).unwrap_err();
            assert!(error.remedy().contains("Debian's own keys"), "{error}");
        }
    }

    #[test]
    fn a_uri_cannot_be_anything_else() {
        assert!(is_uri("https://mirror.example/debian") && is_uri("file:/srv/debian"));
        for wrong in [
            "",
            "debian",
            "https://a b",
            "https://a\ndeb",
            "[trusted=yes] https://a",
            "cdrom:x",
        ] {
            assert!(!is_uri(wrong), "{wrong}");
        }
    }
}
