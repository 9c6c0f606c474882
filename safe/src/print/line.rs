// SPDX-License-Identifier: GPL-2.0-only
//! The C format string of a message, made at compile time.
//!
//! The macro knows the text and the flags of each placeholder. The types know the conversions
//! (`%u`, `%llx`, `%.*s`). Neither can refer to the other, so they meet in a constant that is
//! generic over both.
//!
//! The string always matches the arguments, even if a [`Line`] is wrong. The conversions come only
//! from the types of the arguments. Text is escaped and flags are checked here. So a `Line` that is
//! written by hand may be rejected, but cannot do harm.

use core::ffi::CStr;
use core::marker::PhantomData;

use super::Level;
use super::args::{Conversion, List};

/// A piece of a message.
pub enum Piece {
    /// The level of the line.
    Level(Level),
    /// `KERN_CONT`: the message continues the line before it.
    Continue,
    /// Text that is printed unchanged.
    Text(&'static str),
    /// The next argument, with its C flags and width, which are used if it is an integer.
    Arg(&'static str),
}

/// The part of a message that the macro knows.
pub trait Line {
    /// The pieces in order.
    const PIECES: &'static [Piece];
}

/// The maximum length of a conversion without flags and width: `%*.*s`, `%pe%s`.
const LONGEST: usize = 5;

/// The number of sizes that [`sizes`] returns.
const SIZES: usize = 4;

/// Returns the possible sizes of the format string in bytes, in descending order. The first is
/// large enough for all types of arguments.
///
/// The length of a generic constant cannot depend on types, but a constant can be selected from a
/// few lengths. The step between two sizes is a quarter of the difference between the longest and
/// the shortest. So one or two arguments leave at most one byte unused, and ten leave seven.
#[inline]
pub const fn sizes(pieces: &[Piece]) -> [usize; SIZES] {
    let mut least = 1;
    let mut most = 1;
    let mut i = 0;
    while i < pieces.len() {
        match pieces[i] {
            Piece::Level(_) | Piece::Continue => {
                least += 2;
                most += 2;
            }
            Piece::Text(text) => {
                let mut text = text.as_bytes();
                while let [byte, rest @ ..] = text {
                    let len = if *byte == b'%' { 2 } else { 1 };
                    least += len;
                    most += len;
                    text = rest;
                }
            }
            Piece::Arg(flags) => {
                // `%u` or `%s`, and `%` with the flags before `llu`.
                let flagged = 1 + flags.len() + 3;
                least += 2;
                most += if flagged > LONGEST { flagged } else { LONGEST };
            }
        }
        i += 1;
    }
    let mut sizes = [most; SIZES];
    let step = (most - least).div_ceil(SIZES);
    let mut i = 1;
    while i < SIZES {
        let previous = sizes[i - 1];
        sizes[i] = if previous - least < step {
            least
        } else {
            previous - step
        };
        i += 1;
    }
    sizes
}

/// The conversions of the arguments in order.
pub struct Conversions {
    pub(super) first: Conversion,
    pub(super) rest: Option<&'static Conversions>,
}

/// A string that is being built. Bytes beyond `N` are counted but not stored.
struct Writer<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Writer<N> {
    const fn push(&mut self, byte: u8) {
        assert!(byte != 0, "a NUL would end the message");
        if self.len < N {
            self.bytes[self.len] = byte;
        }
        self.len += 1;
    }

    const fn push_all(&mut self, mut bytes: &[u8]) {
        while let [byte, rest @ ..] = bytes {
            self.push(*byte);
            bytes = rest;
        }
    }

    const fn push_text(&mut self, mut text: &[u8]) {
        while let [byte, rest @ ..] = text {
            if *byte == b'%' {
                self.push(b'%');
            }
            self.push(*byte);
            text = rest;
        }
    }

    const fn push_flags(&mut self, mut flags: &[u8]) {
        while let [byte, rest @ ..] = flags {
            assert!(
                byte.is_ascii_digit() || matches!(*byte, b'#' | b'-'),
                "not a C flag or width"
            );
            self.push(*byte);
            flags = rest;
        }
    }
}

const fn write<const N: usize>(
    pieces: &[Piece],
    mut conversions: Option<&Conversions>,
) -> Writer<N> {
    let mut out = Writer {
        bytes: [0; N],
        len: 0,
    };
    let mut i = 0;
    while i < pieces.len() {
        match pieces[i] {
            Piece::Level(level) => out.push_all(level.kern().to_bytes()),
            Piece::Continue => out.push_all(b"\x01c"),
            Piece::Text(text) => out.push_text(text.as_bytes()),
            Piece::Arg(flags) => match conversions {
                Some(Conversions { first, rest }) => {
                    out.push(b'%');
                    if first.flags {
                        out.push_flags(flags.as_bytes());
                    }
                    out.push_all(first.letters.as_bytes());
                    conversions = *rest;
                }
                None => panic!("fewer arguments than placeholders"),
            },
        }
        i += 1;
    }
    assert!(conversions.is_none(), "more arguments than placeholders");
    out
}

/// Returns the maximum length of the message in bytes if all of its arguments are integers: their
/// widths, or the 22 digits of the longest.
pub(super) const fn longest(
    pieces: &[Piece],
    mut conversions: Option<&Conversions>,
) -> Option<usize> {
    const DIGITS: usize = 22;
    let mut most = 0;
    let mut i = 0;
    while i < pieces.len() {
        match pieces[i] {
            Piece::Level(_) | Piece::Continue => most += 2,
            Piece::Text(text) => most += text.len(),
            Piece::Arg(flags) => match conversions {
                Some(Conversions { first, rest }) if first.flags => {
                    most += width(flags.as_bytes()) + DIGITS + "0x".len();
                    conversions = *rest;
                }
                _ => return None,
            },
        }
        i += 1;
    }
    Some(most)
}

/// Returns the width among the flags of a placeholder.
const fn width(mut flags: &[u8]) -> usize {
    let mut width = 0;
    while let [byte, rest @ ..] = flags {
        if byte.is_ascii_digit() {
            width = width * 10 + (*byte - b'0') as usize;
        }
        flags = rest;
    }
    width
}

/// The first `N` bytes of the string.
struct Cut<P, L, const N: usize>(PhantomData<(P, L)>);

impl<P: Line, L: List, const N: usize> Cut<P, L, N> {
    const BYTES: [u8; N] = write::<N>(P::PIECES, L::CONVERSIONS).bytes;
}

/// The format string of a message with the arguments `L`, at most `A` bytes long.
pub(super) struct Format<P, L, const A: usize, const B: usize, const C: usize, const D: usize>(
    PhantomData<(P, L)>,
);

impl<P: Line, L: List, const A: usize, const B: usize, const C: usize, const D: usize>
    Format<P, L, A, B, C, D>
{
    /// The string for `printk`. Only the selected size ends up in the object file.
    pub(super) const C: &'static CStr = {
        let len = write::<0>(P::PIECES, L::CONVERSIONS).len + 1;
        let bytes: &'static [u8] = if len <= D {
            &Cut::<P, L, D>::BYTES
        } else if len <= C {
            &Cut::<P, L, C>::BYTES
        } else if len <= B {
            &Cut::<P, L, B>::BYTES
        } else {
            assert!(len <= A, "the message is longer than its longest size");
            &Cut::<P, L, A>::BYTES
        };
        match CStr::from_bytes_until_nul(bytes) {
            Ok(format) => format,
            Err(_) => panic!("the message does not end with NUL"),
        }
    };
}

#[cfg(test)]
mod tests {
    use core::ffi::{c_char, c_int};

    use super::super::args::{Display, LowerHex, Native, Number, Str};
    use super::*;

    struct Two;
    impl Line for Two {
        const PIECES: &'static [Piece] = &[
            Piece::Level(Level::Info),
            Piece::Text("100%: "),
            Piece::Arg("#04"),
            Piece::Text("/"),
            Piece::Arg(""),
            Piece::Text("\n"),
        ];
    }

    const SIZE: [usize; SIZES] = sizes(Two::PIECES);
    type Of<L> = Format<Two, L, { SIZE[0] }, { SIZE[1] }, { SIZE[2] }, { SIZE[3] }>;

    #[test]
    fn text_is_escaped_and_conversions_follow_the_types() {
        type Narrow<'a> = (
            Number<LowerHex, u32>,
            (<u8 as Native<Display>>::Arg<'a>, ()),
        );
        type Wide<'a> = (Number<LowerHex, u64>, (Str<'a>, ()));
        assert_eq!(Of::<Narrow<'_>>::C, c"\x016100%%: %#04x/%u\n");
        assert_eq!(Of::<Wide<'_>>::C, c"\x016100%%: %#04llx/%.*s\n");
        // Flags apply only to integers.
        assert_eq!(
            Of::<(Str<'_>, (Str<'_>, ()))>::C,
            c"\x016100%%: %.*s/%.*s\n"
        );
    }

    #[test]
    fn the_maximum_length_of_integers_is_known() {
        type Wide = (Number<LowerHex, u64>, ());
        let most = longest(Two::PIECES, <(Number<LowerHex, u64>, Wide)>::CONVERSIONS).unwrap();
        // `\x016`, `100%: ` and `/`, a newline, and two numbers, the first padded to 4.
        assert_eq!(most, 2 + 6 + 1 + 1 + 2 * 24 + 4);
        assert!(format!("\x016100%: {:#04x}/{:#x}\n", u64::MAX, u64::MAX).len() <= most);
        // A width that is larger than the digits counts instead.
        assert!(longest(&[Piece::Arg("#0300")], Wide::CONVERSIONS).unwrap() >= 300);
        // The length of a text is not known at compile time.
        assert_eq!(
            longest(
                Two::PIECES,
                <(Number<LowerHex, u64>, (Str<'_>, ()))>::CONVERSIONS
            ),
            None
        );
    }

    #[test]
    fn sizes_decrease_in_even_steps_from_the_longest_to_the_shortest() {
        assert_eq!(sizes(&[]), [1, 1, 1, 1]);
        assert_eq!(sizes(&[Piece::Text("a%")]), [4, 4, 4, 4]);
        assert_eq!(sizes(&[Piece::Arg("")]), [6, 5, 4, 3]);
        assert_eq!(sizes(&[const { Piece::Arg("") }; 2]), [11, 9, 7, 5]);
        assert_eq!(sizes(&[const { Piece::Arg("") }; 6]), [31, 26, 21, 16]);
        assert_eq!(sizes(&[const { Piece::Arg("") }; 10]), [51, 43, 35, 27]);
        assert_eq!(
            sizes(&[Piece::Level(Level::Err), Piece::Continue, Piece::Arg("#08")]),
            [12, 10, 8, 7]
        );
    }

    #[test]
    fn scalars_are_flat() {
        let list = (Number::<LowerHex, u32>::new(7), (Str::new("ab"), ()));
        let (seven, (len, (text, ()))): (u32, (c_int, (*const c_char, ()))) = list.scalars();
        assert_eq!((seven, len), (7, 2));
        assert!(!text.is_null());
    }
}
