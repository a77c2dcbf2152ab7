//! What the service does, for people (a warning is a line on standard error) or for programs (`--log`: one JSON object a
//! line).
use rustorch_base::{Error, Result};
use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Mutex;
use tracing_subscriber::filter::LevelFilter;

/// Turns the log on, once a process. Without a path only warnings are shown. Errors: the file cannot be written.
pub fn start(path: Option<&Path>) -> Result<()> {
    let Some(path) = path else {
        let format = tracing_subscriber::fmt().with_max_level(LevelFilter::WARN).with_target(false).without_time().with_ansi(false);
        // a second service in one process logs where the first does
        let _ = format.with_writer(std::io::stderr).try_init();
        return Ok(());
    };
    let format = tracing_subscriber::fmt().json().flatten_event(true).with_max_level(LevelFilter::INFO).with_target(false);
    let _ = if path == Path::new("-") {
        format.with_writer(std::io::stderr).try_init()
    } else {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|error| Error::os(format!("the log cannot be written: {error}: '{}'", path.display())))?;
        format.with_writer(Mutex::new(file)).try_init()
    };
    Ok(())
}
