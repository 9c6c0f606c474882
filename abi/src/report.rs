// SPDX-License-Identifier: GPL-2.0-only
//! What was checked and what was found, as data: the document that `--format json` prints, that
//! shards of a check are merged from, and that every other format is made of.

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

/// Counts up when the meaning of a field changes.
pub const SCHEMA: u32 = 1;

/// The outcome of a call of `check-abi`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriftReport {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The version of the tool.
    pub tool: String,
    /// Which part of the kernels was checked, "2/4"; nothing if it was all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    /// One for each pair of things that were compared.
    pub checks: Vec<Comparison>,
}

/// What was compared with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ComparisonKind {
    /// The bindings with the kernel that they are for.
    Bindings,
    /// A kernel with another.
    Kernels,
    /// A module with a kernel.
    Module,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// What was compared with what.
    pub kind: ComparisonKind,
    /// The kernel: its name in the catalogue or its release. This is the side after the change.
    pub kernel: String,
    /// The other side, that before the change: a kernel, "bindings", or the path of a module.
    pub against: String,
    /// What was looked at.
    pub looked_at: LookedAt,
    /// What it speaks of, where that is less than everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Coverage>,
    /// What was found, in the order of its weight, then of its name.
    pub findings: Vec<Finding>,
    /// By name, the types with findings about their layout, before and after.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub layouts: BTreeMap<String, Layouts>,
}

/// A part of what can be compared of two kernels.
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
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Types, Self::Functions, Self::Constants, Self::Symbols];

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Types => "types",
            Self::Functions => "functions",
            Self::Constants => "constants",
            Self::Symbols => "symbols",
        }
    }
}

/// What a comparison speaks of: nothing is said of what is outside of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// The parts that are compared.
    pub parts: BTreeSet<AbiPart>,
    /// What of these is not known of one of the kernels, and the code uses or the other kernel has:
    /// `function kfree`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub outside: BTreeSet<String>,
}

/// How many names a line lists that are not known; `--format json` has all.
const LISTED: usize = 12;

impl Coverage {
    /// In words, what is compared and what is not: "types, functions; not constants, symbols; not
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

/// How much was looked at: a check that looked at nothing has proved nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookedAt {
    /// Types.
    pub types: usize,
    /// Their fields.
    pub fields: usize,
    /// Functions' signatures.
    pub functions: usize,
    /// Constants.
    pub constants: usize,
    /// Exported symbols.
    pub symbols: usize,
}

/// A type before and after; one of them is missing where it was added or removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layouts {
    /// Before.
    pub before: Option<Arc<Type>>,
    /// After.
    pub after: Option<Arc<Type>>,
}

/// What follows for an object that was compiled for the side before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is drift, and the same object keeps working.
    Keeps,
    /// The same source, compiled again, works.
    Rebuild,
    /// The object does not work there. Whether the same source, compiled again, does is not judged:
    /// it may have code for both kernels, or the name may be a macro or inline function of the
    /// headers.
    NotJudged,
    /// The source has to change.
    Source,
    /// It cannot be said: never a pass.
    NoEvidence,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// A type as a whole.
    Type,
    /// A field, or several that one change moves.
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

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// What it is about.
    pub subject: Subject,
    /// Its C name: `pci_driver`, `pci_driver.node`, `kfree`. The name by which `explain` knows it.
    pub name: String,
    /// What is different.
    pub change: Change,
    /// The role of the type, for a type or field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// What of it the code uses: paths of fields (`pci_dev.irq`), or the function's or constant's
    /// own name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used: Vec<String>,
    /// What follows.
    pub verdict: Verdict,
    /// The finding in one line: "node (16 B) gone at 0, so 16 later fields move by -16; the
    /// bindings use 5 of them".
    pub text: String,
    /// Why the verdict is what it is, in one sentence.
    pub reason: String,
    /// Why it is accepted, if the list of accepted drift says so: it then does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
}

/// What is different. Offsets and sizes are in bits for fields, in bytes for types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is", deny_unknown_fields)]
pub enum Change {
    /// It is there only after.
    Added,
    /// It is there only before.
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
    /// Fields that stand elsewhere because of one cause.
    Moved {
        /// Their names.
        fields: Vec<String>,
        /// By how many bits: negative towards the start.
        by_bits: i64,
        /// What made them move: fields added, removed or resized.
        cause: Vec<String>,
    },
    /// The type of a field, parameter, result or constant.
    Retyped {
        /// Before.
        before: String,
        /// After.
        after: String,
        /// In what way.
        how: Retyping,
    },
    /// The parameters of a function.
    Arity {
        /// Its declaration before.
        before: String,
        /// And after.
        after: String,
    },
    /// It has another name with the same signature or the same place and type.
    Renamed {
        /// The name after.
        to: String,
    },
    /// How C code gets at a function.
    Linkage {
        /// Before; nothing if it is not known.
        before: Option<Linkage>,
        /// After.
        after: Option<Linkage>,
    },
    /// The value of a constant or enumerator, or what else has one: a CRC, a namespace, a license,
    /// a vermagic.
    Value {
        /// Before.
        before: String,
        /// After.
        after: String,
    },
    /// Truths that should be one: by who says so (`rustc`, `headers`, `btf`), what each says.
    Disagreement {
        /// What each says.
        truths: BTreeMap<String, String>,
    },
    /// It could not be found out.
    NoEvidence,
}

/// In what way a type is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retyping {
    /// Only a qualifier came or went: the same to the machine.
    ConstOnly,
    /// What a pointer points to.
    Pointee,
    /// Another member of a union at the same place, of the same size.
    UnionAlias,
    /// Something else of the same size.
    SameSize,
    /// Another size.
    Resized,
}

/// From which verdict on drift makes a check fail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailOn {
    /// Any drift.
    #[default]
    Any,
    /// What needs the same source to be compiled again.
    Rebuild,
    /// What needs another source.
    Source,
}

/// What a report comes to. It is the exit code of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conclusion {
    /// All hold: 0.
    Holds,
    /// It could not be checked: 2.
    CouldNotCheck,
    /// There is drift: 1.
    Drift,
}

impl Conclusion {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Holds => 0,
            Self::Drift => 1,
            Self::CouldNotCheck => 2,
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Holds => "it holds",
            Self::Drift => "drift",
            Self::CouldNotCheck => "could not check everything",
        }
    }
}

impl DriftReport {
    /// What the report comes to. What could not be found out never holds, whatever `fail_on` says;
    /// drift that is known goes before it, since nothing that is not known can undo it. A report
    /// without a check holds nothing. A source that was not judged never holds either: where only a
    /// change of the source is asked for, it is what could not be checked.
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

    /// Whether the command fails.
    pub fn fails(&self, fail_on: FailOn) -> bool {
        self.conclusion(fail_on) != Conclusion::Holds
    }
}

impl Verdict {
    /// From the gravest to the lightest.
    pub const ALL: [Self; 5] = [
        Self::NoEvidence,
        Self::Source,
        Self::NotJudged,
        Self::Rebuild,
        Self::Keeps,
    ];

    /// Whether something is left to be found out.
    pub fn is_open(self) -> bool {
        matches!(self, Self::NoEvidence | Self::NotJudged)
    }

    /// In a word or two.
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
    /// "84 types, 539 fields, …": what is not zero.
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

    /// Both together.
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

/// "1 field", "2 fields".
pub fn counted(count: usize, word: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {word}{s}")
}

/// The last line of a report: what was looked at, how many findings of each verdict, and what it
/// comes to.
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

/// Findings that a reader takes in as one: all that keeps working in one type.
pub struct Folded<'a> {
    /// The first of them.
    pub first: &'a Finding,
    /// The others.
    pub more: Vec<&'a Finding>,
    /// The name of the type.
    pub name: &'a str,
}

impl Folded<'_> {
    /// What they are, counted.
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

/// Findings in their order; those of one type that keep working, where it is several that nobody
/// touches, together.
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
    /// The type that it is about, if it is about one.
    pub fn type_name(&self) -> Option<&str> {
        match self.subject {
            Subject::Type => Some(&self.name),
            Subject::Field => Some(self.name.split('.').next().unwrap_or(&self.name)),
            _ => None,
        }
    }
}

impl Comparison {
    /// The gravest verdict of what was found and not accepted; `None` if there was nothing.
    pub fn verdict(&self) -> Option<Verdict> {
        self.open().map(|finding| finding.verdict).max()
    }

    /// What it is, in a line.
    pub fn title(&self) -> String {
        match self.kind {
            ComparisonKind::Bindings => format!("{} against {}", self.against, self.kernel),
            ComparisonKind::Kernels => format!("{} → {}", self.against, self.kernel),
            ComparisonKind::Module => format!("{} on {}", self.against, self.kernel),
        }
    }

    /// The role of a type, as its findings have it.
    pub fn role_of(&self, type_name: &str) -> Option<Role> {
        let mut of_type = self
            .findings
            .iter()
            .filter(|finding| finding.type_name() == Some(type_name));
        of_type.find_map(|finding| finding.role)
    }

    /// The paths of a type's fields that the code uses and that something was found about.
    pub fn used_of(&self, type_name: &str) -> BTreeSet<&str> {
        let of_type = self
            .findings
            .iter()
            .filter(|finding| finding.type_name() == Some(type_name));
        let used = of_type.flat_map(|finding| &finding.used);
        used.filter_map(|path| path.strip_prefix(type_name)?.strip_prefix('.'))
            .collect()
    }

    /// What a check of a module comes to, in a few words.
    pub fn of_module(&self) -> &'static str {
        let known = self
            .open()
            .map(|finding| finding.verdict)
            .filter(|verdict| *verdict != Verdict::NoEvidence);
        match (self.verdict(), known.max()) {
            (Some(Verdict::NoEvidence), Some(Verdict::Source)) => {
                "needs a change of its source; not all could be looked at"
            }
            (Some(Verdict::NoEvidence | Verdict::NotJudged), Some(Verdict::NotJudged)) => {
                "has to be built again; whether its source fits is not judged"
            }
            (Some(Verdict::NoEvidence), Some(Verdict::Rebuild)) => {
                "has to be built again; not all could be looked at"
            }
            (Some(Verdict::NoEvidence), _) => {
                "nothing speaks against it, but not all could be looked at"
            }
            (Some(Verdict::Source), _) => "needs a change of its source",
            (Some(Verdict::Rebuild | Verdict::NotJudged), _) => "has to be built again",
            (None | Some(Verdict::Keeps), _) => "loads as it is",
        }
    }

    /// What was found and not accepted.
    pub fn open(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.accepted.is_none())
    }
}
