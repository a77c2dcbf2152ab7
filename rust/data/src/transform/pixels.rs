//! Memory for decoded images, kept by each thread from image to image.
use fast_image_resize::Resizer;
use memmap2::MmapMut;
use rustorch_base::{Error, Result};
use std::cell::RefCell;

/// A buffer beyond this is given back after the image that needed it.
const KEPT: usize = 64 << 20;

/// Bytes that take memory only where they have been written: an image that claims to be large, and is not, costs what
/// it really decodes to.
#[derive(Default)]
pub struct PixelBuffer {
    map: Option<MmapMut>,
}

impl PixelBuffer {
    /// At least `bytes` bytes, holding whatever the last image left.
    pub fn bytes(&mut self, bytes: usize) -> Result<&mut [u8]> {
        let held = self.map.as_ref().map_or(0, |map| map.len());
        if held < bytes || held > KEPT {
            self.map = None;
        }
        let map = match self.map.take() {
            Some(map) => map,
            None => MmapMut::map_anon(bytes.max(1 << 16))
                .map_err(|e| Error::out_of_memory(format!("an image of {bytes} bytes does not fit into memory: {e}")))?,
        };
        Ok(&mut self.map.insert(map)[..bytes])
    }
}

/// What one thread needs to turn records into samples.
#[derive(Default)]
pub struct Scratch {
    /// The record as stored.
    pub encoded: Vec<u8>,
    /// The image as decoded, then as RGB where that is not what was decoded.
    pub decoded: PixelBuffer,
    pub rgb: PixelBuffer,
    pub scaled: Vec<u8>,
    pub resizer: Resizer,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Runs `work` with this thread's scratch memory.
pub fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with_borrow_mut(work)
}
