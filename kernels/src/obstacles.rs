// SPDX-License-Identifier: GPL-2.0-only
//! The reasons why a kernel's tools cannot run on a host. They are found by starting the tools.

use std::path::Path;
use std::process::Command;

use linux_driver_host::{Result, process};

use crate::build_host::BuildHost;
use crate::build_tree::BuildTree;
use crate::compiler::Compiler;

/// The host programs of a build tree, and whether each tree has them. Debian's modpost is a small
/// program that calls the one for the kind of the given object. Without an object it does not show
/// whether that program starts.
const PROGRAMS: [(&str, bool); 5] = [
    ("scripts/basic/fixdep", true),
    ("scripts/mod/modpost", true),
    ("scripts/mod/modpost.real-lsb-64", false),
    ("tools/objtool/objtool", false),
    ("tools/bpf/resolve_btfids/resolve_btfids", false),
];

/// A reason why a kernel's modules cannot be built on a host as the kernel was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// The compiler is missing, or is another version.
    Compiler(String),
    /// A host program of the tree is missing or does not start.
    Program(String),
}

impl Obstacle {
    /// Returns the description of what was found.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Compiler(text) | Self::Program(text) => text,
        }
    }
}

/// Starts the compiler and the host programs that a module of this tree needs, and returns those
/// that failed.
pub(crate) fn obstacles(tree: &BuildTree, host: &BuildHost) -> Result<Vec<Obstacle>> {
    let mut found = Vec::new();
    let wanted = Compiler::of(&tree.config);
    let compiler = wanted.on(host);
    match try_out(host.command(&compiler, &[]).arg("-dumpversion"))? {
        Err(why) => found.push(Obstacle::Compiler(format!(
            "{compiler} does not start: {why}"
        ))),
        Ok(version) => {
            let major = version.trim().split('.').next().unwrap_or_default();
            if let Some(wanted) = wanted.major.filter(|wanted| wanted != major) {
                found.push(Obstacle::Compiler(format!(
                    "{compiler} is of version {major}, the kernel's of version {wanted}"
                )));
            }
        }
    }
    for (program, always) in PROGRAMS {
        let path = tree.dir.join(program);
        if !path.exists() {
            if always {
                found.push(Obstacle::Program(format!("its {program} is missing")));
            }
            continue;
        }
        // Debian's objtool calls the one for this architecture.
        if let Err(why) = try_out(
            host.command(&path.to_string_lossy(), &[])
                .env("SRCARCH", &tree.arch),
        )? {
            found.push(Obstacle::Program(format!(
                "its {program} does not start: {why}"
            )));
        }
    }
    Ok(found)
}

/// Starts a program and returns what it printed, or why it did not start. A complaint about missing
/// arguments is not an error.
fn try_out(command: &mut Command) -> Result<Result<String, String>> {
    let output = match process::output(command) {
        Ok(output) => output,
        Err(error) => {
            process::check_interrupted()?;
            let why = if command_exists(command) {
                error.to_string()
            } else {
                "no such program".to_owned()
            };
            return Ok(Err(why));
        }
    };
    let said = process::said(&output);
    // The messages of the loader and of bubblewrap. 126 and 127 are a shell's way to say it.
    let refusals = [
        "error while loading shared libraries",
        "version `GLIBC_",
        "bwrap: ",
    ];
    let refusal = refusals
        .iter()
        .find_map(|text| said.find(text).map(|at| &said[at..]));
    let refusal = refusal
        .or_else(|| matches!(output.status.code(), Some(126 | 127)).then_some(said.as_str()));
    Ok(match refusal {
        None => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Some(text) => Err(text
            .split(['\n', '('])
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()),
    })
}

fn command_exists(command: &Command) -> bool {
    let program = Path::new(command.get_program());
    program.is_file()
        || program
            .to_str()
            .is_some_and(|name| process::find_program(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_does_not_start() {
        assert_eq!(
            try_out(&mut Command::new("no-such-program")).unwrap(),
            Err("no such program".to_owned())
        );
        let missing_library =
            "echo 'x: /lib/libc.so.6: version `GLIBC_9.9'\\'' not found' >&2; exit 1";
        assert!(
            try_out(Command::new("sh").args(["-c", missing_library]))
                .unwrap()
                .is_err()
        );
        assert_eq!(
            try_out(Command::new("sh").args(["-c", "echo 12; exit 1"])).unwrap(),
            Ok("12\n".to_owned())
        );
    }
}
