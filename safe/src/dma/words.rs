// SPDX-License-Identifier: GPL-2.0-only
//! Copies between DMA memory and ordinary memory, in words of one instruction each.

use super::field::Word;

const WORD: usize = size_of::<u64>();

/// Returns whether both addresses have the same offset from the start of a word.
fn in_step(a: *const u8, b: *const u8) -> bool {
    (a.addr() ^ b.addr()).is_multiple_of(WORD)
}

/// Returns the number of bytes before the first whole word, and the number of bytes in whole words.
fn split(address: *const u8, length: usize) -> (usize, usize) {
    let head = (address.addr().wrapping_neg() % WORD).min(length);
    (head, length.wrapping_sub(head) & !(WORD.wrapping_sub(1)))
}

/// Goes through `length` bytes at `from` and `to`. Calls `word` for each word that is aligned at
/// both addresses, and `byte` for each other byte, with the address in `from` and the one in `to`.
#[inline(always)]
fn in_words(
    (from, to): (*const u8, *mut u8),
    length: usize,
    word: impl Fn(*const u64, *mut u64),
    byte: impl Fn(*const u8, *mut u8),
) {
    let (head, words) = if in_step(from, to) {
        split(from, length)
    } else {
        (length, 0)
    };
    let mut at = 0usize;
    while at < length {
        let (from, to) = (from.wrapping_add(at), to.wrapping_add(at));
        // The head ends at a multiple of 8, and so does each word. Both addresses have the same
        // offset from the start of a word.
        if at >= head && at < head.wrapping_add(words) {
            word(from.cast(), to.cast());
            at = at.wrapping_add(WORD);
        } else {
            byte(from, to);
            at = at.wrapping_add(1);
        }
    }
}

/// Copies `length` bytes out of memory that a device may write.
///
/// # Safety
///
/// `from` is valid for reads of `length` bytes. Every other access to them at the same time, by a
/// device or a CPU, uses one instruction. `to` is valid for writes of `length` bytes, and does not
/// overlap `from`.
pub(super) unsafe fn copy_out(from: *const u8, to: *mut u8, length: usize) {
    let word = |from: *const u64, to: *mut u64| {
        // SAFETY: `load` requires 8 bytes that are valid for reads and aligned, and that others
        // access with one instruction. The caller promises that for all `length` bytes, and
        // `in_words` gives an aligned address in them.
        let word = unsafe { u64::load(from) };
        // SAFETY: valid for writes by the caller's promise; aligned as above.
        unsafe { to.write(word) };
    };
    let byte = |from: *const u8, to: *mut u8| {
        // SAFETY: as for the words; a byte is always aligned.
        let byte = unsafe { u8::load(from) };
        // SAFETY: within `length`, and so valid for writes by the caller's promise.
        unsafe { to.write(byte) };
    };
    in_words((from, to), length, word, byte);
}

/// Copies `length` bytes into memory that a device may read.
///
/// # Safety
///
/// `to` is valid for writes of `length` bytes. Every other access to them at the same time, by a
/// device or a CPU, uses one instruction. `from` is `length` initialised bytes, and does not
/// overlap `to`.
pub(super) unsafe fn copy_in(to: *mut u8, from: *const u8, length: usize) {
    let word = |from: *const u64, to: *mut u64| {
        // SAFETY: valid for reads and initialised by the caller's promise, within `length`.
        // `in_words` gives an aligned address.
        let word = unsafe { from.read() };
        // SAFETY: `store` requires 8 bytes that are valid for writes and aligned, and that others
        // access with one instruction: the caller promises it, and the address is aligned as above.
        unsafe { u64::store(to, word) };
    };
    let byte = |from: *const u8, to: *mut u8| {
        // SAFETY: within `length`, and so valid for reads and initialised by the caller's promise.
        let byte = unsafe { from.read() };
        // SAFETY: as for the words; a byte is always aligned.
        unsafe { u8::store(to, byte) };
    };
    in_words((from, to), length, word, byte);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offset_and_length_is_copied_and_nothing_else() {
        let from: [u8; 40] = core::array::from_fn(|i| i as u8 + 1);
        for start in 0..9 {
            for other in 0..9 {
                for length in 0..24 {
                    let mut expected = [0u8; 40];
                    expected[other..other + length].copy_from_slice(&from[start..start + length]);
                    let mut to = [0u8; 40];
                    // SAFETY: both are arrays of this test, and long enough.
                    unsafe { copy_out(from[start..].as_ptr(), to[other..].as_mut_ptr(), length) };
                    assert_eq!(to, expected);
                    let mut to = [0u8; 40];
                    // SAFETY: as above.
                    unsafe { copy_in(to[other..].as_mut_ptr(), from[start..].as_ptr(), length) };
                    assert_eq!(to, expected);
                }
            }
        }
    }
}
