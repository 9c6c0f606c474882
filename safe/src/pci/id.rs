// SPDX-License-Identifier: GPL-2.0-only
//! Which devices a driver is for.
//!
//! C header: `include/linux/mod_devicetable.h`; matching is `pci_match_device` in
//! `drivers/pci/pci-driver.c`.

use core::marker::PhantomData;

use linux_driver_sys as sys;

use super::Driver;
use crate::types::Invariant;

/// Which devices an entry matches: C's `struct pci_device_id`.
#[derive(Clone, Copy)]
#[doc(alias = "pci_device_id")]
pub struct DeviceId(sys::pci_device_id);

impl DeviceId {
    /// Any value matches: `PCI_ANY_ID`.
    pub const ANY: u32 = sys::PCI_ANY_ID as u32;

    /// A vendor's device, whatever its subsystem: C's `PCI_DEVICE`.
    pub const fn new(vendor: u16, device: u16) -> Self {
        Self(sys::pci_device_id {
            vendor: vendor as u32,
            device: device as u32,
            subvendor: Self::ANY,
            subdevice: Self::ANY,
            ..ZERO
        })
    }

    /// A vendor's device on a given subsystem: C's `PCI_DEVICE_SUB`.
    pub const fn with_subsystem(vendor: u16, device: u16, subvendor: u16, subdevice: u16) -> Self {
        Self(sys::pci_device_id {
            subvendor: subvendor as u32,
            subdevice: subdevice as u32,
            ..Self::new(vendor, device).0
        })
    }

    /// Every device of a class, in the bits of `mask`: C's `PCI_DEVICE_CLASS`. The class is 24
    /// bits: base class, subclass, programming interface.
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
// SAFETY: `struct pci_device_id` is integers, for which zero is a value.
const ZERO: sys::pci_device_id = unsafe { core::mem::zeroed() };

/// The devices that a driver is for, each with what the driver wants to know of it. Made by
/// [`id_table!`](crate::pci::id_table).
pub struct IdTable<T: 'static> {
    /// Ended by an entry of zeroes; `driver_data` is the number of the entry in `infos`, counted
    /// from 1.
    raw: &'static [sys::pci_device_id],
    infos: &'static [T],
}

impl<T> IdTable<T> {
    #[doc(hidden)]
    pub const fn new(raw: &'static [sys::pci_device_id], infos: &'static [T]) -> Self {
        assert!(
            !raw.is_empty() && infos.len() < raw.len(),
            "an ID table has at most one info an entry"
        );
        let end = &raw[raw.len() - 1];
        assert!(
            end.vendor == 0 && end.subvendor == 0 && end.class_mask == 0,
            "an ID table ends with an entry of zeroes"
        );
        Self { raw, infos }
    }

    /// How many devices it names.
    pub const fn len(&self) -> usize {
        self.raw.len() - 1
    }

    /// Whether it names none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[doc(hidden)]
    pub const fn raw(&self) -> &'static [sys::pci_device_id] {
        self.raw
    }

    /// What the driver wants to know of a device that was matched with this `driver_data`.
    ///
    /// 0 is no entry: the bus made the match without the table (`driver_override`), or the ID was
    /// added at run time.
    pub(super) fn info(&self, driver_data: sys::kernel_ulong_t) -> Option<&'static T> {
        let number = usize::try_from(driver_data).ok()?;
        self.infos.get(number.checked_sub(1)?)
    }
}

/// The entries as C has them, with the one that ends the table. `M` is `N + 1`.
#[doc(hidden)]
pub const fn raw_table<const N: usize, const M: usize>(
    ids: [DeviceId; N],
    with_infos: bool,
) -> [sys::pci_device_id; M] {
    assert!(M == N + 1);
    assert!(N > 0, "an ID table names at least one device");
    let mut raw = [ZERO; M];
    let mut i = 0;
    while i < N {
        let id = &ids[i];
        // pci_match_id() takes such an entry for the end.
        assert!(
            id.0.vendor != 0 || id.0.subvendor != 0 || id.0.class_mask != 0,
            "an ID of zeroes would end the table: what comes after it would never match"
        );
        let mut j = 0;
        while j < i {
            assert!(
                !id.matches_the_same_as(&ids[j]),
                "the same ID stands in the table twice: the second one would never match"
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

/// The ID table of the driver `T` as an array, for the static that modpost reads and the driver
/// structure points to.
#[doc(hidden)]
#[repr(transparent)]
pub struct Table<T, const M: usize>([sys::pci_device_id; M], Invariant<T>);

impl<T: Driver, const M: usize> Table<T, M> {
    /// The driver's own table, of `M` entries with the last one.
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

    /// As C has it.
    pub(super) const fn as_ptr(&'static self) -> *const sys::pci_device_id {
        self.0.as_ptr()
    }
}

/// The devices that a driver is for.
///
/// Each entry is an ID and what the driver wants to know of such a device, or the ID alone where
/// that is `()`. The table is ended and checked at compile time: it is not empty, no entry would
/// end it early, none stands in it twice.
///
/// An ID that is added at run time (`new_id` in sysfs) has no entry of its own: the kernel takes it
/// only with the `driver_data` of one that stands in the table, which are counted from 1; without
/// infos it is 0 for all, the default.
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
        const RAW: [$crate::sys::pci_device_id; LENGTH + 1] = $crate::pci::raw_table([$($id),*], $infos);
        &RAW
    }};
    ($(($id:expr, $info:expr)),+ $(,)?) => {
        $crate::pci::IdTable::new($crate::__pci_id_table!(@raw true $($id),*), &[$($info),*])
    };
    ($($id:expr),* $(,)?) => {
        $crate::pci::IdTable::new($crate::__pci_id_table!(@raw false $($id),*), &[])
    };
}
