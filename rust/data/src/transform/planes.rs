//! The last step of an image: pixels become planes (channel, row, column), mirrored and moved as was drawn, as bytes or
//! as normalised floats.
use super::geometry::Choice;

/// What the elements become.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Elements {
    Bytes,
    /// `byte * multiply + add` of each channel.
    Floats {
        multiply: [f32; 3],
        add: [f32; 3],
    },
}

/// Writes a square RGB image of `side` pixels as three planes. Where the image was moved away, bytes are 0 and floats
/// what 0 becomes.
pub fn write(image: &[u8], side: usize, choice: &Choice, elements: Elements, out: &mut [u8]) {
    match elements {
        Elements::Bytes => planes(image, side, choice, out, |_, byte| [byte]),
        Elements::Floats { multiply, add } => {
            planes(image, side, choice, out, |channel, byte| (f32::from(byte) * multiply[channel] + add[channel]).to_ne_bytes());
        }
    }
}

#[inline(always)]
fn planes<const N: usize>(image: &[u8], side: usize, choice: &Choice, out: &mut [u8], element: impl Fn(usize, u8) -> [u8; N]) {
    let (across, down) = choice.shift;
    for (channel, plane) in out.chunks_exact_mut(side * side * N).enumerate() {
        for (y, row) in plane.chunks_exact_mut(side * N).enumerate() {
            let cells = row.as_chunks_mut::<N>().0;
            let Some(from) = y.checked_add_signed(down).filter(|&y| y < side) else {
                cells.fill(element(channel, 0));
                continue;
            };
            let pixels = image[3 * side * from..3 * side * (from + 1)].as_chunks::<3>().0;
            write_row(cells, pixels, across, |pixel| element(channel, pixel[channel]), element(channel, 0));
            if choice.flip {
                cells.reverse();
            }
        }
    }
}

/// One row moved by `across`: cell `x` takes pixel `x + across`, where there is one.
#[inline(always)]
fn write_row<const N: usize>(
    cells: &mut [[u8; N]],
    pixels: &[[u8; 3]],
    across: isize,
    element: impl Fn(&[u8; 3]) -> [u8; N],
    empty: [u8; N],
) {
    let far = across.unsigned_abs().min(cells.len());
    let (cells, pixels) = if across >= 0 {
        let kept = cells.len() - far;
        let (cells, rest) = cells.split_at_mut(kept);
        rest.fill(empty);
        (cells, &pixels[far..])
    } else {
        let (rest, cells) = cells.split_at_mut(far);
        rest.fill(empty);
        (cells, pixels)
    };
    cells.iter_mut().zip(pixels).for_each(|(cell, pixel)| *cell = element(pixel));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::geometry::Part;

    fn choice(flip: bool, shift: (isize, isize)) -> Choice {
        Choice { part: Part { left: 0.0, top: 0.0, width: 2.0, height: 2.0 }, flip, shift }
    }

    #[test]
    fn planes_are_mirrored_and_moved() {
        let image = [1, 11, 21, 2, 12, 22, 3, 13, 23, 4, 14, 24];
        let mut out = [9; 12];
        let mut red = |flip, shift| {
            write(&image, 2, &choice(flip, shift), Elements::Bytes, &mut out);
            assert_eq!(out[4..8].iter().map(|b| b.saturating_sub(10)).collect::<Vec<_>>(), out[..4]);
            out[..4].to_vec()
        };
        assert_eq!(red(false, (0, 0)), [1, 2, 3, 4]);
        assert_eq!(red(true, (0, 0)), [2, 1, 4, 3]);
        assert_eq!(red(false, (1, 0)), [2, 0, 4, 0]);
        assert_eq!(red(false, (-1, 1)), [0, 3, 0, 0]);
        assert_eq!(red(true, (1, -1)), [0, 0, 0, 2]);
        assert_eq!(red(false, (5, 0)), [0; 4]);
    }

    #[test]
    fn floats_are_normalised_by_channel() {
        let mut out = [0; 12];
        let elements = Elements::Floats { multiply: [0.5, 1.0, 2.0], add: [1.0, 0.0, -1.0] };
        write(&[2, 3, 4], 1, &choice(false, (0, 0)), elements, &mut out);
        assert_eq!(out, [2.0_f32, 3.0, 7.0].map(f32::to_ne_bytes).concat()[..]);
    }
}
