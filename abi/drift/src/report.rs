// SPDX-License-Identifier: GPL-2.0-only
//! The result of a check as data. `--format json` prints it, the parts of a divided check are
//! merged from it, and every other format is rendered from it.

pub mod github;
pub mod html;
pub mod json;
pub mod markdown;
pub mod picture;
pub mod sarif;
pub mod text;
pub mod visible;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Linkage, Type};
use crate::usage::Role;

/// The version of the format. It increases when the meaning of a field changes.
pub const SCHEMA: u32 = 1;

/// The result of one call of `check-abi`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriftReport {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The version of the tool.
    pub tool: String,
    /// The part of the kernels that was checked, such as "2/4"; `None` if all were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    /// The comparisons, one for each pair.
    pub checks: Vec<Comparison>,
}

/// The kind of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ComparisonKind {
    /// The bindings and the kernel that they are made for.
    Bindings,
    /// Two kernels.
    Kernels,
    /// A module and a kernel.
    Module,
}

/// A comparison of two sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// Its kind.
    pub kind: ComparisonKind,
    /// The side after the change: a kernel's name in the catalogue or its release.
    pub kernel: String,
    /// The side before the change: a kernel, "bindings", or the path of a module.
    pub against: String,
    /// The number of items that were compared.
    pub looked_at: LookedAt,
    /// The part that was compared, if it was not everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Coverage>,
    /// The findings, by weight and then by name.
    pub findings: Vec<Finding>,
    /// The types with findings about their layout, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub layouts: BTreeMap<String, Layouts>,
}

/// A part of an ABI that can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AbiPart {
    /// Layouts of types.
    Types,
    /// Signatures of functions.
    Functions,
    /// Values of constants.
    Constants,
    /// Exported symbols.
    Symbols,
}

impl AbiPart {
    /// All parts.
    pub const ALL: [Self; 4] = [Self::Types, Self::Functions, Self::Constants, Self::Symbols];

    /// Returns its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Types => "types",
            Self::Functions => "functions",
            Self::Constants => "constants",
            Self::Symbols => "symbols",
        }
    }
}

/// The part of two kernels that a comparison covers. It makes no statement about the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// The parts that are compared.
    pub parts: BTreeSet<AbiPart>,
    /// The names that belong to `parts` but could not be compared, such as `function kfree`. One of
    /// the two kernels does not record such a name. The code uses it, or the other kernel has it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub outside: BTreeSet<String>,
}

/// The largest number of unknown names that one line lists. `--format json` lists all.
const LISTED: usize = 12;

impl Coverage {
    /// Describes what is compared and what is not: "types, functions; not constants, symbols; not
    /// known: function kfree".
    pub fn words(&self) -> String {
        let listed = |inside: bool| {
            let parts = AbiPart::ALL
                .into_iter()
                .filter(|part| self.parts.contains(part) == inside);
            parts.map(AbiPart::word).collect::<Vec<_>>().join(", ")
        };
        let mut text = listed(true);
        if self.parts.len() < AbiPart::ALL.len() {
            text += &format!("; not {}", listed(false));
        }
        if !self.outside.is_empty() {
            let names: Vec<&str> = self
                .outside
                .iter()
                .take(LISTED)
                .map(String::as_str)
                .collect();
            text += &format!("; not known: {}", names.join(", "));
            match self.outside.len().saturating_sub(LISTED) {
                0 => {}
                more => text += &format!(" and {more} more"),
            }
        }
        text
    }
}

/// The number of items that were compared. A comparison of nothing proves nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookedAt {
    /// Types.
    pub types: usize,
    /// Fields of these types.
    pub fields: usize,
    /// Functions' signatures.
    pub functions: usize,
    /// Constants.
    pub constants: usize,
    /// Exported symbols.
    pub symbols: usize,
}

/// The layouts of a type before and after. One is missing if the type was added or removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layouts {
    /// Before.
    pub before: Option<Arc<Type>>,
    /// After.
    pub after: Option<Arc<Type>>,
}

/// The consequence for an object that was compiled for the side before the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// There is drift, but the same object keeps working.
    Keeps,
    /// The same source works after it is compiled again.
    Rebuild,
    /// The object does not work, and the source was not judged. It may contain code for both
    /// kernels, or the name may be a macro or inline function of the headers.
    NotJudged,
    /// The source has to change.
    Source,
    /// There is not enough evidence for a verdict. This never passes.
    NoEvidence,
}

/// The kind of item that a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// A type as a whole.
    Type,
    /// A field, or several fields that one change moves.
    Field,
    /// A function.
    Function,
    /// A constant.
    Constant,
    /// An exported symbol.
    Symbol,
    /// A module as a whole: its vermagic, its relocations, its mitigations.
    Module,
}

/// One difference, with its verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The kind of item.
    pub subject: Subject,
    /// The item's C name, which `explain` also accepts: `pci_driver`, `pci_driver.node`, `kfree`.
    pub name: String,
    /// The difference.
    pub change: Change,
    /// The role of the type, for a type or field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The parts of the item that the code uses: paths of fields (`pci_dev.irq`), or the name of
    /// the function or constant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used: Vec<String>,
    /// The consequence.
    pub verdict: Verdict,
    /// The finding in one line: "node (16 B) gone at 0, so 16 later fields move by -16; the
    /// bindings use 5 of them".
    pub text: String,
    /// The reason for the verdict, in one sentence.
    pub reason: String,
    /// The reason why the finding is accepted, if `accepted.toml` lists the finding. An accepted
    /// finding does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
}

/// A difference. Offsets and sizes are in bits for fields and in bytes for types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is", deny_unknown_fields)]
pub enum Change {
    /// The item is new: only the side after the change has it.
    Added,
    /// The item is gone: only the side before the change has it.
    Removed,
    /// The size or alignment of a type.
    Size {
        /// Bytes before.
        before: u64,
        /// Bytes after.
        after: u64,
        /// Alignment before.
        align_before: u64,
        /// Alignment after.
        align_after: u64,
    },
    /// Fields that moved because of one cause.
    Moved {
        /// Their names.
        fields: Vec<String>,
        /// The distance in bits; negative towards the start.
        by_bits: i64,
        /// The causes: fields that were added, removed or resized.
        cause: Vec<String>,
    },
    /// The type of a field, parameter, result or constant.
    Retyped {
        /// Before.
        before: String,
        /// After.
        after: String,
        /// The kind of change.
        how: Retyping,
    },
    /// The parameters of a function.
    Arity {
        /// Its declaration before.
        before: String,
        /// Its declaration after.
        after: String,
    },
    /// The item has another name, and still has the same signature, or the same offset and type.
    Renamed {
        /// The name after.
        to: String,
    },
    /// The way C code reaches a function.
    Linkage {
        /// Before; `None` if it is not known.
        before: Option<Linkage>,
        /// After.
        after: Option<Linkage>,
    },
    /// The value of a constant or enumerator, or another value: a CRC, a namespace, a license, a
    /// vermagic.
    Value {
        /// Before.
        before: String,
        /// After.
        after: String,
    },
    /// Descriptions of one kernel that contradict each other.
    Disagreement {
        /// Each description by its origin: `rustc`, `headers`, `btf`.
        truths: BTreeMap<String, String>,
    },
    /// There is not enough evidence to compare the item.
    NoEvidence,
}

/// The kind of change of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retyping {
    /// Only a qualifier changed, which makes no difference to machine code.
    ConstOnly,
    /// The target of a pointer changed.
    Pointee,
    /// It is another member of a union, at the same offset and of the same size.
    UnionAlias,
    /// It is another type of the same size.
    SameSize,
    /// It is a type of another size.
    Resized,
}

/// The least verdict that makes a check fail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailOn {
    /// Any drift.
    #[default]
    Any,
    /// Drift that needs the same source to be compiled again.
    Rebuild,
    /// Drift that needs another source.
    Source,
}

/// The conclusion of a report. It decides the exit code of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conclusion {
    /// Everything holds. The exit code is 0.
    Holds,
    /// Something could not be checked. The exit code is 2.
    CouldNotCheck,
    /// There is drift. The exit code is 1.
    Drift,
}

impl Conclusion {
    /// Returns the exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Holds => 0,
            Self::Drift => 1,
            Self::CouldNotCheck => 2,
        }
    }

    /// Returns the conclusion in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Holds => "it holds",
            Self::Drift => "drift",
            Self::CouldNotCheck => "could not check everything",
        }
    }
}

impl DriftReport {
    /// Returns the conclusion of the report.
    ///
    /// - Known drift goes first, because unknown facts cannot undo it.
    /// - An unknown fact never passes, no matter what `fail_on` is.
    /// - A report without a comparison does not pass.
    /// - A source that was not judged never passes. With [`FailOn::Source`] it counts as something
    ///   that could not be checked.
    pub fn conclusion(&self, fail_on: FailOn) -> Conclusion {
        let least = match fail_on {
            FailOn::Any => Verdict::Keeps,
            FailOn::Rebuild => Verdict::Rebuild,
            FailOn::Source => Verdict::Source,
        };
        let drift =
            |finding: &Finding| finding.verdict != Verdict::NoEvidence && finding.verdict >= least;
        let open = || self.checks.iter().flat_map(Comparison::open);
        if open().any(drift) {
            Conclusion::Drift
        } else if self.checks.is_empty() || open().any(|finding| finding.verdict.is_open()) {
            Conclusion::CouldNotCheck
        } else {
            Conclusion::Holds
        }
    }

    /// Returns whether the command fails.
    pub fn fails(&self, fail_on: FailOn) -> bool {
        self.conclusion(fail_on) != Conclusion::Holds
    }
}

impl Verdict {
    /// All verdicts, from the most to the least severe.
    pub const ALL: [Self; 5] = [
        Self::NoEvidence,
        Self::Source,
        Self::NotJudged,
        Self::Rebuild,
        Self::Keeps,
    ];

    /// Returns whether the verdict leaves a question open.
    pub fn is_open(self) -> bool {
        matches!(self, Self::NoEvidence | Self::NotJudged)
    }

    /// Returns the verdict in one or two words.
    pub fn word(self) -> &'static str {
        match self {
            Self::Keeps => "keeps",
            Self::Rebuild => "rebuild",
            Self::NotJudged => "not judged",
            Self::Source => "source",
            Self::NoEvidence => "no evidence",
        }
    }
}

impl LookedAt {
    /// Lists the counts that are not zero: "84 types, 539 fields, …".
    pub fn words(&self) -> String {
        let counts = [
            (self.types, "type"),
            (self.fields, "field"),
            (self.functions, "function"),
            (self.constants, "constant"),
            (self.symbols, "symbol"),
        ];
        let words = counts.into_iter().filter(|(count, _)| *count > 0);
        let words: Vec<String> = words.map(|(count, word)| counted(count, word)).collect();
        if words.is_empty() {
            "nothing".to_owned()
        } else {
            words.join(", ")
        }
    }

    /// Returns the sums of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            types: self.types + other.types,
            fields: self.fields + other.fields,
            functions: self.functions + other.functions,
            constants: self.constants + other.constants,
            symbols: self.symbols + other.symbols,
        }
    }
}

/// Returns the count with its noun: "1 field", "2 fields".
pub fn counted(count: usize, word: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {word}{s}")
}

/// Returns the last line of a report: what was compared, the number of findings by verdict, and the
/// conclusion.
pub fn summary(report: &DriftReport) -> String {
    let looked_at = report
        .checks
        .iter()
        .fold(LookedAt::default(), |all, check| all.and(check.looked_at));
    let open = || report.checks.iter().flat_map(Comparison::open);
    let counts: Vec<String> = Verdict::ALL
        .iter()
        .map(|verdict| {
            (
                verdict,
                open().filter(|finding| finding.verdict == *verdict).count(),
            )
        })
        .filter(|(_, count)| *count > 0)
        .map(|(verdict, count)| format!("{count} {}", verdict.word()))
        .collect();
    let accepted = report
        .checks
        .iter()
        .flat_map(|check| &check.findings)
        .filter(|finding| finding.accepted.is_some());
    let accepted = match accepted.count() {
        0 => String::new(),
        count => format!(" ({count} accepted)"),
    };
    let counts = if counts.is_empty() {
        "no drift".to_owned()
    } else {
        counts.join(", ")
    };
    let (checks, conclusion) = (
        counted(report.checks.len(), "comparison"),
        report.conclusion(FailOn::Any),
    );
    format!(
        "{checks} of {}: {counts}{accepted}: {}",
        looked_at.words(),
        conclusion.words()
    )
}

/// Findings that are printed as one: all findings of one type that keeps working.
pub struct Folded<'a> {
    /// The first finding.
    pub first: &'a Finding,
    /// The other findings.
    pub more: Vec<&'a Finding>,
    /// The name of the type.
    pub name: &'a str,
}

impl Folded<'_> {
    /// Summarises the findings in numbers.
    pub fn words(&self) -> String {
        let mut moved = BTreeSet::new();
        let (mut added, mut removed, mut other) = (0, 0, 0);
        for finding in std::iter::once(&self.first).chain(&self.more) {
            match &finding.change {
                Change::Moved { fields, cause, .. } => {
                    moved.extend(fields);
                    other += usize::from(fields.is_empty() && cause.is_empty());
                }
                Change::Added => added += 1,
                Change::Removed => removed += 1,
                _ => other += 1,
            }
        }
        let counts = [
            (moved.len(), "moved"),
            (added, "new"),
            (removed, "gone"),
            (other, "otherwise changed"),
        ];
        let words = counts.into_iter().filter(|(count, _)| *count > 0);
        let words: Vec<String> = words
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        let size = std::iter::once(&self.first)
            .chain(&self.more)
            .find_map(|finding| {
                let at = finding.text.find("its size goes from ")?;
                finding.text[at..].split([',', ';']).next()
            });
        let size = size.map_or(String::new(), |size| format!("; {size}"));
        format!("{}{size}; the code uses none of them", words.join(", "))
    }
}

/// Returns the findings in their order. Several findings of one type that keeps working are folded
/// into one if the code uses none of the fields.
pub fn fold(findings: &[Finding]) -> Vec<Folded<'_>> {
    let mut out: Vec<Folded<'_>> = Vec::new();
    let mut at: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in findings {
        let name = finding.type_name().filter(|_| {
            finding.verdict == Verdict::Keeps
                && finding.used.is_empty()
                && finding.accepted.is_none()
        });
        match name.and_then(|name| at.get(name)) {
            Some(first) => out[*first].more.push(finding),
            None => {
                if let Some(name) = name {
                    at.insert(name, out.len());
                }
                let name = name.unwrap_or(&finding.name);
                out.push(Folded {
                    first: finding,
                    more: Vec::new(),
                    name,
                });
            }
        }
    }
    out
}

impl Finding {
    /// Returns the type that it is about, if it is about a type or field.
    pub fn type_name(&self) -> Option<&str> {
        match self.subject {
            Subject::Type => Some(&self.name),
            Subject::Field => Some(self.name.split('.').next().unwrap_or(&self.name)),
            _ => None,
        }
    }
}

impl Comparison {
    /// Returns the most severe verdict of the findings that are not accepted, or `None` if all are
    /// accepted.
    pub fn verdict(&self) -> Option<Verdict> {
        self.open().map(|finding| finding.verdict).max()
    }

    /// Returns the title: both sides in one line.
    pub fn title(&self) -> String {
        match self.kind {
            ComparisonKind::Bindings => format!("{} against {}", self.against, self.kernel),
            ComparisonKind::Kernels => format!("{} → {}", self.against, self.kernel),
            ComparisonKind::Module => format!("{} on {}", self.against, self.kernel),
        }
    }

    /// Returns the role of a type, as recorded in its findings.
    pub fn role_of(&self, type_name: &str) -> Option<Role> {
        let mut of_type = self
            .findings
            .iter()
            .filter(|finding| finding.type_name() == Some(type_name));
        of_type.find_map(|finding| finding.role)
    }

    /// Returns the paths of a type's used fields that have findings.
    pub fn used_of(&self, type_name: &str) -> BTreeSet<&str> {
        let of_type = self
            .findings
            .iter()
            .filter(|finding| finding.type_name() == Some(type_name));
        let used = of_type.flat_map(|finding| &finding.used);
        used.filter_map(|path| path.strip_prefix(type_name)?.strip_prefix('.'))
            .collect()
    }

    /// Returns the result of a module's check in a few words.
    pub fn of_module(&self) -> &'static str {
        let known = self
            .open()
            .map(|finding| finding.verdict)
            .filter(|verdict| *verdict != Verdict::NoEvidence);
        match (self.verdict(), known.max()) {
            (Some(Verdict::NoEvidence), Some(Verdict::Source)) => {
                "needs a change of its source; not everything could be checked"
            }
            (Some(Verdict::NoEvidence | Verdict::NotJudged), Some(Verdict::NotJudged)) => {
                "has to be built again; its source was not judged"
            }
            (Some(Verdict::NoEvidence), Some(Verdict::Rebuild)) => {
                "has to be built again; not everything could be checked"
            }
            (Some(Verdict::NoEvidence), _) => {
                "no problem was found, but not everything could be checked"
            }
            (Some(Verdict::Source), _) => "needs a change of its source",
            (Some(Verdict::Rebuild | Verdict::NotJudged), _) => "has to be built again",
            (None | Some(Verdict::Keeps), _) => "loads as it is",
        }
    }

    /// Returns the findings that are not accepted.
    pub fn open(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.accepted.is_none())
    }
}
