// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask check-abi`. `subjects` finds the kernels, `checks` compares them, and `output`
//! prints the report.

mod checks;
mod output;
mod subjects;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use linux_driver_abi::Usage;
use linux_driver_abi::accept::{Accepted, Date};
use linux_driver_abi::report::text::Pictures;
use linux_driver_abi::report::{self, AbiPart, Comparison, DriftReport, FailOn, json};
use linux_driver_host::packages::Install;
use linux_driver_host::{Cache, Error, Result, fs};

use crate::Outcome;
use crate::args::InstallArgs;
use crate::folders::workspace;

pub(crate) use self::output::{Format, summarize};
use self::subjects::Book;

/// Compare the bindings with a kernel, two kernels, or a module with a kernel
///
/// Without --against and --ko, this compares the bindings with the kernel. Three layouts must be
/// equal: rustc's, that of the kernel's compiler from the kernel's headers, and that in the
/// kernel's own type information (BTF). If the kernel is not fetched, its snapshot is used.
///
/// With --against, this prints the differences between two kernels in all that both sources
/// describe; the report states this scope. Type information has no constants, and a file alone has
/// no list of exported symbols. The history only knows what was asked for when it read the kernel.
/// With --ko, this tells if the module loads. It does not judge if the module's source compiles for
/// another kernel: only a build can tell.
///
/// Exit codes: 0 everything holds, 1 drift, 2 it could not be checked.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask check-abi --all
  cargo xtask check-abi --kernel debian-7.2 --against debian-6.12
  cargo xtask check-abi --running --ko target/linux-driver/my-driver.ko
  cargo xtask check-abi --kernel debian-7.2 --ko a.ko b.ko.xz --extra-symbols ../c/Module.symvers
  cargo xtask check-abi --history --against 6.12.117+deb12-amd64 --format html > kernels.html
  cargo xtask check-abi --history --shard 2/4 --json > 2.json; cargo xtask check-abi --merge \
                        1.json 2.json 3.json 4.json")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) subjects: subjects::Args,
    /// The earlier kernel: a name of the catalogue, a release of the history, or a file with BTF
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "ko")]
    against: Option<String>,
    /// Modules, compressed or not; each may use symbols that another one exports
    #[arg(long, value_name = "FILE", num_args = 1..)]
    ko: Vec<PathBuf>,
    /// The exports of modules built outside the kernel's tree: the Module.symvers of a build, as in
    /// KBUILD_EXTRA_SYMBOLS
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "ko")]
    extra_symbols: Vec<PathBuf>,
    /// The least drift that makes the check fail: any, drift that needs a rebuild, or drift that
    /// needs a change of the source
    #[arg(long, value_enum, default_value_t = Fail::Any)]
    fail_on: Fail,
    /// The parts of two kernels to compare [default: those that both sources describe]. Facts that
    /// are missing in a part named here could not be checked. Without this option they are outside
    /// the scope, which the report states
    #[arg(long, value_enum, value_name = "PART", value_delimiter = ',', conflicts_with_all = ["ko", "merge"])]
    scope: Vec<InScope>,
    /// The format of the report
    #[arg(long, value_enum, default_value_t = output::Format::Text)]
    format: output::Format,
    /// Same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// The structs that the text draws
    #[arg(long, value_enum, default_value_t = Draw::Used)]
    pictures: Draw,
    /// The list of accepted drift [default: headers/accepted.toml]; with --shard, the list is
    /// applied when the reports are merged
    #[arg(long, value_name = "FILE", conflicts_with = "shard")]
    accepted: Option<PathBuf>,
    /// Check only the I-th of N parts of the kernels
    #[arg(long, value_name = "I/N", value_parser = subjects::Shard::parse)]
    shard: Option<subjects::Shard>,
    /// Merge the JSON reports of several shards, instead of checking anything
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["subjects", "against", "ko", "shard", "jobs"])]
    merge: Vec<PathBuf>,
    /// The number of kernels that are checked at once [default: the number of processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    #[command(flatten)]
    install: InstallArgs,
}

/// The choice of structs to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Draw {
    /// No struct
    None,
    /// The structs that the code allocates or whose fields it uses
    Used,
    /// All structs whose layouts differ
    All,
}

impl From<Draw> for Pictures {
    fn from(draw: Draw) -> Self {
        match draw {
            Draw::None => Self::None,
            Draw::Used => Self::Used,
            Draw::All => Self::All,
        }
    }
}

/// A part of two kernels that can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum InScope {
    /// Layouts of types
    Types,
    /// Signatures of functions
    Functions,
    /// Values of constants
    Constants,
    /// Exported symbols
    Symbols,
}

impl From<InScope> for AbiPart {
    fn from(part: InScope) -> Self {
        match part {
            InScope::Types => Self::Types,
            InScope::Functions => Self::Functions,
            InScope::Constants => Self::Constants,
            InScope::Symbols => Self::Symbols,
        }
    }
}

/// The least drift that makes a check fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Fail {
    /// Any drift, even if the same object keeps working
    Any,
    /// Drift that needs a rebuild, or more
    Rebuild,
    /// Drift that needs a change of the source
    Source,
}

impl From<Fail> for FailOn {
    fn from(fail: Fail) -> Self {
        match fail {
            Fail::Any => Self::Any,
            Fail::Rebuild => Self::Rebuild,
            Fail::Source => Self::Source,
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let book = Book::open()?;
    let mut report = if args.merge.is_empty() {
        checked(&book, args)?
    } else {
        merged(&args.merge)?
    };
    // The drift of one entry may be in several shards or in one. Only all shards together show that
    // an entry matches nothing.
    if args.shard.is_none() {
        accept_of(&book, &mut report, args.accepted.as_deref())?;
    }
    let format = if args.json {
        output::Format::Json
    } else {
        args.format
    };
    output::print(&report, format, args.pictures.into(), args.jobs())?;
    let outcome = outcome(&report, args.fail_on.into());
    // The process exits now, which frees its memory at once. Freeing a history and its findings
    // piece by piece takes longer than reading the history.
    std::mem::forget((book, report));
    Ok(outcome)
}

impl Args {
    /// Returns how many kernels are checked at once.
    fn jobs(&self) -> usize {
        self.jobs.map_or_else(
            || std::thread::available_parallelism().map_or(1, usize::from),
            usize::from,
        )
    }
}

/// Merges the JSON reports of several shards.
fn merged(files: &[PathBuf]) -> Result<DriftReport> {
    let read = |file: &PathBuf| {
        let text = fs::read_to_string(file)?;
        json::read(&text, file.display())
    };
    json::merge(files.iter().map(read).collect::<Result<Vec<_>>>()?)
}

fn checked(book: &Book, args: &Args) -> Result<DriftReport> {
    let mut subjects = book.subjects(&args.subjects)?;
    if let Some(shard) = args.shard {
        subjects = shard.of(subjects);
    }
    let scope: Option<BTreeSet<AbiPart>> =
        (!args.scope.is_empty()).then(|| args.scope.iter().copied().map(AbiPart::from).collect());
    let usage = usage()?;
    let cache = Cache::of_user()?;
    let install = args.install.allowed();
    let jobs = args.jobs();
    let checks = if !args.ko.is_empty() {
        let others = checks::Others::read(&args.ko, &args.extra_symbols)?;
        let pairs: Vec<_> = args
            .ko
            .iter()
            .flat_map(|ko| subjects.iter().map(move |subject| (ko, subject)))
            .collect();
        checks::at_once(jobs, &pairs, |(ko, subject)| {
            checks::module(book, ko, &others, subject, &cache)
        })?
    } else if let Some(text) = args
        .against
        .as_deref()
        .or_else(|| book.substitute(&subjects))
    {
        let before = book.against(text)?;
        let (name, abi) = (book.name(&before), book.abi(&before)?);
        let says = book.says(&before, &abi)?;
        checks::at_once(jobs, &subjects, |subject| {
            checks::beside(book, (&abi, says), &name, subject, &usage, scope.as_ref())
        })?
    } else if args.subjects.history {
        checks::steps(book, jobs, &book.steps(&subjects)?, &usage, scope.as_ref())?
    } else {
        // cargo builds the bindings of one kernel at a time.
        checks::at_once(1, &subjects, |subject| {
            checks::bindings(book, subject, &cache, install, &usage)
        })?
    };
    Ok(DriftReport {
        schema: report::SCHEMA,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        shard: args.shard.map(|shard| shard.to_string()),
        checks,
    })
}

/// Marks the findings that the list of accepted drift accepts.
pub(crate) fn accept(report: &mut DriftReport) -> Result<()> {
    accept_of(&Book::open()?, report, None)
}

fn accept_of(book: &Book, report: &mut DriftReport, list: Option<&Path>) -> Result<()> {
    let list = list.map_or_else(|| workspace().join("headers/accepted.toml"), Path::to_owned);
    let text = fs::read_to_string(&list)?;
    let accepted = Accepted::parse(&text, &list.display().to_string())?;
    accepted.apply(
        report,
        Date::today(),
        &|check| book.release(&check.kernel),
        false,
    )
}

/// Compares the bindings with a kernel of the catalogue.
pub(crate) fn bindings(name: &str, cache: &Cache, install: Install) -> Result<Comparison> {
    let book = Book::open()?;
    checks::bindings(&book, &book.named(name)?, cache, install, &usage()?)
}

/// Prints a report.
pub(crate) fn print(report: &DriftReport, format: Format) -> Result<()> {
    output::print(report, format, Pictures::default(), 1)
}

/// Returns the outcome of a report.
pub(crate) fn outcome(report: &DriftReport, fail_on: FailOn) -> Outcome {
    match report.conclusion(fail_on) {
        report::Conclusion::Holds => Outcome::Good,
        report::Conclusion::Drift => Outcome::Bad,
        report::Conclusion::CouldNotCheck => Outcome::NotTried,
    }
}

/// Reads what the safe layer and the samples use of a kernel, as recorded by
/// `cargo xtask snapshot --usage`.
pub(crate) fn usage() -> Result<Usage> {
    let path = workspace().join("headers/usage.json");
    let text = fs::read(&path)?;
    serde_json::from_slice(&text).map_err(|e| {
        Error::new(
            path.display(),
            "a list of the kernel's items that the safe layer uses",
            e,
            "create it again with `cargo xtask snapshot --usage`",
        )
    })
}
