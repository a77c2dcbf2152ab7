//! The streams of PyTorch 2.13 on the CPU for seed 7. Draws made of word arithmetic and of our own functions must be
//! equal, so a checksum of 1,000 elements stands for them; those that pass through the system's libm are compared closely.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
use half::{bf16, f16};
use rustorch_base::dtype::Truth;
use rustorch_base::random::{Algorithm, Discrete, Real, Source, choice, integer, normal, real};

fn source() -> Source {
    Source::new(Algorithm::Mt19937, 7)
}

/// The FNV-1a hash of the bytes in which PyTorch would hold 1,000 draws.
fn checksum<T: Discrete>(draw: impl Fn(&mut Source, &mut [T])) -> u64 {
    let mut out = vec![T::from_i64(0); 1_000];
    draw(&mut source(), &mut out);
    // SAFETY: elements of every dtype are plain bytes without padding.
    let bytes = unsafe { std::slice::from_raw_parts(out.as_ptr().cast::<u8>(), size_of_val(out.as_slice())) };
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

macro_rules! streams {
    ($($name:ident: |$source:ident, $out:ident| $draw:expr => $($type:ty: $checksum:literal),*;)*) => { $(
        #[test]
        fn $name() {
            $(assert_eq!(checksum::<$type>(|$source, $out| $draw), $checksum, stringify!($type));)*
        }
    )* };
}
streams! {
    uniform_between_0_and_1: |source, out| real::uniform(source, out, 0.0, 1.0) =>
        f32: 0x437a6ffd182fee51, f64: 0xfa8307978801ab05, f16: 0xbb9baba0802a01d5, bf16: 0xdbd296780a7b97b9;
    uniform_between_other_bounds: |source, out| real::uniform(source, out, -2.0, 3.7) =>
        f32: 0x188dc7fd69419f2c, f64: 0x0725645e8df65752, f16: 0x22fc1fb74e542dd2, bf16: 0x5b48a7eecab7c188;
    normal_by_blocks: |source, out| normal::fill(source, out, 0.0, 1.0) =>
        f32: 0xdee17a057de55fc7, f16: 0xf46f53575a50654b, bf16: 0x0b2c73747d1f08e9;
    normal_by_blocks_of_other_mean_and_deviation: |source, out| normal::fill(source, out, 1.1, 2.3) =>
        f32: 0xf3002b5bd7f292c3, f16: 0xe44a17d41a01e7ac, bf16: 0xe9e6134c76aec309;
    integers_over_the_full_range: |source, out| integer::full_range(source, out) =>
        f32: 0x0e6d8de816cd98d0, f64: 0x11177bec9ae73e69, f16: 0x2f5fd74e8bf8f6b2, bf16: 0x391354cd08b37515,
        i64: 0xe7b740abcd8a949c, i32: 0x7ce1a70e6f605afa, i16: 0x71f8b3452d5ec8a4, i8: 0x4c489d354ac31cd6,
        u8: 0xeeae60e6ec2db5d6, Truth: 0xee29785cfd44929e;
    integers_in_a_narrow_range: |source, out| integer::in_range(source, out, 0, 100) =>
        f32: 0x60d9f473dd6679bf, bf16: 0x23d03a351ab2ee1f, i64: 0x7f590c8c7c9a2bbc, i32: 0x5694b392e176910c, u8: 0xa305e35f944ffb02;
    integers_in_a_wide_range: |source, out| integer::in_range(source, out, -1000, (1 << 40) + 1000) =>
        f64: 0x5c8b2a7c20e582e3, i64: 0x42637153caaf8c67;
    integers_of_all_64_bits: |source, out| integer::all_64_bits(source, out) => i64: 0xd6a342f471e1299c;
    bernoulli_of_one_probability: |source, out| integer::bernoulli(source, out, 0.37) =>
        f32: 0x9887f6c0bf1be098, f64: 0x8f259a5e7c9d28b8, f16: 0x8ac5bda354465bd1, bf16: 0x5b490d80f2aa5460,
        i64: 0x16686a87c7bf0424, i32: 0x8b41228cc70d6fa4, i16: 0x0e959020e6e78a64, u8: 0xb6f6a4986e1af13c,
        i8: 0xb6f6a4986e1af13c, Truth: 0xb6f6a4986e1af13c;
    permutations: |source, out| choice::permutation(source, out) => i64: 0x63c31b93bb6ed61d, f32: 0xe9cf62cd06caae90;
}

fn close<T: Real + Into<f64>>(got: &[T], expected: &[f64], tolerance: f64) {
    for (i, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        let got: f64 = got.into();
        assert!((got - expected).abs() <= tolerance * expected.abs(), "element {i}: {got} instead of {expected}");
    }
}

#[test]
fn few_normal_samples_are_drawn_one_by_one() {
    let expected = [-0.1467950974849952, 0.7861412987235358, 0.9468216090039564, -1.1143440212610307, 1.6907901257942333];
    let mut doubles = [0.0_f64; 5];
    normal::fill(&mut source(), &mut doubles, 0.0, 1.0);
    close(&doubles, &expected, 1e-14);
    let mut singles = [0.0_f32; 5];
    normal::fill(&mut source(), &mut singles, 0.0, 1.0);
    close(&singles, &expected, 1e-7);
}

#[test]
fn double_normal_samples_of_a_cut_block_are_drawn_anew() {
    let expected = [
        1.2524153412283487,
        1.2080805770610255,
        5.324038849067623,
        4.24568791663459,
        4.45214635724527,
        5.544094178023673,
        -2.216172183330272,
        2.7738488001049046,
        -1.9202442130073647,
        0.34559959488558945,
        -2.0099877527463414,
        5.228747213075491,
        5.106841571672746,
        -0.1051103476384877,
        0.4470783224951981,
        2.140923654832368,
        -2.735777008735616,
        -2.5501742829409215,
        5.769605656001306,
        2.6172003508263755,
    ];
    let mut doubles = [0.0_f64; 20];
    normal::fill(&mut source(), &mut doubles, 1.1, 2.3);
    close(&doubles, &expected, 1e-13);
}

#[test]
fn other_continuous_distributions() {
    let mut out = [0.0_f64; 5];
    real::exponential(&mut source(), &mut out, 1.3);
    close(&out, &[0.25203378691006073, 0.24598728546321413, 1.523981118676117, 0.8223975988450173, 1.967581807164656], 1e-14);
    real::cauchy(&mut source(), &mut out, 1.3, 2.1);
    close(&out, &[-0.44416712742118636, -0.5085264171160334, 5.839973678628899, 2.426194992531937, 9.757397317912348], 1e-13);
    real::log_normal(&mut source(), &mut out, 0.3, 0.7);
    close(&out, &[1.2180405143656683, 2.3403462982061907, 2.6189543270737237, 0.6187581367499688, 4.408581965846799], 1e-14);
    integer::geometric(&mut source(), &mut out, 0.1);
    assert_eq!(out, [13.0, 13.0, 2.0, 4.0, 1.0]);
}

#[test]
fn multinomial_with_and_without_replacement() {
    let mut source = source();
    let mut out = [0; 10];
    choice::with_replacement(&mut source, &[0.1_f32, 0.2, 0.3, 0.4], &mut out).unwrap();
    assert_eq!(out, [1, 1, 3, 3, 3, 3, 1, 2, 3, 3]);
    let rows = [0.1_f32, 0.2, 0.3, 0.4, 4.0, 0.0, 1.0, 1.0];
    choice::without_replacement(&mut source, &rows, 4, 3, &mut out[..6]).unwrap();
    assert_eq!(out[..6], [3, 1, 2, 2, 0, 3]);
    let mut hits = [0.0_f32; 6];
    integer::bernoulli_each(&mut source, &mut hits, &[0.1_f32, 0.5, 0.9, 0.0, 1.0, 0.5]).unwrap();
    assert_eq!(hits, [0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
}

#[test]
fn impossible_weights_are_refused_in_pytorch_s_words() {
    let with = |weights: &[f32]| choice::with_replacement(&mut source(), weights, &mut [0; 2]).unwrap_err().message;
    assert_eq!(with(&[0.5, -0.5]), "invalid multinomial distribution (encountering probability entry < 0)");
    assert_eq!(with(&[0.5, f32::INFINITY]), "invalid multinomial distribution (encountering probability entry = infinity or NaN)");
    assert_eq!(with(&[0.0, 0.0]), "invalid multinomial distribution (sum of probabilities <= 0)");
    let without = |weights: &[f32]| choice::without_replacement(&mut source(), weights, 2, 1, &mut [0; 2]).unwrap_err().message;
    assert_eq!(without(&[0.5, f32::NAN]), "probability tensor contains either `inf`, `nan` or element < 0");
    assert_eq!(without(&[0.5, 0.5, 0.0, 0.0]), "invalid multinomial distribution (sum of probabilities <= 0)");
}

#[test]
fn philox_draws_the_same_distributions_from_its_own_words() {
    let mut source = Source::new(Algorithm::Philox, 7);
    let mut out = vec![0.0_f32; 40_001];
    normal::fill(&mut source, &mut out, 0.0, 1.0);
    let mean = out.iter().map(|&x| f64::from(x)).sum::<f64>() / out.len() as f64;
    let variance = out.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / out.len() as f64;
    assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "mean {mean}, variance {variance}");
    assert_eq!(source.offset().unwrap(), 40_001 + 16);
}
