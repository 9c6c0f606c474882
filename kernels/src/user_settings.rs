// SPDX-License-Identifier: GPL-2.0-only
//! Settings of a user's environment that Kbuild would follow.

use std::process::Command;

/// The variables that a user may have set for another kernel's build. Kbuild takes them from the
/// environment.
const SETTINGS: [&str; 36] = [
    "AFLAGS_MODULE",
    "ARCH",
    "C",
    "CF",
    "CFLAGS_MODULE",
    "CROSS_COMPILE",
    "DEBIAN_KERNEL_USE_CCACHE",
    "GNUMAKEFLAGS",
    "HOSTCFLAGS",
    "HOSTLDFLAGS",
    "KAFLAGS",
    "KBUILD_ABS_SRCTREE",
    "KBUILD_CHECKSRC",
    "KBUILD_EXTMOD",
    "KBUILD_EXTRA_SYMBOLS",
    "KBUILD_EXTRA_WARN",
    "KBUILD_MODPOST_NOFINAL",
    "KBUILD_MODPOST_WARN",
    "KBUILD_OUTPUT",
    "KBUILD_VERBOSE",
    "KCFLAGS",
    "KCONFIG_CONFIG",
    "KCPPFLAGS",
    "KRUSTFLAGS",
    "LDFLAGS_MODULE",
    "LLVM",
    "LLVM_IAS",
    "LOCALVERSION",
    "MAKEFILES",
    "MAKEFLAGS",
    "MFLAGS",
    "MO",
    "O",
    "SUBARCH",
    "V",
    "W",
];

/// Removes a user's settings for another kernel's build from make's environment.
pub fn forget_the_users_settings(make: &mut Command) {
    for name in SETTINGS {
        make.env_remove(name);
    }
    make.env("LC_ALL", "C");
}
