// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask run`.

use std::time::Duration;

use linux_driver_host::{Cache, Result, packages};

use crate::args::{DriverArgs, InstallArgs, KernelArgs, builder, manifest};
use crate::build::print_json;
use crate::life::{Life, Trial};
use crate::settings::Settings;
use crate::table::aligned;
use crate::{Outcome, needs};

/// Build a driver, boot a kernel with it in a virtual machine, and lead it through its life
///
/// The kernel is a stock one, the machine is QEMU's, with the device that the driver's manifest names. The driver is loaded
/// by its alias, bound, looked at, unbound, bound again and unloaded; a kernel message that means trouble ends the run.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask run --install
  cargo xtask run -p edu-c --kernel debian-7.2
  cargo xtask run --json | jq '.steps[] | select(.ok | not)'")]
pub(crate) struct Args {
    #[command(flatten)]
    driver: DriverArgs,
    #[command(flatten)]
    kernel: KernelArgs,
    #[command(flatten)]
    install: InstallArgs,
    /// The device that the machine gets, as QEMU's -device takes it [default: what the driver's manifest names]
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// How long the machine may run
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    time_limit: u64,
    /// Print one JSON document on standard output
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let install = args.install.allowed();
    let cache = Cache::of_user()?;
    let source = args.driver.source()?;
    let mut settings = Settings::of(&source)?;
    if args.device.is_some() {
        settings.device.clone_from(&args.device);
    }
    packages::require(&needs::to_boot(), install)?;
    let kernel = args.kernel.kernel(&cache, install)?;
    let build = builder(&cache, &kernel, install)?.build(&source)?;
    let init = linux_driver_vm::init_program::build(&manifest())?;
    let trial = Trial { source: &source, settings: &settings, ko: &build.ko };
    let life = trial.live(&kernel, &init, Duration::from_secs(args.time_limit))?;
    if args.json {
        print_json(&life)?;
    } else {
        print!("{}", as_text(&life));
    }
    Ok(if life.ok { Outcome::Good } else { Outcome::Bad })
}

/// The table at the end of a run, after the kernel messages that mean trouble.
pub(crate) fn as_text(life: &Life) -> String {
    let mut text = String::new();
    for problem in &life.problems {
        let step = problem.step.as_deref().unwrap_or("the boot or the end");
        text.push_str(&format!("\nkernel message during {step}: {}\n  it means: {}\n", problem.line, problem.meaning));
        for line in &problem.context {
            text.push_str(&format!("  | {line}\n"));
        }
    }
    if !life.ok && life.problems.is_empty() {
        text.push_str("\nthe console's last lines:\n");
        for line in life.console.iter().rev().take(20).rev() {
            text.push_str(&format!("  | {line}\n"));
        }
    }
    let row = |name: &str, value: &str| vec![name.to_owned(), value.to_owned()];
    text.push('\n');
    let head = [
        row("kernel", &format!("{} ({}, booted in {:.1} s)", life.kernel, life.accel, life.boot_seconds.unwrap_or_default())),
        row("module", &life.ko.display().to_string()),
        row("device", life.device.as_deref().unwrap_or("none")),
    ];
    text.push_str(&aligned(&head));
    text.push('\n');
    let steps: Vec<Vec<String>> = life
        .steps
        .iter()
        .map(|step| vec![if step.ok { "ok" } else { "FAILED" }.to_owned(), step.name.clone(), step.detail.clone()])
        .collect();
    text.push_str(&aligned(&steps));
    let problems = match life.problems.len() {
        0 => "no kernel message means trouble".to_owned(),
        1 => "1 kernel message means trouble: see above".to_owned(),
        n => format!("{n} kernel messages mean trouble: see above"),
    };
    text.push_str(&format!("\n{problems}\n"));
    text
}
