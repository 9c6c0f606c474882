// SPDX-License-Identifier: GPL-2.0-only
//! `struct pci_error_handlers`.
//!
//! C header: `include/linux/pci.h`; `Documentation/PCI/pci-error-recovery.rst`; called by
//! `drivers/pci/pcie/err.c`, and for resets by `drivers/pci/pci.c`.

use core::marker::PhantomData;
use core::pin::Pin;

use linux_driver_sys as sys;

use super::Device;
use crate::device::Exclusive;
use crate::driver::{HandlerCall, Turn};
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
    /// It can go on if it gets at the registers: [`mmio_enabled`](ErrorHandlers::mmio_enabled) is
    /// next.
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

/// Recovery from errors of the bus, and resets: C's `struct pci_error_handlers`. What a driver does
/// not write is NULL.
///
/// `cor_error_detected`, which some kernels have, is not here: `aer.c` calls it without the
/// device's lock, so that nothing would keep the driver bound while it runs.
///
/// The state of a recovery: `error_detected` first; then, as the drivers of the slot have answered,
/// `mmio_enabled`, `slot_reset`, and at last `resume`. A reset that is asked for (`reset` in sysfs,
/// [`Device::reset_function`]) calls `reset_prepare` and `reset_done`.
///
/// # Locks
///
/// | called by | which | locks that are held |
/// |---|---|---|
/// | `report_*` in `drivers/pci/pcie/err.c` (AER, DPC, EDR) | `error_detected`, `mmio_enabled`, `slot_reset`, `resume` | the device's; `pci_bus_sem` for reading, by `pci_walk_bus` |
/// | `cxl_rch_handle_error_iter` in `drivers/pci/pcie/aer.c` (6.7 on) | `error_detected` | the device's; `pci_bus_sem` for reading |
/// | `pcifront_common_process` in `drivers/pci/xen-pcifront.c` | `error_detected`, `mmio_enabled`, `slot_reset`, `resume` | none |
/// | `pci_dev_save_and_disable`, `pci_dev_restore` in `drivers/pci/pci.c` | `reset_prepare`, `reset_done` | the device's, and those of the other devices that are reset with it |
///
/// So none of them relies on the device's lock. They take turns with each other and with all
/// callbacks that have a [`Core`](crate::device::Core) device, and none runs once `remove` has
/// begun. `dev` is [`Exclusive`], which has what one callback at a time may do, and nothing that
/// takes a lock of the table, or calls these handlers.
///
/// What no module can guard: `xen-pcifront` reads the driver's pointer and calls it with nothing
/// held between the two, so that the module could be unloaded in between. A C driver has the same
/// gap. A handler that has begun is waited for before the module goes.
///
/// ```
/// use linux_driver::pci::{self, ChannelState, ErsResult};
/// use linux_driver::prelude::*;
///
/// struct Nic;
///
/// #[vtable]
/// impl pci::ErrorHandlers for Nic {
///     fn error_detected(_dev: &pci::Device<Exclusive>, _this: Pin<&Self>, state: ChannelState) -> ErsResult {
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
    /// The bus has an error: stop using the device. Context: may sleep; see the trait for the
    /// locks.
    #[doc(alias = "pci_error_handlers.error_detected")]
    fn error_detected(dev: &Device<Exclusive>, this: Pin<&Self>, state: ChannelState) -> ErsResult {
        let _ = (dev, this, state);
        ErsResult::None
    }

    /// Registers can be reached again, DMA cannot. A driver that does not write it answers
    /// [`Recovered`](ErsResult::Recovered). Context: may sleep; see the trait for the locks.
    #[doc(alias = "pci_error_handlers.mmio_enabled")]
    fn mmio_enabled(dev: &Device<Exclusive>, this: Pin<&Self>) -> ErsResult {
        let _ = (dev, this);
        ErsResult::Recovered
    }

    /// The slot was reset: set the device up anew. A driver that does not write it answers
    /// [`Recovered`](ErsResult::Recovered). Context: may sleep; see the trait for the locks.
    #[doc(alias = "pci_error_handlers.slot_reset")]
    fn slot_reset(dev: &Device<Exclusive>, this: Pin<&Self>) -> ErsResult {
        let _ = (dev, this);
        ErsResult::Recovered
    }

    /// The function is about to be reset: stop using it. Context: may sleep; see the trait for the
    /// locks.
    #[doc(alias = "pci_error_handlers.reset_prepare")]
    fn reset_prepare(dev: &Device<Exclusive>, this: Pin<&Self>) {
        let _ = (dev, this);
    }

    /// The function was reset. Context: may sleep; see the trait for the locks.
    #[doc(alias = "pci_error_handlers.reset_done")]
    fn reset_done(dev: &Device<Exclusive>, this: Pin<&Self>) {
        let _ = (dev, this);
    }

    /// All is well again: go on. Context: may sleep; see the trait for the locks.
    #[doc(alias = "pci_error_handlers.resume")]
    fn resume(dev: &Device<Exclusive>, this: Pin<&Self>) {
        let _ = (dev, this);
    }
}

/// The error handlers of a driver with data `T`, or none.
pub struct ErrHandler<T>(Option<&'static sys::pci_error_handlers>, Invariant<T>);

impl<T> ErrHandler<T> {
    /// NULL: the driver knows nothing of errors.
    pub const NONE: Self = Self(None, PhantomData);

    /// What the driver has written of [`ErrorHandlers`], in a table in read-only memory.
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

    /// Whether there are any.
    pub(super) const fn is_some(&self) -> bool {
        self.0.is_some()
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
        // `pcifront_common_process` of 6.1 looks for `error_detected` alone and calls the other
        // three, NULL or not. One that was not written answers as that of 6.12 does for NULL, with
        // `Recovered`: for `None`, `xen-pciback` ends the whole guest. In `pcie/err.c` it changes
        // nothing, since each of these steps begins with `Recovered`.
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

/// The turn of an error handler, with the device and the driver's data; `None` if the device is not
/// bound to this driver, or is being unbound.
///
/// # Safety
///
/// `pdev` is a device that the caller has a reference to, for `'a`, which ends before the turn
/// does.
unsafe fn handler<'a, T: ErrorHandlers>(
    pdev: *mut sys::pci_dev,
) -> Option<(Turn, &'a Device<Exclusive>, Pin<&'a T>)> {
    // SAFETY: the device is there; only the field's address is taken.
    let dev = unsafe { &raw mut (*pdev).dev };
    // SAFETY: by the caller's promise.
    let (turn, this) = unsafe { Turn::of_handler::<T>(dev)? };
    // SAFETY: `Exclusive` demands a device that is bound, and the turn: `remove` waits for that
    // before it unbinds.
    Some((turn, unsafe { Device::from_raw(pdev) }, this))
}

/// Called by `report_error_detected` with the device's lock held, and by `pcifront_common_process`
/// without.
unsafe extern "C" fn error_detected<T: ErrorHandlers>(
    pdev: *mut sys::pci_dev,
    state: sys::pci_channel_state_t,
) -> sys::pci_ers_result_t {
    let _call = HandlerCall::begin();
    let state = match state {
        sys::LINUX_DRIVER_PCI_CHANNEL_IO_NORMAL => ChannelState::Normal,
        sys::LINUX_DRIVER_PCI_CHANNEL_IO_PERM_FAILURE => ChannelState::PermFailure,
        // Of a state that we do not know, the registers are not to be touched.
        _ => ChannelState::Frozen,
    };
    // SAFETY: either caller has a reference to the device until this returns: the bus's list, or
    // `pci_get_domain_bus_and_slot`.
    match unsafe { handler::<T>(pdev) } {
        Some((_turn, dev, this)) => T::error_detected(dev, this, state).raw(),
        None => ErsResult::None.raw(),
    }
}

macro_rules! callbacks {
    ($($name:ident -> $result:ident;)*) => { $(
        /// Called by `pcie/err.c` with the device's lock held, and by `pcifront_common_process`
        /// without.
        unsafe extern "C" fn $name<T: ErrorHandlers>(pdev: *mut sys::pci_dev) -> sys::pci_ers_result_t {
            let _call = HandlerCall::begin();
            // SAFETY: as in `error_detected`.
            match unsafe { handler::<T>(pdev) } {
                Some((_turn, dev, this)) => T::$name(dev, this).raw(),
                None => $result::None.raw(),
            }
        }
    )* };
    ($($name:ident;)*) => { $(
        /// Called by `pci.c` and `pcie/err.c` with the device's lock held; `resume` by
        /// `pcifront_common_process` without.
        unsafe extern "C" fn $name<T: ErrorHandlers>(pdev: *mut sys::pci_dev) {
            let _call = HandlerCall::begin();
            // SAFETY: as in `error_detected`; whoever resets a device has a reference to it.
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
    fn what_a_driver_does_not_write_has_recovered() {
        let mut pdev = core::mem::MaybeUninit::<sys::pci_dev>::zeroed();
        // SAFETY: only the reference is made: the callbacks that were not written do not look at
        // the device.
        let dev = unsafe { Device::<Exclusive>::from_raw(pdev.as_mut_ptr()) };
        let this = Pin::new(&Detects);
        assert_eq!(Detects::mmio_enabled(dev, this), ErsResult::Recovered);
        assert_eq!(Detects::slot_reset(dev, this), ErsResult::Recovered);
    }
}
