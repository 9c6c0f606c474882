// SPDX-License-Identifier: GPL-2.0-only
//! Tests with files made by hand around a small BTF.

use std::io::Write;

use super::*;
use crate::btf::testing::sample;

/// Builds the bytes of a kernel: filler, a program's small BTF, the kernel's own BTF, and filler.
fn kernel() -> (Vec<u8>, Vec<u8>) {
    let mut small = crate::btf::testing::BtfBuilder::new();
    small.int("int", 4);
    let btf = sample().bytes();
    let mut image = vec![0; 0x400];
    image[0x38..0x3c].copy_from_slice(b"ARM\x64");
    image.extend((0..100_000u32).map(|i| (i.wrapping_mul(i) >> 7) as u8));
    image.extend_from_slice(&small.bytes());
    image.extend_from_slice(&[0x9f, 0xeb, 1, 0, 24, 0, 0]);
    image.extend_from_slice(&btf);
    image.extend((0..70_000u32).map(|i| ((i * 31) >> 3) as u8));
    (image, btf)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut packed = vec![0x02, 0x21, 0x4c, 0x18];
    for block in bytes.chunks(8 << 20) {
        let block = lz4_flex::block::compress(block);
        packed.extend_from_slice(&(block.len() as u32).to_le_bytes());
        packed.extend_from_slice(&block);
    }
    packed
}

/// Builds an xz stream whose LZMA2 data is stored, not compressed.
fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut packed = b"\xfd7zXZ\0\0\x00".to_vec();
    packed.extend_from_slice(&crc(&[0, 0]));
    // One filter: LZMA2, with a dictionary of 1 MiB.
    let header = [2, 0, 0x21, 1, 16, 0, 0, 0];
    packed.extend_from_slice(&header);
    packed.extend_from_slice(&crc(&header));
    let block = packed.len();
    for (number, chunk) in bytes.chunks(1 << 16).enumerate() {
        packed.push(if number == 0 { 1 } else { 2 });
        packed.extend_from_slice(&((chunk.len() - 1) as u16).to_be_bytes());
        packed.extend_from_slice(chunk);
    }
    packed.push(0);
    let unpadded = packed.len() - block + 12;
    packed.resize(packed.len().next_multiple_of(4), 0);
    let mut index = vec![0, 1];
    for mut number in [unpadded, bytes.len()] {
        while number >= 0x80 {
            index.push(number as u8 | 0x80);
            number >>= 7;
        }
        index.push(number as u8);
    }
    index.resize(index.len().next_multiple_of(4), 0);
    index.extend_from_slice(&crc(&index.clone()));
    let mut footer = ((index.len() / 4 - 1) as u32).to_le_bytes().to_vec();
    footer.extend_from_slice(&[0, 0]);
    packed.extend_from_slice(&index);
    packed.extend_from_slice(&crc(&footer));
    packed.extend_from_slice(&footer);
    packed.extend_from_slice(b"YZ");
    packed
}

fn crc(bytes: &[u8]) -> [u8; 4] {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum().to_le_bytes()
}

/// Compresses the bytes in all four ways.
fn packed(bytes: &[u8]) -> [(Compression, Vec<u8>); 4] {
    [
        (Compression::Gzip, gzip(bytes)),
        (Compression::Xz, xz(bytes)),
        (Compression::Lz4, lz4(bytes)),
        (Compression::Zstd, zstd(bytes)),
    ]
}

fn bzimage(payload: &[u8], size: usize) -> Vec<u8> {
    let mut image = vec![0; 5 * 512 + 100];
    image[0x1f1] = 4;
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x206..0x208].copy_from_slice(&0x20fu16.to_le_bytes());
    image[0x248..0x24c].copy_from_slice(&100u32.to_le_bytes());
    image[0x24c..0x250].copy_from_slice(&(payload.len() as u32 + 4).to_le_bytes());
    image.extend_from_slice(payload);
    image.extend_from_slice(&(size as u32).to_le_bytes());
    image.extend_from_slice(&[0; 64]);
    image
}

fn zboot(payload: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 512];
    image[..2].copy_from_slice(b"MZ");
    image[4..8].copy_from_slice(b"zimg");
    image[8..12].copy_from_slice(&512u32.to_le_bytes());
    image[12..16].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    image.extend_from_slice(payload);
    image
}

/// Builds an ELF file with these sections.
fn elf(kind: u16, sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut names = vec![0];
    let mut file = vec![0; 64];
    let mut headers = vec![0; 64];
    let mut all: Vec<(&str, Vec<u8>)> = sections
        .iter()
        .map(|(name, bytes)| (*name, bytes.to_vec()))
        .collect();
    all.push((".shstrtab", Vec::new()));
    let count = all.len();
    for (number, (name, mut bytes)) in all.into_iter().enumerate() {
        let at = names.len() as u32;
        names.extend_from_slice(name.as_bytes());
        names.push(0);
        let kind = if number == count - 1 {
            bytes.clone_from(&names);
            3u32
        } else {
            1
        };
        headers.extend_from_slice(&at.to_le_bytes());
        headers.extend_from_slice(&kind.to_le_bytes());
        for word in [0, 0, file.len() as u64, bytes.len() as u64, 0, 1, 0] {
            headers.extend_from_slice(&word.to_le_bytes());
        }
        headers.truncate(64 * (number + 2));
        file.extend_from_slice(&bytes);
    }
    file.resize(file.len().next_multiple_of(8), 0);
    let start = file.len() as u64;
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    file[16..18].copy_from_slice(&kind.to_le_bytes());
    file[18..20].copy_from_slice(&62u16.to_le_bytes());
    file[20] = 1;
    file[40..48].copy_from_slice(&start.to_le_bytes());
    file[52..54].copy_from_slice(&64u16.to_le_bytes());
    file[58..60].copy_from_slice(&64u16.to_le_bytes());
    file[60..62].copy_from_slice(&(count as u16 + 1).to_le_bytes());
    file[62..64].copy_from_slice(&(count as u16).to_le_bytes());
    file.extend_from_slice(&headers);
    file
}

fn open(bytes: Vec<u8>) -> Result<BtfFile> {
    BtfFile::from_bytes(bytes, "kernel")
}

#[track_caller]
fn opens(bytes: Vec<u8>, btf: &[u8], container: &str) {
    let source = open(bytes).expect("it holds BTF");
    assert_eq!(source.container().to_string(), container);
    assert!(
        source.btf() == btf,
        "{container}: {} bytes, {} expected",
        source.btf().len(),
        btf.len()
    );
}

#[track_caller]
fn refused(bytes: Vec<u8>, wanted: &str) {
    let error = open(bytes).expect_err("it is not whole").to_string();
    assert!(error.contains(wanted), "{error}");
    assert!(error.starts_with("kernel\n"), "{error}");
}

#[test]
fn btf_is_found_in_every_container() {
    let (image, btf) = kernel();
    opens(btf.clone(), &btf, "BTF");
    opens(image.clone(), &btf, "Image");
    for (compression, payload) in packed(&image) {
        opens(
            bzimage(&payload, image.len()),
            &btf,
            &format!("vmlinuz, compressed with {compression}"),
        );
        opens(
            zboot(&payload),
            &btf,
            &format!("vmlinuz.efi, compressed with {compression}"),
        );
        opens(
            payload,
            &btf,
            &format!("Image, compressed with {compression}"),
        );
    }
    opens(bzimage(&image, 0), &btf, "vmlinuz");
}

#[test]
fn btf_is_found_in_elf_files() {
    let btf = sample().bytes();
    let vmlinux = elf(2, &[(".text", &[0x90; 5000]), (".BTF", &btf)]);
    opens(vmlinux.clone(), &btf, "vmlinux");
    opens(gzip(&vmlinux), &btf, "vmlinux, compressed with gzip");
    let module = elf(
        1,
        &[
            (".text", &[0x90; 5000]),
            (".BTF", &btf),
            (".BTF.base", &btf[..30]),
        ],
    );
    opens(module.clone(), &btf, "module");
    for (compression, packed) in packed(&module) {
        opens(
            packed,
            &btf,
            &format!("module, compressed with {compression}"),
        );
    }
    let source = open(module).expect("it holds BTF");
    assert_eq!(source.base(), Some(&btf[..30]));
}

#[test]
fn a_file_is_opened_and_a_folder_is_not() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("vmlinuz");
    let (image, btf) = kernel();
    std::fs::write(&path, bzimage(&gzip(&image), image.len())).expect("a file can be written");
    let source = BtfFile::open(&path).expect("it holds BTF");
    assert!(source.btf() == btf);
    assert_eq!(source.location(), path.display().to_string());
    let error = BtfFile::open(folder.path())
        .expect_err("a folder is not a kernel")
        .to_string();
    assert!(error.contains("a folder"), "{error}");
    let error = BtfFile::open(&folder.path().join("absent"))
        .expect_err("it is not there")
        .to_string();
    assert!(error.contains("check the path"), "{error}");
}

#[test]
fn unsupported_files_are_named() {
    refused(Vec::new(), "an empty file");
    refused(b"BZh91AY".to_vec(), "bzip2");
    refused(b"!<arch>\ndebian-binary".to_vec(), "dpkg-deb -x");
    refused(b"hello, world".to_vec(), "starts with 68 65 6c 6c");
    refused(
        bzimage(&[0x89, b'L', b'Z', b'O', 0, 13, 10], 9),
        "a vmlinuz whose payload is compressed with lzo",
    );
    refused(elf(2, &[(".text", &[0; 9])]), "CONFIG_DEBUG_INFO_BTF");
    refused(
        elf(1, &[(".text", &[0; 9])]),
        "a module without a section .BTF",
    );
    let mut other = elf(2, &[]);
    other[5] = 2;
    refused(other.clone(), "big-endian");
    other[4..6].copy_from_slice(&[1, 1]);
    refused(other, "32-bit");
    let mut old = bzimage(&[1], 1);
    old[0x206] = 3;
    refused(old, "boot protocol 2.03");
    refused(gzip(b"hello"), "other data");
}

#[test]
fn each_check_of_xz_is_read() {
    let (image, btf) = kernel();
    let dir = tempfile::tempdir().expect("a folder can be made");
    let path = dir.path().join("image");
    std::fs::write(&path, &image).expect("a file can be written");
    for check in ["none", "crc32", "crc64", "sha256"] {
        let packed = std::process::Command::new("xz")
            .args(["--stdout", "--check", check])
            .arg(&path)
            .output()
            .expect("xz can be started");
        assert!(packed.status.success(), "{check}");
        opens(packed.stdout.clone(), &btf, "Image, compressed with xz");
        let mut damaged = packed.stdout;
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0x55;
        if check != "none" {
            refused(damaged, "damaged");
        }
    }
}

#[test]
fn kernels_of_other_machines_are_named() {
    let mut s390 = vec![0; 0x10100];
    s390[0x10008..0x1000e].copy_from_slice(b"S390EP");
    refused(s390, "a big-endian kernel of s390x");
    let mut arm = vec![0; 0x100];
    arm[0x24..0x28].copy_from_slice(&0x016f_2818u32.to_le_bytes());
    refused(arm, "a zImage of 32-bit ARM");
    // A vmlinux of such a machine, also in a compressed file.
    for (class, order, found) in [(2, 2, "big-endian"), (1, 1, "32-bit")] {
        let mut vmlinux = elf(2, &[(".BTF", &sample().bytes())]);
        vmlinux[4..6].copy_from_slice(&[class, order]);
        for (compression, packed) in packed(&vmlinux) {
            let error = open(packed)
                .expect_err("it is of another machine")
                .to_string();
            assert!(error.contains(found), "{compression}: {error}");
        }
    }
}

#[test]
fn btf_of_an_impossible_length_is_refused() {
    refused(elf(2, &[(".text", &[0; 9]), (".BTF", &[])]), "empty BTF");
    let mut large = vec![0x9f, 0xeb, 1, 0];
    large.resize(BTF + 1, 0);
    refused(large.clone(), "at most");
    refused(elf(2, &[(".BTF", &large)]), "at most");
}

#[test]
fn a_modules_btf_names_its_kernel() {
    let btf = sample().bytes();
    let info = b"name=m\0vermagic=6.12.117+deb12-amd64 SMP preempt mod_unload \0";
    let source = open(elf(1, &[(".modinfo", info), (".BTF", &btf)])).expect("it holds BTF");
    let error = source
        .kernel()
        .expect_err("it is not the BTF of a kernel")
        .to_string();
    assert!(
        error.contains("split BTF") && error.contains("6.12.117+deb12-amd64"),
        "{error}"
    );
    assert!(
        open(elf(2, &[(".BTF", &btf)]))
            .expect("it holds BTF")
            .kernel()
            .is_ok()
    );
}

#[test]
fn a_truncated_file_is_called_truncated() {
    let (image, btf) = kernel();
    let at = memchr::memmem::find(&image, &btf).expect("it is in there");
    refused(
        image[..at + 100].to_vec(),
        &format!("BTF of {} bytes, of which 100 are there", btf.len()),
    );
    refused(gzip(&image[..at + 100]), "of which 100 are there");
    for (compression, payload) in packed(&image) {
        let whole = bzimage(&payload, image.len());
        refused(whole[..whole.len() - 100].to_vec(), "cut off");
        // The stream is cut off although a header is complete: the compression's own end is
        // missing.
        refused(
            payload[..payload.len() / 2].to_vec(),
            &format!("{compression}"),
        );
    }
    let vmlinux = elf(2, &[(".BTF", &btf)]);
    refused(vmlinux[..vmlinux.len() - 1].to_vec(), "cut off");
}

#[test]
fn a_decompression_bomb_is_stopped() {
    // Blocks of zstd that repeat one byte: 128 KiB each, from 4 bytes.
    let mut bomb = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0x38];
    // More than the limit plus what the window holds back.
    for _ in 0..(UNPACKED >> 17) + 1100 {
        bomb.extend_from_slice(&[2, 0, 0x10, 0]);
    }
    refused(bomb, "no kernel is that large");
    // A window of 2 GiB.
    refused(
        vec![0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3, 1, 0, 0],
        "up to 2147483648 bytes",
    );
    // Dictionaries of 2 GiB and of 4 GiB.
    for size in [38, 40] {
        let mut xz = xz(b"hello");
        xz[16] = size;
        let sum = crc(&xz[12..20]);
        xz[20..24].copy_from_slice(&sum);
        refused(xz, "refers at most 134217728 bytes back");
    }
}

#[test]
fn the_largest_btf_wins_for_any_chunk_size() {
    let (image, btf) = kernel();
    for size in [1, 3, 31, 4096, image.len()] {
        let mut keeper = scan::Keeper::new("kernel");
        for chunk in image.chunks(size) {
            keeper.push(chunk).expect("it is not too large");
        }
        let (form, kept) = keeper.finish().expect("it is of this machine");
        assert_eq!(form, Some(Form::Image));
        let scan::Kept::Btf(bytes, range) = kept else {
            panic!("no BTF was kept in chunks of {size}")
        };
        assert!(bytes[range] == btf, "in chunks of {size}");
    }
}
