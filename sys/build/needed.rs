// SPDX-License-Identifier: GPL-2.0-only
//! What the safe layer stands on: without one of these, bindings are refused.

use std::collections::{BTreeMap, BTreeSet};

use crate::bindings::libclang;
use crate::kernel::Kernel;

/// Structures, with what they hold by value.
pub(crate) const TYPES: &[&str] = &[
    "device_driver",
    "pci_driver",
    "pci_device_id",
    "device",
    "pci_dev",
    "bus_type",
    "module",
    "device_attribute",
];

/// Functions that the kernel exports under these names. Inline ones and macros have shims.
pub(crate) const FUNCTIONS: &[&str] = &[
    "__pci_register_driver",
    "pci_unregister_driver",
    "pcim_enable_device",
    "pci_set_master",
    "pci_clear_master",
    "devm_ioremap_resource",
    "pci_dev_get",
    "pci_dev_put",
    "get_device",
    "put_device",
    "kfree",
    "_printk",
    "_dev_printk",
];

/// Constants. The errno names are taken as a pattern.
pub(crate) const VARIABLES: &[&str] = &[
    "E[A-Z0-9_]+",
    "PCI_ANY_ID",
    "PCI_STD_NUM_BARS",
    "LINUX_DRIVER_GFP_KERNEL",
    "LINUX_DRIVER_GFP_ATOMIC",
    "__this_module",
];

/// Fields that the safe layer reads or writes.
const FIELDS: &[(&str, &[&str])] = &[
    ("pci_driver", &["name", "id_table", "probe", "remove", "driver"]),
    (
        "pci_device_id",
        &[
            "vendor",
            "device",
            "subvendor",
            "subdevice",
            "class",
            "class_mask",
            "driver_data",
        ],
    ),
    (
        "pci_dev",
        &[
            "dev",
            "vendor",
            "device",
            "subsystem_vendor",
            "subsystem_device",
            "class",
            "revision",
            "resource",
        ],
    ),
    ("device", &["driver_data", "driver"]),
    ("device_driver", &["name", "owner"]),
    ("bus_type", &["name"]),
];

/// What bindings hold: each structure's fields, and the functions.
pub(crate) struct Items {
    structs: BTreeMap<String, Vec<String>>,
    functions: BTreeSet<String>,
}

impl Items {
    pub(crate) fn of(bindings: &str) -> Result<Self, String> {
        let file = syn::parse_file(bindings).map_err(|e| format!("bindings.rs\n  expected: Rust\n  found:    {e}\n  remedy:   report this with the version of bindgen and of {}", libclang()))?;
        let mut items = Self {
            structs: BTreeMap::new(),
            functions: BTreeSet::new(),
        };
        for item in file.items {
            match item {
                syn::Item::Struct(item) => {
                    let fields = item
                        .fields
                        .iter()
                        .filter_map(|field| field.ident.as_ref().map(ToString::to_string));
                    items.structs.insert(item.ident.to_string(), fields.collect());
                }
                syn::Item::ForeignMod(block) => {
                    items.functions.extend(block.items.iter().filter_map(|item| match item {
                        syn::ForeignItem::Fn(function) => Some(function.sig.ident.to_string()),
                        _ => None,
                    }))
                }
                _ => {}
            }
        }
        Ok(items)
    }

    pub(crate) fn has_field(&self, of: &str, field: &str) -> bool {
        self.structs
            .get(of)
            .is_some_and(|fields| fields.iter().any(|name| name == field))
    }

    pub(crate) fn has_function(&self, name: &str) -> bool {
        self.functions.contains(name)
    }

    /// Whether the type came out as a blob: libclang did not understand it.
    fn is_opaque(&self, name: &str) -> bool {
        self.structs.get(name).is_some_and(|fields| {
            fields
                .iter()
                .any(|field| matches!(field.as_str(), "_bindgen_opaque_blob" | "_address" | "_unused"))
        })
    }
}

/// An error that lists all that is missing.
pub(crate) fn check(items: &Items, kernel: &Kernel) -> Result<(), String> {
    let mut missing = Vec::new();
    for &name in TYPES {
        if !items.structs.contains_key(name) {
            missing.push(format!("struct {name} is not there"));
        } else if items.is_opaque(name) {
            missing.push(format!("struct {name} came out opaque, without its fields"));
        }
    }
    for (of, fields) in FIELDS {
        let absent = fields
            .iter()
            .filter(|field| !items.is_opaque(of) && !items.has_field(of, field));
        missing.extend(absent.map(|field| format!("{of}.{field} is not there")));
    }
    for name in FUNCTIONS.iter().copied().map(str::to_owned).chain(kernel.shims()) {
        if !items.has_function(&name) {
            missing.push(format!("{name}() is not there"));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "bindings to {} ({})\n  expected: all that the safe layer uses\n  found:    {}\n  remedy:   if types are opaque, this libclang is at fault: try another (LIBCLANG_PATH; versions 14 to 19 are known to work); else this kernel has changed: report it with its release\n  libclang: {}",
        kernel.release,
        kernel.build_tree.display(),
        missing.join("\n            "),
        libclang()
    ))
}
