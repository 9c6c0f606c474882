// SPDX-License-Identifier: GPL-2.0-only
//! The compiler of a kernel: its name in the `.config`, the version on this host, and the arguments
//! for make.
//!
//! Kbuild takes `gcc` unless it is told otherwise, and reads `LLVM` from the environment. A kernel
//! that clang compiled has flags which gcc does not know. So its `.config` decides, not the
//! default, and not a user's settings for another kernel.

use linux_driver_host::{Error, Result, packages};

use crate::build_host::BuildHost;
use crate::build_tree::BuildTree;
use crate::config::Config;

/// The compiler that a `.config` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiler {
    /// The program, as far as the `.config` has its name: "gcc-12", "clang".
    pub(crate) program: String,
    /// Its major version.
    pub(crate) major: Option<String>,
    /// Set if it is clang: the other LLVM tools that were used.
    llvm: Option<Llvm>,
}

/// The other tools of a kernel that clang compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Llvm {
    /// GNU's linker, and not LLVM's.
    gnu_ld: bool,
    /// GNU's assembler, and not clang's own.
    gnu_as: bool,
}

/// The programs of LLVM that Kbuild calls for a module, and Debian's packages of them; each has the
/// major version at its end.
const LLVM_PROGRAMS: [(&str, &str); 5] = [
    ("clang", "clang"),
    ("ld.lld", "lld"),
    ("llvm-ar", "llvm"),
    ("llvm-nm", "llvm"),
    ("llvm-objcopy", "llvm"),
];

impl Compiler {
    /// Reads the compiler from a configuration: "gcc-12" and 12 of "gcc-12 (Debian 12.2.0-14)
    /// 12.2.0".
    pub fn of(config: &Config) -> Self {
        let clang = config.is_set("CONFIG_CC_IS_CLANG");
        let (program, version) = if clang {
            ("clang", "CONFIG_CLANG_VERSION")
        } else {
            let text = config.value("CONFIG_CC_VERSION_TEXT").unwrap_or_default();
            let first = text.split(' ').next().filter(|word| !word.is_empty());
            (first.unwrap_or("gcc"), "CONFIG_GCC_VERSION")
        };
        // 120200 is 12.2.0.
        let major = config
            .value(version)
            .and_then(|value| value.parse::<u32>().ok())
            .map(|number| (number / 10_000).to_string());
        Self {
            program: program.to_owned(),
            major: major.filter(|major| major != "0"),
            llvm: clang.then(|| Llvm {
                gnu_ld: config.is_set("CONFIG_LD_IS_BFD"),
                gnu_as: config.is_set("CONFIG_AS_IS_GNU"),
            }),
        }
    }

    /// Returns the suffix of Debian's programs of the same version.
    fn suffix(&self) -> Option<String> {
        self.major.as_ref().map(|major| format!("-{major}"))
    }

    /// Returns the program on this host: of several clangs, the one of the kernel's version.
    pub(crate) fn on(&self, host: &BuildHost) -> String {
        match self.llvm_suffix(host) {
            Some(suffix) => self.program.clone() + &suffix,
            None => self.program.clone(),
        }
    }

    /// Returns the suffix of LLVM's programs on this host, if the kernel's own version is there
    /// under such names.
    fn llvm_suffix(&self, host: &BuildHost) -> Option<String> {
        self.llvm.as_ref()?;
        self.suffix()
            .filter(|suffix| host.has_program(&format!("{}{suffix}", self.program)))
    }

    /// Returns make's arguments for this compiler.
    pub fn arguments(&self, tree: &BuildTree, host: &BuildHost) -> Vec<String> {
        let Some(llvm) = &self.llvm else {
            // Debian's trees say it themselves.
            let says_itself = self.program == "gcc" || tree.dir.join(".kernelvariables").is_file();
            let own = !says_itself && host.has_program(&self.program);
            return own
                .then(|| format!("CC={}", self.program))
                .into_iter()
                .collect();
        };
        let suffix = self.llvm_suffix(host);
        let mut arguments = vec![format!("LLVM={}", suffix.as_deref().unwrap_or("1"))];
        if llvm.gnu_ld {
            arguments.push("LD=ld".to_owned());
        }
        if llvm.gnu_as {
            arguments.push("LLVM_IAS=0".to_owned());
        }
        arguments
    }

    /// Returns the programs that have to be on the host for it, each with Debian's package.
    fn programs(&self, host: &BuildHost) -> Vec<(String, String)> {
        let Some(llvm) = &self.llvm else {
            let start = self.program.find("gcc").unwrap_or_default();
            return vec![(self.program.clone(), self.program[start..].to_owned())];
        };
        let end = self.llvm_suffix(host).unwrap_or_default();
        let all = LLVM_PROGRAMS.iter();
        all.filter(|(program, _)| !(llvm.gnu_ld && *program == "ld.lld"))
            .map(|(program, package)| {
                let version = self.suffix().unwrap_or_default();
                (format!("{program}{end}"), format!("{package}{version}"))
            })
            .collect()
    }

    /// Returns the package of the compiler itself.
    pub(crate) fn package(&self) -> String {
        match &self.llvm {
            None => {
                let start = self.program.find("gcc").unwrap_or_default();
                self.program[start..].to_owned()
            }
            Some(_) => self.program.clone() + &self.suffix().unwrap_or_default(),
        }
    }

    /// Returns an error unless all of it is on the host. Kbuild would stop at the first missing
    /// program, with a message of the shell.
    pub(crate) fn require(&self, tree: &BuildTree, host: &BuildHost) -> Result<()> {
        let mut missing = self.programs(host);
        // If the compiler is missing, the other tools are of another version.
        if host.has_program(&self.on(host)) {
            missing.retain(|(program, _)| !host.has_program(program));
        }
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = missing
            .iter()
            .map(|(program, _)| program.as_str())
            .collect();
        let mut wanted: Vec<&str> = missing
            .iter()
            .map(|(_, package)| package.as_str())
            .collect();
        wanted.dedup();
        let text = tree
            .config
            .value("CONFIG_CC_VERSION_TEXT")
            .unwrap_or(&self.program);
        Err(Error::new(
            tree.dir.join(".config").display(),
            format_args!("the compiler that the kernel was built with: {text}"),
            format_args!("no program {} on the PATH", names.join(", ")),
            format_args!(
                "{}\nor, if the system has no such package, use --kernel NAME, which has its own build root",
                packages::how_to_install(&wanted)
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLANG: &str = "CONFIG_CC_VERSION_TEXT=\"Debian clang version 19.1.7\"\nCONFIG_CC_IS_CLANG=y\nCONFIG_GCC_VERSION=0\nCONFIG_CLANG_VERSION=190107\nCONFIG_LD_IS_LLD=y\nCONFIG_AS_IS_LLVM=y\n";

    fn tree(dir: &std::path::Path, config: &str) -> BuildTree {
        BuildTree {
            dir: dir.to_owned(),
            release: "6.12".into(),
            arch: "x86".into(),
            config: Config::parse(config),
        }
    }

    /// Returns a build root that has these programs and no others.
    fn host(dir: &std::path::Path, programs: &[&str]) -> BuildHost {
        let bin = dir.join("usr/bin");
        std::fs::create_dir_all(&bin).unwrap();
        for program in programs {
            std::fs::write(bin.join(program), "").unwrap();
        }
        BuildHost::Root(crate::build_host::BuildRoot {
            dir: dir.to_owned(),
            kernel: dir.to_owned(),
        })
    }

    #[test]
    fn the_compiler_is_read_from_the_config() {
        let of = |text: &str| {
            let found = Compiler::of(&Config::parse(text));
            (found.program, found.major)
        };
        let gcc = "CONFIG_CC_VERSION_TEXT=\"x86_64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0\"\nCONFIG_GCC_VERSION=140200\n";
        assert_eq!(
            of(gcc),
            ("x86_64-linux-gnu-gcc-14".to_owned(), Some("14".to_owned()))
        );
        assert_eq!(of(CLANG), ("clang".to_owned(), Some("19".to_owned())));
        assert_eq!(of(""), ("gcc".to_owned(), None));
    }

    #[test]
    fn a_kernel_of_clang_is_built_for_with_its_llvm() {
        let dir = tempfile::tempdir().unwrap();
        let arguments = |config: &str, programs: &[&str]| {
            let root = tempfile::tempdir().unwrap();
            let tree = tree(dir.path(), config);
            Compiler::of(&tree.config).arguments(&tree, &host(root.path(), programs))
        };
        // The tools of its version are preferred to others.
        assert_eq!(arguments(CLANG, &["clang-19", "clang"]), ["LLVM=-19"]);
        assert_eq!(arguments(CLANG, &["clang", "clang-18"]), ["LLVM=1"]);
        let with_gnu = CLANG
            .replace("LD_IS_LLD", "LD_IS_BFD")
            .replace("AS_IS_LLVM", "AS_IS_GNU");
        assert_eq!(
            arguments(&with_gnu, &["clang"]),
            ["LLVM=1", "LD=ld", "LLVM_IAS=0"]
        );
        // Kbuild takes `gcc` by itself; a compiler of another name must be given.
        assert!(arguments("", &["gcc"]).is_empty());
        let named = "CONFIG_CC_VERSION_TEXT=\"gcc-14 (Debian 14.2.0-19) 14.2.0\"\n";
        assert_eq!(arguments(named, &["gcc", "gcc-14"]), ["CC=gcc-14"]);
        std::fs::write(dir.path().join(".kernelvariables"), "CC = gcc-14\n").unwrap();
        assert!(arguments(named, &["gcc", "gcc-14"]).is_empty());
    }

    #[test]
    fn a_compiler_that_is_missing_is_named_with_its_package() {
        let dir = tempfile::tempdir().unwrap();
        let refusal = |config: &str, programs: &[&str]| {
            let root = tempfile::tempdir().unwrap();
            let tree = tree(dir.path(), config);
            let error = Compiler::of(&tree.config).require(&tree, &host(root.path(), programs));
            error
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default()
        };
        let gcc = "CONFIG_CC_VERSION_TEXT=\"x86_64-linux-gnu-gcc-10 (Debian 10.2.1-6) 10.2.1\"\n";
        let refused = refusal(gcc, &["gcc"]);
        assert!(
            refused.contains("no program x86_64-linux-gnu-gcc-10"),
            "{refused}"
        );
        assert!(
            refused.contains("install --no-install-recommends gcc-10\n"),
            "{refused}"
        );
        assert_eq!(refusal(gcc, &["x86_64-linux-gnu-gcc-10"]), "");
        let refused = refusal(
            CLANG,
            &["clang-19", "llvm-ar-19", "llvm-nm-19", "llvm-objcopy-19"],
        );
        assert!(
            refused.contains("no program ld.lld-19 on the PATH"),
            "{refused}"
        );
        assert!(
            refused.contains("install --no-install-recommends lld-19\n"),
            "{refused}"
        );
        let refused = refusal(CLANG, &["gcc"]);
        assert!(refused.contains("clang-19 lld-19 llvm-19\n"), "{refused}");
    }
}
