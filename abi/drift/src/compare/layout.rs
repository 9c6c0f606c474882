// SPDX-License-Identifier: GPL-2.0-only
//! The comparison of two layouts of a struct or union.
//!
//! The two lists of fields are walked side by side. An *event* is a field that was added, removed,
//! resized or moved past others. A *group* is a row of fields that moved by the same distance, and
//! the events just before it are its causes. A group is one finding. An event that is the cause of
//! a group is not a finding of its own, unless the code uses the field.

use std::collections::{BTreeSet, HashMap};

use super::similar::{ALIKE, likeness};
use super::spelled::{Retype, Spelled, is_pointer, retyped};
use super::{Context, new_finding};
use crate::model::{Field, Type};
use crate::report::{Change, Finding, Retyping, Subject, Verdict};
use crate::usage::{Role, by_value};

/// How many names of a list a text shows before it gives only the number.
const NAMES: usize = 4;

/// An event that moves the fields after it.
#[derive(Clone, Copy)]
enum Event<'a> {
    Gone(&'a Field),
    Came(&'a Field),
    /// The field has another size.
    Resized(&'a Field, &'a Field),
    /// The field moved past other fields.
    Left(&'a Field, &'a Field),
    /// The new position of such a field.
    Arrived(&'a Field),
}

impl<'a> Event<'a> {
    fn field(self) -> &'a Field {
        match self {
            Self::Gone(field) | Self::Came(field) | Self::Arrived(field) => field,
            Self::Resized(_, field) | Self::Left(_, field) => field,
        }
    }
}

/// Fields in a row that moved by the same distance.
struct Group<'a> {
    by: i64,
    fields: Vec<&'a Field>,
    causes: Vec<Event<'a>>,
}

/// Compares two structs or unions of this name.
pub(super) fn compare(
    context: &Context<'_>,
    name: &str,
    before: &Type,
    after: &Type,
) -> Vec<Finding> {
    let role = context.role(name);
    let mut layout = Layout {
        context,
        name,
        role,
        fields: context.usage.fields.get(name),
        before,
        after,
        findings: Vec::new(),
    };
    layout.walk();
    layout.findings
}

struct Layout<'a, 'c> {
    context: &'a Context<'c>,
    name: &'a str,
    role: Role,
    /// The fields that the code names.
    fields: Option<&'a BTreeSet<String>>,
    before: &'a Type,
    after: &'a Type,
    findings: Vec<Finding>,
}

impl<'a> Layout<'a, '_> {
    fn walk(&mut self) {
        let pairs = pair(&self.before.fields, &self.after.fields);
        let (groups, mut loose) = self.groups(&pairs);
        for (before, after) in pairs
            .iter()
            .enumerate()
            .filter_map(|(at, after)| Some((at, (*after)?)))
        {
            self.retyped(&self.before.fields[before], &self.after.fields[after]);
        }
        self.renamed(&mut loose);
        let grew = difference(self.before.size, self.after.size);
        let mut size_said = grew == 0 && self.before.align == self.after.align;
        let last = groups.len().wrapping_sub(1);
        for (number, group) in groups.iter().enumerate() {
            // A used field that was removed is also a finding of its own, because its verdict
            // differs. So is a field that moved past others, which no group contains.
            for cause in &group.causes {
                let used = self.is_used(&cause.field().name);
                let resized = matches!(cause, Event::Resized(_, new) if !self.is_held(new));
                if matches!(cause, Event::Left(..))
                    || used && (resized || matches!(cause, Event::Gone(_)))
                {
                    self.event(*cause);
                }
            }
            let says_size = number == last
                && group.by == grew.saturating_mul(8)
                && self.before.align == self.after.align;
            size_said |= says_size;
            self.moved(group, says_size);
        }
        if !size_said {
            self.size(&mut loose);
        }
        for event in loose {
            self.event(event);
        }
    }

    /// Returns the groups that moved, and the events that moved nothing.
    fn groups(&self, pairs: &[Option<usize>]) -> (Vec<Group<'a>>, Vec<Event<'a>>) {
        let (before, after) = (&self.before.fields, &self.after.fields);
        let stays = in_order(pairs);
        let mut came_from = vec![None; after.len()];
        for (at, to) in pairs.iter().enumerate() {
            if let Some(to) = to {
                came_from[*to] = Some(at);
            }
        }
        let (mut groups, mut loose): (Vec<Group<'a>>, _) = (Vec::new(), Vec::new());
        let mut pending: Vec<Event<'a>> = Vec::new();
        let (mut i, mut j, mut by) = (0, 0, 0);
        while i < before.len() || j < after.len() {
            if i < before.len() && !stays[i] {
                match pairs[i] {
                    None => pending.push(Event::Gone(&before[i])),
                    Some(to) => pending.push(Event::Left(&before[i], &after[to])),
                }
                i += 1;
            } else if j < after.len() && came_from[j].is_none_or(|from| !stays[from]) {
                match came_from[j] {
                    None => pending.push(Event::Came(&after[j])),
                    Some(_) => pending.push(Event::Arrived(&after[j])),
                }
                j += 1;
            } else if i < before.len() && j < after.len() {
                let (old, new) = (&before[i], &after[j]);
                let moved = difference(old.offset_bits, new.offset_bits);
                if moved == by {
                    loose.append(&mut pending);
                } else if moved == 0 {
                    by = 0;
                    loose.append(&mut pending);
                } else {
                    by = moved;
                    groups.push(Group {
                        by,
                        fields: Vec::new(),
                        causes: std::mem::take(&mut pending),
                    });
                }
                if by != 0
                    && let Some(group) = groups.last_mut()
                {
                    group.fields.push(new);
                }
                if old.size_bits != new.size_bits {
                    pending.push(Event::Resized(old, new));
                }
                i += 1;
                j += 1;
            } else {
                break;
            }
        }
        loose.append(&mut pending);
        // A member without a name is described by its members, and those by the member that
        // contains them.
        for list in groups
            .iter_mut()
            .map(|group| &mut group.causes)
            .chain([&mut loose])
        {
            self.tidy(list);
        }
        (groups, loose)
    }

    /// Drops events that repeat another one.
    fn tidy(&self, events: &mut Vec<Event<'a>>) {
        let (before, after) = (self.before, self.after);
        let inside = |name: &str, held: &dyn Fn(&str) -> bool| {
            name.match_indices('.')
                .any(|(at, _)| held(name[..at].trim_end_matches("[]")))
        };
        events.retain(|event| match event {
            // The member that contains it was removed too.
            Event::Gone(field) => {
                self.is_used(&field.name)
                    || !inside(&field.name, &|holder| after.field(holder).is_none())
            }
            Event::Came(field) => !inside(&field.name, &|holder| before.field(holder).is_none()),
            // The findings of its members give the reason.
            Event::Resized(old, new) => {
                !(old.type_name == new.type_name && old.type_name.ends_with("{…}"))
            }
            _ => true,
        });
    }

    /// Returns whether the code names the field or the member that contains it.
    fn is_used(&self, path: &str) -> bool {
        let Some(fields) = self.fields else {
            return false;
        };
        let mut holders = path
            .match_indices('.')
            .map(|(at, _)| path[..at].trim_end_matches("[]"));
        fields.contains(path) || holders.any(|holder| fields.contains(holder))
    }

    fn used<'n>(&self, names: impl Iterator<Item = &'n str>) -> Vec<String> {
        let name = self.name;
        names
            .filter(|path| self.is_used(path))
            .map(|path| format!("{name}.{path}"))
            .collect()
    }

    fn push(
        &mut self,
        field: Option<&str>,
        change: Change,
        used: Vec<String>,
        verdict: (Verdict, &str),
        text: String,
    ) {
        let (subject, name) = match field {
            Some(field) => (Subject::Field, format!("{}.{field}", self.name)),
            None => (Subject::Type, self.name.to_owned()),
        };
        let mut finding = new_finding(subject, name, change, verdict.0, text, verdict.1);
        finding.role = Some(self.role);
        finding.used = used;
        self.findings.push(finding);
    }

    /// Returns the verdict for moved fields. Every object that uses the layout has the offsets
    /// compiled in.
    fn of_place(&self, touched: bool) -> (Verdict, &'static str) {
        match (self.role, touched) {
            (Role::DriverAllocated, _) => (
                Verdict::Rebuild,
                "the driver provides this memory, with the layout compiled in",
            ),
            (Role::KernelAllocated, true) => (
                Verdict::Rebuild,
                "the offsets of the fields that the code uses are compiled in",
            ),
            (Role::KernelAllocated, false) => (
                Verdict::Keeps,
                "the code uses none of these fields: the same object keeps working",
            ),
            (Role::Opaque, _) => (
                Verdict::Keeps,
                "the code never looks into this type: the same object keeps working",
            ),
        }
    }

    fn moved(&mut self, group: &Group<'_>, says_size: bool) {
        let names: Vec<String> = group
            .fields
            .iter()
            .map(|field| field.name.clone())
            .collect();
        let used = self.used(names.iter().map(String::as_str));
        let mut text = String::new();
        let causes: Vec<String> = group.causes.iter().map(|cause| self.say(*cause)).collect();
        let count = group.fields.len();
        let (verb, s) = if count == 1 {
            ("moves", "")
        } else {
            ("move", "s")
        };
        if causes.is_empty() {
            let first = group.fields.first().map_or("", |field| field.name.as_str());
            text += &format!(
                "other padding before {first}, so {count} field{s} {verb} by {}",
                distance(group.by)
            );
        } else {
            text += &listed(&causes, "; ");
            text += &format!(
                ", so {count} later field{s} {verb} by {}",
                distance(group.by)
            );
        }
        text += &match (used.len(), self.role) {
            (0, Role::DriverAllocated) => String::new(),
            (0, _) => "; the code uses none of them".to_owned(),
            (uses, _) => {
                let paths: Vec<&str> = used
                    .iter()
                    .map(|path| &path[self.name.len() + 1..])
                    .collect();
                let all = if uses == count && count > 1 {
                    "all "
                } else {
                    ""
                };
                format!(
                    "; the code uses {all}{uses} of them: {}",
                    listed(&paths, ", ")
                )
            }
        };
        if says_size {
            text += &format!(
                "; its size goes from {} to {}",
                self.before.size, self.after.size
            );
        }
        let verdict = self.of_place(!used.is_empty());
        let cause = group
            .causes
            .iter()
            .map(|cause| cause.field().name.clone())
            .collect();
        let first = group
            .causes
            .first()
            .map(|cause| cause.field().name.as_str());
        let change = Change::Moved {
            fields: names,
            by_bits: group.by,
            cause,
        };
        self.push(first, change, used, verdict, text);
    }

    /// Adds a finding for a changed size that no group mentions, with the events that caused it.
    fn size(&mut self, loose: &mut Vec<Event<'a>>) {
        let (before, after) = (self.before, self.after);
        let mut text = if before.size == after.size {
            format!("its size stays {}", before.size)
        } else {
            format!("its size goes from {} to {}", before.size, after.size)
        };
        if before.align != after.align {
            text += &format!(", its alignment from {} to {}", before.align, after.align);
        }
        // Only an event at the end changes the size. A used field has a finding of its own.
        let edge = before.size.min(after.size).saturating_mul(8);
        let mut why = Vec::new();
        if before.size != after.size {
            loose.retain(|event| {
                let end = match event {
                    Event::Resized(old, new) => old.end_bits().max(new.end_bits()),
                    other => other.field().end_bits(),
                };
                let tells = end > edge && !matches!(event, Event::Left(..) | Event::Arrived(_));
                if tells {
                    why.push(self.say(*event));
                }
                !tells || (matches!(event, Event::Gone(_)) && self.is_used(&event.field().name))
            });
        }
        if !why.is_empty() {
            text = format!("{}, so {text}", listed(&why, "; "));
        }
        let verdict = match self.role {
            Role::DriverAllocated => self.of_place(true),
            Role::KernelAllocated => (
                Verdict::Keeps,
                "the kernel provides this memory: the same object keeps working",
            ),
            Role::Opaque => self.of_place(false),
        };
        let change = Change::Size {
            before: before.size,
            after: after.size,
            align_before: before.align,
            align_after: after.align,
        };
        self.push(None, change, Vec::new(), verdict, text);
    }

    /// Returns whether the field is a struct or union. An object that uses such a field contains
    /// only its offset. For a number or an array, it contains the size too.
    fn is_held(&self, field: &Field) -> bool {
        let spelled = field.type_name.as_str();
        let composite = |name: &str| {
            let type_ = self.context.after.types.get(name);
            type_.is_some_and(|type_| {
                !type_.fields.is_empty() || type_.target.as_deref().is_some_and(is_composite)
            })
        };
        !spelled.contains('[')
            && (is_composite(spelled) || by_value(spelled).is_some_and(composite))
    }

    fn event(&mut self, event: Event<'_>) {
        let field = event.field();
        let used = self.used(std::iter::once(field.name.as_str()));
        let touched = self.is_used(&field.name);
        let mut text = self.say(event);
        if self.before.size == self.after.size && matches!(event, Event::Gone(_) | Event::Came(_)) {
            text += &format!(", and the size stays {}", self.after.size);
        }
        match event {
            Event::Gone(_) => {
                let verdict = if touched {
                    (
                        Verdict::Source,
                        "the code names this field, and it was removed",
                    )
                } else {
                    self.of_place(false)
                };
                self.push(Some(&field.name), Change::Removed, used, verdict, text);
            }
            Event::Came(_) => {
                let verdict = match self.role {
                    Role::DriverAllocated => self.of_place(true),
                    role => {
                        let why = "nothing moves because of it: the same object keeps working";
                        if role == Role::Opaque {
                            self.of_place(false)
                        } else {
                            (Verdict::Keeps, why)
                        }
                    }
                };
                self.push(Some(&field.name), Change::Added, used, verdict, text);
            }
            Event::Left(old, new) => {
                let change = Change::Moved {
                    fields: vec![new.name.clone()],
                    by_bits: difference(old.offset_bits, new.offset_bits),
                    cause: Vec::new(),
                };
                let verdict = self.of_place(touched);
                self.push(Some(&field.name), change, used, verdict, text);
            }
            Event::Resized(old, new) => {
                // If the name of the type changed too, `retyped` has described it.
                if old.type_name == new.type_name {
                    let change = Change::Retyped {
                        before: format!("{} ({} B)", old.type_name, old.size_bits / 8),
                        after: format!("{} ({} B)", new.type_name, new.size_bits / 8),
                        how: Retyping::Resized,
                    };
                    let verdict = match self.role {
                        Role::KernelAllocated
                            if !new.bitfield && (!touched || self.is_held(new)) =>
                        {
                            (
                                Verdict::Keeps,
                                "its offset is the same, and nothing else moves: the same object \
                                 keeps working",
                            )
                        }
                        _ => self.of_place(touched),
                    };
                    self.push(Some(&field.name), change, used, verdict, text);
                }
            }
            Event::Arrived(_) => {}
        }
    }

    fn retyped(&mut self, old: &Field, new: &Field) {
        let (old_spelled, new_spelled) = (
            Spelled {
                text: &old.type_name,
                bits: Some(old.size_bits),
                abi: self.context.before,
            },
            Spelled {
                text: &new.type_name,
                bits: Some(new.size_bits),
                abi: self.context.after,
            },
        );
        let Some(mut retype) = retyped(old_spelled, new_spelled).or_else(|| {
            (old.bitfield != new.bitfield).then_some(Retype {
                how: Retyping::SameSize,
                compatible: true,
            })
        }) else {
            return;
        };
        if !retype.compatible && self.is_alias(old, new) {
            retype.how = Retyping::UnionAlias;
        }
        let touched = self.is_used(&new.name);
        let used = self.used(std::iter::once(new.name.as_str()));
        let layout = old.size_bits != new.size_bits || old.bitfield != new.bitfield;
        let verdict = match (retype.how, touched) {
            (Retyping::ConstOnly, _) => (
                Verdict::Keeps,
                "const does not change machine code: the same object keeps working",
            ),
            (Retyping::SameSize, _) if retype.compatible && !layout => (
                Verdict::Keeps,
                "the same type under another name: the same object keeps working",
            ),
            (_, true) if !retype.compatible => (
                Verdict::Source,
                "the code names this field, and its type changed",
            ),
            _ if layout => self.of_place(touched),
            _ if self.role == Role::Opaque => self.of_place(false),
            _ => (
                Verdict::Keeps,
                "the code does not name this field, and its offset is the same",
            ),
        };
        let mut text = format!(
            "{}: {} became {}{}",
            new.name,
            with_bits(old),
            with_bits(new),
            match retype.how {
                Retyping::ConstOnly => ", const only",
                Retyping::UnionAlias => ", beside another member of a union at the same offset",
                Retyping::Pointee if new.type_name.contains("(*)") =>
                    ", a pointer to another kind of function",
                Retyping::Pointee => ", a pointer to another type",
                Retyping::SameSize if retype.compatible => ", the same machine code",
                _ => "",
            }
        );
        if retype.how == Retyping::Resized {
            text += &format!(" ({} to {})", amount(old.size_bits), amount(new.size_bits));
        }
        let change = Change::Retyped {
            before: with_bits(old),
            after: with_bits(new),
            how: retype.how,
        };
        self.push(Some(&new.name), change, used, verdict, text);
    }

    /// Returns whether the old or new type of a field is that of a neighbour in a union at the same
    /// offset.
    fn is_alias(&self, old: &Field, new: &Field) -> bool {
        let beside = |fields: &[Field], at: &Field, type_name: &str| {
            fields.iter().any(|field| {
                field.name != at.name
                    && field.offset_bits == at.offset_bits
                    && field.size_bits == at.size_bits
                    && field.type_name == type_name
            })
        };
        old.size_bits == new.size_bits
            && (beside(&self.after.fields, new, &old.type_name)
                || beside(&self.before.fields, old, &new.type_name))
    }

    /// Finds fields that were only renamed: the same type at the same offset, and a similar name.
    fn renamed(&mut self, loose: &mut Vec<Event<'a>>) {
        let mut renames = Vec::new();
        for event in loose.iter() {
            let Event::Gone(old) = event else { continue };
            let successor = loose.iter().find_map(|event| match event {
                Event::Came(new)
                    if (new.size_bits, &new.type_name, new.bitfield)
                        == (old.size_bits, &old.type_name, old.bitfield)
                        && new.offset_bits == old.offset_bits
                        && likeness(&old.name, &new.name) >= ALIKE =>
                {
                    Some(*new)
                }
                _ => None,
            });
            renames.extend(successor.map(|new| (*old, new)));
        }
        for (old, new) in renames {
            loose.retain(|event| {
                !std::ptr::eq(event.field(), old) && !std::ptr::eq(event.field(), new)
            });
            let verdict = if self.is_used(&old.name) {
                (
                    Verdict::Source,
                    "the code names this field, and it was renamed",
                )
            } else {
                (
                    Verdict::Keeps,
                    "the same type at the same offset: the same object keeps working",
                )
            };
            let used = self.used(std::iter::once(old.name.as_str()));
            let text = format!("{} is now called {}", old.name, new.name);
            self.push(
                Some(&old.name),
                Change::Renamed {
                    to: new.name.clone(),
                },
                used,
                verdict,
                text,
            );
        }
    }

    /// Describes the event.
    fn say(&self, event: Event<'_>) -> String {
        match event {
            Event::Gone(field) => format!(
                "{} ({}) gone at {}",
                field.name,
                amount(field.size_bits),
                location(field)
            ),
            Event::Came(field) => format!(
                "{} ({}) new at {}",
                field.name,
                amount(field.size_bits),
                location(field)
            ),
            Event::Left(old, new) => {
                format!(
                    "{} went from {} to {}",
                    new.name,
                    location(old),
                    location(new)
                )
            }
            Event::Arrived(field) => format!("{} came to {}", field.name, location(field)),
            Event::Resized(old, new) => {
                let grew = difference(old.size_bits, new.size_bits);
                let verb = if grew > 0 { "grew" } else { "shrank" };
                let by = amount(grew.unsigned_abs());
                if old.type_name != new.type_name || is_pointer(&new.type_name) {
                    return format!(
                        "{} ({}, was {}) {verb} by {by}",
                        new.name, new.type_name, old.type_name
                    );
                }
                let root = by_value(&new.type_name).and_then(|name| self.context.root(name));
                let through = root.map_or(String::new(), |root| format!(", because of {root}"));
                format!("{} ({}) {verb} by {by}{through}", new.name, new.type_name)
            }
        }
    }
}

/// Returns the new position of each old field.
fn pair(before: &[Field], after: &[Field]) -> Vec<Option<usize>> {
    let mut table: Option<HashMap<&str, usize>> = None;
    let mut next = 0;
    before
        .iter()
        .map(|field| {
            let at = if after
                .get(next)
                .is_some_and(|other| other.name == field.name)
            {
                Some(next)
            } else {
                let table = table.get_or_insert_with(|| {
                    after
                        .iter()
                        .enumerate()
                        .map(|(at, field)| (field.name.as_str(), at))
                        .collect()
                });
                table.get(field.name.as_str()).copied()
            };
            next = at.map_or(next, |at| at + 1);
            at
        })
        .collect()
}

/// Tells for each old field if it belongs to the longest row of fields whose order is unchanged.
/// The others moved past them.
fn in_order(pairs: &[Option<usize>]) -> Vec<bool> {
    let mut stays: Vec<bool> = pairs.iter().map(Option::is_some).collect();
    if pairs.iter().flatten().is_sorted() {
        return stays;
    }
    // For each length, the last field of a row; for each field, the one before it in its row.
    let mut ends: Vec<usize> = Vec::new();
    let mut previous = vec![None; pairs.len()];
    for (at, to) in pairs
        .iter()
        .enumerate()
        .filter_map(|(at, to)| Some((at, (*to)?)))
    {
        let length = ends.partition_point(|end| pairs[*end].is_some_and(|other| other < to));
        previous[at] = length.checked_sub(1).map(|shorter| ends[shorter]);
        if length == ends.len() {
            ends.push(at);
        } else {
            ends[length] = at;
        }
    }
    stays.fill(false);
    let mut at = ends.last().copied();
    while let Some(field) = at {
        stays[field] = true;
        at = previous[field];
    }
    stays
}

/// Returns `after` minus `before`, saturated to an `i64`.
pub(super) fn difference(before: u64, after: u64) -> i64 {
    let by = i128::from(after) - i128::from(before);
    i64::try_from(by).unwrap_or(if by < 0 { i64::MIN } else { i64::MAX })
}

/// Returns "16 B", or "1 bit".
pub(super) fn amount(bits: u64) -> String {
    match (bits % 8, bits) {
        (0, _) => format!("{} B", bits / 8),
        (_, 1) => "1 bit".to_owned(),
        _ => format!("{bits} bits"),
    }
}

/// Returns "-16" in bytes, or "+1 bit".
fn distance(bits: i64) -> String {
    match (bits % 8, bits.unsigned_abs()) {
        (0, _) => format!("{:+}", bits / 8),
        (_, 1) => format!("{bits:+} bit"),
        _ => format!("{bits:+} bits"),
    }
}

/// Returns "208", or "1010:3" with the bit.
fn location(field: &Field) -> String {
    if field.bitfield || !field.offset_bits.is_multiple_of(8) {
        format!("{}:{}", field.offset_bits / 8, field.offset_bits % 8)
    } else {
        (field.offset_bits / 8).to_string()
    }
}

/// Returns the type, with the width of a bit field.
fn with_bits(field: &Field) -> String {
    if field.bitfield {
        format!("{} : {}", field.type_name, field.size_bits)
    } else {
        field.type_name.clone()
    }
}

/// Returns the first few names, and how many more there are.
pub(super) fn listed<T: AsRef<str>>(names: &[T], between: &str) -> String {
    let shown: Vec<&str> = names.iter().take(NAMES).map(AsRef::as_ref).collect();
    let more = names.len() - shown.len();
    let shown = shown.join(between);
    if more == 0 {
        shown
    } else {
        format!("{shown} and {more} more")
    }
}
/// Returns whether a type is spelled as a struct or union by value.
fn is_composite(spelled: &str) -> bool {
    (spelled.starts_with("struct ") || spelled.starts_with("union "))
        && !spelled.contains(['*', '('])
}
