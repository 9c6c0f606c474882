// SPDX-License-Identifier: GPL-2.0-only
//! What is known of one name, through all kernels.
//!
//! The kernels of each architecture and flavour stand in the order of their age; those that follow
//! each other and say the same are one span. [`safe`] finds what the safe layer calls it, and
//! [`text`] is how a person reads it.

mod rules;
pub mod safe;
pub mod text;

use linux_driver_host::{Error, Result};
use serde::Serialize;

use crate::history::{Fact, History, KernelId, What, nearest, order_of};
use crate::model::{Kind, Type};

/// What is known of a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The name, as the history has it: `pci_driver.driver_managed_dma`.
    pub name: String,
    /// What it is called in C: its newest declaration.
    pub c: String,
    /// What it is called in the safe layer.
    pub safe: Vec<safe::SafeName>,
    /// Since when it is there, if a kernel before is known not to have it; else nothing. A function
    /// that a kernel's type information does not have, or that it does not export, can be a macro
    /// or an inline function there: that is no proof.
    pub since: Option<String>,
    /// The first kernel that is known to have it, if any does.
    pub first: Option<String>,
    /// The oldest kernel of the history: nothing is known of what was before it.
    pub oldest: String,
    /// What the name stands for; a function has two, its signature and its export.
    pub sections: Vec<Section>,
    /// The newest layout that it is in, for a type or field: of which kernel, and the layout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<(String, Type)>,
}

/// One meaning of the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    /// "field", "type", "function", "constant", "symbol".
    pub is: &'static str,
    /// How many kernels say the same in all of it are in one state.
    pub states: usize,
    /// By architecture and flavour.
    pub groups: Vec<Group>,
}

/// The kernels of an architecture and flavour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The architecture.
    pub arch: String,
    /// The flavour; empty for the plain one.
    pub flavour: String,
    /// From the oldest to the newest.
    pub spans: Vec<Span>,
}

/// Kernels that follow each other and say the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Span {
    /// The series that it reaches through: "6.1", or "6.16 to 7.1".
    pub series: String,
    /// The first of them.
    pub first: String,
    /// The last of them.
    pub last: String,
    /// How many they are.
    pub kernels: usize,
    /// What they say.
    pub state: State,
    /// For a type: what is different from the span before, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
}

/// What a kernel says of the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum State {
    /// It was not looked at.
    NotKnown,
    /// There is no evidence.
    NoEvidence {
        /// Why.
        why: String,
    },
    /// It is not there.
    Absent,
    /// A field.
    Field {
        /// Where it starts, in bits.
        offset_bits: u64,
        /// How many bits it has.
        size_bits: u64,
        /// Whether it is a bit field.
        bitfield: bool,
        /// Its type.
        #[serde(rename = "type")]
        type_name: String,
    },
    /// A type.
    Type {
        /// Its size in bytes.
        size: u64,
        /// Its alignment in bytes.
        align: u64,
        /// How many fields it has.
        fields: usize,
        /// Which of its layouts it is, from 0 in the order in which the history met them.
        layout: usize,
    },
    /// A function.
    Function {
        /// Its declaration.
        declaration: String,
    },
    /// A constant.
    Constant {
        /// Its value.
        value: i128,
    },
    /// An exported symbol.
    Exported {
        /// Whether only modules under the GPL may use it.
        gpl: bool,
        /// Its namespace.
        namespace: Option<String>,
        /// Who exports it.
        module: String,
    },
}

impl State {
    /// Whether it says that the name is there.
    pub fn is_there(&self) -> bool {
        !matches!(
            self,
            Self::NotKnown | Self::NoEvidence { .. } | Self::Absent
        )
    }
}

/// What a name was found to be.
enum Meaning {
    Type(String),
    Field(String, String),
    Function(String),
    Constant(String),
    Enumerator(String, String),
    Symbol(String),
}

/// Looks a name up: a type, `type.field`, a function, a constant or an exported symbol. C's words
/// before it and parentheses after it do no harm.
pub fn explain(history: &History, asked: &str, safe: &safe::SafeNames) -> Result<Explanation> {
    let name = plain(asked);
    let meanings = meanings(history, name);
    if meanings.is_empty() && safe.own(name).is_empty() {
        return Err(unknown(history, asked, name));
    }
    let safe = safe.of(name);
    let first = meanings.first();
    let order = history.in_order();
    let sections: Vec<Section> = meanings
        .iter()
        .map(|meaning| section(history, &order, meaning))
        .collect();
    let newest = first.and_then(|first| Some((newest(history, &order, first)?, first)));
    Ok(Explanation {
        name: name.to_owned(),
        c: newest.map_or_else(String::new, |(kernel, first)| {
            declaration(history, kernel, first)
        }),
        safe,
        since: sections.first().and_then(since),
        first: sections.iter().find_map(first_of),
        oldest: order
            .iter()
            .map(|&id| history.kernel(id).release.clone())
            .min_by_key(|release| order_of(release))
            .unwrap_or_default(),
        layout: newest.and_then(|(kernel, first)| layout(history, kernel, first)),
        sections,
    })
}

/// The name without what stands around it in C.
fn plain(asked: &str) -> &str {
    let name = asked
        .trim()
        .trim_end_matches("()")
        .trim_end_matches('!')
        .trim_end_matches(';');
    let words = ["struct ", "union ", "enum "];
    words
        .iter()
        .find_map(|word| name.strip_prefix(word))
        .unwrap_or(name)
        .trim()
}

fn meanings(history: &History, name: &str) -> Vec<Meaning> {
    let mut found = Vec::new();
    let has = |what: What, name: &str| !history.variants(what, name).is_empty();
    if has(What::Type, name) {
        found.push(Meaning::Type(name.to_owned()));
    }
    if let Some((of, field)) = name.split_once('.') {
        let layouts = history.layouts_of(of);
        if layouts
            .iter()
            .any(|(type_, _)| type_.field(field).is_some())
        {
            found.push(Meaning::Field(of.to_owned(), field.to_owned()));
        }
    }
    if has(What::Function, name) {
        found.push(Meaning::Function(name.to_owned()));
    }
    if has(What::Constant, name) {
        found.push(Meaning::Constant(name.to_owned()));
    }
    if found.is_empty() {
        let holds = |of: &&str| {
            let layouts = history.layouts_of(of);
            layouts
                .iter()
                .any(|(type_, _)| type_.values.contains_key(name))
        };
        if let Some(of) = history.names(What::Type).find(holds) {
            found.push(Meaning::Enumerator(of.to_owned(), name.to_owned()));
        }
    }
    if has(What::Symbol, name) {
        found.push(Meaning::Symbol(name.to_owned()));
    } else if found.is_empty() && has(What::Unknown, &format!("function {name}")) {
        // It was looked for in each kernel, and no kernel had it.
        found.push(Meaning::Function(name.to_owned()));
    } else if found.is_empty() && has(What::Unknown, &format!("type {name}")) {
        found.push(Meaning::Type(name.to_owned()));
    }
    found
}

/// The error for a name that the history does not have, with those near to it.
fn unknown(history: &History, asked: &str, name: &str) -> Error {
    let mut names: Vec<String> = Vec::new();
    for what in [What::Type, What::Function, What::Constant, What::Symbol] {
        names.extend(history.names(what).map(str::to_owned));
    }
    for of in history.names(What::Type) {
        for (type_, _) in history.layouts_of(of) {
            names.extend(
                type_
                    .fields
                    .iter()
                    .map(|field| format!("{of}.{}", field.name)),
            );
            names.extend(type_.values.keys().cloned());
        }
    }
    names.sort();
    names.dedup();
    let near = nearest(name, names.iter().map(String::as_str));
    let found = match name.split_once('.') {
        Some((of, field)) if !history.layouts_of(of).is_empty() => {
            format!("no kernel of the history has a field {field} in {of}")
        }
        _ => "a name that the history does not remember: nothing is known of it".to_owned(),
    };
    Error::new(
        format_args!("`{asked}`"),
        "a type, type.field, function, constant or exported symbol that the history holds",
        found,
        match near.is_empty() {
            true => {
                "the history holds what the bindings need and what headers/watched.toml names: add it there, and then \
                     the kernels again with `cargo xtask history add`"
                    .to_owned()
            }
            false => format!("near to it: {}", near.join(", ")),
        },
    )
}

fn section(history: &History, order: &[KernelId], meaning: &Meaning) -> Section {
    let mut groups: Vec<Group> = Vec::new();
    let mut states: Vec<State> = Vec::new();
    let mut before: Option<KernelId> = None;
    for &id in order {
        let kernel = history.kernel(id);
        let state = state(history, id, meaning);
        if !states.contains(&state) {
            states.push(state.clone());
        }
        let same_group = groups
            .last()
            .is_some_and(|group| group.arch == kernel.arch && group.flavour == kernel.flavour);
        if !same_group {
            groups.push(Group {
                arch: kernel.arch.clone(),
                flavour: kernel.flavour.clone(),
                spans: Vec::new(),
            });
            before = None;
        }
        let Some(group) = groups.last_mut() else {
            continue;
        };
        match group.spans.last_mut().filter(|span| span.state == state) {
            Some(span) => {
                span.last.clone_from(&kernel.id);
                span.kernels += 1;
                let first = span.series.split(' ').next().unwrap_or_default().to_owned();
                if first != kernel.series {
                    span.series = format!("{first} to {}", kernel.series);
                }
            }
            None => group.spans.push(Span {
                series: kernel.series.clone(),
                first: kernel.id.clone(),
                last: kernel.id.clone(),
                kernels: 1,
                state,
                changes: match (meaning, before) {
                    (Meaning::Type(name), Some(before)) => changes(history, before, id, name),
                    _ => Vec::new(),
                },
            }),
        }
        before = Some(id);
    }
    Section {
        is: match meaning {
            Meaning::Type(_) => "type",
            Meaning::Field(..) => "field",
            Meaning::Function(_) => "function",
            Meaning::Constant(_) | Meaning::Enumerator(..) => "constant",
            Meaning::Symbol(_) => "symbol",
        },
        states: states.len(),
        groups,
    }
}

fn type_of<'h>(history: &'h History, kernel: KernelId, name: &str) -> Option<&'h Type> {
    match history.fact(kernel, What::Type, name) {
        Some(Fact::Type(type_)) => Some(type_),
        _ => None,
    }
}

fn state(history: &History, kernel: KernelId, meaning: &Meaning) -> State {
    let no_evidence = |what: &str, name: &str| match history.fact(
        kernel,
        What::Unknown,
        &format!("{what} {name}"),
    ) {
        Some(Fact::Unknown(why)) => State::NoEvidence {
            why: why.to_string(),
        },
        _ => State::NotKnown,
    };
    match meaning {
        Meaning::Type(name) => match type_of(history, kernel, name) {
            None => no_evidence("type", name),
            Some(type_) => State::Type {
                size: type_.size,
                align: type_.align,
                fields: type_.fields.len().max(type_.values.len()),
                layout: history
                    .layouts_of(name)
                    .iter()
                    .position(|(_, kernels)| kernels.contains(&kernel))
                    .unwrap_or_default(),
            },
        },
        Meaning::Field(of, field) => {
            match type_of(history, kernel, of).map(|type_| type_.field(field)) {
                None => no_evidence("type", of),
                Some(None) => State::Absent,
                Some(Some(field)) => State::Field {
                    offset_bits: field.offset_bits,
                    size_bits: field.size_bits,
                    bitfield: field.bitfield,
                    type_name: field.type_name.clone(),
                },
            }
        }
        Meaning::Function(name) => match history.fact(kernel, What::Function, name) {
            Some(Fact::Function(function)) => State::Function {
                declaration: function.declaration(name),
            },
            _ => no_evidence("function", name),
        },
        Meaning::Constant(name) => match history.fact(kernel, What::Constant, name) {
            Some(Fact::Constant(constant)) => State::Constant {
                value: constant.value,
            },
            _ => no_evidence("constant", name),
        },
        Meaning::Enumerator(of, name) => match type_of(history, kernel, of) {
            None => no_evidence("type", of),
            Some(type_) => match type_.values.get(name) {
                Some(&value) => State::Constant { value },
                None => State::Absent,
            },
        },
        Meaning::Symbol(name) => match history.fact(kernel, What::Symbol, name) {
            Some(Fact::Symbol(Some(symbol))) => State::Exported {
                gpl: symbol.gpl,
                namespace: symbol.namespace.clone(),
                module: symbol.module.clone(),
            },
            Some(_) => State::Absent,
            None => State::NotKnown,
        },
    }
}

/// What is different in a type between two kernels, a line each.
fn changes(history: &History, before: KernelId, after: KernelId, name: &str) -> Vec<String> {
    let (Some(old), Some(new)) = (
        type_of(history, before, name),
        type_of(history, after, name),
    ) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    let names = |a: &Type, b: &Type| -> Vec<String> {
        let only = a
            .fields
            .iter()
            .filter(|field| b.field(&field.name).is_none());
        only.map(|field| format!("{} ({})", field.name, field.type_name))
            .collect()
    };
    for (word, list) in [("gone", names(old, new)), ("new", names(new, old))] {
        if !list.is_empty() {
            lines.push(format!("{word}: {}", list.join(", ")));
        }
    }
    let both = || {
        let fields = old.fields.iter();
        fields.filter_map(|field| Some((field, new.field(&field.name)?)))
    };
    let retyped = both().filter(|(a, b)| a.type_name != b.type_name);
    lines.extend(retyped.map(|(a, b)| format!("{}: {} → {}", a.name, a.type_name, b.type_name)));
    let resized = both().filter(|(a, b)| a.type_name == b.type_name && a.size_bits != b.size_bits);
    lines.extend(resized.map(|(a, b)| {
        format!(
            "{}: {} → {} bytes",
            a.name,
            a.size_bits / 8,
            b.size_bits / 8
        )
    }));
    let moved = both()
        .filter(|(a, b)| a.offset_bits != b.offset_bits)
        .count();
    if moved > 0 {
        lines.push(format!("{moved} of {} fields moved", new.fields.len()));
    }
    lines
}

/// The newest kernel that has it; the plain flavour of x86_64, if that has it.
fn newest(history: &History, order: &[KernelId], meaning: &Meaning) -> Option<KernelId> {
    let there = |id: &&KernelId| state(history, **id, meaning).is_there();
    let plain = |id: &&KernelId| {
        let kernel = history.kernel(**id);
        kernel.arch == "x86_64" && kernel.flavour.is_empty()
    };
    let of_plain = order.iter().rev().filter(plain).find(there);
    of_plain.or_else(|| order.iter().rev().find(there)).copied()
}

fn declaration(history: &History, kernel: KernelId, meaning: &Meaning) -> String {
    match meaning {
        Meaning::Type(name) => {
            type_of(history, kernel, name).map_or_else(String::new, |type_| match type_.kind {
                Kind::Typedef => {
                    format!("typedef {} {name};", type_.target.as_deref().unwrap_or("?"))
                }
                kind => format!("{} {name}", kind.word()),
            })
        }
        Meaning::Field(of, name) => {
            let type_ = type_of(history, kernel, of);
            let Some((type_, field)) = type_.and_then(|type_| Some((type_, type_.field(name)?)))
            else {
                return String::new();
            };
            let last = name.rsplit('.').next().unwrap_or(name);
            let declared = match field.type_name.split_once("(*)") {
                Some((before, after)) => format!("{before}(*{last}){after}"),
                None => match field.type_name.split_once(" [") {
                    Some((element, rest)) => format!("{element} {last}[{rest}"),
                    None if field.type_name.ends_with('*') => format!("{}{last}", field.type_name),
                    None => format!("{} {last}", field.type_name),
                },
            };
            let bits = match field.bitfield {
                true => format!(":{}", field.size_bits),
                false => String::new(),
            };
            format!("{declared}{bits};  /* in {} {of} */", type_.kind.word())
        }
        Meaning::Function(name) => match history.fact(kernel, What::Function, name) {
            Some(Fact::Function(function)) => format!("{};", function.declaration(name)),
            _ => String::new(),
        },
        Meaning::Constant(name) | Meaning::Symbol(name) => name.clone(),
        Meaning::Enumerator(of, name) => format!("{name}  /* in enum {of} */"),
    }
}

fn layout(history: &History, kernel: KernelId, meaning: &Meaning) -> Option<(String, Type)> {
    let (Meaning::Type(name) | Meaning::Field(name, _)) = meaning else {
        return None;
    };
    let type_ = type_of(history, kernel, name)?;
    Some((history.kernel(kernel).id.clone(), type_.clone()))
}

/// The first kernel of the first group that has it, if an older one of that group is known not to:
/// the layout without the field, or the enum without the enumerator, is at hand. Nothing else is a
/// proof.
fn since(section: &Section) -> Option<String> {
    let group = section.groups.first()?;
    let first = group.spans.iter().position(|span| span.state.is_there())?;
    let before = group.spans.get(first.checked_sub(1)?)?;
    let proven = before.state == State::Absent && section.is != "symbol";
    proven.then(|| group.spans[first].first.clone())
}

/// The first kernel that has it, of the first group with one.
fn first_of(section: &Section) -> Option<String> {
    let mut spans = section.groups.iter().flat_map(|group| &group.spans);
    Some(spans.find(|span| span.state.is_there())?.first.clone())
}
