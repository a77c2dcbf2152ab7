//! Pipelines described in JSON, and the engines of `verify` and `bench`.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
use rustorch_base::DType;
use rustorch_data::source::bench::bench;
use rustorch_data::source::verify::verify;
use rustorch_data::source::{Root, Stage};
use rustorch_data::spec::{Origin, Pipeline, Transform, open};
use rustorch_data::transform::geometry::Fit;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

mod written;
use written::batch;

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&bytes| f32::from_ne_bytes(bytes)).collect()
}

fn folder() -> (tempfile::TempDir, Arc<Root>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.npy"), written::npy("|u1", false, &[3, 2], &[0, 51, 102, 153, 204, 255])).unwrap();
    std::fs::write(folder.path().join("y.npy"), written::npy("<i4", false, &[3], &[1, 0, 0, 0, 2, 0, 0, 0, 255, 255, 255, 255])).unwrap();
    std::fs::write(folder.path().join("t.bin"), (0..40_u16).flat_map(u16::to_le_bytes).collect::<Vec<u8>>()).unwrap();
    std::fs::create_dir_all(folder.path().join("train/cat")).unwrap();
    for seed in 0..3 {
        std::fs::write(folder.path().join(format!("train/cat/{seed}.jpg")), written::jpeg(40, 30, seed, false)).unwrap();
    }
    let root = Arc::new(Root::confined(folder.path()).unwrap());
    (folder, root)
}

#[test]
fn arrays_are_scaled_and_widened_by_name() {
    let (_folder, root) = folder();
    let text = r#"{"source": {"npy": {"paths": ["x.npy", "y.npy"]}},
                   "transforms": [{"scale": {"by": 0.01}}, {"widen": {"field": "y"}}]}"#;
    let source = open(text, &root).unwrap();
    assert_eq!(source.fields().iter().map(|field| field.dtype).collect::<Vec<_>>(), [DType::Float32, DType::Int64]);
    let buffers = batch(&*source, &[2, 0]).unwrap();
    assert_eq!(floats(&buffers[0]), [204.0 * 0.01, 255.0 * 0.01, 0.0, 51.0 * 0.01]);
    assert_eq!(buffers[1], [-1_i64, 1].map(i64::to_ne_bytes).concat());
    let tokens = open(r#"{"source": {"tokens": {"path": "t.bin", "dtype": "uint16", "window": 8}}}"#, &root).unwrap();
    assert_eq!(tokens.len(), 4);
}

#[test]
fn images_are_decoded_augmented_and_normalised() {
    let (_folder, root) = folder();
    let open =
        |transforms: &str| open(&format!(r#"{{"source": {{"image_folder": {{"path": "train"}}}}, "transforms": [{transforms}]}}"#), &root);
    let bytes = open(r#"{"decode": {"size": 16}}"#).unwrap();
    let scaled = open(r#"{"decode": {"size": 16}}, {"scale": {"by": 0.5}}, {"normalize": {"mean": [1, 2, 3], "std": [2, 4, 8]}}"#).unwrap();
    let (plain, normal) = (batch(&*bytes, &[1]).unwrap(), batch(&*scaled, &[1]).unwrap());
    let plane = 16 * 16;
    for (at, value) in floats(&normal[0]).into_iter().enumerate() {
        let channel = at / plane;
        let expected = (f32::from(plain[0][at]) * 0.5 - (channel + 1) as f32) / [2.0, 4.0, 8.0][channel];
        assert!((value - expected).abs() < 1e-5);
    }
    assert_eq!(bytes.classes(), ["cat"]);
    let augmented = open(r#"{"decode": {"size": 16, "fit": "stretch"}}, "flip", {"crop": {"padding": 2}}, {"resized_crop": {}}"#).unwrap();
    assert_eq!(augmented.fields()[0].shape, [3, 16, 16]);
    assert!(open("").err().unwrap().message.contains("decode(size=...)"));
    assert!(
        open(r#"{"decode": {"size": 16}}, {"normalize": {"mean": [1, 2, 3], "std": [2, 4, 8]}}"#).err().unwrap().message.contains("scale")
    );
    assert!(open(r#"{"decode": {"size": 16}}, {"decode": {"size": 8}}"#).err().unwrap().message.contains("cannot follow"));
}

#[test]
fn descriptions_survive_json_and_nonsense_is_refused() {
    let (_folder, root) = folder();
    let pipeline = Pipeline {
        source: Origin::Tar { paths: vec!["a.tar".into()], prefix: "train/".into() },
        transforms: vec![Transform::Decode { size: 64, fit: Fit::Cover }, Transform::Flip, Transform::Crop { padding: 4 }],
    };
    assert_eq!(Pipeline::from_json(&pipeline.to_json().unwrap()).unwrap(), pipeline);
    for text in ["", "[]", "{}", r#"{"source": {"npy": {"paths": []}}, "extra": 1}"#, r#"{"source": {"zip": {}}}"#] {
        assert!(Pipeline::from_json(text).unwrap_err().message.contains("no description of a pipeline"), "{text}");
    }
    for text in [
        r#"{"source": {"npy": {"paths": []}}}"#,
        r#"{"source": {"npy": {"paths": ["../x.npy"]}}}"#,
        r#"{"source": {"npy": {"paths": ["x.npy"]}}, "transforms": ["flip"]}"#,
        r#"{"source": {"npy": {"paths": ["x.npy"]}}, "transforms": [{"scale": {"by": 1, "field": "z"}}]}"#,
        r#"{"source": {"npy": {"paths": ["x.npy"]}}, "transforms": [{"scale": {"by": 1}}, {"scale": {"by": 1}}]}"#,
        r#"{"source": {"tokens": {"path": "t.bin", "dtype": "int7", "window": 8}}}"#,
    ] {
        assert!(open(text, &root).is_err(), "{text}");
    }
}

#[test]
fn paths_tell_what_they_hold() {
    let (folder, root) = folder();
    let kind = |path: &str| Pipeline::of_path(Path::new(path), &root).map(|pipeline| pipeline.source);
    assert!(matches!(kind("x.npy").unwrap(), Origin::Npy { .. }));
    assert!(matches!(kind("a.tar.gz").unwrap(), Origin::Tar { .. }));
    assert!(matches!(kind("t10k-images-idx3-ubyte.gz").unwrap(), Origin::Idx { .. }));
    assert!(matches!(kind("train").unwrap(), Origin::ImageFolder { .. }));
    assert!(kind("t.bin").unwrap_err().message.contains(".json"));
    std::fs::write(folder.path().join("p.json"), r#"{"source": {"tokens": {"path": "t.bin", "dtype": "uint16", "window": 8}}}"#).unwrap();
    assert!(matches!(kind("p.json").unwrap(), Origin::Tokens { .. }));
}

#[test]
fn verify_names_the_damaged_and_no_other() {
    let (folder, root) = folder();
    let path = folder.path().join("train/cat/1.jpg");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 100]).unwrap();
    let source = open(r#"{"source": {"image_folder": {"path": "train"}}, "transforms": [{"decode": {"size": 16}}]}"#, &root).unwrap();
    for threads in [1, 3] {
        let seen = std::sync::atomic::AtomicU64::new(0);
        let damages = verify(&*source, threads, &|done| {
            seen.fetch_max(done, std::sync::atomic::Ordering::Relaxed);
            true
        });
        assert_eq!(damages.len(), 1);
        assert!(damages[0].index == 1 && damages[0].message.contains("cat/1.jpg' is damaged"), "{damages:?}");
        assert_eq!(seen.into_inner(), 3);
    }
}

#[test]
fn bench_finds_the_slow_stage() {
    let (_folder, root) = folder();
    let images = open(r#"{"source": {"image_folder": {"path": "train"}}, "transforms": [{"decode": {"size": 8}}]}"#, &root).unwrap();
    let report = bench(&*images, Duration::from_millis(50)).unwrap();
    assert_eq!(report.stages.len(), 4);
    assert!(report.samples >= 3 && report.samples_per_second() > 10.0);
    let (_, part) = report.bottleneck().unwrap();
    assert!(part > 0.25 && part <= 1.0);
    assert!(report.in_words().contains("of the time goes into"), "{}", report.in_words());
    let arrays = open(r#"{"source": {"npy": {"paths": ["x.npy"]}}}"#, &root).unwrap();
    let report = bench(&*arrays, Duration::ZERO).unwrap();
    assert_eq!(report.bottleneck().map(|(stage, _)| stage), Some(Stage::Gather));
    assert_eq!(report.sample_bytes, 2);
}

#[test]
fn the_gather_of_digits_is_fast() {
    let folder = tempfile::tempdir().unwrap();
    let data: Vec<u8> = (0..60_000 * 784).map(|at| at as u8).collect();
    std::fs::write(folder.path().join("x.npy"), written::npy("|u1", false, &[60_000, 784], &data)).unwrap();
    let root = Arc::new(Root::confined(folder.path()).unwrap());
    let source = open(r#"{"source": {"npy": {"paths": ["x.npy"]}}, "transforms": [{"scale": {"by": 0.003921569}}]}"#, &root).unwrap();
    let report = bench(&*source, Duration::from_millis(300)).unwrap();
    println!("{}", report.in_words());
    assert!(report.samples_per_second() > 50_000.0, "{}", report.in_words());
}
