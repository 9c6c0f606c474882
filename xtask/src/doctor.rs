// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask doctor`.

use linux_driver_host::packages::{Install, Need, install_line, require};
use linux_driver_host::{Cache, Result};
use linux_driver_kbuild::toolchain::Toolchain;

use crate::args::{InstallArgs, catalogue};
use crate::table::aligned;
use crate::{Outcome, needs};

/// Say what is there of all that building and booting takes, and what is missing
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask doctor
  cargo xtask doctor --install")]
pub(crate) struct Args {
    #[command(flatten)]
    install: InstallArgs,
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let needs = all()?;
    if args.install.allowed() == Install::Allowed {
        require(&needs, Install::Allowed)?;
        Toolchain::find(Install::Allowed)?;
    }
    let mut rows: Vec<Vec<String>> = needs
        .iter()
        .map(|need| {
            vec![
                if (need.present)() { "ok" } else { "missing" }.to_owned(),
                need.what.to_owned(),
                need.reason.to_owned(),
            ]
        })
        .collect();
    let toolchain = Toolchain::present()?;
    rows.push(match &toolchain {
        Some(found) => vec![
            "ok".to_owned(),
            format!("rustc {}", found.release()),
            format!(
                "{}, with its source in {}",
                found.rustc.display(),
                found.library.display()
            ),
        ],
        None => vec![
            "missing".to_owned(),
            "rustc with its library source".to_owned(),
            "core is built with the kernel's own hardening".to_owned(),
        ],
    });
    rows.push(vec!["cache".to_owned(), Cache::of_user()?.root().display().to_string()]);
    print!("{}", aligned(&rows));
    let mut packages: Vec<&str> = needs
        .iter()
        .filter(|need| !(need.present)())
        .flat_map(|need| need.packages)
        .copied()
        .collect();
    if toolchain.is_none() {
        packages.extend(linux_driver_kbuild::toolchain::DEBIAN_PACKAGES);
    }
    if packages.is_empty() {
        return Ok(Outcome::Good);
    }
    println!(
        "\nInstall what is missing with --install, or with:\n{}",
        install_line(&packages)
    );
    Ok(Outcome::Bad)
}

/// What building for and booting the kernels of the catalogue takes, each thing once.
pub(crate) fn all() -> Result<Vec<Need>> {
    let catalogue = catalogue()?;
    let mut all: Vec<Need> = Vec::new();
    let of_kernels = catalogue.specs().flat_map(|spec| needs::to_build(Some(spec)));
    for need in of_kernels.chain(needs::to_boot()) {
        if !all.iter().any(|known| known.what == need.what) {
            all.push(need);
        }
    }
    Ok(all)
}
