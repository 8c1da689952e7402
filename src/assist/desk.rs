//! All calls that go on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

use super::call::{Attributes, Call, Recommendations, Settings};
use super::offers::Search;
use super::transcript::Utterance;
use crate::retrieval::SearchError;

/// Why a call cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeskError {
    /// As many go on as are allowed.
    #[error("{0} calls go on, which is the limit")]
    Full(usize),
}

/// The calls that go on, by id.
#[derive(Debug)]
pub struct Desk {
    calls: Mutex<HashMap<String, Arc<OpenCall>>>,
    max_calls: usize,
    /// A call in which nothing happens for so long is over.
    idle: Duration,
}

/// A call that several may listen to.
#[derive(Debug)]
pub struct OpenCall {
    call: Mutex<Call>,
    last_used: Mutex<Instant>,
    /// The newest revision; who listens reads the newest state, however many there were between.
    news: watch::Sender<u64>,
}

impl Desk {
    /// No call goes on yet.
    pub fn new(max_calls: usize, idle: Duration) -> Self {
        Self {
            calls: Mutex::default(),
            max_calls,
            idle,
        }
    }

    /// The call of that id, begun if it is new. Attributes that were not known before are noted.
    ///
    /// # Errors
    /// [`DeskError::Full`]
    pub fn open(&self, id: &str, attributes: Attributes) -> Result<Arc<OpenCall>, DeskError> {
        let mut calls = lock(&self.calls);
        if let Some(known) = calls.get(id) {
            let known = known.clone();
            drop(calls);
            known.touch();
            let mut call = lock(&known.call);
            let noted = &mut call.attributes;
            noted.agent = noted.agent.take().or(attributes.agent);
            noted.region = noted.region.take().or(attributes.region);
            noted.channel = noted.channel.take().or(attributes.channel);
            drop(call);
            return Ok(known);
        }
        if calls.len() >= self.max_calls {
            calls.retain(|_, call| !call.is_idle(self.idle));
            if calls.len() >= self.max_calls {
                return Err(DeskError::Full(self.max_calls));
            }
        }
        let call = Arc::new(OpenCall {
            call: Mutex::new(Call::new(id, attributes, Timestamp::now())),
            last_used: Mutex::new(Instant::now()),
            news: watch::Sender::new(0),
        });
        calls.insert(id.to_owned(), call.clone());
        Ok(call)
    }

    /// The call of that id, if it goes on.
    pub fn get(&self, id: &str) -> Option<Arc<OpenCall>> {
        lock(&self.calls).get(id).cloned()
    }

    /// Ends a call; whoever listens is told. Whether it went on.
    pub fn end(&self, id: &str) -> bool {
        let Some(ended) = lock(&self.calls).remove(id) else {
            return false;
        };
        ended.end();
        true
    }

    /// Ends calls in which nothing has happened for long; how many there were.
    pub fn end_idle(&self) -> usize {
        let mut ended = Vec::new();
        lock(&self.calls).retain(|_, call| {
            let is_idle = call.is_idle(self.idle);
            if is_idle {
                ended.push(call.clone());
            }
            !is_idle
        });
        for call in &ended {
            call.end();
        }
        ended.len()
    }

    /// How many calls go on.
    pub fn n_calls(&self) -> usize {
        lock(&self.calls).len()
    }
}

impl OpenCall {
    /// Takes in what was said, one after the other, and tells who listens. What the agent should see
    /// from now on, if that changed.
    ///
    /// Calls wait for each other only within one call.
    ///
    /// # Errors
    /// [`SearchError`]; what was said is kept.
    pub fn hear(
        &self,
        utterances: Vec<Utterance>,
        search: Search<'_>,
        settings: &Settings,
    ) -> Result<Option<Arc<Recommendations>>, SearchError> {
        self.touch();
        let mut call = lock(&self.call);
        let mut changed = None;
        for utterance in utterances {
            if let Some(recommendations) = call.hear(utterance, search, settings)? {
                self.news.send_replace(recommendations.revision);
                changed = Some(recommendations);
            }
        }
        Ok(changed)
    }

    /// [`Call::dismiss`]
    pub fn dismiss(&self, recommendation_id: &str) -> bool {
        self.touch();
        let mut call = lock(&self.call);
        let is_known = call.dismiss(recommendation_id);
        if let Some(latest) = call.latest() {
            self.news.send_replace(latest.revision);
        }
        is_known
    }

    /// Looks at the call.
    pub fn read<T>(&self, look: impl FnOnce(&Call) -> T) -> T {
        look(&lock(&self.call))
    }

    /// The newest revision, as it changes; ends with the call.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    fn touch(&self) {
        *lock(&self.last_used) = Instant::now();
    }

    fn is_idle(&self, idle: Duration) -> bool {
        lock(&self.last_used).elapsed() >= idle
    }

    fn end(&self) {
        lock(&self.call).is_ended = true;
        // Wakes who listens; the revision stays what it is.
        self.news.send_modify(|_| {});
    }
}

/// A panic while a call is held leaves that call as it was then.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_and_end() {
        let desk = Desk::new(2, Duration::from_secs(60));
        let first = desk.open("a", Attributes::default()).unwrap();
        let known = Attributes {
            agent: Some("7".into()),
            ..Attributes::default()
        };
        assert!(Arc::ptr_eq(&desk.open("a", known).unwrap(), &first));
        assert_eq!(
            first.read(|call| call.attributes.agent.clone()),
            Some("7".into())
        );
        desk.open("b", Attributes::default()).unwrap();
        assert_eq!(
            desk.open("c", Attributes::default()).unwrap_err(),
            DeskError::Full(2)
        );
        let mut news = first.news();
        assert!(desk.end("a") && !desk.end("a"));
        assert!(news.has_changed().unwrap() && *news.borrow_and_update() == 0);
        assert!(first.read(|call| call.is_ended));
        desk.open("c", Attributes::default()).unwrap();
        assert_eq!((desk.n_calls(), desk.end_idle()), (2, 0));
    }

    #[test]
    fn idle_calls_make_room() {
        let desk = Desk::new(1, Duration::ZERO);
        desk.open("a", Attributes::default()).unwrap();
        desk.open("b", Attributes::default()).unwrap();
        assert!(desk.get("a").is_none());
        assert_eq!((desk.end_idle(), desk.n_calls()), (1, 0));
    }
}
