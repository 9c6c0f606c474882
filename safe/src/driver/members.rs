// SPDX-License-Identifier: GPL-2.0-only
//! The members of `struct device_driver` that are a driver's to fill, whatever its bus.

use core::ffi::{CStr, c_char};
use core::marker::PhantomData;
use core::pin::Pin;

use linux_driver_sys as sys;

use crate::bus::Bus;
use crate::device::Core;
use crate::driver::{Turn, data};
use crate::macros::vtable;
use crate::pm;
use crate::types::Invariant;

/// The members of `struct device_driver` that are the same on every bus, for a driver with data
/// `T`.
///
/// A bus's trait for drivers has a constant `DRIVER` of this type, as C's `struct pci_driver` has a
/// member `driver`. What is not set is NULL or 0, as in a C static. (Name, owner, bus and module
/// name are set when the driver is registered; groups have constants of their own.)
///
/// ```
/// use linux_driver::driver::{DeviceDriver, ProbeType};
/// use linux_driver::pci;
///
/// # struct Edu;
/// const DRIVER: DeviceDriver<Edu, pci::Bus> = DeviceDriver::new().probe_type(ProbeType::PreferAsynchronous);
/// # let _ = DRIVER;
/// ```
#[doc(alias = "device_driver")]
pub struct DeviceDriver<T, B: Bus> {
    raw: sys::device_driver,
    runtime: bool,
    _of: Invariant<(T, B)>,
}

/// The longest name of a driver or a bus, without its NUL: as long as a module's can be
/// (`MODULE_NAME_LEN`, 64 less a `long`, less the NUL).
const LONGEST_NAME: usize = 55;

/// The name of a driver, as C has it. As a constant, it does not compile if it is none: it becomes
/// a folder in sysfs.
pub(crate) const fn name(name: &'static CStr) -> *const c_char {
    let bytes = name.to_bytes();
    assert!(
        !bytes.is_empty(),
        "NAME is empty: it is the name of a folder in sysfs"
    );
    assert!(
        bytes.len() <= LONGEST_NAME,
        "NAME is longer than 55 bytes: no module's name can be as long"
    );
    let mut i = 0;
    while i < bytes.len() {
        assert!(
            bytes[i] != b'/',
            "NAME has a `/` in it: it is the name of one folder in sysfs"
        );
        i += 1;
    }
    assert!(
        !(bytes[0] == b'.' && (bytes.len() == 1 || bytes.len() == 2 && bytes[1] == b'.')),
        "NAME is `.` or `..`: no folder can have that name"
    );
    name.as_ptr()
}

/// Whether the core may probe devices in parallel: `enum probe_type`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "probe_type")]
pub enum ProbeType {
    /// As the kernel was told on its command line; else one after the other.
    #[doc(alias = "PROBE_DEFAULT_STRATEGY")]
    DefaultStrategy,
    /// In parallel: for devices that are slow to probe.
    #[doc(alias = "PROBE_PREFER_ASYNCHRONOUS")]
    PreferAsynchronous,
    /// One after the other, in any case.
    #[doc(alias = "PROBE_FORCE_SYNCHRONOUS")]
    ForceSynchronous,
}

/// Callbacks of `struct device_driver` that no bus takes over.
///
/// For each that is written the core has a file in the device's folder in sysfs, `state_synced` and
/// `coredump`, which it takes away under the device's lock when the device is unbound
/// (`driver_sysfs_remove`, `device_remove` in `drivers/base/dd.c`). Whoever reads or writes the
/// file at that moment waits for the lock, and unbinding waits for them: so it is with a driver in
/// C. Where user space may do both at once, leave them out.
#[vtable]
pub trait Callbacks: Send + Sync + 'static {
    /// The bus of the driver's devices.
    type Bus: Bus;

    /// All consumers of the device are bound, or no more are expected: `device_driver.sync_state`.
    /// What a boot loader left on for them can be given up.
    ///
    /// Context: may sleep; under the device's lock.
    #[doc(alias = "device_driver.sync_state")]
    fn sync_state(dev: &<Self::Bus as Bus>::Device<Core>, this: Pin<&Self>) {
        let _ = (dev, this);
    }

    /// User space asks for the device's state (`coredump` in the device's folder in sysfs):
    /// `device_driver.coredump`.
    ///
    /// Context: may sleep; under the device's lock.
    #[doc(alias = "device_driver.coredump")]
    fn coredump(dev: &<Self::Bus as Bus>::Device<Core>, this: Pin<&Self>) {
        let _ = (dev, this);
    }
}

impl<T, B: Bus> DeviceDriver<T, B> {
    /// Nothing set.
    pub const fn new() -> Self {
        // SAFETY: `struct device_driver` is pointers and integers, for which zero is what a C
        // static starts with.
        let raw: sys::device_driver = unsafe { core::mem::zeroed() };
        Self {
            raw,
            runtime: false,
            _of: PhantomData,
        }
    }

    /// Whether devices may be probed in parallel.
    #[must_use]
    #[doc(alias = "device_driver.probe_type")]
    pub const fn probe_type(mut self, probe_type: ProbeType) -> Self {
        self.raw.probe_type = match probe_type {
            ProbeType::DefaultStrategy => sys::PROBE_DEFAULT_STRATEGY,
            ProbeType::PreferAsynchronous => sys::PROBE_PREFER_ASYNCHRONOUS,
            ProbeType::ForceSynchronous => sys::PROBE_FORCE_SYNCHRONOUS,
        };
        self
    }

    /// No `bind` and `unbind` in the driver's folder in sysfs. (The device can go all the same.)
    #[must_use]
    #[doc(alias = "device_driver.suppress_bind_attrs")]
    pub const fn suppress_bind_attrs(mut self) -> Self {
        self.raw.suppress_bind_attrs = true;
        self
    }

    /// The power management of the driver: `device_driver.pm`.
    #[must_use]
    #[doc(alias = "device_driver.pm")]
    pub const fn pm(mut self) -> Self
    where
        T: pm::Operations<Bus = B>,
    {
        self.raw.pm = pm::ops::<T>();
        self.runtime = pm::has_runtime::<T>();
        self
    }

    /// What the driver has written of [`Callbacks`].
    #[must_use]
    pub const fn callbacks(mut self) -> Self
    where
        T: Callbacks<Bus = B>,
    {
        if T::HAS_SYNC_STATE {
            self.raw.sync_state = Some(sync_state::<T>);
        }
        if T::HAS_COREDUMP {
            self.raw.coredump = Some(coredump::<T>);
        }
        self
    }

    /// Whether [`pm`](Self::pm) was called.
    #[doc(hidden)]
    pub const fn has_pm(&self) -> bool {
        !self.raw.pm.is_null()
    }

    /// Whether [`callbacks`](Self::callbacks) was called, and found one.
    #[doc(hidden)]
    pub const fn has_callbacks(&self) -> bool {
        self.raw.sync_state.is_some() || self.raw.coredump.is_some()
    }

    /// As C has it.
    pub(crate) const fn raw(&self) -> sys::device_driver {
        self.raw
    }

    /// Whether the driver takes part in runtime power management.
    pub(crate) const fn has_runtime(&self) -> bool {
        self.runtime
    }
}

/// What a driver's type implements: for the macros that make a driver of it, which ask whether the
/// driver structure has it.
#[doc(hidden)]
pub struct Written<T>(PhantomData<T>);

/// What a type has that does not have the constants of its own. Each bus adds the constant for its
/// drivers to [`Written`].
#[doc(hidden)]
pub trait NotWritten {
    const PM: bool = false;
    const CALLBACKS: bool = false;
    const ACROSS_TASKS: bool = false;
    const PCI: Called = Called::NOTHING;
    const PLATFORM: Called = Called::NOTHING;
    const BUS: Called = Called::NOTHING;
}

impl<T> NotWritten for Written<T> {}

impl<T: pm::Operations> Written<T> {
    #[doc(hidden)]
    pub const PM: bool = true;
}

impl<T: Callbacks> Written<T> {
    #[doc(hidden)]
    pub const CALLBACKS: bool = T::HAS_SYNC_STATE || T::HAS_COREDUMP;
}

impl<T: Send + Sync> Written<T> {
    #[doc(hidden)]
    pub const ACROSS_TASKS: bool = true;
}

/// What a driver structure has of what [`Written`] asks for.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Called {
    /// Whether there is such a structure.
    driver: bool,
    pm: bool,
    callbacks: bool,
}

impl Called {
    const NOTHING: Self = Self {
        driver: false,
        pm: false,
        callbacks: false,
    };

    /// What this structure has.
    pub(crate) const fn by<T, B: Bus>(members: &DeviceDriver<T, B>) -> Self {
        Self {
            driver: true,
            pm: members.has_pm(),
            callbacks: members.has_callbacks(),
        }
    }

    /// What one of these has.
    pub const fn by_any(all: [Self; 3]) -> Self {
        let [pci, platform, bus] = all;
        Self {
            driver: pci.driver || platform.driver || bus.driver,
            pm: pci.pm || platform.pm || bus.pm,
            callbacks: pci.callbacks || platform.callbacks || bus.callbacks,
        }
    }

    /// Whether the type is a driver.
    pub const fn is_driver(self) -> bool {
        self.driver
    }

    /// Does not compile where something is written that is not called.
    pub const fn has(self, pm: bool, callbacks: bool) {
        assert!(
            self.pm || !pm,
            "`pm::Operations` is implemented and would never be called: write `const DRIVER: DeviceDriver<Self, …> = DeviceDriver::new().pm();`"
        );
        assert!(
            self.callbacks || !callbacks,
            "`driver::Callbacks` is implemented and would never be called: write `const DRIVER: DeviceDriver<Self, …> = DeviceDriver::new().callbacks();`"
        );
    }
}

/// An error where a type has callbacks and its driver structure lacks them. `#[vtable]` asks for
/// each type that has no parameters, the macros that make a module of a driver for theirs.
#[doc(hidden)]
#[macro_export]
macro_rules! __nothing_forgotten {
    ($driver:ty) => {
        const _: () = {
            #[allow(unused_imports, reason = "a type may have all constants of its own")]
            use $crate::driver::NotWritten as _;
            $crate::driver::Called::by_any([
                <$crate::driver::Written<$driver>>::PCI,
                <$crate::driver::Written<$driver>>::PLATFORM,
                <$crate::driver::Written<$driver>>::BUS,
            ])
            .has(
                <$crate::driver::Written<$driver>>::PM,
                <$crate::driver::Written<$driver>>::CALLBACKS,
            );
        };
    };
}

/// An error where a driver's data has a part that is for one task only. The trait asks for `Send`
/// and `Sync` too, and rustc's error names the part.
#[doc(hidden)]
#[macro_export]
macro_rules! __data_across_tasks {
    ($driver:ty) => {
        $crate::__across_tasks! {
            $driver,
            $crate::__core::stringify!($driver),
            $crate::driver::Called::by_any([
                <$crate::driver::Written<$driver>>::PCI,
                <$crate::driver::Written<$driver>>::PLATFORM,
                <$crate::driver::Written<$driver>>::BUS,
            ])
            .is_driver()
        }
    };
}

/// An error where a type is for one task only, and is asked to be for several.
#[doc(hidden)]
#[macro_export]
macro_rules! __across_tasks {
    ($ty:ty, $name:expr, $asked:expr) => {
        const _: () = {
            #[allow(unused_imports, reason = "a type may have all constants of its own")]
            use $crate::driver::NotWritten as _;
            $crate::__core::assert!(
                !$asked || <$crate::driver::Written<$ty>>::ACROSS_TASKS,
                $crate::__core::concat!(
                    "`",
                    $name,
                    "` is used by several tasks, and a part of it is for one only (another error names it). In the place of a raw pointer, \
                     keep what owns what it points to: a `KBox`, an `Arc`, a `Bar`. In the place of a `Cell` or a `RefCell`, write a \
                     `Mutex`, a `SpinLock` or an atomic type"
                )
            );
        };
    };
}

impl<T, B: Bus> Default for DeviceDriver<T, B> {
    fn default() -> Self {
        Self::new()
    }
}

/// Called by `dev_sync_state` with the device's lock held.
unsafe extern "C" fn sync_state<T: Callbacks>(dev: *mut sys::device) {
    // SAFETY: `dev_sync_state` holds the device's lock around the callback.
    let _turn = unsafe { Turn::under_lock(dev) };
    // SAFETY: the core takes the callback from the driver that is bound to the device, under the
    // device's lock: the data is `T`'s.
    if let Some(this) = unsafe { data::<T>(dev) } {
        // SAFETY: the device is one of the driver's bus, and bound, under its lock, with the turn.
        T::sync_state(unsafe { T::Bus::from_raw::<Core>(dev) }, this);
    }
}

/// Called by `coredump_store` with the device's lock held.
unsafe extern "C" fn coredump<T: Callbacks>(dev: *mut sys::device) {
    // SAFETY: `coredump_store` holds the device's lock around the callback.
    let _turn = unsafe { Turn::under_lock(dev) };
    // SAFETY: the core takes the callback from the driver that is bound to the device, under the
    // device's lock: the data is `T`'s.
    if let Some(this) = unsafe { data::<T>(dev) } {
        // SAFETY: the device is one of the driver's bus, and bound, under its lock, with the turn.
        T::coredump(unsafe { T::Bus::from_raw::<Core>(dev) }, this);
    }
}
