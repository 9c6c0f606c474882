// SPDX-License-Identifier: GPL-2.0-only
//! What a driver writes: the callbacks of `struct file_operations`.

use core::pin::Pin;

use pinned_init::PinInit;

use super::Call;
use crate::error::{Error, Result, code::EINVAL, code::ENODEV, code::ENOTTY};
use crate::ioctl;
use crate::macros::vtable;
use crate::mm::{Mapping, VmArea};
use crate::poll;
use crate::uaccess::{Reader, Writer};

/// The operations of a misc device's files: C's `struct file_operations`. What a driver does not write is NULL in the table, and
/// the kernel does what it does without.
///
/// The implementor is what the operations work on; it lies in the [`Registration`](super::Registration). All are called on the
/// thread of who makes the system call, may sleep, and hold no lock but where it is said. Several run at the same time, on one
/// file too.
#[vtable]
#[doc(alias = "file_operations")]
pub trait Operations: Send + Sync + Sized + 'static {
    /// The state of one open file. It is dropped, once, when the file is closed at last, whether the device is bound then or
    /// not. One of no size takes no memory.
    type File: Send + Sync + 'static;

    /// The mode of the node in `/dev` (`miscdevice.mode`); 0 is the kernel's default, 0600.
    #[doc(alias = "miscdevice.mode")]
    const MODE: u16 = 0;

    /// A process opens the device: makes the state of the file. An error makes `open` fail with it.
    ///
    /// Context: may sleep, but shortly: all of the kernel's misc devices wait with it (`misc_mtx`).
    #[doc(alias = "file_operations.open")]
    fn open(this: Pin<&Self>, call: &Call<'_>) -> impl PinInit<Self::File, Error>;

    /// The file was closed at last, while the device is bound. Its state is dropped next; that is all that happens if the device
    /// is not bound any more.
    #[doc(alias = "file_operations.release")]
    fn release(this: Pin<&Self>, call: &Call<'_>, file: Pin<&Self::File>) {
        let _ = (this, call, file);
    }

    /// `read`: writes at most as many bytes as there is room for, and returns how many are of use; 0 is the end.
    ///
    /// `offset` is the file's position, which the operation moves, or what `pread` was given. It is not negative. The file cannot
    /// be positioned by `lseek` (`ESPIPE`).
    #[doc(alias = "file_operations.read")]
    fn read(
        this: Pin<&Self>,
        call: &Call<'_>,
        file: Pin<&Self::File>,
        to: &mut Writer<'_>,
        offset: &mut i64,
    ) -> Result<usize> {
        let _ = (this, call, file, to, offset);
        Err(EINVAL)
    }

    /// `write`: reads what it is given, and returns how many bytes of it were taken.
    ///
    /// `offset` as in [`read`](Self::read).
    #[doc(alias = "file_operations.write")]
    fn write(
        this: Pin<&Self>,
        call: &Call<'_>,
        file: Pin<&Self::File>,
        from: &mut Reader<'_>,
        offset: &mut i64,
    ) -> Result<usize> {
        let _ = (this, call, file, from, offset);
        Err(EINVAL)
    }

    /// `ioctl`: does what `cmd` says, or fails with [`ENOTTY`]. What it returns on success fits an `int`;
    /// `EOVERFLOW` goes out in the place of what does not.
    ///
    /// Calls of 32-bit programs come here too, with the address of their argument: C's `compat_ptr_ioctl`. That is right where
    /// the argument has the same layout for them; else write [`compat_ioctl`](Self::compat_ioctl).
    #[doc(alias = "file_operations.unlocked_ioctl")]
    fn ioctl(
        this: Pin<&Self>,
        call: &Call<'_>,
        file: Pin<&Self::File>,
        cmd: u32,
        argument: ioctl::Argument<'_>,
    ) -> Result<u32> {
        let _ = (this, call, file, cmd, argument);
        Err(ENOTTY)
    }

    /// `ioctl` of a 32-bit program, for a driver whose arguments have another layout for them.
    #[doc(alias = "file_operations.compat_ioctl")]
    fn compat_ioctl(
        this: Pin<&Self>,
        call: &Call<'_>,
        file: Pin<&Self::File>,
        cmd: u32,
        argument: ioctl::Argument<'_>,
    ) -> Result<u32> {
        let _ = (this, call, file, cmd, argument);
        Err(ENOTTY)
    }

    /// `poll`: names the queues that tell of changes, in `table`, and says which events there are now. It does not wait.
    ///
    /// An error is `EPOLLERR`. That the device goes is told without the driver's doing.
    #[doc(alias = "file_operations.poll")]
    fn poll(
        this: Pin<&Self>,
        call: &Call<'_>,
        file: Pin<&Self::File>,
        table: &mut poll::Table<'_>,
    ) -> Result<poll::Events> {
        let _ = (this, call, file, table);
        Err(EINVAL)
    }

    /// `mmap`: says what the area shows.
    ///
    /// Context: may sleep; under the `mmap_lock` of the process, so that copying from or to its memory here would wait for ever
    /// (there is no way to).
    #[doc(alias = "file_operations.mmap")]
    fn mmap<'a>(
        this: Pin<&Self>,
        call: &Call<'_>,
        file: Pin<&Self::File>,
        area: &mut VmArea<'a>,
    ) -> Result<Mapping<'a>> {
        let _ = (this, call, file, area);
        Err(ENODEV)
    }
}
