// SPDX-License-Identifier: GPL-2.0-only
//! Boots real kernels. `LINUX_DRIVER_TEST_IMAGES` lists their images, separated by colons. A test
//! that needs one kernel uses the first.

mod common;

use std::fs;
use std::time::Duration;

use common::{boot, device, first_image, images, init, passed, read, steps, write};
use linux_driver_vm::{Action, Ending, Errno, GuestFile, Machine, Outcome, Plan, Step, run};

/// QEMU's PCI serial port. Its driver, `serial`, is built into the kernels of distributions.
const SERIAL: &str = "pci:1b36:0002";

/// Returns the steps for every kernel, with drivers that are built in. The tests of drivers load
/// modules.
fn built_in() -> Vec<Step> {
    let bound = |which: &str| Action::WaitBound {
        device: device(which),
        driver: "serial".into(),
    };
    let unbind = || Action::Unbind {
        device: device(SERIAL),
    };
    let bind = || Action::Bind {
        device: device(SERIAL),
        driver: "serial".into(),
    };
    vec![
        Step::new("the first port is bound", bound(SERIAL)),
        Step::new("the second port is bound", bound(&format!("{SERIAL}#1"))),
        Step::new(
            "a missing third port returns ENODEV",
            bound(&format!("{SERIAL}#2")),
        )
        .within(0)
        .failing_with(Errno(libc::ENODEV)),
        Step::new("the device is unbound", unbind()),
        Step::new(
            "the device stays unbound",
            Action::WaitUnbound {
                device: device(SERIAL),
            },
        ),
        Step::new("a second unbind returns ENOENT", unbind()).failing_with(Errno(libc::ENOENT)),
        Step::new("the device is bound again", bind()).expecting(r"ttyS\d+ at I/O 0x[0-9a-f]+ "),
        Step::new("the device stays bound", bound(SERIAL)),
        Step::new("a second bind returns EBUSY", bind()).failing_with(Errno(libc::EBUSY)),
        Step::new(
            "binding to a missing driver returns ENOENT",
            Action::Bind {
                device: device(SERIAL),
                driver: "none".into(),
            },
        )
        .failing_with(Errno(libc::ENOENT)),
        Step::new(
            "the plan's file exists",
            read("/etc/deep/file", Some("contents")),
        ),
        Step::new("a file is written", write("/proc/sys/kernel/sysrq", "1")),
        Step::new(
            "the file has the written value",
            read("/proc/sys/kernel/sysrq", Some("1")),
        ),
        Step::new(
            "a file exists",
            Action::Exists {
                path: "/dev/null".into(),
            },
        ),
        Step::new(
            "a file does not exist",
            Action::Absent {
                path: "/dev/nil".into(),
            },
        ),
        Step::new(
            "debugfs is mounted",
            Action::Exists {
                path: "/sys/kernel/debug/devices_deferred".into(),
            },
        ),
        Step::new(
            "loading a file that is not a module fails",
            Action::Load {
                module: "/etc/deep/file".into(),
                params: String::new(),
            },
        )
        .failing_with(Errno(libc::ENOEXEC)),
        Step::new(
            "unloading a missing module returns ENOENT",
            Action::Unload {
                module: "nil".into(),
            },
        )
        .failing_with(Errno(libc::ENOENT)),
        Step::new(
            "a message is logged",
            write("/dev/kmsg", "<6>it says: caf\u{e9} [1]"),
        )
        .expecting(r"^it says: caf. \[1\]$"),
        Step::new("the step sleeps", Action::Sleep { ms: 10 }),
    ]
}

#[test]
fn every_kernel_runs_a_plan_without_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("file");
    fs::write(&source, "contents\n").unwrap();
    for image in images() {
        let mut machine = common::machine(&image);
        machine.devices = ["pci-serial", "pci-serial"].map(str::to_owned).to_vec();
        let plan = Plan {
            files: vec![GuestFile {
                path: "/etc/deep/file".into(),
                source: source.clone(),
            }],
            steps: built_in(),
            ..Plan::default()
        };
        let report = boot(&machine, &plan);
        eprintln!(
            "{}: {:?}, up after {:.1} s",
            report.release,
            report.accel,
            report.boot_seconds.unwrap_or_default()
        );
        passed(&image, &report);
        assert_eq!(report.ending, Ending::PoweredOff);
        assert!(
            report.release.starts_with(|c: char| c.is_ascii_digit()),
            "{:?}",
            report.release
        );
        assert!(
            report
                .console
                .iter()
                .any(|line| line.contains("Linux version")),
            "the console is kept from its start"
        );
        assert!(
            report
                .console
                .iter()
                .all(|line| !line.contains("linux-driver-init:")),
            "the records of the tool are not messages"
        );
        let of = |name: &str| report.steps.iter().find(|step| step.name == name).unwrap();
        assert!(
            of("the device is bound again")
                .messages
                .iter()
                .any(|message| message.contains("ttyS")),
            "{:?}",
            of("the device is bound again")
        );
        assert!(
            of("the device is unbound")
                .messages
                .iter()
                .all(|message| !message.contains("at I/O")),
            "{:?}",
            of("the device is unbound")
        );
        assert_eq!(of("the plan's file exists").detail, "contents");
        assert!(
            of("loading a file that is not a module fails")
                .detail
                .contains("ENOEXEC")
        );
    }
}

#[test]
fn a_panic_that_is_planned_is_found() {
    let mut plan = steps([write("/proc/sysrq-trigger", "c"), Action::Expect {}]);
    plan.expect_problem = Some("sysrq triggered crash".into());
    let report = boot(&common::machine(&first_image()), &plan);
    assert!(report.passed(), "{:#?}", report.problems);
    assert_eq!(
        (report.ending, report.expected_problem),
        (Ending::Problem, Some(true))
    );
    let [problem] = report.problems.as_slice() else {
        panic!("{:#?}", report.problems)
    };
    assert_eq!(
        (problem.step.as_deref(), problem.meaning.as_str()),
        (Some("step 0"), "the kernel panicked")
    );
    assert!(
        problem
            .context
            .iter()
            .any(|line| line.contains("end Kernel panic") || line.contains("Call Trace"))
    );
    assert_eq!(
        report
            .steps
            .iter()
            .map(|step| step.outcome)
            .collect::<Vec<_>>(),
        [Outcome::Failed, Outcome::NotRun]
    );
}

#[test]
fn a_warning_ends_the_run_and_names_its_step() {
    let warning = "WARNING: CPU: 0 PID: 1 at drivers/edu.c:1 probe+0x1/0x2 [edu]";
    let quiet = "WARNING in the middle of DEBUG: is none: \x1b[2J";
    let plan = steps([
        write("/dev/kmsg", quiet),
        write("/dev/kmsg", warning),
        Action::Sleep { ms: 3_600_000 },
    ]);
    let report = boot(&common::machine(&first_image()), &plan);
    assert!(!report.passed());
    assert_eq!(report.ending, Ending::Problem);
    let [problem] = report.problems.as_slice() else {
        panic!("{:#?}", report.problems)
    };
    assert_eq!(
        (problem.line.as_str(), problem.step.as_deref()),
        (warning, Some("step 1"))
    );
    assert!(problem.context.len() > 1, "{problem:?}");
    assert_eq!(report.steps[0].outcome, Outcome::Passed);
    assert_eq!(report.steps[0].messages.len(), 1);
    assert!(
        report.console.iter().all(|line| !line.contains('\x1b')),
        "nothing of the guest's controls the terminal"
    );
}

#[test]
fn a_step_that_hangs_says_where_and_ends_the_run() {
    // Nobody types on the console.
    let hang = Step::new("hang", read("/dev/ttyS0", None)).within(1);
    let plan = Plan {
        steps: vec![hang, Step::new("after", Action::Expect {})],
        ..Plan::default()
    };
    let report = boot(&common::machine(&first_image()), &plan);
    assert!(!report.passed());
    assert_eq!(report.ending, Ending::PoweredOff);
    let detail = &report.steps[0].detail;
    assert!(
        detail.contains("did not return within 1 s") && detail.contains("n_tty_read"),
        "{detail}"
    );
    assert_eq!(
        report
            .steps
            .iter()
            .map(|step| step.outcome)
            .collect::<Vec<_>>(),
        [Outcome::Failed, Outcome::NotRun]
    );
}

#[test]
fn the_time_limit_ends_the_run() {
    let mut machine = common::machine(&first_image());
    // Emulation needs longer than this to boot. If it did not, the step would still last longer.
    machine.kvm = false;
    machine.time_limit = Duration::from_secs(1);
    let mut plan = steps([Action::Sleep { ms: 3_600_000 }]);
    plan.steps[0].timeout_s = 7200;
    let report = boot(&machine, &plan);
    assert!(!report.passed());
    assert_eq!(report.ending, Ending::TimeLimit);
    assert!(
        report.problems[0].line.contains("time limit of 1 s"),
        "{:#?}",
        report.problems
    );
}

#[test]
fn a_device_that_qemu_does_not_know_is_named() {
    let mut machine = common::machine(&first_image());
    machine.devices = vec!["edu".into(), "nosuch".into()];
    let error = run(&machine, &Plan::default(), init(), &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("device \"nosuch\"\n") && error.contains("not a valid device model"),
        "{error}"
    );
}

#[test]
fn a_kernel_that_panics_before_our_program_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("init");
    fs::write(&text, "no program").unwrap();
    let report = run(
        &common::machine(&first_image()),
        &Plan::default(),
        &text,
        &mut |_| {},
    )
    .unwrap();
    assert!(!report.passed());
    assert_eq!(
        (report.ending, report.boot_seconds),
        (Ending::Problem, None)
    );
    assert!(
        report.problems[0].line.starts_with("Kernel panic"),
        "{:#?}",
        report.problems
    );
}
