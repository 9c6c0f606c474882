// SPDX-License-Identifier: GPL-2.0-only
//! Driving Kbuild: `make -C TREE M=DIR TARGET…`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use linux_driver_host::{Error, Result, process};

use crate::compiler::Compiler;
use crate::path::fit_for_make;
use crate::root::BuildHost;
use crate::tree::BuildTree;

/// Kbuild of one kernel, run on this host or in a build root.
#[derive(Debug, Clone)]
pub struct Kbuild {
    /// The kernel's build tree.
    pub tree: BuildTree,
    /// Where its tools run.
    pub host: BuildHost,
}

impl Kbuild {
    /// Runs make for the external module in `dir` and returns what it printed.
    pub fn make(&self, dir: &Path, targets: &[impl AsRef<OsStr>]) -> Result<String> {
        let mut make = self.make_command(dir, targets)?;
        let output = process::output(&mut make)?;
        let said = process::said(&output);
        if output.status.success() {
            Ok(said)
        } else {
            Err(process::failed(&make, output.status, &said))
        }
    }

    /// The same where errors of the compiler are an answer: what it printed, whether or not it succeeded.
    pub fn try_make(&self, dir: &Path, targets: &[impl AsRef<OsStr>]) -> Result<String> {
        Ok(process::said(&process::output(&mut self.make_command(dir, targets)?)?))
    }

    fn make_command(&self, dir: &Path, targets: &[impl AsRef<OsStr>]) -> Result<Command> {
        fit_for_make(
            dir,
            "a folder that Kbuild works in",
            "set LINUX_DRIVER_CACHE, or CARGO_TARGET_DIR, to a folder with such a path",
        )?;
        let mut make = self.command("make", &[dir]);
        make.arg("-C").arg(&self.tree.dir).arg(format!("M={}", dir.display()));
        forget_the_users_settings(&mut make);
        make.arg(format!(
            "-j{}",
            std::thread::available_parallelism().map_or(1, usize::from)
        ));
        // Type information of the module would be made by pahole from debug information, which the Rust part has none of.
        // No kernel needs it to load a module.
        make.arg("CONFIG_DEBUG_INFO_BTF_MODULES=");
        make.args(self.compiler_arguments()).args(targets);
        Ok(make)
    }

    /// What make is told of the kernel's compiler.
    pub(crate) fn compiler_arguments(&self) -> Vec<String> {
        Compiler::of(&self.tree.config).arguments(&self.tree, &self.host)
    }

    /// A command among the kernel's tools, which sees the kernel's tree and `dirs` at their own paths.
    pub fn command(&self, program: &str, dirs: &[&Path]) -> Command {
        let mut all: Vec<&Path> = vec![&self.tree.dir];
        all.extend(dirs);
        self.host.command(program, &all)
    }
}

/// What a user may have set for another kernel's build: Kbuild takes these from the environment.
const SETTINGS: [&str; 36] = [
    "AFLAGS_MODULE",
    "ARCH",
    "C",
    "CF",
    "CFLAGS_MODULE",
    "CROSS_COMPILE",
    "DEBIAN_KERNEL_USE_CCACHE",
    "GNUMAKEFLAGS",
    "HOSTCFLAGS",
    "HOSTLDFLAGS",
    "KAFLAGS",
    "KBUILD_ABS_SRCTREE",
    "KBUILD_CHECKSRC",
    "KBUILD_EXTMOD",
    "KBUILD_EXTRA_SYMBOLS",
    "KBUILD_EXTRA_WARN",
    "KBUILD_MODPOST_NOFINAL",
    "KBUILD_MODPOST_WARN",
    "KBUILD_OUTPUT",
    "KBUILD_VERBOSE",
    "KCFLAGS",
    "KCONFIG_CONFIG",
    "KCPPFLAGS",
    "KRUSTFLAGS",
    "LDFLAGS_MODULE",
    "LLVM",
    "LLVM_IAS",
    "LOCALVERSION",
    "MAKEFILES",
    "MAKEFLAGS",
    "MFLAGS",
    "MO",
    "O",
    "SUBARCH",
    "V",
    "W",
];

/// A user's own settings for another kernel's build must not leak into this one.
pub(crate) fn forget_the_users_settings(make: &mut Command) {
    for name in SETTINGS {
        make.env_remove(name);
    }
    make.env("LC_ALL", "C");
}

/// An error if Kbuild printed warnings: each one says that the module is not what it should be.
pub fn no_warnings(said: &str, module: &Path) -> Result<()> {
    let warnings: Vec<&str> = said
        .lines()
        .filter(|line| {
            let lower = line.to_ascii_lowercase();
            // Says that a module signed or built elsewhere may differ; nothing about this module.
            lower.contains("warning:") && !lower.contains("the compiler differs from the one used to build the kernel")
        })
        .collect();
    if warnings.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        module.display(),
        "no warning from the kernel's compiler, modpost and objtool",
        warnings.join("\n"),
        "mend what they name; a module with such a warning can fail where the kernel relies on the opposite",
    )
    .of_driver())
}

/// Writes a file unless it holds just that already: make goes by times.
pub(crate) fn write_if_changed(path: &Path, contents: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == contents) {
        return Ok(());
    }
    std::fs::write(path, contents).map_err(|e| Error::io(path, "write", &e))
}

/// Copies files into a folder under their own names, touching only those that differ.
pub(crate) fn copy_if_changed(files: &[PathBuf], dir: &Path) -> Result<()> {
    for file in files {
        let contents = std::fs::read(file).map_err(|e| Error::io(file, "read", &e))?;
        write_if_changed(&dir.join(file.file_name().unwrap_or_default()), &contents)?;
    }
    Ok(())
}
