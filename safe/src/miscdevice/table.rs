// SPDX-License-Identifier: GPL-2.0-only
//! The table of a device's operations, and what the kernel calls.

use core::ffi::{c_char, c_int, c_long, c_uint, c_ulong};
use core::pin::Pin;
use core::ptr::NonNull;

use linux_driver_sys as sys;
use pinned_init::PinInit;

use super::file::{self, Parts};
use super::{Call, Operations, Registration};
use crate::driver::Memory;
use crate::error::{Error, Result, code::ENODEV, code::EOVERFLOW};
use crate::fs::File;
use crate::ioctl::Argument;
use crate::mm::VmArea;
use crate::poll;
use crate::task::InMiscOpen;
use crate::uaccess::UserSlice;

/// The operations of `T` as C has them.
pub(super) const fn file_operations<T: Operations>() -> *const sys::file_operations {
    &raw const *Table::<T>::FILE
}

struct Table<T>(T);

impl<T: Operations> Table<T> {
    const FILE: &'static sys::file_operations = &{
        // SAFETY: `struct file_operations` is pointers and integers, for which zero is what a C static starts with.
        let mut table: sys::file_operations = unsafe { core::mem::zeroed() };
        // An open file keeps the module whose code its operations are.
        table.owner = (&raw const sys::__this_module).cast_mut();
        table.open = Some(open::<T>);
        table.release = Some(release::<T>);
        if T::HAS_READ {
            table.read = Some(read::<T>);
        }
        if T::HAS_WRITE {
            table.write = Some(write::<T>);
        }
        if T::HAS_IOCTL {
            table.unlocked_ioctl = Some(ioctl::<T>);
            // Of 32-bit programs: calls `unlocked_ioctl` with the argument as an address of theirs.
            #[cfg(has_fn = "compat_ptr_ioctl")]
            {
                table.compat_ioctl = Some(sys::compat_ptr_ioctl);
            }
        }
        if T::HAS_COMPAT_IOCTL {
            table.compat_ioctl = Some(compat_ioctl::<T>);
        }
        if T::HAS_POLL {
            table.poll = Some(poll::<T>);
        }
        if T::HAS_MMAP {
            table.mmap = Some(mmap::<T>);
        }
        table
    };

    const AREA: &'static sys::vm_operations_struct = &{
        // SAFETY: `struct vm_operations_struct` is pointers, for which zero is NULL.
        let mut table: sys::vm_operations_struct = unsafe { core::mem::zeroed() };
        table.fault = Some(fault::<T>);
        table
    };
}

/// A call that has passed the gate.
struct Inside<'a, T: Operations> {
    this: Pin<&'a T>,
    call: Call<'a>,
}

/// Passes the gate of a registration, for an operation of a file. `None` if it is closed.
///
/// # Safety
///
/// The memory of the registration is there for `'a`, and the file open. The registration's data is initialised, or the gate
/// closed.
#[inline(always)]
unsafe fn enter<'a, T: Operations>(
    registration: *const Registration<T>,
    file: *mut sys::file,
) -> Option<Inside<'a, T>> {
    // SAFETY: the gate is memory that is there, by the caller's promise.
    let gate = unsafe { &(*registration).gate };
    let pass = gate.enter()?;
    // SAFETY: the memory is there.
    let data = unsafe { Registration::data_of(registration) };
    // SAFETY: the gate is closed before the data is dropped, and not while somebody is inside: as long as the call is there.
    let data = unsafe { &*data };
    // SAFETY: the data is pinned with the registration.
    let this = unsafe { Pin::new_unchecked(data) };
    // SAFETY: as above, of the device that is bound.
    let dev = unsafe { Registration::dev_of(registration) };
    // SAFETY: the file is open for `'a`.
    let call = Call::new(pass, dev, unsafe { File::from_raw(file) });
    Some(Inside { this, call })
}

/// Passes the gate, and calls an operation of a file with its state; [`ENODEV`] if the gate is closed.
///
/// # Safety
///
/// The file is one of `T`'s and open, as long as this runs.
#[inline(always)]
unsafe fn operation<T: Operations, R>(
    file: *mut sys::file,
    operation: impl FnOnce(Pin<&T>, &Call<'_>, Pin<&T::File>) -> Result<R>,
) -> Result<R> {
    // SAFETY: `open` made the file.
    let Parts { registration, state } = unsafe { file::parts::<T>(file) };
    // SAFETY: an open file keeps the memory; `open` found the data initialised.
    let Some(Inside { this, call }) = (unsafe { enter(registration, file) }) else {
        return Err(ENODEV);
    };
    // SAFETY: the state is there until `release`, which is called when no operation runs any more.
    let state = unsafe { state.as_ref() };
    // SAFETY: the state is pinned in its memory.
    operation(this, &call, unsafe { Pin::new_unchecked(state) })
}

fn errno(error: Error) -> isize {
    error.to_errno() as isize
}

/// Called by `misc_open`, with `misc_mtx` held: the device is registered, and stays so until this returns.
unsafe extern "C" fn open<T: Operations>(_inode: *mut sys::inode, file: *mut sys::file) -> c_int {
    // SAFETY: the file is being opened; `misc_open` put the address of the `struct miscdevice` there.
    let private = unsafe { (*file).private_data };
    let registration = Registration::<T>::from_private(private);
    // SAFETY: the device is registered, so that its registration is there; the data was initialised before.
    let Some(Inside { this, call }) = (unsafe { enter(registration, file) }) else {
        return ENODEV.to_errno();
    };
    let _in_open = InMiscOpen::begin();
    // SAFETY: the state's memory is valid for writes, pinned, and not used as a state after an error.
    let init = |state: *mut T::File| unsafe { T::open(this, &call).__pinned_init(state) };
    // SAFETY: called by `misc_open`; `release` is called for a file that was opened.
    match unsafe { file::open(registration, file, init) } {
        Ok(()) => {
            // SAFETY: the registration is there.
            let head = unsafe { Registration::head_of(registration) };
            // SAFETY: the data is there, and so is its head.
            let head = unsafe { head.as_ref() };
            // Taken back in `release`.
            Memory::of(head).into_raw();
            0
        }
        Err(error) => error.to_errno(),
    }
}

/// Called by `__fput` once for each file that was opened, when nobody has it any more.
unsafe extern "C" fn release<T: Operations>(_inode: *mut sys::inode, file: *mut sys::file) -> c_int {
    // SAFETY: `open` made the file.
    let registration = unsafe { file::parts::<T>(file) }.registration;
    // SAFETY: the memory is there, by the use that `open` counted.
    let head = unsafe { Registration::head_of(registration) };
    if T::HAS_RELEASE {
        // SAFETY: the file is not gone yet.
        let _: Result = unsafe {
            operation::<T, ()>(file, |this, call, state| {
                T::release(this, call, state);
                Ok(())
            })
        };
    }
    // SAFETY: `open` made it; no operation of the file runs, nor will any.
    unsafe { file::release::<T>(file) };
    // SAFETY: this is the use that `open` counted. Nothing of the memory is used after this.
    drop(unsafe { Memory::from_raw(head) });
    0
}

/// Called by `vfs_read`.
unsafe extern "C" fn read<T: Operations>(
    file: *mut sys::file,
    buf: *mut c_char,
    count: usize,
    offset: *mut sys::loff_t,
) -> isize {
    let mut to = UserSlice::new(buf.addr(), count).writer();
    // SAFETY: the kernel hands over a position that is there for this call.
    let offset = unsafe { &mut *offset };
    // SAFETY: called on an open file.
    let done = unsafe { operation::<T, _>(file, |this, call, state| T::read(this, call, state, &mut to, offset)) };
    // More than was asked for cannot be true.
    done.map_or_else(errno, |done| done.min(count) as isize)
}

/// Called by `vfs_write`.
unsafe extern "C" fn write<T: Operations>(
    file: *mut sys::file,
    buf: *const c_char,
    count: usize,
    offset: *mut sys::loff_t,
) -> isize {
    let mut from = UserSlice::new(buf.addr(), count).reader();
    // SAFETY: the kernel hands over a position that is there for this call.
    let offset = unsafe { &mut *offset };
    // SAFETY: called on an open file.
    let done = unsafe { operation::<T, _>(file, |this, call, state| T::write(this, call, state, &mut from, offset)) };
    // More than was given cannot be true.
    done.map_or_else(errno, |done| done.min(count) as isize)
}

/// The system call returns an `int`, in which more than that holds would be an error.
fn answered(result: Result<u32>) -> c_long {
    match result {
        Ok(value) if value > i32::MAX.cast_unsigned() => errno(EOVERFLOW) as c_long,
        Ok(value) => c_long::from(value),
        Err(error) => errno(error) as c_long,
    }
}

/// Called by the system call `ioctl`.
unsafe extern "C" fn ioctl<T: Operations>(file: *mut sys::file, cmd: c_uint, argument: c_ulong) -> c_long {
    let argument = Argument::new(argument as usize);
    // SAFETY: called on an open file.
    answered(unsafe { operation::<T, _>(file, |this, call, state| T::ioctl(this, call, state, cmd, argument)) })
}

/// Called by the system call `ioctl` of 32-bit programs.
unsafe extern "C" fn compat_ioctl<T: Operations>(file: *mut sys::file, cmd: c_uint, argument: c_ulong) -> c_long {
    let argument = Argument::new(argument as u32 as usize);
    // SAFETY: called on an open file.
    answered(unsafe {
        operation::<T, _>(file, |this, call, state| {
            T::compat_ioctl(this, call, state, cmd, argument)
        })
    })
}

/// Called by `vfs_poll`.
unsafe extern "C" fn poll<T: Operations>(file: *mut sys::file, table: *mut sys::poll_table_struct) -> sys::__poll_t {
    // SAFETY: `open` made the file.
    let Parts { registration, state } = unsafe { file::parts::<T>(file) };
    // SAFETY: the gate is memory that is there as long as the file is open.
    let queue = unsafe { &(*registration).gate }.queue().as_raw();
    // First of all: whoever closes the gate after we have looked at it wakes this queue.
    // SAFETY: C's own table and file; the queue stays as long as the file is open.
    unsafe { sys::linux_driver_poll_wait(file, queue, table) };
    let memory = (NonNull::as_ptr(state).addr(), size_of::<T::File>());
    let look = |this: Pin<&T>, call: &Call<'_>, state: Pin<&T::File>| {
        // SAFETY: `table` is this file's; it keeps the memory of the driver's data, and that of its own state.
        let mut table = unsafe { poll::Table::new(table, call.file(), call.dev(), memory) };
        Ok(T::poll(this, call, state, &mut table).unwrap_or(poll::EPOLLERR))
    };
    // SAFETY: called on an open file.
    let events = unsafe { operation::<T, _>(file, look) };
    events.unwrap_or(poll::EPOLLERR | poll::EPOLLHUP).raw()
}

/// Called by `mmap_region`, with the process's `mmap_lock` held for writing.
unsafe extern "C" fn mmap<T: Operations>(file: *mut sys::file, area: *mut sys::vm_area_struct) -> c_int {
    let map = |this: Pin<&T>, call: &Call<'_>, state: Pin<&T::File>| {
        // SAFETY: the area is there for this call.
        let mut area = unsafe { VmArea::new(area) };
        let mapping = T::mmap(this, call, state, &mut area)?;
        // SAFETY: `fault` puts pages in only inside the gate of the binding; who closes that takes them away.
        unsafe { area.set(&mapping, Table::<T>::AREA) };
        Ok(())
    };
    // SAFETY: called on an open file.
    match unsafe { operation::<T, _>(file, map) } {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}

/// Called by `__do_fault`, with the process's `mmap_lock`, or the area's own lock, held for reading.
unsafe extern "C" fn fault<T: Operations>(vmf: *mut sys::vm_fault) -> sys::vm_fault_t {
    // SAFETY: the fault is in an area that `mmap` above made, of a file that it keeps open.
    let file = unsafe { sys::linux_driver_vmf_file(vmf) };
    // SAFETY: `open` made the file.
    let registration = unsafe { file::parts::<T>(file) }.registration;
    // SAFETY: the gate is memory that is there as long as the file is open.
    let gate = unsafe { &(*registration).gate };
    let Some(_inside) = gate.enter() else {
        return sys::LINUX_DRIVER_VM_FAULT_SIGBUS;
    };
    // SAFETY: `mmap` made the area one of page frames; the one at the fault lies in what it shows, which is the device's as long
    // as we are inside. An area is split, moved and copied, but never grows.
    unsafe { sys::linux_driver_vmf_insert_pfn(vmf) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_int_does_not_hold_is_no_error_of_another_name() {
        assert_eq!(answered(Ok(0x7fff_ffff)), 0x7fff_ffff);
        assert_eq!(answered(Err(ENODEV)), -19);
        // As an `int` this is -EINVAL.
        assert_eq!(answered(Ok(0xffff_ffea)), -75);
    }
}
