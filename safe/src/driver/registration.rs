// SPDX-License-Identifier: GPL-2.0-only
//! The registration of a driver: `driver_register` and `driver_unregister`, by way of each bus's
//! own.

use core::ffi::c_char;
use core::marker::{PhantomData, PhantomPinned};
use core::pin::Pin;

use pinned_init::{PinInit, pin_data, pin_init_from_closure, pinned_drop, try_pin_init};

use crate::error::{Error, Result};
use crate::module::{Module, ThisModule};
use crate::place::{Place, Vacant};
use crate::types::Opaque;

/// A bus's kind of driver: what `struct pci_driver` is to PCI.
///
/// # Safety
///
/// `register` and `unregister` are the bus's own pair of functions for `Self::DriverType`, which
/// embeds a `struct device_driver`. After `register` returned an error, the bus has no pointer to
/// the structure.
pub unsafe trait RegistrationOps {
    /// C's structure: `struct pci_driver`, …
    type DriverType;

    /// Registers the driver with its bus: probes the devices that match before it returns.
    ///
    /// # Safety
    ///
    /// `driver` is valid and stays so, where it is, until `unregister` returns; it is not
    /// registered. `mod_name` is a string that lives as long as the module.
    unsafe fn register(
        driver: *mut Self::DriverType,
        module: &'static ThisModule,
        mod_name: *const c_char,
    ) -> Result;

    /// Unregisters the driver: unbinds its devices before it returns.
    ///
    /// # Safety
    ///
    /// `driver` was registered, and is unregistered once.
    unsafe fn unregister(driver: *mut Self::DriverType);
}

/// A driver whose structure can be made with no more than its type: by [`Registration::new`].
///
/// # Safety
///
/// What `CONTENTS` points to are statics, and its callbacks are those of a driver for this kind of
/// structure.
pub unsafe trait Adapter: RegistrationOps {
    /// The structure as it is before it is registered.
    const CONTENTS: Self::DriverType;
}

/// A driver structure in a static: its contents are there at compile time, in `.data`.
///
/// It cannot be read-only: registering writes into it (`driver.bus`, `driver.owner`, `driver.p`, a
/// lock and a list of dynamic IDs). What it points to can be, and is.
#[doc(hidden)]
#[repr(transparent)]
pub struct Static<T: RegistrationOps>(Opaque<T::DriverType>);

// SAFETY: Rust code does not read or write the structure after it was made; the bus does so under
// its own locks.
unsafe impl<T: RegistrationOps> Sync for Static<T> {}

impl<T: RegistrationOps> Static<T> {
    /// A driver structure with these contents.
    ///
    /// # Safety
    ///
    /// What the contents point to is valid as long as the static is, and the callbacks are those of
    /// a driver for this kind of structure.
    pub const unsafe fn new(contents: T::DriverType) -> Self {
        Self(Opaque::new(contents))
    }
}

/// A registered driver, whose structure stands in this value. It is unregistered when this value
/// goes.
///
/// There is no registered flag: a value of this type exists only if registering succeeded, so that
/// one that failed cannot be unregistered. It stands in the module's state, or in that of the
/// module's own [`bus`](crate::bus), where it stays; nowhere else is it made ([`EINVAL`]).
///
/// [`EINVAL`]: crate::error::code::EINVAL
///
/// # Invariants
///
/// The driver is registered, by this value, with the structure at the address of `place`, at which
/// it was made.
#[doc(alias = "device_driver")]
#[doc(alias = "driver_register")]
#[doc(alias = "driver_unregister")]
pub struct Registration<T: RegistrationOps> {
    driver: Opaque<T::DriverType>,
    place: Place,
}

// SAFETY: a driver may be unregistered from another thread than the one that registered it.
unsafe impl<T: RegistrationOps> Send for Registration<T> {}
// SAFETY: a shared registration can do nothing.
unsafe impl<T: RegistrationOps> Sync for Registration<T> {}

impl<T: Adapter> Registration<T> {
    /// Registers a driver under this module's name, for a field of the module's state.
    ///
    /// Fails as the bus does: `EBUSY` if it has a driver of that name, `ENOMEM`; `EINVAL` outside
    /// of the module's state. Devices may have been probed, and removed again, by then: what
    /// `probe` needs of the module has to be there before. Context: may sleep; takes the bus's and
    /// its devices' locks.
    pub fn new(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        let place = |slot: *mut Self| module.place(slot);
        // SAFETY: the module's state is a static and never moved, and what lies in it is dropped in
        // place, before the module goes.
        unsafe { Self::in_place(module, place, T::CONTENTS) }
    }
}

impl<T: RegistrationOps> Registration<T> {
    /// Registers a driver with these contents.
    ///
    /// # Safety
    ///
    /// Where `place` says that a registration stands, it stays until it is dropped, before the bus
    /// or the module goes. What the contents point to is valid until then, and the callbacks are
    /// those of a driver for this kind of structure.
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
            // SAFETY: `register` asks for a structure that is valid, not registered, and stays
            // where it is until it was unregistered: it was written just now, and by the caller's
            // promise the slot is dropped in its place, which unregisters it. The name is the
            // module's.
            unsafe { T::register(driver, module, module.name())? };
            // SAFETY: the slot is valid; only the field's address is taken.
            let field = unsafe { &raw mut (*slot).place };
            // INVARIANT: it is registered.
            // SAFETY: the field is valid for writes.
            unsafe { field.write(place.take()) };
            Ok(())
        };
        // SAFETY: on `Ok` the value is written; on `Err` nothing is that would have to be dropped.
        unsafe { pin_init_from_closure(init) }
    }
}

impl<T: RegistrationOps> Drop for Registration<T> {
    fn drop(&mut self) {
        let made = self.place.of(self);
        // SAFETY: only the field's address is taken, in the structure's own place, which is there
        // until it was unregistered.
        let driver = unsafe { &raw mut (*made).driver }.cast();
        // SAFETY: `unregister` asks for a driver that is registered, once: by the type's invariant
        // the structure at the address where this was made is, and only this drop unregisters it.
        unsafe { T::unregister(driver) };
    }
}

/// A driver with its static structure, as `module_pci_driver!` and its kin make it.
///
/// # Safety
///
/// `driver` returns a static, always the same, that nothing else registers.
#[doc(hidden)]
pub unsafe trait StaticDriver: Send + Sync + 'static {
    type Ops: RegistrationOps + 'static;
    fn driver() -> &'static Static<Self::Ops>;
}

/// The registration of a static driver.
///
/// # Invariants
///
/// The static of `D` is registered, by this value.
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
            // SAFETY: the structure is a static, which by the trait's promise nothing else
            // registers; a module is initialised once.
            unsafe { D::Ops::register(D::driver().0.get(), module, module.name())? };
            // INVARIANT: it is registered.
            // SAFETY: the slot is valid for writes, as an initialiser's is.
            unsafe {
                slot.write(Self {
                    _of: PhantomData,
                    _pin: PhantomPinned,
                })
            };
            Ok(())
        };
        // SAFETY: on `Ok` the value is written; on `Err` nothing is, and so nothing will be
        // dropped.
        unsafe { pin_init_from_closure(init) }
    }
}

#[pinned_drop]
impl<D: StaticDriver> PinnedDrop for OfStatic<D> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: by the type's invariant it is registered, and this is the one place that
        // unregisters it.
        unsafe { D::Ops::unregister(D::driver().0.get()) };
    }
}

/// A module that is a driver and nothing else.
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
