// SPDX-License-Identifier: GPL-2.0-only
//! `#[vtable]`: which of a trait's functions an implementation has written.
//!
//! C shows it by a NULL in a table of callbacks. A trait with this attribute has a constant `HAS_NAME` for each of its
//! functions, false unless an implementation, which bears the attribute too, writes the function.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Error, Ident, ImplItem, Item, Result, TraitItem, parse_quote};

pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    if !attribute.is_empty() {
        return Err(Error::new_spanned(attribute, "`#[vtable]` takes no arguments"));
    }
    let mut item: Item = syn::parse2(item).map_err(|error| {
        let span = error.span();
        Error::new(span, format!("{EXPECTED}: {error}"))
    })?;
    match &mut item {
        Item::Trait(item) => {
            let names: Vec<Ident> = item
                .items
                .iter()
                .filter_map(|item| match item {
                    TraitItem::Fn(function) => Some(function.sig.ident.clone()),
                    _ => None,
                })
                .collect();
            item.items.push(parse_quote! {
                #[doc(hidden)]
                const USE_VTABLE_ATTR: ();
            });
            for name in names {
                let constant = constant(&name);
                let doc = format!("Whether [`{name}`](Self::{name}) is written.");
                item.items.push(parse_quote! {
                    #[doc = #doc]
                    #[doc(hidden)]
                    const #constant: bool = false;
                });
            }
        }
        Item::Impl(item) => {
            if item.trait_.is_none() {
                return Err(Error::new_spanned(&item.self_ty, EXPECTED));
            }
            let names: Vec<Ident> = item
                .items
                .iter()
                .filter_map(|item| match item {
                    ImplItem::Fn(function) => Some(function.sig.ident.clone()),
                    _ => None,
                })
                .collect();
            item.items.push(parse_quote! { const USE_VTABLE_ATTR: () = (); });
            for name in names {
                let constant = constant(&name);
                item.items.push(parse_quote! { const #constant: bool = true; });
            }
        }
        _ => return Err(Error::new(Span::call_site(), EXPECTED)),
    }
    Ok(quote! { #item })
}

const EXPECTED: &str = "`#[vtable]` belongs before a trait of callbacks, or an implementation of one";

fn constant(function: &Ident) -> Ident {
    // At the function's own place: an error about it points there.
    format_ident!("HAS_{}", function.to_string().to_uppercase(), span = function.span())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> String {
        expand(TokenStream::new(), text.parse().unwrap())
            .map_or_else(|error| error.to_string(), |tokens| tokens.to_string())
    }

    #[test]
    fn a_trait_says_no_of_each_function() {
        let text = expanded("pub trait T { const N: u8; fn must(); fn may() {} }");
        assert!(text.contains("const HAS_MUST : bool = false"), "{text}");
        assert!(text.contains("const HAS_MAY : bool = false"), "{text}");
        assert!(text.contains("const USE_VTABLE_ATTR : () ;"), "{text}");
    }

    #[test]
    fn an_implementation_says_yes_of_what_it_writes() {
        let text = expanded("impl T for U { const N: u8 = 1; fn must() {} }");
        assert!(
            text.contains("const HAS_MUST : bool = true") && !text.contains("HAS_MAY"),
            "{text}"
        );
        assert!(text.contains("const USE_VTABLE_ATTR : () = () ;"), "{text}");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["fn f() {}", "impl U { fn f() {} }", "struct S;"] {
            assert!(expanded(text).contains("belongs before"), "{text}");
        }
        assert!(expand(quote! { x }, quote! { trait T {} }).is_err());
    }
}
