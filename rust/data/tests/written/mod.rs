//! Files as their own libraries write them, and batches of what is read back.
#![allow(clippy::unwrap_used, dead_code)] // a failed unwrap is a failed test; each test file uses a part
use rustorch_data::source::{BatchRandom, Source};
use std::io::Write;
use std::path::PathBuf;

/// What `numpy.save` writes: the header padded to a multiple of 64.
pub fn npy(descr: &str, fortran: bool, shape: &[u64], data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let shape = shape.iter().fold(String::new(), |text, size| text + &size.to_string() + ", ");
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({shape}), }}").replace(", )", ",)");
    header += &" ".repeat(63 - (10 + header.len()) % 64);
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A picture with smooth colours and some texture.
pub fn pixels(width: usize, height: usize, seed: usize) -> Vec<u8> {
    let pixel = |at: usize| [at % width * 255 / width, at / width * 255 / height, (at * 7 + seed * 40) % 251].map(|value| value as u8);
    (0..width * height).flat_map(pixel).collect()
}

pub fn jpeg(width: usize, height: usize, seed: usize, progressive: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 90);
    encoder.set_progressive(progressive);
    encoder.encode(&pixels(width, height, seed), width as u16, height as u16, jpeg_encoder::ColorType::Rgb).unwrap();
    bytes
}

pub fn png(width: usize, height: usize, color: png::ColorType, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(color);
    encoder.write_header().unwrap().write_image_data(data).unwrap();
    bytes
}

pub fn tar(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, data) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &data[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

/// The samples `indices`, one buffer a field.
pub fn batch(source: &dyn Source, indices: &[u64]) -> rustorch_base::Result<Vec<Vec<u8>>> {
    let mut buffers: Vec<Vec<u8>> = source.fields().iter().map(|field| vec![0; field.bytes() * indices.len()]).collect();
    let mut out: Vec<&mut [u8]> = buffers.iter_mut().map(|buffer| &mut buffer[..]).collect();
    source.read_many(indices, BatchRandom { seed: 1, epoch: 0, position: 0 }, &mut out)?;
    Ok(buffers)
}

/// A file of the real data sets, where they lie beside the repository.
pub fn real_data(path: &str) -> Option<PathBuf> {
    let found = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|above| above.join("shared/data").join(path))
        .find(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: no shared/data/{path} beside the repository");
    }
    found
}
