// SPDX-License-Identifier: GPL-2.0-only
//! `poll`, `select` and `epoll`: who waits for events of a file.
//!
//! C headers: `include/linux/poll.h`, `include/uapi/linux/eventpoll.h`; `fs/select.c`,
//! `fs/eventpoll.c`.
//!
//! ```no_run
//! use linux_driver::miscdevice::{self, Call};
//! use linux_driver::poll::{self, EPOLLIN, EPOLLOUT, EPOLLRDNORM, EPOLLWRNORM};
//! use linux_driver::prelude::*;
//! use linux_driver::sync::atomic::{AtomicU32, Ordering};
//! use linux_driver::wait::WaitQueue;
//!
//! #[pin_data]
//! struct Nic {
//!     /// How many packets can be read.
//!     packets: AtomicU32,
//!     #[pin]
//!     came: WaitQueue,
//! }
//!
//! impl Nic {
//!     /// Called by the interrupt handler: first what has changed, then who waits for it.
//!     fn received(&self) {
//!         self.packets.fetch_add(1, Ordering::Release);
//!         self.came.wake_up();
//!     }
//! }
//!
//! #[vtable]
//! impl miscdevice::Operations for Nic {
//!     type File = ();
//!
//!     fn open(_this: Pin<&Self>, _call: &Call<'_>) -> impl PinInit<(), Error> {
//!         Ok(())
//!     }
//!
//!     fn poll(this: Pin<&Self>, _: &Call<'_>, _file: Pin<&()>, table: &mut poll::Table<'_>) -> Result<poll::Events> {
//!         // First the queue, then a look: a packet that comes in between wakes.
//!         table.wait(&this.came)?;
//!         // There is always room to write.
//!         let mut events = EPOLLOUT | EPOLLWRNORM;
//!         if this.packets.load(Ordering::Acquire) != 0 {
//!             events |= EPOLLIN | EPOLLRDNORM;
//!         }
//!         Ok(events)
//!     }
//! }
//! ```

use core::ops::{BitOr, BitOrAssign};

use linux_driver_sys as sys;

use crate::device::{Bound, Device};
use crate::error::{Result, code::EINVAL};
use crate::fs::File;
use crate::wait::WaitQueue;

/// Events of a file: C's `__poll_t`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[doc(alias = "__poll_t")]
pub struct Events(sys::__poll_t);

impl Events {
    /// None.
    pub const NONE: Self = Self(0);

    /// As C has it.
    pub(crate) const fn raw(self) -> sys::__poll_t {
        self.0
    }
}

macro_rules! events {
    ($($name:ident = $raw:ident: $doc:literal;)*) => { $(
        #[doc = $doc]
        pub const $name: Events = Events(sys::$raw);
    )* };
}

events! {
    EPOLLIN = LINUX_DRIVER_EPOLLIN: "There is something to read.";
    EPOLLPRI = LINUX_DRIVER_EPOLLPRI: "There is something urgent to read.";
    EPOLLOUT = LINUX_DRIVER_EPOLLOUT: "There is room to write.";
    EPOLLERR = LINUX_DRIVER_EPOLLERR: "There is an error; reported whether asked for or not.";
    EPOLLHUP = LINUX_DRIVER_EPOLLHUP: "The other end is gone; reported whether asked for or not.";
    EPOLLRDNORM = LINUX_DRIVER_EPOLLRDNORM: "There is something to read; goes with [`EPOLLIN`].";
    EPOLLWRNORM = LINUX_DRIVER_EPOLLWRNORM: "There is room to write; goes with [`EPOLLOUT`].";
    EPOLLRDHUP = LINUX_DRIVER_EPOLLRDHUP: "The other end writes no more.";
}

impl BitOr for Events {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Events {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Where a `poll` says which queues are woken when the file's events change: C's `poll_table`.
#[doc(alias = "poll_table")]
#[doc(alias = "poll_table_struct")]
pub struct Table<'a> {
    raw: *mut sys::poll_table_struct,
    file: &'a File,
    dev: &'a Device<Bound>,
    /// The memory of the file's own state: address and size.
    state: (usize, usize),
}

impl<'a> Table<'a> {
    /// # Safety
    ///
    /// `raw` is what `poll` of `file` was called with. The memory of the driver's data of `dev`,
    /// and the bytes that `state` says, stay as long as the file is open.
    pub(crate) unsafe fn new(
        raw: *mut sys::poll_table_struct,
        file: &'a File,
        dev: &'a Device<Bound>,
        state: (usize, usize),
    ) -> Self {
        Self {
            raw,
            file,
            dev,
            state,
        }
    }

    /// Has whoever polls the file look again when the queue is woken: C's `poll_wait`. It does not
    /// wait.
    ///
    /// Call it before looking at what the events are made of, so that no change gets lost.
    ///
    /// An entry stays in the queue until the file is closed, for longer than the device is bound:
    /// so the queue has to lie in the driver's data or in the file's state, and not in an
    /// allocation of its own (a box, an `Arc`), which could go before: [`EINVAL`].
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Panics
    ///
    /// It does not panic itself. An operation that panics ends its task while C has entries of that
    /// task in the queue. Those of `epoll` are in memory of their own and stay valid. Those of
    /// `poll` and `select` can be on the stack of the task, which goes with it: the next wake-up of
    /// the queue writes there. The same holds for each later call of `poll` in one system call, in
    /// which the entries of the first call are still in the queue. So an operation that has to be
    /// safe against its own bugs does in `poll` nothing that can panic: no index, no arithmetic
    /// that can overflow.
    #[doc(alias = "poll_wait")]
    pub fn wait(&mut self, queue: &WaitQueue) -> Result {
        let queue: *mut sys::wait_queue_head = queue.as_raw();
        let size = size_of::<sys::wait_queue_head>();
        if !lies_in(queue.addr(), size, self.state) && !self.dev.holds(queue.addr(), size) {
            return Err(EINVAL);
        }
        // SAFETY: `poll_wait` asks for
        // - the table and the file that `poll` was called with, during that call: by `new`'s
        //   caller;
        // - an initialised queue, whose memory stays, as a queue, until whoever polls has taken its
        //   entries out: at the latest when the file is closed (`eventpoll_release`, before
        //   `release`; `poll` and `select` hold the file). It was pinned in memory that stays so
        //   long, as checked above and by `new`'s caller, and to drop a queue leaves it as it is.
        unsafe { sys::linux_driver_poll_wait(self.file.as_raw(), queue, self.raw) };
        Ok(())
    }
}

fn lies_in(address: usize, size: usize, (start, room): (usize, usize)) -> bool {
    room.checked_sub(address.wrapping_sub(start))
        .is_some_and(|room| size <= room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_those_of_user_space() {
        // What <poll.h> says.
        assert_eq!((EPOLLIN | EPOLLOUT).raw(), 5);
        assert_eq!((EPOLLERR | EPOLLHUP).raw(), 0x18);
        let mut events = Events::NONE;
        events |= EPOLLRDNORM;
        assert_eq!(events.raw(), 0x40);
    }

    #[test]
    fn what_lies_outside_is_outside() {
        assert!(lies_in(0x1000, 8, (0x1000, 8)) && lies_in(0x1008, 8, (0x1000, 16)));
        for (address, size) in [(0xfff, 1), (0x1009, 8), (0x1010, 1), (0, usize::MAX)] {
            assert!(!lies_in(address, size, (0x1000, 16)), "{address:#x} {size}");
        }
    }
}
