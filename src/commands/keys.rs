//! `zhiku keys`: the API keys of a server, and the book of what was done with them.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::json;

use super::Places;
use super::output::{print, print_line};
use super::versions::shown_time;
use super::workplace::access_path;
use crate::access::{AuditRecord, Key, KeyState, KeyStore, NewKey, Role};
use crate::config::{Config, nearest};
use crate::sight::Scope;

#[derive(Debug, Subcommand)]
pub enum Subcommands {
    /// Make a key, and print its token once
    Create(Create),
    /// List the keys that were made
    List(List),
    /// Withdraw a key: from now on it lets nobody in
    Revoke(Revoke),
    /// Show what editors and administrators did, and what was refused
    Audit(Audit),
}

#[derive(Debug, Args)]
pub struct Create {
    #[command(flatten)]
    places: Places,
    /// What it lets do: public, agent, editor or admin
    #[arg(long)]
    role: Role,
    /// For whom or what it is
    #[arg(long)]
    name: Option<String>,
    /// Only documents of this department; may stand more than once
    #[arg(long, value_name = "NAME")]
    department: Vec<String>,
    /// Only documents of this region and of no region; may stand more than once
    #[arg(long, value_name = "NAME")]
    region: Vec<String>,
    /// Requests a second in the long run, such as 20/s [default: access.key_rate]
    #[arg(long, value_name = "N/s", value_parser = read_rate)]
    rate: Option<f64>,
    /// Requests at once [default: access.key_burst]
    #[arg(long, value_name = "N")]
    burst: Option<u32>,
    /// Last day on which it counts, such as 2030-12-31
    #[arg(long, value_name = "DATE")]
    expires: Option<Date>,
    /// Print one JSON object, token included
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    places: Places,
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct Revoke {
    #[command(flatten)]
    places: Places,
    /// The key's id, the second part of its token
    id: String,
}

#[derive(Debug, Args)]
pub struct Audit {
    #[command(flatten)]
    places: Places,
    /// Lines to show, the newest
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// Print lines of JSON
    #[arg(long)]
    json: bool,
}

pub fn run(subcommand: Subcommands) -> anyhow::Result<ExitCode> {
    match subcommand {
        Subcommands::Create(arguments) => create(arguments),
        Subcommands::List(arguments) => list(&arguments),
        Subcommands::Revoke(arguments) => revoke(&arguments),
        Subcommands::Audit(arguments) => audit(&arguments),
    }
}

fn create(arguments: Create) -> anyhow::Result<ExitCode> {
    let config = arguments.places.config()?;
    let zone = config.time_zone()?;
    let ends = |day: Date| -> anyhow::Result<Timestamp> {
        let after = day
            .checked_add(1.day())
            .context("--expires is too far away")?;
        Ok(after.to_zoned(zone.clone())?.timestamp())
    };
    let new = NewKey {
        name: arguments.name,
        role: arguments.role,
        scope: Scope::new(arguments.department, arguments.region),
        rate: arguments.rate,
        burst: arguments.burst,
        expires_at: arguments.expires.map(ends).transpose()?,
    };
    let mut store = KeyStore::open(&access_path(&config))?;
    let is_first = store.list()?.0.is_empty();
    let (key, token) = store.create(&new, Timestamp::now())?;
    if arguments.json {
        let mut object = to_json(&key);
        object["token"] = token.reveal().into();
        print_line(&object.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    print_line(&token.reveal())?;
    eprintln!(
        "zhiku: this is the token of key {}; it is not kept and cannot be shown again. \
         Send it as `Authorization: Bearer …`",
        key.id
    );
    if is_first {
        eprintln!(
            "zhiku: it is the first key: from now on callers without one see what access.anonymous \
             lets them see, on this machine too"
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn list(arguments: &List) -> anyhow::Result<ExitCode> {
    let config = arguments.places.config()?;
    let Some(store) = existing(&config)? else {
        if arguments.json {
            print_line("[]")?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let (keys, damaged) = store.list()?;
    for error in damaged {
        eprintln!("zhiku: {error}");
    }
    if arguments.json {
        let keys: Vec<_> = keys.iter().map(to_json).collect();
        print_line(&serde_json::to_string(&keys)?)?;
    } else {
        let zone = config.time_zone()?;
        for key in &keys {
            print(&line(key, &zone))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn revoke(arguments: &Revoke) -> anyhow::Result<ExitCode> {
    let config = arguments.places.config()?;
    let Some(mut store) = existing(&config)? else {
        return Ok(ExitCode::FAILURE);
    };
    // Whoever pastes the whole token means its key.
    let id = arguments.id.strip_prefix("zk_").unwrap_or(&arguments.id);
    let id = id.split('_').next().unwrap_or(id);
    match store.revoke(id, Timestamp::now())? {
        Some(true) => eprintln!("zhiku: key {id} counts for nothing any more"),
        Some(false) => eprintln!("zhiku: key {id} was withdrawn before"),
        None => {
            let (keys, _) = store.list()?;
            match nearest(id, keys.iter().map(|key| key.id.as_str())) {
                Some(near) => bail!("there is no key {id:?}; did you mean {near}?"),
                None => bail!("there is no key {id:?}; `zhiku keys list` shows those there are"),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn audit(arguments: &Audit) -> anyhow::Result<ExitCode> {
    let config = arguments.places.config()?;
    let Some(store) = existing(&config)? else {
        return Ok(ExitCode::SUCCESS);
    };
    let zone = config.time_zone()?;
    for record in store.audit(arguments.limit)?.iter().rev() {
        match arguments.json {
            true => print_line(&audit_json(record).to_string())?,
            false => print(&audit_line(record, &zone))?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The keys, if any were ever made.
fn existing(config: &Config) -> anyhow::Result<Option<KeyStore>> {
    let path = access_path(config);
    if !path.exists() {
        eprintln!(
            "zhiku: no key was made yet in {}; `zhiku keys create --role agent` makes one",
            config.index.path.display()
        );
        return Ok(None);
    }
    Ok(Some(KeyStore::open(&path)?))
}

/// `20` or `20/s`.
fn read_rate(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches("/s");
    number
        .parse()
        .map_err(|_| format!("{text:?} is no rate; write requests a second, such as 20/s"))
}

fn line(key: &Key, zone: &TimeZone) -> String {
    let mut line = format!("{}  {:<6}  ", key.id, key.role.name());
    line.push_str(match key.state(Timestamp::now()) {
        KeyState::Active => "有效",
        KeyState::Expired => "过期",
        KeyState::Revoked => "撤销",
    });
    line.push_str(&format!("  {}", shown_time(key.created_at, zone)));
    if let Some(expires_at) = key.expires_at {
        line.push_str(&format!("  至 {}", shown_time(expires_at, zone)));
    }
    for (what, names) in [
        ("部门", key.scope.departments()),
        ("地区", key.scope.regions()),
    ] {
        if !names.is_empty() {
            line.push_str(&format!("  {what} {}", names.join("、")));
        }
    }
    if let Some(rate) = key.rate {
        line.push_str(&format!("  {rate}/s"));
    }
    if let Some(name) = &key.name {
        line.push_str(&format!("  {name}"));
    }
    line.push('\n');
    line
}

fn to_json(key: &Key) -> serde_json::Value {
    let time = |time: Timestamp| format!("{time:.3}");
    json!({
        "id": key.id,
        "name": key.name,
        "role": key.role.name(),
        "departments": key.scope.departments(),
        "regions": key.scope.regions(),
        "rate": key.rate,
        "burst": key.burst,
        "state": key.state(Timestamp::now()).name(),
        "created_at": time(key.created_at),
        "expires_at": key.expires_at.map(time),
        "revoked_at": key.revoked_at.map(time),
    })
}

fn audit_line(record: &AuditRecord, zone: &TimeZone) -> String {
    let key = match record.key_id.as_str() {
        "" => "-",
        id => id,
    };
    format!(
        "{}  {key:<10}  {:<9}  {:<15}  {} {}  {}  ×{}\n",
        shown_time(record.at, zone),
        record.role,
        record.address,
        record.action,
        record.route,
        record.outcome,
        record.n
    )
}

fn audit_json(record: &AuditRecord) -> serde_json::Value {
    json!({
        "seq": record.seq,
        "at": format!("{:.3}", record.at),
        "key_id": Some(&record.key_id).filter(|id| !id.is_empty()),
        "role": record.role,
        "address": record.address,
        "action": record.action,
        "route": record.route,
        "outcome": record.outcome,
        "n": record.n,
    })
}
