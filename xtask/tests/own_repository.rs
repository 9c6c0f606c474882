// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask new`: the repositories that it makes, used as their owner does.
//!
//! Needs git, QEMU, the default kernel, and what a build needs.

#[allow(dead_code, reason = "each of those that take it in uses some of it")]
mod support;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::{DEFAULT, Ran, cache_of_user, repository, run, xtask};

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

/// Returns the target folder of these tests.
fn target() -> &'static Path {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    dir.parent().unwrap()
}

/// Makes a repository for the driver `name` in an own folder, and returns its path. The path is the
/// same each time, so that the target folder does not grow with each run.
fn made(name: &str, words: &[&str]) -> PathBuf {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR")).join("own-repository");
    let dir = parent.join(name);
    let _ = fs::remove_dir_all(&dir);
    let ran = new(&dir, words);
    assert!(ran.good().contains("cargo xtask run --install"), "{ran:#?}");
    assert_eq!(leftovers(&parent), Vec::<PathBuf>::new());
    dir
}

/// Runs `cargo xtask new`.
fn new(dir: &Path, words: &[&str]) -> Ran {
    let mut command = xtask(["new"]);
    command.arg(dir).args(words);
    run(&mut command)
}

/// Returns the folders that `new` has left half-written.
fn leftovers(parent: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut left: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    left.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with('.'));
    left
}

/// Returns cargo in the repository, with the target folder of these tests.
fn cargo(dir: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(dir).args(words).stdin(Stdio::null());
    // `cargo test` sets these for this test.
    command.env_remove("CARGO_MANIFEST_DIR");
    command.env("CARGO_TARGET_DIR", target());
    command
}

/// Checks that the driver is as it should be, and that its life and the whole machine succeed.
#[track_caller]
fn is_tried(dir: &Path) {
    run(&mut cargo(dir, &["fmt", "--check"])).good();
    run(&mut cargo(
        dir,
        &["clippy", "--quiet", "--", "-D", "warnings"],
    ))
    .good();
    let ran = run(&mut cargo(dir, &["xtask", "run", "--kernel", DEFAULT]));
    let text = ran.good();
    for step in [
        "the module is loaded",
        "the device is bound again",
        "no problem",
    ] {
        assert!(text.contains(step), "no {step:?}: {ran:#?}");
    }
}

fn path() -> [&'static str; 2] {
    ["--path", repository().to_str().unwrap()]
}

#[test]
fn a_driver_for_a_device_of_qemu() {
    let dir = made("own-edu", &["--pci", "1234:11E8", path()[0], path()[1]]);
    is_tried(&dir);
    // In a folder below, and as a test on one kernel.
    let below = dir.join("xtask/src");
    let ran = run(&mut cargo(
        &below,
        &["xtask", "test", "--only", "drivers", "--kernel", DEFAULT],
    ));
    let expected = format!("ok      own-edu in {DEFAULT}");
    assert!(ran.good().contains(&expected), "{ran:#?}");
    let ran = run(&mut cargo(
        &dir,
        &["xtask", "test", "--only", "compile-fail"],
    ));
    ran.refused(2, &["a driver's repository"]);
    let built = run(&mut cargo(&dir, &["xtask", "build", "--kernel", DEFAULT]));
    let ko = built.good().trim();
    let check = ["xtask", "check-abi", "--kernel", DEFAULT, "--ko", ko];
    run(&mut cargo(&dir, &check)).good();
}

#[test]
fn a_driver_for_a_device_that_qemu_does_not_have() {
    let dir = made("option", &["--pci", "abcd:1", path()[0], path()[1]]);
    let driver = fs::read_to_string(dir.join("src/lib.rs")).unwrap();
    assert!(driver.contains("DeviceId::new(0xabcd, 0x0001)"), "{driver}");
    is_tried(&dir);
}

#[test]
fn a_driver_for_a_platform_device_with_programs_of_its_own() {
    let dir = made(
        "driver",
        &["--platform", "some,thing", path()[0], path()[1]],
    );
    is_tried(&dir);
    is_tried(&made(
        "speaker",
        &["--platform", "pcspkr", path()[0], path()[1]],
    ));
    let write = |file: &str, text: &str| {
        let path = dir.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let trial = fs::read_to_string(dir.join("trial.toml")).unwrap();
    let with = |key: &str, steps: &str| write("trial.toml", &format!("{key}\n{trial}\n{steps}"));
    let tried = || run(&mut cargo(&dir, &["xtask", "run", "--kernel", DEFAULT]));
    write(
        "tests/in_c.c",
        "#include <stdio.h>\n#include <errno.h>\nint main(int argc, char **argv) {\n\
         \tFILE *table = fopen(\"/table.txt\", \"r\");\n\tint number;\n\
         \tif (!table || fscanf(table, \"%d\", &number) != 1) return EIO;\n\
         \tprintf(\"%d and %d arguments\\n\", number, argc - 1);\n\treturn argc > 1 ? 0 : EINVAL;\n}\n",
    );
    write("tests/table.txt", "17\n");
    write(
        "tests/in-rust/Cargo.toml",
        "[package]\nname = \"in-rust\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    write(
        "tests/in-rust/src/main.rs",
        "fn main() {\n    println!(\"ready\");\n    std::io::stdin().lines().for_each(drop);\n    println!(\"ended\");\n}\n",
    );
    let manifest = fs::read_to_string(dir.join("Cargo.toml")).unwrap();
    let members = manifest.replace("[\"xtask\"]", "[\"xtask\", \"tests/in-rust\"]");
    write("Cargo.toml", &members);
    let keys = "programs = [\"tests/in_c.c\", \"in-rust\"]\nfiles = [\"tests/table.txt\"]\n";
    with(
        keys,
        "[[steps]]\nname = \"a program reads a file\"\nexec = [\"/in_c\", \"a\"]\n\
         [[steps]]\nname = \"a program fails\"\nexec = [\"/in_c\"]\nfails = \"EINVAL\"\n\
         [[steps]]\nname = \"a program waits\"\nspawn = [\"/in-rust\"]\nas = \"it\"\n\
         [[steps]]\nname = \"it ends\"\njoin = \"it\"\n",
    );
    let ran = tried();
    for row in ["17 and 1 arguments", "it ends", "ended", "no problem"] {
        assert!(ran.good().contains(row), "no {row:?}: {ran:#?}");
    }
    // A scenario ends in the problem that it expects, and fails without it.
    let panics = |data: &str| {
        with(
            "",
            &format!(
                "[[scenarios]]\nname = \"a crash\"\nexpect-problem = 'sysrq triggered crash'\n\
                 [[scenarios.steps]]\nname = \"the kernel panics\"\nwrite = \"/proc/sysrq-trigger\"\ndata = \"{data}\"\n"
            ),
        );
        let words = ["xtask", "run", "--kernel", DEFAULT, "--scenario", "a crash"];
        run(&mut cargo(&dir, &words))
    };
    assert!(panics("c").good().contains("sysrq triggered crash"));
    let ran = panics("h");
    assert_eq!(ran.status.code(), Some(1), "{ran:#?}");
    assert!(
        ran.stdout.contains("the run ends in the expected problem"),
        "{ran:#?}"
    );
    // A program resets the machine, and a step waits for that.
    write(
        "tests/resets.c",
        "#include <fcntl.h>\n#include <stdio.h>\n#include <unistd.h>\nint main(int argc, char **argv) {\n\
         \tputs(\"ready\");\n\tfflush(stdout);\n\tsleep(1);\n\
         \tint fd = open(\"/proc/sysrq-trigger\", O_WRONLY);\n\
         \treturn write(fd, argv[1], 1) == 1 ? pause() : 1;\n}\n",
    );
    let resets = |key: &str| {
        with(
            "programs = [\"tests/resets.c\"]",
            &format!(
                "[[steps]]\nname = \"it starts\"\nspawn = [\"/resets\", \"{key}\"]\nas = \"it\"\n\
                 [[steps]]\nname = \"the machine is reset\"\nshutdown = \"reset\"\ntimeout-s = 5\n"
            ),
        );
        tried()
    };
    let ran = resets("b");
    assert!(ran.good().contains("ok  the machine is reset"), "{ran:#?}");
    let ran = resets("h");
    assert_eq!(ran.status.code(), Some(1), "{ran:#?}");
    assert!(
        ran.stdout.contains("the machine was not reset in time"),
        "{ran:#?}"
    );
    // A program that is not listed, one that does not compile, and others that are not there.
    with("", "[[steps]]\nname = \"a\"\nexec = [\"/in_c\"]\n");
    tried().refused(2, &["\"/in_c\""]);
    for (code, keys, words) in [
        (
            2,
            "programs = [\"tests/none.c\"]",
            ["programs", "tests/none.c, which is not a file"],
        ),
        (
            2,
            "files = [\"tests\"]",
            ["files", "\"tests\", which is not a file"],
        ),
        (
            2,
            "programs = [\"tests/a.rs\"]",
            ["programs", "packages of the driver's workspace"],
        ),
        (
            2,
            "programs = [\"--help\"]",
            ["programs", "packages of the driver's workspace"],
        ),
        (
            2,
            "programs = [\"tests/in_c.c\", \"in_c\"]",
            ["programs", "\"in_c\", which is /in_c there"],
        ),
        (
            2,
            "files = [\"tests/init\"]",
            ["files", "\"tests/init\", which is /init there"],
        ),
        (
            1,
            "programs = [\"nothing\"]",
            ["\"nothing\", which cannot be built", "--package nothing"],
        ),
    ] {
        with(keys, "");
        tried().refused(code, &words);
    }
    write("tests/in_c.c", "int main(void) { return wrong; }\n");
    with("programs = [\"tests/in_c.c\"]", "");
    tried().refused(1, &["in_c.c", "links statically", "wrong"]);
}

/// The folders of cargo for git dependencies on repositories with a name. Those that a test adds
/// are removed again.
struct GitFolders {
    dirs: [PathBuf; 2],
    name: &'static str,
    before: Vec<PathBuf>,
}

impl GitFolders {
    fn of(name: &'static str) -> Self {
        let home = std::env::var_os("CARGO_HOME").map_or_else(
            || Path::new(&std::env::var_os("HOME").unwrap()).join(".cargo"),
            PathBuf::from,
        );
        let mut this = Self {
            dirs: ["git/db", "git/checkouts"].map(|dir| home.join(dir)),
            name,
            before: Vec::new(),
        };
        this.before = this.now();
        this
    }

    fn now(&self) -> Vec<PathBuf> {
        let entries = self.dirs.iter().flat_map(fs::read_dir).flatten().flatten();
        let of_name = entries.filter(|entry| {
            let folder = entry.file_name().into_string().unwrap_or_default();
            let rest = folder.strip_prefix(self.name);
            rest.is_some_and(|hash| hash.starts_with('-') && !hash[1..].contains('-'))
        });
        of_name.map(|entry| entry.path()).collect()
    }

    fn added(&self) -> Vec<PathBuf> {
        let mut added = self.now();
        added.retain(|path| !self.before.contains(path));
        added
    }
}

impl Drop for GitFolders {
    fn drop(&mut self) {
        for path in self.added() {
            let _ = fs::remove_dir_all(path);
        }
    }
}

/// The driver depends on a git repository, as that of an author without a checkout.
#[test]
fn a_device_file_with_linux_driver_from_git() {
    // A repository that cargo has not seen yet.
    let parent = tempfile::tempdir().unwrap();
    let origin = parent.path().join("linux-driver");
    let mut clone = Command::new("git");
    clone
        .args(["clone", "--quiet", "--bare"])
        .arg(repository())
        .arg(&origin);
    run(&mut clone).good();
    let url = format!("file://{}", origin.display());
    let folders = GitFolders::of("linux-driver");
    let cache = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(cache_of_user()).unwrap().flatten() {
        std::os::unix::fs::symlink(entry.path(), cache.path().join(entry.file_name())).unwrap();
    }
    // The crates that the tool depends on are compiled there already.
    let _ = fs::remove_file(cache.path().join("tool"));
    std::os::unix::fs::symlink(target(), cache.path().join("tool")).unwrap();

    let dir = parent.path().join("file");
    new(&dir, &["--misc", "--git", &url]).good();
    let manifest = fs::read_to_string(dir.join("Cargo.toml")).unwrap();
    assert!(
        manifest.contains(&format!("git = \"{url}\", rev = ")),
        "{manifest}"
    );
    let mut tried = cargo(&dir, &["xtask", "run", "--kernel", DEFAULT]);
    tried.env("LINUX_DRIVER_CACHE", cache.path());
    let ran = run(&mut tried);
    let text = ran.good();
    for step in [
        "the same text is read",
        "the device is bound again",
        "no problem",
    ] {
        assert!(text.contains(step), "no {step:?}: {ran:#?}");
    }
    // Nothing is compiled in cargo's folder.
    let mut find = Command::new("find");
    find.args(folders.added()).args(["-name", "target"]);
    assert_eq!(run(&mut find).good(), "");
}

#[test]
fn bad_names_folders_and_sources_are_refused() {
    let _folders = GitFolders::of("there");
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("my-driver");
    let misc = ["--misc", path()[0], path()[1]];
    let refused = |dir: &Path, words: &[&str], expected: &[&str]| {
        new(dir, words).refused(2, expected);
        assert_eq!(leftovers(parent.path()), Vec::<PathBuf>::new());
        assert!(!parent.path().join("my-driver/Cargo.toml").exists());
    };
    refused(&dir, &["--misc"], &["`repository`", "--git", "--path"]);
    refused(
        &dir,
        &["--misc", "--path", "/usr"],
        &["a checkout of linux-driver", "no Cargo.toml"],
    );
    refused(
        &dir,
        &["--misc", "--git", "file:///nothing/there"],
        &["file:///nothing/there at "],
    );
    refused(
        &dir,
        &["--misc", "--git", "a b"],
        &["--git", "without spaces"],
    );
    refused(
        &dir,
        &["--platform", "a\"b", path()[0], path()[1]],
        &["--platform", "1 to 19"],
    );
    refused(&parent.path().join("2nd"), &misc, &["a small letter"]);
    refused(&parent.path().join("core"), &misc, &["a meaning for Rust"]);
    refused(&parent.path().join("null"), &misc, &["another file"]);
    // Folders above that were made for it are removed again.
    let below = parent.path().join("a/b/my-driver");
    refused(&below, &["--misc", "--path", "/usr"], &["no Cargo.toml"]);
    assert!(!parent.path().join("a").exists());
    let link = parent.path().join("my-link");
    std::os::unix::fs::symlink(parent.path(), &link).unwrap();
    refused(&link, &misc, &["a symbolic link"]);
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("notes"), "mine").unwrap();
    refused(&dir, &misc, &["an empty one", "one file or folder in it"]);
    assert_eq!(fs::read_to_string(dir.join("notes")).unwrap(), "mine");
    // An empty folder may be there.
    fs::remove_file(dir.join("notes")).unwrap();
    new(&dir, &misc).good();
    assert!(dir.join(".git").is_dir() && dir.join("LICENSE").is_file());
    // Bad arguments are clap's.
    let ran = new(
        &parent.path().join("other"),
        &["--pci", "1234", path()[0], path()[1]],
    );
    assert_eq!(ran.status.code(), Some(2), "{ran:#?}");
    assert!(ran.stderr.contains("VENDOR:DEVICE"), "{ran:#?}");
}

/// The table of QEMU's devices is true.
#[test]
fn qemus_devices_have_the_ids_by_which_new_finds_them() {
    let ids = [
        "1234:11e8",
        "1b36:0005",
        "1b36:000d",
        "8086:100e",
        "8086:10d3",
        "10ec:8139",
        "1022:2000",
        "8086:2668",
        "8086:2922",
        "1000:0012",
    ];
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args([
        "-machine",
        "q35",
        "-nodefaults",
        "-display",
        "none",
        "-S",
        "-qmp",
        "stdio",
    ]);
    let parent = tempfile::tempdir().unwrap();
    for (number, id) in ids.iter().enumerate() {
        let dir = parent.path().join(format!("d{number}"));
        new(&dir, &["--pci", id, path()[0], path()[1]]).good();
        let trial: toml::Table = fs::read_to_string(dir.join("trial.toml"))
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(trial["pci-id"].as_str(), Some(*id));
        qemu.args(["-device", trial["devices"][0].as_str().unwrap()]);
    }
    qemu.stdin(Stdio::piped()).stdout(Stdio::piped());
    // It warns that network cards have no network.
    qemu.stderr(Stdio::null());
    let mut qemu = qemu.spawn().unwrap();
    let commands =
        "{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"query-pci\"}\n{\"execute\":\"quit\"}\n";
    qemu.stdin
        .take()
        .unwrap()
        .write_all(commands.as_bytes())
        .unwrap();
    let output = qemu.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    for id in ids {
        let (vendor, device) = id.split_once(':').unwrap();
        let number = |digits| u32::from_str_radix(digits, 16).unwrap();
        let found = text.contains(&format!("\"device\": {}", number(device)))
            && text.contains(&format!("\"vendor\": {}", number(vendor)));
        assert!(found, "no {id} in {text}");
    }
}

#[test]
fn the_devices_of_this_computer_are_listed() {
    let ran = run(&mut xtask(["new", "--list"]));
    let text = ran.good();
    assert!(
        text.starts_with("ADDRESS") || text.contains("no PCI device"),
        "{text}"
    );
}
