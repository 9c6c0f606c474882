// SPDX-License-Identifier: GPL-2.0-only
//! Power states and reset.
//!
//! C header: `include/linux/pci.h`; `drivers/pci/pci.c`.
//!
//! | | [`Core`]: a callback, under the device's lock | [`Exclusive`]: an error handler | [`Bound`]: anywhere else |
//! |---|---|---|---|
//! | [`power_state`](Device::power_state), saved state | yes | yes | no: what suspends or resumes the device would be raced with |
//! | [`set_power_state`](Device::set_power_state) | yes | no: it takes `pci_bus_sem`, which AER's recovery holds | no |
//! | [`reset_function`](Device::reset_function) | yes | no: it calls `reset_prepare` and `reset_done` | no |
//! | [`try_reset_function`](Device::try_reset_function) | `EAGAIN` | `EAGAIN` where the device's lock is held | yes; `EAGAIN` while a callback or an error handler has the device |
//!
//! C's `pci_reset_function` is not here: it waits for the device's lock. In a callback that is held
//! already; anywhere else, whoever holds it to unbind the driver may wait for the caller.
//!
//! C's `pci_disable_device` is not here either: what
//! [`pcim_enable_device`](Device::pcim_enable_device) has enabled is disabled when the driver is
//! unbound, and to disable it twice is an error.
//!
//! ```
//! use linux_driver::device::Core;
//! use linux_driver::error::Result;
//! use linux_driver::pci::{self, PowerState};
//!
//! /// In a callback: from sleep to a state as after power-on.
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

/// A device's power state: `pci_power_t`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "pci_power_t")]
pub enum PowerState {
    /// On.
    #[doc(alias = "PCI_D0")]
    D0,
    /// Light sleep, where the device has it.
    #[doc(alias = "PCI_D1")]
    D1,
    /// Deeper sleep, where the device has it.
    #[doc(alias = "PCI_D2")]
    D2,
    /// Off, but for configuration space.
    #[doc(alias = "PCI_D3hot")]
    D3hot,
    /// Off.
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
    /// Puts the device into a power state: C's `pci_set_power_state`. A state that the device does
    /// not have is passed over without an error, as in C.
    ///
    /// `EIO` if it does not go there. Context: may sleep.
    #[doc(alias = "pci_set_power_state")]
    pub fn set_power_state(&self, state: PowerState) -> Result {
        // SAFETY: `pci_set_power_state` writes `current_state` and bit fields with no lock of its
        // own: it demands that nobody else changes the device's power state. The core does so under
        // the device's lock, which is held where a device is `Core`, or in runtime power
        // management, for which the caller answers as in C. It takes `pci_bus_sem`, which no caller
        // of a callback with `Core` holds.
        to_result(unsafe { sys::pci_set_power_state(self.as_raw(), state.raw()) })
    }

    /// Resets the device, in the best way that it has, and puts its configuration space back: C's
    /// `pci_reset_function_locked`. The driver's `reset_prepare` and `reset_done` are called, where
    /// it has them, unless this is called in `probe` or `remove`.
    ///
    /// `ENOTTY` if the device has no way. Context: may sleep.
    #[doc(alias = "pci_reset_function_locked")]
    #[doc(alias = "__pci_reset_function_locked")]
    pub fn reset_function(&self) -> Result {
        // SAFETY: `pci_reset_function_locked` demands that the device's lock is held: it is where a
        // device is `Core`. The function calls `reset_prepare` and `reset_done` of the driver,
        // neither of which has a `Core` device, so that it is not entered again.
        to_result(unsafe { sys::pci_reset_function_locked(self.as_raw()) })
    }
}

impl Device<Exclusive> {
    /// The power state that the device is in; `None` if the kernel does not know. Context: any
    /// in which there is an [`Exclusive`] device.
    #[doc(alias = "pci_dev.current_state")]
    pub fn power_state(&self) -> Option<PowerState> {
        // SAFETY: the device is there, by the type's invariant; the field is an `int` that is
        // written in one piece.
        let current = unsafe { (*self.as_raw()).current_state };
        PowerState::ALL
            .iter()
            .find(|(_, raw)| *raw == current)
            .map(|(state, _)| *state)
    }

    /// Notes what is in configuration space: C's `pci_save_state`. `ENOMEM`, where the kernel has
    /// no room for it. Context: may sleep.
    #[doc(alias = "pci_save_state")]
    pub fn save_state(&self) -> Result {
        // SAFETY: `pci_save_state` writes `saved_config_space` and `state_saved` with no lock of
        // its own: it demands that nobody else saves or restores. The driver's callbacks that can
        // do so run one at a time, by the type's invariant; the core does so around them.
        to_result(unsafe { sys::pci_save_state(self.as_raw()) })
    }

    /// Puts back what [`save_state`](Self::save_state) noted, if it did: C's `pci_restore_state`.
    /// Context: may sleep.
    #[doc(alias = "pci_restore_state")]
    pub fn restore_state(&self) {
        // SAFETY: as in `save_state`; without a saved state the function leaves the header of
        // configuration space as it is.
        unsafe { sys::pci_restore_state(self.as_raw()) };
    }
}

impl Device<Bound> {
    /// Resets the function, as [`reset_function`](Device::reset_function) does, where nobody else
    /// has the device to itself: C's `pci_try_reset_function`.
    ///
    /// # Context
    ///
    /// May sleep; takes the device's lock if nobody has it.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if the device's lock is held, by a callback or by whoever binds or unbinds a
    /// driver, or if one of the [`ErrorHandlers`](super::ErrorHandlers) runs without it; what C
    /// returns.
    #[doc(alias = "pci_try_reset_function")]
    #[doc(alias = "pci_reset_function")]
    pub fn try_reset_function(&self) -> Result {
        let dev: &device::Device<Bound> = self.as_ref();
        // C calls `reset_prepare`, which would wait for a handler that may wait for this caller.
        let Some(_turn) = Turn::try_take(dev.as_raw()) else {
            return Err(EAGAIN);
        };
        // SAFETY: `pci_try_reset_function` demands a device that is there, which a bound one is; it
        // takes the device's lock with `pci_dev_trylock`, or returns.
        to_result(unsafe { sys::pci_try_reset_function(self.as_raw()) })
    }
}
