// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask snapshot --usage`: records which parts of a kernel the code uses. This decides what
//! drift means for the code.

use linux_driver_abi::Usage;
use linux_driver_host::{Error, Result, fs, output};
use linux_driver_kbuild::usage;
use linux_driver_kbuild::{DriverCrate, Language};

use super::bindings::of_snapshot;
use crate::Outcome;
use crate::args::catalogue;
use crate::folders::{manifest, workspace};

/// The file with the record.
const FILE: &str = "headers/usage.json";

/// Writes which parts of the snapshot's kernel the safe layer and the samples use.
pub(super) fn write(kernel: Option<&str>) -> Result<Outcome> {
    let catalogue = catalogue()?;
    let usage = of_samples(kernel.unwrap_or(catalogue.default_name()))?;
    let path = workspace().join(FILE);
    let unwritable =
        |e: serde_json::Error| Error::new(path.display(), "to write it as JSON", e, "report this");
    let text = serde_json::to_string_pretty(&usage).map_err(unwritable)? + "\n";
    fs::write(&path, text)?;
    output::line(path.display());
    Ok(Outcome::Good)
}

fn of_samples(kernel: &str) -> Result<Usage> {
    let samples = workspace().join("samples");
    let rust = |source: &DriverCrate| {
        matches!(source.language, Language::Rust { .. }) && source.dir.starts_with(&samples)
    };
    let sources: Vec<DriverCrate> = DriverCrate::all(&manifest())?
        .into_iter()
        .filter(rust)
        .collect();
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    usage::of(&of_snapshot(kernel), &names)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that the file matches the code.
    #[test]
    fn the_stored_usage_is_that_of_the_code() {
        let catalogue = catalogue().unwrap();
        let stored = std::fs::read(workspace().join(FILE)).unwrap();
        let stored: Usage = serde_json::from_slice(&stored).unwrap();
        let now = of_samples(catalogue.default_name()).unwrap();
        assert_eq!(stored, now, "run `cargo xtask snapshot --usage`");
        // The result must not be empty by mistake.
        assert!(now.allocated.contains("pci_driver"), "{now:?}");
        assert!(now.fields["device"].contains("driver_data"), "{now:?}");
        assert!(now.functions.contains("pci_unregister_driver"), "{now:?}");
    }
}
