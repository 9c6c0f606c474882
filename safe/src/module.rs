// SPDX-License-Identifier: GPL-2.0-only
//! The entry and the exit of a module.
//!
//! C header: `include/linux/module.h`.

#[cfg(target_os = "none")]
mod name;

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char, c_int};
use core::mem::MaybeUninit;

use linux_driver_sys as sys;
use pinned_init::PinInit;

use crate::error::{Error, Result};
use crate::place::{Extent, Vacant};
#[cfg(target_os = "none")]
pub(crate) use name::name;

/// The state of a loaded module. It is created when the module is loaded and dropped when the
/// module is unloaded.
///
/// The fields are dropped in the order of their declaration. Dropping some of them waits:
/// [`bus::Registration`](crate::bus::Registration) waits until the devices of its bus are gone.
/// Declare the fields that hold such devices before it.
pub trait Module: Sized + Send + Sync + 'static {
    /// Returns an initialiser of the module's state.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// If the initialiser fails, loading the module fails with the same error.
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error>;
}

/// A reference to the module that this code belongs to: C's `THIS_MODULE`.
#[repr(transparent)]
#[doc(alias = "module")]
pub struct ThisModule(UnsafeCell<MaybeUninit<sys::module>>);

// SAFETY: the pointer in it goes to the kernel only, and the kernel guards modules with locks of
// its own.
unsafe impl Sync for ThisModule {}

impl ThisModule {
    /// Returns C's `THIS_MODULE`.
    pub fn as_ptr(&self) -> *mut sys::module {
        self.0.get().cast()
    }

    /// Returns the module's name as a C string that lives as long as the module: C's
    /// `KBUILD_MODNAME`.
    pub(crate) fn name(&self) -> *const c_char {
        // SAFETY: `__this_module` exists as long as the module's code. Only the address of the
        // field is taken.
        unsafe { &raw const (*self.as_ptr()).name }.cast()
    }

    /// Returns a token for a registration in `slot`, if `slot` is inside the module's state and
    /// aligned. Fails with [`EINVAL`](crate::error::code::EINVAL) otherwise.
    pub(crate) fn place<T>(&self, slot: *mut T) -> Result<Vacant> {
        // SAFETY: the extent is a static, so it stays where it is.
        unsafe { STATE.place(slot) }
    }

    /// Waits until only the loader uses the module, after the module's entry failed.
    ///
    /// Something may have used what the entry registered before the entry failed. For example, a
    /// device was probed, and its file was opened and is still open. The loader does not check the
    /// module's use count when an entry fails (`do_init_module`). It would free the code that the
    /// kernel calls when the file is closed.
    #[inline(always)]
    fn wait_for_users(&self) {
        const TEXT: &CStr = c"\x014%s: init failed, but it is in use: waits until it is not\n";
        // The loader frees this section after the entry; this function is part of the entry.
        #[unsafe(link_section = ".init.rodata")]
        static IN_USE: [u8; TEXT.count_bytes() + 1] =
            *TEXT.to_bytes_with_nul().first_chunk().unwrap();
        let is_used = || {
            // SAFETY: `module_refcount` requires a module that is not freed. The code of this
            // module is running. The loader frees a module whose entry failed only after the entry
            // has returned.
            unsafe { sys::module_refcount(self.as_ptr()) > 1 }
        };
        if !is_used() {
            return;
        }
        // SAFETY: `_printk` requires a format string that ends in NUL, and arguments that match its
        // conversions. The bytes end in NUL. `%s` requires a C string, and the module's name is
        // one.
        unsafe { sys::_printk(IN_USE.as_ptr().cast(), self.name()) };
        while is_used() {
            // SAFETY: `msleep` requires a context that may sleep. The loader calls a module's entry
            // in a task, with no lock held.
            unsafe { sys::msleep(1) };
        }
    }

    /// Returns the module that this code is linked into.
    ///
    /// # Safety
    ///
    /// Only the entry of the module may pass the result on: the owner of a `ThisModule` can
    /// register things in the name of the module.
    unsafe fn get() -> &'static Self {
        let this = &raw const sys::__this_module;
        // SAFETY: modpost defines `__this_module` in each module that it links, and it exists as
        // long as the module's code. The loader and others change it under their own locks. The
        // type allows that: it is an `UnsafeCell` of bytes that Rust does not read.
        unsafe { &*this.cast() }
    }
}

/// The location of the module's state. This crate is linked into each module, so each module has
/// one.
static STATE: Extent = Extent::new(0, 0);

/// The memory for a module's state: a static that `module!` declares.
#[doc(hidden)]
pub struct Slot<T>(UnsafeCell<MaybeUninit<T>>);

// SAFETY: a shared slot gives access to its contents only through `init` and `exit`, which are
// unsafe. The loader calls a module's entry once and its exit once after that, each in one task.
// These may be different tasks, so a `Module` is `Send`.
unsafe impl<T: Module> Sync for Slot<T> {}

impl<T: Module> Slot<T> {
    /// True if the state can contain a registration: no registration has size 0. If false, no code
    /// asks where the state is, and the extent is not linked into the module.
    const HAS_ROOM: bool = size_of::<T>() != 0;

    /// Returns an empty slot.
    #[expect(clippy::new_without_default, reason = "for a static, made by a macro")]
    pub const fn new() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// Runs the entry of the module. Returns what C's `init` returns.
    ///
    /// # Safety
    ///
    /// Only the loader may call this, and only once.
    #[inline(always)]
    pub unsafe fn init(&'static self) -> c_int {
        if Self::HAS_ROOM {
            STATE.set(self.0.get().addr(), size_of::<T>());
        }
        // SAFETY: `ThisModule::get` requires the entry of the module, which this function is.
        let init = T::init(unsafe { ThisModule::get() });
        // SAFETY: `__pinned_init` requires memory that is aligned, valid for writes and never
        // moved. The slot is a static, and nothing else uses it before the entry returns. After an
        // error the memory must not be used as a `T`: the loader does not call the exit then.
        match unsafe { init.__pinned_init(self.0.get().cast()) } {
            Ok(()) => 0,
            Err(error) => {
                if Self::HAS_ROOM {
                    STATE.end();
                }
                // SAFETY: `ThisModule::get` requires the entry of the module, which this function
                // is.
                unsafe { ThisModule::get() }.wait_for_users();
                error.to_errno()
            }
        }
    }

    /// Runs the exit of the module.
    ///
    /// # Safety
    ///
    /// Only the loader may call this, and only once, after `init` returned 0.
    #[inline(always)]
    pub unsafe fn exit(&'static self) {
        if Self::HAS_ROOM {
            STATE.close();
        }
        // SAFETY: `drop_in_place` requires an initialised value that nothing uses. The caller
        // promises that `init` made the value and that this call is the only one. The loader calls
        // the exit when the module has no users. Dropping the fields unregisters what the value has
        // registered, so the kernel does not use the value afterwards.
        unsafe { core::ptr::drop_in_place(self.0.get().cast::<T>()) };
        if Self::HAS_ROOM {
            STATE.end();
        }
    }
}

/// Declares a module: the type of its state, and the texts that `modinfo` prints.
///
/// `type` implements [`Module`](trait@Module). `license` is one of those that
/// `include/linux/license.h` lists as compatible with the GPL, because the module calls the
/// kernel's own functions. `license`, `author` (or `authors: ["…", "…"]`) and `description` are
/// required. `version` and `alias` (or `aliases`) are optional.
///
/// ```
/// use linux_driver::module::{Module, ThisModule};
/// use linux_driver::prelude::*;
///
/// struct Hello;
///
/// impl Module for Hello {
///     fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
///         pr_info!("hello");
///         Ok(Hello)
///     }
/// }
///
/// linux_driver::module! {
///     type: Hello,
///     license: "GPL",
///     author: "A. Author",
///     description: "Says hello",
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! module {
    ($($fields:tt)*) => {
        $crate::macros::module! { $crate; $($fields)* }
    };
}

/// Expansion of [`module!`](crate::module!), from a type and the texts of `modinfo`, each with its
/// number and its length.
///
/// All unsafe code of the expansion is here, where its paths name this crate's own items.
#[doc(hidden)]
#[macro_export]
macro_rules! __module {
    ($ty:ty, [$(($number:literal, $length:literal, $text:literal)),* $(,)?]) => {
        const _: () = {
            // The driver's type is resolved here, outside of the inner block, so that it cannot
            // name the items of that block.
            type LinuxDriverModule = $ty;

            $crate::__across_tasks! { LinuxDriverModule, $crate::__core::stringify!($ty), true }

            #[cfg(target_os = "none")]
            const _: () = {
                static SLOT: $crate::module::Slot<LinuxDriverModule> = $crate::module::Slot::new();

                #[unsafe(no_mangle)]
                #[unsafe(link_section = ".init.text")]
                extern "C" fn init_module() -> $crate::__core::ffi::c_int {
                    // SAFETY: only the loader calls a module's entry, once.
                    unsafe { SLOT.init() }
                }

                #[unsafe(no_mangle)]
                #[unsafe(link_section = ".exit.text")]
                extern "C" fn cleanup_module() {
                    // SAFETY: only the loader calls a module's exit, once, after the entry returned
                    // 0.
                    unsafe { SLOT.exit() }
                }

                // If no code takes the address of a function, objtool assumes that the function is
                // never called indirectly.
                #[unsafe(export_name = "__linux_driver_by_section_entry")]
                #[unsafe(link_section = ".init.data")]
                static ENTRY: extern "C" fn() -> $crate::__core::ffi::c_int = init_module;
                #[unsafe(export_name = "__linux_driver_by_section_exit")]
                #[unsafe(link_section = ".exit.data")]
                static EXIT: extern "C" fn() = cleanup_module;

                // `modinfo` reads texts of the form `TAG=VALUE` in the section `.modinfo`. The
                // symbols make rustc keep the texts; the module's link removes them.
                $(const _: () = {
                    #[unsafe(export_name = $crate::__modinfo_symbol!($number))]
                    #[unsafe(link_section = ".modinfo")]
                    static MODINFO: [u8; $length] = *$text;
                };)*
            };
            #[cfg(not(target_os = "none"))]
            const _: fn() = || {
                // For the host's target the module is type-checked and not linked.
                let _ = <LinuxDriverModule as $crate::module::Module>::init;
            };
        };
    };
}

/// The name of the symbol in which modpost looks for the ID table of a module's driver.
#[doc(hidden)]
#[macro_export]
macro_rules! __id_table_symbol {
    ($bus:literal) => {
        $crate::sys::device_table_symbol!(
            $crate::__core::env!("CARGO_CRATE_NAME"),
            $bus,
            "id_table"
        )
    };
}

/// The name of the symbol of a text of `modinfo`.
#[doc(hidden)]
#[macro_export]
macro_rules! __modinfo_symbol {
    ($number:literal) => {
        $crate::__core::concat!("__linux_driver_by_section_modinfo_", $number)
    };
}
