//! `zhiku search`: one query against the index.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::{Args, ValueEnum};
use jiff::civil::Date;

use super::Places;
use super::output::{print, print_line};
use super::workplace::open_retriever;
use crate::document::{Audience, Kind, Validity};
use crate::http::search_reply_json;
use crate::retrieval::{
    Admission, Filters, Group, Hit, Mode, RelatedDocument, SearchRequest, SearchResponse,
};

/// How much of a hit's text is shown on a terminal.
const SHOWN_CHARS: usize = 120;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ModeName {
    Hybrid,
    Lexical,
    Vector,
}

impl ModeName {
    /// As it is written on the command line and in reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hybrid => "hybrid",
            Self::Lexical => "lexical",
            Self::Vector => "vector",
        }
    }
}

impl From<ModeName> for Mode {
    fn from(name: ModeName) -> Self {
        match name {
            ModeName::Hybrid => Mode::Hybrid,
            ModeName::Lexical => Mode::Lexical,
            ModeName::Vector => Mode::Vector,
        }
    }
}

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    places: Places,
    /// What to look for
    query: String,
    /// Number of hits, at most 100
    #[arg(long, default_value_t = 10)]
    limit: usize,
    /// Which indexes take part
    #[arg(long, value_enum, default_value = "hybrid")]
    mode: ModeName,
    /// Only documents of this department (repeatable)
    #[arg(long, value_name = "NAME")]
    department: Vec<String>,
    /// Only this kind: policy, regulation, faq, guide, script, case (repeatable)
    #[arg(long, value_name = "KIND")]
    kind: Vec<Kind>,
    /// Only documents for this region (repeatable)
    #[arg(long, value_name = "NAME")]
    region: Vec<String>,
    /// Rules in force on this day instead of today, e.g. 2026-11-20
    #[arg(long, value_name = "DATE")]
    as_of: Option<Date>,
    /// Show what was repealed, has expired or is not yet in force too, marked; without this only
    /// where the query cites it
    #[arg(long)]
    include_invalid: bool,
    /// Who asks: public, agent or internal
    #[arg(long, default_value = "internal")]
    audience: Audience,
    /// Every passage for itself, not one per document
    #[arg(long)]
    passages: bool,
    /// Say how each score came about
    #[arg(long)]
    explain: bool,
    /// Print the answer as JSON, as POST /v1/search gives it
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = arguments.places.config()?;
    crate::telemetry::start_logging(&config.log)?;
    let retriever = open_retriever(&config)?;
    let request = SearchRequest {
        query: arguments.query,
        limit: arguments.limit,
        mode: arguments.mode.into(),
        filters: Filters {
            department: arguments.department,
            kind: arguments.kind,
            region: arguments.region,
            ..Filters::default()
        },
        as_of: arguments.as_of,
        admission: match arguments.include_invalid {
            true => Admission::Any,
            false => Admission::InForce,
        },
        sight: arguments.audience.into(),
        group: if arguments.passages {
            Group::None
        } else {
            Group::Document
        },
        explain: arguments.explain,
        with_facets: true,
        with_asked: false,
        deadline: None,
    };
    let began = Instant::now();
    let response = retriever
        .search(&request)
        .context("the query cannot be answered")?;
    let took = began.elapsed();
    if arguments.json {
        print_line(&search_reply_json(response, took)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for degraded in &response.degraded {
        eprintln!("注意：本次结果降级（{}）", degraded.name());
    }
    print(&to_text(&response))?;
    Ok(ExitCode::SUCCESS)
}

fn to_text(response: &SearchResponse) -> String {
    if response.hits.is_empty() {
        return "没有找到相关内容\n".to_owned();
    }
    (1..)
        .zip(&response.hits)
        .map(|(n, hit)| hit_to_text(n, hit))
        .collect()
}

fn hit_to_text(n: usize, hit: &Hit) -> String {
    let validity = match hit.validity {
        Validity::InForce => "",
        Validity::NotYet => "【尚未施行】",
        Validity::Expired => "【已失效】",
        Validity::Repealed => "【已废止】",
    };
    let place = match hit.heading.join(" / ") {
        heading if heading.is_empty() => String::new(),
        heading => format!(" › {heading}"),
    };
    let source = [
        hit.department.as_deref(),
        hit.doc_no.as_deref(),
        Some(hit.citation.path.as_str()),
    ];
    let source = source.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    let text: String = hit.text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    let mut lines = vec![
        format!("{n}. {validity}{}{place}  ({:.3})", hit.title, hit.score),
        format!("   来源：{source}"),
        format!("   {shown}"),
    ];
    for successor in &hit.replaced_by {
        lines.push(format!("   被替代：{}", related_to_text(successor)));
    }
    for other in &hit.also_in {
        lines.push(format!("   同见：{}（{}）", other.title, other.document_id));
    }
    for line in hit
        .explanation
        .iter()
        .flat_map(|explanation| explanation.lines())
    {
        lines.push(format!("   | {line}"));
    }
    lines.join("\n") + "\n"
}

/// 云溪市养犬管理办法（云府规〔2026〕3号，2027-01-01 起施行）
fn related_to_text(related: &RelatedDocument) -> String {
    let begins = related.effective_from.map(|day| format!("{day} 起施行"));
    let known: Vec<String> = related.doc_no.iter().cloned().chain(begins).collect();
    match known.is_empty() {
        true => related.title.clone(),
        false => format!("{}（{}）", related.title, known.join("，")),
    }
}
