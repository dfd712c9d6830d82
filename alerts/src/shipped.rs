//! The rule files that are evaluated unless `rules.shipped: false`, compiled in so that the binary is enough.

/// File names and texts. `watchdog.yml` is not among them: an alert that always fires is for those who have set up
/// somebody to miss it, and would page everybody else.
pub const SHIPPED_RULES: [(&str, &str); 4] = [
    ("shipped/breakers.yml", include_str!("../rules/breakers.yml")),
    ("shipped/certificates.yml", include_str!("../rules/certificates.yml")),
    ("shipped/daemon.yml", include_str!("../rules/daemon.yml")),
    ("shipped/host.yml", include_str!("../rules/host.yml")),
];
