// SPDX-License-Identifier: GPL-2.0-only
//! The machine, as QEMU's command line.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use linux_driver_host::packages::Need;
use linux_driver_host::{Error, Result, fs, process};

use crate::plan::Plan;
use crate::report::Accel;

/// The program that emulates the machine.
pub(crate) const QEMU: &str = "qemu-system-x86_64";

/// Set if KVM has failed to bring up a machine that emulation then brought up, in this process.
static KVM_FAILED: AtomicBool = AtomicBool::new(false);

/// Records that KVM failed to bring up a machine. No later machine tries KVM.
pub(crate) fn kvm_failed() {
    KVM_FAILED.store(true, Ordering::Relaxed);
}

/// A virtual machine, and the kernel that it boots.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The kernel's image: a `vmlinuz`.
    pub kernel: PathBuf,
    /// The same kernel unpacked, which boots faster: an ELF file with a PVH entry. Plans that
    /// suspend the machine to RAM do not use it.
    pub unpacked: Option<PathBuf>,
    /// Devices besides the console, each as an argument of QEMU's `-device`: "edu".
    pub devices: Vec<String>,
    /// PCIe ports with hot plug, by name. `bus=` refers to the name: "edu,bus=port1,id=edu1" is a
    /// device behind a port. If there are any, the kernel's pciehp serves the ports. Otherwise QEMU
    /// does all hot plug through ACPI.
    pub ports: Vec<String>,
    /// QEMU's `-machine`: q35, which is a machine with PCI Express, or another one with its
    /// properties.
    pub kind: String,
    /// The machine's memory, in MiB.
    pub memory_mib: u32,
    /// The number of processors.
    pub cpus: u32,
    /// `true` if KVM is used on hosts where it works.
    pub kvm: bool,
    /// The time limit of a run.
    pub time_limit: Duration,
    /// Further parameters for the kernel's command line.
    pub append: Vec<String>,
    /// Further arguments for QEMU.
    pub qemu_args: Vec<String>,
    /// `true` if a person debugs the machine. Then no time limit applies, and the run goes on after
    /// a problem. A kernel that panics stops instead of ending the machine. The console's lines go
    /// to standard error as they come.
    pub debugged: bool,
}

impl Machine {
    /// Makes a machine with this kernel, no devices, two processors, 512 MiB of memory and a time
    /// limit of two minutes.
    pub fn new(kernel: impl Into<PathBuf>) -> Self {
        Self {
            kernel: kernel.into(),
            unpacked: None,
            devices: Vec::new(),
            ports: Vec::new(),
            // A machine with PCI Express, as real machines have it.
            kind: "q35".to_owned(),
            memory_mib: 512,
            cpus: 2,
            kvm: true,
            time_limit: Duration::from_secs(120),
            append: Vec::new(),
            qemu_args: Vec::new(),
            debugged: false,
        }
    }

    /// Returns the accelerators to try, the best first. A `/dev/kvm` that can be opened does not
    /// mean that KVM works: in a VM or a container it may fail at any time until the guest is up.
    pub(crate) fn accels(&self) -> &'static [Accel] {
        if self.kvm
            && !KVM_FAILED.load(Ordering::Relaxed)
            && OpenOptions::new()
                .read(true)
                .write(true)
                .open("/dev/kvm")
                .is_ok()
        {
            &[Accel::Kvm, Accel::Tcg]
        } else {
            &[Accel::Tcg]
        }
    }

    /// Returns the machine for a run of this plan. It boots the image if the plan suspends it to
    /// RAM: QEMU resets such a machine when it wakes up, and a reset writes the ELF file's contents
    /// into its memory again, over the sleeping kernel.
    pub(crate) fn for_plan(&self, plan: &Plan) -> Self {
        let mut machine = self.clone();
        if plan.suspends_to_ram() {
            machine.unpacked = None;
        }
        machine
    }

    /// Returns the file that QEMU boots.
    pub(crate) fn to_boot(&self) -> &Path {
        self.unpacked.as_deref().unwrap_or(&self.kernel)
    }

    /// Returns the kernel's command line.
    fn kernel_command_line(&self, accel: Accel) -> String {
        let clock: &[&str] = match accel {
            Accel::Kvm => &[],
            // The kernel measures the rate of the time stamp counter during boot. On a busy host
            // the result is sometimes wrong by a factor of up to several tens, and the kernel then
            // reports stalls that never happened. The rate of the HPET is known. The kernel also
            // waits ten milliseconds for ten timer interrupts, and panics ("IO-APIC + timer doesn't
            // work!") if they come later.
            Accel::Tcg => &["no_timer_check", "tsc=unstable"],
        };
        let ours = [
            "console=ttyS0",
            // Shows messages of every level, because the tool reads all of them.
            "ignore_loglevel",
            // Neither delays nor drops the records that the tool's program writes into the kernel's
            // log.
            "printk.devkmsg=on",
            if self.debugged {
                // After a panic the kernel stops, so that a person can look at it.
                "panic=0"
            } else {
                // After a panic the kernel reboots at once, and QEMU ends instead (`-no-reboot`).
                "panic=-1"
            },
            "rdinit=/init",
        ];
        let ports: &[&str] = match self.ports.as_slice() {
            [] => &[],
            // A kernel with fewer features than the firmware asks for (for example without
            // PCIEASPM) would leave the ports to the firmware, which does nothing with them.
            _ => &["pcie_ports=native"],
        };
        let ours = ours.iter().chain(clock).chain(ports).copied();
        let words: Vec<&str> = ours.chain(self.append.iter().map(String::as_str)).collect();
        words.join(" ")
    }

    /// Returns QEMU's command line. `lines` are the arguments for the lines to the host besides the
    /// console.
    pub(crate) fn command(&self, initramfs: &Path, accel: Accel, lines: &[String]) -> Command {
        let mut command = Command::new(QEMU);
        // Use only the devices and settings below: no default devices, no user configuration, no
        // network.
        command.args([
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-no-reboot",
            "-nic",
            "none",
        ]);
        command.args(["-serial", "stdio", "-monitor", "none"]);
        command.args(lines);
        command.arg("-machine").arg(&self.kind);
        command.arg("-accel").arg(match accel {
            Accel::Kvm => "kvm",
            // One thread for all processors. With a thread for each, QEMU sometimes runs an
            // instruction while the kernel patches it (`Oops: int3` during boot, at a static key).
            // The report would then blame the driver.
            Accel::Tcg => "tcg,thread=single",
        });
        // All features that the accelerator has, so that the kernel's mitigations and newer
        // instructions are tested.
        command.args(["-cpu", "max"]);
        command.arg("-m").arg(format!("{}M", self.memory_mib));
        command.arg("-smp").arg(self.cpus.to_string());
        command
            .arg("-kernel")
            .arg(self.to_boot())
            .arg("-initrd")
            .arg(initramfs);
        command.arg("-append").arg(self.kernel_command_line(accel));
        if !self.ports.is_empty() {
            // Otherwise QEMU hides the ports' hot plug from the guest and does hot plug through
            // ACPI.
            command.args([
                "-global",
                "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",
            ]);
        }
        for (number, port) in (1..).zip(&self.ports) {
            // Each port needs its own chassis and slot number. Otherwise the guest sees one port.
            command.arg("-device").arg(format!(
                "pcie-root-port,id={port},chassis={number},slot={number}"
            ));
        }
        for device in &self.devices {
            command.arg("-device").arg(device);
        }
        command.args(&self.qemu_args);
        command
    }

    /// Checks that QEMU can boot the kernel. QEMU's own message about any other file does not help.
    pub(crate) fn check_kernel(&self) -> Result<()> {
        let mut start = [0; 0x206];
        let mut file = fs::open(self.to_boot())?;
        let found = match file.read_exact(&mut start) {
            // The magic of the boot protocol (`Documentation/arch/x86/boot.rst`), or an ELF file
            // with a PVH entry.
            Ok(()) if &start[0x202..] == b"HdrS" || start.starts_with(b"\x7fELF") => return Ok(()),
            Ok(()) => "another file".to_owned(),
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => "a file too short for one".to_owned(),
            Err(e) => return Err(Error::io(self.to_boot(), "read", &e)),
        };
        Err(Error::new(
            self.to_boot().display(),
            "a kernel image for x86, such as /boot/vmlinuz-…",
            found,
            "give the path of a vmlinuz",
        ))
    }

    /// Returns the error for a QEMU that ended before the guest printed anything. `said` is QEMU's
    /// own output.
    pub(crate) fn not_started(&self, line: &str, said: &str) -> Error {
        let said = said.trim();
        // QEMU quotes the argument that it rejects:
        // `-device nosuch: 'nosuch' is not a valid device model name`.
        let device = self
            .devices
            .iter()
            .find(|device| said.contains(&format!("-device {device}:")));
        let found = if said.is_empty() {
            "QEMU exited without a message"
        } else {
            said
        };
        match device {
            Some(device) => Error::new(
                format_args!("device {device:?}"),
                "a device that QEMU knows, with its properties",
                found,
                format_args!(
                    "correct it; `{QEMU} -device help` lists the devices, `-device NAME,help` a device's properties"
                ),
            ),
            None => Error::new(
                line,
                "QEMU to start the machine",
                found,
                "see what it printed; run the line above by hand to try again",
            ),
        }
    }
}

/// Returns the system's packages that a machine and the program inside it need.
pub fn needs() -> Vec<Need> {
    vec![
        Need {
            what: "QEMU for x86",
            reason: "to boot kernels in a virtual machine",
            packages: &["qemu-system-x86"],
            present: || process::find_program(QEMU).is_some(),
        },
        Need {
            what: "a C compiler and the static C library",
            reason: "to link the program that runs inside the machine",
            packages: &["gcc", "libc6-dev"],
            present: has_static_libc,
        },
    ]
}

/// Returns whether the C compiler, with which rustc links, finds `libc.a`.
fn has_static_libc() -> bool {
    // If it finds nothing, it prints the bare name.
    process::run(Command::new("cc").arg("-print-file-name=libc.a"))
        .is_ok_and(|path| path.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(machine: &Machine, accel: Accel) -> Vec<String> {
        machine
            .command(Path::new("/initramfs"), accel, &[])
            .get_args()
            .map(|word| word.to_str().unwrap().to_owned())
            .collect()
    }

    fn value<'a>(words: &'a [String], option: &str) -> &'a str {
        &words[words.iter().position(|word| word == option).unwrap() + 1]
    }

    #[test]
    fn a_machine_that_is_suspended_to_ram_boots_the_image() {
        let mut machine = Machine::new("/vmlinuz");
        machine.unpacked = Some("/vmlinux".into());
        let boots = |action: &str| {
            let text =
                format!("steps = [{{ name = 's', repeat = 2, actions = [{{ {action} }}] }}]");
            let plan: Plan = toml::from_str(&text).unwrap();
            value(&words(&machine.for_plan(&plan), Accel::Tcg), "-kernel").to_owned()
        };
        assert_eq!(boots("suspend = 'mem'"), "/vmlinuz");
        assert_eq!(
            boots("write = '/sys/power/state', data = 'mem'"),
            "/vmlinuz"
        );
        // These do not reset the machine.
        assert_eq!(boots("sleep-ms = 1"), "/vmlinux");
        assert_eq!(boots("suspend = 'mem', test = 'devices'"), "/vmlinux");
        assert_eq!(boots("suspend = 'freeze', test = 'devices'"), "/vmlinux");
        assert_eq!(
            boots("write = '/sys/power/state', data = 'freeze'"),
            "/vmlinux"
        );
    }

    #[test]
    fn the_command_line_says_what_the_machine_is() {
        let mut machine = Machine::new("/k");
        machine.devices = vec!["edu".into(), "pci-testdev,addr=5".into()];
        machine.append = vec!["nokaslr".into()];
        machine.qemu_args = vec!["-icount".into(), "shift=0".into()];
        let words = words(&machine, Accel::Tcg);
        assert_eq!(
            (
                value(&words, "-m"),
                value(&words, "-smp"),
                value(&words, "-kernel")
            ),
            ("512M", "2", "/k")
        );
        assert!(value(&words, "-append").ends_with(" no_timer_check tsc=unstable nokaslr"));
        let devices: Vec<&str> = words
            .windows(2)
            .filter(|pair| pair[0] == "-device")
            .map(|pair| pair[1].as_str())
            .collect();
        assert_eq!(devices, ["edu", "pci-testdev,addr=5"]);
        assert_eq!(words[words.len() - 2..], ["-icount", "shift=0"]);
    }

    #[test]
    fn a_panic_ends_the_machine_unless_a_person_debugs_it() {
        let mut machine = Machine::new("/k");
        for (debugged, word, other) in [
            (false, "panic=-1", "panic=0"),
            (true, "panic=0", "panic=-1"),
        ] {
            machine.debugged = debugged;
            let words = words(&machine, Accel::Tcg);
            let line: Vec<&str> = value(&words, "-append").split(' ').collect();
            assert!(line.contains(&word) && !line.contains(&other), "{line:?}");
        }
    }

    #[test]
    fn a_port_comes_before_what_is_behind_it() {
        let mut machine = Machine::new("/k");
        assert!(!words(&machine, Accel::Tcg).contains(&"-global".to_owned()));
        machine.ports = vec!["port1".into(), "port2".into()];
        machine.devices = vec!["edu,bus=port2,id=edu1".into()];
        machine.kind = "q35,hpet=off".into();
        let words = words(&machine, Accel::Tcg);
        let devices: Vec<&str> = words
            .windows(2)
            .filter(|pair| pair[0] == "-device")
            .map(|pair| pair[1].as_str())
            .collect();
        assert_eq!(
            devices,
            [
                "pcie-root-port,id=port1,chassis=1,slot=1",
                "pcie-root-port,id=port2,chassis=2,slot=2",
                "edu,bus=port2,id=edu1"
            ]
        );
        assert!(value(&words, "-global").ends_with("hotplug-with-bridge-support=off"));
        assert_eq!(value(&words, "-machine"), "q35,hpet=off");
        assert!(value(&words, "-append").ends_with(" pcie_ports=native"));
    }

    #[test]
    fn emulation_is_always_there_to_fall_back_to() {
        let mut machine = Machine::new("/k");
        assert_eq!(machine.accels().last(), Some(&Accel::Tcg));
        machine.kvm = false;
        assert_eq!(machine.accels(), [Accel::Tcg]);
        assert_eq!(value(&words(&machine, Accel::Kvm), "-accel"), "kvm");
        let with_kvm = words(&machine, Accel::Kvm);
        assert!(
            !value(&with_kvm, "-append").contains("tsc=")
                && !value(&with_kvm, "-append").contains("timer_check")
        );
        assert_eq!(
            value(&words(&machine, Accel::Tcg), "-accel"),
            "tcg,thread=single"
        );
    }

    #[test]
    fn a_file_that_is_not_a_kernel_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for (name, contents) in [("short", vec![1; 9]), ("text", vec![b'x'; 4096])] {
            let path = dir.path().join(name);
            std::fs::write(&path, contents).unwrap();
            let text = Machine::new(&path).check_kernel().unwrap_err().to_string();
            assert!(
                text.contains(name) && text.contains("a kernel image for x86"),
                "{text}"
            );
        }
        let text = Machine::new("/no/such/vmlinuz")
            .check_kernel()
            .unwrap_err()
            .to_string();
        assert!(text.starts_with("/no/such/vmlinuz\n"), "{text}");
    }

    #[test]
    fn the_device_that_qemu_refuses_is_named() {
        let mut machine = Machine::new("/k");
        machine.devices = vec!["edu".into(), "nosuch".into()];
        let text = machine
            .not_started(
                "qemu",
                "qemu-system-x86_64: -device nosuch: 'nosuch' is not a valid device model name",
            )
            .to_string();
        assert!(text.starts_with("device \"nosuch\"\n"), "{text}");
        let text = machine
            .not_started("qemu -x", "qemu: -x: invalid option")
            .to_string();
        assert!(
            text.starts_with("qemu -x\n") && text.contains("invalid option"),
            "{text}"
        );
    }
}
