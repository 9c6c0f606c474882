// SPDX-License-Identifier: GPL-2.0-only
//! The scope of a history: what the bindings need, and what `headers/watched.toml` lists in
//! addition.

use std::collections::BTreeSet;
use std::path::Path;

use linux_driver_host::{Error, Result, fs};
use serde::Deserialize;

use crate::model::Scope;
use crate::needed::Needed;

/// The names that are recorded in addition to what the bindings need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watched {
    /// Tags of structs and unions, and names of typedefs.
    pub types: Vec<String>,
    /// Functions.
    pub functions: Vec<String>,
}

impl Watched {
    /// Reads `watched.toml`.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)?;
        toml::from_str(&text).map_err(|e| {
            Error::new(
                path.display(),
                "lists of names, `types` and `functions`, as the comments in this file describe it",
                e,
                "correct that line",
            )
        })
    }

    /// Returns the whole scope, each name once and in alphabetical order.
    pub fn scope(&self, needed: &Needed) -> Scope {
        let needed = needed.scope();
        let all = |a: &[String], b: &[String]| -> Vec<String> {
            let names: BTreeSet<&String> = a.iter().chain(b).collect();
            names.into_iter().cloned().collect()
        };
        Scope {
            types: all(&needed.types, &self.types),
            functions: all(&needed.functions, &self.functions),
        }
    }
}
