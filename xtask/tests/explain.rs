// SPDX-License-Identifier: GPL-2.0-only
//! The items of the safe layer that `explain` knows are those that rustdoc lists.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use linux_driver_abi::explain::safe::SafeNames;
use serde_json::{Map, Value};

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

fn repository() -> &'static Path {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    dir.parent().unwrap_or(dir)
}

/// Returns the items of the safe layer that rustdoc lists, as JSON.
fn listed() -> Value {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    // The JSON format is unstable. Only this rustdoc gets RUSTC_BOOTSTRAP, and no other program of
    // the build does.
    let dir = tempfile::tempdir().unwrap();
    let rustdoc = dir.path().join("rustdoc");
    fs::write(
        &rustdoc,
        "#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc \"$@\"\n",
    )
    .unwrap();
    fs::set_permissions(&rustdoc, fs::Permissions::from_mode(0o755)).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "rustdoc",
        "--quiet",
        "--lib",
        "--package",
        "linux-driver-safe",
    ]);
    cargo
        .arg("--target-dir")
        .arg(target)
        .current_dir(repository());
    cargo.args(["--", "-Zunstable-options", "--output-format=json"]);
    let output = cargo.env("RUSTDOC", &rustdoc).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = fs::read(target.join("doc/linux_driver_safe.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The names of the public items. A name includes the type or trait that the item belongs to.
struct Items<'a> {
    index: &'a Map<String, Value>,
    found: BTreeSet<String>,
}

impl Items<'_> {
    fn all(&mut self, of: &Value, ids: &Value) {
        let ids: Vec<Value> = ids.as_array().cloned().unwrap_or_default();
        for id in ids {
            self.item(of, &id);
        }
    }

    fn item(&mut self, of: &Value, id: &Value) {
        // Items of other crates are not in the index.
        let Some(item) = self.index.get(&id.to_string()).cloned() else {
            return;
        };
        let (kind, inner) = item["inner"].as_object().unwrap().iter().next().unwrap();
        let name = &item["name"];
        match kind.as_str() {
            // A glob re-exports the items of a private module, but not the module.
            "use" if inner["is_glob"].as_bool().unwrap() => {
                let module = self
                    .index
                    .get(&inner["id"].to_string())
                    .cloned()
                    .unwrap_or_default();
                return self.all(of, &module["inner"]["module"]["items"]);
            }
            "use" => return self.item(of, &inner["id"]),
            // An implementation of a trait adds no new items.
            "impl" => {
                if inner["trait"].is_null() && !inner["is_synthetic"].as_bool().unwrap() {
                    self.all(of, &inner["items"]);
                }
                return;
            }
            "module" => self.all(&Value::Null, &inner["items"]),
            "struct" | "union" => {
                self.all(name, &inner["kind"]["plain"]["fields"]);
                self.all(name, &inner["impls"]);
            }
            "enum" => {
                self.all(name, &inner["variants"]);
                self.all(name, &inner["impls"]);
            }
            "trait" => self.all(name, &inner["items"]),
            _ => {}
        }
        let Some(name) = name.as_str() else { return };
        let end = if kind == "macro" { "!" } else { "" };
        let name = match of.as_str() {
            Some(of) => format!("{of}::{name}"),
            None => format!("{name}{end}"),
        };
        self.found.insert(name);
    }
}

#[test]
fn explain_finds_every_public_item_of_the_safe_layer() {
    let listed = listed();
    let mut items = Items {
        index: listed["index"].as_object().unwrap(),
        found: BTreeSet::new(),
    };
    let root = items.index[&listed["root"].to_string()]["inner"]["module"]["items"].clone();
    items.all(&Value::Null, &root);
    assert!(items.found.len() > 500, "{}", items.found.len());
    let aliases = SafeNames::read(&repository().join("safe/src")).unwrap();
    let missing: Vec<&String> = items
        .found
        .iter()
        .filter(|item| {
            let name = item.trim_end_matches('!').rsplit("::").next().unwrap();
            let ends = |path: &str| path == *item || path.ends_with(&format!("::{item}"));
            !aliases.of(name).iter().any(|alias| ends(&alias.path))
        })
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn explain_finds_what_a_driver_author_looks_for() {
    for name in [
        "pcim_enable_device",
        "pci_write_config_byte",
        "wait_for_completion_timeout",
        "sysfs_emit",
        "readl",
        "copy_to_user",
        "dev_info",
        "poll_wait",
    ] {
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
        let output = xtask
            .args(["explain", name])
            .current_dir(repository())
            .output()
            .unwrap();
        let (said, error) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "{name}: {error}");
        let item = said
            .lines()
            .find(|line| line.trim_start().starts_with("safe layer"))
            .unwrap();
        assert!(item.contains("safe/src/"), "{said}");
        assert!(!said.contains("never"), "{said}");
    }
}
