// SPDX-License-Identifier: GPL-2.0-only
//! What is done with a driver besides its life, each time in a machine of its own:
//! `[[package.metadata.linux-driver.scenarios]]` of its manifest, and the file [`FILE`].

use std::collections::HashSet;
use std::path::Path;

use linux_driver_host::{Error, Result, fs};
use linux_driver_vm::Step;
use serde::Deserialize;

/// Where a driver's folder holds its scenarios, as `[[scenarios]]`, if there are too many for its
/// manifest.
pub const FILE: &str = "scenarios.toml";
/// What stands for the driver's name in that file, so that a driver and its twin share one. Such a
/// driver's module is of the same name.
const DRIVER: &str = "{driver}";

/// A machine, and what is done in it with the driver.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Scenario {
    /// What it is about, for a person and for `--scenario`.
    pub name: String,
    /// The devices, where they are not the driver's. As for all of the machine, those of the driver
    /// are inherited where this says nothing; an empty list says that there are none.
    pub devices: Option<Vec<String>>,
    /// PCIe ports with hot plug, where they are not the driver's.
    pub ports: Option<Vec<String>>,
    /// Further arguments for QEMU, where they are not the driver's.
    pub qemu_args: Option<Vec<String>>,
    /// Further parameters on the kernel's command line, where they are not the driver's.
    pub append: Option<Vec<String>>,
    /// Options without which it shows nothing: it is not tried then.
    #[serde(default)]
    pub needs_config: Vec<String>,
    /// Options with which it shows nothing.
    #[serde(default)]
    pub without_config: Vec<String>,
    /// What is done. The module is `/MODULE.ko` in the machine, and not loaded.
    pub steps: Vec<Step>,
}

/// A file of scenarios.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    scenarios: Vec<Scenario>,
}

/// The scenarios of this file for this driver; none, where there is no such file and there need be
/// none.
pub(crate) fn read(file: &Path, driver: &str, needed: bool) -> Result<Vec<Scenario>> {
    if !needed && !file.is_file() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(file)?;
    let read: File = toml::from_str(&text.replace(DRIVER, driver)).map_err(|e| {
        wrong(
            file,
            e.to_string().trim(),
            "mend it; samples/edu/scenarios.toml is an example",
        )
    })?;
    Ok(read.scenarios)
}

/// Finds what can be wrong in them before anything is built.
pub(crate) fn check(dir: &Path, scenarios: &[Scenario]) -> Result<()> {
    let mut names = HashSet::new();
    for Scenario { name, steps, .. } in scenarios {
        if !names.insert(name) {
            let found = format_args!("two of the name {name:?}").to_string();
            return Err(wrong(
                dir,
                &found,
                "rename one: `--scenario` takes the name",
            ));
        }
        if steps.is_empty() {
            let found = format_args!("{name:?} without steps").to_string();
            return Err(wrong(dir, &found, "add steps, or take it out"));
        }
    }
    Ok(())
}

fn wrong(place: &Path, found: &str, todo: &str) -> Error {
    Error::new(
        format_args!("{}: a driver's scenarios", place.display()),
        "each with a name of its own and steps",
        found,
        todo,
    )
}

#[cfg(test)]
mod tests {
    use linux_driver_vm::Action;

    use super::*;

    fn file(text: &str) -> Result<Vec<Scenario>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        std::fs::write(&path, text).unwrap();
        let scenarios = read(&path, "edu_c", true)?;
        check(dir.path(), &scenarios)?;
        Ok(scenarios)
    }

    #[test]
    fn a_twin_shares_them() {
        let scenarios = file(
            r#"[[scenarios]]
            name = "used"
            steps = [{ name = "a", action = { do = "exists", path = "/dev/{driver}-8" } }]"#,
        )
        .unwrap();
        let path = Action::Exists {
            path: "/dev/edu_c-8".into(),
        };
        assert_eq!(scenarios[0].steps[0].action, path);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let step = r#"steps = [{ name = "a", action = { do = "expect" } }]"#;
        let twice =
            format!("[[scenarios]]\nname = \"x\"\n{step}\n[[scenarios]]\nname = \"x\"\n{step}");
        for (text, part) in [
            (twice.as_str(), "two of the name"),
            ("[[scenarios]]\nname = \"x\"\nsteps = []", "without steps"),
            ("[[scenarios]]\nname = \"x\"\nports = 1", "ports"),
        ] {
            let error = file(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(read(Path::new("/nonexistent/s.toml"), "edu", true).is_err());
        assert!(
            read(Path::new("/nonexistent/s.toml"), "edu", false)
                .unwrap()
                .is_empty()
        );
    }
}
