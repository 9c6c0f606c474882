// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask env`.

use linux_driver_host::{Cache, Result, output};

use crate::Outcome;
use crate::args::{InstallArgs, KernelArgs, builder};
use crate::folders::workspace;

/// Print the environment in which plain cargo (or an editor) checks the driver crates against a
/// kernel
#[derive(clap::Args)]
#[command(after_help = "Examples:
  env $(cargo xtask env) cargo check -p edu
  env $(cargo xtask env --kernel debian-6.1) cargo doc -p linux-driver --open")]
pub(crate) struct Args {
    #[command(flatten)]
    kernel: KernelArgs,
    #[command(flatten)]
    install: InstallArgs,
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let cache = Cache::of_user()?;
    let kernel = args.kernel.kernel(&cache, args.install.allowed())?;
    let prepared =
        builder(&cache, &kernel, args.install.allowed())?.prepared(&workspace().join("sys/c"))?;
    output::line(format_args!(
        "LINUX_DRIVER_KERNEL_DIR={}",
        prepared.dir.display()
    ));
    Ok(Outcome::Good)
}
