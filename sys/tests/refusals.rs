// SPDX-License-Identifier: GPL-2.0-only
//! The build script refuses bindings that lack what the safe layer stands on, and says what, where and what to do.

#[path = "../build/kernel.rs"]
#[expect(dead_code, reason = "the build script uses the rest")]
mod kernel;
#[path = "../build/needed.rs"]
#[expect(dead_code, reason = "the build script uses the rest")]
mod needed;

/// In the place of the build script's module of this name: only the version is asked for.
mod bindings {
    pub(crate) fn libclang() -> String {
        "clang version 99".to_owned()
    }
}

use kernel::Kernel;
use needed::{FUNCTIONS, Items, TYPES, check};

fn kernel() -> Kernel {
    let json = r#"{ "release": "6.12.0-test", "build_tree": "/tree", "cc_flags": [],
        "device_table_symbol": "__mod_device_table__kmod_{module}__{type}__{table}", "shims": ["bug"] }"#;
    serde_json::from_str(json).unwrap()
}

/// Bindings that hold all that is needed, with `fields` for one structure in the place of those that it should have.
fn bindings(name: &str, fields: &str) -> String {
    let good = [
        (
            "pci_driver",
            "name: (), id_table: (), probe: (), remove: (), driver: ()",
        ),
        (
            "pci_device_id",
            "vendor: (), device: (), subvendor: (), subdevice: (), class: (), class_mask: (), driver_data: ()",
        ),
        (
            "pci_dev",
            "dev: (), vendor: (), device: (), subsystem_vendor: (), subsystem_device: (), class: (), revision: (), resource: ()",
        ),
        ("device", "driver_data: (), driver: ()"),
        ("device_driver", "name: (), owner: ()"),
        ("bus_type", "name: ()"),
    ];
    let mut text = String::new();
    for of in TYPES {
        let whole = good
            .iter()
            .find(|(good, _)| good == of)
            .map_or("x: ()", |(_, fields)| fields);
        text.push_str(&format!(
            "pub struct {of} {{ {} }}\n",
            if *of == name { fields } else { whole }
        ));
    }
    text.push_str("unsafe extern \"C\" { pub fn linux_driver_bug();\n");
    for function in FUNCTIONS.iter().filter(|function| **function != name) {
        text.push_str(&format!("pub fn {function}();\n"));
    }
    text + "}\n"
}

fn refusal(text: &str) -> String {
    check(&Items::of(text).unwrap(), &kernel()).unwrap_err()
}

#[test]
fn whole_bindings_are_taken() {
    check(&Items::of(&bindings("", "")).unwrap(), &kernel()).unwrap();
}

#[test]
fn an_opaque_type_names_libclang() {
    let refusal = refusal(&bindings("device", "_bindgen_opaque_blob: [u64; 96]"));
    assert!(refusal.contains("struct device came out opaque"), "{refusal}");
    assert!(
        refusal.contains("clang version 99") && refusal.contains("LIBCLANG_PATH"),
        "{refusal}"
    );
    assert!(refusal.contains("6.12.0-test (/tree)"), "{refusal}");
}

#[test]
fn a_missing_field_is_named() {
    let refusal = refusal(&bindings("device", "driver: ()"));
    assert!(refusal.contains("device.driver_data is not there"), "{refusal}");
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
fn the_symbol_of_an_id_table_follows_the_kernel() {
    let text = kernel().device_table_macro();
    let expected = r#"concat!("__mod_device_table__kmod_", $module, "__", $type, "__", $table, "")"#;
    assert!(text.contains(expected), "{text}");
}
