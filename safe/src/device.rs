// SPDX-License-Identifier: GPL-2.0-only
//! `struct device`, and the states that a device goes through.
//!
//! C headers: `include/linux/device.h`; `drivers/base/core.c`, `drivers/base/dd.c`.
//!
//! # A device's life
//!
//! The stages are those of the driver core, under the core's names. Each stage is a type; the
//! operations that a stage allows are methods of its type.
//!
//! | stage | C | type | what can be done | lock | who can have it |
//! |---|---|---|---|---|---|
//! | created | `device_initialize`; `kref` is 1, `p` is NULL | [`bus::NewDevice`](crate::bus::NewDevice); PCI and the platform bus create their devices in C | read its data, take references, [`register`](crate::bus::NewDevice::register) it; no driver knows it | none | the bus that made it; dropping it calls `put_device` |
//! | registered | `device_add`; `kobj.state_in_sysfs`, in the bus's list | [`bus::DeviceRegistration`](crate::bus::DeviceRegistration), [`platform::DeviceRegistration`](crate::platform::DeviceRegistration) | the same as when unbound | none | the bus, or the module that made it; dropping it calls `device_unregister` |
//! | being bound, being unbound, in a callback of the core | `really_probe`, `__device_release_driver`; `driver` is set | [`Device<Core>`](Core), on each bus: [`pci::Device<Core>`](crate::pci::Device), … | everything that bound allows, and what the core's lock protects: enable the device, bus mastering, SR-IOV | `device_lock`, held by the core around the callback | a callback (`probe`, `remove`, `shutdown`, system sleep, …), as a borrow that ends with the callback, on one thread |
//! | in an error handler or a reset | `pci_error_handlers`; `driver` is set | [`Device<Exclusive>`](Exclusive) | everything that bound allows, and what only one callback at a time may do: bus mastering, power states, saved state | `device_lock` on most paths, but not on all: see [`pci::ErrorHandlers`](crate::pci::ErrorHandlers) | an error handler, as a borrow that ends with the handler, on one thread |
//! | being suspended, being resumed | `runtime_suspend`, `runtime_resume` | [`Device<Transition>`](Transition) | everything that bound allows except [`runtime::resume_and_get`](crate::pm::runtime::resume_and_get), which waits for the end of the transition | none; `power.runtime_status` says which transition it is | a runtime callback, as a borrow that ends with the callback |
//! | bound | `device_is_bound`; `driver` and `driver_data` are set | [`Device<Bound>`](Bound) | everything that normal allows, and: registers, resources, interrupts, DMA, managed resources (devres), runtime power management, the driver's data | none needed | any callback that gets it, as a borrow; `remove` waits for the callback, because every registration with C is part of the driver's data ([`driver`](crate::driver)) |
//! | unbound, or unknown | `driver` is NULL, or may become NULL at any time | [`Device`] ([`Normal`]) | read its name and IDs, print messages (`dev_info!`), take references | none | any code, for any time, through [`ARef`](crate::types::ARef): `get_device`, `put_device` |
//! | gone | `device_del`; `p->dead`, not in sysfs | [`Device`] ([`Normal`]), as before: the owner of a reference cannot know | the same as before; what was mapped or registered for a binding returns `ENODEV` | none | the owners of the remaining references |
//! | destroyed | `device_release` with the last `put_device`; `release` | no type: no reference is left | nothing; a bus made in Rust drops its data of the device here | none | no code |
//!
//! `remove` does not mean that the device is gone: it may be bound again, to this driver or to
//! another. And a device that is gone is not destroyed yet: open files and references outlive it.
//! `probe` makes the driver's data; callbacks can use the data while the device is bound; the end
//! of `remove` drops it. The core then releases devres, and after that sets `driver_data` and
//! `driver` to NULL.
//!
//! A stronger state includes the weaker ones: `&Device<Core>` can be used as `&Device<Exclusive>`,
//! that as `&Device<Bound>`, and that as `&Device`.

use core::marker::PhantomData;
use core::ptr::NonNull;

use linux_driver_sys as sys;

use crate::driver::Head;
use crate::error::Result;
use crate::place::Vacant;
use crate::types::{AlwaysRefCounted, Opaque};

mod sealed {
    pub trait Sealed {}
}

/// A state of a device, as far as it is known: [`Core`], [`Exclusive`], [`Transition`], [`Bound`]
/// or [`Normal`].
pub trait DeviceState: sealed::Sealed + 'static {
    /// True if a driver stays bound, and registered, while the device is in this state.
    #[doc(hidden)]
    const BOUND: bool = true;
}

/// The state in a callback of the driver core, which holds `device_lock()` around the callback.
pub struct Core;
/// The state in a callback that runs alone: no other callback that has the device as [`Core`] or
/// `Exclusive` runs at the same time. The device's lock may be held or not, because the kernel
/// calls the error handlers of a PCI driver both ways
/// ([`pci::ErrorHandlers`](crate::pci::ErrorHandlers)).
pub struct Exclusive;
/// The state of a bound device that is being suspended or resumed. The device becomes active or
/// suspended only when the callback has returned, so the callback must not wait for that
/// ([`pm::runtime`](crate::pm::runtime)).
pub struct Transition;
/// The state of a device to which a driver of this module is bound.
pub struct Bound;
/// The state of any device: nothing is known except that its memory is still allocated.
pub struct Normal;

impl sealed::Sealed for Core {}
impl sealed::Sealed for Exclusive {}
impl sealed::Sealed for Transition {}
impl sealed::Sealed for Bound {}
impl sealed::Sealed for Normal {}
impl DeviceState for Core {}
impl DeviceState for Exclusive {}
impl DeviceState for Transition {}
impl DeviceState for Bound {}
impl DeviceState for Normal {
    const BOUND: bool = false;
}

/// A device in the state `S`: C's `struct device`.
///
/// # Invariants
///
/// This is an initialised `struct device`. For the lifetime of the reference its reference count is
/// at least one, and what `S` says about the device holds.
#[repr(transparent)]
#[doc(alias = "device")]
pub struct Device<S: DeviceState = Normal>(Opaque<sys::device>, PhantomData<S>);

// SAFETY: a device's memory belongs to the kernel, and a reference to it may be given up on any
// thread (`put_device`).
unsafe impl Send for Device<Normal> {}
// SAFETY: the methods of a shared device take the locks that they need. (`Device<Core>` is not
// `Sync`: its methods rely on the device's lock, which one thread holds.)
unsafe impl Sync for Device<Normal> {}
// SAFETY: as above.
unsafe impl Sync for Device<Bound> {}

impl<S: DeviceState> Device<S> {
    /// Returns the device that a C pointer points to.
    ///
    /// # Safety
    ///
    /// The type's invariants hold for `'a`.
    pub unsafe fn from_raw<'a>(pointer: *mut sys::device) -> &'a Self {
        // SAFETY: by the caller's promise the pointer is valid for `'a`; the type has the layout of
        // C's structure.
        unsafe { &*pointer.cast() }
    }

    /// Returns the pointer to C's structure.
    pub fn as_raw(&self) -> *mut sys::device {
        self.0.get()
    }
}

impl Device<Bound> {
    /// Returns the head of the data of the bound driver.
    pub(crate) fn head(&self) -> &Head {
        // SAFETY: a `Bound` device is bound to a driver of this module. Its `probe` stored the data
        // before it lent the device to any code. The data stays until `remove` has lent the device
        // for the last time.
        let data = unsafe { (*self.as_raw()).driver_data };
        // SAFETY: as above; the data starts with its head.
        unsafe { &*data.cast() }
    }

    /// Returns the number of the current binding. No two bindings have the same number.
    #[inline(always)]
    pub(crate) fn binding(&self) -> u64 {
        self.head().binding
    }

    /// Returns the place for the registration that is about to be made in `slot`, in the data of
    /// the bound driver. Every registration with C needs one.
    ///
    /// # Errors
    ///
    /// [`EINVAL`](crate::error::code::EINVAL) if the slot is not in the driver's data, or not
    /// aligned.
    #[inline(always)]
    pub(crate) fn place<T>(&self, slot: *mut T) -> Result<Vacant> {
        // SAFETY: `place` requires that the extent stays until what is made of the place is
        // dropped, or `end` was called. The head stays until the binding has ended, which calls
        // `end` first.
        unsafe { self.head().extent.place(slot) }
    }

    /// Returns whether `size` bytes from `address` on are in the data of the bound driver. They
    /// still are while the data is being dropped.
    pub(crate) fn holds(&self, address: usize, size: usize) -> bool {
        self.head().extent.contains(address, size)
    }
}

/// Implements `Deref` of the type `Device` of a bus, from each state to one that says less, and
/// `AsRef` to the bound `struct device`. The first bracket has the generics of the
/// implementation, the second the type's arguments before the state. `$raw` names the method with
/// the pointer that the type's `from_raw` takes.
macro_rules! device_states {
    (@deref [$($generics:tt)*] [$($arguments:tt)*] $raw:ident: $from:ident => $to:ident) => {
        impl<$($generics)*> core::ops::Deref for Device<$($arguments)* $from> {
            type Target = Device<$($arguments)* $to>;

            fn deref(&self) -> &Self::Target {
                // SAFETY: `from_raw` requires that what `$to` says of the device holds as long as
                // the reference lives. The borrow ends with the callback that has the device.
                // - `Exclusive`, from `Core`: of the callbacks that have one of the two, only one
                //   runs at a time for a device. `driver::Turn` ensures that, and so does the
                //   device's lock, which is held around those with `Core`.
                // - `Bound`, from `Core` or `Exclusive`: the device is bound, or being bound, to a
                //   driver of this module in the callbacks that have them, because `remove` waits
                //   for them.
                // - `Bound`, from `Transition`: `unbind` waits for the runtime callbacks.
                // - `Normal`, from `Bound`: a bound device exists.
                unsafe { Device::from_raw(self.$raw()) }
            }
        }
    };
    (@bound [$($generics:tt)*] [$($arguments:tt)*] $from:ident) => {
        impl<$($generics)*> AsRef<$crate::device::Device<Bound>> for Device<$($arguments)* $from> {
            fn as_ref(&self) -> &$crate::device::Device<Bound> {
                let bound: &Device<$($arguments)* Bound> = self;
                bound.as_ref()
            }
        }
    };
    ($generics:tt $arguments:tt $raw:ident: $($from:ident => $to:ident),+; Bound => Normal) => {
        $(
            $crate::device::device_states!(@deref $generics $arguments $raw: $from => $to);
            $crate::device::device_states!(@bound $generics $arguments $from);
        )+
        $crate::device::device_states!(@deref $generics $arguments $raw: Bound => Normal);
    };
}
pub(crate) use device_states;

device_states! {
    [] [] as_raw: Core => Exclusive, Exclusive => Bound, Transition => Bound; Bound => Normal
}

impl<S: DeviceState> AsRef<Device<S>> for Device<S> {
    fn as_ref(&self) -> &Device<S> {
        self
    }
}

/// Logs that a device stays registered, because its registration was dropped in a context in which
/// unregistering it could wait forever.
#[cold]
pub(crate) fn left_registered(dev: &Device<Normal>) {
    crate::dev_err!(
        dev,
        "registration dropped in open of a misc device, which holds misc_mtx: \
         the device stays registered; drop it elsewhere"
    );
}

// SAFETY: `get_device` and `put_device` count references, and the device is freed only with the
// last one.
unsafe impl AlwaysRefCounted for Device<Normal> {
    fn inc_ref(&self) {
        // SAFETY: `get_device` requires a device that is not freed: this one is alive by the type's
        // invariant.
        unsafe { sys::get_device(self.as_raw()) };
    }

    unsafe fn dec_ref(object: NonNull<Self>) {
        // SAFETY: `put_device` requires a reference to give up: the caller owns one.
        unsafe { sys::put_device(object.as_ptr().cast()) };
    }
}

// SAFETY: the pointer points to a device that exists as long as the reference lives. It stays bound
// to a driver of this module where `S` says so.
unsafe impl<S: DeviceState> crate::print::Printable for Device<S> {
    const BOUND: bool = S::BOUND;

    fn raw(&self) -> *const sys::device {
        self.as_raw()
    }
}
