// SPDX-License-Identifier: GPL-2.0-only
//! The parts of a kernel that code uses, and the role of each type for that code.
//!
//! The parts are derived from the code itself: from the fields that it names, the types whose
//! memory it provides, and the functions and constants that it uses. No list of them is written by
//! hand.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::Abi;

/// The parts of a kernel that code uses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Types whose memory the code provides. Their size and all their offsets matter.
    pub allocated: BTreeSet<String>,
    /// Fields that the code names, by type. A type without an entry is opaque to the code.
    pub fields: BTreeMap<String, BTreeSet<String>>,
    /// Functions that the code calls by name.
    pub functions: BTreeSet<String>,
    /// Constants that the code uses.
    pub constants: BTreeSet<String>,
}

/// The role that a type has for the code that uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The code provides its memory. Its size and every offset matter.
    DriverAllocated,
    /// The kernel provides its memory. Only the fields that the code uses matter.
    KernelAllocated,
    /// The code only passes pointers to it. Neither its size nor its fields matter.
    Opaque,
}

impl Usage {
    /// Returns the role of a type. A type that is held by value in an allocated type is allocated
    /// too.
    pub fn role(&self, abi: &Abi, name: &str) -> Role {
        if self.allocated_with_members(abi).contains(name) {
            Role::DriverAllocated
        } else if self
            .fields
            .get(name)
            .is_some_and(|fields| !fields.is_empty())
        {
            Role::KernelAllocated
        } else {
            Role::Opaque
        }
    }

    /// Returns the types that the code allocates, with all types that they hold by value.
    pub fn allocated_with_members(&self, abi: &Abi) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let mut pending: Vec<&str> = self.allocated.iter().map(String::as_str).collect();
        while let Some(name) = pending.pop() {
            if all.contains(name) {
                continue;
            }
            if let Some(type_) = abi.types.get(name) {
                all.insert(name.to_owned());
                let spelled = type_.fields.iter().map(|field| field.type_name.as_str());
                pending.extend(spelled.chain(type_.target.as_deref()).filter_map(by_value));
            }
        }
        all
    }

    /// Returns the fields of this type that the code names.
    pub fn fields_of(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields
            .get(name)
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    /// Returns the union of both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.allocated.extend(other.allocated);
        for (name, fields) in other.fields {
            self.fields.entry(name).or_default().extend(fields);
        }
        self.functions.extend(other.functions);
        self.constants.extend(other.constants);
        self
    }
}

/// Returns the name of a spelled type, or of its elements if it is an array. Returns `None` for
/// pointers and functions.
pub fn by_value(spelled: &str) -> Option<&str> {
    // This runs for each field of each type, so it searches bytes, which is faster than searching
    // characters. In UTF-8 no byte of a multi-byte character equals `*`, `(`, `[` or a space.
    let bytes = spelled.as_bytes();
    if bytes.iter().any(|byte| matches!(byte, b'*' | b'(')) {
        return None;
    }
    let dimensions = bytes
        .windows(2)
        .position(|pair| pair == b" [")
        .unwrap_or(bytes.len());
    let mut name = &spelled[..dimensions];
    for qualifier in ["const ", "volatile "] {
        while let Some(rest) = name.strip_prefix(qualifier) {
            name = rest;
        }
    }
    let tag = ["struct ", "union ", "enum "]
        .iter()
        .find_map(|word| name.strip_prefix(word));
    Some(tag.unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_held_by_value_has_a_name() {
        assert_eq!(by_value("struct device"), Some("device"));
        assert_eq!(by_value("const struct resource [17]"), Some("resource"));
        assert_eq!(by_value("spinlock_t"), Some("spinlock_t"));
        assert_eq!(by_value("struct device *"), None);
        assert_eq!(by_value("int (*)(struct device *)"), None);
    }
}
