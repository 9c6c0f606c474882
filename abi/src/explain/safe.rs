// SPDX-License-Identifier: GPL-2.0-only
//! The names in the safe layer for names in C. Each public item corresponds to C's item of the same
//! name, and to those that its attributes name, as in `#[doc(alias = "pci_driver")]`.
//!
//! The items are read from the sources, including those that macros make (module `rules`). So no
//! second list could differ. rustdoc's search finds the items by the same names.

use std::path::{Path, PathBuf};

use linux_driver_host::{Error, Result, fs};
use proc_macro2::{Span, TokenStream};
use serde::Serialize;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Expr, ExprLit, Fields, Ident, ImplItem, Item, Lit, Meta, Token, TraitItem, Type,
    Visibility,
};

use super::rules::Rules;

/// An item of the safe layer and the item in C that it corresponds to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SafeName {
    /// The name in C.
    pub c: String,
    /// The path in the safe layer: `pci::Driver`.
    pub path: String,
    /// The file and line of the item.
    pub location: String,
}

/// All items of the safe layer, with every name in C that each corresponds to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SafeNames(Vec<SafeName>);

impl SafeNames {
    /// Reads the sources of the crate in this folder (`safe/src`).
    pub fn read(dir: &Path) -> Result<Self> {
        let mut reader = Reader {
            dir: dir.to_owned(),
            aliases: Vec::new(),
        };
        reader.file(&dir.join("lib.rs"), dir, &[])?;
        let mut all = reader.aliases;
        all.sort();
        all.dedup();
        Ok(Self(all))
    }

    /// Returns the items for exactly this name, or of this path.
    pub fn own(&self, name: &str) -> Vec<SafeName> {
        let name = name.trim_end_matches('!');
        let is = |alias: &&SafeName| alias.c == name || alias.path.trim_end_matches('!') == name;
        let mut found: Vec<SafeName> = self.0.iter().filter(is).cloned().collect();
        found.dedup_by(|a, b| a.location == b.location && a.path == b.path);
        found
    }

    /// Does the same. A field without an item of its own has those of its type.
    pub fn of(&self, name: &str) -> Vec<SafeName> {
        let own = self.own(name);
        match name.split_once('.') {
            Some((type_, _)) if own.is_empty() => self.own(type_),
            _ => own,
        }
    }

    /// Returns all items, in the order of the names in C.
    pub fn all(&self) -> &[SafeName] {
        &self.0
    }
}

/// A reader of a crate's files, from its root on.
struct Reader {
    dir: PathBuf,
    aliases: Vec<SafeName>,
}

/// The position of an item in the crate.
#[derive(Clone)]
struct ItemPath {
    /// The file.
    file: PathBuf,
    /// The folder that contains the files of its modules.
    children: PathBuf,
    /// The public modules around it. A private one is left out, because its items are re-exported
    /// one level up.
    path: Vec<String>,
}

impl Reader {
    fn file(&mut self, file: &Path, children: &Path, path: &[String]) -> Result<()> {
        let text = fs::read_to_string(file)?;
        let read = syn::parse_file(&text);
        let read = read.map_err(|e| {
            Error::new(
                file.display(),
                "a source file in Rust",
                e,
                "correct the file",
            )
        })?;
        let location = ItemPath {
            file: file.to_owned(),
            children: children.to_owned(),
            path: path.to_owned(),
        };
        self.items(&read.items, &location, &mut Rules::default())
    }

    fn items(&mut self, items: &[Item], location: &ItemPath, rules: &mut Rules) -> Result<()> {
        for item in items {
            self.item(item, location, rules)?;
        }
        Ok(())
    }

    fn item(&mut self, item: &Item, location: &ItemPath, rules: &mut Rules) -> Result<()> {
        match item {
            Item::Mod(module) if !is_test(&module.attrs) => {
                return self.module(module, location, rules);
            }
            Item::Struct(item) => {
                self.add(location, &item.attrs, &item.vis, &[&item.ident]);
                if let (Fields::Named(fields), false) = (&item.fields, is_hidden(&item.attrs)) {
                    for field in &fields.named {
                        if let Some(name) = &field.ident {
                            self.add(location, &field.attrs, &field.vis, &[&item.ident, name]);
                        }
                    }
                }
            }
            Item::Enum(item) => {
                self.add(location, &item.attrs, &item.vis, &[&item.ident]);
                if !is_hidden(&item.attrs) {
                    for variant in &item.variants {
                        self.add(
                            location,
                            &variant.attrs,
                            &item.vis,
                            &[&item.ident, &variant.ident],
                        );
                    }
                }
            }
            Item::Union(item) => self.add(location, &item.attrs, &item.vis, &[&item.ident]),
            Item::Fn(item) => self.add(location, &item.attrs, &item.vis, &[&item.sig.ident]),
            Item::Const(item) => self.add(location, &item.attrs, &item.vis, &[&item.ident]),
            Item::Static(item) => self.add(location, &item.attrs, &item.vis, &[&item.ident]),
            Item::Type(item) => self.add(location, &item.attrs, &item.vis, &[&item.ident]),
            Item::Trait(item) => {
                self.add(location, &item.attrs, &item.vis, &[&item.ident]);
                for of in item.items.iter().filter(|_| !is_hidden(&item.attrs)) {
                    let (attrs, name) = match of {
                        TraitItem::Fn(of) => (&of.attrs, &of.sig.ident),
                        TraitItem::Const(of) => (&of.attrs, &of.ident),
                        TraitItem::Type(of) => (&of.attrs, &of.ident),
                        _ => continue,
                    };
                    self.add(location, attrs, &item.vis, &[&item.ident, name]);
                }
            }
            Item::Impl(item) if !is_test(&item.attrs) => self.of_impl(item, location, rules),
            Item::Macro(item) => {
                if let Some(name) = &item.ident {
                    if is_exported(&item.attrs) {
                        let root = ItemPath {
                            path: Vec::new(),
                            ..location.clone()
                        };
                        self.add_named(
                            &root,
                            &item.attrs,
                            true,
                            &name.to_string(),
                            "!",
                            name.span(),
                        );
                    }
                    rules.define(name, item.mac.tokens.clone());
                } else if let Some(made) = made_by(rules, &item.mac)
                    && let Ok(made) = syn::parse2::<syn::File>(made)
                {
                    self.items(&made.items, location, rules)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn module(
        &mut self,
        module: &syn::ItemMod,
        location: &ItemPath,
        rules: &mut Rules,
    ) -> Result<()> {
        self.add(location, &module.attrs, &module.vis, &[&module.ident]);
        let name = module.ident.to_string();
        let mut inside = ItemPath {
            children: location.children.join(&name),
            ..location.clone()
        };
        if is_public(&module.vis) {
            inside.path.push(name.clone());
        }
        if let Some((_, items)) = &module.content {
            return self.items(items, &inside, rules);
        }
        let beside = [
            location.children.join(format!("{name}.rs")),
            inside.children.join("mod.rs"),
        ];
        // `#[path]` marks code for one architecture, which is not public.
        match beside.iter().find(|file| file.is_file()) {
            Some(file) => self.file(file, &inside.children, &inside.path),
            None => Ok(()),
        }
    }

    fn of_impl(&mut self, item: &syn::ItemImpl, location: &ItemPath, rules: &Rules) {
        let Type::Path(of) = &*item.self_ty else {
            return;
        };
        let Some(of) = of.path.segments.last().map(|segment| &segment.ident) else {
            return;
        };
        for inside in &item.items {
            let (attrs, vis, name) = match inside {
                ImplItem::Fn(inside) => (&inside.attrs, &inside.vis, &inside.sig.ident),
                ImplItem::Const(inside) => (&inside.attrs, &inside.vis, &inside.ident),
                ImplItem::Type(inside) => (&inside.attrs, &inside.vis, &inside.ident),
                ImplItem::Macro(inside) => {
                    let made =
                        made_by(rules, &inside.mac).map(|made| quote::quote!(impl #of { #made }));
                    if let Some(Ok(made)) = made.map(syn::parse2::<syn::ItemImpl>) {
                        self.of_impl(&made, location, rules);
                    }
                    continue;
                }
                _ => continue,
            };
            // The visibility of a trait's item is the trait's.
            self.add(location, attrs, vis, &[of, name]);
        }
    }

    fn add(
        &mut self,
        location: &ItemPath,
        attrs: &[Attribute],
        vis: &Visibility,
        names: &[&Ident],
    ) {
        let Some((last, before)) = names.split_last() else {
            return;
        };
        let mut location = location.clone();
        location.path.extend(before.iter().map(ToString::to_string));
        self.add_named(
            &location,
            attrs,
            is_public(vis),
            &last.to_string(),
            "",
            last.span(),
        );
    }

    /// Adds an item: by its name if it is public and not hidden, and by the names in its
    /// attributes.
    fn add_named(
        &mut self,
        location: &ItemPath,
        attrs: &[Attribute],
        public: bool,
        name: &str,
        end: &str,
        span: Span,
    ) {
        let name = name.trim_start_matches("r#");
        let path: Vec<&str> = location
            .path
            .iter()
            .map(String::as_str)
            .chain([name])
            .collect();
        let path = path.join("::") + end;
        let file = location
            .file
            .strip_prefix(&self.dir)
            .unwrap_or(&location.file);
        let location = format!("safe/src/{}:{}", file.display(), span.start().line);
        let own = (public && !is_hidden(attrs)).then(|| name.to_owned());
        let aliases = aliases(attrs).into_iter().chain(own).map(|c| SafeName {
            c,
            path: path.clone(),
            location: location.clone(),
        });
        self.aliases.extend(aliases);
    }
}

/// Expands the call of a macro of the same file.
fn made_by(rules: &Rules, call: &syn::Macro) -> Option<TokenStream> {
    rules.expand(call.path.get_ident()?, call.tokens.clone())
}

fn is_public(vis: &Visibility) -> bool {
    matches!(vis, Visibility::Public(_))
}

fn is_exported(attrs: &[Attribute]) -> bool {
    attrs
        .iter()
        .any(|attr| attr.path().is_ident("macro_export"))
}

fn is_test(attrs: &[Attribute]) -> bool {
    attrs.iter().any(
        |attr| matches!(&attr.meta, Meta::List(list) if list.path.is_ident("cfg") && list.tokens.to_string() == "test"),
    )
}

/// Returns the content of the parentheses of `#[doc(…)]`.
fn in_doc(attrs: &[Attribute]) -> impl Iterator<Item = Meta> {
    attrs
        .iter()
        .filter(|attr| attr.path().is_ident("doc"))
        .flat_map(|attr| {
            let Meta::List(list) = &attr.meta else {
                return Vec::new();
            };
            let inside =
                Punctuated::<Meta, Token![,]>::parse_terminated.parse2(list.tokens.clone());
            inside
                .map(|inside| inside.into_iter().collect())
                .unwrap_or_default()
        })
}

fn is_hidden(attrs: &[Attribute]) -> bool {
    in_doc(attrs).any(|meta| meta.path().is_ident("hidden"))
}

/// Returns the names in `#[doc(alias = "NAME")]`.
fn aliases(attrs: &[Attribute]) -> Vec<String> {
    let name = |meta: Meta| match meta {
        Meta::NameValue(pair) if pair.path.is_ident("alias") => match pair.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(name),
                ..
            }) => Some(name.value()),
            _ => None,
        },
        _ => None,
    };
    in_doc(attrs).filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> SafeNames {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        SafeNames::read(dir.path()).unwrap()
    }

    #[test]
    fn an_item_has_its_aliases_and_its_own_name() {
        let driver = "#[doc(alias = \"pci_driver\")]\n/// Docs.\npub trait Driver: Sized {\n    #[doc(alias = \"pci_driver.probe\")]\n    \
                    fn probe();\n}\n#[doc(alias = \"pci_dev\")]\n#[repr(transparent)]\npub struct Device<S>(u8);\nimpl<S: State> Device<S> {\n    \
                    #[doc(alias = \"pci_set_master\")]\n    pub const unsafe fn set_master(&self) {}\n    fn private(&self) {}\n}\n";
        let found = read(&[
            ("lib.rs", "pub mod pci;"),
            (
                "pci/mod.rs",
                "mod driver; pub use driver::{Device, Driver};",
            ),
            ("pci/driver.rs", driver),
        ]);
        for (name, path) in [
            ("pci_driver", "pci::Driver"),
            ("pci_driver.probe", "pci::Driver::probe"),
            ("pci_dev", "pci::Device"),
            ("pci_set_master", "pci::Device::set_master"),
            ("set_master", "pci::Device::set_master"),
            ("pci::Device::set_master", "pci::Device::set_master"),
        ] {
            let found: Vec<String> = found.of(name).into_iter().map(|alias| alias.path).collect();
            assert_eq!(found, [path], "{name}");
        }
        assert_eq!(
            found.of("pci_set_master")[0].location,
            "safe/src/pci/driver.rs:12"
        );
        assert!(found.of("private").is_empty());
    }

    #[test]
    fn macros_and_the_items_that_they_make_are_found() {
        let text = r#"
            pub struct Mmio(u8);
            macro_rules! accessors {
                ($($(#[$doc:meta])* $read:ident $alias:literal, $type:ty;)*) => { $(
                    $(#[$doc])*
                    #[doc(alias = $alias)]
                    pub fn $read(&self) -> $type { 0 }
                )* };
            }
            impl Mmio {
                accessors! {
                    /// Reads.
                    readl "ioread32", u32;
                    readb "ioread8", u8;
                }
            }
            #[macro_export]
            macro_rules! dev_info { () => {} }
            macro_rules! internal { () => {} }
            macro_rules! limited {
                ($d:tt $($name:ident if $when:expr;)*) => { $(
                    #[macro_export]
                    macro_rules! $name { ($d($d arg:tt)*) => { $when } }
                )* };
            }
            limited! { $ pr_once if true; }
            #[doc(hidden)]
            pub fn hidden() {}
        "#;
        let found = read(&[("lib.rs", text)]);
        for (name, path, line) in [
            ("readl", "Mmio::readl", 13),
            ("ioread8", "Mmio::readb", 14),
            ("dev_info", "dev_info!", 18),
            ("dev_info!", "dev_info!", 18),
            ("pr_once", "pr_once!", 26),
        ] {
            let [alias] = found
                .of(name)
                .try_into()
                .unwrap_or_else(|_| panic!("{name}: {found:#?}"));
            assert_eq!(
                (alias.path.as_str(), alias.location),
                (path, format!("safe/src/lib.rs:{line}"))
            );
        }
        for name in ["internal", "hidden", "u32"] {
            assert!(found.of(name).is_empty(), "{name}");
        }
    }
}
