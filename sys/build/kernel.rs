// SPDX-License-Identifier: GPL-2.0-only
//! Which kernel the bindings are for: `kernel.json` in the folder that `LINUX_DRIVER_KERNEL_DIR` names.

use std::path::PathBuf;

use serde::Deserialize;

const VARIABLE: &str = "LINUX_DRIVER_KERNEL_DIR";

/// What `linux-driver-kbuild` wrote of a kernel; its `prepare.rs` documents each field.
#[derive(Deserialize)]
pub(crate) struct Kernel {
    pub(crate) release: String,
    pub(crate) build_tree: PathBuf,
    pub(crate) cc_flags: Vec<String>,
    device_table_symbol: String,
    shims: Vec<String>,
}

impl Kernel {
    pub(crate) fn from_env() -> Result<Self, String> {
        println!("cargo::rerun-if-env-changed={VARIABLE}");
        let dir = std::env::var_os(VARIABLE).filter(|dir| !dir.is_empty()).map(PathBuf::from).ok_or_else(|| {
            format!("{VARIABLE}\n  expected: the folder of a prepared kernel\n  found:    the variable is not set\n  remedy:   build with `cargo xtask build -p CRATE`, which sets it; for an editor or a plain cargo call: `env $(cargo xtask env) cargo check`")
        })?;
        let path = dir.join("kernel.json");
        println!("cargo::rerun-if-changed={}", path.display());
        let remedy = "let `cargo xtask build` prepare the kernel again";
        let bad = |found: String| {
            format!(
                "{}\n  expected: a kernel as `cargo xtask build` prepares it\n  found:    {found}\n  remedy:   {remedy}",
                path.display()
            )
        };
        let text = std::fs::read_to_string(&path).map_err(|e| bad(e.to_string()))?;
        serde_json::from_str(&text).map_err(|e| bad(e.to_string()))
    }

    /// The names of the shims, as C and the bindings have them.
    pub(crate) fn shims(&self) -> impl Iterator<Item = String> {
        self.shims.iter().map(|shim| format!("linux_driver_{shim}"))
    }

    /// The macro that names the symbol under which modpost finds an ID table.
    pub(crate) fn device_table_macro(&self) -> String {
        // `__mod_{type}__{table}_device_table` becomes `concat!("__mod_", $type, "__", $table, "_device_table")`.
        let parts = self.device_table_symbol.replace('{', "\", $").replace('}', ", \"");
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
