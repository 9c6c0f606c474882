// SPDX-License-Identifier: GPL-2.0-only
//! Arguments that several commands share: the choice of kernel and driver, and `--install`.

use std::path::{Path, PathBuf};

use clap::Args;
use linux_driver_host::packages::{self, Install};
use linux_driver_host::{Cache, Error, Result, fs};
use linux_driver_kbuild::Kbuild;
use linux_driver_kbuild::{Builder, DriverCrate};
use linux_driver_kernels::{Catalogue, Kernel, KernelSpec, RUNNING, acquire};

use crate::folders::{is_outside, project, workspace};
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
    /// Kbuild file [default: the driver in whose folder the command runs; in the folder of
    /// linux-driver's repository, edu]
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
            (None, None) => Self::at_hand(&fs::current_dir()?, &project())?,
        };
        Ok(source.with_features(&self.features))
    }

    /// Returns a driver of the workspace around the current folder, or else of the project.
    fn named(package: &str) -> Result<DriverCrate> {
        let here = fs::current_dir()?;
        let manifest = here
            .ancestors()
            .map(|dir| dir.join(MANIFEST))
            .find(|path| path.is_file());
        let of_here =
            manifest.and_then(|manifest| DriverCrate::find(&manifest, Some(package)).ok());
        of_here.map_or_else(
            || DriverCrate::find(&project().join(MANIFEST), Some(package)),
            Ok,
        )
    }

    /// Returns the driver that commands in the workspace's own folder mean: `edu` in the repository
    /// of linux-driver. In another one it is the driver in that folder, or else the only one.
    fn default_of(manifest: &Path) -> Result<DriverCrate> {
        if !is_outside() {
            return DriverCrate::find(manifest, Some(DEFAULT_DRIVER));
        }
        let mut all = DriverCrate::all(manifest)?;
        let root = manifest.parent();
        if let Some(at) = all
            .iter()
            .position(|driver| Some(driver.dir.as_path()) == root)
        {
            return Ok(all.swap_remove(at));
        }
        match all.len() {
            1 => Ok(all.swap_remove(0)),
            count => Err(Error::new(
                manifest.display(),
                "one driver, or a name",
                format_args!("{count} drivers"),
                "run it in the driver's folder, or name the driver with -p",
            )),
        }
    }

    /// Returns the driver whose folder contains `dir`.
    fn at_hand(dir: &Path, workspace: &Path) -> Result<DriverCrate> {
        let workspace = workspace
            .canonicalize()
            .unwrap_or_else(|_| workspace.to_owned());
        // The program that runs this is not a driver.
        let dir = match dir.strip_prefix(workspace.join("xtask")) {
            Ok(_) => &workspace,
            Err(_) => dir,
        };
        for dir in dir.ancestors() {
            let manifest = dir.join(MANIFEST);
            if dir == workspace {
                return Self::default_of(&manifest);
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
