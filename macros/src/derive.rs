// SPDX-License-Identifier: GPL-2.0-only
//! Derive macros for unsafe traits. Each one hands the struct's fields to a macro of the safe
//! layer, which checks them and contains the `unsafe`.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Data, DeriveInput, Error, Ident, Result};

use crate::init::{lists, safe_layer};

/// Expands to `__derive_NAME! { [generics] [their names] [conditions] Struct { field: Type, … } }`.
pub(crate) fn expand(name: &str, item: TokenStream) -> Result<TokenStream> {
    let item: DeriveInput = syn::parse2(item)?;
    let Data::Struct(data) = &item.data else {
        return Err(Error::new_spanned(
            &item.ident,
            "this can be derived only for structs",
        ));
    };
    if name == "__derive_into_bytes" {
        if !item.generics.params.is_empty() {
            let message = "`IntoBytes` is not derived for a generic type: whether it has padding depends on its parameters";
            return Err(Error::new_spanned(&item.generics, message));
        }
        if let Some(clause) = &item.generics.where_clause {
            let message = "`IntoBytes` is not derived for a type with conditions: it has no parameters; remove the `where`";
            return Err(Error::new_spanned(clause, message));
        }
        let mut reprs = item
            .attrs
            .iter()
            .filter(|attribute| attribute.path().is_ident("repr"));
        if !reprs.any(|repr| {
            ["C", "transparent"]
                .iter()
                .any(|word| has_word(repr.to_token_stream(), word))
        }) {
            let message = "`IntoBytes` is derived for types whose bytes have a known order: write `#[repr(C)]`";
            return Err(Error::new_spanned(&item.ident, message));
        }
    }
    let fields = data.fields.iter().enumerate().map(|(number, field)| {
        let member = match &field.ident {
            Some(name) => name.to_token_stream(),
            None => Literal::usize_unsuffixed(number).to_token_stream(),
        };
        let of = &field.ty;
        quote!(#member: #of)
    });
    let (root, ident, lists) = (safe_layer(), &item.ident, lists(&item.generics));
    let (impls, types) = (&lists.impls, &lists.types);
    let clause = item
        .generics
        .where_clause
        .as_ref()
        .map(|clause| &clause.predicates);
    let name = Ident::new(name, Span::call_site());
    Ok(quote!(#root::#name! { [#impls] [#types] [#clause] #ident { #(#fields),* } }))
}

fn has_word(tokens: TokenStream, word: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        proc_macro2::TokenTree::Ident(ident) => ident == word,
        proc_macro2::TokenTree::Group(group) => has_word(group.stream(), word),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(name: &str, text: &str) -> String {
        expand(name, text.parse().unwrap())
            .map_or_else(|error| error.to_string(), |tokens| tokens.to_string())
    }

    #[test]
    fn fields_are_handed_on() {
        let text = expanded(
            "__derive_zeroable",
            "struct S<'a, T: Bound = u8>(u8, &'a T) where T: Other;",
        );
        let expected = "__derive_zeroable ! { ['a , T : Bound] ['a , T] [T : Other] S { 0 : u8 , 1 : & 'a T } }";
        assert!(
            text.ends_with(expected) && !text.contains("unsafe"),
            "{text}"
        );
    }

    #[test]
    fn bytes_without_an_order_or_with_unknown_padding_are_refused() {
        let of = |text| expanded("__derive_into_bytes", text);
        assert!(of("struct S { a: u8 }").contains("repr(C)"));
        assert!(of("#[repr(align(8))] struct S { a: u8 }").contains("repr(C)"));
        assert!(of("#[repr(C)] struct S<T>(T);").contains("generic"));
        assert!(of("#[repr(C)] struct S(u8) where u8: Copy;").contains("no parameters"));
        assert!(of("#[repr(C)] union S { a: u8 }").contains("only for structs"));
        assert!(of("#[repr(C, packed)] struct S { a: u8 }").ends_with("S { a : u8 } }"));
    }
}
