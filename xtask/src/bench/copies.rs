// SPDX-License-Identifier: GPL-2.0-only
//! Copies of the sample and of its twin in C. The benchmark changes a line in a copy, and not in
//! the checkout.

use std::path::{Path, PathBuf};

use linux_driver_host::{Error, Result, fs};
use toml::{Table, Value};

use crate::folders::workspace;

/// The text of a log message in the line to change. The text appears once in the sample and once in
/// its twin.
const MARK: &str = "edu device, removed";

/// A copy of the sample as a separate crate, as a user would have it.
pub(super) struct RustCopy {
    pub(super) manifest: PathBuf,
    source: Changing,
}

/// A copy of the twin: a folder with a Kbuild file.
pub(super) struct CCopy {
    pub(super) dir: PathBuf,
    pub(super) ko: PathBuf,
    source: Changing,
}

/// A source file in which one line can be changed.
struct Changing {
    path: PathBuf,
    text: String,
    changes: u32,
}

impl RustCopy {
    /// Copies the sample into the new folder `dir`.
    pub(super) fn new(dir: &Path) -> Result<Self> {
        let root = workspace();
        let sample = root.join("samples/edu");
        copy_all(&sample, dir)?;
        // Use the same versions of all dependencies.
        copy(&root.join("Cargo.lock"), dir)?;
        let manifest = dir.join("Cargo.toml");
        write(&manifest, &manifest_of(&root, &sample)?)?;
        Ok(Self {
            manifest,
            source: Changing::new(dir.join("src/lib.rs"))?,
        })
    }

    /// Changes a line.
    pub(super) fn change(&mut self) -> Result<()> {
        self.source.change()
    }
}

impl CCopy {
    /// Copies the twin into the new folder `dir`.
    pub(super) fn new(dir: &Path) -> Result<Self> {
        let twin = workspace().join("samples/edu-c");
        make(dir)?;
        for name in ["Kbuild", "edu_c.c"] {
            copy(&twin.join(name), dir)?;
        }
        Ok(Self {
            dir: dir.to_owned(),
            ko: dir.join("edu_c.ko"),
            source: Changing::new(dir.join("edu_c.c"))?,
        })
    }

    /// Changes a line.
    pub(super) fn change(&mut self) -> Result<()> {
        self.source.change()
    }
}

impl Changing {
    fn new(path: PathBuf) -> Result<Self> {
        let text = read(&path)?;
        match text.matches(MARK).count() {
            1 => Ok(Self {
                path,
                text,
                changes: 0,
            }),
            count => Err(Error::new(
                path.display(),
                format_args!("the text \"{MARK}\" once, as the line to change"),
                format_args!("the text {count} times"),
                "put the text of the sample's message on removal into xtask/src/bench/copies.rs",
            )),
        }
    }

    fn change(&mut self) -> Result<()> {
        self.changes += 1;
        write(
            &self.path,
            &self
                .text
                .replace(MARK, &format!("{MARK} ({})", self.changes)),
        )
    }
}

/// Returns the manifest of the copy, which is a separate workspace. It is the sample's manifest,
/// with the values that the sample inherits from its workspace.
fn manifest_of(root: &Path, sample: &Path) -> Result<String> {
    let path = sample.join("Cargo.toml");
    let parsed = |path: &Path| -> Result<Table> {
        let text = read(path)?;
        text.parse().map_err(|e| {
            let remedy = "correct that line";
            Error::new(path.display(), "a manifest of cargo's", e, remedy)
        })
    };
    let workspace = parsed(&root.join("Cargo.toml"))?;
    let mut manifest = parsed(&path)?;
    for (section, inherited) in [
        ("package", "package"),
        ("dependencies", "dependencies"),
        ("build-dependencies", "dependencies"),
        ("dev-dependencies", "dependencies"),
    ] {
        let all = workspace
            .get("workspace")
            .and_then(|all| all.get(inherited));
        for (name, value) in manifest
            .get_mut(section)
            .and_then(Value::as_table_mut)
            .into_iter()
            .flatten()
        {
            let mut dir = sample;
            if is_inherited(value) {
                let whole = all.and_then(|all| all.get(name)).ok_or_else(|| {
                    Error::new(
                        path.display(),
                        format_args!(
                            "{section}.{name} in the workspace's manifest, from which it is taken"
                        ),
                        "nothing there",
                        "add it to the Cargo.toml of the workspace",
                    )
                })?;
                inherit(value, whole);
                dir = root;
            }
            if let Some(Value::String(path)) = value.get_mut("path") {
                *path = dir.join(&*path).display().to_string();
            }
        }
    }
    if let Some(lints) = workspace.get("workspace").and_then(|all| all.get("lints"))
        && manifest.get("lints").is_some_and(is_inherited)
    {
        manifest.insert("lints".to_owned(), lints.clone());
    }
    manifest.insert("workspace".to_owned(), Value::Table(Table::new()));
    toml::to_string(&manifest)
        .map_err(|e| Error::new(path.display(), "to write a copy of it", e, "report this"))
}

/// Returns whether a value of a manifest is inherited from the workspace.
fn is_inherited(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

/// Replaces an inherited value by its own copy. If a dependency has further keys, they are kept,
/// and its features are added to the inherited ones.
fn inherit(value: &mut Value, whole: &Value) {
    let Value::Table(own) = std::mem::replace(value, whole.clone()) else {
        return;
    };
    for (key, own) in own.into_iter().filter(|(key, _)| key != "workspace") {
        if let Value::String(version) = value {
            *value = Value::Table(Table::from_iter([(
                "version".to_owned(),
                Value::String(version.clone()),
            )]));
        }
        let Value::Table(table) = value else { continue };
        match (table.get_mut(&key), own) {
            (Some(Value::Array(all)), Value::Array(own)) => all.extend(own),
            (_, own) => drop(table.insert(key, own)),
        }
    }
}

/// Copies a folder with all its contents.
fn copy_all(from: &Path, to: &Path) -> Result<()> {
    make(to)?;
    for path in fs::read_dir(from)? {
        if path.is_dir() {
            copy_all(&path, &to.join(path.file_name().unwrap_or_default()))?;
        } else {
            copy(&path, to)?;
        }
    }
    Ok(())
}

fn copy(file: &Path, dir: &Path) -> Result<()> {
    let to = dir.join(file.file_name().unwrap_or_default());
    fs::copy(file, to)
}

fn make(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_change_is_one_line_and_never_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let mut c = CCopy::new(&dir.path().join("c")).unwrap();
        let mut rust = RustCopy::new(&dir.path().join("rust")).unwrap();
        for (source, change) in [
            (
                c.source.path.clone(),
                &mut (|| c.change()) as &mut dyn FnMut() -> Result<()>,
            ),
            (rust.source.path.clone(), &mut || rust.change()),
        ] {
            let mut before = read(&source).unwrap();
            for _ in 0..2 {
                change().unwrap();
                let after = read(&source).unwrap();
                assert_eq!(
                    before
                        .lines()
                        .zip(after.lines())
                        .filter(|(a, b)| a != b)
                        .count(),
                    1
                );
                assert_eq!(before.lines().count(), after.lines().count());
                before = after;
            }
        }
    }

    /// Returns cargo's view of a package: its dependencies, its features, and its metadata about
    /// the trial.
    fn understood(manifest: &Path) -> serde_json::Value {
        let output = Command::new(env!("CARGO"))
            .args([
                "metadata",
                "--no-deps",
                "--offline",
                "--format-version",
                "1",
                "--manifest-path",
            ])
            .arg(manifest)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let all: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let mut packages = all["packages"].as_array().unwrap().iter();
        let package = packages.find(|package| package["name"] == "edu").unwrap();
        let fields = [
            "version",
            "edition",
            "license",
            "dependencies",
            "features",
            "metadata",
        ];
        let field = |name: &&str| ((*name).to_owned(), package[*name].clone());
        fields.iter().map(field).collect()
    }

    #[test]
    fn the_copy_is_the_sample_to_cargo() {
        let dir = tempfile::tempdir().unwrap();
        let copy = RustCopy::new(&dir.path().join("edu")).unwrap();
        let sample = understood(&workspace().join("samples/edu/Cargo.toml"));
        let dependencies = sample["dependencies"].as_array().unwrap();
        let library = dependencies
            .iter()
            .find(|dependency| dependency["name"] == "linux-driver");
        assert_eq!(library.unwrap()["path"], workspace().display().to_string());
        assert_eq!(understood(&copy.manifest), sample);
    }

    #[test]
    fn keys_inherited_from_the_workspace_are_written_out() {
        let dir = tempfile::tempdir().unwrap();
        let sample = dir.path().join("samples/own");
        fs::create_dir_all(&sample).unwrap();
        let workspace = "[workspace.package]\nedition = \"2024\"\n\n[workspace.dependencies]\nplain = \"1\"\n\
                         named = { version = \"2\", features = [\"a\"] }\nours = { path = \"ours\" }\n";
        let own = "[package]\nname = \"own\"\nedition.workspace = true\n\n[dependencies]\n\
                   plain = { workspace = true, optional = true }\n\
                   named = { workspace = true, features = [\"b\"] }\nours.workspace = true\nbeside.path = \"../beside\"\n";
        write(&dir.path().join("Cargo.toml"), workspace).unwrap();
        write(&sample.join("Cargo.toml"), own).unwrap();
        let made: Table = manifest_of(dir.path(), &sample).unwrap().parse().unwrap();
        let expected: Table = format!(
            "[package]\nname = \"own\"\nedition = \"2024\"\n\n[dependencies]\nbeside.path = {:?}\n\
             plain = {{ version = \"1\", optional = true }}\nnamed = {{ version = \"2\", features = [\"a\", \"b\"] }}\n\
             ours.path = {:?}\n\n[workspace]\n",
            sample.join("../beside"),
            dir.path().join("ours"),
        )
        .parse()
        .unwrap();
        assert_eq!(made, expected);
        write(
            &dir.path().join("Cargo.toml"),
            "[workspace.package]\nedition = \"2024\"\n",
        )
        .unwrap();
        let error = manifest_of(dir.path(), &sample).unwrap_err();
        assert!(error.to_string().contains("dependencies."), "{error}");
    }
}
