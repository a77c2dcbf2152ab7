//! A pipeline as data: what to read and what to do to each sample. It is sent to the daemon and kept beside results, so
//! it is plain JSON; order and batches are the plan's ([`crate::order::Plan`]).
use crate::source::columns::{Column, ColumnSource};
use crate::source::convert::Convert;
use crate::source::images::ImageFolder;
use crate::source::pictures::{Picture, PictureSource};
use crate::source::records::Records;
use crate::source::tar::TarRecords;
use crate::source::tokens::Windows;
use crate::source::{Root, Source, idx, npy, tokens};
use crate::transform::geometry::{Augment, Fit};
use crate::transform::planes::Elements;
use rustorch_base::{DType, Error, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// `{"source": {"image_folder": {"path": "train"}}, "transforms": [{"decode": {"size": 64}}, "flip"]}`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    pub source: Origin,
    #[serde(default)]
    pub transforms: Vec<Transform>,
}

/// Where samples come from.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Origin {
    /// One field a file.
    Npy {
        paths: Vec<PathBuf>,
    },
    /// One field a file.
    Idx {
        paths: Vec<PathBuf>,
    },
    Tokens {
        path: PathBuf,
        /// `uint16` or `uint32`.
        dtype: String,
        window: usize,
        /// Tokens between the starts of two samples; the window where it is not given.
        #[serde(default)]
        stride: Option<usize>,
    },
    ImageFolder {
        path: PathBuf,
    },
    Tar {
        paths: Vec<PathBuf>,
        /// Samples whose names begin so.
        #[serde(default)]
        prefix: String,
    },
}

/// One step, applied in the order of the list.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Transform {
    /// Images decoded to `size` x `size` pixels.
    Decode {
        size: usize,
        #[serde(default)]
        fit: Fit,
    },
    Flip,
    Crop {
        padding: usize,
    },
    ResizedCrop {
        #[serde(default = "whole_scale")]
        scale: [f32; 2],
        #[serde(default = "usual_ratio")]
        ratio: [f32; 2],
    },
    /// `element * by + add` as float32, of one field (the first where none is named).
    Scale {
        by: f32,
        #[serde(default)]
        add: f32,
        #[serde(default)]
        field: Option<String>,
    },
    /// `(element - mean) / std` of the channels of images that have been scaled.
    Normalize {
        mean: [f32; 3],
        std: [f32; 3],
    },
    /// Integers of one field as int64.
    Widen {
        #[serde(default)]
        field: Option<String>,
    },
}

/// torchvision's defaults of a random resized crop.
fn whole_scale() -> [f32; 2] {
    [0.08, 1.0]
}
fn usual_ratio() -> [f32; 2] {
    [0.75, 4.0 / 3.0]
}

impl Pipeline {
    pub fn from_json(text: &str) -> Result<Pipeline> {
        serde_json::from_str(text).map_err(|e| Error::value(format!("this is no description of a pipeline: {e}")))
    }
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| Error::value(format!("the pipeline has no JSON form: {e}")))
    }

    /// What a path holds, by its name: `.npy`, `.tar` and `.tar.gz`, IDX (`*-ubyte`, `.idx`, gzipped too), `.json` with a
    /// description, or a folder of images.
    pub fn of_path(path: &Path, root: &Root) -> Result<Pipeline> {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().to_lowercase());
        let plain = name.strip_suffix(".gz").unwrap_or(&name);
        let ending = plain.rsplit_once('.').map_or("", |(_, ending)| ending);
        let paths = || vec![path.to_owned()];
        let source = if ending == "npy" && plain == name {
            Origin::Npy { paths: paths() }
        } else if matches!(ending, "tar" | "tgz") {
            Origin::Tar { paths: paths(), prefix: String::new() }
        } else if ending == "idx" || plain.ends_with("-ubyte") {
            Origin::Idx { paths: paths() }
        } else if ending == "json" {
            return Pipeline::from_json(&read_text(path, root)?);
        } else if root.list(path).is_ok() {
            Origin::ImageFolder { path: path.to_owned() }
        } else {
            bail!(value, "'{}': what it holds cannot be told from its name; describe it in a .json file", path.display());
        };
        Ok(Pipeline { source, transforms: Vec::new() })
    }

    /// Opens the source with its transforms. Paths are confined to `root`.
    pub fn open(&self, root: &Arc<Root>) -> Result<Arc<dyn Source>> {
        match &self.source {
            Origin::Npy { paths } => self.array(npy::open(paths, root)?),
            Origin::Idx { paths } => self.array(idx::open(paths, root)?),
            Origin::Tokens { path, dtype, window, stride } => {
                let dtype = DType::ALL.iter().find(|known| known.name() == dtype);
                let dtype = *dtype.ok_or_else(|| Error::value("tokens are uint16 or uint32".to_string()))?;
                self.array(tokens::open(path, Windows { dtype, window: *window, stride: stride.unwrap_or(*window) }, root)?)
            }
            Origin::ImageFolder { path } => self.images(Arc::new(ImageFolder::open(path, root.clone())?)),
            Origin::Tar { paths, prefix } => self.images(Arc::new(TarRecords::open(paths, prefix, root)?)),
        }
    }

    fn array(&self, mut source: ColumnSource) -> Result<Arc<dyn Source>> {
        for transform in &self.transforms {
            source = match transform {
                Transform::Scale { by, add, field } => {
                    convert(&source, field.as_deref(), DType::Float32, |from| Convert::scale(from, *by, *add))?
                }
                Transform::Widen { field } => convert(&source, field.as_deref(), DType::Int64, Convert::widen)?,
                other => bail!(value, "{} is for images, and the source holds arrays", other.name()),
            };
        }
        Ok(Arc::new(source))
    }

    fn images(&self, records: Arc<dyn Records>) -> Result<Arc<dyn Source>> {
        let Some((Transform::Decode { size, fit }, rest)) = self.transforms.split_first() else {
            bail!(value, "images need a decode(size=...) before anything else");
        };
        let mut picture = Picture { side: *size, fit: *fit, augments: Vec::new(), elements: Elements::Bytes };
        for transform in rest {
            match transform {
                Transform::Flip => picture.augments.push(Augment::Flip),
                Transform::Crop { padding } => picture.augments.push(Augment::Crop { padding: *padding }),
                Transform::ResizedCrop { scale, ratio } => picture.augments.push(Augment::ResizedCrop { scale: *scale, ratio: *ratio }),
                Transform::Scale { by, add, field } => {
                    ensure!(field.as_deref().is_none_or(|field| field == "image"), value, "only the field 'image' of images can be scaled");
                    picture.elements = then_affine(picture.elements, [*by; 3], [*add; 3]);
                }
                Transform::Normalize { mean, std } => {
                    ensure!(picture.elements != Elements::Bytes, type_, "normalize needs float images; scale(1/255) comes before it");
                    ensure!(std.iter().all(|&std| std != 0.0), value, "std evaluated to zero, leading to division by zero.");
                    let multiply = std.map(f32::recip);
                    picture.elements = then_affine(picture.elements, multiply, std::array::from_fn(|c| -mean[c] * multiply[c]));
                }
                other => bail!(value, "{} cannot follow decode", other.name()),
            }
        }
        Ok(Arc::new(PictureSource::new(records, picture)?))
    }
}

impl Transform {
    pub fn name(&self) -> &'static str {
        match self {
            Transform::Decode { .. } => "decode",
            Transform::Flip => "flip",
            Transform::Crop { .. } => "crop",
            Transform::ResizedCrop { .. } => "resized_crop",
            Transform::Scale { .. } => "scale",
            Transform::Normalize { .. } => "normalize",
            Transform::Widen { .. } => "widen",
        }
    }
}

/// `x * by + add` after what is done already, as one step.
fn then_affine(elements: Elements, by: [f32; 3], shift: [f32; 3]) -> Elements {
    let (multiply, add) = match elements {
        Elements::Bytes => ([1.0; 3], [0.0; 3]),
        Elements::Floats { multiply, add } => (multiply, add),
    };
    Elements::Floats { multiply: std::array::from_fn(|c| multiply[c] * by[c]), add: std::array::from_fn(|c| add[c] * by[c] + shift[c]) }
}

fn convert(source: &ColumnSource, field: Option<&str>, to: DType, make: impl FnOnce(DType) -> Result<Convert>) -> Result<ColumnSource> {
    let number = match field {
        None => Some(0),
        Some(name) => source.fields().iter().position(|field| field.name == name),
    };
    let Some(number) = number else { bail!(key, "there is no field '{}'", field.unwrap_or("")) };
    source.with_column(number, |column: &mut Column| {
        if column.convert != Convert::Copy {
            bail!(not_implemented, "field '{}' is converted already (its byte order, or by an earlier step)", column.field.name);
        }
        column.convert = make(column.field.dtype)?;
        column.field.dtype = to;
        Ok(())
    })
}

/// Longest description that is read from a file.
const LONGEST_TEXT: u64 = 1 << 20;

fn read_text(path: &Path, root: &Root) -> Result<String> {
    let file = root.open(path)?;
    let mut text = String::new();
    std::io::Read::read_to_string(&mut std::io::Read::take(file.file, LONGEST_TEXT), &mut text)
        .map_err(|e| Error::os(format!("{e}: '{}'", path.display())))?;
    Ok(text)
}

/// Opens the pipeline that `text` describes.
pub fn open(text: &str, root: &Arc<Root>) -> Result<Arc<dyn Source>> {
    Pipeline::from_json(text)?.open(root)
}
