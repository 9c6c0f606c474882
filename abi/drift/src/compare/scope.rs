// SPDX-License-Identifier: GPL-2.0-only
//! The scope of a comparison: what both sources can describe.
//!
//! Type information has no macros. A `vmlinux` alone has no list of exported symbols. A kernel of
//! the history was asked only for the names that were needed when it was read. Facts that one of
//! the two sources could not describe are outside the scope, and the report lists them. Inside the
//! scope, an unknown fact is a finding and never passes. One example is a name that was found in
//! one kernel but not in the other. Another is a name that neither kernel knows, for different
//! reasons.

use std::collections::BTreeSet;

use super::Context;
use crate::model::{Abi, Linkage, Origin};
use crate::report::{AbiPart, Comparison, Coverage, Finding, Subject, Verdict};

/// The parts that the source of an ABI can describe, besides types and functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Says {
    /// The values of macros, and which functions are inline or macros. The ABI was made with the
    /// kernel's headers.
    pub constants: bool,
    /// The exported symbols.
    pub symbols: bool,
}

impl Says {
    /// The parts that type information alone describes.
    pub const TYPES: Self = Self {
        constants: false,
        symbols: false,
    };
    /// All parts.
    pub const ALL: Self = Self {
        constants: true,
        symbols: true,
    };

    /// Returns the parts that this ABI describes.
    pub fn of(abi: &Abi) -> Self {
        let evaluated = |constant: &crate::model::Constant| constant.source == Origin::Compiler;
        Self {
            constants: abi.constants.values().any(evaluated),
            symbols: !abi.symbols.is_empty(),
        }
    }
}

/// Returns the part that a finding belongs to; `None` if it is about the kernels as a whole.
fn part_of(finding: &Finding) -> Option<AbiPart> {
    match finding.subject {
        Subject::Type | Subject::Field => Some(AbiPart::Types),
        Subject::Function => Some(AbiPart::Functions),
        Subject::Constant => Some(AbiPart::Constants),
        Subject::Symbol => Some(AbiPart::Symbols),
        Subject::Module => None,
    }
}

/// Returns the parts to compare: those that are `wanted`, or those that both sources describe.
pub(super) fn parts(says: (Says, Says), wanted: Option<&BTreeSet<AbiPart>>) -> BTreeSet<AbiPart> {
    let both = |say: fn(&Says) -> bool| say(&says.0) && say(&says.1);
    let can = |part: &AbiPart| match part {
        AbiPart::Types | AbiPart::Functions => true,
        AbiPart::Constants => both(|says| says.constants),
        AbiPart::Symbols => both(|says| says.symbols),
    };
    wanted.map_or_else(
        || AbiPart::ALL.into_iter().filter(can).collect(),
        Clone::clone,
    )
}

/// Removes the findings outside the scope: those that belong to none of the parts. If the parts
/// were not asked for, it also removes those that a source could not have described. If they were,
/// a missing fact is a finding.
pub(super) fn limit(
    context: &Context<'_>,
    check: &mut Comparison,
    says: (Says, Says),
    parts: BTreeSet<AbiPart>,
    asked_for: bool,
) {
    let mut scope = Coverage {
        parts,
        outside: BTreeSet::new(),
    };
    check.findings.retain(|finding| {
        let Some(part) = part_of(finding) else {
            return true;
        };
        if !scope.parts.contains(&part) {
            return false;
        }
        if asked_for || finding.verdict != Verdict::NoEvidence || is_inside(context, says, finding)
        {
            return true;
        }
        scope
            .outside
            .insert(format!("{} {}", word(finding.subject), finding.name));
        false
    });
    check.scope = Some(scope);
}

fn word(subject: Subject) -> &'static str {
    match subject {
        Subject::Type => "type",
        Subject::Field => "field",
        Subject::Function => "function",
        Subject::Constant => "constant",
        Subject::Symbol => "symbol",
        Subject::Module => "module",
    }
}

/// The state of a name on one side.
#[derive(PartialEq, Eq)]
enum Side<'a> {
    Known,
    /// The name was not found, for this reason.
    InVain(&'a str),
    /// The name was not looked for.
    Unasked,
}

/// Returns whether both sources could have described what is missing here.
fn is_inside(context: &Context<'_>, says: (Says, Says), finding: &Finding) -> bool {
    let name = finding.name.as_str();
    match finding.subject {
        // A list of symbols or constants is missing.
        Subject::Constant | Subject::Symbol
            if name == super::constant::ALL || name == super::symbol::LIST =>
        {
            true
        }
        Subject::Symbol => context.before.knows_export(name) && context.after.knows_export(name),
        // Both know the type, and neither has the field, so nothing can differ.
        Subject::Field => false,
        _ => {
            let (before, after) = (side(context.before, finding), side(context.after, finding));
            let by_header = |abi: &Abi| {
                let linkage = abi
                    .functions
                    .get(name)
                    .and_then(|function| function.linkage);
                finding.subject == Subject::Function
                    && matches!(linkage, Some(Linkage::Inline | Linkage::Macro))
            };
            // Only headers tell which functions are inline or macros.
            let untold = by_header(context.before) && !says.1.constants
                || by_header(context.after) && !says.0.constants;
            let unasked = before == Side::Unasked || after == Side::Unasked;
            !unasked && !untold && before != after
        }
    }
}

fn side<'a>(abi: &'a Abi, finding: &Finding) -> Side<'a> {
    let name = finding.name.as_str();
    let known = match finding.subject {
        Subject::Function => abi.functions.contains_key(name),
        Subject::Constant => abi.constants.contains_key(name),
        _ => abi.types.contains_key(name),
    };
    match abi.asked_in_vain(word(finding.subject), name) {
        // Two different definitions were found.
        Some(why) => Side::InVain(why),
        None if known => Side::Known,
        None => Side::Unasked,
    }
}
