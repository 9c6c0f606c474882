// SPDX-License-Identifier: GPL-2.0-only
//! Steps in which the kernel itself acts: it sleeps, traces, ends. `LINUX_DRIVER_TEST_IMAGES` lists
//! the kernels, separated by colons.

mod common;

use common::{boot, images, machine, passed, read};
use linux_driver_vm::{Action, Ending, Outcome, Plan, Shutdown, Step, SuspendState, SuspendTest};

fn suspend(state: SuspendState, test: Option<SuspendTest>) -> Action {
    Action::Suspend { state, test }
}

fn run(image: &std::path::Path, steps: Vec<Step>) -> linux_driver_vm::Report {
    let mut machine = machine(image);
    machine.devices = vec!["pci-serial".into()];
    boot(
        &machine,
        &Plan {
            steps,
            ..Plan::default()
        },
    )
}

#[test]
fn a_machine_sleeps_and_wakes() {
    for image in images() {
        let report = run(
            &image,
            vec![
                Step::new(
                    "the devices are suspended and resumed",
                    suspend(SuspendState::Freeze, Some(SuspendTest::Devices)),
                )
                .expecting("suspend debug: Waiting for 5 second")
                .within(40),
                Step::new(
                    "the system suspends to RAM and resumes",
                    suspend(SuspendState::Mem, None),
                )
                .expecting("suspend exit")
                .within(40),
            ],
        );
        passed(&image, &report);
    }
}

#[test]
fn a_machine_that_ends_is_seen_to_its_end() {
    for image in images() {
        for (how, message) in [
            (Shutdown::PowerOff, "reboot: Power down"),
            (Shutdown::Reboot, "reboot: "),
        ] {
            let report = run(
                &image,
                vec![Step::new("the machine ends", Action::Shutdown { how }).expecting(message)],
            );
            passed(&image, &report);
            assert_eq!(report.ending, Ending::PoweredOff);
        }
        let end = Action::Shutdown {
            how: Shutdown::PowerOff,
        };
        let report = run(
            &image,
            vec![Step::new("the machine ends", end).expecting("no such message")],
        );
        assert_eq!(
            (report.passed(), report.steps[0].outcome),
            (false, Outcome::Failed)
        );
    }
}

#[test]
fn a_forbidden_message_fails_its_step() {
    let write = |text: &str| Action::Write {
        path: "/dev/kmsg".into(),
        data: format!("{text}\n"),
    };
    for image in images() {
        let report = run(
            &image,
            vec![
                Step::new("another message passes the step", write("edu: fine")).never("^edu: bad"),
                Step::new("that message fails the step", write("edu: bad luck")).never("^edu: bad"),
            ],
        );
        let outcomes: Vec<Outcome> = report.steps.iter().map(|step| step.outcome).collect();
        assert_eq!(outcomes, [Outcome::Passed, Outcome::Failed], "{report:#?}");
        assert!(
            report.steps[1].detail.contains("edu: bad luck"),
            "{report:#?}"
        );
    }
}

#[test]
fn a_step_waits_until_a_file_has_its_contents() {
    let until = |text: &str| match read("/proc/sys/kernel/ostype", None) {
        Action::Read { path, .. } => Action::Read {
            path,
            equals: None,
            until: Some(text.into()),
            holds: None,
            lacks: None,
        },
        other => other,
    };
    let Some(image) = images().into_iter().next() else {
        panic!("LINUX_DRIVER_TEST_IMAGES names no kernel");
    };
    let report = run(
        &image,
        vec![
            Step::new("has", until("Linux")),
            Step::new("never has", until("other")).within(1),
        ],
    );
    let results: Vec<(Outcome, &str)> = report
        .steps
        .iter()
        .map(|step| (step.outcome, step.detail.as_str()))
        .collect();
    assert_eq!(results[0], (Outcome::Passed, "Linux"));
    assert_eq!(results[1].0, Outcome::Failed);
    assert!(
        results[1].1.contains("did not become \"other\""),
        "{report:#?}"
    );
}

#[test]
fn a_file_must_contain_some_text_and_lack_other_text() {
    let version = |holds: &str, lacks: &str| match read("/proc/version", None) {
        Action::Read { path, equals, .. } => Action::Read {
            path,
            equals,
            until: None,
            holds: Some(holds.into()),
            lacks: Some(lacks.into()),
        },
        other => other,
    };
    for image in images() {
        for (holds, lacks, why) in [
            ("no such text", "neither", "which lacks"),
            ("Linux", "version", "and with it"),
        ] {
            let report = run(
                &image,
                vec![
                    Step::new(
                        "the file has the expected text",
                        version("Linux version", "no such text"),
                    ),
                    Step::new("the file has other text", version(holds, lacks)),
                ],
            );
            let outcomes: Vec<Outcome> = report.steps.iter().map(|step| step.outcome).collect();
            assert_eq!(outcomes, [Outcome::Passed, Outcome::Failed], "{report:#?}");
            assert!(report.steps[1].detail.contains(why), "{report:#?}");
        }
    }
}
