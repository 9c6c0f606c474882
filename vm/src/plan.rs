// SPDX-License-Identifier: GPL-2.0-only
//! What is to happen in the machine. A plan can be written in TOML:
//!
//! ```
//! let plan: linux_driver_vm::Plan = toml::from_str(r#"
//!     files = [{ path = "/edu.ko", source = "target/edu.ko" }]
//!
//!     [[steps]]
//!     name = "the driver loads and binds its device"
//!     action = { do = "load", module = "/edu.ko" }
//!     expect = ["edu 0000:.*: probed"]
//!
//!     [[steps]]
//!     name = "it cannot be loaded twice"
//!     action = { do = "load", module = "/edu.ko" }
//!     fails = "EEXIST"
//! "#)?;
//! plan.check()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeSet;
use std::path::PathBuf;

use linux_driver_host::{Error, Result};
use regex_lite::Regex;
use serde::{Deserialize, Serialize};

use crate::protocol::{INIT_PATH, JOB_PATH};
use crate::{Device, Errno};

/// Files for the guest, and steps that run one after the other until one fails.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Plan {
    /// What the guest's file system holds besides our own program.
    #[serde(default)]
    pub files: Vec<GuestFile>,
    /// Which module serves which device, as in a `modules.alias`.
    #[serde(default)]
    pub aliases: Vec<Alias>,
    /// The steps.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// A run that is meant to end in a problem: a regular expression that the problem has to match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_problem: Option<String>,
}

/// A file of the host's that the guest finds at `path`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GuestFile {
    /// Where it is in the guest, from `/` on.
    pub path: String,
    /// Where it is on the host.
    pub source: PathBuf,
}

/// A line of a `modules.alias`: devices whose modalias matches the pattern are served by this module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Alias {
    /// A pattern of fnmatch(3), such as `pci:v00001234d000011E8sv*sd*bc*sc*i*`.
    pub pattern: String,
    /// The module, one of the plan's files by its path in the guest.
    pub module: String,
}

/// One step: it passes if its action did (or failed as it was to), and every expected message came meanwhile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Step {
    /// What the step shows, for a person.
    pub name: String,
    /// What is done.
    pub action: Action,
    /// Regular expressions, each of which a kernel message has to match between the step's start and its end.
    #[serde(default)]
    pub expect: Vec<String>,
    /// The error that the action has to fail with; without it, the action has to succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fails: Option<Errno>,
    /// How long the step may take, with the wait for its messages, in seconds.
    #[serde(default = "default_timeout")]
    pub timeout_s: u64,
}

/// Long for a step even on a busy host without KVM.
fn default_timeout() -> u64 {
    20
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Loads a module with finit_module(2).
    Load {
        /// The module, one of the plan's files by its path in the guest.
        module: String,
        /// Its parameters: `NAME=VALUE NAME=VALUE`.
        #[serde(default)]
        params: String,
    },
    /// Loads what the plan's aliases name for the device's modalias, as udev and modprobe do.
    LoadByAlias {
        /// The device.
        device: Device,
    },
    /// Unloads a module with delete_module(2).
    Unload {
        /// The module's name, as in `/proc/modules`.
        module: String,
    },
    /// Waits until the device is bound to the driver.
    WaitBound {
        /// The device.
        device: Device,
        /// The driver, by its name under `/sys/bus/BUS/drivers`.
        driver: String,
    },
    /// Waits until the device is bound to no driver.
    WaitUnbound {
        /// The device.
        device: Device,
    },
    /// Unbinds the device from its driver through sysfs.
    Unbind {
        /// The device.
        device: Device,
    },
    /// Binds the device to the driver through sysfs.
    Bind {
        /// The device.
        device: Device,
        /// The driver, by its name under `/sys/bus/BUS/drivers`.
        driver: String,
    },
    /// Writes to an existing file with one write(2).
    Write {
        /// The file.
        path: String,
        /// What is written; no line end is added.
        data: String,
    },
    /// Reads a file; the step's detail shows what it held.
    Read {
        /// The file.
        path: String,
        /// What it has to hold, white space at both ends aside.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        equals: Option<String>,
    },
    /// The path is there, now.
    Exists {
        /// The path.
        path: String,
    },
    /// The path is not there, now.
    Absent {
        /// The path.
        path: String,
    },
    /// Nothing: the step is for its messages.
    Expect {},
    /// Waits.
    Sleep {
        /// How long, in milliseconds.
        ms: u64,
    },
}

impl Step {
    /// A step of this name that does this, and expects nothing else.
    pub fn new(name: impl Into<String>, action: Action) -> Self {
        Self {
            name: name.into(),
            action,
            expect: Vec::new(),
            fails: None,
            timeout_s: default_timeout(),
        }
    }

    /// The same step, which also expects a message that matches this regular expression.
    #[must_use]
    pub fn expecting(mut self, pattern: impl Into<String>) -> Self {
        self.expect.push(pattern.into());
        self
    }

    /// The same step, whose action has to fail with this error.
    #[must_use]
    pub fn failing_with(mut self, errno: Errno) -> Self {
        self.fails = Some(errno);
        self
    }

    /// The same step, which may take this many seconds.
    #[must_use]
    pub fn within(mut self, seconds: u64) -> Self {
        self.timeout_s = seconds;
        self
    }
}

impl Plan {
    /// Finds what can be wrong in a plan before a machine is started for it.
    pub fn check(&self) -> Result<()> {
        let mut paths = BTreeSet::new();
        for GuestFile { path, .. } in &self.files {
            let parts = || path.split('/').skip(1);
            if !path.starts_with('/') || parts().any(|part| matches!(part, "" | "." | "..")) || path.contains('\0') {
                return Err(wrong(
                    format_args!("file {path:?}"),
                    "a plain path in the guest, such as /edu.ko",
                    "another",
                    "write it from / on, without empty parts, `.` and `..`",
                ));
            }
            // The kernel's file systems are mounted over these; a file there could never be seen.
            let taken = [INIT_PATH, JOB_PATH].contains(&path.as_str())
                || parts().count() > 1 && matches!(parts().next(), Some("dev" | "proc" | "sys"));
            if taken || !paths.insert(path.as_str()) {
                return Err(wrong(
                    format_args!("file {path:?}"),
                    "a path that is free",
                    if taken {
                        "one that the guest's own files have"
                    } else {
                        "two files for it"
                    },
                    "choose another path",
                ));
            }
        }
        let known = |place: &str, module: &str| {
            if paths.contains(module) {
                return Ok(());
            }
            let there: Vec<&str> = paths.iter().copied().collect();
            let found = if there.is_empty() {
                "no files".to_owned()
            } else {
                there.join(", ")
            };
            Err(wrong(
                place,
                format_args!("{module:?} among the plan's files"),
                found,
                "add it to `files`, or correct the path",
            ))
        };
        for alias in &self.aliases {
            known(&format!("alias {:?}", alias.pattern), &alias.module)?;
        }
        for step in &self.steps {
            let place = format!("step {:?}", step.name);
            if let Action::Load { module, .. } = &step.action {
                known(&place, module)?;
            }
            for pattern in &step.expect {
                regex(&format!("{place}, `expect`"), pattern)?;
            }
        }
        if let Some(pattern) = &self.expect_problem {
            regex("`expect-problem`", pattern)?;
        }
        Ok(())
    }
}

/// A regular expression of the plan's.
fn regex(place: &str, pattern: &str) -> Result<Regex> {
    Regex::new(pattern).map_err(|e| {
        wrong(
            place,
            "a regular expression",
            format_args!("{pattern:?}: {e}"),
            r"write brackets and the like with a backslash: \(",
        )
    })
}

fn wrong(
    place: impl std::fmt::Display,
    expected: impl std::fmt::Display,
    found: impl std::fmt::Display,
    remedy: &str,
) -> Error {
    Error::new(format_args!("plan, {place}"), expected, found, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Plan {
        toml::from_str(text).unwrap()
    }

    fn refused(plan: &Plan) -> String {
        plan.check().unwrap_err().to_string()
    }

    #[test]
    fn every_action_reads_from_toml_and_back() {
        let text = r#"
            expect-problem = "Oops"
            files = [{ path = "/a.ko", source = "x/a.ko" }]
            aliases = [{ pattern = "pci:*", module = "/a.ko" }]
            steps = [
                { name = "1", action = { do = "load", module = "/a.ko", params = "n=1" }, expect = ["a"], fails = "EBUSY", timeout-s = 3 },
                { name = "2", action = { do = "load-by-alias", device = "pci:1234:11e8#1" } },
                { name = "3", action = { do = "unload", module = "a" }, fails = 11 },
                { name = "4", action = { do = "wait-bound", device = "pci:1234:11e8", driver = "a" } },
                { name = "5", action = { do = "wait-unbound", device = "platform/a" } },
                { name = "6", action = { do = "unbind", device = "platform/a" } },
                { name = "7", action = { do = "bind", device = "platform/a", driver = "a" } },
                { name = "8", action = { do = "write", path = "/a", data = "1" } },
                { name = "9", action = { do = "read", path = "/a", equals = "1" } },
                { name = "10", action = { do = "exists", path = "/a" } },
                { name = "11", action = { do = "absent", path = "/b" } },
                { name = "12", action = { do = "expect" }, expect = ["b"] },
                { name = "13", action = { do = "sleep", ms = 5 } },
            ]
        "#;
        let plan = plan(text);
        plan.check().unwrap();
        assert_eq!(plan.steps.len(), 13);
        assert_eq!(plan.steps[0].timeout_s, 3);
        assert_eq!(plan.steps[2].fails, Some(Errno(libc::EAGAIN)));
        assert_eq!(toml::from_str::<Plan>(&toml::to_string(&plan).unwrap()).unwrap(), plan);
        assert_eq!(
            serde_json::from_str::<Plan>(&serde_json::to_string(&plan).unwrap()).unwrap(),
            plan
        );
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        for step in [
            r#"{ name = "1", action = { do = "sleep", ms = 5, s = 1 } }"#,
            r#"{ name = "1", action = { do = "sleep", ms = 5 }, expects = ["a"] }"#,
            r#"{ name = "1", action = { do = "doze", ms = 5 } }"#,
        ] {
            assert!(toml::from_str::<Plan>(&format!("steps = [{step}]")).is_err(), "{step}");
        }
    }

    #[test]
    fn a_step_without_its_module_is_refused() {
        let text = refused(&plan(
            r#"steps = [{ name = "one", action = { do = "load", module = "/a.ko" } }]"#,
        ));
        assert!(
            text.contains("step \"one\"") && text.contains("/a.ko") && text.contains("no files"),
            "{text}"
        );
        refused(&plan(r#"aliases = [{ pattern = "*", module = "/a.ko" }]"#));
    }

    #[test]
    fn a_wrong_pattern_is_refused() {
        let text = refused(&plan(
            r#"steps = [{ name = "one", action = { do = "expect" }, expect = ["a(b"] }]"#,
        ));
        assert!(text.contains("a(b"), "{text}");
        refused(&plan(r#"expect-problem = "*""#));
    }

    #[test]
    fn a_path_that_the_guest_could_not_see_is_refused() {
        for path in ["a.ko", "/", "/../a.ko", "/a//b", "/init", "/dev/a", "/sys/a", ""] {
            refused(&Plan {
                files: vec![GuestFile {
                    path: path.into(),
                    source: "a".into(),
                }],
                ..Plan::default()
            });
        }
        let twice = GuestFile {
            path: "/a".into(),
            source: "a".into(),
        };
        refused(&Plan {
            files: vec![twice.clone(), twice],
            ..Plan::default()
        });
    }
}
