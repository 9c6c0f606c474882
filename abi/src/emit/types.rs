// SPDX-License-Identifier: GPL-2.0-only
//! Declarations of types, in an order that C accepts.
//!
//! A type is defined if something holds it or passes it by value. It is declared if it is only
//! pointed to. Enums are always defined, because C cannot declare them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use linux_driver_host::{Error, Result};

use super::attributes::{Attributes, MemberLayout, alignment_of_scalar, attributes_for};
use super::{identifier, lacking, literal};
use crate::btf::{Btf, Enumerators, Id, Item, Member, declare, declare_with, size_of};
use crate::model::{Abi, Function, Kind};

/// The largest amount of output. Beyond it, the BTF counts as damaged; no real kernel comes near
/// it.
const BUDGET: u32 = 1 << 18;

/// How deep definitions may be nested.
const DEPTH: u32 = 200;

/// The type that the compilers have built in.
const BUILT_IN: &str = "__builtin_va_list";

/// A writer of declarations.
pub(super) struct Writer<'a, 'd> {
    btf: &'a Btf<'d>,
    abi: &'a Abi,
    text: String,
    /// The keywords and tags of all structs and unions that are named.
    forwards: BTreeSet<(&'static str, &'d str)>,
    /// The definitions by C's name of the type, with their text.
    defined: BTreeMap<String, (Id, String)>,
    /// Definitions that are not finished.
    open: BTreeSet<Id>,
    enumerators: BTreeSet<String>,
    /// Types that are passed by value and have to be defined later.
    later: Vec<Id>,
    attributes: HashMap<Id, Attributes>,
    spent: u32,
}

impl<'a, 'd> Writer<'a, 'd> {
    pub(super) fn new(btf: &'a Btf<'d>, abi: &'a Abi) -> Self {
        Self {
            btf,
            abi,
            text: String::new(),
            forwards: BTreeSet::new(),
            defined: BTreeMap::new(),
            open: BTreeSet::new(),
            enumerators: BTreeSet::new(),
            later: Vec::new(),
            attributes: HashMap::new(),
            spent: 0,
        }
    }

    /// Returns the declarations of all tags, sorted.
    pub(super) fn forwards(&self) -> impl Iterator<Item = String> {
        self.forwards
            .iter()
            .map(|(word, tag)| format!("{word} {tag};"))
    }

    /// Returns the definitions.
    pub(super) fn definitions(&self) -> &str {
        &self.text
    }

    /// Returns the types that were defined, by C's name.
    pub(super) fn defined(&self) -> impl Iterator<Item = (&str, Id)> {
        self.defined
            .iter()
            .map(|(name, (id, _))| (name.as_str(), *id))
    }

    /// Returns the names of all enumerators that were written.
    pub(super) fn enumerators(&self) -> &BTreeSet<String> {
        &self.enumerators
    }

    /// Defines the types of these names, and the types that they hold by value.
    pub(super) fn roots(&mut self, names: &[String]) -> Result<()> {
        let mut found: HashMap<&str, Vec<Id>> = names
            .iter()
            .map(|name| (name.as_str(), Vec::new()))
            .collect();
        for id in self.btf.ids() {
            if let Some((name, false)) = self.btf.named(id)?
                && let Some(ids) = found.get_mut(name)
            {
                ids.push(id);
            }
        }
        for name in names {
            let ids = &found[name.as_str()];
            if ids.is_empty() {
                return Err(lacking(self.btf, name, "not in the kernel's BTF"));
            }
            for &id in ids {
                self.refer(id, true, 0)?;
            }
        }
        Ok(())
    }

    /// Defines the types that are passed by value.
    pub(super) fn rest(&mut self) -> Result<()> {
        while let Some(id) = self.later.pop() {
            self.refer(id, true, 0)?;
        }
        Ok(())
    }

    /// Finds the records of the functions of these names.
    pub(super) fn function_ids(
        &self,
        names: &BTreeSet<&String>,
    ) -> Result<HashMap<String, Vec<Id>>> {
        let mut found: HashMap<String, Vec<Id>> = HashMap::new();
        for id in self.btf.ids() {
            if let Some((name, true)) = self.btf.named(id)?
                && names.iter().any(|wanted| *wanted == name)
            {
                found.entry(name.to_owned()).or_default().push(id);
            }
        }
        Ok(found)
    }

    /// Returns the declaration of a function with this signature, and declares the types in it.
    pub(super) fn function(
        &mut self,
        name: &str,
        as_: &Function,
        ids: &HashMap<String, Vec<Id>>,
    ) -> Result<String> {
        identifier(self.btf, name)?;
        let wanted = as_.declaration(name);
        for &id in ids.get(name).into_iter().flatten() {
            let text = declare(self.btf, id, name)?;
            if text == wanted {
                if let Item::Function { signature, .. } = self.btf.item(id)? {
                    self.refer(signature, false, 0)?;
                }
                return Ok(text);
            }
        }
        Err(lacking(
            self.btf,
            name,
            &format!("none in the BTF is `{wanted}`"),
        ))
    }

    /// Declares the types that this type names. Defines those that are used by value.
    fn refer(&mut self, id: Id, by_value: bool, depth: u32) -> Result<()> {
        self.spend(id, depth)?;
        let depth = depth + 1;
        match self.btf.item(id)? {
            Item::Pointer(of) => self.refer(of, false, depth),
            // C needs the definition of an array's element type everywhere.
            Item::Array { element, .. } => self.refer(element, true, depth),
            Item::Modified { of, .. } | Item::Variable { of, .. } => {
                self.refer(of, by_value, depth)
            }
            Item::Function { signature, .. } => self.refer(signature, by_value, depth),
            Item::Signature { returns, params } => {
                for of in params.iter().map(|(_, of)| of).chain([returns]) {
                    self.refer(of, false, depth)?;
                    if self.is_passed_by_value(of, depth)? {
                        self.later.push(of);
                    }
                }
                Ok(())
            }
            Item::Typedef { name: BUILT_IN, .. } => Ok(()),
            Item::Typedef { name, of } => {
                if by_value {
                    self.refer(of, true, depth)?;
                }
                self.typedef(id, name, of, depth)
            }
            Item::Composite {
                name: "", members, ..
            } => {
                for member in members.iter() {
                    self.refer_member(member, depth)?;
                }
                Ok(())
            }
            Item::Composite { name, union, .. } => {
                let word = if union { "union" } else { "struct" };
                self.forwards.insert((word, identifier(self.btf, name)?));
                if by_value {
                    self.composite(id, word, name, depth)
                } else {
                    Ok(())
                }
            }
            Item::Forward { name, union } => {
                let word = if union { "union" } else { "struct" };
                self.forwards.insert((word, identifier(self.btf, name)?));
                if by_value {
                    return Err(lacking(
                        self.btf,
                        &format!("{word} {name}"),
                        "its BTF only declares it",
                    ));
                }
                Ok(())
            }
            Item::Enum { name: "", .. }
            | Item::Void
            | Item::Int { .. }
            | Item::Float { .. }
            | Item::Other => Ok(()),
            Item::Enum { name, values, size } => self.enumeration(id, name, size, values),
        }
    }

    fn refer_member(&mut self, member: Member, depth: u32) -> Result<()> {
        if member.name == 0
            && member.bits == 0
            && let Item::Composite { members, .. } = self.btf.item(member.of)?
        {
            // An unnamed member with a tag is written without the tag, because not every compiler
            // has that extension.
            for member in members.iter() {
                self.spend(member.of, depth)?;
                self.refer_member(member, depth + 1)?;
            }
            return Ok(());
        }
        self.refer(member.of, true, depth)
    }

    fn is_passed_by_value(&self, mut id: Id, depth: u32) -> Result<bool> {
        for _ in depth..=DEPTH {
            match self.btf.item(id)? {
                Item::Typedef { of, .. } | Item::Modified { of, .. } => id = of,
                Item::Composite { .. } => return Ok(true),
                _ => return Ok(false),
            }
        }
        Ok(false)
    }

    fn spend(&mut self, id: Id, depth: u32) -> Result<()> {
        self.spent += 1;
        if self.spent > BUDGET || depth > DEPTH {
            return Err(self.endless(id));
        }
        Ok(())
    }

    fn endless(&self, id: Id) -> Error {
        Error::new(
            self.btf.location(),
            "types that have an end",
            format_args!(
                "type {}, which is nested too deep, is too large or is a cycle",
                id.0
            ),
            "the file is damaged: get it again",
        )
    }

    /// Returns whether `name` is already defined. A second definition must be equal to the first.
    fn is_defined(
        &mut self,
        name: &str,
        id: Id,
        text: impl FnOnce(&mut Self) -> Result<String>,
    ) -> Result<bool> {
        let Some((known, before)) = self.defined.get(name) else {
            return Ok(false);
        };
        if *known == id {
            return Ok(true);
        }
        let before = before.clone();
        if text(self)? == before {
            return Ok(true);
        }
        Err(lacking(
            self.btf,
            name,
            "it has two definitions in the BTF, which differ",
        ))
    }

    fn define(&mut self, name: String, id: Id, text: String) {
        self.text.push_str(&text);
        self.defined.insert(name, (id, text));
    }

    fn typedef(&mut self, id: Id, name: &'d str, of: Id, depth: u32) -> Result<()> {
        identifier(self.btf, name)?;
        if self.is_defined(name, id, |writer| writer.typedef_text(name, of, depth))? {
            return Ok(());
        }
        self.refer(of, false, depth)?;
        let text = self.typedef_text(name, of, depth)?;
        self.enumerators_of(of)?;
        self.define(name.to_owned(), id, text);
        Ok(())
    }

    fn typedef_text(&mut self, name: &str, of: Id, depth: u32) -> Result<String> {
        Ok(format!("typedef {};\n", self.declare(of, name, 0, depth)?))
    }

    fn composite(&mut self, id: Id, word: &str, tag: &str, depth: u32) -> Result<()> {
        let name = format!("{word} {tag}");
        let text = |writer: &mut Self| Ok(format!("{name} {};\n", writer.body(id, 0, depth)?));
        if self.is_defined(&name, id, text)? {
            return Ok(());
        }
        if !self.open.insert(id) {
            return Err(self.endless(id));
        }
        if let Item::Composite { members, .. } = self.btf.item(id)? {
            for member in members.iter() {
                self.refer_member(member, depth)?;
                self.enumerators_of(member.of)?;
            }
        }
        let text = text(self)?;
        self.open.remove(&id);
        self.define(name, id, text);
        Ok(())
    }

    fn enumeration(
        &mut self,
        id: Id,
        tag: &'d str,
        size: u32,
        values: Enumerators<'d>,
    ) -> Result<()> {
        let name = format!("enum {}", identifier(self.btf, tag)?);
        if values.iter().next().is_none() {
            self.forwards.insert(("enum", tag));
            return Ok(());
        }
        let text = |writer: &mut Self| {
            Ok(format!(
                "{name} {};\n",
                writer.enumerators_text(values, size, 0)?
            ))
        };
        if self.is_defined(&name, id, text)? {
            return Ok(());
        }
        let text = text(self)?;
        self.enumerators_of(id)?;
        self.define(name, id, text);
        Ok(())
    }

    /// Records the enumerators that this type adds to the scope of the file.
    fn enumerators_of(&mut self, id: Id) -> Result<()> {
        match self.btf.item(id)? {
            Item::Enum { values, .. } => {
                for (name, _) in values.iter() {
                    self.enumerators.insert(self.btf.name(name)?.to_owned());
                }
            }
            Item::Composite {
                name: "", members, ..
            } => {
                for member in members.iter() {
                    self.spend(member.of, 0)?;
                    self.enumerators_of(member.of)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns a declaration, with the bodies of types without a name.
    fn declare(&mut self, id: Id, name: &str, indent: usize, depth: u32) -> Result<String> {
        let btf = self.btf;
        declare_with(btf, id, name, &mut |id, item| match item {
            Item::Enum { values, size, .. } => Ok(format!(
                "enum {}",
                self.enumerators_text(values, size, indent)?
            )),
            Item::Composite { union, .. } => {
                let word = if union { "union" } else { "struct" };
                Ok(format!("{word} {}", self.body(id, indent, depth)?))
            }
            _ => Err(lacking(
                btf,
                name,
                "a type without a name that is only declared",
            )),
        })
    }

    /// Returns the body of a struct or union: braces, members, attributes.
    fn body(&mut self, id: Id, indent: usize, depth: u32) -> Result<String> {
        self.spend(id, depth)?;
        let Item::Composite { members, .. } = self.btf.item(id)? else {
            return Err(self.endless(id));
        };
        let attributes = self.attributes(id, depth)?;
        let inner = "\t".repeat(indent + 1);
        let mut text = "{\n".to_owned();
        for (member, extra) in members.iter().zip(&attributes.members) {
            self.spend(member.of, depth)?;
            let name = match self.btf.name(member.name)? {
                "" => "",
                name => identifier(self.btf, name)?,
            };
            let mut line = match self.btf.item(member.of)? {
                Item::Composite {
                    name: tag, union, ..
                } if name.is_empty() && !tag.is_empty() => {
                    let word = if union { "union" } else { "struct" };
                    format!("{word} {}", self.body(member.of, indent + 1, depth + 1)?)
                }
                _ => self.declare(member.of, name, indent + 1, depth + 1)?,
            };
            if let Some(gap) = extra.gap {
                let type_ = self.declare(member.of, "", indent + 1, depth + 1)?;
                let _ = writeln!(text, "{inner}{type_} : {gap};");
            }
            if member.bits > 0 {
                let _ = write!(line, " : {}", member.bits);
            }
            if let Some(align) = extra.aligned {
                let _ = write!(line, " __attribute__((aligned({align})))");
            }
            let _ = writeln!(text, "{inner}{line};");
        }
        let _ = write!(text, "{}}}{}", "\t".repeat(indent), attributes.to_c());
        Ok(text)
    }

    fn enumerators_text(
        &mut self,
        values: Enumerators<'d>,
        size: u32,
        indent: usize,
    ) -> Result<String> {
        let inner = "\t".repeat(indent + 1);
        let mut text = "{\n".to_owned();
        for (name, value) in values.iter() {
            self.spend(Id::VOID, 0)?;
            let name = identifier(self.btf, self.btf.name(name)?)?;
            let value = literal(value)
                .ok_or_else(|| lacking(self.btf, name, "a value of more than 64 bits"))?;
            let _ = writeln!(text, "{inner}{name} = {value},");
        }
        let packed = if size < 4 {
            " __attribute__((packed))"
        } else {
            ""
        };
        let _ = write!(text, "{}}}{packed}", "\t".repeat(indent));
        Ok(text)
    }

    /// Returns the size of a type in bytes; 0 if it has none.
    pub(super) fn size(&self, id: Id) -> Result<u64> {
        Ok(size_of(self.btf, id, 0)?.unwrap_or(0))
    }

    /// Returns the alignment of a type as it is written.
    pub(super) fn align(&mut self, id: Id, depth: u32) -> Result<u64> {
        self.spend(id, depth)?;
        match self.btf.item(id)? {
            Item::Array { element: of, .. }
            | Item::Typedef { of, .. }
            | Item::Modified { of, .. }
            | Item::Variable { of, .. } => self.align(of, depth + 1),
            Item::Composite { .. } => Ok(self.attributes(id, depth)?.align),
            item => Ok(alignment_of_scalar(&item)),
        }
    }

    fn attributes(&mut self, id: Id, depth: u32) -> Result<Attributes> {
        if let Some(attributes) = self.attributes.get(&id) {
            return Ok(attributes.clone());
        }
        let Item::Composite {
            name,
            union,
            size,
            members,
        } = self.btf.item(id)?
        else {
            return Err(self.endless(id));
        };
        let declared = self
            .abi
            .types
            .get(name)
            .filter(|type_| type_.kind != Kind::Typedef);
        let declared = declared.map_or(1, |type_| type_.align).max(1);
        let mut layouts = Vec::new();
        for member in members.iter() {
            layouts.push(MemberLayout {
                offset: u64::from(member.offset_bits),
                bits: (member.bits > 0).then_some(u64::from(member.bits)),
                size: self.size(member.of)?,
                align: self.align(member.of, depth + 1)?,
            });
        }
        let attributes =
            attributes_for(&layouts, union, u64::from(size), declared).ok_or_else(|| {
                Error::new(
                    self.btf.location(),
                    "types that C can lay out",
                    format_args!(
                        "type {} with members at offsets that no attributes lead to",
                        id.0
                    ),
                    "the file is damaged: get it again; or report this with the kernel's release",
                )
            })?;
        // The assertions come from the model. If C aligned the written type differently, they would
        // fail.
        let known = self
            .abi
            .types
            .get(name)
            .filter(|type_| type_.kind != Kind::Typedef);
        if let Some(known) =
            known.filter(|known| known.align != attributes.align && known.size == u64::from(size))
        {
            return Err(Error::new(
                self.btf.location(),
                format_args!("{name} aligned to {} bytes, as it is recorded", known.align),
                format_args!(
                    "members at offsets that require an alignment of {}",
                    attributes.align
                ),
                "give the kernel's headers too (--kdir DIR), which record the alignment; or \
                 report this with the kernel's release",
            ));
        }
        self.attributes.insert(id, attributes.clone());
        Ok(attributes)
    }
}
