// SPDX-License-Identifier: GPL-2.0-only
//! What user space does with a driver, as commands that run inside the virtual machine (a plan's
//! `exec` and `spawn`).
//!
//! One command a file of `commands/`, named in one list there. A command says what it found on its
//! standard output, or why it failed on its standard error; its exit code is then the error number,
//! if there is one, and 255 otherwise. One that is spawned says `ready` in a line of its own, and
//! comes to its end when its standard input ends.

mod args;
mod commands;
mod file;
mod outcome;
mod pages;
mod random;
mod spawned;

use std::process::ExitCode;

use crate::outcome::Failure;

fn main() -> ExitCode {
    // A panic's own code, 101, would be an error number.
    std::panic::set_hook(Box::new(|info| {
        eprintln!("{info}");
        std::process::exit(Failure::OTHER.into());
    }));
    let args: Vec<String> = std::env::args().skip(1).collect();
    match commands::run(&args) {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{}", failure.text);
            ExitCode::from(failure.code())
        }
    }
}
