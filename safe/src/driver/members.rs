// SPDX-License-Identifier: GPL-2.0-only
//! The members of `struct device_driver` that a driver fills in, on any bus.

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
/// member `driver`. Members that are not set are NULL or 0, as in a C static. The registration sets
/// the name, the owner, the bus and the module name. Attribute groups have constants of their own.
///
/// # Examples
///
/// ```
/// use linux_driver::driver::{DeviceDriver, ProbeType};
/// use linux_driver::pci;
///
/// # struct Edu;
/// const DRIVER: DeviceDriver<Edu, pci::Bus> =
///     DeviceDriver::new().probe_type(ProbeType::PreferAsynchronous);
/// # let _ = DRIVER;
/// ```
#[doc(alias = "device_driver")]
pub struct DeviceDriver<T, B: Bus> {
    raw: sys::device_driver,
    runtime: bool,
    _of: Invariant<(T, B)>,
}

/// The maximum length of a driver's or a bus's name, without the NUL. It is the maximum length of a
/// module's name: `MODULE_NAME_LEN`, which is 64 minus the size of a `long`, minus the NUL.
const LONGEST_NAME: usize = 55;

/// Returns a driver's name as a C string. The name becomes a directory in sysfs. In a constant, a
/// name that cannot be a directory's name is a compile error.
pub(crate) const fn name(name: &'static CStr) -> *const c_char {
    let bytes = name.to_bytes();
    assert!(
        !bytes.is_empty(),
        "NAME is empty: it is the name of a directory in sysfs"
    );
    assert!(
        bytes.len() <= LONGEST_NAME,
        "NAME is longer than 55 bytes: no module's name can be as long"
    );
    let mut i = 0;
    while i < bytes.len() {
        assert!(
            bytes[i] != b'/',
            "NAME contains a `/`: it is the name of one directory in sysfs"
        );
        i += 1;
    }
    assert!(
        !(bytes[0] == b'.' && (bytes.len() == 1 || bytes.len() == 2 && bytes[1] == b'.')),
        "NAME is `.` or `..`: no directory can have that name"
    );
    name.as_ptr()
}

/// The way in which the core probes devices, in parallel or not: `enum probe_type`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "probe_type")]
pub enum ProbeType {
    /// As the kernel's command line says; by default one device after the other.
    #[doc(alias = "PROBE_DEFAULT_STRATEGY")]
    DefaultStrategy,
    /// In parallel. For devices that are slow to probe.
    #[doc(alias = "PROBE_PREFER_ASYNCHRONOUS")]
    PreferAsynchronous,
    /// One device after the other, in any case.
    #[doc(alias = "PROBE_FORCE_SYNCHRONOUS")]
    ForceSynchronous,
}

/// Callbacks of `struct device_driver` that no bus replaces with its own.
///
/// For each callback that the driver implements, the core creates a file in the device's sysfs
/// directory: `state_synced` or `coredump`. It removes the file under the device's lock when the
/// device is unbound (`driver_sysfs_remove`, `device_remove` in `drivers/base/dd.c`).
///
/// A process that reads or writes the file at that moment waits for the lock, and unbinding waits
/// for that process: a deadlock, which a driver in C has too. Do not implement these callbacks if
/// user space may do both at once.
#[vtable]
pub trait Callbacks: Send + Sync + 'static {
    /// The bus of the driver's devices.
    type Bus: Bus;

    /// Called when all consumers of the device are bound, or no more are expected. The driver can
    /// then release what a boot loader left switched on for them.
    ///
    /// # Context
    ///
    /// May sleep. The device's lock is held.
    ///
    /// C: `device_driver.sync_state`.
    /// Context: may sleep; under the device's lock.
    #[doc(alias = "device_driver.sync_state")]
    fn sync_state(dev: &<Self::Bus as Bus>::Device<Core>, this: Pin<&Self>) {
        let _ = (dev, this);
    }

    /// Called when user space asks for a dump of the device's state: it writes to the file
    /// `coredump` in the device's sysfs directory.
    ///
    /// # Context
    ///
    /// May sleep. The device's lock is held.
    ///
    /// C: `device_driver.coredump`.
    #[doc(alias = "device_driver.coredump")]
    fn coredump(dev: &<Self::Bus as Bus>::Device<Core>, this: Pin<&Self>) {
        let _ = (dev, this);
    }
}

impl<T, B: Bus> DeviceDriver<T, B> {
    /// Returns members of which none is set.
    pub const fn new() -> Self {
        // SAFETY: all members of `struct device_driver` are pointers and integers, for which zero
        // is a valid value: C zeroes the members that a static's initialiser leaves out.
        let raw: sys::device_driver = unsafe { core::mem::zeroed() };
        Self {
            raw,
            runtime: false,
            _of: PhantomData,
        }
    }

    /// Sets whether devices may be probed in parallel.
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

    /// Leaves the files `bind` and `unbind` out of the driver's sysfs directory. The device can
    /// still be unbound in other ways, for example when it is removed.
    #[must_use]
    #[doc(alias = "device_driver.suppress_bind_attrs")]
    pub const fn suppress_bind_attrs(mut self) -> Self {
        self.raw.suppress_bind_attrs = true;
        self
    }

    /// Adds the power management callbacks of the driver: `device_driver.pm`.
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

    /// Adds the callbacks of [`Callbacks`] that the driver implements.
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

    /// Returns whether [`pm`](Self::pm) was called.
    #[doc(hidden)]
    pub const fn has_pm(&self) -> bool {
        !self.raw.pm.is_null()
    }

    /// Returns whether [`callbacks`](Self::callbacks) was called and the driver implements at least
    /// one of them.
    #[doc(hidden)]
    pub const fn has_callbacks(&self) -> bool {
        self.raw.sync_state.is_some() || self.raw.coredump.is_some()
    }

    /// Returns the members as a C structure.
    pub(crate) const fn raw(&self) -> sys::device_driver {
        self.raw
    }

    /// Returns whether the driver has callbacks of runtime power management.
    pub(crate) const fn has_runtime(&self) -> bool {
        self.runtime
    }
}

/// The traits that a driver's type implements. The macros that make a driver of the type compare
/// this with the driver structure ([`Called`]).
#[doc(hidden)]
pub struct Written<T>(PhantomData<T>);

/// The constants of [`Written`] for a type without constants of its own. Each bus adds a constant
/// for its drivers to [`Written`].
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

/// The parts of [`Written`] that a driver structure refers to.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Called {
    /// True if the type has a driver structure.
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

    /// Returns what this driver structure refers to.
    pub(crate) const fn by<T, B: Bus>(members: &DeviceDriver<T, B>) -> Self {
        Self {
            driver: true,
            pm: members.has_pm(),
            callbacks: members.has_callbacks(),
        }
    }

    /// Returns what any of these driver structures refers to.
    pub const fn by_any(all: [Self; 3]) -> Self {
        let [pci, platform, bus] = all;
        Self {
            driver: pci.driver || platform.driver || bus.driver,
            pm: pci.pm || platform.pm || bus.pm,
            callbacks: pci.callbacks || platform.callbacks || bus.callbacks,
        }
    }

    /// Returns whether the type is a driver.
    pub const fn is_driver(self) -> bool {
        self.driver
    }

    /// Checks that a driver structure refers to every trait that its driver implements.
    ///
    /// # Panics
    ///
    /// If the driver implements a trait that its structure does not refer to. In a constant this is
    /// a compile error.
    pub const fn has(self, pm: bool, callbacks: bool) {
        assert!(
            self.pm || !pm,
            "`pm::Operations` is implemented but would never be called: \
             write `const DRIVER: DeviceDriver<Self, …> = DeviceDriver::new().pm();`"
        );
        assert!(
            self.callbacks || !callbacks,
            "`driver::Callbacks` is implemented but would never be called: \
             write `const DRIVER: DeviceDriver<Self, …> = DeviceDriver::new().callbacks();`"
        );
    }
}

/// Fails to compile if a driver implements callbacks that its driver structure does not refer to.
/// `#[vtable]` uses it for each type without parameters; the macros that make a module of a driver
/// use it for theirs.
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

/// Fails to compile if a driver's data has a field that only one task may use. The driver's trait
/// requires `Send` and `Sync` as well, and rustc's own error names the field.
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

/// Fails to compile if several tasks use a type that only one task may use.
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
                    "` is used by several tasks, but a field of it is for one task only \
                     (another error names the field). Instead of a raw pointer, store what \
                     owns the memory: a `KBox`, an `Arc`, a `Bar`. Instead of a `Cell` or a \
                     `RefCell`, use a `Mutex`, a `SpinLock` or an atomic type"
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

/// The `sync_state` of `struct device_driver`. `dev_sync_state` calls it with the device's lock
/// held.
unsafe extern "C" fn sync_state<T: Callbacks>(dev: *mut sys::device) {
    // SAFETY: `under_lock` requires the device's lock: `dev_sync_state` holds it around the
    // callback.
    let _turn = unsafe { Turn::under_lock(dev) };
    // SAFETY: `data` requires a device that stays bound to the driver whose data is `T`. The core
    // calls the callback of the driver that is bound to the device, and holds the device's lock.
    if let Some(this) = unsafe { data::<T>(dev) } {
        // SAFETY: `from_raw` requires a device of the driver's bus that is bound, its lock, and the
        // turn. The driver is bound to devices of its bus only; lock and turn are taken above.
        T::sync_state(unsafe { T::Bus::from_raw::<Core>(dev) }, this);
    }
}

/// The `coredump` of `struct device_driver`. `coredump_store` calls it with the device's lock held.
unsafe extern "C" fn coredump<T: Callbacks>(dev: *mut sys::device) {
    // SAFETY: `under_lock` requires the device's lock: `coredump_store` holds it around the
    // callback.
    let _turn = unsafe { Turn::under_lock(dev) };
    // SAFETY: `data` requires a device that stays bound to the driver whose data is `T`. The core
    // calls the callback of the driver that is bound to the device, and holds the device's lock.
    if let Some(this) = unsafe { data::<T>(dev) } {
        // SAFETY: `from_raw` requires a device of the driver's bus that is bound, its lock, and the
        // turn. The driver is bound to devices of its bus only; lock and turn are taken above.
        T::coredump(unsafe { T::Bus::from_raw::<Core>(dev) }, this);
    }
}
