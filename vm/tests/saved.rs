// SPDX-License-Identifier: GPL-2.0-only
//! Runs that resume a saved boot of a real kernel. `LINUX_DRIVER_TEST_IMAGES` lists the kernels,
//! separated by colons.

mod common;

use std::fs;
use std::path::Path;

use common::{device, first_image, images, init, passed, read, steps, write};
use linux_driver_vm::{
    Action, Boot, Boots, Ending, GuestFile, Machine, Outcome, Plan, Readiness, Report, Step,
};

/// A setting of the kernel that a run can change.
const SETTING: &str = "/proc/sys/kernel/panic_on_oops";

/// Returns a machine with two devices: QEMU saves the registers of only one of them.
fn machine(image: &Path) -> Machine {
    let mut machine = common::machine(image);
    machine.devices = ["edu", "pci-serial"].map(str::to_owned).to_vec();
    // With KVM, no boot is saved.
    machine.kvm = false;
    machine
}

fn run(boots: &Boots, machine: &Machine, plan: &Plan) -> Report {
    boots
        .run(machine, plan, init(), &mut |_| {})
        .unwrap_or_else(|e| panic!("{e}"))
}

/// Returns an action that checks the address of the BAR of `edu` in QEMU. The firmware set that
/// address before the machine was saved.
fn registers() -> Action {
    Action::MonitorLine {
        line: "info pci".into(),
        prints: Some("(?s)PCI device 1234:11e8.*?BAR0: 32 bit memory at 0x[0-9a-f]{8} ".into()),
    }
}

#[test]
fn each_run_starts_with_a_fresh_kernel() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("file");
    fs::write(&source, "contents\n").unwrap();
    for image in images() {
        let machine = machine(&image);
        let boots = Boots::new().unwrap();
        let boot = Boot::of(&machine, &steps([registers()]));
        (0..3).for_each(|_| boots.expect(&boot));
        assert_eq!(boots.readiness(&boot), Readiness::Boots);
        let changes = Plan {
            files: vec![GuestFile {
                path: "/etc/deep/file".into(),
                source: source.clone(),
            }],
            steps: vec![
                Step::new("the job's file", read("/etc/deep/file", Some("contents"))),
                Step::new("as the kernel starts", read(SETTING, Some("0"))),
                Step::new("changed", write(SETTING, "1")),
                Step::new("the BAR has its address", registers()),
                Step::new(
                    "the other device is bound",
                    Action::WaitBound {
                        device: device("pci:1b36:0002"),
                        driver: "serial".into(),
                    },
                ),
            ],
            ..Plan::default()
        };
        // Each run changes the kernel, and the next run still finds the original state.
        for _ in 0..2 {
            let report = run(&boots, &machine, &changes);
            passed(&image, &report);
            assert_eq!(report.ending, Ending::PoweredOff);
            // The early console, which repeats the first lines, is off by then.
            let started = |line: &String| line.contains("Run /init as init process");
            assert_eq!(
                report.console.iter().filter(|line| started(line)).count(),
                1,
                "the boot is a part of each run"
            );
            assert_eq!(boots.readiness(&boot), Readiness::Ready);
        }
        let last = Plan {
            steps: vec![
                Step::new("another plan", read(SETTING, Some("0"))),
                Step::new(
                    "without the other's file",
                    Action::Absent {
                        path: "/etc/deep".into(),
                    },
                ),
                Step::new("the BAR has its address", registers()),
            ],
            ..Plan::default()
        };
        passed(&image, &run(&boots, &machine, &last));
        assert_eq!(boots.reasons(), Vec::<String>::new(), "{}", image.display());
    }
}

#[test]
fn a_fault_stays_with_its_run() {
    let machine = machine(&first_image());
    let boots = Boots::new().unwrap();
    (0..4).for_each(|_| boots.expect(&Boot::of(&machine, &Plan::default())));
    let crash = steps([write("/proc/sysrq-trigger", "c"), Action::Expect {}]);
    let wrong = steps([read(SETTING, Some("7"))]);
    let right = steps([read(SETTING, Some("0"))]);
    let mut hangs = steps([Action::Sleep { ms: 3_600_000 }]);
    hangs.steps[0].timeout_s = 1;

    let report = run(&boots, &machine, &crash);
    assert_eq!(report.ending, Ending::Problem);
    assert_eq!(report.problems[0].step.as_deref(), Some("step 0"));
    let report = run(&boots, &machine, &wrong);
    assert!(!report.passed());
    assert_eq!(report.steps[0].outcome, Outcome::Failed);
    let report = run(&boots, &machine, &hangs);
    assert!(!report.passed());
    assert!(report.steps[0].detail.contains("did not return"));
    // The machines before this one were ended in every possible way.
    let report = run(&boots, &machine, &right);
    assert!(report.passed(), "{report:#?}");
    assert_eq!(boots.reasons(), Vec::<String>::new());
}

#[test]
fn a_machine_that_cannot_be_saved_boots_for_each_run() {
    let mut machine = machine(&first_image());
    // QEMU refuses to save this device.
    machine.devices = vec!["nvme,serial=test".into()];
    let boots = Boots::new().unwrap();
    (0..2).for_each(|_| boots.expect(&Boot::of(&machine, &Plan::default())));
    let plan = steps([read(SETTING, Some("0"))]);
    for _ in 0..2 {
        assert!(run(&boots, &machine, &plan).passed());
    }
    let [why] = boots.reasons().try_into().unwrap();
    assert!(why.contains("nvme") || why.contains("migrat"), "{why}");
}

#[test]
fn no_boot_is_saved_for_a_single_run() {
    let machine = machine(&first_image());
    let boots = Boots::new().unwrap();
    let boot = Boot::of(&machine, &Plan::default());
    boots.expect(&boot);
    assert_eq!(boots.readiness(&boot), Readiness::Ready);
    // A machine that boots differently has its own boot.
    let mut other = machine.clone();
    other.append = vec!["nokaslr".into()];
    assert_ne!(Boot::of(&other, &Plan::default()), boot);
    assert_ne!(Boot::of(&machine, &steps([registers()])), boot);
}
