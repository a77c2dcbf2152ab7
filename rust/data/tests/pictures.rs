//! Images in folders and in tar files, read back as they were written.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
use rustorch_base::DType;
use rustorch_data::source::images::ImageFolder;
use rustorch_data::source::pictures::{Picture, PictureSource};
use rustorch_data::source::records::Records;
use rustorch_data::source::tar::TarRecords;
use rustorch_data::source::{Field, Root, Source};
use rustorch_data::transform::geometry::{Augment, Fit};
use rustorch_data::transform::planes::Elements;
use std::path::PathBuf;
use std::sync::Arc;

mod written;
use written::{batch, jpeg, pixels, png, tar};

const PLAIN: Picture = Picture { side: 24, fit: Fit::Cover, augments: Vec::new(), elements: Elements::Bytes };

fn pictures(records: impl Records + 'static, picture: Picture) -> PictureSource {
    PictureSource::new(Arc::new(records), picture).unwrap()
}

/// Interleaved pixels as planes.
fn planes(pixels: &[u8]) -> Vec<u8> {
    (0..3).flat_map(|channel| pixels.iter().skip(channel).step_by(3).copied()).collect()
}

fn folder_of_three() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for class in ["dog/deep", "cat"] {
        std::fs::create_dir_all(folder.path().join(class)).unwrap();
    }
    std::fs::write(folder.path().join("dog/b.png"), png(24, 24, png::ColorType::Rgb, &pixels(24, 24, 1))).unwrap();
    std::fs::write(folder.path().join("dog/deep/a.JPG"), jpeg(24, 24, 2, false)).unwrap();
    std::fs::write(folder.path().join("cat/z.jpeg"), jpeg(60, 24, 3, true)).unwrap();
    std::fs::write(folder.path().join("cat/notes.txt"), "none").unwrap();
    folder
}

#[test]
fn a_folder_is_ordered_as_torchvision_orders_it() {
    let folder = folder_of_three();
    let records = ImageFolder::open(folder.path(), Arc::new(Root::anywhere())).unwrap();
    assert_eq!(records.classes(), ["cat", "dog"]);
    let labels: Vec<_> = (0..records.len()).map(|index| records.label(index)).collect();
    assert_eq!(labels, [Some(0), Some(1), Some(1)]);
    let source = pictures(records, PLAIN);
    assert_eq!(source.fields(), [Field::new("image", DType::UInt8, [3, 24, 24]), Field::new("label", DType::Int64, [])]);
    let buffers = batch(&source, &[1, 0]).unwrap();
    assert_eq!(buffers[0][..3 * 24 * 24], planes(&pixels(24, 24, 1)), "a PNG is exact");
    assert_eq!(buffers[1], [1_i64, 0].map(i64::to_ne_bytes).concat());
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let error = ImageFolder::open(folder.path(), Arc::new(Root::anywhere())).err().unwrap();
    assert!(error.message.starts_with("Found no valid file for the classes empty."), "{error}");
}

#[test]
fn every_colour_type_of_png_becomes_rgb() {
    let folder = tempfile::tempdir().unwrap();
    let class = folder.path().join("c");
    std::fs::create_dir(&class).unwrap();
    std::fs::write(class.join("gray.png"), png(24, 24, png::ColorType::Grayscale, &[7; 576])).unwrap();
    std::fs::write(class.join("gray_alpha.png"), png(24, 24, png::ColorType::GrayscaleAlpha, &[7, 0].repeat(576))).unwrap();
    std::fs::write(class.join("rgba.png"), png(24, 24, png::ColorType::Rgba, &[7, 7, 7, 0].repeat(576))).unwrap();
    let mut gray = Vec::new();
    jpeg_encoder::Encoder::new(&mut gray, 100).encode(&[7; 576], 24, 24, jpeg_encoder::ColorType::Luma).unwrap();
    std::fs::write(class.join("luma.jpg"), gray).unwrap();
    let source = pictures(ImageFolder::open(folder.path(), Arc::new(Root::anywhere())).unwrap(), PLAIN);
    assert_eq!(batch(&source, &[0, 1, 2, 3]).unwrap()[0], vec![7; 4 * 3 * 576]);
}

#[test]
fn jpeg_is_within_rounding_of_its_source() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("c")).unwrap();
    let smooth: Vec<u8> = (0..24 * 24).flat_map(|at| [(at % 24 * 10) as u8, (at / 24 * 10) as u8, 100]).collect();
    for progressive in [false, true] {
        let mut bytes = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 100);
        encoder.set_progressive(progressive);
        encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_1_1);
        encoder.encode(&smooth, 24, 24, jpeg_encoder::ColorType::Rgb).unwrap();
        std::fs::write(folder.path().join("c/a.jpg"), bytes).unwrap();
        let source = pictures(ImageFolder::open(folder.path(), Arc::new(Root::anywhere())).unwrap(), PLAIN);
        let read = batch(&source, &[0]).unwrap();
        let farthest = read[0].iter().zip(planes(&smooth)).map(|(&a, b)| a.abs_diff(b)).max();
        assert!(farthest <= Some(3), "{farthest:?}");
    }
}

#[test]
fn a_jpeg_without_its_end_is_refused_wherever_it_was_cut() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("c")).unwrap();
    let path = folder.path().join("c/a.jpg");
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let source = pictures(ImageFolder::open(folder.path(), Arc::new(Root::anywhere())).unwrap(), PLAIN);
        batch(&source, &[0]).map(|fields| fields[0].clone())
    };
    for progressive in [false, true] {
        // with a thumbnail before it, which has an end marker of its own
        let (thumbnail, image) = (jpeg(8, 8, 1, false), jpeg(24, 24, 2, progressive));
        let mut whole = vec![0xff, 0xd8, 0xff, 0xe1];
        whole.extend((thumbnail.len() as u16 + 2).to_be_bytes());
        whole.extend_from_slice(&thumbnail);
        whole.extend_from_slice(&image[2..]);
        let sound = read(&whole).unwrap();
        for cut in 0..whole.len() {
            let error = read(&whole[..cut]).err().map(|error| error.message);
            assert!(error.is_some_and(|words| words.contains("a.jpg' is damaged")), "{cut} of {} bytes", whole.len());
        }
        let without_marker = read(&whole[..whole.len() - 2]).unwrap_err().message;
        assert!(without_marker.contains("it ends before its end marker"), "{without_marker}");
        whole.extend_from_slice(b"and more");
        assert_eq!(read(&whole).unwrap(), sound, "what follows the end does not matter");
    }
}

#[test]
fn augmentation_depends_on_the_sample_alone() {
    let folder = folder_of_three();
    let augments = vec![Augment::ResizedCrop { scale: [0.3, 1.0], ratio: [0.75, 1.33] }, Augment::Flip, Augment::Crop { padding: 3 }];
    let elements = Elements::Floats { multiply: [1.0 / 255.0; 3], add: [0.0; 3] };
    let picture = Picture { augments, elements, side: 16, fit: Fit::Stretch };
    let source = pictures(ImageFolder::open(folder.path(), Arc::new(Root::anywhere())).unwrap(), picture);
    assert_eq!(source.fields()[0].dtype, DType::Float32);
    let twice = batch(&source, &[2, 2]).unwrap();
    assert_eq!(twice, batch(&source, &[2, 2]).unwrap());
    let (first, second) = twice[0].split_at(twice[0].len() / 2);
    assert_ne!(first, second, "another position draws other numbers");
    assert!(first.as_chunks().0.iter().all(|&bytes| (0.0..=1.0).contains(&f32::from_ne_bytes(bytes))));
}

fn members() -> Vec<(&'static str, Vec<u8>)> {
    let image = |seed| png(24, 24, png::ColorType::Rgb, &pixels(24, 24, seed));
    vec![
        ("train/a.png", image(1)),
        ("train/a.cls", b"5\n".to_vec()),
        ("train/a.json", b"{}".to_vec()),
        ("README.txt", b"words".to_vec()),
        ("train/b.cls", b"2".to_vec()),
        ("train/b.png", image(2)),
        ("test/c.png", image(3)),
        ("test/c.cls", b"7".to_vec()),
    ]
}

#[test]
fn members_are_grouped_by_key_and_chosen_by_prefix() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = ["s0.tar", "s1.tar"].map(|name| folder.path().join(name)).into();
    std::fs::write(&paths[0], tar(&members())).unwrap();
    std::fs::write(&paths[1], tar(&members()[4..])).unwrap();
    let records = TarRecords::open(&paths, "", &Root::anywhere()).unwrap();
    let labels: Vec<_> = (0..records.len()).map(|index| records.label(index).unwrap()).collect();
    assert_eq!(labels, [5, 2, 7, 2, 7]);
    let source = pictures(TarRecords::open(&paths, "test/", &Root::anywhere()).unwrap(), PLAIN);
    assert_eq!(batch(&source, &[1, 0]).unwrap()[0], planes(&pixels(24, 24, 3)).repeat(2));
    assert!(TarRecords::open(&paths, "none/", &Root::anywhere()).err().unwrap().message.contains("no images"));
}

#[test]
fn folders_are_classes_where_there_are_no_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.tar.gz");
    let image = |seed| jpeg(24, 24, seed, false);
    let long = "x".repeat(150);
    let members = [("t/dog/0.jpg", image(1)), ("t/cat/0.jpg", image(2)), (&format!("t/{long}/0.jpg"), image(3))];
    std::fs::write(&path, written::gzip(&tar(&members))).unwrap();
    let records = TarRecords::open(&[path], "t/", &Root::anywhere()).unwrap();
    assert_eq!(records.classes(), ["cat", "dog", &long]);
    assert_eq!([0, 1, 2].map(|index| records.label(index)), [Some(1), Some(0), Some(2)]);
}

#[test]
fn members_that_are_not_read_are_named() {
    use tar::{EntryType, Header};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.tar");
    let open = |bytes: Vec<u8>| {
        std::fs::write(&path, bytes).unwrap();
        TarRecords::open(std::slice::from_ref(&path), "", &Root::anywhere()).map(|records| records.len())
    };
    let written = |kind: EntryType, name: &str, extensions: &[(&str, &[u8])]| {
        let mut builder = tar::Builder::new(Vec::new());
        let (_, image) = &members()[0];
        let mut header = Header::new_gnu();
        header.set_size(image.len() as u64);
        builder.append_data(&mut header, "b/0.png", &image[..]).unwrap();
        builder.append_pax_extensions(extensions.iter().copied()).unwrap();
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_link_name("train/a.png").unwrap();
        header.as_gnu_mut().unwrap().realsize = *b"00000000000\0"; // of a member that is one hole
        builder.append_data(&mut header, name, &[][..]).unwrap();
        builder.into_inner().unwrap()
    };
    for kind in [EntryType::Link, EntryType::Symlink] {
        for name in ["b/1.png", "b/1.JPG", "b/1.cls"] {
            let error = open(written(kind, name, &[])).unwrap_err().message;
            assert!(error.contains(&format!("s.tar': '{name}' is a link")), "{error}");
        }
        assert_eq!(open(written(kind, "b/notes.txt", &[])).unwrap(), 1);
        assert_eq!(open(written(kind, "b", &[])).unwrap(), 1);
    }
    let holes: [(EntryType, &[(&str, &[u8])]); 2] = [(EntryType::GNUSparse, &[]), (EntryType::Regular, &[("GNU.sparse.major", b"1")])];
    for (kind, extensions) in holes {
        let error = open(written(kind, "b/2.png", extensions)).unwrap_err().message;
        assert!(error.contains("s.tar': 'b/2.png' has holes"), "{error}");
    }
    for (begin, name) in [(&b"BZh91AY&SY"[..], "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd")] {
        let error = open([begin, &[7; 600]].concat()).unwrap_err().message;
        assert!(error.contains(&format!("s.tar': {name} is not unpacked here")), "{error}");
    }
}

#[test]
fn longer_endings_count_where_no_other_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.tar");
    let open = |names: &[&str]| {
        let image = || png(24, 24, png::ColorType::Rgb, &pixels(24, 24, 1));
        std::fs::write(&path, tar(&names.iter().map(|&name| (name, image())).collect::<Vec<_>>())).unwrap();
        TarRecords::open(std::slice::from_ref(&path), "", &Root::anywhere()).map(|records| records.len())
    };
    assert_eq!(open(&["a.v1.png", "b.png", "b.mask.png", "b.depth.png", "c.tar.JPG"]).unwrap(), 3);
    let error = open(&["a.png", "b.left.png", "b.right.png"]).unwrap_err().message;
    assert!(error.contains("s.tar': sample 'b' has 2 images, and which one is meant is not known"), "{error}");
    assert!(open(&["a.png", "a.jpg"]).unwrap_err().message.contains("sample 'a' has two images"));
}

#[test]
fn a_small_gzipped_shard_may_be_mostly_empty_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.tar.gz");
    let mut blocks = tar(&members());
    blocks.resize(200 << 10, 0); // as with a large blocking factor
    std::fs::write(&path, written::gzip(&blocks)).unwrap();
    assert_eq!(TarRecords::open(&[path], "", &Root::anywhere()).unwrap().len(), 3);
}

#[test]
fn the_index_lies_beside_the_shard_and_is_made_again_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.tar");
    let index = folder.path().join("s.tar.rtidx");
    let open = || TarRecords::open(std::slice::from_ref(&path), "", &Root::anywhere()).unwrap();
    std::fs::write(&path, tar(&members())).unwrap();
    assert_eq!(open().len(), 3);
    let kept = std::fs::read(&index).unwrap();
    assert_eq!(open().len(), 3);
    for at in [0, kept.len() / 2, kept.len() - 1] {
        let mut spoiled = kept.clone();
        spoiled[at] ^= 1;
        std::fs::write(&index, spoiled).unwrap();
        assert_eq!(open().len(), 3, "a spoiled index is made again");
        assert_eq!(std::fs::read(&index).unwrap(), kept);
    }
    std::fs::write(&path, tar(&members()[4..])).unwrap();
    assert_eq!(open().len(), 2);
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "nothing else is left: {names:?}");
}

#[test]
fn errors_name_the_file_and_the_place() {
    let folder = folder_of_three();
    let whole = jpeg(24, 24, 2, false);
    std::fs::write(folder.path().join("dog/deep/a.JPG"), &whole[..whole.len() / 2]).unwrap();
    let source = pictures(ImageFolder::open(folder.path(), Arc::new(Root::anywhere())).unwrap(), PLAIN);
    let error = batch(&source, &[2]).unwrap_err().message;
    assert!(error.contains("a.JPG' is damaged at byte 0"), "{error}");
    batch(&source, &[1]).unwrap();

    let path = folder.path().join("s.tar");
    let mut bytes = tar(&members());
    bytes[512 + 60] ^= 0xff;
    std::fs::write(&path, bytes).unwrap();
    let source = pictures(TarRecords::open(&[path], "", &Root::anywhere()).unwrap(), PLAIN);
    let error = batch(&source, &[0]).unwrap_err().message;
    assert!(error.contains("s.tar' is damaged at byte 512: image 'train/a'"), "{error}");
}

#[test]
fn impossible_pictures_are_refused() {
    let bad = [
        Picture { side: 0, ..PLAIN },
        Picture { side: 1 << 20, ..PLAIN },
        Picture { augments: vec![Augment::Crop { padding: 1 << 40 }], ..PLAIN },
        Picture { augments: vec![Augment::ResizedCrop { scale: [0.5, 0.1], ratio: [1.0, 1.0] }], ..PLAIN },
        Picture { augments: vec![Augment::ResizedCrop { scale: [0.5, 1.0], ratio: [f32::NAN, 1.0] }], ..PLAIN },
    ];
    assert!(bad.iter().all(|picture| picture.check().is_err()));
}

#[test]
fn the_real_photographs_decode() {
    let Some(folder) = written::real_data("images") else { return };
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join("all")).unwrap();
    for name in ["bobby.jpg", "horse.jpg", "cat1.png"] {
        std::fs::copy(folder.join(name), copy.path().join("all").join(name)).unwrap();
    }
    let source = pictures(ImageFolder::open(copy.path(), Arc::new(Root::anywhere())).unwrap(), Picture { side: 224, ..PLAIN });
    let images = batch(&source, &[0, 1, 2]).unwrap();
    for image in images[0].chunks(3 * 224 * 224) {
        let mean = image.iter().map(|&byte| f64::from(byte)).sum::<f64>() / image.len() as f64;
        assert!((40.0..220.0).contains(&mean), "mean {mean}");
    }
}

#[test]
fn the_real_cifar_shard_decodes_whole() {
    let Some(path) = written::real_data("cifar10/cifar10-jpeg.tar.gz") else { return };
    let begin = std::time::Instant::now();
    let records = TarRecords::open(&[path], "test/", &Root::anywhere()).unwrap();
    println!("unpacked and indexed in {:?}", begin.elapsed());
    assert_eq!((records.len(), records.classes().len()), (10_000, 10));
    let source = pictures(records, Picture { side: 32, ..PLAIN });
    let begin = std::time::Instant::now();
    let indices: Vec<u64> = (0..10_000).collect();
    let labels: Vec<i64> = indices
        .chunks(100)
        .flat_map(|part| batch(&source, part).unwrap()[1].as_chunks().0.iter().map(|&bytes| i64::from_ne_bytes(bytes)).collect::<Vec<_>>())
        .collect();
    println!("{:.0} images/s", 10_000.0 / begin.elapsed().as_secs_f64());
    for class in 0..10 {
        assert_eq!(labels.iter().filter(|&&label| label == class).count(), 1000);
    }
}
