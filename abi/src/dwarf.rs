// SPDX-License-Identifier: GPL-2.0-only
//! DWARF, what a compiler says of the types that it laid out, read from an object that was not
//! linked yet.
//!
//! What gcc says of the kernel's headers and what rustc says of the bindings come out in one model,
//! with the flattening and the spelling that [`crate::btf`] has, so that the three can be compared.
//! For that:
//!
//! - An array of several dimensions has one, with all elements: pahole makes BTF so.
//! - Of Rust, `*const T` is a pointer to const, `Option<fn>` a pointer to a function, `u32` an
//!   `unsigned int`; bindgen's names for members and types that have none in C (`__bindgen_anon_1`,
//!   `device__bindgen_ty_1`) go away, as do its padding and its units of bit fields: those have no
//!   names in DWARF, and so no bit fields come from it.
//! - Alignment is what the compiler says of a type, where it does; gcc does only for those with an
//!   attribute. Else it is what the members demand, as in BTF.

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

/// A variable of this name, with a function's name after it, is a pointer to it: its type is the
/// function's signature.
pub const FUNCTION_PREFIX: &str = "linux_driver_function_";

/// A variable of this name, with the name of one of Rust's aliases after it, and whose type has
/// that one as its parameter `T`: Rust's DWARF does not know aliases.
pub const ALIAS_PREFIX: &str = "linux_driver_alias_";

/// The bit fields of types, by bindgen's name of the type: where in it they are.
pub type BitFields = BTreeMap<String, Vec<Field>>;

/// How deep types may be nested before that is taken for a cycle.
const DEPTH: u32 = 64;

/// What is in scope, and what that holds by value. What is missing is in [`Abi::no_evidence`];
/// damaged data is an error. `location` is what an error calls the object.
pub fn read(object: &[u8], location: &str, scope: &Scope) -> Result<Abi> {
    let sections = load::Sections::read(object, location)?;
    extract::extract(&Debug::read(&sections)?, scope)
}

/// The same for an object that rustc made of bindings, with the bit fields of bindgen's types,
/// which DWARF does not have.
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

/// The debug information of an object, for who asks it for more than layouts.
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
        "the object is damaged: have it compiled again",
    )
}

#[cfg(test)]
mod tests;
