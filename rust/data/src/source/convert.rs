//! What happens to a row's elements between storage and batch, in one pass: copied, turned to the machine's byte order,
//! scaled to float32, widened to int64.
use half::{bf16, f16};
use rustorch_base::{DType, Result, bail};

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Convert {
    Copy,
    /// Elements of this many bytes are stored in the other byte order.
    Swap(usize),
    /// `element * multiply + add` as float32.
    Scale {
        from: DType,
        multiply: f32,
        add: f32,
    },
    /// As int64: what an embedding looks up by.
    Widen {
        from: DType,
    },
}

impl Convert {
    /// Scaling of real elements; complex ones are refused.
    pub fn scale(from: DType, multiply: f32, add: f32) -> Result<Convert> {
        if from.is_complex() {
            bail!(type_, "elements of {} cannot be scaled to float32", from.name());
        }
        Ok(Convert::Scale { from, multiply, add })
    }
    /// Widening of integers no wider than int64.
    pub fn widen(from: DType) -> Result<Convert> {
        if !from.is_integral() || from == DType::UInt64 {
            bail!(type_, "elements of {} cannot be widened to int64", from.name());
        }
        Ok(Convert::Widen { from })
    }

    /// Bytes that a stored row of `row` bytes becomes; `None` if it holds no whole elements.
    pub fn bytes_out(&self, row: usize) -> Option<usize> {
        let elements = |size: usize| row.is_multiple_of(size).then_some(row / size);
        match *self {
            Convert::Copy => Some(row),
            Convert::Swap(size) => elements(size).map(|_| row),
            Convert::Scale { from, .. } => elements(from.size())?.checked_mul(4),
            Convert::Widen { from } => elements(from.size())?.checked_mul(8),
        }
    }

    /// One row. `to` has the length that [`Convert::bytes_out`] says.
    #[inline]
    pub fn row(&self, from: &[u8], to: &mut [u8]) {
        let bytes = to.len().max(1);
        self.rows(std::iter::once(from), to, bytes);
    }

    /// Row after row into `out`, `bytes` of it each.
    #[inline]
    pub fn rows<'a>(&self, rows: impl Iterator<Item = &'a [u8]>, out: &mut [u8], bytes: usize) {
        match *self {
            Convert::Copy => rows.zip(out.chunks_exact_mut(bytes)).for_each(|(from, to)| to.copy_from_slice(from)),
            Convert::Swap(size) => rows.zip(out.chunks_exact_mut(bytes)).for_each(|(from, to)| swap(size, from, to)),
            Convert::Scale { from, multiply, add } => scale_rows(from, multiply, add, rows, out, bytes),
            Convert::Widen { from } => rows.zip(out.chunks_exact_mut(bytes)).for_each(|(stored, to)| widen(from, stored, to)),
        }
    }
}

/// Element after element. Destinations are bytes, since a caller's buffer need not be aligned; the compiler makes the
/// same wide stores of it.
#[inline(always)]
fn map_elements<const FROM: usize, const TO: usize>(from: &[u8], to: &mut [u8], map: impl Fn([u8; FROM]) -> [u8; TO]) {
    for (to, from) in to.as_chunks_mut::<TO>().0.iter_mut().zip(from.as_chunks::<FROM>().0) {
        *to = map(*from);
    }
}

fn swap(size: usize, from: &[u8], to: &mut [u8]) {
    to.copy_from_slice(from);
    to.chunks_exact_mut(size).for_each(<[u8]>::reverse);
}

fn widen(dtype: DType, from: &[u8], to: &mut [u8]) {
    macro_rules! widen { ($($variant:ident $rust:ty)*) => { match dtype {
        $(DType::$variant => map_elements(from, to, |bytes| (<$rust>::from_ne_bytes(bytes) as i64).to_ne_bytes()),)*
        // `Convert::widen` lets no other through
        _ => to.copy_from_slice(from),
    } } }
    widen! { UInt8 u8 Int8 i8 UInt16 u16 Int16 i16 UInt32 u32 Int32 i32 }
}

#[inline(always)]
fn scale_row(dtype: DType, multiply: f32, add: f32, from: &[u8], to: &mut [u8]) {
    macro_rules! scale { ($($variant:ident $rust:ty, $float:expr;)*) => { match dtype {
        $(DType::$variant => map_elements(from, to, |bytes| {
            let float: fn($rust) -> f32 = $float;
            (float(<$rust>::from_ne_bytes(bytes)) * multiply + add).to_ne_bytes()
        }),)*
        // `Convert::scale` lets no complex elements through
        DType::Bool | DType::Complex64 | DType::Complex128 => map_elements(from, to, |[byte]| {
            (f32::from(u8::from(byte != 0)) * multiply + add).to_ne_bytes()
        }),
    } } }
    scale! {
        UInt8 u8, |x| x as f32; Int8 i8, |x| x as f32; UInt16 u16, |x| x as f32; Int16 i16, |x| x as f32;
        UInt32 u32, |x| x as f32; Int32 i32, |x| x as f32; UInt64 u64, |x| x as f32; Int64 i64, |x| x as f32;
        Float16 f16, f16::to_f32; BFloat16 bf16, bf16::to_f32; Float32 f32, |x| x; Float64 f64, |x| x as f32;
    }
}

/// The loop over a batch, compiled for AVX2 too: twice as fast where the processor has it, and the same bits.
#[inline]
fn scale_rows<'a>(dtype: DType, multiply: f32, add: f32, rows: impl Iterator<Item = &'a [u8]>, out: &mut [u8], bytes: usize) {
    #[inline(always)]
    fn portable<'a>(dtype: DType, multiply: f32, add: f32, rows: impl Iterator<Item = &'a [u8]>, out: &mut [u8], bytes: usize) {
        rows.zip(out.chunks_exact_mut(bytes)).for_each(|(from, to)| scale_row(dtype, multiply, add, from, to));
    }
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn avx2<'a>(dtype: DType, multiply: f32, add: f32, rows: impl Iterator<Item = &'a [u8]>, out: &mut [u8], bytes: usize) {
            portable(dtype, multiply, add, rows, out, bytes);
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the feature was just found on this processor.
            return unsafe { avx2(dtype, multiply, add, rows, out, bytes) };
        }
    }
    portable(dtype, multiply, add, rows, out, bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(bytes: &[u8]) -> Vec<f32> {
        bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_ne_bytes(bytes)).collect()
    }

    #[test]
    fn every_real_dtype_scales() {
        for &dtype in DType::ALL {
            let Ok(convert) = Convert::scale(dtype, 0.5, 1.0) else {
                assert!(dtype.is_complex());
                continue;
            };
            let stored: Vec<u8> = rustorch_base::with_dtype!(dtype, T => encode::<T>());
            let mut out = [0; 12];
            assert_eq!(convert.bytes_out(stored.len()), Some(12));
            convert.row(&stored, &mut out);
            let last = if dtype == DType::Bool { 1.5 } else { 2.0 };
            assert_eq!(floats(&out), [1.0, 1.5, last], "{dtype:?}");
        }
    }

    /// 0, 1 and 2 in the bytes of a type.
    fn encode<T: rustorch_base::dtype::Element>() -> Vec<u8> {
        use DType::*;
        [0_u8, 1, 2]
            .into_iter()
            .flat_map(|x| match T::DTYPE {
                Float16 => f16::from_f32(x.into()).to_ne_bytes().to_vec(),
                BFloat16 => bf16::from_f32(x.into()).to_ne_bytes().to_vec(),
                Float32 => f32::from(x).to_ne_bytes().to_vec(),
                Float64 => f64::from(x).to_ne_bytes().to_vec(),
                _ => u64::from(x).to_le_bytes()[..size_of::<T>()].to_vec(),
            })
            .collect()
    }

    #[test]
    fn integers_widen_with_their_sign() {
        let stored: Vec<u8> = [-1_i16, 300].into_iter().flat_map(i16::to_ne_bytes).collect();
        let mut out = [0; 16];
        Convert::widen(DType::Int16).unwrap().row(&stored, &mut out);
        assert_eq!(out, [(-1_i64).to_ne_bytes(), 300_i64.to_ne_bytes()].concat()[..]);
        assert!(Convert::widen(DType::Float32).is_err() && Convert::widen(DType::UInt64).is_err());
    }

    #[test]
    fn a_wide_row_scales_to_the_last_element() {
        let row: Vec<u8> = (0..=255).chain(0..45).collect();
        let mut out = vec![0; 4 * row.len()];
        Convert::scale(DType::UInt8, 1.0 / 255.0, 0.0).unwrap().row(&row, &mut out);
        let expected: Vec<f32> = row.iter().map(|&x| f32::from(x) * (1.0 / 255.0)).collect();
        assert_eq!(floats(&out), expected);
    }

    #[test]
    fn foreign_byte_order_is_turned() {
        let mut out = [0; 8];
        Convert::Swap(4).row(&[1, 2, 3, 4, 5, 6, 7, 8], &mut out);
        assert_eq!(out, [4, 3, 2, 1, 8, 7, 6, 5]);
        assert_eq!(Convert::Swap(4).bytes_out(6), None);
    }
}
