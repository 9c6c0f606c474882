// SPDX-License-Identifier: GPL-2.0-only
//! DWARF: a compiler's description of the types that it laid out, read from an unlinked object.
//! [`Lines`] reads its description of the code.
//!
//! gcc writes DWARF about the types in the kernel's headers, and rustc writes DWARF about the
//! bindings. Both are converted to the model that [`crate::btf`] produces from BTF. The three can
//! be compared, because types are flattened and spelled in the same way:
//!
//! - An array of several dimensions becomes an array of one dimension with the same number of
//!   elements. pahole does the same when it writes BTF.
//! - Rust's `*const T` becomes a pointer to const, `Option<fn>` becomes a pointer to a function,
//!   and `u32` becomes `unsigned int`.
//! - bindgen names types and members that have no name in C (`__bindgen_anon_1`,
//!   `device__bindgen_ty_1`). These names are dropped. The padding and the storage units of bit
//!   fields that bindgen adds are dropped too. rustc's DWARF does not name the bit fields in those
//!   units, so none are read from it; see [`read_bindings`].
//! - If the compiler states the alignment of a type, that alignment is used. gcc states it only for
//!   types with an attribute. Otherwise the alignment is computed from the members, as for BTF.

mod extract;
mod lines;
mod load;
mod rust;
mod spell;
mod tree;

use std::collections::BTreeMap;

use linux_driver_host::{Error, Result};

use crate::model::{Abi, Field, Scope};

pub use lines::{Lines, Place, SourceLine};
pub use rust::c_name;
pub use tree::{Debug, Die, Index, Tag};

/// The prefix of variables that point to a function. A function's name follows it. The variable's
/// type gives the function's signature.
pub const FUNCTION_PREFIX: &str = "linux_driver_function_";

/// The prefix of variables that represent a type alias of Rust. The alias's name follows the
/// prefix. rustc's DWARF has no aliases, so the variable has a generic type: its parameter `T` is
/// the aliased type.
pub const ALIAS_PREFIX: &str = "linux_driver_alias_";

/// The bit fields of types, by bindgen's name of the type.
pub type BitFields = BTreeMap<String, Vec<Field>>;

/// The greatest depth to which types may be nested. Deeper nesting counts as a cycle.
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

/// Does the same as [`read`] for an object that rustc compiled from the bindings. `bit_fields` are
/// the bit fields of bindgen's types, which rustc's DWARF does not contain.
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
