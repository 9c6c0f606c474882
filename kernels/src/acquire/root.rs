// SPDX-License-Identifier: GPL-2.0-only
//! Makes a build root: the packages that a kernel's tools need, unpacked in the cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use linux_driver_host::cache::Key;
use linux_driver_host::packages::{self, Install, require};
use linux_driver_host::{Cache, Error, Result, fs, process, progress};
use serde::Serialize;

use crate::build_host::{BuildHost, BuildRoot};
use crate::build_tree::BuildTree;
use crate::compiler::Compiler;
use crate::needs;
use crate::obstacles::{Obstacle, obstacles};
use crate::record::{self, Package};
use crate::source::debian;
use crate::spec::KernelSpec;

/// The packages with the programs that Kbuild calls. A build root also has the compiler, and the
/// packages that the kernel's host programs need.
const TOOLS: [&str; 9] = [
    "binutils",
    "coreutils",
    "dash",
    "diffutils",
    "findutils",
    "gawk",
    "grep",
    "make",
    "sed",
];

/// The record of a build root: what it was made of. People read it; no code does.
#[derive(Debug, Serialize)]
struct RootRecord {
    suites: Vec<String>,
    packages: Vec<Package>,
}

/// The version of a root's contents. Increase it when they change.
const SCHEMA: &str = "1";

/// Returns the packages of a root, without their dependencies. `needed` are the packages that the
/// kernel's host programs need.
fn contents(compiler: String, needed: &[String]) -> Vec<String> {
    let mut all = vec![compiler];
    all.extend(
        TOOLS
            .iter()
            .map(|tool| (*tool).to_owned())
            .chain(needed.iter().cloned()),
    );
    all
}

/// Returns the key of the cache's entry for a root of these packages.
fn key(spec: &KernelSpec, packages: &[String]) -> Key {
    let key = Key::new()
        .with(SCHEMA)
        .with(&spec.arch)
        .with(packages.join(" "));
    spec.suites.iter().fold(key, |key, suite| key.with(suite))
}

/// Returns the package of the compiler that the tree names.
fn compiler_package(tree: &BuildTree) -> String {
    Compiler::of(&tree.config).package()
}

/// Returns the folder of a root in its entry.
fn inside(entry: &Path) -> PathBuf {
    entry.join("root")
}

/// Returns the root for the kernel whose entry is `kernel`, if it is there.
pub(crate) fn present(
    cache: &Cache,
    spec: &KernelSpec,
    tree: &BuildTree,
    kernel: &Path,
    needed: &[String],
) -> Option<BuildRoot> {
    let compiler = compiler_package(tree);
    let entry = cache.get(
        "roots",
        &compiler,
        &key(spec, &contents(compiler.clone(), needed)),
    )?;
    Some(BuildRoot {
        dir: inside(&entry),
        kernel: kernel.to_owned(),
    })
}

/// Returns the root for the kernel whose entry is `kernel`, made if it is not there. `needed` are
/// the packages that the kernel's host programs need.
pub(crate) fn get_or_make(
    cache: &Cache,
    spec: &KernelSpec,
    tree: &BuildTree,
    kernel: &Path,
    needed: &[String],
) -> Result<BuildRoot> {
    let compiler = compiler_package(tree);
    require(&[needs::bubblewrap()], Install::Refused)?;
    try_namespaces(tree)?;
    let wanted = contents(compiler.clone(), needed);
    let entry = cache.get_or_make("roots", &compiler, &key(spec, &wanted), |staging, _| {
        progress::say(&format!(
            "making a build root with {compiler} for {}",
            tree.release
        ));
        let dir = inside(staging);
        skeleton(&dir)?;
        let packages = debian::fetch_root(cache, spec, &wanted, staging, &dir)?;
        let record = RootRecord {
            suites: spec.suites.clone(),
            packages,
        };
        record::write(staging, &record)?;
        finish(&dir)?;
        let root = BuildRoot {
            dir,
            kernel: kernel.to_owned(),
        };
        check(&root, tree)
    })?;
    let root = BuildRoot {
        dir: inside(&entry),
        kernel: kernel.to_owned(),
    };
    check(&root, tree)?;
    Ok(root)
}

/// Returns an error, before anything is downloaded, if bubblewrap may not make namespaces.
fn try_namespaces(tree: &BuildTree) -> Result<()> {
    let mut bwrap = Command::new(process::find_program("bwrap").unwrap_or_else(|| "bwrap".into()));
    bwrap.args([
        "--ro-bind",
        "/",
        "/",
        "--unshare-pid",
        "--die-with-parent",
        "--",
        "true",
    ]);
    let output = process::output(&mut bwrap)?;
    if output.status.success() {
        return Ok(());
    }
    let obstacles = obstacles(tree, &BuildHost::Native)?;
    Err(no_namespaces(tree, &obstacles, &process::said(&output)))
}

/// The remedy if bubblewrap may not make namespaces.
const ALLOW: &str = "allow bubblewrap to make namespaces (a container: start it with --privileged; a system that keeps users from it: \
                     kernel.unprivileged_userns_clone=1 or the setting that replaces it), or run this as root";

fn no_namespaces(tree: &BuildTree, obstacles: &[Obstacle], said: &str) -> Error {
    let texts: Vec<&str> = obstacles.iter().map(Obstacle::text).collect();
    let other_way = if obstacles
        .iter()
        .all(|obstacle| matches!(obstacle, Obstacle::Compiler(_)))
    {
        let package = compiler_package(tree);
        format!(
            "; or do without a build root, with the kernel's own compiler on this system: {}",
            packages::how_to_install(&[&package])
        )
    } else {
        String::new()
    };
    Error::new(
        "bubblewrap",
        format_args!(
            "to make namespaces, for a build root in which the tools of {} run: {}",
            tree.release,
            texts.join("; ")
        ),
        said.trim(),
        format_args!("{ALLOW}{other_way}"),
    )
}

/// Returns an error if the kernel's tools do not start in the root. Otherwise the error would come
/// later, in a build, without its reason.
fn check(root: &BuildRoot, tree: &BuildTree) -> Result<()> {
    let obstacles = obstacles(tree, &BuildHost::Root(root.clone()))?;
    if obstacles.is_empty() {
        return Ok(());
    }
    let found: Vec<&str> = obstacles.iter().map(Obstacle::text).collect();
    Err(Error::new(
        root.dir.display(),
        format_args!("a build root in which the tools of {} start", tree.release),
        found.join("\n"),
        format_args!(
            "if bubblewrap is at fault, {ALLOW}; else remove that root from the cache and try again"
        ),
    ))
}

/// Makes the links of a merged /usr, which the scripts of a distribution's package make otherwise.
fn skeleton(dir: &Path) -> Result<()> {
    for name in ["bin", "sbin", "lib", "lib64"] {
        let target = dir.join("usr").join(name);
        fs::create_dir_all(&target)?;
        fs::symlink(format!("usr/{name}"), dir.join(name))?;
    }
    Ok(())
}

/// Does the rest of the work of the packages' scripts.
fn finish(dir: &Path) -> Result<()> {
    for (name, target) in [("awk", "gawk"), ("sh", "dash")] {
        let path = dir.join("usr/bin").join(name);
        if path.symlink_metadata().is_err() {
            fs::symlink(target, &path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_namespaces_the_other_way_is_named_where_there_is_one() {
        let tree = BuildTree {
            dir: "/tree".into(),
            release: "6.12.1".into(),
            arch: "x86".into(),
            config: crate::config::Config::parse(
                "CONFIG_CC_VERSION_TEXT=\"x86_64-linux-gnu-gcc-12 (x) 12\"\n",
            ),
        };
        let compiler = Obstacle::Compiler("gcc-12 does not start: no such program".to_owned());
        let said = "bwrap: No permissions to create new namespace";
        let error = no_namespaces(&tree, std::slice::from_ref(&compiler), said).to_string();
        for words in [
            said,
            "6.12.1",
            "--privileged",
            "install --no-install-recommends gcc-12",
        ] {
            assert!(error.contains(words), "no {words:?} in {error}");
        }
        // No compiler makes up for a library that is too old.
        let program = Obstacle::Program("its objtool does not start".to_owned());
        let error = no_namespaces(&tree, &[compiler, program], said).to_string();
        assert!(
            error.contains("--privileged") && !error.contains("apt-get install"),
            "{error}"
        );
    }
}
