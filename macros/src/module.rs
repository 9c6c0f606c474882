// SPDX-License-Identifier: GPL-2.0-only
//! `module!` and the macros that are modules of one bus: a module's entry, exit and `modinfo`.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, LitStr, Path, Result, Token, Type, bracketed};

/// The licenses that `license_is_gpl_compatible` (`include/linux/license.h`) knows.
const LICENSES: [&str; 6] = [
    "GPL",
    "GPL v2",
    "GPL and additional rights",
    "Dual BSD/GPL",
    "Dual MIT/GPL",
    "Dual MPL/GPL",
];

/// What stands in the braces of `module!`, after the path of the safe layer.
pub(crate) struct Module {
    root: Path,
    ty: Type,
    infos: Vec<(&'static str, LitStr)>,
}

/// A field that names one or several texts, and the tag of `modinfo` that it fills.
const FIELDS: [(&str, &str); 7] = [
    ("license", "license"),
    ("author", "author"),
    ("authors", "author"),
    ("description", "description"),
    ("version", "version"),
    ("alias", "alias"),
    ("aliases", "alias"),
];

impl Parse for Module {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let root = input.parse()?;
        input.parse::<Token![;]>()?;
        let mut ty = None;
        let mut infos: Vec<(&'static str, LitStr)> = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        while !input.is_empty() {
            let key = input.call(<Ident as syn::ext::IdentExt>::parse_any)?;
            if seen.contains(&key.to_string()) {
                return Err(Error::new(key.span(), format!("`{key}` stands here twice")));
            }
            seen.push(key.to_string());
            input.parse::<Token![:]>()?;
            if key == "type" {
                ty = Some(input.parse()?);
            } else if let Some((name, tag)) = FIELDS.iter().find(|(name, _)| key == name) {
                let several = *tag != *name;
                infos.extend(texts(input, several)?.into_iter().map(|text| (*tag, text)));
            } else {
                let known: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
                return Err(Error::new(
                    key.span(),
                    format!("no such field: expected `type` or one of `{}`", known.join("`, `")),
                ));
            }
            if input.is_empty() {
                break;
            }
            input.parse::<Token![,]>()?;
        }
        let ty = ty.ok_or_else(|| missing("type", "the type that the module is about"))?;
        for (tag, example) in [
            ("license", "license: \"GPL\""),
            ("author", "author: \"…\""),
            ("description", "description: \"…\""),
        ] {
            if !infos.iter().any(|(name, _)| *name == tag) {
                return Err(missing(tag, &format!("`{example}`; modinfo shows it")));
            }
        }
        for (tag, text) in &infos {
            check(tag, text)?;
        }
        Ok(Self { root, ty, infos })
    }
}

fn texts(input: ParseStream<'_>, several: bool) -> Result<Vec<LitStr>> {
    if !several {
        return Ok(vec![input.parse()?]);
    }
    let list;
    bracketed!(list in input);
    Ok(Punctuated::<LitStr, Token![,]>::parse_terminated(&list)?
        .into_iter()
        .collect())
}

fn missing(field: &str, what: &str) -> Error {
    Error::new(Span::call_site(), format!("`{field}` is missing: expected {what}"))
}

fn check(tag: &str, text: &LitStr) -> Result<()> {
    let value = text.value();
    if value.contains('\0') {
        return Err(Error::new(text.span(), "a NUL ends the text in C: leave it out"));
    }
    if tag == "license" && !LICENSES.contains(&value.as_str()) {
        return Err(Error::new(
            text.span(),
            format!(
                "the kernel's functions that a driver calls are for GPL-compatible modules: expected one of \"{}\"",
                LICENSES.join("\", \"")
            ),
        ));
    }
    Ok(())
}

impl Module {
    /// `module!`
    pub(crate) fn expand(&self) -> TokenStream {
        let Self { root, ty, .. } = self;
        let infos = self.infos();
        let span = Span::mixed_site();
        quote_spanned! {span=>
            const _: () = {
                // What the driver wrote is looked up here, where it cannot name what stands in the inner block.
                type LinuxDriverModule = #ty;

                #[cfg(target_os = "none")]
                const _: () = {
                    static SLOT: #root::module::Slot<LinuxDriverModule> = #root::module::Slot::new();

                    #[unsafe(no_mangle)]
                    #[unsafe(link_section = ".init.text")]
                    extern "C" fn init_module() -> ::core::ffi::c_int {
                        // SAFETY: the loader calls a module's entry, once.
                        unsafe { SLOT.init() }
                    }

                    #[unsafe(no_mangle)]
                    #[unsafe(link_section = ".exit.text")]
                    extern "C" fn cleanup_module() {
                        // SAFETY: the loader calls a module's exit, once, after its entry returned 0.
                        unsafe { SLOT.exit() }
                    }

                    // objtool takes a function whose address nobody takes for one that is never called indirectly.
                    #[unsafe(export_name = "__linux_driver_by_section_entry")]
                    #[unsafe(link_section = ".init.data")]
                    static ENTRY: extern "C" fn() -> ::core::ffi::c_int = init_module;
                    #[unsafe(export_name = "__linux_driver_by_section_exit")]
                    #[unsafe(link_section = ".exit.data")]
                    static EXIT: extern "C" fn() = cleanup_module;

                    #infos
                };
                #[cfg(not(target_os = "none"))]
                const _: fn() = || {
                    // On this machine's own target the module is checked and not linked.
                    let _ = <LinuxDriverModule as #root::module::Module>::init;
                };
            };
        }
    }

    /// `module_pci_driver!`
    pub(crate) fn expand_pci(&self) -> TokenStream {
        let Self { root, ty, infos } = self;
        let span = Span::mixed_site();
        let module = Self {
            root: root.clone(),
            ty: syn::parse_quote!(#root::driver::DriverModule<PciDriver>),
            infos: infos.iter().map(|(tag, text)| (*tag, text.clone())).collect(),
        };
        let module = module.expand();
        quote_spanned! {span=>
            const _: () = {
                // What the driver wrote is looked up here, where it cannot name what stands in the inner block.
                type LinuxDriver = #ty;

                const _: () = {
                    // The ID table, under the name by which modpost makes the module's aliases of it.
                    #[unsafe(export_name = #root::sys::device_table_symbol!(
                        ::core::env!("CARGO_CRATE_NAME"), "pci", "id_table"
                    ))]
                    static ID_TABLE: [#root::sys::pci_device_id; <LinuxDriver as #root::pci::Driver>::ID_TABLE.raw().len()] =
                        #root::pci::table_array(<LinuxDriver as #root::pci::Driver>::ID_TABLE.raw());

                    // SAFETY: the table is this driver's own, and a static.
                    static DRIVER: #root::driver::Static<#root::pci::Adapter<LinuxDriver>> =
                        unsafe { #root::pci::driver::<LinuxDriver>(ID_TABLE.as_ptr()) };

                    struct PciDriver;

                    // SAFETY: nothing outside of this block can name the static, and the module registers it once.
                    unsafe impl #root::driver::StaticDriver for PciDriver {
                        type Ops = #root::pci::Adapter<LinuxDriver>;

                        fn driver() -> &'static #root::driver::Static<#root::pci::Adapter<LinuxDriver>> {
                            &DRIVER
                        }
                    }

                    #module
                };
            };
        }
    }

    /// `module_platform_driver!`
    pub(crate) fn expand_platform(&self) -> TokenStream {
        let Self { root, ty, infos } = self;
        let span = Span::mixed_site();
        let module = Self {
            root: root.clone(),
            ty: syn::parse_quote!(#root::driver::DriverModule<PlatformDriver>),
            infos: infos.iter().map(|(tag, text)| (*tag, text.clone())).collect(),
        };
        let module = module.expand();
        quote_spanned! {span=>
            const _: () = {
                // What the driver wrote is looked up here, where it cannot name what stands in the inner block.
                type LinuxDriver = #ty;

                const _: () = {
                    const RAW: &[#root::sys::platform_device_id] =
                        <LinuxDriver as #root::platform::Driver>::ID_TABLE.raw();

                    // The ID table, under the name by which modpost makes the module's aliases of it.
                    #[unsafe(export_name = #root::sys::device_table_symbol!(
                        ::core::env!("CARGO_CRATE_NAME"), "platform", "id_table"
                    ))]
                    static ID_TABLE: [#root::sys::platform_device_id; #root::platform::alias_count(RAW)] =
                        #root::platform::alias_table(RAW, <LinuxDriver as #root::platform::Driver>::NAME);

                    // SAFETY: the table is this driver's own, and a static.
                    static DRIVER: #root::driver::Static<#root::platform::Adapter<LinuxDriver>> =
                        unsafe { #root::platform::driver::<LinuxDriver>(ID_TABLE.as_ptr()) };

                    struct PlatformDriver;

                    // SAFETY: nothing outside of this block can name the static, and the module registers it once.
                    unsafe impl #root::driver::StaticDriver for PlatformDriver {
                        type Ops = #root::platform::Adapter<LinuxDriver>;

                        fn driver() -> &'static #root::driver::Static<#root::platform::Adapter<LinuxDriver>> {
                            &DRIVER
                        }
                    }

                    #module
                };
            };
        }
    }

    /// `modinfo`: texts `TAG=VALUE` in the section `.modinfo`. The symbols are there so that rustc keeps the texts; they are
    /// removed when the module is linked.
    fn infos(&self) -> TokenStream {
        let statics = self.infos.iter().enumerate().map(|(number, (tag, text))| {
            let entry = format!("{tag}={}\0", text.value());
            let (length, bytes) = (entry.len(), Literal::byte_string(entry.as_bytes()));
            let name = format_ident!("MODINFO_{number}", span = Span::mixed_site());
            let symbol = format!("__linux_driver_by_section_modinfo_{number}");
            quote! {
                #[unsafe(export_name = #symbol)]
                #[unsafe(link_section = ".modinfo")]
                static #name: [u8; #length] = *#bytes;
            }
        });
        quote! { #(#statics)* }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Module> {
        syn::parse_str(&format!("root; {text}"))
    }

    fn error(text: &str) -> String {
        parse(text).err().expect("an error").to_string()
    }

    #[test]
    fn all_fields_are_taken_in_any_order() {
        let module =
            parse(r#"license: "GPL", authors: ["A", "B"], description: "d", version: "1", type: T<U>,"#).unwrap();
        let tags: Vec<&str> = module.infos.iter().map(|(tag, _)| *tag).collect();
        assert_eq!(tags, ["license", "author", "author", "description", "version"]);
    }

    #[test]
    fn modinfo_is_tag_and_value_ended_by_nul() {
        let module = parse(r#"type: T, license: "GPL", author: "A", description: "d""#).unwrap();
        let text = module.expand().to_string();
        assert!(text.contains(r#"b"license=GPL\0""#), "{text}");
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        assert!(error(r#"license: "GPL", author: "A", description: "d""#).contains("`type` is missing"));
        assert!(error(r#"type: T, author: "A", description: "d""#).contains("`license` is missing"));
        assert!(error(r#"type: T, license: "Proprietary", author: "A", description: "d""#).contains("GPL-compatible"));
        assert!(error(r#"type: T, licence: "GPL""#).contains("no such field"));
        assert!(error(r#"type: T, type: U"#).contains("twice"));
        assert!(error("type: T, license: \"GPL\", author: \"a\\0b\", description: \"d\"").contains("NUL"));
    }
}
