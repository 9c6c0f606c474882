// SPDX-License-Identifier: GPL-2.0-only
//! Runs the command line as a user does, with drivers and caches made for a test.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

/// The time limit of each wait in a test. It is long, so a test that reaches it has failed.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// Returns the folder of this repository.
pub(crate) fn repository() -> &'static Path {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    dir.parent().unwrap_or(dir)
}

/// Returns the target folder that these tests were built in. Other runs share the files that are
/// built for a kernel there.
fn target() -> &'static Path {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    dir.parent().unwrap_or(dir)
}

/// Returns the command line tool with these words.
pub(crate) fn xtask<const N: usize>(words: [&str; N]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(words).current_dir(repository());
    command
        .env("CARGO_TARGET_DIR", target())
        .stdin(Stdio::null());
    command
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the command to its end.
pub(crate) fn run(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Ran {
    /// Checks that the run ended with this exit code and a complete error with all of `words`, and
    /// that it printed nothing else.
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

    /// Checks that the run succeeded, and returns its output.
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

/// Returns the kernel with this name, and fetches it if it is not in the cache.
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

/// Returns a copy of the default kernel's build tree in which these files replace its own. The C
/// code is included before each file that Kbuild compiles. The path is the same each time.
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
    // make resolves links. Through a link to the Makefile it would find the real build tree.
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

/// Links everything in `from` that `to` does not have into `to`.
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

/// Returns the folder of the user's cache. A kernel's tree is in its `kernels/NAME-HASH`.
pub(crate) fn cache_of_user() -> PathBuf {
    let tree = kernel(DEFAULT).build_tree;
    let kernels = tree.ancestors().find(|dir| dir.ends_with("kernels"));
    let cache = kernels.and_then(Path::parent);
    cache
        .unwrap_or_else(|| panic!("{}", tree.display()))
        .to_owned()
}

/// Returns the sample driver's module for a kernel. It is built once for all tests. The build puts
/// all that it needs into the user's cache.
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

/// The kernel that drivers are built for unless a test says otherwise.
pub(crate) const DEFAULT: &str = "debian-6.12";

/// A driver's crate outside of the repository, made for a test.
pub(crate) struct Crate {
    pub(crate) dir: PathBuf,
    name: &'static str,
}

impl Crate {
    /// Makes a crate with this code in its own workspace. Its path is the same each time, so that
    /// the target folder does not grow with each run.
    pub(crate) fn new(name: &'static str, dependencies: &str, code: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("bad-input")
            .join(name);
        let _ = fs::remove_dir_all(&dir);
        let this = Self { dir, name };
        // The profile equals that of the repository's own drivers, so that compiled dependencies
        // are shared with them.
        this.write(
            "Cargo.toml",
            &format!(
                "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\nlicense = \"GPL-2.0-only\"\n\
                 publish = false\n\n[dependencies]\n{dependencies}\n[workspace]\n\n[profile.release]\nopt-level = 2\n\
                 panic = \"abort\"\noverflow-checks = true\ncodegen-units = 1\n"
            ),
        );
        this.write("src/lib.rs", code);
        // The repository's own lock file, so that cargo does not have to look up versions.
        fs::copy(repository().join("Cargo.lock"), this.dir.join("Cargo.lock")).unwrap();
        this
    }

    /// Makes a driver: a crate that depends on linux-driver.
    pub(crate) fn driver(name: &'static str, code: &str) -> Self {
        Self::new(name, &on_linux_driver(), code)
    }

    /// Writes a file of the crate.
    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.dir.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Returns the path of its manifest.
    pub(crate) fn manifest(&self) -> String {
        self.dir.join("Cargo.toml").to_str().unwrap().to_owned()
    }

    /// Returns the command that builds it for the default kernel.
    pub(crate) fn build(&self) -> Command {
        xtask([
            "build",
            "--manifest-path",
            &self.manifest(),
            "--kernel",
            DEFAULT,
        ])
    }

    /// Returns the path of its module built for the default kernel.
    pub(crate) fn ko(&self) -> PathBuf {
        let of_kernel = edu(DEFAULT).parent().unwrap().parent().unwrap().to_owned();
        let module = self.name.replace('-', "_");
        of_kernel.join(self.name).join(format!("{module}.ko"))
    }

    /// Builds the crate. Checks that the build fails with an error of the driver, and that the
    /// older module is removed.
    #[track_caller]
    pub(crate) fn fails_to_build(&self, words: &[&str]) -> Ran {
        let ko = self.older_ko();
        let ran = run(&mut self.build());
        ran.refused(1, words);
        assert!(!ko.exists(), "{} was left", ko.display());
        ran
    }

    /// Writes a file at the path of its module, as an older build leaves one, and returns the path.
    pub(crate) fn older_ko(&self) -> PathBuf {
        let ko = self.ko();
        fs::create_dir_all(ko.parent().unwrap()).unwrap();
        fs::write(&ko, "an older module").unwrap();
        ko
    }
}

/// Returns the dependency that each driver has.
pub(crate) fn on_linux_driver() -> String {
    format!("linux-driver = {{ path = {:?} }}\n", repository())
}

/// Returns the half-written folders of a cache, in which entries are made.
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

/// Returns a cache with these kinds of entries of the user's cache and no others.
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

/// A run in progress. Dropping the value ends it.
pub(crate) struct UnderWay {
    child: Child,
    errors: PathBuf,
}

impl UnderWay {
    /// Starts the command, with its standard error in the file `errors`.
    pub(crate) fn start(command: &mut Command, errors: &Path) -> Self {
        let file = fs::File::create(errors).unwrap();
        // The tests may run under `nohup`, which has SIGHUP ignored.
        let hang_up = || {
            // SAFETY: the closure may only do what is async-signal-safe, because it runs in the
            // child after fork(2). signal(2) is.
            unsafe { libc::signal(libc::SIGHUP, libc::SIG_DFL) };
            Ok(())
        };
        // SAFETY: as above.
        unsafe { command.pre_exec(hang_up) };
        let child = command.stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Self {
            child,
            errors: errors.to_owned(),
        }
    }

    /// Returns its messages so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.errors).unwrap()
    }

    /// Waits until `seen` finds something. Panics if the run ends before that.
    #[track_caller]
    pub(crate) fn until<T>(&mut self, what: &str, mut seen: impl FnMut(&Self) -> Option<T>) -> T {
        // A busy machine may need long to get there.
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

    /// Sends a signal to this process only.
    pub(crate) fn signal(&self, signal: i32) {
        let pid = libc::pid_t::try_from(self.child.id()).unwrap();
        // SAFETY: kill(2) takes two integers. The process with this number must still be the child:
        // it is, because the child has not been waited for.
        let sent = unsafe { libc::kill(pid, signal) };
        assert_eq!(sent, 0, "{}", std::io::Error::last_os_error());
    }

    /// Waits for its end, which must come soon.
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
        // A program that is killed leaves its own children, such as a machine that gdb stopped.
        if let Ok(None) = self.child.try_wait() {
            self.signal(libc::SIGTERM);
            let start = Instant::now();
            while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < BOUND {
                thread::sleep(Duration::from_millis(20));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the processes that have this path on their command line, each with that line.
pub(crate) fn processes_with(path: &Path) -> Vec<(libc::pid_t, String)> {
    let path = path.to_str().unwrap();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        // The entry is gone if the process ended meanwhile. A process that ended and was not waited
        // for has no command line.
        let words = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&words).replace('\0', " ");
        line.contains(path).then_some((pid, line))
    });
    lines.collect()
}

/// Waits until no such process is left. A killed process needs a moment to end.
#[track_caller]
pub(crate) fn nobody_left_with(path: &Path) {
    let start = Instant::now();
    while let left @ [_, ..] = processes_with(path).as_slice() {
        assert!(start.elapsed() < BOUND, "{left:#?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Kills the processes that a killed run left: those that have this folder of the test on their
/// command line.
pub(crate) fn end_processes_with(path: &Path) {
    while let left @ [_, ..] = processes_with(path).as_slice() {
        for (pid, _) in left {
            // SAFETY: kill(2) takes two integers. Only this test's processes know the folder.
            unsafe { libc::kill(*pid, libc::SIGKILL) };
        }
        thread::sleep(Duration::from_millis(20));
    }
}
