//! What can be said on the command line. The texts here are the help.
use super::format::Format;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const LONG_ABOUT: &str = "\
Shuffled batches for training, made by a service of its own.

The order of a stream is a pure function of (seed, epoch, position). A client or the service may be killed at any moment and \
start again: every sample still comes exactly once in an epoch, with the same bytes.";

const EXAMPLES: &str = "\
Examples:
  rustorch-data serve images.npy labels.npy        two arrays, one row of each a sample
  rustorch-data serve train/ --size 64             a folder with one folder of images for each class
  rustorch-data status                             what the service is doing, once a second
  rustorch-data bench train.tar --size 64          how fast, and what holds it up
  rustorch-data verify train.tar                   reads every record and names the damaged ones

In a training script:
  for images, labels in rustorch.data.connect(ADDRESS, batch_size=64): ...

Exit codes: 0 done; 1 damage was found, or the command failed; 2 the command line is wrong.";

#[derive(Parser, Debug)]
#[command(name = "rustorch-data", version, about = "Shuffled batches for training, made by a service of its own", long_about = LONG_ABOUT)]
#[command(after_help = EXAMPLES, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    Serve(Serve),
    Status(Status),
    Bench(Bench),
    Index(Index),
    Verify(Verify),
}

const SERVE_EXAMPLES: &str = "\
Examples:
  rustorch-data serve images.npy labels.npy --batch-size 128 --seed 7
  rustorch-data serve t10k-images-idx3-ubyte.gz t10k-labels-idx1-ubyte.gz
  rustorch-data serve train/ --size 64 --augment flip,crop --address unix:run/train.sock
  rustorch-data serve shard.tar --shuffle block --log run/serve.jsonl
  rustorch-data serve corpus.bin --window 256 --token-type uint16
  rustorch-data serve pipeline.json                any source and transforms, as docs/data-service.md shows

It prints its address and the line of Python that connects. SIGTERM or Ctrl-C ends it: clients keep the batches that are \
ready and wait until the service is back.";

/// Stream a data set to training scripts on this machine
#[derive(Args, Debug)]
#[command(after_help = SERVE_EXAMPLES)]
pub struct Serve {
    #[command(flatten)]
    pub source: SourceArguments,
    #[command(flatten)]
    pub order: OrderArguments,
    /// Where clients connect: unix:PATH [default: unix:data.sock in a private folder of this user's]
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<String>,
    /// Write a log, one JSON object a line; `-` is standard error
    #[arg(long, value_name = "PATH")]
    pub log: Option<PathBuf>,
}

const STATUS_EXAMPLES: &str = "\
Examples:
  rustorch-data status                             a table that follows, until Ctrl-C
  rustorch-data status --once unix:run/train.sock
  rustorch-data status --json | jq .clients        one JSON object and the end; exit code 1 when nobody serves there";

/// Show what a running service is doing
#[derive(Args, Debug)]
#[command(after_help = STATUS_EXAMPLES)]
pub struct Status {
    /// The service's address [default: the one that `serve` chooses]
    pub address: Option<String>,
    /// Print one JSON object instead of the table
    #[arg(long)]
    pub json: bool,
    /// Print once instead of once a second
    #[arg(long)]
    pub once: bool,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    pub every: f64,
}

const BENCH_EXAMPLES: &str = "\
Examples:
  rustorch-data bench images.npy labels.npy
  rustorch-data bench train/ --size 64 --augment flip --batch-size 128 --threads 2

Each stage is timed alone, then the whole stream as a client receives it. The last line says in words what holds it up.";

/// Measure samples per second, stage by stage
#[derive(Args, Debug)]
#[command(after_help = BENCH_EXAMPLES)]
pub struct Bench {
    #[command(flatten)]
    pub source: SourceArguments,
    #[command(flatten)]
    pub order: OrderArguments,
    /// Seconds for each stage
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = seconds)]
    pub seconds: f64,
    /// Print one JSON object instead of the table
    #[arg(long)]
    pub json: bool,
}

const INDEX_EXAMPLES: &str = "\
Example:
  rustorch-data index shard-0000.tar shard-0001.tar

Serving a tar file needs to know where its members lie. `serve` finds out by itself and keeps what it found beside the file \
(NAME.rtidx); this command does it beforehand. Other formats need no index.";

/// Write the index of a tar file beside it
#[derive(Args, Debug)]
#[command(after_help = INDEX_EXAMPLES)]
pub struct Index {
    /// Tar files
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Open no file outside this folder
    #[arg(long, value_name = "FOLDER")]
    pub root: Option<PathBuf>,
}

const VERIFY_EXAMPLES: &str = "\
Examples:
  rustorch-data verify train/
  rustorch-data verify shard.tar --json | jq '.damaged[].error'

Every record is read, decoded and thrown away. Damaged ones are named with file and offset; the exit code is 1 if there are any.";

/// Read every record and name the damaged ones
#[derive(Args, Debug)]
#[command(after_help = VERIFY_EXAMPLES)]
pub struct Verify {
    #[command(flatten)]
    pub source: SourceArguments,
    /// Threads that read [default: one for each core]
    #[arg(long, alias = "workers", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// Print one JSON object instead of lines
    #[arg(long)]
    pub json: bool,
}

/// Which data, and what is done to each sample.
#[derive(Args, Debug)]
pub struct SourceArguments {
    /// Files of one format (several arrays are the fields of one sample), one folder, or a pipeline in a .json file
    #[arg(required = true, value_name = "SOURCE")]
    pub paths: Vec<PathBuf>,
    /// What SOURCE is [default: told by its name]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Open no file outside this folder, through `..` and links neither [default for serve: the folder of SOURCE]
    #[arg(long, value_name = "FOLDER")]
    pub root: Option<PathBuf>,
    /// Images: side of a sample in pixels; the shorter side of an image is scaled to it, and the middle cut out
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=8192))]
    pub size: Option<u32>,
    /// Images: random changes, drawn anew for every sample and epoch
    #[arg(long, value_enum, value_delimiter = ',', action = ArgAction::Append, requires = "size")]
    pub augment: Vec<Augment>,
    /// Tar: only members whose names begin so, as `train/`
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub prefix: String,
    /// Tokens: length of one sample
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u32).range(1..))]
    pub window: Option<u32>,
    /// Tokens: from the start of one sample to that of the next [default: the window]
    #[arg(long, value_name = "TOKENS", requires = "window", value_parser = clap::value_parser!(u32).range(1..))]
    pub stride: Option<u32>,
    /// Tokens: how one is stored
    #[arg(long, value_enum, default_value_t)]
    pub token_type: TokenType,
}

/// In which order, and by how many at once: what a client gets that asks for nothing else.
#[derive(Args, Debug)]
pub struct OrderArguments {
    /// Samples in a batch
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub batch_size: u32,
    /// Threads that make batches, for each client [default: one for each core]
    #[arg(long, alias = "workers", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// How an epoch is shuffled
    #[arg(long, value_enum, default_value_t)]
    pub shuffle: ShuffleArgument,
    /// Decides the order and every random change
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Leave out an epoch's last batch when it is not full
    #[arg(long)]
    pub drop_last: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum ShuffleArgument {
    /// as the samples lie
    None,
    /// one permutation of all samples
    #[default]
    Full,
    /// large blocks, then samples within a window of blocks: for disks that seek slowly
    Block,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Augment {
    /// mirror left and right, every second time
    Flip,
    /// move by up to an eighth of the size each way, black coming in
    Crop,
    /// cut out a random part, of 8 to 100 % of the area, and scale it
    ResizedCrop,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum TokenType {
    #[default]
    Uint16,
    Uint32,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= 86400.0 => Ok(number),
        _ => Err("a number of seconds above 0, at most 86400".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_description_holds_together() {
        Arguments::command().debug_assert();
    }
}
