// SPDX-License-Identifier: GPL-2.0-only
//! The table of a device's operations, and the functions that the kernel calls.

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

/// Returns the operations of `T` as C has them.
pub(super) const fn file_operations<T: Operations>() -> *const sys::file_operations {
    &raw const *Table::<T>::FILE
}

struct Table<T>(T);

impl<T: Operations> Table<T> {
    const FILE: &'static sys::file_operations = &{
        // SAFETY: `struct file_operations` consists of pointers and integers, for which zero is a
        // valid value. A C static that names no members is the same. The VFS treats NULL as "not
        // implemented".
        let mut table: sys::file_operations = unsafe { core::mem::zeroed() };
        // An open file keeps the module that contains its operations.
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
            // For 32-bit programs: calls `unlocked_ioctl` with the argument converted to an
            // address.
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
        // SAFETY: `struct vm_operations_struct` consists of pointers, for which zero is NULL. The
        // memory management treats NULL as "not implemented".
        let mut table: sys::vm_operations_struct = unsafe { core::mem::zeroed() };
        table.fault = Some(fault::<T>);
        table
    };
}

/// An operation inside the gate.
struct Inside<'a, T: Operations> {
    this: Pin<&'a T>,
    call: Call<'a>,
}

/// Enters the gate of a registration, for an operation of a file. Returns `None` if the gate is
/// closed.
///
/// # Safety
///
/// The memory of the registration must exist for `'a`, and the file must be open. The data of the
/// registration must be initialised, or the gate must be closed.
#[inline(always)]
unsafe fn enter<'a, T: Operations>(
    registration: *const Registration<T>,
    file: *mut sys::file,
) -> Option<Inside<'a, T>> {
    // SAFETY: the caller promises that the gate's memory exists.
    let gate = unsafe { &(*registration).gate };
    let pass = gate.enter()?;
    // SAFETY: the memory exists.
    let data = unsafe { Registration::data_of(registration) };
    // SAFETY: the data is initialised: the gate was open. The gate is closed before the data is
    // dropped, and closing waits while this operation is inside.
    let data = unsafe { &*data };
    // SAFETY: the data is pinned with the registration.
    let this = unsafe { Pin::new_unchecked(data) };
    // SAFETY: `dev_of` requires a caller inside the gate, which this one is.
    let dev = unsafe { Registration::dev_of(registration) };
    // SAFETY: the file is open for `'a`.
    let call = Call::new(pass, dev, unsafe { File::from_raw(file) });
    Some(Inside { this, call })
}

/// Enters the gate and calls an operation of a file with the file's state. Fails with [`ENODEV`] if
/// the gate is closed.
///
/// # Safety
///
/// The file must be one of `T`, and must be open as long as this runs.
#[inline(always)]
unsafe fn operation<T: Operations, R>(
    file: *mut sys::file,
    operation: impl FnOnce(Pin<&T>, &Call<'_>, Pin<&T::File>) -> Result<R>,
) -> Result<R> {
    // SAFETY: `parts` requires an open file that `open` of this type made. The caller promises one.
    let Parts {
        registration,
        state,
    } = unsafe { file::parts::<T>(file) };
    // SAFETY: `enter` requires:
    // - the registration's memory: `open` counted a use of it for this file;
    // - an open file: the caller promises one;
    // - data that is initialised, or a closed gate: the data was initialised when `open` ran, and
    //   the gate is closed before the data is dropped.
    let Some(Inside { this, call }) = (unsafe { enter(registration, file) }) else {
        return Err(ENODEV);
    };
    // SAFETY: the state exists until `release`. `__fput` calls `release` with the last reference to
    // the file, and every caller of an operation has a reference.
    let state = unsafe { state.as_ref() };
    // SAFETY: the state is pinned in its memory.
    operation(this, &call, unsafe { Pin::new_unchecked(state) })
}

fn errno(error: Error) -> isize {
    error.to_errno() as isize
}

/// Implements `file_operations.open`. `misc_open` calls it with `misc_mtx` held, so the device
/// stays registered until this returns.
unsafe extern "C" fn open<T: Operations>(_inode: *mut sys::inode, file: *mut sys::file) -> c_int {
    // SAFETY: the file is being opened, so nothing else uses it. `misc_open` stored the address of
    // the `struct miscdevice` there before it called this (6.1 to 7.3).
    let private = unsafe { (*file).private_data };
    let registration = Registration::<T>::from_private(private);
    // SAFETY: `enter` requires:
    // - the registration's memory: the device stays registered until `misc_mtx` is released,
    //   because `misc_deregister` takes that lock;
    // - data that is initialised, or a closed gate: `Registration::new` initialised the data before
    //   it registered the device, and `drop` closes the gate before it drops the data.
    let Some(Inside { this, call }) = (unsafe { enter(registration, file) }) else {
        return ENODEV.to_errno();
    };
    let _in_open = InMiscOpen::begin();
    // SAFETY: `__pinned_init` requires memory that is valid for writes, that stays where it is, and
    // that is not used as a value after an error. `file::open` provides such memory.
    let init = |state: *mut T::File| unsafe { T::open(this, &call).__pinned_init(state) };
    // SAFETY: `file::open` requires a call by `misc_open`, which this is, and that `release` is
    // called for the file if it succeeds. `do_dentry_open` then marks the file `FMODE_OPENED`, and
    // `__fput` calls `release` for such files.
    match unsafe { file::open(registration, file, init) } {
        Ok(()) => {
            // SAFETY: the registration's memory exists, as above.
            let head = unsafe { Registration::head_of(registration) };
            // SAFETY: the head is at the start of the memory that contains the registration.
            let head = unsafe { head.as_ref() };
            // `release` takes this use back.
            Memory::of(head).into_raw();
            0
        }
        Err(error) => error.to_errno(),
    }
}

/// Implements `file_operations.release`. `__fput` calls it once for each file that was opened, when
/// no reference to the file is left.
unsafe extern "C" fn release<T: Operations>(
    _inode: *mut sys::inode,
    file: *mut sys::file,
) -> c_int {
    // SAFETY: `parts` requires an open file that `open` of this type made. The file is open until
    // this returns, and `__fput` calls no other operation afterwards.
    let registration = unsafe { file::parts::<T>(file) }.registration;
    // SAFETY: the memory exists, because `open` counted a use of it.
    let head = unsafe { Registration::head_of(registration) };
    if T::HAS_RELEASE {
        // SAFETY: `operation` requires an open file of this type. It is open until `file::release`
        // below.
        let _: Result = unsafe {
            operation::<T, ()>(file, |this, call, state| {
                T::release(this, call, state);
                Ok(())
            })
        };
    }
    // SAFETY: `file::release` requires:
    // - the data that `file::open` made for this file: `__fput` calls `release` only for a file
    //   whose `open` succeeded;
    // - that it is called only once for the file: `__fput` calls `release` once;
    // - that no operation of the file runs: `__fput` calls `release` when no reference to the file
    //   is left, and every caller of an operation has a reference;
    // - that the registration's memory exists: `open` counted a use of it.
    unsafe { file::release::<T>(file) };
    // SAFETY: `open` counted this use. Nothing uses the memory after this.
    drop(unsafe { Memory::from_raw(head) });
    0
}

/// Implements `file_operations.read`. `vfs_read` calls it.
unsafe extern "C" fn read<T: Operations>(
    file: *mut sys::file,
    buf: *mut c_char,
    count: usize,
    offset: *mut sys::loff_t,
) -> isize {
    let mut to = UserSlice::new(buf.addr(), count).writer();
    // SAFETY: every caller of `vfs_read` and `vfs_write` passes a position of its own, on its stack
    // or in its request (`ksys_read`, `do_loop_readv_writev`, `io_uring`). The position is NULL
    // only for files opened by `stream_open`, which no operation here calls.
    let offset = unsafe { &mut *offset };
    // SAFETY: `operation` requires a file of this type that is open as long as it runs. The caller
    // has a reference to it.
    let done = unsafe {
        operation::<T, _>(file, |this, call, state| {
            T::read(this, call, state, &mut to, offset)
        })
    };
    // A count above what was requested cannot be correct.
    done.map_or_else(errno, |done| done.min(count) as isize)
}

/// Implements `file_operations.write`. `vfs_write` calls it.
unsafe extern "C" fn write<T: Operations>(
    file: *mut sys::file,
    buf: *const c_char,
    count: usize,
    offset: *mut sys::loff_t,
) -> isize {
    let mut from = UserSlice::new(buf.addr(), count).reader();
    // SAFETY: every caller of `vfs_read` and `vfs_write` passes a position of its own, on its stack
    // or in its request (`ksys_read`, `do_loop_readv_writev`, `io_uring`). The position is NULL
    // only for files opened by `stream_open`, which no operation here calls.
    let offset = unsafe { &mut *offset };
    // SAFETY: `operation` requires a file of this type that is open as long as it runs. The caller
    // has a reference to it.
    let done = unsafe {
        operation::<T, _>(file, |this, call, state| {
            T::write(this, call, state, &mut from, offset)
        })
    };
    // A count above what was passed cannot be correct.
    done.map_or_else(errno, |done| done.min(count) as isize)
}

/// Returns the result of an `ioctl`. The system call returns an `int`, in which a larger value
/// would look like an error.
fn answered(result: Result<u32>) -> c_long {
    match result {
        Ok(value) if value > i32::MAX.cast_unsigned() => errno(EOVERFLOW) as c_long,
        Ok(value) => c_long::from(value),
        Err(error) => errno(error) as c_long,
    }
}

/// Implements `file_operations.unlocked_ioctl`. The system call `ioctl` calls it.
unsafe extern "C" fn ioctl<T: Operations>(
    file: *mut sys::file,
    cmd: c_uint,
    argument: c_ulong,
) -> c_long {
    let argument = Argument::new(argument as usize);
    // SAFETY: `operation` requires a file of this type that is open as long as it runs. The caller
    // has a reference to it.
    answered(unsafe {
        operation::<T, _>(file, |this, call, state| {
            T::ioctl(this, call, state, cmd, argument)
        })
    })
}

/// Implements `file_operations.compat_ioctl`. The system call `ioctl` of 32-bit programs calls it.
unsafe extern "C" fn compat_ioctl<T: Operations>(
    file: *mut sys::file,
    cmd: c_uint,
    argument: c_ulong,
) -> c_long {
    let argument = Argument::new(argument as u32 as usize);
    // SAFETY: `operation` requires a file of this type that is open as long as it runs. The caller
    // has a reference to it.
    answered(unsafe {
        operation::<T, _>(file, |this, call, state| {
            T::compat_ioctl(this, call, state, cmd, argument)
        })
    })
}

/// Implements `file_operations.poll`. `vfs_poll` calls it.
unsafe extern "C" fn poll<T: Operations>(
    file: *mut sys::file,
    table: *mut sys::poll_table_struct,
) -> sys::__poll_t {
    // SAFETY: `parts` requires an open file that `open` of this type made. The caller of `vfs_poll`
    // has a reference to it.
    let Parts {
        registration,
        state,
    } = unsafe { file::parts::<T>(file) };
    // SAFETY: the gate's memory exists as long as the file is open.
    let queue = unsafe { &(*registration).gate }.queue().as_raw();
    // The poller must be in the queue before the check below: if the gate is closed after the
    // check, the queue is woken.
    // SAFETY: `poll_wait` requires the table and the file of this call, and a queue that stays
    // until the poller has left it. `select` and `poll` have a reference to the file until then
    // (`__pollwait`). `__fput` removes the file from each epoll (`eventpoll_release`) before it
    // calls `release`, and the queue stays until `release`.
    unsafe { sys::linux_driver_poll_wait(file, queue, table) };
    let memory = (NonNull::as_ptr(state).addr(), size_of::<T::File>());
    let look = |this: Pin<&T>, call: &Call<'_>, state: Pin<&T::File>| {
        // SAFETY: `poll::Table::new` requires the table of this file. The file keeps the memory of
        // the driver's data and of its own state.
        let mut table = unsafe { poll::Table::new(table, call.file(), call.dev(), memory) };
        Ok(T::poll(this, call, state, &mut table).unwrap_or(poll::EPOLLERR))
    };
    // SAFETY: `operation` requires a file of this type that is open as long as it runs. The caller
    // has a reference to it.
    let events = unsafe { operation::<T, _>(file, look) };
    events.unwrap_or(poll::EPOLLERR | poll::EPOLLHUP).raw()
}

/// Implements `file_operations.mmap`. `mmap_region` calls it with the `mmap_lock` of the process
/// held for writing.
unsafe extern "C" fn mmap<T: Operations>(
    file: *mut sys::file,
    area: *mut sys::vm_area_struct,
) -> c_int {
    let map = |this: Pin<&T>, call: &Call<'_>, state: Pin<&T::File>| {
        // SAFETY: `VmArea` requires an area that exists and is not linked yet, and the `mmap_lock`
        // held for writing, as long as it is used. `mmap_region` ensures both for this call.
        let mut area = unsafe { VmArea::new(area) };
        let mapping = T::mmap(this, call, state, &mut area)?;
        // SAFETY: `set` requires operations that insert pages only by `vmf_insert_pfn`, and only
        // while the device of the mapping is bound. `fault` calls that function, and only inside
        // the gate. Before the device is unbound, the gate is closed and the pages are unmapped.
        unsafe { area.set(&mapping, Table::<T>::AREA) };
        Ok(())
    };
    // SAFETY: `operation` requires a file of this type that is open as long as it runs. The caller
    // has a reference to it.
    match unsafe { operation::<T, _>(file, map) } {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}

/// Implements `vm_operations_struct.fault`. `__do_fault` calls it with the `mmap_lock` of the
/// process, or the lock of the area, held for reading.
unsafe extern "C" fn fault<T: Operations>(vmf: *mut sys::vm_fault) -> sys::vm_fault_t {
    // SAFETY: the shim reads `vmf->vma->vm_file`. The fault is in an area with these operations,
    // which `mmap` above set up. The area stays while its lock is held, and has a reference to its
    // file.
    let file = unsafe { sys::linux_driver_vmf_file(vmf) };
    // SAFETY: `parts` requires an open file that `open` of this type made. The area keeps the file
    // open.
    let registration = unsafe { file::parts::<T>(file) }.registration;
    // SAFETY: the gate's memory exists as long as the file is open.
    let gate = unsafe { &(*registration).gate };
    let Some(_inside) = gate.enter() else {
        return sys::LINUX_DRIVER_VM_FAULT_SIGBUS;
    };
    // SAFETY: `vmf_insert_pfn` requires:
    // - an area that is `VM_PFNMAP`, and that is not both private and writable: `mmap` set up the
    //   area so;
    // - that the `mmap_lock` or the lock of the area is held: `__do_fault` holds one of them;
    // - a frame that the process may access, because the function inserts any frame that it is
    //   given. The frame is inside the memory that the area maps: an area can be split, moved and
    //   copied, but cannot grow (`VM_DONTEXPAND`). That memory belongs to the device while this
    //   function is inside the gate.
    unsafe { sys::linux_driver_vmf_insert_pfn(vmf) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_that_does_not_fit_an_int_is_eoverflow() {
        assert_eq!(answered(Ok(0x7fff_ffff)), 0x7fff_ffff);
        assert_eq!(answered(Err(ENODEV)), -19);
        // As an `int` this would be -EINVAL.
        assert_eq!(answered(Ok(0xffff_ffea)), -75);
    }
}
