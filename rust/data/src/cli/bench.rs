//! `rustorch-data bench`.
use super::arguments::Bench;
use super::{DONE, fields, figures, opening, progress, show};
use crate::client::{Client, Next, Options};
use crate::order::{Plan, PlanFeed};
use crate::source::Source;
use crate::source::bench::{Report, bench};
use rustorch_base::{Result, bail, ensure};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A client that has waited for so long has lost its readers.
const PATIENCE: Duration = Duration::from_mins(1);
/// Below this part of what the threads together could do, the stream itself holds the batches up.
const FAIR: f64 = 0.5;

/// Batches through a ring, as a client takes them.
struct Stream {
    samples: u64,
    seconds: f64,
    /// Time without a batch at hand.
    waited: f64,
}

pub fn run(arguments: &Bench) -> Result<i32> {
    let opened = opening::open(&arguments.source)?;
    let (source, threads) = (opened.source, opening::threads(arguments.order.threads));
    ensure!(!source.is_empty(), value, "'{}' holds no samples", opened.name);
    let budget = Duration::from_secs_f64(arguments.seconds);
    let spinner = progress::spinner("one thread, stage by stage");
    let stages = bench(&*source, budget)?;
    spinner.set_message(format!("the whole stream, {threads} threads"));
    let stream = stream(source.clone(), opening::plan(&arguments.order, source.len()), threads, budget)?;
    spinner.finish_and_clear();
    if arguments.json {
        show(&format!("{}\n", json(&stages, &stream, threads)))?;
    } else {
        let samples = figures::grouped(source.len());
        show(&format!("{samples} samples of {}: {}\n\n{}", opened.name, fields::words(&*source), table(&stages, &stream, threads)))?;
        show(&format!("\n{}\n", words(&stages, &stream, threads)))?;
    }
    Ok(DONE)
}

fn stream(source: Arc<dyn Source>, plan: Plan, threads: usize, budget: Duration) -> Result<Stream> {
    plan.check()?;
    ensure!(plan.batches_per_epoch() > 0, value, "{} samples do not fill a batch of {}", plan.len, plan.batch_size);
    let options = Options { batch_size: plan.batch_size as usize, workers: threads, ..Options::default() };
    let begin = Instant::now();
    let client = Client::with_readers(source, Arc::new(PlanFeed::new(plan, None)), &options)?;
    let mut samples = 0;
    while begin.elapsed() < budget {
        match client.next(PATIENCE)? {
            Next::Ready(batch) => {
                if let Some(error) = batch.refusal() {
                    return Err(error);
                }
                samples += batch.samples() as u64;
            }
            Next::Waiting => bail!(runtime, "no batch came for {} seconds", PATIENCE.as_secs()),
            Next::Ended => break,
        }
    }
    Ok(Stream { samples, seconds: begin.elapsed().as_secs_f64(), waited: client.figures().waited.as_secs_f64() })
}

impl Stream {
    fn rate(&self) -> f64 {
        self.samples as f64 / self.seconds.max(1e-9)
    }
}

fn table(stages: &Report, stream: &Stream, threads: usize) -> String {
    let row = |name: String, rate: f64| vec![name, figures::rate(rate), figures::bytes((rate * stages.sample_bytes as f64) as u64)];
    let mut rows = vec![["stage", "samples/s", "a second"].map(str::to_owned).to_vec()];
    rows.extend(stages.stages.iter().map(|(stage, rate)| row(stage.name().to_owned(), *rate)));
    rows.push(row("all stages, 1 thread".to_owned(), stages.samples_per_second()));
    rows.push(row(format!("stream, {threads} threads"), stream.rate()));
    figures::table(&rows)
}

fn words(stages: &Report, stream: &Stream, threads: usize) -> String {
    let mut text = format!("bottleneck: {}", stages.in_words());
    if stream.rate() < FAIR * stages.samples_per_second() * threads as f64 {
        text.push_str(&format!(
            "\nThe stream gave {} samples/s on {threads} threads, less than half of {threads} times one thread: cores are busy elsewhere, \
             or there are fewer than threads.",
            figures::rate(stream.rate())
        ));
    }
    text
}

fn json(stages: &Report, stream: &Stream, threads: usize) -> serde_json::Value {
    let each: serde_json::Map<_, _> = stages.stages.iter().map(|(stage, rate)| (stage.name().to_owned(), (*rate).into())).collect();
    serde_json::json!({
        "sample_bytes": stages.sample_bytes,
        "stages": each,
        "one_thread": stages.samples_per_second(),
        "stream": stream.rate(),
        "stream_waited_seconds": stream.waited,
        "threads": threads,
        "bottleneck": stages.bottleneck().map(|(stage, _)| stage.name()),
    })
}
