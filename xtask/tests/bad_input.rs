// SPDX-License-Identifier: GPL-2.0-only
//! Bad input: each case gives a clear error with the right exit code and leaves nothing
//! half-written.
//!
//! Needs all that `cargo xtask doctor` names, and Debian's archive for kernels that are not yet in
//! the cache.

mod support;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use linux_driver_check::{self as check, Expectations};
use linux_driver_kernels::BuildTree;
use linux_driver_vm::{Action, Errno, GuestFile, Machine, Outcome, Plan, Step};

use support::{
    Crate, DEFAULT, Ran, UnderWay, cache_of_user, cache_with, edu, end_processes_with,
    half_written, kernel, nobody_left_with, on_linux_driver, processes_with, repository, run,
    xtask,
};

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

// ---- logs of a crash ----

/// Returns the run of `decode` with this log of the sample driver.
fn decoded(log: &str) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log");
    fs::write(&file, log).unwrap();
    let ko = edu(DEFAULT);
    run(&mut xtask([
        "decode",
        "--ko",
        ko.to_str().unwrap(),
        file.to_str().unwrap(),
    ]))
}

#[test]
fn a_log_is_decoded_if_it_is_that_of_the_module() {
    // The symbol is the last one of its section, so the kernel prints a size that is larger.
    let ran =
        decoded("[    1.0]  init_module+0x30/0x1000 [edu]\r\n[    1.0]  \u{1b}[31m</TASK>\n\n");
    let lines: Vec<&str> = ran.good().lines().collect();
    assert_eq!(lines[0], "[    1.0]  init_module+0x30/0x1000 [edu]");
    assert!(lines[1].starts_with("    at "), "{lines:?}");
    assert_eq!(*lines.last().unwrap(), "[    1.0]  \\u{1b}[31m</TASK>");

    // Places without lines are told.
    let ran = decoded(
        "[    1.0]  init_module+0x30/0x1000 [edu]\n[    1.1]  probe+0x1/0x2 [edu]\n\
         [    1.2]  run+0x1/0x2 [panic]\n",
    );
    ran.good();
    for part in ["1 of the 2 places in edu", "probe+0x1/0x2", "panic"] {
        assert!(ran.stderr.contains(part), "{ran:#?}");
    }
    decoded("[    1.0]  probe+0x1/0x2 [edu]\n")
        .refused(2, &["edu.ko", "none of the 1", "that was loaded"]);
    decoded("[    1.0]  init_module+0x30/0x1000 [panic]\n").refused(2, &["about the code of edu"]);
    decoded("").refused(2, &["about the code of edu", "--ko"]);
    run(&mut xtask(["decode", "--ko", "/no/such.ko"])).refused(2, &["/no/such.ko"]);
    run(&mut xtask(["decode", "--ko", "Cargo.toml"])).refused(2, &["Cargo.toml"]);
    let ko = edu(DEFAULT);
    run(&mut xtask([
        "decode",
        "--ko",
        ko.to_str().unwrap(),
        "/no/such/log",
    ]))
    .refused(2, &["/no/such/log"]);
}

// ---- closed pipes and full disks ----

/// Runs `kernels` with this standard output and standard error, and returns its exit code.
fn kernels_said_to(out: std::process::Stdio, error: std::process::Stdio) -> Option<i32> {
    let mut kernels = xtask(["kernels"]);
    kernels.stdout(out).stderr(error).status().unwrap().code()
}

#[test]
fn a_reader_that_closes_its_end_is_not_an_error() {
    let nobody = || std::io::pipe().unwrap().1;
    let (mut said, error) = std::io::pipe().unwrap();
    assert_eq!(kernels_said_to(nobody().into(), error.into()), Some(0));
    let mut errors = String::new();
    std::io::Read::read_to_string(&mut said, &mut errors).unwrap();
    assert!(!errors.contains("panicked"), "{errors}");

    // The exit code is the same when nobody reads the message.
    let mut wrong = xtask(["build", "-p", "edu", "--kernel", "none"]);
    assert_eq!(wrong.stderr(nobody()).status().unwrap().code(), Some(2));
}

#[test]
fn a_full_disk_under_what_is_said_is_an_error() {
    let full = || {
        fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    assert_eq!(
        kernels_said_to(full().into(), std::process::Stdio::inherit()),
        Some(2)
    );
    assert_eq!(kernels_said_to(full().into(), full().into()), Some(2));
}

// ---- the kernel ----

/// Returns a folder with the files of a build tree and this configuration.
fn tree(config: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (file, text) in [
        ("Makefile", "VERSION = 6\n"),
        ("Kconfig", ""),
        (".config", config),
        ("include/generated/autoconf.h", ""),
        (
            "include/generated/utsrelease.h",
            "#define UTS_RELEASE \"6.12.0\"\n",
        ),
        ("Module.symvers", ""),
    ] {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

/// Checks that `build --kdir` refuses this folder with a message that names it.
#[track_caller]
fn refused_kdir(dir: &Path, words: &[&str]) {
    let cache = tempfile::tempdir().unwrap();
    let dir = dir.to_str().unwrap();
    let ran =
        run(xtask(["build", "-p", "edu", "--kdir", dir]).env("LINUX_DRIVER_CACHE", cache.path()));
    ran.refused(2, &[&[dir], words].concat());
    assert_eq!(
        fs::read_dir(cache.path()).unwrap().count(),
        0,
        "something was left in the cache"
    );
}

#[test]
fn a_kdir_that_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    refused_kdir(
        &dir.path().join("missing"),
        &[
            "No such file or directory",
            "/lib/modules/RELEASE/build",
            "--kernel NAME",
        ],
    );
}

#[test]
fn a_kdir_that_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    refused_kdir(
        dir.path(),
        &["Makefile", "no such file", "/lib/modules/RELEASE/build"],
    );
}

#[test]
fn a_kdir_that_is_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    refused_kdir(file.path(), &["Not a directory", "--kernel NAME"]);
}

#[test]
fn a_kdir_that_is_a_source_tree_and_was_not_configured() {
    let dir = tree("CONFIG_X86_64=y\n");
    fs::remove_dir_all(dir.path().join("include")).unwrap();
    fs::remove_file(dir.path().join("Module.symvers")).unwrap();
    refused_kdir(
        dir.path(),
        &["autoconf.h", "a source tree", "modules_prepare"],
    );
}

#[test]
fn a_kdir_without_its_list_of_symbols() {
    let dir = tree("CONFIG_X86_64=y\n");
    fs::remove_file(dir.path().join("Module.symvers")).unwrap();
    refused_kdir(
        dir.path(),
        &[
            "Module.symvers",
            "the symbols that the kernel exports",
            "`make`",
        ],
    );
}

#[test]
fn a_kdir_for_another_architecture() {
    let dir = tree("CONFIG_ARM64=y\nCONFIG_64BIT=y\n");
    refused_kdir(
        dir.path(),
        &["CONFIG_X86_64=y", "a kernel for ARM64", "x86_64 kernel"],
    );
}

#[test]
fn a_kdir_without_its_programs() {
    let dir = tree("CONFIG_X86_64=y\n");
    refused_kdir(
        dir.path(),
        &["scripts/basic/fixdep is missing", "modules_prepare"],
    );
}

#[test]
fn a_kdir_at_a_path_that_make_cannot_read() {
    let dir = tree("CONFIG_X86_64=y\n");
    let spaced = dir.path().join("my kernel");
    fs::create_dir(&spaced).unwrap();
    refused_kdir(
        &spaced,
        &["' ' in it", "a makefile can hold", "move the tree"],
    );
}

#[test]
fn a_kdir_whose_compiler_is_missing() {
    let gcc = "CONFIG_CC_VERSION_TEXT=\"gcc-10 (Debian 10.2.1-6) 10.2.1 \
               20210110\"\nCONFIG_GCC_VERSION=100201\n";
    let dir = tree(&format!("CONFIG_X86_64=y\n{gcc}"));
    refused_kdir(
        dir.path(),
        &[
            "no program gcc-10 on the PATH",
            "apt-get install --no-install-recommends gcc-10",
            "--kernel NAME",
        ],
    );
    let clang = "CONFIG_CC_IS_CLANG=y\nCONFIG_CLANG_VERSION=90001\nCONFIG_CC_VERSION_TEXT=\"clang \
                 version 9.0.1-16\"\n";
    let dir = tree(&format!("CONFIG_X86_64=y\n{clang}"));
    refused_kdir(dir.path(), &["clang version 9.0.1-16", "lld-9 llvm-9"]);
}

/// Returns the `.config` of the default kernel with `from` replaced by `to`.
fn config_of_default(from: &str, to: &str) -> (&'static str, String) {
    let text = fs::read_to_string(kernel(DEFAULT).build_tree.join(".config")).unwrap();
    assert!(text.contains(from), "{from}");
    (".config", text.replace(from, to))
}

/// Returns the header of a release that no kernel of this machine has.
fn release(release: &str) -> (&'static str, String) {
    (
        "include/generated/utsrelease.h",
        format!("#define UTS_RELEASE \"{release}\"\n"),
    )
}

#[test]
fn a_kdir_whose_compiler_is_another_is_noted_and_the_users_llvm_forgotten() {
    let files = [
        config_of_default("CONFIG_GCC_VERSION=12", "CONFIG_GCC_VERSION=10"),
        release("6.12.0-planted"),
    ];
    let dir = support::planted_tree("other-compiler", &files, "");
    let ran = run(xtask(["env", "--kdir", dir.to_str().unwrap()]).env("LLVM", "1"));
    assert!(ran.good().contains("LINUX_DRIVER_KERNEL_DIR="), "{ran:#?}");
    let note = format!("note: {}: ", dir.display());
    let words = "gcc-12 is of version 12, the kernel's of version 10";
    assert!(
        ran.stderr.contains(&note) && ran.stderr.contains(words),
        "{ran:#?}"
    );
}

#[test]
fn a_kernel_that_cannot_be_booted_is_said_before_it_is_built_for() {
    let dir = support::planted_tree("no-image", &[release("6.12.0-planted")], "");
    let cache = tempfile::tempdir().unwrap();
    let ran = run(xtask(["run", "-p", "edu", "--kdir", dir.to_str().unwrap()])
        .env("LINUX_DRIVER_CACHE", cache.path()));
    ran.refused(
        2,
        &[
            "a kernel that can be booted",
            "/boot/vmlinuz-6.12.0-planted",
            "bzImage",
        ],
    );
    let left = fs::read_dir(cache.path()).unwrap().count();
    assert_eq!(left, 0, "something was built: {ran:#?}");
}

#[test]
fn a_kernel_that_lacks_what_the_bindings_need_is_to_blame() {
    // As in 5.10: a field has another name, or a header has.
    for (name, c, words) in [
        (
            "old-field",
            "#define driver_data driver_data_of_old\n",
            "device.driver_data is not there",
        ),
        ("old-header", "#define _LINUX_DMA_MAPPING_H\n", "shims.c"),
    ] {
        let dir = support::planted_tree(name, &[release("5.10.0-planted")], c);
        let dir = dir.to_str().unwrap();
        let ran = run(&mut xtask(["build", "-p", "edu", "--kdir", dir]));
        ran.refused(2, &[dir, words, "the oldest", "that works is 6.1"]);
        let blamed = ran.stderr.contains(&format!("error: {dir}\n"));
        assert!(blamed && !ran.stderr.contains("correct them"), "{ran:#?}");
    }
}

#[test]
fn a_kernel_without_the_schedulers_statistics_is_built_for() {
    let files = [
        config_of_default("CONFIG_SCHEDSTATS=y", "# CONFIG_SCHEDSTATS is not set"),
        release("6.12.0-planted"),
    ];
    let dir = support::planted_tree("no-schedstats", &files, "#undef CONFIG_SCHEDSTATS\n");
    let ran = run(&mut xtask([
        "build",
        "-p",
        "edu",
        "--kdir",
        dir.to_str().unwrap(),
    ]));
    assert!(ran.good().trim_end().ends_with("/edu/edu.ko"), "{ran:#?}");
}

#[test]
fn a_system_that_forbids_namespaces() {
    // This replaces bubblewrap and fails as it does in a container without privileges.
    let dir = tempfile::tempdir().unwrap();
    let bwrap = dir.path().join("bwrap");
    let said = "bwrap: No permissions to create new namespace";
    fs::write(&bwrap, format!("#!/bin/sh\necho '{said}' >&2\nexit 1\n")).unwrap();
    fs::set_permissions(&bwrap, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut path = dir.path().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    // The tools of this kernel do not run on the host, and its build root is not made yet.
    kernel("debian-7.2");
    let cache = cache_with(&["kernels"]);
    let mut fetch = xtask(["fetch", "debian-7.2"]);
    fetch
        .env("PATH", path)
        .env("LINUX_DRIVER_CACHE", cache.path());
    let ran = run(&mut fetch);
    ran.refused(
        2,
        &[said, "to make namespaces, for a build root", "--privileged"],
    );
    assert!(!ran.stderr.contains("report this"), "{ran:#?}");
}

#[test]
fn a_kernel_that_nobody_knows() {
    let ran = run(&mut xtask(["build", "--kernel", "debian-0.1"]));
    ran.refused(2, &["debian-0.1", DEFAULT, "name one of these", "--kdir"]);
}

// ---- the command line ----

#[test]
fn unknown_commands_and_flags() {
    for (words, told) in [
        (["biuld", "-p", "edu"].as_slice(), "'biuld'"),
        (&["build", "--kernl", "debian-6.1"], "'--kernl'"),
        (&["build", "--kernel"], "--kernel <NAME>"),
        (
            &["build", "--kernel", "debian-6.1", "--kdir", "/"],
            "cannot be used with",
        ),
        (&["run", "--time-limit", "soon"], "'soon'"),
    ] {
        let ran = run(xtask([]).args(words));
        assert_eq!(ran.status.code(), Some(2), "{ran:#?}");
        assert!(
            ran.stderr.starts_with("error: ") && ran.stderr.contains(told),
            "{ran:#?}"
        );
        assert!(ran.stderr.contains("try '--help'"), "{ran:#?}");
        assert_eq!(ran.stdout, "");
    }
}

// ---- the driver ----

/// Checks that `build --manifest-path` refuses this file before it looks for a kernel.
#[track_caller]
fn refused_manifest(path: &str, code: i32, words: &[&str]) {
    let cache = tempfile::tempdir().unwrap();
    let ran =
        run(xtask(["build", "--manifest-path", path]).env("LINUX_DRIVER_CACHE", cache.path()));
    ran.refused(code, &[&[path], words].concat());
    assert_eq!(
        fs::read_dir(cache.path()).unwrap().count(),
        0,
        "something was left in the cache"
    );
}

#[test]
fn a_driver_that_nobody_knows() {
    let ran = run(&mut xtask(["build", "-p", "edo"]));
    ran.refused(2, &["a driver named edo", "edu, edu-c", "-p"]);
}

#[test]
fn a_package_of_this_workspace_that_is_not_a_driver() {
    let ran = run(&mut xtask(["build", "-p", "linux-driver-host"]));
    ran.refused(
        1,
        &[
            "host/Cargo.toml",
            "a dependency on linux-driver",
            "[dependencies]",
        ],
    );
    let ran = run(&mut xtask(["build", "-p", "xtask"]));
    ran.refused(1, &["xtask/Cargo.toml", "src/lib.rs"]);
}

#[test]
fn a_driver_that_is_not_named_is_the_one_at_hand() {
    let stranger = Crate::new("bad-at-hand", "", "#![no_std]\n");
    let build_in = |dir: &Path| run(xtask(["build"]).current_dir(dir));
    let manifest = stranger.manifest();
    // The build takes the crate of this folder. It does not look for another one that would build.
    build_in(&stranger.dir.join("src")).refused(1, &[&manifest, "a dependency on linux-driver"]);
    build_in(&repository().join("host/src"))
        .refused(1, &["host/Cargo.toml", "a dependency on linux-driver"]);
    let nowhere = tempfile::tempdir().unwrap();
    build_in(nowhere.path()).refused(
        2,
        &[
            nowhere.path().to_str().unwrap(),
            "no Cargo.toml",
            "--manifest-path",
        ],
    );
    // A driver in C has no Cargo.toml. Its kernel is looked up before its features are checked.
    let ran =
        run(xtask(["build", "--kernel", "none"]).current_dir(repository().join("samples/edu-c")));
    ran.refused(2, &["none", DEFAULT]);
}

#[test]
fn a_copy_of_the_checkout_works_with_its_own_files() {
    let copy = tempfile::tempdir().unwrap();
    for file in [
        "Cargo.toml",
        "xtask/Cargo.toml",
        "sys/needed.toml",
        "headers/kernels.toml",
    ] {
        let path = copy.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(repository().join(file), path).unwrap();
    }
    let catalogue = "default = \"of-the-copy\"\n[kernels.of-the-copy]\nseries = \"6.1\"\nrelease \
                     = \"6.1.0-56-amd64\"\n\
                     version = \"6.1.192-2\"\narch = \"amd64\"\nsuites = [\"bookworm\"]\ncompiler \
                     = \"gcc-12\"\n";
    fs::write(copy.path().join("headers/kernels.toml"), catalogue).unwrap();
    let program = copy.path().join("target/debug/xtask");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    // Another process copies it. A file that this process has open for writing cannot be run, nor
    // while a child process of another test has inherited it.
    let copied = Command::new("cp")
        .arg(env!("CARGO_BIN_EXE_xtask"))
        .arg(&program)
        .status();
    assert!(copied.unwrap().success());
    let ran = run(Command::new(&program).arg("kernels"));
    assert!(ran.good().contains("of-the-copy"), "{ran:#?}");
    // Without the files of a checkout the program counts as installed, and uses the files that it
    // was compiled with.
    fs::remove_file(copy.path().join("sys/needed.toml")).unwrap();
    assert!(
        !run(Command::new(&program).arg("kernels"))
            .good()
            .contains("of-the-copy")
    );
}

/// A path that Kbuild would split is refused before anything is fetched or compiled. The message is
/// the same for each path.
#[test]
fn paths_that_make_takes_apart() {
    let driver = Crate::driver("bad-path", &format!("{}{MODULE}", good_driver("")));
    let dir = tempfile::tempdir().unwrap();
    let build = |target: &Path, cache: &Path| {
        let mut command = driver.build();
        command
            .env("CARGO_TARGET_DIR", target)
            .env("LINUX_DRIVER_CACHE", cache);
        run(&mut command)
    };
    let (plain, none) = (dir.path().join("plain"), dir.path().join("none"));
    for name in ["a b", "a#b", "a$b", "a'b", "a%b"] {
        let path = dir.path().join(name);
        let words = [path.to_str().unwrap(), "letters, digits and"];
        build(&path, &plain).refused(2, &[words.as_slice(), &["CARGO_TARGET_DIR"]].concat());
        build(&none, &path).refused(2, &[words.as_slice(), &["LINUX_DRIVER_CACHE"]].concat());
        assert!(!path.exists());
    }
    assert_eq!(
        fs::read_dir(&plain).unwrap().count(),
        0,
        "something was left in the cache"
    );
}

#[test]
fn a_manifest_that_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("Cargo.toml");
    refused_manifest(
        path.to_str().unwrap(),
        2,
        &["does not exist", "--manifest-path"],
    );
}

#[test]
fn a_manifest_that_is_not_toml() {
    let driver = Crate::driver("bad-toml", "");
    driver.write("Cargo.toml", "[package\n");
    refused_manifest(&driver.manifest(), 2, &["[package", "correct it"]);
}

#[test]
fn a_driver_at_a_path_that_make_cannot_read() {
    for name in [
        "my driver",
        "my'driver",
        "my#driver",
        "my$driver",
        "my%driver",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let driver = Crate::driver("bad-path", "");
        let place = dir.path().join(name);
        fs::rename(&driver.dir, &place).unwrap();
        let path = place.join("Cargo.toml");
        let cache = tempfile::tempdir().unwrap();
        let mut build = xtask(["build", "--manifest-path", path.to_str().unwrap()]);
        // The driver has its own target folder, as has any driver outside of this workspace.
        build
            .env_remove("CARGO_TARGET_DIR")
            .env("LINUX_DRIVER_CACHE", cache.path());
        let ran = run(&mut build);
        ran.refused(
            2,
            &[
                place.to_str().unwrap(),
                "a makefile can hold",
                "CARGO_TARGET_DIR",
            ],
        );
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_crate_that_cannot_be_downloaded() {
    let driver = Crate::new("bad-network", "itoa = \"=1.0.1\"\n", "#![no_std]\n");
    fs::remove_file(driver.dir.join("Cargo.lock")).unwrap();
    // No server listens on this port.
    driver.write(
        ".cargo/config.toml",
        "[source.crates-io]\nreplace-with = \"nowhere\"\n[source.nowhere]\nregistry \
         = \"sparse+http://127.0.0.1:9/\"\n\
         [net]\nretry = 0\n",
    );
    let cache = tempfile::tempdir().unwrap();
    for offline in [false, true] {
        let mut build = xtask(["build", "--manifest-path", &driver.manifest()]);
        build
            .current_dir(&driver.dir)
            .env("LINUX_DRIVER_CACHE", cache.path());
        if offline {
            build.env("CARGO_NET_OFFLINE", "true");
        }
        let ran = run(&mut build);
        ran.refused(
            2,
            &[
                &driver.manifest(),
                "downloaded or in cargo's cache",
                "check the network",
            ],
        );
        assert!(!ran.stderr.contains("correct it"), "{ran:#?}");
    }
}

#[test]
fn a_crate_that_is_not_a_library() {
    let driver = Crate::driver("bad-main", "");
    fs::rename(
        driver.dir.join("src/lib.rs"),
        driver.dir.join("src/main.rs"),
    )
    .unwrap();
    driver.write("src/main.rs", "fn main() {}\n");
    refused_manifest(
        &driver.manifest(),
        1,
        &["a library, src/lib.rs", "move the driver"],
    );
}

#[test]
fn a_crate_that_does_not_depend_on_linux_driver() {
    let driver = Crate::new("bad-stranger", "", "#![no_std]\n");
    refused_manifest(
        &driver.manifest(),
        1,
        &["a dependency on linux-driver", "[dependencies]"],
    );
}

#[test]
fn a_driver_that_needs_std() {
    let driver = Crate::driver(
        "bad-std",
        "use std::collections::HashMap;\n\npub fn count(map: &HashMap<u32, u32>) -> usize \
         {\n    map.len()\n}\n",
    );
    driver.fails_to_build(&[
        "the crate `bad_std` needs it",
        "#![no_std]",
        "which the kernel does not have",
    ]);
}

#[test]
fn a_dependency_that_needs_std() {
    let dependencies = format!(
        "{}bad-helper = {{ path = \"helper\" }}\n",
        on_linux_driver()
    );
    let driver = Crate::new("bad-dependency", &dependencies, &good_driver(""));
    driver.write(
        "helper/Cargo.toml",
        "[package]\nname = \"bad-helper\"\nversion = \"0.0.0\"\nedition = \"2024\"\n",
    );
    driver.write(
        "helper/src/lib.rs",
        "pub fn now() -> std::time::Instant {\n    std::time::Instant::now()\n}\n",
    );
    driver.fails_to_build(&[
        "the crate `bad_helper` needs it",
        "for a dependency, turn its default features off",
    ]);
}

/// Returns a driver without its last lines. Its probe calls `scaled`, which has this body, with a
/// number that the compiler does not know.
fn good_driver(scaled: &str) -> String {
    let scaled = if scaled.is_empty() { "raw" } else { scaled };
    format!(
        r#"#![no_std]

use linux_driver::pci::{{self, DeviceId}};
use linux_driver::prelude::*;

struct Scale;

#[vtable]
impl pci::Driver for Scale {{
    type IdInfo = ();
    const NAME: &'static CStr = c"scale";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x11e8)];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {{
        pin_init_scope(move || {{
            dev_info!(dev, "{{}}", scaled(core::hint::black_box(7)));
            Ok(Scale)
        }})
    }}
}}

#[inline(never)]
fn scaled(raw: u32) -> u32 {{
    {scaled}
}}
"#
    )
}

/// The last lines of a driver.
const MODULE: &str = r#"
linux_driver::module_pci_driver! {
    type: Scale,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Scales",
}
"#;

#[test]
fn a_driver_that_uses_floating_point() {
    let code = good_driver("(f64::from(raw) * 1.5) as u32");
    let driver = Crate::driver("bad-float", &format!("{code}{MODULE}"));
    let ran = driver.fails_to_build(&["bad_float::scaled", "floating point", "use integers"]);
    assert!(!ran.stderr.contains("`init_module`"), "{}", ran.stderr);
}

#[test]
fn a_driver_with_what_the_lint_of_unsafe_code_does_not_see() {
    let dependencies = format!(
        "{}bad-helper = {{ path = \"helper\" }}\n",
        on_linux_driver()
    );
    let more = "include!(\"more.in\");\n\n\
                pub fn freed() -> u32 \
                {\n    Scale::freed() + bad_helper::kept as *const () as u32\n        \
                + bad_helper::read!(8usize)\n}\n";
    let code =
        good_driver("raw + freed()").replace("#![no_std]", "#![no_std]\n#![forbid(unsafe_code)]");
    let driver = Crate::new(
        "bad-unseen",
        &dependencies,
        &format!("{code}{more}{MODULE}"),
    );
    // The kernel frees this function after the module is loaded. No branch goes there, so modpost
    // does not see it.
    driver.write(
        "src/more.in",
        "impl Scale \
         {\n    #[unsafe(link_section = \".init.text\")]\n    pub fn freed() -> u32 {\n        7\n    }\n}\n",
    );
    driver.write(
        "helper/Cargo.toml",
        "[package]\nname = \"bad-helper\"\nversion = \"0.0.0\"\nedition \
         = \"2021\"\n\n[lints.rust]\nunsafe_code = \"forbid\"\n",
    );
    driver.write(
        "helper/src/lib.rs",
        "#![no_std]\n\nextern \"C\" {\n    fn kfree(at: *const u8) -> !;\n}\n\npub fn kept() -> \
         usize {\n    kfree as *const () as usize\n}\n\n\
         #[macro_export]\nmacro_rules! read {\n    ($at:expr) => {\n        \
         unsafe { *($at as *const u32) }\n    };\n}\n",
    );
    // The build finds rustc's lists of sources wherever the user keeps cargo's files.
    let ko = driver.older_ko();
    let elsewhere = driver.dir.join("elsewhere");
    let ran = run(driver.build().env("CARGO_BUILD_BUILD_DIR", &elsewhere));
    assert!(!ko.exists() && !elsewhere.exists());
    let words = [
        "src/more.in:2:14",
        "helper/Cargo.toml",
        "edition 2021",
        "`unsafe` in a macro at",
        "helper/src/lib.rs:14:9",
        "none of `naked`",
        "`link_section`",
        "remove `forbid(unsafe_code)`",
    ];
    ran.refused(1, &words);
}

#[test]
fn a_driver_that_declares_no_module() {
    let driver = Crate::driver("bad-no-module", &good_driver(""));
    driver.fails_to_build(&[
        "bad-no-module",
        "module_pci_driver! { … }",
        "declare the module at the end of src/lib.rs",
    ]);
}

#[test]
fn a_driver_that_declares_two_modules() {
    let dependencies = format!(
        "{}bad-second = {{ path = \"second\" }}\n",
        on_linux_driver()
    );
    let code = format!("{}pub use bad_second::*;\n{MODULE}", good_driver(""));
    let driver = Crate::new("bad-two", &dependencies, &code);
    driver.write(
        "second/Cargo.toml",
        &format!(
            "[package]\nname = \"bad-second\"\nversion = \"0.0.0\"\nedition \
             = \"2024\"\n[dependencies]\n{}",
            on_linux_driver()
        ),
    );
    driver.write("second/src/lib.rs", &format!("{}{MODULE}", good_driver("")));
    driver.fails_to_build(&["bad_two", "2 modules", "declare one"]);
}

#[test]
fn a_driver_that_does_not_compile() {
    let code = good_driver("\"not a number\"");
    let driver = Crate::driver("bad-types", &format!("{code}{MODULE}"));
    driver.fails_to_build(&[
        "mismatched types",
        "src/lib.rs",
        "the errors above",
        "correct them",
    ]);
}

/// Runs the driver on a machine with this device, checks that the run fails, and returns its
/// report.
#[track_caller]
fn fails_to_run(driver: &Crate, device: &str) -> serde_json::Value {
    let words = [
        "run",
        "--manifest-path",
        &driver.manifest(),
        "--kernel",
        DEFAULT,
        "--device",
        device,
        "--json",
    ];
    let ran = run(&mut xtask(words));
    assert_eq!(ran.status.code(), Some(1), "{ran:#?}");
    serde_json::from_str(&ran.stdout).unwrap()
}

/// Errors in a `trial.toml` are found before anything is built.
#[test]
fn a_trial_that_cannot_be_read() {
    let driver = Crate::driver("bad-trial", &format!("{}{MODULE}", good_driver("")));
    let manifest = fs::read_to_string(driver.manifest()).unwrap();
    let wrong = |parts: &[&str]| {
        let ran = run(&mut xtask(["run", "--manifest-path", &driver.manifest()]));
        assert_eq!(ran.status.code(), Some(2), "{ran:#?}");
        for part in parts {
            assert!(ran.stderr.contains(part), "no {part:?} in {ran:#?}");
        }
    };
    for (text, parts) in [
        (
            "devises = [\"edu\"]",
            ["trial.toml", "`devises`", "`devices`"],
        ),
        (
            "[[steps]]\nname = \"one\"\nlaod = \"bad_trial\"",
            ["step \"one\"", "`laod`", "load-by-alias"],
        ),
        (
            "[[steps]]\nname = \"one\"\nload = 1",
            ["step \"one\"", "`load`", "a string"],
        ),
        (
            "[[steps]]\nname = \"one\"",
            ["step \"one\"", "without either", "load = "],
        ),
    ] {
        driver.write("trial.toml", text);
        wrong(&parts);
    }
    driver.write("trial.toml", "");
    driver.write(
        "Cargo.toml",
        &format!("{manifest}\n[package.metadata.linux-driver]\ndevices = [\"edu\"]\n"),
    );
    wrong(&["Cargo.toml", "`devices`", "move it to", "trial.toml"]);
}

/// The trial only says which device the machine has. The module's aliases say which ID to look for.
#[test]
fn a_device_that_no_driver_binds_is_a_failure() {
    let code = good_driver("").replace(
        "Ok(Scale)",
        "if scaled(1) == 1 \
         {\n                return Err(linux_driver::error::code::EINVAL);\n            }\n            Ok(Scale)",
    );
    let driver = Crate::driver("bad-probe", &format!("{code}{MODULE}"));
    driver.write("trial.toml", "devices = [\"edu\"]\ndriver = \"scale\"\n");
    let row = |life: &serde_json::Value, name: &str| {
        let rows = life["steps"].as_array().unwrap();
        let row = rows.iter().find(|row| row["name"] == name);
        let row = row.unwrap_or_else(|| panic!("{life:#}"));
        (
            row["ok"].as_bool().unwrap(),
            row["detail"].as_str().unwrap().to_owned(),
        )
    };
    // The probe fails. That ends the run at once, and the report has the kernel's message.
    let life = fails_to_run(&driver, "edu");
    assert!(row(&life, "the module is loaded").0, "{life:#}");
    let (ok, detail) = row(&life, "the device is bound");
    assert!(
        !ok && detail.contains("probe with driver scale failed with error -22"),
        "{life:#}"
    );
    let seconds = life["seconds"].as_f64().unwrap() - life["boot_seconds"].as_f64().unwrap();
    assert!(seconds < 45.0, "{life:#}");
    // The device has another ID.
    let life = fails_to_run(&driver, "pci-testdev");
    let (ok, detail) = row(&life, "the module is loaded");
    assert!(!ok, "{life:#}");
    for part in [
        "the module's ID table has pci:1234:11e8",
        "pci:1b36:0005 (0000:00:01.0, no driver)",
        "`devices` in trial.toml",
    ] {
        assert!(detail.contains(part), "{detail}");
    }
    let mut rows = life["steps"].as_array().unwrap().iter();
    assert!(rows.any(|row| row["not_run"] == true), "{life:#}");
}

// ---- the cache ----

/// The folders that may be half-written after an error: none.
const NOTHING: [PathBuf; 0] = [];

#[test]
fn no_network() {
    // No server listens on this port.
    const NOWHERE: &str = "http://127.0.0.1:9/";
    let without_network = |cache: &Path| {
        let mut command = xtask(["fetch", DEFAULT]);
        command
            .env("LINUX_DRIVER_DEBIAN_MIRROR", NOWHERE)
            .env("LINUX_DRIVER_DEBIAN_SECURITY_MIRROR", NOWHERE)
            .env("LINUX_DRIVER_CACHE", cache);
        run(&mut command)
    };
    let cache = tempfile::tempdir().unwrap();
    without_network(cache.path()).refused(
        2,
        &[NOWHERE, "check the network", "LINUX_DRIVER_DEBIAN_MIRROR"],
    );
    assert_eq!(half_written(cache.path()), NOTHING);
    let kernels = fs::read_dir(cache.path().join("kernels"))
        .unwrap()
        .flatten();
    let entries: Vec<_> = kernels
        .map(|entry| entry.file_name())
        .filter(|name| !name.to_string_lossy().starts_with(".lock-"))
        .collect();
    assert!(entries.is_empty(), "{entries:?}");

    // A fetched kernel needs no network.
    kernel(DEFAULT);
    without_network(&cache_of_user()).good();
}

/// Mounts a small disk of size `$2` for the cache `$1`, and runs the remaining arguments with it.
/// It lists the half-written folders in the file `$LEFT`. Only this script sees the disk, which is
/// gone when the script ends.
const ON_A_SMALL_DISK: &str = r#"
cache=$1 size=$2
shift 2
mount -t tmpfs -o "size=$size" linux-driver "$cache/small" || exit 90
for kind in kernels roots sysroot; do
    test ! -e "$cache/$kind" || ln -s "$cache/$kind" "$cache/small/$kind" || exit 91
done
LINUX_DRIVER_CACHE="$cache/small" "$@"
code=$?
find "$cache/small/" -name '.staging-*' > "$LEFT" || exit 92
exit $code
"#;

/// Runs the command with its cache on a small disk that has the entries of `cache`, and checks that
/// nothing half-written is left there.
#[track_caller]
fn on_a_small_disk(cache: &tempfile::TempDir, size: &str, inner: &Command) -> Ran {
    fs::create_dir(cache.path().join("small")).unwrap();
    let left = cache.path().join("left");
    let mut command = Command::new("unshare");
    // Without root, the command becomes root in a user namespace.
    command.arg(if is_root() { "-m" } else { "-Urm" });
    command
        .args(["sh", "-c", ON_A_SMALL_DISK, "sh"])
        .arg(cache.path())
        .arg(size);
    command.arg(inner.get_program()).args(inner.get_args());
    command.envs(
        inner
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let ran = run(command.env("LEFT", &left).current_dir(repository()));
    assert_eq!(fs::read_to_string(left).unwrap(), "", "{}", ran.stderr);
    ran
}

#[test]
fn a_disk_that_fills_up_while_the_cache_is_written() {
    let driver = Crate::driver("bad-disk", &format!("{}{MODULE}", good_driver("")));
    // rustc writes `core`, the large entry. Kbuild makes the shims.
    for (there, size, writer) in [
        (["kernels", "roots"].as_slice(), "2m", "rustc"),
        (&["kernels", "roots", "sysroot"], "64k", "make"),
    ] {
        let ko = driver.older_ko();
        let ran = on_a_small_disk(&cache_with(there), size, &driver.build());
        let words = [
            "No space left on device",
            "set LINUX_DRIVER_CACHE to a folder on a larger disk",
            writer,
        ];
        ran.refused(2, &words);
        assert!(!ko.exists(), "{} was left", ko.display());
    }
}

#[test]
fn a_disk_that_fills_up_while_something_is_fetched() {
    // The disk has room for the signatures of the lists, but not for the lists.
    let cache = cache_with(&[]);
    let ran = on_a_small_disk(&cache, "2m", &xtask(["fetch", DEFAULT]));
    ran.refused(
        2,
        &[
            "small/apt/",
            "no storage space",
            "set LINUX_DRIVER_CACHE to a folder on a larger disk",
        ],
    );
}

fn is_root() -> bool {
    // SAFETY: geteuid(2) takes no argument and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

#[test]
fn a_signal_in_the_middle_and_then_again() {
    let driver = Crate::driver("bad-signal", &format!("{}{MODULE}", good_driver("")));
    let ko = driver.older_ko();
    let cache = cache_with(&["kernels", "roots"]);
    let errors = cache.path().join("errors");
    let build = || {
        UnderWay::start(
            driver.build().env("LINUX_DRIVER_CACHE", cache.path()),
            &errors,
        )
    };
    // rustc builds `core` in the only half-written folder: the program has removed the folders of
    // an earlier run.
    let at_work = |_: &UnderWay| {
        let at_work = processes_with(&cache.path().join("sysroot/.staging-"));
        (half_written(cache.path()).len() == 1 && !at_work.is_empty()).then_some(())
    };

    let mut first = build();
    first.until("core being built", at_work);
    first.signal(libc::SIGINT);
    assert_eq!(
        first.ends().signal(),
        Some(libc::SIGINT),
        "{}",
        first.said()
    );
    assert!(
        first.said().contains("run the command again"),
        "{}",
        first.said()
    );
    assert_eq!(half_written(cache.path()), NOTHING);
    assert!(!ko.exists(), "{} was left", ko.display());
    nobody_left_with(cache.path());

    // A second signal ends the run at once.
    let mut second = build();
    second.until("core being built", at_work);
    second.signal(libc::SIGINT);
    second.signal(libc::SIGINT);
    assert_eq!(
        second.ends().signal(),
        Some(libc::SIGINT),
        "{}",
        second.said()
    );
    nobody_left_with(cache.path());

    // A killed run cannot clean up. The next run does.
    let mut third = build();
    third.until("core being built", at_work);
    third.signal(libc::SIGKILL);
    assert_eq!(
        third.ends().signal(),
        Some(libc::SIGKILL),
        "{}",
        third.said()
    );
    end_processes_with(cache.path());

    // SIGHUP: the terminal was closed.
    for signal in [libc::SIGTERM, libc::SIGHUP] {
        let mut next = build();
        next.until("core being built", at_work);
        next.signal(signal);
        assert_eq!(next.ends().signal(), Some(signal), "{}", next.said());
        assert_eq!(half_written(cache.path()), NOTHING);
        nobody_left_with(cache.path());
    }

    // The cache still works.
    let ran = run(xtask(["env", "--kernel", DEFAULT]).env("LINUX_DRIVER_CACHE", cache.path()));
    assert!(
        ran.good().starts_with("LINUX_DRIVER_KERNEL_DIR="),
        "{ran:#?}"
    );
}

/// Checks that the command waits for this lock, that a signal ends it, and that it succeeds once
/// the lock is free.
#[track_caller]
fn waits_for(lock: &Path, mut command: impl FnMut() -> Command) {
    let held = fs::File::open(lock).unwrap();
    held.lock().unwrap();
    let errors = tempfile::NamedTempFile::new().unwrap();
    let mut waiting = UnderWay::start(&mut command(), errors.path());
    let told = format!(
        "waiting for another run, which holds the lock {}",
        lock.display()
    );
    waiting.until("wait for the lock", |waiting| {
        waiting.said().contains(&told).then_some(())
    });
    waiting.signal(libc::SIGINT);
    assert_eq!(
        waiting.ends().signal(),
        Some(libc::SIGINT),
        "{}",
        waiting.said()
    );
    held.unlock().unwrap();
    run(&mut command()).good();
}

#[test]
fn a_signal_while_another_run_is_at_the_same_entry() {
    let cache = cache_with(&["kernels", "roots"]);
    let env = || {
        let mut command = xtask(["env", "--kernel", DEFAULT]);
        command.env("LINUX_DRIVER_CACHE", cache.path());
        command
    };
    // The entry is made and then removed. Its lock stays.
    run(&mut env()).good();
    let prepared = cache.path().canonicalize().unwrap().join("prepared");
    let (entries, locks): (Vec<PathBuf>, Vec<PathBuf>) = fs::read_dir(prepared)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .partition(|path| path.is_dir());
    fs::remove_dir_all(&entries[0]).unwrap();
    waits_for(&locks[0], env);
}

#[test]
fn a_signal_while_another_run_builds_the_same_driver() {
    let driver = Crate::driver("bad-lock", &format!("{}{MODULE}", good_driver("")));
    let older = driver.older_ko();
    let lock = older.with_file_name(".lock");
    fs::write(&lock, "").unwrap();
    // The object files of an earlier run of this test may be there. make would take this file for a
    // module linked from them.
    fs::remove_file(older).unwrap();
    waits_for(&lock, || driver.build());
}

// ---- a module of another kernel ----

#[test]
fn a_module_that_was_built_for_another_kernel() {
    let ko = edu("debian-6.1");
    let other = kernel(DEFAULT);
    let tree = BuildTree::open(&other.build_tree).unwrap();
    let report = check::check(&ko, &tree, &Expectations::default()).unwrap();
    let violation = report
        .violations
        .iter()
        .find(|violation| violation.check == "vermagic")
        .unwrap_or_else(|| panic!("{report}"));
    assert!(
        violation.expected.contains("vermagic=6.12.")
            && violation.found.contains("vermagic=6.1.0-"),
        "{violation}"
    );
    assert!(
        violation
            .remedy
            .contains("build tree of the kernel that will load it"),
        "{violation}"
    );

    // The kernel refuses the module too. The difference that it finds first depends on the kernel.
    let load = Action::Load {
        module: "/edu.ko".to_owned(),
        params: String::new(),
    };
    let reason = "edu: (version magic '6.1.0-|disagrees about version of symbol |.*this_module \
                  section size must match)";
    let plan = Plan {
        files: vec![GuestFile {
            path: "/edu.ko".to_owned(),
            source: ko,
        }],
        steps: vec![
            Step::new("load", load)
                .failing_with(Errno(libc::ENOEXEC))
                .expecting(reason),
        ],
        ..Plan::default()
    };
    let mut machine = Machine::new(&other.image);
    machine.time_limit = Duration::from_secs(300);
    let init =
        linux_driver_vm::init_program::build(&repository().join("Cargo.toml"), None).unwrap();
    let report = linux_driver_vm::run(&machine, &plan, &init, &mut |_| {}).unwrap();
    let [load] = report.steps.as_slice() else {
        panic!("{report:#?}")
    };
    assert_eq!(load.outcome, Outcome::Passed, "{report:#?}");
    assert!(load.detail.contains("ENOEXEC"), "{load:?}");
}
