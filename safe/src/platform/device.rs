// SPDX-License-Identifier: GPL-2.0-only
//! `struct platform_device`.
//!
//! C header: `include/linux/platform_device.h`.

use core::ffi::{CStr, c_int, c_uint};
use core::marker::PhantomData;
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
/// Same as for [`device::Device`], for the embedded `struct device`.
#[repr(transparent)]
#[doc(alias = "platform_device")]
pub struct Device<S: DeviceState = Normal>(Opaque<sys::platform_device>, PhantomData<S>);

// SAFETY: the memory of a device belongs to the kernel. A reference to it may be given up on any
// thread (put_device()).
unsafe impl Send for Device<Normal> {}
// SAFETY: the methods of a shared device take the locks that they need, or read what was written
// before the device was registered. (This does not hold for `Core`: its methods rely on the
// device's lock, which one thread holds.)
unsafe impl Sync for Device<Normal> {}
// SAFETY: same as for `Normal`.
unsafe impl Sync for Device<Bound> {}

/// The type of a device's resource: `IORESOURCE_…` of `include/linux/ioport.h`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ResourceType {
    /// Registers in memory.
    #[doc(alias = "IORESOURCE_MEM")]
    Mem,
    /// I/O ports.
    #[doc(alias = "IORESOURCE_IO")]
    Io,
}

/// A range of addresses that belongs to a device: the range of C's `struct resource`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "resource")]
pub struct Resource {
    /// The first address.
    pub start: u64,
    /// The last address, which is part of the range.
    pub end: u64,
}

impl<S: DeviceState> Device<S> {
    /// Returns the device that C knows under this pointer.
    ///
    /// # Safety
    ///
    /// The type's invariants must hold for `'a`.
    pub unsafe fn from_raw<'a>(pointer: *mut sys::platform_device) -> &'a Self {
        // SAFETY: the caller promises the invariants. The type is transparent over C's.
        unsafe { &*pointer.cast() }
    }

    /// Returns the device as C knows it.
    pub fn as_raw(&self) -> *mut sys::platform_device {
        self.0.get()
    }

    /// Returns the device's name without its number. Drivers are matched by this name.
    #[doc(alias = "platform_device.name")]
    pub fn name(&self) -> &CStr {
        // SAFETY: the device exists. The field was written before the device was registered, and
        // does not change.
        let name = unsafe { (*self.as_raw()).name };
        // SAFETY: `CStr::from_ptr` requires a string that ends with NUL and lives as long as the
        // borrow. The name is in the device's own memory (`platform_device_alloc`) or in a static.
        unsafe { CStr::from_ptr(name) }
    }

    /// Returns the device's number among those of its name, or `None` if it is the only one:
    /// `platform_device.id`.
    #[doc(alias = "platform_device.id")]
    pub fn id(&self) -> Option<u32> {
        // SAFETY: the device exists. The field is written when the device is registered and
        // unregistered, by a single store.
        u32::try_from(unsafe { (*self.as_raw()).id }).ok()
    }
}

impl Device<Bound> {
    /// Returns the device's resource of this type and number: C's `platform_get_resource`.
    /// Resources are counted from 0 for each type.
    ///
    /// # Context
    ///
    /// Any.
    #[doc(alias = "platform_get_resource")]
    pub fn resource(&self, resource_type: ResourceType, number: u32) -> Option<Resource> {
        let resource_type = match resource_type {
            ResourceType::Mem => sys::IORESOURCE_MEM,
            ResourceType::Io => sys::IORESOURCE_IO,
        };
        // SAFETY: `platform_get_resource` requires a device whose resources do not change
        // meanwhile. Those of a registered device do not.
        let resource = unsafe {
            sys::platform_get_resource(self.as_raw(), resource_type as c_uint, number as c_uint)
        };
        // SAFETY: the function returns NULL, or a resource of the device.
        let resource = unsafe { resource.as_ref()? };
        Some(Resource {
            start: resource.start,
            end: resource.end,
        })
    }

    /// Requests the memory resource ([`Mem`](ResourceType::Mem)) with this number and maps it,
    /// until the driver is unbound: C's `devm_platform_ioremap_resource`.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`] if there is no such resource (which is logged), if it is smaller than `SIZE`,
    ///   or if it is not aligned to 8 bytes;
    /// - `EBUSY` if another driver, or this one, has requested the addresses already;
    /// - `ENOMEM` if there is no memory.
    #[doc(alias = "devm_platform_ioremap_resource")]
    pub fn ioremap_resource<const SIZE: usize>(&self, number: u32) -> Result<Mem<SIZE>> {
        Mem::new(self, number)
    }

    /// Returns the device's interrupt with this number, for [`irq::Registration`]: C's
    /// `platform_get_irq`. Interrupts are counted from 0.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENXIO` if there is none, which is logged; `EPROBE_DEFER` if the driver of its interrupt
    /// controller is not bound yet.
    #[doc(alias = "platform_get_irq")]
    pub fn irq(&self, number: u32) -> Result<irq::Line> {
        // SAFETY: `platform_get_irq` requires a registered device, and a context that may sleep,
        // because it may map the interrupt. The device is bound. The caller has the documented
        // context.
        self.line(unsafe { sys::platform_get_irq(self.as_raw(), number as c_uint) })
    }

    /// Returns the same as [`irq`](Self::irq), without a log line if there is none: C's
    /// `platform_get_irq_optional`.
    #[doc(alias = "platform_get_irq_optional")]
    pub fn irq_optional(&self, number: u32) -> Result<irq::Line> {
        // SAFETY: same preconditions as in `irq`.
        self.line(unsafe { sys::platform_get_irq_optional(self.as_raw(), number as c_uint) })
    }

    /// Converts what `platform_get_irq` returned. It never returns 0.
    fn line(&self, returned: c_int) -> Result<irq::Line> {
        match u32::try_from(returned) {
            Ok(0) => Err(EINVAL),
            Ok(number) => Ok(irq::Line::new(number, self.as_ref())),
            Err(_) => Err(Error::from_errno(returned)),
        }
    }

    /// Returns the number of the device's interrupts: C's `platform_irq_count`.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `EPROBE_DEFER` if the driver of an interrupt controller is not bound yet.
    #[doc(alias = "platform_irq_count")]
    pub fn irq_count(&self) -> Result<u32> {
        // SAFETY: same preconditions as in `irq`.
        let count = unsafe { sys::platform_irq_count(self.as_raw()) };
        u32::try_from(count).map_err(|_| Error::from_errno(count))
    }
}

device::device_states!([] [] as_raw: Core => Bound, Transition => Bound; Bound => Normal);

impl<S: DeviceState> AsRef<device::Device<S>> for Device<S> {
    fn as_ref(&self) -> &device::Device<S> {
        // SAFETY: the device exists. Only the address of the field is taken.
        let device = unsafe { &raw mut (*self.as_raw()).dev };
        // SAFETY: the `struct device` of a device in state `S` is in state `S`, and lives as long.
        unsafe { device::Device::from_raw(device) }
    }
}

// SAFETY: get_device() and put_device() count references. The device is freed with the last one.
unsafe impl AlwaysRefCounted for Device<Normal> {
    fn inc_ref(&self) {
        let dev: &device::Device<Normal> = self.as_ref();
        dev.inc_ref();
    }

    unsafe fn dec_ref(object: NonNull<Self>) {
        // SAFETY: the caller owns a reference, so the device exists. Only the address of the field
        // is taken.
        let dev = unsafe { &raw mut (*object.as_ptr().cast::<sys::platform_device>()).dev };
        // SAFETY: `put_device` requires a reference that the caller owns. The caller of `dec_ref`
        // gives one up.
        unsafe { sys::put_device(dev) };
    }
}

// SAFETY: the pointer points to the `struct device` in a device that lives as long as the
// reference. The device stays bound to a driver of this crate where `S` says so.
unsafe impl<S: DeviceState> crate::print::Printable for Device<S> {
    const BOUND: bool = S::BOUND;

    fn raw(&self) -> *const sys::device {
        // SAFETY: the device exists. Only the address of the field is taken.
        unsafe { &raw const (*self.as_raw()).dev }
    }
}
