// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask bench`: what is measured, on the machine at hand. `build` measures, on what `copies` makes of the samples;
//! `figures` makes medians and ratios of it.

mod build;
mod copies;
mod figures;

use clap::Subcommand;
use linux_driver_host::Result;

use crate::Outcome;

/// Measure how long building takes, beside the same driver in C
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    Build(build::Args),
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    match &args.bench {
        Bench::Build(args) => build::run(args),
    }
}
