// SPDX-License-Identifier: GPL-2.0-only
//! The folders that the commands work with: the sources of linux-driver, and the workspace whose
//! drivers are built and tried. In this repository both are the same. In a driver's own repository,
//! the sources are those of the crate `linux-driver-xtask`, which starts this program.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use linux_driver_host::{Error, Result, fs};

/// The folder of this crate when it was compiled. In a copy of the checkout, the variable makes
/// cargo compile the program again.
const COMPILED_IN: (&str, Option<&str>) = (
    env!("CARGO_MANIFEST_DIR"),
    option_env!("LINUX_DRIVER_CHECKOUT"),
);
/// The variable in which `linux-driver-xtask` names the driver's own repository.
const PROJECT: &str = "LINUX_DRIVER_PROJECT";
/// The folders, once they are found.
static FOUND: OnceLock<Folders> = OnceLock::new();

/// The folders that the commands work with.
#[derive(Debug, PartialEq, Eq)]
struct Folders {
    /// The sources of linux-driver.
    workspace: PathBuf,
    /// The workspace with the drivers.
    project: PathBuf,
}

/// Returns the folder of linux-driver's workspace.
pub(crate) fn workspace() -> PathBuf {
    FOUND
        .get()
        .map_or_else(|| compiled_in().to_owned(), |found| found.workspace.clone())
}

/// Returns the path of the manifest of linux-driver's workspace.
pub(crate) fn manifest() -> PathBuf {
    workspace().join("Cargo.toml")
}

/// Returns the folder of the workspace whose drivers the commands work with.
pub(crate) fn project() -> PathBuf {
    FOUND
        .get()
        .map_or_else(|| compiled_in().to_owned(), |found| found.project.clone())
}

/// Returns `true` in a driver's own repository.
pub(crate) fn is_outside() -> bool {
    workspace() != project()
}

/// Returns the target folder for the programs that are built from the sources of linux-driver: the
/// one in which this program was compiled. `None` is cargo's own choice, which is the same for a
/// checkout of the user. The sources of a git dependency are in cargo's folder, and nothing is
/// compiled there.
pub(crate) fn programs_target() -> Option<PathBuf> {
    let exe = std::env::current_exe().ok()?;
    let elsewhere = is_outside() && !exe.starts_with(workspace());
    // TARGET/debug/xtask
    let target = exe.ancestors().nth(2);
    target.filter(|_| elsewhere).map(Path::to_owned)
}

/// Finds the folders. Must be called first, because every command uses them.
pub(crate) fn find() -> Result<()> {
    let exe = std::env::current_exe().ok();
    let workspace = workspace_of(exe.as_deref(), compiled_in())?;
    let project = match std::env::var_os(PROJECT) {
        Some(dir) => fs::canonicalize(dir)?,
        None => workspace.clone(),
    };
    FOUND.get_or_init(|| Folders { workspace, project });
    Ok(())
}

/// Returns the workspace in which this crate was compiled.
fn compiled_in() -> &'static Path {
    let dir = Path::new(COMPILED_IN.0);
    dir.parent().unwrap_or(dir)
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
