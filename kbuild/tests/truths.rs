// SPDX-License-Identifier: GPL-2.0-only
//! rustc, the kernel's compiler and the kernel agree about each kernel of the catalogue.
//! Needs Debian's archive for what is not in the cache yet.

use std::path::{Path, PathBuf};

use linux_driver_abi::agree::{BTF, HEADERS, RUSTC, check};
use linux_driver_abi::btf::{Btf, extract};
use linux_driver_abi::usage::Role;
use linux_driver_abi::{Abi, Needed, Usage};
use linux_driver_host::Cache;
use linux_driver_kbuild::Kbuild;
use linux_driver_kbuild::bindings::{self, Workspace};
use linux_driver_kbuild::headers::{self, Wanted};
use linux_driver_kbuild::prepare::prepare;
use linux_driver_kbuild::usage;
use linux_driver_kernels::{Catalogue, Kernel, acquire};

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// Returns the workspace, set to a kernel of the catalogue, and that kernel's build.
fn prepared(name: &str) -> (Workspace, Kbuild, Kernel, Cache) {
    let catalogue = Catalogue::read(&root().join("headers/kernels.toml")).unwrap();
    let cache = Cache::of_user().unwrap();
    let kernel =
        acquire::fetch(&cache, catalogue.get(name).unwrap()).unwrap_or_else(|e| panic!("{e}"));
    let kbuild = Kbuild::of(&kernel).unwrap();
    let prepared =
        prepare(&cache, &kbuild, &root().join("sys/c")).unwrap_or_else(|e| panic!("{e}"));
    let workspace = Workspace {
        manifest: root().join("Cargo.toml"),
        target_dir: Path::new(env!("CARGO_TARGET_TMPDIR"))
            .parent()
            .unwrap()
            .to_owned(),
        env: vec![("LINUX_DRIVER_KERNEL_DIR".to_owned(), prepared.dir.into())],
    };
    (workspace, kbuild, kernel, cache)
}

/// Returns the three truths about a kernel.
fn truths(name: &str) -> (Abi, Abi, Abi) {
    let (workspace, kbuild, kernel, cache) = prepared(name);
    let needed = Needed::read(&root().join("sys/needed.toml")).unwrap();
    let constants: Vec<String> = needed
        .constants()
        .map(|(name, _)| name.to_owned())
        .collect();
    let scope = needed.scope();
    let wanted = Wanted {
        scope: scope.clone(),
        constants: constants.clone(),
    };
    let headers = headers::read(&cache, &kbuild, &root().join("sys/c"), &wanted)
        .unwrap_or_else(|e| panic!("{e}"));
    let path = workspace.bindings().unwrap_or_else(|e| panic!("{e}"));
    let dir = tempfile::tempdir().unwrap();
    let rustc = bindings::read(&path, Path::new("rustc"), &scope, &constants, dir.path());
    let rustc = rustc.unwrap_or_else(|e| panic!("{e}"));
    let (source, _) = kernel.btf().unwrap_or_else(|e| panic!("{e}"));
    let btf = extract(&Btf::open(source.btf(), source.location()).unwrap(), &scope).unwrap();
    (rustc, headers, btf)
}

fn are_one(name: &str) {
    let (mut rustc, headers, btf) = truths(name);
    let now = |rustc: &Abi| {
        check(
            name,
            &[(RUSTC, rustc), (HEADERS, &headers), (BTF, &btf)],
            &Usage::default(),
        )
    };
    let agreed = now(&rustc);
    assert_eq!(agreed.findings, [], "{name}");
    let looked_at = agreed.looked_at;
    assert!(
        looked_at.types > 60 && looked_at.fields > 400,
        "{looked_at:?}"
    );
    assert!(
        looked_at.functions >= 13 && looked_at.constants > 100,
        "{looked_at:?}"
    );
    // One field a byte further, and one bit field a bit further.
    let fields = &mut std::sync::Arc::make_mut(rustc.types.get_mut("pci_dev").unwrap()).fields;
    fields
        .iter_mut()
        .find(|field| field.name == "irq")
        .unwrap()
        .offset_bits += 8;
    fields
        .iter_mut()
        .find(|field| field.name == "is_busmaster")
        .unwrap()
        .offset_bits += 1;
    let found: Vec<String> = now(&rustc)
        .findings
        .into_iter()
        .map(|finding| finding.name)
        .collect();
    assert_eq!(found, ["pci_dev.irq", "pci_dev.is_busmaster"], "{name}");
}

#[test]
fn all_three_are_one_on_each_kernel_of_the_catalogue() {
    for name in ["debian-6.1", "debian-6.12", "debian-7.2"] {
        are_one(name);
    }
}

#[test]
fn the_items_that_a_driver_uses_are_read_from_its_code() {
    let (workspace, kbuild, _, cache) = prepared("debian-6.12");
    let usage = usage::of(&workspace, &["edu"]).unwrap_or_else(|e| panic!("{e}"));
    // A struct literal, an access behind a pointer, a cast of one.
    for (type_, field) in [
        ("pci_driver", "probe"),
        ("pci_driver", "id_table"),
        ("pci_device_id", "driver_data"),
        ("device", "driver_data"),
        ("pci_dev", "resource"),
    ] {
        assert!(
            usage.fields_of(type_).any(|used| used == field),
            "{type_}.{field}: {usage:?}"
        );
    }
    assert!(
        !usage.fields_of("pci_dev").any(|used| used == "irq"),
        "nothing of it names this: {usage:?}"
    );
    assert!(
        usage.functions.contains("__pci_register_driver")
            && !usage.functions.contains("pcim_request_region")
    );
    assert!(usage.constants.contains("ENOMEM") && !usage.constants.contains("ELIBSCN"));
    let wanted = Wanted {
        scope: Needed::read(&root().join("sys/needed.toml"))
            .unwrap()
            .scope(),
        constants: Vec::new(),
    };
    let abi = headers::read(&cache, &kbuild, &root().join("sys/c"), &wanted)
        .unwrap_or_else(|e| panic!("{e}"));
    for (name, role) in [
        ("pci_driver", Role::DriverAllocated),
        ("device_driver", Role::DriverAllocated),
        ("pci_device_id", Role::DriverAllocated),
        ("pci_dev", Role::KernelAllocated),
        ("device", Role::KernelAllocated),
        ("dev_pm_info", Role::KernelAllocated),
        ("dev_links_info", Role::Opaque),
    ] {
        assert!(abi.types.contains_key(name), "{name}");
        assert_eq!(
            usage.role(&abi, name),
            role,
            "{name} in {:?}",
            usage.allocated
        );
    }
}
