//! The program `rustorch-data`. The wheel's console script is the same through the extension.
fn main() {
    std::process::exit(rustorch_data::cli::run(std::env::args_os().collect()));
}
