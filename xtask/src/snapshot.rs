// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask snapshot`.

mod bindings;
mod facts;
mod origin;
mod read;
mod usage;
mod write;

use std::path::{Path, PathBuf};

use linux_driver_abi::btf::{self, Btf};
use linux_driver_abi::btf_file::BtfFile;
use linux_driver_abi::{Abi, Needed, emit};
use linux_driver_host::packages::Install;
use linux_driver_host::{Cache, Error, Result, output, progress};
use linux_driver_kernels::{Kernel, RUNNING};

pub(crate) use read::{record, snapshot};

use crate::Outcome;
use crate::args::{InstallArgs, KernelArgs, builder, catalogue, must_be_stock};
use crate::folders::workspace;
use facts::Facts;
use origin::Origin;

/// Write a snapshot of a kernel's headers: what the bindings need, as C and as data
///
/// The snapshot is written to headers/snapshots/NAME, where the bindings find it
/// (LINUX_DRIVER_KERNEL=NAME). Its types come from the type information (BTF) in the kernel, its
/// constants from the kernel's compiler and headers. So a snapshot of a BTF file alone has no
/// constants, and no bindings can be made from it.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask snapshot --kernel debian-6.1
  cargo xtask snapshot --kernel running --out /tmp/running
  cargo xtask snapshot --kdir /lib/modules/6.12.117+deb12-amd64/build
  cargo xtask snapshot --btf /sys/kernel/btf/vmlinux --out /tmp/btf
  cargo xtask snapshot --usage
  cargo xtask snapshot --bindings
  cargo xtask snapshot --all")]
pub(crate) struct Args {
    #[command(flatten)]
    kernel: KernelArgs,
    /// A file with BTF: vmlinux, vmlinuz, an arm64 Image, or plain BTF
    #[arg(long, value_name = "FILE", conflicts_with_all = ["kernel", "kdir"])]
    btf: Option<PathBuf>,
    /// Write what the safe layer and the samples use of a kernel to headers/usage.json, instead of
    /// a snapshot
    #[arg(long, conflicts_with_all = ["kdir", "btf", "out"])]
    usage: bool,
    /// Only write bindings.rs of the existing snapshots again
    #[arg(long, conflicts_with_all = ["kernel", "kdir", "btf", "usage", "out"])]
    bindings: bool,
    /// Write the snapshots of all prebuilt kernels of the catalogue, and then do --usage; needed
    /// after sys/needed.toml or sys/c changed
    #[arg(long, conflicts_with_all = ["kernel", "kdir", "btf", "usage", "out", "bindings"])]
    all: bool,
    /// The folder to write [default: headers/snapshots/NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    install: InstallArgs,
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    if args.usage {
        return usage::write(args.kernel.kernel.as_deref());
    }
    if args.all {
        return all(args.install.allowed());
    }
    if args.bindings {
        return all_bindings();
    }
    let needed = needed()?;
    let (name, snapshot) = match &args.btf {
        Some(path) => (name_of_file(path), of_btf(path, &needed)?),
        None => of_kernel(args, &needed)?,
    };
    let out = args.out.clone().unwrap_or_else(|| place(&name));
    put(&out, &snapshot)?;
    output::line(out.display());
    Ok(Outcome::Good)
}

/// Writes the snapshots of all prebuilt kernels, and what the code uses of them.
fn all(install: Install) -> Result<Outcome> {
    let cache = Cache::of_user()?;
    for spec in catalogue()?.stock() {
        let kernel = KernelArgs::named(&spec.name).kernel(&cache, install)?;
        let out = place(&spec.name);
        take(&cache, &kernel, install, &out)?;
        output::line(out.display());
    }
    usage::write(None)
}

/// Returns the folder of the snapshot of this name.
fn place(name: &str) -> PathBuf {
    workspace().join("headers/snapshots").join(name)
}

fn needed() -> Result<Needed> {
    Needed::read(&workspace().join("sys/needed.toml"))
}

/// The files of a snapshot.
struct Snapshot {
    /// `kernel.h`
    header: String,
    /// `abi.json`
    abi: String,
    /// `snapshot.toml`
    origin: String,
    /// `true` if the snapshot has constants. Without them, no bindings can be made from it.
    has_constants: bool,
}

impl Snapshot {
    fn of(btf: &Btf<'_>, abi: &Abi, needed: &Needed, origin: &Origin) -> Result<Self> {
        let unwritable =
            |e: String| Error::new("the snapshot", "to write it as text", e, "report this");
        Ok(Self {
            header: emit::header(btf, abi, needed)?,
            abi: serde_json::to_string_pretty(abi).map_err(|e| unwritable(e.to_string()))? + "\n",
            origin: origin.text().map_err(unwritable)?,
            has_constants: !abi.constants.is_empty(),
        })
    }
}

/// Makes a snapshot from type information alone.
fn of_btf(path: &Path, needed: &Needed) -> Result<Snapshot> {
    let source = BtfFile::open(path)?;
    let btf = source.kernel()?;
    let abi = btf::extract(&btf, &needed.scope())?;
    let origin = Origin::of_btf(&source, "the file that was given");
    progress::say("note: no headers, so no constants: bindings cannot be made from this snapshot");
    Snapshot::of(&btf, &abi, needed, &origin)
}

/// Makes a snapshot of a kernel with its headers. Returns the snapshot's name too.
fn of_kernel(args: &Args, needed: &Needed) -> Result<(String, Snapshot)> {
    let cache = Cache::of_user()?;
    let install = args.install.allowed();
    if let Some(name) = args
        .kernel
        .kernel
        .as_deref()
        .filter(|name| *name != RUNNING)
    {
        must_be_stock(catalogue()?.get(name)?)?;
    }
    let kernel = args.kernel.kernel(&cache, install)?;
    let snapshot = snapshot_of(&cache, &kernel, install, needed)?;
    let name = match &args.kernel.kdir {
        None if kernel.name != RUNNING => kernel.name.clone(),
        _ => kernel.release.clone(),
    };
    Ok((name, snapshot))
}

fn snapshot_of(
    cache: &Cache,
    kernel: &Kernel,
    install: Install,
    needed: &Needed,
) -> Result<Snapshot> {
    let prepared = builder(cache, kernel, install)?.prepared(&workspace().join("sys/c"))?;
    let facts = Facts::read(cache, kernel, needed)?;
    let (source, found_in) = kernel.btf()?;
    let btf = source.kernel()?;
    let abi = facts.with(btf::extract(&btf, &needed.scope())?, needed, kernel)?;
    let origin = Origin::of_kernel(&source, found_in, &abi, kernel, &prepared.kernel)?;
    Snapshot::of(&btf, &abi, needed, &origin)
}

/// Writes the snapshot of this kernel to `out`.
pub(crate) fn take(cache: &Cache, kernel: &Kernel, install: Install, out: &Path) -> Result<()> {
    put(out, &snapshot_of(cache, kernel, install, &needed()?)?)
}

/// Writes a snapshot to `out`, with its bindings if the bindings look for it there.
fn put(out: &Path, snapshot: &Snapshot) -> Result<()> {
    let name = out.file_name().and_then(|name| name.to_str());
    let name = name.filter(|name| place(name) == out && snapshot.has_constants);
    let before = name.and_then(bindings::stored);
    write::write(out, snapshot)?;
    if let Some(name) = name {
        bindings::write(name, before.as_deref())?;
    }
    Ok(())
}

/// Writes the bindings of all existing snapshots.
fn all_bindings() -> Result<Outcome> {
    for spec in catalogue()?.stock() {
        if place(&spec.name).is_dir() {
            output::line(bindings::write(&spec.name, None)?.display());
        }
    }
    Ok(Outcome::Good)
}

/// Returns the name of a snapshot of this file: the file's own name. Drops a suffix that adds no
/// information.
fn name_of_file(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(".btf").unwrap_or(&name).to_owned()
}
