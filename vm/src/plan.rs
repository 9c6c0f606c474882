// SPDX-License-Identifier: GPL-2.0-only
//! The plan of a run: the steps in the machine. A plan can be written in TOML:
//!
//! ```
//! let plan: linux_driver_vm::Plan = toml::from_str(r#"
//!     files = [{ path = "/edu.ko", source = "target/edu.ko" }]
//!
//!     [[steps]]
//!     name = "the module is loaded"
//!     load = "edu"
//!     expect = ["edu 0000:.*: probed"]
//!
//!     [[steps]]
//!     name = "loading the module again returns EEXIST"
//!     load = "edu"
//!     fails = "EEXIST"
//! "#)?;
//! plan.check()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeSet;
use std::path::PathBuf;

use linux_driver_host::Result;
use serde::{Deserialize, Serialize};

use crate::Errno;
use crate::action::{Action, Check};
use crate::paths::{INIT_PATH, JOB_PATH, WAIT_PATH};
use crate::wrong::{among, regex, wrong};

/// Files for the guest, and steps that run one after the other until one fails.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Plan {
    /// The files in the guest's file system, besides the tool's own program.
    #[serde(default)]
    pub files: Vec<GuestFile>,
    /// The modules that serve each device, as in a `modules.alias`.
    #[serde(default)]
    pub aliases: Vec<Alias>,
    /// The steps.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// A regular expression that a problem must match. With it, the run is expected to end in that
    /// problem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_problem: Option<String>,
    /// A regular expression that a message after the expected problem must match, before any other
    /// problem. The machine runs on until that message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_after: Option<String>,
}

/// A file of the host that the guest finds at `path`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GuestFile {
    /// The file's path in the guest, from `/` on.
    pub path: String,
    /// The file's path on the host.
    pub source: PathBuf,
}

/// A line of a `modules.alias`: the module serves the devices whose modalias matches the pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Alias {
    /// A pattern of fnmatch(3), such as `pci:v00001234d000011E8sv*sd*bc*sc*i*`.
    pub pattern: String,
    /// The module: a file of the plan, by its path in the guest.
    pub module: String,
}

/// A step of a plan. It passes if the action ends as expected, every `expect` message appears, and
/// no `never` message does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "kebab-case", deny_unknown_fields)]
pub struct Step {
    /// The property that the step shows, for a person.
    pub name: String,
    /// The action of the step.
    pub action: Action,
    /// Regular expressions. Each must match a kernel message between the start and the end of the
    /// step.
    #[serde(default)]
    pub expect: Vec<String>,
    /// Requires the expected messages in the given order, each exactly once. A message that comes
    /// too early or twice fails the step.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exactly: bool,
    /// Regular expressions that no kernel message may match during the step. Messages that report a
    /// problem fail every step, so they need not be listed here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub never: Vec<String>,
    /// The error with which the action must fail. Without it, the action must succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fails: Option<Errno>,
    /// The time limit of the step in seconds, which includes the wait for its messages. Once the
    /// action has ended, its messages have a sixth of that time, and at least 10 s. After an action
    /// that leaves something under way (`sleep-ms`, `spawn`, hot plug), and without an action, they
    /// have all of it.
    #[serde(default = "default_timeout")]
    pub timeout_s: u64,
    /// Options that the kernel's configuration must have for the step to be useful, such as
    /// `DEBUG_KMEMLEAK`. The step is left out in a kernel that lacks one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs_config: Vec<String>,
}

/// The default time limit of a step, in seconds. It is long enough on a busy host without KVM.
pub const STEP_SECONDS: u64 = 60;

/// The least time for messages after the end of an action, in seconds.
const MESSAGE_SECONDS: u64 = 10;

fn default_timeout() -> u64 {
    STEP_SECONDS
}

/// A step that is left out because the kernel lacks an option that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The number of the plan's steps that come before it.
    pub before: usize,
    /// The step's name.
    pub name: String,
    /// The options that the kernel lacks, without the prefix `CONFIG_`.
    pub lacks: Vec<String>,
}

impl Step {
    /// Makes a step with this name and action, and no expectations.
    pub fn new(name: impl Into<String>, action: Action) -> Self {
        Self {
            name: name.into(),
            action,
            expect: Vec::new(),
            exactly: false,
            never: Vec::new(),
            fails: None,
            timeout_s: default_timeout(),
            needs_config: Vec::new(),
        }
    }

    /// Adds a regular expression that a message must match.
    #[must_use]
    pub fn expecting(mut self, pattern: impl Into<String>) -> Self {
        self.expect.push(pattern.into());
        self
    }

    /// Adds a regular expression that no message may match.
    #[must_use]
    pub fn never(mut self, pattern: impl Into<String>) -> Self {
        self.never.push(pattern.into());
        self
    }

    /// Sets the error with which the action must fail.
    #[must_use]
    pub fn failing_with(mut self, errno: Errno) -> Self {
        self.fails = Some(errno);
        self
    }

    /// Sets the driver of each `bind` and `wait-bound` of the step that names none.
    pub fn fill_driver(&mut self, name: &str) {
        self.action.fill_driver(name);
    }

    /// Returns the time, in seconds, that the step's messages may take after the end of its action.
    pub fn message_seconds(&self) -> u64 {
        if self.action.any(&Action::leaves_under_way) {
            return self.timeout_s;
        }
        self.timeout_s.min(MESSAGE_SECONDS.max(self.timeout_s / 6))
    }

    /// Sets the time limit, in seconds.
    #[must_use]
    pub fn within(mut self, seconds: u64) -> Self {
        self.timeout_s = seconds;
        self
    }
}

impl Plan {
    /// Takes out the steps that need an option that the kernel's configuration lacks, and returns
    /// them. `has` says whether the configuration has an option; its argument has no prefix
    /// `CONFIG_`.
    pub fn leave_out(&mut self, has: impl Fn(&str) -> bool) -> Vec<LeftOut> {
        let mut left_out = Vec::new();
        let mut before = 0;
        self.steps.retain(|step| {
            let lacks: Vec<String> = step
                .needs_config
                .iter()
                .filter(|name| !has(name))
                .cloned()
                .collect();
            let kept = lacks.is_empty();
            if kept {
                before += 1;
            } else {
                left_out.push(LeftOut {
                    before,
                    name: step.name.clone(),
                    lacks,
                });
            }
            kept
        });
        left_out
    }

    /// Makes the run a harder one: each `repeat` does as many rounds as its `torture` says. The
    /// time limits grow accordingly.
    pub fn torture(&mut self) {
        for step in &mut self.steps {
            step.timeout_s = step.timeout_s.saturating_mul(step.action.torture().into());
        }
    }

    /// Multiplies the time limit of each step, for a slow kernel.
    pub fn slow(&mut self, times: u64) {
        for step in &mut self.steps {
            step.timeout_s = step.timeout_s.saturating_mul(times);
        }
    }

    /// Returns the sum of the time, in seconds, by which the steps' limits exceed the default. A
    /// run of the plan may take so much longer.
    pub fn extra_seconds(&self) -> u64 {
        self.steps
            .iter()
            .map(|step| step.timeout_s.saturating_sub(STEP_SECONDS))
            .sum()
    }

    /// Returns whether a step runs a command of the package `linux-driver-guest`. The plan's files
    /// must then contain [`crate::paths::GUEST_PATH`].
    pub fn runs_commands(&self) -> bool {
        self.steps
            .iter()
            .any(|step| step.action.any(&Action::runs_command))
    }

    /// Returns whether a step needs the host to act on the machine.
    pub fn asks_host(&self) -> bool {
        self.steps
            .iter()
            .any(|step| step.action.any(&Action::asks_host))
    }

    /// Returns whether a step suspends the machine to RAM (ACPI's S3).
    pub fn suspends_to_ram(&self) -> bool {
        self.steps
            .iter()
            .any(|step| step.action.any(&Action::suspends_to_ram))
    }

    /// Checks the plan for errors that show before a machine starts.
    pub fn check(&self) -> Result<()> {
        let mut paths = BTreeSet::new();
        for GuestFile { path, .. } in &self.files {
            let parts = || path.split('/').skip(1);
            if !path.starts_with('/')
                || parts().any(|part| matches!(part, "" | "." | ".."))
                || path.contains('\0')
            {
                return Err(wrong(
                    format_args!("file {path:?}"),
                    "a plain path in the guest, such as /edu.ko",
                    "another",
                    "write it from / on, without empty parts, `.` and `..`",
                ));
            }
            // The kernel's file systems are mounted over these paths and would hide a file there.
            let taken = [INIT_PATH, JOB_PATH, WAIT_PATH].contains(&path.as_str())
                || matches!(parts().next(), Some("dev" | "proc" | "sys"));
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
        for alias in &self.aliases {
            among(&format!("alias {:?}", alias.pattern), &alias.module, &paths)?;
        }
        let mut check = Check::new(&paths);
        for (number, step) in self.steps.iter().enumerate() {
            let place = format!("step {:?}", step.name);
            let last = number + 1 == self.steps.len();
            check.step(&place, &step.action, last, step.fails.is_some())?;
            for (field, patterns) in [("expect", &step.expect), ("never", &step.never)] {
                for pattern in patterns {
                    regex(&format!("{place}, `{field}`"), pattern)?;
                }
            }
            if let Some(name) = step.needs_config.iter().find(|name| !is_option(name)) {
                return Err(wrong(
                    format_args!("{place}, `needs-config`"),
                    "the kernel's options by their names without CONFIG_",
                    format_args!("{name:?}"),
                    "write it as in DEBUG_KMEMLEAK",
                ));
            }
        }
        check.end()?;
        if let Some(pattern) = &self.expect_problem {
            regex("`expect-problem`", pattern)?;
        }
        if let Some(pattern) = &self.expect_after {
            regex("`expect-after`", pattern)?;
            if self.expect_problem.is_none() {
                return Err(wrong(
                    "`expect-after`",
                    "`expect-problem` in the same step",
                    "none",
                    "say which problem the message comes after",
                ));
            }
        }
        Ok(())
    }
}

/// Returns whether this can be an option's name in a `.config`, without its prefix.
fn is_option(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with("CONFIG_")
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
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
    fn every_action_is_read_as_it_is_written() {
        let text = r#"
            expect-problem = "Oops"
            files = [{ path = "/a.ko", source = "x/a.ko" }, { path = "/guest", source = "x/guest" }]
            aliases = [{ pattern = "pci:*", module = "/a.ko" }]
            steps = [
                { name = "1", load = "/a.ko", params = "n=1", expect = ["a"], fails = "EBUSY", timeout-s = 3 },
                { name = "2", load-by-alias = "pci:1234:11e8#1" },
                { name = "3", unload = "a", fails = 11 },
                { name = "4", wait-bound = "pci:1234:11e8", driver = "a" },
                { name = "5", wait-unbound = "platform/a" },
                { name = "6", unbind = "platform/a" },
                { name = "7", bind = "platform/a", driver = "a" },
                { name = "8", write = "/a", data = "1" },
                { name = "9", read = "/a", equals = "1", holds = "1", lacks = "2" },
                { name = "10", exists = "/a" },
                { name = "11", absent = "/b" },
                { name = "12", expect = ["b"], exactly = true, never = ["c"] },
                { name = "13", sleep-ms = 5 },
                { name = "14", wait-gone = "pci:1234:11e8" },
                { name = "15", remove = "pci:1234:11e8" },
                { name = "16", rescan = true },
                { name = "17", repeat = 3, torture = 9, quiet = true, actions = [{ rescan = true }, { sleep-ms = 1 }] },
                { name = "18", unplug = "edu1" },
                { name = "19", surprise-unplug = "pci:1234:11e8" },
                { name = "20", plug = "edu,bus=port1,id=edu1" },
                { name = "21", monitor = "query-status", arguments = { a = 1, b = { c = "x" } } },
                { name = "22", monitor-line = "info pci", prints = "edu" },
                { name = "23", exec = ["a", "b"] },
                { name = "24", spawn = ["a", "b"], as = "x" },
                { name = "25", join = "x" },
                { name = "26", kmemleak = "clear", needs-config = ["DEBUG_KMEMLEAK"] },
                { name = "27", fail-allocations = { load = "a" }, at-least = 5, spares = "f" },
                { name = "28", count-allocations = { load = "a" }, module = "a", at-most = 1 },
                { name = "29", suspend = "mem", test = "devices" },
                { name = "30", devices-bound = ["pci:1af4:1110"] },
                { name = "31", shutdown = "reboot" },
            ]
        "#;
        let plan = plan(text);
        plan.check().unwrap();
        assert_eq!(plan.steps.len(), 31);
        assert_eq!(plan.steps[0].timeout_s, 3);
        assert_eq!(plan.steps[2].fails, Some(Errno(libc::EAGAIN)));
        assert_eq!(
            toml::from_str::<Plan>(&toml::to_string(&plan).unwrap()).unwrap(),
            plan
        );
        assert_eq!(
            serde_json::from_str::<Plan>(&serde_json::to_string(&plan).unwrap()).unwrap(),
            plan
        );
    }

    #[test]
    fn messages_have_little_time_after_an_action_that_has_ended() {
        let seconds = |action: &str, timeout: u64| {
            let text = format!("steps = [{{ name = \"1\", {action}, timeout-s = {timeout} }}]");
            plan(&text).steps[0].message_seconds()
        };
        assert_eq!(seconds(r#"bind = "pci:1:2", driver = "a""#, 60), 10);
        assert_eq!(seconds(r#"exec = ["a"]"#, 240), 40);
        assert_eq!(seconds(r#"exec = ["a"]"#, 30), 10);
        assert_eq!(seconds(r#"exec = ["a"]"#, 5), 5);
        for action in [
            r#"expect = ["a"]"#,
            "sleep-ms = 1",
            r#"spawn = ["a"], as = "x""#,
            r#"unplug = "edu1""#,
            r#"surprise-unplug = "pci:1:2""#,
            r#"repeat = 2, actions = [{ plug = "edu" }]"#,
        ] {
            assert_eq!(seconds(action, 60), 60, "{action}");
        }
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        for step in [
            r#"{ name = "1", sleep-ms = 5, s = 1 }"#,
            r#"{ name = "1", sleep-ms = 5, expects = ["a"] }"#,
            r#"{ name = "1", doze-ms = 5 }"#,
        ] {
            assert!(
                toml::from_str::<Plan>(&format!("steps = [{step}]")).is_err(),
                "{step}"
            );
        }
    }

    #[test]
    fn a_step_without_its_module_is_refused() {
        let text = refused(&plan(r#"steps = [{ name = "one", load = "/a.ko" }]"#));
        assert!(
            text.contains("step \"one\"") && text.contains("/a.ko") && text.contains("no files"),
            "{text}"
        );
        refused(&plan(r#"aliases = [{ pattern = "*", module = "/a.ko" }]"#));
    }

    #[test]
    fn a_step_is_left_out_where_the_kernel_lacks_what_it_needs() {
        let text = |needs: &str| {
            format!(
                r#"steps = [
                    {{ name = "one", timeout-s = 90 }},
                    {{ name = "two", needs-config = ["{needs}"] }},
                    {{ name = "three", timeout-s = 1 }},
                ]"#
            )
        };
        let mut whole = plan(&text("FAILSLAB"));
        whole.check().unwrap();
        assert_eq!(whole.extra_seconds(), 30);
        let mut slow = whole.clone();
        slow.slow(2);
        let seconds: Vec<u64> = slow.steps.iter().map(|step| step.timeout_s).collect();
        assert_eq!(seconds, [180, 2 * STEP_SECONDS, 2]);
        assert!(whole.leave_out(|name| name == "FAILSLAB").is_empty());
        let left_out = whole.leave_out(|_| false);
        assert_eq!(
            left_out,
            [LeftOut {
                before: 1,
                name: "two".into(),
                lacks: vec!["FAILSLAB".into()]
            }]
        );
        assert_eq!(whole.steps.len(), 2);
        assert!(refused(&plan(&text("CONFIG_FAILSLAB"))).contains("without CONFIG_"));
    }

    #[test]
    fn a_wrong_pattern_is_refused() {
        for field in ["expect", "never"] {
            let step = format!(r#"{{ name = "one", {field} = ["a(b"] }}"#);
            let text = refused(&plan(&format!("steps = [{step}]")));
            assert!(text.contains("a(b") && text.contains(field), "{text}");
        }
        refused(&plan(r#"expect-problem = "*""#));
    }

    #[test]
    fn a_path_that_the_guest_could_not_see_is_refused() {
        for path in [
            "a.ko", "/", "/../a.ko", "/a//b", "/init", "/dev", "/dev/a", "/sys/a", "",
        ] {
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
