// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask bench`: measurements on this machine. `build` measures builds, with the copies of
//! the samples that `copies` makes. `driver` measures the drivers in a machine, and `abi` the
//! comparison of kernels. `figures` computes medians and ratios.

mod abi;
mod build;
mod copies;
mod driver;
mod figures;
mod frames;

use clap::Subcommand;
use linux_driver_host::Result;

use crate::Outcome;

/// Compare a driver with the same driver in C, and check-abi with pahole
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
