// SPDX-License-Identifier: GPL-2.0-only
//! The devices that a driver supports.
//!
//! C header: `include/linux/mod_devicetable.h`. `pci_match_device` in `drivers/pci/pci-driver.c`
//! does the matching.

use core::marker::PhantomData;

use linux_driver_sys as sys;

use super::Driver;
use crate::types::Invariant;

/// An entry of an ID table, which matches one or more devices: C's `struct pci_device_id`.
#[derive(Clone, Copy)]
#[doc(alias = "pci_device_id")]
pub struct DeviceId(sys::pci_device_id);

impl DeviceId {
    /// Matches any value: `PCI_ANY_ID`.
    pub const ANY: u32 = sys::PCI_ANY_ID as u32;

    /// Matches a device of a vendor, with any subsystem: C's `PCI_DEVICE`.
    pub const fn new(vendor: u16, device: u16) -> Self {
        Self(sys::pci_device_id {
            vendor: vendor as u32,
            device: device as u32,
            subvendor: Self::ANY,
            subdevice: Self::ANY,
            ..ZERO
        })
    }

    /// Matches a device of a vendor with a given subsystem: C's `PCI_DEVICE_SUB`.
    pub const fn with_subsystem(vendor: u16, device: u16, subvendor: u16, subdevice: u16) -> Self {
        Self(sys::pci_device_id {
            subvendor: subvendor as u32,
            subdevice: subdevice as u32,
            ..Self::new(vendor, device).0
        })
    }

    /// Matches every device whose class equals `class` in the bits of `mask`: C's
    /// `PCI_DEVICE_CLASS`. A class has 24 bits: base class, subclass, programming interface.
    pub const fn with_class(class: u32, mask: u32) -> Self {
        Self(sys::pci_device_id {
            vendor: Self::ANY,
            device: Self::ANY,
            subvendor: Self::ANY,
            subdevice: Self::ANY,
            class,
            class_mask: mask,
            ..ZERO
        })
    }

    const fn matches_the_same_as(&self, other: &Self) -> bool {
        let (a, b) = (&self.0, &other.0);
        a.vendor == b.vendor
            && a.device == b.device
            && a.subvendor == b.subvendor
            && a.subdevice == b.subdevice
            && a.class == b.class
            && a.class_mask == b.class_mask
    }
}

/// The entry that ends a table.
// SAFETY: `struct pci_device_id` consists of integers, for which zero is a valid value.
const ZERO: sys::pci_device_id = unsafe { core::mem::zeroed() };

/// The devices that a driver supports, each with the driver's own information about it. Made by
/// [`id_table!`](crate::pci::id_table).
pub struct IdTable<T: 'static> {
    /// The entries, ended by one of zeroes. `driver_data` is the number of the entry in `infos`,
    /// counted from 1.
    raw: &'static [sys::pci_device_id],
    infos: &'static [T],
}

impl<T> IdTable<T> {
    #[doc(hidden)]
    pub const fn new(raw: &'static [sys::pci_device_id], infos: &'static [T]) -> Self {
        assert!(
            !raw.is_empty() && infos.len() < raw.len(),
            "an ID table must not have more infos than entries"
        );
        let end = &raw[raw.len() - 1];
        assert!(
            end.vendor == 0 && end.subvendor == 0 && end.class_mask == 0,
            "an ID table must end with an entry of zeroes"
        );
        Self { raw, infos }
    }

    /// Returns the number of entries.
    pub const fn len(&self) -> usize {
        self.raw.len() - 1
    }

    /// Returns true if there are no entries.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[doc(hidden)]
    pub const fn raw(&self) -> &'static [sys::pci_device_id] {
        self.raw
    }

    /// Returns the driver's information for the entry with this `driver_data`.
    ///
    /// Returns `None` for 0, which is not the number of an entry. It is 0 if the bus made the match
    /// without the table (`driver_override`), or if the ID was added at run time.
    pub(super) fn info(&self, driver_data: sys::kernel_ulong_t) -> Option<&'static T> {
        let number = usize::try_from(driver_data).ok()?;
        self.infos.get(number.checked_sub(1)?)
    }
}

/// Returns the entries as C has them, with the one that ends the table. `M` must be `N + 1`.
#[doc(hidden)]
pub const fn raw_table<const N: usize, const M: usize>(
    ids: [DeviceId; N],
    with_infos: bool,
) -> [sys::pci_device_id; M] {
    assert!(M == N + 1);
    assert!(N > 0, "an ID table must name at least one device");
    let mut raw = [ZERO; M];
    let mut i = 0;
    while i < N {
        let id = &ids[i];
        // pci_match_id() would stop at such an entry.
        assert!(
            id.0.vendor != 0 || id.0.subvendor != 0 || id.0.class_mask != 0,
            "an ID of zeroes would end the table: later entries would never match"
        );
        let mut j = 0;
        while j < i {
            assert!(
                !id.matches_the_same_as(&ids[j]),
                "the same ID is in the table twice: the second one would never match"
            );
            j += 1;
        }
        raw[i] = id.0;
        if with_infos {
            raw[i].driver_data = i as sys::kernel_ulong_t + 1;
        }
        i += 1;
    }
    raw
}

/// The ID table of the driver `T` as an array. modpost reads the static that contains it, and the
/// driver structure points to it.
#[doc(hidden)]
#[repr(transparent)]
pub struct Table<T, const M: usize>([sys::pci_device_id; M], Invariant<T>);

impl<T: Driver, const M: usize> Table<T, M> {
    /// Returns the table of the driver. `M` counts the entry that ends the table.
    #[expect(clippy::new_without_default, reason = "for a static, made by a macro")]
    pub const fn new() -> Self {
        let raw = T::ID_TABLE.raw();
        assert!(raw.len() == M);
        let mut array = [ZERO; M];
        let mut i = 0;
        while i < M {
            array[i] = raw[i];
            i += 1;
        }
        Self(array, PhantomData)
    }

    /// Returns the table as C has it.
    pub(super) const fn as_ptr(&'static self) -> *const sys::pci_device_id {
        self.0.as_ptr()
    }
}

/// Makes an ID table: the devices that a driver supports.
///
/// Each entry is an ID with the driver's own information about such a device, or only an ID where
/// that information is `()`. The table is completed and checked at compile time: it must not be
/// empty, no entry may end it early, and no entry may be in it twice.
///
/// An ID that user space adds at run time (`new_id` in sysfs) has no entry of its own. The kernel
/// accepts it only with the `driver_data` of an entry in the table. These are counted from 1.
/// Without information, `driver_data` is 0 for every entry, which is also the default of `new_id`.
///
/// # Examples
///
/// ```
/// use linux_driver::pci::{self, DeviceId};
///
/// enum Variant { Old, New }
///
/// const TABLE: pci::IdTable<Variant> = pci::id_table![
///     (DeviceId::new(0x1234, 0x11e8), Variant::New),
///     (DeviceId::with_subsystem(0x1234, 0x0001, 0x1af4, 0x1100), Variant::Old),
/// ];
/// const PLAIN: pci::IdTable<()> = pci::id_table![DeviceId::with_class(0x00ff00, 0xffffff)];
/// assert_eq!((TABLE.len(), PLAIN.len()), (2, 1));
/// ```
///
/// ```compile_fail
/// # use linux_driver::pci::{self, DeviceId};
/// const TWICE: pci::IdTable<()> = pci::id_table![DeviceId::new(1, 2), DeviceId::new(1, 2)];
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __pci_id_table {
    (@raw $infos:literal $($id:expr),*) => {{
        const LENGTH: usize = <[&str]>::len(&[$($crate::__core::stringify!($id)),*]);
        const RAW: [$crate::sys::pci_device_id; LENGTH + 1] =
            $crate::pci::raw_table([$($id),*], $infos);
        &RAW
    }};
    ($(($id:expr, $info:expr)),+ $(,)?) => {
        $crate::pci::IdTable::new($crate::__pci_id_table!(@raw true $($id),*), &[$($info),*])
    };
    ($($id:expr),* $(,)?) => {
        $crate::pci::IdTable::new($crate::__pci_id_table!(@raw false $($id),*), &[])
    };
}
