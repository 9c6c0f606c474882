// SPDX-License-Identifier: GPL-2.0-only
//! Text of bounded length on the stack.

use core::ffi::c_char;
use core::fmt;
use core::mem::MaybeUninit;

/// What ends a text that did not fit. ASCII: `/dev/kmsg` escapes everything else.
const MARK: &[u8] = b"...";

/// Up to `N` bytes of text, written with [`core::fmt::Write`].
///
/// What does not fit is cut at a character boundary and ends in `...`; writing more is an error
/// from then on, so that formatting stops there. It allocates nothing and may be used in any
/// context; it takes `N` bytes of stack.
///
/// # Invariants
///
/// The first `len` bytes are initialised, and are UTF-8.
pub struct Buffer<const N: usize> {
    bytes: [MaybeUninit<u8>; N],
    len: usize,
    cut: bool,
}

impl<const N: usize> Buffer<N> {
    /// An empty buffer. Its bytes are left uninitialised: clearing them would cost more than what
    /// is printed.
    #[inline(always)]
    pub const fn new() -> Self {
        const {
            assert!(
                N >= MARK.len(),
                "the buffer is shorter than the mark of a cut text"
            )
        };
        // INVARIANT: no byte is said to be initialised.
        Self {
            bytes: [MaybeUninit::uninit(); N],
            len: 0,
            cut: false,
        }
    }

    /// What has been written, UTF-8.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match self.bytes.get(..self.len) {
            // SAFETY: by the type's invariant the first `len` bytes are initialised.
            Some(bytes) => unsafe { bytes.assume_init_ref() },
            None => &[],
        }
    }

    /// Where what has been written starts: with [`Self::len`] the arguments of C's `%.*s`. No NUL
    /// ends it.
    #[inline]
    pub const fn as_ptr(&self) -> *const c_char {
        self.bytes.as_ptr().cast()
    }

    /// The length of what has been written, in bytes: at most `N`.
    #[inline]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing has been written.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends bytes, which the caller has seen to fit.
    fn append(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            for (to, from) in room.iter_mut().zip(bytes) {
                to.write(*from);
            }
            // INVARIANT: the bytes up to `end` have just been written, whole characters of a `str`.
            self.len = end;
        }
    }
}

impl<const N: usize> Default for Buffer<N> {
    #[inline(always)]
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> fmt::Write for Buffer<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.cut {
            return Err(fmt::Error);
        }
        let text = text.as_bytes();
        if text.len() <= N.saturating_sub(self.len) {
            self.append(text);
            return Ok(());
        }
        // The mark takes the place of the last bytes, which may have been written before.
        let keep = N.saturating_sub(MARK.len());
        match keep.checked_sub(self.len) {
            Some(more) => self.append(text.get(..boundary(text, more)).unwrap_or_default()),
            // INVARIANT: shorter than before, and ends at a boundary.
            None => self.len = boundary(self.as_bytes(), keep),
        }
        self.append(MARK);
        self.cut = true;
        Err(fmt::Error)
    }
}

/// The last character boundary of UTF-8 text at or before `index`.
pub(super) fn boundary(text: &[u8], mut index: usize) -> usize {
    while text.get(index).is_some_and(|&byte| is_continuation(byte)) {
        index = index.saturating_sub(1);
    }
    index
}

/// Whether a byte of UTF-8 text continues a character.
pub(super) const fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

#[cfg(test)]
mod tests {
    use core::fmt::Write;

    use super::*;

    fn written<const N: usize>(parts: &[&str]) -> (String, bool) {
        let mut buffer = Buffer::<N>::new();
        let fitted = parts.iter().all(|part| buffer.write_str(part).is_ok());
        assert_eq!(buffer.len(), buffer.as_bytes().len());
        (
            core::str::from_utf8(buffer.as_bytes()).unwrap().to_string(),
            fitted,
        )
    }

    #[test]
    fn what_fits_is_kept_whole() {
        assert_eq!(written::<8>(&["ab", "", "cd"]), ("abcd".into(), true));
        assert_eq!(written::<4>(&["ab", "cd"]), ("abcd".into(), true));
        assert_eq!(written::<4>(&["ab", "cd", ""]), ("abcd".into(), true));
    }

    #[test]
    fn what_does_not_fit_is_cut_and_marked() {
        assert_eq!(written::<8>(&["abcdefghi"]), ("abcde...".into(), false));
        assert_eq!(written::<8>(&["abcdefgh", "i"]), ("abcde...".into(), false));
        assert_eq!(written::<3>(&["abcd"]), ("...".into(), false));
    }

    #[test]
    fn a_cut_falls_between_characters() {
        assert_eq!(written::<8>(&["abcdéfghi"]), ("abcd...".into(), false));
        assert_eq!(written::<8>(&["abcdé", "fghi"]), ("abcd...".into(), false));
        assert_eq!(written::<8>(&["abcdéfg", "h"]), ("abcd...".into(), false));
        assert_eq!(written::<8>(&["abc€€"]), ("abc...".into(), false));
    }

    #[test]
    fn nothing_follows_a_cut() {
        let mut buffer = Buffer::<4>::new();
        assert!(buffer.write_str("abcde").is_err());
        assert!(buffer.write_str("").is_err());
        assert!(buffer.write_str("f").is_err());
        assert_eq!(buffer.as_bytes(), b"a...");
        assert!(!buffer.is_empty());
    }

    #[test]
    fn formatting_stops_at_the_cut() {
        let mut buffer = Buffer::<16>::new();
        assert!(write!(buffer, "{:?} {}", [1u8; 100], 5).is_err());
        assert_eq!(buffer.as_bytes(), b"[1, 1, 1, 1, ...");
    }
}
