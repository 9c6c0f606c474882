// SPDX-License-Identifier: GPL-2.0-only
//! The way from BTF to the model: reads what is in scope and the types that this holds by value.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use linux_driver_host::{Error, Result};

use super::read::{Btf, FuncLinkage, Id, Item, Members};
use super::spell::{DEPTH, declare, endless};
use linux_driver_drift::model::{ABSENT, Abi, Field, Function, Kind, Scope, Type};

/// Types that C aligns to a cache line, which is more than their members require. BTF does not
/// record it. The values are for the shortest cache line of a 64-bit machine. If a type's size and
/// the offsets of its members prove a larger one, as on ppc64le (128), that one counts.
pub const ALIGNED: &[(&str, u64, &str)] = &[(
    "module",
    64,
    "____cacheline_aligned, include/linux/module.h",
)];

/// Functions written in assembly. Their BTF says `void f(void)`, which is wrong. An entry that ends
/// in `*` covers all names with that beginning.
pub const ASSEMBLY: &[&str] = &[
    "memcpy",
    "memmove",
    "memset",
    "__memcpy",
    "__memmove",
    "__memset",
    "memset16",
    "memset32",
    "memset64",
    "clear_page*",
    "copy_page*",
    "copy_mc_*",
    "copy_user_*",
    "rep_movs_alternative",
    "rep_stos_alternative",
    "__get_user_*",
    "__put_user_*",
    "__fentry__",
    "__sw_hweight*",
    "__x86_indirect_*",
    "__x86_return_thunk",
    "entry_*",
    "csum_partial*",
    "strcmp",
    "strlen",
    "strncmp",
    "strnlen",
    "strchr",
    "strrchr",
    "memchr",
    "memcmp",
    "__arch_copy_*",
    "__arch_clear_user",
    "caller_saved_*",
    "__cfi_*",
    "__pi_*",
    "__rdmsr_*",
    "rdmsr_safe_regs",
    "wrmsr_safe_regs",
];

/// The largest number of members of a type, flattened. No real type comes near it.
const MEMBERS: usize = 1 << 14;

/// The largest number of types that may be included because others hold them by value.
const TYPES: usize = 1 << 14;

/// The largest amount of work of one extraction, counted in types and bytes of text. A type that
/// holds another twice, which holds a third twice, and so on, is small in the data but exponential
/// to follow.
const WORK: u64 = 1 << 25;

/// The cost of a member or an enumerator, besides its text: about its size in bytes.
const NODE: u64 = 100;

/// The amount of work that is left.
struct Budget(Cell<u64>);

impl Budget {
    fn spend(&self, btf: &Btf<'_>, id: Id, work: u64) -> Result<()> {
        let left = self.0.get().checked_sub(work).ok_or_else(|| {
            Error::new(
                btf.location(),
                "types that contain no more than a kernel's do",
                format_args!("more work at type {} than the limit allows", id.0),
                "the file is damaged: get it again",
            )
        })?;
        self.0.set(left);
        Ok(())
    }
}

/// Extracts the items in scope. Missing and ambiguous ones go to [`Abi::no_evidence`].
///
/// # Errors
///
/// The BTF is damaged.
pub fn extract(btf: &Btf<'_>, scope: &Scope) -> Result<Abi> {
    let mut extraction = Extraction {
        btf,
        abi: Abi::default(),
        ids: HashMap::new(),
        pending: Vec::new(),
        budget: Budget(Cell::new(WORK)),
    };
    let found = lookup(btf, scope)?;
    for name in &scope.types {
        match found.types.get(name.as_str()) {
            None => extraction.nothing("type", name, extraction.missing()),
            Some(ids) => {
                for &id in ids {
                    extraction.add(id)?;
                }
            }
        }
    }
    while let Some(id) = extraction.pending.pop() {
        extraction.add(id)?;
        if extraction.abi.types.len() > TYPES {
            return Err(endless(btf, id));
        }
    }
    for name in &scope.functions {
        match found.functions.get(name.as_str()) {
            None => extraction.nothing("function", name, extraction.missing()),
            Some(ids) => extraction.function(name, ids)?,
        }
    }
    Ok(extraction.abi)
}

/// The records of the names in scope.
struct Found<'s> {
    types: HashMap<&'s str, Vec<Id>>,
    functions: HashMap<&'s str, Vec<Id>>,
}

/// Looks at the name of each record once.
fn lookup<'s>(btf: &Btf<'_>, scope: &'s Scope) -> Result<Found<'s>> {
    let types: HashMap<&str, &'s str> = scope
        .types
        .iter()
        .map(|name| (name.as_str(), name.as_str()))
        .collect();
    let functions: HashMap<&str, &'s str> = scope
        .functions
        .iter()
        .map(|name| (name.as_str(), name.as_str()))
        .collect();
    let mut found = Found {
        types: HashMap::new(),
        functions: HashMap::new(),
    };
    let mut beginnings = vec![false; BEGINNINGS];
    for name in scope.types.iter().chain(&scope.functions) {
        // In the strings, a zero follows the name.
        beginnings[beginning(format!("{name}\0\0\0").as_bytes())] = true;
    }
    let passes = |bytes: &[u8]| beginnings[beginning(bytes)];
    for id in btf.ids() {
        if let Some((name, is_function)) = btf.named_if(id, passes)? {
            if is_function {
                if let Some(&name) = functions.get(name) {
                    found.functions.entry(name).or_default().push(id);
                }
            } else if let Some(&name) = types.get(name) {
                found.types.entry(name).or_default().push(id);
            }
        }
    }
    Ok(found)
}

/// The number of different beginnings of names.
const BEGINNINGS: usize = 1 << 15;

/// Returns the number of a name's beginning: its first three bytes, or fewer if the name is
/// shorter.
fn beginning(bytes: &[u8]) -> usize {
    let mut number = 0;
    for &byte in bytes.iter().take(3) {
        if byte == 0 {
            break;
        }
        number = number << 5 ^ usize::from(byte);
    }
    number % BEGINNINGS
}

struct Extraction<'a, 'd> {
    btf: &'a Btf<'d>,
    abi: Abi,
    /// The number that each type was read from, by the type's key.
    ids: HashMap<String, Id>,
    /// Types that are held by value and not read yet.
    pending: Vec<Id>,
    budget: Budget,
}

impl Extraction<'_, '_> {
    fn nothing(&mut self, kind: &str, name: &str, why: String) {
        self.abi.no_evidence.insert(format!("{kind} {name}"), why);
    }

    fn missing(&self) -> String {
        match self.btf.unknown_kind() {
            Some(kind) => {
                format!(
                    "not found in the BTF before its first record of the kind {kind}, which is \
                     not known"
                )
            }
            None => ABSENT.to_owned(),
        }
    }

    /// Reads the type if it has a name, and records the types that it holds by value.
    fn add(&mut self, id: Id) -> Result<()> {
        let (kind, name) = match self.btf.item(id)? {
            Item::Composite { name, union, .. } => {
                (if union { Kind::Union } else { Kind::Struct }, name)
            }
            Item::Enum { name, .. } => (Kind::Enum, name),
            Item::Typedef { name, .. } => (Kind::Typedef, name),
            Item::Array { element, .. } => return self.add_held(element),
            Item::Modified { of, .. } => return self.add_held(of),
            _ => return Ok(()),
        };
        if name.is_empty() {
            return self.held_by(id, 0);
        }
        let mut key = name.to_owned();
        if self.ids.get(&key) == Some(&id) {
            return Ok(());
        }
        let held = self.abi.types.get(&key).map(|held| held.kind);
        if let Some(held) = held.filter(|held| (*held == Kind::Typedef) != (kind == Kind::Typedef))
        {
            // If a tag and a typedef have the same name, the tag keeps it.
            let other = format!("typedef {name}");
            if held == Kind::Typedef {
                if let Some(type_) = self.abi.types.remove(&key) {
                    self.abi.types.insert(other.clone(), type_);
                }
                if let Some(id) = self.ids.remove(&key) {
                    self.ids.insert(other, id);
                }
            } else {
                key = other;
            }
        }
        let type_ = self.read(id, kind)?;
        if !self.btf.has_signs()
            && let Some((enumerator, value)) = type_
                .values
                .iter()
                .find(|(_, value)| **value > i128::from(i32::MAX))
        {
            let why = format!(
                "{enumerator} is {value} or {}: the BTF, of a pahole before 1.24, does not say \
                 whether enums have signs",
                value - (1 << 32)
            );
            self.nothing("type", &key, why);
        }
        match self.abi.types.get(&key) {
            Some(known) if **known != type_ => {
                let why = format!(
                    "{} {name} has two definitions in the BTF that differ",
                    kind.word()
                );
                self.nothing("type", &key, why);
            }
            Some(_) => {}
            None => {
                self.abi.types.insert(key.clone(), Arc::new(type_));
                self.ids.insert(key, id);
                self.held_by(id, 0)?;
            }
        }
        Ok(())
    }

    fn add_held(&mut self, id: Id) -> Result<()> {
        self.pending.push(id);
        Ok(())
    }

    /// Records the types that this one holds by value.
    fn held_by(&mut self, id: Id, depth: u32) -> Result<()> {
        if depth > DEPTH {
            return Err(endless(self.btf, id));
        }
        self.budget.spend(self.btf, id, 1)?;
        match self.btf.item(id)? {
            Item::Composite { members, .. } => {
                for member in members.iter() {
                    self.by_value(member.of, depth + 1)?;
                }
                Ok(())
            }
            Item::Typedef { of, .. } => self.by_value(of, depth + 1),
            _ => Ok(()),
        }
    }

    /// Records the type under its qualifiers and dimensions.
    fn by_value(&mut self, id: Id, depth: u32) -> Result<()> {
        if depth > DEPTH {
            return Err(endless(self.btf, id));
        }
        self.budget.spend(self.btf, id, 1)?;
        match self.btf.item(id)? {
            Item::Array { element: of, .. } | Item::Modified { of, .. } => {
                self.by_value(of, depth + 1)
            }
            Item::Composite { name: "", .. } => self.held_by(id, depth + 1),
            Item::Composite { name, .. } | Item::Enum { name, .. } | Item::Typedef { name, .. }
                if !name.is_empty() =>
            {
                if self.ids.get(name) != Some(&id) {
                    self.pending.push(id);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn read(&self, id: Id, kind: Kind) -> Result<Type> {
        let mut type_ = Type {
            kind,
            size: 0,
            align: align_of(self.btf, id, 0, &self.budget)?,
            fields: Vec::new(),
            values: BTreeMap::new(),
            target: None,
        };
        match self.btf.item(id)? {
            Item::Composite { size, .. } => {
                type_.size = u64::from(size);
                flatten(self.btf, id, "", 0, &mut type_.fields, 0, &self.budget)?;
            }
            Item::Enum { size, values, .. } => {
                type_.size = u64::from(size);
                for (name, value) in values.iter() {
                    self.budget.spend(self.btf, id, NODE)?;
                    type_.values.insert(self.btf.name(name)?.to_owned(), value);
                }
            }
            Item::Typedef { of, .. } => {
                // A typedef of a function, or of a type that is only declared, has no size.
                type_.size = size_of(self.btf, of, 0)?.unwrap_or(0);
                type_.target = Some(declare(self.btf, of, "")?);
                if let Item::Composite { name: "", .. } = self.btf.item(of)? {
                    flatten(self.btf, of, "", 0, &mut type_.fields, 0, &self.budget)?;
                }
                if let Item::Enum {
                    name: "", values, ..
                } = self.btf.item(of)?
                {
                    for (name, value) in values.iter() {
                        self.budget.spend(self.btf, id, NODE)?;
                        type_.values.insert(self.btf.name(name)?.to_owned(), value);
                    }
                }
            }
            _ => {}
        }
        Ok(type_)
    }

    fn function(&mut self, name: &str, ids: &[Id]) -> Result<()> {
        let mut global = Vec::new();
        for &id in ids {
            if let Item::Function {
                signature, linkage, ..
            } = self.btf.item(id)?
            {
                global.push((linkage == FuncLinkage::Global, signature));
            }
        }
        // An exported function is global; a static function elsewhere can have the same name.
        if global.iter().any(|(global, _)| *global) {
            global.retain(|(global, _)| *global);
        }
        let signatures = global.iter().map(|(_, id)| signature(self.btf, *id));
        let distinct: BTreeSet<(String, Vec<String>, bool)> = signatures.collect::<Result<_>>()?;
        for (returns, params, _) in &distinct {
            let text: usize = params.iter().map(|param| param.len() + NODE as usize).sum();
            self.budget
                .spend(self.btf, Id::VOID, (returns.len() + text) as u64)?;
        }
        let mut distinct = distinct.into_iter();
        match (distinct.next(), distinct.next()) {
            (Some((returns, params, variadic)), None) => {
                if returns == "void" && params.is_empty() && is_assembly(name) {
                    let why = "written in assembly: its BTF always says void (void)";
                    self.nothing("function", name, why.to_owned());
                    return Ok(());
                }
                let function = Function {
                    returns,
                    params,
                    variadic,
                    linkage: None,
                };
                self.abi
                    .functions
                    .insert(name.to_owned(), Arc::new(function));
            }
            (Some(_), Some(_)) => {
                let why = "several functions of this name in the BTF, with signatures that differ";
                self.nothing("function", name, why.to_owned());
            }
            (None, _) => self.nothing("function", name, self.missing()),
        }
        Ok(())
    }
}

/// Returns whether the function is known to be written in assembly.
pub(crate) fn is_assembly(name: &str) -> bool {
    ASSEMBLY.iter().any(|row| match row.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => *row == name,
    })
}

fn signature(btf: &Btf<'_>, id: Id) -> Result<(String, Vec<String>, bool)> {
    let Item::Signature { returns, params } = btf.item(id)? else {
        return Err(Error::new(
            btf.location(),
            "the signature of a function",
            format_args!("type {}, which is not a signature", id.0),
            "the file is damaged: get it again",
        ));
    };
    let (mut list, mut variadic) = (Vec::new(), false);
    for (name, of) in params.iter() {
        if of == Id::VOID && name == 0 {
            variadic = true;
        } else {
            list.push(declare(btf, of, "")?);
        }
    }
    Ok((declare(btf, returns, "")?, list, variadic))
}

/// Adds the members of a struct or union. `prefix` is put before their names, and `start` is their
/// first bit.
fn flatten(
    btf: &Btf<'_>,
    id: Id,
    prefix: &str,
    start: u64,
    fields: &mut Vec<Field>,
    depth: u32,
    budget: &Budget,
) -> Result<()> {
    if depth > DEPTH {
        return Err(endless(btf, id));
    }
    let Item::Composite { members, .. } = btf.item(id)? else {
        return Ok(());
    };
    for member in members.iter() {
        budget.spend(btf, id, 1)?;
        let offset_bits = start + u64::from(member.offset_bits);
        let name = btf.name(member.name)?;
        let (inner, is_array) = inner(btf, member.of)?;
        let body = matches!(btf.item(inner)?, Item::Composite { name: "", .. });
        if name.is_empty() {
            if matches!(btf.item(inner)?, Item::Composite { .. }) && !is_array {
                flatten(btf, inner, prefix, offset_bits, fields, depth + 1, budget)?;
            }
            // A bit field without a name is padding.
            continue;
        }
        let size_bits = if member.bits > 0 {
            u64::from(member.bits)
        } else {
            size_of(btf, member.of, 0)?.unwrap_or(0).saturating_mul(8)
        };
        let field = Field {
            name: format!("{prefix}{name}"),
            offset_bits,
            size_bits,
            type_name: declare(btf, member.of, "")?,
            bitfield: member.bits > 0,
        };
        budget.spend(
            btf,
            id,
            NODE + (field.name.len() + field.type_name.len()) as u64,
        )?;
        fields.push(field);
        if body {
            let dot = if is_array { "[]." } else { "." };
            flatten(
                btf,
                inner,
                &format!("{prefix}{name}{dot}"),
                offset_bits,
                fields,
                depth + 1,
                budget,
            )?;
        }
        if fields.len() > MEMBERS {
            return Err(endless(btf, id));
        }
    }
    Ok(())
}

/// Returns the type under qualifiers and dimensions, and tells if there was a dimension.
fn inner(btf: &Btf<'_>, id: Id) -> Result<(Id, bool)> {
    let (mut at, mut is_array) = (id, false);
    for _ in 0..=DEPTH {
        match btf.item(at)? {
            Item::Array { element, .. } => (at, is_array) = (element, true),
            Item::Modified { of, .. } => at = of,
            _ => return Ok((at, is_array)),
        }
    }
    Err(endless(btf, id))
}

/// Returns the size of a type in bytes, or `None` if the type has none. `depth` is the number of
/// types that contain this one.
///
/// # Errors
///
/// The types are nested too deeply, or damaged.
pub fn size_of(btf: &Btf<'_>, id: Id, depth: u32) -> Result<Option<u64>> {
    if depth > DEPTH {
        return Err(endless(btf, id));
    }
    Ok(match btf.item(id)? {
        Item::Int { size, .. }
        | Item::Float { size, .. }
        | Item::Composite { size, .. }
        | Item::Enum { size, .. } => Some(u64::from(size)),
        Item::Pointer(_) => Some(POINTER),
        Item::Array { element, count } => {
            size_of(btf, element, depth + 1)?.map(|size| size.saturating_mul(u64::from(count)))
        }
        Item::Typedef { of, .. } | Item::Modified { of, .. } | Item::Variable { of, .. } => {
            size_of(btf, of, depth + 1)?
        }
        _ => None,
    })
}

/// The size of a pointer. Only kernels of 64-bit machines are read.
const POINTER: u64 = 8;

/// Returns the alignment without which C would have put the members, or the end, of a struct
/// elsewhere.
fn proven_align(
    btf: &Btf<'_>,
    members: Members<'_>,
    size: u64,
    depth: u32,
    budget: &Budget,
) -> Result<u64> {
    let (mut end, mut align) = (0_u64, 1_u64);
    // Returns the least alignment that leads from one bit to the other, if there is one.
    let leads = |from: u64, to: u64, least: u64| {
        let mut align = least.max(1);
        while from.next_multiple_of(align * 8) < to {
            align *= 2;
        }
        Some(align).filter(|align| from.next_multiple_of(align * 8) == to)
    };
    for member in members.iter() {
        let offset = u64::from(member.offset_bits);
        if member.bits > 0 {
            end = offset + u64::from(member.bits);
            continue;
        }
        let own = align_of(btf, member.of, depth + 1, budget)?;
        align = align.max(leads(end, offset, own).unwrap_or(own));
        end = offset.saturating_add(size_of(btf, member.of, 0)?.unwrap_or(0).saturating_mul(8));
    }
    let last = leads(end, size.saturating_mul(8), align).unwrap_or(align);
    Ok(align.max(last))
}

/// Returns the alignment that the members of a type require.
fn align_of(btf: &Btf<'_>, id: Id, depth: u32, budget: &Budget) -> Result<u64> {
    if depth > DEPTH {
        return Err(endless(btf, id));
    }
    budget.spend(btf, id, 1)?;
    Ok(match btf.item(id)? {
        Item::Int { size, .. } | Item::Float { size, .. } | Item::Enum { size, .. } => {
            u64::from(size.clamp(1, 16).next_power_of_two())
        }
        Item::Pointer(_) => POINTER,
        Item::Array { element: of, .. } | Item::Typedef { of, .. } | Item::Modified { of, .. } => {
            align_of(btf, of, depth + 1, budget)?
        }
        Item::Composite {
            name,
            size,
            members,
            ..
        } => {
            let line = ALIGNED.iter().find(|(aligned, ..)| *aligned == name);
            let line = line.filter(|(_, least, _)| u64::from(size).is_multiple_of(*least));
            if let Some((_, least, _)) = line {
                return Ok(proven_align(btf, members, u64::from(size), depth, budget)?.max(*least));
            }
            let mut align = 1;
            for member in members.iter() {
                let of_member = align_of(btf, member.of, depth + 1, budget)?;
                if member.bits == 0 && !u64::from(member.offset_bits).is_multiple_of(of_member * 8)
                {
                    // Its offset is not a multiple of its alignment, so the struct is packed.
                    return Ok(1);
                }
                align = align.max(of_member);
            }
            if u64::from(size).is_multiple_of(align) {
                align
            } else {
                1
            }
        }
        _ => 1,
    })
}
