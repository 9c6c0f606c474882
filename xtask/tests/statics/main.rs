// SPDX-License-Identifier: GPL-2.0-only
//! The driver structure is static. The test reads it from the built module, at the offsets in the
//! kernel's own BTF.
//!
//! The members that a driver sets are in `.data` when the module is loaded. They point to functions
//! and to tables in read-only memory. The other members are NULL. No instruction of the module
//! accesses the structure. This is checked for each kernel of the catalogue that has BTF. Kernels
//! that are built here have none.
//!
//! Needs all that `cargo xtask doctor` names, and Debian's archive for kernels that are not yet in
//! the cache.

mod members;
mod module;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use linux_driver_abi::Abi;
use linux_driver_abi::btf::{Btf, extract};
use linux_driver_abi::model::Scope;
use linux_driver_host::Cache;
use linux_driver_kernels::{Catalogue, acquire};

use members::Want::{self, Characters, Code, List, Number, Table, Text};
use module::Module;

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

fn repository() -> &'static Path {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    dir.parent().unwrap_or(dir)
}

/// Builds a driver for a kernel and returns its module.
fn built(driver: &str, kernel: &str) -> Module {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["build", "-p", driver, "--kernel", kernel])
        .env("CARGO_TARGET_DIR", target)
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let ko = PathBuf::from(String::from_utf8(ran.stdout).unwrap().trim_end());
    let register = match driver {
        "platform-module" => Some("linux_driver_platform_driver_register"),
        // These register structures in the module's state.
        "platform" | "virtual-bus" => None,
        _ => Some("__pci_register_driver"),
    };
    Module::read(
        &fs::read(&ko).unwrap_or_else(|e| panic!("{}: {e}", ko.display())),
        register,
    )
}

/// Returns the types that the tests look at, as the kernel's own BTF has them.
fn layouts(kernel: &str) -> Abi {
    let catalogue = Catalogue::read(&repository().join("headers/kernels.toml")).unwrap();
    let kernel =
        acquire::fetch(&Cache::of_user().unwrap(), catalogue.get(kernel).unwrap()).unwrap();
    let (source, _) = kernel.btf().unwrap_or_else(|e| panic!("{e}"));
    let types = [
        "pci_driver",
        "pci_device_id",
        "pci_error_handlers",
        "platform_driver",
        "platform_device_id",
        "dev_pm_ops",
        "attribute_group",
        "device_attribute",
        "driver_attribute",
    ];
    let scope = Scope {
        types: types.map(str::to_owned).to_vec(),
        functions: Vec::new(),
    };
    let abi = extract(&Btf::open(source.btf(), source.location()).unwrap(), &scope).unwrap();
    assert!(abi.no_evidence.is_empty(), "{:?}", abi.no_evidence);
    abi
}

/// Returns the stock kernels of the catalogue: those that have BTF.
fn stock() -> Vec<String> {
    let catalogue = Catalogue::read(&repository().join("headers/kernels.toml")).unwrap();
    let names: Vec<String> = catalogue.stock().map(|spec| spec.name.clone()).collect();
    assert!(names.len() >= 3, "{names:?}");
    names
}

type Wants = Vec<(&'static str, Want)>;

fn id(vendor: u64, device: u64) -> Wants {
    // PCI_ANY_ID
    let any = || Number(0xffff_ffff);
    vec![
        ("vendor", Number(vendor)),
        ("device", Number(device)),
        ("subvendor", any()),
        ("subdevice", any()),
    ]
}

/// Expects a table of this type with functions of these names in the members of the same names.
fn callbacks(type_: &'static str, names: &[&'static str]) -> Want {
    Table(
        type_,
        names.iter().map(|name| (*name, Code(name))).collect(),
    )
}

fn group(name: Option<&'static str>, attributes: Vec<Want>) -> Want {
    let name = name.map(|name| ("name", Text(name)));
    let attributes = ("attrs", List(attributes));
    Table(
        "attribute_group",
        name.into_iter().chain([attributes]).collect(),
    )
}

/// Expects an attribute with this mode and functions with these names.
fn attribute(
    type_: &'static str,
    name: &'static str,
    mode: u64,
    functions: &[(&'static str, &'static str)],
) -> Want {
    let functions = functions
        .iter()
        .map(|(member, function)| (*member, Code(function)));
    let attr = [("attr.name", Text(name)), ("attr.mode", Number(mode))];
    Table(type_, attr.into_iter().chain(functions).collect())
}

/// Returns the members that tests/drivers/callbacks sets: all that a kernel with these types has.
fn all() -> Wants {
    let pm = [
        "prepare",
        "complete",
        "suspend",
        "resume",
        "freeze",
        "thaw",
        "poweroff",
        "restore",
        "runtime_suspend",
        "runtime_resume",
        "runtime_idle",
    ];
    let errors = vec![
        "error_detected",
        "mmio_enabled",
        "slot_reset",
        "reset_prepare",
        "reset_done",
        "resume",
    ];
    let device = |name, mode, functions: &[_]| attribute("device_attribute", name, mode, functions);
    let version = attribute(
        "driver_attribute",
        "version",
        0o444,
        &[("show", "show_driver")],
    );
    let value = device("value", 0o644, &[("show", "show"), ("store", "store")]);
    let awake = device("awake", 0o444, &[("show", "show")]);
    let add = device("add", 0o200, &[("store", "store")]);
    let mut wants = vec![
        ("name", Text("callbacks")),
        ("id_table", Table("pci_device_id", id(0x1234, 0x11e8))),
        ("err_handler", callbacks("pci_error_handlers", &errors)),
        ("groups", List(vec![group(None, vec![version])])),
        (
            "dev_groups",
            List(vec![
                group(None, vec![value, awake]),
                group(Some("more"), vec![add]),
            ]),
        ),
        ("driver.pm", callbacks("dev_pm_ops", &pm)),
        ("driver.sync_state", Code("sync_state")),
        ("driver.coredump", Code("coredump")),
        // PROBE_FORCE_SYNCHRONOUS
        ("driver.probe_type", Number(2)),
    ];
    let functions = [
        "probe",
        "remove",
        "shutdown",
        "sriov_configure",
        "sriov_get_vf_total_msix",
        "sriov_set_msix_vec_count",
    ];
    wants.extend(functions.map(|name| (name, Code(name))));
    wants
}

/// Returns the members that tests/drivers/ids sets: only those that a driver must set.
fn few() -> Wants {
    let mut first = id(0x1234, 0x0001);
    first[2].1 = Number(0x1af4);
    first[3].1 = Number(0x1100);
    // The index of the entry's info.
    first.push(("driver_data", Number(1)));
    vec![
        ("name", Text("ids")),
        ("id_table", Table("pci_device_id", first)),
        ("probe", Code("probe")),
        ("remove", Code("remove")),
    ]
}

/// Returns the members that tests/drivers/platform-module sets.
fn platform(abi: &Abi) -> Wants {
    let pm = callbacks("dev_pm_ops", &["runtime_suspend"]);
    let first = vec![
        ("name", Characters("pcspkr")),
        // The index of the entry's info.
        ("driver_data", Number(1)),
    ];
    // `remove` returned an `int` while `remove_new` existed beside it. Later both were members of
    // one union.
    let at = |name: &str| {
        let mut fields = abi.types["platform_driver"].fields.iter();
        fields
            .find(|field| field.name == name)
            .map(|field| field.offset_bits)
    };
    let returns_int = at("remove_new").is_some() && at("remove_new") != at("remove");
    let remove = if returns_int { "remove_int" } else { "remove" };
    vec![
        ("driver.name", Text("platform_module")),
        ("id_table", Table("platform_device_id", first)),
        ("driver.pm", pm),
        ("probe", Code("probe")),
        ("remove", Code(remove)),
    ]
}

#[test]
fn written_fields_are_set_and_the_others_are_null() {
    let mut wrong = Vec::new();
    for kernel in stock() {
        let abi = layouts(&kernel);
        for (driver, name, wants) in [
            ("callbacks", "pci_driver", all()),
            ("ids", "pci_driver", few()),
            ("platform-module", "platform_driver", platform(&abi)),
        ] {
            let module = built(driver, &kernel);
            let found = members::check(&module, &abi, name, &wants);
            wrong.extend(
                found
                    .into_iter()
                    .map(|what| format!("{driver} for {kernel}: {what}")),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_filled_in_at_run_time() {
    let mut wrong = Vec::new();
    for kernel in stock() {
        let abi = layouts(&kernel);
        for (driver, name) in [
            ("callbacks", "pci_driver"),
            ("ids", "pci_driver"),
            ("platform-module", "platform_driver"),
        ] {
            let module = built(driver, &kernel);
            let found = module
                .touched(abi.types[name].size)
                .into_iter()
                .chain(module.writable());
            wrong.extend(found.map(|what| format!("{driver} for {kernel}: {what}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A driver that is registered at run time, and a bus. Their structures are made in the module's
/// state. Their tables are in read-only memory.
#[test]
fn structures_registered_at_run_time_have_their_tables_in_read_only_memory() {
    let mut wrong = Vec::new();
    for kernel in stock() {
        for (driver, callbacks) in [
            (
                "platform",
                &[&["runtime_suspend"][..], &["runtime_resume"], &["show"]][..],
            ),
            // The bus parameter is const in some kernels only.
            ("virtual-bus", &[&["show"], &["store_const", "store_mut"]]),
        ] {
            let module = built(driver, &kernel);
            let mut found = module.writable();
            let missing = callbacks
                .iter()
                .filter(|names| !names.iter().any(|name| module.is_in_a_table(name)));
            found.extend(
                missing.map(|names| format!("{names:?}: none is in a table in read-only memory")),
            );
            wrong.extend(
                found
                    .into_iter()
                    .map(|what| format!("{driver} for {kernel}: {what}")),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_structure_that_is_another_is_seen() {
    let kernel = "debian-6.12";
    let (abi, module) = (layouts(kernel), built("callbacks", kernel));
    let members_named = |found: Vec<String>| -> Vec<String> {
        let name = |what: String| what.split(':').next().unwrap_or_default().to_owned();
        found.into_iter().map(name).collect()
    };
    let without = |member: &str| {
        all()
            .into_iter()
            .filter(|(name, _)| *name != member)
            .collect::<Wants>()
    };
    // A member that is set and should not be, and members that should be set and are not.
    let found = members::check(&module, &abi, "pci_driver", &without("shutdown"));
    assert_eq!(members_named(found), ["pci_driver.shutdown"]);
    let mut wants = all();
    wants.push(("driver.suppress_bind_attrs", Number(1)));
    wants.push(("suspend", Code("suspend")));
    let found = members::check(&module, &abi, "pci_driver", &wants);
    assert_eq!(
        members_named(found),
        [
            "pci_driver.suspend",
            "pci_driver.driver.suppress_bind_attrs"
        ]
    );
    // Another function in a table that the structure points to, and another text.
    let mut wants = without("driver.pm");
    wants.push((
        "driver.pm",
        Table("dev_pm_ops", vec![("prepare", Code("complete"))]),
    ));
    let found = members::check(&module, &abi, "pci_driver", &wants);
    assert_eq!(found.len(), 11, "{found:#?}");
    assert!(
        found[0].starts_with("pci_driver.driver.pm.prepare: "),
        "{found:#?}"
    );
    assert!(
        found[1].starts_with("pci_driver.driver.pm.complete: "),
        "{found:#?}"
    );
    let mut wants = without("name");
    wants.push(("name", Text("callback")));
    assert_eq!(
        members_named(members::check(&module, &abi, "pci_driver", &wants)),
        ["pci_driver.name"]
    );
    // Another address than the registered one.
    let mut moved = module;
    moved.driver.as_mut().unwrap().offset += 8;
    let found = members::check(&moved, &abi, "pci_driver", &all());
    assert!(
        found[0].starts_with("pci_driver: expected 280 bytes"),
        "{found:#?}"
    );
    assert_eq!(moved.touched(8), ["nothing takes the structure's address"]);
}

#[test]
fn a_store_to_the_structure_is_seen() {
    use module::takes_address;
    // mov $X,%rdi; lea X(%rip),%rdi; movq $X,Y(%rip); mov $X,%edi. The address is at the end of the
    // code.
    for (code, at) in [
        (&[0x48, 0xc7, 0xc7, 0, 0, 0, 0][..], 3),
        (&[0x48, 0x8d, 0x3d, 0, 0, 0, 0], 3),
        (&[0x48, 0xc7, 0x05, 0, 0, 0, 0, 0, 0, 0, 0], 7),
        (&[0xbf, 0, 0, 0, 0], 1),
    ] {
        assert!(takes_address(code, at), "{code:x?}");
    }
    // movq $0,X(%rip); mov %rax,X(%rip); movb $1,X(%rip); mov X(%rip),%rax; mov %rax,X (absolute);
    // call *X(%rip)
    for (code, at) in [
        (&[0x48, 0xc7, 0x05, 0, 0, 0, 0, 0, 0, 0, 0][..], 3),
        (&[0x48, 0x89, 0x05, 0, 0, 0, 0], 3),
        (&[0xc6, 0x05, 0, 0, 0, 0, 1], 2),
        (&[0x48, 0x8b, 0x05, 0, 0, 0, 0], 3),
        (&[0x48, 0x89, 0x04, 0x25, 0, 0, 0, 0], 4),
        (&[0xff, 0x15, 0, 0, 0, 0], 2),
    ] {
        assert!(!takes_address(code, at), "{code:x?}");
    }
}
