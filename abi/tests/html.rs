// SPDX-License-Identifier: GPL-2.0-only
//! Tests of a report's page in a real browser: pictures, filters and the keyboard work, and text
//! stays text.

use std::fs;
use std::path::Path;
use std::process::Command;

use linux_driver_abi::model::{Field, Kind, Type};
use linux_driver_abi::report::{
    Change, Comparison, ComparisonKind, DriftReport, Finding, Layouts, LookedAt, Subject, Verdict,
    html,
};
use linux_driver_abi::usage::Role;

/// A type's name that would run a script if it were not escaped.
const HOSTILE: &str =
    "x\"'><img src=x onerror=document.documentElement.dataset.owned=1></script><script>";

fn field(name: &str, offset_bits: u64, size_bits: u64) -> Field {
    Field {
        name: name.to_owned(),
        offset_bits,
        size_bits,
        type_name: format!("unsigned int /* </script> of {name} */"),
        bitfield: size_bits < 8,
    }
}

/// Builds ten fields, some of them used, a flag of one bit, and the fields of `first` at the start.
fn layout(first: &[&str], end: &str) -> Type {
    let mut fields: Vec<Field> = Vec::new();
    let mut names: Vec<String> = first.iter().map(|name| (*name).to_owned()).collect();
    names.extend((0..10).map(|number| format!("f{number}")));
    for (at, name) in (0..).zip(&names) {
        fields.push(field(name, at * 64, 64));
    }
    let end_at = 64 * names.len() as u64;
    fields.push(field("flag", end_at + 3, 1));
    fields.push(field(end, end_at + 64, 64));
    Type {
        kind: Kind::Struct,
        size: end_at / 8 + 16,
        align: 8,
        fields,
        values: Default::default(),
        target: None,
    }
}

fn finding(name: &str, used: &[&str], verdict: Verdict) -> Finding {
    Finding {
        subject: Subject::Type,
        name: name.to_owned(),
        change: Change::Added,
        role: Some(Role::KernelAllocated),
        used: used.iter().map(|field| format!("{name}.{field}")).collect(),
        verdict,
        text: format!("what is said of {name}"),
        reason: "because".to_owned(),
        accepted: None,
    }
}

fn check(kernel: &str, findings: Vec<Finding>) -> Comparison {
    let of = |finding: &Finding| {
        let layouts = Layouts {
            before: Some(layout(&[], "old").into()),
            after: Some(layout(&["node"], "new").into()),
        };
        (finding.name.clone(), layouts)
    };
    Comparison {
        kind: ComparisonKind::Kernels,
        kernel: kernel.to_owned(),
        against: "6.1.0-49-amd64".to_owned(),
        looked_at: LookedAt {
            types: 2,
            ..LookedAt::default()
        },
        scope: None,
        layouts: findings.iter().map(of).collect(),
        findings,
    }
}

fn report() -> DriftReport {
    DriftReport {
        checks: vec![
            check(
                "6.1.0-50-amd64",
                vec![finding("device", &[], Verdict::Keeps)],
            ),
            check(
                "6.12.43+deb13-rt-amd64",
                vec![
                    finding("device", &[], Verdict::Keeps),
                    finding(HOSTILE, &["f3", "f9"], Verdict::Source),
                ],
            ),
            check(HOSTILE, vec![finding("device", &["f1"], Verdict::Rebuild)]),
            check("7.2-amd64", Vec::new()),
        ],
        ..DriftReport::default()
    }
}

/// Returns the document that the page becomes at this address.
fn load(page: &str, hash: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("page.html");
    fs::write(&file, page).unwrap();
    dump(dir.path(), &format!("file://{}{hash}", file.display()))
}

fn dump(dir: &Path, address: &str) -> String {
    let mut command = Command::new("chromium");
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ])
        .args([
            "--virtual-time-budget=10000",
            "--window-size=1200,900",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", dir.join("profile").display()))
        .arg(address);
    let output = linux_driver_host::process::output(&mut command).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && text.contains("<html"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// Returns the tag of the document itself, where the page reports errors.
fn root(dom: &str) -> &str {
    let start = dom.find("<html").unwrap();
    &dom[start..start + dom[start..].find('>').unwrap()]
}

fn assert_sound(dom: &str) {
    let root = root(dom);
    assert!(
        root.contains("data-errors=\"\"") && root.contains("data-ready=\"\""),
        "{root}"
    );
    assert!(!root.contains("data-owned"), "a name ran as a script");
}

/// Counts the visible rows with this mark in their tag.
fn rows(dom: &str) -> usize {
    let rows = dom.split("<tr data-key=").skip(1);
    rows.filter(|row| {
        !row.split('\n')
            .next()
            .unwrap()
            .contains("hidden=\"\"><th scope=\"row\"")
    })
    .count()
}

/// Escapes all characters of a part of an address.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[test]
fn a_link_to_a_cell_draws_it_and_names_stay_text() {
    let hash = format!("#cell=6.12.43+deb13-rt-amd64/{}", escaped(HOSTILE));
    let dom = load(&html::render(&report()), &hash);
    assert_sound(&dom);
    assert_eq!(dom.matches("<svg").count(), 1);
    // Ten fields and the flag follow the new one; one at the end was replaced.
    for count in [
        "data-moved=\"11\"",
        "data-came=\"2\"",
        "data-gone=\"1\"",
        "data-chng=\"0\"",
        "data-used=\"2\"",
    ] {
        assert!(dom.contains(count), "{count}");
    }
    assert_eq!(
        dom.matches("class=\"moved used\"").count(),
        4,
        "two fields, on both sides"
    );
    assert!(dom.contains("5 fields +8 B"), "f4 to f8 are one run");
    assert!(dom.contains("aria-current=\"true\""));
}

#[test]
fn a_hostile_kernel_has_a_cell_too() {
    let dom = load(
        &html::render(&report()),
        &format!("#cell={}/device", escaped(HOSTILE)),
    );
    assert_sound(&dom);
    assert_eq!(dom.matches("<svg").count(), 1);
    assert!(dom.contains("data-used=\"1\""));
}

#[test]
fn filters_are_in_the_address() {
    let page = html::render(&report());
    let shown = [
        ("", 4, "4 of 4 kernels, 2 of 2 names"),
        ("#kernel=6.12", 1, "1 of 4 kernels, 2 of 2 names"),
        ("#flavour=amd64%20!rt", 2, "2 of 4 kernels, 1 of 2 names"),
        ("#name=device", 3, "3 of 4 kernels, 1 of 2 names"),
        ("#verdict=rs", 2, "2 of 4 kernels, 2 of 2 names"),
        ("#used=1&name=device", 1, "1 of 4 kernels, 1 of 2 names"),
        ("#kernel=%E0%A4%A", 4, "4 of 4 kernels, 2 of 2 names"),
    ];
    for (hash, count, text) in shown {
        let dom = load(&page, hash);
        assert_sound(&dom);
        assert!(
            dom.contains(text),
            "{hash}: {:?}",
            dom.split("id=\"shown\"").nth(1).map(|rest| &rest[..80])
        );
        assert_eq!(rows(&dom), count, "{hash}");
    }
}

#[test]
fn the_keyboard_goes_from_cell_to_cell() {
    let script = "<script>
        const at = () => document.activeElement;
        const press = key => at().dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
        const reached = document.querySelectorAll('#matrix a[tabindex=\"0\"]');
        document.documentElement.dataset.stops = reached.length;
        reached[0].focus();
        for (const key of ['ArrowDown', 'ArrowDown', 'ArrowUp', 'ArrowLeft', 'ArrowRight', 'ArrowDown']) press(key);
        at().click();
        document.documentElement.dataset.title = at().id;
        at().dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }));
        document.documentElement.dataset.back = at().parentElement.parentElement.rowIndex;
    </script></body>";
    let page = html::render(&report()).replace("</body>", script);
    let dom = load(&page, "");
    assert_sound(&dom);
    let root = root(&dom);
    for told in [
        "data-stops=\"1\"",
        "data-title=\"detail-title\"",
        "data-back=\"3\"",
    ] {
        assert!(root.contains(told), "{told}: {root}");
    }
}

#[test]
fn a_phone_does_not_scroll_sideways() {
    let script = "<script>const { scrollWidth, clientWidth } = document.documentElement; parent.postMessage(`${innerWidth} ${scrollWidth <= clientWidth}`, '*')</script></body>";
    let wide: Vec<Finding> = (0..60)
        .map(|number| finding(&format!("type_{number}"), &["f2"], Verdict::Rebuild))
        .collect();
    let report = DriftReport {
        checks: vec![check("6.12.43+deb13-cloud-amd64", wide)],
        ..DriftReport::default()
    };
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("page.html"),
        html::render(&report).replace("</body>", script),
    )
    .unwrap();
    let frame = "<!DOCTYPE html><html><body><script>
        onmessage = e => { document.documentElement.dataset.fits = e.data; };
        </script><iframe width=\"360\" height=\"700\" style=\"border:0\" src=\"page.html#cell=6.12.43+deb13-cloud-amd64/type_7\"></iframe></body></html>";
    let file = dir.path().join("frame.html");
    fs::write(&file, frame).unwrap();
    let dom = dump(dir.path(), &format!("file://{}", file.display()));
    assert!(
        root(&dom).contains("data-fits=\"360 true\""),
        "{}",
        root(&dom)
    );
}

#[test]
fn an_empty_report_is_a_page() {
    assert_sound(&load(&html::render(&DriftReport::default()), ""));
}
