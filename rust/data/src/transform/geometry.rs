//! Which part of an image becomes a sample, and its scaling to the sample's size.
use super::decode::Size;
use crate::source::SampleRandom;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use serde::{Deserialize, Serialize};

/// How an image that has another shape fills the square.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// Scaled until it covers the square, then cut at both ends alike.
    #[default]
    Cover,
    /// Each side is scaled by itself.
    Stretch,
}

/// What is drawn anew for every sample.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Augment {
    /// Mirrored left to right half of the time.
    Flip,
    /// Moved by up to `padding` pixels each way, black coming in: a random crop of the padded image.
    Crop { padding: usize },
    /// A random part with `scale` of the area and a side ratio in `ratio`, scaled to the whole.
    ResizedCrop { scale: [f32; 2], ratio: [f32; 2] },
}

/// A part of an image, in pixels that need not be whole.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Part {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

impl Part {
    fn whole(size: Size) -> Part {
        Part { left: 0.0, top: 0.0, width: size.width as f64, height: size.height as f64 }
    }
    /// The centred part with the shape of a square.
    fn square(size: Size) -> Part {
        let side = size.width.min(size.height);
        let (left, top) = ((size.width - side) as f64 / 2.0, (size.height - side) as f64 / 2.0);
        Part { left, top, width: side as f64, height: side as f64 }
    }
}

/// What one sample's random numbers decided.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Choice {
    pub part: Part,
    pub flip: bool,
    /// Columns and rows by which the result is moved.
    pub shift: (isize, isize),
}

/// Draws for one image. Every augmentation draws as many numbers whatever the image, so that later ones do not change
/// with it; only a resized crop tries until it fits.
pub fn choose(size: Size, fit: Fit, augments: &[Augment], random: &mut SampleRandom) -> Choice {
    let part = if fit == Fit::Cover { Part::square(size) } else { Part::whole(size) };
    let mut choice = Choice { part, flip: false, shift: (0, 0) };
    for augment in augments {
        match *augment {
            Augment::Flip => choice.flip ^= random.chance(0.5),
            Augment::Crop { padding } => {
                let mut offset = || random.below(2 * padding as u32 + 1) as isize - padding as isize;
                choice.shift = (offset(), offset());
            }
            Augment::ResizedCrop { scale, ratio } => choice.part = resized_crop(size, scale, ratio, random),
        }
    }
    choice
}

/// Ten tries, then the largest centred part within the ratios: torchvision's rule.
fn resized_crop(size: Size, scale: [f32; 2], ratio: [f32; 2], random: &mut SampleRandom) -> Part {
    let (width, height) = (size.width as f64, size.height as f64);
    let mut between = |low: f64, high: f64| low + (high - low) * f64::from(random.uniform());
    let [narrow, broad] = ratio.map(f64::from);
    for _ in 0..10 {
        let area = width * height * between(scale[0].into(), scale[1].into());
        let shape = between(narrow.ln(), broad.ln()).exp();
        let (w, h) = ((area * shape).sqrt().round(), (area / shape).sqrt().round());
        let (across, down) = (between(0.0, 1.0), between(0.0, 1.0));
        if w >= 1.0 && h >= 1.0 && w <= width && h <= height {
            return Part { left: (across * (width - w + 1.0)).floor(), top: (down * (height - h + 1.0)).floor(), width: w, height: h };
        }
    }
    let shape = (width / height).clamp(narrow, broad);
    let (w, h) =
        if width / height < shape { (width, (width / shape).round().max(1.0)) } else { ((height * shape).round().max(1.0), height) };
    let (w, h) = (w.min(width), h.min(height));
    Part { left: ((width - w) / 2.0).floor(), top: ((height - h) / 2.0).floor(), width: w, height: h }
}

/// Scales `part` of an RGB image to `side` x `side` pixels, as Pillow's bilinear filter does. The image itself is handed
/// back where that would change nothing.
pub fn scale<'a>(
    image: &'a [u8],
    size: Size,
    part: Part,
    side: usize,
    scaled: &'a mut Vec<u8>,
    resizer: &mut Resizer,
) -> Result<&'a [u8], String> {
    if part == Part::whole(size) && size == (Size { width: side, height: side }) {
        return Ok(image);
    }
    scaled.resize(3 * side * side, 0);
    let words = |e: &dyn std::fmt::Display| format!("it cannot be scaled: {e}");
    let from = TypedImageRef::<U8x3>::from_buffer(size.width as u32, size.height as u32, image).map_err(|e| words(&e))?;
    let mut to = TypedImage::<U8x3>::from_buffer(side as u32, side as u32, scaled).map_err(|e| words(&e))?;
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .crop(part.left, part.top, part.width, part.height)
        .use_alpha(false);
    // typed: the other call compiles this for every kind of pixel
    resizer.resize_typed(&from, &mut to, &options).map_err(|e| words(&e))?;
    Ok(scaled)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Size = Size { width: 100, height: 60 };

    #[test]
    fn the_square_in_the_middle_is_taken() {
        let choice = choose(WIDE, Fit::Cover, &[], &mut SampleRandom::new(0, 0, 0));
        assert_eq!(choice, Choice { part: Part { left: 20.0, top: 0.0, width: 60.0, height: 60.0 }, flip: false, shift: (0, 0) });
        assert_eq!(choose(WIDE, Fit::Stretch, &[], &mut SampleRandom::new(0, 0, 0)).part, Part::whole(WIDE));
    }

    #[test]
    fn draws_stay_within_their_bounds_and_reach_them() {
        let augments = [Augment::ResizedCrop { scale: [0.08, 1.0], ratio: [0.75, 4.0 / 3.0] }, Augment::Flip, Augment::Crop { padding: 2 }];
        let (mut flips, mut shifts) = (0, std::collections::BTreeSet::new());
        for position in 0..2000 {
            let choice = choose(WIDE, Fit::Cover, &augments, &mut SampleRandom::new(3, 0, position));
            let Part { left, top, width, height } = choice.part;
            assert!(left >= 0.0 && top >= 0.0 && left + width <= 100.0 && top + height <= 60.0 && width >= 1.0, "{choice:?}");
            assert!((0.7..1.4).contains(&(width / height)), "{choice:?}");
            flips += usize::from(choice.flip);
            shifts.insert(choice.shift);
        }
        assert!((900..1100).contains(&flips));
        assert_eq!(shifts.len(), 25);
    }

    #[test]
    fn a_crop_that_cannot_fit_takes_the_middle() {
        let thin = Size { width: 1000, height: 1 };
        let part = resized_crop(thin, [1.0, 1.0], [0.75, 4.0 / 3.0], &mut SampleRandom::new(0, 0, 0));
        assert_eq!(part, Part { left: 499.0, top: 0.0, width: 1.0, height: 1.0 });
    }

    #[test]
    fn scaling_keeps_a_plain_colour_and_leaves_the_right_size_alone() {
        let (mut scaled, mut resizer) = (Vec::new(), Resizer::new());
        let image: Vec<u8> = [10, 200, 30].repeat(100 * 60);
        let small = scale(&image, WIDE, Part::square(WIDE), 7, &mut scaled, &mut resizer).unwrap();
        assert_eq!(small, [10, 200, 30].repeat(49));
        let square = Size { width: 2, height: 2 };
        let same = scale(&image[..12], square, Part::whole(square), 2, &mut scaled, &mut resizer).unwrap();
        assert_eq!(same.as_ptr(), image.as_ptr());
    }
}
