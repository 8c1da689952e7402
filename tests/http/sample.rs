//! The sample corpus behind the server under test, searched in earnest.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use zhiku::corpus::Limits;
use zhiku::document::Audience;
use zhiku::embedding::StaticEmbedder;
use zhiku::engine::{Ingredients, PassageIndex};
use zhiku::lexical::{Admission, Filters};
use zhiku::records::Records;
use zhiku::retrieval::fusion::FusionMethod;
use zhiku::retrieval::{RetrievalSettings, Retriever};
use zhiku::sync::{Silent, Updater};
use zhiku::text::{Analyser, Lexicon};

use crate::server::FakeBackend;

/// A question in everyday words.
#[derive(Deserialize)]
pub struct Question {
    pub query: String,
}

/// Questions that the sample corpus answers.
pub fn questions() -> Vec<Question> {
    let lines = std::fs::read_to_string("tests/data/questions.jsonl").unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A backend that searches an index of the sample corpus, kept in `folder`.
pub fn sample_backend(folder: &Path) -> FakeBackend {
    let corpus = Path::new("corpus");
    let (lexicon, _) = Lexicon::load(&corpus.join("_lexicon"));
    let ingredients = Ingredients {
        analyser: Analyser::with_lexicon(&lexicon),
        embedder: Some(Arc::new(StaticEmbedder::built_in().unwrap())),
    };
    let index = Arc::new(PassageIndex::open(folder, ingredients).unwrap());
    let mut records = Records::open(&folder.join("records.sqlite")).unwrap();
    Updater {
        index: &index,
        records: &mut records,
        corpus,
        limits: Limits::default(),
        progress: &Silent,
    }
    .bring_up_to_date(false)
    .unwrap();
    let settings = RetrievalSettings {
        fusion: FusionMethod::Weighted {
            lexical_weight: 0.6,
        },
        by_sound: true,
        n_candidates: 200,
        time_zone: jiff::tz::TimeZone::UTC,
    };
    let everything = (
        &Filters::default(),
        jiff::civil::date(2026, 11, 20),
        &Audience::Internal.into(),
        Admission::Any,
    );
    let snapshot = index.snapshot();
    let (_, stored) = snapshot.words.documents(everything, 0, usize::MAX).unwrap();
    let retriever = Retriever::new(index, settings).unwrap();
    FakeBackend {
        documents: stored.into_iter().map(|stored| stored.document).collect(),
        ..FakeBackend::answering(move |request| retriever.search(request))
    }
}
