// SPDX-License-Identifier: GPL-2.0-only
//! A driver is debugged with gdb in a real kernel: `cargo xtask run --gdb`.
//!
//! Needs all that `cargo xtask doctor` names, gdb, and Debian's archive for kernels that are not
//! yet in the cache.

#[allow(dead_code, reason = "each of those that take it in uses some of it")]
mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use linux_driver_abi::{btf_file, kallsyms};
use object::{Object, ObjectSection};

use support::{BOUND, DEFAULT, UnderWay, edu, kernel, nobody_left_with, repository, run, xtask};

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

/// Waits for the command that starts gdb, and returns the path of its script.
fn script(under_way: &mut UnderWay) -> PathBuf {
    under_way.until("the command for gdb", |ran| {
        let said = ran.said();
        let command = said
            .lines()
            .find_map(|line| line.trim().strip_prefix("gdb -x "));
        command.map(PathBuf::from)
    })
}

/// Runs gdb with this script and commands, and returns its output.
fn gdb(script: &Path, commands: &[&str]) -> String {
    let mut gdb = Command::new("timeout");
    let seconds = (15 * BOUND).as_secs().to_string();
    gdb.args(["-k", "1", &seconds, "gdb", "-nx", "-batch", "-x"])
        .arg(script);
    for command in commands {
        gdb.args(["-ex", command]);
    }
    let ran = run(&mut gdb);
    format!("{}\n{}", ran.stdout, ran.stderr)
}

/// Returns the lines of the sample's `probe`, by number.
fn lines_of_probe() -> std::ops::Range<usize> {
    let text = fs::read_to_string(repository().join("samples/edu/src/lib.rs")).unwrap();
    let at = |start: &str| {
        let line = text
            .lines()
            .position(|line| line.trim_start().starts_with(start));
        line.unwrap_or_else(|| panic!("no {start}")) + 1
    };
    at("fn probe(")..at("fn remove(")
}

/// Checks that gdb is in the sample's `probe`, with the kernel's functions below it in this order.
#[track_caller]
fn in_probe(said: &str, callers: &[&str]) {
    let frames: Vec<&str> = said.lines().filter(|line| line.starts_with('#')).collect();
    let place = |line: &&str| {
        let (_, number) = line.split_once("samples/edu/src/lib.rs:")?;
        let number = number.split(' ').next()?.parse().ok()?;
        line.contains(" edu::").then_some(number)
    };
    let at = frames.iter().position(|frame| place(frame).is_some());
    let at = at.unwrap_or_else(|| panic!("no frame of the sample in:\n{said}"));
    let number = place(&frames[at]).unwrap();
    assert!(lines_of_probe().contains(&number), "line {number}:\n{said}");
    assert!(frames[at].contains("::probe"), "{said}");
    let mut below = frames[at..].iter();
    for caller in callers {
        let is = |frame: &&str| frame.contains(&format!(" {caller} ()"));
        assert!(below.any(is), "no {caller} in its place:\n{said}");
    }
}

#[test]
fn a_driver_is_debugged_in_its_probe_down_to_the_system_call() {
    let dir = tempfile::tempdir().unwrap();
    let errors = dir.path().join("errors");
    let mut debugged = xtask(["run", "-p", "edu", "--kernel", DEFAULT, "--gdb"]);
    let mut debugged = UnderWay::start(&mut debugged, &errors);
    let script = script(&mut debugged);
    let said = debugged.said();
    assert!(
        said.contains("samples/edu/src/lib.rs:") && said.contains("Ctrl-C"),
        "{said}"
    );

    // gdb dies, and leaves the machine stopped.
    let said = gdb(&script, &["bt", "shell kill -9 $PPID"]);
    let kernel = [
        "local_pci_probe",
        "really_probe",
        "driver_register",
        "do_one_initcall",
        "do_init_module",
        "__x64_sys_finit_module",
        "do_syscall_64",
    ];
    in_probe(&said, &kernel);

    // The next gdb finds the module where it is, and lets the machine go on to its end.
    // It starts at the first processor, which need not be the one that runs the driver.
    let said = gdb(&script, &["thread apply all bt", "detach"]);
    in_probe(&said, &kernel);
    let status = debugged.ends();
    let said = debugged.said();
    assert!(status.success(), "{status}:\n{said}");
    // The console is shown as it comes, and without what is not for a person.
    assert!(said.contains("edu device, version 1.0"), "{said}");
    assert!(!said.contains("\"step\""), "{said}");
    assert!(!script.exists(), "{} was left", script.display());
}

#[test]
fn a_signal_ends_a_machine_that_waits_for_gdb() {
    let dir = tempfile::tempdir().unwrap();
    edu(DEFAULT);
    let mut waits = xtask(["run", "-p", "edu", "--kernel", DEFAULT, "--gdb"]);
    let mut waits = UnderWay::start(&mut waits, &dir.path().join("errors"));
    let script = script(&mut waits);
    waits.signal(libc::SIGINT);
    assert!(!waits.ends().success());
    nobody_left_with(script.parent().unwrap());
    assert!(!script.exists(), "{} was left", script.display());
}

#[test]
fn a_session_of_gdb_that_cannot_work_is_refused() {
    for other in ["--torture", "--time-limit=5"] {
        let ran = run(&mut xtask(["run", "--gdb", other]));
        assert_eq!(ran.status.code(), Some(2), "{ran:#?}");
        let said = "the argument '--gdb' cannot be used with";
        assert!(ran.stderr.contains(said), "{ran:#?}");
    }
    // A folder whose name gdb would split.
    let folder = tempfile::Builder::new().prefix("a b").tempdir().unwrap();
    let mut odd = xtask(["run", "--gdb", "-p", "edu", "--kernel", DEFAULT]);
    let ran = run(odd.env("TMPDIR", folder.path()));
    ran.refused(2, &["the character ' '", "set TMPDIR"]);
    // All programs but gdb.
    let dir = tempfile::tempdir().unwrap();
    let path = std::env::var_os("PATH").unwrap();
    for entry in std::env::split_paths(&path)
        .filter_map(|dir| fs::read_dir(dir).ok())
        .flatten()
    {
        let entry = entry.unwrap();
        if entry.file_name() != "gdb" {
            // A program of the same name in an earlier folder has priority.
            let _ = symlink(entry.path(), dir.path().join(entry.file_name()));
        }
    }
    let ran =
        run(xtask(["run", "--gdb", "-p", "edu", "--kernel", DEFAULT]).env("PATH", dir.path()));
    ran.refused(2, &["gdb", "to debug a driver in the machine", "--install"]);
}

#[test]
fn the_symbols_of_each_kernel_are_read() {
    for name in [DEFAULT, "debian-6.1", "debian-7.2"] {
        let image = kernel(name).image;
        let whole = btf_file::read_kernel(&image).unwrap();
        let symbols = kallsyms::read(&whole, name).unwrap();
        let of = |name: &str| symbols.iter().find(|symbol| symbol.name == name).unwrap();
        assert!(symbols.len() > 50_000, "{name}: {}", symbols.len());
        // The code starts where the linker script of x86 puts it.
        assert_eq!(
            (of("_text").address, of("_text").kind),
            (0xffff_ffff_8100_0000, 'T')
        );
        assert!(of("module_finalize").address > of("_text").address);
        assert!(
            symbols
                .windows(2)
                .all(|pair| pair[0].address <= pair[1].address)
        );
        // A kernel that is cut off is an error.
        for length in [0, 64, 4096, whole.len() / 8, whole.len() / 2] {
            assert!(
                kallsyms::read(&whole[..length], name).is_err(),
                "{name}: {length}"
            );
        }
        // So is one whose tables are damaged. A little damage may be in other data.
        let elf = object::File::parse(&*whole).unwrap();
        let section = elf.section_by_name(".rodata").unwrap();
        let (start, length) = section.file_range().unwrap();
        for step in [7, 1021, 1_000_003] {
            let mut other = whole.clone();
            let rodata = &mut other[start as usize..(start + length) as usize];
            for byte in rodata.iter_mut().step_by(step) {
                *byte = !*byte;
            }
            match kallsyms::read(&other, name) {
                Ok(found) => assert!(
                    step > 2000 && found.len() == symbols.len(),
                    "{name}: {step}"
                ),
                Err(error) => {
                    let found = "no tables in a known form";
                    assert!(error.to_string().contains(found), "{name}: {step}: {error}");
                }
            }
        }
    }
}
