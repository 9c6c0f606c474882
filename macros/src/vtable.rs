// SPDX-License-Identifier: GPL-2.0-only
//! `#[vtable]`: records which functions of a trait an implementation provides.
//!
//! In C, a missing callback is a NULL in a table. Here, a trait with this attribute has a constant
//! `HAS_NAME` for each of its functions. The constant is `false`, unless an implementation, which
//! has the attribute too, provides the function.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::{Attribute, Error, Ident, ImplItem, Item, ItemImpl, Result, TraitItem, parse_quote};

use crate::init::safe_layer;

pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    if !attribute.is_empty() {
        return Err(Error::new_spanned(
            attribute,
            "`#[vtable]` takes no arguments",
        ));
    }
    let mut check = None;
    let mut item: Item = syn::parse2(item).map_err(|error| {
        let span = error.span();
        Error::new(span, format!("{EXPECTED}: {error}"))
    })?;
    match &mut item {
        Item::Trait(item) => {
            let mut names = Vec::new();
            for item in &item.items {
                match item {
                    TraitItem::Fn(function) => {
                        names.push((function.sig.ident.clone(), cfgs(&function.attrs)?))
                    }
                    TraitItem::Macro(_) | TraitItem::Verbatim(_) => {
                        return Err(Error::new_spanned(item, UNSEEN));
                    }
                    _ => {}
                }
            }
            let (root, marker) = (safe_layer(), marker());
            item.items.push(parse_quote! {
                #[doc(hidden)]
                #[allow(non_upper_case_globals, reason = "rustc names it where an implementation lacks it")]
                const #marker: #root::__ByTheAttribute;
            });
            for (name, cfgs) in names {
                let constant = constant(&name);
                let doc = format!("Whether [`{name}`](Self::{name}) is written.");
                item.items.push(parse_quote! {
                    #(#cfgs)*
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
            let mut names = Vec::new();
            for item in &item.items {
                match item {
                    ImplItem::Fn(function) => {
                        names.push((function.sig.ident.clone(), cfgs(&function.attrs)?))
                    }
                    ImplItem::Macro(_) | ImplItem::Verbatim(_) => {
                        return Err(Error::new_spanned(item, UNSEEN));
                    }
                    _ => {}
                }
            }
            let (root, marker) = (safe_layer(), marker());
            item.items.push(parse_quote! {
                const #marker: #root::__ByTheAttribute = #root::__ByTheAttribute::new();
            });
            for (name, cfgs) in names {
                let constant = constant(&name);
                item.items
                    .push(parse_quote! { #(#cfgs)* const #constant: bool = true; });
            }
            check = checks(item);
        }
        _ => return Err(Error::new(Span::call_site(), EXPECTED)),
    }
    Ok(quote! { #item #check })
}

/// Returns the checks of the implementing type. A type with parameters gets none, because they need
/// a concrete type.
///
/// - For a `Driver`: its data can be shared by several tasks. The error says what to write.
/// - For other traits: the driver structure has the callbacks that the type implements. A `Driver`
///   cannot lack callbacks.
fn checks(item: &ItemImpl) -> Option<TokenStream> {
    let (_, path, _) = item.trait_.as_ref()?;
    if !item.generics.params.is_empty() {
        return None;
    }
    let (root, of) = (safe_layer(), &item.self_ty);
    let conditions = item
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"));
    let is_driver = path
        .segments
        .last()
        .is_some_and(|segment| segment.ident == "Driver");
    let check = Ident::new(
        if is_driver {
            "__data_across_tasks"
        } else {
            "__nothing_forgotten"
        },
        Span::call_site(),
    );
    Some(quote! { #(#conditions)* #root::#check! { #of } })
}

/// Returns the name of a constant that each implementation must have. rustc prints the name where
/// the constant is missing. Its type is hidden, because only the attribute may write the constant.
fn marker() -> Ident {
    Ident::new(
        "WRITE_THE_ATTRIBUTE_vtable_BEFORE_THIS_impl",
        Span::call_site(),
    )
}

const EXPECTED: &str =
    "`#[vtable]` belongs before a trait of callbacks, or an implementation of one";

const UNSEEN: &str = "`#[vtable]` does not see which functions a macro makes: write them out, or let the macro write all of the block";

/// Returns the `#[cfg]`s of a function, for its constant: the constant exists exactly when the
/// function does.
fn cfgs(attributes: &[Attribute]) -> Result<Vec<Attribute>> {
    if let Some(attribute) = attributes
        .iter()
        .find(|attribute| attribute.path().is_ident("cfg_attr"))
    {
        let message =
            "`#[vtable]` does not see whether a `cfg_attr` takes the function away: use `cfg`";
        // A `cfg_attr` may add anything but a condition.
        if attribute
            .to_token_stream()
            .to_string()
            .matches("cfg")
            .count()
            > 1
        {
            return Err(Error::new_spanned(attribute, message));
        }
    }
    let conditions = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"));
    Ok(conditions.cloned().collect())
}

fn constant(function: &Ident) -> Ident {
    // The span is the function's name, so that an error about the constant points there.
    format_ident!(
        "HAS_{}",
        function.to_string().to_uppercase(),
        span = function.span()
    )
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
        assert!(
            text.contains("const WRITE_THE_ATTRIBUTE_vtable_BEFORE_THIS_impl : ::"),
            "{text}"
        );
    }

    #[test]
    fn an_implementation_says_yes_of_what_it_writes() {
        let text = expanded("impl T for U { const N: u8 = 1; fn must() {} }");
        assert!(
            text.contains("const HAS_MUST : bool = true") && !text.contains("HAS_MAY"),
            "{text}"
        );
        assert!(text.contains("__ByTheAttribute :: new () ;"), "{text}");
    }

    #[test]
    fn callbacks_that_a_driver_structure_may_lack_are_checked() {
        let checked = |text: &str| expanded(text).contains("__nothing_forgotten ! { U }");
        assert!(checked("impl pm::Operations for U {}"));
        assert!(
            expanded("#[cfg(x)] impl Callbacks for U {}")
                .ends_with("# [cfg (x)] :: linux_driver :: __nothing_forgotten ! { U }")
        );
        assert!(!checked("impl pci::Driver for U {}") && !checked("trait Operations {}"));
        assert!(expanded("impl pci::Driver for U {}").contains("__data_across_tasks ! { U }"));
        assert!(!expanded("impl<T> pm::Operations for U<T> {}").contains("forgotten"));
    }

    #[test]
    fn a_constant_is_there_where_its_function_is() {
        let text = expanded("impl T for U { #[cfg(x)] #[inline] fn must() {} }");
        assert!(
            text.contains("# [cfg (x)] const HAS_MUST : bool = true"),
            "{text}"
        );
        let text = expanded("trait T { #[cfg(x)] #[inline] fn must() {} }");
        assert!(text.contains("# [cfg (x)] # [doc"), "{text}");
    }

    #[test]
    fn functions_that_cannot_be_seen_are_refused() {
        for text in [
            "impl T for U { functions!(); }",
            "trait T { functions!(); }",
            "impl T for U { #[cfg_attr(x, cfg(y))] fn must() {} }",
        ] {
            assert!(expanded(text).contains("does not see"), "{text}");
        }
        assert!(
            !expanded("impl T for U { #[cfg_attr(x, inline)] fn must() {} }")
                .contains("does not see")
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["fn f() {}", "impl U { fn f() {} }", "struct S;"] {
            assert!(expanded(text).contains("belongs before"), "{text}");
        }
        assert!(expand(quote! { x }, quote! { trait T {} }).is_err());
    }
}
