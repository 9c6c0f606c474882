// SPDX-License-Identifier: GPL-2.0-only
//! The fresh Debian system of other tests has the properties that they rely on.
//!
//! Needs root, mmdebstrap, bubblewrap and Debian's archive.

#[path = "support/fresh_root.rs"]
mod fresh_root;

use std::fs;
use std::process::Command;

use fresh_root::FreshRoot;

fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_fresh_system_is_a_tests_own() {
    let root = FreshRoot::debian("bookworm", &["ca-certificates"]);
    let system = printed(
        &mut root
            .sh(". /etc/os-release; echo $VERSION_CODENAME; id -u")
            .command(),
    );
    assert_eq!(system, "bookworm\n0\n");
    let missing = root
        .sh("command -v gcc cargo git")
        .command()
        .output()
        .unwrap();
    assert!(!missing.status.success(), "{missing:?}");

    // The next command in the same system sees the file. No other system does.
    printed(
        &mut root
            .sh("useradd --create-home somebody; echo kept > /srv/file")
            .command(),
    );
    let user = root
        .sh("cat /srv/file; id -u; echo $HOME; touch /srv/other")
        .env("HOME", "/home/somebody");
    let user = user.user(1000).command().output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&user.stdout),
        "kept\n1000\n/home/somebody\n"
    );
    assert!(
        !user.status.success(),
        "a user who writes where only root may: {user:?}"
    );
    let other = FreshRoot::debian("bookworm", &["ca-certificates"]);
    assert_eq!(printed(&mut other.sh("ls /srv").command()), "");
}

#[test]
fn folders_of_the_host_are_seen_as_the_test_says() {
    let root = FreshRoot::debian("bookworm", &["ca-certificates"]);
    let host = tempfile::tempdir().unwrap();
    fs::write(host.path().join("file"), "of the host").unwrap();
    let command = root
        .sh("cat file; echo ' and of the test' >> /both/file; if echo x > file; then exit 3; fi");
    let command = command
        .ro_bind(host.path(), "/seen")
        .bind(host.path(), "/both")
        .current_dir("/seen");
    assert_eq!(printed(&mut command.offline().command()), "of the host");
    assert_eq!(
        fs::read_to_string(host.path().join("file")).unwrap(),
        "of the host and of the test\n"
    );
    // Without a network only the head of the table is printed.
    let routes = |command: fresh_root::InRoot<'_>| printed(&mut command.command()).lines().count();
    assert_eq!(
        routes(root.program("cat", ["/proc/net/route"]).offline()),
        1
    );
}
