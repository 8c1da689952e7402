//! The models that can be named: Chinese and multilingual ones that fastembed knows.

use fastembed::{EmbeddingModel, ModelInfo, TextEmbedding};

use crate::embedding::EmbeddingError;

/// A model by name.
pub struct Known {
    /// The name in `embedding.model`.
    pub name: &'static str,
    /// What fastembed calls it.
    pub model: EmbeddingModel,
}

/// What bge's Chinese models were trained to see in front of a query.
const BGE_ZH_QUERY: &str = "为这个句子生成表示以用于检索相关文章：";

/// In the order in which errors list them.
pub const KNOWN: [Known; 10] = [
    Known {
        name: "bge-small-zh-v1.5",
        model: EmbeddingModel::BGESmallZHV15,
    },
    Known {
        name: "bge-large-zh-v1.5",
        model: EmbeddingModel::BGELargeZHV15,
    },
    Known {
        name: "bge-m3",
        model: EmbeddingModel::BGEM3,
    },
    Known {
        name: "multilingual-e5-small",
        model: EmbeddingModel::MultilingualE5Small,
    },
    Known {
        name: "multilingual-e5-base",
        model: EmbeddingModel::MultilingualE5Base,
    },
    Known {
        name: "multilingual-e5-large",
        model: EmbeddingModel::MultilingualE5Large,
    },
    Known {
        name: "paraphrase-multilingual-minilm-l12-v2",
        model: EmbeddingModel::ParaphraseMLMiniLML12V2,
    },
    Known {
        name: "paraphrase-multilingual-minilm-l12-v2-q",
        model: EmbeddingModel::ParaphraseMLMiniLML12V2Q,
    },
    Known {
        name: "paraphrase-multilingual-mpnet-base-v2",
        model: EmbeddingModel::ParaphraseMLMpnetBaseV2,
    },
    Known {
        name: "embeddinggemma-300m",
        model: EmbeddingModel::EmbeddingGemma300M,
    },
];

impl Known {
    /// The model of that name, in any case, with or without its owner (`BAAI/bge-m3`).
    pub fn find(name: &str) -> Option<&'static Known> {
        let name = name.trim().to_lowercase();
        let name = name.rsplit('/').next().unwrap_or_default();
        KNOWN.iter().find(|known| known.name == name)
    }

    /// What fastembed knows of the model: repository and files.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`] if this version of fastembed does not have it.
    pub fn info(&self) -> Result<&ModelInfo<EmbeddingModel>, EmbeddingError> {
        TextEmbedding::get_model_info(&self.model).map_err(|error| {
            EmbeddingError::Model(format!("embedding model {}: {error}", self.name))
        })
    }

    /// What a model wants in front of queries and of passages, by its name in lower case.
    pub fn instructions_by_name(name: &str) -> [&'static str; 2] {
        if name.contains("bge") && name.contains("zh") {
            [BGE_ZH_QUERY, ""]
        } else if name.contains("e5") {
            ["query: ", "passage: "]
        } else if name.contains("embeddinggemma") {
            ["task: search result | query: ", "title: none | text: "]
        } else {
            ["", ""]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_model_has_a_repository() {
        for known in &KNOWN {
            assert!(
                known.info().unwrap().model_code.contains('/'),
                "{}",
                known.name
            );
            assert_eq!(Known::find(known.name).unwrap().name, known.name);
        }
        assert_eq!(Known::find(" BAAI/BGE-M3 ").unwrap().name, "bge-m3");
        assert!(Known::find("bge-small-en-v1.5").is_none());
    }

    #[test]
    fn instructions_follow_the_name() {
        assert_eq!(
            Known::instructions_by_name("bge-small-zh-v1.5"),
            [BGE_ZH_QUERY, ""]
        );
        assert_eq!(Known::instructions_by_name("bge-m3"), ["", ""]);
        assert_eq!(
            Known::instructions_by_name("multilingual-e5-base"),
            ["query: ", "passage: "]
        );
    }
}
