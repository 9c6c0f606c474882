// SPDX-License-Identifier: GPL-2.0-only
//! The data model of an ABI, which is also the content of `abi.json`.
//!
//! Everything is keyed and sorted by its C name, so equal ABIs have equal texts. Nothing is
//! guessed: unknown items are in [`Abi::no_evidence`], with the reason. Several kernels share their
//! equal parts in memory, so comparing those costs nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The version of the format. It increases when the meaning of a field of `abi.json` changes.
pub const SCHEMA: u32 = 1;

/// The reason in [`Abi::no_evidence`] for a name that the kernel's BTF does not contain.
pub const ABSENT: &str = "not in the kernel's BTF";

/// A kernel's ABI, or the part of it that is in scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Abi {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The output of `uname -r` on this kernel. Empty if it is not known.
    pub release: String,
    /// The architecture as `uname -m` prints it: "x86_64", "aarch64". Empty if it is not known.
    pub arch: String,
    /// Types by their C name: the tag of a struct, union or enum, or the name of a typedef.
    ///
    /// Contains the types in scope and all types that they hold by value. If a typedef and a tag
    /// have the same name, the key of the typedef is `typedef NAME`.
    pub types: BTreeMap<String, Arc<Type>>,
    /// Functions by name.
    pub functions: BTreeMap<String, Arc<Function>>,
    /// Constants by name: enumerators, and macros with the values that the kernel's compiler
    /// computed.
    pub constants: BTreeMap<String, Constant>,
    /// Symbols in scope that the kernel exports to modules, by name. Empty if no `Module.symvers`
    /// was given.
    pub symbols: BTreeMap<String, Arc<Symbol>>,
    /// Names that were asked for and could not be found out, with the reason. The key is the kind
    /// and the name: `type irq_info`, `function memcpy`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub no_evidence: BTreeMap<String, String>,
}

impl Default for Abi {
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            release: String::new(),
            arch: String::new(),
            types: BTreeMap::new(),
            functions: BTreeMap::new(),
            constants: BTreeMap::new(),
            symbols: BTreeMap::new(),
            no_evidence: BTreeMap::new(),
        }
    }
}

impl Abi {
    /// Returns whether this ABI records whether the kernel exports `name`. The symbols alone do not
    /// tell, since they contain only names that were looked for.
    pub fn knows_export(&self, name: &str) -> bool {
        let looked_for =
            || self.functions.contains_key(name) || self.asked_in_vain("function", name).is_some();
        let known = || self.asked_in_vain("symbol", name).is_none();
        !self.symbols.is_empty() && (self.symbols.contains_key(name) || looked_for() && known())
    }

    /// Returns the reason why there is no evidence of this name, if it was asked for and not found
    /// out.
    pub fn asked_in_vain(&self, kind: &str, name: &str) -> Option<&str> {
        self.no_evidence
            .get(&format!("{kind} {name}"))
            .map(String::as_str)
    }
}

/// The kind of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A struct.
    Struct,
    /// A union.
    Union,
    /// An enum.
    Enum,
    /// A typedef.
    Typedef,
}

impl Kind {
    /// Returns C's keyword for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Struct => "struct",
            Self::Union => "union",
            Self::Enum => "enum",
            Self::Typedef => "typedef",
        }
    }
}

/// A struct, union, enum or typedef.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Type {
    /// Its kind.
    pub kind: Kind,
    /// Its size in bytes.
    pub size: u64,
    /// Its alignment in bytes. BTF does not record alignments: a reader of BTF computes them from
    /// the members and from a short table of types that C aligns more strictly.
    pub align: u64,
    /// The members of a struct or union, in the order of the declaration. The members of anonymous
    /// structs and unions are included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// The enumerators of an enum.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, i128>,
    /// The type that a typedef names, in C's spelling.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

impl Type {
    /// Returns the field with this path.
    pub fn field(&self, path: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == path)
    }
}

/// A member of a struct or union.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Its name. A member of an unnamed struct or union has its own name, as in C code. If the type
    /// of a named member has no name, its members are paths: `p_cb.post_unbind_rust`, and in an
    /// array `slots[].name`.
    pub name: String,
    /// Its offset in bits from the start of the type; in an array, from the start of the first
    /// element.
    pub offset_bits: u64,
    /// Its size in bits.
    pub size_bits: u64,
    /// Its type in C's spelling, without the name: `const struct attribute_group **`,
    /// `int (*)(struct device *)`, `struct resource [17]`. A struct without a name is `struct {…}`,
    /// and its members follow.
    #[serde(rename = "type")]
    pub type_name: String,
    /// True for a bit field.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bitfield: bool,
}

impl Field {
    /// Returns the number of the first bit after it.
    pub fn end_bits(&self) -> u64 {
        self.offset_bits.saturating_add(self.size_bits)
    }
}

/// A function's signature.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// The type of its result, in C's spelling.
    pub returns: String,
    /// The types of its parameters.
    pub params: Vec<String>,
    /// `true` if more arguments can follow (`...`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub variadic: bool,
    /// The way C code reaches it, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linkage: Option<Linkage>,
}

impl Function {
    /// Returns the declaration: `int pci_enable_device(struct pci_dev *)`.
    pub fn declaration(&self, name: &str) -> String {
        let mut params = self.params.clone();
        if self.variadic {
            params.push("...".to_owned());
        } else if params.is_empty() {
            params.push("void".to_owned());
        }
        let space = if self.returns.ends_with('*') { "" } else { " " };
        format!("{}{space}{name}({})", self.returns, params.join(", "))
    }
}

/// The way C code reaches a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Linkage {
    /// The kernel exports it to modules.
    Exported,
    /// The kernel contains it and does not export it.
    Internal,
    /// A header defines it as `static inline`.
    Inline,
    /// A header defines it as a macro.
    Macro,
}

/// A constant's value and the origin of that value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// Its value.
    pub value: i128,
    /// The origin of the value.
    pub source: Origin,
    /// The C type that the bindings give it, if that is not the type of a plain number.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
}

/// The origin of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The kernel's BTF.
    Btf,
    /// The kernel's compiler, which read the kernel's headers.
    Compiler,
}

/// A symbol that the kernel exports to modules.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Symbol {
    /// The checksum of its C type. `None` if the kernel was built without CONFIG_MODVERSIONS, where
    /// all checksums are 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc: Option<u32>,
    /// The exporter: "vmlinux", or a module's path.
    pub module: String,
    /// `true` if only modules under a license compatible with the GPL may use it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gpl: bool,
    /// The namespace that a module has to import.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// The part of a kernel that is looked at: what the bindings need, or what a module uses. Types
/// that these hold by value are included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Tags of structs, unions and enums, and names of typedefs.
    pub types: Vec<String>,
    /// Functions.
    pub functions: Vec<String>,
}
