// SPDX-License-Identifier: GPL-2.0-only
//! What the code uses of one kernel. It is worked out once for all comparisons that the kernel takes part in.

use std::collections::{BTreeSet, HashSet};

use crate::model::{Abi, Kind};
use crate::usage::{Usage, by_value};

/// What the code uses of one kernel, and what of it the kernel does not have.
///
/// It follows from the kernel's types, constants and used functions, and from nothing else.
#[derive(Debug, Default)]
pub(crate) struct Used {
    /// What the code allocates, with all that is held in it.
    pub(crate) allocated: BTreeSet<String>,
    /// What the fields that it names and the functions that it calls are made of: typedefs, enums, the elements of arrays.
    pub(crate) reached: BTreeSet<String>,
    /// Types of which it uses something, and that are not known here.
    pub(crate) no_types: BTreeSet<String>,
    /// Fields that it names and that a type, known here, does not have: the type's name and the path.
    pub(crate) no_fields: BTreeSet<(String, String)>,
    /// Functions that it calls and that are not known here.
    pub(crate) no_functions: BTreeSet<String>,
    /// Constants that it uses and that are neither known here nor enumerators of a known type.
    pub(crate) no_constants: BTreeSet<String>,
}

impl Used {
    pub(crate) fn of(abi: &Abi, usage: &Usage) -> Self {
        let types = usage.allocated.iter().chain(usage.fields.keys());
        let fields = usage
            .fields
            .iter()
            .filter_map(|(name, used)| Some((name, abi.types.get(name)?, used)));
        let fields = fields.flat_map(|(name, type_, used)| {
            let missing = used.iter().filter(|path| type_.field(path).is_none());
            missing.map(|path| (name.clone(), path.clone()))
        });
        let functions = usage.functions.iter();
        let enumerators: HashSet<&str> = (abi.types.values())
            .flat_map(|type_| type_.values.keys().map(String::as_str))
            .collect();
        let constants = usage.constants.iter();
        Self {
            allocated: usage.allocated_with_members(abi),
            reached: reached(abi, usage),
            no_types: types.filter(|name| !abi.types.contains_key(*name)).cloned().collect(),
            no_fields: fields.collect(),
            no_functions: functions
                .filter(|name| !abi.functions.contains_key(*name))
                .cloned()
                .collect(),
            no_constants: constants
                .filter(|name| !abi.constants.contains_key(*name) && !enumerators.contains(name.as_str()))
                .cloned()
                .collect(),
        }
    }
}

/// The typedefs and enums that used fields and called functions have by value, and the elements of used arrays: code that
/// touches one has its size and meaning compiled in.
fn reached(abi: &Abi, usage: &Usage) -> BTreeSet<String> {
    let fields = usage
        .fields
        .iter()
        .filter_map(|(name, used)| Some((abi.types.get(name)?, used)));
    let fields = fields.flat_map(|(type_, used)| used.iter().filter_map(|path| type_.field(path)));
    let functions = usage.functions.iter().filter_map(|name| abi.functions.get(name));
    let signatures = functions.flat_map(|function| function.params.iter().chain([&function.returns]));
    let mut pending: Vec<&str> = fields.map(|field| field.type_name.as_str()).collect();
    pending.extend(signatures.map(String::as_str));
    let mut reached = BTreeSet::new();
    while let Some(spelled) = pending.pop() {
        let Some((name, type_)) = by_value(spelled).and_then(|name| Some((name, abi.types.get(name)?))) else {
            continue;
        };
        let held = matches!(type_.kind, Kind::Struct | Kind::Union) && !spelled.contains('[');
        if !held && reached.insert(name.to_owned()) {
            pending.extend(type_.target.as_deref());
        }
    }
    reached
}
