// SPDX-License-Identifier: GPL-2.0-only
//! Power states and reset.
//!
//! C header: `include/linux/pci.h`; `drivers/pci/pci.c`.
//!
//! | | [`Core`]: a callback under the device's lock | [`Exclusive`]: an error handler | [`Bound`]: anywhere else |
//! |---|---|---|---|
//! | [`power_state`](Device::power_state), [`save_state`](Device::save_state), [`restore_state`](Device::restore_state) | yes | yes | no: the call would race with a suspend or resume of the device |
//! | [`set_power_state`](Device::set_power_state) | yes | no: it takes `pci_bus_sem`, which AER's recovery holds | no |
//! | [`reset_function`](Device::reset_function) | yes | no: it calls `reset_prepare` and `reset_done` | no |
//! | [`try_reset_function`](Device::try_reset_function) | `EAGAIN` | `EAGAIN` where the device's lock is held | yes; `EAGAIN` while a callback or an error handler uses the device |
//!
//! C's `pci_reset_function` is not available: it waits for the device's lock. A callback holds that
//! lock already. Anywhere else, the task that holds the lock to unbind the driver may wait for the
//! caller.
//!
//! C's `pci_disable_device` is not available either. A device that
//! [`pcim_enable_device`](Device::pcim_enable_device) enabled is disabled when the driver is
//! unbound, and disabling it twice is an error.
//!
//! ```
//! use linux_driver::device::Core;
//! use linux_driver::error::Result;
//! use linux_driver::pci::{self, PowerState};
//!
//! /// Brings a sleeping device into the state that it has after power-on. Runs in a callback.
//! fn wake(dev: &pci::Device<Core>) -> Result {
//!     dev.set_power_state(PowerState::D0)?;
//!     dev.restore_state();
//!     dev.reset_function()
//! }
//! # fn main() {}
//! ```

use linux_driver_sys as sys;

use super::Device;
use crate::device::{self, Bound, Core, Exclusive};
use crate::driver::Turn;
use crate::error::{Result, code::EAGAIN, to_result};

/// The power state of a device: `pci_power_t`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "pci_power_t")]
pub enum PowerState {
    /// On.
    #[doc(alias = "PCI_D0")]
    D0,
    /// Light sleep, if the device supports it.
    #[doc(alias = "PCI_D1")]
    D1,
    /// Deeper sleep, if the device supports it.
    #[doc(alias = "PCI_D2")]
    D2,
    /// Off, except for configuration space.
    #[doc(alias = "PCI_D3hot")]
    D3hot,
    /// Power is removed.
    #[doc(alias = "PCI_D3cold")]
    D3cold,
}

impl PowerState {
    const ALL: [(Self, sys::pci_power_t); 5] = [
        (Self::D0, sys::LINUX_DRIVER_PCI_D0),
        (Self::D1, sys::LINUX_DRIVER_PCI_D1),
        (Self::D2, sys::LINUX_DRIVER_PCI_D2),
        (Self::D3hot, sys::LINUX_DRIVER_PCI_D3HOT),
        (Self::D3cold, sys::LINUX_DRIVER_PCI_D3COLD),
    ];

    fn raw(self) -> sys::pci_power_t {
        match self {
            Self::D0 => sys::LINUX_DRIVER_PCI_D0,
            Self::D1 => sys::LINUX_DRIVER_PCI_D1,
            Self::D2 => sys::LINUX_DRIVER_PCI_D2,
            Self::D3hot => sys::LINUX_DRIVER_PCI_D3HOT,
            Self::D3cold => sys::LINUX_DRIVER_PCI_D3COLD,
        }
    }
}

impl Device<Core> {
    /// Puts the device into a power state: C's `pci_set_power_state`.
    ///
    /// As in C, a request is ignored without an error if it is for [`D1`](PowerState::D1) or
    /// [`D2`](PowerState::D2) and the device does not support these, or if a quirk forbids D3. If
    /// the device refuses the change, the kernel only logs that.
    ///
    /// # Context
    ///
    /// May sleep. Takes `pci_bus_sem`.
    ///
    /// # Errors
    ///
    /// - `EIO` if the device does not support power management, or cannot be accessed;
    /// - `EINVAL` if the device is in a deeper sleep than `state`, which is not `D0`.
    ///
    /// For a sleep state, C ignores these errors if the platform (such as ACPI) sets the state.
    #[doc(alias = "pci_set_power_state")]
    pub fn set_power_state(&self, state: PowerState) -> Result {
        // SAFETY: `pci_set_power_state` writes `current_state` and bit fields without a lock of its
        // own, so it requires that nothing else changes the device's power state. The driver core
        // changes it under the device's lock, which is held where a device is `Core`. It also
        // changes it in runtime power management, which the driver must coordinate as in C. The
        // function takes `pci_bus_sem`; no caller of a callback with `Core` holds it.
        to_result(unsafe { sys::pci_set_power_state(self.as_raw(), state.raw()) })
    }

    /// Resets the function in the best way that the device supports, and restores its configuration
    /// space: C's `pci_reset_function_locked`. Calls the driver's `reset_prepare` and `reset_done`,
    /// unless this is called in `probe` or `remove`.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOTTY` if the device supports no kind of reset.
    #[doc(alias = "pci_reset_function_locked")]
    #[doc(alias = "__pci_reset_function_locked")]
    pub fn reset_function(&self) -> Result {
        // SAFETY: `pci_reset_function_locked` requires that the device's lock is held, which it is
        // where a device is `Core`. The function calls the driver's `reset_prepare` and
        // `reset_done`. Neither of them has a `Core` device, so they cannot call this again.
        to_result(unsafe { sys::pci_reset_function_locked(self.as_raw()) })
    }
}

impl Device<Exclusive> {
    /// Returns the power state of the device, or `None` if the kernel does not know it:
    /// `pci_dev.current_state`.
    ///
    /// # Context
    ///
    /// Any in which the driver has an [`Exclusive`] device.
    #[doc(alias = "pci_dev.current_state")]
    pub fn power_state(&self) -> Option<PowerState> {
        // SAFETY: by the type's invariant the device exists. The field is an `int`, and each write
        // to it is a single store.
        let current = unsafe { (*self.as_raw()).current_state };
        PowerState::ALL
            .iter()
            .find(|(_, raw)| *raw == current)
            .map(|(state, _)| *state)
    }

    /// Saves the device's configuration space: C's `pci_save_state`.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if the kernel has no buffer for the registers of a capability.
    #[doc(alias = "pci_save_state")]
    pub fn save_state(&self) -> Result {
        // SAFETY: `pci_save_state` writes `saved_config_space` and `state_saved` without a lock of
        // its own, so it requires that nothing else saves or restores the state. By the type's
        // invariant, only one of the driver's callbacks that can do so runs at a time. The driver
        // core saves and restores before and after these callbacks, not during them.
        to_result(unsafe { sys::pci_save_state(self.as_raw()) })
    }

    /// Restores the configuration space that was saved last: C's `pci_restore_state`.
    ///
    /// Kernels differ if nothing was saved with [`save_state`](Self::save_state) since the last
    /// restore. Older kernels leave the configuration header unchanged. Newer ones, and stable
    /// updates such as 6.12.117, restore the last saved state. They save the state themselves when
    /// they add a device.
    ///
    /// # Context
    ///
    /// May sleep.
    #[doc(alias = "pci_restore_state")]
    pub fn restore_state(&self) {
        // SAFETY: same preconditions as in `save_state`. The function reads only memory of the
        // device, whether a state was saved or not.
        unsafe { sys::pci_restore_state(self.as_raw()) };
    }
}

impl Device<Bound> {
    /// Resets the function as [`reset_function`](Device::reset_function) does, if nothing else uses
    /// the device exclusively: C's `pci_try_reset_function`.
    ///
    /// # Context
    ///
    /// May sleep. Takes the device's lock if it is free.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if the device's lock is held, by a callback or by code that binds or unbinds a
    /// driver. `EAGAIN` also if one of the [`ErrorHandlers`](super::ErrorHandlers) runs without the
    /// lock. Otherwise the error of C's function.
    #[doc(alias = "pci_try_reset_function")]
    #[doc(alias = "pci_reset_function")]
    pub fn try_reset_function(&self) -> Result {
        let dev: &device::Device<Bound> = self.as_ref();
        // C's function calls `reset_prepare`. Without this check, that would wait for an error
        // handler, which may itself wait for this caller.
        let Some(_turn) = Turn::try_take(dev.as_raw()) else {
            return Err(EAGAIN);
        };
        // SAFETY: `pci_try_reset_function` requires a device that exists, which a bound device
        // does. It takes the device's lock with `pci_dev_trylock`, or returns an error.
        to_result(unsafe { sys::pci_try_reset_function(self.as_raw()) })
    }
}
