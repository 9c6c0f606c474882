// SPDX-License-Identifier: GPL-2.0-only
//! The book in `docs/` and the other documents. Each page is in the summary, each link, include and
//! path leads somewhere, and generated pages are up to date.
//!
//! `BLESS=1 cargo test -p xtask --test book` writes the generated pages again.

mod generated;
mod keys;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "each of those that take it in uses some of it")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use self::support::repository;

/// Documents outside the book.
const DOCUMENTS: [&str; 5] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "headers/README.md",
];

/// A document as a reader sees it.
struct Page {
    path: PathBuf,
    /// Its text, with the included files inserted.
    text: String,
    /// The errors found so far.
    wrong: Vec<String>,
}

/// The parts of a document that the test checks.
#[derive(Default)]
struct Parts {
    /// The targets of its links and pictures.
    links: Vec<String>,
    /// The IDs of its headings.
    ids: BTreeSet<String>,
    /// Its code spans.
    spans: Vec<String>,
}

fn book() -> PathBuf {
    repository().join("docs/src")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Returns the Markdown files below a folder.
fn pages_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(pages_below(&path));
        } else if path.extension().is_some_and(|of| of == "md") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Returns the path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

/// Returns the lines of a file between `ANCHOR: NAME` and `ANCHOR_END: NAME`. Like mdBook, it
/// leaves out the lines with anchors.
fn anchored(text: &str, name: &str) -> Option<String> {
    let is = |line: &str, word: &str, name: &str| {
        let word_char = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        line.split_once(word).is_some_and(|(_, rest)| {
            let end = rest.find(|c| !word_char(c)).unwrap_or(rest.len());
            name.is_empty() || &rest[..end] == name
        })
    };
    let mut lines = text.lines();
    lines.find(|line| is(line, "ANCHOR: ", name))?;
    let mut found = String::new();
    for line in lines {
        if is(line, "ANCHOR_END: ", name) {
            return Some(found);
        }
        if !is(line, "ANCHOR: ", "") && !is(line, "ANCHOR_END: ", "") {
            found.push_str(line);
            found.push('\n');
        }
    }
    None
}

/// Returns the text that `{{#include …}}` with this argument inserts into a page of this folder.
fn included(dir: &Path, argument: &str) -> Result<String, String> {
    let (file, anchor) = argument.split_once(':').unwrap_or((argument, ""));
    let text = fs::read_to_string(dir.join(file)).map_err(|e| format!("{file}: {e}"))?;
    if anchor.is_empty() {
        return Ok(text);
    }
    anchored(&text, anchor)
        .filter(|text| !text.trim().is_empty())
        .ok_or_else(|| format!("{file} has nothing between ANCHOR and ANCHOR_END of {anchor}"))
}

impl Page {
    fn read(path: PathBuf) -> Self {
        const START: &str = "{{#include ";
        let source = read(&path);
        let (mut text, mut wrong) = (String::new(), Vec::new());
        let mut rest = source.as_str();
        while let Some((before, after)) = rest.split_once(START) {
            text.push_str(before);
            let (argument, after) = after.split_once("}}").expect("the end of an include");
            match included(path.parent().unwrap(), argument) {
                Ok(included) => text.push_str(included.trim_end()),
                Err(error) => wrong.push(error),
            }
            rest = after;
        }
        text.push_str(rest);
        if text.contains("{{#") {
            wrong.push("has a directive other than {{#include}}".to_owned());
        }
        Self { path, text, wrong }
    }

    fn parts(&self) -> Parts {
        let mut parts = Parts::default();
        let mut heading: Option<String> = None;
        let options = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES;
        for event in Parser::new_ext(&self.text, options) {
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    parts.links.push(dest_url.into_string());
                }
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    let id = id_of(&heading.take().unwrap_or_default());
                    let free = (1..).map(|n| format!("{id}-{n}"));
                    let mut free = std::iter::once(id.clone()).chain(free);
                    let id = free.find(|id| !parts.ids.contains(id)).unwrap();
                    parts.ids.insert(id);
                }
                Event::Text(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                Event::Code(code) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&code);
                    }
                    parts.spans.push(code.into_string());
                }
                _ => {}
            }
        }
        parts
    }
}

/// Returns the ID that mdBook gives a heading.
fn id_of(heading: &str) -> String {
    let letters = heading.trim().chars().filter_map(|c| match c {
        c if c.is_alphanumeric() || c == '_' || c == '-' => Some(c.to_ascii_lowercase()),
        c if c.is_whitespace() => Some('-'),
        _ => None,
    });
    letters.collect()
}

fn all_pages() -> Vec<Page> {
    let documents = DOCUMENTS.iter().map(|name| repository().join(name));
    let paths = pages_below(&book()).into_iter().chain(documents);
    paths.map(Page::read).collect()
}

/// Returns the folders and files at the top of the repository.
fn top_level() -> BTreeSet<String> {
    let entries = fs::read_dir(repository()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "target").collect()
}

/// Returns the error in a link of a page, if there is one.
fn wrong_link(
    page: &Page,
    link: &str,
    ids: &BTreeMap<PathBuf, BTreeSet<String>>,
) -> Option<String> {
    if link.starts_with("https://") || link.starts_with("http://") {
        return None;
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() {
        page.path.clone()
    } else {
        normal(&page.path.parent().unwrap().join(file))
    };
    if !target.exists() {
        return Some(format!("{link}: there is no {}", target.display()));
    }
    let book = book();
    if page.path.starts_with(&book) && !target.starts_with(&book) {
        return Some(format!("{link}: leads out of the book"));
    }
    let known = anchor.is_empty() || ids.get(&target).is_some_and(|ids| ids.contains(anchor));
    (!known).then(|| format!("{link}: there is no heading of that ID"))
}

/// Returns whether a code span is the path of a file or folder of this repository.
fn is_path(span: &str, top: &BTreeSet<String>) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let Some((first, rest)) = span.split_once('/') else {
        return false;
    };
    // The reader fills in a name in capitals, such as NAME.
    let filled_in = rest
        .split(['/', '.'])
        .any(|part| part.len() > 1 && part.chars().all(|c| c.is_ascii_uppercase() || c == '-'));
    let document = rest.ends_with(".md") || rest.ends_with(".yml");
    top.contains(first) && span.chars().all(plain) && (document || !filled_in)
}

#[test]
fn links_includes_and_paths_lead_somewhere() {
    let pages = all_pages();
    let parts: Vec<Parts> = pages.iter().map(Page::parts).collect();
    let ids = (pages.iter().zip(&parts))
        .map(|(page, parts)| (page.path.clone(), parts.ids.clone()))
        .collect();
    let top = top_level();
    let mut wrong = Vec::new();
    let (mut links, mut paths) = (0, 0);
    for (page, parts) in pages.iter().zip(&parts) {
        let mut of_page = page.wrong.clone();
        links += parts.links.len();
        of_page.extend(
            parts
                .links
                .iter()
                .filter_map(|link| wrong_link(page, link, &ids)),
        );
        let own = parts.spans.iter().filter(|span| is_path(span, &top));
        for path in own {
            paths += 1;
            if !repository().join(path).exists() {
                of_page.push(format!("`{path}`: there is no such file"));
            }
        }
        let name = page.path.strip_prefix(repository()).unwrap();
        wrong.extend(
            of_page
                .iter()
                .map(|what| format!("{}: {what}", name.display())),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(links > 50 && paths > 20, "{links} links, {paths} paths");
}

#[test]
fn each_page_is_in_the_summary_once() {
    let summary = Page::read(book().join("SUMMARY.md"));
    let mut named: Vec<PathBuf> = summary
        .parts()
        .links
        .iter()
        .map(|link| normal(&book().join(link)))
        .collect();
    named.sort();
    let mut there = pages_below(&book());
    there.retain(|path| !path.ends_with("SUMMARY.md"));
    assert_eq!(named, there);
}

#[test]
fn each_page_has_one_title() {
    for path in pages_below(&book()) {
        let page = Page::read(path);
        let level = |event| match event {
            Event::Start(Tag::Heading { level, .. }) => Some(level),
            _ => None,
        };
        let levels = Parser::new(&page.text).filter_map(level);
        let titles = levels.filter(|level| *level == HeadingLevel::H1).count();
        // The titles of the summary's parts are headings too.
        let of_summary = page.path.ends_with("SUMMARY.md");
        assert!(
            titles == 1 || of_summary,
            "{}: {titles}",
            page.path.display()
        );
    }
}

/// Returns the blocks of code of this language in a document.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let start = format!("```{language}\n");
    let after = text.split(start.as_str()).skip(1);
    after
        .map(|after| after.split_once("```").expect("the end of a block").0)
        .collect()
}

#[test]
fn readmes_driver_is_the_tutorials_first() {
    let readme = read(&repository().join("README.md"));
    let dir = repository().join("docs/tutorial/edu-first");
    let source = anchored(&read(&dir.join("src/lib.rs")), "all").unwrap();
    assert_eq!(blocks(&readme, "rust"), [source]);
    let printed = blocks(&readme, "toml").concat();
    for (file, anchor) in [("Cargo.toml", "package"), ("trial.toml", "trial")] {
        let part = anchored(&read(&dir.join(file)), anchor).unwrap();
        assert!(
            printed.contains(&part),
            "README's {file} lacks:\n{part}\nIt is:\n{printed}"
        );
    }
}

#[test]
fn anchors_and_ids_are_as_mdbook_has_them() {
    let text = "a\n// ANCHOR: x\nb\n// ANCHOR: y\nc\n// ANCHOR_END: y\nd\n// ANCHOR_END: x\ne\n";
    assert_eq!(anchored(text, "x").as_deref(), Some("b\nc\nd\n"));
    assert_eq!(anchored(text, "y").as_deref(), Some("c\n"));
    assert_eq!(anchored(text, "z"), None);
    assert_eq!(id_of("What `a_b` is: 2 of 3"), "what-a_b-is-2-of-3");
    let top = top_level();
    assert!(is_path("safe/src/lib.rs", &top) && is_path("safe/NAMES.md", &top));
    assert!(!is_path("headers/snapshots/NAME/", &top) && !is_path("linux/pci.h", &top));
}
