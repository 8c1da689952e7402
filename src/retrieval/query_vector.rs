//! The vector of a query, within a deadline.
//!
//! A model may take long, or hang. It runs on a thread of its own, one query at a time; a query
//! that is not served in time goes on without a vector, and says so.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::time::Instant;

use crate::embedding::{Embedder, EmbeddingError};

/// Queries that may wait for the model; one more goes on without a vector at once.
const QUEUE_LENGTH: usize = 64;

struct Job {
    text: String,
    deadline: Option<Instant>,
    reply: SyncSender<Result<Vec<f32>, EmbeddingError>>,
}

/// Embeds queries on a thread of its own, or in place where the model answers at once.
pub struct QueryEmbedder {
    embedder: Arc<dyn Embedder>,
    jobs: Option<SyncSender<Job>>,
}

/// A vector on its way.
pub enum Pending {
    /// Already there.
    Ready(Result<Vec<f32>, EmbeddingError>),
    /// The model is at it.
    Waiting(Receiver<Result<Vec<f32>, EmbeddingError>>),
    /// Too many wait already.
    Refused,
    /// There is no model, or the index holds no vectors of it.
    Unavailable,
}

/// Why there is no vector.
#[derive(Debug)]
pub enum NoVector {
    /// The model failed.
    Failed(EmbeddingError),
    /// The model did not answer in time.
    Late,
    /// There is no model, or the index holds no vectors of it.
    Unavailable,
}

impl QueryEmbedder {
    /// Starts the thread, if the model needs one; it ends when the embedder is dropped.
    ///
    /// # Errors
    /// Whatever the system says when no thread can be started.
    pub fn start(embedder: Arc<dyn Embedder>) -> std::io::Result<Self> {
        if embedder.answers_at_once() {
            return Ok(Self {
                embedder,
                jobs: None,
            });
        }
        let (jobs, queue) = mpsc::sync_channel::<Job>(QUEUE_LENGTH);
        let model = Arc::clone(&embedder);
        std::thread::Builder::new()
            .name("query-embedder".to_owned())
            .spawn(move || {
                for job in queue {
                    if job
                        .deadline
                        .is_none_or(|deadline| Instant::now() < deadline)
                    {
                        // Nobody waits any more when this fails.
                        let _ = job.reply.send(model.embed_query(&job.text));
                    }
                }
            })?;
        Ok(Self {
            embedder,
            jobs: Some(jobs),
        })
    }

    /// Asks for the vector of `text`; the model begins while the caller does other work.
    pub fn ask(&self, text: &str, deadline: Option<Instant>) -> Pending {
        let Some(jobs) = &self.jobs else {
            return Pending::Ready(self.embedder.embed_query(text));
        };
        let (reply, receiver) = mpsc::sync_channel(1);
        match jobs.try_send(Job {
            text: text.to_owned(),
            deadline,
            reply,
        }) {
            Ok(()) => Pending::Waiting(receiver),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Pending::Refused,
        }
    }
}

impl Pending {
    /// Waits for the vector, until the deadline at most.
    ///
    /// # Errors
    /// [`NoVector`] when there is none.
    pub fn wait(self, deadline: Option<Instant>) -> Result<Vec<f32>, NoVector> {
        let outcome = match (self, deadline) {
            (Self::Refused, _) => return Err(NoVector::Late),
            (Self::Unavailable, _) => return Err(NoVector::Unavailable),
            (Self::Ready(outcome), _) => outcome,
            (Self::Waiting(receiver), None) => receiver.recv().map_err(|_| NoVector::Late)?,
            (Self::Waiting(receiver), Some(deadline)) => {
                let left = deadline.saturating_duration_since(Instant::now());
                receiver.recv_timeout(left).map_err(|_| NoVector::Late)?
            }
        };
        outcome.map_err(NoVector::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model that answers when it is allowed to.
    struct Slow(std::sync::Mutex<Receiver<()>>);

    impl Embedder for Slow {
        fn id(&self) -> &str {
            "slow"
        }
        fn dimension(&self) -> usize {
            2
        }
        fn embed_passages(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbeddingError> {
            texts.iter().map(|text| self.embed_query(text)).collect()
        }
        fn embed_query(&self, _text: &str) -> Result<Vec<f32>, EmbeddingError> {
            let gate = self
                .0
                .lock()
                .map_err(|error| EmbeddingError::Run(error.to_string()))?;
            gate.recv()
                .map_err(|error| EmbeddingError::Run(error.to_string()))?;
            Ok(vec![1.0, 0.0])
        }
    }

    #[test]
    fn a_late_model_is_not_waited_for_and_an_allowed_one_answers() {
        let (allow, gate) = mpsc::channel();
        let model = Arc::new(Slow(std::sync::Mutex::new(gate)));
        let queries = QueryEmbedder::start(model).unwrap();
        let late = queries.ask("养老金", None).wait(Some(Instant::now()));
        assert!(matches!(late, Err(NoVector::Late)), "{late:?}");
        allow.send(()).unwrap();
        allow.send(()).unwrap();
        assert_eq!(queries.ask("养老金", None).wait(None).unwrap(), [1.0, 0.0]);
    }
}
