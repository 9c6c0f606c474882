// SPDX-License-Identifier: GPL-2.0-only
//! The mailbox: the way in which a job reaches a machine whose boot was saved.
//!
//! The program in the guest fills some pages of its memory with a unique pattern, and watches the
//! first page. The host saves the machine and finds these pages in QEMU's output. When the host
//! resumes the machine, it writes the job over the pages. So a job needs neither an extra device in
//! the machine nor an option of the kernel.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// The size of a page, in bytes.
pub(crate) const PAGE: usize = 4096;
/// The number of words in a page.
const WORDS: usize = PAGE / 8;
/// The bytes of a page that hold a part of the contents: all but the mark and the length.
const ROOM: usize = PAGE - 16;
/// Spreads the bits of a number over a word (the golden ratio, as in the kernel's `hash_64`).
const SPREAD: u64 = 0x61c8_8646_80b5_83eb;

/// The key that identifies the pages of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The first word of each empty page.
    mark: u64,
    /// The second word of each empty page.
    second: u64,
    /// The number of pages.
    pages: usize,
}

impl Key {
    /// Makes the key of a mailbox from a random number of 16 bytes.
    pub fn new(random: u128, pages: usize) -> Self {
        Self {
            mark: random as u64,
            second: (random >> 64) as u64,
            pages,
        }
    }

    /// Returns the words of an empty page: the key, the page's number, and words that follow from
    /// both.
    fn empty(self, page: usize) -> impl Iterator<Item = u64> {
        let page = page as u64;
        let rest = (3..WORDS as u64).map(move |word| {
            (self.mark ^ self.second.rotate_left(17) ^ (page << 32 | word)).wrapping_mul(SPREAD)
        });
        [self.mark, self.second, page].into_iter().chain(rest)
    }

    /// Returns the first bytes of each empty page.
    pub fn start(self) -> [u8; 16] {
        let mut start = [0; 16];
        start[..8].copy_from_slice(&self.mark.to_le_bytes());
        start[8..].copy_from_slice(&self.second.to_le_bytes());
        start
    }

    /// Returns the number of the empty page that these bytes are.
    pub fn page(self, bytes: &[u8]) -> Option<usize> {
        let bytes = bytes.get(..PAGE)?;
        let mut words = bytes.chunks_exact(8).map(word);
        let page = usize::try_from(words.nth(2)?).ok()?;
        let is_ours = page < self.pages && bytes.chunks_exact(8).map(word).eq(self.empty(page));
        is_ours.then_some(page)
    }

    /// Returns the pages that hold these contents, or `None` if there is not enough room.
    pub fn filled(self, contents: &[u8]) -> Option<Vec<Vec<u8>>> {
        // The contents end with the first page that is not full.
        if contents.len() / ROOM >= self.pages {
            return None;
        }
        let mut parts: Vec<&[u8]> = contents.chunks(ROOM).collect();
        if parts.last().is_none_or(|last| last.len() == ROOM) {
            parts.push(&[]);
        }
        let page = |part: &&[u8]| {
            let mut page = Vec::with_capacity(PAGE);
            page.extend_from_slice(&(!self.mark).to_le_bytes());
            page.extend_from_slice(&(part.len() as u64).to_le_bytes());
            page.extend_from_slice(part);
            page.resize(PAGE, 0);
            page
        };
        Some(parts.iter().map(page).collect())
    }
}

fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

/// A page of the guest's memory. The host changes it from outside, so each access is atomic.
#[repr(C, align(4096))]
struct Page([AtomicU64; WORDS]);

/// The guest's side of a mailbox.
pub struct Mailbox {
    key: Key,
    pages: Box<[Page]>,
}

impl Mailbox {
    /// Makes an empty mailbox.
    pub fn new(key: Key) -> Self {
        let page = |number: usize| {
            let mut words = key.empty(number);
            Page(std::array::from_fn(|_| {
                AtomicU64::new(words.next().unwrap_or_default())
            }))
        };
        Self {
            key,
            pages: (0..key.pages).map(page).collect(),
        }
    }

    /// Returns the contents, once the host has written them.
    pub fn contents(&self) -> Option<Vec<u8>> {
        let mut contents = Vec::new();
        for Page(words) in &self.pages {
            if words[0].load(Ordering::Relaxed) != !self.key.mark {
                return None;
            }
            let length = usize::try_from(words[1].load(Ordering::Relaxed)).unwrap_or(ROOM);
            let start = contents.len();
            for word in &words[2..] {
                contents.extend_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
            }
            contents.truncate(start + length.min(ROOM));
            if length < ROOM {
                return Some(contents);
            }
        }
        None
    }
}

/// The offsets of each page of a mailbox in a saved machine. A page that the guest changed during
/// the save has more than one offset.
#[derive(Debug, Default)]
pub(crate) struct Offsets(BTreeMap<usize, Vec<usize>>);

impl Offsets {
    /// Finds the pages in QEMU's output. Returns `None` if a page is missing.
    pub(crate) fn find(saved: &[u8], key: Key) -> Option<Self> {
        let mut offsets = BTreeMap::<usize, Vec<usize>>::new();
        let start = key.start();
        let mut at = 0;
        while let Some(found) = position(&saved[at..], &start) {
            at += found;
            if let Some(page) = key.page(&saved[at..]) {
                offsets.entry(page).or_default().push(at);
            }
            at += 1;
        }
        (offsets.len() == key.pages).then_some(Self(offsets))
    }

    /// Returns the offsets and bytes to write over the saved machine, in ascending order.
    pub(crate) fn replaced(&self, pages: Vec<Vec<u8>>) -> Vec<(usize, Vec<u8>)> {
        let mut replaced: Vec<_> = pages
            .into_iter()
            .enumerate()
            .flat_map(|(number, page)| {
                let offsets = self.0.get(&number).into_iter().flatten();
                offsets.map(|&at| (at, page.clone())).collect::<Vec<_>>()
            })
            .collect();
        replaced.sort_by_key(|(at, _)| *at);
        replaced
    }
}

/// Returns the offset of `part` in `bytes`.
fn position(bytes: &[u8], part: &[u8; 16]) -> Option<usize> {
    // SAFETY: memmem(3) reads two ranges of memory, which must be valid for reads. Each of them is
    // a borrowed slice here, with the length that is passed.
    let found = unsafe {
        libc::memmem(
            bytes.as_ptr().cast(),
            bytes.len(),
            part.as_ptr().cast(),
            part.len(),
        )
    };
    (!found.is_null()).then(|| found.addr() - bytes.as_ptr().addr())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = Key {
        mark: 0x1234_5678_9abc_def0,
        second: 7,
        pages: 3,
    };

    fn bytes(mailbox: &Mailbox) -> Vec<u8> {
        let words = mailbox.pages.iter().flat_map(|page| &page.0);
        words
            .flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes())
            .collect()
    }

    /// Writes the bytes of a mailbox into the guest's memory, as QEMU does.
    fn put(mailbox: &Mailbox, bytes: &[u8]) {
        let words = mailbox.pages.iter().flat_map(|page| &page.0);
        for (word, bytes) in words.zip(bytes.chunks_exact(8)) {
            word.store(super::word(bytes), Ordering::Relaxed);
        }
    }

    #[test]
    fn contents_arrive_as_they_were_sent() {
        for length in [0, 1, ROOM - 1, ROOM, ROOM + 1, 3 * ROOM - 1] {
            let mailbox = Mailbox::new(KEY);
            assert_eq!(mailbox.contents(), None);
            // The pages may be anywhere in the stream, with similar bytes between them.
            let mut saved = vec![9; 37];
            saved.extend_from_slice(&KEY.start());
            saved.extend(bytes(&mailbox).iter().rev().copied().take(1));
            for page in bytes(&mailbox).chunks_exact(PAGE).rev() {
                saved.extend_from_slice(page);
                saved.push(1);
            }
            let offsets = Offsets::find(&saved, KEY).unwrap();
            let contents: Vec<u8> = (0..length).map(|number| number as u8).collect();
            for (at, page) in offsets.replaced(KEY.filled(&contents).unwrap()) {
                saved[at..at + PAGE].copy_from_slice(&page);
            }
            let start = 37 + 17;
            let pages: Vec<u8> = (0..3)
                .rev()
                .flat_map(|page| saved[start + page * (PAGE + 1)..][..PAGE].to_vec())
                .collect();
            put(&mailbox, &pages);
            assert_eq!(mailbox.contents(), Some(contents), "{length}");
        }
    }

    #[test]
    fn contents_that_do_not_fit_and_damaged_pages_are_refused() {
        assert!(KEY.filled(&vec![0; 3 * ROOM]).is_none());
        let mailbox = Mailbox::new(KEY);
        let mut saved = bytes(&mailbox);
        // A page that was changed does not belong to the mailbox.
        saved[2 * PAGE - 1] ^= 1;
        assert!(Offsets::find(&saved, KEY).is_none());
        assert_eq!(KEY.page(&saved), Some(0));
        assert_eq!(KEY.page(&saved[PAGE..]), None);
        assert_eq!(KEY.page(&saved[..PAGE - 1]), None);
    }

    #[test]
    fn a_page_that_was_saved_twice_is_replaced_twice() {
        let one = bytes(&Mailbox::new(KEY));
        let saved = [one.as_slice(), &one[PAGE..2 * PAGE]].concat();
        let offsets = Offsets::find(&saved, KEY).unwrap();
        let replaced = offsets.replaced(KEY.filled(&vec![5; ROOM + 1]).unwrap());
        let at: Vec<usize> = replaced.iter().map(|(at, _)| *at).collect();
        assert_eq!(at, [0, PAGE, 3 * PAGE]);
    }
}
