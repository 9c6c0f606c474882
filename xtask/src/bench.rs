// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask bench`: what is measured, on the machine at hand. `build` measures building, on
//! what `copies` makes of the samples, `driver` what the drivers do in a machine, `abi` the
//! comparison of kernels; `figures` makes medians and ratios of it.

mod abi;
mod build;
mod copies;
mod driver;
mod figures;
mod frames;

use clap::Subcommand;
use linux_driver_host::Result;

use crate::Outcome;

/// Measure building and running a driver beside the same driver in C, and check-abi beside pahole
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    Abi(abi::Args),
    Build(build::Args),
    Driver(driver::Args),
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    match &args.bench {
        Bench::Abi(args) => abi::run(args),
        Bench::Build(args) => build::run(args),
        Bench::Driver(args) => driver::run(args),
    }
}
