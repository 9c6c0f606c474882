// SPDX-License-Identifier: GPL-2.0-only
//! Tests that gcc's and rustc's descriptions of the same types become equal, and that damaged
//! objects are errors.

use std::path::Path;
use std::process::Command;

use super::*;
use crate::model::Kind;

const C: &str = r"
struct outer;
typedef struct { int counter; } atomic_t;
enum state { OFF = -1, ON = 3 };
struct inner { char tag; unsigned long value[2][3]; };
struct outer {
	const char *name;
	int (*probe)(struct outer *, const struct inner *);
	union { unsigned int irq; atomic_t users; };
	struct { unsigned char post; } p_cb[2];
	unsigned int first : 3, second : 1;
	struct inner inner;
	enum state type;
	char tail[];
} ;
struct outer *one;
enum state *two;
int (*linux_driver_function_probe)(struct outer *, ...);
";

const RUST: &str = r#"
#![allow(warnings, reason = "names as bindgen makes them, none of which is used")]
pub mod bindings {
    #[repr(C)] pub struct __IncompleteArrayField<T>(::core::marker::PhantomData<T>, [T; 0]);
    #[repr(C)] #[derive(Clone, Copy)] pub struct atomic_t { pub counter: i32 }
    #[repr(C)] pub struct inner { pub tag: i8, pub value: [[u64; 3]; 2] }
    #[repr(C)] pub struct outer {
        pub name: *const i8,
        pub probe: ::core::option::Option<unsafe extern "C" fn(*mut outer, *const inner) -> i32>,
        pub __bindgen_anon_1: outer__bindgen_ty_1,
        pub p_cb: [outer__bindgen_ty_2; 2],
        pub _bitfield_align_1: [u8; 0],
        pub _bitfield_1: [u8; 1],
        pub __bindgen_padding_0: [u8; 1],
        pub inner: inner,
        pub type_: i32,
        pub tail: __IncompleteArrayField<i8>,
    }
    #[repr(C)] #[derive(Clone, Copy)] pub union outer__bindgen_ty_1 { pub irq: u32, pub users: atomic_t }
    #[repr(C)] pub struct outer__bindgen_ty_2 { pub post: u8 }
    pub type state = i32;
    pub struct Held<T>(::core::mem::MaybeUninit<T>);
    unsafe impl<T> Sync for Held<T> {}
    #[used] pub static ONE: Held<outer> = Held(::core::mem::MaybeUninit::uninit());
    #[used] pub static linux_driver_alias_state: Held<state> = Held(::core::mem::MaybeUninit::uninit());
    unsafe extern "C" { pub fn probe(it: *mut outer, ...) -> i32; }
    #[used] pub static linux_driver_function_probe: unsafe extern "C" fn(*mut outer, ...) -> i32 = probe;
}
"#;

fn compiled(program: &str, arguments: &[&str], name: &str, text: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(name), text).unwrap();
    let made = Command::new(program)
        .args(arguments)
        .arg(name)
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    std::fs::read(dir.path().join(Path::new("it.o"))).unwrap()
}

fn of_c(version: &str) -> Vec<u8> {
    compiled("gcc", &["-g", version, "-c", "-o", "it.o"], "it.c", C)
}

fn of_rust() -> Vec<u8> {
    let arguments = [
        "--edition=2024",
        "--crate-type=lib",
        "-Cdebuginfo=2",
        "-Ccodegen-units=1",
        "--emit=obj=it.o",
    ];
    compiled("rustc", &arguments, "it.rs", RUST)
}

fn scope() -> Scope {
    Scope {
        types: ["outer", "state", "gone"].map(str::to_owned).to_vec(),
        functions: ["probe", "gone"].map(str::to_owned).to_vec(),
    }
}

fn bits() -> BitFields {
    let field = |name: &str, offset_bits, size_bits| Field {
        name: name.to_owned(),
        offset_bits,
        size_bits,
        type_name: "unsigned int".to_owned(),
        bitfield: true,
    };
    BitFields::from([(
        "outer".to_owned(),
        vec![field("first", 176, 3), field("second", 179, 1)],
    )])
}

/// Returns the fields of `outer`: path, first bit, size in bits, type.
fn fields(abi: &Abi) -> Vec<(&str, u64, u64, &str)> {
    let fields = abi.types["outer"].fields.iter();
    let mut fields: Vec<_> = fields
        .map(|field| {
            (
                field.name.as_str(),
                field.offset_bits,
                field.size_bits,
                field.type_name.as_str(),
            )
        })
        .collect();
    fields.sort_by_key(|field| (field.1, field.0));
    fields
}

#[test]
fn gccs_debug_information_is_read_in_both_versions() {
    let four = read(&of_c("-gdwarf-4"), "it.o", &scope()).unwrap();
    let five = read(&of_c("-gdwarf-5"), "it.o", &scope()).unwrap();
    assert_eq!(four, five);
    let expected = [
        ("name", 0, 64, "const char *"),
        (
            "probe",
            64,
            64,
            "int (*)(struct outer *, const struct inner *)",
        ),
        ("irq", 128, 32, "unsigned int"),
        ("users", 128, 32, "atomic_t"),
        ("p_cb", 160, 16, "struct {…} [2]"),
        ("p_cb[].post", 160, 8, "unsigned char"),
        ("first", 176, 3, "unsigned int"),
        ("second", 179, 1, "unsigned int"),
        ("inner", 192, 448, "struct inner"),
        ("type", 640, 32, "enum state"),
        ("tail", 672, 0, "char [0]"),
    ];
    assert_eq!(fields(&four), expected);
    let outer = &four.types["outer"];
    assert_eq!((outer.kind, outer.size, outer.align), (Kind::Struct, 88, 8));
    assert_eq!(
        four.types["inner"].fields[1].type_name,
        "long unsigned int [6]"
    );
    assert_eq!(four.types["atomic_t"].target.as_deref(), Some("struct {…}"));
    assert_eq!(
        four.types["state"].values,
        [("OFF".to_owned(), -1), ("ON".to_owned(), 3)].into()
    );
    assert_eq!(
        four.functions["probe"].declaration("probe"),
        "int probe(struct outer *, ...)"
    );
    assert_eq!(
        four.no_evidence.keys().collect::<Vec<_>>(),
        ["function gone", "type gone"]
    );
}

#[test]
fn rustcs_debug_information_says_the_same() {
    let c = read(&of_c("-gdwarf-4"), "it.o", &scope()).unwrap();
    let rust = read_bindings(&of_rust(), "it.o", &scope(), bits()).unwrap();
    let locations = |abi| {
        fields(abi)
            .into_iter()
            .map(|(name, at, bits, _)| (name.to_owned(), at, bits))
    };
    assert_eq!(
        locations(&rust).collect::<Vec<_>>(),
        locations(&c).collect::<Vec<_>>()
    );
    let check = crate::agree::check(
        "it",
        &[("rustc", &rust), ("headers", &c)],
        &crate::Usage::default(),
    );
    assert_eq!(check.findings, []);
    let looked_at = check.looked_at;
    assert_eq!(
        (looked_at.types, looked_at.fields, looked_at.functions),
        (4, 14, 1)
    );
}

#[test]
fn a_damaged_object_is_an_error_and_never_a_panic() {
    for (object, step) in [(of_c("-gdwarf-4"), 7), (of_rust(), 997)] {
        assert!(read(&[], "it.o", &scope()).is_err());
        for length in (0..object.len()).step_by(step) {
            // A cut can hit bytes that are not needed, so the result may be good. The call must
            // only return.
            let _ = read(&object[..length], "it.o", &scope());
        }
        for at in (0..object.len()).step_by(step) {
            let mut bytes = object.clone();
            bytes[at] = !bytes[at];
            let _ = read(&bytes, "it.o", &scope());
        }
    }
    let error = read(&of_c("-g0"), "it.o", &scope()).unwrap_err();
    assert!(error.to_string().contains(".debug_info"), "{error}");
}
