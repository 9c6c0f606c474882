// SPDX-License-Identifier: GPL-2.0-only
//! The slot of a PCIe port with hot plug: pulls a device out of the slot, and waits until a new
//! device may be plugged in.
//!
//! QEMU detaches the device in a slot as soon as the port's Slot Control says that the slot's power
//! and its indicator are off (`hw/pci/pcie.c`, `pcie_cap_slot_write_config_cb`). If pciehp found
//! the slot without power, it would conclude that it had switched the slot off itself
//! (`pciehp_ctrl.c`, `__pciehp_disable_slot`: "Already disabled"). So the power is switched on
//! again before the port's interrupts are let through. pciehp then finds a link that went down by
//! itself, and treats that as a surprise removal (`pciehp_handle_presence_or_link_change`). The
//! registers are those of `<linux/pci_regs.h>`.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::action::{Failure, Result, failed, name, read};

/// The offset of the pointer to the first capability.
const CAPABILITY_LIST: u64 = 0x34;
/// The ID of the capability PCI Express.
const EXPRESS: u8 = 0x10;
/// The offset of Slot Capabilities from the start of that capability.
const SLOT_CAPABILITIES: u64 = 20;
/// The offset of Slot Control.
const SLOT_CONTROL: u64 = 24;
/// The offset of Slot Status.
const SLOT_STATUS: u64 = 26;
/// Bits of Slot Capabilities: the slot's power can be switched, and hot plug works.
const POWER_CONTROL: u16 = 1 << 1;
const HOT_PLUG: u16 = 1 << 6;
/// Bit of Slot Control: the port interrupts on an event of the slot.
const INTERRUPT: u16 = 1 << 5;
/// Bits of Slot Control: the state of the power indicator, and power off.
const INDICATOR: u16 = 3 << 8;
const INDICATOR_ON: u16 = 1 << 8;
const INDICATOR_OFF: u16 = 3 << 8;
const POWER_OFF: u16 = 1 << 10;
/// Bit of Slot Status: a device is in the slot.
const PRESENT: u16 = 1 << 6;

/// The interval between checks of a slot.
const LOOK: Duration = Duration::from_millis(20);
/// The driver of port slots. It is bound to devices with names like `PORT:pcieNNN`.
const DRIVER: &str = "/sys/bus/pci_express/drivers/pciehp";

/// The registers of a port for its slot.
struct Slot {
    config: File,
    path: PathBuf,
    express: u64,
}

impl Slot {
    /// Returns the slot of this port, which is a folder of sysfs.
    fn of(port: &Path) -> Result<Self> {
        let path = port.join("config");
        let config = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(failed(path.display()))?;
        let express = capability(&config, &path)?;
        Ok(Self {
            config,
            path,
            express,
        })
    }

    fn read(&self, at: u64) -> Result<u16> {
        let mut bytes = [0; 2];
        let result = self.config.read_exact_at(&mut bytes, self.express + at);
        result.map_err(failed(self.path.display()))?;
        Ok(u16::from_le_bytes(bytes))
    }

    fn control(&self, value: u16) -> Result<()> {
        let result = self
            .config
            .write_all_at(&value.to_le_bytes(), self.express + SLOT_CONTROL);
        result.map_err(failed(self.path.display()))
    }

    fn filled(&self) -> Result<bool> {
        Ok(self.read(SLOT_STATUS)? & PRESENT != 0)
    }
}

/// Pulls out the device in the slot of this port. First waits until pciehp has finished with the
/// slot. While pciehp is busy, which includes the driver's `probe`, it writes to the same register.
/// It would then take the short power-off for its own.
pub(crate) fn pull(port: &Path, deadline: Instant) -> Result<()> {
    let slot = Slot::of(port)?;
    if !slot.filled()? {
        return Err(Failure::new(format_args!(
            "{}: its slot is empty",
            port.display()
        )));
    }
    let control = loop {
        let control = slot.read(SLOT_CONTROL)?;
        if control & INTERRUPT == 0 {
            return Err(Failure::new(format_args!(
                "{}: the kernel does not serve its slot: is it built with HOTPLUG_PCI_PCIE?",
                port.display()
            )));
        }
        if control & (INDICATOR | POWER_OFF) == INDICATOR_ON {
            break control;
        }
        if Instant::now() >= deadline {
            return Err(Failure::new(format_args!(
                "{}: the power of its slot is off (Slot Control is {control:#06x})",
                port.display()
            )));
        }
        thread::sleep(LOOK);
    };
    slot.control(control & !INTERRUPT | INDICATOR_OFF | POWER_OFF)?;
    let left = slot.filled()?;
    slot.control(control & !INTERRUPT)?;
    slot.control(control)?;
    if left {
        return Err(Failure::new(format_args!(
            "{}: QEMU left the device in its slot",
            port.display()
        )));
    }
    Ok(())
}

/// Waits until the kernel has switched off each empty slot. The kernel does so one second after a
/// device was pulled out. A device that is plugged in before that would be detached again.
pub(crate) fn wait_until_off(deadline: Instant) -> Result<()> {
    let devices = "/sys/bus/pci/devices";
    for entry in fs::read_dir(devices).map_err(failed(devices))? {
        let port = entry.map_err(failed(devices))?.path();
        // Bridges have the class 0604.
        if !read(&port.join("class"))?.starts_with("0x0604") {
            continue;
        }
        // A slot that ACPI serves remains switched on.
        if !is_pciehps(&port)? {
            continue;
        }
        let slot = Slot::of(&port)?;
        let both = POWER_CONTROL | HOT_PLUG;
        if slot.read(SLOT_CAPABILITIES)? & both != both {
            continue;
        }
        let off = INDICATOR_OFF | POWER_OFF;
        while !slot.filled()? && slot.read(SLOT_CONTROL)? & off != off {
            if Instant::now() >= deadline {
                return Err(Failure::new(format_args!(
                    "{}: the power of its slot is still on",
                    port.display()
                )));
            }
            thread::sleep(LOOK);
        }
    }
    Ok(())
}

/// Returns whether pciehp serves the port's slot.
fn is_pciehps(port: &Path) -> Result<bool> {
    let start = format!("{}:", name(port));
    match fs::read_dir(DRIVER) {
        Ok(mut entries) => Ok(entries.any(|entry| {
            entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with(&start))
        })),
        // The kernel has no pciehp.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(DRIVER)(error)),
    }
}

/// Returns the offset of the capability PCI Express in the port's configuration space.
fn capability(config: &File, path: &Path) -> Result<u64> {
    let read = |at: u64| {
        let mut byte = [0];
        let result = config.read_exact_at(&mut byte, at);
        result.map_err(failed(path.display())).map(|()| byte[0])
    };
    let mut at = u64::from(read(CAPABILITY_LIST)?);
    // The limit ends the walk even if the list is a circle.
    for _ in 0..48 {
        if at < 0x40 {
            break;
        }
        if read(at)? == EXPRESS {
            return Ok(at);
        }
        at = u64::from(read(at + 1)? & !3);
    }
    Err(Failure::new(format_args!(
        "{}: the device is not a PCIe port",
        path.display()
    )))
}
