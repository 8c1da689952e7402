//! The configuration.
//!
//! 1. `zhiku.toml`, as shipped and with every setting uncommented, is the default configuration,
//!    and names every setting exactly once.
//! 2. Flags win over the environment, the environment over the file, the file over the defaults.
//! 3. A wrong key or value is an error that names where it was set, the key, and what would be right.

use std::path::{Path, PathBuf};

use zhiku::config::{Config, ConfigError, Fusion, LogFormat, Overrides};
use zhiku::document::Audience;

const SHIPPED: &str = include_str!("../zhiku.toml");

/// `zhiku.toml` with `#key = value` lines made settings; prose comments have a space after `#`.
fn uncommented() -> String {
    let setting = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => rest.to_owned(),
        _ => line.to_owned(),
    };
    SHIPPED.lines().map(setting).collect::<Vec<_>>().join("\n")
}

fn load(
    file: &str,
    environment: &[(&str, &str)],
    overrides: &Overrides,
) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.toml");
    std::fs::write(&path, file).unwrap();
    let environment = environment
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()));
    Config::load(Some(&path), environment, overrides)
}

fn check_error(file: &str, environment: &[(&str, &str)], expected: &[&str]) {
    let error = match load(file, environment, &Overrides::default()) {
        Ok(config) => panic!("{file:?} with {environment:?} was accepted: {config:?}"),
        Err(error) => error.to_string(),
    };
    for part in expected {
        assert!(
            error.contains(part),
            "{file:?} with {environment:?}: no {part:?} in: {error}"
        );
    }
}

#[test]
fn shipped_file_is_the_default_configuration() {
    let none = Overrides::default();
    assert_eq!(load(SHIPPED, &[], &none).unwrap(), Config::default());
    assert_eq!(load(&uncommented(), &[], &none).unwrap(), Config::default());
}

#[test]
fn shipped_file_names_every_setting() {
    let keys = |value: &toml::Table| -> Vec<String> {
        let sections = value.iter();
        let keys = sections.flat_map(|(section, keys)| {
            keys.as_table()
                .unwrap()
                .keys()
                .map(move |key| format!("{section}.{key}"))
        });
        keys.collect()
    };
    let shipped: toml::Table = toml::from_str(&uncommented()).unwrap();
    let settings = toml::Table::try_from(Config::default()).unwrap();
    assert_eq!(keys(&shipped), keys(&settings));
}

#[test]
fn shipped_file_explains_every_setting() {
    let lines: Vec<&str> = SHIPPED.lines().collect();
    for (i, line) in lines.iter().enumerate().skip(1) {
        if line.starts_with('#') && !line.starts_with("# ") && *line != "#" {
            assert!(
                lines[i - 1].starts_with("# "),
                "line {}: {line} has no comment above it",
                i + 1
            );
        }
    }
}

#[test]
fn later_sources_win() {
    let file = "[server]\nlisten = \"127.0.0.1:1\"\naudience = \"public\"\n\
                [corpus]\npath = \"from-file\"\n[retrieval]\nfusion = \"reciprocal_rank\"";
    let environment = [
        ("ZHIKU_SERVER__LISTEN", "127.0.0.1:2"),
        ("ZHIKU_CORPUS__PATH", "2024"),
        ("ZHIKU_RETRIEVAL__LEXICAL_WEIGHT", "0.25"),
        ("ZHIKU_LOG__FORMAT", "json"),
        ("ZHIKU_TEST_ONNX_MODEL", "not a setting"),
        ("HOME", "/root"),
    ];
    let overrides = Overrides {
        listen: Some("127.0.0.1:3".parse().unwrap()),
        ..Overrides::default()
    };
    let config = load(file, &environment, &overrides).unwrap();
    assert_eq!(config.server.listen.port(), 3, "the flag wins");
    assert_eq!(
        config.corpus.path,
        Path::new("2024"),
        "a number is text where text is wanted"
    );
    assert_eq!(config.retrieval.lexical_weight, 0.25);
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.server.audience, Audience::Public);
    assert_eq!(config.retrieval.fusion, Fusion::ReciprocalRank);
    assert_eq!(
        config.index.path,
        Path::new("index"),
        "the rest keeps its defaults"
    );
}

#[test]
fn optional_settings_are_none_when_blank() {
    let environment = [
        ("ZHIKU_EMBEDDING__CACHE_DIR", "models"),
        ("ZHIKU_EMBEDDING__ONNX_RUNTIME", ""),
    ];
    let embedding = load("", &environment, &Overrides::default())
        .unwrap()
        .embedding;
    assert_eq!(embedding.cache_dir, Some(PathBuf::from("models")));
    assert_eq!(embedding.onnx_runtime, None);
    assert_eq!(embedding.mirror, None);
}

#[test]
fn unknown_keys_are_named_with_the_nearest_known_one() {
    check_error(
        "[server]\nliste = \"127.0.0.1:80\"",
        &[],
        &["site.toml", "`server.liste`", "did you mean `listen`?"],
    );
    check_error(
        "[sever]\nlisten = \"127.0.0.1:80\"",
        &[],
        &["`sever`", "did you mean `server`?"],
    );
    check_error(
        "[log]\ncolour = true",
        &[],
        &["`log.colour`", "known here: format, level"],
    );
    check_error("corpus = \"docs\"", &[], &["`corpus`", "[corpus]"]);
    check_error(
        "",
        &[("ZHIKU_CORPUS__PAHT", "x")],
        &[
            "environment variable ZHIKU_CORPUS__PAHT",
            "`corpus.paht`",
            "did you mean `path`?",
        ],
    );
}

#[test]
fn wrong_values_are_named_with_where_they_were_set() {
    check_error(
        "[server]\nmax_body_bytes = \"big\"",
        &[],
        &["site.toml", "`server.max_body_bytes`", "\"big\""],
    );
    check_error(
        "[server]\nlisten = \"8080\"",
        &[],
        &["`server.listen`", "socket address"],
    );
    check_error(
        "[server]\naudience = \"staff\"",
        &[],
        &["`server.audience`", "internal (内部)"],
    );
    check_error(
        "[log]\nformat = \"xml\"",
        &[],
        &["`log.format`", "xml", "json"],
    );
    check_error(
        "[log]\nlevel = \"zhiku=loud\"",
        &[],
        &["`log.level`", "debug"],
    );
    check_error(
        "[corpus]\ntime_zone = \"Asia/Yunxi\"",
        &[],
        &["`corpus.time_zone`", "Asia/Shanghai"],
    );
    check_error(
        "[limits]\nmax_file_bytes = -1",
        &[],
        &["`limits.max_file_bytes`"],
    );
    check_error(
        "[server]\nsearch_deadline_ms = 60000",
        &[],
        &["`server.search_deadline_ms`"],
    );
    check_error(
        "",
        &[("ZHIKU_RETRIEVAL__LEXICAL_WEIGHT", "1.5")],
        &[
            "ZHIKU_RETRIEVAL__LEXICAL_WEIGHT",
            "`retrieval.lexical_weight`",
            "1.5",
        ],
    );
    check_error(
        "",
        &[("ZHIKU_RETRIEVAL__LEXICAL_WEIGHT", "nan")],
        &["`retrieval.lexical_weight`"],
    );
    check_error("[server\n", &[], &["site.toml", "not valid TOML", "line 1"]);
}

#[test]
fn a_named_file_must_exist() {
    let missing = Path::new("no/such/file.toml");
    let error = Config::load(Some(missing), [], &Overrides::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("no/such/file.toml: cannot be read"),
        "{error}"
    );
}

#[test]
fn time_zones_are_names_or_offsets() {
    let check = |name: &str, expected_seconds: i32| {
        let file = format!("[corpus]\ntime_zone = \"{name}\"");
        let zone = load(&file, &[], &Overrides::default())
            .unwrap()
            .time_zone()
            .unwrap();
        let offset = zone.to_offset(jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(offset.seconds(), expected_seconds, "{name}");
    };
    check("Asia/Shanghai", 8 * 3600);
    check("+08:00", 8 * 3600);
    check("-03:30", -(3 * 3600 + 1800));
}
