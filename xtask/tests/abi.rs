// SPDX-License-Identifier: GPL-2.0-only
//! Tests of `check-abi`, `explain`, `history` and `snapshot` on the committed files, as a user
//! calls them: offline, with an empty cache.
//!
//! They need no kernel, no headers and no virtual machine. The facts about Debian's kernels are in
//! headers/history.

#[expect(dead_code, reason = "the tests that need kernels use the rest")]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use support::{Ran, repository, run, xtask};

/// Runs the tool offline with an empty cache. `change` changes its environment.
fn offline_in<const N: usize>(words: [&str; N], change: impl FnOnce(&mut Command)) -> Ran {
    let cache = tempfile::tempdir().unwrap();
    let mut command = xtask(words);
    command.env("LINUX_DRIVER_CACHE", cache.path());
    command
        .env("CARGO_NET_OFFLINE", "true")
        .env_remove("GITHUB_STEP_SUMMARY");
    // No server listens on this port.
    for mirror in [
        "LINUX_DRIVER_DEBIAN_MIRROR",
        "LINUX_DRIVER_DEBIAN_SECURITY_MIRROR",
    ] {
        command.env(mirror, "http://127.0.0.1:9/");
    }
    change(&mut command);
    run(&mut command)
}

/// Runs the tool offline with an empty cache.
fn offline<const N: usize>(words: [&str; N]) -> Ran {
    offline_in(words, |_| ())
}

/// Runs the tool offline with these words, checks its exit code, and returns its output.
#[track_caller]
fn ends_with<const N: usize>(code: i32, words: [&str; N]) -> String {
    let ran = offline(words);
    assert_eq!(
        ran.status.code(),
        Some(code),
        "{}\n{}",
        ran.stderr,
        ran.stdout
    );
    ran.stdout
}

#[track_caller]
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Checks that the text contains all of these words.
#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no {word:?} in:\n{text}");
    }
}

fn items(value: &Value) -> &[Value] {
    value
        .as_array()
        .unwrap_or_else(|| panic!("not a list: {value}"))
}

fn word(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("not a text: {value}"))
}

// ---- comparisons of kernels ----

/// The kernels before and after.
type Pair = (&'static str, &'static str);

const GREW: Pair = ("6.1.0-49-amd64", "6.1.0-50-amd64");
const BITS: Pair = ("6.12.107+deb12-amd64", "6.12.111+deb12-amd64");
const BUS: Pair = ("6.12.115+deb12-amd64", "6.12.117+deb12-amd64");
const CALLBACK: Pair = ("6.18.15+deb13-amd64", "6.19.6+deb13-amd64");
const FLAVOUR: Pair = ("6.12.117+deb12-amd64", "6.12.117+deb12-rt-amd64");
const SERIES: Pair = ("6.1.0-56-amd64", "6.12.117+deb12-amd64");

/// Returns the only comparison of a report.
#[track_caller]
fn between((before, after): Pair) -> Value {
    let text = ends_with(
        1,
        [
            "check-abi",
            "--kernel",
            after,
            "--against",
            before,
            "--json",
        ],
    );
    let mut report = parsed(&text);
    assert_eq!(report["schema"], 1);
    let [check] = items(&report["checks"]) else {
        panic!("{text}")
    };
    assert_eq!(
        (word(&check["against"]), word(&check["kernel"])),
        (before, after)
    );
    report["checks"][0].take()
}

/// Returns the finding with this name. There must be exactly one.
#[track_caller]
fn found<'a>(check: &'a Value, name: &str) -> &'a Value {
    let all = items(&check["findings"])
        .iter()
        .filter(|finding| finding["name"] == name);
    let [finding] = all.collect::<Vec<_>>()[..] else {
        panic!("{name} is not there once: {check:#}")
    };
    finding
}

/// Returns the size of a type, before and after.
#[track_caller]
fn sizes(check: &Value, name: &str) -> [u64; 2] {
    let layout = &check["layouts"][name];
    ["before", "after"].map(|side| {
        let size = layout[side]["size"].as_u64();
        size.unwrap_or_else(|| panic!("no size of {name} {side}: {layout:#}"))
    })
}

/// Returns the paths of a type's fields on one side.
fn fields<'a>(check: &'a Value, name: &str, side: &str) -> BTreeSet<&'a str> {
    let fields = items(&check["layouts"][name][side]["fields"]);
    fields.iter().map(|field| word(&field["name"])).collect()
}

#[test]
fn a_stable_update_moved_77_fields_of_pci_dev() {
    let check = between(GREW);
    let moved = found(&check, "pci_dev.dev");
    assert_eq!(items(&moved["change"]["fields"]).len(), 77);
    assert_eq!(moved["change"]["by_bits"], 64);
    assert_eq!(moved["verdict"], "rebuild");
    assert_eq!(moved["role"], "kernel-allocated");
    assert_eq!(sizes(&check, "pci_dev"), [2624, 2632]);
    assert_eq!(sizes(&check, "device"), [744, 752]);

    let (before, after) = GREW;
    let text = ends_with(1, ["check-abi", "--kernel", after, "--against", before]);
    let says_so = [
        "6.1.0-49-amd64 → 6.1.0-50-amd64",
        "rebuild     pci_dev.dev: dev (struct device) grew by 8 B, so 77 later fields move by +8",
        ": drift\n",
    ];
    says(&text, &says_so);
    let picture = [
        "struct pci_dev, 2624 B",
        "│ struct pci_dev, 2632 B",
        "!  208   744  dev: struct device",
        "│  208   752  dev: struct device",
    ];
    says(&text, &picture);
    let bare = ends_with(
        1,
        [
            "check-abi",
            "--kernel",
            after,
            "--against",
            before,
            "--pictures",
            "none",
        ],
    );
    says(&bare, &says_so);
    assert!(!bare.contains('│'), "{bare}");
}

#[test]
fn bit_fields_moved_and_the_size_stayed() {
    let check = between(BITS);
    let moved = found(&check, "pci_dev.aspm_l0s_support");
    let fields: Vec<&str> = items(&moved["change"]["fields"]).iter().map(word).collect();
    assert_eq!(fields, ["ltr_path", "pasid_no_tlp", "eetlp_prefix_path"]);
    assert_eq!(moved["change"]["by_bits"], 2);
    assert_eq!(sizes(&check, "pci_dev"), [2648, 2648]);
    says(
        word(&moved["text"]),
        &["aspm_l0s_support (1 bit) new at 192:0", "+2 bits"],
    );
}

#[test]
fn a_field_went_from_bus_type_to_device_type() {
    let check = between(BUS);
    let gone = found(&check, "bus_type.need_parent_lock");
    assert_eq!(gone["change"]["is"], "removed");
    assert_eq!(sizes(&check, "bus_type"), [168, 168]);
    assert_eq!(sizes(&check, "device_type"), [48, 56]);
    for (name, side) in [("bus_type", "before"), ("device_type", "after")] {
        assert!(
            fields(&check, name, side).contains("need_parent_lock"),
            "{name} {side}"
        );
    }
    for (name, side) in [("bus_type", "after"), ("device_type", "before")] {
        assert!(
            !fields(&check, name, side).contains("need_parent_lock"),
            "{name} {side}"
        );
    }
}

#[test]
fn device_driver_grew_and_every_driver_with_it() {
    let check = between(CALLBACK);
    assert_eq!(sizes(&check, "device_driver"), [144, 152]);
    assert_eq!(sizes(&check, "pci_driver"), [280, 288]);
    for name in ["device_driver", "pci_driver.driver"] {
        let finding = found(&check, name);
        assert_eq!(finding["role"], "driver-allocated", "{name}");
        assert_eq!(finding["verdict"], "rebuild", "{name}");
    }
    says(
        word(&found(&check, "device_driver")["text"]),
        &["p_cb", "from 144 to 152"],
    );
}

#[test]
fn a_flavour_has_other_locks_and_so_another_pci_driver() {
    let check = between(FLAVOUR);
    assert_eq!(sizes(&check, "pci_driver"), [280, 304]);
    assert_eq!(sizes(&check, "spinlock_t"), [4, 32]);
    let finding = found(&check, "pci_driver.dynids");
    assert_eq!(finding["role"], "driver-allocated");
    assert_eq!(finding["verdict"], "rebuild");
    says(
        word(&finding["text"]),
        &["because of spinlock_t", "from 280 to 304"],
    );
}

#[test]
fn a_signature_changed_between_series() {
    let finding = &between(SERIES);
    let finding = found(finding, "kvfree_call_rcu");
    assert_eq!(finding["subject"], "function");
    assert_eq!(
        (
            word(&finding["change"]["before"]),
            word(&finding["change"]["after"])
        ),
        (
            "void kvfree_call_rcu(struct callback_head *, rcu_callback_t)",
            "void kvfree_call_rcu(struct callback_head *, void *)"
        )
    );
    let gone = &between(SERIES);
    assert_eq!(sizes(gone, "pci_driver"), [296, 280]);
    assert!(fields(gone, "pci_driver", "before").contains("node"));
    assert!(!fields(gone, "pci_driver", "after").contains("node"));
}

#[test]
fn a_kernel_beside_itself_has_no_drift() {
    for fail_on in ["any", "rebuild", "source"] {
        let words = [
            "check-abi",
            "--kernel",
            SERIES.0,
            "--against",
            SERIES.0,
            "--fail-on",
            fail_on,
        ];
        // Its constants are not known. The report states that they are outside the scope.
        let text = ends_with(0, words);
        says(
            &text,
            &[
                "no drift",
                "\n  scope: types, functions, symbols; not constants",
                "it holds",
            ],
        );
        assert!(
            !["rebuild", "source"]
                .iter()
                .any(|verdict| text.contains(&format!("\n  {verdict} "))),
            "{text}"
        );
    }
}

#[test]
fn a_requested_part_that_cannot_be_compared_does_not_pass() {
    let words = [
        "check-abi",
        "--kernel",
        SERIES.0,
        "--against",
        SERIES.0,
        "--scope",
    ];
    let with = |part: &'static str, code| {
        let [a, b, c, d, e, f] = words;
        ends_with(code, [a, b, c, d, e, f, part])
    };
    let text = with("constants", 2);
    says(
        &text,
        &[
            "\n  scope: constants; not types, functions, symbols",
            "no evidence constants",
        ],
    );
    let text = with("types,symbols", 0);
    says(
        &text,
        &["\n  scope: types, symbols; not functions, constants"],
    );
}

#[test]
fn the_exit_code_follows_from_the_findings() {
    for pair in [GREW, BITS, BUS, CALLBACK, FLAVOUR, SERIES] {
        let check = between(pair);
        let verdicts: BTreeSet<&str> = items(&check["findings"])
            .iter()
            .map(|f| word(&f["verdict"]))
            .collect();
        for (fail_on, drift) in [
            ("any", ["keeps", "rebuild", "source"].as_slice()),
            ("rebuild", &["rebuild", "source"]),
            ("source", &["source"]),
        ] {
            let code = if drift.iter().any(|verdict| verdicts.contains(verdict)) {
                1
            } else if verdicts.contains("no-evidence") {
                2
            } else {
                0
            };
            let (before, after) = pair;
            let words = [
                "check-abi",
                "--kernel",
                after,
                "--against",
                before,
                "--fail-on",
                fail_on,
            ];
            ends_with(code, words);
        }
    }
}

#[test]
fn a_series_means_its_newest_kernel() {
    let text = ends_with(
        1,
        [
            "check-abi",
            "--kernel",
            "6.12",
            "--against",
            GREW.1,
            "--json",
        ],
    );
    let report = parsed(&text);
    let kernel = word(&report["checks"][0]["kernel"]);
    assert!(
        kernel.starts_with("6.12.") && kernel.ends_with("-amd64"),
        "{kernel}"
    );
}

// ---- the history ----

/// Returns the series of a release: "6.12".
fn series(release: &str) -> String {
    let mut parts = release.split(['.', '-', '+']);
    format!("{}.{}", parts.next().unwrap(), parts.next().unwrap())
}

/// Returns the architecture and flavour: the text after the version and the distribution's suffix.
fn kind(release: &str) -> String {
    let words = release.split('-');
    words
        .filter(|word| !word.starts_with(|c: char| c.is_ascii_digit()))
        .collect::<Vec<_>>()
        .join("-")
}

/// The changes of `struct device` within a series: the name, and the kernels before and after.
const DEVICE_CHANGED: [(&str, &str, &str); 5] = [
    ("device", "6.1.0-49-", "6.1.0-50-"),
    ("device", "6.12.85+", "6.12.86+"),
    ("device.driver_override", "6.12.74+", "6.12.85+"),
    ("dev_pm_info.smart_suspend", "6.12.113+", "6.12.115+"),
    ("rpm_status", "6.12.113+", "6.12.115+"),
];

#[test]
fn nothing_that_a_driver_allocates_but_a_device_changes_within_a_long_term_series() {
    let report = parsed(&ends_with(1, ["check-abi", "--history", "--json"]));
    for of in ["6.1", "6.12"] {
        let mut kinds = BTreeSet::new();
        for check in items(&report["checks"]) {
            let (before, after) = (word(&check["against"]), word(&check["kernel"]));
            if series(before) != of || series(after) != of {
                continue;
            }
            kinds.insert(kind(after));
            assert_eq!(kind(before), kind(after), "{before} {after}");
            assert!(
                check["looked_at"]["fields"].as_u64() > Some(500),
                "{before} → {after}"
            );
            for finding in items(&check["findings"]) {
                // A module with a bus of its own creates devices. `struct device` and its contents
                // did change at these steps.
                let grew = DEVICE_CHANGED.iter().any(|(name, from, to)| {
                    finding["name"] == *name && before.starts_with(from) && after.starts_with(to)
                });
                assert!(
                    grew || finding["role"] != "driver-allocated",
                    "{before} → {after}: {finding:#}"
                );
            }
        }
        let all = [
            "amd64",
            "arm64",
            "cloud-amd64",
            "cloud-arm64",
            "rt-amd64",
            "rt-arm64",
        ];
        assert!(
            kinds.is_superset(&all.map(str::to_owned).into()),
            "{of}: {kinds:?}"
        );
    }
    // Something changed between the two, for every architecture and flavour.
    let between = items(&report["checks"]).iter().filter(|check| {
        let gone = |finding: &Value| {
            finding["name"] == "pci_driver.node" && finding["role"] == "driver-allocated"
        };
        series(word(&check["against"])) == "6.1"
            && series(word(&check["kernel"])) == "6.12"
            && items(&check["findings"]).iter().any(gone)
    });
    assert!(between.count() >= 6);
}

/// Returns the comparisons of a report in a fixed order.
fn sorted(report: &Value) -> Vec<Value> {
    let mut checks = items(&report["checks"]).to_vec();
    checks.sort_by_cached_key(|check| (check["kernel"].to_string(), check["against"].to_string()));
    checks
}

/// Runs the history in three shards and merges them, with these words for the merge.
#[track_caller]
fn in_shards(more: &[&str]) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let mut merge = vec!["check-abi".to_owned(), "--json".to_owned()];
    merge.extend(more.iter().map(|&word| word.to_owned()));
    merge.push("--merge".to_owned());
    let mut seen = 0;
    for shard in ["1/3", "2/3", "3/3"] {
        let text = ends_with(1, ["check-abi", "--history", "--shard", shard, "--json"]);
        let count = items(&parsed(&text)["checks"]).len();
        assert!(count > 100, "{shard}: {count}");
        seen += count;
        let file = dir.path().join(shard.replace('/', "-"));
        fs::write(&file, text).unwrap();
        merge.push(file.to_str().unwrap().to_owned());
    }
    let ran = run(xtask([]).args(merge));
    if let Ok(report) = serde_json::from_str::<Value>(&ran.stdout) {
        assert_eq!(items(&report["checks"]).len(), seen);
    }
    ran
}

#[test]
fn merged_shards_equal_the_whole() {
    let whole = parsed(&ends_with(1, ["check-abi", "--history", "--json"]));
    let ran = in_shards(&[]);
    assert_eq!(ran.status.code(), Some(1), "{}", ran.stderr);
    let merged = parsed(&ran.stdout);
    assert_eq!(merged["schema"], whole["schema"]);
    assert_eq!(merged["tool"], whole["tool"]);
    // assert_eq! would print megabytes.
    assert!(
        sorted(&merged) == sorted(&whole),
        "the shards are not the whole"
    );
}

/// Returns an entry of the list of accepted drift.
fn entry(what: &str, change: &str, release: &str, expires: &str) -> String {
    format!(
        "# made up\n[[accepted]]\nwhat = \"{what}\"\nchange = \"{change}\"\nverdict \
         = \"source\"\nfrom = \"{release}\"\nto = \"{release}\"\n\
         reason = \"it is known\"\nexpires = \"{expires}\"\n"
    )
}

#[test]
fn drift_of_one_shard_is_accepted_when_they_are_merged() {
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("accepted.toml");
    let path = list.to_str().unwrap();
    let accepted = |report: &Value| {
        let findings = items(&report["checks"])
            .iter()
            .flat_map(|check| items(&check["findings"]));
        findings
            .filter(|finding| finding["accepted"] == "it is known")
            .count()
    };
    // Only one kernel of this release has the drift. The other shards have other kernels of the
    // release.
    fs::write(
        &list,
        entry("__cond_resched", "added", "6.12.43", "2999-12-31"),
    )
    .unwrap();
    let whole = parsed(&ends_with(
        1,
        ["check-abi", "--history", "--json", "--accepted", path],
    ));
    assert_eq!(accepted(&whole), 1);
    let ran = in_shards(&["--accepted", path]);
    assert_eq!(ran.status.code(), Some(1), "{}", ran.stderr);
    assert_eq!(accepted(&parsed(&ran.stdout)), 1);

    fs::write(
        &list,
        entry("no_such_name", "added", "6.12.43", "2999-12-31"),
    )
    .unwrap();
    in_shards(&["--accepted", path])
        .refused(2, &[path, "line 2: no_such_name (added) matches nothing"]);
}

// ---- formats ----

#[track_caller]
fn formatted(format: &str) -> String {
    let (before, after) = GREW;
    ends_with(
        1,
        [
            "check-abi",
            "--kernel",
            after,
            "--against",
            before,
            "--format",
            format,
        ],
    )
}

#[test]
fn json_is_the_same_by_both_names() {
    let (before, after) = GREW;
    let short = ends_with(
        1,
        [
            "check-abi",
            "--kernel",
            after,
            "--against",
            before,
            "--json",
        ],
    );
    assert_eq!(formatted("json"), short);
    assert!(parsed(&short)["checks"].is_array());
}

#[test]
fn markdown_is_a_table_with_drawings() {
    let words = [
        "# ABI drift\n",
        "## 6.1.0-49-amd64 → 6.1.0-50-amd64",
        "|---|---|---|---|",
        "| rebuild | <code>pci\\_dev.dev</code> | dev (struct device) grew by 8 B, so 77 later \
         fields move by +8",
        "struct pci_dev, 2632 B",
        "</details>",
    ];
    says(&formatted("markdown"), &words);
}

#[test]
fn github_gets_annotations_and_a_summary() {
    let dir = tempfile::tempdir().unwrap();
    let summary = dir.path().join("summary.md");
    fs::write(&summary, "of an earlier step\n").unwrap();
    let (before, after) = GREW;
    let words = [
        "check-abi",
        "--kernel",
        after,
        "--against",
        before,
        "--format",
        "github",
    ];
    let ran = offline_in(words, |command| {
        command.env("GITHUB_STEP_SUMMARY", &summary);
    });
    assert_eq!(ran.status.code(), Some(1), "{ran:#?}");
    for line in ran.stdout.lines() {
        let of_a_kind = ["::error file=", "::warning file=", "::notice file="];
        assert!(
            of_a_kind.iter().any(|start| line.starts_with(start)),
            "{line}"
        );
    }
    says(
        &ran.stdout,
        &[
            "::warning file=headers/history/kernels.tsv,title=pci_dev.dev \
             (rebuild)::6.1.0-49-amd64 → 6.1.0-50-amd64: pci_dev.dev",
        ],
    );
    let text = fs::read_to_string(&summary).unwrap();
    assert!(text.starts_with("of an earlier step\n"), "{text}");
    says(
        &text,
        &["# ABI drift", "pci\\_dev.dev", "struct pci_dev, 2632 B"],
    );
    // Outside a workflow there is no summary to append to, and the annotations are the same.
    assert_eq!(formatted("github"), ran.stdout);
}

#[test]
fn sarif_names_its_version_and_rules() {
    let needed = fs::read_to_string(repository().join("sys/needed.toml")).unwrap();
    let document = parsed(&formatted("sarif"));
    assert_eq!(document["version"], "2.1.0");
    let [run] = items(&document["runs"]) else {
        panic!("{document:#}")
    };
    let rules = items(&run["tool"]["driver"]["rules"]);
    let results = items(&run["results"]);
    for result in results {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        let Some(location) = result.get("locations") else {
            continue;
        };
        let physical = &location[0]["physicalLocation"];
        assert_eq!(physical["artifactLocation"]["uri"], "sys/needed.toml");
        let line = physical["region"]["startLine"].as_u64().unwrap();
        let name = word(&location[0]["logicalLocations"][0]["fullyQualifiedName"]);
        let line = needed
            .lines()
            .nth(usize::try_from(line).unwrap() - 1)
            .unwrap();
        assert!(
            name.split('.').any(|part| line.contains(part)),
            "{name} is not in `{line}`"
        );
    }
    // The list names most of the items that the bindings use.
    let located = results
        .iter()
        .filter(|result| result.get("locations").is_some());
    assert!(located.count() > 0, "{document:#}");
    let of_dev = |result: &&Value| {
        word(&result["message"]["text"]).contains("pci_dev.dev: dev (struct device) grew")
    };
    assert_eq!(results.iter().filter(of_dev).count(), 1, "{document:#}");
}

#[test]
fn html_is_one_page_that_loads_nothing() {
    let page = formatted("html");
    let lower = page.to_lowercase();
    assert!(lower.starts_with("<!doctype html>"), "{}", &page[..200]);
    says(&page, &["6.1.0-50-amd64", "pci_dev", "default-src 'none'"]);
    for loaded in ["src=", "<link", "@import", "url(", "fetch("] {
        for (at, _) in lower.match_indices(loaded) {
            let rest: String = lower[at..].chars().take(80).collect();
            assert!(
                !rest.contains("http://") && !rest.contains("https://"),
                "{rest}"
            );
        }
    }
    // The name of a format is not a link.
    let links = lower.replace("http://www.w3.org/2000/svg", "");
    assert!(
        !links.contains("http://") && !links.contains("https://"),
        "a link"
    );
    assert!(lower.trim_end().ends_with("</html>"));
}

// ---- the bindings ----

#[test]
fn the_bindings_hold_against_the_snapshots() {
    let text = ends_with(0, ["check-abi", "--all", "--json"]);
    let report = parsed(&text);
    let checks = items(&report["checks"]);
    let kernels: Vec<&str> = checks.iter().map(|check| word(&check["kernel"])).collect();
    let snapshots = contents(&repository().join("headers/snapshots"));
    let snapshots: BTreeSet<&str> = snapshots.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        snapshots,
        kernels.iter().copied().collect(),
        "a kernel without a snapshot, or the other way"
    );
    assert!(kernels.contains(&"debian-6.12"), "{kernels:?}");
    for check in checks {
        assert_eq!(check["kind"], "bindings");
        for (what, least) in [
            ("types", 50),
            ("fields", 400),
            ("functions", 10),
            ("constants", 100),
        ] {
            assert!(
                check["looked_at"][what].as_u64() >= Some(least),
                "{what}: {check:#}"
            );
        }
    }
    let ran = offline(["check-abi"]);
    says(
        ran.good(),
        &["bindings against debian-6.12", "no drift", "it holds"],
    );
    says(
        &ran.stderr,
        &[
            "debian-6.12 is not fetched",
            "cargo xtask fetch debian-6.12",
        ],
    );
}

// ---- bad input ----

/// A folder of broken files.
struct Broken(tempfile::TempDir);

/// Returns a header of BTF: magic number, version, length, and the offsets of the two sections.
fn btf_header(types: u32, strings: u32) -> Vec<u8> {
    let mut bytes = vec![0x9f, 0xeb, 1, 0];
    for word in [24, 0, types, types, strings] {
        bytes.extend_from_slice(&u32::to_le_bytes(word));
    }
    bytes
}

/// Returns BTF without a type.
fn no_types() -> Vec<u8> {
    let mut bytes = btf_header(0, 1);
    bytes.push(0);
    bytes
}

impl Broken {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file with these bytes and returns its path.
    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        fs::write(self.0.path().join(name), bytes).unwrap();
        self.path(name)
    }
}

/// Checks that the command line is refused with these words.
#[track_caller]
fn misused<const N: usize>(words: [&str; N], about: &[&str]) {
    let ran = offline(words);
    assert_eq!(ran.status.code(), Some(2), "{ran:#?}");
    assert_eq!(ran.stdout, "");
    says(&ran.stderr, &["error: ", "--help"]);
    says(&ran.stderr, about);
}

#[test]
fn an_unknown_kernel() {
    for (name, near) in [
        ("6.12.1117+deb12-amd64", "6.12.117+deb12-amd64"),
        ("6.1.0-49-amd46", "6.1.0-49-amd64"),
        ("debian-6.13", "debian-6.12"),
    ] {
        let words = [
            &format!("`{name}`"),
            "similar names: ",
            near,
            "cargo xtask kernels",
            "history list",
        ];
        offline(["check-abi", "--kernel", name]).refused(2, &words);
        offline(["check-abi", "--against", name]).refused(2, &words);
    }
    offline(["check-abi", "--kernel", ""]).refused(2, &["``", "no kernel with this name"]);
    offline(["check-abi", "--kernel", "6.1.0-50-amd64"])
        .refused(2, &["6.1.0-50-amd64", "add --against"]);
}

#[test]
fn files_without_btf() {
    let broken = Broken::new();
    let mut big_endian = no_types();
    big_endian[..2].copy_from_slice(&[0xeb, 0x9f]);
    let files = [
        (
            broken.file("text", "dear reader\n"),
            "12 bytes that starts with 64 65 61 72",
        ),
        (broken.file("empty", ""), "an empty file"),
        (broken.path("missing"), "No such file or directory"),
        (broken.path("."), "a folder"),
        (broken.file("cut", &no_types()[..16]), "16 bytes"),
        (broken.file("big", big_endian), "big-endian"),
    ];
    for (file, found) in &files {
        offline(["check-abi", "--btf", file]).refused(2, &[file, found]);
    }
    for header in [
        btf_header(4096, 1),
        btf_header(0, 4096),
        btf_header(u32::MAX, u32::MAX),
    ] {
        let mut bytes = header;
        bytes.push(0);
        let file = broken.file("short", bytes);
        let ran = offline(["check-abi", "--btf", &file]);
        ran.refused(2, &[&file]);
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    }
    // A folder after --against is a build tree.
    for (file, found) in files.iter().filter(|(file, _)| !file.ends_with('.')) {
        offline(["check-abi", "--kernel", GREW.0, "--against", file]).refused(2, &[file, found]);
    }
}

#[test]
fn edited_records() {
    let broken = Broken::new();
    let snapshot = repository().join("headers/snapshots/debian-6.12/abi.json");
    let good = fs::read_to_string(snapshot).unwrap();
    let newer = good.replacen("\"schema\": 1", "\"schema\": 99", 1);
    assert_ne!(good, newer);
    for (text, found) in [
        ("", "EOF"),
        ("{", "EOF"),
        ("{}", "missing field `schema`"),
        (&good[..good.len() / 2], "EOF"),
        (&newer, "schema 99"),
    ] {
        let file = broken.file("abi.json", text);
        let words = [
            file.as_str(),
            found,
            "create it again with `cargo xtask snapshot --kernel NAME`",
        ];
        offline(["check-abi", "--kernel", "debian-6.12", "--against", &file]).refused(2, &words);
    }
    let file = broken.path("none.json");
    offline(["check-abi", "--against", &file])
        .refused(2, &[&file, "No such file or directory", "check the path"]);
    // Unchanged, it describes the kernel itself.
    let file = broken.file("good.json", &good);
    let text = offline([
        "check-abi",
        "--kernel",
        "debian-6.12",
        "--against",
        &file,
        "--json",
    ])
    .stdout;
    for finding in items(&parsed(&text)["checks"][0]["findings"]) {
        assert_ne!(finding["verdict"], "rebuild", "{finding:#}");
        assert_ne!(finding["verdict"], "source", "{finding:#}");
    }
}

#[test]
fn files_that_are_not_modules() {
    let broken = Broken::new();
    for (file, words) in [
        (
            broken.file("text.ko", "dear reader\n"),
            ["an ELF object", "the path of a .ko"].as_slice(),
        ),
        (
            broken.file("empty.ko", ""),
            &["an ELF object", "the path of a .ko"],
        ),
        (
            broken.file("cut.ko", b"\x7fELF\x02\x01\x01"),
            &["expected: "],
        ),
        (
            broken.path("missing.ko"),
            &["No such file or directory", "check the path"],
        ),
        (broken.path("."), &["a folder"]),
    ] {
        offline(["check-abi", "--ko", &file]).refused(2, &[&[file.as_str()], words].concat());
    }
}

/// Returns the path of a module that Debian's 6.1 Kbuild made.
fn module() -> String {
    repository()
        .join("abi/fuzz/corpus/ko/6.1-exports")
        .display()
        .to_string()
}

#[test]
fn a_module_is_compared_with_a_kernel_and_other_modules() {
    let broken = Broken::new();
    let (file, other) = (
        module(),
        broken.file("other.ko", fs::read(module()).unwrap()),
    );
    let exports = |arguments: &[&str]| {
        let common = [
            "check-abi",
            "--kernel",
            "debian-7.2",
            "--json",
            "--ko",
            &file,
        ];
        let text = offline_in(common, |command| {
            command.args(arguments);
        })
        .stdout;
        let checks = parsed(&text)["checks"].as_array().unwrap().clone();
        let findings = items(&checks[0]["findings"]).iter();
        let named = |name: &str| {
            findings
                .clone()
                .find(|finding| finding["name"] == name)
                .cloned()
        };
        let unknown = named("exports").map_or(String::new(), |finding| finding["used"].to_string());
        // The module file does not say whether its source compiles for another kernel.
        assert_eq!(named("source").unwrap()["verdict"], "not-judged", "{text}");
        assert!(
            findings
                .clone()
                .all(|finding| finding["verdict"] != "source"),
            "{text}"
        );
        (checks.len(), unknown)
    };
    let (checks, unknown) = exports(&[]);
    assert!(checks == 1 && unknown.contains("__fentry__"), "{unknown}");
    assert_eq!(exports(&[&other]).0, 2);
    let symvers = broken.file(
        "Module.symvers",
        "0x00000000\t__fentry__\tsibling\tEXPORT_SYMBOL\t\n",
    );
    let (_, unknown) = exports(&["--extra-symbols", &symvers]);
    assert!(!unknown.contains("__fentry__"), "{unknown}");
    misused(["check-abi", "--extra-symbols", &symvers], &["--ko"]);
    offline(["check-abi", "--ko", &file, "--extra-symbols", "/dev/zero"])
        .refused(2, &["/dev/zero", "a device, pipe or socket"]);
}

#[test]
fn wrong_lists_of_accepted_drift() {
    let broken = Broken::new();
    let good = entry("pci_dev.dev", "moved", "6.1.0-50", "2999-12-31");
    let (before, after) = GREW;
    let with = |text: &str| {
        let file = broken.file("accepted.toml", text);
        offline([
            "check-abi",
            "--kernel",
            after,
            "--against",
            before,
            "--accepted",
            &file,
        ])
    };
    let file = broken.path("accepted.toml");
    for (text, line, words) in [
        ("# x\n[[accepted]\n".to_owned(), ":2", "unclosed"),
        (
            good.replace("reason", "reasn"),
            ":8",
            "unknown field `reasn`",
        ),
        (
            good.replace("2999-12-31", "2999-02-30"),
            ":9",
            "a day, such as",
        ),
        (
            good.replace("\"moved\"", "\"shoved\""),
            ":4",
            "one of added, removed",
        ),
        (
            good.replace("from = \"6.1.0-50\"", "from = \"7.2\""),
            ":7",
            "not before `from`",
        ),
        (good.replace("it is known", " "), ":8", "non-empty"),
    ] {
        with(&text).refused(2, &[&format!("{file}{line}\n"), words, "correct the line"]);
    }
    for (text, words) in [
        (
            good.replace("2999", "2020"),
            "line 2: pci_dev.dev (moved) expired on 2020-12-31",
        ),
        (
            good.replace("pci_dev.dev", "pci_dev.nope"),
            "line 2: pci_dev.nope (moved) matches nothing",
        ),
        (
            good.replace("moved", "size"),
            "line 2: pci_dev.dev (size) matches nothing",
        ),
    ] {
        with(&text).refused(2, &[&file, words, "remove the entry"]);
    }
    let missing = broken.path("missing.toml");
    offline([
        "check-abi",
        "--kernel",
        after,
        "--against",
        before,
        "--accepted",
        &missing,
    ])
    .refused(2, &[&missing, "No such file or directory"]);
    // A correct list is applied, and the accepted findings do not count.
    let ran = with(&good);
    assert_eq!(ran.status.code(), Some(1), "{ran:#?}");
    says(&ran.stdout, &["it is known", "(1 accepted)"]);
    // All rebuilds are accepted. Names that were not looked up in a kernel are outside the scope.
    let both = format!(
        "{good}\n{}",
        entry("device", "size", "6.1.0-50", "2999-12-31")
    );
    let both = broken.file("both.toml", &both);
    let [a, b, c, d] = ["--accepted", &both, "--fail-on", "rebuild"];
    ends_with(
        0,
        [
            "check-abi",
            "--kernel",
            after,
            "--against",
            before,
            a,
            b,
            c,
            d,
        ],
    );
}

#[test]
fn files_that_are_not_reports() {
    let broken = Broken::new();
    let (before, after) = GREW;
    let report = ends_with(
        1,
        [
            "check-abi",
            "--kernel",
            after,
            "--against",
            before,
            "--json",
        ],
    );
    for (text, found) in [
        ("dear reader", "line 1"),
        ("{}", "missing field `schema`"),
        (&report[..report.len() / 2], "EOF"),
        (
            &report.replacen("\"schema\": 1", "\"schema\": 7", 1),
            "schema 7",
        ),
    ] {
        let file = broken.file("report.json", text);
        offline(["check-abi", "--merge", &file]).refused(2, &[&file, found]);
    }
    let good = broken.file("good.json", &report);
    let missing = broken.path("missing.json");
    offline(["check-abi", "--merge", &good, &missing]).refused(2, &[&missing, "check the path"]);
    // A repeated shard is still one shard.
    assert_eq!(
        ends_with(1, ["check-abi", "--json", "--merge", &good, &good]),
        report
    );
}

#[test]
fn conflicting_arguments() {
    for shard in ["0/2", "3/2", "x", "1/0", "1", "-1/2"] {
        misused(
            ["check-abi", "--history", &format!("--shard={shard}")],
            &["expected I/N, such as 2/4"],
        );
    }
    misused(
        ["check-abi", "--kernel", "debian-6.1", "--all"],
        &["--kernel", "--all"],
    );
    misused(
        ["check-abi", "--history", "--running"],
        &["--history", "--running"],
    );
    misused(
        ["check-abi", "--btf", "x", "--kdir", "y"],
        &["--btf", "--kdir"],
    );
    misused(
        ["check-abi", "--json", "--format", "text"],
        &["--json", "--format"],
    );
    misused(
        ["check-abi", "--against", "debian-6.1", "--ko", "x"],
        &["--against", "--ko"],
    );
    misused(["check-abi", "--merge"], &["--merge"]);
    misused(
        ["check-abi", "--merge", "x", "--all"],
        &["--merge", "--all"],
    );
    misused(
        ["check-abi", "--merge", "x", "--against", "y"],
        &["--merge", "--against"],
    );
    misused(
        [
            "check-abi",
            "--history",
            "--shard",
            "1/2",
            "--accepted",
            "x",
        ],
        &["--shard", "--accepted"],
    );
    misused(["check-abi", "--jobs", "0"], &["--jobs"]);
    misused(
        ["check-abi", "--fail-on", "never"],
        &["any, rebuild, source"],
    );
    misused(
        ["snapshot", "--btf", "x", "--kdir", "y"],
        &["--btf", "--kdir"],
    );
    misused(["snapshot", "--usage", "--out", "y"], &["--usage", "--out"]);
    misused(["history", "add"], &["--new", "--btf"]);
    misused(["history", "add", "--btf", "x"], &["--release", "--arch"]);
    misused(
        [
            "history",
            "add",
            "--btf",
            "x",
            "--release",
            "6.12.1",
            "--arch",
            "vax",
        ],
        &["x86_64", "aarch64"],
    );
}

#[test]
fn a_shard_without_a_kernel_does_not_pass() {
    let text = ends_with(2, ["check-abi", "--shard", "2/2"]);
    says(&text, &["0 comparisons", "could not check everything"]);
}

// ---- snapshots ----

/// Returns the names in a folder, with the contents of the files.
fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let mut all: Vec<_> = entries
        .map(|entry| {
            let bytes = fs::read(entry.path()).unwrap_or_default();
            (entry.file_name().into_string().unwrap(), bytes)
        })
        .collect();
    all.sort();
    all
}

#[test]
fn a_snapshot_that_cannot_be_made_leaves_nothing() {
    let broken = Broken::new();
    let empty = broken.file("empty", "");
    let no_types = broken.file("no-types", no_types());
    let before = contents(broken.0.path());
    for (btf, words) in [
        ("/etc/passwd", "expected: BTF"),
        (&empty, "an empty file"),
        (&no_types, "not in the kernel's BTF"),
        (&broken.path("missing"), "No such file"),
        (&broken.path("."), "a folder"),
    ] {
        // A new folder, one below a new folder, one below a file, and an existing one.
        for out in ["out", "deep/out", "empty/out", "."] {
            let out = broken.path(out);
            let ran = offline(["snapshot", "--btf", btf, "--out", &out]);
            assert_eq!(ran.status.code(), Some(2), "{ran:#?}");
            ran.refused(2, &[btf, words]);
            assert!(contents(broken.0.path()) == before, "{btf} left something");
        }
    }
}

// ---- the history, added to and listed ----

#[test]
fn a_kernel_that_cannot_be_added_changes_nothing() {
    let broken = Broken::new();
    let dir = broken.path("history");
    let text = broken.file("text", "dear reader\n");
    let btf = broken.file("no-types", no_types());
    let add = |file: &str, release: &str, symvers: &str| {
        let words = [
            "history",
            "add",
            "--dir",
            &dir,
            "--btf",
            file,
            "--arch",
            "x86_64",
            "--release",
            release,
        ];
        offline_in(words, |command| {
            if !symvers.is_empty() {
                command.args(["--symvers", symvers]);
            }
        })
    };
    add(&text, "6.12.1-amd64", "").refused(2, &[&text, "expected: BTF"]);
    add(&btf, "newest", "").refused(2, &["--release", "`newest`", "uname -r"]);
    add(&btf, "6.12.1-amd64", &text).refused(2, &[&text]);
    let missing = broken.path("missing");
    add(&btf, "6.12.1-amd64", &missing).refused(2, &[&missing, "No such file"]);
    assert!(!Path::new(&dir).exists(), "something was begun");

    // A valid kernel starts a history and is known afterwards.
    let ran = add(&btf, "6.12.1-amd64", "");
    ran.good();
    says(
        &ran.stderr,
        &["6.12.1-amd64: added; the first of its architecture and flavour"],
    );
    let begun = contents(Path::new(&dir));
    let ran = add(&btf, "6.12.1-amd64", "");
    ran.good();
    says(&ran.stderr, &["known already"]);
    assert!(contents(Path::new(&dir)) == begun, "it changed");
    let listed = parsed(&ends_with(0, ["history", "list", "--json", "--dir", &dir]));
    assert_eq!(items(&listed).len(), 1);
    assert_eq!(listed[0]["release"], "6.12.1-amd64");
}

#[test]
fn a_damaged_history_is_refused_and_not_changed() {
    let broken = Broken::new();
    let btf = broken.file("no-types", no_types());
    let committed = repository().join("headers/history");
    for (damaged, place) in [
        ("kernels.tsv", "kernels.tsv:"),
        // The kernels that refer to the removed rows report them.
        ("types.tsv", ".tsv:"),
        ("functions.tsv", ".tsv:"),
    ] {
        let dir = broken.path(&format!("cut-{damaged}"));
        fs::create_dir(&dir).unwrap();
        for (name, mut bytes) in contents(&committed) {
            if name == damaged {
                // Cut in the middle of the last kernel, or of the file.
                let last = bytes.windows(8).rposition(|window| window == b"\nkernel\t");
                bytes.truncate(last.map_or(bytes.len() / 2, |at| at + 12));
            }
            fs::write(Path::new(&dir).join(name), &bytes).unwrap();
        }
        let before = contents(Path::new(&dir));
        let words = [
            &format!("{dir}/"),
            place,
            "restore the folder from version control",
        ];
        let [release, arch] = ["6.12.1-amd64", "x86_64"];
        let add = [
            "history",
            "add",
            "--dir",
            &dir,
            "--btf",
            &btf,
            "--arch",
            arch,
            "--release",
            release,
        ];
        offline(add).refused(2, &words);
        assert!(contents(Path::new(&dir)) == before, "{dir} changed");
        offline(["history", "list", "--dir", &dir]).refused(2, &words);
        offline(["explain", "pci_driver", "--dir", &dir]).refused(2, &words);
    }
}

#[test]
fn a_missing_history() {
    let broken = Broken::new();
    let dir = broken.path("missing");
    for words in [
        ["history", "list", "--dir", &dir],
        ["explain", "pci_driver", "--dir", &dir],
    ] {
        offline(words).refused(2, &[&dir, "No such file or directory", "check the path"]);
    }
    assert!(!Path::new(&dir).exists());
}

#[test]
fn the_list_has_every_kernel_once() {
    let listed = parsed(&ends_with(0, ["history", "list", "--json"]));
    let names: BTreeSet<&str> = items(&listed).iter().map(|row| word(&row["id"])).collect();
    assert_eq!(names.len(), items(&listed).len());
    for (before, after) in [GREW, BITS, BUS, CALLBACK, FLAVOUR, SERIES] {
        assert!(
            names.contains(before) && names.contains(after),
            "{before} {after}"
        );
    }
    let text = ends_with(0, ["history", "list"]);
    assert_eq!(text.lines().count(), names.len() + 1);
}

// ---- explain ----

/// Returns the first kernel and the state of each span that `explain --json` prints for x86_64
/// without a flavour.
#[track_caller]
fn spans(explanation: &Value) -> Vec<(&str, &Value)> {
    let group = &explanation["sections"][0]["groups"][0];
    assert_eq!(
        (word(&group["arch"]), word(&group["flavour"])),
        ("x86_64", "")
    );
    let spans = items(&group["spans"]).iter();
    spans
        .map(|span| (word(&span["first"]), &span["state"]))
        .collect()
}

#[test]
fn explain_a_field() {
    let name = "pci_driver.driver_managed_dma";
    let text = ends_with(0, ["explain", name]);
    let words = [
        name,
        "bool driver_managed_dma;",
        "pci::Driver",
        "safe/src/pci/driver.rs:",
        "at 288, 1 byte, bool",
        "at 272, 1 byte, bool",
        "at 280, 1 byte, bool",
    ];
    says(&text, &words);
    let explanation = parsed(&ends_with(0, ["explain", name, "--json"]));
    let offsets: Vec<u64> = spans(&explanation)
        .iter()
        .map(|(_, state)| state["offset_bits"].as_u64().unwrap())
        .collect();
    assert_eq!(offsets[..3], [288 * 8, 272 * 8, 280 * 8]);
    // The item of the safe layer is at the printed location.
    let item = &explanation["safe"][0];
    assert_eq!(item["path"], "pci::Driver::DRIVER_MANAGED_DMA");
    let (file, line) = word(&item["location"]).rsplit_once(':').unwrap();
    let source = fs::read_to_string(repository().join(file)).unwrap();
    let line: usize = line.parse().unwrap();
    says(
        source.lines().nth(line - 1).unwrap(),
        &["DRIVER_MANAGED_DMA"],
    );
}

#[test]
fn explain_a_type() {
    let text = ends_with(0, ["explain", "pci_driver"]);
    says(
        &text,
        &[
            "struct pci_driver",
            "pci::Driver",
            "296 bytes",
            "280 bytes",
            "288 bytes",
            "gone: node",
        ],
    );
    let explanation = parsed(&ends_with(0, ["explain", "pci_driver", "--json"]));
    let sizes: Vec<u64> = spans(&explanation)
        .iter()
        .map(|(_, state)| state["size"].as_u64().unwrap())
        .collect();
    assert_eq!(sizes[..3], [296, 280, 288]);
}

#[test]
fn explain_a_function() {
    let text = ends_with(0, ["explain", "kvfree_call_rcu"]);
    says(
        &text,
        &[
            "void kvfree_call_rcu(struct callback_head *, rcu_callback_t)",
            "different answers",
        ],
    );
    let explanation = parsed(&ends_with(0, ["explain", "kvfree_call_rcu", "--json"]));
    let spans = spans(&explanation);
    assert_eq!(
        spans[0].1["declaration"],
        "void kvfree_call_rcu(struct callback_head *, rcu_callback_t)"
    );
    assert_eq!(
        spans[1].1["declaration"],
        "void kvfree_call_rcu(struct callback_head *, void *)"
    );
    assert!(spans[1].0.starts_with("6.12."), "{}", spans[1].0);
}

#[test]
fn explain_an_unknown_name() {
    for (name, near) in [
        ("pci_drivr", "similar names: pci_driver"),
        (
            "pci_driver.driver_manged_dma",
            "similar names: pci_driver.driver_managed_dma",
        ),
        ("kvfree_cal_rcu", "similar names: kvfree_call_rcu"),
        ("no_such_name", "headers/watched.toml"),
        ("", "headers/watched.toml"),
    ] {
        for json in [false, true] {
            let ran = offline_in(["explain", name], |command| {
                command.args(json.then_some("--json"));
            });
            ran.refused(2, &[&format!("`{name}`"), near]);
        }
    }
}
