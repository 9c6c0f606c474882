// SPDX-License-Identifier: GPL-2.0-only
//! Commands that use a driver from user space. They run inside the virtual machine, as the `exec`
//! and `spawn` of a plan.
//!
//! Each command is a file of `commands/`, and is in the list there. A command prints what it found
//! on its standard output, or why it failed on its standard error. Its exit code is then the error
//! number if there is one, and 255 otherwise. A spawned command prints a line `ready`, and ends
//! when its standard input ends.

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
    // The exit code of a panic, 101, would be read as an error number.
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
