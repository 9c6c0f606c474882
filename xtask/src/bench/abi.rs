// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask bench abi`.
//!
//! Measures whole processes: this program and pahole, in turn.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use linux_driver_abi::history::History;
use linux_driver_host::packages;
use linux_driver_host::{Cache, Result, fs, output, process};
use serde::Serialize;

use super::figures::{Figure, Unit, as_text};
use crate::args::{InstallArgs, KernelArgs};
use crate::build::print_json;
use crate::folders::workspace;
use crate::{Outcome, needs};

/// Compare the time that check-abi takes with that of pahole
///
/// Measures the comparison of two kernels from their BTF, of the whole history from its files and
/// of half of it, with one job and with one for each processor. Also measures the most memory that
/// each takes.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask bench abi
  cargo xtask bench abi --rounds 41 --json | jq '.figures[] | select(.beside.reached == false)'")]
pub(crate) struct Args {
    /// The number of measurements of each
    #[arg(long, value_name = "N", default_value_t = 21, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    #[command(flatten)]
    install: InstallArgs,
    /// Print one JSON document on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    kernels: [&'a str; 2],
    history: usize,
    cpus: usize,
    figures: &'a [Figure],
}

/// The highest ratios that reach the targets.
mod target {
    /// The comparison of two kernels, beside one `pahole -C pci_driver`.
    pub(super) const TWO: f64 = 0.5;
    /// The comparison of the whole history, beside one `pahole -C pci_driver`.
    pub(super) const HISTORY: f64 = 1.0;
    /// The comparison of all kernels, beside half of them: in proportion, and a tenth for noise.
    pub(super) const LINEAR: f64 = 2.2;
}

/// The kernels to compare.
const KERNELS: [&str; 2] = ["debian-6.12", "debian-7.2"];

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let install = args.install.allowed();
    packages::require(&[needs::pahole()], install)?;
    let cache = Cache::of_user()?;
    let temp = fs::tempdir()?;
    let mut files = Vec::new();
    for name in KERNELS {
        let kernel = KernelArgs::named(name).kernel(&cache, install)?;
        let file = temp.path().join(name);
        let (source, _) = kernel.btf()?;
        fs::write(&file, source.btf())?;
        files.push(file);
    }
    let history = History::read(&workspace().join("headers/history"))?;
    let figures = measure(args.rounds, &files)?;
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let known = history.kernels().len();
    if args.json {
        print_json(&Document {
            kernels: KERNELS,
            history: known,
            cpus,
            figures: &figures,
        })?;
    } else {
        output::line(format_args!(
            "\n{} and {}; {known} kernels in the history; {cpus} processors",
            KERNELS[0], KERNELS[1]
        ));
        output::text(as_text(&figures));
    }
    Ok(Outcome::Good)
}

fn measure(rounds: u32, files: &[PathBuf]) -> Result<Vec<Figure>> {
    let [before, after] = files else {
        return Ok(Vec::new());
    };
    let runs = Runs { before, after };
    let names = [
        "pahole -C pci_driver",
        "check-abi, two kernels from BTF",
        "check-abi --history",
        "check-abi --history, half",
        "check-abi --history, one job",
    ];
    let mut times: [Vec<f64>; 5] = Default::default();
    for _ in 0..rounds {
        for (number, times) in times.iter_mut().enumerate() {
            times.push(timed(&mut runs.command(number))?);
        }
    }
    let mut figures: Vec<Figure> = names
        .iter()
        .zip(times)
        .map(|(name, times)| Figure::new(*name, Unit::Seconds, times))
        .collect();
    let (pahole, all) = (figures[0].clone(), figures[2].clone());
    figures[1] = figures[1].clone().beside(&pahole, Some(target::TWO));
    figures[3] = figures[3].clone().beside(&all, None);
    figures[2] = all.clone().beside(&pahole, Some(target::HISTORY));
    figures[4] = figures[4].clone().beside(&all, None);
    let half = figures[3].clone();
    figures.push(
        all.renamed("check-abi --history, all")
            .beside(&half, Some(target::LINEAR)),
    );
    for (number, name) in names.iter().enumerate().take(3) {
        let (_, peak) = process::peak_memory(&mut runs.command(number))?;
        #[expect(
            clippy::cast_precision_loss,
            reason = "no process comes near 2^52 bytes, up to which a double is exact"
        )]
        let figure = Figure::new(format!("{name}: memory"), Unit::Bytes, vec![peak as f64]);
        figures.push(figure);
    }
    Ok(figures)
}

struct Runs<'a> {
    before: &'a Path,
    after: &'a Path,
}

impl Runs<'_> {
    fn command(&self, number: usize) -> Command {
        if number == 0 {
            let mut pahole = Command::new("pahole");
            pahole.args(["-C", "pci_driver"]).arg(self.after);
            return pahole;
        }
        let program = std::env::current_exe().unwrap_or_else(|_| "cargo-xtask".into());
        let mut command = Command::new(program);
        // A user reads the report as text.
        command.arg("check-abi");
        match number {
            1 => command
                .arg("--btf")
                .arg(self.after)
                .arg("--against")
                .arg(self.before),
            2 => command.arg("--history"),
            3 => command.args(["--history", "--shard", "1/2"]),
            _ => command.args(["--history", "--jobs", "1"]),
        };
        command
    }
}

/// Returns the duration of the command. Drift does not count as a failure.
fn timed(command: &mut Command) -> Result<f64> {
    let start = Instant::now();
    let output = process::output(command)?;
    let seconds = start.elapsed().as_secs_f64();
    match output.status.code() {
        Some(0 | 1) => Ok(seconds),
        _ => Err(process::failed(
            command,
            output.status,
            &process::said(&output),
        )),
    }
}
