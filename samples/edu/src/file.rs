// SPDX-License-Identifier: GPL-2.0-only
//! The device's file.

use linux_driver::ioctl::{_IO, _IOR, _IOWR, Argument};
use linux_driver::miscdevice::{Call, Operations};
use linux_driver::pm::runtime;
use linux_driver::prelude::*;
use linux_driver::uaccess::{Reader, Writer};

use crate::device::Edu;
use crate::regs;

/// Reads the identification register.
const IOC_ID: u32 = _IOR::<u32>(b'e', 0);
/// Computes the factorial of its argument, and replaces the argument by the result.
const IOC_FACTORIAL: u32 = _IOWR::<u32>(b'e', 1);
/// Raises an interrupt, and returns when it has arrived.
const IOC_INTERRUPT: u32 = _IO(b'e', 2);

#[vtable]
impl Operations for Edu {
    type File = ();

    fn open(_this: Pin<&Self>, _call: &Call<'_>) -> impl PinInit<(), Error> {
        Ok(())
    }

    fn ioctl(
        this: Pin<&Self>,
        call: &Call<'_>,
        _file: Pin<&()>,
        cmd: u32,
        argument: Argument<'_>,
    ) -> Result<u32> {
        let _awake = runtime::resume_and_get(call)?.autosuspend();
        match cmd {
            IOC_ID => argument.write(&this.id(call)?)?,
            IOC_FACTORIAL => {
                let (n, mut answer) = argument.read_write()?;
                // While the device computes a factorial of four billion, it serves nobody else.
                if n > regs::FACTORIAL_MAX {
                    return Err(EINVAL);
                }
                answer.write(&this.factorial(call.dev(), n)?)?;
            }
            IOC_INTERRUPT => this.interrupt(call.dev())?,
            _ => return Err(ENOTTY),
        }
        Ok(0)
    }

    fn read(
        this: Pin<&Self>,
        call: &Call<'_>,
        _file: Pin<&()>,
        to: &mut Writer<'_>,
        offset: &mut i64,
    ) -> Result<usize> {
        let Some((start, room)) = place(*offset) else {
            return Ok(0);
        };
        let count = to.len().min(room);
        if count == 0 {
            return Ok(0);
        }
        let _awake = runtime::resume_and_get(call)?.autosuspend();
        let _lock = this.lock.lock();
        this.fetch(call.dev(), start, count)?;
        this.buffer.copy_to_user(0, count, to)?;
        *offset = offset.wrapping_add(count as i64);
        Ok(count)
    }

    fn write(
        this: Pin<&Self>,
        call: &Call<'_>,
        _file: Pin<&()>,
        from: &mut Reader<'_>,
        offset: &mut i64,
    ) -> Result<usize> {
        let (start, room) = place(*offset).ok_or(ENOSPC)?;
        let count = from.len().min(room);
        if count == 0 {
            return Ok(0);
        }
        let _awake = runtime::resume_and_get(call)?.autosuspend();
        let _lock = this.lock.lock();
        this.buffer.copy_from_user(0, count, from)?;
        this.store(call.dev(), start, count)?;
        *offset = offset.wrapping_add(count as i64);
        Ok(count)
    }
}

/// Returns the offset in the device's memory for a file position, and the number of bytes from
/// there to the end.
fn place(offset: i64) -> Option<(usize, usize)> {
    let start = usize::try_from(offset).ok()?;
    let room = regs::MEMORY_LENGTH.checked_sub(start)?;
    (room > 0).then_some((start, room))
}
