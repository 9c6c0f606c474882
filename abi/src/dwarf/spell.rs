// SPDX-License-Identifier: GPL-2.0-only
//! A type as C spells it.

use linux_driver_host::Result;

use super::tree::{Debug, Die, Index};
use super::{DEPTH, damaged, rust};

/// Returns the declaration of `name` (which may be empty) with this type; `None` is `void`.
pub(super) fn declare(debug: &Debug<'_>, of: Option<Index>, name: &str) -> Result<String> {
    Speller { debug }.declare(of, name.to_owned(), "", 0)
}

/// Returns C's counterpart of a type: removes Rust's wrappers.
pub(super) fn unwrapped(debug: &Debug<'_>, of: Option<Index>) -> Option<Index> {
    let mut at = of?;
    for _ in 0..DEPTH {
        let die = debug.die(at);
        if !debug.is_rust(at) || !rust::transparent(die.name) {
            return Some(at);
        }
        // The parameter of an enum is that of its variants.
        let some = debug
            .children(at)
            .find(|child| debug.die(*child).name == "Some");
        match debug.parameter(some.unwrap_or(at), "T") {
            Some(inner) => at = inner,
            None => return Some(at),
        }
    }
    Some(at)
}

/// Returns the number of elements of an array, in all its dimensions; 0 if it has no length.
pub(super) fn count(debug: &Debug<'_>, array: Index) -> u64 {
    let ranges = debug.children(array).map(|child| debug.die(child));
    ranges
        .filter(|die| die.tag == gimli::DW_TAG_subrange_type)
        .fold(1, |count: u64, range| {
            count.saturating_mul(range.count.unwrap_or(0))
        })
}

/// Creates the error for types without an end.
pub(super) fn endless(debug: &Debug<'_>, index: Index) -> linux_driver_host::Error {
    damaged(
        debug.location,
        format_args!("types nested at most {DEPTH} deep"),
        format_args!("record {}, which is nested deeper or is a cycle", index.0),
    )
}

struct Speller<'a, 'd> {
    debug: &'a Debug<'d>,
}

impl<'d> Speller<'_, 'd> {
    /// Spells the declaration. `inner` is what has been spelled so far, from the name outwards;
    /// `qualifiers` belong to the next type.
    fn declare(
        &self,
        of: Option<Index>,
        inner: String,
        qualifiers: &str,
        depth: u32,
    ) -> Result<String> {
        let join = |base: &str| {
            let space = if inner.is_empty() { "" } else { " " };
            Ok(format!("{qualifiers}{base}{space}{inner}"))
        };
        let Some(index) = unwrapped(self.debug, of) else {
            return join("void");
        };
        if depth > DEPTH {
            return Err(endless(self.debug, index));
        }
        let depth = depth + 1;
        let die = self.debug.die(index);
        let is_rust = self.debug.is_rust(index);
        match die.tag {
            gimli::DW_TAG_pointer_type => {
                let mut inner = match (qualifiers, inner.as_str()) {
                    ("", _) => format!("*{inner}"),
                    (_, "") => format!("*{}", qualifiers.trim_end()),
                    _ => format!("*{qualifiers}{inner}"),
                };
                if self.is_postfix(die.of, depth)? {
                    inner = format!("({inner})");
                }
                let of_const =
                    is_rust && (die.name.starts_with("*const ") || die.name.starts_with("&"));
                self.declare(die.of, inner, if of_const { "const " } else { "" }, depth)
            }
            gimli::DW_TAG_array_type => {
                let inner = format!("{inner}[{}]", count(self.debug, index));
                self.declare(die.of, inner, qualifiers, depth)
            }
            gimli::DW_TAG_const_type => self.qualified("const ", die, inner, qualifiers, depth),
            gimli::DW_TAG_volatile_type => {
                self.qualified("volatile ", die, inner, qualifiers, depth)
            }
            gimli::DW_TAG_restrict_type => {
                self.qualified("restrict ", die, inner, qualifiers, depth)
            }
            gimli::DW_TAG_subroutine_type | gimli::DW_TAG_subprogram => {
                let (_, mut list, variadic) = signature_at(self.debug, index, depth)?;
                if variadic {
                    list.push("...".to_owned());
                }
                let list = if list.is_empty() {
                    "void".to_owned()
                } else {
                    list.join(", ")
                };
                self.declare(die.of, format!("{inner}({list})"), "", depth)
            }
            _ if is_rust && rust::is_flexible(die.name) => self.declare(
                self.debug.parameter(index, "T"),
                format!("{inner}[0]"),
                qualifiers,
                depth,
            ),
            _ if die.name == "c_void" && is_rust => join("void"),
            gimli::DW_TAG_base_type if is_rust => join(rust::c_number(die.name)),
            gimli::DW_TAG_structure_type
            | gimli::DW_TAG_union_type
            | gimli::DW_TAG_enumeration_type => {
                let word = word(die);
                if die.name.is_empty() || (is_rust && rust::is_unnamed(die.name)) {
                    join(&format!("{word} {{…}}"))
                } else {
                    join(&format!("{word} {}", die.name))
                }
            }
            // A type that only C++ or a newer C has keeps its own name.
            _ => join(die.name),
        }
    }

    fn qualified(
        &self,
        word: &str,
        die: &Die<'d>,
        inner: String,
        qualifiers: &str,
        depth: u32,
    ) -> Result<String> {
        // C allows a qualifier twice; it is written once.
        let qualifiers = if qualifiers.contains(word) {
            qualifiers.to_owned()
        } else {
            format!("{word}{qualifiers}")
        };
        self.declare(die.of, inner, &qualifiers, depth)
    }

    /// Returns whether a pointer to this type needs parentheses.
    fn is_postfix(&self, mut of: Option<Index>, depth: u32) -> Result<bool> {
        for _ in depth..=DEPTH {
            let Some(index) = of else { return Ok(false) };
            let die = self.debug.die(index);
            match die.tag {
                gimli::DW_TAG_array_type | gimli::DW_TAG_subroutine_type => return Ok(true),
                gimli::DW_TAG_const_type
                | gimli::DW_TAG_volatile_type
                | gimli::DW_TAG_restrict_type => of = die.of,
                _ => return Ok(false),
            }
        }
        match of {
            Some(index) => Err(endless(self.debug, index)),
            None => Ok(false),
        }
    }
}

/// Returns C's keyword for a type that may have no name.
fn word(die: &Die<'_>) -> &'static str {
    match die.tag {
        gimli::DW_TAG_union_type => "union",
        gimli::DW_TAG_enumeration_type => "enum",
        _ => "struct",
    }
}

/// Returns the type of the function's result, the types of its parameters, and whether it is
/// variadic.
pub(super) fn signature(debug: &Debug<'_>, function: Index) -> Result<(String, Vec<String>, bool)> {
    signature_at(debug, function, 0)
}

fn signature_at(
    debug: &Debug<'_>,
    function: Index,
    depth: u32,
) -> Result<(String, Vec<String>, bool)> {
    let speller = Speller { debug };
    let (mut list, mut variadic) = (Vec::new(), false);
    for child in debug.children(function) {
        let die = debug.die(child);
        match die.tag {
            gimli::DW_TAG_formal_parameter => {
                list.push(speller.declare(die.of, String::new(), "", depth)?)
            }
            gimli::DW_TAG_unspecified_parameters => variadic = true,
            _ => {}
        }
    }
    let returns = speller.declare(debug.die(function).of, String::new(), "", depth)?;
    Ok((returns, list, variadic))
}
