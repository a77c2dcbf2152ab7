//! How fast reader threads turn shuffled u8 rows into f32 batches, and what it costs: `cargo run --release --example throughput`.
use rustix::time::{ClockId, clock_gettime};
use rustorch_base::{DType, Result};
use rustorch_data::client::{Client, Next, Options};
use rustorch_data::order::{Plan, PlanFeed, Shuffle};
use rustorch_data::source::{Field, SampleRandom, Source, check_index};
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROWS: u64 = 60_000;
const WIDTH: usize = 784;

/// Rows of bytes, scaled to floats between 0 and 1.
struct Images {
    bytes: Vec<u8>,
    fields: Vec<Field>,
}

impl Source for Images {
    fn len(&self) -> u64 {
        ROWS
    }
    fn fields(&self) -> &[Field] {
        &self.fields
    }
    fn fingerprint(&self) -> u64 {
        0
    }
    fn prefetch(&self, index: u64) {
        #[cfg(target_arch = "x86_64")]
        for line in self.bytes[index as usize * WIDTH..][..WIDTH].chunks(64) {
            // SAFETY: a prefetch reads nothing; the address lies in the row.
            unsafe { std::arch::x86_64::_mm_prefetch(line.as_ptr().cast(), std::arch::x86_64::_MM_HINT_T0) };
        }
    }
    fn read(&self, index: u64, _: &mut SampleRandom, out: &mut [&mut [u8]]) -> Result<()> {
        check_index(index, ROWS)?;
        let row = &self.bytes[index as usize * WIDTH..][..WIDTH];
        scale(row, out[0]);
        Ok(())
    }
}

fn scale(row: &[u8], out: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") {
        // SAFETY: the machine has it.
        return unsafe { scale_wide(row, out) };
    }
    scale_any(row, out);
}
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn scale_wide(row: &[u8], out: &mut [u8]) {
    scale_any(row, out);
}
#[inline(always)]
fn scale_any(row: &[u8], out: &mut [u8]) {
    for (value, place) in row.iter().zip(out.chunks_exact_mut(4)) {
        place.copy_from_slice(&(f32::from(*value) * (1.0 / 255.0)).to_ne_bytes());
    }
}

fn seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// The same gather by this thread into one buffer: what the memory permits.
fn bare(source: &dyn Source) -> Result<()> {
    let plan = Plan { shuffle: Shuffle::Full, ..Plan::new(ROWS, 128) };
    let (mut out, mut indices) = (vec![0; 128 * WIDTH * 4], Vec::new());
    let begin = Instant::now();
    let batches = plan.batches_per_epoch() * 5;
    for part in (0..batches).filter_map(|number| plan.part(number)) {
        plan.indices(&part, &mut indices);
        source.read_many(&indices, plan.random(&part), &mut [&mut out[..indices.len() * WIDTH * 4]])?;
    }
    println!("bare gather, one thread: {:5.2} M samples/s", ROWS as f64 * 5e-6 / begin.elapsed().as_secs_f64());
    Ok(())
}

fn main() -> Result<()> {
    let bytes = (0..ROWS as usize * WIDTH).map(|i| ((i * 31) >> 3) as u8).collect();
    let source = Arc::new(Images { bytes, fields: vec![Field::new("x", DType::Float32, [WIDTH])] });
    bare(&*source)?;
    for (workers, slots) in [(1, 8), (2, 4), (2, 8), (2, 16)] {
        let plan = Plan { shuffle: Shuffle::Full, ..Plan::new(ROWS, 128) };
        let epochs = 20;
        let feed = Arc::new(PlanFeed::new(plan.clone(), Some(epochs)));
        let begin = Instant::now();
        let client = Client::with_readers(source.clone(), feed, &Options { slots, workers, batch_size: 128 })?;
        let first = client.next(Duration::from_secs(1))?;
        let first_after = begin.elapsed();
        drop(first);
        let (begin, cpu, mine) = (Instant::now(), seconds(ClockId::ProcessCPUTime), seconds(ClockId::ThreadCPUTime));
        let mut samples = 0;
        while let Next::Ready(batch) = client.next(Duration::from_secs(1))? {
            samples += batch.samples();
        }
        let (wall, millions) = (begin.elapsed().as_secs_f64(), samples as f64 * 1e-6);
        let mine = seconds(ClockId::ThreadCPUTime) - mine;
        let makers = seconds(ClockId::ProcessCPUTime) - cpu - mine;
        println!(
            "readers {workers} slots {slots:2}: {:5.2} M samples/s; CPU s per million: readers {:.3}, trainer {:.4}; first batch {:.2} ms; trainer waited {:.2} of {wall:.2} s",
            millions / wall,
            makers / millions,
            mine / millions,
            first_after.as_secs_f64() * 1e3,
            client.figures().waited.as_secs_f64()
        );
    }
    Ok(())
}
