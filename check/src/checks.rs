// SPDX-License-Identifier: GPL-2.0-only
//! The check of a built module, before anything loads it. It finds what the kernel's loader would
//! refuse, what the kernel would warn about, and what would do harm after the load.
//!
//! [`check`] looks at a `.ko` and the build tree of its kernel. [`undefined`] and [`rust_object`]
//! look at objects before they are linked into a module. Each check is one file and one entry of
//! the table `CHECKS`. Its demands follow from the kernel's configuration. A [`Report`] gives for
//! each check the number of things that it looked at. A check that had nothing to look at says why,
//! and never counts as good.

use std::path::Path;

use linux_driver_abi::symvers::Symvers;
use linux_driver_host::{Error, Result, fs};
use linux_driver_kernels::BuildTree;
use linux_driver_kernels::Config;

mod elf;
mod endbr;
pub(crate) mod facts;
mod instructions;
mod kind;
mod modinfo;
mod names;
mod orc;
mod padding;
mod relocations;
mod report;
mod retpolines;
mod returns;
mod rust_object;
mod sections;
mod sites;
mod size;
mod stack;
mod symbols;
#[cfg(test)]
pub(crate) mod testing;
mod text;
mod vermagic;
mod versions;

pub use modinfo::{ModInfo, modinfo};
pub use report::{Ran, Report, Violation};
pub use rust_object::rust_object;
pub use size::{LoadedSection, LoadedSize, Part, loaded_size};
pub use symbols::undefined;
pub(crate) use symbols::{is_for_module, is_gpl_compatible};
pub(crate) use vermagic::{expected as expected_vermagic, is_randomised};

use elf::Object;
use report::{Seen, Violations};

/// The rules of a kernel: the facts that a module is checked against.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Its configuration.
    pub config: &'a Config,
    /// The symbols that it exports.
    pub symvers: &'a Symvers,
    /// Its release, as `uname -r` prints it.
    pub release: &'a str,
}

/// The properties that this module must have, beyond those of every module.
#[derive(Debug, Clone, Default)]
pub struct Expectations {
    /// The buses for which it must have a table of device IDs, as the prefix of their aliases:
    /// "pci", "of", "acpi".
    pub id_tables: Vec<String>,
}

/// Everything that a check can look at.
struct Subject<'a> {
    object: &'a Object<'a>,
    modinfo: &'a ModInfo,
    kernel: Rules<'a>,
    expect: &'a Expectations,
}

/// A check: its name, the things that it looks at, and its function.
struct Check {
    name: &'static str,
    of: &'static str,
    run: fn(&Subject<'_>, &mut Violations<'_>) -> Seen,
}

/// The checks, in the order in which the loader would meet their violations.
const CHECKS: &[Check] = &[
    Check {
        name: "sections",
        of: "sections",
        run: sections::run,
    },
    Check {
        name: "vermagic",
        of: "version strings",
        run: vermagic::run,
    },
    Check {
        name: "modinfo",
        of: "entries of .modinfo",
        run: modinfo::run,
    },
    Check {
        name: "symbols",
        of: "undefined symbols",
        run: symbols::run,
    },
    Check {
        name: "versions",
        of: "checksums of symbols",
        run: versions::run,
    },
    Check {
        name: "relocations",
        of: "relocations in loaded sections",
        run: relocations::run,
    },
    Check {
        name: "instructions",
        of: "instructions",
        run: instructions::run,
    },
    Check {
        name: "endbr",
        of: "functions whose address is taken",
        run: endbr::run,
    },
    Check {
        name: "returns",
        of: "returns",
        run: returns::run,
    },
    Check {
        name: "retpolines",
        of: "indirect calls and jumps",
        run: retpolines::run,
    },
    Check {
        name: "orc",
        of: "functions",
        run: orc::run,
    },
    Check {
        name: "padding",
        of: "functions",
        run: padding::run,
    },
    Check {
        name: "stack",
        of: "stack frames",
        run: stack::run,
    },
];

/// Checks the module `ko` against the kernel that it was built for.
pub fn check(ko: &Path, tree: &BuildTree, expect: &Expectations) -> Result<Report> {
    let symvers = Symvers::read(&tree.symvers())?;
    let release = uts_release(tree)?;
    check_against(
        ko,
        Rules {
            config: &tree.config,
            symvers: &symvers,
            release: &release,
        },
        expect,
    )
}

/// Checks the module `ko` against these facts of a kernel.
pub fn check_against(ko: &Path, kernel: Rules<'_>, expect: &Expectations) -> Result<Report> {
    if !kernel.config.is_set("CONFIG_X86_64") {
        return Err(Error::new(
            ko.display(),
            "a kernel for x86-64 (CONFIG_X86_64=y), the only architecture that the checks know",
            "a configuration without it",
            "check the module against the build tree of an x86-64 kernel",
        ));
    }
    let data = elf::read(ko)?;
    run(ko, &data, kernel, expect, |_| true)
}

/// Runs the checks that are `wanted` by name on the x86-64 module `ko`, whose bytes are `data`.
pub(crate) fn run(
    ko: &Path,
    data: &[u8],
    kernel: Rules<'_>,
    expect: &Expectations,
    wanted: impl Fn(&str) -> bool,
) -> Result<Report> {
    let object = Object::parse(ko, data)?;
    let modinfo = modinfo::of(&object);
    let subject = Subject {
        object: &object,
        modinfo: &modinfo,
        kernel,
        expect,
    };
    let mut report = Report {
        file: ko.to_owned(),
        checks: Vec::new(),
        violations: Vec::new(),
    };
    for check in CHECKS.iter().filter(|check| wanted(check.name)) {
        let seen = (check.run)(
            &subject,
            &mut Violations::of(check.name, &mut report.violations),
        );
        let (looked_at, idle) = match seen {
            Seen::Things(count) => (count, None),
            Seen::Idle(why) => (0, Some(why)),
        };
        report.checks.push(Ran {
            check: check.name,
            of: check.of,
            looked_at,
            idle,
        });
    }
    Ok(report)
}

/// Returns the release that the kernel's C code is compiled with (`UTS_RELEASE`).
fn uts_release(tree: &BuildTree) -> Result<String> {
    let path = tree.dir.join("include/generated/utsrelease.h");
    if !path.is_file() {
        return Ok(tree.release.clone());
    }
    let text = fs::read_to_string(&path)?;
    let release = text
        .lines()
        .find_map(|line| line.strip_prefix("#define UTS_RELEASE "));
    release
        .map(|release| release.trim().trim_matches('"').to_owned())
        .ok_or_else(|| {
            Error::new(
                path.display(),
                "`#define UTS_RELEASE \"…\"`",
                "no such line",
                "prepare the kernel tree again (`make modules_prepare`)",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::testing::Module;
    use super::*;

    #[test]
    fn a_good_module_passes_every_check() {
        let module = Module::good().config("CONFIG_MODVERSIONS=y").modinfo(
            "vermagic",
            Some("6.12.0-test SMP preempt mod_unload modversions "),
        );
        let report = module
            .text("f", "leaq f(%rip), %rax\n0: call __x86_indirect_thunk_rax\n.pushsection .retpoline_sites,\"a\"\n.long 0b - .\n.popsection")
            .raw(".section __versions,\"a\"\n.quad 0x33333333\n.ascii \"__x86_return_thunk\"\n.zero 38\n.quad 0x11111111\n.ascii \"__x86_indirect_thunk_rax\"\n.zero 32\n")
            .check();
        assert!(report.passed(), "{report}");
        assert_eq!(report.idle().count(), 0, "{report}");
        assert_eq!(report.checks.len(), CHECKS.len());
    }

    #[test]
    fn a_check_that_looked_at_nothing_says_so() {
        let report = Module::good().check();
        let idle = report.idle().find(|ran| ran.check == "endbr").unwrap();
        assert_eq!(
            idle.idle.as_deref(),
            Some("the module takes no function's address")
        );
        assert!(
            report
                .to_string()
                .contains("endbr         did not apply: the module takes no function's address"),
            "{report}"
        );
        let json = serde_json::to_value(&*report).unwrap();
        assert_eq!(
            json["checks"][7]["idle"],
            "the module takes no function's address"
        );
    }

    #[test]
    fn another_architectures_kernel_is_refused() {
        let module = Module::good().config("# CONFIG_X86_64 is not set");
        let built = module.build();
        assert!(
            module
                .check_file(built.path())
                .unwrap_err()
                .to_string()
                .contains("CONFIG_X86_64")
        );
    }

    #[test]
    fn the_tree_gives_the_kernels_facts() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("include/generated")).unwrap();
        fs::write(
            dir.path().join("Module.symvers"),
            "0x00000000\t__x86_return_thunk\tvmlinux\tEXPORT_SYMBOL\t\n",
        )
        .unwrap();
        let config = Config::parse("CONFIG_X86_64=y\n");
        let tree = BuildTree {
            dir: dir.path().to_owned(),
            release: "6.12.0".to_owned(),
            arch: "x86".to_owned(),
            config,
        };
        let module = Module::good()
            .modinfo("vermagic", Some("6.12.0-generated "))
            .text("f", "nop");
        let built = module.build();
        let expected = |tree| {
            check(built.path(), tree, &Expectations::default())
                .unwrap()
                .violations
        };
        assert_eq!(expected(&tree)[0].expected, "vermagic=6.12.0 ");
        fs::write(
            dir.path().join("include/generated/utsrelease.h"),
            "#define UTS_RELEASE \"6.12.0-generated\"\n",
        )
        .unwrap();
        assert_eq!(expected(&tree), []);
    }
}
