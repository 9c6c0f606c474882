// SPDX-License-Identifier: GPL-2.0-only
//! State that all steps share.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use linux_driver_vm::{Action, Alias, ProbeFailure, instead};

use crate::action::{Failure, Result};
use crate::outside::Outside;
use crate::programs::Programs;

pub(crate) struct World {
    pub(crate) aliases: Vec<Alias>,
    programs: Mutex<Programs>,
    /// The failed probes that the kernel reported: in the previous step, and in this one.
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

    /// Starts a step: forgets the failed probes of the step before the previous one.
    pub(crate) fn step_begins(&self) {
        let mut failures = self.failures();
        failures[0] = std::mem::take(&mut failures[1]);
    }

    /// Records a kernel message, if it reports a failed probe.
    pub(crate) fn see(&self, message: &str) {
        if let Some(failure) = ProbeFailure::read(message) {
            self.failures()[1].push(failure);
        }
    }

    /// Returns the last failed probe of this device, by the given driver or by any driver.
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

    /// Returns the ID table of the modules as a text.
    pub(crate) fn table(&self) -> String {
        instead::table(self.aliases.iter().map(|alias| alias.pattern.as_str()))
    }

    /// Returns whether the host can plug devices in and out during the plan.
    pub(crate) fn is_hot(&self) -> bool {
        self.outside.is_some()
    }

    /// Asks the host to do this action.
    pub(crate) fn ask(&self, action: &Action, deadline: Instant) -> Result {
        match &self.outside {
            Some(outside) => outside
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .ask(action, deadline),
            None => Err(Failure::new("the plan has no connection to the host")),
        }
    }
}
