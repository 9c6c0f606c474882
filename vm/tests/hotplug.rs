// SPDX-License-Identifier: GPL-2.0-only
//! Plugs and unplugs devices while a real kernel runs. `LINUX_DRIVER_TEST_IMAGES` lists the
//! kernels, separated by colons.

mod common;

use common::{boot, device, images, passed, read};
use linux_driver_vm::{Action, Errno, Machine, Plan, Step};

/// QEMU's PCI serial port. Its driver, `serial`, is built into the kernels of distributions.
const SERIAL: &str = "pci:1b36:0002";

fn bound() -> Action {
    Action::WaitBound {
        device: device(SERIAL),
        driver: "serial".into(),
    }
}

fn gone() -> Action {
    Action::WaitGone {
        device: device(SERIAL),
    }
}

fn unplug(id: &str) -> Action {
    Action::Unplug { id: id.into() }
}

fn plug() -> Action {
    Action::Plug {
        device: "pci-serial,bus=port1,id=serial1".into(),
    }
}

fn steps() -> Vec<Step> {
    let surprise = || Action::SurpriseUnplug {
        device: device(SERIAL),
    };
    let unbound = |text: &str| Step::new(text, gone());
    vec![
        Step::new("it is bound", bound()),
        Step::new("it is pulled out", surprise()).expecting("Link Down|Card not present"),
        unbound("the kernel has noticed"),
        Step::new("nothing is left to be pulled out", surprise()).failing_with(Errno(libc::ENODEV)),
        Step::new("it is plugged in", plug()).expecting("Card present|Link Up"),
        Step::new("it is bound again", bound()),
        Step::new("in good order", unplug("serial1")).expecting("[Bb]utton press"),
        unbound("and it is gone"),
        Step::new("plugged in once more", plug()),
        Step::new("and bound", bound()),
        Step::new(
            "removed through sysfs",
            Action::Remove {
                device: device(SERIAL),
            },
        ),
        unbound("and forgotten"),
        Step::new("looked for", Action::Rescan {}),
        Step::new("and found", bound()),
        Step::new(
            "three times",
            Action::Repeat {
                times: 3,
                torture: None,
                actions: vec![surprise(), gone(), plug(), bound()],
                quiet: true,
            },
        )
        .within(60),
        Step::new(
            "the monitor answers",
            Action::Monitor {
                execute: "query-status".into(),
                arguments: serde_json::Map::new(),
            },
        ),
        Step::new(
            "the one for persons too",
            Action::MonitorLine {
                line: "info qtree".into(),
                prints: Some("dev: pci-serial, id \"serial1\"".into()),
            },
        ),
        Step::new(
            "the console speaks again",
            read("/sys/module/printk/parameters/ignore_loglevel", Some("Y")),
        ),
    ]
}

#[test]
fn a_device_comes_and_goes_in_every_way() {
    for image in images() {
        let mut machine = Machine::new(&image);
        machine.ports = vec!["port1".into(), "port2".into()];
        machine.devices = vec!["pci-serial,bus=port1,id=serial1".into()];
        let report = boot(
            &machine,
            &Plan {
                steps: steps(),
                ..Plan::default()
            },
        );
        passed(&image, &report);
        let of = |name: &str| report.steps.iter().find(|step| step.name == name).unwrap();
        assert!(
            of("the monitor answers").detail.contains("\"running\""),
            "{:?}",
            of("the monitor answers")
        );
        assert!(
            of("in good order").seconds > 4.0,
            "the button blinks for 5 s"
        );
        assert!(of("it is pulled out").seconds < 4.0, "nobody is asked");
    }
}

#[test]
fn what_the_host_cannot_do_fails_its_step() {
    let machine = Machine::new(common::first_image());
    let plan = Plan {
        steps: vec![Step::new("unplug", unplug("nothing"))],
        ..Plan::default()
    };
    let report = boot(&machine, &plan);
    assert!(!report.passed());
    assert!(
        report.steps[0]
            .detail
            .contains("device_del: Device 'nothing' not found"),
        "{:?}",
        report.steps[0]
    );
}
