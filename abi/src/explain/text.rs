// SPDX-License-Identifier: GPL-2.0-only
//! The text of an explanation, for a person at a terminal.

use std::fmt::Write;

use super::{Explanation, Group, Section, State};
use crate::model::{Field, Type};

/// The reason why a kernel can have a name although its type information and its list of exports
/// lack it.
const ELSEWHERE: &str = "a kernel's type information has no macros, no inline functions and \
                         nothing that only modules have";

/// The number of fields that are drawn before and after the explained one.
const AROUND: usize = 3;

/// Returns the explanation as text.
pub fn render(explanation: &Explanation) -> String {
    let mut text = String::new();
    let Explanation {
        name,
        c,
        safe,
        since,
        first,
        ..
    } = explanation;
    let _ = writeln!(text, "{name}");
    if !c.is_empty() {
        let _ = writeln!(text, "  in C        {c}");
    }
    if safe.is_empty() {
        let _ = writeln!(text, "  safe layer  has no item for it");
    }
    for alias in safe {
        let of = match alias.c == *name {
            true => String::new(),
            false => format!(", which corresponds to {}", alias.c),
        };
        let _ = writeln!(
            text,
            "  safe layer  {} ({}){of}",
            alias.path, alias.location
        );
    }
    // Only `since` tells which kernel is known not to have it.
    let from_the_start = || {
        let group = explanation
            .sections
            .first()
            .and_then(|section| section.groups.first());
        group
            .and_then(|group| group.spans.first())
            .is_some_and(|span| span.state.is_there())
    };
    let _ = match (since, first) {
        (Some(since), _) => writeln!(text, "  since       {since}"),
        (None, None) => writeln!(text, "  since       not known: {}", ELSEWHERE),
        (None, Some(first)) if !from_the_start() => writeln!(
            text,
            "  since       {first} or before: the kernels without it below may have it, since \
             {ELSEWHERE}"
        ),
        (None, Some(_)) => writeln!(
            text,
            "  since       {} or before, the oldest that is known",
            explanation.oldest
        ),
    };
    for section in &explanation.sections {
        let _ = writeln!(text);
        text += &of_section(section);
    }
    if let Some((kernel, type_)) = &explanation.layout {
        let (of, field) = match name.split_once('.') {
            Some((of, field)) => (of, Some(field)),
            None => (name.as_str(), None),
        };
        let _ = writeln!(
            text,
            "\n{} {of} in {kernel}, {} bytes",
            type_.kind.word(),
            type_.size
        );
        text += &picture(type_, field);
    }
    text
}

fn of_section(section: &Section) -> String {
    let mut text = match (section.is, section.states) {
        (is, 1) => format!("{is}: the same in all kernels\n"),
        (is, states) => format!("{is}: {states} different answers\n"),
    };
    let mut done: Vec<bool> = vec![false; section.groups.len()];
    for (at, group) in section.groups.iter().enumerate() {
        if done[at] {
            continue;
        }
        let _ = writeln!(text, "  {}", label(group));
        let width = group
            .spans
            .iter()
            .map(|span| range(span).chars().count())
            .max()
            .unwrap_or(0);
        for span in &group.spans {
            let _ = writeln!(
                text,
                "    {:<width$}  {:>4}  {}",
                range(span),
                span.kernels,
                of_state(section.is, &span.state)
            );
            for change in &span.changes {
                let _ = writeln!(text, "    {:<width$}        · {change}", "");
            }
        }
        done[at] = true;
    }
    text
}

fn label(group: &Group) -> String {
    match group.flavour.as_str() {
        "" => group.arch.clone(),
        flavour => format!("{} {flavour}", group.arch),
    }
}

fn range(span: &super::Span) -> String {
    match span.kernels {
        1 => span.first.clone(),
        _ => format!("{} … {}", span.first, span.last),
    }
}

fn of_state(is: &str, state: &State) -> String {
    match state {
        State::Absent if is == "symbol" => "not exported".to_owned(),
        State::NotKnown => "not known".to_owned(),
        State::NoEvidence { why } => format!("no evidence: {why}"),
        State::Absent => "not there".to_owned(),
        State::Field {
            offset_bits,
            size_bits,
            bitfield,
            type_name,
        } => format!(
            "at {}, {}, {type_name}",
            location(*offset_bits, *bitfield),
            size(*size_bits)
        ),
        State::Type {
            size,
            align,
            fields,
            layout,
        } => format!("{size} bytes, aligned to {align}, {fields} members, layout {layout}"),
        State::Function { declaration } => declaration.clone(),
        State::Constant { value } => value.to_string(),
        State::Exported {
            gpl,
            namespace,
            module,
        } => {
            let gpl = if *gpl {
                ", to modules under the GPL"
            } else {
                ""
            };
            let namespace = namespace
                .as_ref()
                .map(|name| format!(", in the namespace {name}"));
            format!("exported by {module}{gpl}{}", namespace.unwrap_or_default())
        }
    }
}

fn location(bits: u64, bitfield: bool) -> String {
    match bitfield {
        true => format!("{}:{}", bits / 8, bits % 8),
        false => (bits / 8).to_string(),
    }
}

fn size(bits: u64) -> String {
    match bits {
        1 => "1 bit".to_owned(),
        _ if !bits.is_multiple_of(8) => format!("{bits} bits"),
        8 => "1 byte".to_owned(),
        _ => format!("{} bytes", bits / 8),
    }
}

/// Draws the fields of a type, or those around one. Each has a bar from its start to its end.
fn picture(type_: &Type, marked: Option<&str>) -> String {
    let at = marked.and_then(|name| type_.fields.iter().position(|field| field.name == name));
    let (first, last) = match at {
        Some(at) => (
            at.saturating_sub(AROUND),
            (at + AROUND + 1).min(type_.fields.len()),
        ),
        None => (0, type_.fields.len()),
    };
    let shown = &type_.fields[first..last];
    let mut text = String::new();
    if first > 0 {
        let _ = writeln!(text, "             ⋮ {first} fields before");
    }
    let width = shown
        .iter()
        .map(|field| field.name.chars().count())
        .max()
        .unwrap_or(0);
    for (number, field) in (first..).zip(shown) {
        let sign = if Some(number) == at { "▶" } else { " " };
        let _ = writeln!(
            text,
            "  {sign}{:>8} {} {:<width$}  {:<9} {}",
            location(field.offset_bits, field.bitfield),
            bar(type_, field),
            field.name,
            size(field.size_bits),
            field.type_name
        );
    }
    if last < type_.fields.len() {
        let _ = writeln!(
            text,
            "             ⋮ {} fields after",
            type_.fields.len() - last
        );
    }
    text
}

/// The width of a type's picture in characters.
const CELLS: u64 = 24;

fn bar(type_: &Type, field: &Field) -> String {
    let all = u128::from(type_.size.max(1)) * 8;
    let cell = |bits: u64| (u128::from(bits) * u128::from(CELLS) / all) as u64;
    let first = cell(field.offset_bits).min(CELLS - 1);
    let last = cell(field.end_bits().saturating_sub(1)).clamp(first, CELLS - 1);
    let cell = |at: u64| {
        if (first..=last).contains(&at) {
            '█'
        } else {
            '·'
        }
    };
    (0..CELLS).map(cell).collect()
}
