// SPDX-License-Identifier: GPL-2.0-only
//! `struct device_driver` and its registration.
//!
//! C headers: `include/linux/device/driver.h`; `drivers/base/driver.c`, `drivers/base/bus.c`.
//!
//! What a driver structure looks like, how it is registered and which devices it matches is each bus's own; here is what
//! they share. There are no IDs in this module: they belong to the bus.

use core::ffi::c_char;
use core::marker::PhantomPinned;
use core::pin::Pin;

use pinned_init::{PinInit, pin_data, pinned_drop};

use crate::error::{Error, Result};
use crate::module::ThisModule;
use crate::types::Opaque;

/// A bus's kind of driver: what `struct pci_driver` is to PCI.
///
/// # Safety
///
/// `register` and `unregister` are the bus's own pair of functions for `Self::DriverType`, which embeds a `struct
/// device_driver`. After `register` returned an error, the bus has no pointer to the structure.
pub unsafe trait RegistrationOps {
    /// C's structure: `struct pci_driver`, …
    type DriverType;

    /// Registers the driver with its bus: probes the devices that match before it returns.
    ///
    /// # Safety
    ///
    /// `driver` is valid and stays so, where it is, until `unregister` returns; it is not registered. `mod_name` is a
    /// string that lives as long as the module.
    unsafe fn register(driver: *mut Self::DriverType, module: &'static ThisModule, mod_name: *const c_char) -> Result;

    /// Unregisters the driver: unbinds its devices before it returns.
    ///
    /// # Safety
    ///
    /// `driver` was registered, and is unregistered once.
    unsafe fn unregister(driver: *mut Self::DriverType);
}

/// A driver structure in a static: its contents are there at compile time, in `.data`.
///
/// It cannot be read-only: registering writes into it (`driver.bus`, `driver.owner`, `driver.p`, a lock and a list of
/// dynamic IDs). What it points to can be, and is.
#[repr(transparent)]
pub struct Static<T: RegistrationOps>(Opaque<T::DriverType>);

// SAFETY: Rust code does not read or write the structure after it was made; the bus does so under its own locks.
unsafe impl<T: RegistrationOps> Sync for Static<T> {}

impl<T: RegistrationOps> Static<T> {
    /// A driver structure with these contents.
    ///
    /// # Safety
    ///
    /// What the contents point to is valid as long as the static is, and the callbacks are those of a driver for this
    /// kind of structure.
    pub const unsafe fn new(contents: T::DriverType) -> Self {
        Self(Opaque::new(contents))
    }
}

/// A registered driver. It is unregistered when this value goes.
///
/// There is no registered flag: a value of this type exists only if registering succeeded, so that one that failed cannot
/// be unregistered.
///
/// # Invariants
///
/// The driver is registered, by this value.
#[pin_data(PinnedDrop)]
#[doc(alias = "device_driver")]
pub struct Registration<T: RegistrationOps + 'static> {
    driver: &'static Static<T>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: a driver may be unregistered from another thread than the one that registered it.
unsafe impl<T: RegistrationOps> Send for Registration<T> {}
// SAFETY: a shared registration can do nothing.
unsafe impl<T: RegistrationOps> Sync for Registration<T> {}

impl<T: RegistrationOps> Registration<T> {
    /// Registers a driver.
    ///
    /// Fails as the bus does: `EBUSY` if it has a driver of that name, `ENOMEM`. Devices may have been probed, and
    /// removed again, by then. Context: may sleep; takes the bus's and its devices' locks.
    ///
    /// # Safety
    ///
    /// `driver` is given to no other registration that is being made or lives. `mod_name` lives as long as the module.
    pub unsafe fn new(
        driver: &'static Static<T>,
        module: &'static ThisModule,
        mod_name: &'static core::ffi::CStr,
    ) -> impl PinInit<Self, Error> {
        let init = move |slot: *mut Self| {
            // SAFETY: the structure is a static; it is not registered, by the caller's promise.
            unsafe { T::register(driver.0.get(), module, mod_name.as_ptr())? };
            // INVARIANT: it is registered.
            // SAFETY: the slot is valid for writes, as an initialiser's is.
            unsafe {
                slot.write(Self {
                    driver,
                    _pin: PhantomPinned,
                })
            };
            Ok(())
        };
        // SAFETY: on `Ok` the value is written; on `Err` nothing is, and so nothing will be dropped.
        unsafe { pinned_init::pin_init_from_closure(init) }
    }
}

#[pinned_drop]
impl<T: RegistrationOps + 'static> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: by the type's invariant it is registered, and this is the one place that unregisters it.
        unsafe { T::unregister(self.driver.0.get()) };
    }
}
