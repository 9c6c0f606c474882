// SPDX-License-Identifier: GPL-2.0-only
//! A builder of small BTF, for tests. The tests in `tests/` include this file too.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each of those that take it in uses some of it"
)]

/// BTF under construction. Types are numbered from 1 in the order of the calls.
#[derive(Debug, Clone)]
pub struct BtfBuilder {
    pub types: Vec<u8>,
    pub strings: Vec<u8>,
    next: u32,
}

/// A member: its name, type, offset in bits, and its size in bits if it is a bit field.
pub type NewMember<'a> = (&'a str, u32, u32, u8);

impl BtfBuilder {
    pub fn new() -> Self {
        Self {
            types: Vec::new(),
            strings: vec![0],
            next: 1,
        }
    }

    /// Adds a name to the strings and returns its offset.
    pub fn name(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let at = self.strings.len() as u32;
        self.strings.extend_from_slice(name.as_bytes());
        self.strings.push(0);
        at
    }

    /// Adds a raw record: kind, flag, count, the third word, and the bytes that follow.
    pub fn record(
        &mut self,
        name: &str,
        kind: u32,
        flag: bool,
        count: u32,
        third: u32,
        rest: &[u32],
    ) -> u32 {
        let name = self.name(name);
        let info = u32::from(flag) << 31 | kind << 24 | count;
        for word in [name, info, third].iter().chain(rest) {
            self.types.extend_from_slice(&word.to_le_bytes());
        }
        self.next += 1;
        self.next - 1
    }

    pub fn int(&mut self, name: &str, size: u32) -> u32 {
        self.record(name, 1, false, 0, size, &[size * 8])
    }

    pub fn pointer(&mut self, of: u32) -> u32 {
        self.record("", 2, false, 0, of, &[])
    }

    pub fn array(&mut self, of: u32, count: u32) -> u32 {
        self.record("", 3, false, 0, 0, &[of, 1, count])
    }

    pub fn structure(&mut self, name: &str, size: u32, members: &[NewMember<'_>]) -> u32 {
        self.composite(4, name, size, members)
    }

    pub fn union(&mut self, name: &str, size: u32, members: &[NewMember<'_>]) -> u32 {
        self.composite(5, name, size, members)
    }

    fn composite(&mut self, kind: u32, name: &str, size: u32, members: &[NewMember<'_>]) -> u32 {
        let bitfields = members.iter().any(|(.., bits)| *bits > 0);
        let mut rest = Vec::new();
        for (name, of, offset, bits) in members {
            rest.extend([self.name(name), *of, offset | u32::from(*bits) << 24]);
        }
        self.record(name, kind, bitfields, members.len() as u32, size, &rest)
    }

    pub fn enumeration(&mut self, name: &str, values: &[(&str, i32)]) -> u32 {
        let mut rest = Vec::new();
        for (name, value) in values {
            rest.extend([self.name(name), *value as u32]);
        }
        let signed = values.iter().any(|(_, value)| *value < 0);
        self.record(name, 6, signed, values.len() as u32, 4, &rest)
    }

    pub fn typedef(&mut self, name: &str, of: u32) -> u32 {
        self.record(name, 8, false, 0, of, &[])
    }

    pub fn constant(&mut self, of: u32) -> u32 {
        self.record("", 10, false, 0, of, &[])
    }

    pub fn signature(&mut self, returns: u32, params: &[(&str, u32)]) -> u32 {
        let mut rest = Vec::new();
        for (name, of) in params {
            rest.extend([self.name(name), *of]);
        }
        self.record("", 13, false, params.len() as u32, returns, &rest)
    }

    /// Adds a global function.
    pub fn function(&mut self, name: &str, signature: u32) -> u32 {
        self.record(name, 12, false, 1, signature, &[])
    }

    /// Returns the bytes, with a header.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0x9f, 0xeb, 1, 0];
        let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
        for word in [24, 0, types, types, strings] {
            bytes.extend_from_slice(&u32::to_le_bytes(word));
        }
        bytes.extend_from_slice(&self.types);
        bytes.extend_from_slice(&self.strings);
        bytes
    }
}

/// Builds a sample with a driver, its callbacks, bit fields, a union without a name, and functions.
pub fn sample() -> BtfBuilder {
    let mut btf = BtfBuilder::new();
    let int = btf.int("int", 4);
    let long = btf.int("unsigned long", 8);
    let char_ = btf.int("char", 1);
    let const_char = btf.constant(char_);
    let text = btf.pointer(const_char);
    let device = btf.structure("device", 16, &[("id", int, 0, 0), ("data", long, 64, 0)]);
    let to_device = btf.pointer(device);
    let probe = btf.signature(int, &[("dev", to_device)]);
    let callback = btf.pointer(probe);
    let words = btf.array(long, 2);
    let either = btf.union("", 8, &[("number", long, 0, 0), ("text", text, 0, 0)]);
    let state = btf.enumeration("state", &[("STATE_NONE", -1), ("STATE_ON", 1)]);
    btf.structure(
        "driver",
        56,
        &[
            ("name", text, 0, 0),
            ("probe", callback, 64, 0),
            ("words", words, 128, 0),
            ("", either, 256, 0),
            ("state", state, 320, 0),
            ("on", int, 352, 1),
            ("level", int, 353, 3),
            ("last", to_device, 384, 0),
        ],
    );
    btf.typedef("ulong", long);
    btf.function("driver_register", probe);
    let variadic = btf.signature(0, &[("format", text), ("", 0)]);
    btf.function("print", variadic);
    btf
}
