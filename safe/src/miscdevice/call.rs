// SPDX-License-Identifier: GPL-2.0-only
//! An operation of a file that is being called.

use super::gate::Pass;
use crate::device::{Bound, Device};
use crate::error::Result;
use crate::fs;
use crate::jiffies::Jiffies;
use crate::wait::WaitQueue;

/// A call of an operation: the file that it is made on, and the device, which stays bound until it
/// returns.
pub struct Call<'a> {
    pass: Pass<'a>,
    dev: &'a Device<Bound>,
    file: &'a fs::File,
}

impl<'a> Call<'a> {
    pub(super) fn new(pass: Pass<'a>, dev: &'a Device<Bound>, file: &'a fs::File) -> Self {
        Self { pass, dev, file }
    }

    /// The device that the driver is bound to.
    pub fn dev(&self) -> &'a Device<Bound> {
        self.dev
    }

    /// The open file.
    pub fn file(&self) -> &'a fs::File {
        self.file
    }

    /// Whether the driver is being unbound, and waits for this call to return. A call that takes
    /// long without waiting looks.
    pub fn is_unbinding(&self) -> bool {
        self.pass.gate().is_closed()
    }

    /// Waits on `queue` until `condition` holds: C's `wait_event_interruptible`.
    ///
    /// [`ERESTARTSYS`] if a signal comes first, and [`ENODEV`] if the driver is being unbound:
    /// return either as it is. Context: may sleep, and so may the condition. An operation that
    /// finds nothing to wait for returns [`EAGAIN`] instead where the file [is
    /// non-blocking](fs::File::is_nonblocking).
    ///
    /// [`ERESTARTSYS`]: crate::error::code::ERESTARTSYS
    /// [`ENODEV`]: crate::error::code::ENODEV
    /// [`EAGAIN`]: crate::error::code::EAGAIN
    #[doc(alias = "wait_event")]
    pub fn wait_event_interruptible(
        &self,
        queue: &WaitQueue,
        condition: impl FnMut() -> bool,
    ) -> Result {
        let gate = self.pass.gate();
        queue.wait_event_interruptible_or(gate.queue(), || gate.is_closed(), condition)
    }

    /// As [`wait_event_interruptible`](Self::wait_event_interruptible), `timeout` at most: what is
    /// left of that, or [`ETIMEDOUT`](crate::error::code::ETIMEDOUT). Context: may sleep.
    #[doc(alias = "wait_event_timeout")]
    pub fn wait_event_interruptible_timeout(
        &self,
        queue: &WaitQueue,
        timeout: Jiffies,
        condition: impl FnMut() -> bool,
    ) -> Result<Jiffies> {
        let gate = self.pass.gate();
        queue.wait_event_interruptible_timeout_or(
            timeout,
            gate.queue(),
            || gate.is_closed(),
            condition,
        )
    }
}

impl AsRef<Device<Bound>> for Call<'_> {
    fn as_ref(&self) -> &Device<Bound> {
        self.dev
    }
}
