// SPDX-License-Identifier: GPL-2.0-only
//! The records of DWARF as a list, with the attributes that concern types.

use gimli::{AttributeValue, EndianSlice, RunTimeEndian};
use linux_driver_host::Result;

use super::load::Sections;
use super::{BitFields, DEPTH, damaged};

type Reader<'d> = EndianSlice<'d, RunTimeEndian>;

/// The number of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Index(pub(super) usize);

/// The kind of a record.
pub use gimli::DwTag as Tag;

/// One record.
#[derive(Debug, Clone)]
pub struct Die<'d> {
    /// Its kind.
    pub tag: Tag,
    /// Its name. Empty if it has none.
    pub name: &'d str,
    /// The type that it refers to.
    pub of: Option<Index>,
    /// The record that contains it.
    pub parent: Option<Index>,
    /// The record that it is an instance of, for a variable of an inlined function, for example.
    pub origin: Option<Index>,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Its alignment in bytes, if the compiler states it.
    pub align: Option<u64>,
    /// For a member: its offset in bits.
    pub offset_bits: u64,
    /// For a bit field: its size in bits.
    pub bits: Option<u64>,
    /// The value of an enumerator.
    pub value: Option<i128>,
    /// For an array: the number of its elements.
    pub count: Option<u64>,
    /// `true` if it is only a declaration.
    pub declaration: bool,
    /// The number of the record after it and all that it contains.
    next: usize,
    depth: isize,
}

/// The debug information of an object.
#[derive(Debug)]
pub struct Debug<'d> {
    pub(super) location: &'d str,
    dies: Vec<Die<'d>>,
    /// The first record of each unit, and whether rustc made the unit, in ascending order.
    units: Vec<(usize, bool)>,
    pub(super) bit_fields: BitFields,
}

impl<'d> Debug<'d> {
    pub(super) fn read(sections: &'d Sections<'_>) -> Result<Self> {
        let mut debug = Self {
            location: &sections.location,
            dies: Vec::new(),
            units: Vec::new(),
            bit_fields: BitFields::new(),
        };
        debug
            .read_units(sections)
            .map_err(|e| damaged(&sections.location, "debug information in DWARF 4 or 5", e))?;
        Ok(debug)
    }

    fn read_units(&mut self, sections: &'d Sections<'_>) -> gimli::Result<()> {
        let dwarf = gimli::Dwarf::load(|id| {
            Ok::<_, gimli::Error>(EndianSlice::new(sections.get(id), sections.endian))
        })?;
        // The offset of each record, in ascending order.
        let mut offsets: Vec<usize> = Vec::new();
        let mut references: Vec<(Option<usize>, Option<usize>)> = Vec::new();
        let mut units = dwarf.units();
        while let Some(header) = units.next()? {
            let base = header.debug_info_offset().map_or(0, |offset| offset.0);
            let unit = dwarf.unit(header)?;
            self.units.push((self.dies.len(), false));
            let mut entries = unit.entries();
            let mut open: Vec<usize> = Vec::new();
            while let Some(entry) = entries.next_dfs()? {
                let at = self.dies.len();
                while let Some(&last) = open.last() {
                    if self.dies[last].depth < entry.depth() {
                        break;
                    }
                    self.dies[last].next = at;
                    open.pop();
                }
                let (mut die, of, origin) = read(&dwarf, &unit, entry, base, sections.endian)?;
                die.parent = open.last().copied().map(Index);
                if entry.tag() == gimli::DW_TAG_compile_unit
                    && let Some(last) = self.units.last_mut()
                {
                    let language = entry.attr_value(gimli::DW_AT_language);
                    last.1 = matches!(
                        language,
                        Some(AttributeValue::Language(gimli::DW_LANG_Rust))
                    );
                }
                offsets.push(base.saturating_add(entry.offset().0));
                references.push((of, origin));
                self.dies.push(die);
                open.push(at);
            }
            for last in open {
                self.dies[last].next = self.dies.len();
            }
        }
        let find = |offset: Option<usize>| {
            offset
                .and_then(|offset| offsets.binary_search(&offset).ok())
                .map(Index)
        };
        for (die, (of, origin)) in self.dies.iter_mut().zip(references) {
            die.of = find(of);
            die.origin = find(origin);
            if of.is_some() != die.of.is_some() {
                return Err(gimli::Error::NoEntryAtGivenOffset(
                    of.unwrap_or(usize::MAX) as u64
                ));
            }
        }
        Ok(())
    }

    /// Returns the record of this number.
    pub fn die(&self, index: Index) -> &Die<'d> {
        &self.dies[index.0]
    }

    /// Iterates over all records.
    pub fn all(&self) -> impl Iterator<Item = Index> {
        (0..self.dies.len()).map(Index)
    }

    /// Iterates over the records directly inside this one.
    pub fn children(&self, index: Index) -> impl Iterator<Item = Index> {
        let end = self.dies[index.0].next;
        let first = Some(index.0 + 1);
        std::iter::successors(first, |&at| {
            self.dies.get(at).map(|die| die.next.max(at + 1))
        })
        .take_while(move |&at| at < end)
        .map(Index)
    }

    /// Returns whether rustc made it.
    pub fn is_rust(&self, index: Index) -> bool {
        let unit = self.units.partition_point(|(first, _)| *first <= index.0);
        unit.checked_sub(1)
            .and_then(|unit| self.units.get(unit))
            .is_some_and(|(_, rust)| *rust)
    }

    /// Returns the type under its qualifiers. Typedefs are not followed.
    pub fn unqualified(&self, mut index: Option<Index>) -> Option<Index> {
        for _ in 0..DEPTH {
            let die = self.die(index?);
            match die.tag {
                gimli::DW_TAG_const_type
                | gimli::DW_TAG_volatile_type
                | gimli::DW_TAG_restrict_type => index = die.of,
                _ => return index,
            }
        }
        None
    }

    /// Returns the type parameter of this name (`T`) of a generic type.
    pub fn parameter(&self, index: Index, name: &str) -> Option<Index> {
        let mut children = self.children(index).map(|child| self.die(child));
        children
            .find(|die| die.tag == gimli::DW_TAG_template_type_parameter && die.name == name)?
            .of
    }
}

type Read<'d> = (Die<'d>, Option<usize>, Option<usize>);

fn read<'d>(
    dwarf: &gimli::Dwarf<Reader<'d>>,
    unit: &gimli::Unit<Reader<'d>>,
    entry: &gimli::DebuggingInformationEntry<Reader<'d>>,
    base: usize,
    endian: RunTimeEndian,
) -> gimli::Result<Read<'d>> {
    let mut die = Die {
        tag: entry.tag(),
        name: "",
        of: None,
        parent: None,
        origin: None,
        size: None,
        align: None,
        offset_bits: 0,
        bits: None,
        value: None,
        count: None,
        declaration: false,
        next: 0,
        depth: entry.depth(),
    };
    let (mut of, mut origin, mut old_offset) = (None, None, None);
    for attribute in entry.attrs() {
        let value = attribute.value();
        let number = || unsigned(&value);
        match attribute.name() {
            gimli::DW_AT_name => {
                die.name =
                    std::str::from_utf8(dwarf.attr_string(unit, value)?.slice()).unwrap_or("?");
            }
            gimli::DW_AT_type => of = reference(&value, base),
            gimli::DW_AT_abstract_origin | gimli::DW_AT_specification => {
                origin = reference(&value, base)
            }
            gimli::DW_AT_byte_size => die.size = number(),
            gimli::DW_AT_alignment => die.align = number(),
            gimli::DW_AT_bit_size => die.bits = number(),
            gimli::DW_AT_bit_offset => old_offset = number(),
            gimli::DW_AT_data_bit_offset => die.offset_bits = number().unwrap_or(0),
            gimli::DW_AT_data_member_location => {
                die.offset_bits = location(&value, unit)?.unwrap_or(0).saturating_mul(8);
            }
            gimli::DW_AT_const_value => {
                die.value = match value {
                    AttributeValue::Sdata(value) => Some(value.into()),
                    _ => number().map(i128::from),
                };
            }
            gimli::DW_AT_count => die.count = number(),
            gimli::DW_AT_upper_bound => {
                die.count = match value {
                    AttributeValue::Sdata(last) => {
                        last.checked_add(1).and_then(|count| count.try_into().ok())
                    }
                    _ => number().map(|last| last.wrapping_add(1)),
                };
            }
            gimli::DW_AT_declaration => {
                die.declaration = matches!(value, AttributeValue::Flag(true))
            }
            _ => {}
        }
    }
    if let (Some(offset), Some(bits)) = (old_offset, die.bits) {
        // DWARF 4 counts from the most significant bit of a unit of `byte_size`.
        let within = match endian {
            RunTimeEndian::Little => (die.size.unwrap_or(4).saturating_mul(8))
                .saturating_sub(offset)
                .saturating_sub(bits),
            RunTimeEndian::Big => offset,
        };
        die.offset_bits = die.offset_bits.saturating_add(within);
    }
    Ok((die, of, origin))
}

fn unsigned(value: &AttributeValue<Reader<'_>>) -> Option<u64> {
    match *value {
        AttributeValue::Sdata(value) => value.try_into().ok(),
        ref value => value.udata_value(),
    }
}

/// Returns the target of a reference, as an offset in the section.
fn reference(value: &AttributeValue<Reader<'_>>, base: usize) -> Option<usize> {
    match value {
        AttributeValue::UnitRef(offset) => base.checked_add(offset.0),
        AttributeValue::DebugInfoRef(offset) => Some(offset.0),
        // A target outside this section, which no record has.
        _ => Some(usize::MAX),
    }
}

/// Returns the offset of a member. It is a number, or in older DWARF an expression that adds one.
fn location(
    value: &AttributeValue<Reader<'_>>,
    unit: &gimli::Unit<Reader<'_>>,
) -> gimli::Result<Option<u64>> {
    let AttributeValue::Exprloc(expression) = value else {
        return Ok(unsigned(value));
    };
    let mut operations = expression.operations(unit.encoding());
    Ok(match operations.next()? {
        Some(gimli::Operation::PlusConstant { value }) => Some(value),
        _ => None,
    })
}
