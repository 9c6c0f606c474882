// SPDX-License-Identifier: GPL-2.0-only
//! Converts Kbuild's flags for gcc into flags for libclang: removes those that clang does not know.

/// The flags of gcc that clang rejects, each with the reason why layouts are the same without it.
/// An entry is a prefix: it also matches longer flags.
const REJECTED: &[(&str, &str)] = &[
    (
        "-mpreferred-stack-boundary=",
        "alignment of the stack, not of types",
    ),
    ("-mindirect-branch", "code generation: retpolines"),
    ("-mfunction-return=", "code generation: return thunks"),
    ("-mrecord-mcount", "a section for ftrace"),
    (
        "-mharden-sls=",
        "code generation: straight-line speculation",
    ),
    (
        "-mno-fp-ret-in-387",
        "how a float is returned; the kernel has none",
    ),
    ("-mskip-rax-setup", "calls of variadic functions"),
    ("-fno-allow-store-data-races", "optimisation"),
    ("-fconserve-stack", "optimisation"),
    ("-fno-stack-check", "code generation"),
    (
        "-fpatchable-function-entry=",
        "code generation: call padding",
    ),
    ("-fmin-function-alignment=", "alignment of functions"),
    ("-falign-", "alignment of functions and loops"),
    ("-ftrivial-auto-var-init=", "contents of local variables"),
    (
        "-enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang",
        "contents of local variables; clang has not known it since 18",
    ),
    (
        "-fzero-init-padding-bits=",
        "contents of padding, not its offset",
    ),
    ("-fcf-protection=", "code generation: endbr64"),
    (
        "-mstack-protector-guard",
        "code generation: where the stack's canary is",
    ),
    (
        "-fsanitize",
        "code generation: UBSAN and others; KASAN changes layouts only through the configuration",
    ),
    (
        "-fasan-shadow-offset=",
        "code generation: where the memory of KASAN is",
    ),
    ("-fstrict-flex-arrays=", "warnings and bounds checks"),
    ("-fdiagnostics-", "the format of messages"),
    (
        "-fplugin",
        "gcc's plugins: STACKLEAK and others change code; RANDSTRUCT changes layouts: refused",
    ),
    ("-fprofile-", "code generation: GCOV's counters"),
    ("-ftest-coverage", "code generation: GCOV's counters"),
    ("-fno-tree-loop-im", "optimisation"),
    (
        "-fzero-call-used-regs=",
        "code generation: registers at the end of a function",
    ),
    (
        "-W",
        "warnings: gcc has compiled these headers, and its warnings are what counts",
    ),
];

/// Returns the flags for libclang.
pub(crate) fn for_clang(cc_flags: &[String]) -> Vec<String> {
    let known = cc_flags.iter().filter(|flag| !is_rejected(flag)).cloned();
    let ours = [
        // In some kernels, headers omit declarations if the kernel's own rules for bindgen apply.
        "-D__BINDGEN__",
        // Needed for tagged anonymous members: without it clang warns and drops the member.
        "-fms-extensions",
        "-Wno-everything",
    ];
    known.chain(ours.map(str::to_owned)).collect()
}

fn is_rejected(flag: &str) -> bool {
    REJECTED
        .iter()
        .any(|(rejected, _)| flag.starts_with(rejected))
}
