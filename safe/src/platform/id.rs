// SPDX-License-Identifier: GPL-2.0-only
//! Which devices a driver is for.
//!
//! C header: `include/linux/mod_devicetable.h`; matching is `platform_match` in
//! `drivers/base/platform.c`.

use core::ffi::{CStr, c_char};
use core::marker::PhantomData;

use linux_driver_sys as sys;

use super::Driver;
use crate::types::Invariant;

/// Which devices an entry matches: C's `struct platform_device_id`.
#[derive(Clone, Copy)]
#[doc(alias = "platform_device_id")]
pub struct DeviceId(sys::platform_device_id);

/// The entry that ends a table.
// SAFETY: `struct platform_device_id` is integers, for which zero is a value.
const ZERO: sys::platform_device_id = unsafe { core::mem::zeroed() };

impl DeviceId {
    /// Devices of this name, whatever their number. It has at most 19 bytes (`PLATFORM_NAME_SIZE`,
    /// of the kernel with the smallest one, less the NUL), which is checked at compile time for a
    /// table.
    pub const fn new(name: &CStr) -> Self {
        let bytes = name.to_bytes();
        assert!(
            !bytes.is_empty(),
            "an empty name would end the table: what comes after it would never match"
        );
        assert!(
            has_place(name),
            "the name is longer than C's `struct platform_device_id` has place for"
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

/// The devices that a driver is for, each with what the driver wants to know of it. Made by
/// [`id_table!`](crate::platform::id_table); [`NONE`](Self::NONE) is NULL.
pub struct IdTable<T: 'static> {
    /// Ended by an entry of zeroes; `driver_data` is the number of the entry in `infos`, counted
    /// from 1. Empty: no table.
    raw: &'static [sys::platform_device_id],
    infos: &'static [T],
}

impl<T> IdTable<T> {
    /// No table: the driver is for the devices of its own name.
    pub const NONE: Self = Self {
        raw: &[],
        infos: &[],
    };

    #[doc(hidden)]
    pub const fn new(raw: &'static [sys::platform_device_id], infos: &'static [T]) -> Self {
        assert!(
            !raw.is_empty() && infos.len() < raw.len(),
            "an ID table has at most one info an entry"
        );
        assert!(
            raw[raw.len() - 1].name[0] == 0,
            "an ID table ends with an entry of zeroes"
        );
        let mut i = 0;
        while i < raw.len() {
            let name = &raw[i].name;
            assert!(
                name[name.len() - 1] == 0,
                "a name in an ID table ends with a NUL"
            );
            assert!(
                i + 1 == raw.len() || name[0] != 0,
                "an entry of zeroes ends an ID table"
            );
            i += 1;
        }
        Self { raw, infos }
    }

    /// How many devices it names.
    pub const fn len(&self) -> usize {
        self.raw.len().saturating_sub(1)
    }

    /// Whether it names none.
    pub const fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    #[doc(hidden)]
    pub const fn raw(&self) -> &'static [sys::platform_device_id] {
        self.raw
    }

    /// What the driver wants to know of a device of this name: the entry that the bus finds by it.
    ///
    /// Not by `platform_device.id_entry`: a match that was made without the table
    /// (`driver_override`, ACPI) leaves there what a match before it, maybe with a driver that is
    /// gone, has written.
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

/// The entries as C has them, with the one that ends the table. `M` is `N + 1`.
#[doc(hidden)]
pub const fn raw_table<const N: usize, const M: usize>(
    ids: [DeviceId; N],
    with_infos: bool,
) -> [sys::platform_device_id; M] {
    assert!(M == N + 1);
    assert!(N > 0, "an ID table names at least one device");
    let mut raw = [ZERO; M];
    let mut i = 0;
    while i < N {
        let mut j = 0;
        while j < i {
            assert!(
                !ids[i].matches_the_same_as(&ids[j]),
                "the same ID stands in the table twice: the second one would never match"
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

/// How many entries the table has that modpost makes the module's aliases of: with a name that has
/// no place in one, the last alone.
#[doc(hidden)]
pub const fn alias_count(raw: &[sys::platform_device_id], name: &CStr) -> usize {
    if !raw.is_empty() {
        raw.len()
    } else if has_place(name) {
        2
    } else {
        1
    }
}

/// Whether a name has place in an ID.
const fn has_place(name: &CStr) -> bool {
    name.count_bytes() < 20
}

/// The alias of a driver without an ID table whose name has no place in one, as `modinfo` has it:
/// C's `MODULE_ALIAS("platform:NAME")`. Its length is [`long_alias_length`].
#[doc(hidden)]
pub const fn long_alias<const N: usize>(name: &CStr) -> [u8; N] {
    let mut alias = [0; N];
    let (tag, name) = (ALIAS_TAG.as_bytes(), name.to_bytes());
    let mut i = 0;
    // The NUL that ends it stands there already.
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

/// The length of [`long_alias`]; 0 if there is none.
#[doc(hidden)]
pub const fn long_alias_length(raw: &[sys::platform_device_id], name: &CStr) -> usize {
    if raw.is_empty() && !has_place(name) {
        ALIAS_TAG.len() + name.count_bytes() + 1
    } else {
        0
    }
}

/// The ID table of the driver `T` as an array, for the static that modpost reads and the driver
/// structure points to. Where the driver has none, its own name, by which it is matched then.
#[doc(hidden)]
#[repr(transparent)]
pub struct Table<T, const M: usize>([sys::platform_device_id; M], Invariant<T>);

impl<T: Driver, const M: usize> Table<T, M> {
    /// The driver's own table, of [`alias_count`] entries.
    #[expect(clippy::new_without_default, reason = "for a static, made by a macro")]
    pub const fn new() -> Self {
        Self(alias_table(T::ID_TABLE.raw(), T::NAME), PhantomData)
    }

    /// As C has it.
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

/// The devices that a driver is for.
///
/// Each entry is an ID and what the driver wants to know of such a device, or the ID alone where
/// that is `()`. The table is ended and checked at compile time: it is not empty, no entry would
/// end it early, none stands in it twice.
///
/// ```
/// use linux_driver::platform::{self, DeviceId};
///
/// const TABLE: platform::IdTable<u32> = platform::id_table![(DeviceId::new(c"board"), 1), (DeviceId::new(c"board-v2"), 2)];
/// const PLAIN: platform::IdTable<()> = platform::id_table![DeviceId::new(c"board")];
/// assert_eq!((TABLE.len(), PLAIN.len(), platform::IdTable::<()>::NONE.len()), (2, 1, 0));
/// ```
///
/// ```compile_fail
/// # use linux_driver::platform::{self, DeviceId};
/// const TWICE: platform::IdTable<()> = platform::id_table![DeviceId::new(c"a"), DeviceId::new(c"a")];
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __platform_id_table {
    (@raw $infos:literal $($id:expr),*) => {{
        const LENGTH: usize = <[&str]>::len(&[$($crate::__core::stringify!($id)),*]);
        const RAW: [$crate::sys::platform_device_id; LENGTH + 1] = $crate::platform::raw_table([$($id),*], $infos);
        &RAW
    }};
    ($(($id:expr, $info:expr)),+ $(,)?) => {
        $crate::platform::IdTable::new($crate::__platform_id_table!(@raw true $($id),*), &[$($info),*])
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
        // SAFETY: the entry holds a NUL.
        assert_eq!(unsafe { CStr::from_ptr(table[0].name.as_ptr()) }, c"board");
        assert_eq!((table.len(), table[1].name[0]), (2, 0));
        assert!(NONE.info(c"board").is_none());
        assert_eq!(long_alias_length(NONE.raw(), c"board"), 0);
    }

    #[test]
    fn a_name_that_no_table_has_place_for_is_an_alias_of_its_own() {
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
