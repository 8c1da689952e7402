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
    /// Held while something is looked for.
    call: Mutex<Call>,
    /// The state that others see. Held for a moment only.
    view: Mutex<Arc<CallView>>,
    last_used: Mutex<Instant>,
    /// The newest revision; who listens reads the newest state, however many there were between.
    news: watch::Sender<u64>,
}

/// A call at one moment.
#[derive(Clone, Debug)]
pub struct CallView {
    /// Given by the client.
    pub id: String,
    /// What else is known of it.
    pub attributes: Attributes,
    /// When it was first heard of; tells calls of one id apart.
    pub started_at: Timestamp,
    /// Whether it is over: what is said later changes nothing.
    pub is_ended: bool,
    /// The last part of what was said.
    pub utterances: Vec<Utterance>,
    /// What the agent sees; `None` while there was nothing to say.
    pub latest: Option<Arc<Recommendations>>,
}

impl CallView {
    /// How often what the agent sees has changed.
    pub fn revision(&self) -> u64 {
        self.latest.as_ref().map_or(0, |latest| latest.revision)
    }
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
        if let Some(known) = calls.get(id).cloned() {
            drop(calls);
            known.touch();
            known.change_view(|view| {
                let noted = &mut view.attributes;
                noted.agent = noted.agent.take().or(attributes.agent);
                noted.region = noted.region.take().or(attributes.region);
                noted.channel = noted.channel.take().or(attributes.channel);
            });
            return Ok(known);
        }
        let idle = match calls.len() >= self.max_calls {
            true => take_idle(&mut calls, self.idle),
            false => Vec::new(),
        };
        let is_full = calls.len() >= self.max_calls;
        let call = Arc::new(OpenCall::new(id, attributes));
        if !is_full {
            calls.insert(id.to_owned(), call.clone());
        }
        drop(calls);
        for call in idle {
            call.end();
        }
        match is_full {
            true => Err(DeskError::Full(self.max_calls)),
            false => Ok(call),
        }
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
        let ended = take_idle(&mut lock(&self.calls), self.idle);
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

/// Takes out the calls in which nothing has happened for so long.
fn take_idle(calls: &mut HashMap<String, Arc<OpenCall>>, idle: Duration) -> Vec<Arc<OpenCall>> {
    let idle = calls.extract_if(|_, call| call.is_idle(idle));
    idle.map(|(_, call)| call).collect()
}

impl OpenCall {
    fn new(id: &str, attributes: Attributes) -> Self {
        Self {
            call: Mutex::new(Call::new(id)),
            view: Mutex::new(Arc::new(CallView {
                id: id.to_owned(),
                attributes,
                started_at: Timestamp::now(),
                is_ended: false,
                utterances: Vec::new(),
                latest: None,
            })),
            last_used: Mutex::new(Instant::now()),
            news: watch::Sender::new(0),
        }
    }

    /// Takes in what was said, one after the other, and tells who listens. What the agent should see
    /// from now on, if that changed.
    ///
    /// Blocks while something is looked for; calls wait for each other only within one call.
    ///
    /// # Errors
    /// The first [`SearchError`]; everything that was said is kept.
    pub fn hear(
        &self,
        utterances: Vec<Utterance>,
        search: Search<'_>,
        settings: &Settings,
    ) -> Result<Option<Arc<Recommendations>>, SearchError> {
        self.touch();
        let mut call = lock(&self.call);
        let mut changed = Ok(None);
        for utterance in utterances {
            if self.view().is_ended {
                break;
            }
            let heard = call.hear(utterance, search, settings);
            self.show(&call);
            match heard {
                Ok(Some(recommendations)) if changed.is_ok() => changed = Ok(Some(recommendations)),
                Ok(_) => {}
                Err(error) if changed.is_ok() => changed = Err(error),
                Err(_) => {}
            }
        }
        changed
    }

    /// [`Call::dismiss`]. Blocks while something is looked for.
    pub fn dismiss(&self, recommendation_id: &str) -> bool {
        self.touch();
        let mut call = lock(&self.call);
        let is_known = call.dismiss(recommendation_id);
        self.show(&call);
        is_known
    }

    /// The call as it is now.
    pub fn view(&self) -> Arc<CallView> {
        lock(&self.view).clone()
    }

    /// The newest revision, as it changes; the end of the call counts as a change.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Lets others see the state of the call.
    fn show(&self, call: &Call) {
        let before = self.view().revision();
        self.change_view(|view| {
            view.utterances = call.transcript().utterances().cloned().collect();
            view.latest = call.latest().cloned();
        });
        let now = self.view().revision();
        if now != before {
            self.news.send_replace(now);
        }
    }

    fn change_view(&self, change: impl FnOnce(&mut CallView)) {
        let mut view = lock(&self.view);
        change(Arc::make_mut(&mut view));
    }

    fn touch(&self) {
        *lock(&self.last_used) = Instant::now();
    }

    fn is_idle(&self, idle: Duration) -> bool {
        lock(&self.last_used).elapsed() >= idle
    }

    fn end(&self) {
        self.change_view(|view| view.is_ended = true);
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
        assert_eq!(first.view().attributes.agent.clone(), Some("7".into()));
        desk.open("b", Attributes::default()).unwrap();
        assert_eq!(
            desk.open("c", Attributes::default()).unwrap_err(),
            DeskError::Full(2)
        );
        let mut news = first.news();
        assert!(desk.end("a") && !desk.end("a"));
        assert!(news.has_changed().unwrap() && *news.borrow_and_update() == 0);
        assert!(first.view().is_ended);
        desk.open("c", Attributes::default()).unwrap();
        assert_eq!((desk.n_calls(), desk.end_idle()), (2, 0));
    }

    #[test]
    fn idle_calls_make_room() {
        let desk = Desk::new(1, Duration::ZERO);
        let idle = desk.open("a", Attributes::default()).unwrap();
        desk.open("b", Attributes::default()).unwrap();
        assert!(
            desk.get("a").is_none() && idle.view().is_ended,
            "who listens is told"
        );
        assert_eq!((desk.end_idle(), desk.n_calls()), (1, 0));
    }
}
