// SPDX-License-Identifier: GPL-2.0-only
//! A type as C spells it.

use linux_driver_host::{Error, Result};

use super::read::{Btf, Id, Item, Modifier};

/// How deep types may be nested; deeper nesting counts as a cycle.
pub(super) const DEPTH: u32 = 64;

/// How many types one declaration may contain. Functions that take functions are rare and have few
/// parameters.
const STEPS: u32 = 1 << 12;

/// The largest length of a declaration.
const TEXT: usize = 1 << 16;

/// Returns the declaration of `name` (which may be empty) with this type. A type without a name is
/// `struct {…}`.
pub fn declare(btf: &Btf<'_>, id: Id, name: &str) -> Result<String> {
    declare_with(btf, id, name, &mut |_, item| {
        Ok(format!("{} {{…}}", word(&item)))
    })
}

/// Does the same as [`declare`], with `body` to spell types without a name.
pub fn declare_with<'d>(
    btf: &Btf<'d>,
    id: Id,
    name: &str,
    body: &mut dyn FnMut(Id, Item<'d>) -> Result<String>,
) -> Result<String> {
    Speller {
        btf,
        body,
        steps: 0,
    }
    .declare(id, name.to_owned(), "", 0)
}

/// Creates the error for types without an end.
pub(super) fn endless(btf: &Btf<'_>, id: Id) -> Error {
    Error::new(
        btf.location(),
        format_args!("types nested at most {DEPTH} deep that can be spelled in {TEXT} bytes"),
        format_args!(
            "type {}, which is nested deeper, is a cycle, or is longer",
            id.0
        ),
        "the file is damaged: get it again",
    )
}

/// Returns C's keyword for a type that may have no name.
fn word(item: &Item<'_>) -> &'static str {
    match item {
        Item::Composite { union: true, .. } | Item::Forward { union: true, .. } => "union",
        Item::Enum { .. } => "enum",
        _ => "struct",
    }
}

struct Speller<'a, 'd> {
    btf: &'a Btf<'d>,
    body: &'a mut dyn FnMut(Id, Item<'d>) -> Result<String>,
    /// How many types were looked at.
    steps: u32,
}

impl<'d> Speller<'_, 'd> {
    /// Spells the declaration. `inner` is what has been spelled so far, from the name outwards;
    /// `qualifiers` belong to the next type.
    fn declare(&mut self, id: Id, inner: String, qualifiers: &str, depth: u32) -> Result<String> {
        self.steps += 1;
        if depth > DEPTH || self.steps > STEPS || inner.len() > TEXT {
            return Err(endless(self.btf, id));
        }
        let depth = depth + 1;
        let base = match self.btf.item(id)? {
            Item::Void => "void".to_owned(),
            Item::Int { name, .. } | Item::Float { name, .. } | Item::Typedef { name, .. } => {
                name.to_owned()
            }
            item @ (Item::Composite { name, .. }
            | Item::Enum { name, .. }
            | Item::Forward { name, .. }) => {
                if name.is_empty() {
                    (self.body)(id, item)?
                } else {
                    format!("{} {name}", word(&item))
                }
            }
            Item::Pointer(of) => {
                let mut inner = match (qualifiers, inner.as_str()) {
                    ("", _) => format!("*{inner}"),
                    (_, "") => format!("*{}", qualifiers.trim_end()),
                    _ => format!("*{qualifiers}{inner}"),
                };
                if self.is_postfix(of, depth)? {
                    inner = format!("({inner})");
                }
                return self.declare(of, inner, "", depth);
            }
            Item::Array { element, count } => {
                return self.declare(element, format!("{inner}[{count}]"), qualifiers, depth);
            }
            Item::Modified { modifier, of } => {
                let word = match modifier {
                    Modifier::Const => "const ",
                    Modifier::Volatile => "volatile ",
                    Modifier::Restrict => "restrict ",
                    Modifier::Tag => "",
                };
                // C allows a qualifier twice; it is written once.
                let qualifiers = if qualifiers.contains(word) && !word.is_empty() {
                    qualifiers.to_owned()
                } else {
                    format!("{word}{qualifiers}")
                };
                return self.declare(of, inner, &qualifiers, depth);
            }
            Item::Signature { returns, params } => {
                let (mut list, mut length) = (Vec::new(), 0);
                for (name, of) in params.iter() {
                    if length > TEXT {
                        return Err(endless(self.btf, id));
                    }
                    list.push(if of == Id::VOID && name == 0 {
                        "...".to_owned()
                    } else {
                        self.declare(of, String::new(), "", depth)?
                    });
                    length += list.last().map_or(0, String::len);
                }
                let list = if list.is_empty() {
                    "void".to_owned()
                } else {
                    list.join(", ")
                };
                return self.declare(returns, format!("{inner}({list})"), "", depth);
            }
            Item::Function { signature, .. } => {
                return self.declare(signature, inner, qualifiers, depth);
            }
            Item::Variable { of, .. } => return self.declare(of, inner, qualifiers, depth),
            Item::Other => {
                return Err(Error::new(
                    self.btf.location(),
                    "a type",
                    format_args!("number {}, which is not one", id.0),
                    "the file is damaged: get it again",
                ));
            }
        };
        let space = if inner.is_empty() { "" } else { " " };
        Ok(format!("{qualifiers}{base}{space}{inner}"))
    }

    /// Returns whether a pointer to this type needs parentheses.
    fn is_postfix(&self, mut id: Id, depth: u32) -> Result<bool> {
        for _ in depth..=DEPTH {
            match self.btf.item(id)? {
                Item::Array { .. } | Item::Signature { .. } => return Ok(true),
                Item::Modified { of, .. } => id = of,
                _ => return Ok(false),
            }
        }
        Err(endless(self.btf, id))
    }
}
