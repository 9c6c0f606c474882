// SPDX-License-Identifier: GPL-2.0-only
//! The devices that a driver supports.
//!
//! C header: `include/linux/mod_devicetable.h`. `platform_match` in `drivers/base/platform.c` does
//! the matching.

use core::ffi::{CStr, c_char};
use core::marker::PhantomData;

use linux_driver_sys as sys;

use super::Driver;
use crate::types::Invariant;

/// An entry of an ID table, which matches the devices of one name: C's `struct platform_device_id`.
#[derive(Clone, Copy)]
#[doc(alias = "platform_device_id")]
pub struct DeviceId(sys::platform_device_id);

/// The entry that ends a table.
// SAFETY: `struct platform_device_id` consists of integers, for which zero is a valid value.
const ZERO: sys::platform_device_id = unsafe { core::mem::zeroed() };

impl DeviceId {
    /// Matches devices of this name, with any number.
    ///
    /// The name has at most 19 bytes: the smallest `PLATFORM_NAME_SIZE` of the supported kernels,
    /// less the NUL. In a table this is checked at compile time.
    ///
    /// # Panics
    ///
    /// If the name is empty or too long.
    pub const fn new(name: &CStr) -> Self {
        let bytes = name.to_bytes();
        assert!(
            !bytes.is_empty(),
            "an empty name would end the table: later entries would never match"
        );
        assert!(
            fits(name),
            "the name is longer than C's `struct platform_device_id` can hold"
        );
        let mut id = ZERO;
        let mut i = 0;
        while i < bytes.len() {
            id.name[i] = bytes[i] as c_char;
            i += 1;
        }
        Self(id)
    }

    const fn matches_the_same_as(&self, other: &Self) -> bool {
        let mut i = 0;
        while i < self.0.name.len() {
            if self.0.name[i] != other.0.name[i] {
                return false;
            }
            i += 1;
        }
        true
    }
}

/// The devices that a driver supports, each with the driver's own information about it. Made by
/// [`id_table!`](crate::platform::id_table). [`NONE`](Self::NONE) is NULL.
pub struct IdTable<T: 'static> {
    /// The entries, ended by one of zeroes. `driver_data` is the number of the entry in `infos`,
    /// counted from 1. Empty if there is no table.
    raw: &'static [sys::platform_device_id],
    infos: &'static [T],
}

impl<T> IdTable<T> {
    /// No table: the driver matches the devices that have its own name.
    pub const NONE: Self = Self {
        raw: &[],
        infos: &[],
    };

    #[doc(hidden)]
    pub const fn new(raw: &'static [sys::platform_device_id], infos: &'static [T]) -> Self {
        assert!(
            !raw.is_empty() && infos.len() < raw.len(),
            "an ID table must not have more infos than entries"
        );
        assert!(
            raw[raw.len() - 1].name[0] == 0,
            "an ID table must end with an entry of zeroes"
        );
        let mut i = 0;
        while i < raw.len() {
            let name = &raw[i].name;
            assert!(
                name[name.len() - 1] == 0,
                "a name in an ID table must end with a NUL"
            );
            assert!(
                i + 1 == raw.len() || name[0] != 0,
                "an entry of zeroes would end the ID table"
            );
            i += 1;
        }
        Self { raw, infos }
    }

    /// Returns the number of entries.
    pub const fn len(&self) -> usize {
        self.raw.len().saturating_sub(1)
    }

    /// Returns true if there are no entries.
    pub const fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    #[doc(hidden)]
    pub const fn raw(&self) -> &'static [sys::platform_device_id] {
        self.raw
    }

    /// Returns the driver's information for a device of this name, from the entry by which the bus
    /// finds the driver.
    ///
    /// `platform_device.id_entry` cannot be used. A match that is made without the table
    /// (`driver_override`, ACPI) does not write it. Then it still points into the table of an
    /// earlier driver, which may be unloaded.
    pub(super) fn info(&self, name: &CStr) -> Option<&'static T> {
        let name = name.to_bytes_with_nul();
        let entry = self.raw.iter().find(|entry| {
            let bytes = entry.name.iter().map(|byte| *byte as u8);
            entry.name[0] != 0
                && name.len() <= entry.name.len()
                && bytes.zip(name).all(|(a, b)| a == *b)
        })?;
        let number = usize::try_from(entry.driver_data).ok()?;
        self.infos.get(number.checked_sub(1)?)
    }
}

/// Returns the entries as C has them, with the one that ends the table. `M` must be `N + 1`.
#[doc(hidden)]
pub const fn raw_table<const N: usize, const M: usize>(
    ids: [DeviceId; N],
    with_infos: bool,
) -> [sys::platform_device_id; M] {
    assert!(M == N + 1);
    assert!(N > 0, "an ID table must name at least one device");
    let mut raw = [ZERO; M];
    let mut i = 0;
    while i < N {
        let mut j = 0;
        while j < i {
            assert!(
                !ids[i].matches_the_same_as(&ids[j]),
                "the same ID is in the table twice: the second one would never match"
            );
            j += 1;
        }
        raw[i] = ids[i].0;
        if with_infos {
            raw[i].driver_data = i as sys::kernel_ulong_t + 1;
        }
        i += 1;
    }
    raw
}

/// Returns the number of entries in the table from which modpost makes the module's aliases. If the
/// name does not fit into an entry, the table has only the entry that ends it.
#[doc(hidden)]
pub const fn alias_count(raw: &[sys::platform_device_id], name: &CStr) -> usize {
    if !raw.is_empty() {
        raw.len()
    } else if fits(name) {
        2
    } else {
        1
    }
}

/// Returns true if a name fits into an entry.
const fn fits(name: &CStr) -> bool {
    name.count_bytes() < 20
}

/// Returns the alias of a driver without an ID table whose name does not fit into an entry, as
/// `modinfo` has it: C's `MODULE_ALIAS("platform:NAME")`. `N` must be [`long_alias_length`].
#[doc(hidden)]
pub const fn long_alias<const N: usize>(name: &CStr) -> [u8; N] {
    let mut alias = [0; N];
    let (tag, name) = (ALIAS_TAG.as_bytes(), name.to_bytes());
    let mut i = 0;
    // The NUL at the end is there already.
    while i + 1 < N {
        alias[i] = if i < tag.len() {
            tag[i]
        } else {
            name[i - tag.len()]
        };
        i += 1;
    }
    alias
}

const ALIAS_TAG: &str = "alias=platform:";

/// Returns the length of [`long_alias`], or 0 if there is none.
#[doc(hidden)]
pub const fn long_alias_length(raw: &[sys::platform_device_id], name: &CStr) -> usize {
    if raw.is_empty() && !fits(name) {
        ALIAS_TAG.len() + name.count_bytes() + 1
    } else {
        0
    }
}

/// The ID table of the driver `T` as an array. modpost reads the static that contains it, and the
/// driver structure points to it. If the driver has no table, this contains its own name, by which
/// it is matched then.
#[doc(hidden)]
#[repr(transparent)]
pub struct Table<T, const M: usize>([sys::platform_device_id; M], Invariant<T>);

impl<T: Driver, const M: usize> Table<T, M> {
    /// Returns the table of the driver, with [`alias_count`] entries.
    #[expect(clippy::new_without_default, reason = "for a static, made by a macro")]
    pub const fn new() -> Self {
        Self(alias_table(T::ID_TABLE.raw(), T::NAME), PhantomData)
    }

    /// Returns the table as C has it.
    pub(super) const fn as_ptr(&'static self) -> *const sys::platform_device_id {
        self.0.as_ptr()
    }
}

const fn alias_table<const M: usize>(
    raw: &'static [sys::platform_device_id],
    name: &CStr,
) -> [sys::platform_device_id; M] {
    let mut array = [ZERO; M];
    if raw.is_empty() {
        assert!(M == alias_count(raw, name));
        if M == 2 {
            array[0] = DeviceId::new(name).0;
        }
        return array;
    }
    assert!(raw.len() == M);
    let mut i = 0;
    while i < M {
        array[i] = raw[i];
        i += 1;
    }
    array
}

/// Makes an ID table: the devices that a driver supports.
///
/// Each entry is an ID with the driver's own information about such a device, or only an ID where
/// that information is `()`. The table is completed and checked at compile time: it must not be
/// empty, no entry may end it early, and no entry may be in it twice.
///
/// # Examples
///
/// ```
/// use linux_driver::platform::{self, DeviceId};
///
/// const TABLE: platform::IdTable<u32> =
///     platform::id_table![(DeviceId::new(c"board"), 1), (DeviceId::new(c"board-v2"), 2)];
/// const PLAIN: platform::IdTable<()> = platform::id_table![DeviceId::new(c"board")];
/// assert_eq!((TABLE.len(), PLAIN.len(), platform::IdTable::<()>::NONE.len()), (2, 1, 0));
/// ```
///
/// ```compile_fail
/// # use linux_driver::platform::{self, DeviceId};
/// const TWICE: platform::IdTable<()> =
///     platform::id_table![DeviceId::new(c"a"), DeviceId::new(c"a")];
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __platform_id_table {
    (@raw $infos:literal $($id:expr),*) => {{
        const LENGTH: usize = <[&str]>::len(&[$($crate::__core::stringify!($id)),*]);
        const RAW: [$crate::sys::platform_device_id; LENGTH + 1] =
            $crate::platform::raw_table([$($id),*], $infos);
        &RAW
    }};
    ($(($id:expr, $info:expr)),+ $(,)?) => {
        $crate::platform::IdTable::new(
            $crate::__platform_id_table!(@raw true $($id),*),
            &[$($info),*],
        )
    };
    ($($id:expr),* $(,)?) => {
        $crate::platform::IdTable::new($crate::__platform_id_table!(@raw false $($id),*), &[])
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: IdTable<u32> = crate::platform::id_table![
        (DeviceId::new(c"one"), 1),
        (DeviceId::new(c"nineteen-bytes-long"), 2)
    ];

    #[test]
    fn an_entry_is_found_by_the_whole_name() {
        assert_eq!(TABLE.info(c"one"), Some(&1));
        assert_eq!(TABLE.info(c"nineteen-bytes-long"), Some(&2));
        for name in [
            c"",
            c"on",
            c"ones",
            c"nineteen-bytes-long-and-more",
            c"nineteen-bytes-lon",
        ] {
            assert_eq!(TABLE.info(name), None, "{name:?}");
        }
    }

    #[test]
    fn without_a_table_the_alias_is_the_drivers_name() {
        const NONE: IdTable<()> = IdTable::NONE;
        let table: [sys::platform_device_id; alias_count(NONE.raw(), c"board")] =
            alias_table(NONE.raw(), c"board");
        // SAFETY: the name of the entry ends with a NUL.
        assert_eq!(unsafe { CStr::from_ptr(table[0].name.as_ptr()) }, c"board");
        assert_eq!((table.len(), table[1].name[0]), (2, 0));
        assert!(NONE.info(c"board").is_none());
        assert_eq!(long_alias_length(NONE.raw(), c"board"), 0);
    }

    #[test]
    fn a_name_too_long_for_a_table_becomes_an_alias() {
        const NAME: &CStr = c"twenty-bytes-of-name";
        const LENGTH: usize = long_alias_length(&[], NAME);
        let table: [sys::platform_device_id; alias_count(&[], NAME)] = alias_table(&[], NAME);
        assert_eq!((table.len(), table[0].name[0]), (1, 0));
        assert_eq!(
            &long_alias::<LENGTH>(NAME),
            b"alias=platform:twenty-bytes-of-name\0"
        );
        assert_eq!(long_alias_length(TABLE.raw(), NAME), 0);
    }
}
