//! What a readable setting may not be.

use jiff::tz::TimeZone;

use super::Config;

/// The first setting out of its limits: its key, and what would be right.
pub(super) fn check_values(config: &Config) -> Result<(), (&'static str, String)> {
    let positive = [
        ("limits.max_file_bytes", config.limits.max_file_bytes),
        ("server.max_body_bytes", config.server.max_body_bytes as u64),
        ("watch.poll_interval_s", config.watch.poll_interval_s),
        ("assist.idle_minutes", config.assist.idle_minutes),
        ("assist.max_calls", config.assist.max_calls as u64),
        ("assist.retention_days", config.assist.retention_days),
        (
            "server.request_timeout_ms",
            config.server.request_timeout_ms,
        ),
        ("server.header_timeout_ms", config.server.header_timeout_ms),
        (
            "access.anonymous_burst",
            u64::from(config.access.anonymous_burst),
        ),
        ("access.key_burst", u64::from(config.access.key_burst)),
        (
            "access.attempts_per_minute",
            u64::from(config.access.attempts_per_minute),
        ),
        (
            "access.audit_retention_days",
            config.access.audit_retention_days,
        ),
        (
            "server.search_deadline_ms",
            config.server.search_deadline_ms,
        ),
    ];
    if let Some((key, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
        return Err((
            key,
            "0 would refuse everything; give a positive number".to_owned(),
        ));
    }
    if config.server.search_deadline_ms > config.server.request_timeout_ms {
        let reason = format!(
            "{} is longer than server.request_timeout_ms ({}), so it would never be reached",
            config.server.search_deadline_ms, config.server.request_timeout_ms
        );
        return Err(("server.search_deadline_ms", reason));
    }
    let weight = config.retrieval.lexical_weight;
    if !(0.0..=1.0).contains(&weight) {
        return Err((
            "retrieval.lexical_weight",
            format!("{weight} is not in 0.0..=1.0"),
        ));
    }
    let confidence = config.assist.min_confidence;
    if !(0.0..=1.0).contains(&confidence) {
        return Err((
            "assist.min_confidence",
            format!("{confidence} is not in 0.0..=1.0"),
        ));
    }
    for (key, value, most) in [
        ("assist.idle_minutes", config.assist.idle_minutes, 10_080),
        (
            "assist.retention_days",
            config.assist.retention_days,
            36_500,
        ),
        (
            "access.audit_retention_days",
            config.access.audit_retention_days,
            36_500,
        ),
    ] {
        if value > most {
            return Err((key, format!("{value} is not in 1..={most}")));
        }
    }
    check_access(config)?;
    let candidates = config.retrieval.candidates;
    if !(1..=10_000).contains(&candidates) {
        return Err((
            "retrieval.candidates",
            format!("{candidates} is not in 1..=10000"),
        ));
    }
    let max_risk = config.answer.max_risk;
    if !(0.0..=0.5).contains(&max_risk) {
        return Err((
            "answer.max_risk",
            format!("{max_risk} is not in 0..=0.5; 0.05 means at most 5% wrong answers"),
        ));
    }
    if config.embedding.model.trim().is_empty() {
        let reason = "is empty; `built-in` needs nothing to be installed".to_owned();
        return Err(("embedding.model", reason));
    }
    if let Err(err) = tracing_subscriber::EnvFilter::try_new(&config.log.level) {
        let reason = format!(
            "{:?}: {err}; use error, warn, info, debug or trace",
            config.log.level
        );
        return Err(("log.level", reason));
    }
    time_zone(&config.corpus.time_zone)
        .map(drop)
        .map_err(|reason| ("corpus.time_zone", reason))
}

fn check_access(config: &Config) -> Result<(), (&'static str, String)> {
    let access = &config.access;
    for (key, rate) in [
        ("access.anonymous_rate", access.anonymous_rate),
        ("access.key_rate", access.key_rate),
    ] {
        if !(0.001..=1e6).contains(&rate) {
            let reason = format!("{rate} is not in 0.001..=1000000 requests a second");
            return Err((key, reason));
        }
    }
    for origin in &access.cors_origins {
        let host = origin
            .strip_prefix("https://")
            .or(origin.strip_prefix("http://"));
        let is_origin = host.is_some_and(|host| {
            !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
        });
        if origin != "*" && !is_origin {
            let reason = format!(
                "{origin:?} is no origin; write `https://host` or `https://host:port` without a path, \
                 or `*`"
            );
            return Err(("access.cors_origins", reason));
        }
    }
    match (&config.server.tls_certificate, &config.server.tls_key) {
        (Some(_), None) => Err((
            "server.tls_key",
            "is missing: server.tls_certificate is given".to_owned(),
        )),
        (None, Some(_)) => Err((
            "server.tls_certificate",
            "is missing: server.tls_key is given".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// An IANA name or a fixed offset; the reason when it is neither.
pub(super) fn time_zone(name: &str) -> Result<TimeZone, String> {
    if let Ok(zone) = TimeZone::get(name) {
        return Ok(zone);
    }
    // China has had one offset since 1991, so a system without a time zone database still knows
    // its days.
    if name == "Asia/Shanghai" {
        return Ok(TimeZone::fixed(jiff::tz::offset(8)));
    }
    let with_offset = format!("2026-01-01T00:00:00{name}");
    match jiff::fmt::temporal::Pieces::parse(&with_offset) {
        Ok(pieces) => match pieces.to_numeric_offset() {
            Some(offset) => Ok(TimeZone::fixed(offset)),
            None => Err(unknown_zone(name)),
        },
        Err(_) => Err(unknown_zone(name)),
    }
}

fn unknown_zone(name: &str) -> String {
    format!(
        "{name:?} is not a time zone of this system; use a name such as `Asia/Shanghai` \
         (needs the package tzdata) or an offset such as `+08:00`"
    )
}
