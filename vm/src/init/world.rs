// SPDX-License-Identifier: GPL-2.0-only
//! What the steps share.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use linux_driver_vm::{Action, Alias};

use crate::action::{Failure, Result};
use crate::outside::Outside;
use crate::programs::Programs;

pub(crate) struct World {
    pub(crate) aliases: Vec<Alias>,
    programs: Mutex<Programs>,
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
            outside,
        })
    }

    pub(crate) fn programs(&self) -> MutexGuard<'_, Programs> {
        self.programs.lock().unwrap_or_else(PoisonError::into_inner)
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
