// SPDX-License-Identifier: GPL-2.0-only
//! The version string: `check_modinfo` in `kernel/module/main.c` refuses a module whose `vermagic`
//! differs from the kernel's.
//!
//! `include/linux/vermagic.h` builds it from the release and four options.

use super::Subject;
use super::modinfo;
use super::report::{Seen, Violations};
use linux_driver_kernels::Config;

pub(super) fn run(subject: &Subject<'_>, violations: &mut Violations<'_>) -> Seen {
    let kernel = subject.kernel;
    let expected = expected(kernel.config, kernel.release);
    let found = modinfo::first(subject.modinfo, "vermagic");
    if !found.is_some_and(|found| {
        expected
            .iter()
            .any(|expected| matches(kernel.config, expected, found))
    }) {
        violations.add(
            ".modinfo",
            format_args!("vermagic={}", expected[0]),
            found.map_or("no vermagic".to_owned(), |found| {
                format!("vermagic={found}")
            }),
            "build the module against the build tree of the kernel that will load it",
        );
    }
    Seen::Things(1)
}

/// Returns the version strings that a kernel of this release and configuration can have, mostly
/// one.
pub(crate) fn expected(config: &Config, release: &str) -> Vec<String> {
    let when = |option: &str, word: &'static str| if config.is_set(option) { word } else { "" };
    // If both are set, kernels up to 6.12 use "preempt" and later ones "preempt_rt".
    let preempt: Vec<&str> = [
        ("CONFIG_PREEMPT_RT", "preempt_rt "),
        ("CONFIG_PREEMPT_BUILD", "preempt "),
    ]
    .into_iter()
    .filter_map(|(option, word)| config.is_set(option).then_some(word))
    .collect();
    let smp = when("CONFIG_SMP", "SMP ");
    let unload = when("CONFIG_MODULE_UNLOAD", "mod_unload ");
    let versions = when("CONFIG_MODVERSIONS", "modversions ");
    let preempt = if preempt.is_empty() {
        vec![""]
    } else {
        preempt
    };
    preempt
        .iter()
        .map(|preempt| format!("{release} {smp}{preempt}{unload}{versions}"))
        .collect()
}

fn matches(config: &Config, expected: &str, found: &str) -> bool {
    found.strip_prefix(expected).is_some_and(|rest| {
        rest.is_empty() || (is_randomised(config) && rest.starts_with("RANDSTRUCT_"))
    })
}

/// Returns whether the layout of structures is randomised. The version string then contains a hash
/// of the seed, which only the kernel's own build knows.
pub(crate) fn is_randomised(config: &Config) -> bool {
    config.any_set(&[
        "CONFIG_RANDSTRUCT",
        "CONFIG_GCC_PLUGIN_RANDSTRUCT",
        "CONFIG_RANDSTRUCT_FULL",
        "CONFIG_RANDSTRUCT_PERFORMANCE",
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::testing::Module;

    #[test]
    fn each_option_has_its_word() {
        let config = Config::parse(
            "CONFIG_SMP=y\nCONFIG_PREEMPT_BUILD=y\nCONFIG_MODULE_UNLOAD=y\nCONFIG_MODVERSIONS=y\n",
        );
        assert_eq!(
            expected(&config, "6.12.1"),
            ["6.12.1 SMP preempt mod_unload modversions "]
        );
        assert_eq!(expected(&Config::parse(""), "6.12.1"), ["6.12.1 "]);
        let both = Config::parse("CONFIG_PREEMPT_BUILD=y\nCONFIG_PREEMPT_RT=y\n");
        assert_eq!(
            expected(&both, "6.12.1"),
            ["6.12.1 preempt_rt ", "6.12.1 preempt "]
        );
    }

    #[test]
    fn a_random_layout_adds_its_hash() {
        let config = Config::parse("CONFIG_RANDSTRUCT=y\n");
        assert!(matches(&config, "6.12.1 ", "6.12.1 RANDSTRUCT_0123"));
        assert!(!matches(
            &Config::parse(""),
            "6.12.1 ",
            "6.12.1 RANDSTRUCT_0123"
        ));
    }

    #[test]
    fn another_kernels_module_is_found() {
        assert_eq!(Module::good().check().of("vermagic"), []);
        for (vermagic, found) in [
            (
                Some("6.1.0 SMP preempt mod_unload "),
                "vermagic=6.1.0 SMP preempt mod_unload ",
            ),
            (None, "no vermagic"),
        ] {
            let report = Module::good().modinfo("vermagic", vermagic).check();
            assert_eq!(report.only("vermagic").found, found);
        }
    }
}
