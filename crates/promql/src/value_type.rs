//! The four types of PromQL's expressions.

/// The type of an expression's value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ValueType {
    /// One number per evaluation time.
    Scalar,
    /// A set of series with one sample each per evaluation time.
    Vector,
    /// A set of series with a window of samples each per evaluation time.
    Matrix,
    /// A text.
    String,
}

impl ValueType {
    /// The word of the documentation, which error messages use.
    #[must_use]
    pub const fn documented(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::String => "string",
        }
    }

    /// The word of the HTTP API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "vector",
            Self::Matrix => "matrix",
            Self::String => "string",
        }
    }
}
