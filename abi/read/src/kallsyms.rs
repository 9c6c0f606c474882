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
//!   `Tables::addresses`.

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
/// The greatest length of a symbol's kind and name: `KSYM_NAME_LEN` in the kernels with the longest
/// one.
const LONGEST: usize = 512;
/// The greatest length of all names together, in bytes.
const ALL: usize = 1 << 27;
/// The greatest number of names that are read in the search for the table. Most of them are where
/// no table is.
const STEPS: usize = 1 << 28;
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
        let all = expand(&names.symbols, &tokens, ALL)?;
        let count = all.len();
        let start = all.iter().position(|name| name.get(1..) == Some("_text"))?;
        let fits = |addresses: &Vec<u64>| addresses.get(start) == Some(&text);
        let addresses = self.addresses(end, names.count_at, count).find(fits)?;
        let symbols = all
            .into_iter()
            .zip(addresses)
            .filter_map(|(name, address)| {
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
            let offset =
                |of: usize| usize::from(u16::from_le_bytes([index[2 * of], index[2 * of + 1]]));
            let grows = |of: usize| (2..=64).contains(&offset(of).wrapping_sub(offset(of - 1)));
            if offset(0) != 0 || !(1..TOKENS).all(grows) {
                return None;
            }
            let offsets: Vec<usize> = (0..TOKENS).map(offset).collect();
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
        let mut steps = STEPS;
        (0..self.data.len()).step_by(4).find_map(|at| {
            let count = self.u32_at(at).filter(|count| SYMBOLS.contains(count))?;
            // The tables are aligned to 8 bytes, in newer kernels to 4.
            [8, 4]
                .iter()
                .find_map(|gap| self.names_at(at, at + gap, count as usize, &mut steps))
        })
    }

    /// Returns the names from `start` on, if there are as many. Each one takes a step.
    fn names_at(
        &self,
        count_at: usize,
        start: usize,
        count: usize,
        steps: &mut usize,
    ) -> Option<Names<'_>> {
        let mut symbols = Vec::new();
        let mut marked = Vec::new();
        let mut at = start;
        for number in 0..count {
            *steps = steps.checked_sub(1)?;
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
            let address = self.address.wrapping_add(at as u64);
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

/// Returns the kind and the name of each symbol, unless one is too long, or all are longer than
/// `left`.
fn expand(symbols: &[&[u8]], tokens: &[&[u8]], mut left: usize) -> Option<Vec<String>> {
    let name = |symbol: &&[u8]| {
        let parts = || symbol.iter().map(|&token| tokens[usize::from(token)]);
        let length = parts().map(<[u8]>::len).sum();
        left = left.checked_sub(length)?;
        if length > LONGEST {
            return None;
        }
        let mut name = Vec::with_capacity(length);
        parts().for_each(|part| name.extend_from_slice(part));
        String::from_utf8(name).ok()
    };
    symbols.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    const TEXT: u64 = 0xffff_ffff_8100_0000;
    const RODATA: u64 = 0xffff_ffff_8200_0000;
    const COUNT: usize = 1000;

    /// A form of the tables.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Form {
        Linux6_1,
        Linux6_12,
        Linux7_2,
    }

    use Form::{Linux6_1, Linux6_12, Linux7_2};

    /// Returns the text of a token.
    fn token(number: usize) -> String {
        match number {
            0 => "T".to_owned(),
            1 => "_text".to_owned(),
            2 => "tf".to_owned(),
            3..=12 => (number - 3).to_string(),
            _ => format!("{number:x}_"),
        }
    }

    /// Returns the tokens of a symbol: `_text`, `f001` and so on.
    fn symbol(number: usize) -> Vec<u8> {
        match number {
            0 => vec![0, 1],
            _ => {
                let digit = |of: usize| (of % 10 + 3) as u8;
                vec![2, digit(number / 100), digit(number / 10), digit(number)]
            }
        }
    }

    /// Returns the tables, with `special` as the tokens of symbol 1.
    fn tables(form: Form, special: &[u8]) -> Vec<u8> {
        let mut data = vec![0xaa; 24];
        let u32s = |data: &mut Vec<u8>, values: &mut dyn Iterator<Item = u32>| {
            data.resize(data.len().next_multiple_of(8), 0);
            values.for_each(|value| data.extend_from_slice(&value.to_le_bytes()));
        };
        let address = |number: usize| TEXT + 16 * number as u64;
        if form == Linux6_1 {
            // Relative to the base, and negative.
            let offset = |number| (TEXT - 1).wrapping_sub(address(number)) as u32;
            u32s(&mut data, &mut (0..COUNT).map(offset));
            data.resize(data.len().next_multiple_of(8), 0);
            data.extend_from_slice(&TEXT.to_le_bytes());
        }
        data.extend_from_slice(&(COUNT as u32).to_le_bytes());
        let gap = if form == Linux7_2 { 0 } else { 4 };
        data.resize(data.len() + gap, 0);
        let (mut markers, start) = (Vec::new(), data.len());
        for number in 0..COUNT {
            if number % MARKED == 0 {
                markers.push((data.len() - start) as u32);
            }
            let tokens = match number {
                1 if !special.is_empty() => special.to_vec(),
                _ => symbol(number),
            };
            if tokens.len() > 0x7f {
                data.push(tokens.len() as u8 | 0x80);
                data.push((tokens.len() >> 7) as u8);
            } else {
                data.push(tokens.len() as u8);
            }
            data.extend_from_slice(&tokens);
        }
        data.resize(data.len().next_multiple_of(4), 0);
        for marker in markers {
            data.extend_from_slice(&marker.to_le_bytes());
        }
        data.resize(data.len().next_multiple_of(8), 0);
        let start = data.len();
        let mut index = Vec::new();
        for number in 0..TOKENS {
            index.extend_from_slice(&((data.len() - start) as u16).to_le_bytes());
            data.extend_from_slice(token(number).as_bytes());
            data.push(0);
        }
        data.resize(data.len().next_multiple_of(8), 0);
        data.append(&mut index);
        let start = RODATA + data.len() as u64;
        match form {
            Linux6_1 => {}
            Linux6_12 => {
                u32s(&mut data, &mut (0..COUNT).map(|number| 16 * number as u32));
                data.extend_from_slice(&TEXT.to_le_bytes());
            }
            Linux7_2 => {
                let own = |number| start + 4 * number as u64;
                let offset = |number| address(number).wrapping_sub(own(number)) as u32;
                u32s(&mut data, &mut (0..COUNT).map(offset));
            }
        }
        data
    }

    fn symbols(data: &[u8], address: u64) -> Option<Vec<Symbol>> {
        Tables { data, address }.symbols(TEXT)
    }

    #[test]
    fn the_tables_of_each_form_are_read() {
        for form in [Linux6_1, Linux6_12, Linux7_2] {
            let found = symbols(&tables(form, &[]), RODATA).unwrap();
            assert_eq!(found.len(), COUNT, "{form:?}");
            for (number, symbol) in found.iter().enumerate() {
                let (kind, name) = match number {
                    0 => ('T', "_text".to_owned()),
                    _ => ('t', format!("f{number:03}")),
                };
                let address = TEXT + 16 * number as u64;
                let expected = Symbol {
                    address,
                    kind,
                    name,
                };
                assert_eq!(*symbol, expected, "{form:?}");
            }
        }
    }

    #[test]
    fn damaged_tables_do_not_panic() {
        for form in [Linux6_1, Linux6_12, Linux7_2] {
            let whole = tables(form, &[]);
            for length in (0..whole.len()).step_by(3) {
                assert_eq!(symbols(&whole[..length], RODATA), None, "{form:?} {length}");
            }
            let mut refused = 0;
            for at in (0..whole.len()).step_by(3) {
                let mut bytes = whole.clone();
                bytes[at] = !bytes[at];
                let Some(found) = symbols(&bytes, RODATA) else {
                    refused += 1;
                    continue;
                };
                assert_eq!(found.len(), COUNT, "{form:?} {at}");
                assert!(found.is_sorted_by_key(|symbol| symbol.address));
                let start = found.iter().find(|symbol| symbol.name == "_text").unwrap();
                assert_eq!(start.address, TEXT, "{form:?} {at}");
            }
            assert!(refused > 300, "{form:?}: {refused}");
        }
    }

    #[test]
    fn addresses_at_the_end_of_memory_do_not_panic() {
        assert_eq!(symbols(&tables(Linux7_2, &[]), u64::MAX - 40), None);
        assert!(symbols(&tables(Linux6_12, &[]), u64::MAX - 40).is_some());
    }

    #[test]
    fn names_have_a_greatest_length() {
        let of = |count| symbols(&tables(Linux6_12, &vec![1; count]), RODATA);
        // Each of these tokens has 5 letters.
        assert_eq!(of(102).unwrap()[1].name.len(), 509);
        assert_eq!(of(103), None);
        assert_eq!(of(200), None);
        let expand = |left| expand(&[&[0, 1], &[1]], &[b"T", b"_text"], left);
        assert_eq!(expand(11).unwrap(), ["T_text", "_text"]);
        assert_eq!(expand(10), None);
    }

    #[test]
    fn contents_that_look_like_many_tables_take_little_time() {
        let data = 0x0001_0101_u32.to_le_bytes().repeat(1 << 20);
        let tables = Tables {
            data: &data,
            address: RODATA,
        };
        let start = Instant::now();
        assert!(tables.names().is_none());
        assert!(tables.tokens().is_none());
        let took = start.elapsed();
        assert!(took < Duration::from_secs(20), "{took:?}");
    }
}
