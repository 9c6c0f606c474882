// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask doctor`.

use linux_driver_host::packages::{Install, Need, how_to_install, require};
use linux_driver_host::table::aligned;
use linux_driver_host::{Cache, Result, output};
use linux_driver_kbuild::toolchain::{DEBIAN_PACKAGES, Toolchain};
use linux_driver_kernels::{Catalogue, Kernel, KernelSpec, RUNNING, acquire};

use crate::args::{InstallArgs, KernelArgs, catalogue};
use crate::{Outcome, needs};

/// List what building for a kernel and booting it needs, and what is missing
///
/// The exit code is 1 if something is missing for the chosen kernel. Things that only another
/// kernel of the catalogue needs are listed with `-` and do not count.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask doctor
  cargo xtask doctor --kernel debug-6.12 --install
  cargo xtask doctor --kdir /lib/modules/6.12.117+deb12-amd64/build")]
pub(crate) struct Args {
    #[command(flatten)]
    kernel: KernelArgs,
    #[command(flatten)]
    install: InstallArgs,
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let cache = Cache::of_user()?;
    let catalogue = catalogue()?;
    let needs = args.needs(&cache, &catalogue)?;
    if args.install.allowed() == Install::Allowed {
        require(&needs, Install::Allowed)?;
        Toolchain::find(Install::Allowed)?;
    }
    let mut list = List::default();
    list.add(&needs);
    list.add_toolchain()?;
    list.add_of_others(&cache, &catalogue);
    list.rows
        .push(vec!["cache".to_owned(), cache.root().display().to_string()]);
    output::text(aligned(&list.rows));
    // A build tree without its compiler or programs is an error in itself.
    if let Some(dir) = &args.kernel.kdir {
        Kernel::of_tree(dir)?;
    } else if args.kernel.kernel.as_deref() == Some(RUNNING) {
        Kernel::running()?;
    }
    if list.missing.is_empty() {
        return Ok(Outcome::Good);
    }
    output::line(format_args!(
        "\nInstall what is missing with --install, or {}",
        how_to_install(&list.missing)
    ));
    Ok(Outcome::Bad)
}

impl Args {
    /// Returns the needs of the chosen kernel.
    fn needs(&self, cache: &Cache, catalogue: &Catalogue) -> Result<Vec<Need>> {
        let name = self
            .kernel
            .kernel
            .as_deref()
            .unwrap_or(catalogue.default_name());
        let mut needs = if self.kernel.kdir.is_some() || name == RUNNING {
            needs::to_build(None)
        } else {
            of_kernel(cache, catalogue.get(name)?)
        };
        needs.extend(needs::to_boot());
        Ok(needs)
    }
}

/// Returns the needs of building for a kernel of the catalogue. The packages to build a kernel here
/// are needed only the first time.
pub(crate) fn of_kernel(cache: &Cache, spec: &KernelSpec) -> Vec<Need> {
    let is_built = !spec.is_stock() && acquire::fetched(cache, spec).is_some();
    needs::to_build((!is_built).then_some(spec))
}

/// A list of present and missing things.
#[derive(Default)]
pub(crate) struct List {
    /// The rows of the list: `ok`, `missing` or `-`, the thing, and the reason why it is needed.
    pub(crate) rows: Vec<Vec<String>>,
    /// The packages of the missing things.
    pub(crate) missing: Vec<&'static str>,
    known: Vec<&'static str>,
}

impl List {
    /// Adds things that count as missing if they are. Adds each thing once.
    pub(crate) fn add(&mut self, needs: &[Need]) {
        for need in needs {
            if self.known.contains(&need.what) {
                continue;
            }
            self.known.push(need.what);
            let present = (need.present)();
            if !present {
                self.missing.extend(need.packages);
            }
            self.rows.push(row(
                if present { "ok" } else { "missing" },
                need.what,
                need.reason,
            ));
        }
    }

    pub(crate) fn add_toolchain(&mut self) -> Result<()> {
        match Toolchain::present()? {
            Some(found) => self.rows.push(row(
                "ok",
                &format!("rustc {}", found.release()),
                &format!(
                    "{}, with its source in {}",
                    found.rustc.display(),
                    found.library.display()
                ),
            )),
            None => {
                self.missing.extend(DEBIAN_PACKAGES);
                let reason = "core is built with the kernel's own hardening";
                self.rows
                    .push(row("missing", "rustc with its library source", reason));
            }
        }
        Ok(())
    }

    /// Adds the things that are missing for other kernels of the catalogue. They do not count.
    fn add_of_others(&mut self, cache: &Cache, catalogue: &Catalogue) {
        let mut others: Vec<(Need, Vec<&str>)> = Vec::new();
        for spec in catalogue.specs() {
            for need in of_kernel(cache, spec) {
                if self.known.contains(&need.what) || (need.present)() {
                    continue;
                }
                match others.iter_mut().find(|(known, _)| known.what == need.what) {
                    Some((_, names)) => names.push(&spec.name),
                    None => others.push((need, vec![&spec.name])),
                }
            }
        }
        for (need, names) in others {
            let reason = format!(
                "not here, and only {} needs it: {}",
                names.join(", "),
                need.reason
            );
            self.rows.push(row("-", need.what, &reason));
        }
    }
}

fn row(state: &str, what: &str, why: &str) -> Vec<String> {
    [state, what, why].map(str::to_owned).to_vec()
}
