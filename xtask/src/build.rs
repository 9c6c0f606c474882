// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask build`.

use linux_driver_abi::report::visible::visible_json;
use linux_driver_check as check;
use linux_driver_host::{Cache, Result, output, progress};
use serde::Serialize;

use crate::Outcome;
use crate::args::{DriverArgs, InstallArgs, KernelArgs, builder};

/// Build a driver's module for a kernel and check it
///
/// The path of the module is the last line on standard output.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask build -p edu --kernel debian-6.1
  cargo xtask build --manifest-path ../my-driver/Cargo.toml --kernel running")]
pub(crate) struct Args {
    #[command(flatten)]
    driver: DriverArgs,
    #[command(flatten)]
    kernel: KernelArgs,
    #[command(flatten)]
    install: InstallArgs,
    /// Print one JSON document on standard output, with what each check looked at
    #[arg(long)]
    json: bool,
    /// Show the compiler's flags with their reasons, and what each check looked at
    #[arg(short, long)]
    verbose: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    kernel: &'a str,
    ko: &'a std::path::Path,
    loaded_size: u64,
    checks: &'a check::Report,
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let cache = Cache::of_user()?;
    let source = args.driver.source()?;
    let kernel = args.kernel.kernel(&cache, args.install.allowed())?;
    if args.verbose {
        for (reason, flags) in linux_driver_kbuild::arch::reasons(&kernel.tree()?) {
            progress::say(&format!("{flags}\n    {reason}"));
        }
    }
    let build = builder(&cache, &kernel, args.install.allowed())?.build(&source)?;
    if args.verbose {
        progress::say(&build.report.to_string());
    }
    if args.json {
        let loaded_size = check::loaded_size(&build.ko)?.core;
        let document = Document {
            kernel: &kernel.release,
            ko: &build.ko,
            loaded_size,
            checks: &build.report,
        };
        print_json(&document)?;
    } else {
        output::line(build.ko.display());
    }
    Ok(Outcome::Good)
}

/// Prints one JSON document on standard output.
pub(crate) fn print_json(document: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(document).map_err(|e| {
        linux_driver_host::Error::new("--json", "to write the document", e, "report this")
    })?;
    output::line(visible_json(&text));
    Ok(())
}
