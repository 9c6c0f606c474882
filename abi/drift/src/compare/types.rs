// SPDX-License-Identifier: GPL-2.0-only
//! The comparison of types: added, removed and changed ones.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::layout::{self, listed};
use super::spelled::{Spelled, retyped};
use super::{Context, new_finding, no_evidence};
use crate::model::{Abi, Kind, Type};
use crate::report::{Change, Comparison, Finding, Layouts, Retyping, Subject, Verdict};
use crate::usage::{Role, by_value};

/// Compares all types.
pub(super) fn compare(context: &Context<'_>, check: &mut Comparison) {
    let holders = (OnceCell::new(), OnceCell::new());
    let (mut types, mut fields) = (context.before.types.len(), 0);
    fields += context
        .before
        .types
        .values()
        .map(|type_| type_.fields.len())
        .sum::<usize>();
    for &name in &context.differing.types {
        let (before, after) = match (
            context.before.types.get(name),
            context.after.types.get(name),
        ) {
            (Some(before), Some(after)) => (before, after),
            (Some(before), None) => {
                types -= 1;
                fields -= before.fields.len();
                let holders = holders
                    .0
                    .get_or_init(|| holders_in(context.before, context.after));
                one_side(context, check, name, true, holders.get(name).copied());
                continue;
            }
            (None, Some(_)) => {
                let holders = holders
                    .1
                    .get_or_init(|| holders_in(context.after, context.before));
                one_side(context, check, name, false, holders.get(name).copied());
                continue;
            }
            (None, None) => continue,
        };
        if before == after {
            continue;
        }
        let findings = pair(context, name, before, after);
        if !findings.is_empty() {
            let layouts = Layouts {
                before: Some(before.clone()),
                after: Some(after.clone()),
            };
            check.layouts.insert(name.to_owned(), layouts);
            check.findings.extend(findings);
        }
    }
    check.looked_at.types += types;
    check.looked_at.fields += fields;
    for (name, field) in context
        .used
        .0
        .no_fields
        .intersection(&context.used.1.no_fields)
    {
        let (name, text) = (
            format!("{name}.{field}"),
            "used, but in neither kernel".to_owned(),
        );
        check
            .findings
            .push(no_evidence(Subject::Field, &name, true, text));
    }
    unknown(context, check);
}

/// Adds findings for types that are recorded as unknown, and for used types that were not asked
/// for.
fn unknown(context: &Context<'_>, check: &mut Comparison) {
    let mut names = context.unknown_names("type ");
    names.extend(
        context
            .used
            .0
            .no_types
            .intersection(&context.used.1.no_types)
            .map(String::as_str),
    );
    for name in names {
        let key = format!("type {name}");
        let used =
            context.usage.allocated.contains(name) || context.usage.fields.contains_key(name);
        if !used && context.is_in_neither(&key) {
            continue;
        }
        let why = context
            .unknown(&key)
            .unwrap_or_else(|| "used, but not looked at on either side".to_owned());
        let mut finding = no_evidence(Subject::Type, name, used, why);
        finding.role = Some(context.role(name));
        check.findings.push(finding);
    }
}

/// Maps each type that another one holds by value to the name of one that holds it. A type that the
/// other kernel was not asked for is ignored: it does not tell what became of the types that it
/// holds.
fn holders_in<'a>(abi: &'a Abi, other: &Abi) -> HashMap<&'a str, &'a str> {
    let mut holders = HashMap::new();
    let known = |name: &String| {
        other.types.contains_key(name) || other.asked_in_vain("type", name).is_some()
    };
    for (holder, type_) in abi.types.iter().filter(|(name, _)| known(name)) {
        let spelled = type_.fields.iter().map(|field| field.type_name.as_str());
        for held in spelled.chain(type_.target.as_deref()).filter_map(by_value) {
            if held != holder {
                holders.entry(held).or_insert(holder.as_str());
            }
        }
    }
    holders
}

/// Creates the findings for a type that only one side has.
fn one_side(
    context: &Context<'_>,
    check: &mut Comparison,
    name: &str,
    gone: bool,
    holder: Option<&str>,
) {
    let there = if gone { context.after } else { context.before };
    if there.no_evidence.contains_key(&format!("type {name}")) {
        return; // `unknown` reports it.
    }
    let role = context.role(name);
    let touched = context.usage.fields.contains_key(name) || context.usage.allocated.contains(name);
    let mut finding = match holder {
        Some(holder) if !touched => {
            let (change, text) = if gone {
                (
                    Change::Removed,
                    format!("no type holds it any more; {holder} did"),
                )
            } else {
                (Change::Added, format!("new, held by {holder}"))
            };
            let why = "the type that holds it decides; by itself it breaks nothing";
            new_finding(
                Subject::Type,
                name.to_owned(),
                change,
                Verdict::Keeps,
                text,
                why,
            )
        }
        _ => {
            let at = if gone {
                context.names.1
            } else {
                context.names.0
            };
            no_evidence(
                Subject::Type,
                name,
                touched,
                format!("not looked at in {at}"),
            )
        }
    };
    finding.role = Some(role);
    check.findings.push(finding);
}

/// Compares one type that both sides have.
fn pair(context: &Context<'_>, name: &str, before: &Type, after: &Type) -> Vec<Finding> {
    let mut findings = Vec::new();
    if before.kind != after.kind {
        let (old, new) = (before.kind.word(), after.kind.word());
        let change = Change::Retyped {
            before: format!("{old} {name}"),
            after: format!("{new} {name}"),
            how: if before.size == after.size {
                Retyping::SameSize
            } else {
                Retyping::Resized
            },
        };
        let verdict = match context.role(name) {
            Role::Opaque => (
                Verdict::Keeps,
                "the code never looks into this type: the same object keeps working",
            ),
            _ => (Verdict::Source, "the code uses it as the old type"),
        };
        let text = format!("a {old} became a {new}");
        findings.push(of_type(context, name, change, verdict, text));
    }
    if before.kind == Kind::Enum || !before.values.is_empty() || !after.values.is_empty() {
        values(context, name, before, after, &mut findings);
    }
    if before.fields.is_empty() && after.fields.is_empty() {
        plain(context, name, before, after, &mut findings);
    } else {
        findings.extend(layout::compare(context, name, before, after));
    }
    findings
}

fn of_type(
    context: &Context<'_>,
    name: &str,
    change: Change,
    verdict: (Verdict, &str),
    text: String,
) -> Finding {
    let mut finding = new_finding(
        Subject::Type,
        name.to_owned(),
        change,
        verdict.0,
        text,
        verdict.1,
    );
    finding.role = Some(context.role(name));
    finding
}

/// Compares a typedef, or an enum's size.
fn plain(
    context: &Context<'_>,
    name: &str,
    before: &Type,
    after: &Type,
    findings: &mut Vec<Finding>,
) {
    let role = context.role(name);
    let location = match role {
        Role::DriverAllocated => (
            Verdict::Rebuild,
            "the driver provides this memory, with the layout compiled in",
        ),
        Role::KernelAllocated => (
            Verdict::Rebuild,
            "the code uses it, with the layout compiled in",
        ),
        Role::Opaque => (
            Verdict::Keeps,
            "the code holds none of it: the same object keeps working",
        ),
    };
    if let (Some(old), Some(new)) = (&before.target, &after.target)
        && let Some(retype) = retyped(
            Spelled {
                text: old,
                bits: Some(before.size.saturating_mul(8)),
                abi: context.before,
            },
            Spelled {
                text: new,
                bits: Some(after.size.saturating_mul(8)),
                abi: context.after,
            },
        )
    {
        let verdict = match (retype.how, role) {
            (Retyping::ConstOnly, _) => (Verdict::Keeps, "const does not change machine code"),
            (Retyping::SameSize, _) if retype.compatible => {
                (Verdict::Keeps, "the same type under another name")
            }
            (_, Role::Opaque) => location,
            _ => (Verdict::Source, "the code uses it as the old type"),
        };
        let text = format!("{old} became {new}");
        let change = Change::Retyped {
            before: old.clone(),
            after: new.clone(),
            how: retype.how,
        };
        findings.push(of_type(context, name, change, verdict, text));
    }
    if before.size != after.size || before.align != after.align {
        let held = before
            .target
            .as_deref()
            .filter(|_| before.target == after.target)
            .and_then(by_value);
        let because = held.map_or(String::new(), |held| format!(", as {held} does"));
        let mut text = if before.size == after.size {
            format!("its size stays {}", before.size)
        } else {
            format!(
                "its size goes from {} to {}{because}",
                before.size, after.size
            )
        };
        if before.align != after.align {
            text += &format!(", its alignment from {} to {}", before.align, after.align);
        }
        let change = Change::Size {
            before: before.size,
            after: after.size,
            align_before: before.align,
            align_after: after.align,
        };
        findings.push(of_type(context, name, change, location, text));
    }
}

/// An enumerator's value before and after.
type Values = (Option<i128>, Option<i128>);

/// Compares enumerators. Each one that the code uses gets a finding of its own, and the others
/// share one.
fn values(
    context: &Context<'_>,
    name: &str,
    before: &Type,
    after: &Type,
    findings: &mut Vec<Finding>,
) {
    let said = |name: &String| {
        context.before.constants.contains_key(name) || context.after.constants.contains_key(name)
    };
    let mut untouched: BTreeMap<&str, Values> = BTreeMap::new();
    for constant in before
        .values
        .keys()
        .chain(after.values.keys())
        .collect::<BTreeSet<_>>()
    {
        let (old, new) = (
            before.values.get(constant).copied(),
            after.values.get(constant).copied(),
        );
        if old == new || said(constant) {
            continue;
        }
        if context.usage.constants.contains(constant) {
            findings.extend(super::constant::changed(context, constant, old, new));
        } else {
            untouched.insert(constant, (old, new));
        }
    }
    if untouched.is_empty() {
        return;
    }
    let side = |value: fn(&Values) -> Option<i128>| {
        let all: Vec<String> = untouched
            .iter()
            .filter_map(|(name, values)| Some(format!("{name} = {}", value(values)?)))
            .collect();
        all.join(", ")
    };
    let words: Vec<String> = untouched
        .iter()
        .map(|(name, values)| match values {
            (Some(old), Some(new)) => format!("{name} {old} → {new}"),
            (Some(_), None) => format!("{name} gone"),
            _ => format!("{name} new"),
        })
        .collect();
    let change = Change::Value {
        before: side(|values| values.0),
        after: side(|values| values.1),
    };
    let verdict = (Verdict::Keeps, "the code uses none of these enumerators");
    findings.push(of_type(
        context,
        name,
        change,
        verdict,
        listed(&words, ", "),
    ));
}
