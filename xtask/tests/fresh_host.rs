// SPDX-License-Identifier: GPL-2.0-only
//! README's first command does what README says on a freshly installed Debian system.
//!
//! Needs root, mmdebstrap, bubblewrap and Debian's archive.

#[path = "support/fresh_root.rs"]
mod fresh_root;
#[expect(dead_code, reason = "other tests use the rest")]
mod support;

use std::path::{Path, PathBuf};
use std::process::Output;

use fresh_root::{FreshRoot, InRoot};
use support::{cache_of_user, repository};

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

/// Packages that README requires, in addition to a Rust toolchain.
const NAMED_BY_README: [&str; 5] = ["ca-certificates", "gcc", "git", "libc6-dev", "make"];

/// Returns README's first command.
fn first_command() -> String {
    let text = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let first = text
        .lines()
        .find_map(|line| line.strip_prefix("$ cargo xtask "));
    format!("cargo xtask {}", first.unwrap())
}

/// Returns the folder that an environment variable names, or one in the user's home.
fn home_of(variable: &str, name: &str) -> PathBuf {
    let home = std::env::var_os("HOME").map_or_else(|| "/root".into(), PathBuf::from);
    std::env::var_os(variable).map_or_else(|| home.join(name), PathBuf::from)
}

/// Returns the command on this checkout, with the kernels and crates that were downloaded before.
/// The system is fresh, but the downloads are not.
fn on_checkout<'r>(command: InRoot<'r>, target: &Path) -> InRoot<'r> {
    let cache = cache_of_user();
    command
        .ro_bind(repository(), repository())
        .bind(target, target)
        .bind(&cache, &cache)
        .bind(
            &home_of("CARGO_HOME", ".cargo").join("registry"),
            "/root/.cargo/registry",
        )
        .env("CARGO_TARGET_DIR", target)
        .env("LINUX_DRIVER_CACHE", cache)
        .env("HOME", "/root")
        .current_dir(repository())
}

fn text(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Checks that the driver went through its life, as README shows it.
#[track_caller]
fn lived(output: &Output) {
    let text = text(output);
    assert!(output.status.success(), "{text}");
    for line in [
        "ok  the module is loaded",
        "ok  the device is bound",
        "ok  the driver is unregistered",
        "the kernel reported no problem",
    ] {
        assert!(text.contains(line), "no {line:?} in:\n{text}");
    }
}

#[test]
fn the_first_command_in_a_fresh_debian_12_with_the_hosts_rust() {
    let root = FreshRoot::debian("bookworm", &NAMED_BY_README);
    let rustup = home_of("RUSTUP_HOME", ".rustup");
    let cargo = home_of("CARGO_HOME", ".cargo").join("bin");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let run = |command: &str| {
        on_checkout(root.sh(command), target)
            .ro_bind(&rustup, &rustup)
            .ro_bind(&cargo, "/root/.cargo/bin")
            .env("RUSTUP_HOME", &rustup)
            .env("PATH", "/root/.cargo/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    };

    // Before anything is installed, an ordinary user is told what is missing and which command root
    // has to run. At first only root can read the folders above a mount.
    let above: Vec<_> = repository()
        .ancestors()
        .skip(1)
        .map(|dir| dir.display().to_string())
        .collect();
    let prepare = format!(
        "useradd --create-home somebody; chmod 755 {}",
        above.join(" ")
    );
    let prepared = run(&prepare).command().output().unwrap();
    assert!(prepared.status.success(), "{}", text(&prepared));
    let xtask = target.join("debug/xtask");
    let as_user = run(&format!("{} doctor --install", xtask.display()))
        .env("HOME", "/home/somebody")
        .env("LINUX_DRIVER_CACHE", "/home/somebody/cache")
        .user(1000)
        .command()
        .output()
        .unwrap();
    let said = text(&as_user);
    assert_eq!(as_user.status.code(), Some(2), "{said}");
    for words in [
        "QEMU for x86",
        "sudo is missing",
        "run as root:",
        "apt-get install",
        "qemu-system-x86",
    ] {
        assert!(said.contains(words), "no {words:?} in:\n{said}");
    }

    lived(&run(&first_command()).command().output().unwrap());
    // A program that only another kernel needs is still missing and does not count as an error. The
    // empty cache holds no kernel that is already built.
    let doctor = |words: &str| {
        let output = run(&format!("cargo xtask doctor {words}"))
            .env("LINUX_DRIVER_CACHE", "/srv/empty")
            .command()
            .output()
            .unwrap();
        (output.status.code(), text(&output))
    };
    let (code, said) = doctor("");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("only debug-6.12 needs it"), "{said}");
    let (code, said) = doctor("--kernel debug-6.12");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("missing  flex"), "{said}");
}

#[test]
fn the_first_command_in_a_fresh_debian_13_with_the_archives_rust() {
    let mut packages = NAMED_BY_README.to_vec();
    packages.extend(["cargo-web", "rustc-web"]);
    let root = FreshRoot::debian("trixie", &packages);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fresh-debian-13");
    std::fs::create_dir_all(&target).unwrap();
    let run = |command: &str| {
        on_checkout(root.sh(command), &target)
            .command()
            .output()
            .unwrap()
    };

    let listed = run("cargo xtask test --list");
    let said = text(&listed);
    assert!(listed.status.success(), "{said}");
    for words in [
        "\nthe crates' own tests\n",
        "\nmust not compile: ",
        "\nedu in debian-6.12\n",
        "\nedu: surprise removal in debug-6.12\n",
        "libclang",
        "rust-web-src",
    ] {
        assert!(said.contains(words), "no {words:?} in:\n{said}");
    }
    lived(&run(&first_command()));
}
