// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask explain`.

use std::path::PathBuf;

use linux_driver_abi::explain::safe::SafeNames;
use linux_driver_abi::explain::{explain, text};
use linux_driver_abi::history::History;
use linux_driver_host::{Result, output};

use crate::Outcome;
use crate::build::print_json;
use crate::folders::workspace;

/// Explain a name of C: the kernels that have it, its location in each, and its name in the safe
/// layer
///
/// This reads the history in headers/history, offline.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask explain pci_driver.driver_managed_dma
  cargo xtask explain kvfree_call_rcu
  cargo xtask explain bus_type --json | jq -r '.sections[].groups[].spans[] | .first + \" \" + \
                        (.state.size | tostring)'")]
pub(crate) struct Args {
    /// A type, type.field, function, constant or exported symbol
    #[arg(value_name = "NAME")]
    name: String,
    /// Print one JSON document on standard output
    #[arg(long)]
    json: bool,
    /// The folder of the history [default: headers/history]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let history = History::read(&crate::history::place(args.dir.as_ref()))?;
    let aliases = SafeNames::read(&workspace().join("safe/src"))?;
    let explanation = explain(&history, &args.name, &aliases)?;
    if args.json {
        print_json(&explanation)?;
    } else {
        output::text(text::render(&explanation));
    }
    Ok(Outcome::Good)
}
