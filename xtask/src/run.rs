// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask run`.

use std::time::Duration;

use linux_driver_host::{Cache, Error, Result, output, packages};

use crate::args::{DriverArgs, InstallArgs, KernelArgs, builder, manifest};
use crate::build::print_json;
use crate::{Outcome, needs};
use linux_driver_trial::{Programs, Settings, Trial};

/// Build a driver, boot a kernel with it in a virtual machine, and lead it through its life
///
/// The kernel is a stock one, or debug-6.12, which reports what a driver gets wrong. The machine is
/// QEMU's, with the devices that the driver's trial.toml names. The driver is loaded by its alias,
/// bound, looked at, unbound, bound again and unloaded; a kernel message that means trouble ends
/// the run.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask run --install
  cargo xtask run -p edu-c --kernel debian-7.2
  cargo xtask run --scenario 'surprise removal' --kernel debug-6.12
  cargo xtask run --json | jq '.steps[] | select(.ok | not)'")]
pub(crate) struct Args {
    #[command(flatten)]
    driver: DriverArgs,
    #[command(flatten)]
    kernel: KernelArgs,
    #[command(flatten)]
    install: InstallArgs,
    /// A device that the machine gets, as QEMU's -device takes it; may be repeated [default: what
    /// the driver's manifest names]
    #[arg(long, value_name = "DEVICE")]
    device: Vec<String>,
    /// One of the driver's scenarios, by its name, instead of its life: see
    /// samples/edu/trial.toml
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
    /// Repeat as often as the scenario's `torture` says
    #[arg(long)]
    torture: bool,
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
    let kernel = args.kernel.kernel(&cache, install)?;
    // Check this before a build that takes minutes.
    kernel.bootable()?;
    let config = kernel.tree()?.config;
    settings = settings.on(&config);
    if let Some(why) = settings.not_for(&config) {
        return Err(Error::new(
            &source.name,
            format_args!("a kernel in which it shows something, not {}", kernel.name),
            why,
            "use a kernel whose configuration it fits: for detectors debug-6.12, for the rest one of the stock kernels (`cargo xtask kernels`)",
        ));
    }
    let build = builder(&cache, &kernel, install)?.build(&source)?;
    let programs = Programs::build(&manifest(), [&settings])?;
    let trial = Trial {
        source: &source,
        settings: &settings,
        ko: &build.ko,
    };
    let life = trial.live(&kernel, &programs, Duration::from_secs(args.time_limit))?;
    if args.json {
        print_json(&life)?;
    } else {
        output::text(life.as_text());
    }
    Ok(if life.ok { Outcome::Good } else { Outcome::Bad })
}
