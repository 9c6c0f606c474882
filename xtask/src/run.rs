// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask run`.

use std::time::Duration;

use linux_driver_host::{Cache, Error, Result, output, packages};

use crate::args::{DriverArgs, InstallArgs, KernelArgs, builder};
use crate::build::print_json;
use crate::folders::{manifest, programs_target};
use crate::{Outcome, needs};
use linux_driver_trial::debugger::Session;
use linux_driver_trial::{Programs, Settings, Trial};

/// Build a driver, boot a kernel in a virtual machine, and run the driver's trial
///
/// The kernel is a distribution's, or debug-6.12, which has KASAN, lockdep and other detectors of
/// errors. QEMU runs the machine, with the devices that the driver's trial.toml lists. The module
/// is loaded, its device is bound, unbound and bound again, and the module is unloaded. A kernel
/// message that reports a problem ends the run.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask run --install
  cargo xtask run -p edu-c --kernel debian-7.2
  cargo xtask run --scenario 'surprise removal' --kernel debug-6.12
  cargo xtask run -p edu --gdb
  cargo xtask run --json | jq '.steps[] | select(.ok | not)'")]
pub(crate) struct Args {
    #[command(flatten)]
    driver: DriverArgs,
    #[command(flatten)]
    kernel: KernelArgs,
    #[command(flatten)]
    install: InstallArgs,
    /// A device of the machine, in the syntax of QEMU's -device; may be repeated [default: the
    /// devices in the driver's trial.toml]
    #[arg(long, value_name = "DEVICE")]
    device: Vec<String>,
    /// Run a scenario of the driver's trial.toml instead of the usual steps; samples/edu/trial.toml
    /// has examples
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
    /// Run as many rounds of each `repeat` as its `torture` says
    #[arg(long)]
    torture: bool,
    /// Wait for gdb, and print the command that starts it. gdb gets the symbols of the module and
    /// of the kernel, and stops in the driver's `probe`. No time limit applies
    #[arg(long, conflicts_with_all = ["time_limit", "torture"])]
    gdb: bool,
    /// The time limit for the machine
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    time_limit: u64,
    /// Print one JSON document on standard output
    #[arg(long)]
    json: bool,
}

/// Says how to debug.
fn say(session: &Session) {
    output::error_text(format_args!(
        "\nThe machine waits for gdb. Run this in another terminal:\n\n  {}\n\n\
         It boots the kernel, and stops at {}.\nThe console follows. `detach` in gdb lets the driver's \
         trial go on without it; Ctrl-C here ends the machine.\nIf gdb is gone, the machine may be \
         stopped: run the same command again.\n\n",
        session.command(),
        session.stops_at(),
    ));
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let install = args.install.allowed();
    let cache = Cache::of_user()?;
    let source = args.driver.source()?;
    let mut settings = Settings::of(&source)?;
    if let Some(name) = &args.scenario {
        settings = settings.in_scenario(settings.scenario(name)?);
    }
    if args.torture {
        settings.torture();
    }
    if !args.device.is_empty() {
        settings.devices.clone_from(&args.device);
    }
    packages::require(&needs::to_boot(), install)?;
    if args.gdb {
        packages::require(&[needs::gdb()], install)?;
    }
    let kernel = args.kernel.kernel(&cache, install)?;
    // Check this before a build that takes minutes.
    kernel.bootable()?;
    let config = kernel.tree()?.config;
    settings = settings.on(&config);
    if let Some(why) = settings.not_for(&config) {
        return Err(Error::new(
            &source.name,
            format_args!("a kernel for which the trial is meant, not {}", kernel.name),
            why,
            "use a kernel with the right configuration: debug-6.12 if the trial needs a detector, else a distribution's kernel (`cargo xtask kernels`)",
        ));
    }
    let build = builder(&cache, &kernel, install)?.build(&source)?;
    let programs = Programs::build(
        &manifest(),
        programs_target().as_deref(),
        [(&source, &settings)],
    )?;
    let trial = Trial {
        source: &source,
        settings: &settings,
        ko: &build.ko,
    };
    let life = if args.gdb {
        trial.debug(&kernel, &programs, &say)?
    } else {
        trial.live(&kernel, &programs, Duration::from_secs(args.time_limit))?
    };
    if args.json {
        print_json(&life)?;
    } else {
        output::text(life.as_text());
    }
    Ok(if life.ok { Outcome::Good } else { Outcome::Bad })
}
