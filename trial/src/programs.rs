// SPDX-License-Identifier: GPL-2.0-only
//! The programs and files in the machine: the tool's own, and those of the drivers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use linux_driver_host::{Error, Result, fs, process};
use linux_driver_kbuild::{DriverCrate, Language};
use linux_driver_vm::{GuestFile, init_program};

use crate::manifest::FILE;
use crate::settings::Settings;

/// The programs and files in the machine.
pub struct Programs {
    /// The machine's first process.
    pub(crate) init: PathBuf,
    /// The program with the commands of linux-driver's own tests, if a step runs one.
    pub(crate) guest: Option<PathBuf>,
    /// The programs and files of each driver, by the driver's folder.
    of_drivers: BTreeMap<PathBuf, Vec<GuestFile>>,
}

impl Programs {
    /// Builds the programs. Builds those for user space only if a step of a driver needs them.
    /// `manifest` is the `Cargo.toml` of linux-driver's workspace, and `target` the target folder,
    /// if it is not the workspace's own.
    ///
    /// # Errors
    ///
    /// Fails if cargo or the C compiler cannot build them, or if a file of a driver is missing.
    pub fn build<'a>(
        manifest: &Path,
        target: Option<&Path>,
        drivers: impl IntoIterator<Item = (&'a DriverCrate, &'a Settings)>,
    ) -> Result<Self> {
        let mut runs_commands = false;
        let mut of_drivers = BTreeMap::new();
        for (source, settings) in drivers {
            runs_commands |= settings.runs_commands();
            must_be_free(source, settings)?;
            let programs = settings.programs.iter().map(|name| program(source, name));
            let files = settings.files.iter().map(|name| data(source, name));
            let of_driver: Vec<GuestFile> = programs.chain(files).collect::<Result<_>>()?;
            of_drivers.insert(source.dir.clone(), of_driver);
        }
        Ok(Self {
            init: init_program::build(manifest, target)?,
            guest: runs_commands
                .then(|| init_program::build_guest(manifest, target))
                .transpose()?,
            of_drivers,
        })
    }

    /// Returns the driver's own programs and files.
    pub(crate) fn of_driver(&self, source: &DriverCrate) -> &[GuestFile] {
        self.of_drivers.get(&source.dir).map_or(&[], Vec::as_slice)
    }
}

/// Returns the error for an entry of a driver's `trial.toml`.
fn wrong(
    source: &DriverCrate,
    key: &str,
    expected: &str,
    found: impl std::fmt::Display,
    remedy: &str,
) -> Error {
    let place = source.dir.join(FILE);
    Error::new(
        format_args!("{}: {key}", place.display()),
        expected,
        found,
        remedy,
    )
}

/// Names in the machine's root folder that are taken, besides the module's.
const TAKEN: [&str; 8] = [
    "dev",
    "guest",
    "init",
    "job.json",
    "proc",
    "sys",
    "tmp",
    "wait.json",
];

/// Returns an error if two programs or files have one name in the machine, or one that is taken.
fn must_be_free(source: &DriverCrate, settings: &Settings) -> Result<()> {
    let module = format!("{}.ko", source.module);
    let mut seen: Vec<String> = TAKEN.map(str::to_owned).to_vec();
    seen.push(module);
    let of = |key: &'static str, entries: &[String]| {
        let named = entries.iter().map(|entry| (key, entry.clone()));
        named.collect::<Vec<_>>()
    };
    let programs = of("programs", &settings.programs);
    for (key, entry) in programs.into_iter().chain(of("files", &settings.files)) {
        let path = Path::new(&entry);
        let name = if key == "programs" {
            path.file_stem()
        } else {
            path.file_name()
        };
        let name = name.unwrap_or_default().to_string_lossy().into_owned();
        if seen.contains(&name) {
            return Err(wrong(
                source,
                key,
                "names that nothing else has in the machine",
                format_args!("{entry:?}, which is /{name} there, as another file is"),
                "rename it",
            ));
        }
        seen.push(name);
    }
    Ok(())
}

/// Returns a file of the driver. The machine has it in its root folder.
fn data(source: &DriverCrate, name: &str) -> Result<GuestFile> {
    let path = source.dir.join(name);
    let file_name = path.file_name().filter(|_| path.is_file());
    let Some(file_name) = file_name else {
        return Err(wrong(
            source,
            "files",
            "files of the driver's folder",
            format_args!("{name:?}, which is not a file"),
            "correct the path, or make the file",
        ));
    };
    Ok(GuestFile {
        path: format!("/{}", file_name.to_string_lossy()),
        source: path,
    })
}

/// Builds a program of the driver.
fn program(source: &DriverCrate, name: &str) -> Result<GuestFile> {
    let path = Path::new(name);
    if path.extension().is_some_and(|end| end == "c") {
        return in_c(source, &source.dir.join(path));
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_package =
        name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(is_plain);
    let (true, Language::Rust { workspace, .. }) = (is_package, &source.language) else {
        return Err(wrong(
            source,
            "programs",
            "C files (`tests/poke.c`), and packages of the driver's workspace",
            format_args!("{name:?}"),
            "correct the entry; other files belong into `files`",
        ));
    };
    Ok(GuestFile {
        path: format!("/{name}"),
        source: init_program::build_of_driver(&workspace.join("Cargo.toml"), name).map_err(
            |e| {
                wrong(
                    source,
                    "programs",
                    "packages of the driver's workspace, each with a program of the same name",
                    format_args!("{name:?}, which cannot be built:\n{e}"),
                    "correct the entry or the package",
                )
                .of_driver()
            },
        )?,
    })
}

/// Compiles a C file of the driver, and links it statically.
fn in_c(source: &DriverCrate, file: &Path) -> Result<GuestFile> {
    if !file.is_file() {
        return Err(wrong(
            source,
            "programs",
            "C files of the driver's folder",
            format_args!("{}, which is not a file", file.display()),
            "correct the path, or make the file",
        ));
    }
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let dir = source
        .target_dir
        .join("linux-driver/programs")
        .join(&source.name);
    fs::create_dir_all(&dir)?;
    let out = dir.join(&*name);
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let compiler = cc::Build::new()
        .target(&target)
        .host(&target)
        .opt_level(2)
        .cargo_metadata(false)
        .try_get_compiler()
        .map_err(|e| {
            Error::new(
                file.display(),
                "a C compiler",
                e,
                "install gcc and libc6-dev",
            )
        })?;
    let mut command: Command = compiler.to_command();
    command.args(["-static", "-Wall", "-o"]).arg(&out).arg(file);
    let output = process::output(&mut command)?;
    if !output.status.success() {
        return Err(Error::new(
            file.display(),
            "a program in C that compiles and links statically",
            process::said(&output),
            "correct it; it may use the C library, and no other one",
        )
        .of_driver());
    }
    Ok(GuestFile {
        path: format!("/{name}"),
        source: out,
    })
}
