// SPDX-License-Identifier: GPL-2.0-only
//! `struct pci_dev`.
//!
//! C header: `include/linux/pci.h`.

use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::NonNull;

use linux_driver_sys as sys;

use super::{Bar, PortBar};
use crate::device::{self, Bound, Core, DeviceState, Exclusive, Normal, Transition};
use crate::error::{Result, code::EINVAL, to_result};
use crate::types::{AlwaysRefCounted, Opaque};

/// A PCI device: C's `struct pci_dev`, in the state `S`.
///
/// # Invariants
///
/// As for [`device::Device`], for the `struct device` in it.
#[repr(transparent)]
#[doc(alias = "pci_dev")]
pub struct Device<S: DeviceState = Normal>(Opaque<sys::pci_dev>, PhantomData<S>);

// SAFETY: a device's memory belongs to the kernel: a reference to it may be given up on any thread
// (pci_dev_put()).
unsafe impl Send for Device<Normal> {}
// SAFETY: what can be called on a shared device takes the locks that it needs, or reads what the
// bus wrote before it registered the device. (Not so with `Core`: what can be called there relies
// on the device's lock, which one thread has.)
unsafe impl Sync for Device<Normal> {}
// SAFETY: as above.
unsafe impl Sync for Device<Bound> {}

impl<S: DeviceState> Device<S> {
    /// The device that C knows under this pointer.
    ///
    /// # Safety
    ///
    /// The type's invariants hold for `'a`.
    pub unsafe fn from_raw<'a>(pointer: *mut sys::pci_dev) -> &'a Self {
        // SAFETY: by the caller's promise; the type is transparent over C's.
        unsafe { &*pointer.cast() }
    }

    /// The device as C knows it.
    pub fn as_raw(&self) -> *mut sys::pci_dev {
        self.0.get()
    }

    /// Where it is in its domain: bus (8 bits), device (5), function (3). C's `pci_dev_id`.
    #[doc(alias = "pci_dev_id")]
    pub fn dev_id(&self) -> u16 {
        // SAFETY: the device is there, and its bus as long.
        unsafe { sys::linux_driver_pci_dev_id(self.as_raw()) }
    }

    /// The vendor's number.
    #[doc(alias = "pci_dev.vendor")]
    pub fn vendor(&self) -> u16 {
        // SAFETY: the device is there; the field was written when the bus found it.
        unsafe { (*self.as_raw()).vendor }
    }

    /// The device's number with its vendor.
    #[doc(alias = "pci_dev.device")]
    pub fn device(&self) -> u16 {
        // SAFETY: the device is there; the field was written when the bus found it.
        unsafe { (*self.as_raw()).device }
    }

    /// The subsystem's vendor.
    #[doc(alias = "pci_dev.subsystem_vendor")]
    pub fn subsystem_vendor(&self) -> u16 {
        // SAFETY: the device is there; the field was written when the bus found it.
        unsafe { (*self.as_raw()).subsystem_vendor }
    }

    /// The subsystem's number with its vendor.
    #[doc(alias = "pci_dev.subsystem_device")]
    pub fn subsystem_device(&self) -> u16 {
        // SAFETY: the device is there; the field was written when the bus found it.
        unsafe { (*self.as_raw()).subsystem_device }
    }

    /// The revision.
    #[doc(alias = "pci_dev.revision")]
    pub fn revision(&self) -> u8 {
        // SAFETY: the device is there; the field was written when the bus found it.
        unsafe { (*self.as_raw()).revision }
    }
}

impl Device<Bound> {
    /// The resource of a standard BAR: C's `pci_resource_n`. [`EINVAL`] unless `bar` is 0 to 5.
    pub(super) fn resource(&self, bar: u32) -> Result<*mut sys::resource> {
        if bar >= sys::PCI_STD_NUM_BARS {
            return Err(EINVAL);
        }
        // SAFETY: the device is there; only the field's address is taken.
        let resources = unsafe { &raw mut (*self.as_raw()).resource };
        // The standard BARs are the first of the array. (Indexing it would check a number that was
        // checked above.)
        Ok(resources.cast::<sys::resource>().wrapping_add(bar as usize))
    }

    /// Where the bus has the BAR: an address of memory, or the number of a port. 0 if the device
    /// has none of that number. [`EINVAL`] unless `bar` is 0 to 5. C's `pci_resource_start`.
    /// Context: any.
    #[doc(alias = "pci_resource_start")]
    pub fn resource_start(&self, bar: u32) -> Result<u64> {
        let resource = self.resource(bar)?;
        // SAFETY: the resource is one of the device's; the bus does not move the BARs of a device
        // that is bound.
        Ok(unsafe { (*resource).start })
    }

    /// How many bytes, or ports, the BAR covers; 0 if the device has none of that number.
    /// [`EINVAL`] unless `bar` is 0 to 5. C's `pci_resource_len`. Context: any.
    #[doc(alias = "pci_resource_len")]
    pub fn resource_len(&self, bar: u32) -> Result<u64> {
        let resource = self.resource(bar)?;
        // SAFETY: the resource is one of the device's; the bus does not move the BARs of a device
        // that is bound.
        let start = unsafe { (*resource).start };
        // SAFETY: as above.
        let end = unsafe { (*resource).end };
        // `end` is the last byte's, and 0 where there is none.
        Ok(if end == 0 {
            0
        } else {
            end.wrapping_sub(start).wrapping_add(1)
        })
    }

    /// What the BAR is: bits such as [`IORESOURCE_MEM`](super::IORESOURCE_MEM). 0 if the device has
    /// none of that number; the upper half of a BAR of 64 bits counts as one that it has not.
    /// [`EINVAL`] unless `bar` is 0 to 5. C's `pci_resource_flags`. Context: any.
    #[doc(alias = "pci_resource_flags")]
    pub fn resource_flags(&self, bar: u32) -> Result<u64> {
        let resource = self.resource(bar)?;
        // SAFETY: the resource is one of the device's; the bus does not move the BARs of a device
        // that is bound.
        Ok(unsafe { (*resource).flags })
    }

    /// Requests the BAR's region and maps it, until the driver is unbound: what C's
    /// `pcim_iomap_region` does, by `devm_ioremap_resource`, which every kernel has.
    ///
    /// [`EINVAL`] if there is no such BAR, it is not memory, or it is smaller than `SIZE`; `EBUSY`
    /// if it is taken, by another driver or by this one; `ENOMEM`. Context: may sleep.
    ///
    /// The device answers once it is enabled: [`pcim_enable_device`](Device::pcim_enable_device).
    pub fn iomap_region<const SIZE: usize>(&self, bar: u32) -> Result<Bar<SIZE>> {
        Bar::new(self, bar)
    }

    /// Requests the BAR's I/O ports, until the driver is unbound: C's `devm_request_region` of what
    /// `pci_resource_start` and `pci_resource_len` say. The region is named after the driver.
    ///
    /// [`EINVAL`] if there is no such BAR, it is not one of ports, or it is smaller than `SIZE`;
    /// `EBUSY` if it is taken, by another driver or by this one, or there is no memory (C's
    /// function does not tell). Context: may sleep.
    ///
    /// The device answers once it is enabled: [`pcim_enable_device`](Device::pcim_enable_device).
    #[doc(alias = "pci_request_region")]
    pub fn request_region<const SIZE: usize>(&self, bar: u32) -> Result<PortBar<SIZE>> {
        PortBar::new(self, bar)
    }
}

impl Device<Core> {
    /// Enables the device's BARs and wakes it, until the driver is unbound: C's
    /// `pcim_enable_device`.
    ///
    /// Context: may sleep.
    pub fn pcim_enable_device(&self) -> Result {
        // SAFETY: `pcim_enable_device` demands a device that is being bound or bound, for devres to
        // disable it again after `remove`, and that nobody enables it meanwhile: the device is
        // `Core`, under its lock.
        to_result(unsafe { sys::pcim_enable_device(self.as_raw()) })
    }
}

impl Device<Exclusive> {
    /// Lets the device start accesses of its own (DMA, MSI): C's `pci_set_master`.
    #[doc(alias = "pci_set_master")]
    pub fn set_master(&self) {
        // SAFETY: `__pci_set_master` reads, changes and writes the command register, and writes the
        // bit field `is_busmaster`: it demands that nobody else writes bit fields of this
        // `struct pci_dev`. Those who do are callbacks that have `Exclusive`, of which one runs at
        // a time by the type's invariant, and the core under the device's lock.
        unsafe { sys::pci_set_master(self.as_raw()) };
    }

    /// Forbids the device to start accesses of its own: C's `pci_clear_master`.
    #[doc(alias = "pci_clear_master")]
    pub fn clear_master(&self) {
        // SAFETY: as in `set_master`.
        unsafe { sys::pci_clear_master(self.as_raw()) };
    }
}

/// SR-IOV: `drivers/pci/iov.c`.
impl Device<Core> {
    /// Creates so many virtual functions, which are devices of their own: C's `pci_enable_sriov`.
    /// They are destroyed by [`disable_sriov`](Self::disable_sriov), or when this device goes.
    ///
    /// `ENOSYS` if the device has none, `EINVAL` if it has not so many, `EBUSY` if there are some
    /// already. Context: may sleep; the functions are probed before it returns.
    ///
    /// [`Driver::sriov_configure`](super::Driver::sriov_configure) has an example.
    #[doc(alias = "pci_enable_sriov")]
    pub fn enable_sriov(&self, num_vfs: u16) -> Result {
        // SAFETY: `pci_enable_sriov` demands a physical function (else `-ENOSYS`), that its driver
        // stays bound while it adds devices, and that nobody changes their number meanwhile: the
        // device's lock is held, as `sriov_numvfs_store` holds it.
        to_result(unsafe { sys::pci_enable_sriov(self.as_raw(), core::ffi::c_int::from(num_vfs)) })
    }

    /// Destroys the virtual functions, if there are any: C's `pci_disable_sriov`. Context: may
    /// sleep.
    #[doc(alias = "pci_disable_sriov")]
    pub fn disable_sriov(&self) {
        // SAFETY: as in `enable_sriov`.
        unsafe { sys::pci_disable_sriov(self.as_raw()) };
    }
}

impl Deref for Device<Core> {
    type Target = Device<Exclusive>;

    fn deref(&self) -> &Device<Exclusive> {
        // SAFETY: `from_raw` demands what `Exclusive` says: of the callbacks that have `Core` or
        // `Exclusive` one runs at a time for a device (`driver::Turn`, and the device's lock, which
        // the callers of those with `Core` hold). The borrow ends with the callback.
        unsafe { Device::from_raw(self.as_raw()) }
    }
}

impl Deref for Device<Exclusive> {
    type Target = Device<Bound>;

    fn deref(&self) -> &Device<Bound> {
        // SAFETY: `from_raw` demands a device that is bound, or being bound, to a driver of ours:
        // so it is in the callbacks that have `Core` or `Exclusive`, which `remove` waits for. The
        // borrow ends with them.
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

impl AsRef<device::Device<Bound>> for Device<Exclusive> {
    fn as_ref(&self) -> &device::Device<Bound> {
        let bound: &Device<Bound> = self;
        bound.as_ref()
    }
}

// SAFETY: pci_dev_get() and pci_dev_put() count references; a device is freed with the last one.
unsafe impl AlwaysRefCounted for Device<Normal> {
    fn inc_ref(&self) {
        // SAFETY: the device is alive, by the type's invariant.
        unsafe { sys::pci_dev_get(self.as_raw()) };
    }

    unsafe fn dec_ref(object: NonNull<Self>) {
        // SAFETY: the caller gives up a reference that it owns.
        unsafe { sys::pci_dev_put(object.as_ptr().cast()) };
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
