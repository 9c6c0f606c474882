// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask kernels`.

use std::path::PathBuf;

use linux_driver_host::table::aligned;
use linux_driver_host::{Cache, Result, output};
use linux_driver_kernels::{Kernel, KernelSpec, RUNNING, acquire};
use serde::Serialize;

use crate::Outcome;
use crate::args::catalogue;
use crate::build::print_json;

/// List the kernels that drivers can be built for
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask kernels
  cargo xtask kernels --json | jq -r '.[] | select(.fetched) | .image'")]
pub(crate) struct Args {
    /// Print one JSON document on standard output, with the paths `build_tree` and `image` of what
    /// is fetched
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    name: String,
    default: bool,
    release: String,
    arch: String,
    compiler: String,
    /// `true` if the kernel comes prebuilt, as its users run it. Only the ABI of such a kernel
    /// matters.
    stock: bool,
    fetched: bool,
    build_tree: Option<PathBuf>,
    image: Option<PathBuf>,
    note: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let cache = Cache::of_user()?;
    let catalogue = catalogue()?;
    let mut rows: Vec<Row> = catalogue
        .specs()
        .map(|spec| {
            row(
                spec,
                acquire::fetched(&cache, spec),
                spec.name == catalogue.default_name(),
            )
        })
        .collect();
    rows.push(of_running(Kernel::running()));
    if args.json {
        print_json(&rows)?;
    } else {
        output::text(as_text(&rows));
    }
    Ok(Outcome::Good)
}

fn row(spec: &KernelSpec, kernel: Option<Kernel>, default: bool) -> Row {
    match kernel {
        Some(kernel) => Row {
            name: spec.name.clone(),
            default,
            stock: spec.is_stock(),
            ..of_kernel(kernel)
        },
        None => Row {
            name: spec.name.clone(),
            default,
            release: spec.release.clone(),
            arch: spec.arch.clone(),
            compiler: spec.compiler.clone(),
            stock: spec.is_stock(),
            fetched: false,
            build_tree: None,
            image: None,
            note: (!spec.is_stock()).then(|| "built here once, to try drivers on".to_owned()),
        },
    }
}

fn of_kernel(kernel: Kernel) -> Row {
    Row {
        name: kernel.name,
        default: false,
        release: kernel.release,
        arch: kernel.arch,
        compiler: kernel.compiler,
        stock: true,
        fetched: true,
        build_tree: Some(kernel.build_tree),
        image: kernel.image,
        note: kernel.note,
    }
}

fn of_running(kernel: Result<Kernel>) -> Row {
    match kernel {
        Ok(kernel) => of_kernel(kernel),
        Err(error) => Row {
            name: RUNNING.to_owned(),
            default: false,
            release: std::fs::read_to_string("/proc/sys/kernel/osrelease")
                .unwrap_or_default()
                .trim()
                .to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            compiler: String::new(),
            stock: true,
            fetched: false,
            build_tree: None,
            image: None,
            note: Some(if error.location().ends_with("/build") {
                format!("no build tree: {}", error.location())
            } else {
                format!("{}: {}", error.location(), error.found())
            }),
        },
    }
}

fn as_text(rows: &[Row]) -> String {
    let mut lines = vec![
        ["NAME", "RELEASE", "ARCH", "COMPILER", "FETCHED", ""]
            .map(str::to_owned)
            .to_vec(),
    ];
    for row in rows {
        let name = if row.default {
            format!("{} (default)", row.name)
        } else {
            row.name.clone()
        };
        let compiler = if row.compiler.is_empty() {
            "?"
        } else {
            row.compiler.split(' ').next().unwrap_or("?")
        };
        let fetched = if row.fetched { "yes" } else { "no" };
        let note = row.note.clone().unwrap_or_default();
        lines.push(vec![
            name,
            row.release.clone(),
            row.arch.clone(),
            compiler.to_owned(),
            fetched.to_owned(),
            note,
        ]);
    }
    aligned(&lines)
}
