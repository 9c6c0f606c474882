// SPDX-License-Identifier: GPL-2.0-only
//! Tests with damaged input. The result must be an error or no evidence: never a panic, an endless
//! loop, or much memory.

#[path = "../read/src/btf/testing.rs"]
mod testing;

use std::collections::BTreeSet;

use linux_driver_abi::Abi;
use linux_driver_abi::btf::{Btf, Id, declare, extract};
use linux_driver_abi::btf_file::BtfFile;
use linux_driver_abi::model::Scope;
use linux_driver_host::Result;
use testing::{BtfBuilder, NewMember, sample};

/// Extracts everything that has a name.
fn everything(bytes: &[u8]) -> Result<Abi> {
    let btf = Btf::open(bytes, "damaged")?;
    let mut scope = Scope::default();
    let (mut types, mut functions) = (BTreeSet::new(), BTreeSet::new());
    for id in btf.ids() {
        if let Some((name, is_function)) = btf.named(id)? {
            let names = if is_function {
                &mut functions
            } else {
                &mut types
            };
            names.insert(name.to_owned());
        }
    }
    scope.types.extend(types);
    scope.functions.extend(functions);
    extract(&btf, &scope)
}

#[track_caller]
fn refused(btf: &BtfBuilder) -> String {
    everything(&btf.bytes())
        .expect_err("it is damaged")
        .to_string()
}

#[test]
fn the_sample_is_valid() {
    let abi = everything(&sample().bytes()).expect("it is sound");
    assert!(abi.no_evidence.is_empty());
    assert_eq!(abi.types["driver"].size, 56);
}

#[test]
fn cut_off_at_every_length() {
    let bytes = sample().bytes();
    for length in 0..bytes.len() {
        let error = everything(&bytes[..length])
            .expect_err("it is cut off")
            .to_string();
        assert!(error.starts_with("damaged\n"), "{error}");
    }
}

#[test]
fn every_word_is_replaced() {
    let bytes = sample().bytes();
    let whole = everything(&bytes).expect("it is sound");
    for at in (0..bytes.len() - 3).step_by(4) {
        for word in [
            0,
            1,
            0xff,
            0xffff,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_fff0,
            u32::MAX,
        ] {
            let mut damaged = bytes.clone();
            damaged[at..at + 4].copy_from_slice(&word.to_le_bytes());
            // The result is an error, or an ABI that is not larger than the original. Only names
            // that run into each other can add one type.
            if let Ok(abi) = everything(&damaged) {
                assert!(
                    abi.types.len() <= whole.types.len() + 1,
                    "word {at} as {word:x}: {:?}",
                    abi.types.keys()
                );
            }
        }
    }
}

#[test]
fn every_bit_is_flipped() {
    let bytes = sample().bytes();
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        if let Ok(abi) = everything(&damaged) {
            let text = serde_json::to_string(&abi).expect("the model is text");
            assert!(text.len() < 1 << 16, "bit {bit}");
        }
    }
}

#[test]
fn the_header_overflows() {
    let bytes = sample().bytes();
    for at in [4, 8, 12, 16, 20] {
        for word in [u32::MAX, u32::MAX - 23, 0x8000_0000, bytes.len() as u32 + 1] {
            let mut damaged = bytes.clone();
            damaged[at..at + 4].copy_from_slice(&word.to_le_bytes());
            assert!(
                everything(&damaged).is_err(),
                "header word at {at} as {word:x}"
            );
        }
    }
    let mut other = bytes;
    other[..2].copy_from_slice(&[0xeb, 0x9f]);
    let error = everything(&other)
        .expect_err("its order is another")
        .to_string();
    assert!(error.contains("big-endian"), "{error}");
}

#[test]
fn cycles_end() {
    // A struct that holds itself.
    let mut btf = BtfBuilder::new();
    btf.structure("own", 8, &[("next", 1, 0, 0)]);
    assert!(refused(&btf).contains("cycle"), "{}", refused(&btf));
    // The same, without names.
    let mut btf = BtfBuilder::new();
    btf.structure("", 8, &[("", 1, 0, 0)]);
    btf.structure("outer", 8, &[("", 1, 0, 0)]);
    assert!(refused(&btf).contains("cycle"));
    // Typedefs of each other, an array of itself, a constant of itself, a pointer to itself.
    let mut btf = BtfBuilder::new();
    btf.typedef("one", 2);
    btf.typedef("two", 1);
    assert!(refused(&btf).contains("cycle"));
    for kind in 0..3 {
        let mut btf = BtfBuilder::new();
        match kind {
            0 => btf.array(1, 2),
            1 => btf.constant(1),
            _ => btf.pointer(1),
        };
        btf.typedef("it", 1);
        assert!(refused(&btf).contains("cycle"), "{kind}");
    }
    // A function that takes itself.
    let mut btf = BtfBuilder::new();
    btf.signature(1, &[("it", 1)]);
    btf.function("call", 1);
    assert!(refused(&btf).contains("cycle"));
    // A struct that points to itself is valid.
    let mut btf = BtfBuilder::new();
    btf.pointer(2);
    btf.structure("list", 8, &[("next", 1, 0, 0)]);
    let abi = everything(&btf.bytes()).expect("it is sound");
    assert_eq!(abi.types["list"].fields[0].type_name, "struct list *");
}

/// Tests types that hold the one before twice: little data, with 2^60 paths to follow.
#[test]
fn doublings_end() {
    let twice = |of: u32| -> [NewMember<'static>; 2] { [("a", of, 0, 0), ("b", of, 0, 0)] };
    let mut unnamed = BtfBuilder::new();
    let mut empty = BtfBuilder::new();
    let mut named = BtfBuilder::new();
    let mut functions = BtfBuilder::new();
    let mut pointers = BtfBuilder::new();
    let (mut a, mut b, mut c, mut d) = (
        unnamed.int("int", 4),
        empty.structure("", 0, &[]),
        named.int("int", 4),
        functions.int("int", 4),
    );
    for level in 0..60 {
        a = unnamed.structure("", 4, &twice(a));
        b = empty.structure("", 0, &[("", b, 0, 0), ("", b, 0, 0)]);
        c = named.structure(&format!("level{level}"), 4, &twice(c));
        d = functions.signature(d, &[("a", d), ("b", d)]);
    }
    unnamed.structure("outer", 4, &twice(a));
    empty.structure("outer", 0, &[("", b, 0, 0)]);
    named.structure("outer", 4, &twice(c));
    functions.function("outer", d);
    let signature = pointers.signature(0, &[("a", 2), ("b", 2), ("c", 2)]);
    pointers.pointer(signature);
    pointers.typedef("outer", 2);
    for btf in [unnamed, empty, named, functions, pointers] {
        assert!(everything(&btf.bytes()).is_err());
    }
}

#[test]
fn counts_are_huge() {
    // Arrays of arrays of arrays, whose size overflows.
    let mut btf = BtfBuilder::new();
    let mut of = btf.int("unsigned long", 8);
    for _ in 0..10 {
        of = btf.array(of, u32::MAX);
    }
    btf.structure("huge", u32::MAX, &[("all", of, 0, 0)]);
    let abi = everything(&btf.bytes()).expect("it can be told");
    assert_eq!(abi.types["huge"].fields[0].size_bits, u64::MAX);
    // A record with the largest number of members, of which only one exists.
    let mut btf = BtfBuilder::new();
    btf.record("many", 4, false, 0xffff, 8, &[0, 0, 0]);
    assert!(everything(&btf.bytes()).is_err());
    // A record with the largest number of members, which all exist.
    let mut btf = BtfBuilder::new();
    let int = btf.int("int", 4);
    let name = btf.name("member");
    let members: Vec<u32> = (0..0xffffu32).flat_map(|at| [name, int, at * 32]).collect();
    btf.record("many", 4, false, 0xffff, 4 * 0xffff, &members);
    assert!(everything(&btf.bytes()).is_err());
    // Much text for each of many typedefs.
    let mut btf = BtfBuilder::new();
    let long = "x".repeat(4000);
    let mut record = Vec::new();
    for at in 0..2000 {
        record.push((format!("{long}{at}"), 1, at * 32, 0));
    }
    btf.int(&long, 4);
    let members: Vec<NewMember<'_>> = record
        .iter()
        .map(|(n, of, at, bits)| (n.as_str(), *of, *at, *bits))
        .collect();
    let all = btf.structure("", 8000, &members);
    for number in 0..1000 {
        btf.typedef(&format!("t{number}"), all);
    }
    assert!(everything(&btf.bytes()).is_err());
}

#[test]
fn numbers_and_names_are_out_of_range() {
    for of in [99, 0x7fff_ffff, u32::MAX] {
        let mut btf = BtfBuilder::new();
        btf.typedef("it", of);
        assert!(
            refused(&btf).contains("the number of an existing type"),
            "{of}"
        );
        let bytes = btf.bytes();
        let btf = Btf::open(&bytes, "damaged").expect("its records are whole");
        assert!(btf.item(Id(of)).is_err());
        assert!(btf.name(of).is_err());
        assert!(declare(&btf, Id(of), "").is_err());
    }
    // Not UTF-8.
    let mut btf = sample();
    let at = btf.strings.len() as u32;
    btf.strings.extend_from_slice(b"\xff\xfe\0");
    btf.types
        .extend([at, 8 << 24, 1].iter().flat_map(|word| word.to_le_bytes()));
    assert!(refused(&btf).contains("UTF-8"));
    // A name with no end for a long distance.
    let mut btf = BtfBuilder::new();
    btf.int(&"x".repeat(100_000), 4);
    btf.typedef("it", 1);
    assert!(refused(&btf).contains("a name"));
    // A function whose signature is another kind of type.
    let mut btf = BtfBuilder::new();
    btf.int("int", 4);
    btf.function("call", 1);
    assert!(refused(&btf).contains("signature"));
}

#[test]
fn an_unknown_kind_is_no_evidence() {
    for kind in [0, 20, 31] {
        let mut btf = BtfBuilder::new();
        btf.record("", kind, false, 0, 0, &[]);
        btf.int("int", 4);
        btf.structure("it", 4, &[("n", 2, 0, 0)]);
        let bytes = btf.bytes();
        let btf = Btf::open(&bytes, "newer").expect("what is before it is read");
        let scope = Scope {
            types: vec!["it".to_owned()],
            functions: vec!["call".to_owned()],
        };
        let abi = extract(&btf, &scope).expect("it is not an error");
        assert!(abi.types.is_empty());
        assert!(
            abi.no_evidence["type it"].contains(&format!("kind {kind}")),
            "{:?}",
            abi.no_evidence
        );
        assert!(abi.no_evidence.contains_key("function call"));
    }
}

/// Damages the bytes around the BTF. `src/btf_file/tests.rs` tests the files of kernels.
#[test]
fn files_with_flipped_bytes() {
    let btf = sample().bytes();
    let mut image = vec![0; 0x300];
    image[0x38..0x3c].copy_from_slice(b"ARM\x64");
    image.extend_from_slice(&btf);
    for start in [
        &b"\x7fELF\x02\x01\x01"[..],
        b"MZ\0\0zimg",
        b"\x1f\x8b\x08",
        b"\xfd7zXZ\0",
        b"\x28\xb5\x2f\xfd",
        b"\x02\x21\x4c\x18",
    ] {
        let mut file = image.clone();
        file[..start.len()].copy_from_slice(start);
        for at in start.len()..0x60 {
            for byte in [1, 0x40, 0x7f, 0x80, 0xff] {
                let mut damaged = file.clone();
                damaged[at] = byte;
                if let Ok(source) = BtfFile::from_bytes(damaged, "damaged") {
                    assert!(source.btf().len() <= file.len());
                }
            }
        }
    }
    for length in 0..image.len() {
        assert!(
            BtfFile::from_bytes(image[..length].to_vec(), "damaged").is_err(),
            "{length}"
        );
    }
}
