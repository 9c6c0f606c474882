// SPDX-License-Identifier: GPL-2.0-only
//! Where a kernel's tools run: on this host, or in a build root.
//!
//! A kernel wants the compiler that it was built with, and its own host programs (fixdep, modpost,
//! objtool) want the libraries of the distribution that built them. Where this host has either not,
//! they run in a *build root*: the packages that they need, unpacked in the cache, under
//! bubblewrap. It has no privileges that the user has not, and sees the folders that it works on at
//! their own paths, so that the commands which Kbuild records hold outside too.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf, absolute};
use std::process::Command;

use linux_driver_host::cache::Key;
use linux_driver_host::packages::{self, Install, require};
use linux_driver_host::{Cache, Error, Result, process, progress};
use serde::Serialize;

use crate::compiler::Compiler;
use crate::kernels::{self, Spec};
use crate::tree::BuildTree;

/// Where a kernel's tools run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BuildHost {
    /// On this host.
    Native,
    /// In a build root.
    Root(Root),
}

/// A build root, for one kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Root {
    /// The folder that becomes the root file system.
    pub dir: PathBuf,
    /// The kernel's folder in the cache, which is seen too, read-only.
    pub kernel: PathBuf,
}

/// What a build root has besides the compiler and what the kernel's host programs need: all that
/// Kbuild calls.
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

/// The host programs of a build tree, and whether each tree has them. Debian's modpost is a small
/// program that calls the one for the kind of object that it is given; without one it does not show
/// whether that starts.
const PROGRAMS: [(&str, bool); 5] = [
    ("scripts/basic/fixdep", true),
    ("scripts/mod/modpost", true),
    ("scripts/mod/modpost.real-lsb-64", false),
    ("tools/objtool/objtool", false),
    ("tools/bpf/resolve_btfids/resolve_btfids", false),
];

/// Counts up when what a root consists of changes.
const SCHEMA: &str = "1";

impl BuildHost {
    /// A command that sees `dirs` at their own paths and can write there, except in the kernel's
    /// own. The folder that it is started in (that of this process, or `current_dir`) stays the
    /// same if it is in one of them.
    ///
    /// In a root it has a clean environment, to which `env` adds, and ends when the thread ends
    /// that started it.
    pub fn command(&self, program: &str, dirs: &[&Path]) -> Command {
        match self {
            Self::Native => Command::new(program),
            Self::Root(root) => root.command(program, dirs),
        }
    }

    /// Whether a program of this name can be started there.
    pub(crate) fn has_program(&self, name: &str) -> bool {
        match self {
            Self::Native => process::find_program(name).is_some(),
            Self::Root(root) => root.dir.join("usr/bin").join(name).exists(),
        }
    }
}

impl Root {
    fn command(&self, program: &str, dirs: &[&Path]) -> Command {
        let dirs = dirs
            .iter()
            .map(|dir| absolute(dir).unwrap_or_else(|_| dir.to_path_buf()));
        // What is in the cache stays as it is, whoever asks.
        let dirs: Vec<PathBuf> = dirs.filter(|dir| !dir.starts_with(&self.kernel)).collect();
        let mut seen = dirs.clone();
        seen.push(self.kernel.clone());
        let mut words: Vec<OsString> = Vec::new();
        mounts(&self.dir, Path::new("/"), &seen, &mut words);
        for (option, path) in [("--proc", "/proc"), ("--dev", "/dev"), ("--tmpfs", "/tmp")] {
            words.extend([option.into(), path.into()]);
        }
        words.extend([
            "--ro-bind".into(),
            self.kernel.clone().into(),
            self.kernel.clone().into(),
        ]);
        for dir in dirs {
            words.extend(["--bind".into(), dir.clone().into(), dir.into()]);
        }
        let mut command =
            Command::new(process::find_program("bwrap").unwrap_or_else(|| "bwrap".into()));
        command
            .args(words)
            .args(["--unshare-pid", "--die-with-parent", "--", program]);
        command.env_clear().envs([
            ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/tmp"),
            ("LC_ALL", "C"),
        ]);
        command
    }
}

/// The options that mount what is in `dir` at `at`, read-only. A folder in which one of `seen` will
/// be mounted is made anew, for its mount point has no place in a read-only one.
fn mounts(dir: &Path, at: &Path, seen: &[PathBuf], words: &mut Vec<OsString>) {
    // A root that cannot be read shows as a program that is not found in it.
    let mut entries: Vec<_> = fs::read_dir(dir).into_iter().flatten().flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (from, to) = (entry.path(), at.join(entry.file_name()));
        if seen.contains(&to) {
            continue;
        }
        if let Ok(target) = fs::read_link(&from) {
            words.extend(["--symlink".into(), target.into(), to.into()]);
        } else if from.is_dir() && seen.iter().any(|path| path.starts_with(&to)) {
            words.extend(["--dir".into(), to.clone().into()]);
            mounts(&from, &to, seen, words);
        } else {
            words.extend(["--ro-bind".into(), from.into(), to.into()]);
        }
    }
}

/// Something that keeps a kernel's modules from being built on a host as the kernel was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// The compiler is missing or another one.
    Compiler(String),
    /// A host program of the tree is missing or does not start.
    Program(String),
}

impl Obstacle {
    /// What was found.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Compiler(text) | Self::Program(text) => text,
        }
    }
}

/// Tries what building a module of this tree takes: its compiler and its host programs.
pub(crate) fn obstacles(tree: &BuildTree, host: &BuildHost) -> Result<Vec<Obstacle>> {
    let mut found = Vec::new();
    let wanted = Compiler::of(&tree.config);
    let compiler = wanted.on(host);
    match try_out(host.command(&compiler, &[]).arg("-dumpversion"))? {
        Err(why) => found.push(Obstacle::Compiler(format!(
            "{compiler} does not start: {why}"
        ))),
        Ok(version) => {
            let major = version.trim().split('.').next().unwrap_or_default();
            if let Some(wanted) = wanted.major.filter(|wanted| wanted != major) {
                found.push(Obstacle::Compiler(format!(
                    "{compiler} is of version {major}, the kernel's of version {wanted}"
                )));
            }
        }
    }
    for (program, always) in PROGRAMS {
        let path = tree.dir.join(program);
        if !path.exists() {
            if always {
                found.push(Obstacle::Program(format!("its {program} is missing")));
            }
            continue;
        }
        // Debian's objtool calls the one for this architecture.
        if let Err(why) = try_out(
            host.command(&path.to_string_lossy(), &[])
                .env("SRCARCH", &tree.arch),
        )? {
            found.push(Obstacle::Program(format!(
                "its {program} does not start: {why}"
            )));
        }
    }
    Ok(found)
}

/// Starts a program and returns what it printed, or why it did not start. Whether it then complains
/// about its missing arguments does not matter.
fn try_out(command: &mut Command) -> Result<Result<String, String>> {
    let output = match process::output(command) {
        Ok(output) => output,
        Err(error) => {
            process::check_interrupted()?;
            let why = if command_exists(command) {
                error.to_string()
            } else {
                "no such program".to_owned()
            };
            return Ok(Err(why));
        }
    };
    let said = process::said(&output);
    // What the loader and bubblewrap say. 126 and 127 are a shell's way to say it.
    let refusals = [
        "error while loading shared libraries",
        "version `GLIBC_",
        "bwrap: ",
    ];
    let refusal = refusals
        .iter()
        .find_map(|text| said.find(text).map(|at| &said[at..]));
    let refusal = refusal
        .or_else(|| matches!(output.status.code(), Some(126 | 127)).then_some(said.as_str()));
    Ok(match refusal {
        None => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Some(text) => Err(text
            .split(['\n', '('])
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()),
    })
}

fn command_exists(command: &Command) -> bool {
    let program = Path::new(command.get_program());
    program.is_file()
        || program
            .to_str()
            .is_some_and(|name| process::find_program(name).is_some())
}

/// The packages that a root is made of, besides what they depend on; `needed` is what the kernel's
/// host programs need.
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

/// The place of a root of these packages.
fn key(spec: &Spec, packages: &[String]) -> Key {
    let key = Key::new()
        .with(SCHEMA)
        .with(&spec.arch)
        .with(packages.join(" "));
    spec.suites.iter().fold(key, |key, suite| key.with(suite))
}

/// The package of the compiler that the tree names.
fn compiler_package(tree: &BuildTree) -> String {
    Compiler::of(&tree.config).package()
}

/// The folder of a root in its entry.
fn inside(entry: &Path) -> PathBuf {
    entry.join("root")
}

/// The root for the kernel whose entry is `kernel`, if it is there.
pub(crate) fn present(
    cache: &Cache,
    spec: &Spec,
    tree: &BuildTree,
    kernel: &Path,
    needed: &[String],
) -> Option<Root> {
    let compiler = compiler_package(tree);
    let entry = cache.get(
        "roots",
        &compiler,
        &key(spec, &contents(compiler.clone(), needed)),
    )?;
    Some(Root {
        dir: inside(&entry),
        kernel: kernel.to_owned(),
    })
}

/// The root for the kernel whose entry is `kernel`, made if it is not there. `needed` are the
/// packages that the kernel's host programs need.
pub(crate) fn get_or_make(
    cache: &Cache,
    spec: &Spec,
    tree: &BuildTree,
    kernel: &Path,
    needed: &[String],
) -> Result<Root> {
    let compiler = compiler_package(tree);
    require(&[kernels::bubblewrap()], Install::Refused)?;
    try_namespaces(tree)?;
    let wanted = contents(compiler.clone(), needed);
    let entry = cache.get_or_make("roots", &compiler, &key(spec, &wanted), |staging, _| {
        progress::say(&format!(
            "making a build root with {compiler} for {}",
            tree.release
        ));
        let dir = inside(staging);
        skeleton(&dir)?;
        crate::debian::fetch_root(cache, spec, &wanted, staging, &dir)?;
        finish(&dir)?;
        let root = Root {
            dir,
            kernel: kernel.to_owned(),
        };
        check(&root, tree)
    })?;
    let root = Root {
        dir: inside(&entry),
        kernel: kernel.to_owned(),
    };
    check(&root, tree)?;
    Ok(root)
}

/// An error, before anything is downloaded, where bubblewrap may not make namespaces.
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

/// How namespaces are allowed.
const ALLOW: &str = "allow bubblewrap to make namespaces (a container: start it with --privileged; a system that keeps users from it: \
                     kernel.unprivileged_userns_clone=1 or what it has in its stead), or run this as root";

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

/// A root that does not do what it is for is an error now, with its reason, and not later, in a
/// build.
fn check(root: &Root, tree: &BuildTree) -> Result<()> {
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

/// The links of a merged /usr, which a package of the distribution makes in its scripts.
fn skeleton(dir: &Path) -> Result<()> {
    for name in ["bin", "sbin", "lib", "lib64"] {
        let target = dir.join("usr").join(name);
        fs::create_dir_all(&target).map_err(|e| Error::io(&target, "make", &e))?;
        link(&format!("usr/{name}"), &dir.join(name))?;
    }
    Ok(())
}

/// What else the packages' scripts would have done.
fn finish(dir: &Path) -> Result<()> {
    for (name, target) in [("awk", "gawk"), ("sh", "dash")] {
        let path = dir.join("usr/bin").join(name);
        if fs::symlink_metadata(&path).is_err() {
            link(target, &path)?;
        }
    }
    Ok(())
}

fn link(target: &str, path: &Path) -> Result<()> {
    std::os::unix::fs::symlink(target, path).map_err(|e| Error::io(path, "make", &e))
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

    #[test]
    fn a_program_that_is_not_there_does_not_start() {
        assert_eq!(
            try_out(&mut Command::new("no-such-program")).unwrap(),
            Err("no such program".to_owned())
        );
        let missing_library =
            "echo 'x: /lib/libc.so.6: version `GLIBC_9.9'\\'' not found' >&2; exit 1";
        assert!(
            try_out(Command::new("sh").args(["-c", missing_library]))
                .unwrap()
                .is_err()
        );
        assert_eq!(
            try_out(Command::new("sh").args(["-c", "echo 12; exit 1"])).unwrap(),
            Ok("12\n".to_owned())
        );
    }

    #[test]
    fn a_folder_inside_the_root_file_system_has_its_mount_point() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["usr/bin", "usr/src/other", "etc"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        link("usr/bin", &dir.path().join("bin")).unwrap();
        let mut words = Vec::new();
        mounts(
            dir.path(),
            Path::new("/"),
            &["/usr/src/linux".into(), "/srv".into()],
            &mut words,
        );
        let text = words
            .iter()
            .map(|word| word.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ");
        let from = dir.path().display();
        let expected = format!(
            "--symlink usr/bin /bin --ro-bind {from}/etc /etc --dir /usr --ro-bind {from}/usr/bin /usr/bin \
             --dir /usr/src --ro-bind {from}/usr/src/other /usr/src/other"
        );
        assert_eq!(text, expected);
    }
}
