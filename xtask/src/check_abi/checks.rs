// SPDX-License-Identifier: GPL-2.0-only
//! The three kinds of checks, over many kernels at once.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use linux_driver_abi::btf::{Btf, extract};
use linux_driver_abi::btf_file::BtfFile;
use linux_driver_abi::compare::Says;
use linux_driver_abi::history::KernelId;
use linux_driver_abi::model::{Abi, Symbol};
use linux_driver_abi::needed::Needed;
use linux_driver_abi::report::{AbiPart, Comparison};
use linux_driver_abi::symvers::Symvers;
use linux_driver_abi::{Usage, agree, compare};
use linux_driver_check::module_abi::{self, Exports, Target, Types};
use linux_driver_host::packages::Install;
use linux_driver_host::{Cache, Error, Result, fs, process, progress};
use linux_driver_kbuild::Kbuild;
use linux_driver_kbuild::bindings::{self, Workspace};
use linux_driver_kbuild::headers::{self, Wanted};
use linux_driver_kernels::BuildTree;
use linux_driver_kernels::Config;
use linux_driver_kernels::{Kernel, acquire};

use super::subjects::{Book, Subject};
use crate::args::builder;
use crate::folders::{manifest, workspace};
use crate::snapshot::snapshot;

/// Calls `work` for each item, up to `jobs` at once. The results have the order of the items.
pub(super) fn at_once<T: Sync, R: Send>(
    jobs: usize,
    items: &[T],
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<R>)>> = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(items.len()) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(number) else { break };
                    let result = process::check_interrupted().and_then(|()| work(item));
                    let failed = result.is_err();
                    done.lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .push((number, result));
                    if failed {
                        // Only the first error is reported, so no further item is started.
                        next.store(items.len(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let mut done = done
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Compares a kernel with another one.
pub(super) fn beside(
    book: &Book,
    (before, says): (&Abi, Says),
    name: &str,
    after: &Subject,
    usage: &Usage,
    scope: Option<&BTreeSet<AbiPart>>,
) -> Result<Comparison> {
    let abi = book.abi(after)?;
    let after_says = book.says(after, &abi)?;
    let names = (name, &*book.name(after));
    Ok(compare::in_scope(
        (before, says),
        (&abi, after_says),
        usage,
        names,
        scope,
    ))
}

/// The number of pieces of work for each worker, if there are enough. The last pieces are then
/// short.
const PIECES: usize = 4;

/// Divides the items into pieces of work for this many workers. Neighbours stay together.
pub(super) fn pieces<T>(items: &[T], jobs: usize) -> Vec<&[T]> {
    items
        .chunks(items.len().div_ceil(jobs.saturating_mul(PIECES)).max(1))
        .collect()
}

/// Compares kernels of the history, each with the one before it.
pub(super) fn steps(
    book: &Book,
    jobs: usize,
    steps: &[(KernelId, KernelId)],
    usage: &Usage,
    scope: Option<&BTreeSet<AbiPart>>,
) -> Result<Vec<Comparison>> {
    let history = book.history()?;
    // One worker takes neighbouring kernels. It gets from one kernel to the next by applying the
    // differences.
    let checks = at_once(jobs, &pieces(steps, jobs), |piece| {
        Ok(history.compare(piece, usage, scope))
    })?;
    Ok(checks.into_iter().flatten().collect())
}

/// Compares the bindings with the kernel for which they were made.
pub(super) fn bindings(
    book: &Book,
    subject: &Subject,
    cache: &Cache,
    install: Install,
    usage: &Usage,
) -> Result<Comparison> {
    let name = book.name(subject);
    let kernel = match subject {
        Subject::Named(spec) => acquire::fetched(cache, spec),
        Subject::Tree(dir) => Some(Kernel::of_tree(dir)?),
        Subject::Running => Some(Kernel::running()?),
        Subject::Known(_) | Subject::File(_) => {
            return Err(Error::new(
                &name,
                "a kernel with headers or a snapshot, because the bindings are made from these",
                "a kernel of which only the type information is known",
                "compare it with another kernel: add --against debian-6.12",
            ));
        }
    };
    match kernel {
        Some(kernel) => of_kernel(book, &name, &kernel, cache, install, usage),
        None => {
            progress::say(&format!(
                "{name} is not fetched, so its snapshot is used (`cargo xtask fetch {name}` \
                 fetches its headers)"
            ));
            of_snapshot(book, &name, usage)
        }
    }
}

/// Compares all three descriptions: those of rustc, of the headers and of the kernel.
fn of_kernel(
    book: &Book,
    name: &str,
    kernel: &Kernel,
    cache: &Cache,
    install: Install,
    usage: &Usage,
) -> Result<Comparison> {
    let sys = workspace().join("sys/c");
    let prepared = builder(cache, kernel, install)?.prepared(&sys)?;
    let rustc = rustc(book, "LINUX_DRIVER_KERNEL_DIR", prepared.dir.as_os_str())?;
    let kbuild = Kbuild::of(kernel)?;
    let wanted = Wanted {
        scope: book.needed()?.scope(),
        constants: constants(book.needed()?),
    };
    let headers = headers::read(cache, &kbuild, &sys, &wanted)?;
    let (source, _) = kernel.btf()?;
    let btf = extract(&source.kernel()?, &wanted.scope)?;
    Ok(agree::check(
        name,
        &[("rustc", &rustc), ("headers", &headers), ("btf", &btf)],
        usage,
    ))
}

/// Compares without the kernel: rustc's layout of the snapshot with the snapshot's record of the
/// kernel.
fn of_snapshot(book: &Book, name: &str, usage: &Usage) -> Result<Comparison> {
    let abi = snapshot(name)?;
    let rustc = rustc(book, "LINUX_DRIVER_KERNEL", name.as_ref())?;
    Ok(agree::check(
        name,
        &[("rustc", &rustc), ("snapshot", &abi)],
        usage,
    ))
}

/// Returns rustc's layouts for the kernel that this variable names.
fn rustc(book: &Book, variable: &str, value: &OsStr) -> Result<Abi> {
    let of_kernel = Workspace {
        manifest: manifest(),
        target_dir: workspace().join("target"),
        env: vec![(variable.to_owned(), value.to_owned())],
    };
    let rustc = std::env::var_os("RUSTC").map_or_else(|| PathBuf::from("rustc"), PathBuf::from);
    let dir = fs::tempdir()?;
    let needed = book.needed()?;
    let (scope, constants) = (needed.scope(), constants(needed));
    bindings::read(
        &of_kernel.bindings()?,
        &rustc,
        &scope,
        &constants,
        dir.path(),
    )
}

fn constants(needed: &Needed) -> Vec<String> {
    needed
        .constants()
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// The exports of modules built outside a kernel's tree.
pub(super) struct Others {
    /// Exports by the module that exports them.
    modules: Vec<(PathBuf, BTreeMap<String, Arc<Symbol>>)>,
    /// Exports that files list.
    files: Vec<Symvers>,
}

impl Others {
    pub(super) fn read(modules: &[PathBuf], files: &[PathBuf]) -> Result<Self> {
        // A single module has no other module to export to.
        let modules = modules.iter().filter(|_| modules.len() > 1);
        Ok(Self {
            modules: modules
                .map(|ko| Ok((ko.clone(), module_abi::exports(ko)?)))
                .collect::<Result<_>>()?,
            files: files
                .iter()
                .map(|file| Symvers::read(file))
                .collect::<Result<_>>()?,
        })
    }

    /// Returns the exports that the module `ko` can use. A module's own list has precedence over a
    /// file.
    fn of(&self, ko: &Path) -> BTreeMap<String, Arc<Symbol>> {
        let mut all = BTreeMap::new();
        for symvers in &self.files {
            let checksums = symvers.has_checksums();
            let symbols = symvers.iter().map(|(name, _)| name);
            all.extend(
                symbols
                    .filter_map(|name| Some((name.to_owned(), symvers.symbol(name, checksums)?))),
            );
        }
        let modules = self.modules.iter().filter(|(other, _)| other != ko);
        all.extend(modules.flat_map(|(_, exports)| exports.clone()));
        all
    }
}

/// Compares a module with a kernel. If the module's own kernel is known, changed signatures are
/// found too.
pub(super) fn module(
    book: &Book,
    ko: &Path,
    others: &Others,
    subject: &Subject,
    cache: &Cache,
) -> Result<Comparison> {
    let kernel = Held::of(book, subject, cache)?;
    let btf = kernel.btf()?;
    let target = kernel.target(btf.as_ref())?.with_others(others.of(ko));
    let release = module_abi::built_for(ko)?;
    let built_for = release.map_or(Ok(None), |release| book.of_release(&release))?;
    let Some(built_for) = built_for else {
        return module_abi::check(ko, &target);
    };
    let before = Held::of(book, &built_for, cache)?;
    let before_btf = before.btf()?;
    let before = before.target(before_btf.as_ref())?;
    module_abi::check(ko, &target.with_built_for(&before))
}

/// The parts of a kernel that are available for checking a module.
struct Held {
    name: String,
    release: String,
    arch: String,
    tree: Option<BuildTree>,
    config: Option<Config>,
    source: Option<BtfFile>,
    abi: Option<Abi>,
}

impl Held {
    fn of(book: &Book, subject: &Subject, cache: &Cache) -> Result<Self> {
        let kernel = match subject {
            Subject::Named(spec) => acquire::fetched(cache, spec),
            Subject::Tree(dir) => Some(Kernel::of_tree(dir)?),
            Subject::Running => Kernel::running().ok(),
            Subject::Known(_) | Subject::File(_) => None,
        };
        let mut held = Self {
            name: book.name(subject),
            release: String::new(),
            arch: String::new(),
            tree: None,
            config: None,
            source: None,
            abi: None,
        };
        match (kernel, subject) {
            (Some(kernel), _) => {
                held.tree = Some(kernel.tree()?);
                held.source = kernel.btf().ok().map(|(source, _)| source);
            }
            (None, Subject::Running) => {
                held.release = super::subjects::running_release();
                held.arch = std::env::consts::ARCH.to_owned();
                held.config =
                    Config::read(&Path::new("/boot").join(format!("config-{}", held.release))).ok();
                held.source = Some(BtfFile::open(Path::new(super::subjects::RUNNING_BTF))?);
            }
            (None, Subject::File(file)) if !super::subjects::is_record(file) => {
                held.source = Some(BtfFile::open(file)?)
            }
            (None, _) => held.abi = Some(book.abi(subject)?),
        }
        Ok(held)
    }

    fn btf(&self) -> Result<Option<Btf<'_>>> {
        self.source.as_ref().map(BtfFile::kernel).transpose()
    }

    fn target<'a>(&'a self, btf: Option<&'a Btf<'a>>) -> Result<Target<'a>> {
        let target = match (&self.tree, &self.abi) {
            (Some(tree), _) => Target::of_tree(tree, btf)?,
            (None, Some(abi)) => Target::of_abi(abi),
            (None, None) => Target {
                name: String::new(),
                release: self.release.clone(),
                arch: self.arch.clone(),
                config: self.config.clone(),
                exports: Exports::Unknown,
                others: BTreeMap::new(),
                types: btf.map_or(Types::Unknown, Types::Btf),
                built_for: None,
            },
        };
        Ok(Target {
            name: self.name.clone(),
            ..target
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_done_once_and_in_order() {
        let items: Vec<u32> = (0..100).collect();
        let doubled = at_once(4, &items, |item| Ok(item * 2)).unwrap();
        assert_eq!(
            doubled,
            items.iter().map(|item| item * 2).collect::<Vec<_>>()
        );
        let error = at_once(4, &items, |&item| {
            if item == 7 {
                Err(Error::new("7", "a", "b", "c"))
            } else {
                Ok(())
            }
        });
        assert_eq!(error.unwrap_err().location(), "7");
    }
}
