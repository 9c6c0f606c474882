// SPDX-License-Identifier: GPL-2.0-only
//! The kernels that a command names, and their known facts without any build.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use linux_driver_abi::btf::extract;
use linux_driver_abi::btf_file::BtfFile;
use linux_driver_abi::compare::Says;
use linux_driver_abi::history::{History, KernelId, Watched, nearest};
use linux_driver_abi::model::{Abi, Scope};
use linux_driver_abi::needed::Needed;
use linux_driver_abi::symvers::Symvers;
use linux_driver_host::{Error, Result, fs};
use linux_driver_kernels::{Catalogue, Kernel, KernelSpec, RUNNING};

use crate::args::{catalogue, must_be_stock};
use crate::folders::workspace;
use crate::snapshot::{record, snapshot};

/// The arguments that choose kernels.
#[derive(clap::Args, Debug, Clone, Default)]
#[group(id = "subjects", multiple = false)]
pub(crate) struct Args {
    /// Kernels: names of `cargo xtask kernels`, or releases of `cargo xtask history list` [default:
    /// the catalogue's]
    #[arg(long, value_name = "NAME", num_args = 1..)]
    kernel: Vec<String>,
    /// All kernels of the catalogue, except those that are built here
    #[arg(long)]
    all: bool,
    /// All kernels of the history; without --against, each with the one before it of its
    /// architecture and flavour
    #[arg(long)]
    pub(super) history: bool,
    /// A kernel build tree, such as /lib/modules/RELEASE/build
    #[arg(long, value_name = "DIR")]
    kdir: Option<PathBuf>,
    /// A file with a kernel's BTF: vmlinux, vmlinuz, an arm64 Image, or plain BTF
    #[arg(long, value_name = "FILE")]
    btf: Option<PathBuf>,
    /// The running kernel
    #[arg(long)]
    running: bool,
}

/// A kernel that was chosen.
#[derive(Debug, Clone)]
pub(super) enum Subject {
    /// A kernel of the catalogue.
    Named(Box<KernelSpec>),
    /// A kernel of the history.
    Known(String),
    /// A build tree.
    Tree(PathBuf),
    /// A file with BTF.
    File(PathBuf),
    /// The running kernel.
    Running,
}

/// A part of the kernels, for checks that are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shard {
    number: usize,
    of: usize,
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl Shard {
    /// Parses "2/4".
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let parts = text
            .split_once('/')
            .and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Self { number, of }),
            _ => Err("expected I/N, such as 2/4, with I from 1 to N".to_owned()),
        }
    }

    /// Returns every N-th item, starting with the I-th. So neighbours, which are similar, go to
    /// different parts.
    pub(super) fn of<T>(self, all: Vec<T>) -> Vec<T> {
        all.into_iter()
            .skip(self.number - 1)
            .step_by(self.of)
            .collect()
    }
}

/// The sources of knowledge about kernels.
pub(super) struct Book {
    pub(super) catalogue: Catalogue,
    history: OnceLock<History>,
    needed: OnceLock<Needed>,
}

impl Book {
    pub(super) fn open() -> Result<Self> {
        Ok(Self {
            catalogue: catalogue()?,
            history: OnceLock::new(),
            needed: OnceLock::new(),
        })
    }

    /// Returns the history. The first call reads it.
    pub(super) fn history(&self) -> Result<&History> {
        read_once(&self.history, || {
            History::read(&workspace().join("headers/history"))
        })
    }

    /// Returns the names that the bindings need. The first call reads them.
    pub(super) fn needed(&self) -> Result<&Needed> {
        read_once(&self.needed, || {
            Needed::read(&workspace().join("sys/needed.toml"))
        })
    }

    /// Returns the names that the bindings need, and those that the history watches in addition.
    fn scope(&self) -> Result<Scope> {
        let watched = Watched::read(&workspace().join("headers/watched.toml"))?;
        Ok(watched.scope(self.needed()?))
    }

    /// Returns the kernels that the arguments choose.
    pub(super) fn subjects(&self, args: &Args) -> Result<Vec<Subject>> {
        if args.all {
            return Ok(self
                .catalogue
                .stock()
                .cloned()
                .map(Box::new)
                .map(Subject::Named)
                .collect());
        }
        if args.history {
            return Ok(self
                .history()?
                .kernels()
                .map(|(_, kernel)| Subject::Known(kernel.id.clone()))
                .collect());
        }
        if args.running {
            return Ok(vec![Subject::Running]);
        }
        if let Some(dir) = &args.kdir {
            return Ok(vec![Subject::Tree(dir.clone())]);
        }
        if let Some(file) = &args.btf {
            return Ok(vec![Subject::File(file.clone())]);
        }
        if args.kernel.is_empty() {
            return Ok(vec![self.named(self.catalogue.default_name())?]);
        }
        args.kernel.iter().map(|name| self.named(name)).collect()
    }

    /// Finds a kernel by its name in the catalogue or its release.
    pub(super) fn named(&self, name: &str) -> Result<Subject> {
        if name == RUNNING {
            return Ok(Subject::Running);
        }
        if let Some(spec) = self.catalogue.specs().find(|spec| spec.name == name) {
            must_be_stock(spec)?;
            return Ok(Subject::Named(Box::new(spec.clone())));
        }
        let history = self.history()?;
        // A series means its newest kernel, and reports name that kernel.
        let found = history.find(name).map(|id| history.kernel(id).id.clone());
        found.map(Subject::Known).map_err(|_| {
            let names = self.catalogue.stock().map(|spec| spec.name.as_str());
            let near = nearest(
                name,
                names.chain(history.kernels().map(|(_, kernel)| kernel.id.as_str())),
            );
            let near = match near.as_slice() {
                [] => String::new(),
                near => format!("; similar names: {}", near.join(", ")),
            };
            Error::new(
                format_args!("`{name}`"),
                format_args!(
                    "a kernel of the catalogue, or one of the {} of the history",
                    history.len()
                ),
                "no kernel with this name",
                format_args!("see `cargo xtask kernels` and `cargo xtask history list`{near}"),
            )
        })
    }

    /// Finds the kernel or file that `--against` names.
    pub(super) fn against(&self, text: &str) -> Result<Subject> {
        let path = Path::new(text);
        if self.catalogue.specs().any(|spec| spec.name == text) {
            self.named(text)
        } else if let Err(error) = fs::metadata(path) {
            // No kernel's name contains a slash or has such an ending.
            match text.contains('/') || is_record(path) {
                true => Err(error),
                false => self.named(text),
            }
        } else if path.is_dir() {
            Ok(Subject::Tree(path.to_owned()))
        } else {
            Ok(Subject::File(path.to_owned()))
        }
    }

    /// Returns the kernel to compare with, if none was named and no bindings can be made. It is the
    /// default kernel, for which the bindings are made.
    pub(super) fn substitute(&self, subjects: &[Subject]) -> Option<&str> {
        let bare = |subject: &Subject| match subject {
            Subject::File(_) => true,
            Subject::Running => Kernel::running().is_err(),
            _ => false,
        };
        subjects
            .iter()
            .any(bare)
            .then(|| self.catalogue.default_name())
    }

    /// Returns each kernel with the one before it, of its architecture and flavour.
    pub(super) fn steps(&self, subjects: &[Subject]) -> Result<Vec<(KernelId, KernelId)>> {
        let history = self.history()?;
        let known = |subject: &Subject| match subject {
            Subject::Known(name) => history.find(name).ok(),
            _ => None,
        };
        let wanted: HashSet<KernelId> = subjects.iter().filter_map(known).collect();
        let steps = history.steps().into_iter();
        Ok(steps.filter(|(_, after)| wanted.contains(after)).collect())
    }

    /// Returns the release of a kernel that a report names.
    pub(super) fn release(&self, name: &str) -> String {
        if name == RUNNING {
            return running_release();
        }
        match self.catalogue.specs().find(|spec| spec.name == name) {
            Some(spec) => spec.release.clone(),
            // `update` gives both: "debian-6.12 (6.12.117+deb12-amd64)".
            None => {
                let release = name.rsplit_once(" (").map_or(name, |(_, release)| release);
                release.trim_end_matches(')').to_owned()
            }
        }
    }

    /// Returns the kernel's name for reports.
    pub(super) fn name(&self, subject: &Subject) -> String {
        match subject {
            Subject::Named(spec) => spec.name.clone(),
            Subject::Known(name) => name.clone(),
            Subject::Tree(path) | Subject::File(path) => path.display().to_string(),
            Subject::Running => RUNNING.to_owned(),
        }
    }

    /// Returns the kernel's ABI, as far as it is known.
    pub(super) fn abi(&self, subject: &Subject) -> Result<Abi> {
        match subject {
            Subject::Named(spec) => self.of_catalogue(spec),
            Subject::Known(name) => {
                let history = self.history()?;
                Ok(history.abi_of(history.find(name)?))
            }
            Subject::Tree(dir) => self.of_kernel(&Kernel::of_tree(dir)?),
            Subject::File(file) if is_record(file) => record(file),
            Subject::File(file) => self.of_btf(&BtfFile::open(file)?),
            Subject::Running => match Kernel::running() {
                Ok(kernel) => self.of_kernel(&kernel),
                // Its BTF exists even without its headers.
                Err(_) => {
                    let mut abi = self.of_btf(&BtfFile::open(Path::new(RUNNING_BTF))?)?;
                    abi.release = running_release();
                    std::env::consts::ARCH.clone_into(&mut abi.arch);
                    Ok(abi)
                }
            },
        }
    }

    /// Returns the parts that the source of this kernel's ABI describes.
    pub(super) fn says(&self, subject: &Subject, abi: &Abi) -> Result<Says> {
        Ok(match subject {
            Subject::Named(_) => Says::ALL,
            Subject::Known(name) => {
                let history = self.history()?;
                history.says(history.find(name)?)
            }
            Subject::Tree(_) => Says {
                symbols: true,
                ..Says::TYPES
            },
            // The contents of a record show its source. The running kernel may or may not have
            // headers.
            Subject::File(file) if is_record(file) => Says::of(abi),
            Subject::Running => Says::of(abi),
            Subject::File(_) => Says::TYPES,
        })
    }

    /// Returns the snapshot of a kernel of the catalogue, with the names that the history watches
    /// in addition.
    fn of_catalogue(&self, spec: &KernelSpec) -> Result<Abi> {
        let mut abi = snapshot(&spec.name)?;
        let history = self.history()?;
        if let Some((id, _)) = history
            .kernels()
            .find(|(_, kernel)| kernel.id == abi.release)
        {
            let known = history.abi_of(id);
            for (name, type_) in known.types {
                abi.types.entry(name).or_insert(type_);
            }
            for (name, function) in known.functions {
                if known.symbols.is_empty()
                    && !abi.functions.contains_key(&name)
                    && !abi.symbols.contains_key(&name)
                {
                    let why = "the history has no list of what the kernel exports";
                    abi.no_evidence
                        .insert(format!("symbol {name}"), why.to_owned());
                }
                abi.functions.entry(name).or_insert(function);
            }
            for (name, symbol) in known.symbols {
                abi.symbols.entry(name).or_insert(symbol);
            }
            // A snapshot also knows which functions are in a header. BTF does not.
            let of_snapshot = |abi: &Abi, key: &str| match key.split_once(' ') {
                Some(("function", name)) => abi.functions.contains_key(name),
                Some(("type", name)) => abi.types.contains_key(name),
                Some(("symbol", name)) => abi.symbols.contains_key(name),
                _ => false,
            };
            for (key, why) in known.no_evidence {
                if !of_snapshot(&abi, &key) {
                    abi.no_evidence.entry(key).or_insert(why);
                }
            }
        }
        Ok(abi)
    }

    /// Reads a kernel with a build tree.
    fn of_kernel(&self, kernel: &Kernel) -> Result<Abi> {
        let (source, _) = kernel.btf()?;
        let mut abi = self.of_btf(&source)?;
        abi.release.clone_from(&kernel.release);
        let symvers = Symvers::read(&kernel.tree()?.symvers())?;
        add_symbols(&mut abi, &symvers, &self.scope()?);
        Ok(abi)
    }

    fn of_btf(&self, source: &BtfFile) -> Result<Abi> {
        extract(&source.kernel()?, &self.scope()?)
    }

    /// Returns the kernel of this release, if it is known. The catalogue has precedence over the
    /// history.
    pub(super) fn of_release(&self, release: &str) -> Result<Option<Subject>> {
        if let Some(spec) = self.catalogue.stock().find(|spec| spec.release == release) {
            return Ok(Some(Subject::Named(Box::new(spec.clone()))));
        }
        let known = self
            .history()?
            .kernels()
            .any(|(_, kernel)| kernel.id == release);
        Ok(known.then(|| Subject::Known(release.to_owned())))
    }
}

/// Returns the content of the cell. The first call fills it.
fn read_once<T>(cell: &OnceLock<T>, read: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = read()?;
    Ok(cell.get_or_init(|| value))
}

/// The type information of the running kernel.
pub(super) const RUNNING_BTF: &str = "/sys/kernel/btf/vmlinux";

/// Returns the output of `uname -r`.
pub(super) fn running_release() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.trim().to_owned()
}

/// Returns whether the file is an `abi.json`, and not a kernel.
pub(super) fn is_record(file: &Path) -> bool {
    file.extension()
        .is_some_and(|extension| extension == "json")
}

/// Adds the exported symbols in scope.
pub(super) fn add_symbols(abi: &mut Abi, symvers: &Symvers, scope: &Scope) {
    let checksums = symvers.has_checksums();
    let symbols = scope.functions.iter();
    abi.symbols = symbols
        .filter_map(|name| Some((name.clone(), symvers.symbol(name, checksums)?)))
        .collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_cover_everything_once() {
        let all: Vec<u32> = (0..11).collect();
        let mut seen: Vec<u32> = (1..=3)
            .flat_map(|number| Shard { number, of: 3 }.of(all.clone()))
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, all);
        for wrong in ["0/2", "3/2", "1", "a/b", "1/0", ""] {
            assert!(Shard::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Shard::parse("2/4"), Ok(Shard { number: 2, of: 4 }));
    }
}
