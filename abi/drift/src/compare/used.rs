// SPDX-License-Identifier: GPL-2.0-only
//! The parts of one kernel that the code uses. They are computed once for all comparisons of the
//! kernel.

use std::collections::BTreeSet;

use crate::model::{Abi, Kind, Type};
use crate::usage::{Usage, by_value};

/// The parts of one kernel that the code uses, and those that the kernel lacks.
///
/// They depend only on the kernel's types, constants and used functions.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    /// Types that the code allocates, with all types that these hold by value.
    pub(crate) allocated: BTreeSet<String>,
    /// The types of the fields that it names and of the functions that it calls: typedefs, enums,
    /// the elements of arrays.
    pub(crate) reached: BTreeSet<String>,
    /// Types that it uses and that are not known here.
    pub(crate) no_types: BTreeSet<String>,
    /// Fields that it names and that a known type does not have: the type's name and the path.
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
        let constants = usage.constants.iter().map(String::as_str);
        let mut no_constants: BTreeSet<&str> = constants
            .filter(|name| !abi.constants.contains_key(*name))
            .collect();
        for enumerator in abi.types.values().flat_map(|type_| type_.values.keys()) {
            no_constants.remove(enumerator.as_str());
        }
        Self {
            allocated: usage.allocated_with_members(abi),
            reached: reached(abi, usage),
            no_types: types
                .filter(|name| !abi.types.contains_key(*name))
                .cloned()
                .collect(),
            no_fields: fields.collect(),
            no_functions: functions
                .filter(|name| !abi.functions.contains_key(*name))
                .cloned()
                .collect(),
            no_constants: no_constants.into_iter().map(str::to_owned).collect(),
        }
    }

    /// Returns whether the code uses the same types if the type `name` is `other` instead of `one`.
    /// Sizes and offsets do not matter. Fields that the code does not name matter only if the
    /// driver allocates the type.
    pub(crate) fn is_alike(&self, usage: &Usage, name: &str, one: &Type, other: &Type) -> bool {
        fn spelled<'a>(type_: &'a Type, path: &str) -> Option<&'a str> {
            type_.field(path).map(|field| field.type_name.as_str())
        }
        let mut paths = usage.fields_of(name);
        (one.kind, &one.target) == (other.kind, &other.target)
            && one.values.keys().eq(other.values.keys())
            && (!self.allocated.contains(name) || held(one) == held(other))
            && paths.all(|path| spelled(one, path) == spelled(other, path))
    }
}

/// Returns the names of the types that a type holds by value.
fn held(type_: &Type) -> BTreeSet<&str> {
    let spelled = type_.fields.iter().map(|field| field.type_name.as_str());
    spelled
        .chain(type_.target.as_deref())
        .filter_map(by_value)
        .collect()
}

/// Returns the typedefs and enums of used fields and called functions, and the elements of used
/// arrays. Code that uses one has its size and meaning compiled in.
fn reached(abi: &Abi, usage: &Usage) -> BTreeSet<String> {
    let fields = usage
        .fields
        .iter()
        .filter_map(|(name, used)| Some((abi.types.get(name)?, used)));
    let fields = fields.flat_map(|(type_, used)| used.iter().filter_map(|path| type_.field(path)));
    let functions = usage
        .functions
        .iter()
        .filter_map(|name| abi.functions.get(name));
    let signatures =
        functions.flat_map(|function| function.params.iter().chain([&function.returns]));
    let mut pending: Vec<&str> = fields.map(|field| field.type_name.as_str()).collect();
    pending.extend(signatures.map(String::as_str));
    let mut reached = BTreeSet::new();
    while let Some(spelled) = pending.pop() {
        let Some((name, type_)) =
            by_value(spelled).and_then(|name| Some((name, abi.types.get(name)?)))
        else {
            continue;
        };
        let held = matches!(type_.kind, Kind::Struct | Kind::Union) && !spelled.contains('[');
        if !held && reached.insert(name.to_owned()) {
            pending.extend(type_.target.as_deref());
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::Field;

    fn field(name: &str, offset_bits: u64, type_name: &str) -> Field {
        Field {
            name: name.to_owned(),
            offset_bits,
            size_bits: 32,
            type_name: type_name.to_owned(),
            bitfield: false,
        }
    }

    fn struct_of(fields: &[Field]) -> Type {
        Type {
            kind: Kind::Struct,
            size: 64,
            align: 8,
            fields: fields.to_vec(),
            values: BTreeMap::new(),
            target: None,
        }
    }

    /// Builds a kernel for code that allocates `own`, which holds `held`, and that names the field
    /// `state` of `their`.
    fn kernel() -> (Abi, Usage) {
        let typedef = Type {
            kind: Kind::Typedef,
            fields: Vec::new(),
            target: Some("enum states".to_owned()),
            ..struct_of(&[])
        };
        let states = Type {
            kind: Kind::Enum,
            values: [("ON".to_owned(), 0)].into(),
            ..struct_of(&[])
        };
        let types = [
            ("own", struct_of(&[field("held", 0, "struct held")])),
            ("held", struct_of(&[])),
            ("other", struct_of(&[])),
            (
                "their",
                struct_of(&[field("state", 0, "state_t"), field("x", 32, "u32")]),
            ),
            ("state_t", typedef),
            ("states", states),
        ];
        let abi = Abi {
            types: types
                .into_iter()
                .map(|(name, type_)| (name.to_owned(), type_.into()))
                .collect(),
            ..Abi::default()
        };
        let usage = Usage {
            allocated: ["own".to_owned()].into(),
            fields: [(
                "their".to_owned(),
                ["state".to_owned(), "later".to_owned()].into(),
            )]
            .into(),
            constants: ["ON".to_owned(), "OFF".to_owned()].into(),
            ..Usage::default()
        };
        (abi, usage)
    }

    /// Returns the result of [`Used::is_alike`] for a type and its changed copy. Checks that the
    /// code uses the same types of both if they are alike, and others if they are not.
    fn is_alike(name: &str, change: impl FnOnce(&mut Type)) -> bool {
        let (abi, usage) = kernel();
        let mut other = abi.clone();
        let mut type_ = Type::clone(&abi.types[name]);
        change(&mut type_);
        other.types.insert(name.to_owned(), type_.into());
        let used = Used::of(&abi, &usage);
        let alike = used.is_alike(&usage, name, &abi.types[name], &other.types[name]);
        assert_eq!(alike, used == Used::of(&other, &usage), "{name}");
        alike
    }

    #[test]
    fn offsets_and_unused_fields_do_not_matter() {
        assert!(is_alike("their", |type_| type_.fields[0].offset_bits = 64));
        assert!(is_alike("their", |type_| type_.fields.push(field(
            "y",
            64,
            "struct held"
        ))));
        assert!(is_alike("own", |type_| type_.fields.push(field(
            "more",
            64,
            "struct held *"
        ))));
        assert!(is_alike("own", |type_| type_.size = 128));
        assert!(is_alike("held", |type_| type_
            .fields
            .push(field("p", 0, "void *"))));
        assert!(is_alike("states", |type_| type_
            .values
            .extend([("ON".to_owned(), 7)])));
    }

    #[test]
    fn the_used_parts_follow_from_the_kernel() {
        assert!(!is_alike("their", |type_| drop(type_.fields.remove(0))));
        assert!(!is_alike("their", |type_| type_.fields[0].type_name =
            "u32".to_owned()));
        assert!(!is_alike("their", |type_| type_
            .fields
            .push(field("later", 64, "u32"))));
        assert!(!is_alike("own", |type_| type_.fields.push(field(
            "more",
            64,
            "struct other"
        ))));
        assert!(!is_alike("held", |type_| type_.fields.push(field(
            "more",
            0,
            "struct other"
        ))));
        assert!(!is_alike("state_t", |type_| type_.target =
            Some("struct other".to_owned())));
        assert!(!is_alike("state_t", |type_| type_.kind = Kind::Struct));
        assert!(!is_alike("states", |type_| type_
            .values
            .extend([("OFF".to_owned(), 1)])));
        assert!(!is_alike("states", |type_| type_.values.clear()));
    }
}
