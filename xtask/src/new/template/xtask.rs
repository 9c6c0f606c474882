// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask`: builds the driver, tries it in a machine, and checks it against kernels.

fn main() -> std::process::ExitCode {
    linux_driver_xtask::main()
}
