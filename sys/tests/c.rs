// SPDX-License-Identifier: GPL-2.0-only
//! The bindings agree with what the host's C compiler makes of the same declarations: layouts,
//! constants and signatures, those of the shims included. It needs no kernel.
//!
//! The bindings are those that each snapshot holds. The C text is made from them, and compiled
//! after the snapshot's `kernel.h` and `c/shims.h`. Each layout and each constant becomes a
//! `_Static_assert`. Each function is declared a second time, which C refuses if the two
//! declarations differ.

#[path = "../build/kernel.rs"]
#[expect(dead_code, reason = "the build script uses the rest")]
mod kernel;
#[path = "../build/snapshot.rs"]
mod snapshot;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use quote::ToTokens;
use syn::{ForeignItem, Item, ReturnType, Type};

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

/// Declarations of C, made of the bindings.
#[derive(Default)]
struct Text {
    asserts: Vec<String>,
    declarations: Vec<String>,
}

/// The kinds of items that the bindings define, by name.
struct Names {
    records: BTreeSet<String>,
    unions: BTreeSet<String>,
    /// bindgen makes an alias of an integer of these.
    enums: BTreeSet<String>,
}

impl Names {
    fn of(items: &[Item], header: &str) -> Self {
        let enums = header
            .lines()
            .filter_map(|line| line.strip_prefix("enum ")?.strip_suffix(" {"));
        let mut names = Self {
            records: BTreeSet::new(),
            unions: BTreeSet::new(),
            enums: enums.map(str::to_owned).collect(),
        };
        for item in items {
            match item {
                Item::Struct(item) => drop(names.records.insert(item.ident.to_string())),
                Item::Union(item) => drop(names.unions.insert(item.ident.to_string())),
                _ => {}
            }
        }
        names
    }

    /// Returns the C name of a type that bindgen named: `None` if C has no name for it.
    fn in_c(&self, name: &str) -> Option<String> {
        let primitive = match name {
            "c_void" => "void",
            "c_char" => "char",
            "c_schar" | "i8" => "signed char",
            "c_uchar" | "u8" => "unsigned char",
            "c_short" | "i16" => "short",
            "c_ushort" | "u16" => "unsigned short",
            "c_int" | "i32" => "int",
            "c_uint" | "u32" => "unsigned int",
            "c_long" => "long",
            "c_ulong" | "usize" => "unsigned long",
            "isize" => "long",
            "c_longlong" => "long long",
            "c_ulonglong" => "unsigned long long",
            "bool" => "_Bool",
            _ => "",
        };
        if !primitive.is_empty() {
            return Some(primitive.to_owned());
        }
        // A typedef of a structure without a name has bindgen's name: `spinlock_t` is one of
        // `struct spinlock`, `pgprot_t` of nothing that has a name.
        let is_typedef = name.ends_with("_t") || name.contains("__bindgen_ty");
        if name.contains("__bindgen_ty") || name.starts_with("__Bindgen") {
            None
        } else if self.records.contains(name) && !is_typedef {
            Some(format!("struct {name}"))
        } else if self.unions.contains(name) && !is_typedef {
            Some(format!("union {name}"))
        } else if self.enums.contains(name) {
            Some(format!("enum {name}"))
        } else {
            // bindgen calls C's `bool` and `u16` `bool_` and `u16_`: Rust has types of that name.
            Some(name.strip_suffix('_').unwrap_or(name).to_owned())
        }
    }

    /// Returns a declaration of `declared` with this type.
    fn declaration(&self, ty: &Type, declared: &str) -> Option<String> {
        match ty {
            Type::Ptr(pointer) => {
                let constant = pointer.const_token.is_some();
                let inner = match &*pointer.elem {
                    // C's `const T *` is bindgen's `*const T`.
                    Type::Ptr(_) if constant => format!("*const {declared}"),
                    _ => format!("*{declared}"),
                };
                let of = self.declaration(&pointer.elem, &inner)?;
                let qualified = constant && !matches!(&*pointer.elem, Type::Ptr(_));
                Some(if qualified { format!("const {of}") } else { of })
            }
            Type::Never(_) => Some(format!("void {declared}")),
            Type::Path(path) => {
                let last = path.path.segments.last()?;
                if last.ident == "Option" {
                    // A pointer to a function.
                    let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else {
                        return None;
                    };
                    let Some(syn::GenericArgument::Type(Type::BareFn(function))) =
                        arguments.args.first()
                    else {
                        return None;
                    };
                    let inputs = function.inputs.iter().map(|input| &input.ty);
                    let variadic = function.variadic.is_some();
                    let declared = format!("(*{declared})");
                    return self.function(inputs, variadic, &function.output, &declared);
                }
                let name = self.in_c(&last.ident.to_string())?;
                Some(format!("{name} {declared}"))
            }
            _ => None,
        }
    }

    fn function<'a>(
        &self,
        inputs: impl Iterator<Item = &'a Type>,
        variadic: bool,
        output: &ReturnType,
        declared: &str,
    ) -> Option<String> {
        let mut list: Vec<String> = inputs
            .map(|input| self.declaration(input, ""))
            .collect::<Option<_>>()?;
        if variadic {
            list.push("...".to_owned());
        } else if list.is_empty() {
            list.push("void".to_owned());
        }
        let declared = format!("{declared}({})", list.join(", "));
        match output {
            ReturnType::Default => Some(format!("void {declared}")),
            ReturnType::Type(_, ty) => self.declaration(ty, &declared),
        }
    }
}

/// Returns the number at the end of a layout test of bindgen's: `… - 24usize`.
fn number(test: &str) -> Option<&str> {
    Some(
        test.rsplit_once("- ")?
            .1
            .trim_end_matches([' ', ']'])
            .trim_end_matches("usize"),
    )
}

fn text(bindings: &str, kernel: &kernel::Kernel) -> Text {
    let items = syn::parse_file(bindings).unwrap().items;
    let names = Names::of(
        &items,
        &fs::read_to_string(kernel.place.join("kernel.h")).unwrap(),
    );
    let mut text = Text::default();
    for item in &items {
        match item {
            // The tests of a layout.
            Item::Const(item) if item.ident == "_" => {
                let tests = item.expr.to_token_stream().to_string();
                for test in tests.split(';') {
                    let Some((_, rest)) = test.split_once("[\"") else {
                        continue;
                    };
                    let Some((what, _)) = rest.split_once("\"]") else {
                        continue;
                    };
                    let Some(number) = number(test) else { continue };
                    let fact = if let Some(name) = what.strip_prefix("Size of ") {
                        names
                            .in_c(name)
                            .filter(|_| number != "0")
                            .map(|name| format!("sizeof({name})"))
                    } else if let Some(name) = what.strip_prefix("Alignment of ") {
                        names.in_c(name).map(|name| format!("_Alignof({name})"))
                    } else if let Some(field) = what.strip_prefix("Offset of field: ") {
                        let (name, field) = field.split_once("::").unwrap();
                        let anonymous =
                            field.contains("__bindgen_anon") || field.contains("_bitfield");
                        let field = field
                            .strip_suffix('_')
                            .filter(|name| {
                                // Rust has these as keywords.
                                ["type", "ref", "in", "fn", "match", "move", "mod"].contains(name)
                            })
                            .unwrap_or(field);
                        names
                            .in_c(name)
                            .filter(|_| !anonymous)
                            .map(|name| format!("__builtin_offsetof({name}, {field})"))
                    } else {
                        panic!("a layout test of an unknown kind: {what}")
                    };
                    text.asserts.extend(
                        fact.map(|fact| format!("_Static_assert({fact} == {number}, \"{what}\");")),
                    );
                }
            }
            Item::Const(item) => {
                let value = item.expr.to_token_stream().to_string().replace(' ', "");
                if value
                    .trim_start_matches('-')
                    .chars()
                    .all(|char| char.is_ascii_digit())
                {
                    // The typed ones are variables in C, which no `_Static_assert` takes.
                    text.asserts.push(format!(
                        "void wrong_{0}(void) __attribute__((error(\"{0}\")));\n\
                         void check_{0}(void) {{ if ((long long){0} != {value}LL) wrong_{0}(); }}",
                        item.ident,
                    ));
                }
            }
            Item::ForeignMod(block) => {
                for item in &block.items {
                    let ForeignItem::Fn(function) = item else {
                        continue;
                    };
                    let signature = &function.sig;
                    let inputs = signature.inputs.iter().map(|input| match input {
                        syn::FnArg::Typed(input) => &*input.ty,
                        syn::FnArg::Receiver(_) => panic!("a function of C with self"),
                    });
                    let variadic = signature.variadic.is_some();
                    let name = signature.ident.to_string();
                    let declared = names.function(inputs, variadic, &signature.output, &name);
                    text.declarations
                        .extend(declared.map(|declared| format!("{declared};")));
                }
            }
            _ => {}
        }
    }
    text
}

/// Compiles C after the headers that the bindings were made of. Returns what the compiler says.
fn compile(kernel: &kernel::Kernel, lines: &[String]) -> Result<(), String> {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bindings.c");
    let header = crate_dir.join("c/wrapper.h");
    let text = format!("#include \"{}\"\n{}\n", header.display(), lines.join("\n"));
    fs::write(&file, text).unwrap();
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let compiler = cc::Build::new()
        .target(&target)
        .host(&target)
        .opt_level(2)
        .cargo_metadata(false)
        .get_compiler();
    let mut command = compiler.to_command();
    // The snapshot's compiler flags, without the one for libclang.
    command.args(
        kernel
            .cc_flags
            .iter()
            .filter(|flag| !flag.starts_with("--target")),
    );
    command.arg("-o").arg(dir.path().join("bindings.o"));
    command.args([
        "-c",
        "-Wall",
        "-Werror",
        "-Wno-unused",
        "-Wno-builtin-declaration-mismatch",
    ]);
    let output = command.arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        Ok(())
    } else {
        Err(said)
    }
}

/// Returns each snapshot's kernel with the bindings that it holds.
fn snapshots() -> Vec<(kernel::Kernel, String)> {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let headers = crate_dir.join("../headers");
    let entries = fs::read_dir(headers.join("snapshots")).unwrap();
    entries
        .map(|entry| {
            let name = entry.unwrap().file_name();
            let kernel = snapshot::kernel(&headers, &crate_dir.join("c"), Some(name)).unwrap();
            let stored = kernel.stored.as_ref().expect("a snapshot with bindings.rs");
            let text = fs::read_to_string(stored).unwrap();
            (kernel, text)
        })
        .collect()
}

#[test]
fn c_lays_out_and_declares_what_the_bindings_do() {
    let snapshots = snapshots();
    assert!(snapshots.len() >= 3, "{} snapshots", snapshots.len());
    for (kernel, bindings) in snapshots {
        let text = text(&bindings, &kernel);
        assert!(text.asserts.len() > 900, "{} asserts", text.asserts.len());
        let shims = text
            .declarations
            .iter()
            .filter(|line| line.contains("linux_driver_"));
        assert_eq!(shims.count(), kernel.shims.len(), "each shim is declared");
        let lines = [text.asserts, text.declarations].concat();
        if let Err(said) = compile(&kernel, &lines) {
            panic!("{}: {said}", kernel.release);
        }
    }
}

#[test]
fn a_difference_is_an_error_of_the_compiler() {
    let (kernel, bindings) = snapshots().swap_remove(0);
    for (from, to, expected) in [
        (
            "[\"Size of pci_driver\"][::core::mem::size_of::<pci_driver>() - ",
            "1",
            "Size of pci_driver",
        ),
        ("pub const EINVAL: u32 = ", "1", "EINVAL"),
        (
            "pub fn linux_driver_current(",
            "of: ::core::ffi::c_int",
            "linux_driver_current",
        ),
    ] {
        assert!(bindings.contains(from), "{from}");
        let wrong = bindings.replace(from, &format!("{from}{to}"));
        let text = text(&wrong, &kernel);
        let said = compile(&kernel, &[text.asserts, text.declarations].concat()).unwrap_err();
        assert!(said.contains(expected), "{said}");
        assert_eq!(said.matches(": error: ").count(), 1, "{said}");
    }
}
