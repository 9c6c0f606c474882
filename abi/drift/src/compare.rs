// SPDX-License-Identifier: GPL-2.0-only
//! The comparison of two kernels: their differences, and what each means for an object that was
//! compiled for the first one.
//!
//! | what | its role or use | verdict |
//! |---|---|---|
//! | size, alignment or any offset of a type | driver-allocated | rebuild |
//! | offset or width of a field | kernel-allocated, field used | rebuild |
//! | offset or width of a field | kernel-allocated, field not used; opaque | keeps |
//! | a field removed or renamed | named by the code | source |
//! | a field removed or added | driver-allocated, not named | rebuild |
//! | a type changed: only const, only its name | any | keeps |
//! | a type changed: another number of the same elements | field used, or driver-allocated | rebuild |
//! | a type changed: its target, or another type | named by the code | source |
//! | a type changed: its target, or another type | not named | as its size and offsets require |
//! | a function removed, renamed, no longer exported | called | source; rebuild if a header defines it now |
//! | its signature: only const | called | keeps |
//! | its signature: anything else | called | source: an old object makes the old call |
//! | an inline or macro became a function, or the reverse | called | keeps |
//! | a constant's value | used | rebuild |
//! | a constant removed | used | source |
//! | a symbol's CRC | called | rebuild: the loader refuses the object |
//! | a symbol's namespace is new, or it is GPL-only now | called | source |
//! | any of these | not used | keeps |
//! | known on one side, not on the other | any | no evidence |
//! | used, and not looked at on either side | used | no evidence |
//! | asked for, in neither kernel | not used | no finding: there is nothing that could differ |
//!
//! A verdict is about the object. Its source may need a cast where only `const` changed.

mod constant;
mod differing;
mod function;
mod layout;
mod scope;
mod similar;
mod spelled;
mod symbol;
mod types;
mod used;

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Bound;

pub(crate) use self::differing::{Differing, all};
pub use self::scope::Says;
pub(crate) use self::used::Used;
use crate::model::{ABSENT, Abi, Kind};
use crate::report::{
    AbiPart, Change, Comparison, ComparisonKind, Finding, LookedAt, Subject, Verdict,
};
use crate::usage::{Role, Usage, by_value};

/// How many levels of types are followed to find the cause of a changed size.
const DEPTH: usize = 16;

/// Returns whether two spelled types are the same. Each comes with the ABI that contains its
/// typedefs.
pub fn same_type(before: (&str, &Abi), after: (&str, &Abi)) -> bool {
    spelled::expanded(before.0, before.1) == spelled::expanded(after.0, after.1)
}

/// Compares all that the code uses in two kernels. A fact that one of them does not record is a
/// finding without evidence. `names` are the names of the kernels: those in the catalogue, or
/// releases.
pub fn kernels(before: &Abi, after: &Abi, usage: &Usage, names: (&str, &str)) -> Comparison {
    let used = (&Used::of(before, usage), &Used::of(after, usage));
    let differing = Differing::between(before, after);
    let context = Context {
        before,
        after,
        usage,
        used,
        differing: &differing,
        names,
    };
    compared(&context, &AbiPart::ALL.into())
}

/// Compares two kernels in the parts that both sources can describe (`says`), or in the parts that
/// are asked for.
pub fn in_scope(
    before: (&Abi, Says),
    after: (&Abi, Says),
    usage: &Usage,
    names: (&str, &str),
    wanted: Option<&BTreeSet<AbiPart>>,
) -> Comparison {
    let context = Context {
        before: before.0,
        after: after.0,
        usage,
        used: (&Used::of(before.0, usage), &Used::of(after.0, usage)),
        differing: &Differing::between(before.0, after.0),
        names,
    };
    in_scope_of(&context, (before.1, after.1), wanted)
}

/// Compares the two sides of a context, as [`in_scope`] does.
pub(crate) fn in_scope_of(
    context: &Context<'_>,
    says: (Says, Says),
    wanted: Option<&BTreeSet<AbiPart>>,
) -> Comparison {
    let parts = scope::parts(says, wanted);
    let mut check = compared(context, &parts);
    scope::limit(context, &mut check, says, parts, wanted.is_some());
    check
}

fn compared(context: &Context<'_>, parts: &BTreeSet<AbiPart>) -> Comparison {
    let names = context.names;
    let mut check = Comparison {
        kind: ComparisonKind::Kernels,
        kernel: names.1.to_owned(),
        against: names.0.to_owned(),
        looked_at: LookedAt::default(),
        scope: None,
        findings: Vec::new(),
        layouts: std::collections::BTreeMap::new(),
    };
    arch(context, &mut check);
    types::compare(context, &mut check);
    function::compare(context, &mut check);
    constant::compare(context, &mut check, parts.contains(&AbiPart::Constants));
    symbol::compare(context, &mut check);
    if check.looked_at == LookedAt::default() {
        let text = "nothing was compared: the two sides have no name in common".to_owned();
        let why = "a comparison that looked at nothing proves nothing";
        let name = names.1.to_owned();
        check.findings.push(new_finding(
            Subject::Module,
            name,
            Change::NoEvidence,
            Verdict::NoEvidence,
            text,
            why,
        ));
    }
    check
        .findings
        .sort_by(|a, b| b.verdict.cmp(&a.verdict).then_with(|| a.name.cmp(&b.name)));
    check
}

/// Adds a finding if the architectures differ. An object for one does not work on the other,
/// however similar their layouts are.
fn arch(context: &Context<'_>, check: &mut Comparison) {
    let (before, after) = (&context.before.arch, &context.after.arch);
    if before.is_empty() || after.is_empty() || before == after {
        return;
    }
    let change = Change::Value {
        before: before.clone(),
        after: after.clone(),
    };
    let text = format!("{before} became {after}");
    let why = "the loader refuses machine code of another architecture";
    let finding = new_finding(
        Subject::Module,
        "arch".to_owned(),
        change,
        Verdict::Rebuild,
        text,
        why,
    );
    check.findings.push(finding);
}

/// The two sides of a comparison, and the parts that the code uses.
pub(crate) struct Context<'a> {
    pub(crate) before: &'a Abi,
    pub(crate) after: &'a Abi,
    pub(crate) usage: &'a Usage,
    /// The parts that the code uses of the kernel before and of the kernel after.
    pub(crate) used: (&'a Used, &'a Used),
    /// The names that differ.
    pub(crate) differing: &'a Differing<'a>,
    pub(crate) names: (&'a str, &'a str),
}

impl Context<'_> {
    fn role(&self, name: &str) -> Role {
        if self.used.0.allocated.contains(name) {
            Role::DriverAllocated
        } else if self
            .usage
            .fields
            .get(name)
            .is_some_and(|fields| !fields.is_empty())
            || self.used.0.reached.contains(name)
        {
            Role::KernelAllocated
        } else {
            Role::Opaque
        }
    }

    /// Returns the innermost type inside `name` that causes the changed size of all types around
    /// it. Each level must have exactly one member to blame. Returns `None` if `name` itself is the
    /// cause.
    fn root(&self, name: &str) -> Option<String> {
        let (mut at, mut root) = (name, None);
        for _ in 0..DEPTH {
            let (Some(before), Some(after)) = (self.before.types.get(at), self.after.types.get(at))
            else {
                break;
            };
            let target = before
                .target
                .as_deref()
                .filter(|_| before.target == after.target);
            if let Some(target) = target.and_then(by_value).filter(|target| *target != at) {
                at = target;
                continue;
            }
            let mut other_size = before.fields.iter().filter(|old| {
                let new = after.field(&old.name);
                new.is_some_and(|new| {
                    new.type_name == old.type_name && new.size_bits != old.size_bits
                })
            });
            let (Some(only), None) = (other_size.next(), other_size.next()) else {
                break;
            };
            let Some(inside) =
                by_value(&only.type_name).filter(|inside| self.before.types.contains_key(*inside))
            else {
                break;
            };
            at = inside;
            root = Some(inside);
        }
        root.map(
            |root| match self.after.types.get(root).map(|type_| type_.kind) {
                Some(kind) if kind != Kind::Typedef => format!("{} {root}", kind.word()),
                _ => root.to_owned(),
            },
        )
    }

    /// Returns why a fact is not known on a side. If neither side knows it, the result contains
    /// both reasons.
    fn unknown(&self, key: &str) -> Option<String> {
        let of =
            |abi: &Abi, name: &str| abi.no_evidence.get(key).map(|why| format!("{name}: {why}"));
        match (of(self.before, self.names.0), of(self.after, self.names.1)) {
            (None, None) => None,
            (Some(why), None) | (None, Some(why)) => Some(why),
            (Some(before), Some(after)) => Some(format!("{before}; {after}")),
        }
    }

    /// Returns the names of this kind that are not known on a side. Names that neither side
    /// contains are left out: only used ones could matter, and [`Used`] lists those.
    fn unknown_names(&self, kind: &'static str) -> BTreeSet<&str> {
        let (before, after) = (unknown_of(self.before, kind), unknown_of(self.after, kind));
        let (mut before, mut after) = (before.peekable(), after.peekable());
        let mut names = BTreeSet::new();
        loop {
            let order = match (before.peek(), after.peek()) {
                (Some(old), Some(new)) => old.0.cmp(new.0),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return names,
            };
            let old = before.next_if(|_| order != Ordering::Greater);
            let new = after.next_if(|_| order != Ordering::Less);
            let absent = |side: Option<(&str, &str)>| side.is_some_and(|(_, why)| why == ABSENT);
            if !(absent(old) && absent(new)) {
                names.extend(old.or(new).map(|(name, _)| name));
            }
        }
    }

    /// Returns whether both sides were asked for the name and neither contains it.
    fn is_in_neither(&self, key: &str) -> bool {
        let absent = |abi: &Abi| abi.no_evidence.get(key).is_some_and(|why| why == ABSENT);
        absent(self.before) && absent(self.after)
    }
}

/// Returns the names that are not known of a kernel, with the reasons. `kind` is the kind's word
/// with a space after it.
fn unknown_of<'a>(abi: &'a Abi, kind: &'static str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let from = abi
        .no_evidence
        .range::<str, _>((Bound::Included(kind), Bound::Unbounded));
    from.map_while(move |(key, why)| Some((key.strip_prefix(kind)?, why.as_str())))
}

/// Creates a finding that is not accepted.
fn new_finding(
    subject: Subject,
    name: String,
    change: Change,
    verdict: Verdict,
    text: String,
    reason: impl Into<String>,
) -> Finding {
    Finding {
        subject,
        name,
        change,
        role: None,
        used: Vec::new(),
        verdict,
        text,
        reason: reason.into(),
        accepted: None,
    }
}

/// Creates a finding for a fact that could not be found out.
fn no_evidence(subject: Subject, name: &str, used: bool, text: String) -> Finding {
    let why = "something that could not be compared does not pass";
    let mut finding = new_finding(
        subject,
        name.to_owned(),
        Change::NoEvidence,
        Verdict::NoEvidence,
        text,
        why,
    );
    if used {
        finding.used.push(name.to_owned());
    }
    finding
}
