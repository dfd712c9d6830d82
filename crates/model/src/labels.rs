//! Label sets: the identity of a series, an alert or a group.
//!
//! A set is sorted by name, holds each name once, and never holds an empty value (in Prometheus' data
//! model an empty value is the same as an absent label). Cloning is one reference count.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// The label that carries a series' metric name.
pub const METRIC_NAME: &str = "__name__";

/// A stable 64-bit digest of a label set, equal to the fingerprint Prometheus and Alertmanager compute
/// (FNV-1a over `name 0xff value 0xff` in name order) and printed the same way: 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Fingerprint(pub u64);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// An immutable, sorted set of `name="value"` pairs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Labels(Arc<[(Arc<str>, Arc<str>)]>);

impl Labels {
    /// The set without labels.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::from([]))
    }

    /// Builds a set from pairs in any order. Empty values are left out; of a name given twice the last
    /// value stays.
    pub fn from_pairs<N: Into<Arc<str>>, V: Into<Arc<str>>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.set(name, value);
        }
        builder.build()
    }

    /// Wraps pairs that are already sorted by name, unique and without empty values (a store reading back
    /// what it wrote). Anything else is put in order first.
    #[must_use]
    pub fn from_sorted(pairs: Vec<(Arc<str>, Arc<str>)>) -> Self {
        let sorted = pairs.windows(2).all(|w| w[0].0 < w[1].0) && pairs.iter().all(|(_, v)| !v.is_empty());
        if sorted { Self(pairs.into()) } else { Self::from_pairs(pairs) }
    }

    /// The value of `name`, if the set has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_shared(name).map(|v| &**v)
    }

    /// The shared value of `name`, for building another set without copying text.
    #[must_use]
    pub fn get_shared(&self, name: &str) -> Option<&Arc<str>> {
        // Sets are small: a linear scan beats a binary search up to a dozen labels.
        self.0.iter().find(|(n, _)| &**n == name).map(|(_, v)| v)
    }

    /// The value of `name`, or `""` when the set has none.
    #[must_use]
    pub fn value(&self, name: &str) -> &str {
        self.get(name).unwrap_or("")
    }

    /// The metric name, or `""`.
    #[must_use]
    pub fn metric_name(&self) -> &str {
        self.value(METRIC_NAME)
    }

    /// Pairs in name order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + '_ {
        self.0.iter().map(|(n, v)| (&**n, &**v))
    }

    /// Pairs in name order, shared.
    #[must_use]
    pub fn pairs(&self) -> &[(Arc<str>, Arc<str>)] {
        &self.0
    }

    /// How many labels the set has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the set has no labels.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// This set with `name` set to `value` (or removed, if the value is empty).
    #[must_use]
    pub fn with(&self, name: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> Self {
        let mut builder = self.to_builder();
        builder.set(name, value);
        builder.build()
    }

    /// This set without `name`.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        if self.get(name).is_none() {
            return self.clone();
        }
        Self(self.0.iter().filter(|(n, _)| &**n != name).cloned().collect())
    }

    /// This set without its metric name.
    #[must_use]
    pub fn without_name(&self) -> Self {
        self.without(METRIC_NAME)
    }

    /// Only the labels for which `keep(name)` holds.
    #[must_use]
    pub fn filtered(&self, mut keep: impl FnMut(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|(n, _)| keep(n)).cloned().collect())
    }

    /// This set with every label of `other` laid over it.
    #[must_use]
    pub fn merged(&self, other: &Self) -> Self {
        let mut builder = self.to_builder();
        for (name, value) in other.0.iter() {
            builder.set(Arc::clone(name), Arc::clone(value));
        }
        builder.build()
    }

    /// A builder that starts from this set.
    #[must_use]
    pub fn to_builder(&self) -> LabelsBuilder {
        LabelsBuilder { pairs: self.0.to_vec() }
    }

    /// See [`Fingerprint`].
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        let mut hash = OFFSET;
        let mut eat = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
            }
            hash = (hash ^ 0xff).wrapping_mul(PRIME);
        };
        for (name, value) in self.0.iter() {
            eat(name.as_bytes());
            eat(value.as_bytes());
        }
        Fingerprint(hash)
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self::empty()
    }
}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for Labels {
    /// As Prometheus prints a series: `name{a="b", c="d"}`, `{}` when empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.metric_name();
        f.write_str(name)?;
        let mut rest = self.iter().filter(|(n, _)| *n != METRIC_NAME).peekable();
        if rest.peek().is_none() {
            return if name.is_empty() { f.write_str("{}") } else { Ok(()) };
        }
        f.write_str("{")?;
        for (i, (name, value)) in rest.enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{name}={value:?}")?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<N: Into<Arc<str>>, V: Into<Arc<str>>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self::from_pairs(pairs)
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = std::collections::BTreeMap::<String, String>::deserialize(deserializer)?;
        Ok(Self::from_pairs(map))
    }
}

/// Collects labels one by one; [`LabelsBuilder::build`] gives the sorted set.
#[derive(Clone, Default, Debug)]
pub struct LabelsBuilder {
    pairs: Vec<(Arc<str>, Arc<str>)>,
}

impl LabelsBuilder {
    /// Sets `name` to `value`; an empty value removes the label.
    pub fn set(&mut self, name: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> &mut Self {
        let (name, value) = (name.into(), value.into());
        match self.pairs.iter().position(|(n, _)| *n == name) {
            Some(at) if value.is_empty() => {
                self.pairs.swap_remove(at);
            }
            Some(at) => self.pairs[at].1 = value,
            None if value.is_empty() => {}
            None => self.pairs.push((name, value)),
        }
        self
    }

    /// Removes `name`.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.pairs.retain(|(n, _)| &**n != name);
        self
    }

    /// The value set so far for `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(n, _)| &**n == name).map(|(_, v)| &**v)
    }

    /// The finished set.
    #[must_use]
    pub fn build(mut self) -> Labels {
        self.pairs.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Labels(self.pairs.into())
    }
}

/// Whether `name` is a label name in Prometheus' classic form: `[a-zA-Z_][a-zA-Z0-9_]*`.
#[must_use]
pub fn is_valid_label_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether `name` is a metric name in Prometheus' classic form: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
#[must_use]
pub fn is_valid_metric_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || b == b':')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_unique_and_without_empty_values() {
        let labels = Labels::from_pairs([("b", "2"), ("a", "1"), ("b", "3"), ("c", "")]);
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "3")]);
        assert_eq!(labels.without("a").with("b", ""), Labels::empty());
    }

    #[test]
    fn fingerprint_is_the_one_prometheus_prints() {
        // The value Alertmanager's API shows for {alertname="test"} and for the empty set.
        assert_eq!(Labels::empty().fingerprint().to_string(), "cbf29ce484222325");
        let other = Labels::from_pairs([("alertname", "test")]).fingerprint();
        assert_ne!(other, Labels::from_pairs([("alertnam", "etest")]).fingerprint());
    }

    #[test]
    fn prints_like_a_series() {
        assert_eq!(Labels::empty().to_string(), "{}");
        assert_eq!(Labels::from_pairs([("__name__", "up")]).to_string(), "up");
        let labels = Labels::from_pairs([("__name__", "up"), ("job", "a\"b"), ("az", "c")]);
        assert_eq!(labels.to_string(), r#"up{az="c", job="a\"b"}"#);
    }
}
