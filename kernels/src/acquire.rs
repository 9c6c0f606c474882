// SPDX-License-Identifier: GPL-2.0-only
//! Gets a kernel: from the cache, from Debian's archive, or built here from its source.
//!
//! Only this module downloads, and only it knows all the sources.

pub mod archive;
mod root;

use std::path::Path;

use linux_driver_host::cache::Key;
use linux_driver_host::packages::how_to_install;
use linux_driver_host::{Cache, Error, Result, fs, progress};

use crate::build_host::BuildHost;
use crate::build_tree::BuildTree;
use crate::kernel::Kernel;
use crate::obstacles::obstacles;
use crate::record::Record;
use crate::source::debian::{makefiles, source_package};
use crate::source::{built, debian};
use crate::spec::{Fragment, KernelSpec};
use crate::unpacked;

/// The version of an entry's contents. Increase it when they change.
const SCHEMA: &str = "1";

/// Returns the key of a kernel's entry in the cache. It depends only on the catalogue, so a kernel
/// in the cache is found without a network. The key of a kernel that is built here also depends on
/// its compiler: without the compiler there is no key.
fn key(spec: &KernelSpec) -> Option<Key> {
    if let Some(fragment) = &spec.config {
        return built::key(spec, fragment);
    }
    let key = Key::new().with(SCHEMA).with(&spec.name).with(&spec.release);
    Some(key.with(&spec.version).with(&spec.arch))
}

/// Returns the kernel if it is in the cache with everything that is needed to build for it. Uses no
/// network and makes nothing.
pub fn fetched(cache: &Cache, spec: &KernelSpec) -> Option<Kernel> {
    let entry = cache.get("kernels", &spec.name, &key(spec)?)?;
    let (record, tree) = open(&entry).ok()?;
    let host = if obstacles(&tree, &BuildHost::Native).ok()?.is_empty() {
        BuildHost::Native
    } else {
        BuildHost::Root(root::present(
            cache,
            spec,
            &tree,
            &entry,
            &record.programs_need,
        )?)
    };
    Some(kernel(&entry, record, tree, host))
}

/// Returns the kernel from the cache. A kernel that is not there is fetched from Debian's archive,
/// and built if the catalogue says so. If this host cannot run its tools, a build root is made too.
pub fn fetch(cache: &Cache, spec: &KernelSpec) -> Result<Kernel> {
    let host_arch = std::env::consts::ARCH;
    if spec.arch != "amd64" || host_arch != "x86_64" {
        return Err(Error::new(
            &spec.name,
            "a kernel for amd64 on a machine that is x86_64",
            format_args!("one for {} on {host_arch}", spec.arch),
            "use such a machine, or give a build tree that works here with --kdir",
        ));
    }
    let key = key(spec).ok_or_else(|| {
        Error::new(
            &spec.name,
            format_args!(
                "its compiler, {}: it is built here from its source",
                spec.compiler
            ),
            "no such program",
            how_to_install(&[&spec.compiler]),
        )
    })?;
    let entry = cache.get_or_make("kernels", &spec.name, &key, |staging, place| {
        let mut record = match &spec.config {
            Some(fragment) => build(cache, spec, fragment, staging)?,
            None => debian::fetch_kernel(cache, spec, staging, place)?,
        };
        if let Some(note) = &record.note {
            progress::say(&format!("{}: {note}", spec.name));
        }
        record.unpacked = unpacked::unpack(staging, &record.image)?;
        record.write(staging)
    })?;
    let (record, tree) = open(&entry)?;
    let obstacles = obstacles(&tree, &BuildHost::Native)?;
    let host = if obstacles.is_empty() {
        BuildHost::Native
    } else {
        BuildHost::Root(
            match root::present(cache, spec, &tree, &entry, &record.programs_need) {
                Some(root) => root,
                None => {
                    for obstacle in &obstacles {
                        progress::say(&format!("{}: {}", spec.name, obstacle.text()));
                    }
                    root::get_or_make(cache, spec, &tree, &entry, &record.programs_need)?
                }
            },
        )
    };
    Ok(kernel(&entry, record, tree, host))
}

/// Downloads the source of a kernel and builds it in `staging`.
fn build(cache: &Cache, spec: &KernelSpec, fragment: &Fragment, staging: &Path) -> Result<Record> {
    makefiles::check(staging)?;
    let work = staging.join("source");
    let source = source_package::fetch(cache, spec, staging, &work)?;
    let tree = built::build(spec, fragment, &source.release, &work, staging)?;
    fs::remove_dir_all(&work)?;
    Ok(Record {
        version: source.package.version.clone(),
        packages: vec![source.package],
        note: source.note,
        ..Record::of_tree(&spec.name, &tree, built::TREE, built::IMAGE)
    })
}

/// Returns the newest kernel of the same series, flavour and suites that the archive has.
pub fn newest(cache: &Cache, spec: &KernelSpec) -> Result<KernelSpec> {
    if spec.is_stock() {
        debian::newest(cache, spec)
    } else {
        source_package::newest(cache, spec)
    }
}

fn open(entry: &Path) -> Result<(Record, BuildTree)> {
    let record = Record::read(entry)?;
    let tree = BuildTree::open(&entry.join(&record.build_tree))?;
    Ok((record, tree))
}

fn kernel(entry: &Path, record: Record, tree: BuildTree, host: BuildHost) -> Kernel {
    Kernel {
        name: record.name,
        release: record.release,
        version: Some(record.version),
        arch: tree.arch,
        compiler: record.compiler,
        build_tree: tree.dir,
        image: Some(entry.join(record.image)),
        unpacked: record.unpacked.map(|file| entry.join(file)),
        host,
        packages: record.packages,
        note: record.note,
    }
}
