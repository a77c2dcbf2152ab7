//! `rustorch-data serve`.
use super::arguments::Serve;
use super::{DONE, address, fields, figures, log, opening, show};
use crate::daemon::{Daemon, Service};
use rustorch_base::{Result, ensure};

pub fn run(arguments: &Serve) -> Result<i32> {
    log::start(arguments.log.as_deref())?;
    let opened = opening::open_confined(&arguments.source)?;
    ensure!(!opened.source.is_empty(), value, "'{}' holds no samples", opened.name);
    let path = address::socket_path(arguments.address.as_deref())?;
    let address = address::text(&path);
    let readers = opening::threads(arguments.order.threads);
    let plan = opening::plan(&arguments.order, opened.source.len());
    plan.check()?;
    let (samples, words, name) = (opened.source.len(), fields::words(&*opened.source), opened.name.clone());
    let daemon = Daemon::bind(&path, Service { source: opened.source, name: opened.name, readers, plan, crew: None })?;
    tracing::info!(address, source = name, samples, readers, process = std::process::id(), "serving");
    show(&format!(
        "serving {} samples of {name}: {words}\naddress {address}\nin Python:\n    loader = rustorch.data.connect(\"{address}\")\n\
         Ctrl-C or SIGTERM ends it\n",
        figures::grouped(samples)
    ))?;
    daemon.run()?;
    tracing::info!(address, "ended");
    Ok(DONE)
}
