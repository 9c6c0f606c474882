// SPDX-License-Identifier: GPL-2.0-only
//! The list of what the bindings need of a kernel: `sys/needed.toml`. A headers snapshot is made
//! from it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use linux_driver_host::{Error, Result, fs};
use serde::Deserialize;

use crate::model::Scope;

/// The names that the bindings need of a kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Needed {
    /// Structures, with all types that they hold by value.
    pub types: Vec<String>,
    /// Typedefs that the shims use.
    pub typedefs: Vec<String>,
    /// Enums whose enumerators the safe layer uses, by their tag.
    pub enums: Vec<String>,
    /// Functions that the kernel exports.
    pub functions: Vec<String>,
    /// Variables with their C types.
    pub variables: BTreeMap<String, String>,
    /// Fields that the safe layer reads or writes, by type.
    pub fields: BTreeMap<String, Vec<String>>,
    /// Macros that the kernel's compiler evaluates.
    pub constants: Constants,
    /// Names that only some kernels have.
    pub probed: Probed,
}

/// Macros that the kernel's compiler evaluates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constants {
    /// Macros whose value is a plain number.
    pub plain: Vec<String>,
    /// Macros with a C type of their own, which are variables of `sys/c/wrapper.h`.
    pub typed: BTreeMap<String, String>,
}

/// Names that only some kernels have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probed {
    /// Functions.
    pub functions: Vec<String>,
    /// Fields, by type.
    pub fields: BTreeMap<String, Vec<String>>,
}

impl Needed {
    /// Reads `needed.toml`.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)?;
        toml::from_str(&text).map_err(|e| {
            Error::new(
                path.display(),
                "what the bindings need, as the comments in this file describe it",
                e,
                "correct that line",
            )
        })
    }

    /// Returns the types, typedefs and enums: those that are listed, and those whose fields are
    /// used.
    pub fn types(&self) -> BTreeSet<&String> {
        let listed = self.types.iter().chain(&self.typedefs).chain(&self.enums);
        listed.chain(self.fields.keys()).collect()
    }

    /// Returns the types, typedefs and functions, including those that are only probed. Each name
    /// occurs once, since the list may repeat a name and the compiler must not see it twice.
    pub fn scope(&self) -> Scope {
        let functions: BTreeSet<&String> = self
            .functions
            .iter()
            .chain(&self.probed.functions)
            .collect();
        Scope {
            types: self.types().into_iter().cloned().collect(),
            functions: functions.into_iter().cloned().collect(),
        }
    }

    /// Returns the constants, each once, with its C type if it has one.
    pub fn constants(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let plain: BTreeSet<&String> = self.constants.plain.iter().collect();
        let plain = plain.into_iter().map(|name| (name.as_str(), None));
        let typed = self.constants.typed.iter();
        plain.chain(typed.map(|(name, type_)| (name.as_str(), Some(type_.as_str()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
    const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

    fn file() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../sys/needed.toml")
    }

    #[test]
    fn the_list_of_the_bindings_can_be_read() {
        let needed = Needed::read(&file()).unwrap();
        let scope = needed.scope();
        assert!(scope.types.iter().any(|name| name == "pci_driver"));
        assert!(scope.types.iter().any(|name| name == "gfp_t"));
        assert!(
            scope
                .functions
                .iter()
                .any(|name| name == "mutex_init_generic")
        );
        let constants: BTreeMap<&str, Option<&str>> = needed.constants().collect();
        assert_eq!(constants["EPERM"], None);
        assert_eq!(constants["LINUX_DRIVER_GFP_KERNEL"], Some("gfp_t"));
        let mut types = needed.fields.keys().chain(needed.probed.fields.keys());
        assert!(types.all(|name| scope.types.contains(name)));
    }

    #[test]
    fn a_type_whose_fields_are_used_is_needed_and_each_name_once() {
        let needed = Needed {
            types: vec!["b".to_owned()],
            typedefs: vec!["t".to_owned()],
            enums: vec!["e".to_owned()],
            fields: ["a", "b"]
                .map(|name| (name.to_owned(), vec!["field".to_owned()]))
                .into(),
            functions: ["g", "f", "g"].map(str::to_owned).to_vec(),
            constants: Constants {
                plain: ["C", "C"].map(str::to_owned).to_vec(),
                ..Constants::default()
            },
            ..Needed::default()
        };
        let scope = needed.scope();
        assert_eq!(scope.types, ["a", "b", "e", "t"]);
        assert_eq!(scope.functions, ["f", "g"]);
        assert_eq!(needed.constants().collect::<Vec<_>>(), [("C", None)]);
    }

    #[test]
    fn a_malformed_list_is_an_error_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("needed.toml");
        fs::write(&path, "types = 1\n").unwrap();
        let error = Needed::read(&path).unwrap_err();
        assert!(error.location().ends_with("needed.toml"), "{error}");
        assert!(error.to_string().contains("types = 1"), "{error}");
    }
}
