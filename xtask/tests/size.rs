// SPDX-License-Identifier: GPL-2.0-only
//! The sample is not much larger than the same driver in C.
//!
//! The figure is exact. It depends on the sources, the compilers and the kernel, but not on the
//! machine. Nothing is booted.

#[allow(dead_code, reason = "each of those that take it in uses some of it")]
mod support;

use std::path::PathBuf;

use linux_driver_check::loaded_size;

use self::support::{DEFAULT, edu, run, xtask};

#[test]
fn the_sample_is_loaded_into_a_quarter_more_memory_than_its_twin_at_most() {
    let rust = loaded_size(&edu(DEFAULT)).unwrap();
    let ran = run(&mut xtask(["build", "-p", "edu-c", "--kernel", DEFAULT]));
    let c = loaded_size(&PathBuf::from(ran.good().trim_end())).unwrap();
    // `cargo xtask bench driver` prints the same figure: at most 1.25.
    assert!(
        4 * rust.core <= 5 * c.core,
        "{} bytes; its twin has {}: {:#?}\n{:#?}",
        rust.core,
        c.core,
        rust.sections,
        c.sections
    );
}
