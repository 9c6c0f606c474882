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
        // SAFETY: `struct file_operations` is pointers and integers, for which zero is a value; a C
        // static that names none of its members is the same, and `fs/` takes NULL for "has none".
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
        // SAFETY: `struct vm_operations_struct` is pointers, for which zero is NULL, and `mm/`
        // takes NULL for "has none".
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
/// The memory of the registration is there for `'a`, and the file open. The registration's data is
/// initialised, or the gate closed.
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
    // SAFETY: the gate is closed before the data is dropped, and not while somebody is inside: as
    // long as the call is there.
    let data = unsafe { &*data };
    // SAFETY: the data is pinned with the registration.
    let this = unsafe { Pin::new_unchecked(data) };
    // SAFETY: as above, of the device that is bound.
    let dev = unsafe { Registration::dev_of(registration) };
    // SAFETY: the file is open for `'a`.
    let call = Call::new(pass, dev, unsafe { File::from_raw(file) });
    Some(Inside { this, call })
}

/// Passes the gate, and calls an operation of a file with its state; [`ENODEV`] if the gate is
/// closed.
///
/// # Safety
///
/// The file is one of `T`'s and open, as long as this runs.
#[inline(always)]
unsafe fn operation<T: Operations, R>(
    file: *mut sys::file,
    operation: impl FnOnce(Pin<&T>, &Call<'_>, Pin<&T::File>) -> Result<R>,
) -> Result<R> {
    // SAFETY: `parts` asks for a file that `open` of this type made and that is open: by the
    // caller's promise.
    let Parts {
        registration,
        state,
    } = unsafe { file::parts::<T>(file) };
    // SAFETY: `enter` asks for the registration's memory, which `open` counted a use of for this
    // file, and for data that is initialised or a closed gate: `open` found it initialised.
    let Some(Inside { this, call }) = (unsafe { enter(registration, file) }) else {
        return Err(ENODEV);
    };
    // SAFETY: the state is there until `release`. `__fput` calls that with the last reference to
    // the file, and each caller of an operation has one.
    let state = unsafe { state.as_ref() };
    // SAFETY: the state is pinned in its memory.
    operation(this, &call, unsafe { Pin::new_unchecked(state) })
}

fn errno(error: Error) -> isize {
    error.to_errno() as isize
}

/// Called by `misc_open`, with `misc_mtx` held: the device is registered, and stays so until this
/// returns.
unsafe extern "C" fn open<T: Operations>(_inode: *mut sys::inode, file: *mut sys::file) -> c_int {
    // SAFETY: the file is being opened, so that nobody else has it; `misc_open` put the address of
    // the `struct miscdevice` there before its call (6.1 to 7.3).
    let private = unsafe { (*file).private_data };
    let registration = Registration::<T>::from_private(private);
    // SAFETY: `enter` asks for the registration's memory: the device is registered until `misc_mtx`
    // is given back, since `misc_deregister` takes it. It asks for data that is initialised or a
    // closed gate: `Registration::new` initialised it before it registered the device, and `drop`
    // closes the gate before it drops it.
    let Some(Inside { this, call }) = (unsafe { enter(registration, file) }) else {
        return ENODEV.to_errno();
    };
    let _in_open = InMiscOpen::begin();
    // SAFETY: `__pinned_init` asks for a place that is valid for writes, that stays where it is,
    // and that is not used as a value after an error: `file::open` gives such a one.
    let init = |state: *mut T::File| unsafe { T::open(this, &call).__pinned_init(state) };
    // SAFETY: `file::open` asks to be called by `misc_open`, and that `release` is called for the
    // file if this succeeds: `do_dentry_open` marks it `FMODE_OPENED` then, and `__fput` calls
    // `release` for such files.
    match unsafe { file::open(registration, file, init) } {
        Ok(()) => {
            // SAFETY: the registration's memory is there, as above.
            let head = unsafe { Registration::head_of(registration) };
            // SAFETY: the head begins the memory in which the registration is.
            let head = unsafe { head.as_ref() };
            // Taken back in `release`.
            Memory::of(head).into_raw();
            0
        }
        Err(error) => error.to_errno(),
    }
}

/// Called by `__fput` once for each file that was opened, when nobody has it any more.
unsafe extern "C" fn release<T: Operations>(
    _inode: *mut sys::inode,
    file: *mut sys::file,
) -> c_int {
    // SAFETY: `open` made the file, which is open until this returns: `__fput` calls nothing else
    // of its operations after this.
    let registration = unsafe { file::parts::<T>(file) }.registration;
    // SAFETY: the memory is there, by the use that `open` counted.
    let head = unsafe { Registration::head_of(registration) };
    if T::HAS_RELEASE {
        // SAFETY: `operation` asks for an open file of this type: it is, until `file::release`
        // below.
        let _: Result = unsafe {
            operation::<T, ()>(file, |this, call, state| {
                T::release(this, call, state);
                Ok(())
            })
        };
    }
    // SAFETY: `file::release` asks for a file that `open` made, once, with no operation running:
    // `__fput` calls this once, and has the last reference. The registration's memory is there, by
    // the use that `open` counted.
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
    // SAFETY: each caller of `vfs_read` and `vfs_write` hands over a position of its own, on its
    // stack or in its request (`ksys_read`, `do_loop_readv_writev`, `io_uring`). It is NULL for
    // files that `stream_open` opened, which no operation here calls.
    let offset = unsafe { &mut *offset };
    // SAFETY: `operation` asks for a file of this type that is open as long as it runs: the caller
    // has a reference to it.
    let done = unsafe {
        operation::<T, _>(file, |this, call, state| {
            T::read(this, call, state, &mut to, offset)
        })
    };
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
    // SAFETY: each caller of `vfs_read` and `vfs_write` hands over a position of its own, on its
    // stack or in its request (`ksys_read`, `do_loop_readv_writev`, `io_uring`). It is NULL for
    // files that `stream_open` opened, which no operation here calls.
    let offset = unsafe { &mut *offset };
    // SAFETY: `operation` asks for a file of this type that is open as long as it runs: the caller
    // has a reference to it.
    let done = unsafe {
        operation::<T, _>(file, |this, call, state| {
            T::write(this, call, state, &mut from, offset)
        })
    };
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
unsafe extern "C" fn ioctl<T: Operations>(
    file: *mut sys::file,
    cmd: c_uint,
    argument: c_ulong,
) -> c_long {
    let argument = Argument::new(argument as usize);
    // SAFETY: `operation` asks for a file of this type that is open as long as it runs: the caller
    // has a reference to it.
    answered(unsafe {
        operation::<T, _>(file, |this, call, state| {
            T::ioctl(this, call, state, cmd, argument)
        })
    })
}

/// Called by the system call `ioctl` of 32-bit programs.
unsafe extern "C" fn compat_ioctl<T: Operations>(
    file: *mut sys::file,
    cmd: c_uint,
    argument: c_ulong,
) -> c_long {
    let argument = Argument::new(argument as u32 as usize);
    // SAFETY: `operation` asks for a file of this type that is open as long as it runs: the caller
    // has a reference to it.
    answered(unsafe {
        operation::<T, _>(file, |this, call, state| {
            T::compat_ioctl(this, call, state, cmd, argument)
        })
    })
}

/// Called by `vfs_poll`.
unsafe extern "C" fn poll<T: Operations>(
    file: *mut sys::file,
    table: *mut sys::poll_table_struct,
) -> sys::__poll_t {
    // SAFETY: `parts` asks for a file that `open` of this type made and that is open: `vfs_poll`'s
    // caller has a reference to it.
    let Parts {
        registration,
        state,
    } = unsafe { file::parts::<T>(file) };
    // SAFETY: the gate is memory that is there as long as the file is open.
    let queue = unsafe { &(*registration).gate }.queue().as_raw();
    // First of all: whoever closes the gate after we have looked at it wakes this queue.
    // SAFETY: `poll_wait` asks for the table and the file of this call, and for a queue that stays
    // until whoever polls has let go of it. `select` and `poll` have a reference to the file until
    // then (`__pollwait`), and `__fput` takes the file out of each epoll (`eventpoll_release`)
    // before it calls `release`: the queue stays until that.
    unsafe { sys::linux_driver_poll_wait(file, queue, table) };
    let memory = (NonNull::as_ptr(state).addr(), size_of::<T::File>());
    let look = |this: Pin<&T>, call: &Call<'_>, state: Pin<&T::File>| {
        // SAFETY: `table` is this file's; it keeps the memory of the driver's data, and that of its
        // own state.
        let mut table = unsafe { poll::Table::new(table, call.file(), call.dev(), memory) };
        Ok(T::poll(this, call, state, &mut table).unwrap_or(poll::EPOLLERR))
    };
    // SAFETY: `operation` asks for a file of this type that is open as long as it runs: the caller
    // has a reference to it.
    let events = unsafe { operation::<T, _>(file, look) };
    events.unwrap_or(poll::EPOLLERR | poll::EPOLLHUP).raw()
}

/// Called by `mmap_region`, with the process's `mmap_lock` held for writing.
unsafe extern "C" fn mmap<T: Operations>(
    file: *mut sys::file,
    area: *mut sys::vm_area_struct,
) -> c_int {
    let map = |this: Pin<&T>, call: &Call<'_>, state: Pin<&T::File>| {
        // SAFETY: `VmArea` asks for an area that is there and not linked yet, with the `mmap_lock`
        // held for writing, as long as it is used: `mmap_region` calls so, for this call.
        let mut area = unsafe { VmArea::new(area) };
        let mapping = T::mmap(this, call, state, &mut area)?;
        // SAFETY: `set` asks for operations that put pages in by `vmf_insert_pfn` alone, and only
        // while the mapping's device is bound: `fault` does so inside the gate, and whoever closes
        // that takes the pages away before the device is unbound.
        unsafe { area.set(&mapping, Table::<T>::AREA) };
        Ok(())
    };
    // SAFETY: `operation` asks for a file of this type that is open as long as it runs: the caller
    // has a reference to it.
    match unsafe { operation::<T, _>(file, map) } {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}

/// Called by `__do_fault`, with the process's `mmap_lock`, or the area's own lock, held for
/// reading.
unsafe extern "C" fn fault<T: Operations>(vmf: *mut sys::vm_fault) -> sys::vm_fault_t {
    // SAFETY: the shim reads `vmf->vma->vm_file`: the fault is in an area with these operations,
    // which `mmap` above made; it stays while its lock is held, and has a reference to its file.
    let file = unsafe { sys::linux_driver_vmf_file(vmf) };
    // SAFETY: `open` of this type made the file, which the area keeps open.
    let registration = unsafe { file::parts::<T>(file) }.registration;
    // SAFETY: the gate is memory that is there as long as the file is open.
    let gate = unsafe { &(*registration).gate };
    let Some(_inside) = gate.enter() else {
        return sys::LINUX_DRIVER_VM_FAULT_SIGBUS;
    };
    // SAFETY: `vmf_insert_pfn` asks for an area that is `VM_PFNMAP`, not private and writable, and
    // whose lock is held; it puts in any frame that it is given. `mmap` made the area so. The frame
    // lies in what the area shows, which is the device's as long as we are inside: an area is
    // split, moved and copied, but never grows, by `VM_DONTEXPAND`.
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
