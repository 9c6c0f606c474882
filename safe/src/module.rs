// SPDX-License-Identifier: GPL-2.0-only
//! A module's entry and exit.
//!
//! C header: `include/linux/module.h`.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char, c_int};
use core::mem::MaybeUninit;

use linux_driver_sys as sys;
use pinned_init::PinInit;

use crate::error::{Error, Result};
use crate::place::{Extent, Vacant};

/// What a module is while it is loaded: made when it is loaded, dropped when it is unloaded.
///
/// Its fields are dropped in the order in which they stand, and some wait:
/// [`bus::Registration`](crate::bus::Registration) for the bus's devices, so that what holds one
/// stands before it.
pub trait Module: Sized + Send + Sync + 'static {
    /// Makes the module's state; an error makes the load fail with it.
    ///
    /// Context: may sleep.
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error>;
}

/// The module at hand: C's `THIS_MODULE`.
#[repr(transparent)]
#[doc(alias = "module")]
pub struct ThisModule(UnsafeCell<MaybeUninit<sys::module>>);

// SAFETY: the pointer in it is handed to the kernel only, which has its own locks for modules.
unsafe impl Sync for ThisModule {}

impl ThisModule {
    /// C's `THIS_MODULE`.
    pub fn as_ptr(&self) -> *mut sys::module {
        self.0.get().cast()
    }

    /// The module's name, as a C string that lives as long as the module: C's `KBUILD_MODNAME`.
    pub(crate) fn name(&self) -> *const c_char {
        // SAFETY: `__this_module` is there as long as the module's code is; only the field's
        // address is taken.
        unsafe { &raw const (*self.as_ptr()).name }.cast()
    }

    /// The place for the registration that is about to be made in `slot`, in the module's state;
    /// [`EINVAL`](crate::error::code::EINVAL) if the slot is not there, or not aligned.
    pub(crate) fn place<T>(&self, slot: *mut T) -> Result<Vacant> {
        // SAFETY: the extent is a static.
        unsafe { STATE.place(slot) }
    }

    /// Waits until nobody but the loader has a use of the module, whose entry has failed.
    ///
    /// What the entry registered may have been used before it failed: a device was probed, its file
    /// was opened, and is open still. The loader does not ask for uses when an entry fails
    /// (`do_init_module`), and would take the code away that is called when the file is closed.
    #[inline(always)]
    fn wait_for_users(&self) {
        const TEXT: &CStr = c"\x014%s: init failed, but it is in use: waits until it is not\n";
        // Freed with the entry, of which this is a part.
        #[unsafe(link_section = ".init.rodata")]
        static IN_USE: [u8; TEXT.count_bytes() + 1] =
            *TEXT.to_bytes_with_nul().first_chunk().unwrap();
        let is_used = || {
            // SAFETY: `module_refcount` asks for a module that is not freed: this one's code is
            // running, and the loader frees a module whose entry failed only after the entry has
            // returned.
            unsafe { sys::module_refcount(self.as_ptr()) > 1 }
        };
        if !is_used() {
            return;
        }
        // SAFETY: `_printk` asks for a format string that ends in NUL, which the bytes do, and for
        // what its conversion reads: `%s` a C string, which the name is.
        unsafe { sys::_printk(IN_USE.as_ptr().cast(), self.name()) };
        while is_used() {
            // SAFETY: `msleep` asks for a context that may sleep: the loader calls a module's entry
            // in a task, with no lock held.
            unsafe { sys::msleep(1) };
        }
    }

    /// # Safety
    ///
    /// Called for a module's own entry: who has a `ThisModule` may register things in the module's
    /// name.
    unsafe fn get() -> &'static Self {
        let this = &raw const sys::__this_module;
        // SAFETY: modpost defines `__this_module` in each module that it links; it is there as long
        // as the module's code is. The loader and others change it under locks of their own, which
        // the type allows: it is an `UnsafeCell` of bytes that Rust does not read.
        unsafe { &*this.cast() }
    }
}

/// The module's name, for a line that this crate logs: a C string that lives as long as the module.
#[cfg(target_os = "none")]
#[inline(always)]
pub(crate) fn name() -> *const c_char {
    // SAFETY: nothing is registered in the module's name.
    unsafe { ThisModule::get() }.name()
}

/// Where the module's state is. (This is linked into each module: there is one for each.)
static STATE: Extent = Extent::new(0, 0);

/// The place of a module's state: a static that `module!` writes.
#[doc(hidden)]
pub struct Slot<T>(UnsafeCell<MaybeUninit<T>>);

// SAFETY: a shared slot gives nothing away but to `init` and `exit`, which are unsafe: the loader
// calls a module's entry once, and its exit once after that, each in one task. A `Module` is
// `Send`, as the two may be different tasks.
unsafe impl<T: Module> Sync for Slot<T> {}

impl<T: Module> Slot<T> {
    /// Whether a registration can lie in the state: none is of no size. Otherwise nobody asks where
    /// the state is, and the extent is not linked into the module.
    const HAS_ROOM: bool = size_of::<T>() != 0;

    /// One that holds nothing yet.
    #[expect(clippy::new_without_default, reason = "for a static, made by a macro")]
    pub const fn new() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// The module's entry. Returns as C's `init` does.
    ///
    /// # Safety
    ///
    /// Called once, by the loader.
    #[inline(always)]
    pub unsafe fn init(&'static self) -> c_int {
        if Self::HAS_ROOM {
            STATE.set(self.0.get().addr(), size_of::<T>());
        }
        // SAFETY: this is the module's entry.
        let init = T::init(unsafe { ThisModule::get() });
        // SAFETY: the slot is a static, aligned, valid for writes and never moved; nobody else has
        // it before the entry returns. On an error it is not used as a `T`: the loader does not
        // call the exit then.
        match unsafe { init.__pinned_init(self.0.get().cast()) } {
            Ok(()) => 0,
            Err(error) => {
                if Self::HAS_ROOM {
                    STATE.end();
                }
                // SAFETY: this is the module's entry.
                unsafe { ThisModule::get() }.wait_for_users();
                error.to_errno()
            }
        }
    }

    /// The module's exit.
    ///
    /// # Safety
    ///
    /// Called once, by the loader, after `init` returned 0.
    #[inline(always)]
    pub unsafe fn exit(&'static self) {
        if Self::HAS_ROOM {
            STATE.close();
        }
        // SAFETY: by the caller's promise `init` made the value, and this is called once. Nobody
        // uses the value: the loader calls the exit when the module has no user, and what the value
        // has registered is unregistered as it is dropped.
        unsafe { core::ptr::drop_in_place(self.0.get().cast::<T>()) };
        if Self::HAS_ROOM {
            STATE.end();
        }
    }
}

/// Declares a module: what it is while it is loaded, and what `modinfo` says of it.
///
/// `type` implements [`Module`](trait@Module). `license` is one of `include/linux/license.h`'s,
/// GPL-compatible since the kernel's own functions are called; `author` (or `authors: ["…", "…"]`)
/// and `description` must be there; `version` and `alias` (or `aliases`) may.
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

/// What [`module!`](crate::module!) stands for: a type and the texts of `modinfo`, each with its
/// number and its length.
///
/// All that is unsafe in it stands here, against this crate's own names.
#[doc(hidden)]
#[macro_export]
macro_rules! __module {
    ($ty:ty, [$(($number:literal, $length:literal, $text:literal)),* $(,)?]) => {
        const _: () = {
            // What the driver wrote is looked up here, where it cannot name what stands in the
            // inner block.
            type LinuxDriverModule = $ty;

            $crate::__across_tasks! { LinuxDriverModule, $crate::__core::stringify!($ty), true }

            #[cfg(target_os = "none")]
            const _: () = {
                static SLOT: $crate::module::Slot<LinuxDriverModule> = $crate::module::Slot::new();

                #[unsafe(no_mangle)]
                #[unsafe(link_section = ".init.text")]
                extern "C" fn init_module() -> $crate::__core::ffi::c_int {
                    // SAFETY: the loader calls a module's entry, once.
                    unsafe { SLOT.init() }
                }

                #[unsafe(no_mangle)]
                #[unsafe(link_section = ".exit.text")]
                extern "C" fn cleanup_module() {
                    // SAFETY: the loader calls a module's exit, once, after its entry returned 0.
                    unsafe { SLOT.exit() }
                }

                // objtool takes a function whose address nobody takes for one that is never called
                // indirectly.
                #[unsafe(export_name = "__linux_driver_by_section_entry")]
                #[unsafe(link_section = ".init.data")]
                static ENTRY: extern "C" fn() -> $crate::__core::ffi::c_int = init_module;
                #[unsafe(export_name = "__linux_driver_by_section_exit")]
                #[unsafe(link_section = ".exit.data")]
                static EXIT: extern "C" fn() = cleanup_module;

                // `modinfo`: texts `TAG=VALUE` in the section `.modinfo`. The symbols are there so
                // that rustc keeps the texts; they are removed when the module is linked.
                $(const _: () = {
                    #[unsafe(export_name = $crate::__core::concat!("__linux_driver_by_section_modinfo_", $number))]
                    #[unsafe(link_section = ".modinfo")]
                    static MODINFO: [u8; $length] = *$text;
                };)*
            };
            #[cfg(not(target_os = "none"))]
            const _: fn() = || {
                // On this machine's own target the module is checked and not linked.
                let _ = <LinuxDriverModule as $crate::module::Module>::init;
            };
        };
    };
}
