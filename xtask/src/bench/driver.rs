// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask bench driver`.
//!
//! The machine counts instructions instead of time (QEMU's `-icount shift=0`: one instruction a
//! nanosecond), so a busy host does not affect the result. Both drivers run in one boot, in turn. A
//! second boot runs them in the other order, because the position in the driver core's lists
//! matters too.

use std::path::{Path, PathBuf};

use linux_driver_check as check;
use linux_driver_host::progress::Progress;
use linux_driver_host::{Cache, Error, Result, output, packages};
use linux_driver_kbuild::DriverCrate;
use linux_driver_kernels::Kernel;
use linux_driver_trial::machine;
use linux_driver_vm::paths::GUEST_PATH;
use linux_driver_vm::{
    Action, Device, GuestFile, Outcome as StepOutcome, Plan, Report, Step, init_program,
};
use serde::{Deserialize, Serialize};

use super::figures::{Figure, Unit, as_text};
use super::frames;
use crate::args::{InstallArgs, KernelArgs, builder};
use crate::build::print_json;
use crate::folders::manifest;
use crate::{Outcome, needs};

/// Compare the instructions that the sample and its twin in C execute
///
/// Loads, binds and uses both drivers in one machine that counts instructions, in both orders, and
/// compares the modules' sizes, heap allocations and stack frames. Prints medians with their
/// ratios, and for each that has a target whether it is reached. The exit code does not depend on
/// that.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask bench driver --kernel debian-6.12
  cargo xtask bench driver --quick
  cargo xtask bench driver --json | jq '.figures[] | select(.beside.reached == false)'")]
pub(crate) struct Args {
    #[command(flatten)]
    kernel: KernelArgs,
    #[command(flatten)]
    install: InstallArgs,
    /// The number of times that each driver is loaded, used and unloaded in a boot
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Measure each once, in one order and with the log, to see whether the benchmark works
    #[arg(long, conflicts_with = "rounds")]
    quick: bool,
    /// The time limit for a boot and the measurements in it
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    time_limit: u64,
    /// Print one JSON document on standard output, with each round's value
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    kernel: &'a str,
    figures: &'a [Figure],
}

/// The highest values that reach the targets.
mod target {
    /// The time of an operation on a device, relative to the twin in C.
    pub(super) const OPERATION: f64 = 1.02;
    /// The time to load the module while its device is present, relative to the twin in C.
    pub(super) const LOAD: f64 = 1.05;
    /// The module's size, relative to the twin in C.
    pub(super) const SIZE: f64 = 1.25;
    /// The number of heap allocations for a bound device.
    pub(super) const ALLOCATIONS: f64 = 1.0;
    /// The number of heap allocations for the registration of a driver.
    pub(super) const REGISTERING: f64 = 0.0;
    /// The largest stack frame, in bytes.
    pub(super) const FRAME: f64 = 1024.0;
}

/// A driver: its module, and the start of its device file's name.
struct Driver {
    name: &'static str,
    prefix: &'static str,
    ko: PathBuf,
}

/// The guest's output about a driver: the instructions of each round.
#[derive(Deserialize)]
struct Measured {
    driver: String,
    load: Vec<f64>,
    unbind: Vec<f64>,
    bind: Vec<f64>,
    id: Vec<f64>,
    interrupt: Vec<f64>,
    dma: Vec<f64>,
}

impl Measured {
    fn operations(self) -> [(&'static str, Vec<f64>, f64); 6] {
        [
            ("load to probe", self.load, target::LOAD),
            ("bind", self.bind, target::OPERATION),
            ("unbind", self.unbind, target::OPERATION),
            ("ioctl, one read", self.id, target::OPERATION),
            ("ioctl, interrupt", self.interrupt, target::OPERATION),
            ("DMA round trip", self.dma, target::OPERATION),
        ]
    }
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let install = args.install.allowed();
    let cache = Cache::of_user()?;
    packages::require(&needs::to_boot(), install)?;
    let kernel = args.kernel.kernel(&cache, install)?;
    // Check this before the builds.
    kernel.bootable()?;
    let builder = builder(&cache, &kernel, install)?;
    let built = |features: &[String]| -> Result<[Driver; 2]> {
        let built = |package, name, prefix| -> Result<Driver> {
            let source = DriverCrate::find(&manifest(), Some(package))?.with_features(features);
            let ko = builder.build(&source)?.ko;
            Ok(Driver { name, prefix, ko })
        };
        Ok([
            built("edu", "edu", "edu-")?,
            built("edu-c", "edu_c", "edu_c-")?,
        ])
    };
    let [rust, c] = built(&[])?;
    let bench = Bench {
        args,
        kernel: &kernel,
        init: init_program::build(&manifest(), None)?,
        guest: init_program::build_guest(&manifest(), None)?,
    };
    let mut figures = Vec::new();
    figures.extend(bench.operations([&rust, &c], "")?);
    if !args.quick {
        figures.extend(bench.operations([&c, &rust], "")?);
        // Formatting is the kernel's own code, and hides the difference between the drivers.
        let [rust, c] = built(&["quiet".to_owned()])?;
        for order in [[&rust, &c], [&c, &rust]] {
            figures.extend(bench.operations(order, ", without lines in the log")?);
        }
    }
    figures.extend(sizes(&rust, &c)?);
    if !args.quick {
        figures.push(bench.allocations(&c)?);
    }
    figures.push(bench.allocations(&rust)?.at_most(target::ALLOCATIONS));
    figures.push(bench.registering(&rust)?.at_most(target::REGISTERING));
    let frame = frames::largest(&rust.ko)?;
    let what = format!("edu.ko's largest frame: {}", frame.function);
    figures
        .push(Figure::new(what, Unit::Bytes, vec![f64::from(frame.bytes)]).at_most(target::FRAME));
    if args.json {
        print_json(&Document {
            kernel: &kernel.release,
            figures: &figures,
        })?;
    } else {
        output::line(format_args!("\n{}", kernel.release));
        output::text(as_text(&figures));
    }
    Ok(Outcome::Good)
}

struct Bench<'a> {
    args: &'a Args,
    kernel: &'a Kernel,
    init: PathBuf,
    guest: PathBuf,
}

impl Bench<'_> {
    /// Measures each operation of both drivers in one boot. `how` describes how the drivers were
    /// built.
    fn operations(&self, order: [&Driver; 2], how: &str) -> Result<Vec<Figure>> {
        let [first, second] = order;
        let _step = Progress::start(format!(
            "{} before {} in {}{how}",
            first.name, second.name, self.kernel.release
        ));
        let mut words = vec!["bench".to_owned()];
        for driver in order {
            words.extend([driver.in_guest(), driver.prefix.to_owned()]);
        }
        let rounds = if self.args.quick { 1 } else { self.args.rounds };
        words.extend(["--rounds".to_owned(), rounds.to_string()]);
        let step = Step::new("measured", Action::Exec { args: words }).within(self.args.time_limit);
        let report = self.boot(&order, &["edu"], vec![step])?;
        let said = detail(&report, "measured")?;
        let measured: [Measured; 2] = serde_json::from_str(said).map_err(|e| {
            Error::new(
                "linux-driver-guest bench",
                "one line of JSON with both drivers",
                format_args!("{e}: {said}"),
                "measure fewer rounds (--rounds): a step's output is cut at 8 KiB",
            )
        })?;
        let [rust, c] = match measured {
            [one, other] if one.driver == "edu" => [one, other],
            [one, other] => [other, one],
        };
        let mut figures = Vec::new();
        for ((what, rust, target), (_, c, _)) in rust.operations().into_iter().zip(c.operations()) {
            let name = |driver: &str| format!("{what}, {driver} ({} first{how})", first.name);
            let c = Figure::new(name("edu_c"), Unit::Instructions, c).renamed("edu_c");
            let rust = Figure::new(name("edu"), Unit::Instructions, rust).beside(&c, Some(target));
            figures.extend([rust, c.renamed(&name("edu_c"))]);
        }
        Ok(figures)
    }

    /// Counts the heap allocations of the module's code while it binds a device.
    fn allocations(&self, driver: &Driver) -> Result<Figure> {
        let _step = Progress::start(format!(
            "allocations of {} in {}",
            driver.name, self.kernel.release
        ));
        let device: Device = "pci:1234:11e8".parse().map_err(|e| {
            Error::new(
                "pci:1234:11e8",
                "a device's name",
                e,
                "report this as a bug of linux-driver",
            )
        })?;
        let bind = Action::Bind {
            device: device.clone(),
            driver: driver.name.to_owned(),
        };
        let before = vec![
            Step::new("the module is loaded", driver.load()),
            Step::new("the device is unbound", Action::Unbind { device }),
        ];
        self.count(driver, &["edu"], before, bind, "a bind")
    }

    /// Counts the heap allocations while the module registers its driver, without a device.
    fn registering(&self, driver: &Driver) -> Result<Figure> {
        let _step = Progress::start(format!(
            "allocations of {}, registering, in {}",
            driver.name, self.kernel.release
        ));
        self.count(driver, &[], Vec::new(), driver.load(), "a registration")
    }

    /// Counts the allocations of the module's code during `action`, which runs after `before`.
    fn count(
        &self,
        driver: &Driver,
        devices: &[&str],
        before: Vec<Step>,
        action: Action,
        what: &str,
    ) -> Result<Figure> {
        let mut steps = before;
        steps.push(Step::new(
            "counted",
            Action::CountAllocations {
                module: driver.name.to_owned(),
                action: Box::new(action),
                at_least: None,
                at_most: None,
            },
        ));
        let report = self.boot(&[driver], devices, steps)?;
        let said = detail(&report, "counted")?;
        // The text of the action itself may come before.
        let count = said
            .split_once(" allocations")
            .and_then(|(before, _)| before.rsplit(' ').next()?.parse::<u32>().ok())
            .ok_or_else(|| {
                Error::new(
                    "counted allocations",
                    "a number",
                    said,
                    "report this as a bug of linux-driver",
                )
            })?;
        let what = format!("{}: heap allocations {what}", driver.name);
        Ok(Figure::new(what, Unit::Count, vec![f64::from(count)]))
    }

    /// Boots a machine that counts instructions, with the modules of these drivers.
    fn boot(&self, drivers: &[&Driver], devices: &[&str], steps: Vec<Step>) -> Result<Report> {
        let mut machine = machine(self.kernel)?;
        machine.devices = devices.iter().map(|&device| device.to_owned()).collect();
        machine.cpus = 1;
        machine.kvm = false;
        machine.qemu_args = ["-icount", "shift=0,sleep=off"].map(str::to_owned).to_vec();
        machine.time_limit = std::time::Duration::from_secs(self.args.time_limit);
        let file = |path: String, source: &Path| GuestFile {
            path,
            source: source.to_owned(),
        };
        let plan = Plan {
            files: drivers
                .iter()
                .map(|driver| file(driver.in_guest(), &driver.ko))
                .chain([file(GUEST_PATH.to_owned(), &self.guest)])
                .collect(),
            steps,
            ..Plan::default()
        };
        linux_driver_vm::run(&machine, &plan, &self.init, &mut |_| {})
    }
}

impl Driver {
    fn in_guest(&self) -> String {
        format!("/{}.ko", self.name)
    }

    fn load(&self) -> Action {
        Action::Load {
            module: self.in_guest(),
            params: String::new(),
        }
    }
}

/// Returns the detail of a step that passed.
fn detail<'a>(report: &'a Report, name: &str) -> Result<&'a str> {
    let step = report.steps.iter().find(|step| step.name == name);
    match step {
        Some(step) if step.outcome == StepOutcome::Passed => Ok(&step.detail),
        _ => {
            let why = step.map_or("", |step| step.detail.as_str());
            Err(Error::new(
                format_args!("step {name:?}"),
                "it to pass",
                format_args!("{why}\n{}", report.last_lines()),
                "see the machine's last messages",
            )
            .of_driver())
        }
    }
}

fn sizes(rust: &Driver, c: &Driver) -> Result<[Figure; 2]> {
    let figure = |driver: &Driver| -> Result<Figure> {
        let size = check::loaded_size(&driver.ko)?.core;
        #[expect(
            clippy::cast_precision_loss,
            reason = "no module comes near 2^52 bytes, up to which a double is exact"
        )]
        let bytes = size as f64;
        Ok(Figure::new(
            format!("{}.ko, loaded", driver.name),
            Unit::Bytes,
            vec![bytes],
        ))
    };
    let c = figure(c)?;
    Ok([figure(rust)?.beside(&c, Some(target::SIZE)), c])
}
