// SPDX-License-Identifier: GPL-2.0-only
//! The command line of linux-driver: `cargo xtask COMMAND`. Each command has its own file. `args`
//! holds the shared arguments, and `folders` the folders that the commands work with.
//!
//! Exit codes: 0 if all went well, 1 if the driver or the kernel failed, 2 if it could not be
//! tried.

// `linux_driver_host::output` does not panic when the reader is gone.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod bench;
mod build;
mod cache;
mod check_abi;
mod compile_fail;
mod decode;
mod doctor;
#[cfg(test)]
mod documented;
mod env;
mod explain;
mod fetch;
mod folders;
mod history;
mod kernels;
mod needs;
mod new;
mod program;
mod run;
mod snapshot;
mod test;
mod update;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use linux_driver_host::{Blame, Result, output, process};

/// Linux drivers in Rust, outside the kernel tree: build a module, boot it in a real kernel, check
/// it.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    New(new::Args),
    Build(build::Args),
    Run(run::Args),
    Test(test::Args),
    Kernels(kernels::Args),
    Fetch(fetch::Args),
    Doctor(doctor::Args),
    Cache(cache::Args),
    Decode(decode::Args),
    Env(env::Args),
    Snapshot(snapshot::Args),
    CheckAbi(check_abi::Args),
    Update(update::Args),
    Bench(bench::Args),
    History(history::Args),
    Explain(explain::Args),
}

/// The outcome of a command that could be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// All went well.
    Good,
    /// The driver or the kernel failed, and the command has printed the failure.
    Bad,
    /// The result is unknown, and the command has printed the reason.
    NotTried,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = process::watch_signals()
        .and_then(|()| folders::find())
        .and_then(|()| run(cli.command));
    let outcome = outcome.and_then(|outcome| output::written().map(|()| outcome));
    match outcome {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::Bad) => ExitCode::from(1),
        Ok(Outcome::NotTried) => ExitCode::from(2),
        Err(error) => {
            output::error_line(format_args!("error: {error}"));
            match (process::signalled(), error.blame()) {
                // The signal is the cause of every later error.
                (Some(signal), _) => process::end_by(signal),
                (None, Blame::Driver) => ExitCode::from(1),
                (None, _) => ExitCode::from(2),
            }
        }
    }
}

fn run(command: Command) -> Result<Outcome> {
    match command {
        Command::New(args) => new::run(&args),
        Command::Build(args) => build::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Kernels(args) => kernels::run(&args),
        Command::Fetch(args) => fetch::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Cache(args) => cache::run(&args),
        Command::Decode(args) => decode::run(&args),
        Command::Env(args) => env::run(&args),
        Command::Snapshot(args) => snapshot::run(&args),
        Command::CheckAbi(args) => check_abi::run(&args),
        Command::Update(args) => update::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::History(args) => history::run(&args),
        Command::Explain(args) => explain::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
