// SPDX-License-Identifier: GPL-2.0-only
//! Reads a driver's settings from [`FILE`] in its folder.

use std::collections::HashSet;
use std::path::Path;

use linux_driver_host::{Error, Result, fs};
use linux_driver_kbuild::DriverCrate;
use linux_driver_vm::{Action, Step};

use crate::settings::Settings;

/// The name of the file in a driver's folder with the settings of the trial.
pub const FILE: &str = "trial.toml";
/// The placeholder for the driver's name in that file. It allows a driver and its twin to share a
/// file.
const DRIVER: &str = "{driver}";
/// The key in a crate's own manifest that the build reads.
const OF_BUILD: &str = "allow-features";
/// The hint for a file that cannot be read.
const EXAMPLE: &str = "correct it; samples/edu/trial.toml is an example";

impl Settings {
    /// Returns the settings of this driver's trial: the defaults, if its folder has no [`FILE`].
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, has an unknown key or a wrong value, or asks for something
    /// impossible. The error names the file and the step.
    pub fn of(source: &DriverCrate) -> Result<Self> {
        in_manifest(source)?;
        let file = source.dir.join(FILE);
        let mut settings = if file.is_file() {
            read(&file, &source.module)?
        } else {
            Self::default()
        };
        if let Some(twin) = settings.twin_of.take() {
            let driver = settings.driver.unwrap_or_else(|| source.module.clone());
            settings = read(&source.dir.join(&twin).join(FILE), &driver)?;
            settings.driver = Some(driver);
            settings.files_are_in(Path::new(&twin));
        }
        let driver = settings.driver_name(source).to_owned();
        settings
            .all_steps()
            .for_each(|step| step.fill_driver(&driver));
        check(&file, &mut settings)?;
        Ok(settings)
    }

    /// Returns the driver's name in `/sys/bus/BUS/drivers`.
    pub fn driver_name<'a>(&'a self, source: &'a DriverCrate) -> &'a str {
        self.driver.as_deref().unwrap_or(&source.module)
    }

    /// Makes the paths of files, which are relative to the folder `dir`, relative to the folder that
    /// contains `dir`.
    fn files_are_in(&mut self, dir: &Path) {
        let in_c = self
            .programs
            .iter_mut()
            .filter(|program| program.ends_with(".c"));
        for path in in_c.chain(&mut self.files) {
            *path = dir.join(&*path).to_string_lossy().into_owned();
        }
    }

    fn all_steps(&mut self) -> impl Iterator<Item = &mut Step> {
        let scenarios = self
            .scenarios
            .iter_mut()
            .flat_map(|scenario| &mut scenario.steps);
        self.used.iter_mut().chain(&mut self.steps).chain(scenarios)
    }
}

/// Rejects settings in the crate's own manifest, where they belonged before [`FILE`] existed.
fn in_manifest(source: &DriverCrate) -> Result<()> {
    let keys = source.settings.as_object().into_iter().flatten();
    let Some((key, _)) = keys.into_iter().find(|(key, _)| key.as_str() != OF_BUILD) else {
        return Ok(());
    };
    Err(Error::new(
        format_args!(
            "{}: [package.metadata.linux-driver]",
            source.dir.join("Cargo.toml").display()
        ),
        format_args!("{OF_BUILD}, and nothing else"),
        format_args!("`{key}`"),
        format_args!(
            "move it to {}, without the prefix of its tables; samples/edu/trial.toml is an example",
            source.dir.join(FILE).display()
        ),
    ))
}

/// Reads the file. The driver's name is `driver`, unless the file sets it.
fn read(file: &Path, driver: &str) -> Result<Settings> {
    let text = fs::read_to_string(file)?;
    let wrong = |e: toml::de::Error| {
        wrong(
            file,
            "keys and steps as in samples/edu/trial.toml",
            e.to_string().trim(),
            EXAMPLE,
        )
    };
    let keys: toml::Table = toml::from_str(&text).map_err(wrong)?;
    let driver = match keys.get("driver") {
        Some(toml::Value::String(name)) => name,
        _ => driver,
    };
    toml::from_str(&text.replace(DRIVER, driver)).map_err(wrong)
}

/// Checks the settings for errors before anything is built.
fn check(file: &Path, settings: &mut Settings) -> Result<()> {
    for (key, steps) in [
        ("logs", &settings.logs),
        ("sources", &settings.sources),
        ("removed", &settings.removed),
    ] {
        for step in steps {
            let messages = Step {
                expect: step.expect.clone(),
                ..Step::new(&step.name, Action::Expect {})
            };
            if step.expect.is_empty() || *step != messages {
                return Err(wrong(
                    file,
                    format_args!("`name` and `expect` in each of `{key}`"),
                    format_args!("step {:?} with other keys", step.name),
                    "add `expect`, or move the step to `used`",
                ));
            }
        }
    }
    let of_the_life = !settings.used.is_empty() || !settings.removed.is_empty();
    if of_the_life && !settings.steps.is_empty() {
        return Err(wrong(
            file,
            "`steps`, or `used` and `removed`",
            "both",
            "write all steps in `steps`, or remove `steps`",
        ));
    }
    let mut names = HashSet::new();
    for scenario in &settings.scenarios {
        let found = if !names.insert(&scenario.name) {
            format!("two scenarios with the name {:?}", scenario.name)
        } else if scenario.steps.is_empty() {
            format!("scenario {:?} without steps", scenario.name)
        } else {
            continue;
        };
        return Err(wrong(
            file,
            "scenarios with unique names and with steps",
            found,
            "rename the scenario, or add steps",
        ));
    }
    let idle = |step: &&mut Step| {
        step.action == Action::Expect {} && step.expect.is_empty() && step.never.is_empty()
    };
    match settings.all_steps().find(idle) {
        None => Ok(()),
        Some(step) => Err(wrong(
            file,
            "steps with an action, or with messages to `expect`",
            format_args!("step {:?} without either", step.name),
            "add an action, such as `load = \"edu\"`, or remove the step",
        )),
    }
}

fn wrong(
    file: &Path,
    expected: impl std::fmt::Display,
    found: impl std::fmt::Display,
    remedy: &str,
) -> Error {
    Error::new(
        format_args!("{}: the settings of the trial", file.display()),
        expected,
        found,
        remedy,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Settings> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        std::fs::write(&path, text).unwrap();
        let mut settings = read(&path, "edu_c")?;
        check(&path, &mut settings)?;
        Ok(settings)
    }

    #[test]
    fn the_files_of_a_twin_are_in_its_folder() {
        let text = "programs = [\"tests/a.c\", \"b\"]\nfiles = [\"c\"]";
        let mut settings = read_text(text).unwrap();
        settings.files_are_in(Path::new("../edu"));
        assert_eq!(settings.programs, ["../edu/tests/a.c", "b"]);
        assert_eq!(settings.files, ["../edu/c"]);
    }

    #[test]
    fn a_name_is_filled_in() {
        let text = "[[steps]]\nname = \"a\"\nexists = \"/dev/{driver}-8\"";
        let path = |path: &str| Action::Exists { path: path.into() };
        assert_eq!(
            read_text(text).unwrap().steps[0].action,
            path("/dev/edu_c-8")
        );
        let named = format!("driver = \"edu\"\n{text}");
        assert_eq!(
            read_text(&named).unwrap().steps[0].action,
            path("/dev/edu-8")
        );
    }

    #[test]
    fn an_error_says_what_to_mend() {
        let step = "[[scenarios.steps]]\nname = \"a\"\nload = \"edu\"\n";
        let scenario = format!("[[scenarios]]\nname = \"x\"\n{step}");
        for (text, parts) in [
            (format!("{scenario}{scenario}"), ["two scenarios", "\"x\""]),
            (
                "[[scenarios]]\nname = \"x\"\nsteps = []".into(),
                ["without steps", "\"x\""],
            ),
            (
                scenario.replace("[[scenarios.steps]]", "ports = 1\n[[scenarios.steps]]"),
                ["ports", "invalid type"],
            ),
            ("devises = []".into(), ["devises", "devices"]),
            (
                "[[steps]]\nname = \"one\"\nlaod = \"edu\"".into(),
                ["step \"one\"", "load-by-alias"],
            ),
            (
                "[[steps]]\nname = \"one\"".into(),
                ["step \"one\" without either", "load"],
            ),
            (
                "[[logs]]\nname = \"one\"\nexists = \"/\"".into(),
                ["step \"one\"", "`expect`"],
            ),
            (
                "[[steps]]\nname = \"a\"\nload = \"a\"\n[[used]]\nname = \"b\"\nload = \"a\""
                    .into(),
                ["`used`", "both"],
            ),
        ] {
            let error = read_text(&text).unwrap_err().to_string();
            for part in parts.into_iter().chain([FILE]) {
                assert!(error.contains(part), "{text}: no {part:?} in {error}");
            }
        }
        assert!(read(Path::new("/nonexistent/trial.toml"), "edu").is_err());
    }
}
