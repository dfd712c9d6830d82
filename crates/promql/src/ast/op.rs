//! Operators and aggregators: their spelling, precedence and kind.

use std::fmt;

/// A binary operator.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Mod,
    /// `^`
    Pow,
    /// `atan2`
    Atan2,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<=`
    LessEqual,
    /// `<`
    Less,
    /// `>=`
    GreaterEqual,
    /// `>`
    Greater,
    /// `and`
    And,
    /// `or`
    Or,
    /// `unless`
    Unless,
}

impl BinaryOp {
    /// The operator as it is printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Atan2 => "atan2",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::LessEqual => "<=",
            Self::Less => "<",
            Self::GreaterEqual => ">=",
            Self::Greater => ">",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        }
    }

    /// Whether it compares.
    #[must_use]
    pub const fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Equal | Self::NotEqual | Self::LessEqual | Self::Less | Self::GreaterEqual | Self::Greater
        )
    }

    /// Whether it works on sets of series: `and`, `or`, `unless`.
    #[must_use]
    pub const fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }

    /// How tightly it binds; higher binds tighter.
    #[must_use]
    pub const fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And | Self::Unless => 2,
            Self::Add | Self::Sub => 4,
            Self::Mul | Self::Div | Self::Mod | Self::Atan2 => 5,
            Self::Pow => 6,
            _ => 3,
        }
    }

    /// Whether `a op b op c` means `a op (b op c)`.
    #[must_use]
    pub const fn is_right_associative(self) -> bool {
        matches!(self, Self::Pow)
    }
}

impl fmt::Display for BinaryOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A unary operator.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum UnaryOp {
    /// `+`, which changes nothing but keeps the metric name.
    Plus,
    /// `-`
    Minus,
}

impl UnaryOp {
    /// The operator as it is printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plus => "+",
            Self::Minus => "-",
        }
    }
}

/// Declares the aggregators with their names once.
macro_rules! aggregators {
    ($($variant:ident = $name:literal: $doc:literal;)*) => {
        /// What an aggregation computes for each group.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum AggregateOp {
            $(#[doc = $doc] $variant,)*
        }

        impl AggregateOp {
            /// Every aggregator.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The aggregator's name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The aggregator of this (lower-case) name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

aggregators! {
    Avg = "avg": "The arithmetic mean.";
    BottomK = "bottomk": "The series with the `k` smallest values.";
    Count = "count": "The number of series.";
    CountValues = "count_values": "The number of series of each value.";
    Group = "group": "1 for every group.";
    LimitK = "limitk": "`k` of the series, the same at every time.";
    LimitRatio = "limit_ratio": "About this part of the series, the same at every time.";
    Max = "max": "The largest value.";
    Min = "min": "The smallest value.";
    Quantile = "quantile": "A quantile of the values.";
    Stddev = "stddev": "The population standard deviation.";
    Stdvar = "stdvar": "The population variance.";
    Sum = "sum": "The sum.";
    TopK = "topk": "The series with the `k` largest values.";
}

impl AggregateOp {
    /// Whether it takes a parameter before the vector.
    #[must_use]
    pub const fn has_param(self) -> bool {
        matches!(
            self,
            Self::BottomK | Self::CountValues | Self::LimitK | Self::LimitRatio | Self::Quantile | Self::TopK
        )
    }

    /// Whether Prometheus calls it experimental.
    #[must_use]
    pub const fn is_experimental(self) -> bool {
        matches!(self, Self::LimitK | Self::LimitRatio)
    }
}

impl fmt::Display for AggregateOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
