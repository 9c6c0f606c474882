// SPDX-License-Identifier: GPL-2.0-only
//! What was checked and what was found, as data: the document that `--format json` prints, that shards of a check
//! are merged from, and that every other format is made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{Linkage, Type};
use crate::usage::Role;

/// Counts up when the meaning of a field changes.
pub const SCHEMA: u32 = 1;

/// The outcome of a call of `check-abi`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The version of the tool.
    pub tool: String,
    /// One for each pair of things that were compared.
    pub checks: Vec<Check>,
}

/// What was compared with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckKind {
    /// The bindings with the kernel that they are for.
    Bindings,
    /// A kernel with another.
    Kernels,
    /// A module with a kernel.
    Module,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// What was compared with what.
    pub kind: CheckKind,
    /// The kernel: its name in the catalogue or its release. This is the side after the change.
    pub kernel: String,
    /// The other side, that before the change: a kernel, "bindings", or the path of a module.
    pub against: String,
    /// What was looked at.
    pub looked_at: LookedAt,
    /// What was found, in the order of its weight, then of its name.
    pub findings: Vec<Finding>,
    /// By name, the types with findings about their layout, before and after.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub layouts: BTreeMap<String, Layouts>,
}

/// How much was looked at: a check that looked at nothing has proved nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookedAt {
    /// Types.
    pub types: usize,
    /// Their fields.
    pub fields: usize,
    /// Functions' signatures.
    pub functions: usize,
    /// Constants.
    pub constants: usize,
    /// Exported symbols.
    pub symbols: usize,
}

/// A type before and after; one of them is missing where it was added or removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layouts {
    /// Before.
    pub before: Option<Type>,
    /// After.
    pub after: Option<Type>,
}

/// What follows for an object that was compiled for the side before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is drift, and the same object keeps working.
    Keeps,
    /// The same source, compiled again, works.
    Rebuild,
    /// The source has to change.
    Source,
    /// It cannot be said: never a pass.
    NoEvidence,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// A type as a whole.
    Type,
    /// A field, or several that one change moves.
    Field,
    /// A function.
    Function,
    /// A constant.
    Constant,
    /// An exported symbol.
    Symbol,
    /// A module as a whole: its vermagic, its relocations, its mitigations.
    Module,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// What it is about.
    pub subject: Subject,
    /// Its C name: `pci_driver`, `pci_driver.node`, `kfree`. The name by which `explain` knows it.
    pub name: String,
    /// What is different.
    pub change: Change,
    /// The role of the type, for a type or field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// What of it the code uses: paths of fields (`pci_dev.irq`), or the function's or constant's own name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used: Vec<String>,
    /// What follows.
    pub verdict: Verdict,
    /// The finding in one line: "node (16 B) gone at 0, so 16 later fields move by -16; the bindings use 5 of them".
    pub text: String,
    /// Why the verdict is what it is, in one sentence.
    pub reason: String,
    /// Why it is accepted, if the list of accepted drift says so: it then does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
}

/// What is different. Offsets and sizes are in bits for fields, in bytes for types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is", deny_unknown_fields)]
pub enum Change {
    /// It is there only after.
    Added,
    /// It is there only before.
    Removed,
    /// The size or alignment of a type.
    Size {
        /// Bytes before.
        before: u64,
        /// Bytes after.
        after: u64,
        /// Alignment before.
        align_before: u64,
        /// Alignment after.
        align_after: u64,
    },
    /// Fields that stand elsewhere because of one cause.
    Moved {
        /// Their names.
        fields: Vec<String>,
        /// By how many bits: negative towards the start.
        by_bits: i64,
        /// What made them move: fields added, removed or resized.
        cause: Vec<String>,
    },
    /// The type of a field, parameter, result or constant.
    Retyped {
        /// Before.
        before: String,
        /// After.
        after: String,
        /// In what way.
        how: Retyping,
    },
    /// The parameters of a function.
    Arity {
        /// Its declaration before.
        before: String,
        /// And after.
        after: String,
    },
    /// It has another name with the same signature or the same place and type.
    Renamed {
        /// The name after.
        to: String,
    },
    /// How C code gets at a function.
    Linkage {
        /// Before; nothing if it is not known.
        before: Option<Linkage>,
        /// After.
        after: Option<Linkage>,
    },
    /// The value of a constant or enumerator, or what else has one: a CRC, a namespace, a license, a vermagic.
    Value {
        /// Before.
        before: String,
        /// After.
        after: String,
    },
    /// Truths that should be one: by who says so (`rustc`, `headers`, `btf`), what each says.
    Disagreement {
        /// What each says.
        truths: BTreeMap<String, String>,
    },
    /// It could not be found out.
    NoEvidence,
}

/// In what way a type is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retyping {
    /// Only a qualifier came or went: the same to the machine.
    ConstOnly,
    /// What a pointer points to.
    Pointee,
    /// Another member of a union at the same place, of the same size.
    UnionAlias,
    /// Something else of the same size.
    SameSize,
    /// Another size.
    Resized,
}

impl Check {
    /// The gravest verdict of what was found and not accepted; `None` if there was nothing.
    pub fn verdict(&self) -> Option<Verdict> {
        self.open().map(|finding| finding.verdict).max()
    }

    /// What was found and not accepted.
    pub fn open(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.accepted.is_none())
    }
}
