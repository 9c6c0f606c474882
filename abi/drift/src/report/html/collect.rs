// SPDX-License-Identifier: GPL-2.0-only
//! The content of the page: columns, and the different contents of their cells.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::report::{Comparison, DriftReport, Finding, Layouts, Subject, Verdict};
use crate::usage::Role;

/// The kind of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Group {
    Types,
    /// Functions and their exported symbols.
    Functions,
    Constants,
    /// A module as a whole.
    Module,
}

/// A column: all findings about one name.
pub(super) struct Column<'r> {
    pub group: Group,
    pub name: &'r str,
    /// The most severe verdict in it, ignoring accepted findings.
    pub verdict: Option<Verdict>,
    /// The number of comparisons with findings.
    pub rows: usize,
    /// The numbers of its variants.
    pub variants: Vec<usize>,
}

impl Column<'_> {
    /// Returns the heading.
    pub(super) fn label(&self) -> String {
        match self.group {
            Group::Functions => format!("{}()", self.name),
            Group::Module => "(module)".to_owned(),
            Group::Types | Group::Constants => self.name.to_owned(),
        }
    }
}

/// A content that several cells of one column share.
pub(super) struct Variant<'r> {
    pub column: usize,
    pub findings: Vec<&'r Finding>,
    pub verdict: Option<Verdict>,
    /// `true` if the code uses the item, or provides its memory.
    pub used: bool,
    pub layouts: Option<&'r Layouts>,
    /// The numbers of the comparisons with this content.
    pub rows: Vec<usize>,
}

/// A row. Its key in links is the kernel's name, made unique if several rows have the same.
pub(super) struct Row {
    pub key: String,
    /// The number of the variant, by column.
    pub cells: BTreeMap<usize, usize>,
}

/// The content of the page.
pub(super) struct Collected<'r> {
    pub columns: Vec<Column<'r>>,
    pub variants: Vec<Variant<'r>>,
    pub rows: Vec<Row>,
}

/// Returns the column of a finding.
fn column_of(finding: &Finding) -> (Group, &str) {
    let name = finding.name.as_str();
    match finding.subject {
        Subject::Type => (Group::Types, name),
        Subject::Field => (Group::Types, name.split('.').next().unwrap_or(name)),
        Subject::Function | Subject::Symbol => (Group::Functions, name),
        Subject::Constant => (Group::Constants, name),
        Subject::Module => (Group::Module, ""),
    }
}

/// Returns the most severe verdict, ignoring accepted findings.
fn most_severe(findings: &[&Finding]) -> Option<Verdict> {
    let open = findings.iter().filter(|finding| finding.accepted.is_none());
    open.map(|finding| finding.verdict).max()
}

pub(super) fn collect(report: &DriftReport) -> Collected<'_> {
    let by_row: Vec<BTreeMap<(Group, &str), Vec<&Finding>>> =
        report.checks.iter().map(cells).collect();
    let columns = columns(&by_row);
    let location: HashMap<(Group, &str), usize> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| ((column.group, column.name), at))
        .collect();
    let mut collected = Collected {
        columns,
        variants: Vec::new(),
        rows: keys(report),
    };
    // Equal cells have equal texts. The types of findings have no order and no hash of their own.
    let mut known: HashMap<(usize, String), Vec<usize>> = HashMap::new();
    for (row, (check, cells)) in report.checks.iter().zip(by_row).enumerate() {
        for ((group, name), findings) in cells {
            let Some(&column) = location.get(&(group, name)) else {
                continue;
            };
            let layouts = check.layouts.get(name).filter(|_| group == Group::Types);
            let same = known.entry((column, words(&findings))).or_default();
            let found = same
                .iter()
                .copied()
                .find(|&at| collected.variants[at].layouts == layouts);
            let at = found.unwrap_or_else(|| {
                let at = collected.variants.len();
                collected.variants.push(Variant {
                    column,
                    verdict: most_severe(&findings),
                    used: findings.iter().any(|finding| {
                        !finding.used.is_empty() || finding.role == Some(Role::DriverAllocated)
                    }),
                    findings,
                    layouts,
                    rows: Vec::new(),
                });
                collected.columns[column].variants.push(at);
                same.push(at);
                at
            });
            collected.variants[at].rows.push(row);
            collected.rows[row].cells.insert(column, at);
        }
    }
    collected
}

/// Returns the findings of a comparison by column.
fn cells(check: &Comparison) -> BTreeMap<(Group, &str), Vec<&Finding>> {
    let mut cells: BTreeMap<(Group, &str), Vec<&Finding>> = BTreeMap::new();
    for finding in &check.findings {
        cells.entry(column_of(finding)).or_default().push(finding);
    }
    cells
}

/// Returns the columns of each group, the most severe first.
fn columns<'r>(by_row: &[BTreeMap<(Group, &'r str), Vec<&'r Finding>>]) -> Vec<Column<'r>> {
    let mut columns: BTreeMap<(Group, &str), Column<'r>> = BTreeMap::new();
    for (&(group, name), findings) in by_row.iter().flatten() {
        let column = columns.entry((group, name)).or_insert(Column {
            group,
            name,
            verdict: None,
            rows: 0,
            variants: Vec::new(),
        });
        column.verdict = column.verdict.max(most_severe(findings));
        column.rows += 1;
    }
    let mut columns: Vec<Column<'r>> = columns.into_values().collect();
    columns.sort_by(|a, b| {
        let by_weight = b.verdict.cmp(&a.verdict).then(b.rows.cmp(&a.rows));
        a.group
            .cmp(&b.group)
            .then(by_weight)
            .then_with(|| a.name.cmp(b.name))
    });
    columns
}

/// Returns the whole content of a cell as one text.
fn words(findings: &[&Finding]) -> String {
    serde_json::to_string(findings).unwrap_or_default()
}

/// Returns unique names of the rows for links.
fn keys(report: &DriftReport) -> Vec<Row> {
    let mut count: HashMap<&str, usize> = HashMap::new();
    for check in &report.checks {
        *count.entry(&check.kernel).or_default() += 1;
    }
    let mut taken = BTreeSet::new();
    let mut keys = Vec::new();
    for (number, check) in report.checks.iter().enumerate() {
        let mut key = check.kernel.clone();
        if count
            .get(check.kernel.as_str())
            .is_some_and(|&count| count > 1)
        {
            key = format!("{key}~{}", check.against);
        }
        if !taken.insert(key.clone()) {
            key = format!("{key}~{}", number + 1);
            taken.insert(key.clone());
        }
        keys.push(Row {
            key,
            cells: BTreeMap::new(),
        });
    }
    keys
}
