// SPDX-License-Identifier: GPL-2.0-only
//! The known facts about the kernel that a module is checked against.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use linux_driver_abi::btf::{self, Btf};
use linux_driver_abi::model::{Abi, Scope, Symbol};
use linux_driver_abi::symvers::Symvers;
use linux_driver_host::Result;
use linux_driver_kernels::BuildTree;
use linux_driver_kernels::Config;

/// A kernel, as far as it is known. Each unknown fact makes a finding and never counts as good.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    /// Its name in the report.
    pub name: String,
    /// Its release, as `uname -r` prints it.
    pub release: String,
    /// Its architecture, as `uname -m` prints it; empty if it is not known.
    pub arch: String,
    /// Its configuration.
    pub config: Option<Config>,
    /// The symbols that it exports.
    pub exports: Exports<'a>,
    /// The exports of modules that were built outside its tree (`KBUILD_EXTRA_SYMBOLS`).
    pub others: BTreeMap<String, Arc<Symbol>>,
    /// Its types and the signatures of its functions.
    pub types: Types<'a>,
    /// The kernel that the module was built for, if it is available. The report then says what has
    /// changed since.
    pub built_for: Option<&'a Target<'a>>,
}

/// The known exports of a kernel.
#[derive(Debug, Clone)]
pub enum Exports<'a> {
    /// Nothing is known.
    Unknown,
    /// The exports of some symbols. For any other symbol it is not known.
    Some(&'a BTreeMap<String, Arc<Symbol>>),
    /// All exports. Any other symbol is not exported.
    All(BTreeMap<String, Arc<Symbol>>),
}

/// The source of a kernel's types and functions.
#[derive(Debug, Clone, Copy)]
pub enum Types<'a> {
    /// No source.
    Unknown,
    /// The kernel's BTF.
    Btf(&'a Btf<'a>),
    /// A record of the types and functions that were in scope when it was made.
    Abi(&'a Abi),
}

/// Says whether a symbol is exported.
pub(super) enum Lookup<'t> {
    Exported(&'t Symbol),
    NotExported,
    Unknown,
}

impl<'a> Target<'a> {
    /// Returns the kernel of a build tree: its configuration, its `Module.symvers`, and the BTF of
    /// its image.
    pub fn of_tree(tree: &BuildTree, btf: Option<&'a Btf<'a>>) -> Result<Self> {
        let symvers = Symvers::read(&tree.symvers())?;
        Ok(Self {
            name: tree.release.clone(),
            release: tree.release.clone(),
            arch: if tree.arch == "x86" {
                "x86_64".to_owned()
            } else {
                tree.arch.clone()
            },
            config: Some(tree.config.clone()),
            exports: Exports::of_symvers(&symvers),
            others: BTreeMap::new(),
            types: btf.map_or(Types::Unknown, Types::Btf),
            built_for: None,
        })
    }

    /// Returns a kernel from a record: a snapshot, or a kernel of the history. Its configuration is
    /// not known, and only the symbols in the record's scope are.
    pub fn of_abi(abi: &'a Abi) -> Self {
        Self {
            name: abi.release.clone(),
            release: abi.release.clone(),
            arch: abi.arch.clone(),
            config: None,
            exports: if abi.symbols.is_empty() {
                Exports::Unknown
            } else {
                Exports::Some(&abi.symbols)
            },
            others: BTreeMap::new(),
            types: Types::Abi(abi),
            built_for: None,
        }
    }

    /// Adds the kernel that the module was built for.
    #[must_use]
    pub fn with_built_for(mut self, kernel: &'a Target<'a>) -> Self {
        self.built_for = Some(kernel);
        self
    }

    /// Adds the exports of other modules. The kernel's own symbols take precedence.
    #[must_use]
    pub fn with_others(mut self, others: impl IntoIterator<Item = (String, Arc<Symbol>)>) -> Self {
        self.others.extend(others);
        self
    }

    /// Looks up a symbol in the exports of the kernel and of the other modules.
    pub(super) fn lookup(&self, name: &str) -> Lookup<'_> {
        match (self.exports.lookup(name), self.others.get(name)) {
            (Lookup::NotExported | Lookup::Unknown, Some(symbol)) => Lookup::Exported(symbol),
            (found, _) => found,
        }
    }

    /// Returns whether the kernel has checksums of its symbols (CONFIG_MODVERSIONS), or `None` if
    /// that is not known.
    pub(super) fn has_checksums(&self) -> Option<bool> {
        match (&self.config, self.exports.symbols()) {
            (Some(config), _) => Some(config.is_set("CONFIG_MODVERSIONS")),
            (None, Some(symbols)) => Some(symbols.values().any(|symbol| symbol.crc.is_some())),
            (None, None) => None,
        }
    }
}

impl<'a> Exports<'a> {
    /// Returns all that a `Module.symvers` lists. An empty one means that nothing is known.
    pub fn of_symvers(symvers: &Symvers) -> Self {
        if symvers.is_empty() {
            return Self::Unknown;
        }
        let checksums = symvers.has_checksums();
        let symbols = symvers
            .iter()
            .filter_map(|(name, _)| Some((name.to_owned(), symvers.symbol(name, checksums)?)));
        Self::All(symbols.collect())
    }

    pub(super) fn symbols(&self) -> Option<&BTreeMap<String, Arc<Symbol>>> {
        match self {
            Self::Unknown => None,
            Self::Some(symbols) => Some(symbols),
            Self::All(symbols) => Some(symbols),
        }
    }

    pub(super) fn lookup(&self, name: &str) -> Lookup<'_> {
        match (self.symbols().and_then(|symbols| symbols.get(name)), self) {
            (Some(symbol), _) => Lookup::Exported(symbol),
            (None, Self::All(_)) => Lookup::NotExported,
            (None, _) => Lookup::Unknown,
        }
    }
}

impl<'a> Types<'a> {
    /// Returns these types and functions, as far as they are known.
    pub(super) fn look_up(self, types: &[String], functions: &[String]) -> Result<Cow<'a, Abi>> {
        Ok(match self {
            Self::Unknown => Cow::Owned(Abi::default()),
            Self::Abi(abi) => Cow::Borrowed(abi),
            Self::Btf(btf) => Cow::Owned(btf::extract(
                btf,
                &Scope {
                    types: types.to_vec(),
                    functions: functions.to_vec(),
                },
            )?),
        })
    }
}
