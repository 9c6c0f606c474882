// SPDX-License-Identifier: GPL-2.0-only
//! `fuzz PATH [--calls N] [--each N] [--seed S] [--ioctls A,B,…] [--but A,B,…]`: system calls with
//! random arguments on an open file.
//!
//! `--calls` makes N of any kind; `--each` makes N of each of these kinds: ioctl numbers and sizes;
//! pointers to nowhere; into the kernel; to tails that are not mapped; lengths near `usize::MAX`.
//! The ioctls that the driver knows are given in hexadecimal digits, and so are those that are not
//! to be called, as they wait for ever. The kernel may refuse whatever it likes; what it does must
//! make sense.

use std::collections::BTreeMap;
use std::fs::File;

use crate::args::Args;
use crate::file;
use crate::outcome::{Failure, Result, failed};
use crate::random::Random;

/// A page, and the memory that ends with one that is not mapped.
const PAGE: usize = 4096;
/// An ioctl whose number Linux itself answers for any file, by closing it on exec and the like, or
/// by waiting.
const OF_THE_KERNEL: [u32; 6] = [0x5450, 0x5451, 0x5421, 0x5452, 0x5460, 0xc020_660b];
/// No error of a system call is larger (`MAX_ERRNO`); what a driver must not let out begins at 512
/// (`ERESTARTSYS`).
const INTERNAL: i32 = 512;
/// The most that one read or write transfers (`MAX_RW_COUNT`).
const MOST: u64 = 0x7fff_f000;

/// How often a call of `--each` is made where the file begins: one time of so many. Elsewhere it is
/// made far outside, as a device may take its time for what it has.
const RARELY: usize = 4000;

/// Numbers of ioctls.
struct Ioctls {
    /// That the driver knows.
    known: Vec<u32>,
    /// That are not to be called.
    but: Vec<u32>,
}

/// What is wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Whatever comes.
    Any,
    /// The number of an ioctl, and with it the size.
    Number,
    /// The pointer, which points to this.
    Pointer(Place),
    /// The length.
    Length,
}

impl Kind {
    /// Those that have to be made so many times each.
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
            Self::Pointer(Place::Nowhere) => "pointers to nowhere",
            Self::Pointer(Place::Kernel) => "pointers into the kernel",
            Self::Pointer(Place::Tail) => "pointers to tails",
            Self::Length => "lengths",
        }
    }
}

pub(crate) fn run(args: &mut Args<'_>) -> Result {
    let each: Option<u64> = args.option("--each")?;
    // Without a word on how many, there are some of any kind.
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
                    "{name} ends in {result}, which is no error for user space"
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

/// Hexadecimal numbers with commas between them.
fn numbers(text: &str) -> Result<Vec<u32>> {
    let words = text.split(',').filter(|word| !word.is_empty());
    words
        .map(|word| {
            u32::from_str_radix(word, 16).map_err(|e| Failure::new(format_args!("{word:?}: {e}")))
        })
        .collect()
}

/// Does one call. Its name and the error number, 0 if it succeeded; or what makes no sense.
fn one(
    kind: Kind,
    opened: &File,
    arena: &Arena,
    ioctls: &Ioctls,
    random: &mut Random,
) -> std::result::Result<(&'static str, i32), String> {
    arena.fill();
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
        // A file that has no place is none the worse for it.
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
                // From an address on there is less room: nothing so long is ever mapped.
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

/// An ioctl: of any number, or of one that the driver knows.
fn ioctl(
    kind: Kind,
    opened: &File,
    arena: &Arena,
    address: &Address,
    ioctls: &Ioctls,
    random: &mut Random,
) -> std::result::Result<(&'static str, i32), String> {
    let size = |request: u32| u64::from(request >> 16 & 0x3fff);
    // Those that look at their pointer.
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
    // Which numbers write how much is the driver's to say; that it is not more, the guard behind
    // the buffer sees.
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

/// No call transfers more than it was asked for, nor more than is mapped.
fn sane(
    name: &str,
    outcome: std::result::Result<u64, i32>,
    length: u64,
    address: &Address,
) -> std::result::Result<(), String> {
    match outcome {
        Ok(done) if done > length || done > MOST => Err(format!(
            "{name} of {length:#x} bytes says that it did {done:#x}"
        )),
        // A write may succeed without a look at the memory, as /dev/null's does.
        Ok(done) if name == "read" && done > address.mapped => Err(format!(
            "read says that it wrote {done:#x} bytes to {:#x}",
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

/// A length that no memory has, or that is more than one call transfers.
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

/// An ioctl number: of any kind, and with a size that may fit no buffer.
fn request(but: &[u32], random: &mut Random) -> u32 {
    loop {
        let word = random.next();
        let request = match word % 4 {
            // Directions, a size, a type and a number (`_IOC`), all random.
            0 => (word >> 16) as u32,
            // Small numbers and sizes, as drivers have them.
            1 => (word >> 16) as u32 & 0xc0ff_ff1f,
            2 => (word >> 16) as u32 & 0xc01f_ffff,
            _ => (word >> 16) as u32 & 0xffff,
        };
        // What the kernel itself does with any file is none of the driver's.
        if !OF_THE_KERNEL.contains(&request) && !but.contains(&request) {
            return request;
        }
    }
}

/// Where an address may point to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Into memory.
    Ours,
    /// To where it is about to end.
    Tail,
    /// To where there is nothing, or nothing can be.
    Nowhere,
    /// Into the kernel's half.
    Kernel,
}

/// An address for a call.
#[derive(Clone, Copy)]
struct Address {
    value: u64,
    /// How many bytes from there on are mapped and ours.
    mapped: u64,
}

impl Address {
    fn ours(self) -> bool {
        self.mapped > 0
    }
}

/// Pages of ours that may be read and written, and after them one that is not mapped.
struct Arena {
    start: *mut u8,
}

/// How many pages.
const PAGES: usize = 2;
/// What each byte is before a call.
const FILL: u8 = 0xa5;
/// All of them.
static FILLED: [u8; PAGES * PAGE] = [FILL; PAGES * PAGE];

impl Arena {
    fn new() -> Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: without MAP_FIXED a new mapping takes no memory away that is in use.
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
        // SAFETY: the mapping has one page more than PAGES.
        let tail = unsafe { start.add(PAGES * PAGE) };
        // SAFETY: that page is ours, and nothing refers to it.
        if unsafe { libc::mprotect(tail.cast(), PAGE, libc::PROT_NONE) } != 0 {
            return Err(failed("mprotect")(std::io::Error::last_os_error()));
        }
        Ok(Self { start })
    }

    fn address(&self, place: Place, random: &mut Random) -> Address {
        let start = self.start as u64;
        let end = start + (PAGES * PAGE) as u64;
        let word = random.next();
        let value = match place {
            Place::Ours => random.of(&[start, start + word % (PAGES * PAGE) as u64]),
            // The end comes in the middle of what is copied, or at once.
            Place::Tail => random.of(&[end - 1 - word % 16, end, end + word % PAGE as u64]),
            Place::Nowhere => random.of(&[
                0,
                1,
                word % PAGE as u64,
                0x7fff_ffff_f000,
                // No address of x86-64 has these bits.
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

    /// All bytes, between two calls.
    fn bytes(&self) -> &[u8] {
        // SAFETY: the pages before the last are mapped as long as we live, and only a call writes
        // to them, or `fill`: while the borrow is looked at there is none under way.
        unsafe { std::slice::from_raw_parts(self.start, PAGES * PAGE) }
    }

    /// Has every byte be as it was at first.
    fn fill(&self) {
        // SAFETY: as many bytes as FILLED has are mapped there and may be written; they are not
        // those of a static, and nobody looks at them meanwhile.
        unsafe {
            self.start
                .copy_from_nonoverlapping(FILLED.as_ptr(), FILLED.len())
        };
    }

    /// Whether nothing was written but at most `length` bytes from the address on.
    fn check(&self, address: &Address, length: u64) -> std::result::Result<(), String> {
        let bytes = self.bytes();
        let start = self.start as u64;
        // What may have changed; nothing, at the end, where the address is not ours.
        let from = if address.ours() {
            (address.value - start) as usize
        } else {
            bytes.len()
        };
        let room = bytes.len() - from;
        let to = from + usize::try_from(length).map_or(room, |length| length.min(room));
        if bytes[..from] == FILLED[..from] && bytes[to..] == FILLED[to..] {
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
    fn what_is_written_elsewhere_is_seen() {
        let arena = Arena::new().unwrap();
        arena.fill();
        let address = Address {
            value: arena.start as u64 + 16,
            mapped: 1000,
        };
        arena.check(&address, 0).unwrap();
        let zero = fs::File::open("/dev/zero").unwrap();
        assert_eq!(file::read(&zero, address.value + 4, 1), Ok(1));
        arena.check(&address, 5).unwrap();
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
