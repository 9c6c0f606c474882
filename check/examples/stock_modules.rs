// SPDX-License-Identifier: GPL-2.0-only
//! Calibrates the checks. A kernel's own modules are good. A violation in one of them is an error
//! of the check, unless it is one of the known exceptions below.
//!
//! It needs a kernel: `STOCK_TREE` is its build tree, and `STOCK_MODULES` a folder of its modules
//! (`.ko`, not compressed).
//!
//!     STOCK_TREE=/lib/modules/RELEASE/build STOCK_MODULES=/lib/modules/RELEASE/kernel \
//!         cargo run --release -p linux-driver-check --example stock_modules

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use linux_driver_abi::symvers::Symvers;
use linux_driver_check::{Expectations, Report, Rules, Violation, check_against};
use linux_driver_kernels::BuildTree;

fn main() {
    let set = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .unwrap_or_else(|| panic!("{name} is not set"))
    };
    let tree = BuildTree::open(&set("STOCK_TREE")).unwrap();
    let symvers = Symvers::read(&tree.symvers()).unwrap();
    let kernel = Rules {
        config: &tree.config,
        symvers: &symvers,
        release: &tree.release,
    };
    let mut modules = Vec::new();
    collect(&set("STOCK_MODULES"), &mut modules);
    modules.sort();
    assert!(!modules.is_empty(), "no .ko file");

    let mut looked_at: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut known, mut unknown) = (BTreeMap::<&str, usize>::new(), 0);
    for module in &modules {
        let report = check_against(module, kernel, &Expectations::default()).unwrap();
        for ran in &report.checks {
            *looked_at.entry(ran.check).or_default() += ran.looked_at;
        }
        for violation in &report.violations {
            match exception(&report, violation) {
                Some(why) => *known.entry(why).or_default() += 1,
                None => {
                    unknown += 1;
                    println!("{}: {violation}", module.display());
                }
            }
        }
    }
    println!(
        "{} modules; looked at {looked_at:?}; known exceptions {known:?}",
        modules.len()
    );
    assert_eq!(unknown, 0, "violations in stock modules");
}

fn collect(dir: &Path, modules: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, modules);
        } else if path.extension().is_some_and(|extension| extension == "ko") {
            modules.push(path);
        }
    }
}

/// Modules that use the vector unit on purpose, between `kernel_fpu_begin` and `kernel_fpu_end`,
/// and the modules of the x86 hypervisor, which handle a guest's vector state.
const VECTOR: [&str; 9] = [
    "/arch/x86/crypto/",
    "/lib/crypto/",
    "/raid6_pq.ko",
    "/xor.ko",
    "/amdgpu.ko",
    "/kvm.ko",
    "/drm.ko",
    "/i915.ko",
    "/nf_tables.ko",
];

/// Returns why a violation in one of the kernel's own modules is right, or harmless there.
fn exception(report: &Report, violation: &Violation) -> Option<&'static str> {
    let path = report.file.to_string_lossy();
    match violation.check {
        "modinfo" if violation.expected == "author=" || violation.expected == "description=" => {
            Some("a module without an author or a description")
        }
        "instructions"
            if violation.found.starts_with('`')
                && VECTOR.iter().any(|part| path.contains(part)) =>
        {
            Some("vector code on purpose")
        }
        // arch/x86/kvm/emulate.c aligns its FASTOP functions to 16 bytes and computes their
        // addresses.
        "padding" if path.ends_with("/kvm.ko") => Some("the instruction emulator's assembly"),
        // The assembly comes from another project and starts its functions without SYM_FUNC_START.
        "padding" if path.contains("poly1305") => Some("assembly without padding"),
        // The functions are marked STACK_FRAME_NON_STANDARD: their assembly uses the frame pointer
        // for data.
        "orc" if path.ends_with("/vmwgfx.ko") => {
            Some("functions that objtool is told to leave out")
        }
        // The limit of this check is half of the kernel's (CONFIG_FRAME_WARN).
        "stack" => Some("a frame that the kernel allows"),
        _ => None,
    }
}
