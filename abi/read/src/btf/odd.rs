// SPDX-License-Identifier: GPL-2.0-only
//! Tests of the reader with unusual BTF: duplicate names, packed and nested types, endless types.

use super::testing::BtfBuilder;
use super::{ASSEMBLY, Btf, extract};
use linux_driver_drift::model::{Abi, Kind, Scope};
use linux_driver_host::Result;

/// The limit in `extract.rs` on types that are included because others hold them.
const TYPES: u32 = 1 << 14;

fn extracted(btf: &BtfBuilder, types: &[&str], functions: &[&str]) -> Result<Abi> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let bytes = btf.bytes();
    let btf = Btf::open(&bytes, "test").expect("it is whole");
    let scope = Scope {
        types: owned(types),
        functions: owned(functions),
    };
    extract(&btf, &scope)
}

fn read(btf: &BtfBuilder, types: &[&str], functions: &[&str]) -> Abi {
    extracted(btf, types, functions).expect("it is sound")
}

/// Returns the fields of a type: name, offset and size in bits, type.
fn fields<'a>(abi: &'a Abi, name: &str) -> Vec<(&'a str, u64, u64, &'a str)> {
    let fields = abi.types[name].fields.iter();
    fields
        .map(|field| {
            (
                field.name.as_str(),
                field.offset_bits,
                field.size_bits,
                field.type_name.as_str(),
            )
        })
        .collect()
}

#[test]
fn a_tag_keeps_a_name_that_a_typedef_has_too() {
    for tag_first in [true, false] {
        let mut btf = BtfBuilder::new();
        let int = btf.int("int", 4);
        let tag = |btf: &mut BtfBuilder| btf.structure("both", 4, &[("a", int, 0, 0)]);
        if tag_first {
            tag(&mut btf);
        }
        btf.typedef("both", int);
        if !tag_first {
            tag(&mut btf);
        }
        // A second, equal definition, as in BTF that was not deduplicated, changes nothing.
        tag(&mut btf);
        btf.typedef("both", int);
        let abi = read(&btf, &["both"], &[]);
        assert_eq!(abi.types["both"].kind, Kind::Struct, "{tag_first}");
        assert_eq!(
            abi.types["typedef both"].target.as_deref(),
            Some("int"),
            "{tag_first}"
        );
        assert_eq!(abi.types.len(), 2, "{tag_first}");
        assert!(
            abi.no_evidence.is_empty(),
            "{tag_first}: {:?}",
            abi.no_evidence
        );
    }
}

#[test]
fn the_alignment_follows_from_the_members() {
    let mut btf = BtfBuilder::new();
    let (char_, int, long) = (btf.int("char", 1), btf.int("int", 4), btf.int("long", 8));
    let wide = btf.int("__int128", 16);
    let pointer = btf.pointer(0);
    let words = btf.array(int, 3);
    let alias = btf.typedef("alias", long);
    btf.structure("plain", 16, &[("a", char_, 0, 0), ("b", long, 64, 0)]);
    btf.structure("packed", 9, &[("a", char_, 0, 0), ("b", long, 8, 0)]);
    btf.structure("odd_size", 6, &[("a", int, 0, 0), ("b", char_, 32, 0)]);
    btf.structure("bits", 4, &[("a", int, 0, 3), ("b", int, 3, 5)]);
    btf.structure("chars", 3, &[("a", char_, 0, 0), ("b", char_, 8, 0)]);
    btf.structure("pointing", 8, &[("a", pointer, 0, 0)]);
    btf.structure("counted", 12, &[("a", words, 0, 0)]);
    btf.structure("aliased", 8, &[("a", alias, 0, 0)]);
    btf.structure("very_wide", 16, &[("a", wide, 0, 0)]);
    // A size that is not a multiple of a longer cache line.
    btf.structure("module", 192, &[("a", int, 0, 0)]);
    let expected = [
        ("plain", 8),
        ("packed", 1),
        ("odd_size", 1),
        ("bits", 4),
        ("chars", 1),
        ("pointing", 8),
        ("counted", 4),
        ("aliased", 8),
        ("very_wide", 16),
        ("module", 64),
    ];
    let abi = read(&btf, &expected.map(|(name, _)| name), &[]);
    for (name, align) in expected {
        assert_eq!(abi.types[name].align, align, "{name}");
    }
}

#[test]
fn members_are_flattened_with_their_offsets() {
    let mut btf = BtfBuilder::new();
    let (int, char_) = (btf.int("int", 4), btf.int("char", 1));
    let row = btf.array(int, 3);
    let table = btf.array(row, 2);
    let nothing = btf.array(int, 0);
    let inner = btf.structure("", 8, &[("x", int, 0, 0), ("y", int, 32, 0)]);
    let slots = btf.array(inner, 4);
    let constant = btf.constant(inner);
    let either = btf.union("", 4, &[("number", int, 0, 0), ("letter", char_, 0, 0)]);
    btf.structure(
        "all",
        100,
        &[
            ("table", table, 0, 0),
            ("slots", slots, 192, 0),
            ("pair", inner, 448, 0),
            ("", either, 512, 0),
            ("", int, 544, 5),
            ("flag", int, 549, 1),
            // C code cannot reach an array without a name.
            ("", slots, 576, 0),
            ("fixed", constant, 640, 0),
            ("end", nothing, 800, 0),
        ],
    );
    btf.typedef("all_t", inner);
    let state = btf.enumeration("", &[("OFF", 0), ("ON", 1)]);
    btf.typedef("state_t", state);
    let function = btf.signature(int, &[]);
    btf.typedef("call_t", function);
    let abi = read(&btf, &["all", "all_t", "state_t", "call_t"], &[]);
    let expected = [
        ("table", 0, 192, "int [2][3]"),
        ("slots", 192, 256, "struct {…} [4]"),
        ("slots[].x", 192, 32, "int"),
        ("slots[].y", 224, 32, "int"),
        ("pair", 448, 64, "struct {…}"),
        ("pair.x", 448, 32, "int"),
        ("pair.y", 480, 32, "int"),
        ("number", 512, 32, "int"),
        ("letter", 512, 8, "char"),
        ("flag", 549, 1, "int"),
        ("fixed", 640, 64, "const struct {…}"),
        ("fixed.x", 640, 32, "int"),
        ("fixed.y", 672, 32, "int"),
        ("end", 800, 0, "int [0]"),
    ];
    assert_eq!(fields(&abi, "all"), expected);
    assert_eq!(
        fields(&abi, "all_t"),
        [("x", 0, 32, "int"), ("y", 32, 32, "int")]
    );
    let state = &abi.types["state_t"];
    assert_eq!(
        (state.size, state.values["OFF"], state.values["ON"]),
        (4, 0, 1)
    );
    assert_eq!(abi.types["call_t"].size, 0);
}

#[test]
fn types_held_by_value_are_included() {
    let mut btf = BtfBuilder::new();
    let int = btf.int("int", 4);
    let state = btf.enumeration("state", &[("OFF", 0)]);
    let deep = btf.structure("deep", 4, &[("state", state, 0, 0)]);
    let constant = btf.constant(deep);
    let many = btf.array(constant, 2);
    let alias = btf.typedef("alias", many);
    let unnamed = btf.structure("", 8, &[("alias", alias, 0, 0)]);
    let away = btf.structure("away", 4, &[("a", int, 0, 0)]);
    let pointer = btf.pointer(away);
    btf.structure(
        "top",
        16,
        &[("inner", unnamed, 0, 0), ("away", pointer, 64, 0)],
    );
    let abi = read(&btf, &["top"], &[]);
    let names: Vec<&str> = abi.types.keys().map(String::as_str).collect();
    assert_eq!(names, ["alias", "deep", "state", "top"]);
}

#[test]
fn a_global_function_goes_before_static_ones_of_its_name() {
    let mut btf = BtfBuilder::new();
    let int = btf.int("int", 4);
    let (nothing, of_int) = (btf.signature(0, &[]), btf.signature(int, &[("a", int)]));
    let private = |btf: &mut BtfBuilder, name: &str, signature| {
        btf.record(name, 12, false, 0, signature, &[])
    };
    private(&mut btf, "open", nothing);
    btf.function("open", of_int);
    private(&mut btf, "quiet", nothing);
    private(&mut btf, "unsure", nothing);
    private(&mut btf, "unsure", of_int);
    let abi = read(&btf, &[], &["open", "quiet", "unsure"]);
    assert_eq!(abi.functions["open"].declaration("open"), "int open(int)");
    assert_eq!(
        abi.functions["quiet"].declaration("quiet"),
        "void quiet(void)"
    );
    assert!(
        abi.no_evidence["function unsure"].contains("differ"),
        "{:?}",
        abi.no_evidence
    );
    assert!(!abi.functions.contains_key("unsure"));
}

#[test]
fn an_assembly_function_is_only_believed_if_it_has_parameters() {
    let mut btf = BtfBuilder::new();
    let nothing = btf.signature(0, &[]);
    let names: Vec<String> = ASSEMBLY.iter().map(|row| row.replace('*', "1")).collect();
    for name in &names {
        btf.function(name, nothing);
    }
    btf.function("plain", nothing);
    btf.function("memcpy_more", nothing);
    let names: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .chain(["plain", "memcpy_more"])
        .collect();
    let abi = read(&btf, &[], &names);
    let found: Vec<&str> = abi.functions.keys().map(String::as_str).collect();
    assert_eq!(found, ["memcpy_more", "plain"]);
    assert_eq!(abi.no_evidence.len(), ASSEMBLY.len());

    // A function that takes or returns something was written in C after all.
    let mut btf = BtfBuilder::new();
    let int = btf.int("int", 4);
    let takes = btf.signature(0, &[("a", int)]);
    let gives = btf.signature(int, &[]);
    btf.function("memcpy", takes);
    btf.function("strlen", gives);
    let abi = read(&btf, &[], &["memcpy", "strlen"]);
    assert_eq!(abi.functions.len(), 2, "{:?}", abi.no_evidence);
}

#[test]
fn an_endless_type_is_an_error() {
    // Each struct holds the one before it twice, and no member has a name. This is little data with
    // 2^40 paths.
    let mut btf = BtfBuilder::new();
    let int = btf.int("int", 4);
    let mut last = btf.structure("", 4, &[("", int, 0, 1)]);
    for _ in 0..40 {
        last = btf.structure("", 4, &[("", last, 0, 0), ("", last, 0, 0)]);
    }
    btf.structure("top", 4, &[("", last, 0, 0)]);
    let error = extracted(&btf, &["top"], &[]).unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");

    // A typedef of itself.
    let mut btf = BtfBuilder::new();
    btf.typedef("circle", 1);
    assert!(extracted(&btf, &["circle"], &[]).is_err());
    // An array of itself, held by a struct.
    let mut btf = BtfBuilder::new();
    btf.array(1, 2);
    btf.structure("circle", 8, &[("a", 1, 0, 0)]);
    assert!(extracted(&btf, &["circle"], &[]).is_err());
    // A function whose signature is a number.
    let mut btf = BtfBuilder::new();
    let int = btf.int("int", 4);
    btf.function("odd", int);
    assert!(extracted(&btf, &[], &["odd"]).is_err());
}

/// Builds structs that hold this many enums by value, so that all of them have to be read.
fn many_types(enums: u32) -> (BtfBuilder, Vec<String>) {
    let mut btf = BtfBuilder::new();
    let all: Vec<u32> = (0..enums)
        .map(|number| btf.enumeration(&format!("e{number}"), &[]))
        .collect();
    let mut names = Vec::new();
    for (number, some) in all.chunks(1 << 13).enumerate() {
        let members: Vec<_> = some.iter().map(|of| ("m", *of, 0, 0)).collect();
        btf.structure(&format!("holder{number}"), 4, &members);
        names.push(format!("holder{number}"));
    }
    (btf, names)
}

#[test]
fn the_limit_on_included_types_is_exact() {
    let read = |enums: u32| {
        let (btf, names) = many_types(enums);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        (
            names.len(),
            extracted(&btf, &names, &[]).map(|abi| abi.types.len()).ok(),
        )
    };
    // Together with the structs that hold them, this is the limit, and then one more.
    assert_eq!(read(TYPES - 2), (2, Some(TYPES as usize)));
    assert_eq!(read(TYPES - 1), (2, None));
    assert_eq!(read(TYPES + 1000), (3, None));
}
