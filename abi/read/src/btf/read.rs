// SPDX-License-Identifier: GPL-2.0-only
//! The reader of BTF's records. It decodes them without copying.

use std::fmt::Display;

use linux_driver_host::{Error, Result};

/// The number of a type. 0 is `void`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u32);

impl Id {
    /// `void`.
    pub const VOID: Self = Self(0);
}

/// The BTF of a kernel, or of a module on top of its kernel's.
#[derive(Debug)]
pub struct Btf<'d> {
    location: String,
    types: &'d [u8],
    strings: &'d [u8],
    base: Option<&'d Btf<'d>>,
    /// The offset of each record in `types`.
    offsets: Vec<u32>,
    /// The kind of record that ended the walk. The length of an unknown record is unknown, and so
    /// is the start of the next one.
    unknown_kind: Option<u8>,
    /// Set if an enum says that its values are signed.
    has_signs: bool,
}

/// A qualifier of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modifier {
    /// `const`
    Const,
    /// `volatile`
    Volatile,
    /// `restrict`
    Restrict,
    /// A tag for sparse, such as `__user`. It is not part of C's type.
    Tag,
}

/// The linkage of a function: the kernel's `enum btf_func_linkage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FuncLinkage {
    /// `static`
    Static,
    /// Visible in the whole kernel.
    Global,
    /// `extern`
    Extern,
}

/// A record. Each variant has the fields of its C counterpart in `btf.h`.
#[expect(missing_docs, reason = "the variants say it")]
#[derive(Debug, Clone, Copy)]
pub enum Item<'d> {
    /// No type.
    Void,
    /// An integer, with its size in bytes.
    Int { name: &'d str, size: u32 },
    /// A floating-point number.
    Float { name: &'d str, size: u32 },
    /// A pointer.
    Pointer(Id),
    /// An array.
    Array { element: Id, count: u32 },
    /// A struct or union. Its name is empty if it has none.
    Composite {
        name: &'d str,
        union: bool,
        size: u32,
        members: Members<'d>,
    },
    /// An enum.
    Enum {
        name: &'d str,
        size: u32,
        values: Enumerators<'d>,
    },
    /// A struct, union or enum that is only declared.
    Forward { name: &'d str, union: bool },
    /// A typedef.
    Typedef { name: &'d str, of: Id },
    /// A qualified type.
    Modified { modifier: Modifier, of: Id },
    /// A function.
    Function {
        name: &'d str,
        signature: Id,
        linkage: FuncLinkage,
    },
    /// A function's signature.
    Signature { returns: Id, params: Params<'d> },
    /// A variable.
    Variable { name: &'d str, of: Id },
    /// A record that does not describe a type: a section of variables, or a tag of a declaration.
    Other,
}

/// The members of a struct or union.
#[derive(Debug, Clone, Copy)]
pub struct Members<'d> {
    bytes: &'d [u8],
    bitfields: bool,
}

/// A member of a struct or union.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// The offset of its name in the strings, for [`Btf::name`].
    pub name: u32,
    /// Its type.
    pub of: Id,
    /// Its offset in bits.
    pub offset_bits: u32,
    /// The number of bits of a bit field, or 0.
    pub bits: u8,
}

impl<'d> Members<'d> {
    /// Iterates over the members.
    pub fn iter(self) -> impl Iterator<Item = Member> + 'd {
        self.bytes.chunks_exact(12).map(move |bytes| {
            let offset = word(bytes, 8);
            Member {
                name: word(bytes, 0),
                of: Id(word(bytes, 4)),
                offset_bits: if self.bitfields {
                    offset & 0x00ff_ffff
                } else {
                    offset
                },
                bits: if self.bitfields {
                    (offset >> 24) as u8
                } else {
                    0
                },
            }
        })
    }

    /// Returns the number of members.
    pub fn len(self) -> usize {
        self.bytes.len() / 12
    }

    /// Returns whether there are no members.
    pub fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }
}

/// The enumerators of an enum.
#[derive(Debug, Clone, Copy)]
pub struct Enumerators<'d> {
    bytes: &'d [u8],
    wide: bool,
    signed: bool,
}

impl<'d> Enumerators<'d> {
    /// Iterates over the enumerators: the offset of each name, and the value.
    pub fn iter(self) -> impl Iterator<Item = (u32, i128)> + 'd {
        let width = if self.wide { 12 } else { 8 };
        self.bytes.chunks_exact(width).map(move |bytes| {
            let low = word(bytes, 4);
            let value = match (self.wide, self.signed) {
                (false, false) => i128::from(low),
                (false, true) => i128::from(low as i32),
                (true, signed) => {
                    let all = u64::from(word(bytes, 8)) << 32 | u64::from(low);
                    if signed {
                        i128::from(all as i64)
                    } else {
                        i128::from(all)
                    }
                }
            };
            (word(bytes, 0), value)
        })
    }

    /// Returns whether a value can be negative.
    pub fn is_signed(self) -> bool {
        self.signed
    }
}

/// The parameters of a function.
#[derive(Debug, Clone, Copy)]
pub struct Params<'d> {
    bytes: &'d [u8],
}

impl<'d> Params<'d> {
    /// Iterates over the parameters: the offset of each name, and the type. A last parameter of
    /// type `void` without a name means `...`.
    pub fn iter(self) -> impl Iterator<Item = (u32, Id)> + 'd {
        self.bytes
            .chunks_exact(8)
            .map(|bytes| (word(bytes, 0), Id(word(bytes, 4))))
    }
}

/// The magic number at the start of BTF.
pub(crate) const MAGIC: u16 = 0xeb9f;

/// The length of the header.
const HEADER: usize = 24;

/// More bytes than any name has. The kernel's own limit is 512 (KSYM_NAME_LEN).
const NAME: usize = 1 << 12;

impl<'d> Btf<'d> {
    /// Opens a kernel's BTF. `location` names it in error messages.
    pub fn open(data: &'d [u8], location: impl Display) -> Result<Self> {
        Self::open_over(data, location, None)
    }

    /// Opens a module's BTF. Its numbers and strings continue those of its kernel's BTF.
    pub fn open_module(
        data: &'d [u8],
        location: impl Display,
        kernel: &'d Btf<'d>,
    ) -> Result<Self> {
        Self::open_over(data, location, Some(kernel))
    }

    fn open_over(
        data: &'d [u8],
        location: impl Display,
        base: Option<&'d Btf<'d>>,
    ) -> Result<Self> {
        let bad = |expected: &str, found: String| {
            Error::new(
                &location,
                expected,
                found,
                "give the kernel's BTF as it is: /sys/kernel/btf/vmlinux, or the vmlinux, vmlinuz \
                 or Image that holds it",
            )
        };
        if data.len() < HEADER {
            return Err(bad(
                "BTF, which starts with a header of 24 bytes",
                format!("{} bytes", data.len()),
            ));
        }
        let magic = u16::from_le_bytes([data[0], data[1]]);
        if magic == MAGIC.swap_bytes() {
            return Err(bad(
                "BTF in little-endian order",
                "BTF in big-endian order".to_owned(),
            ));
        }
        if magic != MAGIC {
            return Err(bad(
                "BTF, which starts with the bytes 9f eb",
                format!("the bytes {:02x} {:02x}", data[0], data[1]),
            ));
        }
        if data[2] != 1 {
            return Err(bad("BTF of version 1", format!("version {}", data[2])));
        }
        let header = word(data, 4) as usize;
        let body = data
            .get(header..)
            .filter(|_| header >= HEADER)
            .ok_or_else(|| {
                bad(
                    "a header of 24 bytes or more, within the data",
                    format!("a length of {header} in {} bytes", data.len()),
                )
            })?;
        let section = |what: &str, at: usize| {
            let (offset, length) = (word(data, at) as usize, word(data, at + 4) as usize);
            let end = offset.checked_add(length);
            end.and_then(|end| body.get(offset..end)).ok_or_else(|| {
                bad(
                    &format!("the {what} within the data"),
                    format!(
                        "{what} of {length} bytes at {offset}, in {} bytes",
                        body.len()
                    ),
                )
            })
        };
        let (types, strings) = (section("types", 8)?, section("strings", 16)?);
        // A module's strings continue the kernel's.
        if base.is_none() && strings.first() != Some(&0) {
            return Err(Error::new(
                &location,
                "a kernel's BTF, whose strings start with an empty one",
                "split BTF, as in a module: its types and strings continue its kernel's",
                "give the BTF of exactly the kernel that the module was built for (`modinfo -F \
                 vermagic` names it): \
                 /sys/kernel/btf/vmlinux where it runs, or its vmlinux, vmlinuz or Image",
            ));
        }
        if !strings.is_empty() && strings.last() != Some(&0) {
            return Err(bad(
                "strings that end with a zero",
                "another end".to_owned(),
            ));
        }
        if let Some(kind) = base.and_then(Btf::unknown_kind) {
            return Err(bad(
                "a module's BTF on top of a kernel's whose kinds of records are all known",
                format!(
                    "a kernel's BTF with a record of the unknown kind {kind}, so the first number \
                     of the module is unknown"
                ),
            ));
        }
        let mut btf = Self {
            location: location.to_string(),
            types,
            strings,
            base,
            offsets: Vec::new(),
            unknown_kind: None,
            has_signs: false,
        };
        btf.walk()?;
        if btf.is_of_32_bits() {
            return Err(Error::new(
                &location,
                "BTF of a 64-bit kernel",
                "BTF of a 32-bit kernel: its long has 4 bytes, and so have its pointers",
                "give the BTF of a 64-bit machine's kernel: 32-bit ones are not supported",
            ));
        }
        Ok(btf)
    }

    /// Records where each record starts.
    fn walk(&mut self) -> Result<()> {
        self.offsets.reserve(self.types.len() / 40);
        let mut at = 0;
        while at < self.types.len() {
            let Some(record) = self.types.get(at..).filter(|rest| rest.len() >= 12) else {
                return Err(self.cut_off(at));
            };
            let info = word(record, 4);
            let kind = kind_of(info);
            if kind == ENUM64 || kind == ENUM && info >> 31 == 1 {
                self.has_signs = true;
            }
            let Some(extra) = extra(kind, info & 0xffff) else {
                self.unknown_kind = Some(kind);
                return Ok(());
            };
            if record.len() < 12 + extra {
                return Err(self.cut_off(at));
            }
            self.offsets.push(at as u32);
            at += 12 + extra;
        }
        Ok(())
    }

    /// Returns whether `long` has 4 bytes. In every kernel, `long` has the size of a pointer.
    fn is_of_32_bits(&self) -> bool {
        const LONG: [&str; 4] = ["long", "long int", "unsigned long", "long unsigned int"];
        self.offsets.iter().any(|&offset| {
            let record = &self.types[offset as usize..];
            kind_of(word(record, 4)) == INT
                && word(record, 8) == 4
                && self
                    .name(word(record, 0))
                    .is_ok_and(|name| LONG.contains(&name))
        })
    }

    /// Returns whether enums record whether their values can be negative. pahole before 1.24 did
    /// not write that.
    pub(super) fn has_signs(&self) -> bool {
        self.has_signs || self.base.is_some_and(Btf::has_signs)
    }

    fn cut_off(&self, at: usize) -> Error {
        Error::new(
            &self.location,
            "records of types that end with the section",
            format_args!(
                "type {} at byte {at}, which continues beyond the end",
                self.len()
            ),
            "the file is cut off or damaged: get it again",
        )
    }

    /// Returns the name of the BTF in error messages.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Returns the largest type number plus one.
    pub fn len(&self) -> u32 {
        self.first() + self.offsets.len() as u32
    }

    /// Returns whether there is no type but `void`.
    pub fn is_empty(&self) -> bool {
        self.len() == 1
    }

    /// Returns the number of the first type that is not in the base.
    fn first(&self) -> u32 {
        self.base.map_or(1, Btf::len)
    }

    /// Returns the kind of a record that this reader does not know, if there is one. Types after
    /// that record are unknown.
    pub fn unknown_kind(&self) -> Option<u8> {
        self.unknown_kind
            .or_else(|| self.base.and_then(Btf::unknown_kind))
    }

    /// Returns the numbers of all types, the base's first.
    pub fn ids(&self) -> impl Iterator<Item = Id> + use<> {
        (1..self.len()).map(Id)
    }

    /// Returns the string at this offset.
    pub fn name(&self, offset: u32) -> Result<&'d str> {
        let before = self.base.map_or(0, Btf::strings_len);
        if let Some(base) = self.base.filter(|_| offset < before) {
            return base.name(offset);
        }
        let text = self
            .strings
            .get((offset - before) as usize..)
            .and_then(|rest| {
                let end = rest.iter().take(NAME).position(|&byte| byte == 0)?;
                std::str::from_utf8(&rest[..end]).ok()
            });
        text.ok_or_else(|| {
            Error::new(
                &self.location,
                format_args!("a name in UTF-8 of less than {NAME} bytes among the strings"),
                format_args!("no such name at byte {offset} of {}", self.strings_len()),
                "the file is damaged: get it again",
            )
        })
    }

    fn strings_len(&self) -> u32 {
        self.base.map_or(0, Btf::strings_len) + self.strings.len() as u32
    }

    fn record(&self, id: Id) -> Result<&'d [u8]> {
        if let Some(base) = self.base.filter(|base| id.0 < base.len()) {
            return base.record(id);
        }
        let offset = self.offsets.get(id.0.wrapping_sub(self.first()) as usize);
        offset
            .map(|&offset| &self.types[offset as usize..])
            .ok_or_else(|| {
                let why = match self.unknown_kind() {
                    Some(kind) => format!(
                        "type {}, which follows a record of the unknown kind {kind}",
                        id.0
                    ),
                    None => format!("type {}, of {}", id.0, self.len()),
                };
                Error::new(
                    &self.location,
                    "the number of an existing type",
                    why,
                    "the file is damaged, or newer than this reader",
                )
            })
    }

    /// Returns the name of the record if it is a struct, union, enum, typedef or function. This is
    /// cheap, so it can be called for every record.
    pub fn named(&self, id: Id) -> Result<Option<(&'d str, bool)>> {
        let record = self.record(id)?;
        let kind = kind_of(word(record, 4));
        let name = word(record, 0);
        if name == 0 || !matches!(kind, STRUCT | UNION | ENUM | ENUM64 | TYPEDEF | FUNC) {
            return Ok(None);
        }
        Ok(Some((self.name(name)?, kind == FUNC)))
    }

    /// Does the same for a name whose first bytes pass a filter. The filter also sees the bytes
    /// that follow the name in the strings. Most names are not wanted, and reading names to their
    /// end is the main cost of a search.
    pub(super) fn named_if(
        &self,
        id: Id,
        passes: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<(&'d str, bool)>> {
        let offset = word(self.record(id)?, 0);
        let before = self.base.map_or(0, Btf::strings_len);
        match offset
            .checked_sub(before)
            .and_then(|offset| self.strings.get(offset as usize..))
        {
            Some(bytes) if !passes(bytes) => Ok(None),
            _ => self.named(id),
        }
    }

    /// Decodes the record.
    pub fn item(&self, id: Id) -> Result<Item<'d>> {
        if id == Id::VOID {
            return Ok(Item::Void);
        }
        let record = self.record(id)?;
        let info = word(record, 4);
        let (kind, flag, count) = (kind_of(info), info >> 31 == 1, (info & 0xffff) as usize);
        let third = word(record, 8);
        let name = || self.name(word(record, 0));
        let of = Id(third);
        let list = |width: usize| &record[12..12 + count * width];
        Ok(match kind {
            INT => Item::Int {
                name: name()?,
                size: third,
            },
            FLOAT => Item::Float {
                name: name()?,
                size: third,
            },
            PTR => Item::Pointer(of),
            ARRAY => Item::Array {
                element: Id(word(record, 12)),
                count: word(record, 20),
            },
            STRUCT | UNION => Item::Composite {
                name: name()?,
                union: kind == UNION,
                size: third,
                members: Members {
                    bytes: list(12),
                    bitfields: flag,
                },
            },
            ENUM | ENUM64 => Item::Enum {
                name: name()?,
                size: third,
                values: Enumerators {
                    bytes: list(if kind == ENUM { 8 } else { 12 }),
                    wide: kind == ENUM64,
                    signed: flag,
                },
            },
            FWD => Item::Forward {
                name: name()?,
                union: flag,
            },
            TYPEDEF => Item::Typedef { name: name()?, of },
            CONST | VOLATILE | RESTRICT | TYPE_TAG => Item::Modified {
                modifier: match kind {
                    CONST => Modifier::Const,
                    VOLATILE => Modifier::Volatile,
                    RESTRICT => Modifier::Restrict,
                    _ => Modifier::Tag,
                },
                of,
            },
            FUNC => Item::Function {
                name: name()?,
                signature: of,
                linkage: match count {
                    0 => FuncLinkage::Static,
                    1 => FuncLinkage::Global,
                    _ => FuncLinkage::Extern,
                },
            },
            FUNC_PROTO => Item::Signature {
                returns: of,
                params: Params { bytes: list(8) },
            },
            VAR => Item::Variable { name: name()?, of },
            _ => Item::Other,
        })
    }
}

const INT: u8 = 1;
const PTR: u8 = 2;
const ARRAY: u8 = 3;
const STRUCT: u8 = 4;
const UNION: u8 = 5;
const ENUM: u8 = 6;
const FWD: u8 = 7;
const TYPEDEF: u8 = 8;
const VOLATILE: u8 = 9;
const CONST: u8 = 10;
const RESTRICT: u8 = 11;
const FUNC: u8 = 12;
const FUNC_PROTO: u8 = 13;
const VAR: u8 = 14;
const DATASEC: u8 = 15;
const FLOAT: u8 = 16;
const DECL_TAG: u8 = 17;
const TYPE_TAG: u8 = 18;
const ENUM64: u8 = 19;

fn kind_of(info: u32) -> u8 {
    (info >> 24 & 0x1f) as u8
}

/// Returns how many bytes follow the first twelve of a record, or `None` for an unknown kind.
fn extra(kind: u8, count: u32) -> Option<usize> {
    let count = count as usize;
    Some(match kind {
        PTR | FWD | TYPEDEF | VOLATILE | CONST | RESTRICT | FUNC | FLOAT | TYPE_TAG => 0,
        INT | VAR | DECL_TAG => 4,
        ARRAY => 12,
        STRUCT | UNION | DATASEC | ENUM64 => 12 * count,
        ENUM | FUNC_PROTO => 8 * count,
        _ => return None,
    })
}

/// Returns the little-endian number at this offset. The caller has checked the length.
fn word(bytes: &[u8], at: usize) -> u32 {
    let bytes = &bytes[at..at + 4];
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}
