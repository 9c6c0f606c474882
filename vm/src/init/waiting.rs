// SPDX-License-Identifier: GPL-2.0-only
//! A machine whose boot is saved. It is up and waits for its job, which comes when the host resumes
//! it.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Cursor, Read};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use cpio::newc;
use linux_driver_vm::mailbox::Mailbox;
use linux_driver_vm::paths::WAIT_PATH;
use linux_driver_vm::protocol::{Record, Wait};

use crate::kmsg::Log;

/// The interval between checks of the mailbox.
const LOOK: Duration = Duration::from_millis(10);
/// The devices whose registers are kept.
const DEVICES: &str = "/sys/bus/pci/devices";
/// The registers that enable a PCI device. They are written last.
const COMMAND: std::ops::Range<usize> = 4..6;

/// Waits for the job and unpacks it, if this machine is to be saved. Otherwise returns at once.
pub(crate) fn wait() -> Result<(), String> {
    let Ok(text) = fs::read(WAIT_PATH) else {
        return Ok(());
    };
    let wait: Wait = serde_json::from_slice(&text).map_err(|e| format!("{WAIT_PATH}: {e}"))?;
    let mailbox = Mailbox::new(wait.key);
    let devices = devices()?;
    Log::open(wait.token)
        .and_then(|mut log| log.say(&Record::Waiting {}))
        .map_err(|e| format!("/dev/kmsg: {e}"))?;
    let contents = loop {
        thread::sleep(LOOK);
        if let Some(contents) = mailbox.contents() {
            break contents;
        }
    };
    for device in &devices {
        device.restore()?;
    }
    unpack(&contents).map_err(|e| format!("the job: {e}"))
}

/// The registers of a PCI device: its configuration space.
///
/// QEMU saves these registers for most devices, but not for the teaching devices `edu` and
/// `pci-testdev`. After a resume, these have the values from before the firmware assigned
/// addresses.
struct Registers {
    path: PathBuf,
    bytes: Vec<u8>,
}

fn devices() -> Result<Vec<Registers>, String> {
    let Ok(entries) = fs::read_dir(DEVICES) else {
        return Ok(Vec::new());
    };
    entries
        .map(|entry| {
            let path = entry
                .map_err(|e| format!("{DEVICES}: {e}"))?
                .path()
                .join("config");
            let bytes = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            Ok(Registers { path, bytes })
        })
        .collect()
}

impl Registers {
    /// Writes the registers that have changed, and checks that all have their old values.
    fn restore(&self) -> Result<(), String> {
        let failed = |e| format!("{}: {e}", self.path.display());
        let now = fs::read(&self.path).map_err(failed)?;
        if now == self.bytes {
            return Ok(());
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&self.path)
            .map_err(failed)?;
        let rest = (0..self.bytes.len()).filter(|at| !COMMAND.contains(at));
        for at in rest.chain(COMMAND) {
            if now.get(at) != self.bytes.get(at) {
                self.write(&file, at).map_err(failed)?;
            }
        }
        let now = fs::read(&self.path).map_err(failed)?;
        match (0..self.bytes.len()).find(|&at| now.get(at) != self.bytes.get(at)) {
            None => Ok(()),
            Some(at) => Err(format!(
                "{}: the register at {at:#x} cannot be restored",
                self.path.display()
            )),
        }
    }

    fn write(&self, file: &File, at: usize) -> std::io::Result<()> {
        file.write_all_at(&self.bytes[at..=at], at as u64)
    }
}

/// Unpacks an archive of files and folders into the root.
fn unpack(archive: &[u8]) -> std::io::Result<()> {
    const FOLDER: u32 = 0o040_000;
    let mut rest = Cursor::new(archive);
    loop {
        let mut reader = newc::Reader::new(rest)?;
        if reader.entry().is_trailer() {
            return Ok(());
        }
        let path = Path::new("/").join(reader.entry().name());
        let mode = reader.entry().mode();
        if mode & 0o170_000 == FOLDER {
            fs::create_dir_all(&path)?;
        } else {
            let mut contents = Vec::new();
            reader.read_to_end(&mut contents)?;
            fs::write(&path, contents)?;
            fs::set_permissions(&path, Permissions::from_mode(mode & 0o777))?;
        }
        rest = reader.finish()?;
    }
}
