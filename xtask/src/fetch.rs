// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask fetch`.

use linux_driver_host::{Cache, Result, output};

use crate::Outcome;
use crate::args::{InstallArgs, KernelArgs, catalogue};

/// Fetch kernels from Debian's archive into the cache
///
/// apt downloads the packages and checks their signatures. It has a state of its own, so the
/// system's package sources do not change.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask fetch debian-6.1 debian-6.12
  cargo xtask fetch --all")]
pub(crate) struct Args {
    /// Kernels by name [default: the catalogue's default]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// All kernels of the catalogue
    #[arg(long, conflicts_with = "names")]
    all: bool,
    #[command(flatten)]
    install: InstallArgs,
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let cache = Cache::of_user()?;
    let catalogue = catalogue()?;
    let names: Vec<&str> = if args.all {
        catalogue.specs().map(|spec| spec.name.as_str()).collect()
    } else if args.names.is_empty() {
        vec![catalogue.default_name()]
    } else {
        args.names.iter().map(String::as_str).collect()
    };
    for name in names {
        let kernel = KernelArgs::named(name).kernel(&cache, args.install.allowed())?;
        output::line(format_args!(
            "{name}: {} in {}",
            kernel.release,
            kernel.build_tree.display()
        ));
    }
    Ok(Outcome::Good)
}
