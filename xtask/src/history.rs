// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask history`.

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::ArgGroup;
use linux_driver_abi::btf::extract;
use linux_driver_abi::btf_file::BtfFile;
use linux_driver_abi::history::{
    Added, History, HistoryKernel, HistoryPackage, Watched, series_of,
};
use linux_driver_abi::model::Scope;
use linux_driver_abi::needed::Needed;
use linux_driver_abi::symvers::Symvers;
use linux_driver_host::progress::say;
use linux_driver_host::table::aligned;
use linux_driver_host::{Cache, Error, Result, cache, output, process};
use linux_driver_kernels::archive::{Archive, Held, flavour_of};
use serde::Serialize;

use crate::Outcome;
use crate::args::catalogue;
use crate::build::print_json;
use crate::folders::workspace;

/// Work with the history of kernels: list its kernels, or add one
///
/// The history is in headers/history. `check-abi --history` and `explain` read it, offline. It
/// records what the bindings need (sys/needed.toml) and what headers/watched.toml lists.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask history list
  cargo xtask history add 6.12.117+deb12-amd64
  cargo xtask history add --new")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Add(Add),
    List(List),
}

/// Add kernels
///
/// A kernel's type information comes from its headers package in Debian's archive. If that package
/// lacks it or is gone, the kernel's image is used. The type information is kept in the cache. If
/// the history has the kernel already, new facts are added to it, for example after a name was
/// added to headers/watched.toml.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask history add 6.12.117+deb12-amd64
  cargo xtask history add --new
  cargo xtask history add --btf /sys/kernel/btf/vmlinux --release $(uname -r) --arch $(uname -m)")]
#[command(group(ArgGroup::new("which").required(true).args(["releases", "all", "new", "btf"])))]
struct Add {
    /// Kernels in Debian's archive, by release
    #[arg(value_name = "RELEASE")]
    releases: Vec<String>,
    /// All kernels in Debian's archive
    #[arg(long)]
    all: bool,
    /// The kernels in Debian's archive that the history lacks
    #[arg(long)]
    new: bool,
    /// A file with a kernel's BTF: vmlinux, vmlinuz, an arm64 Image, or plain BTF
    #[arg(long, value_name = "FILE", requires = "release", requires = "arch")]
    btf: Option<PathBuf>,
    /// With --btf: the output of `uname -r` on that kernel
    #[arg(long, value_name = "RELEASE", requires = "btf")]
    release: Option<String>,
    /// With --btf: the output of `uname -m` on that kernel
    #[arg(long, value_name = "ARCH", requires = "btf", value_parser = ["x86_64", "aarch64"])]
    arch: Option<String>,
    /// With --btf: its Module.symvers; without it, its symbols are unknown
    #[arg(long, value_name = "FILE", requires = "btf")]
    symvers: Option<PathBuf>,
    /// The folder of the history [default: headers/history]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// List the kernels of the history, or those of Debian's archive
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask history list
  cargo xtask history list --archive --json | jq -r '.[] | select(.known | not) | .release'")]
struct List {
    /// List the kernels of Debian's archive, and whether the history has them
    #[arg(long)]
    archive: bool,
    /// Print one JSON document on standard output
    #[arg(long)]
    json: bool,
    /// The folder of the history [default: headers/history]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    match &args.command {
        Command::Add(args) => add(args),
        Command::List(args) => list(args),
    }
}

/// Returns the folder of the history.
pub(crate) fn place(dir: Option<&PathBuf>) -> PathBuf {
    dir.cloned()
        .unwrap_or_else(|| workspace().join("headers/history"))
}

/// Returns the names that the history records.
pub(crate) fn scope() -> Result<Scope> {
    let needed = Needed::read(&workspace().join("sys/needed.toml"))?;
    Ok(Watched::read(&workspace().join("headers/watched.toml"))?.scope(&needed))
}

/// Takes the lock of the history while a kernel is added. The lock is in the cache, so that the
/// folder contains nothing but the history.
fn lock(dir: &Path) -> Result<File> {
    let root = Cache::of_user()?.root().to_owned();
    let name = cache::Key::new()
        .with(dir.to_string_lossy().as_bytes())
        .hex();
    cache::lock_file(&root.join(format!(".lock-history-{name}")))
}

fn add(args: &Add) -> Result<Outcome> {
    let dir = place(args.dir.as_ref());
    let scope = scope()?;
    if let Some(btf) = &args.btf {
        let release = args.release.clone().unwrap_or_default();
        let kernel = HistoryKernel {
            flavour: flavour_of(&release).to_owned(),
            series: series_of(&release).to_owned(),
            release,
            arch: args.arch.clone().unwrap_or_default(),
            btf: btf
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            ..HistoryKernel::default()
        };
        add_one(
            &dir,
            &scope,
            kernel,
            &BtfFile::open(btf)?,
            args.symvers.as_deref(),
        )?;
        return Ok(Outcome::Good);
    }
    let user = Cache::of_user()?;
    let archive = Archive::open(&user, &catalogue()?)?;
    let wanted: Vec<&Held> = if args.all || args.new {
        let history = History::read_or_begin(&dir)?;
        let all = archive.kernels().iter();
        all.filter(|held| args.all || !is_known(&history, held))
            .collect()
    } else {
        let all = args.releases.iter().map(|release| archive.get(release));
        all.collect::<Result<_>>()?
    };
    if wanted.is_empty() {
        say("the history has all kernels of the archive");
    }
    for held in wanted {
        process::check_interrupted()?;
        let kept = archive.fetch(&user, held)?;
        let packages = kept.packages.iter().map(|package| HistoryPackage {
            name: package.name.clone(),
            version: package.version.clone(),
            sha256: package.sha256.clone(),
        });
        let kernel = HistoryKernel {
            id: String::new(),
            release: held.release.clone(),
            arch: held.arch.to_owned(),
            flavour: held.flavour.clone(),
            series: held.series.clone(),
            packages: packages.collect(),
            btf: kept.source.clone(),
            symbols_known: false,
        };
        add_one(
            &dir,
            &scope,
            kernel,
            &BtfFile::open(&kept.btf)?,
            kept.symvers.as_deref(),
        )?;
    }
    Ok(Outcome::Good)
}

/// Adds a kernel that was fetched, unless it is known.
pub(crate) fn add_kernel(fetched: &linux_driver_kernels::Kernel) -> Result<()> {
    let history = History::read_or_begin(&place(None))?;
    if history
        .kernels()
        .any(|(_, kernel)| kernel.id == fetched.release)
    {
        return Ok(());
    }
    let (source, found_in) = fetched.btf()?;
    let packages = fetched.packages.iter().map(|package| HistoryPackage {
        name: package.name.clone(),
        version: package.version.clone(),
        sha256: package.sha256.clone(),
    });
    let tree = fetched.tree()?;
    let kernel = HistoryKernel {
        release: fetched.release.clone(),
        arch: match tree.arch.as_str() {
            "x86" => "x86_64".to_owned(),
            other => other.to_owned(),
        },
        flavour: flavour_of(&fetched.release).to_owned(),
        series: series_of(&fetched.release).to_owned(),
        packages: packages.collect(),
        btf: found_in.to_owned(),
        ..HistoryKernel::default()
    };
    add_one(
        &place(None),
        &scope()?,
        kernel,
        &source,
        Some(&tree.symvers()),
    )
}

/// Adds one kernel and writes the history, so that the kernel is kept if a later one fails.
fn add_one(
    dir: &Path,
    scope: &Scope,
    mut kernel: HistoryKernel,
    source: &BtfFile,
    symvers: Option<&Path>,
) -> Result<()> {
    if kernel.series.is_empty() {
        return Err(Error::new(
            "--release",
            "a release that starts with a version, as `uname -r` prints it: 6.12.117+deb12-amd64",
            format_args!("`{}`", kernel.release),
            "correct it",
        ));
    }
    let mut abi = extract(&source.kernel()?, scope)?;
    if let Some(path) = symvers {
        let symvers = Symvers::read(path)?;
        kernel.symbols_known = true;
        let checksums = symvers.has_checksums();
        let found = |name: &String| Some((name.clone(), symvers.symbol(name, checksums)?));
        abi.symbols = scope.functions.iter().filter_map(found).collect();
    }
    let _lock = lock(dir)?;
    let mut history = History::read_or_begin(dir)?;
    let release = kernel.release.clone();
    match history.add(kernel, &abi)? {
        Added::New(id) => {
            let before = history.predecessor(id);
            let changed = before.map(|before| {
                (
                    history.differences(before, id).len(),
                    &history.kernel(before).id,
                )
            });
            let text = match changed {
                Some((0, before)) => format!("nothing in scope differs from {before}"),
                Some((count, before)) => format!("{count} things in scope differ from {before}"),
                None => "the first of its architecture and flavour".to_owned(),
            };
            say(&format!("{}: added; {text}", history.kernel(id).id));
        }
        Added::Extended(id) => say(&format!("{}: new facts were added", history.kernel(id).id)),
        Added::Known(_) => {
            say(&format!("{release}: known already"));
            return Ok(());
        }
    }
    history.write(dir)
}

fn is_known(history: &History, held: &Held) -> bool {
    let same = |kernel: &HistoryKernel| {
        let mut packages = kernel.packages.iter();
        let version =
            packages.len() == 0 || packages.any(|package| package.version == held.version);
        kernel.release == held.release && version
    };
    history.kernels().any(|(_, kernel)| same(kernel))
}

#[derive(Serialize)]
struct Known<'h> {
    #[serde(flatten)]
    kernel: &'h HistoryKernel,
    like: Option<&'h str>,
    differences: usize,
}

#[derive(Serialize)]
struct InArchive<'a> {
    #[serde(flatten)]
    held: &'a Held,
    known: bool,
}

fn list(args: &List) -> Result<Outcome> {
    let dir = place(args.dir.as_ref());
    // An empty list for a folder that does not exist would hide a wrong path.
    let history = match args.archive {
        true => History::read_or_begin(&dir)?,
        false => History::read(&dir)?,
    };
    let head =
        |columns: &[&str]| -> Vec<String> { columns.iter().map(|c| (*c).to_owned()).collect() };
    let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    if args.archive {
        let archive = Archive::open(&Cache::of_user()?, &catalogue()?)?;
        let rows = archive.kernels().iter().map(|held| InArchive {
            held,
            known: is_known(&history, held),
        });
        let rows: Vec<InArchive<'_>> = rows.collect();
        if args.json {
            print_json(&rows)?;
            return Ok(Outcome::Good);
        }
        let mut table = vec![head(&[
            "RELEASE",
            "VERSION",
            "ARCH",
            "HEADERS",
            "IN HISTORY",
        ])];
        table.extend(rows.iter().map(|row| {
            let held = row.held;
            let arch = held.arch.to_owned();
            vec![
                held.release.clone(),
                held.version.clone(),
                arch,
                yes(held.headers),
                yes(row.known),
            ]
        }));
        output::text(aligned(&table));
        return Ok(Outcome::Good);
    }
    let mut rows = Vec::new();
    for id in history.in_order() {
        let before = history.predecessor(id);
        rows.push(Known {
            kernel: history.kernel(id),
            like: before.map(|before| history.kernel(before).id.as_str()),
            differences: before.map_or(0, |before| history.differences(before, id).len()),
        });
    }
    if args.json {
        print_json(&rows)?;
        return Ok(Outcome::Good);
    }
    let mut table = vec![head(&[
        "KERNEL",
        "VERSION",
        "ARCH",
        "SYMBOLS",
        "DIFFERS FROM THE ONE BEFORE",
    ])];
    table.extend(rows.iter().map(|row| {
        let kernel = row.kernel;
        let version = kernel
            .packages
            .first()
            .map_or("", |package| &package.version);
        let differs = match (row.like, row.differences) {
            (None, _) => String::new(),
            (Some(_), 0) => "in nothing".to_owned(),
            (Some(before), count) => format!("in {count} things ({before})"),
        };
        let arch = kernel.arch.clone();
        vec![
            kernel.id.clone(),
            version.to_owned(),
            arch,
            yes(kernel.symbols_known),
            differs,
        ]
    }));
    output::text(aligned(&table));
    Ok(Outcome::Good)
}
