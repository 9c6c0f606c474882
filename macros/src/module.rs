// SPDX-License-Identifier: GPL-2.0-only
//! `module!` and the macros for modules with one driver: they generate the module's entry, exit and
//! `modinfo`.

use proc_macro2::{Literal, Span, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, LitStr, Result, Token, Type, bracketed};

/// The licenses that `license_is_gpl_compatible` (`include/linux/license.h`) accepts.
const LICENSES: [&str; 6] = [
    "GPL",
    "GPL v2",
    "GPL and additional rights",
    "Dual BSD/GPL",
    "Dual MIT/GPL",
    "Dual MPL/GPL",
];

/// The contents of the braces of `module!`, after the path of the safe layer.
pub(crate) struct Module {
    /// `$crate` of the safe layer's macro.
    root: Ident,
    ty: Type,
    infos: Vec<(&'static str, LitStr)>,
}

/// The fields that hold one or several texts, each with the tag of `modinfo` that it fills.
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
        let root = root(input)?;
        input.parse::<Token![;]>()?;
        let mut ty = None;
        let mut infos: Vec<(&'static str, LitStr)> = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        while !input.is_empty() {
            let key = input.call(<Ident as syn::ext::IdentExt>::parse_any)?;
            if key == "type" && ty.is_some() {
                return Err(Error::new(key.span(), SEVERAL));
            }
            if seen.contains(&key.to_string()) {
                return Err(Error::new(key.span(), format!("`{key}` is given twice")));
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
                    format!(
                        "no such field: expected `type` or one of `{}`",
                        known.join("`, `")
                    ),
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

const SEVERAL: &str = "a module has one type; for several drivers, write a struct with a pinned \
                       `driver::Registration` for each, implement `Module` for it, and give it as \
                       the type of `module!`";

/// Parses the path of the safe layer. It must be `$crate`, which the compiler accepts in a macro
/// only.
pub(crate) fn root(input: ParseStream<'_>) -> Result<Ident> {
    let root = input.call(<Ident as syn::ext::IdentExt>::parse_any)?;
    // A test cannot produce `$crate`, so tests use a plain name.
    if root == "$crate" || (cfg!(test) && root == "root") {
        return Ok(root);
    }
    Err(Error::new(
        root.span(),
        "this is called by the macro of the same name in `linux_driver`, with its `$crate`: call that",
    ))
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
    Error::new(
        Span::call_site(),
        format!("`{field}` is missing: expected {what}"),
    )
}

fn check(tag: &str, text: &LitStr) -> Result<()> {
    let value = text.value();
    if value.contains('\0') {
        return Err(Error::new(
            text.span(),
            "a NUL ends the text in C: leave it out",
        ));
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
    /// Expands `module!`, `module_pci_driver!` and their relatives. A macro of the safe layer,
    /// named by `module`, contains everything that is unsafe. The code here generates none of it,
    /// so a direct call of this proc macro cannot make unsafe code refer to the caller's names.
    pub(crate) fn expand(&self, module: &str) -> TokenStream {
        let Self { root, ty, .. } = self;
        let module = Ident::new(module, Span::call_site());
        // The texts `TAG=VALUE`, numbered.
        let infos = self.infos.iter().enumerate().map(|(number, (tag, text))| {
            let entry = format!("{tag}={}\0", text.value());
            let (number, length) = (Literal::usize_unsuffixed(number), entry.len());
            let bytes = Literal::byte_string(entry.as_bytes());
            quote!((#number, #length, #bytes))
        });
        quote! {
            // Two of these in one crate: rustc reports that this name is defined twice.
            #[doc(hidden)]
            mod a_crate_is_one_module_so_that_module_or_module_driver_is_called_once {}

            #root::#module! { #ty, [#(#infos),*] }
        }
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
        let module = parse(
            r#"license: "GPL", authors: ["A", "B"], description: "d", version: "1", type: T<U>,"#,
        )
        .unwrap();
        let tags: Vec<&str> = module.infos.iter().map(|(tag, _)| *tag).collect();
        assert_eq!(
            tags,
            ["license", "author", "author", "description", "version"]
        );
    }

    #[test]
    fn modinfo_is_tag_and_value_ended_by_nul() {
        let module = parse(r#"type: T, license: "GPL", author: "A", description: "d""#).unwrap();
        let text = module.expand("__module").to_string();
        assert!(
            text.contains(r#"(0 , 12usize , b"license=GPL\0")"#),
            "{text}"
        );
    }

    #[test]
    fn nothing_in_the_expansion_is_unsafe() {
        let module = parse(r#"type: T, license: "GPL", author: "A", description: "d""#).unwrap();
        assert!(!module.expand("__module").to_string().contains("unsafe"));
    }

    #[test]
    fn only_the_compilers_own_paths_are_accepted() {
        for root in ["crate", "linux_driver", "self", "other"] {
            let text = format!(r#"{root}; type: T, license: "GPL", author: "A", description: "d""#);
            let error = syn::parse_str::<Module>(&text)
                .err()
                .expect("an error")
                .to_string();
            assert!(error.contains("`$crate`"), "{error}");
        }
    }

    #[test]
    fn a_missing_or_wrong_entry_is_named() {
        assert!(
            error(r#"license: "GPL", author: "A", description: "d""#).contains("`type` is missing")
        );
        assert!(
            error(r#"type: T, author: "A", description: "d""#).contains("`license` is missing")
        );
        assert!(
            error(r#"type: T, license: "Proprietary", author: "A", description: "d""#)
                .contains("GPL-compatible")
        );
        assert!(error(r#"type: T, licence: "GPL""#).contains("no such field"));
        assert!(error(r#"type: T, type: U"#).contains("driver::Registration"));
        assert!(error(r#"type: T, license: "GPL", license: "GPL""#).contains("twice"));
        assert!(
            error("type: T, license: \"GPL\", author: \"a\\0b\", description: \"d\"")
                .contains("NUL")
        );
    }
}
