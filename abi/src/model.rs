// SPDX-License-Identifier: GPL-2.0-only
//! An ABI as data: what `abi.json` holds.
//!
//! Everything is keyed by its C name and sorted by it, so that the same ABI is the same text. What
//! could not be found out is in [`Abi::no_evidence`] with the reason, and nowhere else: nothing is
//! guessed. What several kernels have in common they share, so that comparing it costs nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Counts up when the meaning of a field of `abi.json` changes.
pub const SCHEMA: u32 = 1;

/// A kernel's ABI, or the part of it that is in scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Abi {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What `uname -r` says under the kernel; empty if it is not known.
    pub release: String,
    /// The architecture, as `uname -m` says it: "x86_64", "aarch64". Empty if it is not known.
    pub arch: String,
    /// Types by their C name: the tag of a struct, union or enum, or the name of a typedef.
    ///
    /// Holds what is in scope, and all that those hold by value. A typedef whose name is also a tag
    /// of another type stands as `typedef NAME`.
    pub types: BTreeMap<String, Arc<Type>>,
    /// Functions by name.
    pub functions: BTreeMap<String, Arc<Function>>,
    /// Constants by name: enumerators, and macros as the kernel's compiler evaluated them.
    pub constants: BTreeMap<String, Constant>,
    /// What the kernel exports to modules, by name; only what is in scope. Empty if no
    /// `Module.symvers` was at hand.
    pub symbols: BTreeMap<String, Arc<Symbol>>,
    /// What was asked for and could not be found out, with the reason. By name, with the kind
    /// before it: `type irq_info`, `function memcpy`.
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
    /// Whether the kernel was asked whether it exports this. A list of exported symbols says
    /// nothing of names that were not looked for in it.
    pub fn knows_export(&self, name: &str) -> bool {
        let looked_for =
            || self.functions.contains_key(name) || self.asked_in_vain("function", name).is_some();
        let known = || self.asked_in_vain("symbol", name).is_none();
        !self.symbols.is_empty() && (self.symbols.contains_key(name) || looked_for() && known())
    }

    /// Why there is no evidence of this, if it was asked for and not found out.
    pub fn asked_in_vain(&self, kind: &str, name: &str) -> Option<&str> {
        self.no_evidence
            .get(&format!("{kind} {name}"))
            .map(String::as_str)
    }
}

/// What a type is.
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
    /// C's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Struct => "struct",
            Self::Union => "union",
            Self::Enum => "enum",
            Self::Typedef => "typedef",
        }
    }
}

/// A type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Type {
    /// What it is.
    pub kind: Kind,
    /// Its size in bytes.
    pub size: u64,
    /// Its alignment in bytes. BTF does not record alignments: a reader of BTF computes them from
    /// the members and from a short table of types that C aligns more strictly.
    pub align: u64,
    /// The members of a struct or union, in the order of the declaration, anonymous ones flattened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// The enumerators of an enum.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, i128>,
    /// What a typedef stands for, as C spells it.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

impl Type {
    /// The field with this path.
    pub fn field(&self, path: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == path)
    }
}

/// A member of a struct or union.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Its name. A member of an unnamed struct or union stands under its own name, as C reaches it;
    /// a member of a named member whose type has no name as a path: `p_cb.post_unbind_rust`, and in
    /// an array `slots[].name`.
    pub name: String,
    /// Where it starts, in bits from the start of the type (of the first element, in an array).
    pub offset_bits: u64,
    /// How many bits it has.
    pub size_bits: u64,
    /// Its type as C spells it, without the name: `const struct attribute_group **`,
    /// `int (*)(struct device *)`, `struct resource [17]`, `struct {…}` for one without a name,
    /// whose members follow.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Whether it is a bit field.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bitfield: bool,
}

impl Field {
    /// The first bit after it.
    pub fn end_bits(&self) -> u64 {
        self.offset_bits.saturating_add(self.size_bits)
    }
}

/// A function's signature.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// What it returns, as C spells it.
    pub returns: String,
    /// The types of its parameters.
    pub params: Vec<String>,
    /// Whether more arguments can follow (`...`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub variadic: bool,
    /// How C code gets at it, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linkage: Option<Linkage>,
}

impl Function {
    /// The declaration: `int pci_enable_device(struct pci_dev *)`.
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

/// How C code gets at a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Linkage {
    /// The kernel exports it to modules.
    Exported,
    /// It is in the kernel and not exported.
    Internal,
    /// A header defines it, `static inline`.
    Inline,
    /// A header defines it, as a macro.
    Macro,
}

/// A constant's value, and who says so.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// Its value.
    pub value: i128,
    /// Who says so.
    pub source: Origin,
    /// The C type that the bindings give it, where it is not that of a plain number.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
}

/// Where a fact comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The kernel's BTF.
    Btf,
    /// The kernel's compiler, from its headers.
    Compiler,
}

/// A symbol that the kernel exports to modules.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Symbol {
    /// The checksum of its C type; `None` where the kernel has none (no CONFIG_MODVERSIONS: all are
    /// 0).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc: Option<u32>,
    /// Who exports it: "vmlinux", or a module's path.
    pub module: String,
    /// Whether only modules under the GPL may use it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gpl: bool,
    /// The namespace that a user has to import.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// What of a kernel is looked at: what the bindings need, or what a module uses. By-value members
/// come along.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Tags of structs, unions and enums, and names of typedefs.
    pub types: Vec<String>,
    /// Functions.
    pub functions: Vec<String>,
}
