// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask bench build`.
//!
//! Values that are compared with each other are measured in the same run and in turn. So a busy
//! machine slows down both.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use linux_driver_check::{self as check, LoadedSize};
use linux_driver_host::packages::{self, Install};
use linux_driver_host::progress::Progress;
use linux_driver_host::{Cache, Error, Result, fs, output, process};
use linux_driver_kbuild::Kbuild;
use linux_driver_kbuild::arch::{self, Target};
use linux_driver_kbuild::sysroot::sysroot;
use linux_driver_kbuild::toolchain::Toolchain;
use linux_driver_kbuild::{Builder, DriverCrate, Language};
use linux_driver_kernels::Kernel;
use linux_driver_trial::machine;
use linux_driver_vm::{Machine, Plan};
use serde::Serialize;

use super::copies::{CCopy, RustCopy};
use super::figures::{Figure, Time, Unit, as_text};
use crate::args::{InstallArgs, KernelArgs, builder};
use crate::build::print_json;
use crate::folders::manifest;
use crate::{Outcome, needs};

/// Measure builds of the sample and its twin in C, a run of the sample, and the size of both
///
/// Prints medians with their ratios, and for each ratio that has a target whether it is reached.
/// The exit code does not depend on that. Cold builds start with only the kernel and the downloaded
/// crates; they take minutes.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask bench build --kernel debian-6.12
  cargo xtask bench build --quick
  cargo xtask bench build --rounds 9 --cold-rounds 3 --json | jq '.figures[] | select(.beside.reached == false)'")]
pub(crate) struct Args {
    #[command(flatten)]
    kernel: KernelArgs,
    #[command(flatten)]
    install: InstallArgs,
    /// The number of measurements of each warm build, boot and run
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The number of measurements of each cold build
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    cold_rounds: u32,
    /// Measure each once, without cold builds, to see whether the benchmark works
    #[arg(long, conflicts_with_all = ["rounds", "cold_rounds"])]
    quick: bool,
    /// Print one JSON document on standard output, with each value and the sizes of the modules'
    /// sections
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    kernel: &'a str,
    rustc: &'a str,
    cpus: usize,
    figures: &'a [Figure],
    modules: &'a Sizes,
}

/// The sizes of the modules, built from the unchanged samples.
#[derive(Serialize)]
struct Sizes {
    edu: LoadedSize,
    edu_c: LoadedSize,
}

/// The highest ratios that reach the targets.
mod target {
    /// The time of a whole cold build, relative to a build of `core` only.
    pub(super) const EVERYTHING: f64 = 3.0;
    /// The time of a warm rebuild, relative to the twin in C.
    pub(super) const REBUILD: f64 = 1.5;
    /// The time of `cargo xtask run`, relative to a boot of the bare kernel.
    pub(super) const RUN: f64 = 2.0;
    /// The module's size, relative to the twin in C.
    pub(super) const SIZE: f64 = 1.5;
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let install = args.install.allowed();
    let cache = Cache::of_user()?;
    let kernel = args.kernel.kernel(&cache, install)?;
    if kernel.image.is_some() {
        packages::require(&needs::to_boot(), install)?;
    }
    let toolchain = Toolchain::find(install)?;
    let temp = fs::tempdir_in(std::env::temp_dir(), "linux-driver-bench-")?;
    let dir = fs::canonicalize(temp.path())?;
    let rust = RustCopy::new(&dir.join("edu"))?;
    let target = arch::target(&kernel.tree()?)?;
    fetch_crates(&rust.manifest, &toolchain, target.triple)?;
    let source = DriverCrate::find(&rust.manifest, None)?;
    // Fill the user's cache before the warm measurements.
    sysroot(&cache, &toolchain, &target)?;
    if let Language::Rust { sys, .. } = &source.language {
        builder(&cache, &kernel, install)?.prepared(sys)?;
    }
    let kbuild = Kbuild::of(&kernel)?;
    let bench = Bench {
        args,
        install,
        toolchain: &toolchain,
        kernel: &kernel,
        kbuild,
        target,
        dir,
        source,
    };

    let (mut figures, edu, c) = if args.quick {
        bench.first()?
    } else {
        bench.cold()?
    };
    let sizes = Sizes {
        edu: check::loaded_size(&edu)?,
        edu_c: check::loaded_size(&c.ko)?,
    };
    figures.extend(bench.warm(rust, c)?);
    match machine(&kernel) {
        Ok(machine) => figures.extend(bench.runs(&machine)?),
        Err(_) => linux_driver_host::progress::say("no image of this kernel: nothing is booted"),
    }
    figures.extend(sizes.figures());
    if args.json {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        print_json(&Document {
            kernel: &kernel.release,
            rustc: toolchain.release(),
            cpus,
            figures: &figures,
            modules: &sizes,
        })?;
    } else {
        output::line(format_args!(
            "\n{}, rustc {}",
            kernel.release,
            toolchain.release()
        ));
        output::text(as_text(&figures));
    }
    Ok(Outcome::Good)
}

/// Makes cargo download the dependencies of the copy, so that no measured build waits for the
/// network.
fn fetch_crates(manifest: &Path, toolchain: &Toolchain, triple: &str) -> Result<()> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["fetch", "--quiet", "--target", triple]);
    if let Some(host) = toolchain
        .version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
    {
        cargo.args(["--target", host]);
    }
    process::run(cargo.arg("--manifest-path").arg(manifest)).map(drop)
}

struct Bench<'a> {
    args: &'a Args,
    install: Install,
    toolchain: &'a Toolchain,
    kernel: &'a Kernel,
    kbuild: Kbuild,
    target: Target,
    /// The folder of all builds.
    dir: PathBuf,
    /// The copy of the sample.
    source: DriverCrate,
}

impl Bench<'_> {
    /// Builds the sample's module and the twin once.
    fn first(&self) -> Result<(Vec<Figure>, PathBuf, CCopy)> {
        let _step = self.step("first builds", 1, 1);
        let said = process::run(&mut self.build_command())?;
        let c = CCopy::new(&self.dir.join("edu-c"))?;
        self.kbuild.make(&c.dir, &["modules"])?;
        Ok((Vec::new(), module(&said)?, c))
    }

    /// Returns the number of measurements of each warm build, boot and run.
    fn rounds(&self) -> u32 {
        if self.args.quick { 1 } else { self.args.rounds }
    }

    /// Measures the cold builds. Returns the sample's module and the twin too.
    fn cold(&self) -> Result<(Vec<Figure>, PathBuf, CCopy)> {
        let (mut core, mut all, mut sample, mut plain) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let rounds = self.args.cold_rounds;
        let mut round = 1;
        loop {
            let _step = self.step("cold builds", round, rounds);
            let dir = self.dir.join(format!("cold-{round}"));
            let cache = Cache::at(&dir.join("core"))?;
            core.push(timed(|| sysroot(&cache, self.toolchain, &self.target))?.0);

            let empty = Builder::new(
                Cache::at(&dir.join("cache"))?,
                self.kbuild.clone(),
                self.install,
            );
            let source = DriverCrate {
                target_dir: dir.join("target"),
                ..self.source.clone()
            };
            all.push(timed(|| empty.build(&source))?.0);
            remove(&dir)?;

            remove(&self.target_dir())?;
            let (time, said) = timed(|| process::run(&mut self.build_command()))?;
            sample.push(time);
            let c = CCopy::new(&self.dir.join(format!("edu-c-{round}")))?;
            plain.push(timed(|| self.kbuild.make(&c.dir, &["modules"]))?.0);

            if round == rounds {
                let core = Figure::of_times("core, cold", &core);
                let all = Figure::of_times("everything, cold", &all)
                    .beside(&core, Some(target::EVERYTHING));
                let plain = Figure::of_times("edu-c, cold", &plain);
                let sample = Figure::of_times("edu, cold", &sample).beside(&plain, None);
                return Ok((vec![core, all, sample, plain], module(&said)?, c));
            }
            round += 1;
        }
    }

    /// Measures rebuilds after a change of one line.
    fn warm(&self, mut rust: RustCopy, mut c: CCopy) -> Result<[Figure; 2]> {
        let (mut sample, mut plain) = (Vec::new(), Vec::new());
        for round in 1..=self.rounds() {
            let _step = self.step("rebuilds", round, self.rounds());
            c.change()?;
            plain.push(timed(|| self.kbuild.make(&c.dir, &["modules"]))?.0);
            rust.change()?;
            sample.push(timed(|| process::run(&mut self.build_command()))?.0);
        }
        let plain = Figure::of_times("edu-c, one line changed", &plain);
        let sample = Figure::of_times("edu, one line changed", &sample)
            .beside(&plain, Some(target::REBUILD));
        Ok([sample, plain])
    }

    /// Measures `cargo xtask run` with everything built, and the boot of the bare kernel.
    fn runs(&self, machine: &Machine) -> Result<[Figure; 2]> {
        let mut run = self.xtask("run");
        {
            let _step = Progress::start("a first run");
            process::run(&mut run)?;
        }
        let init = linux_driver_vm::init_program::build(&manifest(), None)?;
        let (mut runs, mut boots) = (Vec::new(), Vec::new());
        for round in 1..=self.rounds() {
            let _step = self.step("boots and runs", round, self.rounds());
            let report = linux_driver_vm::run(machine, &Plan::default(), &init, &mut |_| {})?;
            boots.push(report.boot_seconds.ok_or_else(|| {
                Error::new(
                    machine.kernel.display(),
                    "a kernel that boots",
                    report.last_lines(),
                    "see its last messages",
                )
                .of_driver()
            })?);
            runs.push(timed(|| process::run(&mut run))?.0);
        }
        let boot = Figure::new("boot to /init", Unit::Seconds, boots);
        let run = Figure::of_times("cargo xtask run, nothing changed", &runs)
            .beside(&boot, Some(target::RUN));
        Ok([run, boot])
    }

    /// Returns the command `cargo xtask build` for the copy, as a user calls it.
    fn build_command(&self) -> Command {
        let mut command = self.xtask("build");
        command
            .arg("--manifest-path")
            .arg(self.source.dir.join("Cargo.toml"));
        command.env("CARGO_TARGET_DIR", self.target_dir());
        command
    }

    /// Returns a call of this program with another command, for the same kernel.
    fn xtask(&self, command: &str) -> Command {
        let program = std::env::current_exe().unwrap_or_else(|_| "cargo-xtask".into());
        let mut xtask = Command::new(program);
        xtask.arg(command);
        match &self.args.kernel.kdir {
            Some(dir) => xtask.arg("--kdir").arg(dir),
            None => xtask.arg("--kernel").arg(&self.kernel.name),
        };
        xtask
    }

    fn target_dir(&self) -> PathBuf {
        self.dir.join("target")
    }

    fn step(&self, what: &str, round: u32, rounds: u32) -> Progress {
        Progress::start(format!(
            "{what} for {}, round {round} of {rounds}",
            self.kernel.release
        ))
    }
}

impl Sizes {
    fn figures(&self) -> [Figure; 2] {
        #[expect(
            clippy::cast_precision_loss,
            reason = "no module comes near 2^52 bytes, up to which a double is exact"
        )]
        let figure =
            |what: &str, size: &LoadedSize| Figure::new(what, Unit::Bytes, vec![size.core as f64]);
        let c = figure("edu_c.ko, loaded", &self.edu_c);
        [
            figure("edu.ko, loaded", &self.edu).beside(&c, Some(target::SIZE)),
            c,
        ]
    }
}

/// Returns the duration of `work`, and its result.
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(Time, T)> {
    let (start, cpu) = (Instant::now(), cpu_seconds()?);
    let made = work()?;
    let time = Time {
        wall: start.elapsed().as_secs_f64(),
        cpu: cpu_seconds()? - cpu,
    };
    Ok((time, made))
}

/// Returns the processor time of this process and of its children that have ended, in seconds.
fn cpu_seconds() -> Result<f64> {
    let path = Path::new("/proc/self/stat");
    let text = fs::read_to_string(path)?;
    // proc_pid_stat(5): after the program's name come a letter and ten numbers. Then come utime,
    // stime, cutime and cstime, in hundredths of a second.
    let fields = text
        .rsplit_once(") ")
        .map_or("", |(_, fields)| fields)
        .split(' ');
    let ticks: Vec<f64> = fields
        .skip(11)
        .take(4)
        .filter_map(|ticks| ticks.parse().ok())
        .collect();
    Ok(ticks.iter().sum::<f64>() / 100.0)
}

/// Returns the module's path from the output of `cargo xtask build`.
fn module(said: &str) -> Result<PathBuf> {
    said.lines().last().map(PathBuf::from).ok_or_else(|| {
        Error::new(
            "cargo xtask build",
            "the module's path on standard output",
            "nothing",
            "report this as a bug of linux-driver",
        )
    })
}

/// Removes a folder if it exists.
fn remove(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_on_a_processor_counts_and_sleep_does_not() {
        let sleep = || process::run(Command::new("sleep").arg("0.3"));
        let count = || {
            process::run(
                Command::new("sh")
                    .args(["-c", "n=0; while [ $n -lt 200000 ]; do n=$((n+1)); done"]),
            )
        };
        let (slept, counted) = (timed(sleep).unwrap().0, timed(count).unwrap().0);
        assert!(
            slept.wall >= 0.3 && counted.cpu > 0.0,
            "{slept:?} {counted:?}"
        );
    }

    #[test]
    fn the_module_is_the_last_line() {
        assert_eq!(
            module("a note\n/target/edu.ko\n").unwrap(),
            Path::new("/target/edu.ko")
        );
        assert!(module("").is_err());
    }
}
