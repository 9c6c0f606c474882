// SPDX-License-Identifier: GPL-2.0-only
//! The data of the pictures as compact JSON. It contains each string and each layout once.
//!
//! - `s`: the strings.
//! - `l`: the layouts, `[kind, size, align, [name, offset, bits, type, bit field, …]]`. Strings are
//!   numbers in `s`, offsets are in bits.
//! - `v`: the variants, null or `[name, before, after, [used…], [from, to, …]]`. Layouts are
//!   numbers in `l` or -1. The last list contains the fields that were renamed.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::collect::Collected;
use crate::model::Type;
use crate::report::Change;
use crate::report::visible::visible;

#[derive(Default)]
struct Shared<'r> {
    numbers: HashMap<&'r str, usize>,
    strings: Vec<&'r str>,
    layouts: HashMap<&'r Type, i64>,
    drawn: Vec<Value>,
}

impl<'r> Shared<'r> {
    fn string(&mut self, text: &'r str) -> usize {
        *self.numbers.entry(text).or_insert_with(|| {
            self.strings.push(text);
            self.strings.len() - 1
        })
    }

    fn layout(&mut self, of: Option<&'r Type>) -> i64 {
        let Some(of) = of else {
            return -1;
        };
        if let Some(&number) = self.layouts.get(of) {
            return number;
        }
        let mut fields: Vec<Value> = Vec::with_capacity(of.fields.len() * 5);
        for field in &of.fields {
            fields.push(self.string(&field.name).into());
            fields.push(field.offset_bits.into());
            fields.push(field.size_bits.into());
            fields.push(self.string(&field.type_name).into());
            fields.push(u8::from(field.bitfield).into());
        }
        let number = i64::try_from(self.drawn.len()).unwrap_or(-1);
        self.drawn
            .push(json!([of.kind.word(), of.size, of.align, fields]));
        self.layouts.insert(of, number);
        number
    }
}

/// Returns the data of all pictures.
pub(super) fn data(collected: &Collected<'_>) -> String {
    let mut shared = Shared::default();
    let mut variants = Vec::new();
    for variant in &collected.variants {
        let drawable = variant.layouts.filter(|layouts| {
            let sides = [&layouts.before, &layouts.after];
            sides
                .into_iter()
                .flatten()
                .any(|side| !side.fields.is_empty())
        });
        let Some(layouts) = drawable else {
            variants.push(Value::Null);
            continue;
        };
        let of = collected.columns[variant.column].name;
        let path = |name: &'_ str| {
            name.strip_prefix(of)
                .and_then(|rest| rest.strip_prefix('.'))
                .map(str::len)
        };
        let (mut used, mut renamed) = (Vec::new(), Vec::new());
        for finding in &variant.findings {
            for name in &finding.used {
                if let Some(length) = path(name) {
                    used.push(shared.string(&name[name.len() - length..]));
                }
            }
            if let (Change::Renamed { to }, Some(length)) = (&finding.change, path(&finding.name)) {
                let to = path(to).map_or(to.as_str(), |length| &to[to.len() - length..]);
                renamed.push(shared.string(&finding.name[finding.name.len() - length..]));
                renamed.push(shared.string(to));
            }
        }
        let (before, after) = (
            shared.layout(layouts.before.as_deref()),
            shared.layout(layouts.after.as_deref()),
        );
        variants.push(json!([shared.string(of), before, after, used, renamed]));
    }
    let strings: Vec<_> = shared.strings.iter().map(|text| visible(text)).collect();
    super::escape::json(&json!({ "s": strings, "l": shared.drawn, "v": variants }).to_string())
}
