//! Where a stream stands: a few integers and the fingerprint of the source they belong to.
use rustorch_base::{Error, Result, bail, ensure};
use std::collections::BTreeMap;

/// Layout of the saved map. Raised when a number changes its meaning.
const VERSION: u64 = 1;
/// First words of the refusal to go on with another source.
pub const CHANGED_SOURCE: &str = "the source has changed since this state was saved";

/// A place in the stream: `position` samples of `epoch` have been consumed by all ranks together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State {
    pub fingerprint: u64,
    /// One number for the way of shuffling.
    pub order: u64,
    pub len: u64,
    pub seed: u64,
    pub epoch: u64,
    pub position: u64,
}

impl State {
    pub fn to_map(&self) -> BTreeMap<&'static str, u64> {
        let State { fingerprint, order, len, seed, epoch, position } = *self;
        BTreeMap::from([
            ("version", VERSION),
            ("fingerprint", fingerprint),
            ("order", order),
            ("len", len),
            ("seed", seed),
            ("epoch", epoch),
            ("position", position),
        ])
    }

    /// Reads what [`State::to_map`] wrote: `get` looks a name up.
    pub fn from_map(get: impl Fn(&str) -> Option<u64>) -> Result<State> {
        let number = |name: &str| get(name).ok_or_else(|| Error::key(format!("the loader's state has no '{name}'")));
        let version = number("version")?;
        ensure!(version == VERSION, value, "the loader's state has version {version}, but this one reads version {VERSION}");
        Ok(State {
            fingerprint: number("fingerprint")?,
            order: number("order")?,
            len: number("len")?,
            seed: number("seed")?,
            epoch: number("epoch")?,
            position: number("position")?,
        })
    }

    /// Refuses to go on with another source or another way of shuffling: the stream would not be the same.
    pub fn check(&self, fingerprint: u64, len: u64, order: u64) -> Result<()> {
        if self.len != len {
            bail!(value, "{CHANGED_SOURCE}: it had {} samples and now has {len}", self.len);
        }
        if self.fingerprint != fingerprint {
            bail!(value, "{CHANGED_SOURCE}: its fingerprint was {:016x} and now is {fingerprint:016x}", self.fingerprint);
        }
        ensure!(self.order == order, value, "this state was saved under another shuffle; its order cannot be continued under this one");
        ensure!(self.position <= len, value, "the loader's state stands at position {} of {len} samples", self.position);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVED: State = State { fingerprint: 0xabc, order: 1, len: 100, seed: 7, epoch: 3, position: 40 };

    #[test]
    fn the_map_gives_the_state_back() {
        let map = SAVED.to_map();
        assert_eq!(State::from_map(|name| map.get(name).copied()).unwrap(), SAVED);
        let error = State::from_map(|name| map.get(name).copied().filter(|_| name != "epoch")).unwrap_err();
        assert_eq!(error.message, "the loader's state has no 'epoch'");
        assert!(State::from_map(|name| map.get(name).map(|n| n + 1)).unwrap_err().message.contains("version 2"));
    }

    #[test]
    fn a_changed_source_is_refused_by_name() {
        SAVED.check(0xabc, 100, 1).unwrap();
        for (fingerprint, len) in [(0xabd, 100), (0xabc, 101)] {
            assert!(SAVED.check(fingerprint, len, 1).unwrap_err().message.starts_with(CHANGED_SOURCE));
        }
        assert!(SAVED.check(0xabc, 100, 0).unwrap_err().message.contains("another shuffle"));
        assert!(State { position: 101, ..SAVED }.check(0xabc, 100, 1).is_err());
    }
}
