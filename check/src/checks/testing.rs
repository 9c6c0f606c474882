// SPDX-License-Identifier: GPL-2.0-only
//! Modules for the tests of the checks: a good one in assembly, to which a test adds one error.

use std::fmt::Write;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

use linux_driver_abi::symvers::Symvers;
use linux_driver_kernels::Config;
use tempfile::TempDir;

use super::{Expectations, Report, Rules, Violation, check_against};

const RELEASE: &str = "6.12.0-test";

const CONFIG: &str = "CONFIG_X86_64=y
CONFIG_SMP=y
CONFIG_PREEMPT_BUILD=y
CONFIG_MODULE_UNLOAD=y
CONFIG_X86_KERNEL_IBT=y
CONFIG_CALL_PADDING=y
CONFIG_FUNCTION_PADDING_BYTES=16
CONFIG_MITIGATION_RETPOLINE=y
CONFIG_MITIGATION_RETHUNK=y
CONFIG_OBJTOOL=y
CONFIG_UNWINDER_ORC=y
";

/// Returns the exports of the tests' kernel.
pub(crate) fn symvers() -> Symvers {
    let mut text = String::from(
        "0x22222222\tgpl_only\tvmlinux\tEXPORT_SYMBOL_GPL\t\n0x33333333\t__x86_return_thunk\tvmlinux\tEXPORT_SYMBOL\t\n\
         0x44444444\tin_namespace\tvmlinux\tEXPORT_SYMBOL\tDMA_BUF\n0x55555555\tfor_good\tvmlinux\tEXPORT_SYMBOL\tmodule:kvm,goo*\n\
         0x66666666\tfor_kvm\tvmlinux\tEXPORT_SYMBOL\tmodule:kvm\n0x77777777\tpv_ops\tvmlinux\tEXPORT_SYMBOL\t\n",
    );
    for name in [
        "printk",
        "__x86_indirect_thunk_rax",
        "__x86_indirect_thunk_r11",
    ] {
        writeln!(text, "0x11111111\t{name}\tvmlinux\tEXPORT_SYMBOL\t").unwrap();
    }
    Symvers::parse(&text, "test").unwrap()
}

/// Assembles `body` into an object.
pub(crate) fn object(dir: &Path, name: &str, body: &str) -> PathBuf {
    let (source, object) = (dir.join(format!("{name}.s")), dir.join(format!("{name}.o")));
    fs::write(&source, body).unwrap();
    let mut gcc = Command::new("gcc");
    linux_driver_host::process::run(gcc.arg("-c").arg(&source).arg("-o").arg(&object)).unwrap();
    object
}

/// A module that is not assembled yet.
pub(crate) struct Module {
    config: String,
    modinfo: Vec<(String, Option<String>)>,
    finished: bool,
    orc: bool,
    body: String,
}

impl Module {
    /// Returns a module without errors.
    pub(crate) fn good() -> Self {
        let vermagic = format!("{RELEASE} SMP preempt mod_unload ");
        let modinfo = [
            ("license", "GPL"),
            ("author", "A. Tester"),
            ("description", "A test"),
            ("name", "good"),
            ("depends", ""),
            ("retpoline", "Y"),
            ("vermagic", &vermagic),
        ];
        let modinfo = modinfo
            .map(|(tag, value)| (tag.to_owned(), Some(value.to_owned())))
            .to_vec();
        Self {
            config: CONFIG.to_owned(),
            modinfo,
            finished: true,
            orc: true,
            body: String::new(),
        }
    }

    /// Returns a module that modpost has not processed.
    pub(crate) fn unfinished() -> Self {
        Self {
            finished: false,
            ..Self::good()
        }
    }

    /// Removes the unwind data that objtool adds.
    pub(crate) fn without_orc(mut self) -> Self {
        self.orc = false;
        self
    }

    /// Replaces the configuration line of the same option by this line.
    pub(crate) fn config(mut self, line: &str) -> Self {
        let option = line
            .trim_start_matches("# ")
            .split([' ', '='])
            .next()
            .unwrap();
        let kept: Vec<&str> = self
            .config
            .lines()
            .filter(|old| old.split('=').next() != Some(option))
            .collect();
        self.config = format!("{}\n{line}\n", kept.join("\n"));
        self
    }

    /// Sets the value of a tag, or removes the tag.
    pub(crate) fn modinfo(mut self, tag: &str, value: Option<&str>) -> Self {
        self.modinfo.retain(|(old, _)| old != tag);
        self.modinfo
            .push((tag.to_owned(), value.map(str::to_owned)));
        self
    }

    /// Adds a function as the kernel expects it, which executes `text` first.
    pub(crate) fn text(self, name: &str, text: &str) -> Self {
        self.bare(name, &format!("endbr64\n{text}\n99: jmp __x86_return_thunk\n.pushsection .return_sites,\"a\"\n.long 99b - .\n.popsection"))
    }

    /// Adds a function with padding, unwind data and only `text`.
    pub(crate) fn bare(mut self, name: &str, text: &str) -> Self {
        write!(
            self.body,
            ".text\n.zero 16, 0x90\n.globl {name}\n.type {name}, @function\n{name}:\n{text}\n.size {name}, . - {name}\n"
        )
        .unwrap();
        self.orc(name, true)
    }

    /// Adds a range of unwind data that starts at this label.
    pub(crate) fn orc(mut self, label: &str, defined: bool) -> Self {
        if self.orc {
            let entry = if defined {
                "8, 0, 0, 0, 5, 2"
            } else {
                "0, 0, 0, 0, 0, 0"
            };
            write!(
                self.body,
                ".section .orc_unwind_ip,\"a\"\n.long {label} - .\n.section .orc_unwind,\"a\"\n.byte {entry}\n"
            )
            .unwrap();
        }
        self
    }

    /// Adds this assembly.
    pub(crate) fn raw(mut self, text: &str) -> Self {
        self.body.push_str(text);
        self
    }

    /// Assembles the module into a file.
    pub(crate) fn build(&self) -> Built {
        let mut text = String::new();
        if self.finished {
            text.push_str(".section .modinfo,\"a\"\n");
            for (tag, value) in &self.modinfo {
                if let Some(value) = value {
                    writeln!(text, ".asciz \"{tag}={value}\"").unwrap();
                }
            }
            text.push_str(".section .gnu.linkonce.this_module,\"aw\"\n.globl __this_module\n.type __this_module, @object\n__this_module: .zero 64\n");
        }
        text.push_str(&self.body);
        let dir = tempfile::tempdir().unwrap();
        let path = object(dir.path(), "good", &text);
        Built { path, _dir: dir }
    }

    /// Checks the module for the kernel of the tests.
    pub(crate) fn check(&self) -> Checked {
        self.check_expecting(&Expectations::default())
    }

    /// Checks the module with these expectations.
    pub(crate) fn check_expecting(&self, expect: &Expectations) -> Checked {
        let built = self.build();
        let kernel = Rules {
            config: &Config::parse(&self.config),
            symvers: &symvers(),
            release: RELEASE,
        };
        Checked(check_against(built.path(), kernel, expect).unwrap())
    }

    /// Checks another file as if it were this module.
    pub(crate) fn check_file(&self, path: &Path) -> linux_driver_host::Result<Report> {
        let kernel = Rules {
            config: &Config::parse(&self.config),
            symvers: &symvers(),
            release: RELEASE,
        };
        check_against(path, kernel, &Expectations::default())
    }
}

/// A module in a temporary folder, which is removed when the value is dropped.
pub(crate) struct Built {
    path: PathBuf,
    _dir: TempDir,
}

impl Built {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// A report with methods for the tests.
pub(crate) struct Checked(Report);

impl Checked {
    /// Returns the violations of this check.
    pub(crate) fn of(&self, check: &str) -> Vec<Violation> {
        self.ran(check);
        self.violations
            .iter()
            .filter(|violation| violation.check == check)
            .cloned()
            .collect()
    }

    /// Returns the only violation of this check.
    pub(crate) fn only(&self, check: &str) -> &Violation {
        let mut found = self
            .violations
            .iter()
            .filter(|violation| violation.check == check);
        match (found.next(), found.next()) {
            (Some(violation), None) => violation,
            _ => panic!("not one violation of {check}:\n{}", self.0),
        }
    }

    /// Returns the number of things that this check looked at.
    pub(crate) fn looked_at(&self, check: &str) -> usize {
        self.ran(check).looked_at
    }

    fn ran(&self, check: &str) -> &super::Ran {
        self.checks
            .iter()
            .find(|ran| ran.check == check)
            .unwrap_or_else(|| panic!("no check {check}"))
    }
}

impl Deref for Checked {
    type Target = Report;

    fn deref(&self) -> &Report {
        &self.0
    }
}

impl std::fmt::Display for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
