//! Random streams.

/// A source of random numbers that ops draw from.
pub struct Generator;
