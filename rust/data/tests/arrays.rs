//! Arrays as their own libraries write them: npy (numpy's header), IDX plain and gzipped, token files.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
use rustorch_base::DType;
use rustorch_data::source::convert::Convert;
use rustorch_data::source::tokens::Windows;
use rustorch_data::source::{BatchRandom, Field, Root, Source, idx, npy, tokens};
use std::io::Write;
use std::path::PathBuf;

/// What `numpy.save` writes: the header padded to a multiple of 64.
fn npy_bytes(descr: &str, fortran: bool, shape: &[u64], data: &[u8]) -> Vec<u8> {
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

/// The samples `indices`, one buffer a field.
fn batch(source: &dyn Source, indices: &[u64]) -> Vec<Vec<u8>> {
    let mut buffers: Vec<Vec<u8>> = source.fields().iter().map(|field| vec![0; field.bytes() * indices.len()]).collect();
    let mut out: Vec<&mut [u8]> = buffers.iter_mut().map(|buffer| &mut buffer[..]).collect();
    source.read_many(indices, BatchRandom::default(), &mut out).unwrap();
    buffers
}

fn bytes_of<const N: usize, T>(values: &[T], encode: impl Fn(&T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(encode).collect()
}

#[test]
fn several_npy_files_are_several_fields() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = ["pixels.npy", "labels.npy", "weights.npy"].map(|name| folder.path().join(name)).into();
    std::fs::write(&paths[0], npy_bytes("|u1", false, &[10, 2, 3], &(0..60).collect::<Vec<u8>>())).unwrap();
    let labels: Vec<i64> = (0..10).collect();
    std::fs::write(&paths[1], npy_bytes("<i8", false, &[10], &bytes_of(&labels, |x| x.to_le_bytes()))).unwrap();
    let weights: Vec<f64> = (0..10).map(f64::from).collect();
    std::fs::write(&paths[2], npy_bytes(">f8", false, &[10, 1], &bytes_of(&weights, |x| x.to_be_bytes()))).unwrap();
    let source = npy::open(&paths, &Root::anywhere()).unwrap();
    assert_eq!(source.len(), 10);
    let expected =
        [Field::new("pixels", DType::UInt8, [2, 3]), Field::new("labels", DType::Int64, []), Field::new("weights", DType::Float64, [1])];
    assert_eq!(source.fields(), expected);
    let buffers = batch(&source, &[9, 0, 3]);
    assert_eq!(buffers[0], [54, 55, 56, 57, 58, 59, 0, 1, 2, 3, 4, 5, 18, 19, 20, 21, 22, 23]);
    assert_eq!(buffers[1], bytes_of(&[9_i64, 0, 3], |x| x.to_ne_bytes()));
    assert_eq!(buffers[2], bytes_of(&[9_f64, 0.0, 3.0], |x| x.to_ne_bytes()));

    let scaled = source.with_column(0, |column| {
        column.convert = Convert::scale(DType::UInt8, 1.0 / 255.0, 0.0)?;
        column.field.dtype = DType::Float32;
        Ok(())
    });
    let floats = bytes_of(&[0_u8, 1, 2, 3, 4, 5], |&x| (f32::from(x) * (1.0 / 255.0)).to_ne_bytes());
    assert_eq!(batch(&scaled.unwrap(), &[0])[0], floats);
    assert!(source.with_column(3, |_| Ok(())).is_err());
}

#[test]
fn npy_files_of_unequal_length_or_order_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = ["a.npy", "b.npy"].map(|name| folder.path().join(name)).into();
    std::fs::write(&paths[0], npy_bytes("|u1", false, &[4], &[1; 4])).unwrap();
    std::fs::write(&paths[1], npy_bytes("|u1", false, &[5], &[1; 5])).unwrap();
    let message = |paths: &[PathBuf]| npy::open(paths, &Root::anywhere()).err().unwrap().message;
    assert!(message(&paths).contains("has 5 rows"), "{}", message(&paths));
    assert!(message(&[]).contains("at least one"));
    std::fs::write(&paths[0], npy_bytes("|u1", true, &[2, 2], &[1, 2, 3, 4])).unwrap();
    assert!(message(&paths[..1]).contains("Fortran"));
    assert!(message(&[folder.path().join("none.npy")]).contains("No such file"));
    let root = Root::confined(folder.path()).unwrap();
    assert!(npy::open(&["../x.npy".into()], &root).err().unwrap().message.contains("leads out"));
}

#[test]
fn a_touched_file_has_another_fingerprint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let fingerprint = || npy::open(std::slice::from_ref(&path), &Root::anywhere()).unwrap().fingerprint();
    std::fs::write(&path, npy_bytes("|u1", false, &[4], &[1; 4])).unwrap();
    let first = fingerprint();
    assert_eq!(first, fingerprint());
    std::fs::File::open(&path).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert_ne!(first, fingerprint());
}

#[test]
fn idx_reads_plain_and_gzipped_in_its_byte_order() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, zipped) = (folder.path().join("x-idx2-int"), folder.path().join("x-idx2-int.gz"));
    let mut bytes = vec![0, 0, 0x0c, 2, 0, 0, 0, 3, 0, 0, 0, 2];
    bytes.extend(bytes_of(&[1_i32, -2, 3, -4, 5, -6], |x| x.to_be_bytes()));
    std::fs::write(&plain, &bytes).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&bytes).unwrap();
    std::fs::write(&zipped, encoder.finish().unwrap()).unwrap();
    let source = idx::open(&[plain, zipped], &Root::anywhere()).unwrap();
    assert_eq!(source.fields(), [Field::new("x-idx2-int", DType::Int32, [2]), Field::new("x-idx2-int", DType::Int32, [2])]);
    let expected = bytes_of(&[5_i32, -6, 1, -2], |x| x.to_ne_bytes());
    assert_eq!(batch(&source, &[2, 0]), [expected.clone(), expected]);
}

#[test]
fn tokens_come_in_windows_with_their_targets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train.bin");
    for dtype in [DType::UInt16, DType::UInt32] {
        let stored = (0..20_u32).flat_map(|x| x.to_le_bytes()[..dtype.size()].to_vec()).collect::<Vec<u8>>();
        std::fs::write(&path, stored).unwrap();
        let source = tokens::open(&path, Windows { dtype, window: 4, stride: 3 }, &Root::anywhere()).unwrap();
        assert_eq!(source.len(), 6); // starts 0, 3, 6, 9, 12, 15
        let long = |from: i64| bytes_of(&[from, from + 1, from + 2, from + 3], |x| x.to_ne_bytes());
        assert_eq!(batch(&source, &[5, 0]), [[long(15), long(0)].concat(), [long(16), long(1)].concat()]);
        assert!(tokens::open(&path, Windows { dtype, window: 20, stride: 1 }, &Root::anywhere()).is_err());
        assert!(tokens::open(&path, Windows { dtype, window: 0, stride: 1 }, &Root::anywhere()).is_err());
    }
    assert!(tokens::open(&path, Windows { dtype: DType::Int64, window: 4, stride: 1 }, &Root::anywhere()).is_err());
}
