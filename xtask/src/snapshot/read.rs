// SPDX-License-Identifier: GPL-2.0-only
//! The reader of snapshots.

use std::path::Path;

use linux_driver_abi::Abi;
use linux_driver_abi::model::SCHEMA;
use linux_driver_host::{Error, Result};

use crate::folders::workspace;

/// Returns the ABI of a kernel of the catalogue, from its snapshot.
pub(crate) fn snapshot(name: &str) -> Result<Abi> {
    record(
        &workspace()
            .join("headers/snapshots")
            .join(name)
            .join("abi.json"),
    )
}

/// Reads an `abi.json`.
pub(crate) fn record(file: &Path) -> Result<Abi> {
    let text = std::fs::read(file).map_err(|e| {
        Error::new(
            file.display(),
            "the ABI of a kernel, in its snapshot",
            e,
            "create it with `cargo xtask snapshot --kernel NAME`",
        )
    })?;
    const AGAIN: &str = "create it again with `cargo xtask snapshot --kernel NAME`";
    let abi: Abi = serde_json::from_slice(&text).map_err(|e| {
        Error::new(
            file.display(),
            "an ABI as `cargo xtask snapshot` writes it",
            e,
            AGAIN,
        )
    })?;
    if abi.schema != SCHEMA {
        let expected = format_args!("an ABI of schema {SCHEMA}");
        return Err(Error::new(
            file.display(),
            expected,
            format_args!("schema {}", abi.schema),
            AGAIN,
        ));
    }
    Ok(abi)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_record_is_refused_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("abi.json");
        for text in ["", "{}", "{\"schema\": 1, \"types\": []}", "[1, 2"] {
            std::fs::write(&file, text).unwrap();
            let error = record(&file).unwrap_err();
            assert_eq!(error.location(), file.display().to_string(), "{text}");
        }
        let newer = Abi {
            schema: SCHEMA + 1,
            ..Abi::default()
        };
        std::fs::write(&file, serde_json::to_string(&newer).unwrap()).unwrap();
        assert!(record(&file).unwrap_err().to_string().contains("schema 2"));
        assert!(
            record(&dir.path().join("none.json"))
                .unwrap_err()
                .remedy()
                .contains("xtask snapshot")
        );
    }
}
