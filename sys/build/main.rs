// SPDX-License-Identifier: GPL-2.0-only
//! Makes the bindings: reads which kernel they are for, runs bindgen or takes the bindings that a
//! snapshot holds, and refuses bindings that would be wrong.

mod bindings;
mod features;
mod flags;
mod kernel;
mod needed;
mod snapshot;

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    match generate() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            if let Some(file) = std::env::var_os("LINUX_DRIVER_REFUSAL") {
                // The message is printed above, so an error of this write does not matter.
                let _ = std::fs::write(file, &message);
            }
            ExitCode::FAILURE
        }
    }
}

fn generate() -> Result<(), String> {
    println!("cargo::rerun-if-changed=c");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=needed.toml");
    println!("cargo::rerun-if-env-changed=LIBCLANG_PATH");
    let out = PathBuf::from(
        std::env::var_os("OUT_DIR")
            .ok_or("OUT_DIR is not set: this is a build script, for cargo to run")?,
    );
    let kernel = kernel::Kernel::from_env()?;
    let needed = needed::Needed::read()?;
    let bindings = bindings::of(&needed, &kernel)?;
    // `cargo build -vv` prints it.
    println!("bindings: made by {}", bindings.made_by);
    let items = needed::Items::of(&bindings.text)?;
    needed::check(&needed, &items, &kernel, &bindings.made_by)?;
    features::announce(&needed, &items);
    write(out.join("bindings.rs"), &bindings.text)?;
    write(out.join("device_table.rs"), &kernel.device_table_macro())
}

fn write(path: PathBuf, text: &str) -> Result<(), String> {
    std::fs::write(&path, text).map_err(|e| {
        format!(
            "{}\n  \
             expected: to write it\n  \
             found:    {e}\n  \
             remedy:   free some space there, or see the message",
            path.display()
        )
    })
}
