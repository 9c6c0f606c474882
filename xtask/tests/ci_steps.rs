// SPDX-License-Identifier: GPL-2.0-only
//! The steps of the jobs in CI.yml run here, as the file has them, in a fresh Debian system, and do
//! what they are for.
//!
//! This file implements each action that a step uses (`uses:`). The kernel comes from the test's
//! own archive, so that the output of the jobs does not change when Debian's archive does. Jobs
//! that run the whole test suite are left out: the tests of the command line parse their commands.
//!
//! Needs root, mmdebstrap, bubblewrap, gpg, and Debian's archive for the packages that the steps
//! install.

#[path = "support/archive.rs"]
mod archive;
#[path = "support/fresh_root.rs"]
mod fresh_root;
#[expect(dead_code, reason = "other tests use the rest")]
mod support;
#[path = "support/workflow.rs"]
mod workflow;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use archive::Archive;
use fresh_root::FreshRoot;
use serde_json::Value;
use support::{DEFAULT, repository, run};
use workflow::{Step, Values, Workflow};

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

/// Packages that the jobs need and that the container's image has, in addition to a Rust toolchain.
/// The jobs install the others themselves.
const IN_THE_IMAGE: [&str; 5] = ["ca-certificates", "gcc", "git", "libc6-dev", "make"];

/// The system in which jobs run.
struct Ci {
    root: FreshRoot,
    archive: Archive,
    /// The repository that jobs check out: a clone of this one at its HEAD, with the commits of the
    /// test.
    origin: PathBuf,
    /// The folder of the checkout. Its path is the same each time, so that cargo rebuilds little.
    checkout: PathBuf,
    /// The folder `/tmp` of the system. All jobs share it and the cache of kernels inside. It is
    /// empty at the start.
    tmp: PathBuf,
    /// The folder of uploads, with a subfolder for each upload.
    artifacts: PathBuf,
    target: PathBuf,
    git_config: PathBuf,
}

/// The result of a job.
#[derive(Debug)]
struct Report {
    /// The failed step, if a step failed.
    failed: Option<String>,
    summary: String,
    log: String,
}

impl Report {
    #[track_caller]
    fn is_green(&self) {
        assert_eq!(self.failed, None, "{}", self.log);
    }
}

impl Ci {
    fn new() -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ci-steps");
        fs::create_dir_all(&dir).unwrap();
        for name in ["origin", "tmp", "artifacts"] {
            let _ = fs::remove_dir_all(dir.join(name));
        }
        // apt's own user writes there too.
        let tmp = dir.join("tmp");
        fs::create_dir(&tmp).unwrap();
        fs::set_permissions(&tmp, fs::Permissions::from_mode(0o1777)).unwrap();
        fs::create_dir_all(dir.join("target")).unwrap();
        // Another user may own the repository, as in a container.
        let git_config = dir.join("git-config");
        fs::write(
            &git_config,
            "[safe]\ndirectory = *\n[user]\nname = CI\nemail = ci@localhost\n",
        )
        .unwrap();
        let this = Self {
            root: FreshRoot::debian("bookworm", &IN_THE_IMAGE),
            archive: Archive::of_default_kernel(&dir, &pinned()),
            origin: dir.join("origin"),
            checkout: dir.join("checkout"),
            tmp,
            artifacts: dir.join("artifacts"),
            target: dir.join("target"),
            git_config,
        };
        let mut clone = this.git(Path::new("/"));
        run(clone
            .args(["clone", "--quiet"])
            .arg(repository())
            .arg(&this.origin))
        .good();
        this
    }

    fn git(&self, dir: &Path) -> Command {
        let mut git = Command::new("git");
        git.env("GIT_CONFIG_GLOBAL", &self.git_config)
            .arg("-C")
            .arg(dir);
        git
    }

    /// Runs git in the repository that jobs check out, and returns its output.
    #[track_caller]
    fn in_origin<const N: usize>(&self, words: [&str; N]) -> String {
        run(self.git(&self.origin).args(words)).good().to_owned()
    }

    fn commit(&self, message: &str) {
        self.in_origin(["commit", "--quiet", "--all", "--message", message]);
    }

    /// Runs a job for an event. With a matrix, it runs the job for one value: the tuple is the
    /// name, the value and its index.
    fn run(&self, event: &str, name: &str, matrix: Option<(&str, &str, usize)>) -> Report {
        let workflow = Workflow::read(&self.origin.join(".github/workflows/CI.yml"));
        let job = &workflow.jobs[name];
        let mut values = Values::default();
        values.set("github.event_name", event);
        if let Some((key, value, index)) = matrix {
            job.accepts(key, value);
            values.set(format!("matrix.{key}"), value);
            values.set("strategy.job-index", index.to_string());
        }
        if let Some(condition) = &job.condition {
            assert!(
                values.hold(condition),
                "{name} does not run at a {event}: {condition}"
            );
        }
        // GitHub runs a script with sh in a container, and with bash otherwise.
        let shell = if job.container.is_some() {
            "sh"
        } else {
            "bash"
        };
        let github = self.tmp.join("github");
        let _ = fs::remove_dir_all(&github);
        fs::create_dir(&github).unwrap();
        fs::write(github.join("summary"), "").unwrap();
        let (mut failed, mut log) = (None, String::new());
        for step in &job.steps {
            if let Some(id) = &step.id {
                values.set(format!("steps.{id}"), "");
            }
            // After a failed step, a step without `always()` or a similar condition does not run.
            let holds = |condition: &String| values.hold(condition);
            if failed.is_some() || !step.condition.as_ref().is_none_or(holds) {
                continue;
            }
            if let Some(action) = &step.uses {
                self.use_action(action, step, &values);
                continue;
            }
            let script = step
                .run
                .as_ref()
                .unwrap_or_else(|| panic!("{name}: {step:?}"));
            fs::write(github.join("script"), values.filled(script)).unwrap();
            fs::write(github.join("output"), "").unwrap();
            let start = Instant::now();
            let output = self.run_script(shell, &workflow, step, &values);
            let said = format!(
                "$ {script}\n{}{}{} after {:.1} s\n",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr),
                output.status,
                start.elapsed().as_secs_f64()
            );
            println!("{name}: {said}");
            log += &said;
            if !output.status.success() {
                failed = Some(script.clone());
            }
            let set = fs::read_to_string(github.join("output")).unwrap();
            for line in set.lines() {
                let (key, value) = line
                    .split_once('=')
                    .unwrap_or_else(|| panic!("what is {line:?}?"));
                let id = step
                    .id
                    .as_ref()
                    .unwrap_or_else(|| panic!("nobody can read {line:?}"));
                values.set(format!("steps.{id}.outputs.{key}"), value);
            }
        }
        let summary = fs::read_to_string(github.join("summary")).unwrap();
        Report {
            failed,
            summary,
            log,
        }
    }

    fn run_script(&self, shell: &str, workflow: &Workflow, step: &Step, values: &Values) -> Output {
        let home = std::env::var_os("HOME").map_or_else(|| "/root".into(), PathBuf::from);
        let of_home = |variable: &str, name: &str| {
            std::env::var_os(variable).map_or_else(|| home.join(name), PathBuf::from)
        };
        let (cargo, rustup) = (
            of_home("CARGO_HOME", ".cargo"),
            of_home("RUSTUP_HOME", ".rustup"),
        );
        // Dependencies compiled for this test are used here too. The programs are kept apart.
        let build_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let mut command = self
            .root
            .program(shell, ["-e", "/tmp/github/script"])
            .bind(build_dir, build_dir)
            .bind(&self.tmp, "/tmp")
            .bind(&cargo.join("registry"), "/root/.cargo/registry")
            .ro_bind(&cargo.join("bin"), "/root/.cargo/bin")
            // A step adds the missing parts of the toolchain, as `--install` does.
            .bind(&rustup, &rustup)
            .env("PATH", "/root/.cargo/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("RUSTUP_HOME", &rustup)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_BUILD_BUILD_DIR", build_dir)
            .env("CI", "true")
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_OUTPUT", "/tmp/github/output")
            .env("GITHUB_STEP_SUMMARY", "/tmp/github/summary")
            .current_dir(&self.checkout);
        let own = self
            .archive
            .environment()
            .map(|(name, value)| (name.to_owned(), value));
        let all = workflow
            .env
            .clone()
            .into_iter()
            .chain(step.env(values))
            .chain(own);
        for (name, value) in all {
            command = command.env(name, value);
        }
        command.command().output().unwrap()
    }

    /// Does the work of an action.
    fn use_action(&self, action: &str, step: &Step, values: &Values) {
        match action {
            "actions/checkout@v4" => self.check_out(),
            "actions/upload-artifact@v4" => {
                let name = step.with("name", values);
                // The action refuses names with any of these characters.
                assert!(
                    !name.contains(['"', ':', '<', '>', '|', '*', '?', '\r', '\n', '\\', '/']),
                    "{name}"
                );
                let to = self.artifacts.join(&name);
                assert!(!to.exists(), "{name} was uploaded already");
                fs::create_dir_all(&to).unwrap();
                let path = step.with("path", values);
                fs::copy(self.checkout.join(&path), to.join(&path))
                    .unwrap_or_else(|e| panic!("{path}: {e}"));
            }
            "actions/download-artifact@v4" => {
                let to = self.checkout.join(step.with("path", values));
                run(Command::new("cp").arg("-r").arg(&self.artifacts).arg(to)).good();
            }
            other => panic!("what does `{other}` do?"),
        }
    }

    /// Clones the repository, or updates the earlier clone and removes all other files from it.
    fn check_out(&self) {
        if !self.checkout.is_dir() {
            let mut clone = self.git(Path::new("/"));
            run(clone
                .args(["clone", "--quiet"])
                .arg(&self.origin)
                .arg(&self.checkout))
            .good();
        }
        let git =
            |words: &[&str]| drop(run(self.git(&self.checkout).args(words)).good().to_owned());
        // CI's own checkout has no history.
        let origin = self.origin.to_str().unwrap();
        git(&[
            "fetch",
            "--quiet",
            "--force",
            "--update-shallow",
            origin,
            "HEAD",
        ]);
        git(&["reset", "--quiet", "--hard", "FETCH_HEAD"]);
        git(&["clean", "-ffdxq"]);
    }

    /// Runs the job `drift`, and returns its report and the patch if it uploads one.
    fn drift(&self) -> (Report, Option<PathBuf>) {
        let _ = fs::remove_dir_all(&self.artifacts);
        let report = self.run("schedule", "drift", Some(("kernel", DEFAULT, 0)));
        let patch = self.artifacts.join(format!("drift-{DEFAULT}/drift.patch"));
        (report, patch.is_file().then_some(patch))
    }

    fn apply(&self, patch: &Path) {
        self.in_origin(["apply", "--index", patch.to_str().unwrap()]);
        self.commit("headers: Bring them up to the kernel");
    }
}

/// Returns the version of the default kernel that this repository's headers/ describes.
fn pinned() -> String {
    let text = fs::read_to_string(repository().join("headers/kernels.toml")).unwrap();
    let catalogue: toml::Table = toml::from_str(&text).unwrap();
    catalogue["kernels"][DEFAULT]["version"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Sets the record of the default kernel back to an earlier release, in which a function takes one
/// parameter more.
fn set_back(origin: &Path) {
    let change = |file: &Path, from: &str, to: &str| {
        let text = fs::read_to_string(file).unwrap();
        assert!(text.contains(from), "no {from:?} in {}", file.display());
        fs::write(file, text.replacen(from, to, 1)).unwrap();
    };
    let headers = origin.join("headers");
    let kernels = headers.join("kernels.toml");
    let catalogue: toml::Table = toml::from_str(&fs::read_to_string(&kernels).unwrap()).unwrap();
    let pin = |key: &str| format!("{key} = {}", catalogue["kernels"][DEFAULT][key]);
    let snapshot = headers.join("snapshots").join(DEFAULT);
    change(
        &snapshot.join("snapshot.toml"),
        &pin("release"),
        &format!("release = \"{EARLIER}\""),
    );
    change(
        &kernels,
        &pin("release"),
        &format!("release = \"{EARLIER}\""),
    );
    change(&kernels, &pin("version"), "version = \"6.12.1-1\"");

    let abi = snapshot.join("abi.json");
    let mut json: Value = serde_json::from_str(&fs::read_to_string(&abi).unwrap()).unwrap();
    json["release"] = EARLIER.into();
    let params = json["functions"][CHANGED]["params"].as_array_mut().unwrap();
    params.push("int".into());
    fs::write(&abi, serde_json::to_string_pretty(&json).unwrap()).unwrap();
}

/// The release of the earlier record.
const EARLIER: &str = "6.12.1+deb12-amd64";
/// A function that drivers call and that has changed since then.
const CHANGED: &str = "pci_set_master";

#[test]
fn the_jobs_of_ci_do_what_they_are_for() {
    let ci = Ci::new();
    // Debian's archive may already have had a newer kernel when the test's archive was made. Then
    // headers/ is first updated to that kernel.
    if ci.archive.version() != pinned() {
        let (_, patch) = ci.drift();
        ci.apply(&patch.unwrap());
    }
    drift(&ci);
    bindings(&ci);
    history(&ci);
    lint(&ci);
}

/// Checks the report of the job without a change, with a change, and after the change is applied.
fn drift(ci: &Ci) {
    let (report, patch) = ci.drift();
    report.is_green();
    assert_eq!(patch, None, "{}", report.log);
    assert!(
        !report.summary.contains("headers/ is out of date"),
        "{}",
        report.summary
    );

    let known = ci.in_origin(["rev-parse", "HEAD:headers"]);
    set_back(&ci.origin);
    ci.commit("headers: Set them back");
    let (report, patch) = ci.drift();
    let failed = report
        .failed
        .as_ref()
        .unwrap_or_else(|| panic!("{}", report.log));
    assert!(
        failed.contains("exit 1"),
        "it failed too early: {}",
        report.log
    );
    // Characters that are special in Markdown are escaped in the summary.
    let summary = report.summary.replace('\\', "");
    for words in [
        "headers/ is out of date",
        "git apply drift.patch",
        CHANGED,
        EARLIER,
    ] {
        assert!(
            summary.contains(words),
            "no {words:?} in:\n{}",
            report.summary
        );
    }

    ci.apply(&patch.unwrap());
    assert_eq!(ci.in_origin(["rev-parse", "HEAD:headers"]), known);
    let (report, patch) = ci.drift();
    report.is_green();
    assert_eq!(patch, None, "{}", report.log);
}

/// Checks that the bindings agree with the kernel.
fn bindings(ci: &Ci) {
    ci.run("push", "bindings", Some(("kernel", DEFAULT, 0)))
        .is_green();
}

/// Checks each shard of the history, and that all shards together make one page.
fn history(ci: &Ci) {
    let _ = fs::remove_dir_all(&ci.artifacts);
    for (index, shard) in ["1/2", "2/2"].into_iter().enumerate() {
        ci.run("push", "history", Some(("shard", shard, index)))
            .is_green();
        let report =
            fs::read_to_string(ci.artifacts.join(format!("history-{index}/report.json"))).unwrap();
        let report: Value = serde_json::from_str(&report).unwrap();
        let checks = report["checks"].as_array().unwrap();
        assert!(checks.len() > 100, "only {} kernels", checks.len());
    }
    ci.run("push", "matrix", None).is_green();
    let page = fs::read_to_string(ci.artifacts.join("kernels.html/kernels.html")).unwrap();
    assert!(
        page.contains("6.12.117+deb12-amd64"),
        "{} bytes",
        page.len()
    );
}

/// Checks that the code is formatted, and that clippy and rustdoc find nothing.
fn lint(ci: &Ci) {
    ci.run("push", "lint", None).is_green();
}
