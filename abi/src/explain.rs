// SPDX-License-Identifier: GPL-2.0-only
//! A summary of what the history records about one name, over all kernels.
//!
//! The kernels of each architecture and flavour are in the order of their age. Neighbours with the
//! same answer form one span. [`safe`] finds the names in the safe layer, and [`text`] prints the
//! summary for a person.

mod rules;
pub mod safe;
pub mod text;

use linux_driver_host::{Error, Result};
use serde::Serialize;

use crate::history::{Fact, History, KernelId, What, nearest, order_of};
use crate::model::{Kind, Type};

/// A summary of one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The name in the history's form: `pci_driver.driver_managed_dma`.
    pub name: String,
    /// Its newest declaration in C.
    pub c: String,
    /// Its names in the safe layer.
    pub safe: Vec<safe::SafeName>,
    /// The first kernel that has it, if an older kernel is known not to have it. A function that a
    /// kernel's type information lacks, or that it does not export, can be a macro or an inline
    /// function there. That proves nothing, so the field is then empty.
    pub since: Option<String>,
    /// The first kernel that is known to have it, if there is one.
    pub first: Option<String>,
    /// The oldest kernel of the history. Nothing is known of older ones.
    pub oldest: String,
    /// The meanings of the name. A function has two: its signature and its export.
    pub sections: Vec<Section>,
    /// For a type or field: the kernel with the newest layout, and the layout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<(String, Type)>,
}

/// One meaning of a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    /// "field", "type", "function", "constant", "symbol".
    pub is: &'static str,
    /// The number of different answers.
    pub states: usize,
    /// The answers by architecture and flavour.
    pub groups: Vec<Group>,
}

/// The kernels of an architecture and flavour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The architecture.
    pub arch: String,
    /// The flavour. Empty for the standard one.
    pub flavour: String,
    /// The spans, from the oldest kernel to the newest.
    pub spans: Vec<Span>,
}

/// Neighbouring kernels with the same answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Its series: "6.1", or "6.16 to 7.1".
    pub series: String,
    /// The first kernel of the span.
    pub first: String,
    /// The last kernel of the span.
    pub last: String,
    /// The number of kernels.
    pub kernels: usize,
    /// Their answer.
    pub state: State,
    /// For a type: the differences from the span before, one on each line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
}

/// A kernel's answer for a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum State {
    /// The name was not looked for.
    NotKnown,
    /// There is no evidence.
    NoEvidence {
        /// The reason.
        why: String,
    },
    /// The kernel does not have it.
    Absent,
    /// A field.
    Field {
        /// Its offset in bits.
        offset_bits: u64,
        /// Its size in bits.
        size_bits: u64,
        /// True for a bit field.
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
        /// The number of its fields.
        fields: usize,
        /// The number of its layout, counted from 0 in the order in which the history recorded
        /// them.
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
        /// `true` if only modules under a license compatible with the GPL may use it.
        gpl: bool,
        /// Its namespace.
        namespace: Option<String>,
        /// The exporter.
        module: String,
    },
}

impl State {
    /// Returns whether the kernel has the name.
    pub fn is_there(&self) -> bool {
        !matches!(
            self,
            Self::NotKnown | Self::NoEvidence { .. } | Self::Absent
        )
    }
}

/// A meaning that a name was found to have.
enum Meaning {
    Type(String),
    Field(String, String),
    Function(String),
    Constant(String),
    Enumerator(String, String),
    Symbol(String),
}

/// Looks a name up: a type, `type.field`, a function, a constant or an exported symbol. C's
/// keywords before the name and parentheses after it are ignored.
///
/// # Errors
///
/// The history does not contain the name. The error lists similar names.
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

/// Returns the name without the C syntax around it.
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
        // Every kernel was asked for it, and no kernel has it.
        found.push(Meaning::Function(name.to_owned()));
    } else if found.is_empty() && has(What::Unknown, &format!("type {name}")) {
        found.push(Meaning::Type(name.to_owned()));
    }
    found
}

/// Creates the error for a name that the history does not contain, with similar names.
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
        _ => "a name that the history does not contain".to_owned(),
    };
    Error::new(
        format_args!("`{asked}`"),
        "a type, type.field, function, constant or exported symbol that the history contains",
        found,
        match near.is_empty() {
            true => {
                "the history contains what the bindings need and what headers/watched.toml lists: \
                 add the name there, \
                     and then the kernels again with `cargo xtask history add`"
                    .to_owned()
            }
            false => format!("similar names: {}", near.join(", ")),
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

/// Returns the differences of a type between two kernels, one on each line.
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

/// Returns the newest kernel that has it. Kernels of x86_64 without a flavour are preferred.
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

/// Returns the first kernel of the first group that has it. An older kernel of that group must
/// prove its absence: its layout lacks the field, or its enum lacks the enumerator.
fn since(section: &Section) -> Option<String> {
    let group = section.groups.first()?;
    let first = group.spans.iter().position(|span| span.state.is_there())?;
    let before = group.spans.get(first.checked_sub(1)?)?;
    let proven = before.state == State::Absent && section.is != "symbol";
    proven.then(|| group.spans[first].first.clone())
}

/// Returns the first kernel that has it, in the first group with one.
fn first_of(section: &Section) -> Option<String> {
    let mut spans = section.groups.iter().flat_map(|group| &group.spans);
    Some(spans.find(|span| span.state.is_there())?.first.clone())
}
