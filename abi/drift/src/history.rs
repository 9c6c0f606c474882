// SPDX-License-Identifier: GPL-2.0-only
//! The history: every known kernel, with each distinct layout stored once.
//!
//! The history is a folder of text files, one for each kind of fact. Each line is a row of columns
//! that are separated by tabs; a line that starts with `#` is a comment. The first row of each file
//! is `history`, the number of the format, and the kind. Blocks follow: a head row and the rows
//! that belong to it.
//!
//! | file | head row | rows of the block |
//! |---|---|---|
//! | `types.tsv` | `type NAME` | `f N GAP SIZE NAME TYPE`: a field; `v N NAME VALUE`: an enumerator; `l N KIND SIZE ALIGN MEMBERS [TARGET]`: a layout |
//! | `functions.tsv` | `function NAME` | `s N LINKAGE RETURNS [PARAM…]`: a signature |
//! | `constants.tsv` | `constant NAME` | `c N VALUE SOURCE [TYPE]` |
//! | `symbols.tsv` | `symbol NAME` | `x N none`: not exported; `x N CRC gpl\|any NAMESPACE MODULE`, with `-` for a missing value |
//! | `unknown.tsv` | `unknown NAME` | `w N REASON`: why there is no evidence |
//! | `kernels.tsv` | `kernel ID` | what the kernel is, which other kernel it resembles, and which facts differ from that one |
//!
//! A field's position is its GAP: the number of bits between the end of the field before it in the
//! layout and its own start. The gap is negative where members of a union overlap. So one added or
//! removed field is one new row and one new layout, `0-12 150 13-149`, however many fields move. A
//! size in bits that starts with `:` is the size of a bit field.
//!
//! Numbers (N) count from 0 in each block and never change; neither does a kernel's ID. Adding a
//! kernel appends a block of few rows to `kernels.tsv`. The block lists only the differences from
//! the most similar kernel. Facts that are new are appended to their files. The files of facts are
//! written first and `kernels.tsv` last, so an interrupted write still leaves a readable history.
//!
//! Facts that a kernel's files did not contain are not recorded at all. A kernel whose
//! `Module.symvers` was missing has no facts about symbols. That differs from a symbol that is not
//! exported.

mod add;
mod facts;
mod kernels;
mod layouts;
mod order;
mod steps;
mod text;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use linux_driver_host::{Error, Result, fs};
use serde::{Deserialize, Serialize};

pub use self::add::Added;
pub use self::order::{nearest, order_of, series_of};
use crate::compare::Says;
use crate::model::{Abi, Constant, Function, Scope, Symbol, Type};

/// The number of a kernel in a history: its position in `kernels.tsv`, which never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelId(u32);

/// A package of a kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The SHA-256 of its file.
    pub sha256: String,
}

/// A kernel of the history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryKernel {
    /// Its ID in the history: its release. If two builds have the same release, the later one's is
    /// `RELEASE=VERSION`.
    pub id: String,
    /// The output of `uname -r` on it.
    pub release: String,
    /// The architecture as `uname -m` prints it.
    pub arch: String,
    /// "rt", "cloud", or empty.
    pub flavour: String,
    /// "6.12".
    pub series: String,
    /// The packages that it was read from.
    pub packages: Vec<HistoryPackage>,
    /// The file that its BTF was read from, inside a package.
    pub btf: String,
    /// `true` if its `Module.symvers` was available.
    pub symbols_known: bool,
}

/// A kind of fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// A type's layout.
    Type,
    /// A function's signature.
    Function,
    /// A constant's value.
    Constant,
    /// The export of a symbol.
    Symbol,
    /// The reason why nothing is known. The name starts with the kind: `type irq_info`.
    Unknown,
}

impl What {
    /// All kinds, in the order in which they are written.
    pub const ALL: [Self; 5] = [
        Self::Type,
        Self::Function,
        Self::Constant,
        Self::Symbol,
        Self::Unknown,
    ];

    /// Returns the word that starts a block of its file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Function => "function",
            Self::Constant => "constant",
            Self::Symbol => "symbol",
            Self::Unknown => "unknown",
        }
    }

    /// Returns the plural of the word, which is also the name of the file.
    fn plural(self) -> &'static str {
        match self {
            Self::Type => "types",
            Self::Function => "functions",
            Self::Constant => "constants",
            Self::Symbol => "symbols",
            Self::Unknown => "unknown",
        }
    }
}

/// One variant of a named item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A layout.
    Type(Arc<Type>),
    /// A signature.
    Function(Arc<Function>),
    /// A value.
    Constant(Arc<Constant>),
    /// An export; `None` if the symbol is not exported.
    Symbol(Option<Arc<Symbol>>),
    /// The reason why nothing is known.
    Unknown(Arc<str>),
}

/// A named item and its variants, in the order in which they were first seen.
#[derive(Debug, Clone)]
struct Item {
    name: String,
    facts: Vec<Fact>,
}

/// All items of one kind.
#[derive(Debug, Clone, Default)]
struct Items {
    list: Vec<Item>,
    by_name: HashMap<String, u32>,
}

impl Items {
    fn get(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    fn get_or_make(&mut self, name: &str) -> u32 {
        if let Some(at) = self.get(name) {
            return at;
        }
        let at = self.list.len() as u32;
        self.list.push(Item {
            name: name.to_owned(),
            facts: Vec::new(),
        });
        self.by_name.insert(name.to_owned(), at);
        at
    }

    /// Returns the items in the order of their names.
    fn sorted(&self) -> Vec<(u32, &Item)> {
        let mut all: Vec<(u32, &Item)> = (0..).zip(&self.list).collect();
        all.sort_by(|a, b| a.1.name.cmp(&b.1.name));
        all
    }
}

/// The reason that is recorded if the export of a function is not known.
const UNREAD: &str = "its Module.symvers was not at hand when it was looked for";

/// The mark of an item that a kernel does not have, in a sheet.
const ABSENT: u32 = u32::MAX;

/// The variant that a kernel has of each item of a kind, by the item's position. It can be shorter
/// than the list of items.
type Sheet = Vec<u32>;

fn at(sheet: &Sheet, item: u32) -> u32 {
    sheet.get(item as usize).copied().unwrap_or(ABSENT)
}

fn set(sheet: &mut Sheet, item: u32, fact: u32) {
    let item = item as usize;
    if sheet.len() <= item {
        sheet.resize(item + 1, ABSENT);
    }
    sheet[item] = fact;
}

#[derive(Debug, Clone)]
struct Entry {
    kernel: HistoryKernel,
    /// The kernel that its facts are stored relative to.
    like: Option<u32>,
    /// The kernel that its symbols are stored relative to.
    symbols_like: Option<u32>,
    sheets: [Sheet; What::ALL.len()],
}

/// The record of all known kernels.
#[derive(Debug, Clone, Default)]
pub struct History {
    entries: Vec<Entry>,
    by_id: HashMap<String, u32>,
    items: [Items; What::ALL.len()],
}

/// A difference between two kernels.
#[derive(Debug, Clone, Copy)]
pub struct Difference<'h> {
    /// Its kind.
    pub what: What,
    /// Its name.
    pub name: &'h str,
    /// The fact of the first kernel; `None` if it has none, or if that is not known.
    pub before: Option<&'h Fact>,
    /// The fact of the second kernel.
    pub after: Option<&'h Fact>,
}

impl History {
    /// Reads the history in this folder.
    pub fn read(dir: &Path) -> Result<Self> {
        Self::of_files(dir, text::read)
    }

    /// Reads a history from texts in memory, by file name. A missing file is an empty one.
    pub fn of_texts(texts: &BTreeMap<String, String>) -> Result<Self> {
        Self::of_files(Path::new(""), |path| {
            let name = path.to_string_lossy();
            Ok(texts.get(name.as_ref()).cloned().unwrap_or_default())
        })
    }

    fn of_files(dir: &Path, read: impl Fn(&Path) -> Result<String> + Sync) -> Result<Self> {
        let read_items = |what: What, items: &mut Items| {
            let path = dir.join(format!("{}.tsv", what.plural()));
            let text = read(&path)?;
            let rows = text::rows(&path, &text, what.plural())?;
            match what {
                What::Type => layouts::read(rows, items),
                _ => facts::read(what, rows, items),
            }
        };
        let mut history = Self::default();
        let [types, facts @ ..] = &mut history.items;
        // Reading the layouts takes as long as reading all the rest.
        std::thread::scope(|scope| {
            let types = scope.spawn(|| read_items(What::Type, types));
            let mut facts = What::ALL.into_iter().skip(1).zip(facts);
            let facts = facts.try_for_each(|(what, items)| read_items(what, items));
            let types = types
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            types.and(facts)
        })?;
        let path = dir.join(text::KERNELS);
        let text = read(&path)?;
        kernels::read(text::rows(&path, &text, "kernels")?, &mut history)?;
        Ok(history)
    }

    /// Reads the history in this folder, or returns an empty one if there is none.
    pub fn read_or_begin(dir: &Path) -> Result<Self> {
        if dir.join(text::KERNELS).exists() {
            Self::read(dir)
        } else {
            Ok(Self::default())
        }
    }

    /// Writes the history into this folder, and makes the folder if it is missing. An interrupted
    /// write leaves a readable history.
    pub fn write(&self, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir)?;
        let mut files = Vec::new();
        for what in What::ALL {
            let items = &self.items[what as usize];
            let body = match what {
                What::Type => layouts::write(items),
                _ => facts::write(what, items),
            };
            files.push((
                format!("{}.tsv", what.plural()),
                text::file(what.plural(), &body),
            ));
        }
        files.push((
            text::KERNELS.to_owned(),
            text::file("kernels", &kernels::write(self)),
        ));
        for (name, text) in files {
            text::replace(&dir.join(name), &text)?;
        }
        Ok(())
    }

    /// Returns the kernels, in the order in which they were added.
    pub fn kernels(&self) -> impl ExactSizeIterator<Item = (KernelId, &HistoryKernel)> {
        let entry = |(number, entry)| -> (KernelId, &HistoryKernel) {
            let entry: &Entry = entry;
            (KernelId(number as u32), &entry.kernel)
        };
        self.entries.iter().enumerate().map(entry)
    }

    /// Returns the number of kernels.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether the history is empty.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the description of a kernel of this history.
    pub fn kernel(&self, id: KernelId) -> &HistoryKernel {
        &self.entries[id.0 as usize].kernel
    }

    /// Returns the kernels by architecture and flavour, and in each group from the oldest to the
    /// newest.
    pub fn in_order(&self) -> Vec<KernelId> {
        let mut all: Vec<KernelId> = self.kernels().map(|(id, _)| id).collect();
        all.sort_by_cached_key(|&id| {
            let kernel = self.kernel(id);
            let arch = (
                kernel.arch != "x86_64",
                kernel.arch.clone(),
                kernel.flavour.clone(),
            );
            (arch, order_of(&kernel.release), id)
        });
        all
    }

    /// Returns each kernel with its predecessor.
    pub fn steps(&self) -> Vec<(KernelId, KernelId)> {
        let order = self.in_order();
        let same = |a: KernelId, b: KernelId| {
            let (a, b) = (self.kernel(a), self.kernel(b));
            a.arch == b.arch && a.flavour == b.flavour
        };
        let pairs = order.windows(2).filter(|pair| same(pair[0], pair[1]));
        pairs.map(|pair| (pair[0], pair[1])).collect()
    }

    /// Returns the kernel before this one, of the same architecture and flavour.
    pub fn predecessor(&self, of: KernelId) -> Option<KernelId> {
        self.steps()
            .into_iter()
            .find(|(_, after)| *after == of)
            .map(|(before, _)| before)
    }

    /// Finds a kernel by its ID, or by the start of one. If several match, the result is the
    /// newest. "6.12" finds the newest of that series, preferably one for x86_64 without a flavour.
    ///
    /// # Errors
    ///
    /// No kernel matches. The error lists similar names.
    pub fn find(&self, name: &str) -> Result<KernelId> {
        if let Some(&number) = self.by_id.get(name) {
            return Ok(KernelId(number));
        }
        let of_series = |id: &KernelId| self.kernel(*id).series == name;
        // "6.12.11" is not a match for "6.12.117".
        let ends_a_number = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_digit());
        let starts = |id: &KernelId| {
            let rest = self.kernel(*id).id.strip_prefix(name);
            !name.is_empty() && rest.is_some_and(ends_a_number)
        };
        let order = self.in_order();
        // This order starts with x86_64 without a flavour, so the newest is the last of the first
        // group.
        let newest = |found: Vec<KernelId>| {
            let first = self.kernel(*found.first()?);
            let same = |id: &&KernelId| {
                let kernel = self.kernel(**id);
                kernel.arch == first.arch && kernel.flavour == first.flavour
            };
            found.iter().rfind(same).copied()
        };
        let found = newest(order.iter().copied().filter(of_series).collect())
            .or_else(|| newest(order.iter().copied().filter(starts).collect()));
        found.ok_or_else(|| {
            let near = nearest(name, self.kernels().map(|(_, kernel)| kernel.id.as_str()));
            Error::new(
                format_args!("`{name}`"),
                format_args!("one of the {} kernels of the history", self.len()),
                "no kernel with this release",
                match near.is_empty() {
                    true => "see `cargo xtask history list`".to_owned(),
                    false => format!(
                        "see `cargo xtask history list`; similar: {}",
                        near.join(", ")
                    ),
                },
            )
        })
    }

    /// Returns the names of a kind, in alphabetical order.
    pub fn names(&self, what: What) -> impl Iterator<Item = &str> {
        self.items[what as usize]
            .sorted()
            .into_iter()
            .map(|(_, item)| item.name.as_str())
    }

    /// Returns the fact of a kernel for this name; `None` if it has none, or if it was not looked
    /// for.
    pub fn fact(&self, kernel: KernelId, what: What, name: &str) -> Option<&Fact> {
        let item = self.items[what as usize].get(name)?;
        self.fact_at(kernel, what, item)
    }

    fn fact_at(&self, kernel: KernelId, what: What, item: u32) -> Option<&Fact> {
        let fact = at(&self.entries[kernel.0 as usize].sheets[what as usize], item);
        self.items[what as usize].list[item as usize]
            .facts
            .get(fact as usize)
    }

    /// Returns the variants of this name, each with its kernels, in the order in which they were
    /// first seen.
    pub fn variants(&self, what: What, name: &str) -> Vec<(&Fact, Vec<KernelId>)> {
        let items = &self.items[what as usize];
        let Some(item) = items.get(name) else {
            return Vec::new();
        };
        let facts = &items.list[item as usize].facts;
        let mut variants: Vec<(&Fact, Vec<KernelId>)> =
            facts.iter().map(|fact| (fact, Vec::new())).collect();
        for (number, entry) in (0..).zip(&self.entries) {
            if let Some((_, kernels)) =
                variants.get_mut(at(&entry.sheets[what as usize], item) as usize)
            {
                kernels.push(KernelId(number));
            }
        }
        variants.retain(|(_, kernels)| !kernels.is_empty());
        variants
    }

    /// Returns the layouts of this type, each with its kernels.
    pub fn layouts_of(&self, name: &str) -> Vec<(Arc<Type>, Vec<KernelId>)> {
        let variants = self.variants(What::Type, name).into_iter();
        variants
            .filter_map(|(fact, kernels)| match fact {
                Fact::Type(type_) => Some((type_.clone(), kernels)),
                _ => None,
            })
            .collect()
    }

    /// Returns the differences between two kernels, by kind and name. Equal facts cost nothing.
    ///
    /// If the symbols of one of them are not known, no symbol is among the differences.
    pub fn differences(&self, before: KernelId, after: KernelId) -> Vec<Difference<'_>> {
        let (old, new) = (
            &self.entries[before.0 as usize],
            &self.entries[after.0 as usize],
        );
        let mut all = Vec::new();
        for what in What::ALL {
            if what == What::Symbol && !(old.kernel.symbols_known && new.kernel.symbols_known) {
                continue;
            }
            let (a, b) = (&old.sheets[what as usize], &new.sheets[what as usize]);
            let start = all.len();
            for item in 0..a.len().max(b.len()) as u32 {
                if at(a, item) != at(b, item) {
                    all.push(Difference {
                        what,
                        name: &self.items[what as usize].list[item as usize].name,
                        before: self.fact_at(before, what, item),
                        after: self.fact_at(after, what, item),
                    });
                }
            }
            all[start..].sort_by_key(|difference| difference.name);
        }
        all
    }

    /// Returns the names of a kind whose variants differ between two kernels, in alphabetical
    /// order.
    pub fn names_apart(&self, one: KernelId, other: KernelId, what: What) -> Vec<&str> {
        let list = &self.items[what as usize].list;
        let items = self.items_apart(one, other, what);
        let mut names: Vec<&str> = items
            .map(|item| list[item as usize].name.as_str())
            .collect();
        names.sort_unstable();
        names
    }

    fn items_apart(&self, one: KernelId, other: KernelId, what: What) -> impl Iterator<Item = u32> {
        let sheet = |kernel: KernelId| &self.entries[kernel.0 as usize].sheets[what as usize];
        let (a, b) = (sheet(one), sheet(other));
        (0..a.len().max(b.len()) as u32).filter(move |&item| at(a, item) != at(b, item))
    }

    /// Changes the ABI of one kernel, as [`History::abi_of`] returns it, into that of another. The
    /// cost is proportional to the differences.
    pub fn turn(&self, abi: &mut Abi, from: KernelId, to: KernelId) {
        let kernel = self.kernel(to);
        abi.release.clone_from(&kernel.release);
        abi.arch.clone_from(&kernel.arch);
        for what in What::ALL {
            for item in self.items_apart(from, to, what) {
                let name = &self.items[what as usize].list[item as usize].name;
                match self.fact_at(to, what, item) {
                    Some(Fact::Symbol(None)) | None => remove(abi, what, name),
                    Some(fact) => insert(abi, name, fact),
                }
            }
        }
        let known = |kernel| self.kernel(kernel).symbols_known;
        if known(from) != known(to) {
            abi.no_evidence.retain(|_, why| why != UNREAD);
            self.add_unread(abi, to);
            return;
        }
        for what in [What::Function, What::Symbol] {
            for item in self.items_apart(from, to, what) {
                let name = &self.items[what as usize].list[item as usize].name;
                let (was, is) = (self.is_unread(from, name), self.is_unread(to, name));
                if !was && !is {
                    continue;
                }
                let key = format!("symbol {name}");
                if is && abi.functions.contains_key(name) {
                    abi.no_evidence.insert(key, UNREAD.to_owned());
                } else if abi.no_evidence.get(&key).is_some_and(|why| why == UNREAD) {
                    abi.no_evidence.remove(&key);
                }
            }
        }
    }

    /// Returns whether it is not known if the kernel exports this function, because the function
    /// was added after the kernel's list of symbols was read.
    fn is_unread(&self, kernel: KernelId, name: &str) -> bool {
        self.kernel(kernel).symbols_known && self.fact(kernel, What::Symbol, name).is_none()
    }

    fn add_unread(&self, abi: &mut Abi, kernel: KernelId) {
        let functions = abi
            .functions
            .keys()
            .filter(|name| self.is_unread(kernel, name));
        let unread: Vec<String> = functions.map(|name| format!("symbol {name}")).collect();
        abi.no_evidence
            .extend(unread.into_iter().map(|key| (key, UNREAD.to_owned())));
    }

    /// Returns the ABI of a kernel, as far as the history knows it.
    pub fn abi_of(&self, kernel: KernelId) -> Abi {
        let mut abi = self.empty(kernel);
        for what in What::ALL {
            for (item, entry) in (0..).zip(&self.items[what as usize].list) {
                if let Some(fact) = self.fact_at(kernel, what, item) {
                    insert(&mut abi, &entry.name, fact);
                }
            }
        }
        self.add_unread(&mut abi, kernel);
        abi
    }

    /// Returns the parts that the history describes of a kernel. It contains no constants of the
    /// compiler.
    pub fn says(&self, kernel: KernelId) -> Says {
        Says {
            constants: false,
            symbols: self.kernel(kernel).symbols_known,
        }
    }

    /// Returns the names of this scope that were not looked for when the kernel was read, each with
    /// its kind before it. Symbols are looked for with the functions.
    pub fn not_known(&self, kernel: KernelId, scope: &Scope) -> Vec<String> {
        let has = |what, name: &str| self.fact(kernel, what, name).is_some();
        let in_vain = |word: &str, name: &str| has(What::Unknown, &format!("{word} {name}"));
        let mut missing = Vec::new();
        for name in &scope.types {
            if !has(What::Type, name) && !in_vain("type", name) {
                missing.push(format!("type {name}"));
            }
        }
        for name in &scope.functions {
            if !has(What::Function, name) && !in_vain("function", name) {
                missing.push(format!("function {name}"));
            } else if self.kernel(kernel).symbols_known && !has(What::Symbol, name) {
                missing.push(format!("symbol {name}"));
            }
        }
        missing
    }

    fn empty(&self, kernel: KernelId) -> Abi {
        let kernel = self.kernel(kernel);
        Abi {
            release: kernel.release.clone(),
            arch: kernel.arch.clone(),
            ..Abi::default()
        }
    }
}

fn remove(abi: &mut Abi, what: What, name: &str) {
    match what {
        What::Type => drop(abi.types.remove(name)),
        What::Function => drop(abi.functions.remove(name)),
        What::Constant => drop(abi.constants.remove(name)),
        What::Symbol => drop(abi.symbols.remove(name)),
        What::Unknown => drop(abi.no_evidence.remove(name)),
    }
}

fn insert(abi: &mut Abi, name: &str, fact: &Fact) {
    fn put<T: Clone>(map: &mut BTreeMap<String, T>, name: &str, value: &T) {
        match map.get_mut(name) {
            Some(old) => old.clone_from(value),
            None => drop(map.insert(name.to_owned(), value.clone())),
        }
    }
    match fact {
        Fact::Type(type_) => put(&mut abi.types, name, type_),
        Fact::Function(function) => put(&mut abi.functions, name, function),
        Fact::Constant(constant) => put(&mut abi.constants, name, constant),
        Fact::Symbol(Some(symbol)) => put(&mut abi.symbols, name, symbol),
        Fact::Symbol(None) => {}
        Fact::Unknown(reason) => put(&mut abi.no_evidence, name, &reason.to_string()),
    }
}
