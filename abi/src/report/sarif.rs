// SPDX-License-Identifier: GPL-2.0-only
//! A report as SARIF 2.1.0, which code scanning reads.

use serde_json::{Value, json};

use super::visible::{visible, visible_json};
use super::{Change, Comparison, DriftReport, Finding, Subject, Verdict};

/// Where the schema of the format is.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// Each rule: its ID, what it finds, and what that means.
const RULES: &[(&str, &str, &str)] = &[
    (
        "abi/added",
        "Something is there only after",
        "An object from before knows nothing of it. In a struct that the driver allocates, the kernel may read what the object has no room for.",
    ),
    (
        "abi/removed",
        "Something is there only before",
        "Code that names it has to change; code that does not needs at most a rebuild.",
    ),
    (
        "abi/size",
        "A type has another size or alignment",
        "Whoever allocates it has the size compiled in: rebuild.",
    ),
    (
        "abi/moved",
        "Fields stand elsewhere",
        "Offsets are compiled into an object: rebuild if it touches one of the fields or allocates the struct.",
    ),
    (
        "abi/retyped",
        "Something has another type",
        "const is nothing to the machine. Anything else may need another source.",
    ),
    (
        "abi/arity",
        "A function takes other parameters",
        "An object that was compiled before calls it the old way, and nothing stops it.",
    ),
    (
        "abi/renamed",
        "Something has another name",
        "Code that uses the old name has to change.",
    ),
    (
        "abi/linkage",
        "Code gets at a function in another way",
        "It was exported, inline or a macro, and is another of these now.",
    ),
    (
        "abi/value",
        "A value is another",
        "Constants are compiled in; a checksum or a namespace is compared when a module is loaded.",
    ),
    (
        "abi/disagreement",
        "Truths that should be one differ",
        "The bindings, the headers and the kernel do not describe the same ABI.",
    ),
    (
        "abi/no-evidence",
        "It could not be found out",
        "What could not be compared is never a pass: find the missing evidence.",
    ),
];

/// The report as SARIF. `file` says which file a comparison's findings stand in, as a path from the
/// root of the repository.
pub fn render(report: &DriftReport, file: &dyn Fn(&Comparison) -> String) -> String {
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
        .flat_map(|check| {
            let uri = uri(&file(check));
            check
                .findings
                .iter()
                .map(move |finding| result(check, finding, &uri))
        })
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
    // Its keys are strings: nothing in it can fail.
    visible_json(&serde_json::to_string_pretty(&document).unwrap_or_default()).into_owned() + "\n"
}

fn result(check: &Comparison, finding: &Finding, uri: &str) -> Value {
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
        "locations": [{
            "physicalLocation": { "artifactLocation": { "uri": uri }, "region": { "startLine": 1 } },
            "logicalLocations": [{ "name": visible(name), "fullyQualifiedName": visible(&finding.name), "kind": kind }],
        }],
        // The same finding in the next run is the same alert.
        "partialFingerprints": {
            "abiFinding/v1": format!("{}|{}|{}|{}", check.against, check.kernel, id, finding.name),
        },
        "properties": { "verdict": finding.verdict, "used": finding.used },
    });
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

/// A path as a relative reference: what a URI does not allow is escaped.
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
