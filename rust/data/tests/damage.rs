//! A thousand damaged variants of each format: an error that names file and place, or sound data; never a crash, a hang,
//! or memory beyond sixteen times the file.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
use rustorch_base::{DType, Result};
use rustorch_data::source::images::ImageFolder;
use rustorch_data::source::pictures::{Picture, PictureSource};
use rustorch_data::source::records::Records;
use rustorch_data::source::tar::TarRecords;
use rustorch_data::source::tokens::Windows;
use rustorch_data::source::{Root, SampleRandom, Source, idx, npy, tokens};
use rustorch_data::transform::geometry::Fit;
use rustorch_data::transform::planes::Elements;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

mod written;
use written::batch;

/// Counts what each thread holds, and the most it held.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    // a thread that is ending has no counters any more
    let _ = HELD.try_with(|held| {
        held.set(held.get() + change);
        let _ = MOST.try_with(|most| most.set(most.get().max(held.get())));
    });
}

// SAFETY: every call is handed to the system's allocator unchanged; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(address, layout) }
    }
    unsafe fn realloc(&self, address: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(address, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const VARIANTS: u64 = 1000;
/// What a reader needs whatever the file: tables of the decoders, buffers of the streams.
const FIXED: usize = 256 << 10;
const TIMES: usize = 16;
/// Far above what any read takes, even on a machine with much else to do.
const HANG: Duration = Duration::from_secs(20);

/// One damaged copy: cut, bits flipped, bytes set, a length overwritten, a piece left out, or something added.
fn spoil(whole: &[u8], random: &mut SampleRandom) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let len = bytes.len() as u32;
    // headers are small, so half of the damage is aimed at them
    let place = |random: &mut SampleRandom| if random.chance(0.5) { random.below(len.min(600)) } else { random.below(len) } as usize;
    match random.below(6) {
        0 => bytes.truncate(random.below(len) as usize),
        1 => (0..=random.below(8)).for_each(|_| bytes[place(random)] ^= 1 << random.below(8)),
        2 => (0..=random.below(4)).for_each(|_| bytes[place(random)] = [0, 0xff, 0x7f, 0x80][random.below(4) as usize]),
        3 => {
            let at = place(random).min(bytes.len().saturating_sub(4));
            let number = [u32::MAX, i32::MAX as u32, len, len + 1, 1 << 24, random.next_u32()][random.below(6) as usize];
            let stored = if random.chance(0.5) { number.to_be_bytes() } else { number.to_le_bytes() };
            let size = 4.min(bytes.len() - at);
            bytes[at..at + size].copy_from_slice(&stored[..size]);
        }
        4 => {
            let at = place(random);
            let end = (at + 1 + random.below(600) as usize).min(bytes.len());
            bytes.drain(at..end);
        }
        _ => (0..=random.below(2000)).for_each(|_| bytes.push(random.next_u32() as u8)),
    }
    bytes
}

/// All samples of a source, one after another.
fn read_all(source: &dyn Source) -> Result<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    for index in 0..source.len().min(64) {
        all.extend(batch(source, &[index])?);
    }
    Ok(all)
}

/// Ends the tests, with words, when a read never comes back.
struct Watch(std::sync::mpsc::Sender<u64>);

impl Watch {
    fn new(name: String) -> Watch {
        let (sender, seen) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut variant = 0;
            loop {
                match seen.recv_timeout(HANG) {
                    Ok(next) => variant = next,
                    Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return,
                    Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                        eprintln!("{name}: variant {variant} still reads after {HANG:?}");
                        std::process::abort();
                    }
                }
            }
        });
        Watch(sender)
    }
    fn begins(&self, variant: u64) {
        self.0.send(variant).unwrap();
    }
}

/// Reads every variant of `whole` kept at `path`. `sound` says whether data that came without an error may stand.
fn survive(path: &Path, whole: &[u8], read: impl Fn() -> Result<Vec<Vec<u8>>>, sound: impl Fn(&[u8], &[Vec<u8>]) -> bool) {
    survive_inside(path, whole, <[u8]>::to_vec, read, sound);
}

/// The same where what is damaged lies within another format, `wrap`, whose checksums are right.
fn survive_inside(
    path: &Path,
    whole: &[u8],
    wrap: impl Fn(&[u8]) -> Vec<u8>,
    read: impl Fn() -> Result<Vec<Vec<u8>>>,
    sound: impl Fn(&[u8], &[Vec<u8>]) -> bool,
) {
    std::fs::write(path, wrap(whole)).unwrap();
    assert!(sound(whole, &read().unwrap()), "the undamaged file reads");
    let name = path.file_name().unwrap().to_str().unwrap();
    let (mut refused, mut worst) = (0, 0);
    let watch = Watch::new(name.to_owned());
    for variant in 0..VARIANTS {
        let bytes = spoil(whole, &mut SampleRandom::new(7, 0, variant));
        let file = wrap(&bytes);
        std::fs::write(path, &file).unwrap();
        let before = HELD.get();
        MOST.set(before);
        watch.begins(variant);
        let result = read();
        let most = (MOST.get() - before) as usize;
        worst = worst.max(most);
        assert!(most <= TIMES * file.len() + FIXED, "variant {variant}: {most} bytes held for a file of {}", file.len());
        match result {
            Ok(data) => assert!(sound(&bytes, &data), "variant {variant} gave other data without an error"),
            Err(error) => {
                refused += 1;
                assert!(error.message.contains(name), "variant {variant} does not name its file: {error}");
            }
        }
    }
    println!("{name}: {refused} of {VARIANTS} refused, at most {worst} bytes held for a file of {}", whole.len());
}

fn place(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    (folder, path)
}

#[test]
fn npy() {
    let (_folder, path) = place("damaged.npy");
    let data: Vec<u8> = (0..64 * 100).map(|x| (x % 251) as u8).collect();
    let whole = written::npy("<f4", false, &[64, 5, 5], &data);
    let read = || read_all(&npy::open(std::slice::from_ref(&path), &Root::anywhere())?);
    // what is read is what the file holds behind its header
    survive(&path, &whole, read, |file, data| file.ends_with(&data.concat()) || held_swapped(file, data));
}

/// A flipped byte order is no damage that anything could show.
fn held_swapped(file: &[u8], data: &[Vec<u8>]) -> bool {
    let size = if file.windows(3).any(|descr| descr == b">f8" || descr == b">i8") { 8 } else { 4 };
    let mut bytes = data.concat();
    bytes.chunks_mut(size).for_each(<[u8]>::reverse);
    file.contains(&b'>') && file.ends_with(&bytes)
}

fn idx_file(multiplier: u32) -> Vec<u8> {
    let mut whole = vec![0, 0, 8, 3, 0, 0, 0, 50, 0, 0, 0, 8, 0, 0, 0, 8];
    whole.extend((0..3200_u32).map(|x| (x * multiplier % 251) as u8));
    whole
}

/// What was read is the end of the file, in its byte order.
fn idx_sound(file: &[u8], data: &[Vec<u8>]) -> bool {
    let mut bytes = data.concat();
    bytes.len() <= file.len()
        && (file.ends_with(&bytes)
            || file.len() > bytes.len() && file[3] > 0 && {
                let size = [1, 1, 1, 2, 4, 4, 8][usize::from(file[2] - 8)];
                bytes.chunks_mut(size).for_each(<[u8]>::reverse);
                file.ends_with(&bytes)
            })
}

#[test]
fn idx_plain() {
    let (_folder, path) = place("damaged-idx3-ubyte");
    let read = || read_all(&idx::open(std::slice::from_ref(&path), &Root::anywhere())?);
    survive(&path, &idx_file(1), read, idx_sound);
}

#[test]
fn idx_gzipped() {
    let (_folder, path) = place("damaged-idx3-ubyte.gz");
    let whole = idx_file(7);
    let read = || read_all(&idx::open(std::slice::from_ref(&path), &Root::anywhere())?);
    // gzip has a checksum: what is read is what was written
    survive(&path, &written::gzip(&whole), read, |_, data| data.concat() == whole[16..]);
    survive_inside(&path, &whole, written::gzip, read, idx_sound);
}

#[test]
fn token_files() {
    let (_folder, path) = place("damaged.bin");
    let whole: Vec<u8> = (0..3000_u16).flat_map(u16::to_le_bytes).collect();
    let windows = Windows { dtype: DType::UInt16, window: 50, stride: 50 };
    let read = || read_all(&tokens::open(&path, windows, &Root::anywhere())?);
    survive(&path, &whole, read, |file, data| {
        let first: Vec<u8> = data[0].chunks(8).flat_map(|token| token[..2].to_vec()).collect();
        file.starts_with(&first)
    });
}

const PICTURE: Picture = Picture { side: 24, fit: Fit::Cover, augments: Vec::new(), elements: Elements::Bytes };

fn pictures(records: impl Records + 'static) -> Result<Vec<Vec<u8>>> {
    read_all(&PictureSource::new(Arc::new(records), PICTURE)?)
}

fn image_file(name: &str, whole: &[u8], sound: impl Fn(&[u8], &[Vec<u8>]) -> bool) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("class")).unwrap();
    let path = folder.path().join("class").join(name);
    let read = || pictures(ImageFolder::open(folder.path(), Arc::new(Root::anywhere()))?);
    survive(&path, whole, read, sound);
}

fn planes(pixels: &[u8]) -> Vec<u8> {
    (0..3).flat_map(|channel| pixels.iter().skip(channel).step_by(3).copied()).collect()
}

#[test]
fn png_images() {
    let pixels = written::pixels(24, 24, 1);
    // every chunk has a checksum
    image_file("damaged.png", &written::png(24, 24, png::ColorType::Rgb, &pixels), |_, data| data[0] == planes(&pixels));
}

/// The same chunks with right checksums, as far as they can be told apart: damage that was made on purpose.
fn with_checksums(spoilt: &[u8]) -> Vec<u8> {
    let mut bytes = spoilt.to_vec();
    let mut at = 8;
    while let Some(&[a, b, c, d]) = bytes.get(at..at + 4) {
        let end = at.saturating_add(8).saturating_add(u32::from_be_bytes([a, b, c, d]) as usize);
        if end.saturating_add(4) > bytes.len() {
            break;
        }
        let mut sum = flate2::Crc::new();
        sum.update(&bytes[at + 4..end]);
        bytes[end..end + 4].copy_from_slice(&sum.sum().to_be_bytes());
        at = end + 4;
    }
    bytes
}

#[test]
fn png_images_with_right_checksums() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("class")).unwrap();
    let path = folder.path().join("class").join("forged.png");
    let read = || pictures(ImageFolder::open(folder.path(), Arc::new(Root::anywhere()))?);
    let whole = written::png(24, 24, png::ColorType::Rgb, &written::pixels(24, 24, 1));
    survive_inside(&path, &whole, with_checksums, read, |_, data| data[0].len() == 3 * 24 * 24);
}

#[test]
fn jpeg_images() {
    // no checksum: changed coefficients are another picture
    image_file("damaged.jpg", &written::jpeg(64, 48, 1, false), |_, data| data[0].len() == 3 * 24 * 24);
}

#[test]
fn progressive_jpeg_images() {
    image_file("damaged.jpeg", &written::jpeg(64, 48, 1, true), |_, data| data[0].len() == 3 * 24 * 24);
}

#[test]
fn large_jpeg_images() {
    image_file("damaged_large.jpg", &written::jpeg(400, 300, 1, false), |_, data| data[0].len() == 3 * 24 * 24);
}

fn shard() -> (Vec<u8>, Vec<u8>) {
    let pixels = written::pixels(24, 24, 1);
    let image = written::png(24, 24, png::ColorType::Rgb, &pixels);
    let long = format!("{}/c.png", "folder".repeat(20));
    let members = [("a/a.png", image.clone()), ("a/a.cls", b"1".to_vec()), ("a/b.png", image.clone()), (&long, image)];
    (written::tar(&members), planes(&pixels))
}

/// What was read, without the labels.
fn images(data: &[Vec<u8>]) -> impl Iterator<Item = &Vec<u8>> {
    data.iter().step_by(2)
}

#[test]
fn tar_shards() {
    let (_folder, path) = place("damaged.tar");
    let (whole, image) = shard();
    let read = || {
        // the index of the last variant may have this one's size and, on a coarse clock, its time
        let _ = std::fs::remove_file(path.with_extension("tar.rtidx"));
        pictures(TarRecords::open(std::slice::from_ref(&path), "", &Root::anywhere())?)
    };
    survive(&path, &whole, read, |_, data| images(data).all(|part| *part == image));
}

#[test]
fn gzipped_shards() {
    let (_folder, path) = place("damaged.tar.gz");
    let (whole, image) = shard();
    let read = || pictures(TarRecords::open(std::slice::from_ref(&path), "", &Root::anywhere())?);
    survive(&path, &written::gzip(&whole), read, |_, data| images(data).eq([&image; 3]));
    survive_inside(&path, &whole, written::gzip, read, |_, data| images(data).all(|part| *part == image));
}

#[test]
fn index_files() {
    let (folder, path) = place("whole.tar");
    let (whole, image) = shard();
    std::fs::write(&path, &whole).unwrap();
    let open = || pictures(TarRecords::open(std::slice::from_ref(&path), "", &Root::anywhere())?);
    open().unwrap();
    let index = folder.path().join("whole.tar.rtidx");
    let kept = std::fs::read(&index).unwrap();
    // an index is a cache: a spoiled one is made again, and nothing else changes
    survive(&index, &kept, || Ok(open().unwrap()), |_, data| images(data).eq([&image; 3]));
}

#[test]
fn claims_of_enormous_sizes_cost_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let most = |read: &dyn Fn() -> String| {
        let before = HELD.get();
        MOST.set(before);
        let message = read();
        assert!(MOST.get() - before < FIXED as isize, "{message}");
        message
    };
    let path = folder.path().join("huge.npy");
    std::fs::write(&path, written::npy("<f8", false, &[1 << 40, 1 << 20], &[0; 64])).unwrap();
    let message = most(&|| npy::open(std::slice::from_ref(&path), &Root::anywhere()).err().unwrap().message);
    assert!(message.contains("huge.npy' is damaged at byte"), "{message}");
    let path = folder.path().join("huge.gz");
    std::fs::write(&path, written::gzip(&[0, 0, 8, 2, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff])).unwrap();
    let message = most(&|| idx::open(std::slice::from_ref(&path), &Root::anywhere()).err().unwrap().message);
    assert!(message.contains("huge.gz' is damaged at byte"), "{message}");
    let path = folder.path().join("bomb.tar.gz");
    std::fs::write(&path, written::gzip(&vec![0; 1 << 24])).unwrap();
    let message = most(&|| TarRecords::open(std::slice::from_ref(&path), "", &Root::anywhere()).err().unwrap().message);
    assert!(message.contains("unpack it to a .tar file"), "{message}");
}

/// Bytes of a mapping that take memory.
fn resident(mapping: &mut [u8]) -> usize {
    let mut pages = vec![0_u8; mapping.len().div_ceil(4096)];
    // SAFETY: the mapping begins at a page, and there is a byte for each of its pages.
    let outcome = unsafe { libc::mincore(mapping.as_mut_ptr().cast(), mapping.len(), pages.as_mut_ptr()) };
    assert_eq!(outcome, 0);
    pages.iter().filter(|&&page| page & 1 == 1).count() * 4096
}

/// A JPEG has no checksum and no length: of one that claims to be larger nothing tells that it is not, and its missing
/// blocks come out grey, as Pillow makes them. What it may cost is what a sound file of its length could hold.
#[test]
fn pictures_that_claim_to_be_larger_cost_what_they_could_hold() {
    use rustorch_data::transform::decode::decode;
    use rustorch_data::transform::pixels::PixelBuffer;
    /// Pixels that a byte can stand for. Progressive ones need a coefficient of two bytes for each of three colours, and
    /// the narrow side of an image is rounded up to twice a block.
    const PIXELS: usize = 512;
    for progressive in [false, true] {
        let whole = written::jpeg(64, 48, 1, progressive);
        let at = whole.windows(2).position(|marker| marker[0] == 0xff && matches!(marker[1], 0xc0 | 0xc2)).unwrap() + 5;
        for variant in 0..100 {
            let mut random = SampleRandom::new(11, 0, variant);
            let mut bytes = whole.clone();
            let mut byte = |high: u32| random.below(high) as u8;
            bytes[at..at + 4].copy_from_slice(&[byte(2), byte(256), byte(2), byte(256)]);
            if variant % 4 == 0 {
                bytes[at] = 0xff; // beyond what its bytes can hold
            }
            let (mut decoded, mut rgb) = (PixelBuffer::default(), PixelBuffer::default());
            let before = HELD.get();
            MOST.set(before);
            let result = decode(&bytes, &mut decoded, &mut rgb).map(|(_, size)| size.width * size.height);
            let coefficients = if progressive { 2 * 6 * PIXELS * bytes.len() } else { 0 };
            assert!((MOST.get() - before) as usize <= TIMES * bytes.len() + FIXED + coefficients);
            assert!(result.unwrap_or(0) <= PIXELS * bytes.len());
            let claimed =
                3 * [0, 2].map(|side| usize::from(u16::from_be_bytes([bytes[at + side], bytes[at + side + 1]]))).iter().product::<usize>();
            assert!(resident(decoded.bytes(claimed).unwrap()) <= 3 * PIXELS * bytes.len() + FIXED);
        }
    }
}
