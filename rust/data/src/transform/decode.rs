//! JPEG and PNG to RGB, eight bits a channel. Sizes are checked before memory is asked for.
use super::pixels::PixelBuffer;
use rustorch_base::Result;
use std::io::Cursor;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

/// Longest side and most pixels of an image. The second is about where Pillow begins to warn of decompression bombs.
const LONGEST_SIDE: usize = 1 << 16;
const MOST_PIXELS: usize = 100 << 20;
/// What the PNG decoder may allocate besides the picture (text, colour profiles).
const PNG_LIMIT: usize = 8 << 20;

/// Most blocks of 8 x 8 pixels that a byte of JPEG can stand for: each takes one bit at least.
const JPEG_BLOCKS_A_BYTE: usize = 8;

/// Width and height of a decoded image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    pub width: usize,
    pub height: usize,
}

/// What is wrong with an image; the caller knows where it came from.
pub type Refusal = String;

/// Endings of the files that [`decode`] reads.
pub const ENDINGS: [&str; 3] = ["jpg", "jpeg", "png"];

/// Decodes into `decoded` or `rgb`, and says which part of which holds the pixels, row after row.
pub fn decode<'a>(bytes: &[u8], decoded: &'a mut PixelBuffer, rgb: &'a mut PixelBuffer) -> Result<(&'a [u8], Size), Refusal> {
    match bytes {
        [0xff, 0xd8, ..] => jpeg(bytes, decoded),
        [0x89, b'P', b'N', b'G', ..] => png(bytes, decoded, rgb),
        [] => Err("it is empty".to_owned()),
        _ => Err("it is neither a JPEG nor a PNG image".to_owned()),
    }
}

fn checked(width: usize, height: usize) -> Result<Size, Refusal> {
    if width == 0 || height == 0 {
        return Err(format!("it has no pixels ({width} x {height})"));
    }
    if width > LONGEST_SIDE || height > LONGEST_SIDE || width * height > MOST_PIXELS {
        return Err(format!("{width} x {height} pixels are more than the {MOST_PIXELS} that are decoded"));
    }
    Ok(Size { width, height })
}

fn jpeg<'a>(bytes: &[u8], decoded: &'a mut PixelBuffer) -> Result<(&'a [u8], Size), Refusal> {
    let options = DecoderOptions::new_fast()
        .set_max_width(LONGEST_SIDE)
        .set_max_height(LONGEST_SIDE)
        .set_strict_mode(true)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|e| e.to_string())?;
    let (width, height) = decoder.dimensions().ok_or("its header has no size")?;
    let size = checked(width, height)?;
    if width.div_ceil(8) * height.div_ceil(8) > JPEG_BLOCKS_A_BYTE * bytes.len() {
        return Err(format!("{} bytes cannot hold {width} x {height} pixels", bytes.len()));
    }
    // the decoder makes up what the last block lacks; Pillow refuses such a file, too
    if !has_end_marker(bytes) {
        return Err(format!("it ends before its end marker, after {} bytes", bytes.len()));
    }
    let needed = decoder.output_buffer_size().ok_or("its header has no size")?;
    if needed != 3 * width * height {
        return Err("its colours cannot be turned to RGB".to_owned());
    }
    let out = decoded.bytes(needed).map_err(|e| e.message)?;
    decoder.decode_into(out).map_err(|e| e.to_string())?;
    Ok((out, size))
}

/// An end marker follows the image's data. A thumbnail's, which lies in a segment of the header, does not count.
fn has_end_marker(bytes: &[u8]) -> bool {
    // data holds no such bytes, and a file that ends within its header has nothing to decode
    if bytes.ends_with(&[0xff, 0xd9]) {
        return true;
    }
    let mut at = 2;
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xff)) {
        at += found + 1;
        match bytes.get(at) {
            Some(0xd9) => return true,
            // a byte of the data that is 0xff, a restart, or padding
            None | Some(0x00 | 0x01 | 0xd0..=0xd8 | 0xff) => {}
            Some(_) => at += bytes.get(at + 1..at + 3).map_or(1, |len| 1 + usize::from(u16::from_be_bytes([len[0], len[1]]))),
        }
    }
    false
}

fn png<'a>(bytes: &[u8], decoded: &'a mut PixelBuffer, rgb: &'a mut PixelBuffer) -> Result<(&'a [u8], Size), Refusal> {
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: PNG_LIMIT });
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let mut reader = decoder.read_info().map_err(|e| e.to_string())?;
    let size = checked(reader.info().width as usize, reader.info().height as usize)?;
    let needed = reader.output_buffer_size().ok_or("its size overflows")?;
    let out = decoded.bytes(needed).map_err(|e| e.message)?;
    let frame = reader.next_frame(out).map_err(|e| e.to_string())?;
    // what follows the picture is read too: that is where a cut file shows
    reader.finish().map_err(|e| e.to_string())?;
    let pixels = size.width * size.height;
    let channels = frame.color_type.samples();
    if channels == 3 {
        return Ok((&out[..3 * pixels], size));
    }
    // transparency is dropped, not blended, as Pillow's convert("RGB") does
    let gray = channels < 3;
    let target = rgb.bytes(3 * pixels).map_err(|e| e.message)?;
    for (to, from) in target.chunks_exact_mut(3).zip(out.chunks_exact(channels)) {
        if gray {
            to.fill(from[0]);
        } else {
            to.copy_from_slice(&from[..3]);
        }
    }
    Ok((target, size))
}
