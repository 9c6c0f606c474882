// SPDX-License-Identifier: GPL-2.0-only
//! `register!`: the registers of a device and their bit fields.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, Expr, Ident, LitInt, Path, Result, Token, Visibility, braced};

/// The contents of the braces of `register!`, after the path of the safe layer.
pub(crate) struct Registers {
    root: Path,
    registers: Vec<Register>,
}

struct Register {
    attrs: Vec<Attribute>,
    vis: Visibility,
    name: Ident,
    word: Ident,
    /// The last letter of the C accessors of this width.
    letter: char,
    offset: Expr,
    readable: bool,
    writable: bool,
    fields: Vec<Field>,
}

struct Field {
    attrs: Vec<Attribute>,
    name: Ident,
    high: u32,
    low: u32,
    /// Set if the field was written as one bit.
    single: bool,
}

impl Parse for Registers {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let root = input.parse()?;
        input.parse::<Token![;]>()?;
        let mut registers = Vec::new();
        while !input.is_empty() {
            registers.push(input.parse()?);
        }
        Ok(Self { root, registers })
    }
}

impl Parse for Register {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let name = input.parse()?;
        input.parse::<Token![:]>()?;
        let word: Ident = input.parse()?;
        let (width, letter) = match word.to_string().as_str() {
            "u8" => (8, 'b'),
            "u16" => (16, 'w'),
            "u32" => (32, 'l'),
            "u64" => (64, 'q'),
            _ => {
                return Err(Error::new(
                    word.span(),
                    "a register is an `u8`, `u16`, `u32` or `u64`",
                ));
            }
        };
        input.parse::<Token![@]>()?;
        let offset = input.parse()?;
        input.parse::<Token![,]>()?;
        let access: Ident = input.parse()?;
        let (readable, writable) = match access.to_string().as_str() {
            "ro" => (true, false),
            "wo" => (false, true),
            "rw" => (true, true),
            _ => {
                return Err(Error::new(
                    access.span(),
                    "a register is `ro`, `wo` or `rw`",
                ));
            }
        };
        let content;
        braced!(content in input);
        let fields = fields(&content, width)?;
        Ok(Self {
            attrs,
            vis,
            name,
            word,
            letter,
            offset,
            readable,
            writable,
            fields,
        })
    }
}

/// Parses the fields of a register of this width. Each one must fit into the register, and no two
/// may share a bit.
fn fields(input: ParseStream<'_>, width: u32) -> Result<Vec<Field>> {
    let mut fields: Vec<Field> = Vec::new();
    while !input.is_empty() {
        let attrs = input.call(Attribute::parse_outer)?;
        let name: Ident = input.parse()?;
        input.parse::<Token![:]>()?;
        let high: LitInt = input.parse()?;
        let low: Option<LitInt> = if input.parse::<Option<Token![:]>>()?.is_some() {
            Some(input.parse()?)
        } else {
            None
        };
        let single = low.is_none();
        let at = high.clone();
        let low: u32 = low.unwrap_or_else(|| high.clone()).base10_parse()?;
        let high: u32 = high.base10_parse()?;
        if high >= width {
            let message = format!("bit {high} is outside of the register, which has {width} bits");
            return Err(Error::new(at.span(), message));
        }
        if low > high {
            let message = "a field is written from its highest bit to its lowest: `7:4`";
            return Err(Error::new(at.span(), message));
        }
        let bits = mask(high, low);
        if let Some(other) = fields
            .iter()
            .find(|other| mask(other.high, other.low) & bits != 0)
        {
            let message = format!("`{name}` has a bit in common with `{}`", other.name);
            return Err(Error::new(at.span(), message));
        }
        if let Some(other) = fields.iter().find(|other| other.name == name) {
            return Err(Error::new(
                name.span(),
                format!("two fields have the name `{}`", other.name),
            ));
        }
        fields.push(Field {
            attrs,
            name,
            high,
            low,
            single,
        });
        if input.is_empty() {
            break;
        }
        input.parse::<Token![,]>()?;
    }
    Ok(fields)
}

/// Returns a mask of the bits from `high` down to `low`.
fn mask(high: u32, low: u32) -> u64 {
    (u64::MAX >> (63 - high)) & (u64::MAX << low)
}

impl Registers {
    pub(crate) fn expand(&self) -> TokenStream {
        let registers = self
            .registers
            .iter()
            .map(|register| register.expand(&self.root));
        quote!(#(#registers)*)
    }
}

impl Register {
    fn expand(&self, root: &Path) -> TokenStream {
        let Self {
            attrs,
            vis,
            name,
            word,
            offset,
            ..
        } = self;
        let fields = self.fields.iter().map(|field| self.field(root, field));
        let readable = self.readable.then(|| self.readable(root));
        let writable = self.writable.then(|| self.writable(root));
        quote! {
            #(#attrs)*
            #[derive(#root::__core::clone::Clone, #root::__core::marker::Copy, #root::__core::cmp::PartialEq, #root::__core::cmp::Eq)]
            #[repr(transparent)]
            #vis struct #name(#word);

            impl #root::io::Register for #name {
                type Word = #word;
                const OFFSET: usize = #offset;

                #[inline(always)]
                fn from_bits(bits: #word) -> Self {
                    Self(bits)
                }

                #[inline(always)]
                fn bits(self) -> #word {
                    self.0
                }
            }

            #[allow(
                dead_code,
                unused_comparisons,
                clippy::absurd_extreme_comparisons,
                reason = "a register's description is whole, and a field may be as wide as the register"
            )]
            impl #name {
                /// No bit set.
                #vis const ZERO: Self = Self(0);

                #(#fields)*
            }

            #readable
            #writable
        }
    }

    /// Generates the functions that read a field from a value and write it into one.
    fn field(&self, root: &Path, field: &Field) -> TokenStream {
        let Self { vis, word, .. } = self;
        let Field {
            attrs, name, low, ..
        } = field;
        let mask = syn::LitInt::new(&format!("{:#x}", mask(field.high, field.low)), name.span());
        let with = format_ident!("with_{}", name);
        let try_with = format_ident!("try_with_{}", name);
        if field.single {
            let set = self.writable.then(|| {
                quote! {
                    #[doc = concat!("With [`", stringify!(#name), "`](Self::", stringify!(#name), ") set or cleared.")]
                    #[inline(always)]
                    #[must_use]
                    #vis const fn #with(self, value: bool) -> Self {
                        Self((self.0 & !#mask) | ((value as #word) << #low))
                    }
                }
            });
            return quote! {
                #(#attrs)*
                #[inline(always)]
                #vis const fn #name(self) -> bool {
                    self.0 & #mask != 0
                }
                #set
            };
        }
        let max = syn::LitInt::new(
            &format!("{:#x}", mask_of(field.high - field.low + 1)),
            name.span(),
        );
        let set = self.writable.then(|| {
            quote! {
                #[doc = concat!("With a constant as [`", stringify!(#name), "`](Self::", stringify!(#name), ").")]
                #[inline(always)]
                #[must_use]
                #vis const fn #with<const VALUE: #word>(self) -> Self {
                    const { #root::__core::assert!(VALUE <= #max, "the value does not fit into the bit field") };
                    Self((self.0 & !#mask) | (VALUE << #low))
                }

                #[doc = concat!("With a value as [`", stringify!(#name), "`](Self::", stringify!(#name), "); `EINVAL` if it does not fit.")]
                #[inline(always)]
                #vis const fn #try_with(self, value: #word) -> #root::error::Result<Self> {
                    if value > #max {
                        return #root::__core::result::Result::Err(#root::error::code::EINVAL);
                    }
                    #root::__core::result::Result::Ok(Self((self.0 & !#mask) | (value << #low)))
                }
            }
        });
        quote! {
            #(#attrs)*
            #[inline(always)]
            #vis const fn #name(self) -> #word {
                (self.0 & #mask) >> #low
            }
            #set
        }
    }

    fn readable(&self, root: &Path) -> TokenStream {
        let Self { name, offset, .. } = self;
        let read = format_ident!("read{}", self.letter);
        let relaxed = format_ident!("read{}_relaxed", self.letter);
        quote! {
            impl #root::io::Readable for #name {
                #[inline(always)]
                fn read_from<const SIZE: usize>(registers: &#root::io::Mmio<SIZE>) -> Self {
                    Self(registers.#read::<{ #offset }>())
                }

                #[inline(always)]
                fn read_relaxed_from<const SIZE: usize>(registers: &#root::io::Mmio<SIZE>) -> Self {
                    Self(registers.#relaxed::<{ #offset }>())
                }
            }
        }
    }

    fn writable(&self, root: &Path) -> TokenStream {
        let Self { name, offset, .. } = self;
        let write = format_ident!("write{}", self.letter);
        let relaxed = format_ident!("write{}_relaxed", self.letter);
        quote! {
            impl #root::io::Writable for #name {
                #[inline(always)]
                fn write_to<const SIZE: usize>(self, registers: &#root::io::Mmio<SIZE>) {
                    registers.#write::<{ #offset }>(self.0);
                }

                #[inline(always)]
                fn write_relaxed_to<const SIZE: usize>(self, registers: &#root::io::Mmio<SIZE>) {
                    registers.#relaxed::<{ #offset }>(self.0);
                }
            }
        }
    }
}

/// Returns a mask of this many bits, from the lowest one on.
fn mask_of(bits: u32) -> u64 {
    u64::MAX >> (64 - bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        match syn::parse_str::<Registers>(&format!("root; {text}")) {
            Ok(_) => panic!("{text} is taken"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_wrong_register_is_refused() {
        let of = |fields: &str| refused(&format!("pub R: u8 @ 0, rw {{ {fields} }}"));
        assert_eq!(
            of("a: 8"),
            "bit 8 is outside of the register, which has 8 bits"
        );
        assert_eq!(
            of("a: 3:5"),
            "a field is written from its highest bit to its lowest: `7:4`"
        );
        assert_eq!(of("a: 5:3, b: 3"), "`b` has a bit in common with `a`");
        assert_eq!(of("a: 1, a: 2"), "two fields have the name `a`");
        assert_eq!(
            refused("R: u24 @ 0, rw {}"),
            "a register is an `u8`, `u16`, `u32` or `u64`"
        );
        assert_eq!(
            refused("R: u32 @ 0, rx {}"),
            "a register is `ro`, `wo` or `rw`"
        );
    }

    #[test]
    fn masks() {
        assert_eq!((mask(63, 0), mask(7, 4), mask(0, 0)), (u64::MAX, 0xf0, 1));
        assert_eq!((mask_of(64), mask_of(1)), (u64::MAX, 1));
    }
}
