// SPDX-License-Identifier: GPL-2.0-only
//! A private apt. Its lists, its sources and its record of what is installed (nothing) are in the
//! cache, so that the system's are neither used nor changed. It checks signatures and hashes as the
//! system's apt does.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use linux_driver_host::cache::{Disk, Key};
use linux_driver_host::progress::Progress;
use linux_driver_host::{Cache, Error, Result, fs, process};

use super::archives::Archives;
use super::index::{self, IndexEntry, Offer};

/// How old the lists may be when something has to be fetched.
const FRESH: Duration = Duration::from_secs(3600);

/// The system's settings that a private apt follows: how to reach a mirror, and how old its lists
/// may be.
const FOLLOWED: [&str; 6] = [
    "Acquire::http::",
    "Acquire::https::",
    "Acquire::ForceIPv",
    "Acquire::Retries",
    "Acquire::Check-Valid-Until",
    "Acquire::Check-Date",
];

/// A private apt over some suites. Only one is at work on the same suites at a time.
#[derive(Debug)]
pub(super) struct Apt {
    dir: PathBuf,
    suites: String,
    _lock: File,
}

impl Apt {
    /// Sets it up, without reaching for the network.
    pub(super) fn open(
        cache: &Cache,
        archives: &Archives,
        suites: &[String],
        arch: &str,
    ) -> Result<Self> {
        let sources = archives.sources(suites, arch)?;
        let name = suites.join("-");
        let key = Key::new().with(&sources).with(arch);
        let lock = cache.lock("apt", &format!("{name}-{}", key.hex()))?;
        let dir = cache.entry_path("apt", &name, &key);
        for folder in ["lists/partial", "archives/partial", "log"] {
            let folder = dir.join(folder);
            fs::create_dir_all(&folder)?;
        }
        write_if_new(&dir.join("sources.list"), &sources)?;
        write_if_new(&dir.join("status"), "")?;
        write_if_new(
            &dir.join("apt.conf"),
            &configuration(&dir, arch, &followed()),
        )?;
        Ok(Self {
            dir,
            suites: suites.join(", "),
            _lock: lock,
        })
    }

    /// Downloads the lists if they are older than an hour. Returns whether they were.
    pub(super) fn refresh_if_old(&self) -> Result<bool> {
        let age = self
            .stamp()
            .metadata()
            .and_then(|meta| meta.modified())
            .map(|time| SystemTime::now().duration_since(time));
        // A stamp from the future says nothing either.
        let old = !matches!(age, Ok(Ok(age)) if age < FRESH);
        if old {
            self.refresh()?;
        }
        Ok(old)
    }

    /// Downloads the lists.
    pub(super) fn refresh(&self) -> Result<()> {
        let _step = Progress::start(format!(
            "reading what Debian's archive has in {}",
            self.suites
        ));
        let mut command = self.command("apt-get");
        command.args(["-qq", "-o", "APT::Update::Error-Mode=any", "update"]);
        self.run(&mut command)?;
        write(&self.stamp(), "")
    }

    /// Returns the names of packages that start with `prefix`.
    pub(super) fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let text = process::run(self.command("apt-cache").args(["pkgnames", prefix]))?;
        Ok(text
            .lines()
            .filter_map(index::name)
            .map(str::to_owned)
            .collect())
    }

    /// Returns all versions of these packages in the suites.
    pub(super) fn offers(&self, names: &[String]) -> Result<Vec<Offer>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        Ok(index::offers(&process::run(
            self.command("apt-cache").arg("madison").args(names),
        )?))
    }

    /// Returns these packages (`name` or `name=version`) as the index describes them.
    pub(super) fn show(&self, wanted: &[String]) -> Result<Vec<IndexEntry>> {
        let mut command = self.command("apt-cache");
        command.args(["show", "--no-all-versions"]).args(wanted);
        let found = index::packages(&process::run(&mut command)?);
        let name = |word: &String| {
            word.split_once('=')
                .map_or(word.clone(), |(name, _)| name.to_owned())
        };
        match wanted
            .iter()
            .map(name)
            .find(|name| found.iter().all(|package| package.name != *name))
        {
            None => Ok(found),
            Some(name) => Err(Error::new(
                process::command_line(&command),
                format_args!("the package {name} in {}", self.suites),
                "no such package, or not in this version",
                "try again later (an archive can be between two states), or name another version in headers/kernels.toml",
            )),
        }
    }

    /// Returns these packages with all that they depend on.
    pub(super) fn closure(&self, wanted: &[String]) -> Result<Vec<IndexEntry>> {
        let mut command = self.command("apt-get");
        command.args(["-qq", "--simulate", "install"]).args(wanted);
        self.show(&index::installed(&self.run(&mut command)?))
    }

    /// Downloads the packages into the folder, shows that on standard error, and returns their
    /// files. apt checks their hashes.
    pub(super) fn download(&self, packages: &[&IndexEntry], dir: &Path) -> Result<Vec<PathBuf>> {
        let bytes: u64 = packages.iter().map(|package| package.size).sum();
        let what = match packages {
            [package] => package.name.clone(),
            [package, rest @ ..] => format!("{} and {} more packages", package.name, rest.len()),
            [] => return Ok(Vec::new()),
        };
        let _step = Progress::start(format!(
            "downloading {what} ({} MB)",
            bytes.div_ceil(1_000_000)
        ));
        self.get(packages, dir)
    }

    fn get(&self, packages: &[&IndexEntry], dir: &Path) -> Result<Vec<PathBuf>> {
        let mut command = self.command("apt-get");
        command
            .args(["-qq", "download"])
            .args(packages.iter().map(|package| package.exactly()))
            .current_dir(dir);
        self.run(&mut command)?;
        let files: Vec<PathBuf> = packages
            .iter()
            .map(|package| dir.join(package.file_name()))
            .collect();
        match packages
            .iter()
            .zip(&files)
            .find(|(package, file)| file.metadata().map_or(0, |meta| meta.len()) != package.size)
        {
            None => Ok(files),
            Some((package, file)) => Err(Error::new(
                file.display(),
                format_args!("{} bytes, as the archive's index has it", package.size),
                file.metadata()
                    .map_or_else(|e| e.to_string(), |meta| format!("{} bytes", meta.len())),
                "run it again; report this if it stays",
            )),
        }
    }

    fn stamp(&self) -> PathBuf {
        self.dir.join("refreshed")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("APT_CONFIG", self.dir.join("apt.conf"))
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    }

    fn run(&self, command: &mut Command) -> Result<String> {
        // apt's method for HTTP waits for ever once it cannot write what it downloads.
        let mut disk = Disk::of(&self.dir);
        let output = process::output_while(command, || disk.check())?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(unreachable(&output, &self.suites)
            .unwrap_or_else(|| process::failed(command, output.status, &process::said(&output))))
    }
}

/// Returns the error for a mirror that could not be reached, if that is what apt complained about.
fn unreachable(output: &Output, suites: &str) -> Option<Error> {
    let said = process::said(output);
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| unreached(line).is_some())
        .collect();
    let uri = unreached(lines.first()?)?;
    // A full disk stops a download too.
    if said.contains("No space left on device") {
        return None;
    }
    Some(Error::new(
        uri,
        format_args!("to be downloaded from Debian's archive ({suites})"),
        lines.join("\n"),
        "check the network, or name another mirror in LINUX_DRIVER_DEBIAN_MIRROR and LINUX_DRIVER_DEBIAN_SECURITY_MIRROR; \
         kernels that are in the cache already still work without a network",
    ))
}

/// Returns the URI that could not be reached, from a line of apt's output.
fn unreached(line: &str) -> Option<&str> {
    let failed = line.strip_prefix("E: Failed to fetch ");
    let absent = line
        .strip_prefix("E: The repository '")
        .filter(|_| line.ends_with("does not have a Release file."));
    failed.or(absent)?.split(' ').next()
}

/// apt reads this file before the system's own, which it thereby never sees: those name hooks that
/// act on the system.
fn configuration(dir: &Path, arch: &str, followed: &str) -> String {
    let dir = dir.display();
    format!(
        r#"Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "{dir}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::trusted "/dev/null";
Dir::Etc::trustedparts "/dev/null";
Dir::State "{dir}";
Dir::State::lists "{dir}/lists";
Dir::State::status "{dir}/status";
Dir::State::extended_states "{dir}/extended_states";
Dir::Cache "{dir}";
Dir::Cache::archives "{dir}/archives";
Dir::Cache::srcpkgcache "";
Dir::Log "{dir}/log";
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::PDiffs "false";
Acquire::GzipIndexes "true";
Acquire::Retries "2";
{followed}"#
    )
}

/// Returns the lines of the system's apt configuration that ours repeats.
fn followed() -> String {
    let text = process::run(Command::new("apt-config").args([
        "dump",
        "--no-empty",
        "--format",
        "%F \"%v\";%n",
    ]));
    let wanted = |line: &&str| FOLLOWED.iter().any(|prefix| line.starts_with(prefix));
    text.unwrap_or_default()
        .lines()
        .filter(wanted)
        .map(|line| format!("{line}\n"))
        .collect()
}

/// apt reads its lists again if one of its files is newer than its notes.
fn write_if_new(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        Ok(())
    } else {
        write(path, text)
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a cache and an apt over a mirror that is not there.
    fn apt_of_nowhere(dir: &Path) -> Option<Apt> {
        process::find_program("apt-get")?;
        super::super::archives::has_keyring().then_some(())?;
        let cache = Cache::at(&dir.join("cache")).unwrap();
        let mirror = Some(format!("file:{}/no-mirror", dir.display()));
        let archives = Archives {
            main: mirror,
            security: None,
        };
        Some(Apt::open(&cache, &archives, &["bookworm".to_owned()], "amd64").unwrap())
    }

    #[test]
    fn an_archive_out_of_reach_is_named_and_the_cache_recalled() {
        let dir = tempfile::tempdir().unwrap();
        let Some(apt) = apt_of_nowhere(dir.path()) else {
            return;
        };
        let error = apt.refresh_if_old().unwrap_err();
        assert!(error.location().contains("no-mirror"), "{error}");
        assert!(
            error.remedy().contains("in the cache already still work"),
            "{error}"
        );
        assert!(!apt.stamp().exists());
    }

    #[test]
    fn the_unreachable_address_is_read_from_apts_errors() {
        let uri = "https://mirror.example/debian/dists/trixie/InRelease";
        assert_eq!(
            unreached(&format!(
                "E: Failed to fetch {uri}  Could not resolve 'mirror.example'"
            )),
            Some(uri)
        );
        let text = "E: The repository 'file:/debian trixie Release' does not have a Release file.";
        assert_eq!(unreached(text), Some("file:/debian"));
        assert_eq!(
            unreached("E: The repository 'https://mirror.example trixie InRelease' is not signed."),
            None
        );
    }

    #[test]
    fn the_system_is_neither_read_nor_changed() {
        let dir = tempfile::tempdir().unwrap();
        let Some(apt) = apt_of_nowhere(dir.path()) else {
            return;
        };
        let text = process::run(apt.command("apt-config").arg("dump")).unwrap();
        for option in [
            "Dir::State ",
            "Dir::State::status ",
            "Dir::Cache ",
            "Dir::Log ",
            "Dir::Etc::sourcelist ",
        ] {
            let line = text.lines().find(|line| line.starts_with(option)).unwrap();
            assert!(line.contains(dir.path().to_str().unwrap()), "{line}");
        }
        assert!(!text.contains("Post-Invoke"), "{text}");
    }
}
