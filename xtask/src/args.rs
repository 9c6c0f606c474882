// SPDX-License-Identifier: GPL-2.0-only
//! Arguments that several commands take: which kernel, which driver, whether to install.

use std::path::{Path, PathBuf};

use clap::Args;
use linux_driver_host::packages::{self, Install};
use linux_driver_host::{Cache, Error, Result};
use linux_driver_kbuild::driver::{Builder, Source};
use linux_driver_kbuild::kernels::{self, Catalogue, Kernel, RUNNING, Spec};
use linux_driver_kbuild::make::Kbuild;

use crate::needs;

/// The driver that is meant where none is named.
const DEFAULT_DRIVER: &str = "edu";

/// Which kernel.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct KernelArgs {
    /// The kernel, by its name in `cargo xtask kernels`, or `running` [default: the catalogue's]
    #[arg(long, value_name = "NAME", conflicts_with = "kdir")]
    pub(crate) kernel: Option<String>,
    /// A kernel build tree, such as /lib/modules/RELEASE/build
    #[arg(long, value_name = "DIR")]
    pub(crate) kdir: Option<PathBuf>,
}

/// Which driver.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct DriverArgs {
    /// The driver: a crate of the workspace, or a folder of samples/ or tests/drivers/ with a Kbuild file [default: edu]
    #[arg(short, long, value_name = "NAME")]
    pub(crate) package: Option<String>,
    /// The Cargo.toml of a driver outside of this repository
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest_path: Option<PathBuf>,
    /// Features of its crate to build it with; for a driver in C, macros: FEATURE_QUIET for quiet
    #[arg(short = 'F', long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) features: Vec<String>,
}

/// Whether the system may be changed.
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

/// The folder of this workspace.
pub(crate) fn workspace() -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    dir.parent().unwrap_or(dir).to_owned()
}

/// The manifest of this workspace.
pub(crate) fn manifest() -> PathBuf {
    workspace().join("Cargo.toml")
}

/// An error for a kernel that is built here: its ABI is nobody's.
pub(crate) fn must_be_stock(spec: &Spec) -> Result<()> {
    let Some(fragment) = &spec.config else { return Ok(()) };
    Err(Error::new(
        &spec.name,
        "a kernel as its distribution built it",
        format_args!(
            "one that is built here with {}, for drivers to be tried on",
            fragment.file.display()
        ),
        "name another kernel: `cargo xtask kernels` lists them; its own build tree can be given with --kdir",
    ))
}

/// The kernels that are known by name.
pub(crate) fn catalogue() -> Result<Catalogue> {
    Catalogue::read(&workspace().join("headers/kernels.toml"))
}

impl KernelArgs {
    /// A kernel by its name.
    pub(crate) fn named(name: &str) -> Self {
        Self {
            kernel: Some(name.to_owned()),
            kdir: None,
        }
    }

    /// The kernel, fetched if need be, and all on the system that building for it takes.
    pub(crate) fn kernel(&self, cache: &Cache, install: Install) -> Result<Kernel> {
        if let Some(dir) = &self.kdir {
            packages::require(&needs::to_build(None), install)?;
            return Kernel::of_tree(dir).map(noted);
        }
        let catalogue = catalogue()?;
        let name = self.kernel.as_deref().unwrap_or(catalogue.default_name());
        if name == RUNNING {
            packages::require(&needs::to_build(None), install)?;
            return kernels::running().map(noted);
        }
        let spec = catalogue.get(name)?;
        // What a kernel is built here with is needed once.
        let is_built = !spec.is_stock() && kernels::fetched(cache, spec).is_some();
        packages::require(&needs::to_build((!is_built).then_some(spec)), install)?;
        kernels::fetch(cache, spec).map(noted)
    }
}

/// The same kernel, once what is to be known about it has been said.
fn noted(kernel: Kernel) -> Kernel {
    if let Some(note) = &kernel.note {
        linux_driver_host::progress::say(&format!("note: {}: {note}", kernel.name));
    }
    kernel
}

impl DriverArgs {
    /// The driver's source.
    pub(crate) fn source(&self) -> Result<Source> {
        let source = match (&self.manifest_path, &self.package) {
            (Some(manifest), package) => Source::find(manifest, package.as_deref())?,
            (None, package) => Source::find(&manifest(), Some(package.as_deref().unwrap_or(DEFAULT_DRIVER)))?,
        };
        Ok(source.with_features(&self.features))
    }
}

/// A builder for this kernel.
pub(crate) fn builder(cache: &Cache, kernel: &Kernel, install: Install) -> Result<Builder> {
    let kbuild = Kbuild {
        tree: kernel.tree()?,
        host: kernel.host.clone(),
    };
    Ok(Builder::new(cache.clone(), kbuild, install))
}
