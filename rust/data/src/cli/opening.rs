//! From what the command line says to an open source.
use super::arguments::{Augment, OrderArguments, ShuffleArgument, SourceArguments, TokenType};
use super::format::Format;
use crate::order::{Plan, Shuffle, Tail};
use crate::source::{Root, Source};
use crate::spec::{Origin, Pipeline, Transform};
use crate::transform::geometry::Fit;
use rustorch_base::{Error, Result, bail, ensure};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A crop moves an image by up to this part of its side.
const CROP: u32 = 8;
/// Longest description of a pipeline.
const LONGEST_DESCRIPTION: u64 = 1 << 20;
/// `--shuffle block`: samples of a block, and blocks of a window. A window has the 262,144 samples that shuffle well.
const BLOCK: u64 = 1024;
const WINDOW: u64 = 256;

pub struct Opened {
    pub source: Arc<dyn Source>,
    /// For people: the paths as they were given.
    pub name: String,
}

/// Opens the source with its paths as they are given; with `--root` nothing outside that folder.
pub fn open(arguments: &SourceArguments) -> Result<Opened> {
    match &arguments.root {
        Some(folder) => open_inside(arguments, folder),
        None => {
            let format = format(arguments)?;
            let pipeline = pipeline(arguments, format, arguments.paths.clone())?;
            let root = match format {
                Format::Json => Root::confined(&folder_of(&arguments.paths)?)?,
                _ => Root::anywhere(),
            };
            Ok(Opened { source: pipeline.open(&Arc::new(root))?, name: name(arguments) })
        }
    }
}

/// Opens the source confined to `--root`, or else to the folder it lies in. Paths count from that folder, so that a
/// data set stays the same one wherever the folder is, and from wherever it is served.
pub fn open_confined(arguments: &SourceArguments) -> Result<Opened> {
    match &arguments.root {
        Some(folder) => open_inside(arguments, folder),
        None => open_inside(arguments, &folder_of(&arguments.paths)?),
    }
}

fn open_inside(arguments: &SourceArguments, folder: &Path) -> Result<Opened> {
    let format = format(arguments)?;
    let root = Root::confined(folder)?;
    let whole = root.folder().unwrap_or(folder);
    let inside = |path: &PathBuf| {
        let real = real(path)?;
        match real.strip_prefix(whole) {
            Ok(inside) if inside.as_os_str().is_empty() => Ok(PathBuf::from(".")),
            Ok(inside) => Ok(inside.to_owned()),
            Err(_) => bail!(value, "'{}' lies outside '{}', the folder that may be read", path.display(), folder.display()),
        }
    };
    let paths = arguments.paths.iter().map(inside).collect::<Result<_>>()?;
    let pipeline = pipeline(arguments, format, paths)?;
    Ok(Opened { source: pipeline.open(&Arc::new(root))?, name: name(arguments) })
}

fn format(arguments: &SourceArguments) -> Result<Format> {
    let told = Format::of(&arguments.paths);
    match arguments.format {
        None => told,
        // a name that tells nothing is why it was said; a path that is not there is still an error
        Some(format) => {
            told.map(|_| format).or_else(|error| if error.kind == rustorch_base::ErrorKind::Os { Err(error) } else { Ok(format) })
        }
    }
}

/// The path without links, except that the last name may be one: opening it is confined.
fn real(path: &Path) -> Result<PathBuf> {
    let refused = |error: std::io::Error| Error::os(format!("{error}: '{}'", path.display()));
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            Ok(folder.canonicalize().map_err(refused)?.join(name))
        }
        _ => path.canonicalize().map_err(refused),
    }
}

/// The deepest folder that holds all `paths`; of a folder, itself.
fn folder_of(paths: &[PathBuf]) -> Result<PathBuf> {
    let mut common: Option<PathBuf> = None;
    for path in paths {
        let real = real(path)?;
        let folder = if real.is_dir() { real.canonicalize().unwrap_or(real) } else { real.parent().map_or(real.clone(), Path::to_owned) };
        common = Some(match common {
            None => folder,
            Some(other) => other.components().zip(folder.components()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect(),
        });
    }
    common.ok_or_else(|| Error::value("a source needs at least one path"))
}

fn name(arguments: &SourceArguments) -> String {
    arguments.paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
}

fn pipeline(arguments: &SourceArguments, format: Format, paths: Vec<PathBuf>) -> Result<Pipeline> {
    let images = matches!(format, Format::Images | Format::Tar);
    ensure!(images || arguments.size.is_none(), value, "--size is for images");
    ensure!(format == Format::Tokens || arguments.window.is_none(), value, "--window is for tokens");
    ensure!(format == Format::Tar || arguments.prefix.is_empty(), value, "--prefix is for tar files");
    let one = |what: &str| match &paths[..] {
        [path] => Ok(path.clone()),
        _ => Err(Error::value(format!("{what} is one path, not {}", paths.len()))),
    };
    let source = match format {
        Format::Npy => Origin::Npy { paths },
        Format::Idx => Origin::Idx { paths },
        Format::Tar => Origin::Tar { paths, prefix: arguments.prefix.clone() },
        Format::Images => Origin::ImageFolder { path: one("a folder of images")? },
        Format::Tokens => {
            let Some(window) = arguments.window else { bail!(value, "tokens need --window, the length of one sample") };
            let dtype = match arguments.token_type {
                TokenType::Uint16 => "uint16",
                TokenType::Uint32 => "uint32",
            };
            Origin::Tokens {
                path: one("a source of tokens")?,
                dtype: dtype.to_owned(),
                window: window as usize,
                stride: arguments.stride.map(|stride| stride as usize),
            }
        }
        Format::Json => {
            one("a pipeline")?;
            return description(&arguments.paths[0]);
        }
    };
    let mut transforms = Vec::new();
    if images {
        let Some(size) = arguments.size else { bail!(value, "images need --size, the side of a sample in pixels") };
        transforms.push(Transform::Decode { size: size as usize, fit: Fit::Cover });
        transforms.extend(arguments.augment.iter().map(|augment| match augment {
            Augment::Flip => Transform::Flip,
            Augment::Crop => Transform::Crop { padding: (size / CROP) as usize },
            Augment::ResizedCrop => Transform::ResizedCrop { scale: [0.08, 1.0], ratio: [0.75, 4.0 / 3.0] },
        }));
    }
    Ok(Pipeline { source, transforms })
}

/// Reads the description of a pipeline. Its paths count from the folder that it lies in.
fn description(path: &Path) -> Result<Pipeline> {
    let refused = |error: std::io::Error| Error::os(format!("{error}: '{}'", path.display()));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(refused)?;
    file.take(LONGEST_DESCRIPTION).read_to_string(&mut text).map_err(refused)?;
    Pipeline::from_json(&text).map_err(|error| Error::new(error.kind, format!("'{}': {error}", path.display())))
}

/// The order that the command line asks for.
pub fn plan(arguments: &OrderArguments, samples: u64) -> Plan {
    let shuffle = match arguments.shuffle {
        ShuffleArgument::None => Shuffle::Off,
        ShuffleArgument::Full => Shuffle::Full,
        ShuffleArgument::Block => Shuffle::Blocks { block: BLOCK, window: WINDOW },
    };
    let tail = if arguments.drop_last { Tail::Drop } else { Tail::Keep };
    Plan { seed: arguments.seed, shuffle, tail, ..Plan::new(samples, arguments.batch_size.into()) }
}

/// Threads that were asked for, or one for each core.
pub fn threads(asked: Option<u32>) -> usize {
    asked.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), |threads| threads as usize)
}
