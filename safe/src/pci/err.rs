// SPDX-License-Identifier: GPL-2.0-only
//! `struct pci_error_handlers`.
//!
//! C header: `include/linux/pci.h`; `Documentation/PCI/pci-error-recovery.rst`. The callbacks are
//! called by `drivers/pci/pcie/err.c`, and for resets by `drivers/pci/pci.c`.

use core::marker::PhantomData;
use core::pin::Pin;

use linux_driver_sys as sys;

use super::Device;
use crate::device::Exclusive;
use crate::driver::{HandlerCall, Turn};
use crate::macros::vtable;
use crate::types::Invariant;

/// The state of the connection to a device: `pci_channel_state_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "pci_channel_state_t")]
pub enum ChannelState {
    /// Registers can be accessed.
    #[doc(alias = "pci_channel_io_normal")]
    Normal,
    /// Accesses are blocked: registers read as all ones.
    #[doc(alias = "pci_channel_io_frozen")]
    Frozen,
    /// The device has failed permanently.
    #[doc(alias = "pci_channel_io_perm_failure")]
    PermFailure,
}

/// The answer of a driver to an error: `pci_ers_result_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "pci_ers_result_t")]
pub enum ErsResult {
    /// The driver has no opinion.
    #[doc(alias = "PCI_ERS_RESULT_NONE")]
    None,
    /// The driver can recover if it can access the registers.
    /// [`mmio_enabled`](ErrorHandlers::mmio_enabled) is called next.
    #[doc(alias = "PCI_ERS_RESULT_CAN_RECOVER")]
    CanRecover,
    /// The slot must be reset. [`slot_reset`](ErrorHandlers::slot_reset) is called next.
    #[doc(alias = "PCI_ERS_RESULT_NEED_RESET")]
    NeedReset,
    /// The device cannot be recovered.
    #[doc(alias = "PCI_ERS_RESULT_DISCONNECT")]
    Disconnect,
    /// The device works again.
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

/// Callbacks for recovery from bus errors, and for resets: C's `struct pci_error_handlers`. A
/// callback that a driver does not write is NULL.
///
/// `cor_error_detected`, which some kernels have, is not available. `aer.c` calls it without the
/// device's lock, so nothing would keep the driver bound while it runs.
///
/// A recovery begins with `error_detected`. The next calls depend on the answers of the drivers in
/// the slot: `mmio_enabled`, `slot_reset`, and finally `resume`. A requested reset (`reset` in
/// sysfs, [`Device::reset_function`]) calls `reset_prepare` and `reset_done`.
///
/// # Context
///
/// May sleep. The locks that are held depend on the caller:
///
/// | caller | callbacks | locks held |
/// |---|---|---|
/// | `report_*` in `drivers/pci/pcie/err.c` (AER, DPC, EDR) | `error_detected`, `mmio_enabled`, `slot_reset`, `resume` | the device's; `pci_bus_sem` for reading, by `pci_walk_bus` |
/// | `cxl_rch_handle_error_iter` in `drivers/pci/pcie/aer.c` (since 6.7) | `error_detected` | the device's; `pci_bus_sem` for reading |
/// | `pcifront_common_process` in `drivers/pci/xen-pcifront.c` | `error_detected`, `mmio_enabled`, `slot_reset`, `resume` | none |
/// | `pci_dev_save_and_disable`, `pci_dev_restore` in `drivers/pci/pci.c` | `reset_prepare`, `reset_done` | the device's, and those of the other devices that are reset with it |
///
/// Therefore none of the callbacks relies on the device's lock. Only one of them, or of the
/// callbacks with a [`Core`](crate::device::Core) device, runs at a time. None runs after `remove`
/// has begun. `dev` is [`Exclusive`]: it has the methods that need exclusive access, but none that
/// takes a lock of the table or calls these callbacks.
///
/// One gap remains, as in a C driver. `xen-pcifront` reads the driver's pointer and then calls the
/// callback, with nothing held in between, so the module could be unloaded between the two. Once a
/// callback has begun, the module waits for it before it is unloaded.
///
/// # Examples
/// ```
/// use linux_driver::pci::{self, ChannelState, ErsResult};
/// use linux_driver::prelude::*;
///
/// struct Nic;
///
/// #[vtable]
/// impl pci::ErrorHandlers for Nic {
///     fn error_detected(
///         _dev: &pci::Device<Exclusive>,
///         _this: Pin<&Self>,
///         state: ChannelState,
///     ) -> ErsResult {
///         match state {
///             ChannelState::PermFailure => ErsResult::Disconnect,
///             _ => ErsResult::NeedReset,
///         }
///     }
/// }
/// ```
///
/// The driver refers to them with `const ERR_HANDLER: pci::ErrHandler<Self> =
/// pci::ErrHandler::of();`.
#[vtable]
#[doc(alias = "pci_error_handlers")]
pub trait ErrorHandlers: Send + Sync + 'static {
    /// Stops using the device after an error of the bus, and returns what the recovery should do
    /// next.
    ///
    /// # Context
    ///
    /// May sleep. The trait's documentation lists the locks.
    #[doc(alias = "pci_error_handlers.error_detected")]
    fn error_detected(dev: &Device<Exclusive>, this: Pin<&Self>, state: ChannelState) -> ErsResult {
        let _ = (dev, this, state);
        ErsResult::None
    }

    /// Continues the recovery: registers can be accessed again, but DMA is not enabled. A driver
    /// that does not write this callback answers [`Recovered`](ErsResult::Recovered).
    ///
    /// # Context
    ///
    /// May sleep. The trait's documentation lists the locks.
    #[doc(alias = "pci_error_handlers.mmio_enabled")]
    fn mmio_enabled(dev: &Device<Exclusive>, this: Pin<&Self>) -> ErsResult {
        let _ = (dev, this);
        ErsResult::Recovered
    }

    /// Sets the device up again after the slot was reset. A driver that does not write this
    /// callback answers [`Recovered`](ErsResult::Recovered).
    ///
    /// # Context
    ///
    /// May sleep. The trait's documentation lists the locks.
    #[doc(alias = "pci_error_handlers.slot_reset")]
    fn slot_reset(dev: &Device<Exclusive>, this: Pin<&Self>) -> ErsResult {
        let _ = (dev, this);
        ErsResult::Recovered
    }

    /// Stops using the function, which is about to be reset.
    ///
    /// # Context
    ///
    /// May sleep. The trait's documentation lists the locks.
    #[doc(alias = "pci_error_handlers.reset_prepare")]
    fn reset_prepare(dev: &Device<Exclusive>, this: Pin<&Self>) {
        let _ = (dev, this);
    }

    /// Sets the function up again after a reset.
    ///
    /// # Context
    ///
    /// May sleep. The trait's documentation lists the locks.
    #[doc(alias = "pci_error_handlers.reset_done")]
    fn reset_done(dev: &Device<Exclusive>, this: Pin<&Self>) {
        let _ = (dev, this);
    }

    /// Resumes normal operation after a recovery.
    ///
    /// # Context
    ///
    /// May sleep. The trait's documentation lists the locks.
    #[doc(alias = "pci_error_handlers.resume")]
    fn resume(dev: &Device<Exclusive>, this: Pin<&Self>) {
        let _ = (dev, this);
    }
}

/// The error handlers of a driver with data `T`, or none.
pub struct ErrHandler<T>(Option<&'static sys::pci_error_handlers>, Invariant<T>);

impl<T> ErrHandler<T> {
    /// NULL: the driver has no error handlers.
    pub const NONE: Self = Self(None, PhantomData);

    /// Returns the callbacks that the driver has written of [`ErrorHandlers`], in a table in
    /// read-only memory.
    pub const fn of() -> Self
    where
        T: ErrorHandlers,
    {
        Self(Some(Table::<T>::HANDLERS), PhantomData)
    }

    pub(super) const fn raw(&self) -> *const sys::pci_error_handlers {
        match self.0 {
            Some(handlers) => handlers,
            None => core::ptr::null(),
        }
    }

    /// Returns true if the driver has error handlers.
    pub(super) const fn is_some(&self) -> bool {
        self.0.is_some()
    }
}

struct Table<T>(T);

impl<T: ErrorHandlers> Table<T> {
    const HANDLERS: &'static sys::pci_error_handlers = &{
        // SAFETY: `struct pci_error_handlers` consists of pointers to functions, for which zero is
        // NULL.
        let mut handlers: sys::pci_error_handlers = unsafe { core::mem::zeroed() };
        if T::HAS_ERROR_DETECTED {
            handlers.error_detected = Some(error_detected::<T>);
        }
        // In 6.1, `pcifront_common_process` checks `error_detected` only, and calls the other three
        // even if they are NULL. Therefore they are never NULL where `error_detected` is not. A
        // callback that the driver did not write answers `Recovered`, as that function of 6.12 does
        // for NULL. With `None`, `xen-pciback` would end the whole guest. In `pcie/err.c` this
        // changes nothing, because each of these steps begins with `Recovered`.
        if T::HAS_ERROR_DETECTED || T::HAS_MMIO_ENABLED {
            handlers.mmio_enabled = Some(mmio_enabled::<T>);
        }
        if T::HAS_ERROR_DETECTED || T::HAS_SLOT_RESET {
            handlers.slot_reset = Some(slot_reset::<T>);
        }
        if T::HAS_RESET_PREPARE {
            handlers.reset_prepare = Some(reset_prepare::<T>);
        }
        if T::HAS_RESET_DONE {
            handlers.reset_done = Some(reset_done::<T>);
        }
        if T::HAS_ERROR_DETECTED || T::HAS_RESUME {
            handlers.resume = Some(resume::<T>);
        }
        handlers
    };
}

/// Returns the turn of an error handler, with the device and the driver's data. Returns `None` if
/// the device is not bound to this driver, or is being unbound.
///
/// # Safety
///
/// The caller must have a reference to `pdev` for `'a`, which must end before the turn does.
unsafe fn handler<'a, T: ErrorHandlers>(
    pdev: *mut sys::pci_dev,
) -> Option<(Turn, &'a Device<Exclusive>, Pin<&'a T>)> {
    // SAFETY: the device exists. Only the address of the field is taken.
    let dev = unsafe { &raw mut (*pdev).dev };
    // SAFETY: `of_handler` requires a device that exists. The caller has a reference to it.
    let (turn, this) = unsafe { Turn::of_handler::<T>(dev)? };
    // SAFETY: `Exclusive` requires a bound device and the turn. `remove` waits for the turn before
    // it unbinds the device.
    Some((turn, unsafe { Device::from_raw(pdev) }, this))
}

/// Implements `error_detected`. `report_error_detected` calls it with the device's lock held,
/// `pcifront_common_process` without it.
unsafe extern "C" fn error_detected<T: ErrorHandlers>(
    pdev: *mut sys::pci_dev,
    state: sys::pci_channel_state_t,
) -> sys::pci_ers_result_t {
    let _call = HandlerCall::begin();
    let state = match state {
        sys::LINUX_DRIVER_PCI_CHANNEL_IO_NORMAL => ChannelState::Normal,
        sys::LINUX_DRIVER_PCI_CHANNEL_IO_PERM_FAILURE => ChannelState::PermFailure,
        // In an unknown state the driver must not access the registers.
        _ => ChannelState::Frozen,
    };
    // SAFETY: `handler` requires a reference to the device until this returns. The first caller has
    // one through the bus's list, the other from `pci_get_domain_bus_and_slot`.
    match unsafe { handler::<T>(pdev) } {
        Some((_turn, dev, this)) => T::error_detected(dev, this, state).raw(),
        None => ErsResult::None.raw(),
    }
}

macro_rules! callbacks {
    ($($name:ident -> $result:ident;)*) => { $(
        /// Called by `pcie/err.c` with the device's lock held, and by `pcifront_common_process`
        /// without it.
        unsafe extern "C" fn $name<T: ErrorHandlers>(
            pdev: *mut sys::pci_dev,
        ) -> sys::pci_ers_result_t {
            let _call = HandlerCall::begin();
            // SAFETY: same preconditions as in `error_detected`.
            match unsafe { handler::<T>(pdev) } {
                Some((_turn, dev, this)) => T::$name(dev, this).raw(),
                None => $result::None.raw(),
            }
        }
    )* };
    ($($name:ident;)*) => { $(
        /// Called by `pci.c` and `pcie/err.c` with the device's lock held.
        /// `pcifront_common_process` calls `resume` without it.
        unsafe extern "C" fn $name<T: ErrorHandlers>(pdev: *mut sys::pci_dev) {
            let _call = HandlerCall::begin();
            // SAFETY: same preconditions as in `error_detected`. The code that resets a device has
            // a reference to it.
            if let Some((_turn, dev, this)) = unsafe { handler::<T>(pdev) } {
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Detects;

    #[vtable]
    impl ErrorHandlers for Detects {
        fn error_detected(
            _dev: &Device<Exclusive>,
            _this: Pin<&Self>,
            _state: ChannelState,
        ) -> ErsResult {
            ErsResult::NeedReset
        }
    }

    /// `xen-pciback` ends the guest of a driver that answers `None` to either.
    #[test]
    fn callbacks_that_are_not_written_answer_recovered() {
        let mut pdev = core::mem::MaybeUninit::<sys::pci_dev>::zeroed();
        // SAFETY: the callbacks that were not written do not access the device. The memory is valid
        // and aligned.
        let dev = unsafe { Device::<Exclusive>::from_raw(pdev.as_mut_ptr()) };
        let this = Pin::new(&Detects);
        assert_eq!(Detects::mmio_enabled(dev, this), ErsResult::Recovered);
        assert_eq!(Detects::slot_reset(dev, this), ErsResult::Recovered);
    }
}
