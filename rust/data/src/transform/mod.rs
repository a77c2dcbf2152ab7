//! What happens to an encoded image on its way into a batch: decoded ([`decode`]), cut and scaled ([`geometry`]),
//! written as planes of bytes or floats ([`planes`]).
pub mod decode;
pub mod geometry;
pub mod pixels;
pub mod planes;
