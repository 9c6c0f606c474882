// SPDX-License-Identifier: GPL-2.0-only
//! `pr_info!`, `dev_info!` and similar macros: they turn a format string into a call of the runtime
//! in `safe/src/print/`.
//!
//! The types of the arguments are not known here. Known are the text, what each placeholder asks
//! for, and the C format for it if the argument is an integer. The runtime in `safe` does the rest,
//! and contains everything that is unsafe.

use proc_macro2::{Ident, Literal, Span, TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Error, Expr, LitStr, Result, Token};

use crate::format::{self, Align, Count, Piece, Placeholder, Which};

/// The maximum number of placeholders in a message. `safe/src/print/call.rs` has a call for each
/// number up to this one.
const PLACEHOLDERS_MAX: usize = 16;

/// Expands `$crate, WHERE, "format", arguments`, where WHERE is `pr LEVEL`, `cont`,
/// `dev LEVEL, DEVICE` or `emit PAGE`.
pub(crate) fn expand(input: TokenStream) -> Result<TokenStream> {
    syn::parse2::<Message>(input)?.expand()
}

/// The destination of a message.
enum Sink {
    /// A line of the log, from the driver.
    Driver { level: Ident },
    /// A continuation of the current line.
    Continue,
    /// A line of the log, about a device.
    Device { level: Ident, device: Expr },
    /// A page of sysfs: text that an attribute shows.
    Page { page: Expr },
}

/// An argument after the format string, or a variable that it names.
struct Argument {
    name: Option<String>,
    value: TokenStream,
    span: Span,
    used: bool,
}

/// A call of one of the log macros.
struct Message {
    /// `$crate` of the macro, from which the expansion reaches the runtime.
    safe: TokenTree,
    sink: Sink,
    format: LitStr,
    arguments: Vec<Argument>,
    /// Set if the message ends with `..`, so that `pr_cont!` can continue the line.
    is_open: bool,
}

impl Parse for Message {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let safe = input.parse()?;
        input.parse::<Token![,]>()?;
        let sink = input.call(Ident::parse_any)?;
        let sink = match sink.to_string().as_str() {
            "pr" => Sink::Driver {
                level: input.parse()?,
            },
            "dev" => {
                let level = input.parse()?;
                input.parse::<Token![,]>()?;
                Sink::Device {
                    level,
                    device: input.parse()?,
                }
            }
            "emit" => Sink::Page {
                page: input.parse()?,
            },
            _ => Sink::Continue,
        };
        input.parse::<Token![,]>()?;
        let format = input
            .parse::<LitStr>()
            .map_err(|e| Error::new(e.span(), "expected a format string, as a literal"))?;
        let mut arguments = Vec::<Argument>::new();
        let mut is_open = false;
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let rest = input.fork();
            if rest.parse::<Token![..]>().is_ok() && rest.is_empty() {
                let dots: Token![..] = input.parse()?;
                if matches!(sink, Sink::Continue | Sink::Page { .. }) {
                    return Err(Error::new(
                        dots.span(),
                        "this adds no newline: there is nothing to leave open",
                    ));
                }
                is_open = true;
                break;
            }
            let named = input.peek(syn::Ident::peek_any)
                && input.peek2(Token![=])
                && !input.peek2(Token![==]);
            let name = if named {
                let name = input.call(Ident::parse_any)?;
                input.parse::<Token![=]>()?;
                if arguments
                    .iter()
                    .any(|other| other.name.as_deref() == Some(&name.to_string()))
                {
                    return Err(Error::new(
                        name.span(),
                        format!("there are two arguments named `{name}`"),
                    ));
                }
                Some(name.to_string())
            } else {
                None
            };
            let value: Expr = input.parse()?;
            if name.is_none() && arguments.iter().any(|other| other.name.is_some()) {
                return Err(Error::new(
                    value.span(),
                    "an argument without a name can't follow one with a name",
                ));
            }
            arguments.push(Argument {
                name,
                span: inner(&value).span(),
                value: quote!(#value),
                used: false,
            });
        }
        Ok(Self {
            safe,
            sink,
            format,
            arguments,
            is_open,
        })
    }
}

impl Message {
    fn expand(mut self) -> Result<TokenStream> {
        let mut text = self.format.value();
        if self.is_open {
            if text.ends_with('\n') {
                return Err(self.error("the newline ends the line that `..` would leave open"));
            }
        } else if !matches!(self.sink, Sink::Continue | Sink::Page { .. }) && !text.ends_with('\n')
        {
            text.push('\n');
        }
        let pieces = format::parse(&text).map_err(|problem| self.error(problem))?;
        if pieces
            .iter()
            .filter(|piece| matches!(piece, Piece::Placeholder(_)))
            .count()
            > PLACEHOLDERS_MAX
        {
            return Err(self.error(format!(
                "at most {PLACEHOLDERS_MAX} placeholders in a message: split it"
            )));
        }

        let safe = self.safe.clone();
        let print = quote!(#safe::print::expansion);
        let (mut parts, mut items, mut arguments) = (Vec::new(), Vec::new(), Vec::new());
        match &self.sink {
            Sink::Driver { level } => {
                parts.push(quote!(#print::Piece::Level(#print::Level::#level)));
                parts.push(quote!(#print::Piece::Text(#print::core::env!("CARGO_CRATE_NAME"))));
                parts.push(quote!(#print::Piece::Text(": ")));
            }
            Sink::Continue => parts.push(quote!(#print::Piece::Continue)),
            Sink::Device { .. } | Sink::Page { .. } => {}
        }
        let mut next = 0;
        for piece in &pieces {
            match piece {
                Piece::Text(text) => parts.push(quote!(#print::Piece::Text(#text))),
                Piece::Placeholder(placeholder) => {
                    let filler = self.filler(placeholder, &mut next)?;
                    let flags = filler.way.c_flags();
                    parts.push(quote!(#print::Piece::Arg(#flags)));
                    let (item, argument) = filler.expand(&print, items.len(), self.format.span());
                    items.push(item);
                    arguments.push(argument);
                }
            }
        }
        if let Some(unused) = self.arguments.iter().find(|argument| !argument.used) {
            return Err(Error::new(
                unused.span,
                "the format string does not use this argument",
            ));
        }
        Ok(self.call(&print, &parts, &items, &arguments))
    }

    /// Puts the expansion together. Arguments are evaluated outside the block that contains the
    /// expansion's own names.
    fn call(
        &self,
        print: &TokenStream,
        parts: &[TokenStream],
        items: &[TokenStream],
        arguments: &[TokenStream],
    ) -> TokenStream {
        let list = arguments
            .iter()
            .rev()
            .fold(quote!(()), |rest, argument| quote!((#argument, #rest)));
        let sizes = quote!({ SIZES[0] }, { SIZES[1] }, { SIZES[2] }, { SIZES[3] });
        let mut names: Vec<_> = (0..self.arguments.len())
            .map(|at| binding(at, Span::call_site()))
            .collect();
        let mut values: Vec<_> = self
            .arguments
            .iter()
            .map(|it| reference(&it.value, it.span))
            .collect();
        let log = match &self.sink {
            Sink::Driver { .. } | Sink::Continue => {
                quote!(#print::printk::<Line, _, #sizes>(#list))
            }
            Sink::Page { page } => {
                let span = Span::mixed_site().located_at(inner(page).span());
                let name = Ident::new("page", span);
                names.push(name.clone());
                values.push(quote_spanned!(span=> &mut *#page));
                quote!(#print::sysfs_emit::<Line, _, #sizes>(#name, #list))
            }
            Sink::Device { level, device } => {
                // The device's own span, for the error that the value is not a device.
                let span = Span::mixed_site().located_at(inner(device).span());
                let name = Ident::new("device", span);
                names.push(name.clone());
                values.push(reference(&quote!(#device), span));
                let device = quote_spanned!(span=> #print::tag::<(), _>(#name).device());
                quote!(#print::dev_printk::<Line, _, _, #sizes>(#print::Level::#level, #device, #list))
            }
        };
        let imports = (!arguments.is_empty()).then(|| {
            quote! {
                #[allow(unused_imports, reason = "which of them is used depends on the arguments' types")]
                use #print::{ByCore as _, ByKernel as _};
            }
        });
        let body = quote! {{
            #imports
            enum Line {}
            impl #print::Line for Line {
                const PIECES: &'static [#print::Piece] = &[#(#parts),*];
            }
            const SIZES: [usize; 4] = #print::sizes(<Line as #print::Line>::PIECES);
            #(#items)*
            #log
        }};
        if names.is_empty() {
            return body;
        }
        quote!(match (#(#values,)*) { (#(#names,)*) => #body })
    }

    /// Returns the filler of a placeholder: how it is filled and which arguments it uses.
    fn filler(&mut self, placeholder: &Placeholder, next: &mut usize) -> Result<Filler> {
        let way = Way::of(placeholder).map_err(|problem| self.error(problem))?;
        // This is the order in which core::fmt takes arguments: `.*` comes before the value.
        let precision = self.count(placeholder.precision.as_ref(), next)?;
        let value = self.find(&placeholder.which, next)?;
        let width = self.count(placeholder.width.as_ref(), next)?;
        let span = self.arguments[value].span;
        Ok(Filler {
            placeholder: placeholder.clone(),
            way,
            value,
            width,
            precision,
            span,
        })
    }

    /// Returns the index of the argument that is a width or a precision, if one is.
    fn count(&mut self, count: Option<&Count>, next: &mut usize) -> Result<Option<usize>> {
        match count {
            Some(Count::Argument(which)) => self.find(which, next).map(Some),
            Some(Count::Is(_)) | None => Ok(None),
        }
    }

    /// Returns the index of an argument.
    fn find(&mut self, which: &Which, next: &mut usize) -> Result<usize> {
        let index = match which {
            Which::Next => self.positional(std::mem::replace(next, *next + 1))?,
            Which::At(index) => self.positional(*index)?,
            Which::Named(name) => self.named(name)?,
        };
        self.arguments[index].used = true;
        Ok(index)
    }

    /// Returns the index, or an error if there are too few arguments without a name.
    fn positional(&self, index: usize) -> Result<usize> {
        let given = self
            .arguments
            .iter()
            .filter(|argument| argument.name.is_none())
            .count();
        if index < given {
            return Ok(index);
        }
        let given = match given {
            0 => "there are none".into(),
            1 => "there is one".into(),
            n => format!("there are {n}"),
        };
        let (needed, plural) = (index.saturating_add(1), if index == 0 { "" } else { "s" });
        Err(self.error(format!(
            "the format string uses {needed} argument{plural} without a name, {given}"
        )))
    }

    /// Returns the index of the argument of this name. A name that no argument has is a variable.
    fn named(&mut self, name: &str) -> Result<usize> {
        if let Some(index) = self
            .arguments
            .iter()
            .position(|argument| argument.name.as_deref() == Some(name))
        {
            return Ok(index);
        }
        // The literal's span: the name is looked up where the literal is written.
        let span = self.format.span();
        syn::parse::Parser::parse_str(Ident::parse_any, name)
            .map_err(|_| self.error(format!("`{name}` is not a name")))?;
        let variable = Ident::new(name, span);
        self.arguments.push(Argument {
            name: Some(name.into()),
            value: quote!(#variable),
            span,
            used: true,
        });
        Ok(self.arguments.len() - 1)
    }

    fn error(&self, problem: impl std::fmt::Display) -> Error {
        Error::new(self.format.span(), problem)
    }
}

/// The way a placeholder is filled.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    /// One of the runtime's kinds, without options.
    Plain { kind: &'static str },
    /// A kernel format, for the types that have one. Integers use these C flags and this width.
    Kernel { kind: &'static str, flags: String },
    /// Formatting by core::fmt only.
    Core,
    /// The formatting of an address.
    Pointer,
}

impl Way {
    fn of(placeholder: &Placeholder) -> std::result::Result<Self, String> {
        let plain = Placeholder {
            which: Which::Next,
            kind: "",
            ..placeholder.clone()
        } == Placeholder::default();
        if placeholder.kind == "p" {
            return if plain {
                Ok(Self::Pointer)
            } else {
                Err("`{:p}` takes no options: the kernel hashes an address and prints it in a width of its own".into())
            };
        }
        let kind = match (placeholder.kind, placeholder.alternate) {
            ("", _) if plain => "Display",
            ("", _) => "Padded",
            ("?", _) if plain => "Debug",
            ("x", _) => "LowerHex",
            // C would write 0X and 0, Rust writes 0x and 0o.
            ("X", false) => "UpperHex",
            ("o", false) => "Octal",
            _ => return Ok(Self::Core),
        };
        if plain {
            return Ok(Self::Plain { kind });
        }
        let fixed = |count: &Option<Count>| !matches!(count, Some(Count::Argument(_)));
        // C's vsnprintf fills with spaces only and on one side only, and has no plus for unsigned
        // numbers.
        let kernel = !placeholder.plus
            && fixed(&placeholder.width)
            && fixed(&placeholder.precision)
            && placeholder.fill.is_none_or(|fill| fill == ' ')
            && placeholder.align != Some(Align::Centre);
        if !kernel {
            return Ok(Self::Core);
        }
        let mut flags = String::new();
        if placeholder.alternate && kind == "LowerHex" {
            flags.push('#');
        }
        // For integers, Rust's `0` overrides an alignment, but C's `-` overrides `0`.
        if placeholder.zero {
            flags.push('0');
        } else if placeholder.align == Some(Align::Left) {
            flags.push('-');
        }
        if let Some(Count::Is(width @ 1..)) = placeholder.width {
            flags += &width.to_string();
        }
        Ok(Self::Kernel { kind, flags })
    }

    /// Returns the C flags and width, for an integer.
    fn c_flags(&self) -> &str {
        match self {
            Self::Kernel { flags, .. } => flags,
            Self::Plain { .. } | Self::Core | Self::Pointer => "",
        }
    }
}

/// A placeholder with its arguments.
struct Filler {
    placeholder: Placeholder,
    way: Way,
    /// The index of the argument that it prints.
    value: usize,
    /// The index of the argument that is its width, if one is. `precision` is the same for the
    /// precision.
    width: Option<usize>,
    precision: Option<usize>,
    /// The span of the argument.
    span: Span,
}

impl Filler {
    /// Returns the items that the filler needs, and the argument that it produces.
    fn expand(
        &self,
        print: &TokenStream,
        number: usize,
        format: Span,
    ) -> (TokenStream, TokenStream) {
        let value = binding(self.value, self.span);
        let slot = quote!(&mut #print::core::default::Default::default());
        match &self.way {
            Way::Plain { kind } => {
                let kind = Ident::new(kind, Span::mixed_site());
                (
                    TokenStream::new(),
                    self.tagged(print, &quote!(#print::#kind)),
                )
            }
            Way::Kernel { kind, .. } => {
                let spec = format_ident!("Spec{number}", span = Span::mixed_site());
                (
                    self.spec(print, &spec, kind),
                    self.tagged(print, &quote!(#spec)),
                )
            }
            Way::Core => {
                let (text, counts) = self.format_args(print, &value.to_string(), format);
                (
                    TokenStream::new(),
                    quote!(#print::formatted(#print::core::format_args!(#text #counts), #slot)),
                )
            }
            Way::Pointer => (
                TokenStream::new(),
                quote_spanned!(value.span()=> #print::tag::<(), _>(#value).pointer()),
            ),
        }
    }

    /// Returns the argument in the form that its type provides.
    fn tagged(&self, print: &TokenStream, spec: &TokenStream) -> TokenStream {
        let value = binding(self.value, self.span);
        // The argument's span, for the error that the type cannot be printed in this way.
        quote_spanned! {Span::mixed_site().located_at(self.span)=>
            (&#print::tag::<#spec, _>(#value)).arg(&mut #print::core::default::Default::default())
        }
    }

    /// Returns the type that represents a placeholder with options.
    fn spec(&self, print: &TokenStream, spec: &Ident, kind: &str) -> TokenStream {
        let value = Ident::new("value", Span::mixed_site());
        let (text, _) = self.format_args(print, &value.to_string(), Span::mixed_site());
        let trait_ = Ident::new(
            if kind == "Padded" { "Display" } else { kind },
            Span::mixed_site(),
        );
        let kind = Ident::new(kind, Span::mixed_site());
        let fixed = |count: &Option<Count>| match count {
            Some(Count::Is(n)) => Some(*n),
            Some(Count::Argument(_)) | None => None,
        };
        let width = fixed(&self.placeholder.width).unwrap_or(0);
        let right = self.placeholder.align == Some(Align::Right);
        let precision = match fixed(&self.placeholder.precision).map(usize::from) {
            Some(n) => quote!(#print::core::option::Option::Some(#n)),
            None => quote!(#print::core::option::Option::None),
        };
        quote! {
            enum #spec {}
            impl #print::Spec for #spec {
                type Kind = #print::#kind;
                const LAYOUT: #print::Layout = #print::Layout { width: #width, right: #right, precision: #precision };
            }
            impl<T: #print::core::fmt::#trait_ + ?#print::core::marker::Sized> #print::Format<T> for #spec {
                #[inline]
                fn format<'a>(#value: &T, slot: &'a mut #print::Buffer<{ #print::BUFFER_SIZE }>) -> #print::Str<'a> {
                    #print::formatted(#print::core::format_args!(#text), slot)
                }
            }
        }
    }

    /// Returns the placeholder for `format_args!` with a variable of this name, and the arguments
    /// for its counts.
    fn format_args(&self, print: &TokenStream, value: &str, span: Span) -> (Literal, TokenStream) {
        let Placeholder {
            fill,
            align,
            plus,
            alternate,
            zero,
            kind,
            ..
        } = &self.placeholder;
        let mut text = format!("{{{value}:");
        text.extend(fill);
        text += match align {
            Some(Align::Left) => "<",
            Some(Align::Centre) => "^",
            Some(Align::Right) => ">",
            None => "",
        };
        text += if *plus { "+" } else { "" };
        text += if *alternate { "#" } else { "" };
        text += if *zero { "0" } else { "" };
        let mut counts = TokenStream::new();
        for (before, name, argument, count) in [
            ("", "width", self.width, &self.placeholder.width),
            (
                ".",
                "precision",
                self.precision,
                &self.placeholder.precision,
            ),
        ] {
            if let Some(Count::Is(n)) = count {
                text += &format!("{before}{n}");
            } else if let Some(argument) = argument {
                text += &format!("{before}{name}$");
                let (name, argument) = (
                    Ident::new(name, Span::mixed_site()),
                    binding(argument, span),
                );
                // The type is written out, so that an error names it and points at the format
                // string.
                counts.extend(
                    quote_spanned!(argument.span()=> , #name = *#print::core::convert::identity::<&usize>(#argument)),
                );
            }
        }
        text += kind;
        text.push('}');
        let mut text = Literal::string(&text);
        text.set_span(Span::mixed_site().located_at(span));
        (text, counts)
    }
}

/// Removes the invisible group around an expression. The group's span would be that of the macro
/// that passed the expression on.
fn inner(mut expr: &Expr) -> &Expr {
    while let Expr::Group(group) = expr {
        expr = &group.expr;
    }
    expr
}

/// Returns the variable that an argument is bound to. The driver cannot name it, and its span is
/// the argument's.
fn binding(argument: usize, span: Span) -> Ident {
    Ident::new(
        &format!("argument{argument}"),
        Span::mixed_site().located_at(span),
    )
}

/// Returns a reference to the value of an expression.
fn reference(value: &TokenStream, span: Span) -> TokenStream {
    quote_spanned!(Span::mixed_site().located_at(span)=> &(#value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(input: &str) -> std::result::Result<String, String> {
        let input = format!("krate, {input}").parse::<TokenStream>().unwrap();
        // A token stream is printed with spaces, which are removed here.
        let squeezed = |tokens: TokenStream| tokens.to_string().replace(char::is_whitespace, "");
        expand(input).map(squeezed).map_err(|e| e.to_string())
    }

    fn way(text: &str) -> Way {
        match format::parse(text).unwrap().as_slice() {
            [Piece::Placeholder(placeholder)] => Way::of(placeholder).unwrap(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn plain_placeholders_have_no_options() {
        for (text, kind) in [("{}", "Display"), ("{x}", "Display"), ("{:?}", "Debug")] {
            assert_eq!(way(text), Way::Plain { kind }, "{text}");
        }
        for (text, kind) in [
            ("{:x}", "LowerHex"),
            ("{:X}", "UpperHex"),
            ("{:o}", "Octal"),
        ] {
            assert_eq!(way(text), Way::Plain { kind }, "{text}");
        }
        assert_eq!(way("{:p}"), Way::Pointer);
    }

    #[test]
    fn options_that_c_has_become_its_flags() {
        for (text, kind, flags) in [
            ("{:5}", "Padded", "5"),
            ("{:<5}", "Padded", "-5"),
            ("{:>5}", "Padded", "5"),
            ("{: >5}", "Padded", "5"),
            ("{:05}", "Padded", "05"),
            ("{:<05}", "Padded", "05"),
            ("{:-5}", "Padded", "5"),
            ("{:0}", "Padded", "0"),
            ("{:.3}", "Padded", ""),
            ("{:8.3}", "Padded", "8"),
            ("{:#}", "Padded", ""),
            ("{:#x}", "LowerHex", "#"),
            ("{:#010x}", "LowerHex", "#010"),
            ("{:<#8x}", "LowerHex", "#-8"),
            ("{:04X}", "UpperHex", "04"),
            ("{:3o}", "Octal", "3"),
        ] {
            assert_eq!(
                way(text),
                Way::Kernel {
                    kind,
                    flags: flags.into()
                },
                "{text}"
            );
        }
    }

    #[test]
    fn options_that_c_lacks_are_left_to_core_fmt() {
        for text in [
            "{:^5}", "{:*<5}", "{:+}", "{:+x}", "{:w$}", "{:.p$}", "{:.*}", "{:#?}", "{:5?}",
            "{:x?}", "{:b}", "{:#b}", "{:#o}", "{:#X}", "{:e}",
        ] {
            assert_eq!(way(text), Way::Core, "{text}");
        }
    }

    #[test]
    fn addresses_have_no_options() {
        assert!(
            expanded(r#"pr Info, "{:#p}", x"#)
                .unwrap_err()
                .contains("takes no options")
        );
        assert!(
            expanded(r#"pr Info, "{:20p}", x"#)
                .unwrap_err()
                .contains("takes no options")
        );
    }

    #[test]
    fn a_message_without_arguments_is_a_constant() {
        let code = expanded(r#"pr Info, "hello""#).unwrap();
        assert!(code.contains(
            "krate::print::expansion::Piece::Level(krate::print::expansion::Level::Info)"
        ));
        assert!(
            code.contains(
                r#"Piece::Text(krate::print::expansion::core::env!("CARGO_CRATE_NAME"))"#
            )
        );
        assert!(code.contains(r#"Piece::Text("hello\n")"#));
        assert!(code.ends_with("{SIZES[3]}>(())}"), "{code}");
        assert!(!code.contains("match") && !code.contains("use"));
    }

    #[test]
    fn a_newline_is_added_unless_it_is_there() {
        assert!(
            expanded(r#"pr Info, "a\n""#)
                .unwrap()
                .contains(r#"Text("a\n")"#)
        );
        assert!(
            expanded(r#"dev Info, d, "a""#)
                .unwrap()
                .contains(r#"Text("a\n")"#)
        );
        assert!(
            expanded(r#"pr Info, "{}", 1"#)
                .unwrap()
                .contains(r#"Text("\n")"#)
        );
        assert!(expanded(r#"cont, "a""#).unwrap().contains(r#"Text("a")"#));
    }

    #[test]
    fn nothing_in_the_expansion_is_unsafe() {
        for input in [
            r#"pr Err, "{} {:04x} {:?} {:^3} {:p}", a, b, c, d, e"#,
            r#"dev Err, d, "{x:w$}""#,
            r#"cont, """#,
        ] {
            assert!(!expanded(input).unwrap().contains("unsafe"), "{input}");
        }
    }

    #[test]
    fn each_argument_is_evaluated_once() {
        let code =
            expanded(r#"pr Info, "{0} {0:x} {name} {name:b} {name:1$}", f(), g(), name = h()"#)
                .unwrap();
        for call in ["&(f())", "&(g())", "&(h())"] {
            assert_eq!(code.matches(call).count(), 1, "{call} in {code}");
        }
        // A variable that the format string names twice is one argument.
        assert_eq!(
            expanded(r#"pr Info, "{a} {a}""#)
                .unwrap()
                .matches("&(a)")
                .count(),
            1
        );
    }

    #[test]
    fn star_precision_comes_before_its_value() {
        let code = expanded(r#"pr Info, "{:.*} {}", 3, x, y"#).unwrap();
        assert!(
            code.contains(r#""{argument1:.precision$}",precision=*krate::print::expansion::core::convert::identity::<&usize>(argument0)"#),
            "{code}"
        );
        assert!(code.contains("Display,_>(argument2)"), "{code}");
    }

    #[test]
    fn arguments_and_placeholders_have_to_match() {
        for (input, problem) in [
            (
                r#"pr Info, "{}""#,
                "uses 1 argument without a name, there are none",
            ),
            (
                r#"pr Info, "{} {}", 1"#,
                "uses 2 arguments without a name, there is one",
            ),
            (
                r#"pr Info, "{2}", 1, 2"#,
                "uses 3 arguments without a name, there are 2",
            ),
            (
                r#"pr Info, "{:1$}", 1"#,
                "uses 2 arguments without a name, there is one",
            ),
            (
                r#"pr Info, "{}", a = 1"#,
                "uses 1 argument without a name, there are none",
            ),
            (r#"pr Info, "a", 1"#, "does not use this argument"),
            (
                r#"pr Info, "{a}", a = 1, b = 2"#,
                "does not use this argument",
            ),
            (r#"pr Info, "{a}", a = 1, a = 2"#, "two arguments named `a`"),
            (
                r#"pr Info, "{a}{}", a = 1, 2"#,
                "can't follow one with a name",
            ),
            (r#"pr Info, text"#, "expected a format string"),
            (r#"pr Info,"#, "expected a format string"),
            (r#"dev Info, device,"#, "expected a format string"),
            (r#"pr Info, "a\0""#, "NUL"),
            (
                r#"pr Info, "{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}""#,
                "at most 16 placeholders",
            ),
        ] {
            let found = expanded(input).unwrap_err();
            assert!(found.contains(problem), "{input}: {found}");
        }
    }

    #[test]
    fn expressions_are_not_taken_for_names() {
        for input in [
            r#"pr Info, "{}", a == b"#,
            r#"pr Info, "{}", x.y = 1"#,
            r#"pr Info, "{}", self.x,"#,
        ] {
            assert!(expanded(input).is_ok(), "{input}");
        }
        assert!(expanded(r#"pr Info, "{r}", r = a == b"#).is_ok());
        assert!(expanded(r#"pr Info, "{self} {type}", type = 1"#).is_ok());
    }
}
