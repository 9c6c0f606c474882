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
        Step::new("the device is bound", bound()),
        Step::new("the device is unplugged without notice", surprise())
            .expecting("Link Down|Card not present"),
        unbound("the kernel has removed the device"),
        Step::new("a second surprise removal returns ENODEV", surprise())
            .failing_with(Errno(libc::ENODEV)),
        Step::new("a device is plugged in", plug()).expecting("Card present|Link Up"),
        Step::new("the device is bound again", bound()),
        Step::new(
            "the device is unplugged by attention button",
            unplug("serial1"),
        )
        .expecting("[Bb]utton press"),
        unbound("the device no longer exists"),
        Step::new("another device is plugged in", plug()),
        Step::new("the new device is bound", bound()),
        Step::new(
            "the device is removed through sysfs",
            Action::Remove {
                device: device(SERIAL),
            },
        ),
        unbound("the removed device no longer exists"),
        Step::new("the bus is rescanned", Action::Rescan {}),
        Step::new("the rescanned device is bound", bound()),
        Step::new(
            "a device is unplugged and replaced repeatedly",
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
            "the human monitor answers",
            Action::MonitorLine {
                line: "info qtree".into(),
                prints: Some("dev: pci-serial, id \"serial1\"".into()),
            },
        ),
        Step::new(
            "the console shows all messages again",
            read("/sys/module/printk/parameters/ignore_loglevel", Some("Y")),
        ),
    ]
}

#[test]
fn a_device_comes_and_goes_in_every_way() {
    for image in images() {
        let mut machine = common::machine(&image);
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
            of("the device is unplugged by attention button").seconds > 4.0,
            "the indicator blinks for 5 s"
        );
        assert!(
            of("the device is unplugged without notice").seconds < 4.0,
            "the kernel is not asked"
        );
    }
}

#[test]
fn an_action_that_the_host_cannot_do_fails_its_step() {
    let machine = common::machine(&common::first_image());
    let plan = Plan {
        steps: vec![Step::new("the device is unplugged", unplug("nothing"))],
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
