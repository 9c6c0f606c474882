// SPDX-License-Identifier: GPL-2.0-only
//! `struct platform_device`.
//!
//! C header: `include/linux/platform_device.h`.

use core::ffi::{CStr, c_int, c_uint};
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::NonNull;

use linux_driver_sys as sys;

use super::Mem;
use crate::device::{self, Bound, Core, DeviceState, Normal, Transition};
use crate::error::{Error, Result, code::EINVAL};
use crate::irq;
use crate::types::{AlwaysRefCounted, Opaque};

/// A platform device: C's `struct platform_device`, in the state `S`.
///
/// # Invariants
///
/// As for [`device::Device`], for the `struct device` in it.
#[repr(transparent)]
#[doc(alias = "platform_device")]
pub struct Device<S: DeviceState = Normal>(Opaque<sys::platform_device>, PhantomData<S>);

// SAFETY: a device's memory belongs to the kernel: a reference to it may be given up on any thread
// (put_device()).
unsafe impl Send for Device<Normal> {}
// SAFETY: what can be called on a shared device takes the locks that it needs, or reads what was
// written before the device was registered. (Not so with `Core`: what can be called there relies on
// the device's lock, which one thread has.)
unsafe impl Sync for Device<Normal> {}
// SAFETY: as above.
unsafe impl Sync for Device<Bound> {}

/// What a device's resource is: `IORESOURCE_…` of `include/linux/ioport.h`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ResourceType {
    /// Registers in memory.
    #[doc(alias = "IORESOURCE_MEM")]
    Mem,
    /// Ports.
    #[doc(alias = "IORESOURCE_IO")]
    Io,
}

/// A range of addresses that belongs to a device: what C's `struct resource` says of it.
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "resource")]
pub struct Resource {
    /// The first address.
    pub start: u64,
    /// The last address.
    pub end: u64,
}

impl<S: DeviceState> Device<S> {
    /// The device that C knows under this pointer.
    ///
    /// # Safety
    ///
    /// The type's invariants hold for `'a`.
    pub unsafe fn from_raw<'a>(pointer: *mut sys::platform_device) -> &'a Self {
        // SAFETY: by the caller's promise; the type is transparent over C's.
        unsafe { &*pointer.cast() }
    }

    /// The device as C knows it.
    pub fn as_raw(&self) -> *mut sys::platform_device {
        self.0.get()
    }

    /// The device's name, without its number: what drivers are matched by.
    #[doc(alias = "platform_device.name")]
    pub fn name(&self) -> &CStr {
        // SAFETY: the device is there; the field was written before it was registered, and is not
        // written again.
        let name = unsafe { (*self.as_raw()).name };
        // SAFETY: the name stands in the device's own memory (`platform_device_alloc`) or in a
        // static; it ends with a NUL.
        unsafe { CStr::from_ptr(name) }
    }

    /// The device's number among those of its name; `None` if it is the only one:
    /// `platform_device.id`.
    #[doc(alias = "platform_device.id")]
    pub fn id(&self) -> Option<u32> {
        // SAFETY: the device is there; the field is written when it is registered and when it is
        // unregistered, in one piece.
        u32::try_from(unsafe { (*self.as_raw()).id }).ok()
    }
}

impl Device<Bound> {
    /// The device's resource of that type and number, counted from 0 for each type: C's
    /// `platform_get_resource`.
    #[doc(alias = "platform_get_resource")]
    pub fn resource(&self, resource_type: ResourceType, number: u32) -> Option<Resource> {
        let resource_type = match resource_type {
            ResourceType::Mem => sys::IORESOURCE_MEM,
            ResourceType::Io => sys::IORESOURCE_IO,
        };
        // SAFETY: `platform_get_resource` demands a device whose resources do not change meanwhile:
        // those of one that is registered do not.
        let resource = unsafe {
            sys::platform_get_resource(self.as_raw(), resource_type as c_uint, number as c_uint)
        };
        // SAFETY: the function returns NULL, or one of the device's resources.
        let resource = unsafe { resource.as_ref()? };
        Some(Resource {
            start: resource.start,
            end: resource.end,
        })
    }

    /// Requests the addresses of the device's resource of type [`Mem`](ResourceType::Mem) and that
    /// number, and maps them, until the driver is unbound: C's `devm_platform_ioremap_resource`.
    ///
    /// [`EINVAL`] if there is no such resource (which is logged), if it is smaller than `SIZE`, or
    /// not aligned to 8 bytes; `EBUSY` if the addresses are taken, by another driver or by this
    /// one; `ENOMEM`. Context: may sleep.
    #[doc(alias = "devm_platform_ioremap_resource")]
    pub fn ioremap_resource<const SIZE: usize>(&self, number: u32) -> Result<Mem<SIZE>> {
        Mem::new(self, number)
    }

    /// The device's interrupt of that number, counted from 0, for [`irq::Registration`]: C's
    /// `platform_get_irq`.
    ///
    /// `ENXIO` if there is none, which is logged; `EPROBE_DEFER` if its controller is not there
    /// yet. Context: may sleep.
    #[doc(alias = "platform_get_irq")]
    pub fn irq(&self, number: u32) -> Result<irq::Line> {
        // SAFETY: `platform_get_irq` demands a device that is registered, and a context that may
        // sleep (it may map the interrupt): `dev` is bound, the caller promises the context.
        self.line(unsafe { sys::platform_get_irq(self.as_raw(), number as c_uint) })
    }

    /// As [`irq`](Self::irq); that there is none is not logged. C's `platform_get_irq_optional`.
    #[doc(alias = "platform_get_irq_optional")]
    pub fn irq_optional(&self, number: u32) -> Result<irq::Line> {
        // SAFETY: as in `irq`.
        self.line(unsafe { sys::platform_get_irq_optional(self.as_raw(), number as c_uint) })
    }

    /// The interrupt of this number: what `platform_get_irq` returned, never 0.
    fn line(&self, returned: c_int) -> Result<irq::Line> {
        match u32::try_from(returned) {
            Ok(0) => Err(EINVAL),
            Ok(number) => Ok(irq::Line::new(number, self.as_ref())),
            Err(_) => Err(Error::from_errno(returned)),
        }
    }

    /// How many interrupts the device has: C's `platform_irq_count`. `EPROBE_DEFER` if a controller
    /// is not there yet.
    #[doc(alias = "platform_irq_count")]
    pub fn irq_count(&self) -> Result<u32> {
        // SAFETY: as in `irq`.
        let count = unsafe { sys::platform_irq_count(self.as_raw()) };
        u32::try_from(count).map_err(|_| Error::from_errno(count))
    }
}

impl Deref for Device<Core> {
    type Target = Device<Bound>;

    fn deref(&self) -> &Device<Bound> {
        // SAFETY: a driver is bound, or being bound, in the callbacks that have `Core`; the borrow
        // ends with them.
        unsafe { Device::from_raw(self.as_raw()) }
    }
}

impl Deref for Device<Transition> {
    type Target = Device<Bound>;

    fn deref(&self) -> &Device<Bound> {
        // SAFETY: `from_raw` demands a device that is bound: runtime callbacks that have one are
        // waited for by `unbind`. The borrow ends with the callback.
        unsafe { Device::from_raw(self.as_raw()) }
    }
}

impl Deref for Device<Bound> {
    type Target = Device<Normal>;

    fn deref(&self) -> &Device<Normal> {
        // SAFETY: a bound device is there.
        unsafe { Device::from_raw(self.as_raw()) }
    }
}

impl<S: DeviceState> AsRef<device::Device<S>> for Device<S> {
    fn as_ref(&self) -> &device::Device<S> {
        // SAFETY: the device is there; only the address of the field is taken.
        let device = unsafe { &raw mut (*self.as_raw()).dev };
        // SAFETY: the `struct device` of a device in state `S` is in state `S`, and lives as long.
        unsafe { device::Device::from_raw(device) }
    }
}

impl AsRef<device::Device<Bound>> for Device<Transition> {
    fn as_ref(&self) -> &device::Device<Bound> {
        let bound: &Device<Bound> = self;
        bound.as_ref()
    }
}

impl AsRef<device::Device<Bound>> for Device<Core> {
    fn as_ref(&self) -> &device::Device<Bound> {
        let bound: &Device<Bound> = self;
        bound.as_ref()
    }
}

// SAFETY: get_device() and put_device() count references; a device is freed with the last one.
unsafe impl AlwaysRefCounted for Device<Normal> {
    fn inc_ref(&self) {
        let dev: &device::Device<Normal> = self.as_ref();
        dev.inc_ref();
    }

    unsafe fn dec_ref(object: NonNull<Self>) {
        // SAFETY: the caller owns a reference: the device is there; only the address of the field
        // is taken.
        let dev = unsafe { &raw mut (*object.as_ptr().cast::<sys::platform_device>()).dev };
        // SAFETY: `put_device` demands a reference of the caller's, which the caller gives up.
        unsafe { sys::put_device(dev) };
    }
}

// SAFETY: the pointer is to the `struct device` in a device that lives as long as the reference; it
// stays bound to a driver of ours where `S` says so.
unsafe impl<S: DeviceState> crate::print::Printable for Device<S> {
    const BOUND: bool = S::BOUND;

    fn raw(&self) -> *const sys::device {
        // SAFETY: the device is there; only the address of the field is taken.
        unsafe { &raw const (*self.as_raw()).dev }
    }
}
