// SPDX-License-Identifier: GPL-2.0-only
//! A picture of a struct before and after, side by side, with the offset of each field in bytes.
//!
//! Each row is a field. Fields that are unchanged, or that move together with the field above,
//! share one row.

use std::cell::OnceCell;
use std::collections::HashMap;

use super::Layouts;
use super::visible::visible;
use crate::model::{Field, Type};

/// The largest width of one side.
const WIDTH: usize = 46;

/// How many similar fields in a row are drawn. Of a longer row, only the first and last are drawn.
const RUN: usize = 3;

/// The largest number of rows in a picture.
const ROWS: usize = 48;

/// The kind of a row. It decides the mark and the colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The heading, the rule under it, or a row for fields that are not drawn.
    Frame,
    /// The field has the same offset and the same type.
    Same,
    /// Only the side before has the field.
    Gone,
    /// Only the side after has the field.
    New,
    /// The field has another offset.
    Moved,
    /// The field has the same offset, but another type or size.
    Changed,
}

impl Mark {
    /// Returns the character in front of the row.
    pub fn sign(self) -> char {
        match self {
            Self::Frame | Self::Same => ' ',
            Self::Gone => '-',
            Self::New => '+',
            Self::Moved => '~',
            Self::Changed => '!',
        }
    }
}

/// One row of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutRow {
    /// Its kind.
    pub mark: Mark,
    /// Before.
    pub left: String,
    /// After.
    pub right: String,
    /// How many bits the field moved.
    pub by_bits: i64,
    /// `true` if the code names the field.
    pub used: bool,
}

impl LayoutRow {
    /// Returns the row as text, without characters that could control a terminal.
    pub fn line(&self) -> String {
        let (left, right) = (visible(&self.left), visible(&self.right));
        let mut line = String::with_capacity(4 * WIDTH);
        line.push(self.mark.sign());
        line.push(' ');
        line.push_str(&left);
        line.extend(std::iter::repeat_n(
            ' ',
            WIDTH.saturating_sub(left.chars().count()),
        ));
        line.push_str(" │ ");
        line.push_str(&right);
        if self.used {
            line.push_str(" ◂ used");
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// Draws a type. `used` tells if the code names a field's path: such a field is always drawn.
pub fn rows(
    name: &str,
    layouts: &Layouts,
    names: (&str, &str),
    used: &dyn Fn(&str) -> bool,
) -> Vec<LayoutRow> {
    let frame = |left: String, right: String| LayoutRow {
        mark: Mark::Frame,
        left: clip(left),
        right: clip(right),
        by_bits: 0,
        used: false,
    };
    let heading = |type_: Option<&Type>| match type_ {
        Some(type_) => format!("{} {name}, {} B", type_.kind.word(), type_.size),
        None => "not there".to_owned(),
    };
    let (before, after) = (layouts.before.as_deref(), layouts.after.as_deref());
    let mut out = vec![
        frame(names.0.to_owned(), names.1.to_owned()),
        frame(heading(before), heading(after)),
        LayoutRow {
            mark: Mark::Frame,
            left: "─".repeat(WIDTH),
            right: "─".repeat(WIDTH),
            by_bits: 0,
            used: false,
        },
    ];
    let all = side_by_side(fields(before), fields(after));
    let mut at = 0;
    while let Some(pair) = all.get(at) {
        let named = used(pair.path());
        let alike = |other: &&Pair<'_>| {
            (other.mark, other.by_bits) == (pair.mark, pair.by_bits) && !used(other.path())
        };
        let run = if named || !matches!(pair.mark, Mark::Same | Mark::Moved) {
            0
        } else {
            all[at..].iter().take_while(alike).count()
        };
        if run > RUN {
            out.push(pair.row(false));
            let what = if pair.mark == Mark::Same {
                format!("  ⋮    {} fields stay", run - 2)
            } else {
                format!("  ⋮    {} fields {}", run - 2, by(pair.by_bits))
            };
            out.push(frame(what, "  ⋮".to_owned()));
            out.push(all[at + run - 1].row(false));
            at += run;
        } else {
            out.push(pair.row(named));
            at += 1;
        }
    }
    if out.len() > ROWS {
        let more = out.len() - ROWS;
        out.truncate(ROWS);
        out.push(frame(format!("  ⋮    {more} more rows"), String::new()));
    }
    out
}

fn fields(type_: Option<&Type>) -> &[Field] {
    type_.map_or(&[], |type_| &type_.fields)
}

/// A field before and after. One of the two can be missing.
struct Pair<'a> {
    mark: Mark,
    left: Option<&'a Field>,
    right: Option<&'a Field>,
    by_bits: i64,
}

impl<'a> Pair<'a> {
    fn one(mark: Mark, left: Option<&'a Field>, right: Option<&'a Field>) -> Self {
        Self {
            mark,
            left,
            right,
            by_bits: 0,
        }
    }

    fn both(before: &'a Field, after: &'a Field) -> Self {
        let by_bits = i128::from(after.offset_bits) - i128::from(before.offset_bits);
        let by_bits = i64::try_from(by_bits).unwrap_or(i64::MAX);
        let mark = if before.type_name != after.type_name || before.size_bits != after.size_bits {
            Mark::Changed
        } else if by_bits != 0 {
            Mark::Moved
        } else {
            Mark::Same
        };
        Self {
            mark,
            left: Some(before),
            right: Some(after),
            by_bits,
        }
    }

    fn path(&self) -> &'a str {
        self.left.or(self.right).map_or("", |field| &field.name)
    }

    fn row(&self, used: bool) -> LayoutRow {
        let cell = |field: Option<&Field>| field.map_or_else(String::new, cell);
        LayoutRow {
            mark: self.mark,
            left: cell(self.left),
            right: cell(self.right),
            by_bits: self.by_bits,
            used,
        }
    }
}

/// Merges both lists. If only one side has a field, the other is empty there.
fn side_by_side<'a>(before: &'a [Field], after: &'a [Field]) -> Vec<Pair<'a>> {
    let locations = |fields: &'a [Field]| -> HashMap<&'a str, usize> {
        let names = fields.iter().map(|field| field.name.as_str());
        names.zip(0..).collect()
    };
    // Most fields have the same order on both sides, so the maps are only made at the first
    // difference.
    let (here, there) = (OnceCell::new(), OnceCell::new());
    let location = |map: &OnceCell<HashMap<&'a str, usize>>, fields: &'a [Field], name: &str| {
        map.get_or_init(|| locations(fields)).get(name).copied()
    };
    let mut out = Vec::with_capacity(before.len().max(after.len()));
    let (mut i, mut j) = (0, 0);
    loop {
        let (old, new) = (before.get(i), after.get(j));
        if let (Some(old), Some(new)) = (old, new)
            && old.name == new.name
        {
            out.push(Pair::both(old, new));
            (i, j) = (i + 1, j + 1);
            continue;
        }
        let old_to = old.map(|field| location(&there, after, &field.name));
        let new_from = new.map(|field| location(&here, before, &field.name));
        // The other side lacks the field, or it was drawn already.
        match (old_to, new_from) {
            (None, None) => break,
            (Some(None), _) => {
                out.push(Pair::one(Mark::Gone, old, None));
                i += 1;
            }
            (_, Some(None)) => {
                out.push(Pair::one(Mark::New, None, new));
                j += 1;
            }
            // One of the two fields moved past the other. It is the one with the larger distance.
            (Some(Some(to)), from) => {
                let ahead = from.flatten().map(|from| from.checked_sub(i));
                if to < j || ahead.is_none_or(|ahead| ahead.is_some_and(|ahead| to - j >= ahead)) {
                    out.push(Pair::one(Mark::Moved, old, None));
                    i += 1;
                } else {
                    out.push(Pair::one(Mark::Moved, None, new));
                    j += 1;
                }
            }
            (None, Some(Some(_))) => {
                out.push(Pair::one(Mark::Moved, None, new));
                j += 1;
            }
        }
    }
    out
}

/// Returns a field as text: "  16    8  name   const char *".
fn cell(field: &Field) -> String {
    let (byte, bit) = (field.offset_bits / 8, field.offset_bits % 8);
    let text = if field.bitfield {
        format!(
            "{byte:>4}:{bit} {:>3}b {}: {}",
            field.size_bits, field.name, field.type_name
        )
    } else {
        format!(
            "{byte:>4} {:>5}  {}: {}",
            field.size_bits / 8,
            field.name,
            field.type_name
        )
    };
    clip(text)
}

fn by(bits: i64) -> String {
    if bits % 8 == 0 {
        format!("move by {:+}", bits / 8)
    } else {
        format!("move by {bits:+} bits")
    }
}

fn clip(mut text: String) -> String {
    // A text never has more characters than bytes.
    if text.len() <= WIDTH || text.chars().count() <= WIDTH {
        return text;
    }
    if let Some((end, _)) = text.char_indices().nth(WIDTH - 1) {
        text.truncate(end);
        text.push('…');
    }
    text
}
