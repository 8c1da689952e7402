//! All calls that go on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::call::{Attributes, Call, Heard, Recommendations, Settings};
use super::journal::{CallRef, Entry, Journal};
use super::offers::Search;
use super::transcript::Utterance;
use crate::retrieval::SearchError;
use crate::sight::Sight;

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
    calls: Mutex<Calls>,
    max_calls: usize,
    /// A call in which nothing happens for so long is over.
    idle: Duration,
}

/// Calls of one id belong to different owners: they do not know of each other.
type Calls = HashMap<String, Vec<Arc<OpenCall>>>;

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
    /// Which call it is.
    pub call: CallRef,
    /// What else is known of it.
    pub attributes: Attributes,
    /// Whether it is over: what is said later changes nothing.
    pub is_ended: bool,
    /// The last part of what was said.
    pub utterances: Vec<Utterance>,
    /// How often what the agent sees has changed; 0 while there was nothing to say.
    pub revision: u64,
    /// What the agent sees; `None` while there was nothing to say, or that is forgotten.
    pub latest: Option<Arc<Recommendations>>,
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

    /// The call of that id that `sight` may see, begun for it if there is none. Attributes that were
    /// not known before are noted.
    ///
    /// # Errors
    /// [`DeskError::Full`]
    pub fn open(
        &self,
        id: &str,
        sight: &Sight,
        attributes: Attributes,
        journal: &dyn Journal,
    ) -> Result<Arc<OpenCall>, DeskError> {
        let mut calls = lock(&self.calls);
        if let Some(known) = find(&calls, id, sight) {
            drop(calls);
            known.learn(attributes, journal);
            return Ok(known);
        }
        let idle = match count(&calls) >= self.max_calls {
            true => take_idle(&mut calls, self.idle),
            false => Vec::new(),
        };
        let is_full = count(&calls) >= self.max_calls;
        // Calls of one id are told apart by their beginning.
        let namesakes = calls.get(id).map_or(&[][..], Vec::as_slice);
        let newest = namesakes
            .iter()
            .map(|call| call.view().call.started_at)
            .max();
        let after = newest.map_or(Timestamp::MIN, |newest| {
            newest + SignedDuration::from_millis(1)
        });
        let call_ref = CallRef {
            id: id.to_owned(),
            started_at: Timestamp::now().max(after),
            owner: sight.clone(),
        };
        let call = Arc::new(OpenCall::new(Call::new(id), attributes, call_ref));
        if !is_full {
            calls.entry(id.to_owned()).or_default().push(call.clone());
        }
        drop(calls);
        for call in idle {
            call.end(journal);
        }
        match is_full {
            true => Err(DeskError::Full(self.max_calls)),
            false => Ok(call),
        }
    }

    /// The call of that id that `sight` may see, if one goes on: its own one first.
    pub fn get(&self, id: &str, sight: &Sight) -> Option<Arc<OpenCall>> {
        find(&lock(&self.calls), id, sight)
    }

    /// Goes on with a call of before a restart, unless one of that id and owner goes on.
    pub fn resume(&self, call: Call, attributes: Attributes, call_ref: CallRef) {
        let mut calls = lock(&self.calls);
        let namesakes = calls.entry(call.id().to_owned()).or_default();
        if !namesakes
            .iter()
            .any(|known| known.view().call.owner == call_ref.owner)
        {
            namesakes.push(Arc::new(OpenCall::new(call, attributes, call_ref)));
        }
    }

    /// Ends a call; whoever listens is told. Whether it went on.
    pub fn end(&self, call: &Arc<OpenCall>, journal: &dyn Journal) -> bool {
        if !remove(&mut lock(&self.calls), call) {
            return false;
        }
        call.end(journal);
        true
    }

    /// Ends a call in which nothing was said yet, unless others than the one who leaves listen to it.
    pub fn end_unused(&self, call: &Arc<OpenCall>) {
        let mut calls = lock(&self.calls);
        // The one who leaves still listens.
        let is_alone = call.news.receiver_count() <= 1;
        if is_alone && call.view().utterances.is_empty() && remove(&mut calls, call) {
            drop(calls);
            call.change_view(|view| view.is_ended = true);
            call.news.send_modify(|_| {});
        }
    }

    /// Ends calls in which nothing has happened for long; how many there were.
    pub fn end_idle(&self, journal: &dyn Journal) -> usize {
        let ended = take_idle(&mut lock(&self.calls), self.idle);
        for call in &ended {
            call.end(journal);
        }
        ended.len()
    }

    /// How many calls go on.
    pub fn n_calls(&self) -> usize {
        count(&lock(&self.calls))
    }
}

/// Takes out the calls in which nothing has happened for so long.
fn take_idle(calls: &mut Calls, idle: Duration) -> Vec<Arc<OpenCall>> {
    let mut taken = Vec::new();
    calls.retain(|_, namesakes| {
        taken.extend(namesakes.extract_if(.., |call| call.is_idle(idle)));
        !namesakes.is_empty()
    });
    taken
}

fn count(calls: &Calls) -> usize {
    calls.values().map(Vec::len).sum()
}

/// Of what somebody may see, what is exactly for them comes first, then what began first.
fn find(calls: &Calls, id: &str, sight: &Sight) -> Option<Arc<OpenCall>> {
    let namesakes = calls.get(id)?;
    let owned = namesakes
        .iter()
        .find(|call| call.view().call.owner == *sight);
    let seen = || {
        namesakes
            .iter()
            .find(|call| sight.includes(&call.view().call.owner))
    };
    owned.or_else(seen).cloned()
}

/// Whether it was there.
fn remove(calls: &mut Calls, call: &Arc<OpenCall>) -> bool {
    let id = &call.view().call.id;
    let Some(namesakes) = calls.get_mut(id) else {
        return false;
    };
    let n_before = namesakes.len();
    namesakes.retain(|known| !Arc::ptr_eq(known, call));
    let is_removed = namesakes.len() < n_before;
    if namesakes.is_empty() {
        calls.remove(id);
    }
    is_removed
}

impl OpenCall {
    fn new(call: Call, attributes: Attributes, call_ref: CallRef) -> Self {
        let started_at = call_ref.started_at;
        let call_ref = CallRef {
            started_at: Timestamp::from_millisecond(started_at.as_millisecond())
                .unwrap_or(started_at),
            ..call_ref
        };
        Self {
            view: Mutex::new(Arc::new(CallView {
                call: call_ref,
                attributes,
                is_ended: false,
                utterances: call.transcript().utterances().cloned().collect(),
                revision: call.revision(),
                latest: call.latest().cloned(),
            })),
            call: Mutex::new(call),
            last_used: Mutex::new(Instant::now()),
            news: watch::Sender::new(0),
        }
    }

    /// Takes in what was said, in order, and looks once for answers to the last of it; tells who
    /// listens. What the agent should see from now on, if that changed. What is said once the call is
    /// over changes nothing.
    ///
    /// Blocks while something is looked for; calls wait for each other only within one call.
    ///
    /// # Errors
    /// [`SearchError`]; everything that was said is kept.
    pub fn hear(
        &self,
        utterances: Vec<Utterance>,
        search: Search<'_>,
        settings: &Settings,
        journal: &dyn Journal,
    ) -> Result<Option<Arc<Recommendations>>, SearchError> {
        self.touch();
        let mut call = lock(&self.call);
        let view = self.view();
        if view.is_ended {
            return Ok(None);
        }
        let mut is_question = false;
        for utterance in utterances {
            let noted = call.take(utterance.clone());
            is_question |= noted.is_question;
            if noted.is_new {
                if call.transcript().utterances().len() == 1 {
                    journal.note(&view.call, Entry::Known(&view.attributes));
                }
                journal.note(&view.call, Entry::Heard(&utterance));
            }
        }
        // Others see what was said while answers are looked for.
        self.show(&call);
        let heard = match is_question {
            true => call.think(&view.attributes, search, settings)?,
            false => Heard::default(),
        };
        // Noted before anybody sees it: what is made of it comes later.
        if let Some(asked) = &heard.asked {
            journal.note(&view.call, Entry::Asked(asked));
        }
        if let Some(shown) = &heard.shown {
            journal.note(&view.call, Entry::Shown(shown));
        }
        self.show(&call);
        Ok(heard.shown)
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
        let before = self.view().revision;
        self.change_view(|view| {
            view.utterances = call.transcript().utterances().cloned().collect();
            view.revision = call.revision();
            view.latest = call.latest().cloned();
        });
        if call.revision() != before {
            self.news.send_replace(call.revision());
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

    /// Notes what was not known of the call.
    fn learn(&self, attributes: Attributes, journal: &dyn Journal) {
        self.touch();
        let before = self.view();
        let known = before.attributes.clone();
        let known = Attributes {
            agent: known.agent.or(attributes.agent),
            region: known.region.or(attributes.region),
            channel: known.channel.or(attributes.channel),
        };
        if known != before.attributes {
            // Of a call in which nothing was said nothing is noted.
            if !before.utterances.is_empty() {
                journal.note(&before.call, Entry::Known(&known));
            }
            self.change_view(|view| view.attributes = known);
        }
    }

    fn end(&self, journal: &dyn Journal) {
        self.change_view(|view| view.is_ended = true);
        let view = self.view();
        if !view.utterances.is_empty() {
            journal.note(&view.call, Entry::Ended);
        }
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
    use super::super::journal::NoJournal;
    use super::*;
    use crate::document::Audience;
    use crate::sight::Scope;

    fn agent() -> Sight {
        Sight::of(Audience::Agent)
    }

    #[test]
    fn a_call_shows_to_nobody_who_may_see_less_than_its_owner() {
        let desk = Desk::new(9, Duration::from_secs(60));
        let of = |department: &str| Sight {
            audience: Audience::Agent,
            scope: Scope::new([department.to_owned()], []),
        };
        let open = |sight: &Sight| {
            let opened = desk.open("1", sight, Attributes::default(), &NoJournal);
            opened.unwrap()
        };
        let first = open(&of("市医保局"));
        assert!(desk.get("1", &of("市人社局")).is_none());
        assert!(desk.get("1", &Sight::of(Audience::Public)).is_none());
        let second = open(&of("市人社局"));
        assert!(!Arc::ptr_eq(&first, &second) && desk.n_calls() == 2);
        assert!(first.view().call.started_at < second.view().call.started_at);
        // Who sees more finds the one that began first, and begins none.
        assert!(Arc::ptr_eq(&open(&agent()), &first));
        assert!(Arc::ptr_eq(
            &desk.get("1", &of("市人社局")).unwrap(),
            &second
        ));
        assert!(desk.end(&first, &NoJournal));
        assert!(desk.get("1", &of("市医保局")).is_none());
        assert!(Arc::ptr_eq(&desk.get("1", &agent()).unwrap(), &second));
    }

    #[test]
    fn calls_are_counted_and_end() {
        let desk = Desk::new(2, Duration::from_secs(60));
        let first = desk
            .open("a", &agent(), Attributes::default(), &NoJournal)
            .unwrap();
        let known = Attributes {
            agent: Some("7".into()),
            ..Attributes::default()
        };
        assert!(Arc::ptr_eq(
            &desk.open("a", &agent(), known, &NoJournal).unwrap(),
            &first
        ));
        assert_eq!(first.view().attributes.agent.clone(), Some("7".into()));
        desk.open("b", &agent(), Attributes::default(), &NoJournal)
            .unwrap();
        assert_eq!(
            desk.open("c", &agent(), Attributes::default(), &NoJournal)
                .unwrap_err(),
            DeskError::Full(2)
        );
        let mut news = first.news();
        assert!(desk.end(&first, &NoJournal) && !desk.end(&first, &NoJournal));
        assert!(news.has_changed().unwrap() && *news.borrow_and_update() == 0);
        assert!(first.view().is_ended);
        desk.open("c", &agent(), Attributes::default(), &NoJournal)
            .unwrap();
        assert_eq!((desk.n_calls(), desk.end_idle(&NoJournal)), (2, 0));
    }

    #[test]
    fn idle_calls_make_room() {
        let desk = Desk::new(1, Duration::ZERO);
        let idle = desk
            .open("a", &agent(), Attributes::default(), &NoJournal)
            .unwrap();
        desk.open("b", &agent(), Attributes::default(), &NoJournal)
            .unwrap();
        assert!(
            desk.get("a", &agent()).is_none() && idle.view().is_ended,
            "who listens is told"
        );
        assert_eq!((desk.end_idle(&NoJournal), desk.n_calls()), (1, 0));
    }
}
