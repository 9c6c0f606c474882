// SPDX-License-Identifier: GPL-2.0-only
//! The comparison of functions: removed, added, renamed, with another signature, or reached in
//! another way.

use super::similar::{ALIKE, likeness};
use super::spelled::{Retype, Spelled, retyped};
use super::{Context, new_finding, no_evidence};
use crate::model::{Abi, Function, Linkage};
use crate::report::{Change, Comparison, Finding, Retyping, Subject, Verdict};

/// Compares all functions.
pub(super) fn compare(context: &Context<'_>, check: &mut Comparison) {
    let (before, after) = (&context.before.functions, &context.after.functions);
    let (mut gone, mut came) = (Vec::new(), Vec::new());
    for &name in &context.differing.functions {
        match (before.get(name), after.get_key_value(name)) {
            (Some(old), Some((_, new))) => both(context, check, name, old, new),
            (Some(old), None) => gone.push((name, old)),
            (None, Some((name, new))) => came.push((name, &**new)),
            (None, None) => {}
        }
    }
    check.looked_at.functions += before.len() - gone.len();
    for (name, old) in gone {
        check
            .findings
            .extend(missing(context, name, old, &mut came));
    }
    for (name, new) in came {
        check.findings.extend(new_one(context, name, new));
    }
    unknown(context, check);
}

fn is_used(context: &Context<'_>, name: &str) -> bool {
    context.usage.functions.contains(name)
}

fn finding(
    context: &Context<'_>,
    name: &str,
    change: Change,
    verdict: (Verdict, &str),
    text: String,
) -> Finding {
    let used = is_used(context, name);
    let verdict = if used {
        verdict
    } else {
        (Verdict::Keeps, "the code does not call it")
    };
    let mut finding = new_finding(
        Subject::Function,
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

/// Returns the way code reaches a function: from its reader, or from the list of exported symbols
/// if there is one.
fn linkage(abi: &Abi, name: &str, function: &Function) -> Option<Linkage> {
    function.linkage.or_else(|| {
        if abi.symbols.contains_key(name) {
            return Some(Linkage::Exported);
        }
        abi.knows_export(name).then_some(Linkage::Internal)
    })
}

/// Compares a function that both sides have.
fn both(context: &Context<'_>, check: &mut Comparison, name: &str, old: &Function, new: &Function) {
    let was = linkage(context.before, name, old);
    if let Some(was) = was
        && let Some(is) = linkage(context.after, name, new)
        && was != is
    {
        check.findings.push(relinked(context, name, was, is));
    }
    // An old object contains its own copy of an inline function or macro, and does not call the
    // kernel's.
    let compiled_in = matches!(was, Some(Linkage::Inline | Linkage::Macro));
    check
        .findings
        .extend(signature(context, name, old, new, compiled_in));
}

fn relinked(context: &Context<'_>, name: &str, was: Linkage, is: Linkage) -> Finding {
    use Linkage::{Exported, Inline, Internal, Macro};
    let verdict = match (was, is) {
        (Exported, Inline | Macro) => (
            Verdict::Rebuild,
            "the kernel has no such symbol any more; a header defines it",
        ),
        (Exported, Internal) => (
            Verdict::Source,
            "the kernel no longer exports it to modules",
        ),
        (Inline | Macro, Internal) => (
            Verdict::Source,
            "no header defines it any more, and it is not exported",
        ),
        (Inline | Macro, _) => (
            Verdict::Keeps,
            "an old object contains its code; after a rebuild it calls the function",
        ),
        (Internal, _) => (Verdict::Keeps, "no module could use it before"),
        (Exported, Exported) => (Verdict::Keeps, "it is exported as before"),
    };
    let text = format!("{} became {}", word(was), word(is));
    finding(
        context,
        name,
        Change::Linkage {
            before: Some(was),
            after: Some(is),
        },
        verdict,
        text,
    )
}

fn word(linkage: Linkage) -> &'static str {
    match linkage {
        Linkage::Exported => "exported",
        Linkage::Internal => "not exported",
        Linkage::Inline => "inline",
        Linkage::Macro => "a macro",
    }
}

/// Compares the signatures of a function that both sides have.
fn signature(
    context: &Context<'_>,
    name: &str,
    old: &Function,
    new: &Function,
    compiled_in: bool,
) -> Option<Finding> {
    let alike =
        || (&old.returns, &old.params, old.variadic) == (&new.returns, &new.params, new.variadic);
    if std::ptr::eq(old, new) || alike() {
        return None;
    }
    let (before, after) = (old.declaration(name), new.declaration(name));
    let wrong = if compiled_in {
        (
            Verdict::Source,
            "the code passes the old arguments; an old object contains the old definition",
        )
    } else {
        (
            Verdict::Source,
            "the code passes the old arguments; an old object makes the old call, and the loader \
             does not refuse it",
        )
    };
    let text = format!("{before} became {after}");
    if old.params.len() != new.params.len() || old.variadic != new.variadic {
        return Some(finding(
            context,
            name,
            Change::Arity { before, after },
            wrong,
            text,
        ));
    }
    let pairs =
        std::iter::once((&old.returns, &new.returns)).chain(old.params.iter().zip(&new.params));
    let mut ways = pairs.filter_map(|(old, new)| spelled(context, old, new));
    // `Retyping` is ordered by severity. Among equals, an incompatible change is more severe.
    let most_severe = ways
        .by_ref()
        .max_by_key(|retype| (!retype.compatible, retype.how))?;
    let change = Change::Retyped {
        before,
        after,
        how: most_severe.how,
    };
    let verdict = match (most_severe.compatible, most_severe.how) {
        (_, Retyping::ConstOnly) => (
            Verdict::Keeps,
            "const does not change machine code: the same object keeps working",
        ),
        (true, _) => (
            Verdict::Keeps,
            "the same types under other names: the same object keeps working",
        ),
        (false, _) => wrong,
    };
    let text = match most_severe.how {
        Retyping::ConstOnly => format!("{text}, const only"),
        _ => text,
    };
    Some(finding(context, name, change, verdict, text))
}

/// Creates the finding for a function that only the side before has.
fn missing<'a>(
    context: &Context<'_>,
    name: &str,
    old: &Function,
    came: &mut Vec<(&'a String, &'a Function)>,
) -> Option<Finding> {
    let after = context.after;
    if let Some(at) = successor(context, name, old, came) {
        let (to, new) = came.remove(at);
        let mut text = format!("is now called {to}");
        if !is_same(context, old, new) {
            text += &format!(
                ", and has another signature: {} became {}",
                old.declaration(name),
                new.declaration(to)
            );
        }
        let verdict = (Verdict::Source, "the code calls it by the old name");
        return Some(finding(
            context,
            name,
            Change::Renamed { to: to.clone() },
            verdict,
            text,
        ));
    }
    if let (Some(was), Some(is)) = (context.before.symbols.get(name), after.symbols.get(name)) {
        // The checksum of the signature is evidence if the type information has none.
        if was.crc.is_some() && was.crc == is.crc {
            return None;
        }
    }
    let was_exported = linkage(context.before, name, old) == Some(Linkage::Exported);
    if was_exported && after.knows_export(name) && !after.symbols.contains_key(name) {
        let verdict = (
            Verdict::Source,
            "the code calls it, and the kernel no longer exports it",
        );
        return Some(finding(
            context,
            name,
            Change::Removed,
            verdict,
            format!("gone: {}", old.declaration(name)),
        ));
    }
    let why = after.no_evidence.get(&format!("function {name}"));
    // The kernel may still have it, perhaps with the same signature, or a header may define it now.
    // The type information does not tell.
    let why = why.map_or_else(|| "not looked at".to_owned(), Clone::clone);
    let text = format!(
        "{}: {why}; before, {}",
        context.names.1,
        old.declaration(name)
    );
    Some(no_evidence(
        Subject::Function,
        name,
        is_used(context, name),
        text,
    ))
}

/// Finds the function's successor among the new ones: the most similar name, preferably with the
/// same signature.
fn successor(
    context: &Context<'_>,
    name: &str,
    old: &Function,
    came: &[(&String, &Function)],
) -> Option<usize> {
    let candidates = came.iter().enumerate().filter_map(|(at, (to, new))| {
        let (alike, same) = (likeness(name, to), is_same(context, old, new));
        let receiver = old
            .params
            .first()
            .is_some_and(|first| new.params.first() == Some(first));
        // With another signature, the names must be equal except for the kernel's usual affixes.
        (alike >= ALIKE && same || alike == 100 && receiver).then_some(((same, alike), at))
    });
    candidates
        .max_by_key(|(key, at)| (*key, std::cmp::Reverse(*at)))
        .map(|(_, at)| at)
}

/// Compares two types in a signature.
fn spelled(context: &Context<'_>, old: &str, new: &str) -> Option<Retype> {
    let of = |text, abi| Spelled {
        text,
        bits: None,
        abi,
    };
    retyped(of(old, context.before), of(new, context.after))
}

/// Returns whether both functions have the same result and parameters, ignoring `const`.
fn is_same(context: &Context<'_>, old: &Function, new: &Function) -> bool {
    let alike =
        |old: &str, new: &str| spelled(context, old, new).is_none_or(|retype| retype.compatible);
    old.params.len() == new.params.len()
        && old.variadic == new.variadic
        && alike(&old.returns, &new.returns)
        && old
            .params
            .iter()
            .zip(&new.params)
            .all(|(old, new)| alike(old, new))
}

/// Creates the finding for a function that only the side after has.
fn new_one(context: &Context<'_>, name: &str, new: &Function) -> Option<Finding> {
    if is_used(context, name)
        && context
            .before
            .no_evidence
            .contains_key(&format!("function {name}"))
    {
        let why = context
            .unknown(&format!("function {name}"))
            .unwrap_or_default();
        let text = format!("{why}; after, {}", new.declaration(name));
        return Some(no_evidence(Subject::Function, name, true, text));
    }
    // The function is new only if it was looked for before.
    if !context.before.knows_export(name)
        && context.before.asked_in_vain("function", name).is_none()
    {
        let text = format!(
            "not looked at in {}; after, {}",
            context.names.0,
            new.declaration(name)
        );
        return Some(no_evidence(
            Subject::Function,
            name,
            is_used(context, name),
            text,
        ));
    }
    let verdict = (Verdict::Keeps, "no existing object calls it");
    Some(finding(
        context,
        name,
        Change::Added,
        verdict,
        format!("new: {}", new.declaration(name)),
    ))
}

/// Adds findings for functions that are not known on a side and have no finding yet, and for used
/// functions that were not asked for.
fn unknown(context: &Context<'_>, check: &mut Comparison) {
    let mut names = context.unknown_names("function ");
    let (before, after) = (&context.used.0.no_functions, &context.used.1.no_functions);
    names.extend(before.intersection(after).map(String::as_str));
    for name in names {
        let known = |abi: &Abi| abi.functions.contains_key(name);
        if known(context.before) || known(context.after) {
            continue;
        }
        let key = format!("function {name}");
        let used = is_used(context, name);
        if !used && context.is_in_neither(&key) {
            continue;
        }
        let exported = |abi: &Abi| abi.symbols.contains_key(name);
        if exported(context.before) && !exported(context.after) && context.after.knows_export(name)
        {
            continue; // `symbol` reports that it is gone.
        }
        let crc = |abi: &Abi| abi.symbols.get(name).and_then(|symbol| symbol.crc);
        if crc(context.before).is_some() && crc(context.before) == crc(context.after) {
            continue;
        }
        let why = context
            .unknown(&key)
            .unwrap_or_else(|| "used, but not looked at on either side".to_owned());
        check
            .findings
            .push(no_evidence(Subject::Function, name, used, why));
    }
}
