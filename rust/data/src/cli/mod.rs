//! The command line: `serve`, `status`, `bench`, `index`, `verify`. The program and the wheel's console script are both
//! [`run`].
mod address;
mod arguments;
mod bench;
mod fields;
mod figures;
mod format;
mod index;
mod log;
mod opening;
mod progress;
mod serve;
mod status;
mod verify;

use arguments::{Arguments, Command};
use clap::Parser;
use rustorch_base::{Error, Result};
use std::ffi::OsString;
use std::io::Write;

/// Exit codes; clap ends with 2 when the command line is wrong.
const DONE: i32 = 0;
const FAILED: i32 = 1;

/// Runs the command that `arguments` (the program's name first) ask for, and gives the exit code.
pub fn run(arguments: Vec<OsString>) -> i32 {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // nobody is left to tell when the terminal is gone
            let _ = error.print();
            return error.exit_code();
        }
    };
    let outcome = match &arguments.command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Status(arguments) => status::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Index(arguments) => index::run(arguments),
        Command::Verify(arguments) => verify::run(arguments),
    };
    outcome.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "rustorch-data: {error}");
        FAILED
    })
}

/// Prints `text` at once. Errors: whoever read it has gone.
fn show(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Error::os(format!("nobody reads what is printed: {error}")))
}
