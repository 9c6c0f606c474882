// SPDX-License-Identifier: GPL-2.0-only
//! `struct pci_error_handlers`.
//!
//! C header: `include/linux/pci.h`; `Documentation/PCI/pci-error-recovery.rst`; called by `drivers/pci/pcie/err.c`, and for resets
//! by `drivers/pci/pci.c`.

use core::marker::PhantomData;
use core::pin::Pin;

use linux_driver_sys as sys;

use super::Device;
use super::driver::bound;
use crate::device::Core;
use crate::macros::vtable;
use crate::types::Invariant;

/// How much of the connection to a device is left: `pci_channel_state_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "pci_channel_state_t")]
pub enum ChannelState {
    /// Registers can be reached.
    #[doc(alias = "pci_channel_io_normal")]
    Normal,
    /// Accesses are blocked: registers read all ones.
    #[doc(alias = "pci_channel_io_frozen")]
    Frozen,
    /// The device is gone for good.
    #[doc(alias = "pci_channel_io_perm_failure")]
    PermFailure,
}

/// What a driver makes of an error: `pci_ers_result_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "pci_ers_result_t")]
pub enum ErsResult {
    /// It has nothing to say.
    #[doc(alias = "PCI_ERS_RESULT_NONE")]
    None,
    /// It can go on if it gets at the registers: [`mmio_enabled`](ErrorHandlers::mmio_enabled) is next.
    #[doc(alias = "PCI_ERS_RESULT_CAN_RECOVER")]
    CanRecover,
    /// The slot has to be reset: [`slot_reset`](ErrorHandlers::slot_reset) is next.
    #[doc(alias = "PCI_ERS_RESULT_NEED_RESET")]
    NeedReset,
    /// The device is lost.
    #[doc(alias = "PCI_ERS_RESULT_DISCONNECT")]
    Disconnect,
    /// It works again.
    #[doc(alias = "PCI_ERS_RESULT_RECOVERED")]
    Recovered,
}

impl ErsResult {
    fn raw(self) -> sys::pci_ers_result_t {
        match self {
            Self::None => sys::LINUX_DRIVER_PCI_ERS_RESULT_NONE,
            Self::CanRecover => sys::LINUX_DRIVER_PCI_ERS_RESULT_CAN_RECOVER,
            Self::NeedReset => sys::LINUX_DRIVER_PCI_ERS_RESULT_NEED_RESET,
            Self::Disconnect => sys::LINUX_DRIVER_PCI_ERS_RESULT_DISCONNECT,
            Self::Recovered => sys::LINUX_DRIVER_PCI_ERS_RESULT_RECOVERED,
        }
    }
}

/// Recovery from errors of the bus, and resets: C's `struct pci_error_handlers`. What a driver does not write is NULL.
///
/// `cor_error_detected`, which some kernels have, is not here: `aer.c` calls it without the device's lock, so that nothing would keep the
/// driver bound while it runs.
///
/// The state of a recovery: `error_detected` first; then, as the drivers of the slot have answered, `mmio_enabled`, `slot_reset`, and at
/// last `resume`. A reset that is asked for (`reset` in sysfs, [`Device::reset_function`]) calls `reset_prepare` and `reset_done`.
///
/// ```
/// use linux_driver_safe::pci::{self, ChannelState, ErsResult};
/// use linux_driver_safe::prelude::*;
///
/// struct Nic;
///
/// #[vtable]
/// impl pci::ErrorHandlers for Nic {
///     fn error_detected(_dev: &pci::Device<Core>, _this: Pin<&Self>, state: ChannelState) -> ErsResult {
///         match state {
///             ChannelState::PermFailure => ErsResult::Disconnect,
///             _ => ErsResult::NeedReset,
///         }
///     }
/// }
/// ```
///
/// and in the driver: `const ERR_HANDLER: pci::ErrHandler<Self> = pci::ErrHandler::of();`.
#[vtable]
#[doc(alias = "pci_error_handlers")]
pub trait ErrorHandlers: Send + Sync + 'static {
    /// The bus has an error: stop using the device. Context: may sleep; under the device's lock.
    #[doc(alias = "pci_error_handlers.error_detected")]
    fn error_detected(dev: &Device<Core>, this: Pin<&Self>, state: ChannelState) -> ErsResult {
        let _ = (dev, this, state);
        ErsResult::None
    }

    /// Registers can be reached again, DMA cannot. Context: may sleep; under the device's lock.
    #[doc(alias = "pci_error_handlers.mmio_enabled")]
    fn mmio_enabled(dev: &Device<Core>, this: Pin<&Self>) -> ErsResult {
        let _ = (dev, this);
        ErsResult::None
    }

    /// The slot was reset: set the device up anew. Context: may sleep; under the device's lock.
    #[doc(alias = "pci_error_handlers.slot_reset")]
    fn slot_reset(dev: &Device<Core>, this: Pin<&Self>) -> ErsResult {
        let _ = (dev, this);
        ErsResult::None
    }

    /// The function is about to be reset: stop using it. Context: may sleep; under the device's lock.
    #[doc(alias = "pci_error_handlers.reset_prepare")]
    fn reset_prepare(dev: &Device<Core>, this: Pin<&Self>) {
        let _ = (dev, this);
    }

    /// The function was reset. Context: may sleep; under the device's lock.
    #[doc(alias = "pci_error_handlers.reset_done")]
    fn reset_done(dev: &Device<Core>, this: Pin<&Self>) {
        let _ = (dev, this);
    }

    /// All is well again: go on. Context: may sleep; under the device's lock.
    #[doc(alias = "pci_error_handlers.resume")]
    fn resume(dev: &Device<Core>, this: Pin<&Self>) {
        let _ = (dev, this);
    }
}

/// The error handlers of a driver with data `T`, or none.
pub struct ErrHandler<T>(*const sys::pci_error_handlers, Invariant<T>);

impl<T> ErrHandler<T> {
    /// NULL: the driver knows nothing of errors.
    pub const NONE: Self = Self(core::ptr::null(), PhantomData);

    /// What the driver has written of [`ErrorHandlers`], in a table in read-only memory.
    pub const fn of() -> Self
    where
        T: ErrorHandlers,
    {
        Self(Table::<T>::HANDLERS, PhantomData)
    }

    pub(super) const fn raw(&self) -> *const sys::pci_error_handlers {
        self.0
    }
}

struct Table<T>(T);

impl<T: ErrorHandlers> Table<T> {
    const HANDLERS: &'static sys::pci_error_handlers = &{
        // SAFETY: `struct pci_error_handlers` is pointers to functions, for which zero is NULL.
        let mut handlers: sys::pci_error_handlers = unsafe { core::mem::zeroed() };
        if T::HAS_ERROR_DETECTED {
            handlers.error_detected = Some(error_detected::<T>);
        }
        if T::HAS_MMIO_ENABLED {
            handlers.mmio_enabled = Some(mmio_enabled::<T>);
        }
        if T::HAS_SLOT_RESET {
            handlers.slot_reset = Some(slot_reset::<T>);
        }
        if T::HAS_RESET_PREPARE {
            handlers.reset_prepare = Some(reset_prepare::<T>);
        }
        if T::HAS_RESET_DONE {
            handlers.reset_done = Some(reset_done::<T>);
        }
        if T::HAS_RESUME {
            handlers.resume = Some(resume::<T>);
        }
        handlers
    };
}

/// Called by `report_error_detected` with the device's lock held.
unsafe extern "C" fn error_detected<T: ErrorHandlers>(
    pdev: *mut sys::pci_dev,
    state: sys::pci_channel_state_t,
) -> sys::pci_ers_result_t {
    let state = match state {
        sys::LINUX_DRIVER_PCI_CHANNEL_IO_NORMAL => ChannelState::Normal,
        sys::LINUX_DRIVER_PCI_CHANNEL_IO_PERM_FAILURE => ChannelState::PermFailure,
        // Of a state that we do not know, the registers are not to be touched.
        _ => ChannelState::Frozen,
    };
    // SAFETY: called for a device that is bound to the driver, under the device's lock.
    match unsafe { bound::<T>(pdev) } {
        Some((dev, this)) => T::error_detected(dev, this, state).raw(),
        None => ErsResult::None.raw(),
    }
}

macro_rules! callbacks {
    ($($name:ident -> $result:ident;)*) => { $(
        /// Called with the device's lock held.
        unsafe extern "C" fn $name<T: ErrorHandlers>(pdev: *mut sys::pci_dev) -> sys::pci_ers_result_t {
            // SAFETY: called for a device that is bound to the driver, under the device's lock.
            match unsafe { bound::<T>(pdev) } {
                Some((dev, this)) => T::$name(dev, this).raw(),
                None => $result::None.raw(),
            }
        }
    )* };
    ($($name:ident;)*) => { $(
        /// Called with the device's lock held.
        unsafe extern "C" fn $name<T: ErrorHandlers>(pdev: *mut sys::pci_dev) {
            // SAFETY: called for a device that is bound to the driver, under the device's lock.
            if let Some((dev, this)) = unsafe { bound::<T>(pdev) } {
                T::$name(dev, this);
            }
        }
    )* };
}

callbacks! {
    mmio_enabled -> ErsResult;
    slot_reset -> ErsResult;
}

callbacks! {
    reset_prepare;
    reset_done;
    resume;
}
