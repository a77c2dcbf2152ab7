//! Telling what a source is by its name.
use clap::ValueEnum;
use rustorch_base::{Result, bail, ensure};
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Format {
    /// arrays of numpy (.npy), mapped into memory
    Npy,
    /// MNIST and its family (-ubyte, .idx; also gzipped)
    Idx,
    /// WebDataset, or a folder for each class (.tar; also gzipped)
    Tar,
    /// a folder with a folder of JPEG and PNG files for each class
    Images,
    /// token numbers and nothing else (.bin)
    Tokens,
    /// the description of a pipeline: source and transforms
    Json,
}

impl Format {
    /// The format of all `paths` together. Errors: nothing is there, or the names do not tell.
    pub fn of(paths: &[PathBuf]) -> Result<Format> {
        let mut formats = paths.iter().map(|path| Ok((path, Format::of_one(path)?)));
        let Some(first) = formats.next() else { bail!(value, "a source needs at least one path") };
        let (first, format) = first?;
        for other in formats {
            let (path, other) = other?;
            ensure!(
                other == format,
                value,
                "'{}' is {} and '{}' {}: a source is of one format",
                first.display(),
                format.words(),
                path.display(),
                other.words()
            );
        }
        Ok(format)
    }

    fn of_one(path: &Path) -> Result<Format> {
        let found = std::fs::metadata(path);
        match &found {
            Ok(data) if data.is_dir() => return Ok(Format::Images),
            Err(error) => bail!(os, "{error}: '{}'", path.display()),
            Ok(_) => {}
        }
        let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        let plain = name.strip_suffix(".gz").unwrap_or(&name);
        let ending = plain.rsplit_once('.').map(|(_, ending)| ending);
        match ending {
            _ if plain.ends_with("-ubyte") || plain.contains("-idx") => Ok(Format::Idx),
            Some("idx") => Ok(Format::Idx),
            Some("tar" | "tgz") => Ok(Format::Tar),
            Some("npy") if plain == name => Ok(Format::Npy),
            Some("bin") if plain == name => Ok(Format::Tokens),
            Some("json") if plain == name => Ok(Format::Json),
            _ => bail!(
                value,
                "the name of '{}' does not tell its format: say --format npy, idx, tar, images, tokens or json",
                path.display()
            ),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Format::Npy => "an npy array",
            Format::Idx => "an IDX file",
            Format::Tar => "a tar file",
            Format::Images => "a folder of images",
            Format::Tokens => "a file of tokens",
            Format::Json => "a pipeline",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_format() {
        let folder = std::env::temp_dir().join(format!("rustorch-format-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = |name: &str| {
            let path = folder.join(name);
            std::fs::write(&path, "").unwrap();
            path
        };
        let told = |name: &str| Format::of(&[path(name)]);
        for (name, format) in [
            ("x.npy", Format::Npy),
            ("X.NPY", Format::Npy),
            ("t10k-images-idx3-ubyte", Format::Idx),
            ("t10k-images-idx3-ubyte.gz", Format::Idx),
            ("a.idx", Format::Idx),
            ("shard-0.tar", Format::Tar),
            ("shard-0.tar.gz", Format::Tar),
            ("shard-0.tgz", Format::Tar),
            ("corpus.bin", Format::Tokens),
            ("train.json", Format::Json),
        ] {
            assert_eq!(told(name).unwrap(), format, "{name}");
        }
        assert_eq!(Format::of(std::slice::from_ref(&folder)).unwrap(), Format::Images);
        assert!(told("notes.txt").unwrap_err().message.contains("--format"));
        assert!(Format::of(&[path("x.npy"), path("y.tar")]).unwrap_err().message.contains("of one format"));
        assert!(Format::of(&[folder.join("absent.npy")]).unwrap_err().message.contains("absent.npy"));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
