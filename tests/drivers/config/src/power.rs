// SPDX-License-Identifier: GPL-2.0-only
//! Power states and reset.

use linux_driver::pci::{self, Bar, PCI_CAP_ID_PM, PowerState};
use linux_driver::prelude::*;

use crate::{Kind, error};

/// `PCI_PM_CTRL`, in the power management capability. Its two lowest bits are the power state.
const PM_CTRL: usize = 4;
/// `PCI_COMMAND`.
const COMMAND: usize = 0x04;
/// The interrupt mask register of NVMe (NVM Express Base Specification, 3.1.3.3). Writing a 1 sets
/// a bit. A reset clears all bits.
const INTMS: usize = 0x0c;

pub(crate) fn try_out(dev: &pci::Device<Core>, kind: Kind, bar: &Bar<0x100>) -> Result {
    let (vendor, device) = (dev.vendor(), dev.device());
    match kind {
        Kind::E1000e => {
            let pm = dev.find_capability(PCI_CAP_ID_PM).ok_or(ENODEV)?;
            let state = || {
                dev.try_read_config_word(pm.wrapping_add(PM_CTRL))
                    .map(|control| control & 3)
            };
            dev.save_state()?;
            dev.set_power_state(PowerState::D3hot)?;
            let off = dev.power_state() == Some(PowerState::D3hot) && state()? == 3;
            dev.set_power_state(PowerState::D0)?;
            dev.restore_state();
            let on = dev.power_state() == Some(PowerState::D0) && state()? == 0;
            let answers = bar.access(dev)?.readl::<0x8>() != u32::MAX;
            dev_info!(
                dev,
                "{:04x}:{:04x}: off, and on: {}, {}",
                vendor,
                device,
                off,
                on && answers
            );
        }
        Kind::Edu => {
            dev_info!(
                dev,
                "{:04x}:{:04x}: no way to reset it: {} and {}",
                vendor,
                device,
                error(dev.reset_function()),
                error(dev.try_reset_function()),
            );
        }
        Kind::Nvme => {
            let registers = bar.access(dev)?;
            registers.writel::<INTMS>(5);
            let before = registers.readl::<INTMS>();
            let command = dev.read_config_word::<COMMAND>()?;
            dev.reset_function()?;
            dev_info!(
                dev,
                "{:04x}:{:04x}: under its lock: {}",
                vendor,
                device,
                error(dev.try_reset_function())
            );
            let reset = before == 5 && registers.readl::<INTMS>() == 0;
            let same = dev.read_config_word::<COMMAND>()? == command;
            dev_info!(
                dev,
                "{:04x}:{:04x}: its registers are as at first: {}, and its command register: {}",
                vendor,
                device,
                reset,
                same
            );
        }
    }
    Ok(())
}
