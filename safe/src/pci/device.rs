// SPDX-License-Identifier: GPL-2.0-only
//! `struct pci_dev`.
//!
//! C header: `include/linux/pci.h`.

use core::marker::PhantomData;
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
/// Same as for [`device::Device`], for the embedded `struct device`.
#[repr(transparent)]
#[doc(alias = "pci_dev")]
pub struct Device<S: DeviceState = Normal>(Opaque<sys::pci_dev>, PhantomData<S>);

// SAFETY: the memory of a device belongs to the kernel. A reference to it may be given up on any
// thread (pci_dev_put()).
unsafe impl Send for Device<Normal> {}
// SAFETY: the methods of a shared device take the locks that they need, or read what the bus wrote
// before it registered the device. (This does not hold for `Core`: its methods rely on the device's
// lock, which one thread holds.)
unsafe impl Sync for Device<Normal> {}
// SAFETY: same as for `Normal`.
unsafe impl Sync for Device<Bound> {}

impl<S: DeviceState> Device<S> {
    /// Returns the device that C knows under this pointer.
    ///
    /// # Safety
    ///
    /// The type's invariants must hold for `'a`.
    pub unsafe fn from_raw<'a>(pointer: *mut sys::pci_dev) -> &'a Self {
        // SAFETY: the caller promises the invariants. The type is transparent over C's.
        unsafe { &*pointer.cast() }
    }

    /// Returns the device as C knows it.
    pub fn as_raw(&self) -> *mut sys::pci_dev {
        self.0.get()
    }

    /// Returns the device's address in its PCI domain: bus (8 bits), device (5), function (3). C's
    /// `pci_dev_id`.
    #[doc(alias = "pci_dev_id")]
    pub fn dev_id(&self) -> u16 {
        // SAFETY: `pci_dev_id` requires a device that exists, and its bus, which exists as long as
        // the device.
        unsafe { sys::linux_driver_pci_dev_id(self.as_raw()) }
    }

    /// Returns the vendor ID.
    #[doc(alias = "pci_dev.vendor")]
    pub fn vendor(&self) -> u16 {
        // SAFETY: the device exists. The bus wrote the field when it found the device.
        unsafe { (*self.as_raw()).vendor }
    }

    /// Returns the device ID, which the vendor assigned.
    #[doc(alias = "pci_dev.device")]
    pub fn device(&self) -> u16 {
        // SAFETY: the device exists. The bus wrote the field when it found the device.
        unsafe { (*self.as_raw()).device }
    }

    /// Returns the subsystem vendor ID.
    #[doc(alias = "pci_dev.subsystem_vendor")]
    pub fn subsystem_vendor(&self) -> u16 {
        // SAFETY: the device exists. The bus wrote the field when it found the device.
        unsafe { (*self.as_raw()).subsystem_vendor }
    }

    /// Returns the subsystem ID, which the subsystem's vendor assigned.
    #[doc(alias = "pci_dev.subsystem_device")]
    pub fn subsystem_device(&self) -> u16 {
        // SAFETY: the device exists. The bus wrote the field when it found the device.
        unsafe { (*self.as_raw()).subsystem_device }
    }

    /// Returns the revision ID.
    #[doc(alias = "pci_dev.revision")]
    pub fn revision(&self) -> u8 {
        // SAFETY: the device exists. The bus wrote the field when it found the device.
        unsafe { (*self.as_raw()).revision }
    }
}

impl Device<Bound> {
    /// Returns the resource of a standard BAR: C's `pci_resource_n`. Fails with [`EINVAL`] if `bar`
    /// is greater than 5.
    pub(super) fn resource(&self, bar: u32) -> Result<*mut sys::resource> {
        if bar >= sys::PCI_STD_NUM_BARS {
            return Err(EINVAL);
        }
        // SAFETY: the device exists. Only the address of the field is taken.
        let resources = unsafe { &raw mut (*self.as_raw()).resource };
        // The standard BARs are the first of the array. Indexing the array would check `bar` a
        // second time.
        Ok(resources.cast::<sys::resource>().wrapping_add(bar as usize))
    }

    /// Returns the start of the BAR: a memory address, or the number of an I/O port. 0 if the
    /// device has no such BAR. C's `pci_resource_start`.
    ///
    /// # Context
    ///
    /// Any.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if `bar` is greater than 5.
    #[doc(alias = "pci_resource_start")]
    pub fn resource_start(&self, bar: u32) -> Result<u64> {
        let resource = self.resource(bar)?;
        // SAFETY: the resource belongs to the device. The bus does not move the BARs of a bound
        // device.
        Ok(unsafe { (*resource).start })
    }

    /// Returns the number of bytes, or of I/O ports, that the BAR covers. 0 if the device has no
    /// such BAR. C's `pci_resource_len`.
    ///
    /// # Context
    ///
    /// Any.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if `bar` is greater than 5.
    #[doc(alias = "pci_resource_len")]
    pub fn resource_len(&self, bar: u32) -> Result<u64> {
        let resource = self.resource(bar)?;
        // SAFETY: the resource belongs to the device. The bus does not move the BARs of a bound
        // device.
        let start = unsafe { (*resource).start };
        // SAFETY: same as for `start`.
        let end = unsafe { (*resource).end };
        // `end` is the address of the last byte, or 0 if there is no such BAR.
        Ok(if end == 0 {
            0
        } else {
            end.wrapping_sub(start).wrapping_add(1)
        })
    }

    /// Returns the flags of the BAR, such as [`IORESOURCE_MEM`](super::IORESOURCE_MEM). 0 if the
    /// device has no such BAR. The upper half of a 64-bit BAR also counts as no BAR. C's
    /// `pci_resource_flags`.
    ///
    /// # Context
    ///
    /// Any.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if `bar` is greater than 5.
    #[doc(alias = "pci_resource_flags")]
    pub fn resource_flags(&self, bar: u32) -> Result<u64> {
        let resource = self.resource(bar)?;
        // SAFETY: the resource belongs to the device. The bus does not move the BARs of a bound
        // device.
        Ok(unsafe { (*resource).flags })
    }

    /// Requests the BAR's region and maps it, until the driver is unbound. Does what C's
    /// `pcim_iomap_region` does, with `devm_ioremap_resource`, which every supported kernel has.
    ///
    /// The device answers only after it is enabled:
    /// [`pcim_enable_device`](Device::pcim_enable_device).
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`] if there is no such BAR, if it is not memory, or if it is smaller than `SIZE`;
    /// - `EBUSY` if another driver, or this one, has requested the region already;
    /// - `ENOMEM` if there is no memory.
    pub fn iomap_region<const SIZE: usize>(&self, bar: u32) -> Result<Bar<SIZE>> {
        Bar::new(self, bar)
    }

    /// Requests the BAR's I/O ports until the driver is unbound: C's `devm_request_region` with
    /// what `pci_resource_start` and `pci_resource_len` return. The region has the name of the
    /// driver.
    ///
    /// The device answers only after it is enabled:
    /// [`pcim_enable_device`](Device::pcim_enable_device).
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`] if there is no such BAR, if it is not I/O ports, or if it is smaller than
    ///   `SIZE`;
    /// - `EBUSY` if another driver, or this one, has requested the region already, or if there is
    ///   no memory: C's function does not distinguish these.
    #[doc(alias = "pci_request_region")]
    pub fn request_region<const SIZE: usize>(&self, bar: u32) -> Result<PortBar<SIZE>> {
        PortBar::new(self, bar)
    }
}

impl Device<Core> {
    /// Enables the device's BARs and wakes the device, until the driver is unbound: C's
    /// `pcim_enable_device`.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// The error of C's function.
    pub fn pcim_enable_device(&self) -> Result {
        // SAFETY: `pcim_enable_device` requires a device that is bound or being bound, so that
        // devres disables it after `remove`. It also requires that nothing else enables the device
        // meanwhile. The device is `Core`, so its lock is held.
        to_result(unsafe { sys::pcim_enable_device(self.as_raw()) })
    }
}

impl Device<Exclusive> {
    /// Allows the device to start accesses of its own (DMA, MSI): C's `pci_set_master`.
    #[doc(alias = "pci_set_master")]
    pub fn set_master(&self) {
        // SAFETY: `__pci_set_master` changes the command register and writes the bit field
        // `is_busmaster`, so it requires that nothing else writes bit fields of this
        // `struct pci_dev`. The other writers are the core, under the device's lock, and callbacks
        // that have `Exclusive`, of which only one runs at a time by the type's invariant.
        unsafe { sys::pci_set_master(self.as_raw()) };
    }

    /// Forbids the device to start accesses of its own: C's `pci_clear_master`.
    #[doc(alias = "pci_clear_master")]
    pub fn clear_master(&self) {
        // SAFETY: same preconditions as in `set_master`.
        unsafe { sys::pci_clear_master(self.as_raw()) };
    }
}

/// SR-IOV: `drivers/pci/iov.c`.
impl Device<Core> {
    /// Creates `num_vfs` virtual functions, which are devices of their own: C's `pci_enable_sriov`.
    /// They exist until [`disable_sriov`](Self::disable_sriov), or until this device goes away.
    ///
    /// [`Driver::sriov_configure`](super::Driver::sriov_configure) has an example.
    ///
    /// # Context
    ///
    /// May sleep. The virtual functions are probed before this returns.
    ///
    /// # Errors
    ///
    /// - `ENOSYS` if the device does not support SR-IOV;
    /// - `EINVAL` if it does not support so many functions, or if virtual functions are enabled
    ///   already;
    /// - `ENOMEM` if the addresses or bus numbers for them are missing;
    /// - otherwise the error of C's function.
    #[doc(alias = "pci_enable_sriov")]
    pub fn enable_sriov(&self, num_vfs: u16) -> Result {
        // SAFETY: `pci_enable_sriov` requires a physical function (it returns `-ENOSYS` for
        // others), that its driver stays bound while devices are added, and that nothing else
        // changes their number meanwhile. The device's lock is held, as `sriov_numvfs_store` holds
        // it.
        to_result(unsafe { sys::pci_enable_sriov(self.as_raw(), core::ffi::c_int::from(num_vfs)) })
    }

    /// Destroys the virtual functions, if there are any: C's `pci_disable_sriov`.
    ///
    /// # Context
    ///
    /// May sleep.
    #[doc(alias = "pci_disable_sriov")]
    pub fn disable_sriov(&self) {
        // SAFETY: same preconditions as in `enable_sriov`.
        unsafe { sys::pci_disable_sriov(self.as_raw()) };
    }
}

device::device_states! {
    [] [] as_raw: Core => Exclusive, Exclusive => Bound, Transition => Bound; Bound => Normal
}

impl<S: DeviceState> AsRef<device::Device<S>> for Device<S> {
    fn as_ref(&self) -> &device::Device<S> {
        // SAFETY: the device exists. Only the address of the field is taken.
        let device = unsafe { &raw mut (*self.as_raw()).dev };
        // SAFETY: the `struct device` of a device in state `S` is in state `S`, and lives as long.
        unsafe { device::Device::from_raw(device) }
    }
}

// SAFETY: pci_dev_get() and pci_dev_put() count references. The device is freed with the last one.
unsafe impl AlwaysRefCounted for Device<Normal> {
    fn inc_ref(&self) {
        // SAFETY: `pci_dev_get` requires a device that exists, which the type's invariant ensures.
        unsafe { sys::pci_dev_get(self.as_raw()) };
    }

    unsafe fn dec_ref(object: NonNull<Self>) {
        // SAFETY: `pci_dev_put` requires a reference that the caller owns. The caller of `dec_ref`
        // gives one up.
        unsafe { sys::pci_dev_put(object.as_ptr().cast()) };
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
