// SPDX-License-Identifier: GPL-2.0-only
//! Kernels of the catalogue, fetched into the user's cache, and modules in C built for them. Needs
//! Debian's archive for what is not in the cache yet.

use std::fs;
use std::path::Path;

use linux_driver_host::{Cache, process};
use linux_driver_kbuild::Kbuild;
use linux_driver_kernels::BuildHost;
use linux_driver_kernels::{Catalogue, Kernel, acquire};

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

const HELLO: &str = r#"// SPDX-License-Identifier: GPL-2.0-only
#include <linux/init.h>
#include <linux/module.h>

static int __init hello_init(void)
{
	pr_info("hello\n");
	return 0;
}

static void __exit hello_exit(void)
{
}

module_init(hello_init);
module_exit(hello_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Tries a kernel's build tree");
"#;

fn fetch(name: &str) -> Kernel {
    let catalogue =
        Catalogue::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../headers/kernels.toml"))
            .unwrap();
    let spec = catalogue.get(name).unwrap();
    let cache = Cache::of_user().unwrap();
    let kernel = acquire::fetch(&cache, spec).unwrap_or_else(|e| panic!("{e}"));
    let again =
        acquire::fetched(&cache, spec).expect("what was fetched is found without a network");
    assert_eq!(kernel.build_tree, again.build_tree);
    assert_eq!(kernel.host, again.host);
    kernel
}

/// Builds a module for the kernel and checks that it is one for this kernel. Returns what make
/// printed.
fn builds(kernel: &Kernel) -> String {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("hello.c"), HELLO).unwrap();
    fs::write(dir.path().join("Kbuild"), "obj-m := hello.o\n").unwrap();
    let kbuild = Kbuild::of(kernel).unwrap();
    let said = kbuild
        .make(dir.path(), &["V=1", "modules"])
        .unwrap_or_else(|e| panic!("{e}"));
    let module = fs::read(dir.path().join("hello.ko")).unwrap();
    let vermagic = format!("vermagic={} SMP", kernel.release);
    assert!(
        module
            .windows(vermagic.len())
            .any(|window| window == vermagic.as_bytes()),
        "no {vermagic}"
    );
    said
}

/// The image is of the kind that a machine boots: the boot protocol's magic number
/// (Documentation/arch/x86/boot.rst).
fn boots(kernel: &Kernel) {
    let image = fs::read(kernel.image.as_ref().unwrap()).unwrap();
    assert_eq!(&image[0x202..0x206], b"HdrS", "{}", kernel.name);
}

#[test]
fn kernels_of_this_generation() {
    for name in ["debian-6.1", "debian-6.12"] {
        let kernel = fetch(name);
        boots(&kernel);
        builds(&kernel);
        assert!(
            kernel
                .packages
                .iter()
                .any(|package| package.name.starts_with("linux-kbuild-")
                    && package.sha256.len() == 64)
        );
    }
}

#[test]
fn a_kernel_that_needs_a_build_root() {
    let kernel = fetch("debian-7.2");
    boots(&kernel);
    let said = builds(&kernel);
    assert!(
        said.contains("gcc-14") && said.contains("objtool"),
        "{said}"
    );
}

/// The folders that a command in a root sees, and what it may do there.
#[test]
fn a_root_shows_folders_at_their_own_paths() {
    let kernel = fetch("debian-7.2");
    let BuildHost::Root(root) = &kernel.host else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let mut shell = kernel.command("sh", &[dir.path()]);
    shell
        .current_dir(dir.path())
        .env("LINUX_DRIVER_TRY", "passed on")
        .args([
            "-c",
            "pwd > out; echo $LINUX_DRIVER_TRY >> out; id -u >> out",
        ]);
    process::run(&mut shell).unwrap();
    let user = process::run(std::process::Command::new("id").arg("-u")).unwrap();
    let expected = format!("{}\npassed on\n{user}", dir.path().display());
    assert_eq!(
        fs::read_to_string(dir.path().join("out")).unwrap(),
        expected
    );

    // The cache stays as it is.
    for path in [root.kernel.join("fetched.json"), "/usr/bin/make".into()] {
        let mut shell = kernel.command("sh", &[dir.path()]);
        process::run(shell.arg("-c").arg(format!("echo >> {}", path.display()))).unwrap_err();
    }
    // A tree somewhere in the root's own folders has its place there.
    let mut make = kernel.command("make", &[dir.path(), Path::new("/usr/share")]);
    process::run(make.arg("--version")).unwrap();
}
