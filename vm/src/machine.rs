// SPDX-License-Identifier: GPL-2.0-only
//! The machine, as QEMU's command line.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use linux_driver_host::packages::Need;
use linux_driver_host::{Error, Result, process};

use crate::report::Accel;

/// The program that is the machine.
pub(crate) const QEMU: &str = "qemu-system-x86_64";

/// Whether KVM has failed to bring a machine up that emulation brought up, since we started.
static KVM_FAILED: AtomicBool = AtomicBool::new(false);

/// Notes that KVM has failed to bring such a machine up: no other machine tries it.
pub(crate) fn kvm_failed() {
    KVM_FAILED.store(true, Ordering::Relaxed);
}

/// A virtual machine, and the kernel that it boots.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The kernel's image: a `vmlinuz`.
    pub kernel: PathBuf,
    /// Devices besides the console, each as an argument of QEMU's `-device`: "edu".
    pub devices: Vec<String>,
    /// PCIe ports with hot plug, by the names that `bus=` gives them: "edu,bus=port1,id=edu1" is a
    /// device behind one. With any, the ports are the kernel's own (pciehp's) to serve; without,
    /// QEMU has ACPI do all hot plug.
    pub ports: Vec<String>,
    /// QEMU's `-machine`: q35, a machine with PCI Express, or another with its properties.
    pub kind: String,
    /// Its memory, in MiB.
    pub memory_mib: u32,
    /// Its processors.
    pub cpus: u32,
    /// Whether KVM is used where it works.
    pub kvm: bool,
    /// How long a run may take.
    pub time_limit: Duration,
    /// Further parameters on the kernel's command line.
    pub append: Vec<String>,
    /// Further arguments for QEMU.
    pub qemu_args: Vec<String>,
}

impl Machine {
    /// A machine with this kernel, no devices, two processors and 512 MiB, for runs of up to two
    /// minutes.
    pub fn new(kernel: impl Into<PathBuf>) -> Self {
        Self {
            kernel: kernel.into(),
            devices: Vec::new(),
            ports: Vec::new(),
            // With PCI Express, as real ones have it.
            kind: "q35".to_owned(),
            memory_mib: 512,
            cpus: 2,
            kvm: true,
            time_limit: Duration::from_secs(120),
            append: Vec::new(),
            qemu_args: Vec::new(),
        }
    }

    /// What is worth trying to run the guest's code, the best first. A `/dev/kvm` that can be
    /// opened does not say that KVM works: in a VM or a container it may fail at any time until the
    /// guest is up.
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

    /// The kernel's command line.
    fn kernel_command_line(&self, accel: Accel) -> String {
        let clock: &[&str] = match accel {
            Accel::Kvm => &[],
            // The kernel measures the time stamp counter when it boots. A busy host makes that
            // wrong by up to tens of times now and then, and the kernel then reports stalls that
            // are none. The HPET's rate is known. It also waits ten milliseconds for ten interrupts
            // of the timer, and panics ("IO-APIC + timer doesn't work!") where they come later.
            Accel::Tcg => &["no_timer_check", "tsc=unstable"],
        };
        let ours = [
            "console=ttyS0",
            // Every message is shown, whatever its level: the messages are what we are after.
            "ignore_loglevel",
            // What our program writes into the kernel's log is neither slowed down nor left out.
            "printk.devkmsg=on",
            // After a panic the kernel reboots at once, and QEMU ends instead (`-no-reboot`).
            "panic=-1",
            "rdinit=/init",
        ];
        let ports: &[&str] = match self.ports.as_slice() {
            [] => &[],
            // A kernel that was built with fewer features than the firmware asks for (without
            // PCIEASPM, say) would leave the ports to it, which does nothing with them.
            _ => &["pcie_ports=native"],
        };
        let ours = ours.iter().chain(clock).chain(ports).copied();
        let words: Vec<&str> = ours.chain(self.append.iter().map(String::as_str)).collect();
        words.join(" ")
    }

    /// QEMU's command line. `lines` are the arguments for the lines to the host besides the
    /// console.
    pub(crate) fn command(&self, initramfs: &Path, accel: Accel, lines: &[String]) -> Command {
        let mut command = Command::new(QEMU);
        // Nothing but what is named here: no default devices, no user's configuration, no network.
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
            // One thread for all processors. With a thread each, QEMU now and then runs an
            // instruction that the kernel has patched meanwhile (`Oops: int3` in the boot, at a
            // static key), and a driver would be blamed for it.
            Accel::Tcg => "tcg,thread=single",
        });
        // All that the accelerator can do, so that the kernel's mitigations and its newer
        // instructions are run.
        command.args(["-cpu", "max"]);
        command.arg("-m").arg(format!("{}M", self.memory_mib));
        command.arg("-smp").arg(self.cpus.to_string());
        command
            .arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(initramfs);
        command.arg("-append").arg(self.kernel_command_line(accel));
        if !self.ports.is_empty() {
            // Otherwise QEMU hides from the guest that the ports can do hot plug, and does it
            // through ACPI.
            command.args([
                "-global",
                "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",
            ]);
        }
        for (number, port) in (1..).zip(&self.ports) {
            // A chassis and slot of its own, or two ports would be one to the guest.
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

    /// Whether the kernel is one that QEMU boots: what it says itself about a file that is none is
    /// no help.
    pub(crate) fn check_kernel(&self) -> Result<()> {
        let mut start = [0; 0x206];
        let mut file = File::open(&self.kernel).map_err(|e| Error::io(&self.kernel, "read", &e))?;
        let found = match file.read_exact(&mut start) {
            // The boot protocol's magic (`Documentation/arch/x86/boot.rst`), or an ELF file with a
            // PVH entry.
            Ok(()) if &start[0x202..] == b"HdrS" || start.starts_with(b"\x7fELF") => return Ok(()),
            Ok(()) => "another file".to_owned(),
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => "a file too short for one".to_owned(),
            Err(e) => return Err(Error::io(&self.kernel, "read", &e)),
        };
        Err(Error::new(
            self.kernel.display(),
            "a kernel image for x86, such as /boot/vmlinuz-…",
            found,
            "give the path of a vmlinuz",
        ))
    }

    /// The error for a QEMU that ended before the guest said anything; `said` is what it printed.
    pub(crate) fn not_started(&self, line: &str, said: &str) -> Error {
        let said = said.trim();
        // QEMU quotes the argument that it does not take:
        // `-device nosuch: 'nosuch' is not a valid device model name`.
        let device = self
            .devices
            .iter()
            .find(|device| said.contains(&format!("-device {device}:")));
        let found = if said.is_empty() {
            "it ended without a word"
        } else {
            said
        };
        match device {
            Some(device) => Error::new(
                format_args!("device {device:?}"),
                "one that QEMU knows, with the properties that it has",
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

/// What a machine needs on the system, with the program inside it.
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

/// Whether the C compiler, which rustc links with, finds `libc.a`.
fn has_static_libc() -> bool {
    // Where it finds nothing it prints the bare name.
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
    fn a_file_that_is_no_kernel_is_refused() {
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
