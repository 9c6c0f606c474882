// SPDX-License-Identifier: GPL-2.0-only
//! The expected members of a structure in the module.

use std::collections::BTreeMap;

use linux_driver_abi::Abi;

use crate::module::{Address, Module, Pointer};

/// The expected value of a member. A member without an expected value must be zero.
#[derive(Debug, Clone)]
pub(crate) enum Want {
    /// A number.
    Number(u64),
    /// A pointer to this text, in read-only memory.
    Text(&'static str),
    /// This text itself, up to its NUL.
    Characters(&'static str),
    /// A pointer to a function whose path contains this part.
    Code(&'static str),
    /// A pointer to such a structure, in read-only memory.
    Table(&'static str, Vec<(&'static str, Want)>),
    /// A pointer to a list of pointers that ends with NULL, in read-only memory.
    List(Vec<Want>),
}

/// Returns the errors in the structure that the module registers, a `struct name`. Each error
/// starts with the name of the member.
pub(crate) fn check(
    module: &Module,
    abi: &Abi,
    name: &str,
    wants: &[(&'static str, Want)],
) -> Vec<String> {
    let mut check = Check {
        module,
        abi,
        wrong: Vec::new(),
    };
    let at = module.driver.unwrap();
    let section = &module.section(at).name;
    if section != ".data" {
        check.say(name, &format!("expected in .data, found in {section}"));
    }
    match module.object(at) {
        Some((_, size)) if size == abi.types[name].size => {}
        other => check.say(
            name,
            &format!("expected {} bytes, found {other:?}", abi.types[name].size),
        ),
    }
    check.structure(name, name, at, wants);
    check.wrong
}

struct Check<'a> {
    module: &'a Module,
    abi: &'a Abi,
    wrong: Vec<String>,
}

impl Check<'_> {
    fn say(&mut self, place: &str, what: &str) {
        self.wrong.push(format!("{place}: {what}"));
    }

    /// Collects the members of a type that have no members of their own, with their paths and
    /// sizes. They are keyed by offset, because the members of a union share one.
    fn members(
        &self,
        type_: &str,
        prefix: &str,
        start: u64,
        into: &mut BTreeMap<u64, Vec<(String, u64)>>,
    ) {
        for field in &self.abi.types[type_].fields {
            assert!(!field.bitfield, "{type_}.{}", field.name);
            let (name, at) = (
                format!("{prefix}{}", field.name),
                start + field.offset_bits / 8,
            );
            match field.type_name.strip_prefix("struct ") {
                // The members of an anonymous struct follow as fields.
                Some("{…}") => {}
                Some(inner) if self.abi.types.contains_key(inner) => {
                    self.members(inner, &format!("{name}."), at, into);
                }
                _ => into
                    .entry(at)
                    .or_default()
                    .push((name, field.size_bits / 8)),
            }
        }
    }

    fn structure(&mut self, place: &str, type_: &str, at: Address, wants: &[(&'static str, Want)]) {
        let mut members = BTreeMap::new();
        self.members(type_, "", 0, &mut members);
        for (name, _) in wants {
            if !members.values().flatten().any(|(member, _)| member == name) {
                self.say(
                    &format!("{place}.{name}"),
                    &format!("struct {type_} has no such member"),
                );
            }
        }
        for (offset, names) in members {
            let at = Address {
                offset: at.offset + offset,
                ..at
            };
            let wanted = names.iter().find_map(|(name, size)| {
                let (_, want) = wants.iter().find(|(wanted, _)| wanted == name)?;
                Some((name, *size, want))
            });
            if let Some((name, size, want)) = wanted {
                self.member(&format!("{place}.{name}"), at, size, want);
            } else {
                let size = names
                    .iter()
                    .map(|(_, size)| *size)
                    .max()
                    .unwrap_or_default();
                if !self.module.is_zero(at, size) {
                    let found = self.found(at, size);
                    self.say(
                        &format!("{place}.{}", names[0].0),
                        &format!("nothing is written there: expected zero, found {found}"),
                    );
                }
            }
        }
    }

    fn member(&mut self, place: &str, at: Address, size: u64, want: &Want) {
        let module = self.module;
        let pointer = if size == 8 {
            module.pointer(at)
        } else {
            Pointer::Other
        };
        match (want, pointer) {
            (Want::Number(number), _) if module.number(at, size) == Some(*number) => {}
            (Want::Characters(text), _) if module.text(at) == Some(text) => {}
            (Want::Text(text), Pointer::ReadOnly(to)) if module.text(to) == Some(text) => {}
            (Want::Code(name), Pointer::Code(to)) if is_called(&module.function(to), name) => {}
            (Want::Table(type_, wants), Pointer::ReadOnly(to)) => {
                self.structure(place, type_, to, wants)
            }
            (Want::List(wants), Pointer::ReadOnly(to)) => {
                let entry = |number: usize| Address {
                    offset: to.offset + 8 * number as u64,
                    ..to
                };
                for (number, want) in wants.iter().enumerate() {
                    self.member(&format!("{place}[{number}]"), entry(number), 8, want);
                }
                if module.pointer(entry(wants.len())) != Pointer::Null {
                    self.say(
                        &format!("{place}[{}]", wants.len()),
                        "expected the end of the list",
                    );
                }
            }
            _ => {
                let found = self.found(at, size);
                self.say(place, &format!("expected {}, found {found}", wanted(want)));
            }
        }
    }

    /// Describes the value that was found.
    fn found(&self, at: Address, size: u64) -> String {
        let module = self.module;
        let in_section = |to| {
            let section = &module.section(to).name;
            format!(
                "a pointer to {section}+{:#x} {:?} {:?}",
                to.offset,
                module.function(to),
                module.object(to)
            )
        };
        match module.pointer(at) {
            Pointer::Null if size == 8 => "NULL".to_owned(),
            Pointer::Code(to) | Pointer::ReadOnly(to) if size == 8 => in_section(to),
            _ => format!("{:x?}", module.bytes(at, size)),
        }
    }
}

/// Returns whether a name of the function contains this part. rustc writes the length of each part
/// of a path before it.
fn is_called(names: &[&str], part: &str) -> bool {
    names
        .iter()
        .any(|name| name.contains(&format!("{}{part}", part.len())))
}

fn wanted(want: &Want) -> String {
    match want {
        Want::Number(number) => format!("{number:#x}"),
        Want::Text(text) => format!("a pointer to {text:?} in read-only memory"),
        Want::Characters(text) => format!("{text:?}"),
        Want::Code(name) => format!("a pointer to the function {name}"),
        Want::Table(type_, _) => format!("a pointer to a struct {type_} in read-only memory"),
        Want::List(_) => "a pointer to a list in read-only memory".to_owned(),
    }
}
