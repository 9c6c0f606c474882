// SPDX-License-Identifier: GPL-2.0-only
//! x86_64: the counterpart of `arch/x86/Makefile`. Options that were renamed are listed under both
//! names.

use linux_driver_host::{Error, Result};
use linux_driver_kernels::BuildTree;

use super::Row;

/// A target without an operating system, with soft floats: code cannot touch SSE or x87 registers.
pub(super) const TRIPLE: &str = "x86_64-unknown-none";

/// Every flag, with its condition and its reason.
pub(super) const ROWS: &[Row] = &[
    Row {
        reason: "a panic does not unwind: it ends in BUG()",
        when: |_| true,
        flags: &["-Cpanic=abort", "-Cforce-unwind-tables=n"],
    },
    Row {
        reason: "the module loader takes plain relocations only, no GOT (apply_relocate_add in arch/x86/kernel/module.c)",
        when: |_| true,
        flags: &["-Crelocation-model=static", "-Zplt=yes"],
    },
    Row {
        reason: "-mcmodel=kernel: modules live in the top 2 GiB",
        when: |_| true,
        flags: &["-Ccode-model=kernel"],
    },
    Row {
        reason: "-mno-red-zone: an interrupt uses the stack below the pointer",
        when: |_| true,
        flags: &["-Cno-redzone=y"],
    },
    Row {
        reason: "-march=x86-64 -mtune=generic: only instructions that every machine has, even if the kernel is tuned for one machine",
        when: |_| true,
        flags: &["-Ctarget-cpu=x86-64", "-Ztune-cpu=generic"],
    },
    Row {
        reason: "modpost refuses the sections .llvmbc and .llvmcmd; the kernel's tools know v0 names",
        when: |_| true,
        flags: &["-Cembed-bitcode=no", "-Csymbol-mangling-version=v0"],
    },
    Row {
        reason: "-fcf-protection=branch -fno-jump-tables: targets of indirect branches start with endbr64",
        when: |config| config.is_set("CONFIG_X86_KERNEL_IBT"),
        flags: &["-Zcf-protection=branch", "-Cjump-tables=n"],
    },
    Row {
        reason: "-mindirect-branch=thunk-extern -mindirect-branch-cs-prefix: indirect branches go through the kernel's thunks",
        when: |config| config.any_set(&["CONFIG_RETPOLINE", "CONFIG_MITIGATION_RETPOLINE"]),
        flags: &[
            "-Zretpoline",
            "-Zretpoline-external-thunk",
            "-Zindirect-branch-cs-prefix",
            "-Cjump-tables=n",
        ],
    },
    Row {
        reason: "-mfunction-return=thunk-extern: returns go through the kernel's thunk",
        when: |config| config.any_set(&["CONFIG_RETHUNK", "CONFIG_MITIGATION_RETHUNK"]),
        flags: &["-Zfunction-return=thunk-extern"],
    },
    Row {
        reason: "-fpatchable-function-entry: room before a function for call thunks",
        when: |config| config.is_set("CONFIG_CALL_PADDING"),
        flags: &[
            "-Zpatchable-function-entry={CONFIG_FUNCTION_PADDING_BYTES},{CONFIG_FUNCTION_PADDING_BYTES}",
        ],
    },
    Row {
        reason: "-fno-omit-frame-pointer: the unwinder follows frame pointers",
        when: |config| config.is_set("CONFIG_FRAME_POINTER"),
        // The second one is for code that rustc makes itself, without a function's attributes.
        flags: &[
            "-Cforce-frame-pointers=y",
            "-Zllvm_module_flag=frame-pointer:u32:2:max",
        ],
    },
    Row {
        reason: "-falign-functions: the kernel patches the room before a function by its alignment",
        when: |config| {
            config
                .value("CONFIG_FUNCTION_ALIGNMENT")
                .is_some_and(|align| align != "0")
        },
        flags: &["-Zmin-function-alignment={CONFIG_FUNCTION_ALIGNMENT}"],
    },
    Row {
        reason: "-fsanitize=kernel-address: KASAN checks each access to memory (scripts/Makefile.kasan)",
        when: |config| config.is_set("CONFIG_KASAN_GENERIC"),
        // -asan-instrument-allocas is not among them: this LLVM refuses it for code that has no
        // such stack frames.
        flags: &[
            "-Zsanitizer=kernel-address",
            "-Zsanitizer-recover=kernel-address",
            "-Cllvm-args=-asan-mapping-offset={CONFIG_KASAN_SHADOW_OFFSET}",
            super::GLOBALS_CHECKED,
            "-Cllvm-args=-asan-kernel-mem-intrinsic-prefix=1",
        ],
    },
    Row {
        reason: "--param asan-instrumentation-with-call-threshold=10000: KASAN's checks are inline",
        when: |config| config.is_set("CONFIG_KASAN_INLINE"),
        flags: &["-Cllvm-args=-asan-instrumentation-with-call-threshold=10000"],
    },
    Row {
        reason: "--param asan-instrumentation-with-call-threshold=0: KASAN's checks are calls",
        when: |config| config.is_set("CONFIG_KASAN_OUTLINE"),
        flags: &["-Cllvm-args=-asan-instrumentation-with-call-threshold=0"],
    },
    Row {
        reason: "--param asan-stack=1: KASAN checks accesses to the stack too",
        when: |config| config.is_set("CONFIG_KASAN_STACK"),
        flags: &["-Cllvm-args=-asan-stack=1"],
    },
    Row {
        reason: "--param asan-stack=0: KASAN does not check accesses to the stack",
        when: |config| {
            config.is_set("CONFIG_KASAN_GENERIC") && !config.is_set("CONFIG_KASAN_STACK")
        },
        flags: &["-Cllvm-args=-asan-stack=0"],
    },
    // Options that instrument only C code, each with the reason why a module is sound without it.
    Row {
        reason: "KCSAN (-fsanitize=thread): a race between Rust and C code is found, one within Rust code is not; no report is false",
        when: |config| config.is_set("CONFIG_KCSAN"),
        flags: &[],
    },
    Row {
        reason: "KCOV (-fsanitize-coverage=trace-pc): the execution of Rust code is not recorded; nothing relies on it",
        when: |config| config.is_set("CONFIG_KCOV"),
        flags: &[],
    },
    Row {
        reason: "GCOV (-fprofile-arcs -ftest-coverage): each object counts for itself; Rust code has no counters",
        when: |config| config.is_set("CONFIG_GCOV_KERNEL"),
        flags: &[],
    },
    Row {
        reason: "STACKLEAK: Rust code does not record how deep it used the stack, so its values below the deepest recorded place are not erased",
        when: |config| config.any_set(&["CONFIG_GCC_PLUGIN_STACKLEAK", "CONFIG_KSTACK_ERASE"]),
        flags: &[],
    },
    Row {
        reason: "STRUCTLEAK, -ftrivial-auto-var-init: C's uninitialised variables; safe Rust reads none",
        when: |config| {
            config.any_set(&[
                "CONFIG_GCC_PLUGIN_STRUCTLEAK",
                "CONFIG_INIT_STACK_ALL_PATTERN",
                "CONFIG_INIT_STACK_ALL_ZERO",
            ])
        },
        flags: &[],
    },
    Row {
        reason: "LATENT_ENTROPY: mixes a number into the kernel's pool at the start of marked functions, of which Rust has none",
        when: |config| config.is_set("CONFIG_GCC_PLUGIN_LATENT_ENTROPY"),
        flags: &[],
    },
    Row {
        reason: "-fsanitize=bounds and others (UBSAN): Rust code checks bounds and overflow itself, and panics",
        when: |config| config.is_set("CONFIG_UBSAN"),
        flags: &[],
    },
    Row {
        reason: "-fstack-protector-strong: Rust functions keep no canary; their accesses to arrays are checked",
        when: |config| config.is_set("CONFIG_STACKPROTECTOR"),
        flags: &[],
    },
    Row {
        reason: "-pg -mfentry: Rust functions are not traced by ftrace; only functions with an entry in __mcount_loc are patched",
        when: |config| config.is_set("CONFIG_FUNCTION_TRACER"),
        flags: &[],
    },
    Row {
        reason: "-fzero-call-used-regs=used-gpr: Rust functions leave registers as they are when they return",
        when: |config| config.is_set("CONFIG_ZERO_CALL_USED_REGS"),
        flags: &[],
    },
    // -mharden-sls=all (CONFIG_SLS, CONFIG_MITIGATION_SLS) has no counterpart in rustc. With return
    // thunks and retpolines, no plain `ret` and no indirect jump is left for it to harden; `check`
    // makes sure of that.
];

/// Options under which rustc's objects would fault or be refused today, each with the reason.
const NOT_FOLLOWED: [(&str, &str); 6] = [
    (
        "CONFIG_CFI",
        "the kernel checks a hash before each indirect call, which these objects do not carry",
    ),
    (
        "CONFIG_CFI_CLANG",
        "the kernel checks a hash before each indirect call, which these objects do not carry",
    ),
    (
        "CONFIG_LTO_CLANG",
        "the kernel links LLVM bitcode, and these objects are machine code",
    ),
    (
        "CONFIG_RANDSTRUCT",
        "the layouts of the kernel's structures are shuffled by its compiler's plugin, which libclang does not have",
    ),
    (
        "CONFIG_KMSAN",
        "the kernel does not see what these objects write, and would report each later read of that memory as uninitialised",
    ),
    (
        "CONFIG_KCSAN_WEAK_MEMORY",
        "the kernel does not see the memory barriers of these objects, and would report that they are missing",
    ),
];

/// Options without which the compiled code would be wrong, each with the reason.
const NEEDED: [(&str, &str); 1] = [(
    "CONFIG_SMP",
    "a kernel for one CPU does not lock its spin locks: spin_trylock() of a held lock succeeds, and two tasks would get the data \
     that the lock protects",
)];

/// Returns an error for a kernel whose configuration asks for what rustc cannot give, or lacks what
/// the safe layer relies on.
pub(super) fn refuse_what_cannot_be_followed(tree: &BuildTree) -> Result<()> {
    if let Some((option, why)) = NEEDED
        .iter()
        .find(|(option, _)| !tree.config.is_set(option))
    {
        return Err(Error::new(
            tree.dir.join(".config").display(),
            format_args!("{option}=y"),
            format_args!("{option} is off: {why}"),
            "use a kernel with it; Debian's stock kernels have it",
        ));
    }
    match NOT_FOLLOWED
        .iter()
        .find(|(option, _)| tree.config.is_set(option))
    {
        None => Ok(()),
        Some((option, why)) => Err(Error::new(
            tree.dir.join(".config").display(),
            format_args!("{option} to be off"),
            format_args!("{option}=y: {why}"),
            "use a kernel without it; Debian's stock kernels are",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux_driver_kernels::Config;

    fn tree(config: &str) -> BuildTree {
        BuildTree {
            dir: "/tree".into(),
            release: "6.12".into(),
            arch: "x86".into(),
            config: Config::parse(&format!("CONFIG_SMP=y\n{config}")),
        }
    }

    #[test]
    fn a_kernel_for_one_cpu_is_refused() {
        let mut tree = tree("");
        tree.config = Config::parse("# CONFIG_SMP is not set\n");
        let error = super::super::target(&tree).unwrap_err().to_string();
        assert!(
            error.contains("CONFIG_SMP=y")
                && error.contains("spin_trylock() of a held lock succeeds"),
            "{error}"
        );
    }

    #[test]
    fn flags_follow_the_configuration() {
        let plain = super::super::target(&tree("")).unwrap().flags;
        assert!(!plain.iter().any(|flag| flag.contains("thunk")
            || flag.contains("cf-protection")
            || flag.contains("patchable")));
        let hard = "CONFIG_X86_KERNEL_IBT=y\nCONFIG_MITIGATION_RETHUNK=y\nCONFIG_CALL_PADDING=y\nCONFIG_FUNCTION_PADDING_BYTES=16\n";
        let hard = super::super::target(&tree(hard)).unwrap().flags;
        for flag in [
            "-Zcf-protection=branch",
            "-Zfunction-return=thunk-extern",
            "-Zpatchable-function-entry=16,16",
        ] {
            assert!(hard.iter().any(|f| f == flag), "{flag} in {hard:?}");
        }
    }

    #[test]
    fn the_sanitizer_follows_the_configuration() {
        let kasan = "CONFIG_KASAN=y\nCONFIG_KASAN_GENERIC=y\nCONFIG_KASAN_INLINE=y\nCONFIG_KASAN_SHADOW_OFFSET=0xdffffc0000000000\n";
        let of = |config: &str| super::super::target(&tree(config)).unwrap().flags;
        let flags = of(kasan);
        for flag in [
            "-Zsanitizer=kernel-address",
            "-Cllvm-args=-asan-mapping-offset=0xdffffc0000000000",
            "-Cllvm-args=-asan-instrumentation-with-call-threshold=10000",
            "-Cllvm-args=-asan-stack=0",
        ] {
            assert!(flags.iter().any(|f| f == flag), "{flag} in {flags:?}");
        }
        let core = super::super::target(&tree(kasan)).unwrap().core_flags();
        assert_eq!(core.len(), flags.len());
        let differ: Vec<&String> = core.iter().filter(|flag| !flags.contains(flag)).collect();
        assert_eq!(differ, ["-Cllvm-args=-asan-globals=0"]);
        let stack = of(&format!("{kasan}CONFIG_KASAN_STACK=y\n"));
        assert!(
            stack.contains(&"-Cllvm-args=-asan-stack=1".to_owned()),
            "{stack:?}"
        );
        assert!(
            !of("")
                .iter()
                .any(|flag| flag.contains("asan") || flag.contains("sanitizer"))
        );
    }

    #[test]
    fn functions_are_aligned_as_the_kernels_are() {
        let flags = super::super::target(&tree("CONFIG_FUNCTION_ALIGNMENT=16\n"))
            .unwrap()
            .flags;
        assert!(
            flags
                .iter()
                .any(|flag| flag == "-Zmin-function-alignment=16"),
            "{flags:?}"
        );
    }

    #[test]
    fn renamed_options_are_known_by_both_names() {
        for option in ["CONFIG_RETPOLINE", "CONFIG_MITIGATION_RETPOLINE"] {
            let flags = super::super::target(&tree(&format!("{option}=y\n")))
                .unwrap()
                .flags;
            assert!(
                flags
                    .iter()
                    .any(|flag| flag == "-Zretpoline-external-thunk"),
                "{option}"
            );
        }
    }

    #[test]
    fn options_that_instrument_only_c_are_listed() {
        let said = |config: &str| super::super::reasons(&tree(config));
        let of_all = said("").len();
        for (option, word) in [
            ("CONFIG_KCSAN", "KCSAN"),
            ("CONFIG_KCOV", "KCOV"),
            ("CONFIG_GCOV_KERNEL", "GCOV"),
            ("CONFIG_GCC_PLUGIN_STACKLEAK", "STACKLEAK"),
            ("CONFIG_KSTACK_ERASE", "STACKLEAK"),
            ("CONFIG_GCC_PLUGIN_STRUCTLEAK", "STRUCTLEAK"),
            ("CONFIG_GCC_PLUGIN_LATENT_ENTROPY", "LATENT_ENTROPY"),
            ("CONFIG_UBSAN", "UBSAN"),
        ] {
            let rows = said(&format!("{option}=y\n"));
            let own: Vec<_> = rows
                .iter()
                .filter(|(reason, _)| reason.contains(word))
                .collect();
            assert_eq!(
                (rows.len(), own.len()),
                (of_all + 1, 1),
                "{option}: {rows:?}"
            );
            assert_eq!(own[0].1, "no flags");
        }
    }

    #[test]
    fn a_kernel_that_cannot_be_followed_is_refused() {
        for option in [
            "CONFIG_CFI_CLANG",
            "CONFIG_KMSAN",
            "CONFIG_KCSAN_WEAK_MEMORY",
        ] {
            let error = super::super::target(&tree(&format!("{option}=y\n")))
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(&format!("{option}=y")) && error.contains("/tree/.config"),
                "{error}"
            );
        }
    }
}
