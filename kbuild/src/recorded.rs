// SPDX-License-Identifier: GPL-2.0-only
//! The command that Kbuild recorded for an object, in `.NAME.o.cmd` beside it.
//!
//! This is the only list of C flags. bindgen gets it too: if two compilers get different flags,
//! layouts differ silently.

use std::path::{Path, PathBuf};

use linux_driver_host::{Error, Result, fs};

/// The commands by which Kbuild made an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The compiler's arguments without input, output and dependency file. The paths are absolute.
    pub cc_flags: Vec<String>,
    /// objtool and its arguments without the object, if Kbuild ran it on this object.
    pub objtool: Option<Vec<String>>,
    /// The kernel's headers that it was made of.
    pub headers: Vec<String>,
}

impl Recorded {
    /// Reads the record of `object`, in whose folder Kbuild worked for the kernel at `build_tree`.
    pub fn read(object: &Path, build_tree: &Path) -> Result<Self> {
        let name = object.file_name().unwrap_or_default().to_string_lossy();
        let record = object.with_file_name(format!(".{name}.cmd"));
        let text = fs::read_to_string(&record)?;
        let dirs = [
            build_tree.to_owned(),
            object.parent().unwrap_or(object).to_owned(),
        ];
        Self::parse(&text, &dirs).ok_or_else(|| {
            Error::new(
                record.display(),
                "a first line `savedcmd_OBJECT := COMMAND` with the compiler's command",
                text.lines().next().unwrap_or("an empty file"),
                "report this with the kernel's release: Kbuild's records look different there",
            )
        })
    }

    /// Relative paths are looked for in `dirs`, in this order: Kbuild works in the kernel's tree
    /// or, from 6.13 on, in the module's folder.
    fn parse(text: &str, dirs: &[PathBuf]) -> Option<Self> {
        let (name, command) = text.lines().next()?.split_once(":=")?;
        if !name.starts_with("savedcmd_") && !name.starts_with("cmd_") {
            return None;
        }
        let mut commands = commands(command).into_iter();
        let compiler = commands.next()?;
        let cc_flags = cc_flags(&compiler, dirs);
        let objtool =
            commands.find(|words| words.first().is_some_and(|word| word.ends_with("/objtool")));
        let objtool = objtool.map(|mut words| {
            words.pop();
            words[0] = absolute(&words[0], dirs);
            words
        });
        let headers = headers(text, dirs);
        (!cc_flags.is_empty()).then_some(Self {
            cc_flags,
            objtool,
            headers,
        })
    }
}

/// Returns the kernel's headers in the list `deps_OBJECT := \`, of which each line names one: those
/// outside of the module's folder, the last of `dirs`.
fn headers(text: &str, dirs: &[PathBuf]) -> Vec<String> {
    let list = text.lines().skip_while(|line| !line.starts_with("deps_"));
    let names = list
        .map(|line| line.trim_end_matches('\\').trim())
        .filter(|line| line.ends_with(".h") && !line.contains(' '));
    let paths = names.map(|name| absolute(name, dirs));
    paths
        .filter(|path| {
            dirs.last()
                .is_none_or(|own| !Path::new(path).starts_with(own))
        })
        .collect()
}

fn cc_flags(compiler: &[String], dirs: &[PathBuf]) -> Vec<String> {
    let mut flags = Vec::new();
    let mut rest = compiler.iter().skip(1).peekable();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-c" => {}
            "-o" => drop(rest.next()),
            "-I" | "-include" | "-isystem" | "-iquote" => {
                flags.push(word.clone());
                flags.extend(rest.next().map(|path| absolute(path, dirs)));
            }
            _ if word.starts_with("-Wp,-M") => {}
            _ if word.starts_with("-I") => flags.push(format!("-I{}", absolute(&word[2..], dirs))),
            // An argument that is left and is not a flag is the input.
            _ if word.starts_with('-') => flags.push(word.clone()),
            _ => {}
        }
    }
    flags
}

fn absolute(path: &str, dirs: &[PathBuf]) -> String {
    let found = dirs
        .iter()
        .map(|dir| dir.join(path))
        .find(|path| path.exists());
    found.map_or_else(
        || path.to_owned(),
        |path| path.to_string_lossy().into_owned(),
    )
}

/// Returns the commands of a line of shell, each as its words: Kbuild quotes with quotes and
/// backslashes, and puts `;` between commands.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        let last = commands.len() - 1;
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '\\') => word.get_or_insert_default().extend(chars.next()),
            (None, ';') => {
                commands[last].extend(word.take());
                commands.push(Vec::new());
            }
            (None, c) if c.is_whitespace() => commands[last].extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    let last = commands.len() - 1;
    commands[last].extend(word);
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_out_without_input_output_and_dependency_file() {
        let text = "savedcmd_/b/s.o := gcc-12 -Wp,-MMD,/b/.s.o.d -nostdinc -I./include -include ./k.h -DKBUILD_MODNAME='\"s\"' -DX=\\\"y\\\" -DY=';' -c -o /b/s.o /b/s.c  ; ./tools/objtool/objtool --orc --retpoline /b/s.o\n\nsource_/b/s.o := /b/s.c\n";
        let recorded = Recorded::parse(text, &["/no-such-folder".into()]).unwrap();
        assert_eq!(
            recorded.cc_flags,
            [
                "-nostdinc",
                "-I./include",
                "-include",
                "./k.h",
                "-DKBUILD_MODNAME=\"s\"",
                "-DX=\"y\"",
                "-DY=;"
            ]
        );
        assert_eq!(
            recorded.objtool.unwrap(),
            ["./tools/objtool/objtool", "--orc", "--retpoline"]
        );
    }

    #[test]
    fn paths_become_absolute_where_they_exist() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("include")).unwrap();
        let recorded = Recorded::parse(
            "cmd_s.o := gcc -I./include -c -o s.o s.c",
            &[dir.path().to_owned()],
        )
        .unwrap();
        assert_eq!(
            recorded.cc_flags,
            [format!("-I{}/./include", dir.path().display())]
        );
        assert_eq!(recorded.objtool, None);
    }

    #[test]
    fn the_kernels_headers_are_listed_and_not_our_own() {
        let text = "cmd_/m/s.o := gcc -O2 -c -o /m/s.o /m/s.c\n\nsource_/m/s.o := /m/s.c\n\ndeps_/m/s.o := \\\n  /k/include/a.h \\\n    $(wildcard include/config/X) \\\n  /m/shims.h \\\n  /k/include/b.h \\\n\n/m/s.o: $(deps_/m/s.o)\n";
        let recorded = Recorded::parse(text, &["/k".into(), "/m".into()]).unwrap();
        assert_eq!(recorded.headers, ["/k/include/a.h", "/k/include/b.h"]);
    }

    #[test]
    fn other_text_is_not_a_record() {
        assert_eq!(Recorded::parse("deps := x", &[]), None);
        assert_eq!(Recorded::parse("", &[]), None);
    }
}
