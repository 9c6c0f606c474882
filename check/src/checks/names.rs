// SPDX-License-Identifier: GPL-2.0-only
//! The causes of unresolved names. The kernel only prints "Unknown symbol", and the symbol itself
//! is seldom the cause.

use super::elf::demangled;
use linux_driver_kernels::Config;

/// The reason why a name is not resolved, and the remedy.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cause {
    pub(super) why: &'static str,
    pub(super) remedy: &'static str,
}

/// Returns the name in the quotes that messages use.
pub(super) fn quoted(name: &str) -> String {
    format!("`{name}`")
}

/// Returns the reason why a module contains this name, which a kernel with this configuration does
/// not export.
pub(super) fn cause(name: &str, config: &Config) -> Cause {
    let (why, remedy) = if name.starts_with("linux_driver_") {
        (
            "missing C shims of linux-driver, which were not linked in",
            "link the objects of the sys crate's C shims into the module, and declare each shim with the same name in C and in Rust",
        )
    } else if is_float_helper(name) {
        (
            "helpers for floating point: the code uses f32 or f64, which the kernel does not allow",
            "use integers (fixed point) there; formatting or parsing a float counts too",
        )
    } else if is_wide_helper(name) {
        (
            "helpers for 128-bit integers, which the kernel does not have",
            "use 64-bit integers there; multiply or divide in two steps where the product needs more",
        )
    } else if matches!(
        name,
        "memcpy" | "memmove" | "memset" | "memcmp" | "bcmp" | "strlen"
    ) {
        (
            "memory routines that compilers call by themselves and that this kernel does not export",
            "define them in the module's C part",
        )
    } else if name.contains("rust_begin_unwind") {
        (
            "the panic handler, which nothing defines",
            "link the crate that has the #[panic_handler] into the module",
        )
    } else if name.contains("rust_eh_personality") || name.starts_with("_Unwind_") {
        (
            "unwinding, which the kernel does not have",
            "compile all of it, `core` too, with -Cpanic=abort and -Cforce-unwind-tables=n",
        )
    } else if is_allocator(name) {
        (
            "Rust's global allocator, which a driver does not have",
            "use the driver's fallible allocation instead of crate `alloc`",
        )
    } else if name.starts_with("__asan_")
        || name.starts_with("__hwasan_")
        || name.starts_with("__kcsan_")
        || name.starts_with("__ubsan_")
        || name.starts_with("__tsan_")
    {
        (
            "a sanitizer's routines, which this kernel was not built with",
            "compile without that sanitizer, or against a kernel that has it",
        )
    } else if name.starts_with("__stack_chk") {
        (
            "the stack protector's, in the form of user programs",
            "compile with the kernel's own flags for the stack protector",
        )
    } else if name.starts_with("core::")
        || demangled(name).starts_with("core::")
        || demangled(name).starts_with("<core::")
    {
        (
            "functions of Rust's `core` that were not linked in",
            "link the module's own `core` (the one of its sysroot) into the object",
        )
    } else if rustc_demangle::try_demangle(name).is_ok() {
        (
            "Rust functions that were not linked in",
            "link the crate that defines them into the module's object",
        )
    } else if config.is_set("CONFIG_TRIM_UNUSED_KSYMS") {
        (
            "not exported by this kernel, which leaves out each export that none of its own modules uses (CONFIG_TRIM_UNUSED_KSYMS=y)",
            "use a kernel without that option; or build this one with the symbol in its list CONFIG_UNUSED_KSYMS_WHITELIST; an inline function or macro of C needs a shim",
        )
    } else {
        (
            "not exported by this kernel",
            "use a function that it exports (they are listed in its Module.symvers); an inline function or macro of C needs a shim",
        )
    };
    Cause { why, remedy }
}

fn is_allocator(name: &str) -> bool {
    [
        "__rust_alloc",
        "__rust_dealloc",
        "__rust_realloc",
        "__rust_no_alloc_shim",
        "__rust_alloc_error_handler",
        "__rg_",
    ]
    .iter()
    .any(|part| name.contains(part))
}

/// Floating-point modes of compilers, as the names of their helpers spell them.
const FLOATS: [&str; 7] = ["hf", "bf", "sf", "df", "xf", "tf", "kf"];
/// The complex modes.
const COMPLEX: [&str; 6] = ["hc", "sc", "dc", "xc", "tc", "kc"];
/// The integer modes that they convert from and to.
const INTEGERS: [&str; 3] = ["si", "di", "ti"];

/// Returns whether this is a routine of compiler-rt, libgcc or the C mathematics library that a
/// compiler calls for floating point.
///
/// The names consist of an operation, one or two modes and the number of operands: `__adddf3`,
/// `__fixunssfdi`.
pub(super) fn is_float_helper(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("__") else {
        return is_libm(name);
    };
    if matches!(rest, "gnu_f2h_ieee" | "gnu_h2f_ieee" | "gnu_d2h_ieee") {
        return true;
    }
    let after = |operations: &[&str], modes: &[&str], end: &str| {
        operations
            .iter()
            .filter_map(|operation| rest.strip_prefix(operation))
            .any(|tail| {
                modes
                    .iter()
                    .any(|mode| tail.strip_prefix(mode) == Some(end))
            })
    };
    let converts = |operation: &str, from: &[&str], to: &[&str], end: &str| {
        rest.strip_prefix(operation).is_some_and(|tail| {
            from.iter()
                .filter_map(|mode| tail.strip_prefix(mode))
                .any(|tail| to.iter().any(|mode| tail.strip_prefix(mode) == Some(end)))
        })
    };
    after(&["add", "sub", "mul", "div"], &FLOATS, "3")
        || after(
            &[
                "neg", "powi", "eq", "ne", "lt", "le", "gt", "ge", "cmp", "unord",
            ],
            &FLOATS,
            "2",
        )
        || after(&["mul", "div"], &COMPLEX, "3")
        || converts("extend", &FLOATS, &FLOATS, "2")
        || converts("trunc", &FLOATS, &FLOATS, "2")
        || converts("fix", &FLOATS, &INTEGERS, "")
        || converts("fixuns", &FLOATS, &INTEGERS, "")
        || converts("float", &INTEGERS, &FLOATS, "")
        || converts("floatun", &INTEGERS, &FLOATS, "")
}

/// The functions of the C mathematics library that LLVM's floating-point intrinsics and `core::f64`
/// call.
const LIBM: [&str; 46] = [
    "acos",
    "asin",
    "atan",
    "atan2",
    "cbrt",
    "ceil",
    "copysign",
    "cos",
    "cosh",
    "erf",
    "erfc",
    "exp",
    "exp10",
    "exp2",
    "expm1",
    "fabs",
    "fdim",
    "floor",
    "fma",
    "fmax",
    "fmaximum",
    "fmin",
    "fminimum",
    "fmod",
    "frexp",
    "hypot",
    "ldexp",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "modf",
    "nearbyint",
    "pow",
    "remainder",
    "rint",
    "round",
    "roundeven",
    "sin",
    "sincos",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
];

fn is_libm(name: &str) -> bool {
    // `f` and `l` are C's suffixes for float and long double. `f16` and `f128` are those of the
    // newer types.
    ["", "f", "l", "f16", "f128"]
        .iter()
        .filter_map(|suffix| name.strip_suffix(suffix))
        .any(|stem| LIBM.contains(&stem))
        || ["lround", "llround", "lrint", "llrint", "tgamma"]
            .iter()
            .any(|stem| {
                name.strip_prefix(stem)
                    .is_some_and(|suffix| matches!(suffix, "" | "f" | "l"))
            })
}

/// Returns whether this is a routine that compilers call for 128-bit integers: `__udivti3`,
/// `__muloti4`, `__rust_u128_mulo`.
fn is_wide_helper(name: &str) -> bool {
    if name.starts_with("__rust_u128_") || name.starts_with("__rust_i128_") {
        return true;
    }
    let operation = name
        .strip_prefix("__")
        .and_then(|rest| rest.strip_suffix(['2', '3', '4']))
        .and_then(|rest| rest.strip_suffix("ti"));
    operation.is_some_and(|operation| {
        !operation.is_empty() && operation.bytes().all(|byte| byte.is_ascii_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_helpers_of_floating_point_are_known() {
        let helpers = [
            "__addsf3",
            "__subdf3",
            "__muldf3",
            "__divtf3",
            "__addhf3",
            "__negsf2",
            "__powidf2",
            "__eqsf2",
            "__unorddf2",
            "__cmpdf2",
            "__getf2",
            "__floatsidf",
            "__floatunsisf",
            "__floatdidf",
            "__floatundidf",
            "__floatuntisf",
            "__fixdfsi",
            "__fixunssfdi",
            "__fixunsdfti",
            "__extendsfdf2",
            "__extendhfsf2",
            "__truncdfsf2",
            "__truncsfhf2",
            "__truncsfbf2",
            "__mulsc3",
            "__divdc3",
            "__gnu_h2f_ieee",
            "fma",
            "fmaf",
            "sqrt",
            "sqrtf",
            "floorl",
            "fmodf128",
            "roundevenf",
            "llrintf",
            "exp2",
            "log10f",
        ];
        for name in helpers {
            assert!(is_float_helper(name), "{name}");
        }
        for name in [
            "__udivti3",
            "__addvsi3",
            "memcpy",
            "printk",
            "__fixup",
            "truncate",
            "__floatsi",
            "floor_log2",
            "__multi3",
            "sinking",
            "__negdi2",
        ] {
            assert!(!is_float_helper(name), "{name}");
        }
    }

    #[test]
    fn each_kind_of_name_has_its_own_cause() {
        let causes = [
            ("linux_driver_readl", "shim"),
            ("__muldf3", "floating point"),
            ("__udivti3", "128-bit"),
            ("__muloti4", "128-bit"),
            ("__rust_u128_mulo", "128-bit"),
            ("bcmp", "memory routines"),
            ("rust_begin_unwind", "panic handler"),
            ("_Unwind_Resume", "unwinding"),
            ("__rust_alloc", "allocator"),
            ("_RNvCs691rhTbG0Ee_7___rustc12___rust_alloc", "allocator"),
            ("__asan_load8_noabort", "sanitizer"),
            ("__stack_chk_fail_local", "stack protector"),
            (
                "_ZN4core9panicking9panic_fmt17h0123456789abcdefE",
                "Rust's `core`",
            ),
            ("_ZN3edu5probe17h0123456789abcdefE", "Rust functions"),
            ("dev_set_drvdata", "not exported"),
        ];
        for (name, word) in causes {
            let why = cause(name, &Config::default()).why;
            assert!(why.contains(word), "{name}: {why}");
        }
    }
}
