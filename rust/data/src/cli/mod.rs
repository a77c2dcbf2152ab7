//! The command line: `serve`, `status`, `bench`, `index`, `verify`. The program and the wheel's console script are both
//! [`run`].
mod address;
mod arguments;
mod format;

use arguments::{Arguments, Command};
use clap::Parser;
use format::Format;
use rustorch_base::{Error, Result};
use std::ffi::OsString;
use std::io::Write;

/// Exit code of a command that failed; clap ends with 2 when the command line is wrong.
pub const FAILED: i32 = 1;

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
    match dispatch(arguments.command) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "rustorch-data: {error}");
            FAILED
        }
    }
}

fn dispatch(command: Command) -> Result<i32> {
    let name = match command {
        Command::Serve(serve) => {
            Format::of(&serve.source.paths)?;
            let socket = address::socket_path(serve.address.as_deref())?;
            address::prepare_folder(&socket)?;
            return Err(Error::not_implemented(format!("nobody serves at {} yet: 'serve' is not built", address::text(&socket))));
        }
        Command::Status(status) => {
            address::socket_path(status.address.as_deref())?;
            "status"
        }
        Command::Bench(bench) => {
            Format::of(&bench.source.paths)?;
            "bench"
        }
        Command::Index(_) => "index",
        Command::Verify(verify) => {
            Format::of(&verify.source.paths)?;
            "verify"
        }
    };
    Err(Error::not_implemented(format!("the engine of '{name}' is not built yet")))
}
