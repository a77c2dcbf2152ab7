//! One number for what a source was when it was opened. It is saved with a stream's state, so its value may not change
//! from release to release: FNV-1a over bytes, which is a page long in any language.

pub struct Fingerprint(u64);

impl Fingerprint {
    /// `kind` tells sources of different formats apart.
    pub fn new(kind: &str) -> Fingerprint {
        let mut fingerprint = Fingerprint(0xcbf2_9ce4_8422_2325);
        fingerprint.text(kind);
        fingerprint
    }
    fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    pub fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }
    /// The length goes in too, so that "ab", "c" differs from "a", "bc".
    pub fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes(text.as_bytes());
    }
    pub fn finish(&self) -> u64 {
        self.0
    }
}
