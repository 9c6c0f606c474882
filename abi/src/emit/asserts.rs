// SPDX-License-Identifier: GPL-2.0-only
//! The assertions that the compiler checks: sizes, alignments, and the offset of every member that
//! is not a bit field.
//!
//! C cannot express the offset of a bit field. The members around it are checked here, and
//! `check-abi` checks rustc's layout of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use linux_driver_host::Result;

use super::identifier;
use crate::btf::{Btf, Id, Item, size_of};
use crate::model::{Abi, Kind, Type};

/// Returns the assertions, one on each line. `defined` are the types that were written, by C's
/// name.
pub(super) fn all<'n>(
    btf: &Btf<'_>,
    abi: &Abi,
    defined: impl Iterator<Item = (&'n str, Id)>,
) -> Result<String> {
    let known: BTreeMap<String, &Type> = abi
        .types
        .iter()
        .map(|(key, type_)| (spelled(key, type_), &**type_))
        .collect();
    let mut text = String::new();
    for (name, id) in defined {
        match known.get(name) {
            Some(type_) => of_type(btf, name, type_, &mut text)?,
            // It is only passed by value and not part of the model.
            None => of_size(
                name,
                size_of(btf, id, 0)?.unwrap_or(0),
                name.contains(' ') || has_size(btf, id)?,
                &mut text,
            ),
        }
    }
    Ok(text)
}

/// Returns C's name for the type with this key.
fn spelled(key: &str, type_: &Type) -> String {
    match type_.kind {
        Kind::Typedef => key.strip_prefix("typedef ").unwrap_or(key).to_owned(),
        kind => format!("{} {key}", kind.word()),
    }
}

fn of_size(name: &str, size: u64, has_size: bool, text: &mut String) {
    if has_size {
        let _ = writeln!(
            text,
            "_Static_assert(sizeof({name}) == {size}, \"size of {name}\");"
        );
    }
}

fn of_type(btf: &Btf<'_>, name: &str, type_: &Type, text: &mut String) -> Result<()> {
    // A typedef of a function, or of a type that is only declared, has no size.
    of_size(
        name,
        type_.size,
        type_.kind != Kind::Typedef || type_.size > 0,
        text,
    );
    if matches!(type_.kind, Kind::Struct | Kind::Union) {
        let align = type_.align;
        let _ = writeln!(
            text,
            "_Static_assert(_Alignof({name}) == {align}, \"alignment of {name}\");"
        );
    }
    for field in type_.fields.iter().filter(|field| !field.bitfield) {
        for part in field.name.split('.') {
            identifier(btf, part.strip_suffix("[]").unwrap_or(part))?;
        }
        let path = field.name.replace("[]", "[0]");
        let (of, at) = (&field.name, field.offset_bits / 8);
        let _ = writeln!(
            text,
            "_Static_assert(__builtin_offsetof({name}, {path}) == {at}, \"{name}: {of}\");"
        );
    }
    Ok(())
}

/// Returns whether C knows the size of a typedef's target. It does not if the target may only be
/// declared.
fn has_size(btf: &Btf<'_>, mut id: Id) -> Result<bool> {
    for _ in 0..64 {
        match btf.item(id)? {
            Item::Composite { .. } => return Ok(false),
            Item::Typedef { of, .. }
            | Item::Modified { of, .. }
            | Item::Array { element: of, .. } => id = of,
            Item::Int { .. } | Item::Float { .. } | Item::Pointer(_) | Item::Enum { .. } => {
                return Ok(true);
            }
            _ => return Ok(false),
        }
    }
    Ok(false)
}
