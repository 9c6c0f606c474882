// SPDX-License-Identifier: GPL-2.0-only
//! Decompression as a stream, with limits.

use std::fmt::Display;
use std::io::Read;

use flate2::bufread::GzDecoder;
use linux_driver_host::{Error, Result};
use ruzstd::decoding::StreamingDecoder;
use ruzstd::decoding::errors::FrameDecoderError;
use xz4rust::{XzDecoder, XzError, XzNextBlockResult};

use super::container::Compression;
use super::{UNPACKED, WINDOW};

/// How many bytes are passed on at once.
const CHUNK: usize = 64 << 10;

/// The unpacked size of every block of `lz4 -l` but the last.
const LZ4_BLOCK: usize = 8 << 20;

/// The consumer of unpacked bytes.
type Sink<'s> = &'s mut dyn FnMut(&[u8]) -> Result<()>;

/// Unpacks one stream. Bytes after its end are ignored: in a kernel, these are its unpacked size.
pub(super) fn unpack(
    compression: Compression,
    packed: &[u8],
    location: &str,
    sink: Sink<'_>,
) -> Result<()> {
    let mut output = Output {
        compression,
        location,
        sink,
        length: 0,
    };
    match compression {
        Compression::Gzip => {
            let mut decoder = GzDecoder::new(packed);
            output.copy(&mut decoder)
        }
        Compression::Zstd => zstd(packed, &mut output),
        Compression::Xz => xz(packed, &mut output),
        Compression::Lz4 => lz4(packed, &mut output),
    }
}

/// The output of an unpacker, which counts the bytes.
struct Output<'s, 'p> {
    compression: Compression,
    location: &'p str,
    sink: Sink<'s>,
    length: u64,
}

impl Output<'_, '_> {
    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.length += bytes.len() as u64;
        if self.length > UNPACKED {
            return Err(Error::new(
                self.location,
                format_args!(
                    "at most {UNPACKED} bytes, unpacked with {}",
                    self.compression
                ),
                "more bytes: no kernel is that large",
                "get the file again",
            ));
        }
        (self.sink)(bytes)
    }

    fn copy(&mut self, from: &mut dyn Read) -> Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            match from.read(&mut chunk).map_err(|e| self.damaged(&e))? {
                0 => return Ok(()),
                length => self.push(&chunk[..length])?,
            }
        }
    }

    /// Creates the error for valid data that refers further back than the limit.
    fn window(&self, requested: u64) -> Error {
        Error::new(
            self.location,
            format_args!(
                "data compressed with {} that refers at most {WINDOW} bytes back",
                self.compression
            ),
            format_args!(
                "up to {requested} bytes, as with `zstd --long=31`: as much memory would be needed"
            ),
            "unpack it, and give the unpacked file",
        )
    }

    /// Creates the error for data that may be valid but is not supported.
    fn unread(&self, why: &dyn Display) -> Error {
        Error::new(
            self.location,
            format_args!(
                "data compressed with {} in a supported form",
                self.compression
            ),
            format_args!("another one: {why}"),
            "unpack it, and give the unpacked file",
        )
    }

    fn damaged(&self, error: &dyn Display) -> Error {
        Error::new(
            self.location,
            format_args!("whole data compressed with {}", self.compression),
            format_args!(
                "{error}, after {} bytes were unpacked: it is cut off, or damaged",
                self.length
            ),
            "get the file again",
        )
    }
}

fn zstd(packed: &[u8], output: &mut Output<'_, '_>) -> Result<()> {
    let decoder = StreamingDecoder::new_with_max_window_size(packed, WINDOW as u64);
    let mut decoder = decoder.map_err(|e| match e {
        FrameDecoderError::WindowSizeTooBig { requested, .. } => output.window(requested),
        e => output.damaged(&e),
    })?;
    output.copy(&mut decoder)?;
    let decoder = decoder.into_frame_decoder();
    match (
        decoder.get_checksum_from_data(),
        decoder.get_calculated_checksum(),
    ) {
        (Some(expected), Some(found)) if expected != found => {
            Err(output.damaged(&"its checksum differs"))
        }
        _ => Ok(()),
    }
}

fn xz(mut packed: &[u8], output: &mut Output<'_, '_>) -> Result<()> {
    let mut decoder = XzDecoder::in_heap_with_alloc_dict_size(0, WINDOW);
    let mut chunk = vec![0; CHUNK];
    loop {
        let step = decoder.decode(packed, &mut chunk).map_err(|e| match e {
            XzError::DictionaryTooLarge(requested) => output.window(requested),
            // The size of a dictionary, from its header.
            XzError::UnsupportedLzmaProperties(size @ 0..=40) => {
                output.window(u64::from(2 | size & 1) << (size / 2 + 11))
            }
            e @ (XzError::UnsupportedCheckType(_)
            | XzError::UnsupportedBcjFilter(_)
            | XzError::UnsupportedStreamHeaderOption
            | XzError::UnsupportedBlockHeaderOption) => output.unread(&e),
            e => output.damaged(&e),
        })?;
        packed = packed.get(step.input_consumed()..).unwrap_or_default();
        output.push(chunk.get(..step.output_produced()).unwrap_or_default())?;
        match step {
            XzNextBlockResult::EndOfStream(..) => return Ok(()),
            step if !step.made_progress() => return Err(output.damaged(&"it ends too early")),
            XzNextBlockResult::NeedMoreData(..) => {}
        }
    }
}

/// Unpacks blocks, each after its length, up to an impossible length. That can be the unpacked size
/// of the whole.
fn lz4(packed: &[u8], output: &mut Output<'_, '_>) -> Result<()> {
    let mut rest = packed.get(4..).unwrap_or_default();
    let mut block = vec![0; LZ4_BLOCK];
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        if after.is_empty() || length == 0 {
            break;
        }
        let Some((packed, after)) = after.split_at_checked(length) else {
            return Err(output.damaged(&format_args!(
                "a block of {length} bytes, of which {} are there",
                after.len()
            )));
        };
        let length =
            lz4_flex::block::decompress_into(packed, &mut block).map_err(|e| output.damaged(&e))?;
        output.push(&block[..length])?;
        rest = after;
    }
    Ok(())
}
