// SPDX-License-Identifier: GPL-2.0-only
use super::escape::{Text, json};
use super::render;
use crate::model::{Field, Kind, Type};
use crate::report::{
    Change, Comparison, ComparisonKind, DriftReport, Finding, Layouts, LookedAt, Subject, Verdict,
};

fn field(name: &str, at: u64) -> Field {
    Field {
        name: name.to_owned(),
        offset_bits: at * 64,
        size_bits: 64,
        type_name: "void *".to_owned(),
        bitfield: false,
    }
}

fn layout(names: &[&str]) -> Type {
    Type {
        kind: Kind::Struct,
        size: 8 * names.len() as u64,
        align: 8,
        fields: (0..).zip(names).map(|(at, name)| field(name, at)).collect(),
        values: Default::default(),
        target: None,
    }
}

fn finding(name: &str, verdict: Verdict) -> Finding {
    Finding {
        subject: Subject::Type,
        name: name.to_owned(),
        change: Change::Added,
        role: None,
        used: Vec::new(),
        verdict,
        text: "a text".to_owned(),
        reason: "a reason".to_owned(),
        accepted: None,
    }
}

fn check(kernel: &str, findings: Vec<Finding>) -> Comparison {
    let of = |finding: &Finding| {
        let layouts = Layouts {
            before: Some(layout(&["a", "unmistakable"]).into()),
            after: Some(layout(&["new", "a", "unmistakable"]).into()),
        };
        (finding.name.clone(), layouts)
    };
    Comparison {
        kind: ComparisonKind::Kernels,
        kernel: kernel.to_owned(),
        against: "older".to_owned(),
        looked_at: LookedAt {
            types: 1,
            ..LookedAt::default()
        },
        scope: None,
        layouts: findings.iter().map(of).collect(),
        findings,
    }
}

fn report(checks: Vec<Comparison>) -> DriftReport {
    DriftReport {
        checks,
        ..DriftReport::default()
    }
}

/// Returns each text between `start` and `end`.
fn between<'a>(page: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    page.split(start)
        .skip(1)
        .filter_map(|rest| rest.split(end).next())
        .collect()
}

#[test]
fn untrusted_text_cannot_become_html() {
    assert_eq!(
        Text("<a b=\"'&'\">").to_string(),
        "&lt;a b=&quot;&#39;&amp;&#39;&quot;&gt;"
    );
    assert_eq!(Text("a\u{202e}b\0c\nd").to_string(), "a\\u{202e}b\\u{0}c d");
}

#[test]
fn json_cannot_end_its_script() {
    let text = "</script><!--\u{2028}&";
    let escaped = json(&serde_json::to_string(text).unwrap());
    assert!(!escaped.contains(['<', '>', '&', '\u{2028}']), "{escaped}");
    assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), text);
}

#[test]
fn a_name_cannot_become_markup() {
    let name = "x\"><img src=x onerror=alert(1)></script>";
    let page = render(&report(vec![check(
        name,
        vec![finding(name, Verdict::Source)],
    )]));
    assert!(!page.contains("<img"), "a name became a tag");
    assert_eq!(
        page.matches("</script>").count(),
        2,
        "a name ended a script"
    );
}

#[test]
fn nothing_is_loaded() {
    let page = render(&report(vec![check(
        "k",
        vec![finding("t", Verdict::Keeps)],
    )]));
    assert!(page.contains(
        "content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    ));
    for outside in [" src=", "url(", "@import", "<link", "fetch(", "https://"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert_eq!(
        page.matches("http://").count(),
        1,
        "but the name of SVG's namespace"
    );
}

#[test]
fn a_cell_links_to_its_findings() {
    let kernels = [
        ("k1", Verdict::Keeps),
        ("k2", Verdict::Source),
        ("k3", Verdict::Source),
    ];
    let checks = kernels.map(|(kernel, verdict)| check(kernel, vec![finding("t", verdict)]));
    let page = render(&report(checks.into_iter().collect()));
    let links = between(&page, "<a href=#", " ");
    assert_eq!(links, ["v0", "v1", "v1"], "two say the same");
    for link in links {
        assert!(page.contains(&format!("<article id=\"{link}\"")), "{link}");
    }
    assert_eq!(
        page.matches("unmistakable").count(),
        1,
        "a name and a layout occur once"
    );
    assert!(page.contains("<p class=\"in\">In 2 comparisons: k2, k3</p>"));
}

#[test]
fn accepted_drift_is_visible_but_does_not_count() {
    let mut accepted = finding("t", Verdict::Source);
    accepted.accepted = Some("known since spring".to_owned());
    let page = render(&report(vec![check("k", vec![accepted])]));
    assert!(page.contains("<td class=a><a href=#v0 aria-label=\"accepted\">A</a>"));
    assert!(page.contains("accepted (it would be “source”): known since spring"));
}

#[test]
fn rows_of_one_kernel_have_unique_names() {
    let mut other = check("k", Vec::new());
    other.against = "bindings".to_owned();
    let page = render(&report(vec![check("k", Vec::new()), other.clone(), other]));
    assert_eq!(
        between(&page, "<tr data-key=\"", "\""),
        ["k~older", "k~bindings", "k~bindings~3"]
    );
}

#[test]
fn an_empty_report_says_that_nothing_was_compared() {
    let page = render(&DriftReport::default());
    assert!(page.contains("Nothing was compared."));
    assert!(!page.contains("<table id=\"matrix\""));
    let clean = render(&report(vec![check("k", Vec::new())]));
    assert!(clean.contains("No difference was found."));
}

#[test]
fn a_page_of_hundreds_of_kernels_is_small() {
    let types: Vec<String> = (0..100)
        .map(|number| format!("some_structure_{number}"))
        .collect();
    let kernel = |number: usize| {
        let findings = types
            .iter()
            .map(|name| finding(name, Verdict::Rebuild))
            .collect();
        check(&format!("6.12.{number}+deb13-cloud-amd64"), findings)
    };
    let page = render(&report((0..330).map(kernel).collect()));
    assert_eq!(page.matches("<a href=#v").count(), 33_000);
    assert!(page.len() < 3_000_000, "{}", page.len());
}
