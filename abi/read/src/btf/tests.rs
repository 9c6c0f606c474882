// SPDX-License-Identifier: GPL-2.0-only
//! Tests of the reader with small BTF, made by hand.

use super::testing::{BtfBuilder, sample};
use super::{Btf, Id, extract};
use linux_driver_drift::model::{Abi, Kind, Scope};

fn scope(types: &[&str], functions: &[&str]) -> Scope {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Scope {
        types: owned(types),
        functions: owned(functions),
    }
}

fn read(btf: &BtfBuilder, types: &[&str], functions: &[&str]) -> Abi {
    let bytes = btf.bytes();
    let btf = Btf::open(&bytes, "test").expect("it is whole");
    extract(&btf, &scope(types, functions)).expect("it is sound")
}

#[test]
fn a_struct_is_read_with_its_bit_fields_and_its_unnamed_members() {
    let abi = read(&sample(), &["driver", "ulong"], &[]);
    let driver = &abi.types["driver"];
    let fields: Vec<_> = driver
        .fields
        .iter()
        .map(|f| (f.name.as_str(), f.offset_bits, f.size_bits, f.bitfield))
        .collect();
    let expected = [
        ("name", 0, 64, false),
        ("probe", 64, 64, false),
        ("words", 128, 128, false),
        ("number", 256, 64, false),
        ("text", 256, 64, false),
        ("state", 320, 32, false),
        ("on", 352, 1, true),
        ("level", 353, 3, true),
        ("last", 384, 64, false),
    ];
    assert_eq!(fields, expected);
    assert_eq!(
        (driver.kind, driver.size, driver.align),
        (Kind::Struct, 56, 8)
    );
    assert_eq!(
        driver.field("probe").map(|f| f.type_name.as_str()),
        Some("int (*)(struct device *)")
    );
    assert_eq!(
        driver.field("words").map(|f| f.type_name.as_str()),
        Some("unsigned long [2]")
    );
    // An enum held by value is included; a struct behind a pointer is not.
    assert_eq!(abi.types["state"].values["STATE_NONE"], -1);
    assert!(!abi.types.contains_key("device"));
    assert_eq!(abi.types["ulong"].target.as_deref(), Some("unsigned long"));
    assert!(abi.no_evidence.is_empty());
}

#[test]
fn a_function_is_read_with_its_dots() {
    let abi = read(&sample(), &[], &["driver_register", "print", "absent"]);
    assert_eq!(
        abi.functions["driver_register"].declaration("driver_register"),
        "int driver_register(struct device *)"
    );
    assert_eq!(
        abi.functions["print"].declaration("print"),
        "void print(const char *, ...)"
    );
    assert!(abi.no_evidence.contains_key("function absent"));
}

#[test]
fn two_definitions_that_differ_give_no_evidence() {
    let mut btf = sample();
    btf.structure("device", 24, &[]);
    let other = btf.signature(0, &[]);
    btf.function("driver_register", other);
    let abi = read(&btf, &["device"], &["driver_register"]);
    assert!(
        abi.no_evidence.contains_key("type device"),
        "{:?}",
        abi.no_evidence
    );
    assert!(abi.no_evidence.contains_key("function driver_register"));
    assert!(!abi.functions.contains_key("driver_register"));
}

#[test]
fn a_type_after_an_unknown_kind_gives_no_evidence() {
    let mut btf = sample();
    btf.record("later", 31, false, 0, 0, &[]);
    btf.structure("hidden", 4, &[]);
    let abi = read(&btf, &["device", "hidden"], &[]);
    assert!(abi.types.contains_key("device"));
    assert!(
        abi.no_evidence["type hidden"].contains("31"),
        "{:?}",
        abi.no_evidence
    );
}

#[test]
fn struct_module_is_aligned_as_its_members_prove() {
    let of = |size: u32, second: u32| {
        let mut btf = BtfBuilder::new();
        let long = btf.int("unsigned long", 8);
        btf.structure(
            "module",
            size,
            &[("state", long, 0, 0), ("mem", long, second * 8, 0)],
        );
        read(&btf, &["module"], &[]).types["module"].align
    };
    assert_eq!(of(128, 64), 64, "a line of 64 bytes, as on x86 and arm64");
    assert_eq!(of(256, 128), 128, "a line of 128 bytes, as on ppc64le");
    assert_eq!(of(128, 8), 128, "its size alone proves it");
    assert_eq!(of(64, 8), 64);
}

#[test]
fn the_sign_of_an_enum_is_not_made_up() {
    // No enum of this BTF has the flag.
    let mut btf = BtfBuilder::new();
    let names = [btf.name("NONE"), btf.name("FIRST")];
    btf.record("state", 6, false, 2, 4, &[names[0], u32::MAX, names[1], 1]);
    let small = [btf.name("SMALL")];
    btf.record("small", 6, false, 1, 4, &[small[0], 7]);
    let abi = read(&btf, &["state", "small"], &[]);
    let why = &abi.no_evidence["type state"];
    assert!(why.contains("NONE is 4294967295 or -1"), "{why}");
    assert!(!abi.no_evidence.contains_key("type small"));
    // If another enum has the flag, its absence has a meaning.
    btf.enumeration("other", &[("OTHER", -1)]);
    let abi = read(&btf, &["state", "other"], &[]);
    assert_eq!(abi.no_evidence, Default::default());
    assert_eq!(
        (
            abi.types["state"].values["NONE"],
            abi.types["other"].values["OTHER"]
        ),
        (u32::MAX.into(), -1)
    );
}

#[test]
fn unsupported_btf_is_named() {
    let refused = |btf: &BtfBuilder| {
        Btf::open(&btf.bytes(), "test")
            .expect_err("it is not read")
            .to_string()
    };
    for name in ["long", "long int", "unsigned long", "long unsigned int"] {
        let mut btf = BtfBuilder::new();
        btf.int(name, 4);
        assert!(refused(&btf).contains("a 32-bit kernel"), "{name}");
    }
    let mut split = sample();
    split.strings.remove(0);
    assert!(refused(&split).contains("split BTF"));
    let mut big = sample().bytes();
    big.swap(0, 1);
    let error = Btf::open(&big, "test")
        .expect_err("it is not read")
        .to_string();
    assert!(error.contains("big-endian"), "{error}");
}

#[test]
fn a_modules_numbers_continue_its_kernels() {
    let kernel = sample();
    let kernel_bytes = kernel.bytes();
    let kernel_btf = Btf::open(&kernel_bytes, "kernel").expect("it is whole");
    // On top of it: a pointer to a device (6), and a struct that contains it.
    let first = kernel_btf.len();
    let at = kernel.strings.len() as u32;
    let mut module = BtfBuilder::new();
    for word in [0, 2 << 24, 6, at, 4 << 24 | 1, 8, at + 5, first, 0] {
        module.types.extend_from_slice(&word.to_le_bytes());
    }
    module.strings = b"mine\0dev\0".to_vec();
    let bytes = module.bytes();
    let btf = Btf::open_module(&bytes, "module", &kernel_btf).expect("it is whole");
    let abi = extract(&btf, &scope(&["mine", "driver"], &[])).expect("it is sound");
    assert_eq!(abi.types["mine"].fields[0].type_name, "struct device *");
    assert!(abi.types.contains_key("driver"));
    assert_eq!(btf.name(kernel.strings.len() as u32).ok(), Some("mine"));
    assert_eq!(btf.len(), first + 2);
    assert!(btf.item(Id(first + 2)).is_err());
}

#[test]
fn a_module_is_refused_on_top_of_a_kernel_with_unknown_records() {
    let mut kernel = sample();
    kernel.record("later", 31, false, 0, 0, &[]);
    let kernel = kernel.bytes();
    let kernel = Btf::open(&kernel, "kernel").expect("what is before is read");
    let module = sample().bytes();
    assert!(Btf::open_module(&module, "module", &kernel).is_err());
}
