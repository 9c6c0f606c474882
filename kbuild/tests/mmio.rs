// SPDX-License-Identifier: GPL-2.0-only
//! Tests that Rust code accesses a register or a port with the same instructions as C code.
//! `tests/drivers/registers` has a function for each accessor, and `tests/c-drivers/registers-c`
//! has the same functions in C. Their code is compared in modules for each kernel of the catalogue.
//! Needs Debian's archive for what is not in the cache yet.

use std::fs;
use std::path::{Path, PathBuf};

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind};
use linux_driver_host::Cache;
use linux_driver_host::packages::Install;
use linux_driver_kbuild::Kbuild;
use linux_driver_kbuild::{Builder, DriverCrate};
use linux_driver_kernels::{Catalogue, acquire};
use object::{Object, ObjectSection, ObjectSymbol};

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

const WIDTHS: [(char, u32); 4] = [('b', 8), ('w', 16), ('l', 32), ('q', 64)];
/// The accesses of ports: their letter, and the instructions that read and write.
const PORT_ACCESSES: [(char, Code, Code); 3] = [
    ('b', Code::In_AL_DX, Code::Out_DX_AL),
    ('w', Code::In_AX_DX, Code::Out_DX_AX),
    ('l', Code::In_EAX_DX, Code::Out_DX_EAX),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// The effect of an instruction, without the registers that the compiler chose: its form, and its
/// offset in memory.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    code: Code,
    displacement: Option<u64>,
}

/// Returns the instructions of the only function whose symbol matches. It leaves out the start and
/// the end that all functions of the kernel have: the mark of a branch target, the call that ftrace
/// patches, padding, and the return.
fn body(ko: &Path, name: &str, is: impl Fn(&str) -> bool) -> Vec<Step> {
    let bytes = fs::read(ko).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let found: Vec<_> = file
        .symbols()
        .filter(|symbol| symbol.name().is_ok_and(&is))
        .collect();
    assert_eq!(found.len(), 1, "{}: {name}", ko.display());
    let section = file
        .section_by_index(found[0].section_index().unwrap())
        .unwrap();
    let start = usize::try_from(found[0].address()).unwrap();
    let code = &section.data().unwrap()[start..];
    let mut steps = Vec::new();
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    while decoder.can_decode() {
        let instruction = decoder.decode();
        match instruction.mnemonic() {
            Mnemonic::Endbr64 | Mnemonic::Nop => {}
            Mnemonic::Call if steps.is_empty() => {}
            Mnemonic::Ret | Mnemonic::Jmp => return steps,
            _ => steps.push(Step {
                code: instruction.code(),
                displacement: displacement(&instruction),
            }),
        }
    }
    panic!("{}: a function without an end", ko.display());
}

fn in_any_order(mut steps: Vec<Step>) -> Vec<Step> {
    steps.sort_by_key(|step| (step.code as usize, step.displacement));
    steps
}

fn displacement(instruction: &Instruction) -> Option<u64> {
    let memory =
        (0..instruction.op_count()).any(|operand| instruction.op_kind(operand) == OpKind::Memory);
    memory.then(|| instruction.memory_displacement64())
}

fn modules(kernel: &str) -> (PathBuf, PathBuf) {
    let catalogue = Catalogue::read(&root().join("headers/kernels.toml")).unwrap();
    let cache = Cache::of_user().unwrap();
    let kernel =
        acquire::fetch(&cache, catalogue.get(kernel).unwrap()).unwrap_or_else(|e| panic!("{e}"));
    let kbuild = Kbuild::of(&kernel).unwrap();
    let builder = Builder::new(cache, kbuild, Install::Refused);
    let build = |name: &str| {
        let source = DriverCrate::find(&root().join("Cargo.toml"), Some(name))
            .unwrap_or_else(|e| panic!("{e}"));
        builder.build(&source).unwrap_or_else(|e| panic!("{e}")).ko
    };
    (build("registers"), build("registers-c"))
}

fn the_same(kernel: &str) {
    let (rust, c) = modules(kernel);
    let in_rust = |name: &str| {
        let end = format!("4each{}{name}", name.len());
        body(&rust, name, |symbol| {
            symbol.starts_with("_R") && symbol.ends_with(&end)
        })
    };
    let in_c = |name: &str| body(&c, name, |symbol| symbol == format!("each_{name}"));
    for (letter, width) in WIDTHS {
        for suffix in ["", "_relaxed"] {
            let read = format!("read{letter}{suffix}");
            let steps = in_c(&read);
            assert_eq!(in_rust(&read), steps, "{kernel}: {read}");
            // The base is read, and then the register: one access, of its width.
            let accesses = steps
                .iter()
                .filter(|step| step.displacement == Some(0x88))
                .count();
            assert_eq!(accesses, 1, "{kernel}: {read}");

            let write = format!("write{letter}{suffix}");
            let steps = in_c(&write);
            assert_eq!(in_rust(&write), steps, "{kernel}: {write}");
            let expected = match width {
                8 => Code::Mov_rm8_r8,
                16 => Code::Mov_rm16_r16,
                32 => Code::Mov_rm32_r32,
                _ => Code::Mov_rm64_r64,
            };
            let access = Step {
                code: expected,
                displacement: Some(0x88),
            };
            assert_eq!(
                steps.iter().filter(|step| **step == access).count(),
                1,
                "{kernel}: {write}"
            );
        }
    }
    for (letter, reads, writes) in PORT_ACCESSES {
        for (name, access) in [
            (format!("in{letter}"), reads),
            (format!("out{letter}"), writes),
        ] {
            let (rust, c) = (in_rust(&name), in_c(&name));
            for steps in [&rust, &c] {
                assert_eq!(steps.last().unwrap().code, access, "{kernel}: {name}");
            }
            // Before that, port and value are brought to their registers, in the order that the
            // compiler likes.
            assert_eq!(in_any_order(rust), in_any_order(c), "{kernel}: {name}");
        }
    }
    // An access of a declared register is its accessor alone, at its own offset.
    for (declared, accessor) in [("declared_read", "readq"), ("declared_write", "writeq")] {
        let mut steps = in_rust(declared);
        let access = steps
            .iter_mut()
            .find(|step| step.displacement == Some(0x80))
            .unwrap();
        access.displacement = Some(0x88);
        assert_eq!(steps, in_c(accessor), "{kernel}: {declared}");
    }
}

#[test]
fn debian_6_1() {
    the_same("debian-6.1");
}

#[test]
fn debian_6_12() {
    the_same("debian-6.12");
}

#[test]
fn debian_7_2() {
    the_same("debian-7.2");
}
