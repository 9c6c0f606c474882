// SPDX-License-Identifier: GPL-2.0-only
//! The symbols of a kernel, from the tables that the kernel itself prints names from
//! (`kernel/kallsyms.c`). They are in each kernel with CONFIG_KALLSYMS, also in one that is
//! stripped.
//!
//! `scripts/kallsyms.c` writes the tables. They have no names in a stripped kernel, so they are
//! found by their contents:
//!
//! - `token_table` holds 256 short texts, and `token_index` the offset of each;
//! - `names` holds each symbol as a length and as many tokens, and `markers` the offset of each
//!   256th symbol. The number of symbols is before `names`;
//! - `offsets` holds the addresses. Its place and its meaning depend on the kernel: see
//!   [`addresses`].

use linux_driver_host::{Error, Result};
use object::{Object, ObjectSection};

/// A symbol of a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Its address, without KASLR.
    pub address: u64,
    /// Its kind, as nm prints it: `T` and `t` are code.
    pub kind: char,
    /// Its name.
    pub name: String,
}

/// The number of tokens.
const TOKENS: usize = 256;
/// The number of symbols between two markers.
const MARKED: usize = 256;
/// The least and the greatest number of symbols that a kernel has.
const SYMBOLS: std::ops::RangeInclusive<u32> = 1000..=4_000_000;
/// The section that holds the tables.
const SECTION: &str = ".rodata";

/// Returns the symbols of an unpacked kernel for x86-64, in the order of their addresses.
/// `location` names it in error messages.
///
/// # Errors
///
/// It is not such a kernel, or its tables are not found.
pub fn read(kernel: &[u8], location: &str) -> Result<Vec<Symbol>> {
    let wrong = |found: &dyn std::fmt::Display| {
        Error::new(
            location,
            "a kernel with CONFIG_KALLSYMS, from whose tables its symbols can be read",
            found,
            "use one of the kernels that `cargo xtask kernels` lists",
        )
    };
    let file = object::File::parse(kernel).map_err(|e| wrong(&e))?;
    let section = |name| {
        let section = file.section_by_name(name);
        section.ok_or_else(|| wrong(&format_args!("no section {name}")))
    };
    let text = section(".text")?.address();
    let rodata = section(SECTION)?;
    let tables = Tables {
        data: rodata.data().map_err(|e| wrong(&e))?,
        address: rodata.address(),
    };
    let symbols = tables.symbols(text);
    symbols.ok_or_else(|| wrong(&"no tables in a known form"))
}

/// The section with the tables.
struct Tables<'d> {
    data: &'d [u8],
    address: u64,
}

impl Tables<'_> {
    /// Returns the symbols. `text` is the address of the kernel's code, which must be that of the
    /// symbol `_text`.
    fn symbols(&self, text: u64) -> Option<Vec<Symbol>> {
        let (tokens, end) = self.tokens()?;
        let names = self.names()?;
        let all: Vec<String> = names.symbols.iter().map(|of| expand(of, &tokens)).collect();
        let count = all.len();
        let start = all.iter().position(|name| name.get(1..) == Some("_text"))?;
        let fits = |addresses: &Vec<u64>| addresses.get(start) == Some(&text);
        let addresses = self.addresses(end, names.count_at, count).find(fits)?;
        let symbols = all.iter().zip(addresses).filter_map(|(name, address)| {
            let kind = name.chars().next()?;
            let name = name.get(kind.len_utf8()..)?.to_owned();
            Some(Symbol {
                address,
                kind,
                name,
            })
        });
        let mut symbols: Vec<Symbol> = symbols.collect();
        symbols.sort_by_key(|symbol| symbol.address);
        Some(symbols)
    }

    fn u32_at(&self, at: usize) -> Option<u32> {
        let bytes = self.data.get(at..at.checked_add(4)?)?;
        bytes.try_into().ok().map(u32::from_le_bytes)
    }

    fn u64_at(&self, at: usize) -> Option<u64> {
        let bytes = self.data.get(at..at.checked_add(8)?)?;
        bytes.try_into().ok().map(u64::from_le_bytes)
    }

    /// Returns the tokens, and the offset at which `token_index` ends.
    fn tokens(&self) -> Option<(Vec<&[u8]>, usize)> {
        (0..self.data.len()).step_by(4).find_map(|at| {
            let index = self.data.get(at..at + 2 * TOKENS)?;
            if index[..2] != [0, 0] {
                return None;
            }
            let offsets = index
                .chunks_exact(2)
                .map(|two| u16::from_le_bytes([two[0], two[1]]));
            let offsets: Vec<usize> = offsets.map(usize::from).collect();
            let grows = |pair: &[usize]| pair[0] + 2 <= pair[1] && pair[1] <= pair[0] + 64;
            if !offsets.windows(2).all(grows) {
                return None;
            }
            // The table ends before its index, with a few zeros between them.
            let last = *offsets.last()?;
            let starts = (2..80).filter_map(|length| at.checked_sub(last + length));
            let tables = starts.filter(|start| start % 4 == 0);
            let mut found = tables.filter_map(|start| self.token_table(start, at, &offsets));
            found.next().map(|tokens| (tokens, at + 2 * TOKENS))
        })
    }

    /// Returns the tokens of the table at `start`, if that is one. It ends before `end`.
    fn token_table(&self, start: usize, end: usize, offsets: &[usize]) -> Option<Vec<&[u8]>> {
        let table = self.data.get(start..end)?;
        let mut tokens = Vec::new();
        for (number, &offset) in offsets.iter().enumerate() {
            let rest = table.get(offset..)?;
            let length = rest.iter().position(|&byte| byte == 0)?;
            let next = offsets.get(number + 1);
            let fits = match next {
                Some(&next) => offset + length + 1 == next,
                None => rest[length..].iter().all(|&byte| byte == 0),
            };
            if length == 0 || !fits || !rest[..length].is_ascii() {
                return None;
            }
            tokens.push(&rest[..length]);
        }
        Some(tokens)
    }

    /// Returns the names. They are where the markers after them are right.
    fn names(&self) -> Option<Names<'_>> {
        (0..self.data.len()).step_by(4).find_map(|at| {
            let count = self.u32_at(at).filter(|count| SYMBOLS.contains(count))?;
            // The tables are aligned to 8 bytes, in newer kernels to 4.
            [8, 4]
                .iter()
                .find_map(|gap| self.names_at(at, at + gap, count as usize))
        })
    }

    fn names_at(&self, count_at: usize, start: usize, count: usize) -> Option<Names<'_>> {
        let mut symbols = Vec::new();
        let mut marked = Vec::new();
        let mut at = start;
        for number in 0..count {
            if number % MARKED == 0 {
                marked.push(u32::try_from(at - start).ok()?);
            }
            let mut length = usize::from(*self.data.get(at)?);
            at += 1;
            if length & 0x80 != 0 {
                length = length & 0x7f | usize::from(*self.data.get(at)?) << 7;
                at += 1;
            }
            if length == 0 {
                return None;
            }
            symbols.push(self.data.get(at..at + length)?);
            at += length;
        }
        let is = |markers: usize| {
            let numbers = (0..marked.len()).map(|number| self.u32_at(markers + 4 * number));
            numbers
                .zip(&marked)
                .all(|(found, marked)| found == Some(*marked))
        };
        let mut ends = (at..at + 8).filter(|end| end % 4 == 0);
        ends.any(is).then_some(Names { count_at, symbols })
    }

    /// Returns what can be the addresses: in the order of the names, for each form of the table.
    ///
    /// - In 7.2, `offsets` is after `token_index`, and each is relative to its own address.
    /// - In 6.12, it is there too, and `relative_base` follows.
    /// - In 6.1, both are before the number of symbols.
    ///
    /// With a base, a negative offset is below the base, and any other is an address of per-CPU
    /// data (CONFIG_KALLSYMS_ABSOLUTE_PERCPU) or relative to the base.
    fn addresses(
        &self,
        after: usize,
        before: usize,
        count: usize,
    ) -> impl Iterator<Item = Vec<u64>> {
        let length = (4 * count).next_multiple_of(8);
        let offset = move |start: usize, number: usize| {
            self.u32_at(start.checked_add(4 * number)?)
                .map(|offset| offset.cast_signed())
        };
        let own = (0..count).map(|number| {
            let at = after + 4 * number;
            let address = self.address + at as u64;
            Some(address.wrapping_add_signed(i64::from(offset(after, number)?)))
        });
        let based = move |start: Option<usize>, base: Option<usize>, percpu: bool| {
            let base = base.and_then(|base| self.u64_at(base))?;
            let start = start?;
            let address = |number| {
                let offset = offset(start, number)?;
                Some(match (percpu, offset) {
                    (true, 0..) => u64::from(offset.unsigned_abs()),
                    (true, _) => base.wrapping_sub(1).wrapping_add_signed(-i64::from(offset)),
                    (false, _) => base.wrapping_add(u64::from(offset.cast_unsigned())),
                })
            };
            (0..count).map(address).collect::<Option<Vec<u64>>>()
        };
        let own: Option<Vec<u64>> = own.collect();
        let forms = [true, false].into_iter().flat_map(move |percpu| {
            let base = before.checked_sub(8);
            let start = base.and_then(|base| base.checked_sub(length));
            [
                based(Some(after), Some(after + length), percpu),
                based(start, base, percpu),
            ]
        });
        own.into_iter().chain(forms.flatten())
    }
}

/// The names of all symbols, in tokens.
struct Names<'d> {
    /// The offset of the number of symbols.
    count_at: usize,
    symbols: Vec<&'d [u8]>,
}

/// Returns the kind and the name of a symbol.
fn expand(symbol: &[u8], tokens: &[&[u8]]) -> String {
    let parts = symbol
        .iter()
        .flat_map(|&token| tokens[usize::from(token)].iter());
    String::from_utf8_lossy(&parts.copied().collect::<Vec<u8>>()).into_owned()
}
