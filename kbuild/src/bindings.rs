// SPDX-License-Identifier: GPL-2.0-only
//! Reads what rustc laid out from the compiled bindings.
//!
//! The build script of `linux-driver-sys` makes bindings for a kernel. They are compiled with a
//! static of each type, function and constant, and read from the object: types and signatures from
//! its DWARF, constants from its data. Bit fields are not in DWARF under their names, because
//! bindgen packs them. So a program is made of the bindings. It sets each bit field separately, and
//! prints which bits of the struct changed. Both are compiled for this machine. Its `repr(C)` is
//! the same as the kernel's if both have the same architecture.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::Message;
use linux_driver_abi::dwarf::{self, BitFields, c_name};
use linux_driver_abi::model::{Abi, Constant, Field, Origin, Scope};
use linux_driver_host::{Error, Result, fs, process};
use object::{Object, ObjectSection, ObjectSymbol};

/// A workspace with `linux-driver-sys`, and the kernel that its bindings are for.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// The workspace's `Cargo.toml`.
    pub manifest: PathBuf,
    /// The folder in which cargo builds.
    pub target_dir: PathBuf,
    /// The environment that names the kernel: `LINUX_DRIVER_KERNEL_DIR`, or `LINUX_DRIVER_KERNEL`
    /// for a snapshot.
    pub env: Vec<(String, OsString)>,
}

/// The variables that say which kernel the bindings are for.
const VARIABLES: [&str; 2] = ["LINUX_DRIVER_KERNEL_DIR", "LINUX_DRIVER_KERNEL"];

impl Workspace {
    /// cargo, for this workspace and kernel.
    pub(crate) fn cargo(&self, command: &str) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .arg(command)
            .arg("--manifest-path")
            .arg(&self.manifest);
        cargo.arg("--target-dir").arg(&self.target_dir);
        // Only with a target named, cargo keeps these crates apart from those that a plain `cargo
        // build` makes, and still shares what the build script depends on.
        cargo.args(["--target", "host-tuple"]);
        for name in VARIABLES {
            cargo.env_remove(name);
        }
        cargo.envs(self.env.iter().map(|(name, value)| (name, value)));
        cargo
    }

    /// `bindings.rs`, made by the build script of `linux-driver-sys`.
    pub fn bindings(&self) -> Result<PathBuf> {
        let mut cargo = self.cargo("check");
        cargo.args([
            "--package",
            "linux-driver-sys",
            "--message-format=json-render-diagnostics",
        ]);
        let said = process::run(&mut cargo)?;
        let mut messages = said
            .lines()
            .filter_map(|line| serde_json::from_str::<Message>(line).ok());
        let out = messages.find_map(|message| match message {
            Message::BuildScriptExecuted(script)
                if script.package_id.repr.contains("linux-driver-sys") =>
            {
                Some(script.out_dir.into_std_path_buf())
            }
            // cargo identifies some packages by their folder only.
            Message::BuildScriptExecuted(script)
                if script.out_dir.as_str().contains("/linux-driver-sys-") =>
            {
                Some(script.out_dir.into_std_path_buf())
            }
            _ => None,
        });
        let out = out.ok_or_else(|| {
            Error::new(
                process::command_line(&cargo),
                "a build script of linux-driver-sys",
                "none in cargo's messages",
                "report this with cargo's version",
            )
        })?;
        Ok(out.join("bindings.rs"))
    }
}

/// Returns what rustc lays out of the bindings in this file: the types in scope and all aliases,
/// the functions in scope, and these constants. Names that the bindings lack are in
/// [`Abi::no_evidence`]. `rustc` is the compiler, `dir` a folder to work in.
pub fn read(
    bindings: &Path,
    rustc: &Path,
    scope: &Scope,
    constants: &[String],
    dir: &Path,
) -> Result<Abi> {
    let text = fs::read_to_string(bindings)?;
    let file = syn::parse_file(&text).map_err(|e| {
        Error::new(
            bindings.display(),
            "Rust that bindgen wrote",
            e,
            "have it made again: `cargo clean -p linux-driver-sys`",
        )
    })?;
    let items = Items::of(&file);
    let bit_fields = bit_fields(&items, bindings, rustc, dir)?;
    let (object, path) = compile(&items, bindings, rustc, scope, constants, dir)?;
    let place = path.display().to_string();
    let mut abi = dwarf::read_bindings(&object, &place, scope, bit_fields)?;
    let bad = |e: String| {
        Error::new(
            &place,
            "the object that rustc made",
            e,
            "report this with rustc's version",
        )
    };
    let file = object::File::parse(&*object).map_err(|e| bad(e.to_string()))?;
    for name in constants {
        if !items.constants.contains(name.as_str()) {
            abi.no_evidence
                .insert(format!("constant {name}"), MISSING.to_owned());
            continue;
        }
        let value = data(&file, &format!("{CONSTANT}{name}"))
            .ok_or_else(|| bad(format!("no data of {name}")))?;
        let constant = Constant {
            value: if file.is_little_endian() {
                i128::from_le_bytes(value)
            } else {
                i128::from_be_bytes(value)
            },
            source: Origin::Compiler,
            type_name: None,
        };
        abi.constants.insert(name.clone(), constant);
    }
    Ok(abi)
}

const MISSING: &str = "not in the bindings";

/// The prefix of the name of a constant's static.
const CONSTANT: &str = "linux_driver_constant_";

/// The items of a file of bindings.
#[derive(Default)]
struct Items {
    /// Structs and unions.
    types: BTreeSet<String>,
    aliases: BTreeSet<String>,
    /// Constants that are numbers.
    constants: BTreeSet<String>,
    /// Functions, with their types as Rust spells a pointer to one.
    functions: BTreeMap<String, String>,
    /// Bit fields by type: name, and the type of its value.
    bits: BTreeMap<String, Vec<(String, String)>>,
}

impl Items {
    fn of(file: &syn::File) -> Self {
        let mut items = Self::default();
        for item in &file.items {
            match item {
                syn::Item::Struct(item) if item.generics.params.is_empty() => {
                    items.types.insert(item.ident.to_string());
                }
                syn::Item::Union(item) if item.generics.params.is_empty() => {
                    items.types.insert(item.ident.to_string());
                }
                syn::Item::Type(item)
                    if item.generics.params.is_empty() && last(&item.ty) != "c_void" =>
                {
                    items.aliases.insert(item.ident.to_string());
                }
                // An array or a string is behind a reference.
                syn::Item::Const(item)
                    if matches!(*item.ty, syn::Type::Path(_)) && item.ident != "_" =>
                {
                    items.constants.insert(item.ident.to_string());
                }
                syn::Item::ForeignMod(block) => items
                    .functions
                    .extend(block.items.iter().filter_map(function)),
                syn::Item::Impl(block) if block.trait_.is_none() => {
                    let bits = bits_of(block);
                    if !bits.is_empty() {
                        items
                            .bits
                            .entry(last(&block.self_ty))
                            .or_default()
                            .extend(bits);
                    }
                }
                _ => {}
            }
        }
        items
    }
}

/// Returns the name of a function and the type of a pointer to it.
fn function(item: &syn::ForeignItem) -> Option<(String, String)> {
    let syn::ForeignItem::Fn(function) = item else {
        return None;
    };
    let inputs: Vec<String> = function
        .sig
        .inputs
        .iter()
        .filter_map(|input| match input {
            syn::FnArg::Typed(input) => Some(tokens(&*input.ty)),
            syn::FnArg::Receiver(_) => None,
        })
        .collect();
    let more = if function.sig.variadic.is_some() {
        ", ..."
    } else {
        ""
    };
    let returns = tokens(&function.sig.output);
    let type_ = format!(
        "unsafe extern \"C\" fn({}{more}) {returns}",
        inputs.join(", ")
    );
    Some((function.sig.ident.to_string(), type_))
}

/// Returns the bit fields for which bindgen made methods in an `impl` of a type: `set_NAME(&mut
/// self, val: T)` and `NAME(&self)`.
fn bits_of(block: &syn::ItemImpl) -> Vec<(String, String)> {
    let methods = || {
        block.items.iter().filter_map(|item| match item {
            syn::ImplItem::Fn(function) => Some(function),
            _ => None,
        })
    };
    let names: BTreeSet<String> = methods()
        .map(|function| function.sig.ident.to_string())
        .collect();
    let setters = methods().filter_map(|function| {
        let name = function.sig.ident.to_string();
        let field = name.strip_prefix("set_")?;
        match function.sig.inputs.iter().collect::<Vec<_>>()[..] {
            [syn::FnArg::Receiver(_), syn::FnArg::Typed(value)] if names.contains(field) => {
                Some((field.to_owned(), tokens(&*value.ty)))
            }
            _ => None,
        }
    });
    setters.collect()
}

fn tokens(of: &impl quote::ToTokens) -> String {
    of.to_token_stream().to_string()
}

/// Returns the last part of a type's path: the name of the type.
fn last(of: &syn::Type) -> String {
    match of {
        syn::Type::Path(path) => path
            .path
            .segments
            .last()
            .map(|part| part.ident.to_string())
            .unwrap_or_default(),
        _ => String::new(),
    }
}

/// Returns the beginning of a program that contains the bindings, so that the rest can use their
/// names.
fn program(bindings: &Path) -> String {
    format!(
        "#![allow(warnings)]\npub mod bindings {{\ninclude!({:?});\n",
        bindings.display().to_string()
    )
}

/// Compiles a static of each thing to an object.
fn compile(
    items: &Items,
    bindings: &Path,
    rustc: &Path,
    scope: &Scope,
    constants: &[String],
    dir: &Path,
) -> Result<(Vec<u8>, PathBuf)> {
    let mut text = program(bindings);
    text.push_str(
        "pub struct Held<T>(::core::mem::MaybeUninit<T>);\nunsafe impl<T> Sync for Held<T> {}\n",
    );
    let held = "= Held(::core::mem::MaybeUninit::uninit());";
    // Writing to a string cannot fail.
    for name in scope
        .types
        .iter()
        .filter(|name| items.types.contains(*name))
    {
        let _ = writeln!(
            text,
            "#[used] pub static linux_driver_type_{name}: Held<{name}> {held}"
        );
    }
    for name in &items.aliases {
        let _ = writeln!(
            text,
            "#[used] pub static {}{name}: Held<{name}> {held}",
            dwarf::ALIAS_PREFIX
        );
    }
    for name in &scope.functions {
        if let Some(type_) = items.functions.get(name) {
            let _ = writeln!(
                text,
                "#[used] pub static {}{name}: {type_} = {name};",
                dwarf::FUNCTION_PREFIX
            );
        }
    }
    for name in constants
        .iter()
        .filter(|name| items.constants.contains(*name))
    {
        let _ = writeln!(
            text,
            "#[used] #[unsafe(no_mangle)] pub static {CONSTANT}{name}: i128 = {name} as i128;"
        );
    }
    text.push_str("}\n");
    let object = dir.join("bindings.o");
    let source = write(dir, "layouts.rs", &text)?;
    let mut command = Command::new(rustc);
    command.args([
        "--edition=2024",
        "--crate-type=lib",
        "--crate-name=layouts",
        "-Cdebuginfo=2",
        "-Ccodegen-units=1",
    ]);
    command
        .arg(format!("--emit=obj={}", object.display()))
        .arg(&source);
    process::run(&mut command)?;
    let bytes = fs::read(&object)?;
    Ok((bytes, object))
}

/// Returns the places of the bit fields, with the types in their methods by bindgen. They are found
/// by setting each field separately.
fn bit_fields(items: &Items, bindings: &Path, rustc: &Path, dir: &Path) -> Result<BitFields> {
    let mut text = program(bindings);
    text.push_str("pub fn try_all() {\n");
    for (type_, fields) in &items.bits {
        for (field, _) in fields {
            let _ = writeln!(
                text,
                "{{ let mut it: {type_} = unsafe {{ ::core::mem::zeroed() }}; it.set_{field}(super::Ones::ONES); super::say({type_:?}, {field:?}, &it); }}"
            );
        }
    }
    text.push_str("}\n}\n");
    text.push_str(SAY);
    let source = write(dir, "bits.rs", &text)?;
    let program = dir.join("bits");
    let mut command = Command::new(rustc);
    command.args([
        "--edition=2024",
        "--crate-type=bin",
        "--crate-name=bits",
        "-Cdebuginfo=0",
        "-o",
    ]);
    command.arg(&program).arg(&source);
    process::run(&mut command)?;
    let said = process::run(&mut Command::new(&program))?;
    let mut found = BitFields::new();
    for line in said.lines() {
        let (type_, field) = parse(line, items).ok_or_else(|| {
            Error::new(
                format_args!("{} of {}", program.display(), bindings.display()),
                "for each bit field its type, name, first bit and number of bits, in one piece",
                line,
                "bindgen's methods for bit fields look different: report this with the kernel's release",
            )
        })?;
        found.entry(type_).or_default().push(field);
    }
    Ok(found)
}

/// The rest of the program: it prints which bits of a value are set.
const SAY: &str = r#"
trait Ones {
    const ONES: Self;
}
impl Ones for bool {
    const ONES: Self = true;
}
macro_rules! ones {
    ($($number:ty)*) => { $(impl Ones for $number { const ONES: Self = !0; })* };
}
ones!(u8 i8 u16 i16 u32 i32 u64 i64 usize isize);

fn say<T>(name: &str, field: &str, it: &T) {
    let bytes = unsafe { core::slice::from_raw_parts((it as *const T).cast::<u8>(), size_of::<T>()) };
    let set: Vec<usize> = (0..bytes.len() * 8).filter(|at| bytes[at / 8] & (1 << (at % 8)) != 0).collect();
    let first = set.first().copied().unwrap_or(usize::MAX);
    let whole = set.iter().enumerate().all(|(index, at)| *at == first + index);
    println!("{name} {field} {first} {} {whole}", set.len());
}

fn main() {
    bindings::try_all();
}
"#;

/// Returns a line of what the program prints.
fn parse(line: &str, items: &Items) -> Option<(String, Field)> {
    let [type_, name, first, count, "true"] = line.split(' ').collect::<Vec<_>>()[..] else {
        return None;
    };
    let size_bits = count.parse().ok().filter(|count| *count > 0)?;
    let value = items
        .bits
        .get(type_)?
        .iter()
        .find(|(field, _)| field == name);
    let field = Field {
        name: c_name(name).to_owned(),
        offset_bits: first.parse().ok()?,
        size_bits,
        type_name: c_type(&value?.1),
        bitfield: true,
    };
    Some((type_.to_owned(), field))
}

/// C's name for the type of a bit field's value.
fn c_type(value: &str) -> String {
    let name = value.rsplit(':').next().unwrap_or(value).trim();
    let name = match name {
        "bool" => "_Bool",
        "c_uint" | "u32" => "unsigned int",
        "c_int" | "i32" => "int",
        "c_ulong" | "u64" => "long unsigned int",
        "c_long" | "i64" => "long int",
        "c_ushort" | "u16" => "short unsigned int",
        "c_short" | "i16" => "short int",
        "c_uchar" | "u8" => "unsigned char",
        "c_schar" | "i8" => "signed char",
        "c_char" => "char",
        other => other,
    };
    name.to_owned()
}

/// Returns the 16 bytes of a static.
fn data(file: &object::File<'_>, name: &str) -> Option<[u8; 16]> {
    let symbol = file.symbol_by_name(name)?;
    let section = file.section_by_index(symbol.section_index()?).ok()?;
    section
        .data_range(symbol.address(), 16)
        .ok()??
        .try_into()
        .ok()
}

fn write(dir: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = dir.join(name);
    fs::write(&path, text)?;
    Ok(path)
}
