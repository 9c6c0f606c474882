// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask test`.

mod queue;

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use linux_driver_host::fs::TempFile;
use linux_driver_host::packages::{self, Install, Need};
use linux_driver_host::process::{self, Running};
use linux_driver_host::table::aligned;
use linux_driver_host::{Cache, Error, Result, output};
use linux_driver_kbuild::DriverCrate;
use linux_driver_kbuild::toolchain::Toolchain;
use linux_driver_kernels::{Catalogue, Kernel, RUNNING};

use crate::args::{InstallArgs, KernelArgs, builder, catalogue};
use crate::folders::{is_outside, manifest, programs_target, project, workspace};
use crate::{Outcome, compile_fail, doctor, needs};
use linux_driver_trial::{Programs, Settings, Trial};
use linux_driver_vm::{Boot, Boots};

use self::queue::{Closing, Queue};

/// Run all tests of the project
///
/// This runs the tests of the crates, compiles the files that must not compile, and tries every
/// driver of samples/ and tests/ in every kernel of the catalogue.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask test --install
  cargo xtask test --only drivers --kernel debian-6.1 -p edu
  cargo xtask test --list")]
pub(crate) struct Args {
    /// Only these kernels
    #[arg(long, value_name = "NAME")]
    kernel: Vec<String>,
    /// Only these drivers
    #[arg(short, long, value_name = "NAME")]
    package: Vec<String>,
    /// Run as many rounds of each `repeat` as its `torture` says; takes hours instead of minutes
    #[arg(long)]
    torture: bool,
    /// Only one part of the tests
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Only print the tests, and what they need on this system
    #[arg(long, conflicts_with = "install")]
    list: bool,
    #[command(flatten)]
    install: InstallArgs,
}

/// A part of the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// `cargo test`: the crates, and the command line with bad input
    Crates,
    /// The files that must not compile
    CompileFail,
    /// Drivers in kernels
    Drivers,
}

/// The time limit for a boot and steps of the usual length. It only ends a machine that hangs.
const TIME_LIMIT: Duration = Duration::from_secs(600);

/// The counts of passed and failed tests.
#[derive(Default)]
struct Count {
    passed: usize,
    not_tried: usize,
    failed: Vec<String>,
    /// The time that each trial took. Other trials ran at the same time.
    trials: Vec<Took>,
    /// The reasons why boots of machines could not be saved.
    boots_not_saved: Vec<String>,
    /// The errors of boots that succeeded on the second attempt.
    boots_again: Vec<String>,
}

/// The time that a driver's life, or a scenario of it, took in a kernel.
struct Took {
    name: String,
    kernel: String,
    time: Duration,
}

impl Count {
    /// Prints why a test does not apply to this kernel. The test counts as neither passed nor
    /// failed.
    fn not_for(&mut self, name: &str, why: &str) {
        output::line(format_args!("-       {name}: not for this kernel: {why}"));
        self.not_tried += 1;
    }

    /// Counts a test, and prints its result. `wrong` is the error, if there is one.
    fn add(&mut self, name: String, wrong: Option<String>) {
        match wrong {
            None => {
                output::line(format_args!("ok      {name}"));
                self.passed += 1;
            }
            Some(wrong) => {
                output::line(format_args!("FAILED  {name}\n{wrong}"));
                self.failed.push(name);
            }
        }
    }

    /// Counts a trial of a driver, with its time.
    fn add_trial(&mut self, took: Took, wrong: Option<String>) {
        self.add(took.name.clone(), wrong);
        self.trials.push(took);
    }
}

/// Returns lines about the time of the trials: the sum for each kernel, and the ten longest trials.
fn times(trials: &mut [Took]) -> String {
    let mut kernels: Vec<(&str, Duration, usize)> = Vec::new();
    for took in trials.iter() {
        match kernels
            .iter_mut()
            .find(|(kernel, ..)| *kernel == took.kernel)
        {
            Some((_, time, number)) => {
                *time += took.time;
                *number += 1;
            }
            None => kernels.push((&took.kernel, took.time, 1)),
        }
    }
    let mut text = String::new();
    for (kernel, time, number) in kernels {
        let minutes = time.as_secs_f64() / 60.0;
        text.push_str(&format!(
            "  {kernel}: {number} trials, {minutes:.1} min one after the other\n"
        ));
    }
    trials.sort_by_key(|took| std::cmp::Reverse(took.time));
    for took in trials.iter().take(10) {
        text.push_str(&format!(
            "  {:.0} s  {}\n",
            took.time.as_secs_f64(),
            took.name
        ));
    }
    text
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let install = args.install.allowed();
    let cache = Cache::of_user()?;
    if is_outside() && args.only == Some(Part::CompileFail) {
        return Err(Error::new(
            "--only compile-fail",
            "the repository of linux-driver, which has such files",
            format_args!("{}, a driver's repository", project().display()),
            "name another part, or none",
        ));
    }
    if args.list {
        return list(args, &cache);
    }
    packages::require(&args.needs(&cache)?, install)?;
    Toolchain::find(install)?;
    let wanted = |part| args.wants(part);
    // Kernels take minutes to download. Meanwhile, cargo compiles the crates that need no kernel.
    let compiled = (wanted(Part::Crates) && !is_outside())
        .then(|| Running::start(cargo_test(&cache).args(["--no-run", "--quiet"])));
    let compiled = compiled.transpose()?;
    let kernels = args.kernels(&cache, install)?;
    if let Some(compiled) = compiled {
        // An error occurs again when the tests run, where it counts as a failure.
        let _ = compiled.wait()?;
    }
    let mut count = Count::default();
    let mut took = Vec::new();
    // The crates' tests wait a lot: for cargo's lock, for a download, for a single long test. So
    // the trials run at the same time. The output of the tests is printed in one piece after the
    // trials.
    let beside = wanted(Part::Crates) && wanted(Part::Drivers);
    if wanted(Part::CompileFail) {
        let start = Instant::now();
        must_not_compile(&kernels, &cache, install, &mut count)?;
        took.push(("what must not compile", start.elapsed()));
    }
    let printed = beside.then(TempFile::new).transpose()?;
    let tests_run = AtomicBool::new(beside);
    std::thread::scope(|scope| {
        let tests = wanted(Part::Crates).then(|| {
            let start = Instant::now();
            let (kernels, cache, printed) = (&kernels, &cache, printed.as_ref());
            let tests_run = &tests_run;
            scope.spawn(move || {
                let wrong = crates(kernels, cache, install, printed);
                tests_run.store(false, Ordering::Relaxed);
                (wrong, start.elapsed())
            })
        });
        if wanted(Part::Drivers) {
            let start = Instant::now();
            drivers(args, &kernels, &cache, install, &tests_run, &mut count)?;
            took.push(("drivers in kernels", start.elapsed()));
        }
        if let Some(tests) = tests {
            let (wrong, time) = match tests.join() {
                Ok(tests) => tests,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            if let Some(printed) = &printed {
                output::text(printed.text()?);
            }
            count.add("the crates' own tests".to_owned(), wrong?);
            took.push(if beside {
                ("the crates' own tests, beside them", time)
            } else {
                ("the crates' own tests", time)
            });
        }
        Result::Ok(())
    })?;
    output::line("");
    for (part, time) in &took {
        output::line(format_args!("{part}: {:.1} min", time.as_secs_f64() / 60.0));
    }
    output::text(times(&mut count.trials));
    for why in &count.boots_not_saved {
        output::line(format_args!("  a boot that could not be saved: {why}"));
    }
    for why in &count.boots_again {
        output::line(format_args!(
            "  a boot that succeeded on the second attempt: {why}"
        ));
    }
    output::line(format_args!(
        "\n{} passed, {} failed",
        count.passed,
        count.failed.len()
    ));
    if count.not_tried > 0 {
        output::line(format_args!(
            "{} not tried, because they do not apply to the kernel",
            count.not_tried
        ));
    }
    for name in &count.failed {
        output::line(format_args!("failed: {name}"));
    }
    Ok(if count.failed.is_empty() {
        Outcome::Good
    } else {
        Outcome::Bad
    })
}

impl Args {
    fn wants(&self, part: Part) -> bool {
        match self.only {
            Some(only) => only == part,
            // A driver's own repository has no such files.
            None => part != Part::CompileFail || !is_outside(),
        }
    }

    /// Returns the names of the kernels to test in: those given, or all of the catalogue, with its
    /// default first.
    fn names(&self, catalogue: &Catalogue) -> Vec<String> {
        // A kernel that is built here takes long to build, and only the trials use it.
        let drivers = self.wants(Part::Drivers);
        let mut names: Vec<String> = if self.kernel.is_empty() {
            let all = catalogue.specs().filter(|spec| drivers || spec.is_stock());
            all.map(|spec| spec.name.clone()).collect()
        } else {
            self.kernel.clone()
        };
        names.sort_by_key(|name| name != catalogue.default_name());
        names
    }

    /// Returns the kernels to test in.
    fn kernels(&self, cache: &Cache, install: Install) -> Result<Vec<Kernel>> {
        let names = self.names(&catalogue()?);
        names
            .iter()
            .map(|name| KernelArgs::named(name).kernel(cache, install))
            .collect()
    }

    /// Returns the needs of the chosen tests.
    fn needs(&self, cache: &Cache) -> Result<Vec<Need>> {
        let catalogue = catalogue()?;
        let mut needs = Vec::new();
        for name in self.names(&catalogue) {
            needs.extend(if name == RUNNING {
                needs::to_build(None)
            } else {
                doctor::of_kernel(cache, catalogue.get(&name)?)
            });
        }
        needs.extend(needs::to_boot());
        // These are for the tests of linux-driver.
        if self.wants(Part::Crates) && !is_outside() {
            needs.extend(needs::to_test());
        }
        Ok(needs)
    }

    /// Returns the drivers to try.
    fn drivers(&self) -> Result<Vec<(DriverCrate, Settings)>> {
        let sources = DriverCrate::all(&project().join("Cargo.toml"))?;
        let known: HashSet<&str> = sources.iter().map(|source| source.name.as_str()).collect();
        if let Some(unknown) = self
            .package
            .iter()
            .find(|name| !known.contains(name.as_str()))
        {
            let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
            return Err(Error::new(
                "--package",
                "a driver of this workspace",
                unknown,
                format_args!("name one of {}", names.join(", ")),
            ));
        }
        sources
            .into_iter()
            .filter(|source| self.package.is_empty() || self.package.contains(&source.name))
            .map(|source| Settings::of(&source).map(|settings| (source, settings)))
            .collect()
    }
}

/// Prints the tests in their order, and which of their needs are present. Uses no network and runs
/// no test.
fn list(args: &Args, cache: &Cache) -> Result<Outcome> {
    let catalogue = catalogue()?;
    let needs = args.needs(cache)?;
    let names = args.names(&catalogue);
    let mut tests = 0;
    let mut text = String::new();
    let mut say = |name: &str| {
        text.push_str(name);
        text.push('\n');
        tests += 1;
    };
    if args.wants(Part::Crates) {
        say("the crates' own tests");
    }
    if args.wants(Part::CompileFail) {
        let dir = workspace().join("tests/compile-fail");
        for file in compile_fail::files(&dir)? {
            say(&format!(
                "must not compile: {}",
                file.strip_prefix(&dir).unwrap_or(&file).display()
            ));
        }
    }
    if args.wants(Part::Drivers) {
        let drivers = args.drivers()?;
        for kernel in &names {
            for (source, settings) in &drivers {
                let scenarios = settings
                    .scenarios
                    .iter()
                    .map(|scenario| Some(scenario.name.as_str()));
                for scenario in std::iter::once(None).chain(scenarios) {
                    say(&name_of(source, scenario, kernel));
                }
            }
        }
    }
    let mut list = doctor::List::default();
    list.add(&needs);
    list.add_toolchain()?;
    text.push_str(&format!(
        "\n{tests} tests; what a kernel's configuration has no use for is left out when they run\n\n{}",
        aligned(&list.rows)
    ));
    if !list.missing.is_empty() {
        let how = packages::how_to_install(&list.missing);
        text.push_str(&format!(
            "\nInstall what is missing with --install, or {how}\n"
        ));
    }
    output::text(text);
    Ok(Outcome::Good)
}

/// Returns the name of a driver's life, or of a scenario of it, in a kernel.
fn name_of(source: &DriverCrate, scenario: Option<&str>, kernel: &str) -> String {
    let what = scenario.map(|name| format!(": {name}")).unwrap_or_default();
    format!("{}{what} in {kernel}", source.name)
}

/// Returns the integration tests that need kernels, a browser or pahole. Their `test` is `false` in
/// the `Cargo.toml`, so plain `cargo test` leaves them out. (A feature would do that too, but then
/// cargo would compile their crate, and all that depend on it, once more.)
fn named_tests() -> Result<Vec<String>> {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(project().join("Cargo.toml"))
        .no_deps()
        .exec()
        .map_err(|e| {
            Error::new(
                project().display(),
                "cargo to describe the workspace",
                e,
                "see the message of cargo",
            )
        })?;
    let targets = metadata
        .packages
        .into_iter()
        .flat_map(|package| package.targets);
    let names: BTreeSet<String> = targets
        .filter(|target| target.is_test() && !target.test)
        .map(|target| target.name)
        .collect();
    Ok(names.into_iter().collect())
}

/// Returns `cargo test` for the workspace's default members, which need no kernel.
fn cargo_test(cache: &Cache) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["test", "--manifest-path"])
        .arg(project().join("Cargo.toml"))
        .env("LINUX_DRIVER_CACHE", cache.root())
        .stdin(Stdio::null());
    cargo
}

/// Runs `cargo test` over the whole workspace, and then the tests that have to be named. Variables
/// name the kernels for the tests.
///
/// The output goes to the file `printed`. Without that file, it is shown at once.
fn crates(
    kernels: &[Kernel],
    cache: &Cache,
    install: Install,
    printed: Option<&TempFile>,
) -> Result<Option<String>> {
    let Some(kernel) = kernels.first() else {
        return Ok(Some("no kernel to test with".to_owned()));
    };
    let prepared = builder(cache, kernel, install)?.prepared(&workspace().join("sys/c"))?;
    let list = |files: Vec<&Path>| {
        let files: Vec<String> = files
            .into_iter()
            .map(|file| file.display().to_string())
            .collect();
        files.join(":")
    };
    let to_boot = kernels.iter().filter_map(|kernel| kernel.bootable().ok());
    let catalogue = catalogue()?;
    let is_stock = |kernel: &&Kernel| {
        catalogue
            .get(&kernel.name)
            .is_ok_and(|spec| spec.is_stock())
    };
    let to_boot = list(to_boot.collect());
    let with_btf = kernels.iter().filter(is_stock);
    let with_btf = list(
        with_btf
            .filter_map(|kernel| kernel.image.as_deref())
            .collect(),
    );
    let mut wrong = Vec::new();
    let named = named_tests()?;
    let named: Vec<String> = named
        .into_iter()
        .map(|name| format!("--test={name}"))
        .collect();
    let mut runs = vec![&[][..]];
    if !named.is_empty() {
        runs.push(&named[..]);
    }
    for tests in runs {
        let mut cargo = cargo_test(cache);
        cargo.args(["--workspace", "--no-fail-fast"]).args(tests);
        if is_outside() {
            // It only calls this tool.
            cargo.args(["--exclude", "xtask"]);
        }
        cargo
            .env("LINUX_DRIVER_KERNEL_DIR", &prepared.dir)
            .env("LINUX_DRIVER_TEST_IMAGES", &to_boot)
            // The image of a stock kernel contains its type information too.
            .env("LINUX_DRIVER_TEST_BTF", &with_btf);
        if let Some(printed) = printed {
            cargo
                .stdout(printed.try_clone()?)
                .stderr(printed.try_clone()?);
        }
        let line = process::command_line(&cargo);
        let status = Running::start(&mut cargo)?.wait()?;
        if !status.success() {
            wrong.push(format!("see above; to run them again:\n{line}"));
        }
    }
    Ok((!wrong.is_empty()).then(|| wrong.join("\n")))
}

fn must_not_compile(
    kernels: &[Kernel],
    cache: &Cache,
    install: Install,
    count: &mut Count,
) -> Result<()> {
    let Some(kernel) = kernels.first() else {
        return Ok(());
    };
    let facade = DriverCrate::find(&manifest(), Some("linux-driver"))?;
    let rustc = builder(cache, kernel, install)?.rustc(&facade)?;
    let dir = workspace().join("tests/compile-fail");
    for (file, wrong) in compile_fail::try_all(&manifest(), &rustc, &dir, processors())? {
        let name = file.strip_prefix(&dir).unwrap_or(&file).display();
        count.add(format!("must not compile: {name}"), wrong);
    }
    process::check_interrupted()
}

/// Returns the number of processors.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Tries the drivers in the kernels. `beside` is `true` as long as the crates' tests run.
fn drivers(
    args: &Args,
    kernels: &[Kernel],
    cache: &Cache,
    install: Install,
    beside: &AtomicBool,
    count: &mut Count,
) -> Result<()> {
    let drivers = args.drivers()?;
    // The life and each scenario get their own machine.
    let all_trials = |settings: &Settings| {
        let mut all = vec![(None, settings.clone())];
        for scenario in &settings.scenarios {
            all.push((Some(scenario.name.clone()), settings.in_scenario(scenario)));
        }
        if args.torture {
            all.iter_mut().for_each(|(_, settings)| settings.torture());
        }
        all
    };
    let programs = Programs::build(
        &manifest(),
        programs_target().as_deref(),
        drivers.iter().map(|(source, settings)| (source, settings)),
    )?;
    // Modules are built while trials run. A machine keeps one processor busy, except while it
    // waits: half of its time, in the long trials. One more machine uses that time, and a second
    // one when the crates' tests no longer run.
    let machines = processors() + 2;
    let queue = Queue::new();
    let boots = Boots::new()?;
    std::thread::scope(|scope| {
        let closing = Closing(&queue);
        let (done, results) = mpsc::channel();
        for number in 1..=machines {
            let (queue, boots, programs, done) = (&queue, &boots, &programs, done.clone());
            scope.spawn(move || {
                let last = number == machines;
                if last && !queue.wait_for(|| !beside.load(Ordering::Relaxed)) {
                    return;
                }
                while let Some(one) = queue.next(|one: &Try<'_>| boots.readiness(&one.boot)) {
                    let start = Instant::now();
                    let wrong = one.wrong(boots, programs);
                    let took = Took {
                        name: one.name,
                        kernel: one.kernel.name.clone(),
                        time: start.elapsed(),
                    };
                    if done.send((took, wrong)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(done);
        for kernel in kernels {
            let builder = builder(cache, kernel, install)?;
            let config = kernel.tree()?.config;
            let mut of_kernel = Vec::new();
            for (source, settings) in &drivers {
                let mut trials = Vec::new();
                for (scenario, settings) in all_trials(settings) {
                    let settings = settings.on(&config);
                    let name = name_of(source, scenario.as_deref(), &kernel.name);
                    match settings.not_for(&config) {
                        Some(why) => count.not_for(&name, &why),
                        None => {
                            let boot = settings.boot(kernel)?;
                            boots.expect(&boot);
                            trials.push((name, settings, boot));
                        }
                    }
                }
                if !trials.is_empty() {
                    of_kernel.push((source, trials));
                }
            }
            for (source, trials) in of_kernel {
                let built = builder.build(source);
                process::check_interrupted()?;
                for (name, settings, boot) in trials {
                    match &built {
                        Ok(build) => {
                            let one = Try {
                                name,
                                source,
                                settings,
                                kernel,
                                boot,
                                ko: build.ko.clone(),
                            };
                            queue.push(one.settings.seconds(), one);
                        }
                        Err(error) => count.add(name, Some(error.to_string())),
                    }
                    for (took, wrong) in results.try_iter() {
                        count.add_trial(took, wrong);
                    }
                }
            }
        }
        drop(closing);
        for (took, wrong) in results {
            count.add_trial(took, wrong);
        }
        count.boots_not_saved = boots.reasons();
        count.boots_again = boots.again();
        process::check_interrupted()
    })
}

/// A built module to try in a kernel.
struct Try<'a> {
    name: String,
    source: &'a DriverCrate,
    settings: Settings,
    kernel: &'a Kernel,
    boot: Boot,
    ko: PathBuf,
}

impl Try<'_> {
    /// Tries the module. Returns the failure, if there is one.
    fn wrong(&self, boots: &Boots, programs: &Programs) -> Option<String> {
        let trial = Trial {
            source: self.source,
            settings: &self.settings,
            ko: &self.ko,
        };
        match trial.live_from(boots, self.kernel, programs, TIME_LIMIT) {
            Ok(life) => (!life.ok).then(|| life.as_text()),
            Err(error) => Some(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_summed_by_kernel_and_the_slowest_come_first() {
        let mut trials: Vec<Took> = (0..12)
            .map(|number| Took {
                name: format!("edu {number}"),
                kernel: if number < 9 {
                    "debian-6.12"
                } else {
                    "debian-6.1"
                }
                .to_owned(),
                time: Duration::from_secs(10 * number),
            })
            .collect();
        let text = times(&mut trials);
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert!(
            lines[0].starts_with("debian-6.12: 9 trials, 6.0 min"),
            "{text}"
        );
        assert!(
            lines[1].starts_with("debian-6.1: 3 trials, 5.0 min"),
            "{text}"
        );
        assert_eq!((lines[2], lines[11]), ("110 s  edu 11", "20 s  edu 2"));
        assert_eq!(lines.len(), 12);
        assert_eq!(times(&mut []), "");
    }
}
