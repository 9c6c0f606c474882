// SPDX-License-Identifier: GPL-2.0-only
//! Builds the programs that run inside the machine. The guest has no C library, so the programs are
//! linked with their own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use linux_driver_host::{Error, Result, fs, process};
use object::read::elf::{ElfFile64, ProgramHeader};
use serde::Deserialize;

/// The name of this crate's binary.
const NAME: &str = "linux-driver-init";
/// The name of the package with the programs that `exec` and `spawn` run, and of its binary.
const GUEST: &str = "linux-driver-guest";

/// Builds the program and returns its path. `manifest` is the `Cargo.toml` of linux-driver's
/// workspace, and `target` the target folder, if it is not the workspace's own. Builds only what
/// has changed.
pub fn build(manifest: &Path, target: Option<&Path>) -> Result<PathBuf> {
    build_static(manifest, target, env!("CARGO_PKG_NAME"), NAME)
}

/// Builds the program that `exec` and `spawn` run, and returns its path. A plan with such steps has
/// this program at [`GUEST_PATH`](crate::paths::GUEST_PATH).
pub fn build_guest(manifest: &Path, target: Option<&Path>) -> Result<PathBuf> {
    build_static(manifest, target, GUEST, GUEST)
}

/// Builds the program of a package of the driver's workspace, and returns its path.
pub fn build_of_driver(manifest: &Path, package: &str) -> Result<PathBuf> {
    build_static(manifest, None, package, package)
}

fn build_static(
    manifest: &Path,
    target: Option<&Path>,
    package: &str,
    name: &str,
) -> Result<PathBuf> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args([
        "rustc",
        "--quiet",
        "--release",
        "--message-format=json-render-diagnostics",
    ]);
    command.arg("--manifest-path").arg(manifest);
    if let Some(target) = target {
        command.arg("--target-dir").arg(target);
    }
    command.args(["--package", package, "--bin", name]);
    command.args(["--", "-Ctarget-feature=+crt-static", "-Cstrip=symbols"]);
    // The user's own flags are for the user's processor (`-Ctarget-cpu=native`). This program runs
    // on another one.
    command
        .env("CARGO_ENCODED_RUSTFLAGS", "")
        .stdin(Stdio::null());
    // The workspace's release profile is for code in the kernel. These programs mostly wait.
    for (name, value) in [
        ("OPT_LEVEL", "1"),
        ("DEBUG", "none"),
        ("CODEGEN_UNITS", "16"),
    ] {
        command.env(format!("CARGO_PROFILE_RELEASE_{name}"), value);
    }
    let said = process::run(&mut command)?;
    let path = executable(&said, name).ok_or_else(|| {
        Error::new(
            process::command_line(&command),
            format_args!("it to build {name}"),
            "no such program",
            "report this as a bug of linux-driver",
        )
    })?;
    check_static(&path)?;
    Ok(path)
}

/// Returns the program's path from cargo's messages, one JSON document a line.
fn executable(said: &str, name: &str) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        reason: String,
        target: Option<Target>,
        executable: Option<PathBuf>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
    }
    said.lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .find_map(|message| {
            let ours = message.reason == "compiler-artifact" && message.target?.name == name;
            message.executable.filter(|_| ours)
        })
}

/// Checks that a program is linked statically. Any other program needs an interpreter (the dynamic
/// linker) and could not start in the guest: the kernel would panic with `Requested init /init
/// failed (error -2)`.
fn check_static(path: &Path) -> Result<()> {
    let bytes = fs::read(path)?;
    let broken = |found: String| {
        Error::new(
            path.display(),
            "a statically linked program",
            found,
            "install libc6-dev; on a system without a static C library, use another",
        )
    };
    let elf =
        ElfFile64::<'_, object::Endianness>::parse(&*bytes).map_err(|e| broken(e.to_string()))?;
    let dynamic = elf
        .elf_program_headers()
        .iter()
        .any(|header| header.p_type(elf.endian()) == object::elf::PT_INTERP);
    if dynamic {
        Err(broken("one that needs the dynamic linker".to_owned()))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
    const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

    #[test]
    fn the_program_is_found_among_cargos_messages() {
        let said = r#"{"reason":"compiler-artifact","target":{"name":"libc"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"other"},"executable":"/t/other"}
{"reason":"compiler-artifact","target":{"name":"linux-driver-init"},"executable":"/t/linux-driver-init"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(said, NAME), Some("/t/linux-driver-init".into()));
        assert_eq!(executable("nothing", NAME), None);
    }

    #[test]
    fn a_program_with_an_interpreter_is_refused() {
        // The test itself is linked dynamically, as is the default.
        let error = check_static(&std::env::current_exe().unwrap())
            .unwrap_err()
            .to_string();
        assert!(error.contains("dynamic linker"), "{error}");
        let error = check_static(Path::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/Cargo.toml"
        )))
        .unwrap_err()
        .to_string();
        assert!(error.contains("statically linked"), "{error}");
    }
}
