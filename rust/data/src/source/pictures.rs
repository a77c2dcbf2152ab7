//! Images as samples: records decoded, cut, scaled, and written as planes, with their labels.
use super::records::Records;
use super::stages::{Stage, Stages};
use super::{Field, SampleRandom, Source, check_index};
use crate::transform::decode::decode;
use crate::transform::geometry::{Augment, Fit, choose, scale};
use crate::transform::pixels::{Scratch, with_scratch};
use crate::transform::planes::{self, Elements};
use rustorch_base::{DType, Result, ensure};
use std::sync::Arc;

/// Largest side of a sample.
const LARGEST: usize = 8192;

/// What is done to every image.
#[derive(Clone, PartialEq, Debug)]
pub struct Picture {
    /// Height and width of a sample.
    pub side: usize,
    pub fit: Fit,
    pub augments: Vec<Augment>,
    pub elements: Elements,
}

impl Picture {
    pub fn check(&self) -> Result<()> {
        ensure!(
            (1..=LARGEST).contains(&self.side),
            value,
            "an image's size should lie between 1 and {LARGEST}, but got size={}",
            self.side
        );
        for augment in &self.augments {
            match *augment {
                Augment::Flip => {}
                Augment::Crop { padding } => ensure!(padding <= LARGEST, value, "a crop's padding of {padding} pixels is too large"),
                Augment::ResizedCrop { scale, ratio } => {
                    let ordered = |[low, high]: [f32; 2], most: f32| low > 0.0 && low <= high && high <= most;
                    let sound = ordered(scale, 1.0) && ordered(ratio, f32::MAX);
                    ensure!(
                        sound,
                        value,
                        "scale should be (min, max) within (0, 1] and ratio (min, max) above 0, but got {scale:?} and {ratio:?}"
                    );
                }
            }
        }
        Ok(())
    }
}

/// Fields `image` (`[3, side, side]`, uint8 or float32) and, where the records have classes, `label` (int64).
pub struct PictureSource {
    records: Arc<dyn Records>,
    picture: Picture,
    fields: Vec<Field>,
}

impl PictureSource {
    pub fn new(records: Arc<dyn Records>, picture: Picture) -> Result<PictureSource> {
        picture.check()?;
        let dtype = if picture.elements == Elements::Bytes { DType::UInt8 } else { DType::Float32 };
        let mut fields = vec![Field::new("image", dtype, [3, picture.side, picture.side])];
        let labelled = (0..records.len()).all(|index| records.label(index).is_some());
        if labelled && !records.is_empty() {
            fields.push(Field::new("label", DType::Int64, []));
        }
        Ok(PictureSource { records, picture, fields })
    }

    pub fn records(&self) -> &dyn Records {
        &*self.records
    }

    fn make(&self, index: u64, random: &mut SampleRandom, image: &mut [u8], scratch: &mut Scratch, stages: &mut Stages) -> Result<()> {
        let Scratch { encoded, decoded, rgb, scaled, resizer } = scratch;
        let Picture { side, fit, augments, elements } = &self.picture;
        let damaged = |reason: String| self.records.damaged(index, &reason);
        stages.time(Stage::Read, || self.records.read(index, encoded))?;
        let (pixels, size) = stages.time(Stage::Decode, || decode(encoded, decoded, rgb)).map_err(damaged)?;
        let choice = choose(size, *fit, augments, random);
        let square = stages.time(Stage::Transform, || scale(pixels, size, choice.part, *side, scaled, resizer)).map_err(damaged)?;
        stages.time(Stage::Gather, || planes::write(square, *side, &choice, *elements, image));
        Ok(())
    }
}

impl Source for PictureSource {
    fn len(&self) -> u64 {
        self.records.len()
    }
    fn fields(&self) -> &[Field] {
        &self.fields
    }
    fn fingerprint(&self) -> u64 {
        self.records.fingerprint()
    }
    fn has_stages(&self) -> bool {
        true
    }
    fn classes(&self) -> &[String] {
        self.records.classes()
    }
    fn read(&self, index: u64, random: &mut SampleRandom, out: &mut [&mut [u8]]) -> Result<()> {
        self.read_timed(index, random, out, &mut Stages::off())
    }
    fn read_timed(&self, index: u64, random: &mut SampleRandom, out: &mut [&mut [u8]], stages: &mut Stages) -> Result<()> {
        check_index(index, self.len())?;
        if let Some((image, rest)) = out.split_first_mut() {
            with_scratch(|scratch| self.make(index, random, image, scratch, stages))?;
            if let (Some(label), Some(class)) = (rest.first_mut(), self.records.label(index)) {
                label.copy_from_slice(&class.to_ne_bytes());
            }
        }
        Ok(())
    }
}
