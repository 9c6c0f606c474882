// SPDX-License-Identifier: GPL-2.0-only
//! The program `xtask` of a driver's own repository: [`main`].
//!
//! It compiles the command line of linux-driver from the sources that this crate is part of, with
//! their own `Cargo.lock`, and runs it. So the tool and the driver are of the same commit, the tool
//! has the dependencies that it was tested with, and all repositories share one compiled tool.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The folder of this crate. In a copy of the checkout, the variable makes cargo compile the crate
/// again.
const COMPILED_IN: (&str, Option<&str>) = (
    env!("CARGO_MANIFEST_DIR"),
    option_env!("LINUX_DRIVER_CHECKOUT"),
);

/// Runs the command line of linux-driver for the drivers of the repository that the program belongs
/// to. Returns only if it cannot be started.
///
/// # Examples
///
/// This is the program `xtask` of a driver's repository:
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     linux_driver_xtask::main()
/// }
/// ```
pub fn main() -> ExitCode {
    let error = match command() {
        Ok(mut command) => {
            let error = command.exec();
            format!(
                "{:?}\n  expected: cargo to start\n  found:    {error}\n  remedy:   run `cargo xtask`, which says where cargo is",
                command.get_program()
            )
        }
        Err(error) => error,
    };
    eprintln!("error: {error}");
    ExitCode::from(2)
}

/// Returns the command that compiles and runs the tool.
fn command() -> Result<Command, String> {
    let crate_dir = Path::new(COMPILED_IN.0);
    let sources = crate_dir.ancestors().nth(2).unwrap_or(crate_dir);
    let manifest = sources.join("Cargo.toml");
    if !sources.join("xtask/Cargo.toml").is_file() {
        return Err(format!(
            "{}\n  expected: the sources of linux-driver, in which this program was compiled\n  found:    the folder is missing or \
             incomplete\n  remedy:   compile it again with `cargo clean` and `cargo xtask`",
            sources.display()
        ));
    }
    let project = project(
        env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from),
        env::current_exe().ok(),
    )?;
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--quiet", "--package", "xtask", "--manifest-path"]);
    command.arg(&manifest);
    // The settings of the sources, as for `cargo xtask` in their own folder. Otherwise each of the
    // two would compile the tool again after the other.
    command
        .arg("--config")
        .arg(sources.join(".cargo/config.toml"));
    if let Some(target) = target(sources, |name| env::var_os(name)) {
        command.arg("--locked").arg("--target-dir").arg(target);
    }
    command.arg("--").args(env::args_os().skip(1));
    command.env("LINUX_DRIVER_PROJECT", project);
    Ok(command)
}

/// Returns the driver's repository: the workspace of the crate that `cargo run` runs, or the one
/// whose target folder contains this program.
fn project(crate_dir: Option<PathBuf>, exe: Option<PathBuf>) -> Result<PathBuf, String> {
    let is_project =
        |dir: &&Path| dir.join("Cargo.toml").is_file() && dir.join("xtask/Cargo.toml").is_file();
    let around = |path: &PathBuf| path.ancestors().find(is_project).map(Path::to_owned);
    let found = crate_dir.as_ref().and_then(around);
    found.or_else(|| exe.as_ref().and_then(around)).ok_or_else(|| {
        format!(
            "{}\n  expected: this program in the target folder of a workspace with a member xtask\n  found:    no such workspace \
             around it\n  remedy:   run `cargo xtask` in the driver's repository",
            exe.unwrap_or_default().display()
        )
    })
}

/// Returns the target folder for the tool, if its sources are in cargo's own folder, where nothing
/// else should be written. A checkout of the user has its own.
fn target(sources: &Path, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let dir = |name: &str| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let home = || dir("HOME");
    let cargo = dir("CARGO_HOME").or_else(|| Some(home()?.join(".cargo")))?;
    let cargo = cargo.canonicalize().unwrap_or(cargo);
    if !sources.starts_with(cargo) {
        return None;
    }
    let cache = dir("LINUX_DRIVER_CACHE")
        .or_else(|| Some(dir("XDG_CACHE_HOME")?.join("linux-driver")))
        .or_else(|| Some(home()?.join(".cache/linux-driver")))?;
    Some(cache.join("tool"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_project_is_around_the_crate_or_the_program() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("my-driver");
        fs::create_dir_all(own.join("xtask")).unwrap();
        for file in ["Cargo.toml", "xtask/Cargo.toml"] {
            fs::write(own.join(file), "").unwrap();
        }
        let (crate_dir, exe) = (own.join("xtask"), own.join("target/debug/xtask"));
        let elsewhere = dir.path().join("target/debug/xtask");
        assert_eq!(project(Some(crate_dir.clone()), None).unwrap(), own);
        assert_eq!(
            project(Some(crate_dir), Some(elsewhere.clone())).unwrap(),
            own
        );
        assert_eq!(project(None, Some(exe)).unwrap(), own);
        let error = project(None, Some(elsewhere)).unwrap_err();
        assert!(error.contains("run `cargo xtask`"), "{error}");
    }

    #[test]
    fn only_sources_in_cargos_folder_are_compiled_elsewhere() {
        let variable = |name: &str| match name {
            "HOME" => Some("/home/me".into()),
            "XDG_CACHE_HOME" => Some("".into()),
            _ => None,
        };
        let of = |sources: &str| target(Path::new(sources), variable);
        assert_eq!(of("/home/me/linux-driver"), None);
        assert_eq!(
            of("/home/me/.cargo/git/checkouts/linux-driver-0123/4567"),
            Some("/home/me/.cache/linux-driver/tool".into())
        );
        let moved = |name: &str| match name {
            "CARGO_HOME" => Some("/opt/cargo".into()),
            "LINUX_DRIVER_CACHE" => Some("/var/cache/drivers".into()),
            _ => None,
        };
        assert_eq!(
            target(Path::new("/opt/cargo/git/checkouts/a/b"), moved),
            Some("/var/cache/drivers/tool".into())
        );
    }
}
