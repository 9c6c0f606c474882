// SPDX-License-Identifier: GPL-2.0-only
//! Arguments that several commands share: the choice of kernel and driver, and `--install`.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::Args;
use linux_driver_host::packages::{self, Install};
use linux_driver_host::{Cache, Error, Result, fs};
use linux_driver_kbuild::Kbuild;
use linux_driver_kbuild::{Builder, DriverCrate};
use linux_driver_kernels::{Catalogue, Kernel, KernelSpec, RUNNING, acquire};

use crate::needs;

/// The default driver in the folder of this repository.
const DEFAULT_DRIVER: &str = "edu";

/// The choice of a kernel.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct KernelArgs {
    /// The kernel, by its name in `cargo xtask kernels`, or `running` [default: the catalogue's]
    #[arg(long, value_name = "NAME", conflicts_with = "kdir")]
    pub(crate) kernel: Option<String>,
    /// A kernel build tree, such as /lib/modules/RELEASE/build
    #[arg(long, value_name = "DIR")]
    pub(crate) kdir: Option<PathBuf>,
}

/// The choice of a driver.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct DriverArgs {
    /// The driver: a crate of the workspace, or a folder of samples/ or tests/c-drivers/ with a
    /// Kbuild file [default: the driver in whose folder the command runs; in the repository's own
    /// folder, edu]
    #[arg(short, long, value_name = "NAME")]
    pub(crate) package: Option<String>,
    /// The Cargo.toml of a driver outside of this repository
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest_path: Option<PathBuf>,
    /// Features of the driver's crate; for a driver in C, macros: FEATURE_QUIET for quiet
    #[arg(short = 'F', long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) features: Vec<String>,
}

/// The permission to change the system.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct InstallArgs {
    /// Install what is missing with the system's package manager
    #[arg(long)]
    pub(crate) install: bool,
}

impl InstallArgs {
    pub(crate) fn allowed(&self) -> Install {
        if self.install {
            Install::Allowed
        } else {
            Install::Refused
        }
    }
}

/// The checkout in which this program was compiled. In a copy of the checkout, the variable makes
/// cargo compile the program again.
const COMPILED_IN: (&str, Option<&str>) = (
    env!("CARGO_MANIFEST_DIR"),
    option_env!("LINUX_DRIVER_CHECKOUT"),
);
/// The checkout with which this program works, once it is found.
static WORKSPACE: OnceLock<PathBuf> = OnceLock::new();

/// Returns the folder of this workspace.
pub(crate) fn workspace() -> PathBuf {
    let found = WORKSPACE.get().map(PathBuf::as_path);
    let compiled = Path::new(COMPILED_IN.0);
    found
        .unwrap_or(compiled.parent().unwrap_or(compiled))
        .to_owned()
}

/// Finds the folder of this workspace. Must be called first, because every command uses files of
/// the workspace.
pub(crate) fn find_workspace() -> Result<()> {
    let compiled = Path::new(COMPILED_IN.0);
    let dir = workspace_of(
        std::env::current_exe().ok().as_deref(),
        compiled.parent().unwrap_or(compiled),
    )?;
    WORKSPACE.get_or_init(|| dir);
    Ok(())
}

/// Returns the workspace whose target folder contains the program `exe`, or else the one in which
/// it was compiled.
fn workspace_of(exe: Option<&Path>, compiled: &Path) -> Result<PathBuf> {
    let is_workspace = |dir: &Path| {
        let parts = [
            "Cargo.toml",
            "xtask/Cargo.toml",
            "sys/needed.toml",
            "headers/kernels.toml",
        ];
        parts.iter().all(|part| dir.join(part).is_file())
    };
    let around = exe
        .into_iter()
        .flat_map(Path::ancestors)
        .find(|dir| is_workspace(dir));
    if let Some(dir) = around {
        return Ok(dir.to_owned());
    }
    if is_workspace(compiled) {
        return Ok(compiled.to_owned());
    }
    Err(Error::new(
        exe.unwrap_or(Path::new("xtask")).display(),
        format_args!(
            "{}, the checkout of linux-driver in which this program was compiled: the program uses its sources",
            compiled.display()
        ),
        "the folder is missing or incomplete",
        "clone the repository to a permanent place, and run `cargo xtask` there, or `cargo install --path xtask` for use from anywhere",
    ))
}

/// Returns the path of this workspace's manifest.
pub(crate) fn manifest() -> PathBuf {
    workspace().join("Cargo.toml")
}

/// Rejects a kernel that is built here, because nobody else uses its ABI.
pub(crate) fn must_be_stock(spec: &KernelSpec) -> Result<()> {
    let Some(fragment) = &spec.config else {
        return Ok(());
    };
    Err(Error::new(
        &spec.name,
        "a kernel as its distribution built it",
        format_args!(
            "one that is built here with {}, to try drivers on",
            fragment.file.display()
        ),
        "name another kernel: `cargo xtask kernels` lists them; its own build tree can be given with --kdir",
    ))
}

/// Returns the kernels that are known by name.
pub(crate) fn catalogue() -> Result<Catalogue> {
    Catalogue::read(&workspace().join("headers/kernels.toml"))
}

impl KernelArgs {
    /// Chooses a kernel by its name.
    pub(crate) fn named(name: &str) -> Self {
        Self {
            kernel: Some(name.to_owned()),
            kdir: None,
        }
    }

    /// Returns the kernel. Fetches it if necessary, and requires the system's packages for
    /// building.
    pub(crate) fn kernel(&self, cache: &Cache, install: Install) -> Result<Kernel> {
        if let Some(dir) = &self.kdir {
            packages::require(&needs::to_build(None), install)?;
            return Kernel::of_tree(dir).map(noted);
        }
        let catalogue = catalogue()?;
        let name = self.kernel.as_deref().unwrap_or(catalogue.default_name());
        if name == RUNNING {
            packages::require(&needs::to_build(None), install)?;
            return Kernel::running().map(noted);
        }
        let spec = catalogue.get(name)?;
        // The packages to build a kernel here are needed only the first time.
        let is_built = !spec.is_stock() && acquire::fetched(cache, spec).is_some();
        packages::require(&needs::to_build((!is_built).then_some(spec)), install)?;
        acquire::fetch(cache, spec).map(noted)
    }
}

/// Prints the note about a kernel, if there is one, and returns the kernel.
fn noted(kernel: Kernel) -> Kernel {
    if let Some(note) = &kernel.note {
        linux_driver_host::progress::say(&format!("note: {}: {note}", kernel.name));
    }
    kernel
}

impl DriverArgs {
    /// Returns the driver's source: the named driver, or the one whose folder contains the current
    /// folder. The default is `edu` in the folder of this repository and in its folders that only
    /// hold drivers.
    pub(crate) fn source(&self) -> Result<DriverCrate> {
        let source = match (&self.manifest_path, &self.package) {
            (Some(manifest), package) => DriverCrate::find(manifest, package.as_deref())?,
            (None, Some(package)) => Self::named(package)?,
            (None, None) => Self::at_hand(&fs::current_dir()?, &workspace())?,
        };
        Ok(source.with_features(&self.features))
    }

    /// Returns a driver of the workspace around the current folder, or else of this one.
    fn named(package: &str) -> Result<DriverCrate> {
        let here = fs::current_dir()?;
        let manifest = here
            .ancestors()
            .map(|dir| dir.join(MANIFEST))
            .find(|path| path.is_file());
        let of_here =
            manifest.and_then(|manifest| DriverCrate::find(&manifest, Some(package)).ok());
        of_here.map_or_else(|| DriverCrate::find(&self::manifest(), Some(package)), Ok)
    }

    /// Returns the driver whose folder contains `dir`.
    fn at_hand(dir: &Path, workspace: &Path) -> Result<DriverCrate> {
        let workspace = workspace
            .canonicalize()
            .unwrap_or_else(|_| workspace.to_owned());
        for dir in dir.ancestors() {
            let manifest = dir.join(MANIFEST);
            if dir == workspace {
                return DriverCrate::find(&manifest, Some(DEFAULT_DRIVER));
            }
            if manifest.is_file() {
                return DriverCrate::find(&manifest, None);
            }
            if dir.starts_with(&workspace) && dir.join("Kbuild").is_file() {
                let name = dir.file_name().unwrap_or_default().to_string_lossy();
                return DriverCrate::find(&workspace.join(MANIFEST), Some(&name));
            }
        }
        Err(Error::new(
            dir.display(),
            "the folder of a driver, or a folder in it",
            "no Cargo.toml in this folder or above it",
            "run it in the driver's folder, or name the driver with -p or --manifest-path",
        ))
    }
}

/// The file that marks the folder of a crate.
const MANIFEST: &str = "Cargo.toml";

/// Returns a builder for this kernel.
pub(crate) fn builder(cache: &Cache, kernel: &Kernel, install: Install) -> Result<Builder> {
    let kbuild = Kbuild::of(kernel)?;
    Ok(Builder::new(cache.clone(), kbuild, install))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn checkout(dir: &Path) {
        for file in [
            "Cargo.toml",
            "xtask/Cargo.toml",
            "sys/needed.toml",
            "headers/kernels.toml",
        ] {
            let path = dir.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
    }

    #[test]
    fn the_workspace_is_that_of_the_program_or_where_it_was_compiled() {
        let dir = tempfile::tempdir().unwrap();
        let (old, copy) = (dir.path().join("old"), dir.path().join("copy"));
        checkout(&old);
        checkout(&copy);
        let of = |exe: &Path| workspace_of(Some(exe), &old);
        assert_eq!(of(&old.join("target/debug/xtask")).unwrap(), old);
        assert_eq!(of(&copy.join("target/debug/xtask")).unwrap(), copy);
        // The program was installed elsewhere.
        let installed = dir.path().join("bin/xtask");
        assert_eq!(of(&installed).unwrap(), old);
        // The checkout from which it was installed is gone.
        fs::remove_file(old.join("sys/needed.toml")).unwrap();
        let error = of(&installed).unwrap_err().to_string();
        assert!(
            error.contains(old.to_str().unwrap()) && error.contains("cargo install --path"),
            "{error}"
        );
    }

    /// Checks that a copy of the checkout, with its target folder, does not work in the old one.
    #[test]
    fn files_that_use_compiled_in_paths_are_compiled_again_in_a_copy() {
        let compiled = COMPILED_IN.1.map(Path::new);
        let here = Path::new(COMPILED_IN.0).parent();
        assert!(
            compiled
                .zip(here)
                .is_some_and(|(a, b)| a.join("xtask") == b.join("xtask")),
            "{COMPILED_IN:?}"
        );
        let mut seen = 0;
        let mut folders = vec![workspace()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                if path.is_dir() {
                    if name != "target" && !name.starts_with('.') {
                        folders.push(path);
                    }
                    continue;
                }
                if path.extension().is_none_or(|end| end != "rs") {
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap();
                let compiles_in = |name: &str| text.contains(&format!("env!(\"CARGO_{name}"));
                if ["MANIFEST_DIR", "TARGET_TMPDIR", "BIN_EXE"]
                    .iter()
                    .any(|name| compiles_in(name))
                {
                    let path = path.display();
                    let line = "const _: Option<&str> = option_env!(\"LINUX_DRIVER_CHECKOUT\");";
                    assert!(
                        text.contains("option_env!(\"LINUX_DRIVER_CHECKOUT\")"),
                        "{path}: add `{line}`"
                    );
                    seen += 1;
                }
            }
        }
        assert!(seen > 10, "{seen}");
    }
}
