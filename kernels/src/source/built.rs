// SPDX-License-Identifier: GPL-2.0-only
//! Builds a kernel from its source with a configuration of this repository, for drivers to be tried
//! on.
//!
//! The entry keeps the image and what an external module needs: the headers, the makefiles, the
//! host programs, the list of exported symbols.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use linux_driver_host::cache::Key;
use linux_driver_host::progress::Progress;
use linux_driver_host::{Error, Result, fs, process};

use crate::build_tree::BuildTree;
use crate::config::Config;
use crate::spec::{Edit, Fragment, KernelSpec};
use crate::user_settings::forget_the_users_settings;

/// The version of an entry's contents. Increase it when they or the way to build them change.
const SCHEMA: &str = "1";

/// The folder of the build tree in its entry.
pub(crate) const TREE: &str = "build";

/// The file of the kernel in its entry.
pub(crate) const IMAGE: &str = "vmlinuz";

/// The files that are kept of the tree, as the headers packages of a distribution hold them.
const KEPT: [&str; 13] = [
    ".config",
    ".kernelvariables",
    "COPYING",
    "Kbuild",
    "Kconfig",
    "Makefile",
    "Module.symvers",
    "arch/x86/Makefile",
    "arch/x86/Makefile_32.cpu",
    "arch/x86/include",
    "include",
    "scripts",
    "tools/objtool/objtool",
];

/// Returns all that the kernel depends on, if its compiler is there.
pub(crate) fn key(spec: &KernelSpec, fragment: &Fragment) -> Option<Key> {
    let compiler = compiler_version(&spec.compiler)?;
    let key = Key::new()
        .with("built from source")
        .with(SCHEMA)
        .with(&spec.release)
        .with(&spec.version)
        .with(&spec.arch);
    let key = key.with(&spec.compiler).with(compiler).with(&fragment.text);
    let edits = fragment.edits.iter();
    Some(edits.fold(key, |key, edit| {
        key.with(edit.file.to_string_lossy().as_bytes())
            .with(&edit.find)
            .with(&edit.replace)
    }))
}

/// Returns the first line of a compiler's `--version`.
fn compiler_version(compiler: &str) -> Option<String> {
    let output = process::output(Command::new(compiler).arg("--version")).ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(text.lines().next()?.to_owned()).filter(|_| output.status.success())
}

/// Builds the kernel whose source is in `work`, and moves the files to keep into `staging`. The
/// result must be of this release.
pub(crate) fn build(
    spec: &KernelSpec,
    fragment: &Fragment,
    release: &str,
    work: &Path,
    staging: &Path,
) -> Result<BuildTree> {
    for edit in &fragment.edits {
        apply(edit, work)?;
    }
    configure(spec, fragment, work)?;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let step = Progress::start(format!(
        "building linux {release} with {} (once; it takes some 15 minutes of a processor, of which there are {processors})",
        fragment.file.display()
    ));
    let jobs = format!("-j{processors}");
    process::run(kbuild(work, spec).args([&jobs, "bzImage", "modules"]))?;
    drop(step);

    move_to(&work.join("arch/x86/boot/bzImage"), &staging.join(IMAGE))?;
    let kept = staging.join(TREE);
    keep(work, &kept)?;
    let tree = BuildTree::open(&kept)?;
    if tree.release != release {
        return Err(Error::new(
            fragment.file.display(),
            format_args!("a CONFIG_LOCALVERSION that makes the release {release}"),
            format_args!("the release {}", tree.release),
            "give it the end that the release has in headers/kernels.toml",
        ));
    }
    Ok(tree)
}

/// Returns a call of make in the kernel's source.
fn kbuild(tree: &Path, spec: &KernelSpec) -> Command {
    let mut make = Command::new("make");
    forget_the_users_settings(&mut make);
    make.arg("-s").arg("-C").arg(tree);
    make.arg(format!("HOSTCC={}", spec.compiler));
    // The same sources make the same kernel, whoever builds it and when.
    for (name, value) in [
        ("KBUILD_BUILD_USER", "linux-driver"),
        ("KBUILD_BUILD_HOST", "linux-driver"),
        ("KBUILD_BUILD_VERSION", "1"),
        ("KBUILD_BUILD_TIMESTAMP", "1970-01-01 00:00:00 UTC"),
    ] {
        make.env(name, value);
    }
    make
}

/// Changes a file of the source. Returns an error if the text is not there any more: the reason for
/// the change may be gone too.
fn apply(edit: &Edit, tree: &Path) -> Result<()> {
    let path = tree.join(&edit.file);
    let text = fs::read_to_string(&path)?;
    if !text.contains(&edit.find) {
        return Err(Error::new(
            path.display(),
            format_args!(
                "the text `{}`, which headers/kernels.toml replaces",
                edit.find
            ),
            "no such text",
            format_args!(
                "see whether the kernel still needs the change ({}), and correct or remove it",
                edit.why
            ),
        ));
    }
    let text = text.replace(&edit.find, &edit.replace);
    fs::write(&path, text)
}

/// Writes the `.config` and makes sure that it is what the fragment says.
fn configure(spec: &KernelSpec, fragment: &Fragment, tree: &Path) -> Result<()> {
    let _step = Progress::start(format!(
        "configuring linux with {}",
        fragment.file.display()
    ));
    // Debian's kernels read this file, also when modules are built for them.
    let variables = tree.join(".kernelvariables");
    let text = format!("override ARCH = x86\nCC = {}\n", spec.compiler);
    fs::write(&variables, text)?;
    let ours = tree.join("linux-driver.config");
    fs::write(&ours, &fragment.text)?;
    let mut all_others_off = kbuild(tree, spec);
    all_others_off
        .env("KCONFIG_ALLCONFIG", &ours)
        .arg("allnoconfig");
    process::run(&mut all_others_off)?;
    let config = Config::read(&tree.join(".config"))?;
    match not_taken(&fragment.text, &config).as_slice() {
        [] => Ok(()),
        lines => Err(Error::new(
            fragment.file.display(),
            "options that this kernel accepts unchanged",
            lines.join("\n"),
            "see the option's `depends on` in the kernel's Kconfig files",
        )),
    }
}

/// Returns the options of the fragment that the configuration does not have as the fragment says.
fn not_taken(fragment: &str, config: &Config) -> Vec<String> {
    let mut wrong = Vec::new();
    let wanted = fragment
        .lines()
        .filter_map(|line| match line.strip_prefix("# ") {
            Some(rest) => Some((rest.strip_suffix(" is not set")?, None)),
            None => line
                .split_once('=')
                .map(|(name, value)| (name, Some(value.trim_matches('"')))),
        });
    for (name, value) in wanted.filter(|(name, _)| name.starts_with("CONFIG_")) {
        let found = config.value(name);
        if found != value {
            let show = |value: Option<&str>| {
                value.map_or_else(|| "off".to_owned(), |value| format!("={value}"))
            };
            wrong.push(format!("{name} is {}, not {}", show(found), show(value)));
        }
    }
    wrong
}

/// Moves the kept files of the tree, without the objects beside them.
fn keep(from: &Path, to: &Path) -> Result<()> {
    for name in KEPT {
        move_to(&from.join(name), &to.join(name))?;
    }
    drop_objects(to)
}

/// Removes object files and the records of how they were made. A module is linked with
/// `scripts/module.lds`.
fn drop_objects(dir: &Path) -> Result<()> {
    for path in fs::read_dir(dir)? {
        if path.is_dir() && !path.is_symlink() {
            drop_objects(&path)?;
        } else if ["o", "a", "cmd", "d"]
            .map(OsStr::new)
            .contains(&path.extension().unwrap_or_default())
        {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn move_to(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().unwrap_or(to))?;
    fs::rename(from, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_is_not_taken_is_named() {
        let fragment = "# A comment.\nCONFIG_A=y\nCONFIG_B=\"b\"\n# CONFIG_C is not set\nCONFIG_D=y\n# CONFIG_E is not set\n";
        let config = Config::parse("CONFIG_A=y\nCONFIG_B=\"b\"\nCONFIG_E=y\n");
        assert_eq!(
            not_taken(fragment, &config),
            ["CONFIG_D is off, not =y", "CONFIG_E is =y, not off"]
        );
    }

    #[test]
    fn an_edit_finds_what_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.c"), "f(); g(); f();\n").unwrap();
        let edit = Edit {
            file: "a.c".into(),
            find: "f()".into(),
            replace: "h()".into(),
            why: "f is wrong".into(),
        };
        apply(&edit, dir.path()).unwrap();
        assert_eq!(
            fs::read_to_string(dir.path().join("a.c")).unwrap(),
            "h(); g(); h();\n"
        );
        let error = apply(&edit, dir.path()).unwrap_err().to_string();
        assert!(
            error.contains("f is wrong") && error.contains("`f()`"),
            "{error}"
        );
    }

    #[test]
    fn objects_do_not_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        for name in KEPT {
            let path = from.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if ["include", "scripts"].contains(&name) || name.ends_with("/include") {
                fs::create_dir(&path).unwrap();
            } else {
                fs::write(&path, "").unwrap();
            }
        }
        for name in [
            "include/a.h",
            "scripts/module.lds",
            "scripts/mod/modpost",
            "scripts/mod/.modpost.o.cmd",
            "scripts/mod/modpost.o",
        ] {
            let path = from.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
        }
        keep(&from, &to).unwrap();
        for name in [
            "include/a.h",
            "scripts/module.lds",
            "scripts/mod/modpost",
            "tools/objtool/objtool",
        ] {
            assert!(to.join(name).is_file(), "{name}");
        }
        let left = fs::read_dir(to.join("scripts/mod")).unwrap();
        assert_eq!(left.len(), 1);
    }
}
