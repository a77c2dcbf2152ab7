//! `rustorch-data status`.
use super::arguments::Status;
use super::{DONE, address, figures, show};
use crate::client;
use crate::daemon::frames::{ClientReport, Report};
use rustorch_base::{Error, Result};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Back to the upper left corner, and clear what stood below.
const HOME: &str = "\x1b[H\x1b[J";
/// The part of its time from which a trainer's waiting counts.
const NOTICEABLE: f64 = 0.1;

pub fn run(arguments: &Status) -> Result<i32> {
    let path = address::socket_path(arguments.address.as_deref())?;
    let address = address::text(&path);
    let first = look(&address)?;
    if arguments.json {
        let text = serde_json::to_string(&first).map_err(|error| Error::runtime(format!("the status has no JSON form: {error}")))?;
        show(&format!("{text}\n"))?;
        return Ok(DONE);
    }
    if arguments.once {
        show(&picture(&address, &first, &BTreeMap::new()))?;
        return Ok(DONE);
    }
    follow(&address, first, Duration::from_secs_f64(arguments.every))
}

fn look(address: &str) -> Result<Report> {
    client::status(address).map_err(|error| Error::new(error.kind, format!("nobody answers at {address}: {error}")))
}

/// Shows the table again and again. A service that is gone may come back.
fn follow(address: &str, mut report: Report, pause: Duration) -> Result<i32> {
    let home = if std::io::stdout().is_terminal() { HOME } else { "" };
    let mut seen = BTreeMap::new();
    loop {
        show(&format!("{home}{}", picture(address, &report, &rates(&report, &seen))))?;
        seen = counts(&report);
        report = loop {
            std::thread::sleep(pause);
            match look(address) {
                Ok(report) => break report,
                Err(error) => show(&format!("{home}{error}; looking again\n"))?,
            }
        };
    }
}

/// A client, told apart from another stream of its process by the batch it began with.
type Key = (i32, u64);

fn counts(report: &Report) -> BTreeMap<Key, (u64, Instant)> {
    let now = Instant::now();
    report.clients.iter().map(|client| ((client.process, client.first), (client.batches, now))).collect()
}

/// Batches a second since the last look, where there was one.
fn rates(report: &Report, seen: &BTreeMap<Key, (u64, Instant)>) -> BTreeMap<Key, f64> {
    let rate = |client: &ClientReport| {
        let key = (client.process, client.first);
        let &(before, then) = seen.get(&key)?;
        Some((key, client.batches.saturating_sub(before) as f64 / then.elapsed().as_secs_f64().max(1e-9)))
    };
    report.clients.iter().filter_map(rate).collect()
}

fn picture(address: &str, report: &Report, rates: &BTreeMap<Key, f64>) -> String {
    let uptime = figures::duration(Duration::try_from_secs_f64(report.uptime_seconds).unwrap_or_default());
    let mut text = format!(
        "{} · {} samples of {} · process {}, up {uptime}\n",
        address,
        figures::grouped(report.samples),
        report.source,
        report.process
    );
    if report.clients.is_empty() {
        text.push_str("no clients\n");
        return text;
    }
    let heading = ["client", "batches", "batches/s", "samples/s", "ready", "held", "busy", "waited", "slower side"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(report.clients.iter().map(|client| row(client, rates.get(&(client.process, client.first)).copied())));
    text + &figures::table(&rows)
}

fn row(client: &ClientReport, rate: Option<f64>) -> Vec<String> {
    let rate = rate.unwrap_or_else(|| client.batches_per_second());
    let busy = 100.0 * client.busy_seconds / (client.seconds * client.readers as f64).max(1e-9);
    vec![
        client.process.to_string(),
        figures::grouped(client.batches),
        figures::rate(rate),
        figures::rate(rate * client.batch_size as f64),
        format!("{}/{}", client.ready, client.slots),
        client.held.to_string(),
        format!("{:.0} %", busy.min(100.0)),
        format!("{:.0} %", (100.0 * waited_part(client)).min(100.0)),
        slower_side(client).to_owned(),
    ]
}

/// The part of its time that the trainer waited for batches.
fn waited_part(client: &ClientReport) -> f64 {
    client.waited_seconds / client.seconds.max(1e-9)
}

/// A trainer that hardly ever waits is the slower side; `bottleneck()` draws the line at the same place.
fn slower_side(client: &ClientReport) -> &'static str {
    if client.batches == 0 {
        "-"
    } else if waited_part(client) < NOTICEABLE {
        "trainer"
    } else {
        "readers"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(process: i32, batches: u64, waited_seconds: f64) -> ClientReport {
        let (seconds, readers, busy_seconds) = (10.0, 2, 5.0);
        ClientReport {
            process,
            batch_size: 64,
            first: 0,
            batches,
            seconds,
            readers,
            busy_seconds,
            waited_seconds,
            slots: 8,
            ready: 6,
            held: 1,
        }
    }

    #[test]
    fn the_table_says_who_is_slower() {
        let clients = vec![client(41, 1000, 0.9), client(42, 2000, 4.0), client(43, 0, 10.0)];
        let report = Report { process: 7, source: "x.npy".to_owned(), samples: 60_000, uptime_seconds: 65.0, clients };
        let text = picture("unix:a", &report, &BTreeMap::from([((42, 0), 50.0)]));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "unix:a · 60,000 samples of x.npy · process 7, up 1 min 5 s");
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(lines[2]), ["41", "1,000", "100", "6,400", "6/8", "1", "25", "%", "9", "%", "trainer"]);
        assert_eq!(words(lines[3]), ["42", "2,000", "50", "3,200", "6/8", "1", "25", "%", "40", "%", "readers"]);
        assert_eq!(words(lines[4])[10], "-");
    }
}
