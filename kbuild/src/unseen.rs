// SPDX-License-Identifier: GPL-2.0-only
//! Finds what is unsafe in a driver's sources and what rustc's lint `unsafe_code` does not see.
//!
//! A driver under `#![forbid(unsafe_code)]` cannot corrupt the kernel: the safe layer promises
//! this, and rustc's lint keeps the driver's own code to it. The lint of rustc 1.95 misses:
//!
//! - `#[unsafe(naked)]` on any function. Its body is `naked_asm!`: assembly without an `unsafe`
//!   block.
//! - `#[unsafe(link_section = "…")]`, and the older `#[link_section = "…"]`, on each method:
//!   inherent, of an implementation of a trait, provided by a trait. The kernel frees a method in
//!   `.init.text` once the module is loaded, and a call of it jumps there.
//! - `#[unsafe(no_mangle)]` and `#[unsafe(export_name = "…")]` on a method that a trait provides.
//!   Named `kfree`, it takes the kernel's place in the module.
//! - `extern "C" { … }` of an edition before 2024. Nothing in it can be called without `unsafe`,
//!   but the declaration holds for the code of the safe layer that is inlined into the driver.
//!   After a call of a function that is declared there with `-> !`, the compiler drops the code.
//! - `unsafe` that a macro of another crate expands to, even if that crate forbids it too. rustc
//!   does not lint the definition of a macro, and not the expansion in another crate. In most
//!   places the same holds for a word `unsafe` that the macro is called with.
//!
//! A fix belongs in rustc (`UnsafeCode` in `rustc_lint`). The lint does not look for `naked`. It
//! looks for `link_section` only on free functions and statics. It looks for `no_mangle` and
//! `export_name` also on functions of implementations, but not on functions that a trait provides.
//! It ignores an `extern` block of an older edition, which is as unsafe as `unsafe extern`. And it
//! reports nothing in an expansion of another crate's macro. The tests below have a form of each,
//! and what rustc 1.95 takes.
//!
//! So [`check`] looks through the driver's own sources. It looks at tokens, and not items, because
//! a macro can make an item of any of its input. In a crate that forbids unsafe code:
//!
//! - Its edition is 2024. There rustc refuses each `extern` block without `unsafe`, in expansions
//!   of macros too. (It reports the lint `missing_unsafe_on_extern` of older editions in no
//!   expansion of another crate's macro.) Older editions also divide some texts into other tokens,
//!   `cr"\"` for one.
//! - No macro is defined or called with `unsafe`.
//! - The words of the attributes above are not used.
//!
//! Only a crate under `forbid` has to keep these rules. A crate under `deny` promises nothing,
//! because an `allow` at the place lifts it. A name that only the safe layer's macros may use is
//! refused in every crate of the driver's.
//!
//! rustc lists which files it read, but not which of them are Rust. A file that does not consist of
//! tokens is an included text, or Rust that is newer than this lexer. In a crate that forbids
//! unsafe code, such a file is refused if its name ends in `.rs`, because it cannot be searched. In
//! a file with another name, only the words are searched for. Otherwise most included READMEs would
//! be refused.
//!
//! The driver's own crates are those with a path: the driver and what it depends on, but not the
//! project's. Crates from a registry or from git and proc macros are not searched. The driver
//! trusts the code that they generate, as it trusts the `unsafe` code in them.

use std::fmt;
use std::path::{Path, PathBuf};

use linux_driver_host::{Error, Result, fs};
use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};

/// Words that stand for something unsafe that the lint may miss, wherever they are.
const WORDS: [&str; 4] = ["naked_asm", "link_section", "no_mangle", "export_name"];
/// A word that means something only in `unsafe(…)`, where each attribute `naked` is written.
const NAKED: &str = "naked";
/// The edition of a crate that forbids unsafe code.
const EDITION: &str = "2024";
/// How deep brackets may be nested. People write a tenth of it.
const DEPTH: usize = 256;
/// The end of the names that are only for the safe layer's own macros. With them, safe code could
/// write through any pointer.
const HIDDEN: &str = "unsound_by_hand";

/// A crate of the driver's own.
#[derive(Debug)]
pub(crate) struct OwnCrate {
    pub(crate) manifest: PathBuf,
    /// The file that it starts with.
    pub(crate) root: PathBuf,
    pub(crate) edition: &'static str,
    /// rustc's list of the files that it is made of.
    pub(crate) dep_info: PathBuf,
}

/// Something unsafe, and its place.
#[derive(Debug, PartialEq)]
struct Located {
    what: What,
    line: usize,
    /// From 1, as rustc counts.
    column: usize,
}

#[derive(Debug, PartialEq)]
enum What {
    Word(&'static str),
    InMacro,
    NotLexed,
    TooDeep,
    Hidden(String),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(f, "`{word}`"),
            Self::InMacro => f.write_str("`unsafe` in a macro"),
            Self::NotLexed => f.write_str("text that does not consist of tokens of Rust"),
            Self::TooDeep => write!(f, "brackets nested deeper than {DEPTH}"),
            Self::Hidden(name) => write!(f, "`{name}`"),
        }
    }
}

/// Returns an error that names each place in the crates with unsafe code that rustc does not see.
/// Relative paths of rustc's are below `workspace`.
pub(crate) fn check(crates: &[&OwnCrate], workspace: &Path) -> Result<()> {
    let (mut unseen, mut hidden, mut deep) = (Vec::new(), Vec::new(), Vec::new());
    for own in crates {
        let forbids = forbids(own)?;
        if forbids && own.edition != EDITION {
            let place = own.manifest.display().to_string();
            unseen.push((place, format!("edition {}", own.edition)));
        }
        let list = fs::read_to_string(&own.dep_info)?;
        for path in sources(&list).ok_or_else(|| no_list(own))? {
            let path = workspace.join(path);
            let bytes = fs::read(&path)?;
            // A file that is not UTF-8 was included as bytes.
            let Ok(text) = std::str::from_utf8(&bytes) else {
                continue;
            };
            let is_rust = path.extension().is_some_and(|end| end == "rs");
            for found in look_through(text, is_rust, forbids) {
                let place = format!("{}:{}:{}", path.display(), found.line, found.column);
                let list = match found.what {
                    What::Hidden(_) => &mut hidden,
                    What::TooDeep => &mut deep,
                    What::Word(_) | What::InMacro | What::NotLexed => &mut unseen,
                };
                list.push((place, found.what.to_string()));
            }
        }
    }
    refuse(
        &unseen,
        "edition 2024, no `unsafe` in macros, and none of `naked`, `naked_asm`, `link_section`, \
         `no_mangle` and `export_name` in a crate under `forbid(unsafe_code)`: rustc's lint does not \
         see all that is unsafe",
        "remove it, or rename it if only its name is the same, also in a text that the crate includes; \
         if the edition is older, set `edition = \"2024\"`; if the crate needs it, remove \
         `forbid(unsafe_code)`",
    )?;
    refuse(
        &hidden,
        "no name that only linux-driver's own macros may use: in other code it can corrupt memory without `unsafe`",
        "use the macro that is documented: `pin_data`, `pin_init!`, `try_pin_init!`, `init!`, `try_init!`",
    )?;
    refuse(
        &deep,
        "sources that can be looked through for unsafe code",
        "divide it into more functions or macros; nest less deeply in a text that is included",
    )
}

/// Returns an error at the first of the places, which names the others.
fn refuse(found: &[(String, String)], expected: &str, remedy: &str) -> Result<()> {
    let Some(((place, what), others)) = found.split_first() else {
        return Ok(());
    };
    let others: String = others
        .iter()
        .map(|(place, what)| format!(", {what} at {place}"))
        .collect();
    Err(Error::new(place, expected, format_args!("{what}{others}"), remedy).of_driver())
}

/// Returns the files in rustc's list of what it read: rules of make, each of all files, then a line
/// for each file. Returns nothing if these differ: a path has a line break, which rustc does not
/// escape.
fn sources(dep_info: &str) -> Option<Vec<PathBuf>> {
    let rule = dep_info.lines().next()?;
    let files = &rule[rule.find(": ")?..];
    let lines = dep_info.lines();
    let lines =
        lines.filter(|line| !line.is_empty() && !line.ends_with(files) && !line.starts_with("# "));
    // A space within a path is escaped.
    let escaped = files[2..].replace("\\ ", "\0");
    let files = || {
        let files = escaped.split(' ').filter(|file| !file.is_empty());
        files.map(|file| file.replace('\0', " "))
    };
    lines
        .eq(files().map(|file| format!("{}:", file.replace(' ', "\\ "))))
        .then(|| files().map(PathBuf::from).collect())
}

fn no_list(own: &OwnCrate) -> Error {
    Error::new(
        own.dep_info.display(),
        "rustc's list of the sources, with each path in one line",
        "another list",
        format_args!(
            "give no source of {} a name with a line break; else report this with the version of rustc",
            own.manifest.display()
        ),
    )
    .of_driver()
}

/// Returns whether the crate forbids unsafe code, in its first file or in its manifest.
fn forbids(own: &OwnCrate) -> Result<bool> {
    let text = fs::read_to_string(&own.root)?;
    Ok(forbids_in_source(&text) || forbids_in_manifest(&own.manifest)?)
}

fn forbids_in_source(text: &str) -> bool {
    let Some(tokens) = tokens(text) else {
        return text.contains("forbid") && text.contains("unsafe_code");
    };
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let attributes = trees.windows(3).filter_map(|trees| match trees {
        [
            TokenTree::Punct(hash),
            TokenTree::Punct(inner),
            TokenTree::Group(group),
        ] if hash.as_char() == '#' && inner.as_char() == '!' => Some(group.stream()),
        _ => None,
    });
    // One under a condition counts too: the code is the same where the condition holds.
    attributes
        .into_iter()
        .any(|tokens| forbids_in_attribute(tokens, 0))
}

fn forbids_in_attribute(tokens: TokenStream, depth: usize) -> bool {
    // A file with more in each other is refused anyway.
    if depth > DEPTH {
        return false;
    }
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let is = |name: &Ident, word: &str| unraw(&name.to_string()) == word;
    let lists = trees.windows(2).any(|trees| match trees {
        [TokenTree::Ident(level), TokenTree::Group(lints)] if is(level, "forbid") => lints
            .stream()
            .into_iter()
            .any(|lint| matches!(&lint, TokenTree::Ident(name) if is(name, "unsafe_code"))),
        _ => false,
    });
    lists
        || trees
            .into_iter()
            .any(|tree| matches!(tree, TokenTree::Group(group) if forbids_in_attribute(group.stream(), depth + 1)))
}

/// Removes `r#`: to rustc, a lint or an attribute is the same one by its raw name.
fn unraw(name: &str) -> &str {
    name.strip_prefix("r#").unwrap_or(name)
}

fn forbids_in_manifest(manifest: &Path) -> Result<bool> {
    let own = read_manifest(manifest)?;
    let forbids = |lints: Option<&toml::Value>| {
        let lints = lints?.get("rust")?;
        // cargo takes both.
        let lint = lints
            .get("unsafe_code")
            .or_else(|| lints.get("unsafe-code"))?;
        let level = lint.get("level").unwrap_or(lint);
        Some(level.as_str()? == "forbid")
    };
    let lints = own.get("lints");
    if lints.and_then(|lints| lints.get("workspace")?.as_bool()) != Some(true) {
        return Ok(forbids(lints) == Some(true));
    }
    let named = own
        .get("package")
        .and_then(|package| package.get("workspace")?.as_str());
    let dir = manifest.parent().unwrap_or(manifest);
    let dirs = match named {
        Some(named) => vec![dir.join(named)],
        None => dir.ancestors().map(Path::to_owned).collect(),
    };
    for dir in dirs {
        let path = dir.join("Cargo.toml");
        if !path.is_file() {
            continue;
        }
        let manifest = read_manifest(&path)?;
        if let Some(workspace) = manifest.get("workspace") {
            return Ok(forbids(workspace.get("lints")) == Some(true));
        }
    }
    Ok(false)
}

fn read_manifest(path: &Path) -> Result<toml::Value> {
    let text = fs::read_to_string(path)?;
    toml::from_str(&text).map_err(|e| {
        Error::new(
            path.display(),
            "a manifest that cargo reads",
            e,
            "correct it",
        )
    })
}

/// Returns the tokens of a file, or nothing for a text that is not Rust.
fn tokens(text: &str) -> Option<TokenStream> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let line = shebang(text);
    // The line stays as a comment, for the places after it.
    let comment = format!("//{}", " ".repeat(line.chars().count().saturating_sub(2)));
    match &text[line.len()..] {
        _ if line.is_empty() => text.parse().ok(),
        code => (comment + code).parse().ok(),
    }
}

/// Returns the first line if rustc drops it: it starts with `#!`, and the first token after that is
/// not `[`. rustc does so in every file of a crate. For another lexer, a quote in that line may
/// make a string of all the code that follows.
fn shebang(text: &str) -> &str {
    let Some(tail) = text.strip_prefix("#!") else {
        return "";
    };
    if first_token(tail).starts_with('[') {
        return "";
    }
    // A carriage return at its end is white space.
    text.split('\n').next().unwrap_or(text)
}

/// Returns the text from its first token on: without the white space and the comments before that.
/// A documentation comment is a token.
fn first_token(text: &str) -> &str {
    let is_white = |c: char| {
        matches!(
            c,
            '\t'..='\r' | ' ' | '\u{85}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}'
        )
    };
    let mut rest = text.trim_start_matches(is_white);
    loop {
        let documents = |sign: char| {
            let after = &rest[2..];
            let twice = format!("{sign}{sign}");
            after.starts_with('!')
                || after.starts_with(sign) && !after.starts_with(&twice) && !after.starts_with("*/")
        };
        let after = if rest.starts_with("//") && !documents('/') {
            &rest[rest.find('\n').unwrap_or(rest.len())..]
        } else if rest.starts_with("/*") && !documents('*') {
            after_comment(rest)
        } else {
            return rest;
        };
        rest = after.trim_start_matches(is_white);
    }
}

/// Returns the text after the comment `/* … */` that the text starts with: one may be in another.
fn after_comment(text: &str) -> &str {
    let mut open = 0_usize;
    let mut rest = text;
    loop {
        if let Some(after) = rest.strip_prefix("/*") {
            (open, rest) = (open + 1, after);
        } else if let Some(after) = rest.strip_prefix("*/") {
            (open, rest) = (open - 1, after);
            if open == 0 {
                return rest;
            }
        } else {
            let mut chars = rest.chars();
            if chars.next().is_none() {
                return rest;
            }
            rest = chars.as_str();
        }
    }
}

/// Returns what is unsafe in a file. `is_rust` says that it is named as one.
fn look_through(text: &str, is_rust: bool, forbids: bool) -> Vec<Located> {
    let mut look = Look {
        forbids,
        found: Vec::new(),
    };
    match tokens(text) {
        Some(tokens) => look.stream(tokens, Inside::default()),
        None if is_rust && forbids => look.found.push(Located {
            what: What::NotLexed,
            line: 1,
            column: 1,
        }),
        None => look.text(text),
    }
    look.found
}

struct Look {
    forbids: bool,
    found: Vec<Located>,
}

/// The group that tokens are in.
#[derive(Clone, Copy, Default)]
struct Inside {
    /// The definition of a macro, or its input.
    of_macro: bool,
    /// The argument of `unsafe(…)`.
    of_unsafe: bool,
    depth: usize,
}

impl Look {
    fn stream(&mut self, tokens: TokenStream, inside: Inside) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        for (index, tree) in trees.iter().enumerate() {
            match tree {
                TokenTree::Ident(name) => {
                    let span = name.span();
                    let name = name.to_string();
                    if self.forbids && inside.of_macro && name == "unsafe" {
                        self.add(What::InMacro, span);
                    }
                    if let Some(what) = self.word(unraw(&name), inside.of_unsafe) {
                        self.add(what, span);
                    }
                }
                TokenTree::Group(group) if inside.depth == DEPTH => {
                    self.add(What::TooDeep, group.span_open())
                }
                TokenTree::Group(group) => {
                    let before = &trees[..index];
                    let is_unsafe =
                        matches!(before, [.., TokenTree::Ident(word)] if word == "unsafe");
                    let inside = Inside {
                        of_macro: inside.of_macro || is_macro(before),
                        of_unsafe: inside.of_unsafe
                            || is_unsafe && group.delimiter() == Delimiter::Parenthesis,
                        depth: inside.depth + 1,
                    };
                    self.stream(group.stream(), inside);
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    fn word(&self, name: &str, in_unsafe: bool) -> Option<What> {
        if name.contains(HIDDEN) {
            return Some(What::Hidden(name.to_owned()));
        }
        if !self.forbids {
            return None;
        }
        let naked = (in_unsafe && name == NAKED).then_some(NAKED);
        WORDS
            .into_iter()
            .find(|word| *word == name)
            .or(naked)
            .map(What::Word)
    }

    fn text(&mut self, text: &str) {
        for (line, text) in text.lines().enumerate() {
            let mut column = 1;
            for name in text.split_inclusive(|c: char| c != '_' && !c.is_alphanumeric()) {
                let word = name.trim_end_matches(|c: char| c != '_' && !c.is_alphanumeric());
                if let Some(what) = self.word(word, false) {
                    let line = line + 1;
                    self.found.push(Located { what, line, column });
                }
                column += name.chars().count();
            }
        }
    }

    fn add(&mut self, what: What, span: Span) {
        let start = span.start();
        self.found.push(Located {
            what,
            line: start.line,
            column: start.column + 1,
        });
    }
}

/// Returns whether a group after these tokens is the input of a macro, or a definition by
/// `macro_rules!`.
fn is_macro(before: &[TokenTree]) -> bool {
    let before = match before {
        [before @ .., TokenTree::Ident(_)] => before,
        _ => before,
    };
    matches!(before, [.., TokenTree::Punct(sign)] if sign.as_char() == '!')
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    // Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
    const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

    /// The items that an attribute can be on.
    const FUNCTIONS: [&str; 7] = [
        "ATTRIBUTE pub extern \"C\" fn f() { BODY }",
        "pub fn outer() { ATTRIBUTE extern \"C\" fn f() { BODY } f() }",
        "pub struct S; impl S { ATTRIBUTE pub extern \"C\" fn f() { BODY } }",
        "pub struct S; pub trait T { extern \"C\" fn f(); } impl T for S { ATTRIBUTE extern \"C\" fn f() { BODY } }",
        "pub trait T { ATTRIBUTE extern \"C\" fn f() { BODY } }",
        "macro_rules! m { () => { ATTRIBUTE pub extern \"C\" fn f() { BODY } } } m!();",
        "macro_rules! m { ($a:meta) => { pub trait T { #[$a] extern \"C\" fn f() { BODY } } } } m!(META);",
    ];
    const STATICS: [&str; 3] = [
        "ATTRIBUTE pub static X: u8 = 1;",
        "pub fn outer() -> &'static u8 { ATTRIBUTE static X: u8 = 1; &X }",
        "pub struct S; impl S { ATTRIBUTE pub const X: u8 = 1; }",
    ];

    fn rustc() -> std::ffi::OsString {
        std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
    }

    /// Returns whether rustc takes a crate under `forbid(unsafe_code)`.
    fn rustc_takes(dir: &Path, edition: &str, code: &str) -> bool {
        let file = dir.join("case.rs");
        fs::write(
            &file,
            format!("#![no_std]\n#![allow(warnings)]\n#![forbid(unsafe_code)]\n{code}\n"),
        )
        .unwrap();
        let mut rustc = Command::new(rustc());
        rustc.args(["--crate-type=lib", "--emit=metadata", "--edition", edition]);
        rustc.arg(&file).arg("--out-dir").arg(dir);
        linux_driver_host::process::output(&mut rustc)
            .unwrap()
            .status
            .success()
    }

    /// The forms that rustc 1.95 takes: of each attribute the forms of a function and of a static
    /// above, by number.
    const OF_1_95: [(&str, &str, &[usize], &[usize]); 4] = [
        (
            "unsafe(naked)",
            "core::arch::naked_asm!(\"ret\")",
            &[0, 1, 2, 3, 4, 5, 6],
            &[],
        ),
        (
            "unsafe(link_section = \".init.text\")",
            "",
            &[2, 3, 4, 6],
            &[2],
        ),
        ("unsafe(no_mangle)", "", &[4, 6], &[2]),
        ("unsafe(export_name = \"kfree\")", "", &[4, 6], &[]),
    ];

    #[test]
    fn unsafe_code_that_rustc_accepts_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let let_through = |edition: &str, code: &str| {
            let taken = rustc_takes(dir.path(), edition, code);
            assert!(!look_through(code, true, true).is_empty(), "{code}");
            taken
        };
        let version = Command::new(rustc())
            .arg("--version")
            .output()
            .unwrap()
            .stdout;
        let is_1_95 = version.starts_with(b"rustc 1.95.");
        for (meta, body, functions, statics) in OF_1_95 {
            let fill = |form: &str| {
                let form = form
                    .replace("ATTRIBUTE", &format!("#[{meta}]"))
                    .replace("META", meta);
                form.replace("BODY", body)
            };
            let taken = |forms: &[&str]| {
                let codes = forms.iter().map(|form| fill(form)).enumerate();
                let taken = codes.filter(|(_, code)| let_through("2024", code));
                taken.map(|(number, _)| number).collect::<Vec<_>>()
            };
            let (of_functions, of_statics) = (
                taken(&FUNCTIONS),
                if body.is_empty() {
                    taken(&STATICS)
                } else {
                    Vec::new()
                },
            );
            if is_1_95 {
                assert_eq!(
                    (&*of_functions, &*of_statics),
                    (functions, statics),
                    "{meta}"
                );
            }
        }
        let method = FUNCTIONS[2].replace("BODY", "");
        for code in [
            &method.replace("ATTRIBUTE", "#[link_section = \".init.text\"]"),
            &method.replace("ATTRIBUTE", "#[r#link_section = \".init.text\"]"),
            &method.replace(
                "ATTRIBUTE",
                "#[cfg_attr(all(), unsafe(link_section = \".init.text\"))]",
            ),
        ] {
            assert!(let_through("2021", code) || !is_1_95, "{code}");
        }
    }

    #[test]
    fn a_crate_of_an_older_edition_is_refused_for_what_rustc_lets_through_there() {
        let dir = tempfile::tempdir().unwrap();
        let version = Command::new(rustc())
            .arg("--version")
            .output()
            .unwrap()
            .stdout;
        for (edition, code) in [
            ("2021", "extern \"C\" { fn kfree() -> !; }"),
            ("2021", "extern { fn kfree() -> !; }"),
            (
                "2021",
                "macro_rules! block { ($abi:literal) => { extern $abi { fn kfree() -> !; } } } block!(\"C\");",
            ),
            (
                "2021",
                "macro_rules! m { ($e:tt fn $b:tt) => { $e \"C\" $b } } m!(extern fn { fn kfree() -> !; });",
            ),
            (
                "2018",
                "macro_rules! m { ($a:ident $b:literal $($t:tt)*) => { $($t)* } }\nm! { cr\"\\\" \"\n\
                 #[unsafe(naked)] extern \"C\" fn f() { core::arch::naked_asm!(\"ret\") }\n// \"\n}",
            ),
        ] {
            let taken = rustc_takes(dir.path(), edition, code);
            assert!(
                taken || !version.starts_with(b"rustc 1.95."),
                "{edition}: {code}"
            );
            assert!(!rustc_takes(dir.path(), EDITION, code), "{code}");
        }
    }

    #[test]
    fn unsafe_code_of_another_crates_macro_is_found_there_or_refused_by_rustc() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, code: &str| {
            let path = dir.path().join(name);
            let code =
                format!("#![no_std]\n#![allow(warnings)]\n#![forbid(unsafe_code)]\n{code}\n");
            fs::write(&path, code).unwrap();
            path
        };
        let takes = |file: &Path, edition: &str| {
            let mut rustc = Command::new(rustc());
            rustc.args(["--crate-type=rlib", "--edition", edition, "-L"]);
            rustc
                .arg(dir.path())
                .arg(file)
                .arg("--out-dir")
                .arg(dir.path());
            linux_driver_host::process::output(&mut rustc)
                .unwrap()
                .status
                .success()
        };
        let read = "*($e as *const u32)";
        for (helper, user, in_helper, in_user) in [
            // An `unsafe` of the macro's own.
            (
                &*format!("($e:expr) => {{ unsafe {{ {read} }} }}"),
                "0usize",
                true,
                false,
            ),
            (
                "($b:tt) => { unsafe extern \"C\" $b }",
                "{ fn kfree() -> !; }",
                true,
                false,
            ),
            (
                "($b:tt) => { unsafe impl Send for $b {} }",
                "S",
                true,
                false,
            ),
            // One that it is called with.
            (
                &format!("($u:tt $e:expr) => {{ $u {{ {read} }} }}"),
                "unsafe 0usize",
                false,
                true,
            ),
            (
                &format!("($u:tt fn $e:expr) => {{ $u {{ {read} }} }}"),
                "unsafe fn 0usize",
                false,
                true,
            ),
            (
                &format!("(#[$u:tt()] $e:expr) => {{ $u {{ {read} }} }}"),
                "#[unsafe()] 0usize",
                false,
                true,
            ),
            // Blocks that rustc refuses.
            (
                "($b:tt) => { extern \"C\" $b }",
                "{ fn kfree() -> !; }",
                false,
                false,
            ),
            (
                "($e:tt fn $i:ident) => { $e \"C\" { fn kfree() -> !; } }",
                "extern fn f",
                false,
                false,
            ),
        ] {
            let helper = format!("#[macro_export] macro_rules! made {{ {helper} }}");
            let user = if user.contains("0usize") {
                format!("extern crate helper; pub fn f() -> u32 {{ helper::made!({user}) }}")
            } else {
                format!("extern crate helper; pub struct S; helper::made! {{ {user} }}")
            };
            let (helper_file, user_file) = (write("helper.rs", &helper), write("user.rs", &user));
            assert!(takes(&helper_file, EDITION), "{helper}");
            let taken = takes(&user_file, EDITION);
            let found = |code: &str| {
                look_through(code, true, true)
                    .iter()
                    .any(|f| f.what == What::InMacro)
            };
            assert_eq!(
                (found(&helper), found(&user)),
                (in_helper, in_user),
                "{helper} {user}"
            );
            assert!(in_helper || in_user || !taken, "{helper} {user}");
        }
    }

    #[test]
    fn text_that_cannot_be_searched_is_refused() {
        // Rust that the lexer does not know.
        let found = |text: &str, is_rust: bool, forbids: bool| -> Vec<What> {
            let found = look_through(text, is_rust, forbids).into_iter();
            found.map(|found| found.what).collect()
        };
        let text = "It isn't Rust (";
        assert_eq!(found(text, true, true), [What::NotLexed]);
        assert_eq!(found(text, false, true), []);
        assert_eq!(found(text, true, false), []);
        for (depth, refused) in [(DEPTH, false), (DEPTH + 1, true), (60_000, true)] {
            let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            for forbids in [true, false] {
                assert_eq!(
                    found(&text, false, forbids) == [What::TooDeep],
                    refused,
                    "{depth}"
                );
            }
            assert!(!forbids_in_source(&format!("#![a({text})]")));
        }
    }

    #[test]
    fn a_first_line_that_rustc_drops_hides_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let naked = "#[unsafe(naked)]\npub extern \"C\" fn f() { core::arch::naked_asm!(\"ret\") }\n// \"\n";
        let root = dir.path().join("root.rs");
        fs::write(
            &root,
            "#![no_std]\n#![forbid(unsafe_code)]\npub mod hidden;\n",
        )
        .unwrap();
        for first in [
            "#!/x \"\n",
            "\u{feff}#!/x \"\r\n",
            "#! /* [ /* \" */ */ x\n",
            "#!/*! [ */ \"\n",
            "#! /// [\n",
            "#!//! \" [\n",
            "#!//// \"\n",
            "#! /** \" */ [\n",
        ] {
            let text = format!("{first}{naked}");
            fs::write(dir.path().join("hidden.rs"), &text).unwrap();
            let mut rustc = Command::new(rustc());
            rustc.args(["--crate-type=lib", "--emit=metadata", "--edition=2024"]);
            rustc.arg(&root).arg("--out-dir").arg(dir.path());
            let output = linux_driver_host::process::output(&mut rustc).unwrap();
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            // rustc compiles it, or refuses it because of more than its first line.
            let taken = output.status.success() || errors.contains("hidden.rs:2");
            assert!(taken, "{first}: {errors}");
            let lines: Vec<usize> = look_through(&text, true, true)
                .iter()
                .map(|f| f.line)
                .collect();
            let line = text[..text.find("unsafe(").unwrap()].lines().count();
            assert_eq!(lines, [line, line + 1], "{first}");
            let forbid = format!("{first}#![forbid(unsafe_code)]\n// \"\n");
            assert!(forbids_in_source(&forbid), "{first}");
        }
        // Code, to rustc too.
        for first in ["#![a]", "#! [a]", "#!\n//\n/***/ /**/ /* /* */ */ [a]"] {
            assert_eq!(shebang(first), "", "{first}");
        }
        assert_eq!(shebang("#!"), "#!");
        assert_eq!(shebang("#! /* not closed"), "#! /* not closed");
    }

    #[test]
    fn text_that_only_resembles_unsafe_code_is_good() {
        for code in [
            "// naked_asm! and #[link_section]\n/* export_name */ pub fn f() {}",
            "/// `#[unsafe(no_mangle)]`\npub fn f() {}",
            "pub const X: &str = \"link_section\"; pub const Y: &[u8] = br#\"naked_asm!\"#; pub const C: &core::ffi::CStr = c\"no_mangle\";",
            "#![doc = \"export_name\"]",
            "pub fn naked(naked: u8) -> u8 { naked }",
            "pub extern \"C\" fn f() {} pub extern fn g() {} pub type F = unsafe extern \"C\" fn(); extern crate core as real;",
            "macro_rules! m { ($abi:literal) => { pub extern $abi fn f() {} } } m!(\"C\");",
            "macro_rules! m { (extern $abi:literal fn $n:ident) => { pub extern $abi fn $n() {} } } m!(extern \"C\" fn f);",
            "#![cfg_attr(naked, allow(dead_code))]\n#[cfg(naked)] pub fn f() {}",
            "macro_rules! m { ($t:ty) => {} } m!(fn(r#unsafe: u8));",
            "pub fn r#extern(link_sections: u8) -> u8 { link_sections }",
        ] {
            assert_eq!(look_through(code, true, true), [], "{code}");
        }
        // A text that was included.
        assert_eq!(
            look_through("It isn't Rust: 'naked' and extern \"C\" { … }", false, true),
            []
        );
    }

    #[test]
    fn places_are_named() {
        let found = |text: &str, forbids: bool| -> Vec<String> {
            let found = look_through(text, false, forbids).into_iter();
            found
                .map(|f| format!("{}:{} {}", f.line, f.column, f.what))
                .collect()
        };
        let code = "#!/bin/run\nimpl S {\n    #[unsafe(naked)]\n    fn f() { core::arch::naked_asm!(\"\") }\n}\n";
        assert_eq!(found(code, true), ["3:14 `naked`", "4:26 `naked_asm`"]);
        assert_eq!(found(code, false), [""; 0]);
        // Newer than the lexer.
        let code = "let it = 'isn''t;\n\u{e4} #[link_section = 1] naked";
        assert_eq!(found(code, true), ["2:5 `link_section`"]);
        for forbids in [false, true] {
            assert_eq!(
                found(
                    "use linux_driver::\n  __pin_data_unsound_by_hand as it;",
                    forbids
                ),
                ["2:3 `__pin_data_unsound_by_hand`"]
            );
        }
    }

    #[test]
    fn a_crate_forbids_in_its_first_file_or_in_its_manifest() {
        for (forbid, text) in [
            (true, "#![no_std]\n#![forbid(unsafe_code)]"),
            (
                true,
                "#![forbid(missing_docs, unsafe_code, reason = \"it\")]",
            ),
            (true, "#![cfg_attr(not(test), no_std, forbid(unsafe_code))]"),
            (true, "#![forbid(r#unsafe_code)]"),
            (true, "#![r#forbid(unsafe_code)]"),
            (false, "#![deny(unsafe_code)]"),
            (
                false,
                "//! #![forbid(unsafe_code)]\n#![forbid(missing_docs)]",
            ),
            (false, "#[forbid(unsafe_code)] mod m {}"),
        ] {
            assert_eq!(forbids_in_source(text), forbid, "{text}");
        }
        let dir = tempfile::tempdir().unwrap();
        let (outer, inner) = (
            dir.path().join("Cargo.toml"),
            dir.path().join("driver/Cargo.toml"),
        );
        fs::create_dir(dir.path().join("driver")).unwrap();
        for (forbid, workspace, package) in [
            (true, "", "[lints.rust]\nunsafe_code = \"forbid\""),
            (
                true,
                "",
                "[lints.rust]\nunsafe_code = { level = \"forbid\", priority = 1 }",
            ),
            (true, "", "[lints.rust]\nunsafe-code = \"forbid\""),
            (false, "", "[lints.rust]\nunsafe_code = \"deny\""),
            (false, "", ""),
            (
                true,
                "[workspace.lints.rust]\nunsafe_code = \"forbid\"",
                "[lints]\nworkspace = true",
            ),
            (
                false,
                "[workspace.lints.rust]\nunsafe_code = \"forbid\"",
                "",
            ),
            (false, "[workspace]", "[lints]\nworkspace = true"),
        ] {
            fs::write(&outer, workspace).unwrap();
            fs::write(&inner, package).unwrap();
            assert_eq!(
                forbids_in_manifest(&inner).unwrap(),
                forbid,
                "{workspace}\n{package}"
            );
        }
        // A workspace that is not above the crate.
        fs::create_dir(dir.path().join("other")).unwrap();
        let other = dir.path().join("other/Cargo.toml");
        fs::write(&other, "[workspace.lints.rust]\nunsafe_code = \"forbid\"").unwrap();
        let lints = "[package]\nworkspace = \"../other\"\n[lints]\nworkspace = true";
        fs::write(&inner, lints).unwrap();
        assert!(forbids_in_manifest(&inner).unwrap());
    }

    #[test]
    fn rustcs_list_of_files_is_read() {
        let list = "/t/deps/libedu.a: src/lib.rs src/a\\ b.rs /t/out/made.rs\n\n\
                    /t/deps/edu.d: src/lib.rs src/a\\ b.rs /t/out/made.rs\n\n\
                    src/lib.rs:\nsrc/a\\ b.rs:\n/t/out/made.rs:\n\n# env-dep:OUT_DIR=/t/out\n";
        assert_eq!(
            sources(list).unwrap(),
            ["src/lib.rs", "src/a b.rs", "/t/out/made.rs"].map(PathBuf::from)
        );
        // rustc itself, of sources with names that break its lines.
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("lib.rs");
        for (name, read) in [
            ("a b.rs", true),
            ("a:b.rs", true),
            ("a\nb.rs", false),
            ("\nb.rs", false),
            ("a:\nb.rs", false),
            ("a\n\nb: c.rs", false),
        ] {
            let literal = name.replace('\n', "\\n");
            fs::write(
                &root,
                format!("#![no_std]\n#[path = \"{literal}\"]\nmod a;\n"),
            )
            .unwrap();
            fs::write(dir.path().join(name), "").unwrap();
            let mut rustc = Command::new(rustc());
            rustc.args([
                "--crate-type=lib",
                "--emit=metadata,dep-info",
                "--edition=2024",
            ]);
            rustc.arg(&root).arg("--out-dir").arg(dir.path());
            assert!(
                linux_driver_host::process::output(&mut rustc)
                    .unwrap()
                    .status
                    .success()
            );
            let list = fs::read_to_string(dir.path().join("lib.d")).unwrap();
            let files = read.then(|| vec![root.clone(), dir.path().join(name)]);
            assert_eq!(sources(&list), files, "{list}");
        }
    }

    #[test]
    fn each_place_is_named_and_only_what_the_crate_forbids() {
        let dir = tempfile::tempdir().unwrap();
        let own = |edition: &'static str, forbid: &str, code: &str| {
            let file = |name: &str, text: &str| {
                let path = dir.path().join(name);
                fs::write(&path, text).unwrap();
                path
            };
            let own = OwnCrate {
                manifest: file("Cargo.toml", ""),
                root: file("lib.rs", forbid),
                edition,
                dep_info: file(
                    "lib.d",
                    "out: lib.rs more.in bytes\n\nlib.rs:\nmore.in:\nbytes:\n",
                ),
            };
            file("more.in", code);
            fs::write(dir.path().join("bytes"), b"\xff link_section").unwrap();
            check(&[&own], dir.path()).map_err(|error| {
                assert_eq!(error.blame(), linux_driver_host::Blame::Driver);
                error.to_string()
            })
        };
        let (forbid, deny) = ("#![forbid(unsafe_code)]", "#![deny(unsafe_code)]");
        let more = dir.path().join("more.in");
        let code = "#[link_section = \"a\"]\n#[no_mangle]";
        let error = own(EDITION, forbid, code).unwrap_err();
        for word in [
            &format!("{}:1:3", more.display()),
            &format!("`link_section`, `no_mangle` at {}:2:3", more.display()),
            "none of `naked`",
            "a text that the crate includes",
        ] {
            assert!(error.contains(word), "{error}");
        }
        own(EDITION, deny, code).unwrap();
        own(EDITION, forbid, "pub fn f() {}").unwrap();
        own("2021", deny, "pub fn f() {}").unwrap();
        let error = own("2021", forbid, "pub fn f() {}").unwrap_err();
        for word in ["Cargo.toml", "edition 2021", "`edition = \"2024\"`"] {
            assert!(error.contains(word), "{error}");
        }
        let error = own(
            EDITION,
            deny,
            &format!("{}{}", "(".repeat(60_000), ")".repeat(60_000)),
        );
        let error = error.unwrap_err();
        for word in ["more.in:1:257", "deeper than 256", "divide it"] {
            assert!(error.contains(word), "{error}");
        }
        for level in [forbid, deny] {
            let error = own(
                EDITION,
                level,
                "use linux_driver::__pin_data_unsound_by_hand;",
            )
            .unwrap_err();
            assert!(
                error.contains("more.in:1:19") && error.contains("linux-driver's own macros"),
                "{error}"
            );
        }
    }

    #[test]
    fn the_hidden_names_are_those_of_the_safe_layer() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../safe/src/lib.rs");
        let text = fs::read_to_string(root).unwrap();
        // The module of what pin-init's macros expand to.
        assert_eq!(look_through(&text, true, false).len(), 1);
    }
}
