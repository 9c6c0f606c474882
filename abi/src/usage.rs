// SPDX-License-Identifier: GPL-2.0-only
//! What code uses of a kernel, and the role that each type has for it.
//!
//! Found out from the code itself, never kept by hand: which fields it names, which types it
//! provides the memory of, which functions and constants it uses.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::Abi;

/// What code uses of a kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Types that the code provides the memory of: their size and all their offsets matter.
    pub allocated: BTreeSet<String>,
    /// Fields that the code names, by type. A type whose fields it never names is opaque to it.
    pub fields: BTreeMap<String, BTreeSet<String>>,
    /// Functions that it calls by name.
    pub functions: BTreeSet<String>,
    /// Constants that it uses.
    pub constants: BTreeSet<String>,
}

/// What a type is for some code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The code provides its memory: size and every offset matter.
    DriverAllocated,
    /// The kernel provides it; the fields that the code touches matter.
    KernelAllocated,
    /// The code only hands pointers to it around: nothing of it matters.
    Opaque,
}

impl Usage {
    /// The role of a type: one that is held by value in a type that the code allocates is allocated
    /// with it.
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

    /// The types that the code allocates, with all that they hold by value.
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

    /// The fields of this type that the code names.
    pub fn fields_of(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields
            .get(name)
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    /// All that either uses.
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

/// The name of the type that a spelled type is, or is an array of; `None` for pointers and
/// functions.
pub fn by_value(spelled: &str) -> Option<&str> {
    // Bytes, since this is asked of each field of each type: no part of another character is one of
    // these.
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
    fn what_is_held_by_value_has_a_name() {
        assert_eq!(by_value("struct device"), Some("device"));
        assert_eq!(by_value("const struct resource [17]"), Some("resource"));
        assert_eq!(by_value("spinlock_t"), Some("spinlock_t"));
        assert_eq!(by_value("struct device *"), None);
        assert_eq!(by_value("int (*)(struct device *)"), None);
    }
}
