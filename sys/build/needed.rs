// SPDX-License-Identifier: GPL-2.0-only
//! Checks that bindings contain all that the safe layer needs, and refuses them otherwise.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::kernel::Kernel;

/// The contents of `needed.toml`, whose comments document each field.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Needed {
    types: Vec<String>,
    /// The shims bring these into the bindings.
    #[expect(dead_code, reason = "for snapshots")]
    typedefs: Vec<String>,
    /// The functions that take these bring them into the bindings.
    #[expect(dead_code, reason = "for snapshots")]
    enums: Vec<String>,
    pub(crate) functions: Vec<String>,
    variables: BTreeMap<String, String>,
    pub(crate) fields: BTreeMap<String, Vec<String>>,
    constants: Constants,
    pub(crate) probed: Probed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Constants {
    plain: Vec<String>,
    typed: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Probed {
    pub(crate) functions: Vec<String>,
    pub(crate) fields: BTreeMap<String, Vec<String>>,
}

impl Needed {
    pub(crate) fn read() -> Result<Self, String> {
        toml::from_str(include_str!("../needed.toml")).map_err(|e| {
            format!(
                "sys/needed.toml\n  \
             expected: what the comments in it describe\n  \
             found:    {e}\n  \
             remedy:   correct that line"
            )
        })
    }

    /// Returns the structures that are listed, and those whose fields are read or written.
    pub(crate) fn types(&self) -> BTreeSet<&String> {
        self.types.iter().chain(self.fields.keys()).collect()
    }

    pub(crate) fn constants(&self) -> impl Iterator<Item = &String> {
        self.constants
            .plain
            .iter()
            .chain(self.constants.typed.keys())
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = &String> {
        self.variables.keys()
    }
}

/// The items of bindings: each structure with its fields, functions, constants and variables.
pub(crate) struct Items {
    structs: BTreeMap<String, Vec<String>>,
    functions: BTreeSet<String>,
    values: BTreeSet<String>,
}

impl Items {
    pub(crate) fn of(bindings: &str) -> Result<Self, String> {
        let file = syn::parse_file(bindings).map_err(|e| {
            format!(
                "bindings.rs\n  \
         expected: Rust\n  \
         found:    {e}\n  \
         remedy:   report this with the versions of bindgen and libclang"
            )
        })?;
        let mut items = Self {
            structs: BTreeMap::new(),
            functions: BTreeSet::new(),
            values: BTreeSet::new(),
        };
        for item in file.items {
            match item {
                syn::Item::Struct(item) => {
                    let fields = item
                        .fields
                        .iter()
                        .filter_map(|field| field.ident.as_ref().map(ToString::to_string));
                    items
                        .structs
                        .insert(item.ident.to_string(), fields.collect());
                }
                syn::Item::Const(item) => {
                    items.values.insert(item.ident.to_string());
                }
                syn::Item::ForeignMod(block) => {
                    for item in block.items {
                        match item {
                            syn::ForeignItem::Fn(function) => {
                                items.functions.insert(function.sig.ident.to_string())
                            }
                            syn::ForeignItem::Static(variable) => {
                                items.values.insert(variable.ident.to_string())
                            }
                            _ => false,
                        };
                    }
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

    /// Returns true if the type is an opaque blob: libclang did not understand it.
    fn is_opaque(&self, name: &str) -> bool {
        self.structs.get(name).is_some_and(|fields| {
            fields.iter().any(|field| {
                matches!(
                    field.as_str(),
                    "_bindgen_opaque_blob" | "_address" | "_unused"
                )
            })
        })
    }
}

/// Returns an error that lists everything that is missing.
pub(crate) fn check(
    needed: &Needed,
    items: &Items,
    kernel: &Kernel,
    made_by: &str,
) -> Result<(), String> {
    let mut missing = Vec::new();
    for name in needed.types() {
        if !items.structs.contains_key(name) {
            missing.push(format!("struct {name} is not there"));
        } else if items.is_opaque(name) {
            missing.push(format!("struct {name} came out opaque, without its fields"));
        }
    }
    for (of, fields) in &needed.fields {
        let absent = fields
            .iter()
            .filter(|field| !items.is_opaque(of) && !items.has_field(of, field));
        missing.extend(absent.map(|field| format!("{of}.{field} is not there")));
    }
    for name in needed.functions.iter().cloned().chain(kernel.shims()) {
        if !items.has_function(&name) {
            missing.push(format!("{name}() is not there"));
        }
    }
    if !needed.constants().any(|name| items.values.contains(name)) {
        missing.push("no constant is there".to_owned());
    } else {
        let absent = needed
            .constants()
            .filter(|name| !items.values.contains(*name));
        missing.extend(absent.map(|name| format!("the constant {name} is not there")));
    }
    let absent = needed
        .variables()
        .filter(|name| !items.values.contains(*name));
    missing.extend(absent.map(|name| format!("the variable {name} is not there")));
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "bindings to {} ({})\n  \
         expected: all that the safe layer uses; the oldest kernel that works is 6.1\n  \
         found:    {}\n  \
         remedy:   if types are opaque, this libclang is at fault: try another (LIBCLANG_PATH; \
         versions 14, 15, 16, 19 and 22 were tried); else {}\n  \
         made by:  {made_by}",
        kernel.release,
        kernel.place.display(),
        missing.join("\n            "),
        kernel.remedy,
    ))
}
