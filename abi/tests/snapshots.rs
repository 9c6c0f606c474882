// SPDX-License-Identifier: GPL-2.0-only
//! Tests of the committed snapshots: each `kernel.h` compiles, its assertions hold, and it equals
//! its `abi.json`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use linux_driver_abi::model::{Abi, Kind, SCHEMA, Type};

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

/// Returns the folders of the snapshots.
fn snapshots() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../headers/snapshots");
    let entries = fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut all: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    all.sort();
    assert!(!all.is_empty(), "no snapshot in {}", dir.display());
    all
}

fn abi(snapshot: &Path) -> (Abi, String) {
    let text = fs::read_to_string(snapshot.join("abi.json")).unwrap();
    let abi = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", snapshot.display()));
    (abi, text)
}

/// Returns the C compilers of this machine: `cc`, which is required, and clang if it is installed.
fn compilers() -> Vec<&'static str> {
    let is_there = |name: &&str| Command::new(name).arg("--version").output().is_ok();
    let clang = ["clang", "clang-14", "clang-19"].into_iter().find(is_there);
    ["cc"].into_iter().chain(clang).collect()
}

/// Compiles this text without a warning, and runs it if `runs`.
#[track_caller]
fn compiles(compiler: &str, snapshot: &Path, standard: &str, text: &str, runs: bool) {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("test.c");
    fs::write(&source, text).unwrap();
    let program = dir.path().join("test");
    let mut cc = Command::new(compiler);
    cc.args([standard, "-Wall", "-Werror", "-funsigned-char", "-I"])
        .arg(snapshot);
    if runs {
        cc.arg("-o").arg(&program);
    } else {
        cc.arg("-fsyntax-only");
    }
    let said = cc.arg(&source).output().unwrap();
    assert!(
        said.status.success(),
        "{compiler} {standard}: {}\n{}",
        snapshot.display(),
        String::from_utf8_lossy(&said.stderr)
    );
    if runs {
        let said = Command::new(&program).output().unwrap();
        assert!(
            said.status.success(),
            "{}\n{}",
            snapshot.display(),
            String::from_utf8_lossy(&said.stdout)
        );
    }
}

#[test]
fn each_header_compiles_alone_and_its_asserts_hold() {
    for snapshot in snapshots() {
        let text = fs::read_to_string(snapshot.join("kernel.h")).unwrap();
        assert!(text.contains("_Static_assert(sizeof(struct pci_driver) == "));
        for compiler in compilers() {
            for standard in ["-std=c11", "-std=gnu11"] {
                compiles(compiler, &snapshot, standard, &text, false);
            }
        }
    }
}

#[test]
fn a_wrong_assertion_is_an_error() {
    let snapshot = snapshots().swap_remove(0);
    let text = fs::read_to_string(snapshot.join("kernel.h")).unwrap();
    let line = "_Static_assert(sizeof(struct pci_driver) == ";
    let wrong = text.replace(line, &format!("{line}1 + "));
    let file = tempfile::NamedTempFile::with_suffix(".h").unwrap();
    fs::write(file.path(), wrong).unwrap();
    let cc = Command::new("cc")
        .args(["-fsyntax-only", "-x", "c"])
        .arg(file.path())
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&cc.stderr).contains("size of struct pci_driver"));
}

#[test]
fn each_record_is_the_same_after_reading_and_writing() {
    for snapshot in snapshots() {
        let (abi, text) = abi(&snapshot);
        assert_eq!(abi.schema, SCHEMA);
        assert!(
            abi.types.contains_key("pci_driver")
                && !abi.functions.is_empty()
                && !abi.constants.is_empty()
        );
        let again = serde_json::to_string_pretty(&abi).unwrap() + "\n";
        assert!(
            again == text,
            "{} is not what it is read as",
            snapshot.display()
        );
    }
}

/// Returns C's name for the type with this key.
fn spelled(key: &str, type_: &Type) -> String {
    match type_.kind {
        Kind::Typedef => key.trim_start_matches("typedef ").to_owned(),
        kind => format!("{} {key}", kind.word()),
    }
}

/// Writes a program from `abi.json` that includes `kernel.h`, sets bit fields and looks for them in
/// memory.
fn program(abi: &Abi) -> String {
    let mut text = "#include \"kernel.h\"\n\
        int printf(const char *, ...);\n\
        void *memset(void *, int, unsigned long);\n\
        static int bad;\n\
        static void look(const char *name, const unsigned char *at, unsigned long size, unsigned \
                    long from, unsigned long bits)\n{\n\
        \tfor (unsigned long bit = 0; bit < size * 8; bit++)\n\
        \t\tif ((at[bit / 8] >> bit % 8 & 1) != (bit >= from && bit < from + bits)) {\n\
        \t\t\tprintf(\"%s: bit %lu\\n\", name, bit);\n\t\t\tbad = 1;\n\t\t\treturn;\n\t\t}\n}\n\
        int main(void)\n{\n"
        .to_owned();
    for (key, type_) in &abi.types {
        let name = spelled(key, type_);
        if type_.kind != Kind::Typedef || type_.size > 0 {
            let _ = writeln!(
                text,
                "\t_Static_assert(sizeof({name}) == {}, \"{name}\");",
                type_.size
            );
        }
        for field in &type_.fields {
            let path = field.name.replace("[]", "[0]");
            let (at, bits) = (field.offset_bits, field.size_bits);
            if field.bitfield {
                let _ = writeln!(
                    text,
                    "\t{{ {name} it; memset(&it, 0, sizeof(it)); it.{path} = -1; \
                     look(\"{name}.{path}\", (void *)&it, sizeof(it), {at}, {bits}); }}"
                );
            } else {
                let _ = writeln!(
                    text,
                    "\t_Static_assert(__builtin_offsetof({name}, {path}) == {}, \"{name}.{path}\");",
                    at / 8
                );
            }
        }
    }
    for (name, constant) in &abi.constants {
        let _ = writeln!(
            text,
            "\tif ({name} != {}) {{ printf(\"{name}\\n\"); bad = 1; }}",
            constant.value
        );
    }
    text + "\treturn bad;\n}\n"
}

#[test]
fn a_header_has_the_offsets_bits_and_constants_of_its_record() {
    for snapshot in snapshots() {
        let (abi, _) = abi(&snapshot);
        let bit_fields = abi
            .types
            .values()
            .flat_map(|type_| &type_.fields)
            .filter(|field| field.bitfield);
        assert!(bit_fields.count() > 50, "{}", snapshot.display());
        let text = program(&abi);
        for compiler in compilers() {
            compiles(compiler, &snapshot, "-std=gnu11", &text, true);
        }
    }
}
