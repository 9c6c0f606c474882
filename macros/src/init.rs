// SPDX-License-Identifier: GPL-2.0-only
//! `pin_init!` and its relatives, `#[pin_data]` and `#[pinned_drop]`: they process their input,
//! then call the macros of pin-init.
//!
//! The macros of pin-init evaluate the field shorthand `Foo { x }` inside their own `unsafe`,
//! accept packed types, and refer to `::pinned_init`. The macros here close these gaps:
//!
//! - The shorthand becomes `x: x`, which pin-init evaluates outside its `unsafe`.
//! - A packed type is an error.
//! - Names are looked up in the safe layer.
//!
//! This file generates no unsafe code of its own.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Error, Expr, Fields, GenericParam, Generics, Ident, ImplItem, ItemImpl, ItemStruct,
    Path, PathArguments, Result, Token, braced,
};

use crate::module::root;

/// Returns the path of the safe layer's module that holds the names used in expansions.
fn internals() -> TokenStream {
    let root = safe_layer();
    quote!(#root::__for_its_own_macros_and_unsound_by_hand)
}

/// Returns the path of the safe layer for an attribute or a derive, which gets no `$crate`. A
/// driver's dependency has this name. A driver that renames it needs
/// `extern crate NAME as linux_driver;`.
pub(crate) fn safe_layer() -> TokenStream {
    match std::env::var("CARGO_PKG_NAME").as_deref() {
        Ok("linux-driver-safe") => quote!(::linux_driver_safe),
        _ => quote!(::linux_driver),
    }
}

/// An initialiser: the contents of the parentheses of `pin_init!`, after the path of the safe layer
/// and the macro's name.
pub(crate) struct Initializer {
    root: Ident,
    name: Ident,
    /// `&this in`, if it is there.
    this: TokenStream,
    of: Path,
    fields: Vec<TokenStream>,
    /// The tokens after the braces: the error's type.
    rest: TokenStream,
}

impl Parse for Initializer {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let root = root(input)?;
        let name: Ident = input.parse()?;
        input.parse::<Token![;]>()?;
        let mut this = TokenStream::new();
        if let Some(and) = input.parse::<Option<Token![&]>>()? {
            let (variable, word): (Ident, Token![in]) = (input.parse()?, input.parse()?);
            this = quote!(#and #variable #word);
        }
        let of: Path = input.parse()?;
        let content;
        braced!(content in input);
        let mut fields = Vec::new();
        while !content.is_empty() {
            fields.push(field(&content)?);
            if content.is_empty() {
                break;
            }
            content.parse::<Token![,]>()?;
        }
        let mut rest: TokenStream = input.parse()?;
        no_block(of.to_token_stream())?;
        no_block(rest.clone())?;
        // The macros of pin-init need an error type. `root` is `$crate` of the safe layer.
        if rest.is_empty() && name.to_string().starts_with("try_") {
            rest = quote!(? #root::error::Error);
        }
        Ok(Self {
            root,
            name,
            this,
            of,
            fields,
            rest,
        })
    }
}

/// Returns an error if a type contains a block, or a macro that may expand to one. pin-init repeats
/// the type in a scope in which an item of the block could create a value that only the end of the
/// initialiser may create.
fn no_block(tokens: TokenStream) -> Result<()> {
    let mut after_word = false;
    for token in tokens {
        let wrong = match &token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => true,
            TokenTree::Group(group) => {
                no_block(group.stream())?;
                false
            }
            TokenTree::Punct(mark) => after_word && mark.as_char() == '!',
            _ => false,
        };
        if wrong {
            let message =
                "a type of an initialiser has no block and no macro in it: name it by a `type`";
            return Err(Error::new(token.span(), message));
        }
        after_word = matches!(token, TokenTree::Ident(_));
    }
    Ok(())
}

/// Attributes that are `unsafe` on a function. With `no_mangle`, for example, the function can
/// replace another one.
const UNSAFE: [&str; 6] = [
    "export_name",
    "link_section",
    "naked",
    "no_mangle",
    "target_feature",
    "unsafe",
];

/// Returns an error if there are `unsafe` attributes, under `cfg_attr` too. The macros of pin-init
/// repeat the attributes on functions, where the compiler accepts them without the driver's
/// `unsafe`.
fn no_unsafe<'a>(attributes: impl IntoIterator<Item = &'a Attribute>) -> Result<()> {
    for attribute in attributes {
        if let Some(word) = unsafe_word(attribute.meta.to_token_stream()) {
            let message = format!(
                "the attribute `{word}` would be repeated on a function, where it is `unsafe`: remove it"
            );
            return Err(Error::new(word.span(), message));
        }
    }
    Ok(())
}

fn unsafe_word(tokens: TokenStream) -> Option<Ident> {
    let mut found = None;
    for token in tokens {
        match token {
            TokenTree::Ident(word) if UNSAFE.iter().any(|name| word.unraw() == name) => {
                found = Some(word)
            }
            TokenTree::Group(group) => found = unsafe_word(group.stream()).or(found),
            _ => {}
        }
    }
    found
}

/// Parses one field's initialiser, and expands its shorthand.
fn field(input: ParseStream<'_>) -> Result<TokenStream> {
    if input.peek(Token![..]) {
        // `..Zeroable::init_zeroed()`, which comes last.
        return input.parse();
    }
    let name: Ident = input.parse()?;
    if let Some(arrow) = input.parse::<Option<Token![<-]>>()? {
        let value: Expr = input.parse()?;
        return Ok(quote!(#name #arrow #value));
    }
    if let Some(colon) = input.parse::<Option<Token![:]>>()? {
        let value: Expr = input.parse()?;
        return Ok(quote!(#name #colon #value));
    }
    Ok(quote!(#name: #name))
}

impl Initializer {
    pub(crate) fn expand(&self) -> TokenStream {
        let Self {
            root,
            name,
            this,
            of,
            fields,
            rest,
        } = self;
        let Some(Shape {
            import,
            plain,
            has_arguments,
        }) = Shape::of(of)
        else {
            return Error::new_spanned(of, "an initialiser begins with the name of a struct")
                .into_compile_error();
        };
        let made = quote! {
            #root::__for_its_own_macros_and_unsound_by_hand::#name! { #this #plain { #(#fields),* } #rest }
        };
        // Only the type has the arguments: pin-init takes a plain name.
        let made = if has_arguments {
            quote!(#root::init::__of::<#of, _, _>(#made))
        } else {
            made
        };
        quote! {{
            #root::__core_is_core! {}
            #import
            #made
        }}
    }
}

/// The name by which pin-init's macros refer to the struct.
struct Shape {
    /// An import that gives the struct a plain name, if the driver wrote a longer path.
    import: Option<TokenStream>,
    plain: Ident,
    has_arguments: bool,
}

impl Shape {
    fn of(path: &Path) -> Option<Self> {
        let last = path.segments.last()?;
        let has_arguments = path
            .segments
            .iter()
            .any(|segment| !segment.arguments.is_empty());
        if path.segments.len() == 1 && path.leading_colon.is_none() {
            return Some(Self {
                import: None,
                plain: last.ident.clone(),
                has_arguments,
            });
        }
        let mut plain = path.clone();
        for segment in &mut plain.segments {
            segment.arguments = PathArguments::None;
        }
        Some(Self {
            import: Some(quote!(use #plain as LinuxDriverOf;)),
            plain: Ident::new("LinuxDriverOf", Span::call_site()),
            has_arguments,
        })
    }
}

const STRUCT: &str = "`#[pin_data]` belongs before a struct with named fields";

const PACKED: &str = "a packed type cannot be pinned: the compiler moves each of its fields before it drops the field";

pub(crate) fn pin_data(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let item: ItemStruct = syn::parse2(item)
        .map_err(|error| Error::new(error.span(), format!("{STRUCT}: {error}")))?;
    let Fields::Named(fields) = &item.fields else {
        return Err(Error::new_spanned(&item.ident, STRUCT));
    };
    if !arguments.is_empty() && arguments.to_string() != "PinnedDrop" {
        let message = "the only argument of `#[pin_data]` is `PinnedDrop`, for a type with `#[pinned_drop] impl PinnedDrop`";
        return Err(Error::new_spanned(arguments, message));
    }
    for attribute in item
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("repr"))
    {
        if attribute.to_token_stream().to_string().contains("packed") {
            return Err(Error::new_spanned(attribute, PACKED));
        }
    }
    no_unsafe(fields.named.iter().flat_map(|field| &field.attrs))?;
    let ItemStruct {
        attrs,
        vis,
        ident,
        generics,
        ..
    } = &item;
    let Lists {
        impls,
        types,
        declared,
    } = lists(generics);
    // The fields are declared in other types too, where `Self` would be a different type.
    let itself = if types.is_empty() {
        quote!(#ident)
    } else {
        quote!(#ident::<#types>)
    };
    let body = named(fields.to_token_stream(), &itself)?;
    let impls = named(impls, &itself)?;
    let declared = named(declared, &itself)?;
    let clause = named(generics.where_clause.to_token_stream(), &itself)?;
    // Only the compiler sees a `repr` that a `cfg_attr` adds. This code takes a reference to each
    // field, which is an error for a packed type.
    let checks = fields.named.iter().map(|field| {
        let cfgs = field
            .attrs
            .iter()
            .filter(|attribute| attribute.path().is_ident("cfg"));
        let name = &field.ident;
        quote!(#(#cfgs)* let _ = &value.#name;)
    });
    // A field that must stay in place but is not `#[pin]` could not be initialised. The error names
    // the field. It is not known here which type a parameter is.
    let parameters: Vec<String> = generics.params.iter().map(parameter).collect();
    let movable = fields.named.iter().filter(|field| {
        let pinned = field
            .attrs
            .iter()
            .any(|attribute| attribute.path().is_ident("pin"));
        !pinned && !mentions(field.ty.to_token_stream(), &parameters)
    });
    let movable = movable.map(|field| {
        let cfgs = field
            .attrs
            .iter()
            .filter(|attribute| attribute.path().is_ident("cfg"));
        let (name, of) = (&field.ident, &field.ty);
        let root = safe_layer();
        quote!(#(#cfgs)* #root::__may_move! { #name: #of })
    });
    let root = safe_layer();
    Ok(quote! {
        #(#movable)*

        #root::__pin_data_unsound_by_hand! {
            parse_input:
            @args(#arguments),
            @sig(#(#attrs)* #vis struct #ident #clause),
            @impl_generics(#impls),
            @ty_generics(#types),
            @decl_generics(#declared),
            @body(#body),
        }

        const _: () = {
            #[allow(dead_code, clippy::all, reason = "only the compiler looks at it")]
            fn a_packed_type_cannot_be_pinned<#impls>(value: &#ident<#types>) #clause {
                #(#checks)*
            }
        };
    })
}

/// Generics in the form that pin-init's macros take: without `<` and `>`.
pub(crate) struct Lists {
    /// The parameters of an `impl`: with bounds, without defaults.
    pub(crate) impls: TokenStream,
    /// The arguments of the type: names only.
    pub(crate) types: TokenStream,
    /// The parameters of the declaration.
    declared: TokenStream,
}

pub(crate) fn lists(generics: &Generics) -> Lists {
    let impls = generics.params.iter().cloned().map(|mut param| {
        match &mut param {
            GenericParam::Type(param) => {
                param.eq_token = None;
                param.default = None;
            }
            GenericParam::Const(param) => {
                param.eq_token = None;
                param.default = None;
            }
            GenericParam::Lifetime(_) => {}
        }
        param
    });
    let types = generics.params.iter().map(|param| match param {
        GenericParam::Type(param) => param.ident.to_token_stream(),
        GenericParam::Const(param) => param.ident.to_token_stream(),
        GenericParam::Lifetime(param) => param.lifetime.to_token_stream(),
    });
    let (types, declared) = (types.collect::<Vec<_>>(), generics.params.iter());
    Lists {
        impls: quote!(#(#impls),*),
        types: quote!(#(#types),*),
        declared: quote!(#(#declared),*),
    }
}

fn parameter(param: &GenericParam) -> String {
    match param {
        GenericParam::Type(param) => param.ident.to_string(),
        GenericParam::Const(param) => param.ident.to_string(),
        GenericParam::Lifetime(param) => param.lifetime.ident.to_string(),
    }
}

/// Returns `true` if one of these words, or `Self`, is among the tokens.
fn mentions(tokens: TokenStream, words: &[String]) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "Self" || words.iter().any(|word| ident == word),
        TokenTree::Group(group) => mentions(group.stream(), words),
        _ => false,
    })
}

/// Replaces `Self` by the type's name. Returns an error if the tokens define a type themselves.
fn named(tokens: TokenStream, itself: &TokenStream) -> Result<TokenStream> {
    let mut named = TokenStream::new();
    for token in tokens {
        match token {
            TokenTree::Ident(word) if word == "Self" => named.extend(itself.clone()),
            TokenTree::Ident(word)
                if ["enum", "trait", "struct", "union", "impl"]
                    .iter()
                    .any(|item| word == item) =>
            {
                return Err(Error::new(
                    word.span(),
                    format!("`{word}` cannot be used inside a struct with `#[pin_data]`"),
                ));
            }
            TokenTree::Group(group) => {
                let mut changed =
                    Group::new(group.delimiter(), self::named(group.stream(), itself)?);
                changed.set_span(group.span());
                named.extend([TokenTree::Group(changed)]);
            }
            token => named.extend([token]),
        }
    }
    Ok(named)
}

const PINNED_DROP: &str = "`#[pinned_drop]` belongs before `impl PinnedDrop for …` with one function, `fn drop(self: Pin<&mut Self>)`";

pub(crate) fn pinned_drop(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(
            arguments,
            "`#[pinned_drop]` takes no arguments",
        ));
    }
    let item: ItemImpl = syn::parse2(item)
        .map_err(|error| Error::new(error.span(), format!("{PINNED_DROP}: {error}")))?;
    let named = item
        .trait_
        .as_ref()
        .is_some_and(|(not, path, _)| not.is_none() && path.is_ident("PinnedDrop"));
    let [ImplItem::Fn(function)] = item.items.as_slice() else {
        return Err(Error::new_spanned(&item.self_ty, PINNED_DROP));
    };
    let plain = item.unsafety.is_none()
        && function.sig.unsafety.is_none()
        && function.sig.asyncness.is_none();
    if !named || !plain || function.sig.ident != "drop" {
        return Err(Error::new_spanned(&item.self_ty, PINNED_DROP));
    }
    no_unsafe(item.attrs.iter().chain(&function.attrs))?;
    let ItemImpl {
        attrs,
        generics,
        self_ty,
        ..
    } = &item;
    let (impls, _, clause) = generics.split_for_impl();
    let inputs: Punctuated<_, Token![,]> = function.sig.inputs.iter().collect();
    let (of_function, block): (&[Attribute], _) = (&function.attrs, &function.block);
    let internals = internals();
    Ok(quote! {
        #internals::__pinned_drop! {
            @impl_sig(impl #impls #internals::PinnedDrop for #self_ty #clause),
            @impl_body(#(#attrs)* #(#of_function)* fn drop(#inputs) #block),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn initializer(text: &str) -> String {
        called("pin_init", text)
    }

    fn called(name: &str, text: &str) -> String {
        let initializer = syn::parse_str::<Initializer>(&format!("root {name}; {text}"));
        initializer.map_or_else(
            |error| error.to_string(),
            |parsed| parsed.expand().to_string(),
        )
    }

    fn data(arguments: &str, text: &str) -> String {
        pin_data(arguments.parse().unwrap(), text.parse().unwrap())
            .map_or_else(|error| error.to_string(), |tokens| tokens.to_string())
    }

    fn dropped(text: &str) -> String {
        pinned_drop(TokenStream::new(), text.parse().unwrap())
            .map_or_else(|error| error.to_string(), |tokens| tokens.to_string())
    }

    #[test]
    fn the_shorthand_of_a_field_is_written_out() {
        let text = initializer("Foo { a, b: f::<A, B>(1, 2), c <- g(|x| { a; b }), a }");
        assert!(
            text.ends_with(
                "pin_init ! { Foo { a : a , b : f :: < A , B > (1 , 2) , c <- g (| x | { a ; b }) , a : a } } }"
            ),
            "{text}"
        );
    }

    #[test]
    fn all_forms_of_an_initialiser_are_taken() {
        for (written, expanded) in [
            (
                "&this in Foo { a }",
                "pin_init ! { & this in Foo { a : a } } }",
            ),
            (
                "Foo::<A, 3> { a: 1, } ? Error",
                "root :: init :: __of :: < Foo :: < A , 3 > , _ , _ > (root :: __for_its_own_macros_and_unsound_by_hand :: pin_init ! { Foo { a : 1 } ? Error }) }",
            ),
            (
                "inner::Foo { a }",
                "{ } use inner :: Foo as LinuxDriverOf ; root :: __for_its_own_macros_and_unsound_by_hand :: pin_init ! { LinuxDriverOf { a : a } } }",
            ),
            (
                "Self { a, ..Zeroable::init_zeroed() }",
                "pin_init ! { Self { a : a , .. Zeroable :: init_zeroed () } } }",
            ),
            ("Foo {}", "pin_init ! { Foo { } } }"),
        ] {
            let text = initializer(written);
            assert!(text.ends_with(expanded), "{text}");
        }
    }

    #[test]
    fn the_error_is_ours_unless_another_is_named() {
        for name in ["try_init", "try_pin_init"] {
            let ours = called(name, "Foo { a }");
            let end = format!("{name} ! {{ Foo {{ a : a }} ? root :: error :: Error }} }}");
            assert!(ours.ends_with(&end), "{ours}");
            let another = called(name, "Foo { a } ? Other");
            assert!(another.ends_with("? Other } }"), "{another}");
        }
        let none = called("init", "Foo { a }");
        assert!(none.ends_with("init ! { Foo { a : a } } }"), "{none}");
    }

    #[test]
    fn a_type_has_no_block() {
        for text in [
            "Foo::<[u8; { 1 }]> { a }",
            "Foo { a } ? E<{ 1 }>",
            "Foo { a } ? [u8; (m!(),)]",
        ] {
            assert!(
                initializer(text).contains("no block and no macro"),
                "{text}"
            );
        }
        assert!(!initializer("Foo { a: { m!() } } ? fn() -> !").contains("no block"));
    }

    #[test]
    fn unsafe_attributes_are_not_handed_on() {
        for attribute in [
            "unsafe(no_mangle)",
            "export_name = \"kfree\"",
            "cfg_attr(all(), unsafe(export_name = \"kfree\"))",
            "r#no_mangle",
        ] {
            let field = data("", &format!("struct Foo {{ #[{attribute}] a: u8 }}"));
            let function = dropped(&format!(
                "impl PinnedDrop for Foo {{ #[{attribute}] fn drop(self: Pin<&mut Self>) {{}} }}"
            ));
            assert!(
                field.contains("is `unsafe`") && function.contains("is `unsafe`"),
                "{field} {function}"
            );
        }
        let text = data(
            "",
            "struct Foo { #[cfg_attr(all(), doc = \"unsafe\")] a: u8 }",
        );
        assert!(!text.contains("is `unsafe`"), "{text}");
    }

    #[test]
    fn only_the_compilers_own_paths_are_accepted() {
        let error = syn::parse_str::<Initializer>("other pin_init; Foo {}")
            .err()
            .unwrap();
        assert!(error.to_string().contains("`$crate`"), "{error}");
    }

    #[test]
    fn a_packed_type_is_refused() {
        for repr in ["repr(packed)", "repr(C, packed(2))"] {
            assert_eq!(
                data("", &format!("#[{repr}] struct Foo {{ a: u8 }}")),
                PACKED
            );
        }
        // Only the compiler sees this `repr`. The references to the fields make it refuse the type.
        let text = data(
            "",
            "#[cfg_attr(all(), repr(packed))] struct Foo<T: Bar = u8> { #[cfg(x)] a: T, #[pin] b: Self }",
        );
        assert!(
            text.contains("# [cfg (x)] let _ = & value . a ; let _ = & value . b ;"),
            "{text}"
        );
        assert!(
            text.contains(
                "@ impl_generics (T : Bar) , @ ty_generics (T) , @ decl_generics (T : Bar = u8)"
            ),
            "{text}"
        );
        assert!(text.contains("b : Foo :: < T >"), "{text}");
    }

    #[test]
    fn a_field_that_is_not_pinned_has_to_be_movable() {
        let text = data(
            "",
            "struct Foo<'a, T> { #[cfg(x)] a: Bar, #[pin] b: Bar, c: Baz<T>, d: &'a u8, e: KBox<Self> }",
        );
        assert_eq!(text.matches("__may_move").count(), 1, "{text}");
        assert!(
            text.contains("# [cfg (x)]") && text.contains("__may_move ! { a : Bar }"),
            "{text}"
        );
    }

    #[test]
    fn nothing_in_the_expansions_is_unsafe() {
        let all = [
            initializer("Foo { a }"),
            data("PinnedDrop", "struct Foo { a: u8 }"),
            dropped("impl PinnedDrop for Foo { fn drop(self: Pin<&mut Self>) {} }"),
        ];
        for text in all {
            assert!(
                text.contains("unsound_by_hand") && !text.contains("unsafe"),
                "{text}"
            );
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["enum Foo {}", "struct Foo(u8);", "fn f() {}"] {
            assert!(data("", text).contains(STRUCT), "{text}");
        }
        assert!(data("Drop", "struct Foo {}").contains("the only argument"));
        assert!(
            data("", "struct Foo { a: [u8; { struct A; 1 }] }").contains("cannot be used inside")
        );
        for text in [
            "impl Drop for Foo { fn drop(self: Pin<&mut Self>) {} }",
            "impl Foo { fn drop(self: Pin<&mut Self>) {} }",
            "unsafe impl PinnedDrop for Foo { fn drop(self: Pin<&mut Self>) {} }",
            "impl PinnedDrop for Foo { unsafe fn drop(self: Pin<&mut Self>) {} }",
            "impl PinnedDrop for Foo { fn drop(self: Pin<&mut Self>) {} fn other() {} }",
            "impl PinnedDrop for Foo { fn other(self: Pin<&mut Self>) {} }",
        ] {
            assert!(dropped(text).contains(PINNED_DROP), "{text}");
        }
    }
}
