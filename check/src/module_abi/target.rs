// SPDX-License-Identifier: GPL-2.0-only
//! What is known of the kernel that a module is checked against.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use linux_driver_abi::btf::{self, Btf};
use linux_driver_abi::model::{Abi, Scope, Symbol};
use linux_driver_abi::symvers::Symvers;
use linux_driver_host::Result;
use linux_driver_kernels::BuildTree;
use linux_driver_kernels::Config;

/// A kernel, as far as it is known. What is not known makes a finding of its own, and never passes
/// for good.
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
    /// The kernel that the module was built for, if it is at hand: what changed since is told from
    /// it.
    pub built_for: Option<&'a Target<'a>>,
}

/// The known exports of a kernel.
#[derive(Debug, Clone)]
pub enum Exports<'a> {
    /// Nothing.
    Unknown,
    /// Those of some symbols: of any other it is not known whether it is exported.
    Some(&'a BTreeMap<String, Arc<Symbol>>),
    /// All of them: any other symbol is not exported.
    All(BTreeMap<String, Arc<Symbol>>),
}

/// Where a kernel's types and functions are read from.
#[derive(Debug, Clone, Copy)]
pub enum Types<'a> {
    /// Nowhere.
    Unknown,
    /// The kernel's BTF.
    Btf(&'a Btf<'a>),
    /// A record of those that were in scope when it was made.
    Abi(&'a Abi),
}

/// The answer to whether a symbol is exported.
pub(super) enum Lookup<'t> {
    Exported(&'t Symbol),
    NotExported,
    Unknown,
}

impl<'a> Target<'a> {
    /// Returns the kernel of a build tree: its configuration and `Module.symvers`, with the BTF of
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

    /// Returns a kernel of which there is a record: a snapshot's, or one of the history. Its
    /// configuration is not known, and of its symbols only those that were in scope.
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

    /// With the kernel that the module was built for.
    #[must_use]
    pub fn with_built_for(mut self, kernel: &'a Target<'a>) -> Self {
        self.built_for = Some(kernel);
        self
    }

    /// With what other modules export: the kernel's own symbols go before them.
    #[must_use]
    pub fn with_others(mut self, others: impl IntoIterator<Item = (String, Arc<Symbol>)>) -> Self {
        self.others.extend(others);
        self
    }

    /// Returns whether the kernel, or another module, exports it.
    pub(super) fn lookup(&self, name: &str) -> Lookup<'_> {
        match (self.exports.lookup(name), self.others.get(name)) {
            (Lookup::NotExported | Lookup::Unknown, Some(symbol)) => Lookup::Exported(symbol),
            (found, _) => found,
        }
    }

    /// Returns whether the kernel has checksums of its symbols (CONFIG_MODVERSIONS), if that is
    /// known.
    pub(super) fn has_checksums(&self) -> Option<bool> {
        match (&self.config, self.exports.symbols()) {
            (Some(config), _) => Some(config.is_set("CONFIG_MODVERSIONS")),
            (None, Some(symbols)) => Some(symbols.values().any(|symbol| symbol.crc.is_some())),
            (None, None) => None,
        }
    }
}

impl<'a> Exports<'a> {
    /// Returns all that a `Module.symvers` lists. An empty one says nothing.
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
