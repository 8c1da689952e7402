//! A corpus and an index in a temporary folder, and what opens them: for tests that go from files to
//! answers.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use zhiku::corpus::Limits;
use zhiku::embedding::StaticEmbedder;
use zhiku::engine::{Ingredients, PassageIndex};
use zhiku::records::Records;
use zhiku::retrieval::fusion::FusionMethod;
use zhiku::retrieval::{RetrievalSettings, Retriever};
use zhiku::sync::{Progress, Silent, Summary, Updater};
use zhiku::text::{Analyser, Lexicon};

pub struct Site {
    pub root: TempDir,
}

impl Site {
    /// A corpus of these files: path and text.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let site = Self {
            root: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(site.corpus()).unwrap();
        for (path, text) in files {
            site.write(path, text);
        }
        site
    }

    pub fn corpus(&self) -> PathBuf {
        self.root.path().join("corpus")
    }

    pub fn index(&self) -> PathBuf {
        self.root.path().join("index")
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.corpus().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn open(&self) -> Open {
        open(&self.index(), &self.corpus())
    }
}

/// An index of `corpus` in `folder`, with the lexicon of that corpus.
pub fn open(folder: &Path, corpus: &Path) -> Open {
    Open {
        index: Arc::new(PassageIndex::open(folder, ingredients(corpus)).unwrap()),
        records: Records::open(&folder.join("records.sqlite")).unwrap(),
        corpus: corpus.to_owned(),
    }
}

pub fn ingredients(corpus: &Path) -> Ingredients {
    Ingredients {
        analyser: analyser(corpus),
        embedder: Some(Arc::new(StaticEmbedder::built_in().unwrap())),
    }
}

pub fn analyser(corpus: &Path) -> Analyser {
    let (lexicon, problems) = Lexicon::load(&corpus.join("_lexicon"));
    assert!(problems.is_empty(), "{problems:?}");
    Analyser::with_lexicon(&lexicon)
}

/// An index that is open for writing.
pub struct Open {
    pub index: Arc<PassageIndex>,
    pub records: Records,
    pub corpus: PathBuf,
}

impl Open {
    pub fn updater<'a>(&'a mut self, progress: &'a dyn Progress) -> Updater<'a> {
        Updater {
            index: &self.index,
            records: &mut self.records,
            corpus: &self.corpus,
            limits: Limits::default(),
            progress,
        }
    }

    pub fn update(&mut self) -> Summary {
        self.updater(&Silent).bring_up_to_date(false).unwrap()
    }
}

pub fn retriever(index: &Arc<PassageIndex>) -> Retriever {
    let settings = RetrievalSettings {
        fusion: FusionMethod::Weighted {
            lexical_weight: 0.6,
        },
        n_candidates: 100,
        by_sound: true,
        time_zone: jiff::tz::TimeZone::UTC,
    };
    Retriever::new(index.clone(), settings).unwrap()
}
