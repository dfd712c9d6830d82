//! Where Go's `text/template`, Go's `html/template` and Prometheus differ: how a set of templates is run.

/// What a missing key of a map reads as.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MissingKey {
    /// No value, printed as `<no value>`: Go's own default.
    Invalid,
    /// The zero of the map's element, the empty string for labels: what Prometheus and Alertmanager use.
    #[default]
    Zero,
    /// An error.
    Error,
}

/// What happens to the values a template prints.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Escaping {
    /// They print as they are: `text/template`.
    #[default]
    None,
    /// They are escaped for the place they print in: `html/template`.
    Html,
}
