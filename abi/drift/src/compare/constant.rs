// SPDX-License-Identifier: GPL-2.0-only
//! The comparison of constants.

use super::{Context, new_finding, no_evidence, unknown_of};
use crate::model::{Abi, Origin};
use crate::report::{Change, Comparison, Finding, Retyping, Subject, Verdict};

/// The name of findings about all constants.
pub(super) const ALL: &str = "constants";

/// Compares all constants. Constants outside the scope are only counted.
pub(super) fn compare(context: &Context<'_>, check: &mut Comparison, in_scope: bool) {
    let (before, after) = (&context.before.constants, &context.after.constants);
    let is_gone = |name: &&&str| before.contains_key(**name) && !after.contains_key(**name);
    check.looked_at.constants +=
        before.len() - context.differing.constants.iter().filter(is_gone).count();
    if !in_scope {
        return;
    }
    // Without the kernel's headers, no macro was evaluated. That does not mean that all macros were
    // removed.
    let evaluated = |abi: &Abi| {
        abi.constants
            .values()
            .any(|constant| constant.source == Origin::Compiler)
    };
    let (had, has) = (evaluated(context.before), evaluated(context.after));
    let mut unevaluated: Vec<&str> = Vec::new();
    for &name in &context.differing.constants {
        match (before.get(name), after.get(name)) {
            (Some(old), Some(new)) => {
                if old.value != new.value {
                    check
                        .findings
                        .extend(changed(context, name, Some(old.value), Some(new.value)));
                } else if let (Some(old), Some(new)) = (&old.type_name, &new.type_name)
                    && old != new
                {
                    check.findings.push(retyped(context, name, old, new));
                }
            }
            (Some(old), None) if old.source == Origin::Compiler && !has => unevaluated.push(name),
            (None, Some(new)) if new.source == Origin::Compiler && !had => unevaluated.push(name),
            (old, new) => {
                let value = |constant: Option<&crate::model::Constant>| {
                    constant.map(|constant| constant.value)
                };
                check
                    .findings
                    .extend(changed(context, name, value(old), value(new)));
            }
        }
    }
    if !unevaluated.is_empty() {
        let at = if has {
            context.names.0
        } else {
            context.names.1
        };
        let text = format!(
            "{} constants come from the compiler; for {at} it was not asked, because no headers were at hand",
            unevaluated.len()
        );
        let mut finding = no_evidence(Subject::Constant, ALL, false, text);
        let used = unevaluated
            .iter()
            .filter(|name| context.usage.constants.contains(**name));
        finding.used = used.map(|name| (*name).to_owned()).collect();
        check.findings.push(finding);
    }
    let mut unasked: Vec<String> = Vec::new();
    let (missing_before, missing_after) =
        (&context.used.0.no_constants, &context.used.1.no_constants);
    let none_is_unknown = [context.before, context.after]
        .into_iter()
        .all(|abi| unknown_of(abi, "constant ").next().is_none());
    for name in missing_before.intersection(missing_after) {
        let why = if none_is_unknown {
            None
        } else {
            context.unknown(&format!("constant {name}"))
        };
        match why {
            Some(why) => check
                .findings
                .push(no_evidence(Subject::Constant, name, true, why)),
            None => unasked.push(name.clone()),
        }
    }
    if !unasked.is_empty() {
        let text = if had || has {
            "used, but not looked at on either side"
        } else {
            "the constants that the code uses come from the compiler; it was not asked for either \
             kernel"
        };
        let mut finding = no_evidence(Subject::Constant, ALL, false, text.to_owned());
        finding.used = unasked;
        check.findings.push(finding);
    }
}

/// Compares a constant whose value differs, or that only one side has.
pub(super) fn changed(
    context: &Context<'_>,
    name: &str,
    old: Option<i128>,
    new: Option<i128>,
) -> Option<Finding> {
    let used = context.usage.constants.contains(name);
    let keeps = (Verdict::Keeps, "the code does not use it");
    let (change, verdict, text) = match (old, new) {
        (Some(old), Some(new)) if old != new => {
            let verdict = if used {
                (Verdict::Rebuild, "its value is compiled in")
            } else {
                keeps
            };
            let change = Change::Value {
                before: old.to_string(),
                after: new.to_string(),
            };
            (change, verdict, format!("{old} became {new}"))
        }
        (Some(old), None) => {
            let verdict = if used {
                (Verdict::Source, "the code uses it, and it was removed")
            } else {
                keeps
            };
            (Change::Removed, verdict, format!("gone; it was {old}"))
        }
        (None, Some(new)) => (
            Change::Added,
            (Verdict::Keeps, "no existing object uses it"),
            format!("new: {new}"),
        ),
        _ => return None,
    };
    let mut finding = new_finding(
        Subject::Constant,
        name.to_owned(),
        change,
        verdict.0,
        text,
        verdict.1,
    );
    if used {
        finding.used.push(name.to_owned());
    }
    Some(finding)
}

fn retyped(context: &Context<'_>, name: &str, old: &str, new: &str) -> Finding {
    let used = context.usage.constants.contains(name);
    let verdict = if used {
        (
            Verdict::Source,
            "the code uses it as a value of the old type",
        )
    } else {
        (Verdict::Keeps, "the code does not use it")
    };
    let change = Change::Retyped {
        before: old.to_owned(),
        after: new.to_owned(),
        how: Retyping::SameSize,
    };
    let text = format!("a constant of the type {old} became one of {new}");
    let mut finding = new_finding(
        Subject::Constant,
        name.to_owned(),
        change,
        verdict.0,
        text,
        verdict.1,
    );
    if used {
        finding.used.push(name.to_owned());
    }
    finding
}
