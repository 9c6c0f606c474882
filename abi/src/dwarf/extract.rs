// SPDX-License-Identifier: GPL-2.0-only
//! The way from DWARF to the model: reads what is in scope and the types that this holds by value.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use linux_driver_host::Result;

use super::spell::{count, declare, endless, signature, unwrapped};
use super::tree::{Debug, Index};
use super::{ALIAS_PREFIX, DEPTH, FUNCTION_PREFIX, rust};
use crate::model::{Abi, Field, Function, Kind, Scope, Type};

/// The largest number of members of a type, flattened. No real type comes near it.
const MEMBERS: usize = 1 << 14;

/// The largest number of types that may be included because others hold them by value.
const TYPES: usize = 1 << 14;

pub(super) fn extract<'a>(debug: &'a Debug<'_>, scope: &'a Scope) -> Result<Abi> {
    let wanted: BTreeSet<&str> = scope.types.iter().map(String::as_str).collect();
    let functions: BTreeSet<&str> = scope.functions.iter().map(String::as_str).collect();
    let mut extraction = Extraction {
        debug,
        abi: Abi::default(),
        ids: HashMap::new(),
        pending: Vec::new(),
        variadic: BTreeSet::new(),
    };
    let mut found: BTreeMap<&str, Vec<Index>> = BTreeMap::new();
    let mut signatures: BTreeMap<&str, Vec<Index>> = BTreeMap::new();
    for index in debug.all() {
        let die = debug.die(index);
        if die.name.is_empty() || die.declaration && die.tag != gimli::DW_TAG_subprogram {
            continue;
        }
        match die.tag {
            gimli::DW_TAG_subprogram if functions.contains(die.name) && !debug.is_rust(index) => {
                signatures.entry(die.name).or_default().push(index);
            }
            gimli::DW_TAG_variable => {
                let function = die.name.strip_prefix(FUNCTION_PREFIX);
                if let Some(&name) = function.and_then(|name| functions.get(name))
                    && let Some(signature) = pointee(debug, die.of)
                {
                    signatures.entry(name).or_default().push(signature);
                    // rustc's DWARF tells it only in the type's name.
                    let type_ = debug.unqualified(unwrapped(debug, die.of));
                    if type_.is_some_and(|type_| debug.die(type_).name.contains(", ...)")) {
                        extraction.variadic.insert(name);
                    }
                }
                if let Some(name) = die.name.strip_prefix(ALIAS_PREFIX) {
                    extraction.alias(name, die.of)?;
                }
            }
            _ if kind(debug, index).is_some() && wanted.contains(die.name) => {
                found.entry(die.name).or_default().push(index);
            }
            _ => {}
        }
    }
    for name in &scope.types {
        match found.get(name.as_str()) {
            None if extraction.abi.types.contains_key(name) => {}
            None => extraction.nothing("type", name, MISSING),
            Some(indices) => {
                for &index in indices {
                    extraction.add(index)?;
                }
            }
        }
    }
    while let Some(index) = extraction.pending.pop() {
        extraction.add(index)?;
        if extraction.abi.types.len() > TYPES {
            return Err(endless(debug, index));
        }
    }
    for name in &scope.functions {
        match signatures.get(name.as_str()) {
            None => extraction.nothing("function", name, MISSING),
            Some(indices) => extraction.function(name, indices)?,
        }
    }
    Ok(extraction.abi)
}

const MISSING: &str = "not in the debug information";

/// Returns the function that a variable points to.
fn pointee(debug: &Debug<'_>, of: Option<Index>) -> Option<Index> {
    let mut at = debug.unqualified(unwrapped(debug, of));
    for _ in 0..3 {
        let die = debug.die(at?);
        match die.tag {
            gimli::DW_TAG_pointer_type => at = debug.unqualified(die.of),
            gimli::DW_TAG_subroutine_type => return at,
            _ => return None,
        }
    }
    None
}

/// Returns the kind of type that a record defines, if it defines a type that can have a name.
fn kind(debug: &Debug<'_>, index: Index) -> Option<Kind> {
    Some(match debug.die(index).tag {
        gimli::DW_TAG_structure_type => Kind::Struct,
        gimli::DW_TAG_union_type => Kind::Union,
        gimli::DW_TAG_enumeration_type => Kind::Enum,
        gimli::DW_TAG_typedef => Kind::Typedef,
        _ => return None,
    })
}

/// Returns whether it is a struct or union.
fn is_composite(debug: &Debug<'_>, index: Index) -> bool {
    matches!(kind(debug, index), Some(Kind::Struct | Kind::Union))
}

/// Returns whether the type has no name in C.
fn is_unnamed(debug: &Debug<'_>, index: Index) -> bool {
    let name = debug.die(index).name;
    name.is_empty() || (debug.is_rust(index) && rust::is_unnamed(name))
}

struct Extraction<'a, 'd> {
    debug: &'a Debug<'d>,
    abi: Abi,
    /// The record that each type was read from, by the type's key.
    ids: HashMap<String, Index>,
    /// Types that are held by value and not read yet.
    pending: Vec<Index>,
    /// Variadic functions, as told by the name of their type.
    variadic: BTreeSet<&'a str>,
}

impl Extraction<'_, '_> {
    fn nothing(&mut self, kind: &str, name: &str, why: &str) {
        self.abi
            .no_evidence
            .insert(format!("{kind} {name}"), why.to_owned());
    }

    /// Reads the type, and records the types that it holds by value.
    fn add(&mut self, index: Index) -> Result<()> {
        let die = self.debug.die(index);
        let Some(kind) = kind(self.debug, index).filter(|_| !die.declaration) else {
            return Ok(());
        };
        let mut key = die.name.to_owned();
        if self.ids.get(&key) == Some(&index) {
            return Ok(());
        }
        let held = self.abi.types.get(&key).map(|held| held.kind);
        if let Some(held) = held.filter(|held| (*held == Kind::Typedef) != (kind == Kind::Typedef))
        {
            // If a tag and a typedef have the same name, the tag keeps it.
            let other = format!("typedef {key}");
            if held == Kind::Typedef {
                if let Some(type_) = self.abi.types.remove(&key) {
                    self.abi.types.insert(other.clone(), type_);
                }
                if let Some(index) = self.ids.remove(&key) {
                    self.ids.insert(other, index);
                }
            } else {
                key = other;
            }
        }
        let type_ = self.read(index, kind)?;
        match self.abi.types.get(&key) {
            Some(known) if **known != type_ => {
                let why = format!("{} {key} has two definitions that differ", kind.word());
                self.nothing("type", &key, &why);
            }
            Some(_) => {}
            None => {
                self.abi.types.insert(key.clone(), Arc::new(type_));
                self.ids.insert(key, index);
                self.held_by(index, 0)?;
            }
        }
        Ok(())
    }

    /// Records the types that this one holds by value.
    fn held_by(&mut self, index: Index, depth: u32) -> Result<()> {
        if depth > DEPTH {
            return Err(endless(self.debug, index));
        }
        if self.debug.die(index).tag == gimli::DW_TAG_typedef {
            return self.by_value(self.debug.die(index).of, depth + 1);
        }
        let debug = self.debug;
        for child in debug.children(index) {
            if debug.die(child).tag == gimli::DW_TAG_member {
                self.by_value(debug.die(child).of, depth + 1)?;
            }
        }
        Ok(())
    }

    fn by_value(&mut self, of: Option<Index>, depth: u32) -> Result<()> {
        let Some(index) = self.debug.unqualified(unwrapped(self.debug, of)) else {
            return Ok(());
        };
        if depth > DEPTH {
            return Err(endless(self.debug, index));
        }
        let die = self.debug.die(index);
        if die.tag == gimli::DW_TAG_array_type {
            return self.by_value(die.of, depth + 1);
        }
        if self.debug.is_rust(index) {
            if rust::is_flexible(die.name) {
                return self.by_value(self.debug.parameter(index, "T"), depth + 1);
            }
            // These are types of bindgen and core.
            if die.name.contains('<') || die.name == "c_void" {
                return Ok(());
            }
        }
        match kind(self.debug, index) {
            Some(Kind::Struct | Kind::Union) if is_unnamed(self.debug, index) => {
                self.held_by(index, depth + 1)
            }
            Some(_) if !die.name.is_empty() => {
                if self.ids.get(die.name) != Some(&index) {
                    self.pending.push(index);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn read(&self, index: Index, kind: Kind) -> Result<Type> {
        let (debug, die) = (self.debug, self.debug.die(index));
        let mut type_ = Type {
            kind,
            size: die.size.unwrap_or(0),
            align: align_of(debug, Some(index), 0)?,
            fields: Vec::new(),
            values: BTreeMap::new(),
            target: None,
        };
        match kind {
            Kind::Struct | Kind::Union => flatten(debug, index, "", 0, &mut type_.fields, 0)?,
            Kind::Enum => type_.values = values(debug, index),
            Kind::Typedef => {
                // A typedef of a function, or of a type that is only declared, has no size.
                type_.size = size_of(debug, die.of, 0)?.unwrap_or(0);
                type_.target = Some(declare(debug, die.of, "")?);
                if let Some(of) = die.of.filter(|of| debug.die(*of).name.is_empty()) {
                    if is_composite(debug, of) {
                        flatten(debug, of, "", 0, &mut type_.fields, 0)?;
                    } else if debug.die(of).tag == gimli::DW_TAG_enumeration_type {
                        type_.values = values(debug, of);
                    }
                }
            }
        }
        Ok(type_)
    }

    /// Reads an alias of Rust's: the parameter of a variable's type.
    fn alias(&mut self, name: &str, holder: Option<Index>) -> Result<()> {
        let Some(of) = holder.and_then(|holder| self.debug.parameter(holder, "T")) else {
            return Ok(());
        };
        let type_ = Type {
            kind: Kind::Typedef,
            size: size_of(self.debug, Some(of), 0)?.unwrap_or(0),
            align: align_of(self.debug, Some(of), 0)?,
            fields: Vec::new(),
            values: BTreeMap::new(),
            target: Some(declare(self.debug, Some(of), "")?),
        };
        self.abi.types.insert(name.to_owned(), Arc::new(type_));
        Ok(())
    }

    fn function(&mut self, name: &str, indices: &[Index]) -> Result<()> {
        let signatures = indices.iter().map(|index| signature(self.debug, *index));
        let distinct: BTreeSet<(String, Vec<String>, bool)> = signatures.collect::<Result<_>>()?;
        let mut distinct = distinct.into_iter();
        match (distinct.next(), distinct.next()) {
            (Some((returns, params, variadic)), None) => {
                let function = Function {
                    returns,
                    params,
                    variadic: variadic || self.variadic.contains(name),
                    linkage: None,
                };
                self.abi
                    .functions
                    .insert(name.to_owned(), Arc::new(function));
            }
            (Some(_), Some(_)) => self.nothing(
                "function",
                name,
                "several functions of this name that differ",
            ),
            (None, _) => self.nothing("function", name, MISSING),
        }
        Ok(())
    }
}

fn values(debug: &Debug<'_>, index: Index) -> BTreeMap<String, i128> {
    let children = debug.children(index).map(|child| debug.die(child));
    children
        .filter(|die| die.tag == gimli::DW_TAG_enumerator)
        .filter_map(|die| Some((die.name.to_owned(), die.value?)))
        .collect()
}

/// Adds the members of a struct or union. `prefix` is put before their names, and `start` is their
/// first bit.
fn flatten(
    debug: &Debug<'_>,
    index: Index,
    prefix: &str,
    start: u64,
    fields: &mut Vec<Field>,
    depth: u32,
) -> Result<()> {
    if depth > DEPTH {
        return Err(endless(debug, index));
    }
    let is_rust = debug.is_rust(index);
    if is_rust && let Some(bits) = debug.bit_fields.get(debug.die(index).name) {
        fields.extend(bits.iter().map(|field| Field {
            name: format!("{prefix}{}", field.name),
            offset_bits: start.saturating_add(field.offset_bits),
            ..field.clone()
        }));
    }
    for child in debug.children(index) {
        let die = debug.die(child);
        if die.tag != gimli::DW_TAG_member || (is_rust && rust::is_artificial(die.name)) {
            continue;
        }
        let offset_bits = start.saturating_add(die.offset_bits);
        let (inner, is_array) = inner(debug, die.of)?;
        let composite = inner.filter(|inner| is_composite(debug, *inner));
        if die.name.is_empty() || (is_rust && rust::is_anonymous(die.name)) {
            if let Some(inner) = composite.filter(|_| !is_array) {
                flatten(debug, inner, prefix, offset_bits, fields, depth + 1)?;
            }
            // A bit field without a name is padding.
            continue;
        }
        let name = if is_rust {
            rust::c_name(die.name)
        } else {
            die.name
        };
        let size_bits = match die.bits {
            Some(bits) => bits,
            None => size_of(debug, die.of, 0)?.unwrap_or(0).saturating_mul(8),
        };
        fields.push(Field {
            name: format!("{prefix}{name}"),
            offset_bits,
            size_bits,
            type_name: declare(debug, die.of, "")?,
            bitfield: die.bits.is_some(),
        });
        if let Some(inner) = composite.filter(|inner| is_unnamed(debug, *inner)) {
            let prefix = format!("{prefix}{name}{}", if is_array { "[]." } else { "." });
            flatten(debug, inner, &prefix, offset_bits, fields, depth + 1)?;
        }
        if fields.len() > MEMBERS {
            return Err(endless(debug, index));
        }
    }
    Ok(())
}

/// Returns the type under qualifiers and dimensions, and tells if there was a dimension.
fn inner(debug: &Debug<'_>, of: Option<Index>) -> Result<(Option<Index>, bool)> {
    let (mut at, mut is_array) = (of, false);
    for _ in 0..=DEPTH {
        at = debug.unqualified(unwrapped(debug, at));
        let Some(index) = at else {
            return Ok((None, is_array));
        };
        match debug.die(index).tag {
            gimli::DW_TAG_array_type => (at, is_array) = (debug.die(index).of, true),
            _ if debug.is_rust(index) && rust::is_flexible(debug.die(index).name) => {
                (at, is_array) = (debug.parameter(index, "T"), true);
            }
            _ => return Ok((at, is_array)),
        }
    }
    match at {
        Some(index) => Err(endless(debug, index)),
        None => Ok((None, is_array)),
    }
}

/// The size of a pointer. Only kernels of 64-bit machines are read.
const POINTER: u64 = 8;

/// Returns the size of a type in bytes, or `None` if the type has none.
fn size_of(debug: &Debug<'_>, of: Option<Index>, depth: u32) -> Result<Option<u64>> {
    let Some(index) = debug.unqualified(unwrapped(debug, of)) else {
        return Ok(None);
    };
    if depth > DEPTH {
        return Err(endless(debug, index));
    }
    let die = debug.die(index);
    Ok(match die.tag {
        gimli::DW_TAG_pointer_type => Some(die.size.unwrap_or(POINTER)),
        gimli::DW_TAG_array_type => {
            size_of(debug, die.of, depth + 1)?.map(|size| size.saturating_mul(count(debug, index)))
        }
        gimli::DW_TAG_typedef => size_of(debug, die.of, depth + 1)?,
        _ => die.size,
    })
}

/// Returns the alignment that the compiler states, else the one that the members require.
fn align_of(debug: &Debug<'_>, of: Option<Index>, depth: u32) -> Result<u64> {
    let Some(index) = debug.unqualified(unwrapped(debug, of)) else {
        return Ok(1);
    };
    if depth > DEPTH {
        return Err(endless(debug, index));
    }
    let die = debug.die(index);
    if let Some(align) = die.align {
        return Ok(align);
    }
    Ok(match die.tag {
        gimli::DW_TAG_base_type | gimli::DW_TAG_enumeration_type => {
            die.size.unwrap_or(1).clamp(1, 16).next_power_of_two()
        }
        gimli::DW_TAG_pointer_type => POINTER,
        gimli::DW_TAG_array_type | gimli::DW_TAG_typedef => align_of(debug, die.of, depth + 1)?,
        gimli::DW_TAG_structure_type | gimli::DW_TAG_union_type => {
            let mut align = 1;
            for member in debug.children(index).map(|child| debug.die(child)) {
                if member.tag != gimli::DW_TAG_member {
                    continue;
                }
                let of_member = member
                    .align
                    .unwrap_or(align_of(debug, member.of, depth + 1)?)
                    .max(1);
                let aligned = of_member
                    .checked_mul(8)
                    .is_some_and(|bits| member.offset_bits.is_multiple_of(bits));
                if member.bits.is_none() && !aligned {
                    // Its offset is not a multiple of its alignment, so the struct is packed.
                    return Ok(1);
                }
                align = align.max(of_member);
            }
            if die.size.unwrap_or(0).is_multiple_of(align) {
                align
            } else {
                1
            }
        }
        _ => 1,
    })
}
