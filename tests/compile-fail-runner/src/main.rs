// SPDX-License-Identifier: GPL-2.0-only
//! Checks that each file of a folder fails to compile, for the reason that it states.
//!
//! This is a program of its own, because only `cargo xtask test` needs the crate `ui_test` and what
//! that depends on. It reads a [`Request`] from the file that its argument names, and prints a JSON
//! object: the path of each file, with a description of what went wrong, or `null`.
//!
//! The crate `ui_test` compiles the files in parallel and compares the errors with the comments
//! `//~ ERROR: …` on the lines of the errors. An error without such a comment fails the test too.
//!
//! The files are compiled as a driver is: for a kernel, down to machine code. The compiler checks
//! some rules only once a generic function has its arguments, and then reports the error inside the
//! library. A file expects such an error by a line of its own: `//@error-in-other-file: …`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use linux_driver_host::{Error, Result, fs, output, process};
use serde::Deserialize;
use ui_test::diagnostics::{Diagnostics, Level, Message};
use ui_test::spanned::{Span, Spanned};
use ui_test::status_emitter::{RevisionStyle, StatusEmitter, Summary, TestStatus};
use ui_test::test_result::TestResult;
use ui_test::{CommandBuilder, Config, Errored};

/// The files to compile, and the compiler. `cargo xtask test` writes this.
#[derive(Deserialize)]
struct Request {
    /// The compiler, its arguments, and the variables that are set or removed for it.
    program: OsString,
    args: Vec<OsString>,
    envs: Vec<(OsString, Option<OsString>)>,
    /// The folder with the files.
    dir: PathBuf,
    /// The number of compilers that run at the same time.
    threads: usize,
}

fn main() -> ExitCode {
    match std::env::args_os().nth(1) {
        Some(request) => match answer(Path::new(&request)) {
            Ok(answer) => {
                output::line(answer);
                ExitCode::SUCCESS
            }
            Err(error) => {
                output::error_line(error);
                ExitCode::from(2)
            }
        },
        None => {
            output::error_line("usage: compile-fail-runner REQUEST; see `cargo xtask test`");
            ExitCode::from(2)
        }
    }
}

/// Returns the answer to the request in this file.
fn answer(request: &Path) -> Result<String> {
    process::watch_signals()?;
    let wrong = |e: serde_json::Error| {
        Error::new(
            request.display(),
            "a request as `cargo xtask test` writes it",
            e,
            "start `cargo xtask test --only compile-fail` instead",
        )
    };
    let bytes = fs::read(request)?;
    let request: Request = serde_json::from_slice(&bytes).map_err(wrong)?;
    serde_json::to_string(&try_all(request)?).map_err(wrong)
}

/// Compiles each file of the folder. Returns the files, each with a description of what went wrong,
/// if anything did.
fn try_all(request: Request) -> Result<BTreeMap<PathBuf, Option<String>>> {
    // Each file has an output folder of its own, so that no two compilers write the same file.
    let out = fs::tempdir()?;
    let mut config = Config::dummy();
    config.root_dir = request.dir.clone();
    config.out_dir = out.path().to_owned();
    config.threads = NonZeroUsize::new(request.threads);
    // The arguments name the target. `ui_test` adds none if the two are equal.
    config.host = Some(String::new());
    config.target = config.host.clone();
    config.diagnostic_extractor = diagnostics;
    config.output_conflict_handling = ui_test::ignore_output_conflict;
    config.comment_defaults.base().exit_status = Spanned::dummy(1).into();
    let dir = request.dir.clone();
    config.program = command(request);

    let results = Results::default();
    let ended = ui_test::run_tests_generic(
        vec![config],
        |path, _| Some(path.extension() == Some(OsStr::new("rs"))),
        |config, text| {
            if process::signalled().is_some() {
                config.abort_check.abort();
            }
            let stem = text.span().file.file_stem().map(OsStr::to_owned);
            config.out_dir.push(stem.unwrap_or_default());
        },
        results.clone(),
    );
    process::check_interrupted()?;
    let results = results.take();
    // `ui_test` returns an error if a test fails. No other cause is known.
    if let Err(error) = ended
        && results.values().all(Option::is_none)
    {
        return Err(Error::new(
            dir.display(),
            "files that do not compile",
            error,
            "see the message of ui_test",
        ));
    }
    Ok(results)
}

/// Returns the compiler's command in the form that `ui_test` wants.
fn command(request: Request) -> CommandBuilder {
    let mut command = CommandBuilder::cmd(request.program);
    command.args = request.args;
    // cargo would give the crate's name, as an argument and in the environment.
    for argument in [
        "--crate-name=driver",
        "--crate-type=rlib",
        "--emit=obj",
        "-Copt-level=2",
        "--error-format=json",
    ] {
        command.args.push(argument.into());
    }
    command.out_dir_flag = Some("--out-dir".into());
    command.envs = request.envs;
    command
        .envs
        .push(("CARGO_CRATE_NAME".into(), Some("driver".into())));
    command
}

/// A message of rustc with `--error-format=json`, on one line.
#[derive(Deserialize)]
struct Diagnostic {
    level: String,
    message: String,
    code: Option<Code>,
    spans: Vec<Location>,
    rendered: Option<String>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Location {
    file_name: PathBuf,
    byte_start: usize,
    byte_end: usize,
    line_start: usize,
    is_primary: bool,
    label: Option<String>,
    expansion: Option<Box<Expansion>>,
}

#[derive(Deserialize)]
struct Expansion {
    span: Location,
}

impl Diagnostic {
    /// Returns the location of the error in `file`: its own location, or that of the macro call
    /// that expands to it. Ignores notes, because rustc does not always print them.
    fn location(&self, file: &Path) -> Option<&Location> {
        let primary = self.spans.iter().filter(|span| span.is_primary);
        let others = self.spans.iter().filter(|span| !span.is_primary);
        primary.chain(others).find_map(|span| span.within(file))
    }

    /// Returns the error's message and its labels. Some errors tell the reason only in a label:
    /// "expected `u32`, found `u64`".
    fn text(&self) -> String {
        let labels = self.spans.iter().filter_map(|span| span.label.clone());
        let parts: Vec<String> = [self.message.clone()].into_iter().chain(labels).collect();
        parts.join("; ")
    }
}

impl Location {
    /// Returns the outermost location in `file`, following macro calls.
    fn within(&self, file: &Path) -> Option<&Self> {
        let call = self.expansion.as_ref().and_then(|e| e.span.within(file));
        call.or_else(|| (self.file_name == file).then_some(self))
    }
}

/// Returns the errors in what rustc printed, by line of `file`. Warnings and notes are left out.
fn diagnostics(file: &Path, stderr: &[u8]) -> Diagnostics {
    let mut found = Diagnostics::default();
    for line in String::from_utf8_lossy(stderr).lines() {
        let Ok(diagnostic) = serde_json::from_str::<Diagnostic>(line) else {
            found.rendered.extend(line.bytes().chain([b'\n']));
            continue;
        };
        if let Some(rendered) = &diagnostic.rendered {
            found.rendered.extend(rendered.bytes());
        }
        let level = match diagnostic.level.as_str() {
            "error" => Level::Error,
            level if level.starts_with("error") => Level::Ice,
            _ => continue,
        };
        // The last line of rustc's output is a summary.
        if diagnostic.message.starts_with("aborting due to ") {
            continue;
        }
        let location = diagnostic.location(file);
        let message = Message {
            level,
            message: diagnostic.text(),
            line: location.map(|location| location.line_start),
            span: location.map(|location| Span {
                file: location.file_name.clone(),
                bytes: location.byte_start..location.byte_end,
            }),
            code: diagnostic.code.as_ref().map(|code| code.code.clone()),
        };
        match message.line {
            Some(line) => {
                if found.messages.len() <= line {
                    found.messages.resize_with(line + 1, Vec::new);
                }
                found.messages[line].push(message);
            }
            None => found.messages_from_unknown_file_or_line.push(message),
        }
    }
    found
}

/// The results of the files that were compiled, shared with the threads of `ui_test`.
#[derive(Clone, Default)]
struct Results(Arc<Mutex<BTreeMap<PathBuf, Option<String>>>>);

impl Results {
    fn set(&self, file: &Path, wrong: Option<String>) {
        let mut results = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        results.insert(file.to_owned(), wrong);
    }

    fn take(self) -> BTreeMap<PathBuf, Option<String>> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl StatusEmitter for Results {
    fn register_test(&self, path: PathBuf) -> Box<dyn TestStatus> {
        let results = self.clone();
        let revision = String::new();
        Box::new(File {
            results,
            path,
            revision,
        })
    }

    fn finalize(
        &self,
        _failed: usize,
        _succeeded: usize,
        _ignored: usize,
        _filtered: usize,
        _aborted: bool,
    ) -> Box<dyn Summary> {
        Box::new(self.clone())
    }
}

impl Summary for Results {
    /// Records each failure, including one that belongs to no file: a panic of `ui_test`.
    fn test_failure(&mut self, status: &dyn TestStatus, errors: &Vec<ui_test::Error>) {
        let mut results = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let described = results.get(status.path()).is_some_and(Option::is_some);
        if !described {
            results.insert(status.path().to_owned(), Some(format!("{errors:?}")));
        }
    }
}

/// A file whose result `ui_test` reports.
struct File {
    results: Results,
    path: PathBuf,
    revision: String,
}

impl TestStatus for File {
    fn for_revision(&self, revision: &str, _style: RevisionStyle) -> Box<dyn TestStatus> {
        Box::new(Self {
            results: self.results.clone(),
            path: self.path.clone(),
            revision: revision.to_owned(),
        })
    }

    fn for_path(&self, path: &Path) -> Box<dyn TestStatus> {
        self.results.register_test(path.to_owned())
    }

    fn failed_test<'a>(
        &'a self,
        _command: &'a str,
        _stderr: &'a [u8],
        _stdout: &'a [u8],
    ) -> Box<dyn std::fmt::Debug + 'a> {
        Box::new(())
    }

    fn done(&self, result: &TestResult, _aborted: bool) {
        let wrong = result.as_ref().err().map(described);
        self.results.set(&self.path, wrong);
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn revision(&self) -> &str {
        &self.revision
    }
}

/// Describes the failure of a test, as text for people.
fn described(errored: &Errored) -> String {
    let mut text = String::new();
    for error in &errored.errors {
        text.push_str(&described_error(error));
        text.push('\n');
    }
    text.push_str(&String::from_utf8_lossy(&errored.stderr));
    text
}

fn described_error(error: &ui_test::Error) -> String {
    use ui_test::Error;
    match error {
        Error::ExitStatus { status, .. } if status.success() => "it compiles".to_owned(),
        Error::ExitStatus { status, .. } => format!("the compiler ended with {status}"),
        Error::PatternNotFound {
            pattern,
            expected_line,
        } => {
            let pattern = match &pattern.content {
                ui_test::Pattern::SubString(text) => text.clone(),
                ui_test::Pattern::Regex(regex) => format!("/{regex}/"),
            };
            format!("no such error{}: {pattern}", at(*expected_line))
        }
        Error::CodeNotFound {
            code,
            expected_line,
        } => format!("no such error{}: {}", at(*expected_line), code.content),
        Error::NoPatternsFound => "no comment `//~ ERROR: …` names the error".to_owned(),
        Error::ErrorsWithoutPattern { msgs, path } => {
            let line = path.as_ref().map(|(_, line)| *line);
            let mut lines = msgs.iter().map(|message| {
                format!(
                    "an error{} without a comment `//~ ERROR: …`: {}",
                    at(line),
                    message.message
                )
            });
            let first = lines.next().unwrap_or_default();
            lines.fold(first, |text, line| format!("{text}\n{line}"))
        }
        Error::InvalidComment { msg, .. } => format!("a comment is wrong: {msg}"),
        other => format!("{other:?}"),
    }
}

/// Returns ` in line N`, or ` in another file` for no line.
fn at(line: Option<NonZeroUsize>) -> String {
    line.map_or_else(
        || " in another file".to_owned(),
        |line| format!(" in line {line}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "/tests/a.rs";

    /// Returns a diagnostic as rustc prints it, with a location in `file`.
    fn printed(level: &str, message: &str, file: &str, expansion: &str) -> String {
        format!(
            r#"{{"level":"{level}","message":"{message}","code":{{"code":"E0308"}},"spans":[{{"file_name":"{file}","byte_start":1,"byte_end":2,"line_start":3,"is_primary":true,"label":"a label","expansion":{expansion}}}],"children":[{{"message":"a note"}}],"rendered":"{level}: {message}\n"}}"#
        )
    }

    fn read(stderr: &str) -> Diagnostics {
        diagnostics(Path::new(FILE), stderr.as_bytes())
    }

    #[test]
    fn only_errors_count() {
        let found = read(&format!(
            "{}\nof the linker\n{}\n",
            printed("warning", "unused", FILE, "null"),
            printed("error", "mismatched types", FILE, "null"),
        ));
        let messages: Vec<&Message> = found.messages.iter().flatten().collect();
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].message, "mismatched types; a label");
        assert_eq!(messages[0].line, Some(3));
        assert_eq!(messages[0].code.as_deref(), Some("E0308"));
        assert!(found.messages_from_unknown_file_or_line.is_empty());
        assert_eq!(
            String::from_utf8(found.rendered).unwrap(),
            "warning: unused\nof the linker\nerror: mismatched types\n"
        );
    }

    #[test]
    fn an_error_in_a_macro_of_the_library_is_where_the_file_calls_it() {
        let call = format!(
            r#"{{"span":{{"file_name":"{FILE}","byte_start":5,"byte_end":6,"line_start":7,"is_primary":false,"label":null,"expansion":null}}}}"#
        );
        let found = read(&printed("error", "wrong", "/safe/src/lib.rs", &call));
        assert_eq!(found.messages[7][0].message, "wrong; a label");
    }

    #[test]
    fn an_error_in_the_library_is_in_another_file() {
        let found = read(&printed("error", "wrong", "/safe/src/lib.rs", "null"));
        assert!(found.messages.is_empty());
        assert_eq!(found.messages_from_unknown_file_or_line[0].line, None);
    }

    #[test]
    fn a_file_cannot_expect_a_crash_of_the_compiler() {
        let level = "error: internal compiler error";
        let found = read(&printed(level, "wrong", FILE, "null"));
        assert_eq!(found.messages[3][0].level, Level::Ice);
    }
}
