// SPDX-License-Identifier: GPL-2.0-only
//! Calls Kbuild: `make -C TREE M=DIR TARGET…`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use linux_driver_host::path::fit_for_make;
use linux_driver_host::{Error, Result, fs, process};
use linux_driver_kernels::{BuildHost, BuildTree, Compiler, Kernel, forget_the_users_settings};

/// Kbuild of one kernel, run on this host or in a build root.
#[derive(Debug, Clone)]
pub struct Kbuild {
    /// The kernel's build tree.
    pub tree: BuildTree,
    /// The host that its tools run on.
    pub host: BuildHost,
}

impl Kbuild {
    /// Returns the Kbuild of this kernel.
    ///
    /// # Errors
    /// If the kernel's build tree is not complete.
    pub fn of(kernel: &Kernel) -> Result<Self> {
        Ok(Self {
            tree: kernel.tree()?,
            host: kernel.host.clone(),
        })
    }

    /// Runs make for the external module in `dir` and returns what it printed. A printed error
    /// counts even if the exit code is 0: objtool prints some errors and goes on, and `make` then
    /// succeeds.
    pub fn make(&self, dir: &Path, targets: &[impl AsRef<OsStr>]) -> Result<String> {
        let mut make = self.make_command(dir, targets)?;
        let output = process::output(&mut make)?;
        let said = process::said(&output);
        if output.status.success() {
            no_lines(&said, &dir.display().to_string(), &[ERROR])?;
            Ok(said)
        } else {
            Err(process::failed(&make, output.status, &said))
        }
    }

    /// Runs make in the same way, and returns what it printed, even if the compiler reported
    /// errors.
    pub fn try_make(&self, dir: &Path, targets: &[impl AsRef<OsStr>]) -> Result<String> {
        Ok(process::said(&process::output(
            &mut self.make_command(dir, targets)?,
        )?))
    }

    fn make_command(&self, dir: &Path, targets: &[impl AsRef<OsStr>]) -> Result<Command> {
        fit_for_make(
            dir,
            "a folder that Kbuild works in",
            "set LINUX_DRIVER_CACHE, or CARGO_TARGET_DIR, to a folder with such a path",
        )?;
        let mut make = self.command("make", &[dir]);
        make.arg("-C")
            .arg(&self.tree.dir)
            .arg(format!("M={}", dir.display()));
        forget_the_users_settings(&mut make);
        make.arg(format!(
            "-j{}",
            std::thread::available_parallelism().map_or(1, usize::from)
        ));
        // pahole would make type information of the module from its debug information, and has to
        // be told to leave out Rust's. No kernel needs it to load a module.
        make.arg("CONFIG_DEBUG_INFO_BTF_MODULES=");
        make.args(self.compiler_arguments()).args(targets);
        Ok(make)
    }

    /// Returns make's arguments for the kernel's compiler.
    pub(crate) fn compiler_arguments(&self) -> Vec<String> {
        Compiler::of(&self.tree.config).arguments(&self.tree, &self.host)
    }

    /// Returns a command that runs with the kernel's tools. It sees the kernel's tree and `dirs` at
    /// their own paths.
    pub fn command(&self, program: &str, dirs: &[&Path]) -> Command {
        let mut all: Vec<&Path> = vec![&self.tree.dir];
        all.extend(dirs);
        self.host.command(program, &all)
    }
}

/// The marks of the compiler, modpost and objtool in a line. They may be in upper or lower case.
const WARNING: &str = "warning:";
const ERROR: &str = "error:";

/// Returns an error if Kbuild printed warnings or errors: each one says that the module is not what
/// it should be.
pub fn no_warnings(said: &str, module: &Path) -> Result<()> {
    no_lines(said, &module.display().to_string(), &[WARNING, ERROR]).map_err(Error::of_driver)
}

/// Returns an error if a line holds one of these marks.
fn no_lines(said: &str, place: &str, marks: &[&str]) -> Result<()> {
    let marked: Vec<&str> = said
        .lines()
        .filter(|line| {
            let lower = line.to_ascii_lowercase();
            // This warning is about modules that are built elsewhere; it says nothing about this
            // module.
            marks.iter().any(|mark| lower.contains(mark))
                && !lower.contains("the compiler differs from the one used to build the kernel")
        })
        .collect();
    if marked.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        place,
        "no warning or error from the kernel's compiler, modpost and objtool",
        marked.join("\n"),
        "correct the code that they name; the kernel can rely on the absence of such a fault",
    ))
}

/// Writes a file unless it has these contents already: make decides by times.
pub(crate) fn write_if_changed(path: &Path, contents: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == contents) {
        return Ok(());
    }
    fs::write(path, contents)
}

/// Copies files into a folder under their own names, touching only those that differ.
pub(crate) fn copy_if_changed(files: &[PathBuf], dir: &Path) -> Result<()> {
    for file in files {
        let contents = fs::read(file)?;
        write_if_changed(&dir.join(file.file_name().unwrap_or_default()), &contents)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux_driver_host::Blame;

    const OBJTOOL: &str = "rust.o: error: objtool: Linked object detected, forcing --link";

    #[test]
    fn a_message_counts_whatever_the_exit_code() {
        let judge = |said: &str| no_warnings(said, Path::new("a.ko"));
        for line in [
            OBJTOOL,
            "WARNING: modpost: missing MODULE_DESCRIPTION()",
            "a.c:1:2: warning: unused",
        ] {
            let error = judge(&format!("  CC [M]  a.o\n{line}\n  LD [M]  a.ko\n")).unwrap_err();
            assert!(error.to_string().contains(line), "{error}");
            assert_eq!(error.blame(), Blame::Driver);
        }
        judge("  CC [M]  error.o\nwarning: the compiler differs from the one used to build the kernel\n").unwrap();
    }

    #[test]
    fn an_error_of_a_make_that_succeeds_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        // A build tree whose Makefile does what objtool does.
        let makefile = format!("all:\n\t@echo '{OBJTOOL}' >&2\nquiet:\n\t@echo 'warning: x'\n");
        for (file, text) in [
            ("Makefile", makefile.as_str()),
            (".config", "CONFIG_X86_64=y\n"),
            ("include/generated/autoconf.h", ""),
            (
                "include/generated/utsrelease.h",
                "#define UTS_RELEASE \"6.12.0\"\n",
            ),
            ("Module.symvers", ""),
        ] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let kbuild = Kbuild {
            tree: BuildTree::open(dir.path()).unwrap(),
            host: BuildHost::Native,
        };
        let error = kbuild.make(dir.path(), &["all"]).unwrap_err().to_string();
        assert!(error.contains(OBJTOOL), "{error}");
        kbuild.make(dir.path(), &["quiet"]).unwrap();
    }
}
