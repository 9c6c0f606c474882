// SPDX-License-Identifier: GPL-2.0-only
//! `fuzz PATH --calls N [--seed S] [--ioctls A,B,…]`: N system calls with random arguments on an open file: ioctl numbers and sizes, pointers to
//! nowhere, into the kernel and to tails that are not mapped, lengths up to `usize::MAX`. Every other ioctl has one of the numbers
//! that are given in hexadecimal digits, which the driver knows. The kernel may refuse whatever it likes; what it does must make
//! sense.

use std::collections::BTreeMap;
use std::fs::File;

use crate::args::Args;
use crate::file;
use crate::outcome::{Failure, Result, failed};
use crate::random::Random;

/// A page, and the memory that ends with one that is not mapped.
const PAGE: usize = 4096;
/// An ioctl whose number Linux itself answers for any file, by closing it on exec and the like, or by waiting.
const OF_THE_KERNEL: [u32; 6] = [0x5450, 0x5451, 0x5421, 0x5452, 0x5460, 0xc020_660b];
/// No error of a system call is larger (`MAX_ERRNO`); what a driver must not let out begins at 512 (`ERESTARTSYS`).
const INTERNAL: i32 = 512;
/// The most that one read or write transfers (`MAX_RW_COUNT`).
const MOST: u64 = 0x7fff_f000;

pub(crate) fn run(args: &mut Args<'_>) -> Result {
    let calls: u64 = args.option("--calls")?.unwrap_or(10_000);
    let seed: u64 = args.option("--seed")?.unwrap_or(1);
    let ioctls: Option<String> = args.option("--ioctls")?;
    let known = numbers(ioctls.as_deref().unwrap_or_default())?;
    let path: String = args.next("the path")?;
    args.end()?;
    let opened = file::open(&path).map_err(failed(&path))?;
    let arena = Arena::new()?;
    let mut random = Random::new(seed);
    let mut seen: BTreeMap<(&str, i32), u64> = BTreeMap::new();
    for number in 0..calls {
        let (name, result) = one(&opened, &arena, &known, &mut random)
            .map_err(|what| Failure::new(format_args!("{path}: call {number} with seed {seed}: {what}")))?;
        if result >= INTERNAL {
            return Err(Failure::new(format_args!(
                "{path}: call {number} with seed {seed}: {name} ends in {result}, which is no error for user space"
            )));
        }
        *seen.entry((name, result)).or_default() += 1;
    }
    let said: Vec<String> = seen
        .iter()
        .map(|((name, errno), count)| format!("{name} {errno}: {count}"))
        .collect();
    Ok(format!("{calls} calls; by error number: {}", said.join(", ")))
}

/// Hexadecimal numbers with commas between them.
fn numbers(text: &str) -> Result<Vec<u32>> {
    let words = text.split(',').filter(|word| !word.is_empty());
    words
        .map(|word| u32::from_str_radix(word, 16).map_err(|e| Failure::new(format_args!("{word:?}: {e}"))))
        .collect()
}

/// Does one call. Its name and the error number, 0 if it succeeded; or what makes no sense.
fn one(
    opened: &File,
    arena: &Arena,
    known: &[u32],
    random: &mut Random,
) -> std::result::Result<(&'static str, i32), String> {
    arena.fill();
    let address = arena.address(random);
    let length = length(random);
    let flat = |result: std::result::Result<u64, i32>| result.err().unwrap_or(0);
    Ok(match random.below(8) {
        0..3 => {
            let request = if known.is_empty() || random.below(2) == 0 {
                request(random)
            } else {
                random.of(known)
            };
            // Which numbers write how much is the driver's to say; that it is not more, the guard behind the buffer sees.
            let outcome = file::ioctl(opened, request, address.value);
            arena.check(&address, u64::from(request >> 16 & 0x3fff).max(PAGE as u64))?;
            ("ioctl", flat(outcome))
        }
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
        5 => ("poll", file::poll(opened, random.next() as i16).err().unwrap_or(0)),
        6 => ("lseek", flat(file::lseek(opened, random.next(), random.next() % 6))),
        _ => {
            let length = random.of(&[0, 1, PAGE, 3 * PAGE, 1 << 20, 1 << 30, usize::MAX, usize::MAX - PAGE]);
            let protection = random.of(&[0, libc::PROT_READ, libc::PROT_WRITE, libc::PROT_READ | libc::PROT_WRITE]);
            let flags = random.of(&[libc::MAP_SHARED, libc::MAP_PRIVATE]);
            let offset = random.of(&[0, PAGE as i64, 1 << 32, i64::MAX - 4095, 1]);
            (
                "mmap",
                file::map(opened, length, protection, flags, offset).err().unwrap_or(0),
            )
        }
    })
}

/// No call transfers more than it was asked for, nor more than is mapped.
fn sane(
    name: &str,
    outcome: std::result::Result<u64, i32>,
    length: u64,
    address: &Address,
) -> std::result::Result<(), String> {
    match outcome {
        Ok(done) if done > length || done > MOST => {
            Err(format!("{name} of {length:#x} bytes says that it did {done:#x}"))
        }
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

/// An ioctl number: of any kind, and with a size that may fit no buffer.
fn request(random: &mut Random) -> u32 {
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
        if !OF_THE_KERNEL.contains(&request) {
            return request;
        }
    }
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
        let start = unsafe { libc::mmap(std::ptr::null_mut(), (PAGES + 1) * PAGE, protection, flags, -1, 0) };
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

    fn address(&self, random: &mut Random) -> Address {
        let start = self.start as u64;
        let end = start + (PAGES * PAGE) as u64;
        let inside = start + random.next() % (PAGES * PAGE) as u64;
        let tail = end - 1 - random.next() % 16;
        let value = random.of(&[
            start,
            start,
            inside,
            // The end is near, and comes in the middle of what is copied.
            tail,
            end,
            0,
            1,
            // The kernel's half, and where nothing can be.
            0xffff_ffff_8100_0000,
            0xffff_8880_0000_0000,
            0x8000_0000_0000_0000,
            0x7fff_ffff_f000,
            u64::MAX,
            u64::MAX - 7,
        ]);
        Address {
            value,
            mapped: if value >= start { end.saturating_sub(value) } else { 0 },
        }
    }

    /// All bytes, between two calls.
    fn bytes(&self) -> &[u8] {
        // SAFETY: the pages before the last are mapped as long as we live, and only a call writes to them, or `fill`: while the
        // borrow is looked at there is none under way.
        unsafe { std::slice::from_raw_parts(self.start, PAGES * PAGE) }
    }

    /// Has every byte be as it was at first.
    fn fill(&self) {
        // SAFETY: as many bytes as FILLED has are mapped there and may be written; they are not those of a static, and nobody
        // looks at them meanwhile.
        unsafe { self.start.copy_from_nonoverlapping(FILLED.as_ptr(), FILLED.len()) };
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
        assert!(arena.check(&Address { value: 0, mapped: 0 }, u64::MAX).is_err());
    }

    #[test]
    fn a_result_has_to_make_sense() {
        let ours = Address {
            value: 4096,
            mapped: 64,
        };
        let nowhere = Address { value: 0, mapped: 0 };
        assert!(sane("read", Ok(8), 8, &ours).is_ok());
        assert!(sane("read", Ok(9), 8, &ours).is_err());
        assert!(sane("read", Ok(8), 8, &nowhere).is_err());
        assert!(sane("write", Ok(8), 8, &nowhere).is_ok());
        assert!(sane("read", Err(libc::EFAULT), 8, &nowhere).is_ok());
    }

    #[test]
    fn files_of_the_host_bear_it() {
        for path in ["/dev/null", "/dev/zero"] {
            let args = [path, "--calls", "20000", "--seed", "7", "--ioctls", "6502,80046500"].map(str::to_owned);
            let said = run(&mut Args::new(&args)).unwrap();
            assert!(said.contains("ioctl 25"), "{said}");
        }
    }
}
