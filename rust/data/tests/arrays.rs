//! Arrays as their own libraries write them: npy (numpy's header), IDX plain and gzipped, token files.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
use rustorch_base::DType;
use rustorch_data::source::convert::Convert;
use rustorch_data::source::tokens::Windows;
use rustorch_data::source::{Field, Root, Source, idx, npy, tokens};
use std::path::PathBuf;

mod written;
use written::batch;

fn bytes_of<const N: usize, T>(values: &[T], encode: impl Fn(&T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(encode).collect()
}

#[test]
fn several_npy_files_are_several_fields() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = ["pixels.npy", "labels.npy", "weights.npy"].map(|name| folder.path().join(name)).into();
    std::fs::write(&paths[0], written::npy("|u1", false, &[10, 2, 3], &(0..60).collect::<Vec<u8>>())).unwrap();
    let labels: Vec<i64> = (0..10).collect();
    std::fs::write(&paths[1], written::npy("<i8", false, &[10], &bytes_of(&labels, |x| x.to_le_bytes()))).unwrap();
    let weights: Vec<f64> = (0..10).map(f64::from).collect();
    std::fs::write(&paths[2], written::npy(">f8", false, &[10, 1], &bytes_of(&weights, |x| x.to_be_bytes()))).unwrap();
    let source = npy::open(&paths, &Root::anywhere()).unwrap();
    assert_eq!(source.len(), 10);
    let expected =
        [Field::new("pixels", DType::UInt8, [2, 3]), Field::new("labels", DType::Int64, []), Field::new("weights", DType::Float64, [1])];
    assert_eq!(source.fields(), expected);
    let buffers = batch(&source, &[9, 0, 3]).unwrap();
    assert_eq!(buffers[0], [54, 55, 56, 57, 58, 59, 0, 1, 2, 3, 4, 5, 18, 19, 20, 21, 22, 23]);
    assert_eq!(buffers[1], bytes_of(&[9_i64, 0, 3], |x| x.to_ne_bytes()));
    assert_eq!(buffers[2], bytes_of(&[9_f64, 0.0, 3.0], |x| x.to_ne_bytes()));

    let scaled = source.with_column(0, |column| {
        column.convert = Convert::scale(DType::UInt8, 1.0 / 255.0, 0.0)?;
        column.field.dtype = DType::Float32;
        Ok(())
    });
    let floats = bytes_of(&[0_u8, 1, 2, 3, 4, 5], |&x| (f32::from(x) * (1.0 / 255.0)).to_ne_bytes());
    assert_eq!(batch(&scaled.unwrap(), &[0]).unwrap()[0], floats);
    assert!(source.with_column(3, |_| Ok(())).is_err());
}

#[test]
fn npy_files_of_unequal_length_or_order_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = ["a.npy", "b.npy"].map(|name| folder.path().join(name)).into();
    std::fs::write(&paths[0], written::npy("|u1", false, &[4], &[1; 4])).unwrap();
    std::fs::write(&paths[1], written::npy("|u1", false, &[5], &[1; 5])).unwrap();
    let message = |paths: &[PathBuf]| npy::open(paths, &Root::anywhere()).err().unwrap().message;
    assert!(message(&paths).contains("has 5 rows"), "{}", message(&paths));
    assert!(message(&[]).contains("at least one"));
    std::fs::write(&paths[0], written::npy("|u1", true, &[2, 2], &[1, 2, 3, 4])).unwrap();
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
    std::fs::write(&path, written::npy("|u1", false, &[4], &[1; 4])).unwrap();
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
    std::fs::write(&zipped, written::gzip(&bytes)).unwrap();
    let source = idx::open(&[plain, zipped], &Root::anywhere()).unwrap();
    assert_eq!(source.fields(), [Field::new("x-idx2-int", DType::Int32, [2]), Field::new("x-idx2-int", DType::Int32, [2])]);
    let expected = bytes_of(&[5_i32, -6, 1, -2], |x| x.to_ne_bytes());
    assert_eq!(batch(&source, &[2, 0]).unwrap(), [expected.clone(), expected]);
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
        assert_eq!(batch(&source, &[5, 0]).unwrap(), [[long(15), long(0)].concat(), [long(16), long(1)].concat()]);
        assert!(tokens::open(&path, Windows { dtype, window: 20, stride: 1 }, &Root::anywhere()).is_err());
        assert!(tokens::open(&path, Windows { dtype, window: 0, stride: 1 }, &Root::anywhere()).is_err());
    }
    assert!(tokens::open(&path, Windows { dtype: DType::Int64, window: 4, stride: 1 }, &Root::anywhere()).is_err());
}

#[test]
fn the_real_digits_are_read() {
    let (Some(images), Some(labels)) =
        (written::real_data("mnist/t10k-images-idx3-ubyte.gz"), written::real_data("mnist/t10k-labels-idx1-ubyte.gz"))
    else {
        return;
    };
    let source = idx::open(&[images, labels], &Root::anywhere()).unwrap();
    assert_eq!((source.len(), &source.fields()[0].shape[..]), (10_000, &[28, 28][..]));
    // the first five are 7 2 1 0 4
    let first = batch(&source, &[0, 1, 2, 3, 4]).unwrap();
    assert_eq!(first[1], [7, 2, 1, 0, 4]);
    assert!(first[0].chunks(784).all(|digit| digit.iter().filter(|&&ink| ink > 0).count() > 50));
}
