// SPDX-License-Identifier: GPL-2.0-only
//! DWARF, a compiler's description of the types that it laid out, read from an unlinked object.
//!
//! gcc describes the kernel's headers and rustc the bindings. Both become the model that
//! [`crate::btf`] also produces, with the same flattening and spelling, so that the three can be
//! compared. To that end:
//!
//! - An array of several dimensions becomes one dimension with all elements, as pahole does in BTF.
//! - Rust's `*const T` becomes a pointer to const, `Option<fn>` a pointer to a function, and `u32`
//!   an `unsigned int`. bindgen's names for what has none in C (`__bindgen_anon_1`,
//!   `device__bindgen_ty_1`) are dropped. So are its padding and its storage units of bit fields.
//!   DWARF has no names for those bit fields, so none come from it.
//! - The alignment of a type is what the compiler states, if it does. gcc states it only for types
//!   with an attribute. Otherwise it is computed from the members, as for BTF.

mod extract;
mod load;
mod rust;
mod spell;
mod tree;

use std::collections::BTreeMap;

use linux_driver_host::{Error, Result};

use crate::model::{Abi, Field, Scope};

pub use rust::c_name;
pub use tree::{Debug, Die, Index, Tag};

/// The prefix of variables that point to a function. A function's name follows it. The variable's
/// type gives the function's signature.
pub const FUNCTION_PREFIX: &str = "linux_driver_function_";

/// The prefix of variables that stand for an alias of Rust's, whose name follows it. Rust's DWARF
/// has no aliases, so the parameter `T` of the variable's type is the aliased type.
pub const ALIAS_PREFIX: &str = "linux_driver_alias_";

/// The bit fields of types, by bindgen's name of the type.
pub type BitFields = BTreeMap<String, Vec<Field>>;

/// How deep types may be nested; deeper nesting counts as a cycle.
const DEPTH: u32 = 64;

/// Reads the types and functions in scope and the types that these hold by value. `location` names
/// the object in error messages. Missing items go to [`Abi::no_evidence`].
///
/// # Errors
///
/// The debug information is damaged.
pub fn read(object: &[u8], location: &str, scope: &Scope) -> Result<Abi> {
    let sections = load::Sections::read(object, location)?;
    extract::extract(&Debug::read(&sections)?, scope)
}

/// Does the same for an object that rustc made of bindings. `bit_fields` are those of bindgen's
/// types, which DWARF does not contain.
pub fn read_bindings(
    object: &[u8],
    location: &str,
    scope: &Scope,
    bit_fields: BitFields,
) -> Result<Abi> {
    let sections = load::Sections::read(object, location)?;
    let mut debug = Debug::read(&sections)?;
    debug.bit_fields = bit_fields;
    extract::extract(&debug, scope)
}

/// Calls `look` with the debug information of an object, for a caller that needs more than layouts.
pub fn with_debug<T>(
    object: &[u8],
    location: &str,
    look: impl FnOnce(&Debug<'_>) -> Result<T>,
) -> Result<T> {
    let sections = load::Sections::read(object, location)?;
    look(&Debug::read(&sections)?)
}

fn damaged(
    location: &str,
    expected: impl std::fmt::Display,
    found: impl std::fmt::Display,
) -> Error {
    Error::new(
        location,
        expected,
        found,
        "the object is damaged: compile it again",
    )
}

#[cfg(test)]
mod tests;
