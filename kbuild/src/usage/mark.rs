// SPDX-License-Identifier: GPL-2.0-only
//! Bindings in which all that can be used is deprecated, with its C name as the note.

use std::collections::BTreeMap;

use linux_driver_abi::dwarf::c_name;
use linux_driver_host::{Error, Result};
use quote::ToTokens;

use super::NOTE;

/// Returns the bindings, marked. `place` is what an error calls them.
pub(super) fn marked(text: &str, place: &str) -> Result<String> {
    let mut file = syn::parse_file(text).map_err(|e| {
        Error::new(
            place,
            "Rust that bindgen wrote",
            e,
            "have it made again: `cargo clean -p linux-driver-sys`",
        )
    })?;
    let paths = Paths::of(&file);
    for item in &mut file.items {
        match item {
            syn::Item::Struct(item) => {
                fields(&paths, &item.ident.to_string(), item.fields.iter_mut())
            }
            syn::Item::Union(item) => fields(
                &paths,
                &item.ident.to_string(),
                item.fields.named.iter_mut(),
            ),
            syn::Item::Const(item) if item.ident != "_" => {
                deprecate(&mut item.attrs, &format!("constant {}", item.ident));
            }
            syn::Item::ForeignMod(block) => {
                for item in &mut block.items {
                    if let syn::ForeignItem::Fn(function) = item {
                        deprecate(
                            &mut function.attrs,
                            &format!("function {}", function.sig.ident),
                        );
                    }
                }
            }
            syn::Item::Impl(block) if block.trait_.is_none() => methods(&paths, block),
            _ => {}
        }
    }
    Ok(file.to_token_stream().to_string())
}

/// The C names of the members of a struct that bindgen made: types without a name in C are part of
/// another.
struct Paths(BTreeMap<String, (String, String)>);

impl Paths {
    fn of(file: &syn::File) -> Self {
        let mut members: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for item in &file.items {
            let (ident, fields): (_, Vec<&syn::Field>) = match item {
                syn::Item::Struct(item) => (&item.ident, item.fields.iter().collect()),
                syn::Item::Union(item) => (&item.ident, item.fields.named.iter().collect()),
                _ => continue,
            };
            let named = fields.into_iter().filter_map(|field| {
                let type_ = held(&field.ty)?;
                Some((field.ident.as_ref()?.to_string(), type_))
            });
            members.insert(ident.to_string(), named.collect());
        }
        let mut paths = BTreeMap::new();
        let mut pending: Vec<(String, String, String)> = members
            .keys()
            .filter(|name| !is_unnamed(name))
            .map(|name| (name.clone(), name.clone(), String::new()))
            .collect();
        // Each type without a name is part of just one: bindgen makes no two of one name.
        while let Some((type_, owner, prefix)) = pending.pop() {
            for (field, inner) in members.get(&type_).into_iter().flatten() {
                if is_unnamed(inner) && inner.starts_with(&type_) && !paths.contains_key(inner) {
                    let prefix = if field.starts_with("__bindgen_anon_") {
                        prefix.clone()
                    } else {
                        format!("{prefix}{}.", c_name(field))
                    };
                    pending.push((inner.clone(), owner.clone(), prefix));
                }
            }
            paths.insert(type_, (owner, prefix));
        }
        Self(paths)
    }

    /// Returns the C name of a field: `pci_dev.irq`.
    fn field(&self, type_: &str, field: &str) -> Option<String> {
        let (owner, prefix) = self.0.get(type_)?;
        Some(format!("{owner}.{prefix}{}", c_name(field)))
    }
}

fn is_unnamed(type_: &str) -> bool {
    type_.contains("__bindgen_ty_")
}

/// Returns the name of the type that is held by value, in an array or a wrapper too.
fn held(of: &syn::Type) -> Option<String> {
    match of {
        syn::Type::Array(array) => held(&array.elem),
        syn::Type::Path(path) => {
            let last = path.path.segments.last()?;
            if let syn::PathArguments::AngleBracketed(arguments) = &last.arguments {
                let inner = arguments.args.iter().find_map(|argument| match argument {
                    syn::GenericArgument::Type(inner) => held(inner),
                    _ => None,
                });
                if inner.is_some() {
                    return inner;
                }
            }
            Some(last.ident.to_string())
        }
        _ => None,
    }
}

fn fields<'a>(paths: &Paths, type_: &str, fields: impl Iterator<Item = &'a mut syn::Field>) {
    for field in fields {
        let Some(name) = field.ident.as_ref().map(ToString::to_string) else {
            continue;
        };
        if name.starts_with("__bindgen_") || name.starts_with("_bitfield_") {
            continue;
        }
        if let Some(path) = paths.field(type_, &name) {
            deprecate(&mut field.attrs, &format!("field {path}"));
        }
    }
}

/// Bit fields are reached by methods: `NAME`, `set_NAME`, and those on raw pointers.
fn methods(paths: &Paths, block: &mut syn::ItemImpl) {
    let Some(type_) = held(&block.self_ty) else {
        return;
    };
    let names: Vec<String> = block
        .items
        .iter()
        .filter_map(|item| match item {
            syn::ImplItem::Fn(function) => Some(function.sig.ident.to_string()),
            _ => None,
        })
        .collect();
    for item in &mut block.items {
        let syn::ImplItem::Fn(function) = item else {
            continue;
        };
        let name = function.sig.ident.to_string();
        let plain = name
            .strip_suffix("_raw")
            .filter(|plain| names.iter().any(|other| other == plain));
        let plain = plain.unwrap_or(&name);
        let field = plain
            .strip_prefix("set_")
            .filter(|field| names.iter().any(|other| other == field));
        let field = field.unwrap_or(plain);
        if !names.contains(&format!("set_{field}")) {
            continue;
        }
        if let Some(path) = paths.field(&type_, field) {
            deprecate(&mut function.attrs, &format!("field {path}"));
        }
    }
}

fn deprecate(attributes: &mut Vec<syn::Attribute>, what: &str) {
    let note = format!("{NOTE}{what}");
    attributes.push(syn::parse_quote!(#[deprecated(note = #note)]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_can_be_used_is_marked_under_its_c_name() {
        let text = marked(
            "pub struct device { pub type_: u32, pub __bindgen_anon_1: device__bindgen_ty_1, pub p_cb: device__bindgen_ty_2 }
             pub union device__bindgen_ty_1 { pub irq: u32 }
             pub struct device__bindgen_ty_2 { pub post: u32, pub _bitfield_1: u8 }
             impl device__bindgen_ty_2 { pub fn flag(&self) -> u32 { 0 } pub fn set_flag(&mut self, val: u32) {} pub unsafe fn flag_raw(this: *const Self) -> u32 { 0 } pub fn new() {} }
             unsafe extern \"C\" { pub fn kfree(p: *const u8); }
             pub const EIO: u32 = 5;
             const _: () = ();",
            "bindings.rs",
        )
        .unwrap();
        for (what, count) in [
            ("field device.type\"", 1),
            ("field device.irq\"", 1),
            ("field device.p_cb\"", 1),
            ("field device.p_cb.post\"", 1),
            ("field device.p_cb.flag\"", 3),
            ("function kfree\"", 1),
            ("constant EIO\"", 1),
            ("deprecated", 9),
        ] {
            assert_eq!(text.matches(what).count(), count, "{what} in {text}");
        }
        assert!(marked("pub struct {", "bindings.rs").is_err());
    }
}
