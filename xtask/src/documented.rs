// SPDX-License-Identifier: GPL-2.0-only
//! Checks the commands in documentation, help, messages and CI: this program must accept each of
//! them.

use std::fs;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use super::Cli;
use crate::folders::workspace;

/// The start of a command, wherever it is named.
const START: &str = "cargo xtask ";

/// Programs of other projects that the documentation calls.
const OTHERS: [&str; 2] = ["dmesg | rustfilt", "objdump "];

/// Splits the command at the start of a text into words, as a shell does. Stops at the command's
/// end.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote, mut begun, mut inside) = (String::new(), None, false, 0_u32);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => word.push(c),
            // The output of another command is a word, or a part of one.
            (None, '$') if chars.next_if_eq(&'(').is_some() => (inside, begun) = (inside + 1, true),
            (None, ')') if inside > 0 => inside -= 1,
            (None, _) if inside > 0 => word.push(c),
            (None, '\'' | '"') => (quote, begun) = (Some(c), true),
            (None, '|' | '>' | ';' | ')' | '`' | '&' | '#' | '\n') => break,
            (None, ' ') => {
                if std::mem::take(&mut begun) {
                    words.push(std::mem::take(&mut word));
                }
            }
            (None, _) => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

/// Returns the message of a format string, with `NAME` for each inserted value. Returns `None` if
/// the inserted value is the command itself.
fn filled_in(format: &str) -> Option<String> {
    let mut text = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('{') {
        text += before;
        // A value right after a word may be empty, or start with a space.
        if text.is_empty() || text.ends_with(' ') {
            text += "NAME";
        }
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    text += rest;
    (!text.starts_with("NAME") && text != "COMMAND").then_some(text)
}

/// Returns the error in the command, if there is one. If `whole` is not set, the command is part of
/// a sentence and may lack its arguments.
fn wrong(command: &str, whole: bool) -> Option<String> {
    let all = std::iter::once("xtask".to_owned()).chain(words(command));
    let error = Cli::try_parse_from(all).err()?;
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => None,
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            if !whole =>
        {
            None
        }
        _ => Some(format!("{START}{command}\n{error}")),
    }
}

/// Asserts that all of these commands are accepted, and that there are at least this many.
#[track_caller]
fn all_are_taken(commands: &[(String, bool)], at_least: usize) {
    let wrong: Vec<String> = (commands.iter())
        .filter_map(|(command, whole)| wrong(command, *whole))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        commands.len() >= at_least,
        "only {} commands were found",
        commands.len()
    );
}

/// Returns the text after each start of a command.
fn after_start(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(START)
        .map(|(at, _)| &text[at + START.len()..])
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Finds the files below a folder whose names have this extension.
fn files(dir: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|of| of == extension) {
            found.push(path);
        }
    }
}

#[test]
fn words_are_a_shells() {
    assert_eq!(
        words("run --scenario 'surprise removal' -p edu | jq '.x'"),
        ["run", "--scenario", "surprise removal", "-p", "edu"]
    );
    assert_eq!(
        words("update \"$KERNEL\" || code=$?"),
        ["update", "$KERNEL"]
    );
    assert_eq!(words("bench abi   # what it is"), ["bench", "abi"]);
    assert_eq!(words("fetch ''"), ["fetch", ""]);
    assert_eq!(words("fetch $(uname -r)-x) more"), ["fetch", "uname -r-x"]);
    assert_eq!(
        filled_in("fetch {name} --all").as_deref(),
        Some("fetch NAME --all")
    );
    assert_eq!(filled_in("update{names}").as_deref(), Some("update"));
    assert_eq!((filled_in("{}"), filled_in("COMMAND")), (None, None));
    assert!(wrong("no-such-command", false).is_some());
    assert!(wrong("explain", true).is_some() && wrong("explain", false).is_none());
    assert!(wrong("run --no-such-option", false).is_some());
}

#[test]
fn documentation_names_commands_that_there_are() {
    let root = workspace();
    let mut commands = Vec::new();
    let mut documents: Vec<PathBuf> = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "headers/README.md",
    ]
    .map(|file| root.join(file))
    .into();
    files(&root.join("docs/src"), "md", &mut documents);
    // This page is the output of `--help`, which is checked directly.
    documents.retain(|path| !path.ends_with("reference/command-line.md"));
    for path in documents {
        let (text, file) = (read(&path), path.display());
        let mut in_console = false;
        for line in text.lines() {
            if let Some(language) = line.strip_prefix("```") {
                in_console = language == "console";
            } else if let Some(command) = line.strip_prefix("$ ").filter(|_| in_console) {
                let found = commands.len();
                commands.extend(after_start(command).map(|rest| (rest.to_owned(), true)));
                let of_others = OTHERS.iter().any(|other| command.starts_with(other));
                assert!(
                    commands.len() > found || of_others,
                    "{file}: what is `{command}`?"
                );
            } else if !in_console {
                let spans = line.match_indices('`').map(|(at, _)| &line[at + 1..]);
                let own = spans.filter_map(|span| span.strip_prefix(START));
                commands.extend(own.map(|rest| (rest.to_owned(), false)));
            }
        }
    }
    all_are_taken(&commands, 60);
}

#[test]
fn help_gives_examples_that_work() {
    fn collect(command: &clap::Command, commands: &mut Vec<(String, bool)>) {
        let Some(help) = command.get_after_help() else {
            // A command with subcommands has its examples there.
            assert!(
                command.has_subcommands(),
                "{} has no example",
                command.get_name()
            );
            return;
        };
        let found = commands.len();
        let text = help.to_string().replace("$(uname -m)", "x86_64");
        commands.extend(after_start(&text).map(|rest| (rest.to_owned(), true)));
        assert!(
            commands.len() > found,
            "{} has no example",
            command.get_name()
        );
    }
    let (cli, mut commands) = (Cli::command(), Vec::new());
    let mut pending: Vec<&clap::Command> = cli.get_subcommands().collect();
    while let Some(command) = pending.pop() {
        if command.get_name() == "help" {
            continue;
        }
        collect(command, &mut commands);
        pending.extend(command.get_subcommands());
    }
    all_are_taken(&commands, 25);
}

#[test]
fn messages_name_commands_that_there_are() {
    let mut sources = Vec::new();
    for dir in [
        "xtask", "kbuild", "check", "kernels", "abi", "vm", "host", "sys", "headers", "build.rs",
    ] {
        let path = workspace().join(dir);
        if path.is_dir() {
            files(&path, "rs", &mut sources);
            files(&path, "toml", &mut sources);
        } else {
            sources.push(path);
        }
    }
    let mut commands = Vec::new();
    for source in sources
        .iter()
        .filter(|path| !path.ends_with("documented.rs"))
    {
        let text = read(source);
        let spans = text.match_indices('`').map(|(at, _)| &text[at + 1..]);
        let own = spans.filter_map(|span| span.strip_prefix(START)?.split_once('`'));
        let own = own.filter_map(|(rest, _)| filled_in(&rest.replace('\n', " ")));
        commands.extend(own.map(|rest| (rest, false)));
    }
    all_are_taken(&commands, 40);
}

/// Checks that every command in the jobs of CI exists, so that a person can run it too.
#[test]
fn ci_runs_commands_that_there_are() {
    let files = [".github/workflows/CI.yml", ".ci/run"];
    let text: String = files
        .iter()
        .map(|file| read(&workspace().join(file)))
        .collect();
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let commands: Vec<(String, bool)> = lines
        .flat_map(after_start)
        .map(|rest| (rest.replace("$SHARD", "1/2"), true))
        .collect();
    all_are_taken(&commands, 8);
}
