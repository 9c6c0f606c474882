// SPDX-License-Identifier: GPL-2.0-only
//! A kernel's configuration: the `.config` of its build tree.

use std::collections::BTreeMap;
use std::path::Path;

use linux_driver_host::{Result, fs};

/// The options of a `.config`, with their `CONFIG_` prefix. An option that is not set is not in it.
#[derive(Debug, Clone, Default)]
pub struct Config(BTreeMap<String, String>);

impl Config {
    /// Reads a `.config` file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)?;
        Ok(Self::parse(&text))
    }

    /// Reads the text of a `.config` file.
    pub fn parse(text: &str) -> Self {
        let options = text.lines().filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.starts_with("CONFIG_")
                .then(|| (name.to_owned(), value.trim_matches('"').to_owned()))
        });
        Self(options.collect())
    }

    /// Returns whether the option is built in (`=y`).
    pub fn is_set(&self, name: &str) -> bool {
        self.value(name) == Some("y")
    }

    /// Returns whether one of the options is built in: for one that was renamed between kernels.
    pub fn any_set(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.is_set(name))
    }

    /// Returns the option's value, without quotes.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_told_apart() {
        let config = Config::parse(
            "# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_C=m\nCONFIG_D=\"gcc-12 (x)\"\nCONFIG_E=16\n",
        );
        assert!(
            !config.is_set("CONFIG_A") && config.is_set("CONFIG_B") && !config.is_set("CONFIG_C")
        );
        assert!(config.any_set(&["CONFIG_A", "CONFIG_B"]));
        assert_eq!(
            (config.value("CONFIG_D"), config.value("CONFIG_E")),
            (Some("gcc-12 (x)"), Some("16"))
        );
    }
}
