// SPDX-License-Identifier: GPL-2.0-only
//! The files with one row for each fact: functions, constants, symbols, and unknown names.

use std::fmt::Write;
use std::sync::Arc;

use linux_driver_host::Result;

use super::text::Row;
use super::{Fact, Items, What};
use crate::model::{Constant, Function, Linkage, Origin, Symbol};

/// The mark of an empty column.
const NOTHING: &str = "-";

const LINKAGES: [(&str, Linkage); 4] = [
    ("exported", Linkage::Exported),
    ("internal", Linkage::Internal),
    ("inline", Linkage::Inline),
    ("macro", Linkage::Macro),
];

const SOURCES: [(&str, Origin); 2] = [("btf", Origin::Btf), ("compiler", Origin::Compiler)];

pub(super) fn read<'t>(
    what: What,
    rows: impl Iterator<Item = Row<'t>>,
    items: &mut Items,
) -> Result<()> {
    let (letter, form) = form(what);
    let mut item = None;
    let mut columns = Vec::new();
    for row in rows {
        if row.word() == what.word() {
            let [name] = row.rest(&format!("`{}` and its name", what.word()))?;
            if items.get(row.filled(name, "a name")?).is_some() {
                return Err(row.wrong(format_args!("one block for {name}; this is the second")));
            }
            item = Some(items.get_or_make(name));
            continue;
        }
        let (Some(item), true) = (item, row.word() == letter) else {
            return Err(row.wrong(format_args!("`{}` and its name, or {form}", what.word())));
        };
        let facts = &mut items.list[item as usize].facts;
        let mut rest = row.columns().skip(1);
        row.count(rest.next().unwrap_or_default(), facts.len())?;
        columns.clear();
        columns.extend(rest);
        let fact = match what {
            What::Function => function(row, &columns)?,
            What::Constant => constant(row, &columns)?,
            What::Symbol => symbol(row, &columns)?,
            What::Unknown | What::Type => match columns[..] {
                [reason] if !reason.is_empty() => Some(Fact::Unknown(reason.into())),
                _ => None,
            },
        };
        facts.push(fact.ok_or_else(|| row.wrong(form))?);
    }
    Ok(())
}

/// Returns the letter of a fact's row, and a description of the row.
fn form(what: What) -> (&'static str, &'static str) {
    match what {
        What::Function => ("s", "s, number, linkage, return type and parameters"),
        What::Constant => (
            "c",
            "c, number, value, source (btf or compiler), and its type if it has one of its own",
        ),
        What::Symbol => (
            "x",
            "x, number, and `none`, or checksum, gpl or any, namespace and module",
        ),
        What::Unknown | What::Type => ("w", "w, number, and the reason"),
    }
}

fn function(row: Row<'_>, columns: &[&str]) -> Result<Option<Fact>> {
    let [linkage, returns, params @ ..] = columns else {
        return Ok(None);
    };
    let linkage = match *linkage {
        NOTHING => None,
        word => match LINKAGES.iter().find(|(name, _)| *name == word) {
            Some((_, linkage)) => Some(*linkage),
            None => return Ok(None),
        },
    };
    let (params, variadic) = match params {
        [params @ .., "..."] => (params, true),
        _ => (params, false),
    };
    for param in params {
        row.filled(param, "a parameter")?;
    }
    Ok(Some(Fact::Function(Arc::new(Function {
        returns: row.filled(returns, "what it returns")?.to_owned(),
        params: params.iter().map(|param| (*param).to_owned()).collect(),
        variadic,
        linkage,
    }))))
}

fn constant(row: Row<'_>, columns: &[&str]) -> Result<Option<Fact>> {
    let (value, source, type_name) = match *columns {
        [value, source] => (value, source, None),
        [value, source, type_name] if !type_name.is_empty() => {
            (value, source, Some(type_name.to_owned()))
        }
        _ => return Ok(None),
    };
    let Some((_, source)) = SOURCES.iter().find(|(name, _)| *name == source) else {
        return Ok(None);
    };
    Ok(Some(Fact::Constant(Arc::new(Constant {
        value: row.number(value, "the value")?,
        source: *source,
        type_name,
    }))))
}

fn symbol(row: Row<'_>, columns: &[&str]) -> Result<Option<Fact>> {
    let [crc, license, namespace, module] = *columns else {
        return Ok(match columns {
            ["none"] => Some(Fact::Symbol(None)),
            _ => None,
        });
    };
    let crc = match crc {
        NOTHING => None,
        _ => match crc
            .strip_prefix("0x")
            .map(|digits| u32::from_str_radix(digits, 16))
        {
            Some(Ok(crc)) => Some(crc),
            _ => return Err(row.wrong(format_args!("a checksum such as 0x1234abcd, not `{crc}`"))),
        },
    };
    let gpl = match license {
        "gpl" => true,
        "any" => false,
        _ => return Ok(None),
    };
    Ok(Some(Fact::Symbol(Some(Arc::new(Symbol {
        crc,
        module: row.filled(module, "a module")?.to_owned(),
        gpl,
        namespace: match row.filled(namespace, "a namespace")? {
            NOTHING => None,
            name => Some(name.to_owned()),
        },
    })))))
}

pub(super) fn write(what: What, items: &Items) -> String {
    let (letter, _) = form(what);
    let mut text = String::new();
    for (_, item) in items.sorted() {
        let _ = writeln!(text, "{}\t{}", what.word(), item.name);
        for (number, fact) in item.facts.iter().enumerate() {
            let _ = writeln!(text, "{letter}\t{number}\t{}", columns(fact));
        }
    }
    text
}

/// Returns the columns of a fact's row, after its number.
fn columns(fact: &Fact) -> String {
    let word = |list: &[(&'static str, Linkage)], wanted: Linkage| {
        let found = list.iter().find(|(_, linkage)| *linkage == wanted);
        found.map_or(NOTHING, |(name, _)| name)
    };
    match fact {
        Fact::Function(function) => {
            let linkage = function
                .linkage
                .map_or(NOTHING, |linkage| word(&LINKAGES, linkage));
            let mut columns = vec![linkage, &function.returns];
            columns.extend(function.params.iter().map(String::as_str));
            if function.variadic {
                columns.push("...");
            }
            columns.join("\t")
        }
        Fact::Constant(constant) => {
            let source = SOURCES
                .iter()
                .find(|(_, source)| *source == constant.source);
            let source = source.map_or(NOTHING, |(name, _)| name);
            let type_name = constant.type_name.as_ref().map(|name| format!("\t{name}"));
            format!(
                "{}\t{source}{}",
                constant.value,
                type_name.unwrap_or_default()
            )
        }
        Fact::Symbol(None) => "none".to_owned(),
        Fact::Symbol(Some(symbol)) => {
            let crc = symbol
                .crc
                .map_or(NOTHING.to_owned(), |crc| format!("{crc:#010x}"));
            let license = if symbol.gpl { "gpl" } else { "any" };
            let namespace = symbol.namespace.as_deref().unwrap_or(NOTHING);
            format!("{crc}\t{license}\t{namespace}\t{}", symbol.module)
        }
        Fact::Unknown(reason) => reason.to_string(),
        // The file of types has another format.
        Fact::Type(_) => String::new(),
    }
}
