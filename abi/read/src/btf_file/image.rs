// SPDX-License-Identifier: GPL-2.0-only
//! The payload of a kernel that unpacks itself: `Documentation/arch/x86/boot.rst`,
//! `drivers/firmware/efi/libstub/zboot-header.S`.

use linux_driver_host::{Error, Result};

use super::container::{Container, Form, other_compression};

/// Returns the compressed payload. If the compression does not record the unpacked size, the last
/// four bytes are that size.
pub(super) fn payload<'b>(bytes: &'b [u8], form: Form, location: &str) -> Result<&'b [u8]> {
    let (start, length) = bounds(bytes, form, location)?;
    let end = start.checked_add(length);
    let payload = end.and_then(|end| bytes.get(start..end));
    payload
        .filter(|payload| !payload.is_empty())
        .ok_or_else(|| {
            Error::new(
                location,
                format_args!("a {form} that contains its payload of {length} bytes at {start}"),
                format_args!("a file of {} bytes: it is cut off, or damaged", bytes.len()),
                "get the file again",
            )
        })
}

fn bounds(bytes: &[u8], form: Form, location: &str) -> Result<(usize, usize)> {
    let number = |at: usize, width: usize| {
        let bytes = bytes.get(at..at + width);
        bytes.map(|bytes| {
            bytes
                .iter()
                .rev()
                .fold(0usize, |all, byte| all << 8 | usize::from(*byte))
        })
    };
    let cut_off = || {
        Error::new(
            location,
            format_args!("a {form}, with its whole header"),
            format_args!("a file cut off at byte {}", bytes.len()),
            "get the file again",
        )
    };
    if form == Form::EfiZboot {
        let bounds = number(8, 4).zip(number(12, 4));
        return bounds.ok_or_else(cut_off);
    }
    let version = number(0x206, 2).ok_or_else(cut_off)?;
    if version < 0x208 {
        return Err(Error::new(
            location,
            "a bzImage of boot protocol 2.08 or later, which says where its payload is",
            format_args!("boot protocol {}.{:02}", version >> 8, version & 0xff),
            "give the vmlinux that it was made of",
        ));
    }
    let (offset, length) = number(0x248, 4).zip(number(0x24c, 4)).ok_or_else(cut_off)?;
    // 0 means 4, for very old boot loaders.
    let sectors = match number(0x1f1, 1).ok_or_else(cut_off)? {
        0 => 4,
        sectors => sectors,
    };
    Ok(((sectors + 1) * 512 + offset, length))
}

/// Returns whether a payload is the kernel itself (CONFIG_KERNEL_UNCOMPRESSED).
pub(super) fn is_plain(payload: &[u8]) -> bool {
    matches!(Form::of(payload), Some(Form::Elf | Form::Image))
}

/// Creates the error for a payload that is not supported.
pub(super) fn unread(bytes: &[u8], form: Form, location: &str) -> Error {
    let payload = payload(bytes, form, location).unwrap_or_default();
    let container = Container::plain(form);
    let found = match other_compression(payload) {
        Some(name) => {
            format!("a {container} whose payload is compressed with {name}, which is not supported")
        }
        None => {
            let start: Vec<String> = payload
                .iter()
                .take(8)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            format!(
                "a {container} whose payload starts with {}",
                start.join(" ")
            )
        }
    };
    Error::new(
        location,
        "a payload compressed with gzip, xz, lz4 or zstd",
        found,
        "give the vmlinux that it was made of, or /sys/kernel/btf/vmlinux of a machine that runs it",
    )
}
