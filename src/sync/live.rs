//! Following the corpus while it is served: watch → settle → update, over and over.
//!
//! One thread updates. Events come in over a channel while it works and are taken together by the
//! next update, so that a burst of files costs a few generations and not one each. Now and then, and
//! whenever events were lost, all hashes are compared on a thread of their own; what differs is
//! looked at like anything else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use notify::EventKind;
use notify::event::ModifyKind;

use super::plan::is_within;
use super::settling::{Settled, Settling};
use super::source::{look, refuse_emptied};
use super::watch::{Message, Watch};
use super::{Scope, Silent, SyncError, Updater};
use crate::corpus::Limits;
use crate::engine::PassageIndex;
use crate::records::{FileRecord, Receipt, Records, RecordsError};
use crate::text::Analyser;

/// How long the loop sleeps at most, so that it notices that it is to stop.
const TICK: Duration = Duration::from_millis(200);
/// How long a burst may gather before the first update of it.
const GATHER: Duration = Duration::from_millis(2);
/// The most messages that are taken before it.
const MAX_GATHERED: usize = 50_000;
/// How long a new file must rest that has no event of its own, because its folder is new too.
const REST_OF_FOUND: Duration = Duration::from_millis(100);
/// How long a failed update waits for the next try at first; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause between two tries.
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// Between two comparisons of all hashes on account of lost events, at least.
const BETWEEN_RESCANS: Duration = Duration::from_secs(5);
/// Receipts that are handed to the listener at a time.
const RECEIPTS_PER_STEP: usize = 1_000;

/// Hears what following the corpus comes to.
pub trait Listener: Send {
    /// These became visible; in order, each once.
    fn receipts(&self, receipts: &[Receipt]);
    /// An update failed and will be tried again.
    fn failed(&self, error: &SyncError);
    /// So many paths wait to be looked at.
    fn waiting(&self, n_paths: usize);
}

/// What follows a corpus.
pub struct Live<'a> {
    /// The index to change.
    pub index: &'a PassageIndex,
    /// What was indexed before.
    pub records: &'a mut Records,
    /// Where the records are, to read them beside.
    pub records_path: &'a Path,
    /// How files are read.
    pub limits: Limits,
    /// Reads the user's lexicon.
    pub analyser: &'a dyn Fn() -> Analyser,
    /// Hears what comes of it.
    pub listener: &'a dyn Listener,
}

/// The state of the loop.
struct Loop<'a> {
    live: Live<'a>,
    watch: Watch,
    settling: Settling,
    /// Paths to be read again though nothing about them changed.
    reread: BTreeSet<String>,
    last_seq: u64,
    pause: Duration,
    /// Whether the corpus folder was gone, so that it has to be watched anew.
    watch_is_lost: bool,
    reconcile: Reconcile,
}

#[derive(Debug)]
struct Reconcile {
    /// When the next one is due.
    due: Option<Instant>,
    under_way: bool,
    last: Option<Instant>,
    cancel: Arc<AtomicBool>,
}

impl Live<'_> {
    /// Follows the corpus until `stop` becomes true; what is under way then ends first.
    ///
    /// # Errors
    /// [`RecordsError`] when the records cannot be read at the start. Later failures are told to the
    /// listener and tried again.
    pub fn follow(self, watch: Watch, stop: &AtomicBool) -> Result<(), RecordsError> {
        let last_seq = self.records.last_seq()?;
        let mut state = Loop {
            settling: Settling::new(watch.settings.rest),
            reread: BTreeSet::new(),
            last_seq,
            pause: FIRST_PAUSE,
            watch_is_lost: false,
            reconcile: Reconcile {
                due: watch
                    .settings
                    .reconcile_every
                    .map(|every| Instant::now() + every),
                under_way: false,
                last: None,
                cancel: Arc::default(),
            },
            watch,
            live: self,
        };
        while !stop.load(Ordering::Relaxed) {
            state.turn();
        }
        state.reconcile.cancel.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl Loop<'_> {
    /// Waits for something to be due and deals with it.
    fn turn(&mut self) {
        let now = Instant::now();
        let next = [self.settling.next_due(), self.reconcile.due];
        let wait = next
            .into_iter()
            .flatten()
            .map(|due| due.saturating_duration_since(now))
            .fold(TICK, Duration::min);
        match self.watch.messages.recv_timeout(wait) {
            Ok(message) => {
                self.take(message);
                let until = Instant::now() + GATHER;
                // Messages that keep coming must not keep the update waiting.
                for _ in 0..MAX_GATHERED {
                    let left = until.saturating_duration_since(Instant::now());
                    match self.watch.messages.recv_timeout(left) {
                        Ok(message) => self.take(message),
                        Err(_) => break,
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            // Cannot be: this side holds a sender.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(TICK),
        }
        self.live.listener.waiting(self.settling.n_waiting());
        let now = Instant::now();
        if !self.watch_is_lost && self.watch.is_of_another_folder() {
            self.watch_is_lost = true;
            self.settling.look_at("", Timestamp::now(), now);
        }
        let settled = self.settling.take_settled(now);
        if !settled.is_empty() {
            self.update(settled);
        }
        let is_due = self.reconcile.due.is_some_and(|due| due <= now);
        if is_due && !self.reconcile.under_way {
            self.start_reconcile();
        }
    }

    fn take(&mut self, message: Message) {
        let (wall, now) = (Timestamp::now(), Instant::now());
        match message {
            Message::Event(Ok(event)) => {
                let is_renamed = matches!(
                    event.kind,
                    EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))
                );
                // What is watched is the folder, not its name: another may have taken its place.
                self.watch_is_lost |= is_renamed && event.paths.contains(&self.watch.corpus);
                self.settling.note(&self.watch.corpus, &event, wall, now);
            }
            Message::Event(Err(error)) => {
                tracing::warn!(%error, "watching the corpus stumbled; everything is compared");
                self.rescan_soon();
            }
            Message::Reindex(path) => {
                if path.is_empty() {
                    self.settling.check_lexicon(wall, now);
                }
                if self.settling.look_at(&path, wall, now) {
                    self.reread.insert(path);
                }
            }
            Message::LookAtAll => {
                self.settling.look_at("", wall, now);
            }
            Message::Differing(found) => {
                self.reconcile.under_way = false;
                match found {
                    Ok(paths) => {
                        if !paths.is_empty() {
                            tracing::info!(n_paths = paths.len(), "files differ from the index");
                        }
                        for path in paths {
                            self.settling.look_if_at_rest(&path, wall, now);
                        }
                    }
                    Err(error) => tracing::warn!(%error, "the corpus could not be compared"),
                }
            }
        }
    }

    fn update(&mut self, mut settled: Settled) {
        if std::mem::take(&mut settled.lost) {
            tracing::warn!("events of the corpus were lost; everything is compared");
            self.rescan_soon();
        }
        let reread: BTreeSet<String> = self
            .reread
            .iter()
            .filter(|path| settled.paths.contains_key(*path))
            .cloned()
            .collect();
        self.reread.retain(|path| !reread.contains(path));
        if self.watch_is_lost && self.watch.is_there() {
            // A link may lead elsewhere now, and what happened before it was watched has no event.
            self.watch.begin();
            self.watch_is_lost = false;
            settled
                .paths
                .entry(String::new())
                .or_insert(Timestamp::now());
            settled.lexicon = settled.lexicon.or(Some(Timestamp::now()));
        }
        let outcome = self.try_update(&settled, &reread);
        // What an update that failed halfway made visible is told as well.
        self.tell_receipts();
        match outcome {
            Ok(()) => {
                self.pause = FIRST_PAUSE;
                self.settling.hurry(Instant::now());
            }
            Err(error) => {
                tracing::error!(%error, "the index could not follow; tried again in {:?}", self.pause);
                self.live.listener.failed(&error);
                if matches!(error, SyncError::Corpus { .. }) {
                    // A watch does not outlive its folder.
                    self.watch_is_lost = true;
                    settled.paths.insert(String::new(), Timestamp::now());
                }
                self.reread.extend(reread);
                let now = Instant::now();
                self.settling.try_again(settled, self.pause, now);
                self.pause = (self.pause * 2).min(MAX_PAUSE);
            }
        }
    }

    fn try_update(
        &mut self,
        settled: &Settled,
        reread: &BTreeSet<String>,
    ) -> Result<(), SyncError> {
        if settled.lexicon.is_some() {
            self.live.index.use_analyser((self.live.analyser)());
        }
        let detected_at = settled.paths.clone();
        let mut parts = vec![(
            false,
            outermost(detected_at.keys().filter(|path| !reread.contains(*path))),
        )];
        if !reread.is_empty() {
            parts.push((true, outermost(reread.iter())));
        }
        for (reread, paths) in parts {
            let is_wanted = !paths.is_empty() || (!reread && settled.lexicon.is_some());
            if !is_wanted {
                continue;
            }
            let scope = Scope {
                paths,
                detected_at: detected_at.clone(),
                being_written: settled.being_written.clone(),
                rest: REST_OF_FOUND,
                reread,
            };
            let left = self.updater().update(&scope)?.left;
            let later = Instant::now() + REST_OF_FOUND;
            for path in left {
                let noticed = Timestamp::now();
                self.settling.look_at(&path, noticed, later);
            }
        }
        Ok(())
    }

    fn updater(&mut self) -> Updater<'_> {
        Updater {
            index: self.live.index,
            records: self.live.records,
            corpus: &self.watch.corpus,
            limits: self.live.limits.clone(),
            progress: &Silent,
        }
    }

    fn tell_receipts(&mut self) {
        loop {
            match self
                .live
                .records
                .receipts_after(self.last_seq, RECEIPTS_PER_STEP)
            {
                Ok(receipts) => {
                    let Some(last) = receipts.last() else {
                        return;
                    };
                    self.last_seq = last.seq;
                    self.live.listener.receipts(&receipts);
                }
                Err(error) => {
                    tracing::error!(%error, "receipts cannot be read");
                    return;
                }
            }
        }
    }

    fn rescan_soon(&mut self) {
        let now = Instant::now();
        self.settling.check_lexicon(Timestamp::now(), now);
        let earliest = self
            .reconcile
            .last
            .map_or(now, |last| last + BETWEEN_RESCANS);
        let due = earliest.max(now);
        self.reconcile.due = Some(self.reconcile.due.map_or(due, |known| known.min(due)));
    }

    /// Compares all hashes on a thread of its own; what differs comes back as a message.
    fn start_reconcile(&mut self) {
        let now = Instant::now();
        self.settling.check_lexicon(Timestamp::now(), now);
        self.reconcile.last = Some(now);
        self.reconcile.due = self.watch.settings.reconcile_every.map(|every| now + every);
        let corpus = self.watch.corpus.clone();
        let records = self.live.records_path.to_owned();
        let (sender, cancel) = (self.watch.sender.clone(), self.reconcile.cancel.clone());
        let started = std::thread::Builder::new()
            .name("reconcile".to_owned())
            .spawn(move || {
                let found = differing(&corpus, &records).map_err(|error| error.to_string());
                if !cancel.load(Ordering::Relaxed) {
                    // Nobody listens any more when this fails.
                    let _ = sender.send(Message::Differing(found));
                }
            });
        match started {
            Ok(_) => self.reconcile.under_way = true,
            Err(error) => tracing::error!(%error, "no thread to compare the corpus on"),
        }
    }
}

/// Paths of the files whose state differs from the records.
fn differing(corpus: &Path, records: &Path) -> Result<Vec<String>, SyncError> {
    let seen = look(corpus, &Scope::whole().paths, &Silent)?;
    let mut known: BTreeMap<String, FileRecord> = Records::open_read_only(records)?
        .files()?
        .into_iter()
        .map(|file| (file.path.clone(), file))
        .collect();
    refuse_emptied(corpus, &seen, known.len())?;
    let mut paths = Vec::new();
    for source in seen.sources {
        // What failed before is not tried again and again: it would fail in the same way. Files
        // whose last good state serves are: their records have the hash of that state.
        let known = known.remove(&source.path);
        if known.is_none_or(|file| file.source_hash != source.source_hash) {
            paths.push(source.path);
        }
    }
    let gone = known.into_keys();
    paths.extend(gone.filter(|path| !is_within(path, &seen.closed_folders)));
    Ok(paths)
}

/// The paths that do not lie below another one of them.
fn outermost<'p>(paths: impl Iterator<Item = &'p String>) -> BTreeSet<String> {
    let mut kept = BTreeSet::new();
    // A folder comes before what is below it.
    for path in paths {
        let mut above = path
            .match_indices('/')
            .map(|(at, _)| &path[..at])
            .chain([""]);
        let is_covered = !path.is_empty() && above.any(|folder| kept.contains(folder));
        if !is_covered {
            kept.insert(path.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_outermost_paths_are_walked() {
        let given = ["a", "a/b", "a-c", "a/b/c", "d/e", "d/e/f"].map(str::to_owned);
        let kept: Vec<_> = outermost(given.iter()).into_iter().collect();
        assert_eq!(kept, ["a", "a-c", "d/e"]);
        let with_root = ["", "a", "b/c"].map(str::to_owned);
        assert_eq!(outermost(with_root.iter()).len(), 1);
    }
}
