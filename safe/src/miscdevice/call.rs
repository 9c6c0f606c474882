// SPDX-License-Identifier: GPL-2.0-only
//! A running operation of a file.

use super::gate::Pass;
use crate::device::{Bound, Device};
use crate::error::Result;
use crate::fs;
use crate::jiffies::Jiffies;
use crate::wait::WaitQueue;

/// A running operation: its file, and the device, which stays bound until the operation returns.
pub struct Call<'a> {
    pass: Pass<'a>,
    dev: &'a Device<Bound>,
    file: &'a fs::File,
}

impl<'a> Call<'a> {
    pub(super) fn new(pass: Pass<'a>, dev: &'a Device<Bound>, file: &'a fs::File) -> Self {
        Self { pass, dev, file }
    }

    /// Returns the device that the driver is bound to.
    pub fn dev(&self) -> &'a Device<Bound> {
        self.dev
    }

    /// Returns the open file.
    pub fn file(&self) -> &'a fs::File {
        self.file
    }

    /// Returns true if the driver is being unbound, and waits for this operation. An operation that
    /// runs for a long time without waiting should check this.
    pub fn is_unbinding(&self) -> bool {
        self.pass.gate().is_closed()
    }

    /// Waits on `queue` until `condition` is true: C's `wait_event_interruptible`.
    ///
    /// An operation on a file that [is non-blocking](fs::File::is_nonblocking) should not wait, but
    /// return [`EAGAIN`].
    ///
    /// # Context
    ///
    /// May sleep, and so may the condition.
    ///
    /// # Errors
    ///
    /// [`ERESTARTSYS`] if a signal arrives first; [`ENODEV`] if the driver is being unbound. The
    /// operation should return either of them unchanged.
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

    /// Waits as [`wait_event_interruptible`](Self::wait_event_interruptible) does, but no longer
    /// than `timeout`. Returns the rest of the timeout.
    ///
    /// # Context
    ///
    /// May sleep, and so may the condition.
    ///
    /// # Errors
    ///
    /// [`ETIMEDOUT`](crate::error::code::ETIMEDOUT) if the condition is still false after
    /// `timeout`; otherwise the errors of
    /// [`wait_event_interruptible`](Self::wait_event_interruptible).
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
