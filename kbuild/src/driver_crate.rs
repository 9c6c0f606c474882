// SPDX-License-Identifier: GPL-2.0-only
//! Finds a driver's source: a crate, or, for a driver in C, a folder with a Kbuild file.

use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use linux_driver_host::path::fit_for_make;
use linux_driver_host::{Error, Result, process};

/// A driver's crate as cargo's metadata describes it, or a driver in C.
#[derive(Debug, Clone)]
pub struct DriverCrate {
    /// The name by which users refer to it: "edu", "edu-c".
    pub name: String,
    /// The module's name, as `lsmod` shows it: "edu", "edu_c".
    pub module: String,
    /// The folder of the driver.
    pub dir: PathBuf,
    /// The language that it is written in.
    pub language: Language,
    /// The settings of its build: the table `[package.metadata.linux-driver]` of the crate's
    /// manifest.
    pub settings: serde_json::Value,
    /// The target folder of the workspace that it belongs to.
    pub target_dir: PathBuf,
    /// The features that it is built with in addition to its default features. For a driver in C,
    /// each is a macro, such as `FEATURE_QUIET` for "quiet".
    pub features: Vec<String>,
}

/// The language of a driver.
#[derive(Debug, Clone)]
pub enum Language {
    /// A crate that depends on `linux-driver`.
    Rust {
        /// Its `Cargo.toml`.
        manifest: PathBuf,
        /// The folder of the C sources of the `linux-driver-sys` that it depends on.
        sys: PathBuf,
        /// The root of the crate's workspace.
        workspace: PathBuf,
    },
    /// C files and a Kbuild file, as the kernel's own drivers are.
    C,
}

/// The folders of a workspace with drivers in C, each in a folder of its own.
const C_FOLDERS: [&str; 2] = ["samples", "tests/c-drivers"];

impl DriverCrate {
    /// Returns the driver `name` of the workspace of `manifest`, or the crate of `manifest` itself.
    pub fn find(manifest: &Path, name: Option<&str>) -> Result<Self> {
        // cargo names a package by the path that it is given. A path that does not exist is left to
        // cargo, whose message is the best.
        let manifest = manifest
            .canonicalize()
            .unwrap_or_else(|_| manifest.to_owned());
        let metadata = metadata(&manifest)?;
        let root = metadata.workspace_root.as_std_path();
        let of_workspace = || metadata.workspace_packages().into_iter();
        let package = match name {
            Some(name) => of_workspace().find(|package| package.name.as_str() == name),
            None => of_workspace().find(|package| package.manifest_path.as_std_path() == manifest),
        };
        // Modules are built in there, by make.
        fit_for_make(
            metadata.target_directory.as_std_path(),
            "the folder that the driver is built in",
            "move the driver's workspace to such a path, or set CARGO_TARGET_DIR to a folder with one",
        )?;
        if let Some(package) = package {
            return Self::of_package(package, &metadata);
        }
        let in_c = name.and_then(|name| {
            C_FOLDERS
                .iter()
                .map(|dir| root.join(dir).join(name))
                .find(|dir| dir.join("Kbuild").is_file())
        });
        if let (Some(name), Some(dir)) = (name, in_c) {
            return Self::in_c(name, dir, metadata.target_directory.as_std_path());
        }
        let known = Self::names(&metadata);
        Err(Error::new(
            manifest.display(),
            match name {
                Some(name) => format!(
                    "a driver named {name}: a package of this workspace, or a folder with a Kbuild file in {}",
                    C_FOLDERS.join(" or ")
                ),
                None => "the manifest of a driver's crate".to_owned(),
            },
            format_args!(
                "drivers here: {}",
                if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                }
            ),
            "name one of them with -p, or give its manifest with --manifest-path",
        ))
    }

    /// Returns the same driver, built with these additional features.
    #[must_use]
    pub fn with_features(mut self, features: &[String]) -> Self {
        self.features.extend_from_slice(features);
        self
    }

    /// Returns the name of the folder that it is built in.
    pub(crate) fn folder(&self) -> String {
        [self.name.as_str()]
            .into_iter()
            .chain(self.features.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join("+")
    }

    fn of_package(package: &Package, metadata: &Metadata) -> Result<Self> {
        let manifest = package.manifest_path.as_std_path().to_owned();
        let library = package
            .targets
            .iter()
            .find(|target| target.is_lib() || target.is_staticlib() || target.is_rlib());
        let Some(library) = library else {
            return Err(Error::new(
                manifest.display(),
                "a library, src/lib.rs: a driver has no main",
                "none",
                "move the driver to src/lib.rs",
            )
            .of_driver());
        };
        no_own_initialisers(package)?;
        let sys = sys_of(package, metadata).ok_or_else(|| {
            Error::new(
                manifest.display(),
                "a dependency on linux-driver",
                "none",
                "add linux-driver to its [dependencies]",
            )
            .of_driver()
        })?;
        Ok(Self {
            name: package.name.to_string(),
            module: library.name.replace('-', "_"),
            dir: parent(&manifest),
            settings: package
                .metadata
                .get("linux-driver")
                .cloned()
                .unwrap_or_default(),
            language: Language::Rust {
                sys: parent(sys.manifest_path.as_std_path()).join("c"),
                manifest,
                workspace: metadata.workspace_root.as_std_path().to_owned(),
            },
            target_dir: metadata.target_directory.as_std_path().to_owned(),
            features: Vec::new(),
        })
    }

    /// Returns the unstable features of Rust that the driver's crates may use: `allow-features` of
    /// `[package.metadata.linux-driver]`.
    pub fn unstable_features(&self) -> Result<Vec<String>> {
        let Some(features) = self.settings.get("allow-features") else {
            return Ok(Vec::new());
        };
        let name = |feature: &serde_json::Value| {
            let name = feature.as_str()?;
            let is_name =
                !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
            is_name.then(|| name.to_owned())
        };
        let names = features
            .as_array()
            .map(|features| features.iter().map(name).collect());
        names.flatten().ok_or_else(|| {
            Error::new(
                format_args!("{}: allow-features", self.dir.display()),
                "a list of features' names, as `#![feature(…)]` has them",
                features,
                "correct [package.metadata.linux-driver] of its Cargo.toml, or leave it out: then none is allowed",
            )
            .of_driver()
        })
    }

    fn in_c(name: &str, dir: PathBuf, target_dir: &Path) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            module: name.replace('-', "_"),
            dir,
            language: Language::C,
            settings: serde_json::Value::Null,
            target_dir: target_dir.to_owned(),
            features: Vec::new(),
        })
    }

    /// Returns the drivers of a workspace, by name.
    fn names(metadata: &Metadata) -> Vec<String> {
        let packages = metadata.workspace_packages().into_iter();
        let crates = packages.filter(|package| {
            // The examples of the safe layer are built with it: a dependency for tests only.
            package
                .dependencies
                .iter()
                .any(|on| on.kind == DependencyKind::Normal && on.name == "linux-driver")
        });
        let mut names: Vec<String> = crates.map(|package| package.name.to_string()).collect();
        for folder in C_FOLDERS {
            let entries = std::fs::read_dir(metadata.workspace_root.as_std_path().join(folder));
            let dirs = entries
                .into_iter()
                .flatten()
                .flatten()
                .filter(|entry| entry.path().join("Kbuild").is_file());
            names.extend(dirs.map(|entry| entry.file_name().to_string_lossy().into_owned()));
        }
        names.sort();
        names
    }

    /// Returns every driver of the workspace of `manifest`.
    pub fn all(manifest: &Path) -> Result<Vec<Self>> {
        let names = Self::names(&metadata(manifest)?);
        names
            .iter()
            .map(|name| Self::find(manifest, Some(name)))
            .collect()
    }
}

/// The crates whose macros are in the prelude of `linux-driver` in a sound form.
const INITIALISERS: [&str; 2] = ["pinned-init", "pin-init"];

/// Returns an error if the driver depends on a crate of [`INITIALISERS`] itself.
fn no_own_initialisers(package: &Package) -> Result<()> {
    let own = package
        .dependencies
        .iter()
        .find(|on| on.kind == DependencyKind::Normal && INITIALISERS.contains(&on.name.as_str()));
    let Some(own) = own else {
        return Ok(());
    };
    Err(Error::new(
        &package.manifest_path,
        "linux-driver as the only source of `pin_data` and `pin_init!`: with the macros of the crate \
         itself, code without `unsafe` can write through any pointer, or move what is pinned",
        format_args!("a dependency on {}", own.name),
        format_args!(
            "remove {} from [dependencies], and write `use linux_driver::prelude::*;`, which has `pin_data`, \
             `pin_init!`, `try_pin_init!`, `init!` and `try_init!`",
            own.name
        ),
    )
    .of_driver())
}

/// Returns the `linux-driver-sys` that the package depends on, however far away; others of its
/// workspace do not count.
fn sys_of<'m>(package: &'m Package, metadata: &'m Metadata) -> Option<&'m Package> {
    let nodes = &metadata.resolve.as_ref()?.nodes;
    let mut reached = vec![&package.id];
    let mut next = 0;
    while let Some(&id) = reached.get(next) {
        next += 1;
        let used = nodes
            .iter()
            .filter(|node| node.id == *id)
            .flat_map(|node| &node.deps);
        let used = used.filter(|on| {
            on.dep_kinds
                .iter()
                .any(|how| how.kind == DependencyKind::Normal)
        });
        for on in used {
            if !reached.contains(&&on.pkg) {
                reached.push(&on.pkg);
            }
        }
    }
    let mut reached = reached.into_iter().map(|id| &metadata[id]);
    reached.find(|package| package.name.as_str() == "linux-driver-sys")
}

fn metadata(manifest: &Path) -> Result<Metadata> {
    // cargo is our child, so a signal that ends us ends it too. The error then says so.
    let output = process::output(
        &mut MetadataCommand::new()
            .manifest_path(manifest)
            .cargo_command(),
    )?;
    let read = if output.status.success() {
        MetadataCommand::parse(String::from_utf8_lossy(&output.stdout)).map_err(|e| e.to_string())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    };
    read.map_err(|found| {
        if is_of_network(&found) {
            return Error::new(
                manifest.display(),
                "the crates that it depends on, downloaded or in cargo's cache",
                found,
                "check the network and cargo's settings for it (a proxy, `net.offline`), and run it again: what cargo has in its \
                 cache needs no network",
            );
        }
        Error::new(
            manifest.display(),
            "a manifest that cargo reads",
            found,
            "correct it, or give the path of a Cargo.toml with --manifest-path",
        )
    })
}

/// Returns whether cargo says that it could not download something.
fn is_of_network(said: &str) -> bool {
    [
        "failed to download",
        "download of config.json failed",
        "curl failed",
        "network failure",
        "spurious network error",
        "Could not resolve",
        "Couldn't resolve",
        "Could not connect",
        "Couldn't connect",
        "unable to update registry",
        "failed to fetch",
        "--offline was specified",
        "using offline mode",
        "you may be offline",
    ]
    .iter()
    .any(|words| said.contains(words))
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_found_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        std::fs::create_dir_all(real.join("src")).unwrap();
        std::fs::write(real.join("src/lib.rs"), "").unwrap();
        let manifest = "[package]\nname = \"a\"\nedition = \"2024\"\n[workspace]\n";
        std::fs::write(real.join("Cargo.toml"), manifest).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        // It is found, and is not a driver.
        let error = DriverCrate::find(&link.join("Cargo.toml"), None)
            .unwrap_err()
            .to_string();
        assert!(error.contains("a dependency on linux-driver"), "{error}");
    }

    #[test]
    fn a_driver_has_no_initialisers_but_the_preludes() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let dir = dir.path().join(name);
            std::fs::create_dir_all(dir.join("src")).unwrap();
            std::fs::write(dir.join("src/lib.rs"), "").unwrap();
            let package = format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n{text}");
            std::fs::write(dir.join("Cargo.toml"), package).unwrap();
            dir.join("Cargo.toml")
        };
        for name in INITIALISERS {
            write(name, "");
            let on = format!("[workspace]\n[dependencies]\n{name} = {{ path = \"../{name}\" }}\n");
            let driver = write("driver", &on);
            let error = DriverCrate::find(&driver, None).unwrap_err().to_string();
            assert!(
                error.contains(&format!("a dependency on {name}"))
                    && error.contains("use linux_driver::prelude::*"),
                "{error}"
            );
        }
    }

    fn features(settings: serde_json::Value) -> Result<Vec<String>> {
        let source = DriverCrate {
            name: "driver".into(),
            module: "driver".into(),
            dir: "/driver".into(),
            language: Language::C,
            settings,
            target_dir: "/target".into(),
            features: Vec::new(),
        };
        source.unstable_features()
    }

    #[test]
    fn only_unstable_features_that_the_manifest_names_are_allowed() {
        use serde_json::{Value, json};
        assert_eq!(features(Value::Null).unwrap(), Vec::<String>::new());
        assert_eq!(
            features(json!({"devices": ["edu"]})).unwrap(),
            Vec::<String>::new()
        );
        assert_eq!(
            features(json!({"allow-features": ["custom_mir"]})).unwrap(),
            ["custom_mir"]
        );
        for wrong in [
            json!("custom_mir"),
            json!([1]),
            json!([""]),
            json!(["a,b"]),
            json!(["a -Zb"]),
        ] {
            let error = features(json!({ "allow-features": wrong }))
                .unwrap_err()
                .to_string();
            assert!(error.contains("allow-features"), "{error}");
        }
    }
}
