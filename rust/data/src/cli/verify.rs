//! `rustorch-data verify`.
use super::arguments::Verify;
use super::{DONE, FAILED, figures, opening, progress, show};
use crate::source::verify::{Damage, verify};
use rustorch_base::Result;

pub fn run(arguments: &Verify) -> Result<i32> {
    let opened = opening::open(&arguments.source)?;
    let records = opened.source.len();
    let bar = progress::bar(records);
    let damaged = verify(&*opened.source, opening::threads(arguments.threads), &|done| {
        bar.set_position(done);
        true
    });
    bar.finish_and_clear();
    let text = if arguments.json { format!("{}\n", json(records, &damaged)) } else { lines(&opened.name, records, &damaged) };
    show(&text)?;
    Ok(if damaged.is_empty() { DONE } else { FAILED })
}

fn lines(name: &str, records: u64, damaged: &[Damage]) -> String {
    let mut text = String::new();
    for damage in damaged {
        text.push_str(&format!("record {}: {}\n", damage.index, damage.message));
    }
    let found = if damaged.is_empty() { "all sound".to_owned() } else { format!("{} damaged", figures::grouped(damaged.len() as u64)) };
    text.push_str(&format!("{} records of {name} read: {found}\n", figures::grouped(records)));
    text
}

fn json(records: u64, damaged: &[Damage]) -> serde_json::Value {
    let each = damaged.iter().map(|damage| serde_json::json!({"record": damage.index, "error": damage.message}));
    serde_json::json!({"records": records, "damaged": each.collect::<Vec<_>>()})
}
