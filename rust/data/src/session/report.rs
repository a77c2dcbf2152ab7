//! What is said of batches and workers that cannot be helped.
use crate::feed::{Keys, Task, since_seek};
use crate::lease::{Cause, Failure};
use std::fmt::Write;

/// Of a batch without a known sample, this many samples are named.
const NAMED: usize = 16;

fn ending(cause: Cause) -> String {
    match cause {
        Cause::Exit(code) => format!("exit status {code}"),
        Cause::Signal(signal) => format!("signal {signal}"),
        Cause::Unknown => "cause unknown".into(),
    }
}

fn samples(task: &Task, sample: Option<u32>) -> String {
    match (&task.keys, sample) {
        (Keys::Indices(indices), Some(sample)) if (sample as usize) < indices.len() => format!("sample {}", indices[sample as usize]),
        (Keys::Indices(indices), _) => {
            let named: Vec<String> = indices.iter().take(NAMED).map(u64::to_string).collect();
            let more = if indices.len() > NAMED { ", ..." } else { "" };
            format!("samples {}{more}", named.join(", "))
        }
        (Keys::Opaque(_), Some(sample)) => format!("its sample at place {sample}"),
        (Keys::Opaque(_), None) => "its samples".into(),
        (Keys::Stream { place, turn }, _) => format!("turn {turn} of the stream of worker {place}"),
    }
}

/// Epoch, batch, samples, and the last words.
pub(super) fn condemned(task: &Task, failure: &Failure) -> String {
    let (epoch, number, deaths) = (task.random.epoch, since_seek(task.number), failure.deaths);
    let what = samples(task, failure.sample);
    let mut text =
        format!("epoch {epoch}, batch {number}: {deaths} DataLoader workers died of {what} (the last with {})", ending(failure.cause));
    append_words(&mut text, &failure.words);
    text
}

pub(super) fn abandoned(failure: &Failure) -> String {
    let mut text =
        format!("{} DataLoader workers died before they had made a batch (the last with {})", failure.deaths, ending(failure.cause));
    append_words(&mut text, &failure.words);
    text
}

/// Of a program that ended before it was a worker.
pub(super) fn ended(failure: &Failure) -> String {
    let mut text = format!("it ended with {}, {} times in a row", ending(failure.cause), failure.deaths);
    append_words(&mut text, &failure.words);
    text
}

fn append_words(text: &mut String, words: &str) {
    if !words.is_empty() {
        // writing to a string does not fail
        let _ = write!(text, ". Its last words:\n{words}");
    }
}
