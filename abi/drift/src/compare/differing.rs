// SPDX-License-Identifier: GPL-2.0-only
//! The names that may differ between two kernels: all that a comparison has to look at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::Abi;

/// Names by kind, each list in alphabetical order.
///
/// A name that is not listed has the same fact on both sides. A listed name may have the same fact
/// too.
#[derive(Debug, Default)]
pub(crate) struct Differing<'a> {
    pub(crate) types: Vec<&'a str>,
    /// Includes functions whose symbols differ, since a symbol tells how its function is reached.
    pub(crate) functions: Vec<&'a str>,
    pub(crate) constants: Vec<&'a str>,
    pub(crate) symbols: Vec<&'a str>,
}

impl<'a> Differing<'a> {
    /// Returns the names whose facts are not the same value in memory on both sides.
    pub(crate) fn between(before: &'a Abi, after: &'a Abi) -> Self {
        Self {
            types: shared_apart(&before.types, &after.types),
            functions: all(&before.functions, &after.functions),
            constants: all(&before.constants, &after.constants),
            symbols: shared_apart(&before.symbols, &after.symbols),
        }
    }
}

fn shared_apart<'a, T>(
    before: &'a BTreeMap<String, Arc<T>>,
    after: &'a BTreeMap<String, Arc<T>>,
) -> Vec<&'a str> {
    let mut names = all(before, after);
    names.retain(|name| match (before.get(*name), after.get(*name)) {
        (Some(old), Some(new)) => !Arc::ptr_eq(old, new),
        _ => true,
    });
    names
}

/// Returns all names of both sides.
pub(crate) fn all<'a, T>(
    before: &'a BTreeMap<String, T>,
    after: &'a BTreeMap<String, T>,
) -> Vec<&'a str> {
    let names: BTreeSet<&str> = before
        .keys()
        .chain(after.keys())
        .map(String::as_str)
        .collect();
    names.into_iter().collect()
}
