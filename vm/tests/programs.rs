// SPDX-License-Identifier: GPL-2.0-only
//! Tests programs of user space that run in parallel with a plan's steps, in real kernels.
//! `LINUX_DRIVER_TEST_IMAGES` lists the kernels, separated by colons.

mod common;

use common::{boot, device, images, passed};
use linux_driver_vm::paths::GUEST_PATH;
use linux_driver_vm::{Action, Errno, GuestFile, Machine, Outcome, Plan, Step};

/// QEMU's PCI serial port. Its driver, `serial`, is built into the kernels of distributions.
const SERIAL: &str = "pci:1b36:0002";
/// The configuration space of the serial port, behind the first PCIe port of the machine.
const FILE: &str = "/sys/bus/pci/devices/0000:01:00.0/config";

fn words(words: &str) -> Vec<String> {
    words.split(' ').map(str::to_owned).collect()
}

fn exec(args: &str) -> Action {
    Action::Exec { args: words(args) }
}

fn spawn(name: &str, args: &str) -> Action {
    Action::Spawn {
        name: name.into(),
        args: words(args),
    }
}

fn join(name: &str) -> Action {
    Action::Join { name: name.into() }
}

fn plan(steps: Vec<Step>) -> Plan {
    Plan {
        files: vec![GuestFile {
            path: GUEST_PATH.into(),
            source: common::guest().to_owned(),
        }],
        steps,
        ..Plan::default()
    }
}

#[test]
fn programs_run_beside_the_steps() {
    let moved = "--unbind /sys/bus/pci/devices/0000:01:00.0 /sys/bus/pci/drivers/serial";
    for image in images() {
        let mut machine = common::machine(&image);
        machine.ports = vec!["port1".into()];
        machine.devices = vec!["pci-serial,bus=port1,id=serial1".into()];
        let report = boot(
            &machine,
            &plan(vec![
                Step::new(
                    "a program prints what it did",
                    exec("fuzz /dev/null --calls 1000 --seed 3"),
                ),
                Step::new(
                    "a failed program returns its error",
                    exec("open-hold /dev/nothing"),
                )
                .failing_with(Errno(libc::ENOENT)),
                Step::new(
                    "a spawned program that fails returns ENOENT",
                    spawn("x", "open-hold /dev/nothing"),
                )
                .failing_with(Errno(libc::ENOENT)),
                Step::new(
                    "system calls race with unbind and bind",
                    exec(&format!(
                        "storm /dev/ttyS0 --processes 3 --calls 200 {moved}"
                    )),
                ),
                Step::new(
                    "the device is bound",
                    Action::WaitBound {
                        device: device(SERIAL),
                        driver: "serial".into(),
                    },
                ),
                Step::new(
                    "the file is held open",
                    spawn("held", &format!("open-hold {FILE}")),
                ),
                Step::new(
                    "the file is held open twice",
                    spawn("other", &format!("open-hold {FILE}")),
                ),
                Step::new(
                    "the device is unplugged without notice",
                    Action::SurpriseUnplug {
                        device: device(SERIAL),
                    },
                ),
                Step::new(
                    "the device no longer exists",
                    Action::WaitGone {
                        device: device(SERIAL),
                    },
                ),
                Step::new("the first open file returns ENODEV", join("held")),
                Step::new("the second open file returns ENODEV", join("other")),
            ]),
        );
        passed(&image, &report);
        let of = |name: &str| {
            &report
                .steps
                .iter()
                .find(|step| step.name == name)
                .unwrap()
                .detail
        };
        assert!(
            of("a program prints what it did").starts_with("1000 calls"),
            "{}",
            of("a program prints what it did")
        );
        assert!(
            of("the first open file returns ENODEV").contains("read: ENODEV"),
            "{}",
            of("the first open file returns ENODEV")
        );
        let storm = of("system calls race with unbind and bind");
        let unbound = storm
            .split_once("; ")
            .and_then(|(_, moved)| moved.split_once(' '));
        let unbound: u32 = unbound.map_or(0, |(times, _)| times.parse().unwrap());
        assert!(unbound >= 3, "{storm}");
    }
}

#[test]
fn an_error_that_a_program_finds_fails_its_step() {
    let held = |join: Step| {
        plan(vec![
            Step::new(
                "the file is held open",
                spawn("held", "open-hold /dev/zero"),
            ),
            join,
            Step::new("a later step", Action::Expect {}),
        ])
    };
    let machine = common::machine(&common::first_image());
    let report = boot(
        &machine,
        &held(Step::new(
            "a file of a present device fails the step",
            join("held"),
        )),
    );
    assert!(!report.passed());
    let step = &report.steps[1];
    assert!(
        step.outcome == Outcome::Failed && step.detail.contains("not ENODEV"),
        "{step:?}"
    );
    // A program that reads an endless file does not end when its standard input is closed. It
    // hangs, and the report names it.
    let report = boot(
        &machine,
        &plan(vec![
            Step::new(
                "the program does not end in time",
                exec("fuzz /dev/zero --calls 4000000000"),
            )
            .within(2),
        ]),
    );
    assert!(
        report.steps[0].detail.contains("has not ended in time"),
        "{:?}",
        report.steps[0]
    );
}
