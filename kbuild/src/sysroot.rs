// SPDX-License-Identifier: GPL-2.0-only
//! `core`, built with the kernel's own hardening, in a folder laid out as a sysroot.
//!
//! A precompiled `core` has neither return thunks nor `endbr64` and reaches its callees through the
//! GOT: it does not fit these kernels. `compiler_builtins` is an empty crate: the kernel has its
//! functions (`memcpy`) or does not want them (floating point).

use std::path::{Path, PathBuf};
use std::process::Command;

use linux_driver_host::cache::Key;
use linux_driver_host::progress::Progress;
use linux_driver_host::{Cache, Result, fs, process};

use crate::arch::Target;
use crate::toolchain::Toolchain;

/// rustc links this crate into everything.
const COMPILER_BUILTINS: &str =
    "#![feature(compiler_builtins)]\n#![compiler_builtins]\n#![no_std]\n";

/// Returns where the sysroot for this compiler and these flags is once it is built.
pub fn place(cache: &Cache, toolchain: &Toolchain, target: &Target) -> PathBuf {
    cache.entry_path("sysroot", target.triple, &key(toolchain, target))
}

/// Returns the sysroot if it is built.
pub fn present(cache: &Cache, toolchain: &Toolchain, target: &Target) -> Option<PathBuf> {
    cache.get("sysroot", target.triple, &key(toolchain, target))
}

/// Returns the sysroot for this compiler and these flags; built if the cache does not have it.
pub fn sysroot(cache: &Cache, toolchain: &Toolchain, target: &Target) -> Result<PathBuf> {
    let key = key(toolchain, target);
    if let Some(found) = cache.get("sysroot", target.triple, &key) {
        return Ok(found);
    }
    toolchain.accepts(target.triple, &target.flags)?;
    let step = Progress::start(format!(
        "building core {} for the kernel",
        toolchain.release()
    ));
    let place = cache.get_or_make("sysroot", target.triple, &key, |staging, _| {
        let lib = staging.join("lib/rustlib").join(target.triple).join("lib");
        fs::create_dir_all(&lib)?;
        let source = toolchain.library.join("core/src/lib.rs");
        let mut core = rlib(toolchain, target, "core");
        // The kernel has no floating point: its parsing and printing are left out, as the kernel's
        // own build does.
        core.args([
            "--cfg",
            "no_fp_fmt_parse",
            "-Copt-level=2",
            "-Ccodegen-units=1",
            "-Aunused",
            "--cap-lints=allow",
        ]);
        core.arg("-o")
            .arg(lib.join("libcore-kernel.rlib"))
            .arg(&source);
        process::run(&mut core)?;
        compiler_builtins(
            toolchain,
            target,
            staging,
            &lib.join("libcompiler_builtins-kernel.rlib"),
        )
    });
    drop(step);
    place
}

/// Compiles the empty crate against the `core` of this sysroot.
///
/// The result is the same in each folder. A crate's hash covers the paths of its files, and cargo
/// does not compile the crates that depend on it again when only the hash changes: rustc then no
/// longer finds them.
fn compiler_builtins(
    toolchain: &Toolchain,
    target: &Target,
    sysroot: &Path,
    rlib_file: &Path,
) -> Result<()> {
    let dir = fs::tempdir()?;
    let source = dir.path().join("compiler_builtins.rs");
    fs::write(&source, COMPILER_BUILTINS)?;
    let mut rustc = rlib(toolchain, target, "compiler_builtins");
    rustc
        .arg(format!(
            "--remap-path-prefix={}=/linux-driver",
            dir.path().display()
        ))
        .arg("--sysroot")
        .arg(sysroot)
        .arg("-o")
        .arg(rlib_file)
        .arg(&source);
    process::run(&mut rustc).map(drop)
}

/// Returns rustc with the arguments that both crates of the sysroot are compiled with.
fn rlib(toolchain: &Toolchain, target: &Target, name: &str) -> Command {
    let mut rustc = toolchain.command();
    rustc
        .args(["--crate-name", name])
        .args(["--edition", "2024", "--crate-type", "rlib"])
        .args(["--target", target.triple])
        .args(target.core_flags());
    rustc
}

fn key(toolchain: &Toolchain, target: &Target) -> Key {
    let key = Key::new()
        .with(&toolchain.version)
        .with(target.triple)
        .with(COMPILER_BUILTINS);
    target.core_flags().iter().fold(key, Key::with)
}

#[cfg(test)]
mod tests {
    use linux_driver_host::packages::Install;

    use super::*;

    #[test]
    fn the_crate_is_the_same_in_each_folder() {
        let toolchain = Toolchain::find(Install::Refused).unwrap();
        let mut rustc = Command::new(&toolchain.rustc);
        let sysroot = process::run(rustc.args(["--print", "sysroot"])).unwrap();
        // The toolchain has a `core` for the host.
        let target = Target {
            triple: "x86_64-unknown-linux-gnu",
            flags: Vec::new(),
        };
        let made = || {
            let dir = fs::tempdir().unwrap();
            let file = dir.path().join("lib.rlib");
            compiler_builtins(&toolchain, &target, Path::new(sysroot.trim()), &file).unwrap();
            std::fs::read(file).unwrap()
        };
        assert!(made() == made());
    }
}
