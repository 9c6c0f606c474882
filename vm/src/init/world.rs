// SPDX-License-Identifier: GPL-2.0-only
//! What the steps share.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use linux_driver_vm::{Action, Alias, ProbeFailure};

use crate::action::{Failure, Result};
use crate::outside::Outside;
use crate::programs::Programs;

pub(crate) struct World {
    pub(crate) aliases: Vec<Alias>,
    programs: Mutex<Programs>,
    /// What the kernel said of probes that failed: in the step before, and in this one.
    failures: Mutex<[Vec<ProbeFailure>; 2]>,
    outside: Option<Mutex<Outside>>,
}

impl World {
    pub(crate) fn new(aliases: Vec<Alias>, asks_host: bool) -> io::Result<Self> {
        let outside = if asks_host {
            Some(Mutex::new(Outside::open()?))
        } else {
            None
        };
        Ok(Self {
            aliases,
            programs: Mutex::default(),
            failures: Mutex::default(),
            outside,
        })
    }

    pub(crate) fn programs(&self) -> MutexGuard<'_, Programs> {
        self.programs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failures(&self) -> MutexGuard<'_, [Vec<ProbeFailure>; 2]> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A step begins: what came in the one before the last is forgotten.
    pub(crate) fn step_begins(&self) {
        let mut failures = self.failures();
        failures[0] = std::mem::take(&mut failures[1]);
    }

    /// Takes note of a message of the kernel's.
    pub(crate) fn see(&self, message: &str) {
        if let Some(failure) = ProbeFailure::read(message) {
            self.failures()[1].push(failure);
        }
    }

    /// What the kernel said last of a failed probe of this device, by any driver or by this one.
    pub(crate) fn probe_failure(&self, device: &str, driver: Option<&str>) -> Option<ProbeFailure> {
        let failures = self.failures();
        let those = failures.iter().rev().flat_map(|step| step.iter().rev());
        let of_driver =
            |failure: &&ProbeFailure| driver.is_none_or(|driver| failure.driver == driver);
        those
            .filter(|failure| failure.device == device)
            .find(of_driver)
            .cloned()
    }

    /// Has the host do this.
    pub(crate) fn ask(&self, action: &Action, deadline: Instant) -> Result {
        match &self.outside {
            Some(outside) => outside
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .ask(action, deadline),
            None => Err(Failure::new("there is no line to the host")),
        }
    }
}
