// SPDX-License-Identifier: GPL-2.0-only
//! The report as SARIF 2.1.0, for tools that collect findings.

use serde_json::{Value, json};

use super::visible::{visible, visible_json};
use super::{Change, Comparison, DriftReport, Finding, Subject, Verdict};

/// The address of the format's schema.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The rules: the ID of each, what it finds, and what that means.
const RULES: &[(&str, &str, &str)] = &[
    (
        "abi/added",
        "Something was added",
        "An existing object does not use it. If the driver allocates the struct, the kernel may \
         read a field for which the object has no room.",
    ),
    (
        "abi/removed",
        "Something was removed",
        "Code that names it has to change. Other code needs at most a rebuild.",
    ),
    (
        "abi/size",
        "The size or alignment of a type changed",
        "Code that allocates it has the size compiled in, so it needs a rebuild.",
    ),
    (
        "abi/moved",
        "Fields moved",
        "Offsets are compiled into an object. It needs a rebuild if it uses one of the fields or \
         allocates the struct.",
    ),
    (
        "abi/retyped",
        "The type of something changed",
        "const does not change machine code. Any other change may need another source.",
    ),
    (
        "abi/arity",
        "The parameters of a function changed",
        "An existing object makes the old call, and the loader does not refuse it.",
    ),
    (
        "abi/renamed",
        "Something was renamed",
        "Code that uses the old name has to change.",
    ),
    (
        "abi/linkage",
        "The way code reaches a function changed",
        "It was exported, inline or a macro, and now it is another of these.",
    ),
    (
        "abi/value",
        "A value changed",
        "Constants are compiled in. The loader compares checksums and namespaces.",
    ),
    (
        "abi/disagreement",
        "Descriptions of one kernel contradict each other",
        "The bindings, the headers and the kernel do not describe the same ABI.",
    ),
    (
        "abi/no-evidence",
        "Something could not be found out",
        "Something that could not be compared never passes. Provide the missing evidence.",
    ),
];

/// The location of a finding: where the user can act on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file, as a path from the root of the repository.
    pub file: String,
    /// The line, counted from 1. `None` for a file without lines, such as a module.
    pub line: Option<usize>,
}

/// Returns the report as SARIF.
///
/// `locate` returns the location of a finding, if it has one. A result without a location is valid
/// SARIF, but GitHub's code scanning rejects it.
pub fn render(
    report: &DriftReport,
    locate: &dyn Fn(&Comparison, &Finding) -> Option<Location>,
) -> String {
    let rules: Vec<Value> = RULES
        .iter()
        .map(|(id, short, help)| {
            json!({
                "id": id,
                "shortDescription": { "text": short },
                "fullDescription": { "text": help },
                "help": { "text": help },
                "defaultConfiguration": { "level": "warning" },
            })
        })
        .collect();
    let results: Vec<Value> = report
        .checks
        .iter()
        .flat_map(|check| check.findings.iter().map(move |finding| (check, finding)))
        .map(|(check, finding)| result(check, finding, locate(check, finding)))
        .collect();
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {
                "driver": {
                    "name": "linux-driver check-abi",
                    "version": report.tool,
                    "rules": rules,
                },
            },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    // This cannot fail, since all keys are strings.
    visible_json(&serde_json::to_string_pretty(&document).unwrap_or_default()).into_owned() + "\n"
}

fn result(check: &Comparison, finding: &Finding, location: Option<Location>) -> Value {
    let id = rule(&finding.change);
    let level = match finding.verdict {
        Verdict::Source | Verdict::NoEvidence => "error",
        Verdict::Rebuild | Verdict::NotJudged => "warning",
        Verdict::Keeps => "note",
    };
    let kind = match finding.subject {
        Subject::Type => "type",
        Subject::Field => "member",
        Subject::Function | Subject::Symbol => "function",
        Subject::Constant => "variable",
        Subject::Module => "module",
    };
    let name = finding.name.rsplit('.').next().unwrap_or(&finding.name);
    let message = format!(
        "{}: {}: {}. {}.",
        check.title(),
        finding.name,
        finding.text,
        finding.reason
    );
    let mut result = json!({
        "ruleId": id,
        "ruleIndex": RULES.iter().position(|(rule, ..)| *rule == id),
        "level": level,
        "message": { "text": visible(&message) },
        // With an equal fingerprint, the finding of the next run is the same alert.
        "partialFingerprints": {
            "abiFinding/v1": format!("{}|{}|{}|{}", check.against, check.kernel, id, finding.name),
        },
        "properties": { "verdict": finding.verdict, "used": finding.used },
    });
    if let Some(location) = location {
        let mut physical = json!({ "artifactLocation": { "uri": uri(&location.file) } });
        if let Some(line) = location.line {
            physical["region"] = json!({ "startLine": line });
        }
        result["locations"] = json!([{
            "physicalLocation": physical,
            "logicalLocations": [{
                "name": visible(name),
                "fullyQualifiedName": visible(&finding.name),
                "kind": kind,
            }],
        }]);
    }
    if let Some(why) = &finding.accepted {
        result["suppressions"] = json!([{ "kind": "external", "justification": why }]);
    }
    result
}

fn rule(change: &Change) -> &'static str {
    match change {
        Change::Added => "abi/added",
        Change::Removed => "abi/removed",
        Change::Size { .. } => "abi/size",
        Change::Moved { .. } => "abi/moved",
        Change::Retyped { .. } => "abi/retyped",
        Change::Arity { .. } => "abi/arity",
        Change::Renamed { .. } => "abi/renamed",
        Change::Linkage { .. } => "abi/linkage",
        Change::Value { .. } => "abi/value",
        Change::Disagreement { .. } => "abi/disagreement",
        Change::NoEvidence => "abi/no-evidence",
    }
}

/// Returns a path as a relative reference. Characters that a URI does not allow are escaped.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z'
            | b'a'..=b'z'
            | b'0'..=b'9'
            | b'-'
            | b'.'
            | b'_'
            | b'~'
            | b'/'
            | b'+'
            | b'@' => {
                out.push(char::from(byte));
            }
            byte => out += &format!("%{byte:02X}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_uri() {
        assert_eq!(
            uri("headers/snapshots/6.12+deb/abi.json"),
            "headers/snapshots/6.12+deb/abi.json"
        );
        assert_eq!(uri("a b:ü"), "a%20b%3A%C3%BC");
    }
}
