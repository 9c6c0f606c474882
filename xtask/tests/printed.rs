// SPDX-License-Identifier: GPL-2.0-only
//! The output in README and in the book is what their commands really print. Each `console` block
//! is run, benchmarks in their short form.
//!
//! In a block, `…` on its own line matches any number of lines, and within a line any text. The
//! figures in tables are not compared. The rows and targets are.
//!
//! Needs all that `cargo xtask doctor` names, pahole, and Debian's archive for kernels that are not
//! yet in the cache.

#[allow(dead_code, reason = "each of those that take it in uses some of it")]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use self::support::{DEFAULT, edu, kernel, repository, run, xtask};

/// A command of a block, with the output that the block shows.
struct Printed {
    words: Vec<String>,
    lines: Vec<String>,
}

/// Returns README, ARCHITECTURE and the pages of the book, sorted by path.
fn documents() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut folders = vec![repository().join("docs/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                pages.push(path);
            }
        }
    }
    pages.sort();
    let own = ["README.md", "ARCHITECTURE.md"].map(|file| repository().join(file));
    own.into_iter().chain(pages).collect()
}

/// Returns the commands of a document's blocks.
fn printed_in(document: &Path) -> Vec<Printed> {
    let mut all: Vec<Printed> = Vec::new();
    let text = fs::read_to_string(document).unwrap();
    let mut in_console = false;
    // Other commands, and what they print, are not ours.
    let mut ours = false;
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            in_console = language == "console";
            ours = false;
        } else if let Some(command) = line.strip_prefix("$ cargo xtask ").filter(|_| in_console) {
            let command = command.split(" #").next().unwrap_or(command);
            all.push(Printed {
                words: command.split_whitespace().map(str::to_owned).collect(),
                lines: Vec::new(),
            });
            ours = true;
        } else if line.starts_with("$ ") {
            ours = false;
        } else if let (true, Some(last)) = (ours, all.last_mut()) {
            last.lines.push(line.to_owned());
        }
    }
    for printed in &mut all {
        while printed.lines.last().is_some_and(String::is_empty) {
            printed.lines.pop();
        }
    }
    all
}

/// Returns all commands of README, and the commands of the book that are shown with output.
/// `documented` parses the others.
fn printed() -> Vec<Printed> {
    let of = |document: &PathBuf| {
        let in_book = document.starts_with(repository().join("docs"));
        let mut all = printed_in(document);
        all.retain(|printed| !in_book || !printed.lines.is_empty());
        all
    };
    documents().iter().flat_map(of).collect()
}

/// Returns the only command that starts with these words and is shown with output.
fn of(start: &str) -> Printed {
    let start: Vec<&str> = start.split(' ').collect();
    let mut found = printed()
        .into_iter()
        .filter(|printed| printed.words.iter().zip(&start).all(|(a, b)| a == b))
        .filter(|printed| !printed.lines.is_empty());
    let one = found
        .next()
        .unwrap_or_else(|| panic!("nothing is printed of `cargo xtask {}`", start.join(" ")));
    assert!(found.next().is_none(), "printed twice: {start:?}");
    one
}

/// Returns whether a line matches its pattern.
fn is_line(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = pattern.rsplit_once('…').map(|(_, last)| last) else {
        return rest.is_empty();
    };
    let between: Vec<&str> = parts.collect();
    for part in &between[..between.len() - 1] {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Returns whether lines match their patterns.
fn are_lines(patterns: &[&str], lines: &[&str]) -> bool {
    match (patterns, lines) {
        ([], []) => true,
        ([first, patterns @ ..], _) if first.trim() == "…" => {
            (0..=lines.len()).any(|skipped| are_lines(patterns, &lines[skipped..]))
        }
        ([first, patterns @ ..], [line, lines @ ..]) => {
            is_line(first, line) && are_lines(patterns, lines)
        }
        _ => false,
    }
}

#[track_caller]
fn assert_printed(printed: &Printed, said: &str) {
    let patterns: Vec<&str> = printed.lines.iter().map(|line| line.trim_end()).collect();
    let lines: Vec<&str> = said.trim_end().lines().map(str::trim_end).collect();
    assert!(
        are_lines(&patterns, &lines),
        "Printed of `cargo xtask {}`:\n{}\n\nIt is:\n{said}",
        printed.words.join(" "),
        printed.lines.join("\n")
    );
}

/// Runs the command, and checks its exit code and its output.
#[track_caller]
fn runs(printed: &Printed, code: i32) {
    let ran = run(xtask([]).args(&printed.words));
    assert_eq!(ran.status.code(), Some(code), "{ran:#?}");
    assert_printed(printed, &ran.stdout);
}

/// Returns the rows of a table whose first column is WHAT: their names and targets.
fn rows(lines: &[String]) -> Vec<(String, String)> {
    let head = lines
        .iter()
        .position(|line| line.starts_with("WHAT "))
        .expect("a head of a table");
    let (head, rows) = (&lines[head], &lines[head + 1..]);
    let column = |name: &str| {
        head.find(name)
            .unwrap_or_else(|| panic!("no column {name} in {head}"))
    };
    let (median, target, reached) = (column("MEDIAN"), column("TARGET"), column("REACHED"));
    let cut = |line: &str, from: usize, to: usize| -> String {
        line.chars()
            .skip(from)
            .take(to - from)
            .collect::<String>()
            .trim()
            .to_owned()
    };
    rows.iter()
        .take_while(|line| !line.is_empty())
        .map(|line| (cut(line, 0, median), cut(line, target, reached)))
        .collect()
}

fn lines(said: &str) -> Vec<String> {
    said.lines().map(str::to_owned).collect()
}

/// The lock of the benchmarks. Each one uses both processors, so they run one at a time.
static BENCH: Mutex<()> = Mutex::new(());

#[test]
fn an_ellipsis_matches_anything() {
    assert!(
        is_line("  ok …: done", "  ok 12 things: done") && is_line("…", "") && is_line("a", "a")
    );
    assert!(!is_line("a", "ab") && !is_line("…: done", "done") && !is_line("a…b…c", "acb"));
    assert!(are_lines(&["a", "  …", "b"], &["a", "x", "y", "b"]) && are_lines(&["…"], &[]));
    assert!(!are_lines(&["a", "…", "b"], &["a", "x"]) && !are_lines(&["a"], &["a", "b"]));
    let table = "WHAT   MEDIAN  RATIO   TARGET     REACHED\none a  1 s     2 x b   at most 3  \
                 yes\nb      1 s";
    let expected = [("one a", "at most 3"), ("b", "")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(rows(&lines(table)), expected);
}

/// This list names each command of README and the book. A new command is added here.
#[test]
fn each_block_is_tried() {
    let tried = [
        "run --install",
        // This test is part of that suite.
        "test --install",
        // The reader's own driver: the trial of `edu-first` below prints the same.
        "run --manifest-path ../edu-first/Cargo.toml",
        "check-abi --kernel 6.1.0-50-amd64 --against 6.1.0-49-amd64",
        // CI's job `bindings` runs this for each kernel. A test below runs it for one of them.
        "check-abi --all",
        "check-abi --ko …/6.12.117+deb12-amd64-…/edu/edu.ko --kernel debian-7.2",
        "kernels",
        "bench build",
        "bench driver --rounds 3",
        "bench abi",
        "run --manifest-path ../edu-first/Cargo.toml",
    ];
    let all: Vec<String> = printed()
        .iter()
        .map(|printed| printed.words.join(" "))
        .collect();
    assert_eq!(all, tried);
}

#[test]
fn two_kernels() {
    runs(&of("check-abi --kernel"), 1);
}

#[test]
fn kernels() {
    let printed = of("kernels");
    let ran = run(&mut xtask(["kernels"]));
    // The fetched kernels and the running kernel depend on the machine.
    let fetched = printed.lines[0].find("FETCHED").unwrap();
    let facts = |lines: &[String]| -> Vec<String> {
        let own = lines.iter().filter(|line| !line.starts_with("running "));
        own.map(|line| {
            let words: String = line.chars().take(fetched).collect();
            let mut words: Vec<&str> = words.split_whitespace().collect();
            // Of a kernel that is not fetched, only Debian's name of the architecture is known.
            words
                .iter_mut()
                .filter(|word| **word == "amd64")
                .for_each(|word| *word = "x86");
            words.join(" ")
        })
        .collect()
    };
    let said = lines(ran.good());
    assert_eq!(facts(&printed.lines), facts(&said));
    assert!(
        said.iter().any(|line| line.starts_with("running ")),
        "{said:?}"
    );
}

/// Runs a trial with these words, and checks that its output is the printed one.
fn assert_trial(printed: Printed, words: &[String]) {
    kernel(DEFAULT);
    let ran = run(xtask([]).args(words));
    // The kind and the time of the boot depend on the machine.
    let plain = |line: &str| -> String {
        let how = line
            .split_once(" (")
            .filter(|(kernel, _)| kernel.starts_with("kernel "));
        how.map_or(line, |(kernel, _)| kernel).to_owned()
    };
    let expected = Printed {
        lines: printed.lines.iter().map(|line| plain(line)).collect(),
        words: printed.words,
    };
    let said: Vec<String> = ran.good().lines().map(plain).collect();
    assert_printed(&expected, &said.join("\n"));
}

#[test]
fn a_driver_in_a_kernel() {
    let printed = of("run --install");
    let words = printed.words.clone();
    assert_trial(printed, &words);
}

/// The driver crate is made from README's text.
#[test]
fn the_readers_first_driver_in_a_kernel() {
    // The folder of a reader who follows README: the driver is beside the checkout.
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(repository(), dir.path().join("linux-driver")).unwrap();
    let driver = dir.path().join("edu-first");
    fs::create_dir_all(driver.join("src")).unwrap();
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    // The manifest, and the trial if it has its own file.
    let tables = blocks(&readme, "toml");
    assert!(tables.len() <= 2, "{tables:?}");
    for (name, text) in ["Cargo.toml", "trial.toml"].iter().zip(tables) {
        fs::write(driver.join(name), text).unwrap();
    }
    let [source] = blocks(&readme, "rust")[..] else {
        panic!("README has one driver")
    };
    fs::write(driver.join("src/lib.rs"), source).unwrap();
    let mut words = of("run --manifest-path").words;
    let path = words
        .iter_mut()
        .find(|word| **word == "../edu-first/Cargo.toml")
        .unwrap();
    *path = driver.join("Cargo.toml").display().to_string();
    assert_trial(of("run --manifest-path"), &words);
}

/// Returns the texts of the blocks in this language.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let start = format!("```{language}\n");
    let after = text.split(start.as_str()).skip(1);
    after
        .map(|after| after.split_once("```").unwrap().0)
        .collect()
}

#[test]
fn a_module_on_another_kernel() {
    let mut printed = of("check-abi --ko");
    let ko = edu(DEFAULT);
    let at = printed
        .words
        .iter()
        .position(|word| word == "--ko")
        .unwrap()
        + 1;
    assert!(
        is_line(&printed.words[at], &ko.display().to_string()),
        "{} is not {}",
        ko.display(),
        printed.words[at]
    );
    printed.words[at] = ko.display().to_string();
    runs(&printed, 1);
}

#[test]
fn the_bindings_against_a_kernel() {
    let printed = of("check-abi --all");
    let ran = run(&mut xtask(["check-abi", "--kernel", DEFAULT]));
    let own = printed
        .lines
        .iter()
        .skip_while(|line| !line.ends_with(DEFAULT))
        .take(2);
    let expected: Vec<&str> = own.map(String::as_str).collect();
    let said: Vec<&str> = ran.good().lines().take(2).collect();
    assert_eq!(said, expected);
}

#[test]
fn bench_abi() {
    let _alone = BENCH.lock();
    let printed = of("bench abi");
    let ran = run(&mut xtask(["bench", "abi", "--rounds", "1"]));
    let said = lines(ran.good());
    assert_eq!(rows(&said), rows(&printed.lines));
    // The first line says what was measured.
    let first = said.iter().find(|line| !line.is_empty()).unwrap();
    let of_machine = first.rsplit_once("; ").unwrap().0;
    assert_eq!(of_machine, printed.lines[0].rsplit_once("; ").unwrap().0);
    // Each program has its own figure for memory.
    let memory: Vec<&String> = said
        .iter()
        .filter(|line| line.contains(": memory "))
        .collect();
    let bytes = |line: &String| -> u64 {
        line.split_whitespace()
            .rev()
            .nth(1)
            .unwrap()
            .parse()
            .unwrap()
    };
    let [pahole, two, history] = memory[..] else {
        panic!("{said:?}")
    };
    assert!(
        bytes(pahole) != bytes(two) && bytes(two) != bytes(history),
        "{memory:?}"
    );
}

#[test]
fn bench_build() {
    let _alone = BENCH.lock();
    let printed = rows(&of("bench build").lines);
    let ran = run(&mut xtask(["bench", "build", "--quick"]));
    let said = rows(&lines(ran.good()));
    // The book leaves out the sizes. The short form leaves out builds with an empty cache.
    let warm: Vec<_> = printed
        .iter()
        .filter(|(what, _)| !what.ends_with(", cold"))
        .collect();
    let timed: Vec<_> = said
        .iter()
        .filter(|(what, _)| !what.ends_with(", loaded"))
        .collect();
    assert_eq!(timed, warm);
    assert!(said.len() == timed.len() + 2, "{said:?}");
}

#[test]
fn bench_driver() {
    let _alone = BENCH.lock();
    let printed = of("bench driver");
    let ran = run(&mut xtask(["bench", "driver", "--quick"]));
    let said = rows(&lines(ran.good()));
    // The summary has a line for each row with a target.
    for line in printed
        .lines
        .iter()
        .filter(|line| line.contains(" at most "))
    {
        let (what, rest) = line.split_once("  ").unwrap();
        let target = rest[rest.find("at most ").unwrap()..]
            .split("  ")
            .next()
            .unwrap();
        let word = match what {
            "loaded size" => ", loaded",
            "largest frame" => "largest frame",
            operation => operation,
        };
        let found = said
            .iter()
            .any(|(row, of_row)| row.contains(word) && of_row == target);
        assert!(found, "no row `{what}` with `{target}` in {said:#?}");
    }
    let allocations: Vec<&str> = said
        .iter()
        .filter(|(row, _)| row.contains("heap allocations"))
        .map(|(_, target)| target.as_str())
        .collect();
    assert_eq!(allocations, ["at most 1", "at most 0"]);
}
