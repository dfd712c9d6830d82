//! Groups: one status from several checks.

use breakwatch_plugin_api::{ComponentId, Diagnostics, Key, Node, Place, Section, parse_ratio};

use crate::values;

/// The kind under which groups are written.
pub(crate) const KIND: &str = "group";

/// How many members must be healthy for the group to be no worse than degraded.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum MinHealthy {
    /// This share (above 0, at most 1).
    Share(f64),
    /// This many.
    Count(u32),
}

impl Default for MinHealthy {
    /// Half of them.
    fn default() -> Self {
        Self::Share(0.5)
    }
}

impl MinHealthy {
    /// How many of `members` that are; at least one.
    #[must_use]
    pub fn of(self, members: usize) -> usize {
        let wanted = match self {
            Self::Count(count) => count as usize,
            // Counted up: of three members 50 % are two, as one is less than half.
            Self::Share(share) => (share * members as f64 - 1e-9).ceil().max(0.0) as usize,
        };
        wanted.max(1)
    }
}

/// A derived status: healthy when all members are, degraded when enough are, else unhealthy.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Group {
    /// Checks or other groups.
    pub members: Vec<(ComponentId, Place)>,
    /// How many of them must be healthy.
    pub min_healthy: MinHealthy,
}

impl Group {
    pub(super) fn read(
        settings: &Node,
        key: &Key,
        known: &[&str],
        diagnostics: &Diagnostics,
    ) -> Option<Self> {
        let id = ComponentId::parse(&key.name).ok()?;
        let mut section = Section::open(settings, diagnostics)?;
        let written = section.required("members");
        let members = written.map(|node| read_ids(node, &id, known, diagnostics)).unwrap_or_default();
        if let Some(node) = written
            && node.as_list().is_some_and(<[Node]>::is_empty)
        {
            diagnostics.error(&node.place, "a group needs at least one member");
        }
        let min_healthy = section.parse("min_healthy", read_min_healthy).unwrap_or_default();
        if let MinHealthy::Count(count) = min_healthy
            && count as usize > members.len()
            && !members.is_empty()
        {
            let message =
                format!("`min_healthy` is {count}, more than the group's members ({})", members.len());
            section.error_at("min_healthy", message);
        }
        section.finish();
        Some(Self { members, min_healthy })
    }
}

fn read_min_healthy(text: &str) -> Result<MinHealthy, String> {
    let expected = || "a share such as `50%` or a number of members such as `2`".to_owned();
    if let Ok(count) = text.parse::<u32>() {
        return if count > 0 { Ok(MinHealthy::Count(count)) } else { Err(expected()) };
    }
    match parse_ratio(text) {
        Ok(share) if share > 0.0 => Ok(MinHealthy::Share(share)),
        _ => Err(expected()),
    }
}

/// Reads a list of ids of checks, each of which must exist, be another check, and stand there once.
pub(crate) fn read_ids(
    node: &Node,
    own: &ComponentId,
    known: &[&str],
    diagnostics: &Diagnostics,
) -> Vec<(ComponentId, Place)> {
    let single = std::slice::from_ref(node);
    let Some(items) = node.as_list().or_else(|| node.as_str().map(|_| single)) else {
        diagnostics.error(&node.place, format!("expected a list of check ids, found {}", node.describe()));
        return Vec::new();
    };
    let mut ids: Vec<(ComponentId, Place)> = Vec::new();
    for item in items {
        let Some(text) = item.as_str() else {
            diagnostics.error(&item.place, format!("expected a check id, found {}", item.describe()));
            continue;
        };
        match ComponentId::parse(text) {
            Err(message) => diagnostics.error(&item.place, message),
            Ok(id) if id == *own => diagnostics.error(&item.place, format!("`{id}` names itself")),
            Ok(id) if ids.iter().any(|(known, _)| *known == id) => {
                diagnostics.error(&item.place, format!("`{id}` is named twice"));
            }
            Ok(id) => {
                if !known.contains(&text) {
                    let message = format!("there is no check `{text}`");
                    values::unknown(item, message, text, known.iter().copied(), diagnostics);
                }
                ids.push((id, item.place.clone()));
            }
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_counted_up_and_never_none() {
        let half = MinHealthy::Share(0.5);
        assert_eq!([1, 2, 3, 4].map(|n| half.of(n)), [1, 1, 2, 2]);
        assert_eq!(MinHealthy::Share(0.3).of(10), 3, "0.3 * 10 is a little over 3 in binary");
        assert_eq!(MinHealthy::Share(0.01).of(3), 1);
        assert_eq!(MinHealthy::Count(2).of(3), 2);
    }

    #[test]
    fn shares_and_counts_are_told_apart() {
        assert_eq!(read_min_healthy("50%"), Ok(MinHealthy::Share(0.5)));
        assert_eq!(read_min_healthy("0.5"), Ok(MinHealthy::Share(0.5)));
        assert_eq!(read_min_healthy("2"), Ok(MinHealthy::Count(2)));
        for bad in ["0", "0%", "NaN", "-1", "150%", "most"] {
            assert!(read_min_healthy(bad).is_err(), "{bad}");
        }
    }
}
