// SPDX-License-Identifier: GPL-2.0-only
//! Text of limited length on the stack.

use core::ffi::c_char;
use core::fmt;
use core::mem::MaybeUninit;

/// The end of a truncated text. It is ASCII, because `/dev/kmsg` escapes everything else.
const MARK: &[u8] = b"...";

/// A text of up to `N` bytes, written with [`core::fmt::Write`].
///
/// A text that does not fit is truncated at a character boundary and ends in `...`. From then on,
/// writing is an error, so that formatting stops. A buffer allocates nothing, and may be used in
/// any context. It takes `N` bytes of stack.
///
/// # Invariants
///
/// The first `len` bytes are initialised, and are UTF-8.
pub struct Buffer<const N: usize> {
    bytes: [MaybeUninit<u8>; N],
    len: usize,
    truncated: bool,
}

impl<const N: usize> Buffer<N> {
    /// Returns an empty buffer. Its bytes are not initialised: clearing them would cost more than
    /// printing.
    #[inline(always)]
    pub const fn new() -> Self {
        const {
            assert!(
                N >= MARK.len(),
                "the buffer must have room for the mark of truncated text"
            )
        };
        // INVARIANT: no byte counts as initialised.
        Self {
            bytes: [MaybeUninit::uninit(); N],
            len: 0,
            truncated: false,
        }
    }

    /// Returns what has been written, which is UTF-8.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match self.bytes.get(..self.len) {
            // SAFETY: by the type's invariant the first `len` bytes are initialised.
            Some(bytes) => unsafe { bytes.assume_init_ref() },
            None => &[],
        }
    }

    /// Returns the address of what has been written. With [`Self::len`], it makes the arguments of
    /// C's `%.*s`. It does not end with NUL.
    #[inline]
    pub const fn as_ptr(&self) -> *const c_char {
        self.bytes.as_ptr().cast()
    }

    /// Returns the length of what has been written in bytes, at most `N`.
    #[inline]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns true if nothing has been written.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends bytes. The caller has checked that they fit.
    fn append(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            for (to, from) in room.iter_mut().zip(bytes) {
                to.write(*from);
            }
            // INVARIANT: the bytes up to `end` have just been written, and are whole characters of
            // a `str`.
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
        if self.truncated {
            return Err(fmt::Error);
        }
        let text = text.as_bytes();
        if text.len() <= N.saturating_sub(self.len) {
            self.append(text);
            return Ok(());
        }
        // The mark replaces the last bytes, some of which may have been written by earlier calls.
        let keep = N.saturating_sub(MARK.len());
        match keep.checked_sub(self.len) {
            Some(more) => self.append(text.get(..boundary(text, more)).unwrap_or_default()),
            // INVARIANT: the text is shorter than before, and ends at a character boundary.
            None => self.len = boundary(self.as_bytes(), keep),
        }
        self.append(MARK);
        self.truncated = true;
        Err(fmt::Error)
    }
}

/// Returns the last character boundary of UTF-8 text at or before `index`.
pub(super) fn boundary(text: &[u8], mut index: usize) -> usize {
    while text.get(index).is_some_and(|&byte| is_continuation(byte)) {
        index = index.saturating_sub(1);
    }
    index
}

/// Returns true if a byte of UTF-8 text continues a character.
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
    fn text_that_fits_is_complete() {
        assert_eq!(written::<8>(&["ab", "", "cd"]), ("abcd".into(), true));
        assert_eq!(written::<4>(&["ab", "cd"]), ("abcd".into(), true));
        assert_eq!(written::<4>(&["ab", "cd", ""]), ("abcd".into(), true));
    }

    #[test]
    fn text_that_does_not_fit_is_truncated_and_marked() {
        assert_eq!(written::<8>(&["abcdefghi"]), ("abcde...".into(), false));
        assert_eq!(written::<8>(&["abcdefgh", "i"]), ("abcde...".into(), false));
        assert_eq!(written::<3>(&["abcd"]), ("...".into(), false));
    }

    #[test]
    fn text_is_truncated_between_characters() {
        assert_eq!(written::<8>(&["abcdéfghi"]), ("abcd...".into(), false));
        assert_eq!(written::<8>(&["abcdé", "fghi"]), ("abcd...".into(), false));
        assert_eq!(written::<8>(&["abcdéfg", "h"]), ("abcd...".into(), false));
        assert_eq!(written::<8>(&["abc€€"]), ("abc...".into(), false));
    }

    #[test]
    fn nothing_is_written_after_truncation() {
        let mut buffer = Buffer::<4>::new();
        assert!(buffer.write_str("abcde").is_err());
        assert!(buffer.write_str("").is_err());
        assert!(buffer.write_str("f").is_err());
        assert_eq!(buffer.as_bytes(), b"a...");
        assert!(!buffer.is_empty());
    }

    #[test]
    fn formatting_stops_at_truncation() {
        let mut buffer = Buffer::<16>::new();
        assert!(write!(buffer, "{:?} {}", [1u8; 100], 5).is_err());
        assert_eq!(buffer.as_bytes(), b"[1, 1, 1, 1, ...");
    }
}
