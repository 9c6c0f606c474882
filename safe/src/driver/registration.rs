// SPDX-License-Identifier: GPL-2.0-only
//! The registration of a driver: `driver_register` and `driver_unregister`, through each bus's own
//! pair of functions.

use core::ffi::c_char;
use core::marker::{PhantomData, PhantomPinned};
use core::pin::Pin;

use pinned_init::{PinInit, pin_data, pin_init_from_closure, pinned_drop, try_pin_init};

use crate::error::{Error, Result};
use crate::module::{Module, ThisModule};
use crate::place::{Place, Vacant};
use crate::types::Opaque;

/// A bus's kind of driver structure, such as PCI's `struct pci_driver`.
///
/// # Safety
///
/// `register` and `unregister` are the bus's own pair of functions for `Self::DriverType`, which
/// embeds a `struct device_driver`. After `register` returns an error, the bus has no pointer to
/// the structure.
pub unsafe trait RegistrationOps {
    /// The driver structure in C, such as `struct pci_driver`.
    type DriverType;

    /// Registers the driver with its bus, and probes the devices that match before it returns.
    ///
    /// # Safety
    ///
    /// `driver` is valid, is not registered, and stays valid at its address until `unregister`
    /// returns. `mod_name` is a string that lives as long as the module.
    unsafe fn register(
        driver: *mut Self::DriverType,
        module: &'static ThisModule,
        mod_name: *const c_char,
    ) -> Result;

    /// Unregisters the driver, and unbinds its devices before it returns.
    ///
    /// # Safety
    ///
    /// `driver` is registered, and is unregistered once.
    unsafe fn unregister(driver: *mut Self::DriverType);
}

/// A driver whose structure follows from its type, so that [`Registration::new`] can make it.
///
/// # Safety
///
/// Everything that `CONTENTS` points to is static, and its callbacks are those of a driver for this
/// kind of structure.
pub unsafe trait Adapter: RegistrationOps {
    /// The contents of the structure before it is registered.
    const CONTENTS: Self::DriverType;
}

/// A driver structure in a static. Its contents are known at compile time and are in `.data`.
///
/// The static cannot be read-only, because registering writes to it: to `driver.bus`,
/// `driver.owner`, `driver.p`, and to the lock and the list of dynamic IDs. The tables and strings
/// that it points to are read-only.
#[doc(hidden)]
#[repr(transparent)]
pub struct Static<T: RegistrationOps>(Opaque<T::DriverType>);

// SAFETY: Rust code neither reads nor writes the structure after it was made. The bus does, under
// its own locks.
unsafe impl<T: RegistrationOps> Sync for Static<T> {}

impl<T: RegistrationOps> Static<T> {
    /// Returns a driver structure with these contents.
    ///
    /// # Safety
    ///
    /// Everything that the contents point to is valid as long as the static is. The callbacks are
    /// those of a driver for this kind of structure.
    pub const unsafe fn new(contents: T::DriverType) -> Self {
        Self(Opaque::new(contents))
    }
}

/// A registered driver. The driver structure is part of this value; dropping the value unregisters
/// the driver.
///
/// There is no flag that says whether the driver is registered. A value of this type exists only if
/// registering succeeded, so a driver whose registration failed is never unregistered.
///
/// A registration must be a field of the module's state, or of the state of the module's own
/// [`bus`](crate::bus), and stays there. Making it anywhere else fails with [`EINVAL`].
///
/// [`EINVAL`]: crate::error::code::EINVAL
///
/// # Invariants
///
/// This value registered the driver, with the structure at the address that `place` holds, where
/// the value was made.
#[doc(alias = "device_driver")]
#[doc(alias = "driver_register")]
#[doc(alias = "driver_unregister")]
pub struct Registration<T: RegistrationOps> {
    driver: Opaque<T::DriverType>,
    place: Place,
}

// SAFETY: a driver may be unregistered on another thread than the one that registered it.
unsafe impl<T: RegistrationOps> Send for Registration<T> {}
// SAFETY: a shared reference to a registration has no methods.
unsafe impl<T: RegistrationOps> Sync for Registration<T> {}

impl<T: Adapter> Registration<T> {
    /// Registers a driver under this module's name. The returned initialiser must be used for a
    /// field of the module's state.
    ///
    /// The bus may probe devices, and remove them again, before a failure is reported. The parts of
    /// the module's state that `probe` uses must be initialised before this.
    ///
    /// # Context
    ///
    /// May sleep. Takes the locks of the bus and of its devices.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the field is not in the module's state, or not aligned. Otherwise the bus's own
    /// errors: `EBUSY` if the bus has a driver of that name already, `ENOMEM`.
    pub fn new(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        let place = |slot: *mut Self| module.place(slot);
        // SAFETY: `in_place` requires that the registration stays where it is until it is dropped,
        // before the module is unloaded. The module's state is a static that never moves, and its
        // fields are dropped in place before the module is unloaded. `Adapter` promises that the
        // contents are valid.
        unsafe { Self::in_place(module, place, T::CONTENTS) }
    }
}

impl<T: RegistrationOps> Registration<T> {
    /// Registers a driver with these contents.
    ///
    /// # Safety
    ///
    /// Memory that `place` accepts stays where it is until the registration in it is dropped, and
    /// that happens before the bus is unregistered or the module unloaded. Everything that the
    /// contents point to is valid until then, and the callbacks are those of a driver for this kind
    /// of structure.
    #[inline(always)]
    pub(crate) unsafe fn in_place(
        module: &'static ThisModule,
        place: impl FnOnce(*mut Self) -> Result<Vacant>,
        contents: T::DriverType,
    ) -> impl PinInit<Self, Error> {
        let init = move |slot: *mut Self| {
            let place = place(slot)?;
            // SAFETY: the slot is valid; only the field's address is taken.
            let driver: *mut T::DriverType = unsafe { &raw mut (*slot).driver }.cast();
            // SAFETY: the slot is valid for writes, as an initialiser's is.
            unsafe { driver.write(contents) };
            // SAFETY: `register` requires
            // - a structure that is valid and not registered: it was written above;
            // - that it stays at its address until it is unregistered: by the caller's promise the
            //   slot is dropped in place, which unregisters it;
            // - a name that lives as long as the module: it is the module's own.
            unsafe { T::register(driver, module, module.name())? };
            // SAFETY: the slot is valid; only the field's address is taken.
            let field = unsafe { &raw mut (*slot).place };
            // INVARIANT: the driver is registered.
            // SAFETY: the field is valid for writes.
            unsafe { field.write(place.take()) };
            Ok(())
        };
        // SAFETY: on `Ok` the value is initialised; on `Err` nothing in it needs to be dropped.
        unsafe { pin_init_from_closure(init) }
    }
}

impl<T: RegistrationOps> Drop for Registration<T> {
    fn drop(&mut self) {
        let made = self.place.of(self);
        // SAFETY: only the address of the field is taken, in the memory in which the registration
        // was made. That memory stays until the driver is unregistered.
        let driver = unsafe { &raw mut (*made).driver }.cast();
        // SAFETY: `unregister` requires a driver that is registered, and one call for it. By the
        // type's invariant the structure at the address where this value was made is registered,
        // and only this `drop` unregisters it.
        unsafe { T::unregister(driver) };
    }
}

/// A driver with a static structure, as `module_pci_driver!` and the like define it.
///
/// # Safety
///
/// `driver` returns a static, the same one on each call, that nothing else registers.
#[doc(hidden)]
pub unsafe trait StaticDriver: Send + Sync + 'static {
    type Ops: RegistrationOps + 'static;
    fn driver() -> &'static Static<Self::Ops>;
}

/// The registration of a static driver.
///
/// # Invariants
///
/// This value registered the static of `D`.
#[pin_data(PinnedDrop)]
struct OfStatic<D: StaticDriver> {
    _of: PhantomData<D>,
    #[pin]
    _pin: PhantomPinned,
}

impl<D: StaticDriver> OfStatic<D> {
    #[inline(always)]
    fn new(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        let init = move |slot: *mut Self| {
            // SAFETY: `register` requires a structure that is valid, not registered, and stays
            // until it is unregistered: it is a static, which by the trait's promise nothing else
            // registers, and a module is initialised once. The name is the module's own.
            unsafe { D::Ops::register(D::driver().0.get(), module, module.name())? };
            // INVARIANT: the driver is registered.
            // SAFETY: the slot is valid for writes, as an initialiser's is.
            unsafe {
                slot.write(Self {
                    _of: PhantomData,
                    _pin: PhantomPinned,
                })
            };
            Ok(())
        };
        // SAFETY: on `Ok` the value is initialised; on `Err` nothing in it needs to be dropped.
        unsafe { pin_init_from_closure(init) }
    }
}

#[pinned_drop]
impl<D: StaticDriver> PinnedDrop for OfStatic<D> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: `unregister` requires a driver that is registered, and one call for it. By the
        // type's invariant this value registered it, and only this `drop` unregisters it.
        unsafe { D::Ops::unregister(D::driver().0.get()) };
    }
}

/// A module that consists of one driver.
#[doc(hidden)]
#[pin_data]
pub struct DriverModule<D: StaticDriver> {
    #[pin]
    registration: OfStatic<D>,
}

impl<D: StaticDriver> Module for DriverModule<D> {
    #[inline(always)]
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self { registration <- OfStatic::new(module) }? Error)
    }
}
