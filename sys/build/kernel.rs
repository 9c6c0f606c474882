// SPDX-License-Identifier: GPL-2.0-only
//! The kernel for which bindings are made. `LINUX_DRIVER_KERNEL_DIR` names a prepared kernel.
//! Without it, `LINUX_DRIVER_KERNEL` names a snapshot of a kernel's headers. Without both, the
//! default snapshot of the catalogue is used.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::snapshot;

const PREPARED: &str = "LINUX_DRIVER_KERNEL_DIR";

/// A kernel for which bindings can be made.
pub(crate) struct Kernel {
    /// Its release, which `uname -r` prints.
    pub(crate) release: String,
    /// Its folder, for messages.
    pub(crate) place: PathBuf,
    /// The remedy for messages about something that is missing.
    pub(crate) remedy: String,
    /// The C flags, as gcc takes them.
    pub(crate) cc_flags: Vec<String>,
    /// The name under which modpost finds an ID table, with `{module}`, `{type}` and `{table}` to
    /// fill in.
    pub(crate) device_table_symbol: String,
    /// The shims that there are, without their prefix.
    pub(crate) shims: Vec<String>,
    /// The bindings that a snapshot holds, for a machine without libclang.
    pub(crate) stored: Option<PathBuf>,
}

/// The contents of `kernel.json`, which `linux-driver-kbuild` writes for a kernel. Its `prepare.rs`
/// documents each field.
#[derive(Deserialize)]
struct Prepared {
    release: String,
    build_tree: PathBuf,
    cc_flags: Vec<String>,
    device_table_symbol: String,
    shims: Vec<String>,
}

impl Kernel {
    pub(crate) fn from_env() -> Result<Self, String> {
        println!("cargo::rerun-if-env-changed={PREPARED}");
        println!("cargo::rerun-if-env-changed={}", snapshot::VARIABLE);
        let crate_dir = crate_dir()?;
        match variable(PREPARED) {
            Some(dir) => Self::prepared(Path::new(&dir)),
            None => snapshot::kernel(
                &crate_dir.join("../headers"),
                &crate_dir.join("c"),
                variable(snapshot::VARIABLE),
            ),
        }
    }

    /// Reads the kernel that was prepared in this folder.
    pub(crate) fn prepared(dir: &Path) -> Result<Self, String> {
        let path = dir.join("kernel.json");
        rerun_if_changed(&path);
        let kernel: Prepared = read(
            &path,
            "a kernel as `cargo xtask build` prepares it",
            |text| serde_json::from_str(text),
        )
        .map_err(|e| {
            format!(
                "{e}\n  \
             remedy:   let `cargo xtask build` prepare the kernel again; or unset {PREPARED} to \
             check against a snapshot"
            )
        })?;
        Ok(Self {
            release: kernel.release,
            place: kernel.build_tree,
            remedy: "use a newer kernel if this one is older than that; if it is newer, it has \
             changed: report it with its release"
                .to_owned(),
            cc_flags: kernel.cc_flags,
            device_table_symbol: kernel.device_table_symbol,
            shims: kernel.shims,
            stored: None,
        })
    }

    /// Returns the names of the shims, as C and the bindings have them.
    pub(crate) fn shims(&self) -> impl Iterator<Item = String> {
        self.shims.iter().map(|shim| format!("linux_driver_{shim}"))
    }

    /// Returns the source of a macro that names the symbol under which modpost finds an ID table.
    pub(crate) fn device_table_macro(&self) -> String {
        // `__mod_{type}__{table}_device_table` becomes
        // `concat!("__mod_", $type, "__", $table, "_device_table")`.
        let parts = self
            .device_table_symbol
            .replace('{', "\", $")
            .replace('}', ", \"");
        format!(
            "/// Names the symbol under which modpost finds the ID table `$table` of a module for\n\
             /// the bus `$type`. `MODULE_DEVICE_TABLE` (`include/linux/module.h`) makes it.\n\
             #[macro_export]\n\
             macro_rules! device_table_symbol {{\n    \
                 ($module:expr, $type:literal, $table:literal) => {{ concat!(\"{parts}\") }};\n\
             }}\n"
        )
    }
}

/// Returns the folder of this crate, which cargo passes when this runs. A compiled-in path would
/// name the checkout in which this was compiled. In a copy of the checkout, cargo does not compile
/// this again.
pub(crate) fn crate_dir() -> Result<PathBuf, String> {
    variable("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .ok_or_else(|| {
            "CARGO_MANIFEST_DIR is not set: this is a build script, for cargo to run".to_owned()
        })
}

/// Tells cargo to run this again when the file changes. Files of the repository are named relative
/// to the crate, so that cargo's record is valid in a copy of the checkout.
pub(crate) fn rerun_if_changed(path: &Path) {
    let of_crate = crate_dir().ok();
    let relative = of_crate
        .as_ref()
        .and_then(|dir| path.strip_prefix(dir).ok());
    println!(
        "cargo::rerun-if-changed={}",
        relative.unwrap_or(path).display()
    );
}

fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Reads and parses a file. The error message has no remedy; the caller adds it.
pub(crate) fn read<T: DeserializeOwned, E: std::fmt::Display>(
    path: &Path,
    expected: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, String> {
    let bad = |found: String| {
        format!(
            "{}\n  expected: {expected}\n  found:    {}",
            path.display(),
            found.trim_end()
        )
    };
    let text = std::fs::read_to_string(path).map_err(|e| bad(e.to_string()))?;
    parse(&text).map_err(|e| bad(e.to_string()))
}
