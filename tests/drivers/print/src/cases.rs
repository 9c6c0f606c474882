// SPDX-License-Identifier: GPL-2.0-only
// The test cases of the print macros. This file is included by the driver, which logs the cases,
// and by the test that formats them on the host. Both have `core::fmt` in scope as `fmt`.

/// A type with its own formatting.
pub(crate) struct Version(pub(crate) u8, pub(crate) u8);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl fmt::LowerHex for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad_integral(true, "0x", if self.0 == 1 { "1" } else { "f" })
    }
}

/// A type with derived formatting.
#[derive(Debug)]
#[allow(dead_code, reason = "read by Debug")]
pub(crate) struct Ring {
    pub(crate) head: u32,
    pub(crate) tail: Option<u32>,
    pub(crate) name: &'static str,
}

/// Calls `$case!("format string", arguments)` for each case in which Rust and the kernel must
/// agree.
macro_rules! cases {
    ($case:ident) => {
        $case!("case 1: plain text");
        $case!("case 2: 100% of {{braces}} and %d %s %p %n");
        $case!(
            "case 3: {} {} {} {} {}",
            u8::MAX,
            u16::MAX,
            u32::MAX,
            u64::MAX,
            usize::MAX
        );
        $case!(
            "case 4: {} {} {} {} {}",
            i8::MIN,
            i16::MIN,
            i32::MIN,
            i64::MIN,
            isize::MIN
        );
        $case!(
            "case 5: {} {} {} {} {}",
            i8::MAX,
            i16::MAX,
            i32::MAX,
            i64::MAX,
            isize::MAX
        );
        $case!("case 6: {} {} {}", 0, -1, 1u64);
        $case!(
            "case 7: {:x} {:x} {:x} {:x} {:x}",
            u8::MAX,
            0xbeef_u16,
            0xdead_beef_u32,
            u64::MAX,
            0x10_usize
        );
        $case!("case 8: {:x} {:x} {:x} {:x} {:x}", -1i8, -2i16, -3i32, -4i64, -5isize);
        $case!("case 9: {:X} {:X} {:X}", 0xab_u8, -1i16, 0xdead_beef_cafe_u64);
        $case!("case 10: {:o} {:o} {:o}", 8u8, -1i8, u64::MAX);
        $case!("case 11: {:#x} {:#x} {:#x} {:#x}", 7u8, 1u32, -1i8, u64::MAX);
        $case!("case 12: {:04x}:{:04x}", 0x1af4_u16, 0x1_u16);
        $case!("case 13: {:#010x} {:#06x} {:#010x}", 0x1f_u32, 8u8, 0x1_2345_6789_u64);
        $case!("case 14: [{:#10x}] [{:<#10x}] [{:>#10x}]", 0x1f_u32, 9u32, -1i8);
        $case!("case 15: [{:5}] [{:<5}] [{:>5}] [{:05}]", 42u8, 42u16, 42u32, 42u64);
        $case!("case 16: [{:5}] [{:<5}] [{:>5}] [{:05}]", -42i8, -42i16, -42i32, -42i64);
        $case!("case 17: [{:<05}] [{:>05}] [{:^05}] [{:*<05}]", 42, -42, 42, -42);
        $case!("case 18: [{:1}] [{:02}] [{:0}] [{:00}]", 12345, -123, 7, 8);
        $case!("case 19: [{:8x}] [{:<8x}] [{:08X}] [{:8o}]", 0xabc, 0xabc, 0xabc, 0o17);
        $case!("case 20: [{:.3}] [{:8.3}] [{:08.3}]", 7, -7, 7);
        $case!("case 21: {} {} {}", "text", "", "end");
        $case!("case 22: [{:6}] [{:<6}] [{:>6}] [{:06}]", "ab", "ab", "ab", "ab");
        $case!("case 23: [{:2}] [{:>2}] [{:0}]", "abcdef", "abcdef", "abcdef");
        $case!("case 24: [{:.3}] [{:.0}] [{:.9}]", "abcdef", "abcdef", "abcdef");
        $case!("case 25: [{:6.3}] [{:>6.3}] [{:<2.3}]", "abcdef", "abcdef", "abcdef");
        $case!("case 26: [{:5}] [{:>5}] []", "", "");
        $case!("case 27: {} [{:6}] [{:>6}] [{:.2}]", "größe", "größe", "größe", "größe");
        $case!("case 28: {} {} [{:>7}] [{:7}] [{:.1}]", true, false, true, false, true);
        $case!("case 29: {} {} {} [{:3}] [{:>3}]", 'a', 'é', '€', 'b', '€');
        $case!("case 30: [{:.0}] [{:>3.1}]", 'a', 'b');
        $case!("case 31: {:?} {:?} {:?} {:?}", 1u8, -1i64, true, usize::MAX);
        $case!("case 32: {:?} {:?} {:?}", "quote\"d", '\'', "tab\t");
        $case!("case 33: {0} {0:x} {0:#x} {1} {0}", 255u8, "one");
        $case!("case 34: {b} {a} {b:>4}", a = 1, b = "two");
        let (x, name, width, precision) = (0x2a_u32, "eth0", 7usize, 2usize);
        $case!("case 35: {x} {x:#x} {name} {name:>6}");
        $case!("case 36: [{x:width$}] [{:>width$}] [{:1$}]", name, width);
        $case!("case 36, more: [{:.*}]", precision, name);
        $case!("case 37: [{name:>width$.precision$}] [{:1$.2$}]", "abcdef", 5, 3);
        $case!("case 38: {} {} {} {}", &x, &&x, &name, &mut { x });
        $case!("case 39: {:x} {:>4} {:#04x}", &x, &&x, &&&x);
        $case!("case 40: [{:^8}] [{:*^8}] [{:*<8}]", x, name, x);
        $case!("case 40, more: [{:->8}] [{: >8}]", name, x);
        $case!("case 41: {:+} {:+}", 5u8, -5i8);
        $case!("case 41, more: {:+x} {:+08}", 5u8, 5i64);
        $case!("case 42: {:b} {:#b} {:#010b}", 5u8, 5u16, 5u32);
        $case!("case 43: {:#o} {:#X} {:#010X}", 8u8, 255u8, 255u32);
        $case!("case 44: {:#} {:#} {:#}", 5u8, "text", Version(1, 2));
        $case!("case 45: {} {:x}", u128::MAX, i128::MIN);
        $case!("case 45, more: {:x?} {:X?}", [10u8, 11], [10u8, 11]);
        $case!("case 46: {} and {}", Version(6, 12), &Version(7, 2));
        $case!("case 47: {:x} {:#x}", Version(1, 0), Version(1, 0));
        $case!("case 47, more: {:#06x} {:>4x}", Version(2, 0), Version(2, 0));
        $case!("case 48: [{:5}] [{:>9}]", format_args!("{}", 1), Version(1, 2));
        $case!(
            "case 49: {:?}",
            Ring {
                head: 1,
                tail: Some(2),
                name: "rx"
            }
        );
        $case!("case 50: {:?} {:?} {:?}", Some(1), None::<u8>, [1u8, 2, 3]);
        $case!("case 51: {:?} {:5?} {:#?}", (), 7, 8);
        $case!("case 52: {:?} {}", c"C text", core::num::NonZeroU16::MAX);
        $case!("case 53: {} {:?} {} {:x}", 1u8, Some(1), "mixed", 255u64);
        $case!("case 54: {}{}{}{}", 1u8, "a", 2u64, 'b');
        $case!("case 55: {}%{}%%", 50, 60);
        $case!(
            "case 56: {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {}",
            1u8,
            2u16,
            3u32,
            4u64,
            5usize,
            6i8,
            7i16,
            8i32,
            9i64,
            10isize,
            "11",
            '1',
            true,
            14,
            "15",
            16
        );
        $case!(
            "case 57: [{:2}][{:2}][{:2}][{:2}][{:2}][{:2}][{:2}][{:2}][{:2}][{:2}][{:2}][{:2}][{:2}][{:2}][{:2}][{:2}]",
            "a",
            "b",
            "c",
            "d",
            "e",
            "f",
            "g",
            "h",
            "i",
            "j",
            "k",
            "l",
            "m",
            "n",
            "o",
            "p"
        );
        $case!("case 58: {}", {
            let sum = x + 1;
            sum * 2
        });
        $case!("case 59: {} {}", if x > 1 { "more" } else { "less" }, x as u8 == 42);
        $case!(r#"case 60: "raw" \ {}"#, 1);
        let dynamic: &dyn fmt::Display = &7u8;
        $case!("case 61: {} {dynamic:>3}", dynamic);
    };
}

/// The cases for a value whose type is a parameter of the printing function.
macro_rules! generic_cases {
    ($case:ident, $value:ident) => {
        $case!("case 62: {} {:x}", $value, $value);
        $case!("case 62, more: {:#010x} [{:>8}]", $value, &$value);
    };
}

/// Calls `$case!("expected"; "format string", arguments)` for the cases that Rust does not define.
macro_rules! special_cases {
    ($case:ident) => {
        $case!("case 63: C text"; "case 63: {}", c"C text");
        $case!("case 64: [   C text] [C text   ] [C te]"; "case 64: [{:>9}] [{:9}] [{:.4}]", c"C text", c"C text", c"C text");
        $case!("case 65: a newline of its own"; "case 65: a newline of its own\n");
        $case!("case 66: cut at NUL: ab"; "case 66: cut at NUL: {}", "ab\0cd");
        $case!(
            "case 67: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, \
             28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, \
             55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65..."; "case 67: {:?}", core::array::from_fn::<u8, 80, _>(|i| i as u8)
        );
    };
}

/// The cases in which the kernel agrees with Rust, but not with the C standard, which omits the
/// `0x` before a zero.
macro_rules! zero_cases {
    ($case:ident) => {
        $case!(
            "case 68: {:#x} {:#04x} {:#010x} [{:#6x}] [{:<#6x}]",
            0,
            0u8,
            0u64,
            0u16,
            0usize
        );
    };
}
