// SPDX-License-Identifier: GPL-2.0-only
//! A search for BTF in bytes that do not tell where it is. The search looks for BTF's header.
//!
//! A header is accepted if its lengths are consistent and its strings start and end with a zero.
//! The largest BTF wins, because a kernel can also contain small BTF of programs.

use std::ops::Range;

use linux_driver_host::{Error, Result};
use memchr::memmem::Finder;

use super::container::{Container, Form};
use super::{BTF, MODULE};

/// The magic number, version 1, and no flags, in little-endian order.
const START: [u8; 4] = [0x9f, 0xeb, 1, 0];

/// How many bytes of a header are read: the 24 bytes of a header, and two numbers that a longer one
/// can have.
const HEAD: usize = 32;

/// How many headers may wait for their ends at once.
const WAITING: usize = 16;

/// The lengths in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    /// The offset of the strings from the start of the header.
    strings: usize,
    /// The offset of their end.
    strings_end: usize,
    /// The whole length.
    length: usize,
}

impl Shape {
    /// Parses a header, if these bytes can be one.
    fn of(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| {
            let bytes = bytes.get(at..at + 4)?;
            usize::try_from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).ok()
        };
        let header = word(4)?;
        let (types, types_length, strings, strings_length) =
            (word(8)?, word(12)?, word(16)?, word(20)?);
        let fits = bytes.starts_with(&START)
            && (24..=256).contains(&header)
            && types_length >= 12
            && strings_length >= 2
            && [header, types, types_length]
                .iter()
                .all(|number| number.is_multiple_of(4));
        // The types come first, then the strings, with a small gap at most.
        let types_end = types.checked_add(types_length)?;
        let gap = strings.checked_sub(types_end)?;
        if !fits || gap > 4096 || types > 4096 {
            return None;
        }
        let strings = header.checked_add(strings)?;
        let strings_end = strings.checked_add(strings_length)?;
        let mut length = strings_end;
        if header >= HEAD {
            // In a later kernel's header, a description of the kinds can follow the strings.
            length = length.max(header.checked_add(word(24)?.checked_add(word(28)?)?)?);
        }
        (length <= BTF).then_some(Self {
            strings,
            strings_end,
            length,
        })
    }

    /// Returns whether the strings are valid, as far as they are present.
    fn holds(self, bytes: &[u8]) -> bool {
        let zero = |at: usize| bytes.get(at).is_none_or(|byte| *byte == 0);
        zero(self.strings) && zero(self.strings_end - 1)
    }
}

/// The result of a search that found no BTF.
#[derive(Debug, Clone, Copy)]
pub(super) struct NotFound {
    /// The length in a header, and how much of it was present.
    cut_off: Option<(usize, usize)>,
    /// How many bytes were searched.
    looked_at: u64,
}

impl NotFound {
    pub(super) fn error(self, location: &str, container: Container) -> Error {
        let found = match self.cut_off {
            Some((length, there)) => {
                format!("BTF of {length} bytes, of which {there} are there: the file is cut off")
            }
            None => format!(
                "no BTF in {} bytes: the kernel was built without CONFIG_DEBUG_INFO_BTF, or the \
                 file is cut off",
                self.looked_at
            ),
        };
        Error::new(
            location,
            format_args!("BTF in the kernel ({container})"),
            found,
            self.remedy(),
        )
    }

    pub(super) fn remedy(self) -> &'static str {
        if self.cut_off.is_some() {
            "get the file again"
        } else {
            "give a kernel built with CONFIG_DEBUG_INFO_BTF, or the vmlinux of its build"
        }
    }
}

/// Finds the largest BTF in these bytes.
pub(super) fn largest(bytes: &[u8]) -> Result<Range<usize>, NotFound> {
    let mut best = 0..0;
    let mut cut_off = None;
    for at in Finder::new(&START).find_iter(bytes) {
        let here = &bytes[at..];
        let Some(shape) = Shape::of(here).filter(|shape| shape.holds(here)) else {
            continue;
        };
        if shape.length > here.len() {
            cut_off = cut_off.max(Some((shape.length, here.len())));
        } else if shape.length > best.len() {
            best = at..at + shape.length;
        }
    }
    // If a kernel is truncated, the BTF of a program can remain. It is not the kernel's.
    if best.is_empty() || cut_off.is_some_and(|(length, _)| length > best.len()) {
        return Err(NotFound {
            cut_off,
            looked_at: bytes.len() as u64,
        });
    }
    Ok(best)
}

/// A search for the largest BTF in a stream. It keeps only bytes that can be BTF.
pub(super) struct Scanner {
    finder: Finder<'static>,
    /// The bytes that are still needed.
    buffer: Vec<u8>,
    /// How many bytes came before those in the buffer.
    before: u64,
    /// The position in the buffer up to which headers were searched.
    scanned: usize,
    /// The headers that were found and whose ends are still to come, by their position in the
    /// buffer.
    waiting: Vec<(usize, Shape)>,
    best: Option<(Vec<u8>, Range<usize>)>,
}

impl Scanner {
    fn new() -> Self {
        Self {
            finder: Finder::new(&START).into_owned(),
            buffer: Vec::new(),
            before: 0,
            scanned: 0,
            waiting: Vec::new(),
            best: None,
        }
    }

    fn best_length(&self) -> usize {
        self.best.as_ref().map_or(0, |(_, range)| range.len())
    }

    fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
        self.look(HEAD);
        self.settle();
        self.let_go();
    }

    /// Searches for headers that have at least `whole` bytes.
    fn look(&mut self, whole: usize) {
        while let Some(found) = self.finder.find(&self.buffer[self.scanned..]) {
            let at = self.scanned + found;
            self.scanned = at;
            if self.buffer.len() - at < whole {
                return;
            }
            if let Some(shape) = Shape::of(&self.buffer[at..])
                && shape.length > self.best_length()
                && self.waiting.len() < WAITING
            {
                self.waiting.push((at, shape));
            }
            self.scanned = at + 1;
        }
        // The last three bytes can be the start of a header.
        self.scanned = self
            .scanned
            .max(self.buffer.len().saturating_sub(START.len() - 1));
    }

    /// Checks the headers whose ends have arrived.
    fn settle(&mut self) {
        let mut at = 0;
        while let Some(&(start, shape)) = self.waiting.get(at) {
            let here = &self.buffer[start..];
            let complete = here.len() >= shape.length;
            if !shape.holds(here) || shape.length <= self.best_length() {
                self.waiting.swap_remove(at);
            } else if complete {
                self.waiting.swap_remove(at);
                self.keep(start, shape.length);
                // The best one has grown, so another may not be larger any more.
                at = 0;
            } else {
                at += 1;
            }
        }
    }

    /// Keeps this BTF as the best. Takes over the buffer if no other header waits in it.
    fn keep(&mut self, start: usize, length: usize) {
        let range = start..start + length;
        if self.waiting.is_empty() {
            let rest = self.buffer[self.scanned..].to_vec();
            let kept = std::mem::replace(&mut self.buffer, rest);
            self.before += self.scanned as u64;
            self.scanned = 0;
            self.best = Some((kept, range));
        } else {
            self.best = Some((self.buffer[range].to_vec(), 0..length));
        }
    }

    /// Drops the bytes that no header waits for, if moving the rest is worthwhile.
    fn let_go(&mut self) {
        let first = self.waiting.iter().map(|(start, _)| *start).min();
        let done = first.unwrap_or(self.scanned).min(self.scanned);
        if done * 2 >= self.buffer.len() {
            self.buffer.drain(..done);
            self.before += done as u64;
            self.scanned -= done;
            for (start, _) in &mut self.waiting {
                *start -= done;
            }
        }
    }

    fn finish(mut self) -> Result<(Vec<u8>, Range<usize>), NotFound> {
        self.look(24);
        self.settle();
        let looked_at = self.before + self.buffer.len() as u64;
        // The headers that still wait are truncated.
        let there = self
            .waiting
            .iter()
            .map(|(start, shape)| (shape.length, self.buffer.len() - start));
        let cut_off = there
            .max()
            .filter(|(length, _)| *length > self.best_length());
        self.best
            .filter(|_| cut_off.is_none())
            .ok_or(NotFound { cut_off, looked_at })
    }
}

/// Creates the error for a module whose unpacked size is too large.
pub(super) fn too_large(location: &str) -> Error {
    Error::new(
        location,
        format_args!("a module of at most {MODULE} bytes when unpacked"),
        "a larger module",
        "unpack it, and give the unpacked file",
    )
}

/// A consumer of unpacked bytes that keeps what is needed: the BTF of a kernel, or the whole of a
/// module.
pub(super) struct Keeper<'p> {
    location: &'p str,
    state: State,
}

enum State {
    /// Too few bytes have arrived to tell what it is.
    Start(Vec<u8>),
    Module(Vec<u8>),
    Other(Option<Form>, Box<Scanner>),
}

/// The bytes that were kept.
pub(super) enum Kept {
    Module(Vec<u8>),
    Btf(Vec<u8>, Range<usize>),
    None(NotFound),
}

impl<'p> Keeper<'p> {
    pub(super) fn new(location: &'p str) -> Self {
        Self {
            location,
            state: State::Start(Vec::new()),
        }
    }

    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<()> {
        match &mut self.state {
            State::Start(start) => {
                start.extend_from_slice(chunk);
                if start.len() >= 0x300 {
                    self.decide()?;
                }
            }
            State::Module(bytes) => {
                if bytes.len() + chunk.len() > MODULE {
                    return Err(too_large(self.location));
                }
                bytes.extend_from_slice(chunk);
            }
            State::Other(_, scanner) => scanner.push(chunk),
        }
        Ok(())
    }

    fn decide(&mut self) -> Result<()> {
        if let State::Start(start) = &mut self.state {
            let start = std::mem::take(start);
            let form = Form::of(&start);
            if matches!(form, Some(Form::Elf | Form::Module)) {
                super::elf::readable(&start, self.location)?;
            }
            self.state = match form {
                Some(Form::Module) => State::Module(start),
                form => {
                    let mut scanner = Box::new(Scanner::new());
                    scanner.push(&start);
                    State::Other(form, scanner)
                }
            };
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(Option<Form>, Kept)> {
        self.decide()?;
        Ok(match self.state {
            State::Start(_) => (
                None,
                Kept::None(NotFound {
                    cut_off: None,
                    looked_at: 0,
                }),
            ),
            State::Module(bytes) => (Some(Form::Module), Kept::Module(bytes)),
            State::Other(form, scanner) => match scanner.finish() {
                Ok((bytes, range)) => (form, Kept::Btf(bytes, range)),
                Err(none) => (form, Kept::None(none)),
            },
        })
    }
}
