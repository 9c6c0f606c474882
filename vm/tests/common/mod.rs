// SPDX-License-Identifier: GPL-2.0-only
//! Helpers of the tests that boot real kernels.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use linux_driver_vm::{Action, Device, Machine, Outcome, Plan, Report, Step, init_program, run};

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

const IMAGES: &str = "LINUX_DRIVER_TEST_IMAGES";

pub fn images() -> Vec<PathBuf> {
    let images = std::env::var_os(IMAGES).filter(|value| !value.is_empty());
    let images = images.unwrap_or_else(|| {
        panic!("set {IMAGES} to kernel images (vmlinuz) to boot, with colons between them")
    });
    std::env::split_paths(&images).collect()
}

pub fn first_image() -> PathBuf {
    images().swap_remove(0)
}

/// Returns a machine with this kernel. It boots the unpacked kernel if there is one beside the
/// image, as in the cache of `cargo xtask`.
pub fn machine(image: &Path) -> Machine {
    let mut machine = Machine::new(image);
    let unpacked = image.with_file_name("vmlinux");
    machine.unpacked = unpacked.is_file().then_some(unpacked);
    machine
}

pub fn init() -> &'static Path {
    static INIT: OnceLock<PathBuf> = OnceLock::new();
    INIT.get_or_init(|| {
        let manifest = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
        init_program::build(manifest, None).unwrap_or_else(|e| panic!("{e}"))
    })
}

pub fn guest() -> &'static Path {
    static GUEST: OnceLock<PathBuf> = OnceLock::new();
    GUEST.get_or_init(|| {
        let manifest = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
        init_program::build_guest(manifest, None).unwrap_or_else(|e| panic!("{e}"))
    })
}

pub fn boot(machine: &Machine, plan: &Plan) -> Report {
    let mut seen = Vec::new();
    let init = init();
    let report = run(machine, plan, init, &mut |step| {
        seen.push(step.name.clone())
    })
    .unwrap_or_else(|e| panic!("{e}"));
    let ended: Vec<&str> = report
        .steps
        .iter()
        .filter(|step| step.outcome != Outcome::NotRun && !step.detail.ends_with("during the step"))
        // The step that ends the machine is judged only at the end of the run.
        .take(
            plan.steps
                .iter()
                .filter(|step| !matches!(step.action, Action::Shutdown { .. }))
                .count(),
        )
        .map(|step| step.name.as_str())
        .collect();
    assert_eq!(seen, ended, "each step that ended is told as it ends");
    report
}

pub fn steps(actions: impl IntoIterator<Item = Action>) -> Plan {
    let steps = actions
        .into_iter()
        .enumerate()
        .map(|(number, action)| Step::new(format!("step {number}"), action));
    Plan {
        steps: steps.collect(),
        ..Plan::default()
    }
}

pub fn device(text: &str) -> Device {
    text.parse().unwrap()
}

pub fn write(path: &str, data: &str) -> Action {
    Action::Write {
        path: path.into(),
        data: data.into(),
    }
}

pub fn read(path: &str, equals: Option<&str>) -> Action {
    Action::Read {
        path: path.into(),
        equals: equals.map(str::to_owned),
        until: None,
        holds: None,
        lacks: None,
    }
}

/// Checks that the run of the plan passed without a problem.
pub fn passed(image: &Path, report: &Report) {
    for step in &report.steps {
        eprintln!(
            "{:?} {} {:.1} s {}",
            step.outcome, step.name, step.seconds, step.detail
        );
    }
    let failed: Vec<_> = report
        .steps
        .iter()
        .filter(|step| step.outcome == Outcome::Failed)
        .collect();
    assert!(
        report.passed(),
        "{}: {failed:#?}\n{:#?}",
        image.display(),
        report.problems
    );
}
