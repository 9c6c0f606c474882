// SPDX-License-Identifier: GPL-2.0-only
//! Bindings of a kernel: made by bindgen, or those that a snapshot holds.

use std::path::Path;

use crate::flags;
use crate::kernel::{Kernel, crate_dir, rerun_if_changed};
use crate::needed::Needed;

/// Bindings, as Rust, and what made them.
pub(crate) struct Bindings {
    pub(crate) text: String,
    /// Names libclang with its version, or the file with stored bindings.
    pub(crate) made_by: String,
}

/// Returns the bindings to this kernel.
///
/// bindgen makes them. If libclang is missing, a snapshot's own `bindings.rs` is used.
pub(crate) fn of(needed: &Needed, kernel: &Kernel) -> Result<Bindings, String> {
    match (load_libclang(), &kernel.stored) {
        (Ok(()), _) => Ok(Bindings {
            text: generate(needed, kernel)?,
            made_by: bindgen::clang_version().full,
        }),
        (Err(_), Some(stored)) => read(stored),
        (Err(missing), None) => Err(missing),
    }
}

/// Reads the bindings that a snapshot holds, and says so: a build prints this line.
fn read(stored: &Path) -> Result<Bindings, String> {
    rerun_if_changed(stored);
    let text = std::fs::read_to_string(stored).map_err(|e| {
        format!(
            "{}\n  expected: the snapshot's bindings\n  found:    {e}\n  remedy:   see the message",
            stored.display()
        )
    })?;
    let made_by = stored.display().to_string();
    println!("cargo::warning=there is no libclang: the bindings are those stored in {made_by}");
    Ok(Bindings { text, made_by })
}

fn generate(needed: &Needed, kernel: &Kernel) -> Result<String, String> {
    let header = crate_dir()?.join("c/wrapper.h");
    let mut builder = bindgen::Builder::default()
        .header(header.to_string_lossy())
        .clang_args(flags::for_clang(&kernel.cc_flags))
        .use_core()
        .ctypes_prefix("::core::ffi")
        .rust_target(rust_target()?)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .layout_tests(true)
        .derive_debug(false)
        .derive_default(false)
        .generate_comments(false)
        .prepend_enum_name(false)
        .size_t_is_usize(true)
        .sort_semantically(true);
    for name in needed.types() {
        builder = builder.allowlist_type(name);
    }
    for name in NOT_LOOKED_INTO {
        if !needed.types().iter().any(|needed| needed.as_str() == name) {
            builder = builder.opaque_type(name);
        }
    }
    for name in needed.functions.iter().chain(&needed.probed.functions) {
        builder = builder.allowlist_function(name);
    }
    for name in kernel.shims() {
        builder = builder.allowlist_function(name);
    }
    for name in needed.constants().chain(needed.variables()) {
        builder = builder.allowlist_var(name);
    }
    let text = builder.generate().map_err(|e| {
        format!(
            "{}\n  \
             expected: headers that libclang reads\n  \
             found:    {e}\n  \
             remedy:   see what {} printed above; the headers are those of {}",
            header.display(),
            bindgen::clang_version().full,
            kernel.place.display()
        )
    })?;
    Ok(text.to_string())
}

/// Types that are used only by address and contain a structure that bindgen cannot lay out. Without
/// CONFIG_SCHEDSTATS, `sched_statistics` in `task_struct` is empty but has an alignment.
const NOT_LOOKED_INTO: [&str; 2] = ["task_struct", "sched_statistics"];

/// Loads libclang for bindgen, which would panic without it.
fn load_libclang() -> Result<(), String> {
    clang_sys::load().map_err(|e| {
        format!(
            "libclang\n  \
             expected: the library, to read the kernel's headers\n  \
             found:    {e}\n  \
             remedy:   install Debian's libclang1, or one of libclang1-14 to libclang1-23 (`cargo \
             xtask doctor` names the one that there is), or set LIBCLANG_PATH to the folder of \
             libclang.so"
        )
    })
}

/// Returns the Rust version of the bindings: the oldest one that compiles them.
fn rust_target() -> Result<bindgen::RustTarget, String> {
    bindgen::RustTarget::stable(85, 0).map_err(|e| format!("bindgen's Rust target: {e}"))
}
