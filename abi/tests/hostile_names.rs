// SPDX-License-Identifier: GPL-2.0-only
//! Hostile names in a kernel's type information, rendered in every format of a report.

#[path = "../read/src/btf/testing.rs"]
mod testing;

use linux_driver_abi::btf::{Btf, extract};
use linux_driver_abi::model::Scope;
use linux_driver_abi::report::{
    Comparison, DriftReport, SCHEMA, fold, github, html, json, markdown, sarif, text, visible,
};
use linux_driver_abi::{Abi, Usage};
use testing::BtfBuilder;

/// Names with escape sequences, line breaks, markup, and commands of a workflow.
const NAMES: [&str; 3] = [
    "evil\u{1b}[31m\u{7}</script><script>alert(1)</script>`|**x**",
    "two\n::error file=x::pwned\r\n::warning::again",
    "back\u{202e}wards\u{9b}1m\u{85}",
];

/// Builds a kernel whose `device_driver` has these members, from its BTF.
fn kernel(names: &[&str]) -> Abi {
    let mut btf = BtfBuilder::new();
    let long = btf.int("unsigned long", 8);
    let members: Vec<_> = (0..)
        .zip(names)
        .map(|(at, name)| (*name, long, at * 64, 0))
        .collect();
    btf.structure("device_driver", 8 * names.len() as u32, &members);
    let bytes = btf.bytes();
    let scope = Scope {
        types: vec!["device_driver".to_owned()],
        functions: Vec::new(),
    };
    extract(&Btf::open(&bytes, "test").unwrap(), &scope).unwrap()
}

fn report() -> DriftReport {
    let usage = Usage {
        allocated: ["device_driver".to_owned()].into(),
        ..Usage::default()
    };
    let (before, after) = (
        kernel(&["name"]),
        kernel(&[&["name"], NAMES.as_slice()].concat()),
    );
    let check =
        linux_driver_abi::compare::kernels(&before, &after, &usage, ("be\u{1b}fore", "af\nter"));
    assert!(!check.findings.is_empty() && !check.layouts.is_empty());
    DriftReport {
        schema: SCHEMA,
        tool: "test".to_owned(),
        shard: None,
        checks: vec![check],
    }
}

#[test]
fn names_control_nothing_in_any_format() {
    let report = report();
    let file = |_: &Comparison| "a\u{1b}b\n::error::c".to_owned();
    let text = text::render(
        &report,
        text::Options {
            colour: false,
            pictures: text::Pictures::All,
        },
    );
    let github = github::render(&report, &file);
    let formats = [
        ("text", text),
        ("json", json::render(&report)),
        ("markdown", markdown::render(&report)),
        ("annotations", github.annotations.clone()),
        ("summary", github.summary),
        (
            "sarif",
            sarif::render(&report, &|check, _| {
                Some(sarif::Location {
                    file: file(check),
                    line: None,
                })
            }),
        ),
        ("html", html::render(&report)),
    ];
    for (name, rendered) in &formats {
        assert!(
            rendered.contains("evil"),
            "{name}: the name is not in there"
        );
        for (number, line) in rendered.lines().enumerate() {
            let hidden = |c: char| visible::visible(c.encode_utf8(&mut [0; 4])).len() > 4;
            assert!(!line.contains(hidden), "{name}:{number}: {line:?}");
            // A runner looks for commands at the start of a line, after blanks.
            let commands = ["::error", "::warning", "::notice"];
            let command = commands
                .iter()
                .any(|command| line.trim_start().starts_with(command));
            assert!(
                !command || *name == "annotations",
                "{name}:{number}: {line:?}"
            );
            // Markdown shows indented lines as they are.
            let markup = *name == "html"
                || matches!(*name, "markdown" | "summary") && !line.starts_with("    ");
            assert!(
                !markup || !line.contains("<script>alert"),
                "{name}:{number}"
            );
        }
    }
    assert_eq!(
        github.annotations.lines().count(),
        fold(&report.checks[0].findings).len()
    );
    let again = json::read(&formats[1].1, "json").unwrap();
    assert_eq!(again, report, "JSON holds the names as they are");
    serde_json::from_str::<serde_json::Value>(&formats[5].1).unwrap();
}
