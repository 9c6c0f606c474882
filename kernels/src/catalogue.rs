// SPDX-License-Identifier: GPL-2.0-only
//! The catalogue: the kernels by name and where each comes from, as `headers/kernels.toml` says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use linux_driver_host::{Error, Result, fs};
use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use crate::spec::{Edit, Fragment, KernelSpec};

/// The name of the kernel that runs; it is in no catalogue.
pub const RUNNING: &str = "running";

/// The kernels that are known by name.
#[derive(Debug, Clone)]
pub struct Catalogue {
    path: PathBuf,
    default: String,
    specs: BTreeMap<String, KernelSpec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default: Spanned<String>,
    kernels: BTreeMap<Spanned<String>, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(deserialize_with = "word")]
    series: String,
    #[serde(deserialize_with = "word")]
    release: String,
    #[serde(deserialize_with = "word")]
    version: String,
    #[serde(deserialize_with = "word")]
    arch: String,
    #[serde(deserialize_with = "words")]
    suites: Vec<String>,
    #[serde(deserialize_with = "word")]
    compiler: String,
    config: Option<Spanned<String>>,
    #[serde(default)]
    edits: Vec<Edit>,
}

impl Catalogue {
    /// Reads `kernels.toml`.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self> {
        let wrong = |place: String, found: String| {
            Error::new(
                place,
                "the catalogue of kernels, as the comment at its head describes it",
                found,
                "correct that line",
            )
        };
        let at = |offset: usize| {
            format!(
                "{}:{}",
                path.display(),
                text[..offset].lines().count().max(1)
            )
        };
        let file: File = toml::from_str(text).map_err(|e| {
            wrong(
                e.span()
                    .map_or_else(|| path.display().to_string(), |span| at(span.end)),
                e.to_string(),
            )
        })?;
        let mut specs = BTreeMap::new();
        for (name, entry) in file.kernels {
            if !is_word(name.get_ref()) || name.get_ref() == RUNNING {
                return Err(wrong(
                    at(name.span().end),
                    format!("`{}`, which cannot be a kernel's name", name.get_ref()),
                ));
            }
            let Entry {
                series,
                release,
                version,
                arch,
                suites,
                compiler,
                config,
                edits,
            } = entry;
            let place = at(name.span().end);
            let name = name.into_inner();
            let config = match config {
                Some(config) if !is_word(config.get_ref()) => {
                    let found = format!(
                        "`{}`, which cannot be a file in the same folder",
                        config.get_ref()
                    );
                    return Err(wrong(at(config.span().end), found));
                }
                Some(config) => Some(fragment(path, config.get_ref(), edits)?),
                None if !edits.is_empty() => {
                    let found =
                        "edits of the source of a kernel that is not built here: it has no `config`"
                            .to_owned();
                    return Err(wrong(place, found));
                }
                None => None,
            };
            specs.insert(
                name.clone(),
                KernelSpec {
                    name,
                    series,
                    release,
                    version,
                    arch,
                    suites,
                    compiler,
                    config,
                },
            );
        }
        if !specs.contains_key(file.default.get_ref()) {
            let found = format!(
                "the default `{}`, which has no table",
                file.default.get_ref()
            );
            return Err(wrong(at(file.default.span().end), found));
        }
        Ok(Self {
            path: path.to_owned(),
            default: file.default.into_inner(),
            specs,
        })
    }

    /// Returns the default kernel.
    pub fn default_name(&self) -> &str {
        &self.default
    }

    /// Returns all that can be fetched.
    pub fn specs(&self) -> impl ExactSizeIterator<Item = &KernelSpec> {
        self.specs.values()
    }

    /// Returns the prebuilt kernels, which people run.
    pub fn stock(&self) -> impl Iterator<Item = &KernelSpec> {
        self.specs().filter(|spec| spec.is_stock())
    }

    /// Returns the kernel of this name.
    pub fn get(&self, name: &str) -> Result<&KernelSpec> {
        self.specs.get(name).ok_or_else(|| {
            let known: Vec<&str> = self
                .specs
                .keys()
                .map(String::as_str)
                .chain([RUNNING])
                .collect();
            Error::new(
                "--kernel",
                format_args!("one of {}", known.join(", ")),
                format_args!("`{name}`"),
                format_args!(
                    "name one of these, add it to {}, or give a build tree with --kdir",
                    self.path.display()
                ),
            )
        })
    }
}

/// Returns the configuration in the file of this name, beside the catalogue.
fn fragment(catalogue: &Path, name: &str, edits: Vec<Edit>) -> Result<Fragment> {
    let file = catalogue.with_file_name(name);
    let text = fs::read_to_string(&file)?;
    Ok(Fragment { file, text, edits })
}

/// Returns whether the text is safe as part of a package's name, a file's name and an argument: no
/// separator, no option.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ".+-~:_".contains(c))
}

fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if is_word(&text) {
        Ok(text)
    } else {
        Err(de::Error::custom(format!(
            "`{text}` has characters that no such name has"
        )))
    }
}

fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let list = Vec::<String>::deserialize(deserializer)?;
    match list.iter().find(|text| !is_word(text)) {
        Some(text) => Err(de::Error::custom(format!(
            "`{text}` has characters that no such name has"
        ))),
        None if list.is_empty() => Err(de::Error::custom("at least one is needed")),
        None => Ok(list),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
    const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

    const GOOD: &str = r#"default = "a"

[kernels."a"]
series = "6.1"
release = "6.1.0-56-amd64"
version = "6.1.192-2"
arch = "amd64"
suites = ["bookworm", "bookworm-security"]
compiler = "gcc-12"
"#;

    fn parse(text: &str) -> Result<Catalogue> {
        Catalogue::parse(Path::new("kernels.toml"), text)
    }

    #[test]
    fn a_kernel_is_found_by_name() {
        let catalogue = parse(GOOD).unwrap();
        let spec = catalogue.get(catalogue.default_name()).unwrap();
        assert_eq!(
            (spec.release.as_str(), spec.suites.len()),
            ("6.1.0-56-amd64", 2)
        );
        assert_eq!(catalogue.specs().len(), 1);
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let text = parse(GOOD).unwrap().get("b").unwrap_err().to_string();
        assert!(text.contains("one of a, running"), "{text}");
    }

    #[test]
    fn an_error_names_its_line() {
        for (from, to, line) in [
            ("6.1.192-2", "../6", 6),
            ("\"bookworm\"", "\"-o\"", 8),
            ("arch", "arhc", 7),
            ("\"a\"\n\n", "\"b\"\n\n", 1),
            ("kernels.\"a\"", "kernels.\"running\"", 3),
        ] {
            let text = parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(
                text.starts_with(&format!("kernels.toml:{line}\n")),
                "{to}: {text}"
            );
        }
    }

    #[test]
    fn a_configuration_is_in_the_catalogues_folder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kernels.toml");
        let text = format!("{GOOD}config = \"a.config\"\n");
        let error = Catalogue::parse(&path, &text).unwrap_err().to_string();
        assert!(error.contains("a.config"), "{error}");
        fs::write(dir.path().join("a.config"), "CONFIG_KASAN=y\n").unwrap();
        let catalogue = Catalogue::parse(&path, &text).unwrap();
        let spec = catalogue.get("a").unwrap();
        assert_eq!(spec.config.as_ref().unwrap().text, "CONFIG_KASAN=y\n");
        assert!(!spec.is_stock() && catalogue.stock().next().is_none());
        let edit =
            "[[kernels.a.edits]]\nfile = \"a.c\"\nfind = \"b\"\nreplace = \"c\"\nwhy = \"d\"\n";
        let edited = Catalogue::parse(&path, &format!("{text}{edit}")).unwrap();
        assert_eq!(
            edited.get("a").unwrap().config.as_ref().unwrap().edits[0].find,
            "b"
        );
        let error = Catalogue::parse(&path, &format!("{GOOD}{edit}")).unwrap_err();
        assert!(error.to_string().contains("no `config`"), "{error}");
        let error = Catalogue::parse(&path, &text.replace("a.config", "../a.config")).unwrap_err();
        assert!(error.to_string().contains("kernels.toml:10\n"), "{error}");
    }

    #[test]
    fn the_catalogue_of_this_repository_is_sound() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../headers/kernels.toml");
        let catalogue = Catalogue::read(&path).unwrap();
        for spec in catalogue.specs() {
            assert!(spec.release.starts_with(&spec.series), "{}", spec.name);
            assert!(spec.version.starts_with(&spec.series), "{}", spec.name);
        }
    }
}
