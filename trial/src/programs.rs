// SPDX-License-Identifier: GPL-2.0-only
//! The tool's programs in the machine.

use std::path::{Path, PathBuf};

use linux_driver_host::Result;
use linux_driver_vm::init_program;

use crate::settings::Settings;

/// The tool's programs in the machine.
pub struct Programs {
    /// The machine's first process.
    pub(crate) init: PathBuf,
    /// The program that steps run in user space, if any step does.
    pub(crate) guest: Option<PathBuf>,
}

impl Programs {
    /// Builds the programs. Builds the one for user space only if a step of a driver needs it.
    /// `manifest` is the `Cargo.toml` of linux-driver's workspace, and `target` the target folder,
    /// if it is not the workspace's own.
    ///
    /// # Errors
    ///
    /// Fails if cargo cannot build them.
    pub fn build<'a>(
        manifest: &Path,
        target: Option<&Path>,
        drivers: impl IntoIterator<Item = &'a Settings>,
    ) -> Result<Self> {
        let guest = drivers.into_iter().any(Settings::runs_programs);
        Ok(Self {
            init: init_program::build(manifest, target)?,
            guest: guest
                .then(|| init_program::build_guest(manifest, target))
                .transpose()?,
        })
    }
}
