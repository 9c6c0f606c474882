// SPDX-License-Identifier: GPL-2.0-only
//! Which kernel the bindings are for: one that was prepared, named by `LINUX_DRIVER_KERNEL_DIR`;
//! else a snapshot of a kernel's headers, named by `LINUX_DRIVER_KERNEL` or the catalogue's
//! default.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::snapshot;

const PREPARED: &str = "LINUX_DRIVER_KERNEL_DIR";

/// A kernel that bindings can be made for.
pub(crate) struct Kernel {
    /// What `uname -r` says under it.
    pub(crate) release: String,
    /// What messages call the place that it was read from.
    pub(crate) place: PathBuf,
    /// What to do if something is missing there.
    pub(crate) remedy: String,
    /// The C flags, as gcc takes them.
    pub(crate) cc_flags: Vec<String>,
    /// The name under which modpost finds an ID table, with `{module}`, `{type}` and `{table}` to
    /// fill in.
    pub(crate) device_table_symbol: String,
    /// The shims that there are, without their prefix.
    pub(crate) shims: Vec<String>,
}

/// What `linux-driver-kbuild` wrote of a kernel as `kernel.json`; its `prepare.rs` documents each
/// field.
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

    /// The kernel that was prepared in this folder.
    pub(crate) fn prepared(dir: &Path) -> Result<Self, String> {
        let path = dir.join("kernel.json");
        rerun_if_changed(&path);
        let kernel: Prepared = read(&path, "a kernel as `cargo xtask build` prepares it", |text| serde_json::from_str(text)).map_err(
            |e| format!("{e}\n  remedy:   let `cargo xtask build` prepare the kernel again; or unset {PREPARED} to check against a snapshot"),
        )?;
        Ok(Self {
            release: kernel.release,
            place: kernel.build_tree,
            remedy: "use a newer kernel if this one is older than that; if it is newer, it has changed: report it with its release"
                .to_owned(),
            cc_flags: kernel.cc_flags,
            device_table_symbol: kernel.device_table_symbol,
            shims: kernel.shims,
        })
    }

    /// The names of the shims, as C and the bindings have them.
    pub(crate) fn shims(&self) -> impl Iterator<Item = String> {
        self.shims.iter().map(|shim| format!("linux_driver_{shim}"))
    }

    /// The macro that names the symbol under which modpost finds an ID table.
    pub(crate) fn device_table_macro(&self) -> String {
        // `__mod_{type}__{table}_device_table` becomes
        // `concat!("__mod_", $type, "__", $table, "_device_table")`.
        let parts = self
            .device_table_symbol
            .replace('{', "\", $")
            .replace('}', ", \"");
        format!(
            "/// The symbol under which modpost finds the ID table `$table` of a module for the bus `$type`: what\n\
             /// `MODULE_DEVICE_TABLE` (`include/linux/module.h`) makes on this kernel.\n\
             #[macro_export]\n\
             macro_rules! device_table_symbol {{\n    \
                 ($module:expr, $type:literal, $table:literal) => {{ concat!(\"{parts}\") }};\n\
             }}\n"
        )
    }
}

/// The folder of this crate, as cargo says when this runs. A path that is compiled in would be that
/// of the checkout in which this was compiled: in a copy of it cargo sees no reason to compile it
/// again.
pub(crate) fn crate_dir() -> Result<PathBuf, String> {
    variable("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .ok_or_else(|| {
            "CARGO_MANIFEST_DIR is not set: this is a build script, for cargo to run".to_owned()
        })
}

/// Has cargo run this again when the file changes. Files of the repository are named relative to
/// the crate, so that what cargo keeps of it holds in a copy.
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

/// Reads a file. The error lacks the remedy.
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
