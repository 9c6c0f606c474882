// SPDX-License-Identifier: GPL-2.0-only
//! Runs the command line as a user does, on drivers and caches made up for a test.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

// In a copy of the checkout this is compiled anew: paths are compiled in.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

/// Long for anything that a test waits for; whoever reaches it has failed.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// The folder of this repository.
pub(crate) fn repository() -> &'static Path {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    dir.parent().unwrap_or(dir)
}

/// The target folder that these tests were built in: what is built for a kernel there is shared
/// with other runs.
fn target() -> &'static Path {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    dir.parent().unwrap_or(dir)
}

/// The command line with these words.
pub(crate) fn xtask<const N: usize>(words: [&str; N]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(words).current_dir(repository());
    command
        .env("CARGO_TARGET_DIR", target())
        .stdin(Stdio::null());
    command
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs it to its end.
pub(crate) fn run(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Ran {
    /// It ended with this exit code and a whole error, in which all of `words` stand, and printed
    /// nothing else.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.status.code(), Some(code), "{self:#?}");
        let parts = [
            "error: ",
            "\n  expected: ",
            "\n  found:    ",
            "\n  remedy:   ",
        ];
        for word in parts.iter().chain(words) {
            assert!(
                self.stderr.contains(word),
                "no {word:?} in:\n{}",
                self.stderr
            );
        }
        assert_eq!(self.stdout, "", "{}", self.stderr);
    }

    /// It ended well; what it printed.
    #[track_caller]
    pub(crate) fn good(&self) -> &str {
        assert!(self.status.success(), "{self:#?}");
        &self.stdout
    }
}

/// A kernel in the user's cache.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    pub(crate) build_tree: PathBuf,
    pub(crate) image: PathBuf,
}

/// The kernel of this name, fetched if it is not in the cache.
pub(crate) fn kernel(name: &str) -> Kernel {
    run(&mut xtask(["fetch", name])).good();
    let ran = run(&mut xtask(["kernels", "--json"]));
    let all: serde_json::Value = serde_json::from_str(ran.good()).unwrap();
    let row = all
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["name"] == name)
        .unwrap();
    let path = |field: &str| PathBuf::from(row[field].as_str().unwrap());
    Kernel {
        build_tree: path("build_tree"),
        image: path("image"),
    }
}

/// The default kernel's build tree, with these files in the place of its own, and C code that comes
/// before that of each file that Kbuild compiles. Its place is the same each time.
pub(crate) fn planted_tree(name: &str, files: &[(&str, String)], c: &str) -> PathBuf {
    let real = kernel(DEFAULT).build_tree;
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("planted")
        .join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("planted.h"), c).unwrap();
    let variables = fs::read_to_string(real.join(".kernelvariables")).unwrap();
    let variables = format!(
        "{variables}KCPPFLAGS := -include {}/planted.h\n",
        dir.display()
    );
    // A link to it would make it the real one: make goes by the real path.
    let makefile = fs::read_to_string(real.join("Makefile")).unwrap();
    let own = [(".kernelvariables", variables), ("Makefile", makefile)];
    for (file, text) in own.iter().chain(files) {
        let path = dir.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    link_the_rest(&real, &dir);
    dir
}

/// Makes links in `to` to all that `from` has and `to` has not.
fn link_the_rest(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match fs::symlink_metadata(&to) {
            Err(_) => std::os::unix::fs::symlink(from, to).unwrap(),
            Ok(there) if there.is_dir() => link_the_rest(&from, &to),
            Ok(_) => {}
        }
    }
}

/// The folder of the user's cache: a kernel's tree is in its `kernels/NAME-HASH`.
pub(crate) fn cache_of_user() -> PathBuf {
    let tree = kernel(DEFAULT).build_tree;
    let kernels = tree.ancestors().find(|dir| dir.ends_with("kernels"));
    let cache = kernels.and_then(Path::parent);
    cache
        .unwrap_or_else(|| panic!("{}", tree.display()))
        .to_owned()
}

/// The sample driver's module for a kernel: built once for all tests, which puts all that it takes
/// into the user's cache.
pub(crate) fn edu(kernel: &'static str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<&str, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap();
    let build = || {
        let ran = run(&mut xtask(["build", "-p", "edu", "--kernel", kernel]));
        let ko = PathBuf::from(ran.good().trim_end());
        assert!(ko.is_file(), "{ran:#?}");
        ko
    };
    built.entry(kernel).or_insert_with(build).clone()
}

/// The kernel that drivers are built for where a test does not say otherwise.
pub(crate) const DEFAULT: &str = "debian-6.12";

/// A driver's crate outside of the repository, made up for a test.
pub(crate) struct Crate {
    pub(crate) dir: PathBuf,
    name: &'static str,
}

impl Crate {
    /// A crate in a workspace of its own, with this code. Its place is the same each time, so that
    /// the target folder does not grow with each run.
    pub(crate) fn new(name: &'static str, dependencies: &str, code: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("bad-input")
            .join(name);
        let _ = fs::remove_dir_all(&dir);
        let this = Self { dir, name };
        // The profile of the repository's own drivers: what they depend on is then shared with
        // them.
        this.write(
            "Cargo.toml",
            &format!(
                "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\nlicense = \"GPL-2.0-only\"\n\
                 publish = false\n\n[dependencies]\n{dependencies}\n[workspace]\n\n[profile.release]\nopt-level = 2\n\
                 panic = \"abort\"\noverflow-checks = true\ncodegen-units = 1\n"
            ),
        );
        this.write("src/lib.rs", code);
        // The versions that the repository was tried with, so that nothing has to be looked up.
        fs::copy(repository().join("Cargo.lock"), this.dir.join("Cargo.lock")).unwrap();
        this
    }

    /// A driver: a crate that depends on linux-driver.
    pub(crate) fn driver(name: &'static str, code: &str) -> Self {
        Self::new(name, &on_linux_driver(), code)
    }

    /// Writes a file of the crate.
    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.dir.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Its manifest.
    pub(crate) fn manifest(&self) -> String {
        self.dir.join("Cargo.toml").to_str().unwrap().to_owned()
    }

    /// The words that build it for the default kernel.
    pub(crate) fn build(&self) -> Command {
        xtask([
            "build",
            "--manifest-path",
            &self.manifest(),
            "--kernel",
            DEFAULT,
        ])
    }

    /// Where its module is when it was built for the default kernel.
    pub(crate) fn ko(&self) -> PathBuf {
        let of_kernel = edu(DEFAULT).parent().unwrap().parent().unwrap().to_owned();
        let module = self.name.replace('-', "_");
        of_kernel.join(self.name).join(format!("{module}.ko"))
    }

    /// Builds it. It has to fail as a driver's fault, and the module that stood there before has to
    /// be gone.
    #[track_caller]
    pub(crate) fn fails_to_build(&self, words: &[&str]) -> Ran {
        let ko = self.older_ko();
        let ran = run(&mut self.build());
        ran.refused(1, words);
        assert!(!ko.exists(), "{} was left", ko.display());
        ran
    }

    /// A file where its module would be, as an older build leaves one.
    pub(crate) fn older_ko(&self) -> PathBuf {
        let ko = self.ko();
        fs::create_dir_all(ko.parent().unwrap()).unwrap();
        fs::write(&ko, "an older module").unwrap();
        ko
    }
}

/// The dependency of each driver.
pub(crate) fn on_linux_driver() -> String {
    format!("linux-driver = {{ path = {:?} }}\n", repository())
}

/// What was half written in a cache: the folders in which entries are made.
pub(crate) fn half_written(cache: &Path) -> Vec<PathBuf> {
    let inside = |dir: &Path| {
        fs::read_dir(dir)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
    };
    let staging = |path: &PathBuf| {
        path.file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with(".staging-")
    };
    inside(cache)
        .flat_map(|kind| inside(&kind).collect::<Vec<_>>())
        .filter(staging)
        .collect()
}

/// A cache that has of the user's these kinds of entries and no others.
pub(crate) fn cache_with(kinds: &[&str]) -> tempfile::TempDir {
    let user = cache_of_user();
    let dir = tempfile::tempdir().unwrap();
    for kind in kinds {
        // A kernel that needs no build root has none.
        fs::create_dir_all(user.join(kind)).unwrap();
        std::os::unix::fs::symlink(user.join(kind), dir.path().join(kind)).unwrap();
    }
    dir
}

/// A run that is under way; ended when the value goes.
pub(crate) struct UnderWay {
    child: Child,
    errors: PathBuf,
}

impl UnderWay {
    /// Starts it. What it says goes into the file `errors`.
    pub(crate) fn start(command: &mut Command, errors: &Path) -> Self {
        let file = fs::File::create(errors).unwrap();
        let child = command.stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Self {
            child,
            errors: errors.to_owned(),
        }
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.errors).unwrap()
    }

    /// Waits until `seen` finds something; an error if the run ends before.
    #[track_caller]
    pub(crate) fn until<T>(&mut self, what: &str, mut seen: impl FnMut(&Self) -> Option<T>) -> T {
        // A busy machine may take long to come to the point.
        let start = Instant::now();
        loop {
            if let Some(found) = seen(self) {
                return found;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?} before {what}:\n{}", self.said());
            assert!(start.elapsed() < 15 * BOUND, "no {what}:\n{}", self.said());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends it, and no other process, a signal.
    pub(crate) fn signal(&self, signal: i32) {
        let pid = libc::pid_t::try_from(self.child.id()).unwrap();
        // SAFETY: kill(2) takes two integers; the child has not been waited for, so that its number
        // is still its own.
        let sent = unsafe { libc::kill(pid, signal) };
        assert_eq!(sent, 0, "{}", std::io::Error::last_os_error());
    }

    /// Its end, which has to come soon.
    #[track_caller]
    pub(crate) fn ends(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < BOUND, "it goes on:\n{}", self.said());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processes on whose command line this path stands, each with that line.
pub(crate) fn processes_with(path: &Path) -> Vec<(libc::pid_t, String)> {
    let path = path.to_str().unwrap();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        // It is gone if it ended meanwhile; one that ended and was not waited for has no command
        // line.
        let words = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&words).replace('\0', " ");
        line.contains(path).then_some((pid, line))
    });
    lines.collect()
}

/// Waits until there is no such process: one that was killed needs a moment to go.
#[track_caller]
pub(crate) fn nobody_left_with(path: &Path) {
    let start = Instant::now();
    while let left @ [_, ..] = processes_with(path).as_slice() {
        assert!(start.elapsed() < BOUND, "{left:#?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Ends what a run left that was killed outright: processes on whose command line this folder of
/// the test's stands.
pub(crate) fn end_processes_with(path: &Path) {
    while let left @ [_, ..] = processes_with(path).as_slice() {
        for (pid, _) in left {
            // SAFETY: kill(2) takes two integers; nobody else knows the folder.
            unsafe { libc::kill(*pid, libc::SIGKILL) };
        }
        thread::sleep(Duration::from_millis(20));
    }
}
