// SPDX-License-Identifier: GPL-2.0-only
//! `types.tsv`: the layouts of types. The layouts of a type share the rows of their members.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::Arc;

use linux_driver_host::Result;

use super::text::Row;
use super::{Fact, Items, What};
use crate::model::{Field, Kind, Type};

const FIELD: &str = "f, number, gap, size, name and type of a field";
const VALUE: &str = "v, number, name and value of an enumerator";
const LAYOUT: &str = "l, number, kind, size, alignment, members, and for a typedef its target";

/// The largest number of members of all layouts together, so that a short file cannot fill the
/// memory.
const MEMBERS: usize = 1 << 22;

/// A member, as in its row.
enum Member<'t> {
    Field {
        gap: i64,
        bits: u64,
        bitfield: bool,
        name: &'t str,
        type_name: &'t str,
    },
    Value(&'t str, i128),
}

pub(super) fn read<'t>(rows: impl Iterator<Item = Row<'t>>, items: &mut Items) -> Result<()> {
    let mut item = None;
    let mut members: Vec<Member<'t>> = Vec::new();
    let mut left = MEMBERS;
    for row in rows {
        if row.word() == What::Type.word() {
            let [name] = row.rest("`type` and its name")?;
            if items.get(row.filled(name, "a name")?).is_some() {
                return Err(row.wrong(format_args!("one block for {name}; this is the second")));
            }
            item = Some(items.get_or_make(name));
            members.clear();
            continue;
        }
        let Some(item) = item else {
            return Err(row.wrong("`type` and its name"));
        };
        match row.word() {
            "f" => members.push(field(row, members.len())?),
            "v" => {
                let [number, name, value] = row.rest(VALUE)?;
                row.count(number, members.len())?;
                members.push(Member::Value(
                    row.filled(name, "a name")?,
                    row.number(value, "the value")?,
                ));
            }
            "l" => {
                let facts = &mut items.list[item as usize].facts;
                let type_ = layout(row, facts.len(), &members, &mut left)?;
                facts.push(Fact::Type(Arc::new(type_)));
            }
            _ => return Err(row.wrong(format_args!("{FIELD}; {VALUE}; {LAYOUT}; or `type`"))),
        }
    }
    Ok(())
}

fn field<'t>(row: Row<'t>, next: usize) -> Result<Member<'t>> {
    let [number, gap, bits, name, type_name] = row.rest(FIELD)?;
    row.count(number, next)?;
    let (bits, bitfield) = match bits.strip_prefix(':') {
        Some(bits) => (bits, true),
        None => (bits, false),
    };
    Ok(Member::Field {
        gap: row.number(gap, "the gap")?,
        bits: row.number(bits, "the size")?,
        bitfield,
        name: row.filled(name, "a name")?,
        type_name: row.filled(type_name, "a type")?,
    })
}

fn layout(row: Row<'_>, next: usize, pool: &[Member<'_>], left: &mut usize) -> Result<Type> {
    let mut columns = row.columns().skip(1);
    let mut column = || columns.next().ok_or_else(|| row.wrong(LAYOUT));
    row.count(column()?, next)?;
    let kind = match column()? {
        "struct" => Kind::Struct,
        "union" => Kind::Union,
        "enum" => Kind::Enum,
        "typedef" => Kind::Typedef,
        other => {
            return Err(row.wrong(format_args!(
                "struct, union, enum or typedef, not `{other}`"
            )));
        }
    };
    let size = row.number(column()?, "the size")?;
    let align: u64 = row.number(column()?, "the alignment")?;
    if !align.is_power_of_two() {
        return Err(row.wrong("a power of two as the alignment"));
    }
    let members = column()?;
    let target = columns.next().map(str::to_owned);
    if columns.next().is_some() || target.is_some() != (kind == Kind::Typedef) {
        return Err(row.wrong(LAYOUT));
    }
    let mut type_ = Type {
        kind,
        size,
        align,
        fields: Vec::new(),
        values: BTreeMap::new(),
        target,
    };
    let mut seen = vec![false; pool.len()];
    let mut end = 0;
    for run in members.split(' ').filter(|run| !run.is_empty()) {
        let (first, last) = run.split_once('-').unwrap_or((run, run));
        let (first, last): (usize, usize) = (
            row.number(first, "a member")?,
            row.number(last, "a member")?,
        );
        if first > last || last >= pool.len() {
            return Err(row.wrong(format_args!(
                "members from 0 to {}, not {run}",
                pool.len().saturating_sub(1)
            )));
        }
        for number in first..=last {
            if std::mem::replace(&mut seen[number], true) {
                return Err(row.wrong(format_args!("each member once; {number} occurs twice")));
            }
            *left = left.checked_sub(1).ok_or_else(|| {
                row.wrong(format_args!(
                    "at most {MEMBERS} members in all layouts together"
                ))
            })?;
            end = add(row, &mut type_, &pool[number], end)?;
        }
    }
    Ok(type_)
}

/// Adds a member. `end` is the end of the field before it. Returns the end of this one.
fn add(row: Row<'_>, type_: &mut Type, member: &Member<'_>, end: u64) -> Result<u64> {
    match member {
        Member::Value(name, value) => {
            if type_.values.insert((*name).to_owned(), *value).is_some() {
                return Err(row.wrong(format_args!("each enumerator once; {name} occurs twice")));
            }
            Ok(end)
        }
        Member::Field {
            gap,
            bits,
            bitfield,
            name,
            type_name,
        } => {
            let start = end.checked_add_signed(*gap);
            let new_end = start.and_then(|start| start.checked_add(*bits));
            let (Some(offset_bits), Some(end)) = (start, new_end) else {
                return Err(row.wrong(format_args!("{name} to start and end within 64 bits")));
            };
            if end > type_.size.saturating_mul(8) {
                return Err(row.wrong(format_args!(
                    "fields within the {} bytes of the type; {name} ends at bit {end}",
                    type_.size
                )));
            }
            type_.fields.push(Field {
                name: (*name).to_owned(),
                offset_bits,
                size_bits: *bits,
                type_name: (*type_name).to_owned(),
                bitfield: *bitfield,
            });
            Ok(end)
        }
    }
}

pub(super) fn write(items: &Items) -> String {
    let mut text = String::new();
    for (_, item) in items.sorted() {
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let (mut members, mut layouts) = (String::new(), String::new());
        for (number, fact) in item.facts.iter().enumerate() {
            let Fact::Type(type_) = fact else { continue };
            let mut used = Vec::new();
            for row in member_rows(type_) {
                let next = numbers.len();
                let at = *numbers.entry(row).or_insert_with_key(|row| {
                    let (word, rest) = row.split_at(1);
                    let _ = writeln!(members, "{word}\t{next}{rest}");
                    next
                });
                used.push(at);
            }
            let Type {
                kind, size, align, ..
            } = &**type_;
            let _ = write!(
                layouts,
                "l\t{number}\t{}\t{size}\t{align}\t{}",
                kind.word(),
                runs(&used)
            );
            if let Some(target) = &type_.target {
                let _ = write!(layouts, "\t{target}");
            }
            layouts.push('\n');
        }
        let _ = writeln!(text, "type\t{}", item.name);
        text += &members;
        text += &layouts;
    }
    text
}

/// Returns the rows of a type's members, without their numbers.
fn member_rows(type_: &Type) -> Vec<String> {
    let mut end = 0;
    let mut rows = Vec::with_capacity(type_.fields.len());
    for field in &type_.fields {
        let gap = i128::from(field.offset_bits) - i128::from(end);
        let sign = if field.bitfield { ":" } else { "" };
        rows.push(format!(
            "f\t{gap}\t{sign}{}\t{}\t{}",
            field.size_bits, field.name, field.type_name
        ));
        end = field.end_bits();
    }
    rows.extend(
        type_
            .values
            .iter()
            .map(|(name, value)| format!("v\t{name}\t{value}")),
    );
    rows
}

/// Returns the numbers as text; runs of successive ones become `FIRST-LAST`.
fn runs(numbers: &[usize]) -> String {
    let mut text = String::new();
    let mut rest = numbers;
    while let Some(&first) = rest.first() {
        let length = rest
            .iter()
            .zip(first..)
            .take_while(|(a, b)| *a == b)
            .count();
        if !text.is_empty() {
            text.push(' ');
        }
        let _ = match length {
            1 => write!(text, "{first}"),
            _ => write!(text, "{first}-{}", first + length - 1),
        };
        rest = &rest[length..];
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn successive_numbers_are_a_run() {
        assert_eq!(super::runs(&[0, 1, 2, 7, 3, 4]), "0-2 7 3-4");
        assert_eq!(super::runs(&[]), "");
    }
}
