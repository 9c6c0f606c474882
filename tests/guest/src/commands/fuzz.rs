// SPDX-License-Identifier: GPL-2.0-only
//! `fuzz PATH [--calls N] [--each N] [--seed S] [--ioctls A,B,…] [--but A,B,…]`: makes system calls
//! with random arguments on an open file.
//!
//! - `--calls` makes N calls of any kind.
//! - `--each` makes N calls of each of these kinds: ioctl numbers and sizes; pointers to nowhere;
//!   pointers into the kernel; pointers to memory that ends in an unmapped page; lengths near
//!   `usize::MAX`.
//! - `--ioctls` lists the ioctls that the driver knows, in hexadecimal digits.
//! - `--but` lists the ioctls that must not be called, because they wait forever.
//!
//! The kernel may refuse any call. A call that succeeds must have a plausible result.

use std::collections::BTreeMap;
use std::fs::File;

use crate::args::Args;
use crate::file;
use crate::outcome::{Failure, Result, failed};
use crate::random::Random;

/// The size of a page. The memory for the calls ends with a page that is not mapped.
const PAGE: usize = 4096;
/// Ioctls that Linux itself handles for any file. Some of them close it on exec, some wait.
const OF_THE_KERNEL: [u32; 6] = [0x5450, 0x5451, 0x5421, 0x5452, 0x5460, 0xc020_660b];
/// The first error number that must not reach user space (`ERESTARTSYS`). The largest number that a
/// system call can return is `MAX_ERRNO`.
const INTERNAL: i32 = 512;
/// The maximum that one read or write transfers (`MAX_RW_COUNT`).
const MOST: u64 = 0x7fff_f000;

/// With `--each`, one of so many calls is made at the start of the file. The others use an offset
/// far outside, because a device may need long for the data that it has.
const RARELY: usize = 4000;

/// The ioctl numbers given on the command line.
struct Ioctls {
    /// The ioctls that the driver knows.
    known: Vec<u32>,
    /// The ioctls that must not be called.
    but: Vec<u32>,
}

/// The argument of a call that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Any argument.
    Any,
    /// The number of an ioctl, which contains its size.
    Number,
    /// The pointer, which points to this place.
    Pointer(Place),
    /// The length.
    Length,
}

impl Kind {
    /// The kinds of which `--each` makes this many calls each.
    const EACH: [Self; 5] = [
        Self::Number,
        Self::Pointer(Place::Nowhere),
        Self::Pointer(Place::Kernel),
        Self::Pointer(Place::Tail),
        Self::Length,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Any => "of any kind",
            Self::Number => "ioctl numbers",
            Self::Pointer(Place::Ours) => "pointers to memory",
            Self::Pointer(Place::Nowhere) => "invalid pointers",
            Self::Pointer(Place::Kernel) => "pointers into the kernel",
            Self::Pointer(Place::Tail) => "pointers to the end of memory",
            Self::Length => "lengths",
        }
    }
}

pub(crate) fn run(args: &mut Args<'_>) -> Result {
    let each: Option<u64> = args.option("--each")?;
    // Without an option for the number of calls, some calls of any kind are made.
    let any: u64 = args
        .option("--calls")?
        .unwrap_or(if each.is_none() { 10_000 } else { 0 });
    let seed: u64 = args.option("--seed")?.unwrap_or(1);
    let ioctls: Option<String> = args.option("--ioctls")?;
    let known = numbers(ioctls.as_deref().unwrap_or_default())?;
    let but: Option<String> = args.option("--but")?;
    let but = numbers(but.as_deref().unwrap_or_default())?;
    let ioctls = Ioctls { known, but };
    let path: String = args.next("the path")?;
    args.end()?;
    let opened = file::open(&path).map_err(failed(&path))?;
    let arena = Arena::new()?;
    let mut random = Random::new(seed);
    let mut said = Vec::new();
    for kind in std::iter::once(Kind::Any).chain(Kind::EACH) {
        let calls = if kind == Kind::Any {
            any
        } else {
            each.unwrap_or(0)
        };
        let mut seen: BTreeMap<(&str, i32), u64> = BTreeMap::new();
        for number in 0..calls {
            let wrong = |what: String| {
                let kind = kind.name();
                Failure::new(format_args!(
                    "{path}: {kind}: call {number} with seed {seed}: {what}"
                ))
            };
            let (name, result) = one(kind, &opened, &arena, &ioctls, &mut random).map_err(wrong)?;
            if result >= INTERNAL {
                return Err(wrong(format!(
                    "{name} returns {result}, which is not an error for user space"
                )));
            }
            *seen.entry((name, result)).or_default() += 1;
        }
        if calls > 0 {
            let counts: Vec<String> = seen
                .iter()
                .map(|((name, errno), count)| format!("{name} {errno}: {count}"))
                .collect();
            let kind = kind.name();
            said.push(format!(
                "{calls} calls, {kind}; by error number: {}",
                counts.join(", ")
            ));
        }
    }
    Ok(said.join("; "))
}

/// Parses hexadecimal numbers separated by commas.
fn numbers(text: &str) -> Result<Vec<u32>> {
    let words = text.split(',').filter(|word| !word.is_empty());
    words
        .map(|word| {
            u32::from_str_radix(word, 16).map_err(|e| Failure::new(format_args!("{word:?}: {e}")))
        })
        .collect()
}

/// Makes one call. Returns its name and its error number, 0 if it succeeded. An implausible result
/// is an error.
fn one(
    kind: Kind,
    opened: &File,
    arena: &Arena,
    ioctls: &Ioctls,
    random: &mut Random,
) -> std::result::Result<(&'static str, i32), String> {
    let place = match kind {
        Kind::Pointer(place) => place,
        _ => random.of(&[
            Place::Ours,
            Place::Ours,
            Place::Tail,
            Place::Nowhere,
            Place::Kernel,
        ]),
    };
    let address = arena.address(place, random);
    let length = match kind {
        Kind::Length => long(random),
        _ => length(random),
    };
    let choice = match kind {
        Kind::Any => random.below(8),
        Kind::Number => 0,
        Kind::Pointer(_) => random.of(&[0, 3, 4]),
        Kind::Length => random.of(&[3, 3, 4, 4, 7]),
    };
    if kind != Kind::Any && choice > 0 {
        let offset = if random.below(RARELY) == 0 {
            0
        } else {
            random.next() >> 1
        };
        // A file without a position ignores this.
        let _ = file::lseek(opened, offset, libc::SEEK_SET as u64);
    }
    let flat = |result: std::result::Result<u64, i32>| result.err().unwrap_or(0);
    Ok(match choice {
        0..3 => ioctl(kind, opened, arena, &address, ioctls, random)?,
        3 => {
            let outcome = file::read(opened, address.value, length);
            sane("read", outcome, length, &address)?;
            arena.check(&address, outcome.unwrap_or(length))?;
            ("read", flat(outcome))
        }
        4 => {
            let outcome = file::write(opened, address.value, length);
            sane("write", outcome, length, &address)?;
            arena.check(&address, 0)?;
            ("write", flat(outcome))
        }
        5 => (
            "poll",
            file::poll(opened, random.next() as i16).err().unwrap_or(0),
        ),
        6 => (
            "lseek",
            flat(file::lseek(opened, random.next(), random.next() % 6)),
        ),
        _ => {
            let length = if kind == Kind::Length {
                // An address space never has so much free space: mmap must fail.
                usize::MAX - random.below(PAGE << 8)
            } else {
                random.of(&[
                    0,
                    1,
                    PAGE,
                    3 * PAGE,
                    1 << 20,
                    1 << 30,
                    usize::MAX,
                    usize::MAX - PAGE,
                ])
            };
            let protection = random.of(&[
                0,
                libc::PROT_READ,
                libc::PROT_WRITE,
                libc::PROT_READ | libc::PROT_WRITE,
            ]);
            let flags = random.of(&[libc::MAP_SHARED, libc::MAP_PRIVATE]);
            let offset = random.of(&[0, PAGE as i64, 1 << 32, i64::MAX - 4095, 1]);
            (
                "mmap",
                file::map(opened, length, protection, flags, offset)
                    .err()
                    .unwrap_or(0),
            )
        }
    })
}

/// Calls an ioctl: one with any number, or one that the driver knows.
fn ioctl(
    kind: Kind,
    opened: &File,
    arena: &Arena,
    address: &Address,
    ioctls: &Ioctls,
    random: &mut Random,
) -> std::result::Result<(&'static str, i32), String> {
    let size = |request: u32| u64::from(request >> 16 & 0x3fff);
    // The known ioctls whose argument is a pointer.
    let known = &ioctls.known;
    let sized: Vec<u32> = known
        .iter()
        .copied()
        .filter(|&request| size(request) > 0)
        .collect();
    let (request, name) = match kind {
        Kind::Pointer(_) if !sized.is_empty() => (random.of(&sized), "known ioctl"),
        Kind::Any if !known.is_empty() && random.below(2) == 0 => (random.of(known), "known ioctl"),
        _ => (request(&ioctls.but, random), "ioctl"),
    };
    // Only the driver knows how much each ioctl writes. The unmapped page after the buffer catches
    // writes that are too long.
    let outcome = file::ioctl(opened, request, address.value);
    arena.check(address, size(request).max(PAGE as u64))?;
    if name == "known ioctl" && size(request) > 0 && !address.ours() && outcome.is_ok() {
        return Err(format!(
            "ioctl {request:#x} succeeds with {:#x}",
            address.value
        ));
    }
    Ok((name, outcome.err().unwrap_or(0)))
}

/// Checks that a call transferred no more than it was asked for, and no more than is mapped.
fn sane(
    name: &str,
    outcome: std::result::Result<u64, i32>,
    length: u64,
    address: &Address,
) -> std::result::Result<(), String> {
    match outcome {
        Ok(done) if done > length || done > MOST => {
            Err(format!("{name} of {length:#x} bytes returns {done:#x}"))
        }
        // A write may succeed without reading the memory, as it does for /dev/null.
        Ok(done) if name == "read" && done > address.mapped => Err(format!(
            "read returns {done:#x} for a buffer at {:#x}",
            address.value
        )),
        _ => Ok(()),
    }
}

fn length(random: &mut Random) -> u64 {
    let small = random.next() % 64;
    let page = random.next() % (2 * PAGE as u64);
    let huge = u64::MAX - random.next() % 4096;
    let sign = i64::MAX as u64 - random.next() % 4096;
    random.of(&[
        0,
        1,
        4,
        8,
        small,
        page,
        PAGE as u64,
        MOST,
        MOST + 1,
        1 << 32,
        huge,
        sign,
        u64::MAX,
    ])
}

/// Returns a length that no memory has, or one that is more than a call transfers.
fn long(random: &mut Random) -> u64 {
    let less = random.next() % 4096;
    random.of(&[
        u64::MAX,
        u64::MAX - less,
        i64::MAX as u64 - less,
        1 << 63 | less,
        MOST + 1,
    ])
}

/// Returns an ioctl number of any kind, with a size that may be too large for every buffer.
fn request(but: &[u32], random: &mut Random) -> u32 {
    loop {
        let word = random.next();
        let request = match word % 4 {
            // Random directions, size, type and number (`_IOC`).
            0 => (word >> 16) as u32,
            // Small numbers and sizes, as drivers have them.
            1 => (word >> 16) as u32 & 0xc0ff_ff1f,
            2 => (word >> 16) as u32 & 0xc01f_ffff,
            _ => (word >> 16) as u32 & 0xffff,
        };
        // Ioctls that the kernel itself handles for any file do not test the driver.
        if !OF_THE_KERNEL.contains(&request) && !but.contains(&request) {
            return request;
        }
    }
}

/// The places that an address may point to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Mapped memory.
    Ours,
    /// The end of the mapped memory.
    Tail,
    /// An unmapped or impossible address.
    Nowhere,
    /// The kernel's half of the address space.
    Kernel,
}

/// An address for a call.
#[derive(Clone, Copy)]
struct Address {
    value: u64,
    /// The number of bytes from the address on that are mapped and belong to the arena.
    mapped: u64,
}

impl Address {
    fn ours(self) -> bool {
        self.mapped > 0
    }
}

/// The arena: pages that may be read and written, and after them one that is not mapped.
struct Arena {
    start: *mut u8,
}

/// The number of these pages.
const PAGES: usize = 2;
/// The value of each byte before a call.
const FILL: u8 = 0xa5;
/// The contents of all these pages before a call.
static FILLED: [u8; PAGES * PAGE] = [FILL; PAGES * PAGE];

impl Arena {
    fn new() -> Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: without MAP_FIXED, mmap(2) does not replace a mapping that is in use.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                (PAGES + 1) * PAGE,
                protection,
                flags,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(failed("mmap")(std::io::Error::last_os_error()));
        }
        let start: *mut u8 = start.cast();
        // SAFETY: `add` must stay within the mapping, which has one page more than PAGES.
        let tail = unsafe { start.add(PAGES * PAGE) };
        // SAFETY: that page belongs to the mapping, and nothing refers to it.
        if unsafe { libc::mprotect(tail.cast(), PAGE, libc::PROT_NONE) } != 0 {
            return Err(failed("mprotect")(std::io::Error::last_os_error()));
        }
        let arena = Self { start };
        arena.fill();
        Ok(arena)
    }

    fn address(&self, place: Place, random: &mut Random) -> Address {
        let start = self.start as u64;
        let end = start + (PAGES * PAGE) as u64;
        let word = random.next();
        let value = match place {
            Place::Ours => random.of(&[start, start + word % (PAGES * PAGE) as u64]),
            // The end is in the middle of the copied bytes, or right at their start.
            Place::Tail => random.of(&[end - 1 - word % 16, end, end + word % PAGE as u64]),
            Place::Nowhere => random.of(&[
                0,
                1,
                word % PAGE as u64,
                0x7fff_ffff_f000,
                // On x86-64, addresses with these bits are not canonical.
                0x8000_0000_0000_0000,
                0x0100_0000_0000_0000 | word >> 8,
            ]),
            Place::Kernel => random.of(&[
                0xffff_ffff_8100_0000,
                0xffff_8880_0000_0000,
                0xffff_8000_0000_0000 | word >> 17,
                u64::MAX,
                u64::MAX - word % PAGE as u64,
            ]),
        };
        Address {
            value,
            mapped: if value >= start {
                end.saturating_sub(value)
            } else {
                0
            },
        }
    }

    /// Returns all bytes. The caller uses them only between two calls.
    fn bytes(&self) -> &[u8] {
        // SAFETY: the pages before the last one are mapped and readable for as long as `self`
        // lives. Only a system call or `fill` writes to them, and neither runs while the caller
        // uses the borrow.
        unsafe { std::slice::from_raw_parts(self.start, PAGES * PAGE) }
    }

    /// Gives every byte its initial value.
    fn fill(&self) {
        // SAFETY: as many bytes as FILLED has are mapped at `start` and may be written. They do not
        // overlap FILLED, which is a static, and nobody reads them meanwhile.
        unsafe {
            self.start
                .copy_from_nonoverlapping(FILLED.as_ptr(), FILLED.len())
        };
    }

    /// Returns an error if anything was written except at most `length` bytes from the address on.
    /// Otherwise, restores the initial value of these bytes.
    fn check(&self, address: &Address, length: u64) -> std::result::Result<(), String> {
        let bytes = self.bytes();
        let start = self.start as u64;
        // The range that may have changed. It is empty if the address is outside the arena.
        let from = if address.ours() {
            (address.value - start) as usize
        } else {
            bytes.len()
        };
        let room = bytes.len() - from;
        let to = from + usize::try_from(length).map_or(room, |length| length.min(room));
        if bytes[..from] == FILLED[..from] && bytes[to..] == FILLED[to..] {
            // Few calls write anything, and an emulated processor copies slowly.
            if bytes[from..to] != FILLED[from..to] {
                self.fill();
            }
            return Ok(());
        }
        let other = (0..bytes.len()).find(|&at| bytes[at] != FILL && !(from..to).contains(&at));
        Err(format!(
            "the kernel wrote to {:#x}, which is not among the {length:#x} bytes from {:#x} on",
            start + other.unwrap_or_default() as u64,
            address.value
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_write_outside_of_the_mapped_area_is_found() {
        let arena = Arena::new().unwrap();
        let address = Address {
            value: arena.start as u64 + 16,
            mapped: 1000,
        };
        arena.check(&address, 0).unwrap();
        let zero = fs::File::open("/dev/zero").unwrap();
        assert_eq!(file::read(&zero, address.value + 4, 1), Ok(1));
        assert!(arena.check(&address, 4).is_err());
        assert!(
            arena
                .check(
                    &Address {
                        value: 0,
                        mapped: 0
                    },
                    u64::MAX
                )
                .is_err()
        );
        arena.check(&address, 5).unwrap();
        // The check has restored the byte.
        arena.check(&address, 0).unwrap();
    }

    #[test]
    fn a_result_has_to_make_sense() {
        let ours = Address {
            value: 4096,
            mapped: 64,
        };
        let nowhere = Address {
            value: 0,
            mapped: 0,
        };
        assert!(sane("read", Ok(8), 8, &ours).is_ok());
        assert!(sane("read", Ok(9), 8, &ours).is_err());
        assert!(sane("read", Ok(8), 8, &nowhere).is_err());
        assert!(sane("write", Ok(8), 8, &nowhere).is_ok());
        assert!(sane("read", Err(libc::EFAULT), 8, &nowhere).is_ok());
    }

    #[test]
    fn files_of_the_host_bear_it() {
        for path in ["/dev/null", "/dev/zero"] {
            let args = [
                path,
                "--calls",
                "20000",
                "--seed",
                "7",
                "--ioctls",
                "6502,80046500",
            ]
            .map(str::to_owned);
            let said = run(&mut Args::new(&args)).unwrap();
            assert!(said.contains("ioctl 25"), "{said}");
            let args = [path, "--each", "2000", "--ioctls", "6502,80046500"].map(str::to_owned);
            let said = run(&mut Args::new(&args)).unwrap();
            for kind in Kind::EACH {
                assert!(
                    said.contains(&format!("2000 calls, {};", kind.name())),
                    "{said}"
                );
            }
        }
    }
}
