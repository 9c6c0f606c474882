// SPDX-License-Identifier: GPL-2.0-only
//! Kernels to build for and to boot: fetched ones of the catalogue, the one that runs, and any
//! build tree.

mod catalogue;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use linux_driver_abi::source::Source;
use linux_driver_host::cache::Key;
use linux_driver_host::packages::{Need, how_to_install};
use linux_driver_host::{Cache, Error, Result, process, progress};
use serde::{Deserialize, Serialize};

pub use self::catalogue::{Catalogue, Edit, Fragment, RUNNING, Spec};
use crate::compiler::Compiler;
pub use crate::debian::Package;
use crate::debian::{self, RECORD};
use crate::root::{self, BuildHost, Obstacle};
use crate::source_kernel;
use crate::tree::BuildTree;

/// A kernel that modules can be built for.
#[derive(Debug, Clone, Serialize)]
pub struct Kernel {
    /// Its name in the catalogue, "running", or the path of its build tree.
    pub name: String,
    /// What `uname -r` says under it.
    pub release: String,
    /// The version of its packages, if it was fetched.
    pub version: Option<String>,
    /// The kernel's name of the architecture: "x86".
    pub arch: String,
    /// The compiler that it was built with, as its `.config` has it.
    pub compiler: String,
    /// Its build tree.
    pub build_tree: PathBuf,
    /// The kernel itself, to boot.
    pub image: Option<PathBuf>,
    /// Where its tools run.
    pub host: BuildHost,
    /// The packages that it consists of, if it was fetched.
    pub packages: Vec<Package>,
    /// What else is to be known about it.
    pub note: Option<String>,
}

/// `fetched.json`, the record in a kernel's entry of the cache. Paths are relative to the entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Fetched {
    pub(crate) name: String,
    pub(crate) release: String,
    pub(crate) version: String,
    pub(crate) arch: String,
    pub(crate) compiler: String,
    pub(crate) packages: Vec<Package>,
    /// The packages that its host programs need (libraries).
    pub(crate) programs_need: Vec<String>,
    pub(crate) note: Option<String>,
    pub(crate) build_tree: PathBuf,
    pub(crate) image: PathBuf,
}

/// Counts up when what an entry consists of changes.
const SCHEMA: &str = "1";

/// The place of a kernel: it follows from the catalogue alone, so that a kernel in the cache is
/// found without a network; for one that is built here, also from its compiler, without which there
/// is no key.
fn key(spec: &Spec) -> Option<Key> {
    if let Some(fragment) = &spec.config {
        return source_kernel::key(spec, fragment);
    }
    let key = Key::new().with(SCHEMA).with(&spec.name).with(&spec.release);
    Some(key.with(&spec.version).with(&spec.arch))
}

/// The kernel if it is in the cache with all that it takes to build for it. Reaches for no network
/// and makes nothing.
pub fn fetched(cache: &Cache, spec: &Spec) -> Option<Kernel> {
    let entry = cache.get("kernels", &spec.name, &key(spec)?)?;
    let (record, tree) = open(&entry).ok()?;
    let host = if root::obstacles(&tree, &BuildHost::Native).ok()?.is_empty() {
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

/// The kernel from the cache, fetched from Debian's archive if it is not there, and built where the
/// catalogue says so. Where this host cannot build for it as it is, a build root is made too.
pub fn fetch(cache: &Cache, spec: &Spec) -> Result<Kernel> {
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
        let record = match &spec.config {
            Some(fragment) => source_kernel::make(cache, spec, fragment, staging)?,
            None => debian::fetch_kernel(cache, spec, staging, place)?,
        };
        if let Some(note) = &record.note {
            progress::say(&format!("{}: {note}", spec.name));
        }
        debian::write_record(staging, &record)
    })?;
    let (record, tree) = open(&entry)?;
    let obstacles = root::obstacles(&tree, &BuildHost::Native)?;
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

/// The newest kernel that the archive has in the stead of this one: of the same series, flavour and
/// suites.
pub fn newest(cache: &Cache, spec: &Spec) -> Result<Spec> {
    if spec.is_stock() {
        debian::newest(cache, spec)
    } else {
        debian::source::newest(cache, spec)
    }
}

fn open(entry: &Path) -> Result<(Fetched, BuildTree)> {
    let path = entry.join(RECORD);
    let bytes = fs::read(&path).map_err(|e| Error::io(&path, "read", &e))?;
    let record: Fetched = serde_json::from_slice(&bytes).map_err(|e| {
        Error::new(
            path.display(),
            "the record of a fetched kernel",
            e,
            format_args!("remove {} and fetch it again", entry.display()),
        )
    })?;
    let tree = BuildTree::open(&entry.join(&record.build_tree))?;
    Ok((record, tree))
}

fn kernel(entry: &Path, record: Fetched, tree: BuildTree, host: BuildHost) -> Kernel {
    Kernel {
        name: record.name,
        release: record.release,
        version: Some(record.version),
        arch: tree.arch,
        compiler: record.compiler,
        build_tree: tree.dir,
        image: Some(entry.join(record.image)),
        host,
        packages: record.packages,
        note: record.note,
    }
}

/// The kernel that runs.
pub fn running() -> Result<Kernel> {
    let path = Path::new("/proc/sys/kernel/osrelease");
    let release = fs::read_to_string(path).map_err(|e| Error::io(path, "read", &e))?;
    let release = release.trim();
    let dir = Path::new("/lib/modules").join(release).join("build");
    if !dir.is_dir() {
        return Err(Error::new(
            dir.display(),
            "the build tree of the kernel that runs",
            "no such folder",
            format_args!(
                "install its headers (Debian and Ubuntu: apt-get install linux-headers-{release}; Fedora: dnf install \
                 kernel-devel-{release}), or name another kernel (`cargo xtask kernels` lists them)"
            ),
        ));
    }
    let mut kernel = Kernel::of_tree(&dir)?;
    kernel.name = RUNNING.to_owned();
    Ok(kernel)
}

impl Kernel {
    /// The kernel of a build tree, whose tools run on this host.
    pub fn of_tree(dir: &Path) -> Result<Self> {
        let tree = BuildTree::open(dir)?;
        Compiler::of(&tree.config).require(&tree, &BuildHost::Native)?;
        let mut notes = Vec::new();
        for obstacle in root::obstacles(&tree, &BuildHost::Native)? {
            match obstacle {
                // Kbuild takes the compiler that there is; most modules fare well with it.
                Obstacle::Compiler(text) => notes.push(text),
                Obstacle::Program(text) => {
                    return Err(Error::new(
                        tree.dir.display(),
                        "a build tree whose host programs run here",
                        text,
                        "prepare the tree on this host (`make modules_prepare`), install what they miss \
                         (libelf1), or use --kernel NAME, which has a build root of its own",
                    ));
                }
            }
        }
        let image = image_of(&tree);
        if image.is_none() {
            notes.push(format!(
                "no image to boot was found, neither in the tree nor as /boot/vmlinuz-{}",
                tree.release
            ));
        }
        Ok(Self {
            name: tree.dir.display().to_string(),
            compiler: tree
                .config
                .value("CONFIG_CC_VERSION_TEXT")
                .unwrap_or_default()
                .to_owned(),
            release: tree.release,
            version: None,
            arch: tree.arch,
            build_tree: tree.dir,
            image,
            host: BuildHost::Native,
            packages: Vec::new(),
            note: (!notes.is_empty()).then(|| notes.join("; ")),
        })
    }

    /// A command among the kernel's tools, which sees the kernel's tree and `dirs` at their own
    /// paths.
    pub fn command(&self, program: &str, dirs: &[&Path]) -> Command {
        self.host.command(program, dirs)
    }

    /// The kernel's type information, and what the place is called where it was found: its build
    /// tree (Debian's from 6.12 on), its image, or, if it is the one that runs, the system.
    pub fn btf(&self) -> Result<(Source, &'static str)> {
        let running = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let sys =
            (running.trim() == self.release).then(|| PathBuf::from("/sys/kernel/btf/vmlinux"));
        let places = [
            (
                Some(self.build_tree.join("vmlinux")),
                "vmlinux of the build tree",
            ),
            (self.image.clone(), "the kernel's image"),
            (sys, "the kernel that runs"),
        ];
        let mut found = Vec::new();
        for (place, what) in places {
            let Some(place) = place.filter(|place| place.is_file()) else {
                continue;
            };
            match Source::open(&place) {
                Ok(source) => return Ok((source, what)),
                Err(error) => found.push(error.to_string()),
            }
        }
        if found.is_empty() {
            found.push("neither a vmlinux in the tree nor an image".to_owned());
        }
        Err(Error::new(
            self.build_tree.display(),
            format_args!("the type information (BTF) of {}", self.release),
            found.join("\n"),
            "put the kernel's vmlinux into the build tree, install its image, or give the file that holds its BTF with --btf",
        ))
    }

    /// The kernel itself, to boot; an error where there is none.
    pub fn bootable(&self) -> Result<&Path> {
        self.image.as_deref().ok_or_else(|| {
            Error::new(
                &self.name,
                "a kernel that can be booted",
                self.note.as_deref().unwrap_or("no image of it is known"),
                "put its bzImage into the tree (vmlinuz, or arch/x86/boot/bzImage), install the package of the image, or use \
                 --kernel NAME",
            )
        })
    }

    /// Its build tree, opened.
    pub fn tree(&self) -> Result<BuildTree> {
        BuildTree::open(&self.build_tree)
    }
}

/// The image that belongs to a build tree. A tree's `vmlinux` is none: it may hold nothing but type
/// information.
fn image_of(tree: &BuildTree) -> Option<PathBuf> {
    let release = &tree.release;
    let places = [
        tree.dir.join("vmlinuz"),
        tree.dir.join("arch/x86/boot/bzImage"),
        PathBuf::from(format!("/boot/vmlinuz-{release}")),
        PathBuf::from(format!("/lib/modules/{release}/vmlinuz")),
    ];
    places.into_iter().find(|path| path.is_file())
}

/// What has to be on the system to build for a kernel: one of the catalogue, or (`None`) one whose
/// tree is there.
///
/// A kernel of the catalogue needs either what its tools need or bubblewrap: a build root has all
/// else.
pub fn needs(spec: Option<&Spec>) -> Vec<Need> {
    let Some(spec) = spec else { return of_tools() };
    let mut needs = vec![
        need(
            "apt",
            "kernels come from Debian's archive",
            &["apt"],
            || process::find_program("apt-get").is_some(),
        ),
        need("dpkg-deb", "it unpacks packages", &["dpkg"], || {
            process::find_program("dpkg-deb").is_some()
        }),
        need("tar", "it unpacks packages", &["tar"], || {
            process::find_program("tar").is_some()
        }),
        need(
            "Debian's keys",
            "downloads are checked against them",
            &["debian-archive-keyring"],
            debian::has_keyring,
        ),
    ];
    if !spec.is_stock() {
        needs.extend(compiler(&spec.compiler));
        needs.extend(of_tools());
        needs.extend(source_kernel::needs());
    } else if process::find_program(&spec.compiler).is_none() {
        needs.push(bubblewrap());
    } else if !(bubblewrap().present)() {
        needs.extend(of_tools());
    }
    needs
}

/// What the tools of a kernel need to run on this host.
fn of_tools() -> Vec<Need> {
    vec![
        need("make", "Kbuild is written for it", &["make"], || {
            process::find_program("make").is_some()
        }),
        need(
            "gcc",
            "modules and host programs are compiled with it",
            &["gcc"],
            || process::find_program("gcc").is_some(),
        ),
        need(
            "libelf",
            "the kernel's objtool is linked to it",
            &["libelf1 | libelf1t64"],
            has_libelf,
        ),
    ]
}

/// What runs a build root.
pub(crate) fn bubblewrap() -> Need {
    need(
        "bubblewrap",
        "a kernel whose tools do not run here is built for in a root of its own",
        &["bubblewrap"],
        || process::find_program("bwrap").is_some(),
    )
}

/// A kernel that is built here needs the very compiler that the catalogue names.
fn compiler(name: &str) -> Option<Need> {
    /// A compiler's name, and whether it is there.
    type Known = (&'static str, &'static [&'static str], fn() -> bool);
    const KNOWN: [Known; 3] = [
        ("gcc-12", &["gcc-12"], || has_program("gcc-12")),
        ("gcc-13", &["gcc-13"], || has_program("gcc-13")),
        ("gcc-14", &["gcc-14"], || has_program("gcc-14")),
    ];
    let (what, packages, present) = KNOWN.into_iter().find(|(known, ..)| *known == name)?;
    Some(need(
        what,
        "a kernel that is built here is compiled with it",
        packages,
        present,
    ))
}

pub(crate) fn has_program(name: &str) -> bool {
    process::find_program(name).is_some()
}

/// Whether one of the folders has the file.
pub(crate) fn has_file(name: &str, dirs: &[&str]) -> bool {
    dirs.iter().any(|dir| Path::new(dir).join(name).exists())
}

pub(crate) fn need(
    what: &'static str,
    reason: &'static str,
    packages: &'static [&'static str],
    present: fn() -> bool,
) -> Need {
    Need {
        what,
        reason,
        packages,
        present,
    }
}

fn has_libelf() -> bool {
    let dirs = [
        "/usr/lib/x86_64-linux-gnu",
        "/lib/x86_64-linux-gnu",
        "/usr/lib64",
        "/lib64",
        "/usr/lib",
        "/lib",
    ];
    has_file("libelf.so.1", &dirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_that_is_none_is_an_error_with_a_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let error = Kernel::of_tree(dir.path()).unwrap_err();
        assert!(error.remedy().contains("--kernel NAME"), "{error}");
    }

    #[test]
    fn each_need_names_its_package() {
        assert!(needs(None).iter().all(|need| !need.packages.is_empty()));
        assert!(needs(None).iter().all(|need| need.what != "apt"));
    }
}
