//! How fast a source gives samples, and which stage holds it up.
use super::{BatchRandom, Field, SampleRandom, Source, Stage, Stages};
use crate::order::{Plan, Shuffle};
use rustorch_base::{Result, ensure};
use std::time::{Duration, Instant};

/// Samples of one measured batch.
const BATCH: u64 = 128;

/// What one thread reached.
#[derive(Clone, Debug)]
pub struct Report {
    pub samples: u64,
    pub seconds: f64,
    /// Bytes of a sample as a batch holds it.
    pub sample_bytes: usize,
    /// Samples a second that each stage alone would allow; a stage that took no time is left out.
    pub stages: Vec<(Stage, f64)>,
}

impl Report {
    pub fn samples_per_second(&self) -> f64 {
        self.samples as f64 / self.seconds.max(1e-9)
    }

    /// The slowest stage, and the part of the time it takes.
    pub fn bottleneck(&self) -> Option<(Stage, f64)> {
        let whole: f64 = self.stages.iter().map(|(_, rate)| rate.recip()).sum();
        let slowest = self.stages.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
        Some((slowest.0, slowest.1.recip() / whole))
    }

    /// One sentence for people.
    pub fn in_words(&self) -> String {
        let Some((stage, part)) = self.bottleneck() else { return "nothing was measured".to_owned() };
        let advice = match stage {
            Stage::Read => "reading: the storage, or the number of files, holds the source up",
            Stage::Decode => "decoding: more cores, smaller images or data decoded once would help",
            Stage::Transform => "scaling and cutting: store the images nearer to the size that is trained on",
            Stage::Gather => "copying into the batch: memory is the limit, and smaller elements (uint8) would help",
        };
        format!("{:.0} samples/s on one thread; {:.0} % of the time goes into {advice}", self.samples_per_second(), 100.0 * part)
    }
}

/// Reads shuffled batches for about `budget`, at least one, on the calling thread.
pub fn bench(source: &dyn Source, budget: Duration) -> Result<Report> {
    ensure!(!source.is_empty(), value, "an empty source cannot be measured");
    let plan = Plan { shuffle: Shuffle::Full, ..Plan::new(source.len(), BATCH.min(source.len())) };
    let sample_bytes = source.fields().iter().map(Field::bytes).sum();
    let mut buffers: Vec<Vec<u8>> = source.fields().iter().map(|field| vec![0; field.bytes() * plan.batch_size as usize]).collect();
    let (mut samples, mut indices, mut stages) = (0, Vec::new(), Stages::on());
    let begin = Instant::now();
    for number in 0.. {
        let Some(part) = plan.part(number) else { break };
        plan.indices(&part, &mut indices);
        read_batch(source, &indices, plan.random(&part), &mut buffers, &mut stages)?;
        samples += indices.len() as u64;
        if begin.elapsed() >= budget {
            break;
        }
    }
    let rate = |stage| (stage, samples as f64 / stages.spent(stage).as_secs_f64());
    let rates = Stage::ALL.into_iter().filter(|&stage| !stages.spent(stage).is_zero()).map(rate).collect();
    Ok(Report { samples, seconds: begin.elapsed().as_secs_f64(), sample_bytes, stages: rates })
}

/// Sources that have stages are timed sample by sample; the others, whose samples cost less than looking at the clock,
/// batch by batch.
fn read_batch(source: &dyn Source, indices: &[u64], random: BatchRandom, buffers: &mut [Vec<u8>], stages: &mut Stages) -> Result<()> {
    let sizes: Vec<usize> = source.fields().iter().map(Field::bytes).collect();
    if !source.has_stages() {
        let mut out: Vec<&mut [u8]> = buffers.iter_mut().zip(&sizes).map(|(buffer, size)| &mut buffer[..size * indices.len()]).collect();
        return stages.time(Stage::Gather, || source.read_many(indices, random, &mut out));
    }
    for (k, &index) in indices.iter().enumerate() {
        let mut out: Vec<&mut [u8]> = buffers.iter_mut().zip(&sizes).map(|(buffer, size)| &mut buffer[k * size..][..*size]).collect();
        let mut random: SampleRandom = random.sample(k as u64);
        source.read_timed(index, &mut random, &mut out, stages)?;
    }
    Ok(())
}
