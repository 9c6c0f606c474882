// SPDX-License-Identifier: GPL-2.0-only
//! Tests that the build script refuses bindings that lack what the safe layer needs, and snapshots
//! that are missing or incomplete. The messages say what is wrong, where, and what to do.

#[path = "../build/flags.rs"]
mod flags;
#[path = "../build/kernel.rs"]
#[expect(dead_code, reason = "the build script uses the rest")]
mod kernel;
#[path = "../build/needed.rs"]
#[expect(dead_code, reason = "the build script uses the rest")]
mod needed;
#[path = "../build/snapshot.rs"]
mod snapshot;

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

use std::fs;
use std::path::Path;

use kernel::Kernel;
use needed::{Items, Needed, check};

fn needed() -> Needed {
    Needed::read().unwrap()
}

/// Returns a folder with a prepared kernel.
fn prepared() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let json = r#"{ "release": "6.12.0-test", "build_tree": "/tree", "cc_flags": [],
        "device_table_symbol": "__mod_device_table__kmod_{module}__{type}__{table}", "shims": ["bug"] }"#;
    fs::write(dir.path().join("kernel.json"), json).unwrap();
    dir
}

fn kernel() -> Kernel {
    Kernel::prepared(prepared().path()).unwrap()
}

/// Returns bindings with all that is needed, except for the item named `without`. If that is a
/// structure, it has `fields` instead of its own.
fn bindings(without: &str, fields: &str) -> String {
    let needed = needed();
    let mut text = String::new();
    for of in needed.types() {
        let whole = needed.fields.get(of).map_or_else(
            || "x: ()".to_owned(),
            |fields| fields.iter().map(|field| format!("{field}: (),")).collect(),
        );
        let fields = if of == without { fields } else { &whole };
        text.push_str(&format!("pub struct {of} {{ {fields} }}\n"));
    }
    for constant in needed.constants().filter(|name| *name != without) {
        text.push_str(&format!("pub const {constant}: u32 = 1;\n"));
    }
    text.push_str("unsafe extern \"C\" { pub fn linux_driver_bug();\n");
    for variable in needed.variables().filter(|name| *name != without) {
        text.push_str(&format!("pub static mut {variable}: module;\n"));
    }
    for function in needed.functions.iter().filter(|name| *name != without) {
        text.push_str(&format!("pub fn {function}();\n"));
    }
    text + "}\n"
}

fn refusal(text: &str) -> String {
    check(
        &needed(),
        &Items::of(text).unwrap(),
        &kernel(),
        "clang version 99",
    )
    .unwrap_err()
}

#[test]
fn flags_that_some_clangs_reject_are_not_passed_to_libclang() {
    // Kbuild passes these to clang 14 in 6.12. Newer versions of clang reject the last but one.
    let flags = [
        "-fshort-wchar",
        "-mstack-alignment=8",
        "-ftrivial-auto-var-init=zero",
        "-enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang",
        "-DMODULE",
    ]
    .map(str::to_owned);
    let passed = flags::for_clang(&flags);
    assert_eq!(
        passed[..3],
        ["-fshort-wchar", "-mstack-alignment=8", "-DMODULE"]
    );
    assert!(
        !passed.iter().any(|flag| flag.contains("auto-var-init")),
        "{passed:?}"
    );
}

#[test]
fn complete_bindings_are_accepted() {
    let items = Items::of(&bindings("", "")).unwrap();
    check(&needed(), &items, &kernel(), "clang version 99").unwrap();
}

#[test]
fn an_opaque_type_names_libclang() {
    let refusal = refusal(&bindings("device", "_bindgen_opaque_blob: [u64; 96]"));
    assert!(
        refusal.contains("struct device came out opaque"),
        "{refusal}"
    );
    assert!(
        refusal.contains("clang version 99") && refusal.contains("LIBCLANG_PATH"),
        "{refusal}"
    );
    assert!(refusal.contains("6.12.0-test (/tree)"), "{refusal}");
}

#[test]
fn a_missing_field_is_named() {
    let refusal = refusal(&bindings("device", "driver: ()"));
    assert!(
        refusal.contains("device.driver_data is not there"),
        "{refusal}"
    );
    assert!(!refusal.contains("device.driver is not there"), "{refusal}");
}

#[test]
fn a_missing_function_and_a_missing_shim_are_named() {
    let refusal_of_function = refusal(&bindings("pci_dev_get", ""));
    assert!(
        refusal_of_function.contains("pci_dev_get() is not there"),
        "{refusal_of_function}"
    );
    let refusal_of_shim = refusal(&bindings("", "").replace("pub fn linux_driver_bug();", ""));
    assert!(
        refusal_of_shim.contains("linux_driver_bug() is not there"),
        "{refusal_of_shim}"
    );
}

#[test]
fn missing_constants_and_variables_are_named() {
    let refusal_of_constant = refusal(&bindings("LINUX_DRIVER_GFP_KERNEL", ""));
    assert!(
        refusal_of_constant.contains("the constant LINUX_DRIVER_GFP_KERNEL is not there"),
        "{refusal_of_constant}"
    );
    let refusal_of_variable = refusal(&bindings("__this_module", ""));
    assert!(
        refusal_of_variable.contains("the variable __this_module is not there"),
        "{refusal_of_variable}"
    );
    let text = bindings("", "");
    let without: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("pub const"))
        .collect();
    let refusal_of_all = refusal(&without.join("\n"));
    assert!(
        refusal_of_all.contains("no constant is there"),
        "{refusal_of_all}"
    );
    assert!(!refusal_of_all.contains("EPERM"), "{refusal_of_all}");
}

#[test]
fn the_symbol_of_an_id_table_depends_on_the_kernel() {
    let text = kernel().device_table_macro();
    let expected =
        r#"concat!("__mod_device_table__kmod_", $module, "__", $type, "__", $table, "")"#;
    assert!(text.contains(expected), "{text}");
}

/// The file is missing, or is not a prepared kernel.
#[test]
fn a_missing_or_wrong_prepared_kernel_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let refusal = |dir: &Path| Kernel::prepared(dir).err().unwrap();
    let missing = refusal(dir.path());
    assert!(
        missing.contains("kernel.json") && missing.contains("cargo xtask build"),
        "{missing}"
    );
    fs::write(dir.path().join("kernel.json"), "{}").unwrap();
    let empty = refusal(dir.path());
    assert!(empty.contains("missing field `release`"), "{empty}");
}

// ---- snapshots ----

/// Returns a folder `headers` with a snapshot named `here` and this `snapshot.toml`.
fn headers(origin: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().join("snapshots/here");
    fs::create_dir_all(&here).unwrap();
    fs::write(dir.path().join("kernels.toml"), "default = \"here\"\n").unwrap();
    fs::write(here.join("snapshot.toml"), origin).unwrap();
    fs::write(here.join("kernel.h"), "").unwrap();
    dir
}

const WHOLE: &str = r#"
schema = 1
release = "6.12.0-test"
arch = "x86_64"
[build]
device_table_symbol = "__mod_{type}__{table}_device_table"
cc_flags = ["-funsigned-char"]
"#;

fn snapshot_of(headers: &Path, name: Option<&str>) -> Result<Kernel, String> {
    let c = Path::new(env!("CARGO_MANIFEST_DIR")).join("c");
    snapshot::kernel(headers, &c, name.map(Into::into))
}

#[test]
fn a_snapshot_is_found_by_name_or_as_the_default() {
    let dir = headers(WHOLE);
    for name in [None, Some("here")] {
        let kernel = snapshot_of(dir.path(), name).unwrap();
        assert_eq!(kernel.release, "6.12.0-test");
        assert!(kernel.place.ends_with("snapshots/here"));
        assert_eq!(kernel.cc_flags[0], "-funsigned-char");
        let defined = kernel.cc_flags.iter().any(|flag| {
            flag.starts_with("-DLINUX_DRIVER_SNAPSHOT=\"/")
                && flag.ends_with("/snapshots/here/kernel.h\"")
        });
        assert!(defined, "{:?}", kernel.cc_flags);
        assert!(kernel.shims().any(|shim| shim == "linux_driver_kmalloc"));
    }
}

#[test]
fn the_error_for_an_unknown_snapshot_names_the_known_ones() {
    let dir = headers(WHOLE);
    for name in ["there", "../snapshots/here", ".", ""] {
        let refusal = snapshot_of(dir.path(), Some(name)).err().unwrap();
        assert!(
            refusal.contains(&format!("a snapshot named {name:?}")),
            "{refusal}"
        );
        assert!(
            refusal.contains("those of here") && refusal.contains("LINUX_DRIVER_KERNEL"),
            "{refusal}"
        );
    }
    fs::remove_dir_all(dir.path().join("snapshots")).unwrap();
    let refusal = snapshot_of(dir.path(), None).err().unwrap();
    assert!(refusal.contains("no snapshot at all"), "{refusal}");
    assert!(
        refusal.contains("cargo xtask snapshot --kernel here"),
        "{refusal}"
    );
}

#[test]
fn bindings_are_not_made_from_a_snapshot_of_type_information_alone() {
    let dir = headers("schema = 1\nrelease = \"\"\narch = \"\"\n");
    let refusal = snapshot_of(dir.path(), None).err().unwrap();
    assert!(
        refusal.contains("without the kernel's headers"),
        "{refusal}"
    );
    assert!(
        refusal.contains("cargo xtask snapshot --kernel here"),
        "{refusal}"
    );
}

#[test]
fn a_snapshot_that_is_damaged_is_named() {
    let dir = headers("schema = \n");
    let refusal = snapshot_of(dir.path(), None).err().unwrap();
    assert!(
        refusal.contains("snapshot.toml") && refusal.contains("remedy"),
        "{refusal}"
    );
    let dir = headers(&WHOLE.replace("x86_64", "vax"));
    let refusal = snapshot_of(dir.path(), None).err().unwrap();
    assert!(
        refusal.contains("\"vax\"") && refusal.contains("aarch64"),
        "{refusal}"
    );
}
