// SPDX-License-Identifier: GPL-2.0-only
//! bindgen's call.

use crate::flags;
use crate::kernel::{Kernel, crate_dir};
use crate::needed::Needed;

/// The bindings to this kernel, as Rust.
pub(crate) fn generate(needed: &Needed, kernel: &Kernel) -> Result<String, String> {
    load_libclang()?;
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
            "{}\n  expected: headers that libclang reads\n  found:    {e}\n  remedy:   see what {} printed above; the headers are those of {}",
            header.display(),
            libclang(),
            kernel.place.display()
        )
    })?;
    Ok(text.to_string())
}

/// Types that are used only by address and contain a structure that bindgen cannot lay out. Without
/// CONFIG_SCHEDSTATS, `sched_statistics` in `task_struct` is empty but has an alignment.
const NOT_LOOKED_INTO: [&str; 2] = ["task_struct", "sched_statistics"];

/// The libclang that bindgen uses, by its own words.
pub(crate) fn libclang() -> String {
    bindgen::clang_version().full
}

/// bindgen loads libclang when it starts; without one it would panic.
fn load_libclang() -> Result<(), String> {
    clang_sys::load().map_err(|e| {
        format!(
            "libclang\n  expected: the library, to read the kernel's headers\n  found:    {e}\n  remedy:   install Debian's libclang1, or one of libclang1-14 to libclang1-23 (`cargo xtask doctor` names the one that there is), or set LIBCLANG_PATH to the folder of libclang.so"
        )
    })
}

/// Returns the Rust version of the bindings: the oldest one that compiles them.
fn rust_target() -> Result<bindgen::RustTarget, String> {
    bindgen::RustTarget::stable(85, 0).map_err(|e| format!("bindgen's Rust target: {e}"))
}
