// SPDX-License-Identifier: GPL-2.0-only
//! The comparison of several descriptions of one kernel, which should agree. [`RUSTC`] is the
//! layout by rustc. [`HEADERS`] is the layout by the kernel's compiler, from the headers. [`BTF`]
//! is the kernel's own type information.
//!
//! Two descriptions in C must have equal spellings. Rust's types are compared by offset, size,
//! alignment and structure (`shape`). No description contains everything. BTF has no alignment, no
//! constants, no inline functions and no macros. rustc has only those typedefs and enums that the
//! bindings use. If a description lacks something that it should contain, that is a finding without
//! evidence. If all descriptions agree that it is absent, there is no finding.

mod shape;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::{Abi, Field, Function, Kind, Linkage, Type};
use crate::report::{
    Change, Comparison, ComparisonKind, Finding, Layouts, LookedAt, Subject, Verdict,
};
use crate::usage::{Role, Usage};
use shape::{Likeness, Shape, likeness};

/// The description by rustc.
pub const RUSTC: &str = "rustc";
/// The description by the kernel's compiler, from the kernel's headers.
pub const HEADERS: &str = "headers";
/// The description by the kernel's own type information.
pub const BTF: &str = "btf";

/// Compares descriptions of one kernel, each with its name. The name is [`RUSTC`], [`HEADERS`] or
/// [`BTF`], or that of something made from the latter two, such as a snapshot.
pub fn check(kernel: &str, truths: &[(&str, &Abi)], usage: &Usage) -> Comparison {
    let mut agreement = Agreement {
        truths,
        usage,
        check: Comparison {
            kind: ComparisonKind::Bindings,
            kernel: kernel.to_owned(),
            against: "bindings".to_owned(),
            looked_at: LookedAt::default(),
            scope: None,
            findings: Vec::new(),
            layouts: BTreeMap::new(),
        },
    };
    agreement.types();
    agreement.functions();
    agreement.constants();
    agreement.missing();
    let mut check = agreement.check;
    check
        .findings
        .sort_by(|a, b| b.verdict.cmp(&a.verdict).then_with(|| a.name.cmp(&b.name)));
    check
}

struct Agreement<'a> {
    truths: &'a [(&'a str, &'a Abi)],
    usage: &'a Usage,
    check: Comparison,
}

/// One description of one item: its name, its ABI, and the item.
type Says<'a, T> = (&'a str, &'a Abi, T);

impl<'a> Agreement<'a> {
    /// Returns the descriptions that contain the item.
    fn says<T>(&self, get: impl Fn(&'a Abi) -> Option<T>) -> Vec<Says<'a, T>> {
        self.truths
            .iter()
            .filter_map(|&(name, abi)| Some((name, abi, get(abi)?)))
            .collect()
    }

    fn names<T: 'a>(&self, get: impl Fn(&'a Abi) -> &'a BTreeMap<String, T>) -> BTreeSet<&'a str> {
        self.truths
            .iter()
            .flat_map(|(_, abi)| get(abi).keys().map(String::as_str))
            .collect()
    }

    fn types(&mut self) {
        for name in self.names(|abi| &abi.types) {
            let says = self.says(|abi| abi.types.get(name));
            // Only the bindings use this alias or this name of a number, so there is nothing to
            // compare. The name is compared if another description was asked for it.
            let asked =
                |(_, abi): &(&str, &Abi)| abi.no_evidence.contains_key(&format!("type {name}"));
            if says.iter().all(|(truth, ..)| *truth == RUSTC) && !self.truths.iter().any(asked) {
                continue;
            }
            let composite = says.iter().any(|(_, _, type_)| !type_.fields.is_empty());
            let expected = |truth: &str| truth != RUSTC || composite;
            self.lacking(Subject::Type, name, &says, expected);
            if says.len() < 2 {
                continue;
            }
            self.check.looked_at.types += 1;
            let before = self.check.findings.len();
            self.type_(name, &says);
            self.fields(name, &says);
            if self.check.findings.len() > before {
                let of = |wanted: bool| says.iter().find(|(truth, ..)| (*truth == RUSTC) == wanted);
                let layouts = Layouts {
                    before: of(true).map(|(_, _, type_)| (*type_).clone()),
                    after: of(false).map(|(_, _, type_)| (*type_).clone()),
                };
                self.check.layouts.insert(name.to_owned(), layouts);
            }
        }
    }

    /// Compares size, alignment, the target of a typedef, and the values of an enum.
    fn type_(&mut self, name: &str, says: &[Says<'a, &'a Arc<Type>>]) {
        let agree = |left: &Says<'a, &'a Arc<Type>>, right: &Says<'a, &'a Arc<Type>>| {
            let (&(a, abi_a, type_a), &(b, abi_b, type_b)) = (left, right);
            let aligned = a == BTF || b == BTF || type_a.align == type_b.align;
            let rust = a == RUSTC || b == RUSTC;
            let same_kind = rust || (type_a.kind == type_b.kind && type_a.values == type_b.values);
            let same_target = match (&type_a.target, &type_b.target) {
                (Some(left), Some(right)) => same_types((a, abi_a, left), (b, abi_b, right)),
                _ => Likeness::from(rust || type_a.target == type_b.target),
            };
            Likeness::from(type_a.size == type_b.size && aligned && same_kind).max(same_target)
        };
        let describe = |(truth, _, type_): &Says<'a, &'a Arc<Type>>| {
            let mut text = format!("{}, {} B", type_.kind.word(), type_.size);
            if *truth != BTF {
                text += &format!(", aligned to {}", type_.align);
            }
            if let Some(target) = &type_.target {
                text += &format!(", `{target}`");
            }
            if !type_.values.is_empty() {
                text += &format!(", {:?}", type_.values);
            }
            text
        };
        let role = self.role(name);
        let matters = role != Some(Role::Opaque);
        self.compare(Subject::Type, name, says, agree, describe, (role, matters));
    }

    fn fields(&mut self, name: &str, says: &[Says<'a, &'a Arc<Type>>]) {
        // An alias of a struct that has a name of its own. The fields are compared under that name.
        let with: Vec<&Says<'a, &'a Arc<Type>>> = says
            .iter()
            .filter(|(truth, _, type_)| {
                !type_.fields.is_empty() || (*truth != RUSTC && type_.kind != Kind::Typedef)
            })
            .collect();
        let names: BTreeSet<&str> = with
            .iter()
            .flat_map(|(_, _, type_)| type_.fields.iter().map(|field| field.name.as_str()))
            .collect();
        if with.len() < 2 && !names.is_empty() {
            let path = format!("{name}'s fields");
            self.no_evidence(
                Subject::Type,
                name,
                &format!("{path}: only one description has them"),
            );
            return;
        }
        let role = self.role(name);
        for field in names {
            let path = format!("{name}.{field}");
            let said: Vec<Says<'a, &'a Field>> = with
                .iter()
                .filter_map(|(truth, abi, type_)| Some((*truth, *abi, type_.field(field)?)))
                .collect();
            let used = role == Some(Role::DriverAllocated) || self.uses_field(name, field);
            if said.len() < with.len() {
                let truths = with.iter().map(|(truth, _, type_)| {
                    let text = type_
                        .field(field)
                        .map_or_else(|| "no such field".to_owned(), location);
                    ((*truth).to_owned(), text)
                });
                let truths: BTreeMap<String, String> = truths.collect();
                let c: BTreeSet<bool> = with
                    .iter()
                    .filter(|(truth, ..)| *truth != RUSTC)
                    .map(|(_, _, type_)| type_.field(field).is_some())
                    .collect();
                self.disagree(Subject::Field, &path, truths, c.len() < 2, (role, used));
            }
            if said.len() < 2 {
                continue;
            }
            self.check.looked_at.fields += 1;
            let agree = |left: &Says<'a, &'a Field>, right: &Says<'a, &'a Field>| {
                let (&(a, abi_a, field_a), &(b, abi_b, field_b)) = (left, right);
                let key = |field: &Field| (field.offset_bits, field.size_bits, field.bitfield);
                let typed = same_types(
                    (a, abi_a, &field_a.type_name),
                    (b, abi_b, &field_b.type_name),
                );
                Likeness::from(key(field_a) == key(field_b)).max(typed)
            };
            let describe = |(_, _, field): &Says<'a, &'a Field>| location(field);
            self.compare(Subject::Field, &path, &said, agree, describe, (role, used));
        }
    }

    fn functions(&mut self) {
        for name in self.names(|abi| &abi.functions) {
            let says = self.says(|abi| abi.functions.get(name));
            // A header defines it. BTF cannot contain it, and the bindings reach it through a shim.
            let by_header = says.iter().any(|(_, _, function)| is_by_header(function));
            let bound = says.iter().any(|(truth, ..)| *truth == RUSTC);
            let kernel = says.iter().any(|(truth, ..)| *truth != RUSTC);
            if by_header && !bound {
                continue;
            }
            if kernel || !name.starts_with(SHIM_PREFIX) {
                self.lacking(Subject::Function, name, &says, |truth| {
                    truth != BTF || !by_header
                });
            }
            let with: Vec<Says<'a, &'a Function>> = says
                .into_iter()
                .map(|(truth, abi, function)| (truth, abi, &**function))
                .filter(|(_, _, function)| !function.returns.is_empty())
                .collect();
            if with.len() < 2 {
                continue;
            }
            self.check.looked_at.functions += 1;
            let agree = |left: &Says<'a, &'a Function>, right: &Says<'a, &'a Function>| {
                let (&(a, abi_a, left), &(b, abi_b, right)) = (left, right);
                let declared =
                    left.variadic == right.variadic && left.params.len() == right.params.len();
                let pairs = left.params.iter().zip(&right.params);
                let pairs = pairs.chain([(&left.returns, &right.returns)]);
                pairs
                    .map(|(left, right)| same_types((a, abi_a, left), (b, abi_b, right)))
                    .fold(Likeness::from(declared), Likeness::max)
            };
            let describe = |(_, _, function): &Says<'a, &'a Function>| function.declaration(name);
            let used = self.usage.functions.contains(name);
            self.compare(
                Subject::Function,
                name,
                &with,
                agree,
                describe,
                (None, used),
            );
        }
    }

    fn constants(&mut self) {
        for name in self.names(|abi| &abi.constants) {
            let says = self.says(|abi| abi.constants.get(name).map(|constant| constant.value));
            self.lacking(Subject::Constant, name, &says, |truth| truth != BTF);
            if says.len() < 2 {
                continue;
            }
            self.check.looked_at.constants += 1;
            let used = self.usage.constants.contains(name);
            let agree =
                |left: &Says<'a, i128>, right: &Says<'a, i128>| Likeness::from(left.2 == right.2);
            self.compare(
                Subject::Constant,
                name,
                &says,
                agree,
                |(_, _, value)| value.to_string(),
                (None, used),
            );
        }
    }

    /// Adds a finding for each name that a description could not find out, unless the name is
    /// absent.
    fn missing(&mut self) {
        for (truth, abi) in self.truths {
            for (what, why) in &abi.no_evidence {
                let (kind, name) = what.split_once(' ').unwrap_or(("type", what));
                let (subject, known) = match kind {
                    "function" => (
                        Subject::Function,
                        self.says(|abi| abi.functions.get(name)).len(),
                    ),
                    "constant" => (
                        Subject::Constant,
                        self.says(|abi| abi.constants.get(name)).len(),
                    ),
                    _ => (Subject::Type, self.says(|abi| abi.types.get(name)).len()),
                };
                // A description that contains the name and also this reason has two different
                // definitions. Neither is evidence.
                let ambiguous = match kind {
                    "function" => abi.functions.contains_key(name),
                    "constant" => abi.constants.contains_key(name),
                    _ => abi.types.contains_key(name),
                };
                // If another description has it, the finding was added where that was compared.
                if ambiguous || known == 0 && !why.starts_with("not in ") {
                    self.no_evidence(subject, name, &format!("{truth}: {why}"));
                }
            }
        }
    }

    /// Adds a finding for the descriptions that should contain this and do not.
    fn lacking<T>(
        &mut self,
        subject: Subject,
        name: &str,
        says: &[Says<'a, T>],
        expected: impl Fn(&str) -> bool,
    ) {
        let kind = match subject {
            Subject::Function => "function",
            Subject::Constant => "constant",
            _ => "type",
        };
        for (truth, abi) in self.truths {
            if !expected(truth) || says.iter().any(|(known, ..)| known == truth) {
                continue;
            }
            let why = abi.no_evidence.get(&format!("{kind} {name}"));
            let why = why.map_or("does not contain it, but others do", String::as_str);
            self.no_evidence(subject, name, &format!("{truth}: {why}"));
        }
    }

    /// Compares each description's value with the others'.
    fn compare<T>(
        &mut self,
        subject: Subject,
        name: &str,
        says: &[Says<'a, T>],
        agree: impl Fn(&Says<'a, T>, &Says<'a, T>) -> Likeness,
        describe: impl Fn(&Says<'a, T>) -> String,
        matters: (Option<Role>, bool),
    ) {
        let (mut bad, mut unknown) = (false, false);
        let mut kernel_is_one = true;
        for (index, left) in says.iter().enumerate() {
            for right in &says[index + 1..] {
                match agree(left, right) {
                    Likeness::Same => {}
                    Likeness::Unknown => unknown = true,
                    Likeness::Different => {
                        bad = true;
                        kernel_is_one &= left.0 == RUSTC || right.0 == RUSTC;
                    }
                }
            }
        }
        if !bad && unknown {
            let said: Vec<String> = says
                .iter()
                .map(|said| format!("{}: {}", said.0, describe(said)))
                .collect();
            let what = "it contains an unknown name (list the typedef in sys/needed.toml)";
            self.no_evidence(subject, name, &format!("{what}; {}", said.join("; ")));
        }
        if bad {
            let truths = says
                .iter()
                .map(|said| (said.0.to_owned(), describe(said)))
                .collect();
            self.disagree(subject, name, truths, kernel_is_one, matters);
        }
    }

    /// Adds a disagreement. `kernel_is_one` is set if all descriptions except rustc's agree. `role`
    /// is the role of the type. `used` is set if the code uses the item.
    fn disagree(
        &mut self,
        subject: Subject,
        name: &str,
        truths: BTreeMap<String, String>,
        kernel_is_one: bool,
        (role, used): (Option<Role>, bool),
    ) {
        let (verdict, reason) = match (kernel_is_one, used) {
            (false, _) => (
                Verdict::NoEvidence,
                "the headers and the kernel's own type information belong to different kernels",
            ),
            (true, true) => (
                Verdict::Source,
                "the bindings differ from the kernel, and the code uses this",
            ),
            (true, false) => (
                Verdict::Keeps,
                "the bindings differ from the kernel, but the code does not use this",
            ),
        };
        let said: Vec<String> = truths
            .iter()
            .map(|(truth, text)| format!("{truth}: {text}"))
            .collect();
        self.check.findings.push(Finding {
            subject,
            name: name.to_owned(),
            change: Change::Disagreement { truths },
            role,
            used: if used {
                vec![name.to_owned()]
            } else {
                Vec::new()
            },
            verdict,
            text: said.join("; "),
            reason: reason.to_owned(),
            accepted: None,
        });
    }

    fn no_evidence(&mut self, subject: Subject, name: &str, text: &str) {
        self.check.findings.push(Finding {
            subject,
            name: name.to_owned(),
            change: Change::NoEvidence,
            role: None,
            used: Vec::new(),
            verdict: Verdict::NoEvidence,
            text: text.to_owned(),
            reason: "a description that should contain it does not".to_owned(),
            accepted: None,
        });
    }

    /// Returns the role of a type, for the layout that the kernel has.
    fn role(&self, name: &str) -> Option<Role> {
        let kernel = self.truths.iter().find(|(truth, _)| *truth != RUSTC);
        kernel
            .or(self.truths.first())
            .map(|(_, abi)| self.usage.role(abi, name))
    }

    /// Returns whether the code names this field, a field around it or a field inside it.
    fn uses_field(&self, name: &str, field: &str) -> bool {
        self.usage.fields_of(name).any(|used| {
            let inside = |outer: &str, inner: &str| {
                inner
                    .strip_prefix(outer)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            };
            inside(used, field) || inside(field, used)
        })
    }
}

/// The prefix of the shims, which do not belong to the kernel.
const SHIM_PREFIX: &str = "linux_driver_";

fn is_by_header(function: &Function) -> bool {
    matches!(function.linkage, Some(Linkage::Inline | Linkage::Macro))
}

/// Compares two spelled types: C's by their text, Rust's by their structure.
fn same_types(left: (&str, &Abi, &str), right: (&str, &Abi, &str)) -> Likeness {
    match (left, right) {
        ((RUSTC, rust, left), (RUSTC, _, right)) => {
            likeness(rust, &Shape::of(left), rust, &Shape::of(right))
        }
        ((RUSTC, rust, rust_type), (_, c, c_type)) | ((_, c, c_type), (RUSTC, rust, rust_type)) => {
            likeness(rust, &Shape::of(rust_type), c, &Shape::of(c_type))
        }
        ((_, _, left), (_, _, right)) => Likeness::from(left == right),
    }
}

/// Describes a field's offset, size and type.
fn location(field: &Field) -> String {
    if field.bitfield {
        let (byte, bit) = (field.offset_bits / 8, field.offset_bits % 8);
        return format!(
            "at {byte} bit {bit}, {} bits, `{}`",
            field.size_bits, field.type_name
        );
    }
    format!(
        "at {}, {} B, `{}`",
        field.offset_bits / 8,
        field.size_bits / 8,
        field.type_name
    )
}

#[cfg(test)]
mod tests;
