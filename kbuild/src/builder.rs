// SPDX-License-Identifier: GPL-2.0-only
//! From a driver's source to a checked module.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use linux_driver_abi::symvers::Symvers;
use linux_driver_check as check;
use linux_driver_host::packages::Install;
use linux_driver_host::{Cache, Error, Result, fs, output, process};

use crate::arch::{self, Target};
use crate::compile::Compile;
use crate::driver_crate::{DriverCrate, Language};
use crate::host_crates::HostCrates;
use crate::link::{Symbols, link};
use crate::make::{Kbuild, copy_if_changed, no_warnings, write_if_changed};
use crate::prepare::{Prepared, prepare, used};
use crate::sysroot::{self, sysroot};
use crate::toolchain::Toolchain;
use crate::unseen;

/// Builds drivers for one kernel.
#[derive(Debug)]
pub struct Builder {
    cache: Cache,
    kbuild: Kbuild,
    install: Install,
}

/// The parts that must exist before a driver's own code is compiled.
struct Parts {
    toolchain: Toolchain,
    target: Target,
    sysroot: PathBuf,
    prepared: Prepared,
}

impl Parts {
    fn compile(&self, target_dir: PathBuf, features: Vec<String>) -> Compile<'_> {
        let Self {
            toolchain,
            target,
            sysroot,
            prepared,
        } = self;
        Compile {
            toolchain,
            target,
            sysroot,
            prepared,
            target_dir,
            features,
        }
    }
}

/// A module that was built and checked.
#[derive(Debug, Clone)]
pub struct Module {
    /// The module.
    pub ko: PathBuf,
    /// The report of the checks.
    pub report: check::Report,
}

/// The names of the members of a module whose driver is a crate. No driver can have these names.
const RUST_OBJECT: &str = "linux_driver_rust";
const SHIMS_OBJECT: &str = "linux_driver_shims";

/// The linker script with which Kbuild links the members. It extends ld's own script (`INSERT`),
/// and drops the section by which ftrace would find the shims, which are not traced. The Rust
/// object does not have that section either. Without ld's own script, two sections of one name with
/// different flags would both stay.
const MEMBERS_SCRIPT: &str = "linux_driver_members.lds";
const MEMBERS: &str =
    "SECTIONS { /DISCARD/ : { *(__patchable_function_entries) } } INSERT BEFORE .text;\n";

impl Builder {
    /// Returns a builder for this kernel.
    pub fn new(cache: Cache, kbuild: Kbuild, install: Install) -> Self {
        Self {
            cache,
            kbuild,
            install,
        }
    }

    /// Builds the driver and checks the module. After an error there is no module, not even an
    /// older one.
    pub fn build(&self, driver: &DriverCrate) -> Result<Module> {
        let dir = self.dir(driver)?;
        let _lock = lock(&dir)?;
        let ko = dir.join(format!("{}.ko", driver.module));
        let built = self.build_in(&dir, &ko, driver);
        if built.is_err() {
            let _ = fs::remove_file(&ko);
        }
        built
    }

    /// Returns the kernel as cargo's environment for `linux-driver-sys` has it.
    pub fn prepared(&self, sys: &Path) -> Result<Prepared> {
        prepare(&self.cache, &self.kbuild, sys)
    }

    /// Returns the rustc command for a crate that uses only the library of this manifest. It is for
    /// tests of code that must not compile.
    pub fn rustc(&self, library: &DriverCrate) -> Result<Command> {
        let Language::Rust { manifest, sys, .. } = &library.language else {
            return Err(Error::new(
                library.dir.display(),
                "a library in Rust",
                "C",
                "name a crate",
            ));
        };
        let parts = self.parts(library, manifest, sys)?;
        let (cargo_dir, _shared) = self.cargo_dir(library, &parts.toolchain, sys)?;
        let compile = parts.compile(cargo_dir, library.unstable_features()?);
        let rlib = compile.rlib(&library.name, manifest)?;
        Ok(compile.rustc(&rlib))
    }

    /// Returns the parts that must exist first. `core` is built on one processor. Meanwhile the
    /// other processors compile those of the driver's crates that run on this machine.
    fn parts(&self, driver: &DriverCrate, manifest: &Path, sys: &Path) -> Result<Parts> {
        let toolchain = Toolchain::find(self.install)?;
        let target = arch::target(&self.kbuild.tree)?;
        let prepared = prepare(&self.cache, &self.kbuild, sys)?;
        if let Some(sysroot) = sysroot::present(&self.cache, &toolchain, &target) {
            return Ok(Parts {
                toolchain,
                target,
                sysroot,
                prepared,
            });
        }
        let (cargo_dir, _shared) = self.cargo_dir(driver, &toolchain, sys)?;
        let place = sysroot::place(&self.cache, &toolchain, &target);
        let sysroot = std::thread::scope(|scope| {
            let core = scope.spawn(|| sysroot(&self.cache, &toolchain, &target));
            let compile = Compile {
                toolchain: &toolchain,
                target: &target,
                sysroot: &place,
                prepared: &prepared,
                target_dir: cargo_dir,
                features: driver.unstable_features()?,
            };
            let warm = compile.warm_up(&driver.name, manifest);
            let core = core
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            core.and_then(|core| warm.map(|()| core))
        })?;
        Ok(Parts {
            toolchain,
            target,
            sysroot,
            prepared,
        })
    }

    /// Returns where the driver is built for this kernel.
    fn dir(&self, driver: &DriverCrate) -> Result<PathBuf> {
        let key = linux_driver_host::cache::Key::new()
            .with(self.kbuild.tree.dir.to_string_lossy().as_bytes())
            .hex();
        let kernel = format!("{}-{}", self.kbuild.tree.release, &key[..8]);
        let dir = driver
            .target_dir
            .join("linux-driver")
            .join(kernel)
            .join(driver.folder());
        fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// Returns where cargo keeps what it builds for kernels, and the lock of that folder. A new
    /// folder gets the crates for this machine that other drivers have compiled.
    fn cargo_dir(
        &self,
        driver: &DriverCrate,
        toolchain: &Toolchain,
        sys: &Path,
    ) -> Result<(PathBuf, File)> {
        let dir = driver.target_dir.join("linux-driver/cargo");
        fs::create_dir_all(&dir)?;
        let lock = lock(&dir)?;
        HostCrates::new(&self.cache, toolchain, sys)?.put_into(&dir)?;
        Ok((dir, lock))
    }

    fn build_in(&self, dir: &Path, ko: &Path, driver: &DriverCrate) -> Result<Module> {
        let id_tables = match &driver.language {
            Language::Rust {
                manifest,
                sys,
                workspace,
            } => self.rust_members(dir, driver, manifest, sys, workspace)?,
            Language::C => {
                copy_c(driver, dir)?;
                Vec::new()
            }
        };
        let mut arguments = vec!["modules".to_owned()];
        if matches!(driver.language, Language::C) && !driver.features.is_empty() {
            let macros: Vec<String> = driver
                .features
                .iter()
                .map(|feature| feature_macro(feature))
                .collect();
            arguments.push(format!("KCFLAGS={}", macros.join(" ")));
        }
        let said = self
            .kbuild
            .make(dir, &arguments)
            .map_err(Error::of_driver)?;
        no_warnings(&said, ko)?;
        if !ko.is_file() {
            return Err(Error::new(
                dir.join("Kbuild").display(),
                format_args!(
                    "`obj-m := {}.o`: a module of the driver's name",
                    driver.module
                ),
                "Kbuild made no such module",
                "name the module in the Kbuild file as the folder, with _ for -",
            )
            .of_driver());
        }
        let report = check::check(ko, &self.kbuild.tree, &check::Expectations { id_tables })?;
        passed(&report, ko)?;
        Ok(Module {
            ko: ko.to_owned(),
            report,
        })
    }

    /// Makes the members of a module whose driver is a crate: the Rust object and the shims that it
    /// calls. Returns the buses for which it has ID tables.
    fn rust_members(
        &self,
        dir: &Path,
        driver: &DriverCrate,
        manifest: &Path,
        sys: &Path,
        workspace: &Path,
    ) -> Result<Vec<String>> {
        let parts = self.parts(driver, manifest, sys)?;
        // cargo gives the archives of all kernels the same name.
        let (cargo_dir, shared) = self.cargo_dir(driver, &parts.toolchain, sys)?;
        let features = driver.unstable_features()?;
        if !features.is_empty() {
            output::error_line(format_args!(
                "note: {}: unstable features are allowed: {}. Code that uses them can have undefined behaviour without `unsafe`, \
                 also under `forbid(unsafe_code)`",
                manifest.display(),
                features.join(", ")
            ));
        }
        let compiled = parts
            .compile(cargo_dir.clone(), features)
            .archive(driver, manifest)?;
        unseen::check(&compiled.of_driver(manifest, sys)?, workspace)?;
        let fresh = dir.join(format!("{RUST_OBJECT}.new"));
        link(&compiled.library, &fresh)?;
        HostCrates::new(&self.cache, &parts.toolchain, sys)?
            .keep(&cargo_dir, &compiled.host_crates)?;
        drop(shared);
        process::check_interrupted()?;

        let symbols = Symbols::read(&fresh)?;
        let symvers = Symvers::read(&self.kbuild.tree.symvers())?;
        let shims = symbols.shims();
        passed(
            &check::undefined(
                &fresh,
                &[&parts.prepared.dir.join("shims.o")],
                &symvers,
                &self.kbuild.tree.config,
            )?,
            manifest,
        )?;
        passed(&check::rust_object(&fresh, &symvers)?, manifest)?;
        if let Some(objtool) = &parts.prepared.kernel.objtool {
            self.objtool(objtool, dir, &fresh)?;
        }
        let object = fs::read(&fresh)?;
        write_if_changed(&dir.join(format!("{RUST_OBJECT}.o")), &object)?;
        fs::remove_file(&fresh)?;
        // Kbuild wants a record of how each object was made, also of one that it did not make.
        write_if_changed(&dir.join(format!(".{RUST_OBJECT}.o.cmd")), b"")?;
        write_shims(dir, &parts.prepared, &shims)?;
        let shims_object = if shims.is_empty() {
            String::new()
        } else {
            format!(" {SHIMS_OBJECT}.o")
        };
        let module = &driver.module;
        write_if_changed(&dir.join(MEMBERS_SCRIPT), MEMBERS.as_bytes())?;
        let members = format!(
            "obj-m := {module}.o\n{module}-y := {RUST_OBJECT}.o{shims_object}\nLDFLAGS_{module}.o := -T {}\n",
            dir.join(MEMBERS_SCRIPT).display()
        );
        write_if_changed(&dir.join("Kbuild"), members.as_bytes())?;
        Ok(symbols.id_tables(
            &parts
                .prepared
                .kernel
                .device_table_symbol
                .replace("{module}", module),
        ))
    }

    /// Runs objtool on an object that Kbuild did not compile, as it does on those that it compiles.
    fn objtool(&self, recorded: &[String], dir: &Path, object: &Path) -> Result<()> {
        let Some((program, arguments)) = recorded.split_first() else {
            return Ok(());
        };
        let mut objtool = self.kbuild.command(program, &[dir]);
        objtool.args(arguments).arg(object);
        let output = process::output(&mut objtool)?;
        let said = process::said(&output);
        if !output.status.success() {
            return Err(process::failed(&objtool, output.status, &said).of_driver());
        }
        no_warnings(&said, object)
    }
}

/// Returns an error with all that the checks found.
fn passed(report: &check::Report, place: &Path) -> Result<()> {
    if report.passed() {
        return Ok(());
    }
    let violations: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
    Err(Error::new(
        place.display(),
        "a module that the kernel accepts and that follows its rules",
        violations.join("\n"),
        "each violation names its own",
    )
    .of_driver())
}

fn write_shims(dir: &Path, prepared: &Prepared, shims: &[String]) -> Result<()> {
    copy_if_changed(&prepared.sources, dir)?;
    write_if_changed(&dir.join("shims_used.h"), used(shims).as_bytes())?;
    write_if_changed(
        &dir.join(format!("{SHIMS_OBJECT}.c")),
        b"#include \"shims.c\"\n",
    )
}

/// Copies a driver in C into the folder that it is built in, because Kbuild writes beside the
/// sources.
fn copy_c(driver: &DriverCrate, dir: &Path) -> Result<()> {
    let is_source = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name == "Kbuild")
            || path.extension().is_some_and(|end| end == "c" || end == "h")
    };
    let files: Vec<PathBuf> = fs::read_dir(&driver.dir)?
        .into_iter()
        .filter(is_source)
        .collect();
    copy_if_changed(&files, dir)
}

/// Returns a feature as an argument of a C compiler: `-DFEATURE_QUIET` for "quiet".
fn feature_macro(feature: &str) -> String {
    let name: String = feature
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect();
    format!("-DFEATURE_{name}")
}

/// Locks a folder, so that two builds of one driver for one kernel go one after the other.
fn lock(dir: &Path) -> Result<File> {
    linux_driver_host::cache::lock_file(&dir.join(".lock"))
}
