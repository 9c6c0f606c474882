// SPDX-License-Identifier: GPL-2.0-only
//! The guest's first and only file system. It holds the tool's program, its job and the plan's
//! files, as a cpio archive in the format that the kernel unpacks
//! (`Documentation/driver-api/early-userspace/buffer-format.rst`).

use std::collections::BTreeSet;
use std::io::{Cursor, Write};
use std::path::Path;

use cpio::newc::{self, Builder, ModeFileType};
use linux_driver_host::{Error, Result, fs};

use crate::paths::{INIT_PATH, JOB_PATH, WAIT_PATH};
use crate::plan::Plan;
use crate::protocol::{Job, Wait};
use serde::Serialize;

/// The mount points of the kernel's file systems, and a folder for files that a step writes.
const FOLDERS: [&str; 4] = ["dev", "proc", "sys", "tmp"];
/// The character device 5:1, `/dev/console` (`Documentation/admin-guide/devices.txt`).
const CONSOLE: (u32, u32) = (5, 1);

/// Packs the archive for this plan. The program at `init` runs the plan.
pub fn pack(plan: &Plan, init: &Path, token: &str) -> Result<Vec<u8>> {
    let mut archive = Archive::start(init)?;
    archive.job(plan, token)?;
    Ok(archive.finish())
}

/// Packs the archive of a machine whose boot is saved. The program at `init` waits in it.
pub(crate) fn pack_waiting(wait: &Wait, init: &Path) -> Result<Vec<u8>> {
    let mut archive = Archive::start(init)?;
    archive.file(WAIT_PATH, 0o600, &json(wait)?);
    Ok(archive.finish())
}

/// Packs the job and the plan's files for such a machine.
pub(crate) fn pack_job(plan: &Plan, token: &str) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    archive.job(plan, token)?;
    Ok(archive.finish())
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| {
        Error::new(
            "plan",
            "to write it as JSON",
            e,
            "report this as a bug of linux-driver",
        )
    })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(path)?;
    // Sizes in this format have 32 bits.
    if u32::try_from(bytes.len()).is_err() {
        return Err(Error::new(
            path.display(),
            "a file of less than 4 GiB",
            format_args!("one of {} bytes", bytes.len()),
            "leave it out of the plan",
        ));
    }
    Ok(bytes)
}

/// An archive that is being written.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
    folders: BTreeSet<String>,
}

impl Archive {
    /// Starts the archive of a machine that boots.
    fn start(init: &Path) -> Result<Self> {
        let mut archive = Self::default();
        for folder in FOLDERS {
            archive.folders_to(&format!("{folder}/."));
        }
        // Without a console the kernel gives the program no standard error, and its panics would be
        // invisible.
        archive.add(
            Builder::new("dev/console")
                .rdev_major(CONSOLE.0)
                .rdev_minor(CONSOLE.1),
            ModeFileType::Char,
            0o600,
            &[],
        );
        archive.file(INIT_PATH, 0o755, &read(init)?);
        Ok(archive)
    }

    /// Adds the job and the plan's files.
    fn job(&mut self, plan: &Plan, token: &str) -> Result<()> {
        self.file(JOB_PATH, 0o600, &json(&Job::new(plan, token))?);
        for file in &plan.files {
            self.file(&file.path, 0o755, &read(&file.source)?);
        }
        Ok(())
    }

    fn file(&mut self, path: &str, mode: u32, contents: &[u8]) {
        let name = path.trim_start_matches('/');
        self.folders_to(name);
        self.add(Builder::new(name), ModeFileType::Regular, mode, contents);
    }

    /// Adds the parent folders of this name. The kernel does not create them.
    fn folders_to(&mut self, name: &str) {
        for (slash, _) in name.match_indices('/') {
            if self.folders.insert(name[..slash].to_owned()) {
                self.add(
                    Builder::new(&name[..slash]),
                    ModeFileType::Directory,
                    0o755,
                    &[],
                );
            }
        }
    }

    fn add(&mut self, entry: Builder, kind: ModeFileType, mode: u32, contents: &[u8]) {
        // Entries with the same number are links to one file.
        self.entries += 1;
        let size = contents.len() as u32;
        let mut writer = entry
            .mode(mode)
            .set_mode_file_type(kind)
            .ino(self.entries)
            .write(&mut self.bytes, size);
        // Writing to a vector cannot fail.
        let _ = writer.write_all(contents);
        let _ = writer.finish();
    }

    fn finish(self) -> Vec<u8> {
        let length = self.bytes.len() as u64;
        let mut cursor = Cursor::new(self.bytes);
        cursor.set_position(length);
        // Writing to a vector cannot fail.
        newc::trailer(cursor)
            .map(Cursor::into_inner)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::action::Action;
    use crate::plan::{GuestFile, Step};

    /// Reads the name, mode and contents of each entry, by the rules of the format. An entry has a
    /// magic, a header of 13 numbers with 8 hexadecimal digits each, the name with its NUL, and the
    /// contents. Name and contents are padded to 4 bytes.
    fn entries(mut bytes: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut entries = Vec::new();
        loop {
            assert_eq!(&bytes[..6], b"070701");
            let number = |index: usize| {
                let digits = &bytes[6 + 8 * index..14 + 8 * index];
                u32::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
            };
            let (mode, size, name_size) = (number(1), number(6) as usize, number(11) as usize);
            assert_eq!(bytes[110 + name_size - 1], 0);
            let name = String::from_utf8(bytes[110..110 + name_size - 1].to_vec()).unwrap();
            let start = (110 + name_size).next_multiple_of(4);
            if name == "TRAILER!!!" {
                return entries;
            }
            entries.push((name, mode, bytes[start..start + size].to_vec()));
            bytes = &bytes[start + size.next_multiple_of(4)..];
        }
    }

    #[test]
    fn the_archive_holds_the_program_the_job_and_the_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str, contents: &str| {
            let path = dir.path().join(name);
            fs::write(&path, contents).unwrap();
            path
        };
        let files = [
            ("/lib/a/one.ko", "12345"),
            ("/lib/a/two.ko", ""),
            ("/three", "x"),
        ];
        let plan = Plan {
            files: files
                .map(|(inside, contents)| GuestFile {
                    path: inside.into(),
                    source: path(&inside.replace('/', "_"), contents),
                })
                .to_vec(),
            steps: vec![Step::new("s", Action::Sleep { ms: 1 })],
            ..Plan::default()
        };
        let bytes = pack(&plan, &path("init", "#!"), "token").unwrap();
        let entries = entries(&bytes);
        let names: Vec<&str> = entries.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "dev",
                "proc",
                "sys",
                "tmp",
                "dev/console",
                "init",
                "job.json",
                "lib",
                "lib/a",
                "lib/a/one.ko",
                "lib/a/two.ko",
                "three"
            ]
        );
        let of = |name: &str| entries.iter().find(|entry| entry.0 == name).unwrap();
        assert_eq!(of("dev").1, 0o040755);
        assert_eq!(of("dev/console").1, 0o020600);
        assert_eq!(
            (of("init").1, of("init").2.as_slice()),
            (0o100755, b"#!".as_slice())
        );
        assert_eq!(of("lib/a/one.ko").2, b"12345");
        let job: Job = serde_json::from_slice(&of("job.json").2).unwrap();
        assert_eq!(job, Job::new(&plan, "token"));
    }

    #[test]
    fn the_console_is_the_right_device_and_no_two_entries_are_linked() {
        let dir = tempfile::tempdir().unwrap();
        let init = dir.path().join("init");
        fs::write(&init, "#!").unwrap();
        let bytes = pack(&Plan::default(), &init, "token").unwrap();
        let mut numbers = BTreeSet::new();
        let mut rest = bytes.as_slice();
        loop {
            let mut reader = newc::Reader::new(rest).unwrap();
            let entry = reader.entry().clone();
            if entry.is_trailer() {
                break;
            }
            assert!(numbers.insert(entry.ino()), "{}", entry.name());
            if entry.name() == "dev/console" {
                assert_eq!((entry.rdev_major(), entry.rdev_minor()), CONSOLE);
            }
            reader.read_to_end(&mut Vec::new()).unwrap();
            rest = reader.finish().unwrap();
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = pack(&Plan::default(), Path::new("/no/such/init"), "token")
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("/no/such/init\n"), "{error}");
    }
}
