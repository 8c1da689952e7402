//! Raw events of the file system → paths that have come to rest.
//!
//! A path is due when nobody is likely to be at it any more: at once when its writer closed it or
//! something was renamed there, a moment later when it went away (editors that save by renaming
//! leave a gap), after a longer rest when it is being written and was not closed. Knows no files:
//! it is told of events and of the time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use notify::event::{AccessKind, AccessMode, CreateKind, MetadataKind, ModifyKind, RenameMode};
use notify::{Event, EventKind};

use crate::corpus::walk::{FOLDER_DEFAULTS, SIDECAR_SUFFIX, is_passed_over};

/// How long a path may be missing before it counts as removed: between the two steps of a save.
const GAP: Duration = Duration::from_millis(60);
/// A new folder is looked at again after this long: what came in before it was watched has no event.
const SECOND_LOOK: Duration = Duration::from_millis(500);
/// Files that are written without end are read after this many rests.
const MAX_RESTS: u32 = 10;

/// Paths that something happened to, until they have settled.
#[derive(Debug)]
pub struct Settling {
    /// How long a file that is being written and was not closed must rest.
    rest: Duration,
    waiting: BTreeMap<String, Waiting>,
    lexicon: Option<(Timestamp, Instant)>,
    /// Whether events were lost.
    lost: bool,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// When the first event was noticed.
    detected_at: Timestamp,
    /// The same, to measure with.
    since: Instant,
    due: Instant,
    /// Look once more after the first look.
    again: bool,
    /// Waits for the cause of a failure to pass.
    failed: bool,
    /// Somebody is at it, and has not closed it.
    being_written: bool,
}

/// What has settled.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Files and folders relative to the corpus, with the time at which they were noticed.
    pub paths: BTreeMap<String, Timestamp>,
    /// Files that somebody is writing: not to be read with the folder that they are in.
    pub being_written: BTreeSet<String>,
    /// Whether the user's lexicon changed, and since when.
    pub lexicon: Option<Timestamp>,
    /// Whether events were lost, so that anything may have changed.
    pub lost: bool,
}

impl Settled {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.lexicon.is_none() && !self.lost
    }
}

/// What an event means for a path.
#[derive(Clone, Copy, Debug)]
enum When {
    /// Complete.
    Now,
    /// Gone, perhaps for a moment only.
    AfterGap,
    /// Being written.
    AfterRest,
    /// A side matter: no reason to wait less or more than for what happens besides.
    NotBefore,
}

impl Settling {
    /// Nothing happened yet.
    pub fn new(rest: Duration) -> Self {
        Self {
            rest,
            waiting: BTreeMap::new(),
            lexicon: None,
            lost: false,
        }
    }

    /// Takes in an event of a corpus at `root`.
    pub fn note(&mut self, root: &Path, event: &Event, wall: Timestamp, now: Instant) {
        if event.need_rescan() {
            self.lost = true;
            return;
        }
        let when = match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => When::Now,
            EventKind::Access(_) => return,
            EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => {
                self.note_rename(root, event, wall, now);
                return;
            }
            EventKind::Modify(ModifyKind::Name(RenameMode::To)) => When::Now,
            EventKind::Modify(ModifyKind::Name(_)) | EventKind::Remove(_) => When::AfterGap,
            EventKind::Modify(ModifyKind::Metadata(MetadataKind::WriteTime)) => When::AfterRest,
            EventKind::Modify(ModifyKind::Metadata(_)) => When::NotBefore,
            EventKind::Create(CreateKind::Folder) => When::AfterGap,
            _ => When::AfterRest,
        };
        let is_new = matches!(
            event.kind,
            EventKind::Create(_) | EventKind::Modify(ModifyKind::Name(RenameMode::To))
        );
        for path in &event.paths {
            let again = is_new && path.is_dir();
            if let Some(path) = relative(root, path) {
                self.wait(&path, when, again, wall, now);
            }
        }
    }

    /// Notes that `path`, relative to the corpus, is to be looked at now; `false` if nothing there
    /// concerns the index.
    pub fn look_at(&mut self, path: &str, wall: Timestamp, now: Instant) -> bool {
        self.wait(path, When::Now, false, wall, now);
        self.waiting.contains_key(path)
    }

    /// The same, but a file that somebody is writing is waited for.
    pub fn look_if_at_rest(&mut self, path: &str, wall: Timestamp, now: Instant) {
        self.wait(path, When::NotBefore, false, wall, now);
    }

    /// Notes that the lexicon may have changed.
    pub fn check_lexicon(&mut self, wall: Timestamp, now: Instant) {
        let since = self.lexicon.map_or(wall, |(since, _)| since);
        self.lexicon = Some((since, now));
    }

    /// Notes that `paths` could not be dealt with and are to be tried again after `pause`.
    pub fn try_again(&mut self, settled: Settled, pause: Duration, now: Instant) {
        for (path, detected_at) in settled.paths {
            let fresh = Waiting {
                detected_at,
                since: now,
                due: now + pause,
                again: false,
                failed: true,
                being_written: false,
            };
            let waiting = self.waiting.entry(path).or_insert(fresh);
            waiting.detected_at = waiting.detected_at.min(detected_at);
            waiting.due = waiting.due.max(now + pause);
            waiting.failed = true;
        }
        if let Some(since) = settled.lexicon {
            self.lexicon = Some((since, now + pause));
        }
        self.lost |= settled.lost;
    }

    /// An update went well: what failed before need not wait any longer.
    pub fn hurry(&mut self, now: Instant) {
        for waiting in self.waiting.values_mut().filter(|waiting| waiting.failed) {
            waiting.due = now;
        }
    }

    /// A rename with both ends known. To a name that is passed over: an editor puts the old state
    /// aside and is about to write the new one.
    fn note_rename(&mut self, root: &Path, event: &Event, wall: Timestamp, now: Instant) {
        let [from, to] = &event.paths[..] else {
            return;
        };
        let (old, new) = (relative(root, from), relative(root, to));
        let when = match new {
            Some(_) => When::Now,
            None => When::AfterGap,
        };
        if let Some(old) = old {
            self.wait(&old, when, false, wall, now);
        }
        if let Some(new) = new {
            self.wait(&new, When::Now, to.is_dir(), wall, now);
        }
    }

    fn wait(&mut self, path: &str, when: When, again: bool, wall: Timestamp, now: Instant) {
        let Some(target) = target(path) else {
            return;
        };
        let Target::Documents(path) = target else {
            let since = self.lexicon.map_or(wall, |(since, _)| since);
            self.lexicon = Some((since, now + GAP));
            return;
        };
        let known = self.waiting.get(path).copied();
        let since = known.map_or(now, |known| known.since);
        let due = match when {
            When::Now => now,
            When::AfterGap => now + GAP,
            When::AfterRest => (now + self.rest).min(since + self.rest * MAX_RESTS),
            When::NotBefore => known.map_or(now + GAP, |known| known.due.max(now + GAP)),
        };
        let waiting = Waiting {
            detected_at: known.map_or(wall, |known| known.detected_at),
            since,
            due,
            again: again || known.is_some_and(|known| known.again),
            failed: false,
            being_written: match when {
                When::AfterRest => true,
                When::NotBefore => known.is_some_and(|known| known.being_written),
                When::Now | When::AfterGap => false,
            },
        };
        self.waiting.insert(path.to_owned(), waiting);
    }

    /// How many paths wait.
    pub fn n_waiting(&self) -> usize {
        self.waiting.len() + usize::from(self.lexicon.is_some())
    }

    /// When the next path is due; `None` while nothing waits.
    pub fn next_due(&self) -> Option<Instant> {
        let paths = self.waiting.values().map(|waiting| waiting.due);
        paths.chain(self.lexicon.map(|(_, due)| due)).min()
    }

    /// Takes out what has settled by `now`.
    pub fn take_settled(&mut self, now: Instant) -> Settled {
        let mut settled = Settled {
            lost: std::mem::take(&mut self.lost),
            ..Settled::default()
        };
        if let Some((since, due)) = self.lexicon
            && due <= now
        {
            settled.lexicon = Some(since);
            self.lexicon = None;
        }
        self.waiting.retain(|path, waiting| {
            if waiting.due > now {
                if waiting.being_written {
                    settled.being_written.insert(path.clone());
                }
                return true;
            }
            settled.paths.insert(path.clone(), waiting.detected_at);
            let again = std::mem::take(&mut waiting.again);
            waiting.being_written = false;
            (waiting.since, waiting.due) = (now, now + SECOND_LOOK);
            again
        });
        settled
    }
}

/// What a path stands for.
enum Target<'p> {
    /// A document, or a folder of them.
    Documents(&'p str),
    /// The user's lexicon.
    Lexicon,
}

/// What is to be looked at when something happens to `path`; `None`: nothing.
fn target(path: &str) -> Option<Target<'_>> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if path.split('/').next() == Some(LEXICON_FOLDER) {
        return Some(Target::Lexicon);
    }
    // Folders are not known to be any, once they are gone: whatever begins with `_` may be one.
    let mut above = folder.split('/').filter(|part| !part.is_empty());
    if above.any(|part| is_passed_over(part, true)) || is_passed_over(name, false) {
        return None;
    }
    if name == FOLDER_DEFAULTS {
        return Some(Target::Documents(folder));
    }
    Some(Target::Documents(
        path.strip_suffix(SIDECAR_SUFFIX).unwrap_or(path),
    ))
}

/// Folder of the user's dictionary and synonyms, inside the corpus.
pub const LEXICON_FOLDER: &str = "_lexicon";

/// `path` below `root`, if it is something that may concern the index.
fn relative(root: &Path, path: &Path) -> Option<String> {
    let below = path.strip_prefix(root).ok()?;
    let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
    let path = parts.join("/");
    target(&path).is_some().then_some(path)
}

#[cfg(test)]
mod tests {
    use notify::event::{DataChange, RemoveKind};

    use super::*;

    const REST: Duration = Duration::from_millis(1000);
    const CLOSED: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));
    const WRITTEN: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));
    const CREATED: EventKind = EventKind::Create(CreateKind::File);
    const REMOVED: EventKind = EventKind::Remove(RemoveKind::File);

    /// A corpus at `/c`, and a clock.
    struct Watched {
        settling: Settling,
        start: Instant,
    }

    impl Watched {
        fn new() -> Self {
            Self {
                settling: Settling::new(REST),
                start: Instant::now(),
            }
        }

        fn event(&mut self, ms: u64, kind: EventKind, paths: &[&str]) {
            let mut event = Event::new(kind);
            for path in paths {
                event = event.add_path(Path::new("/c").join(path));
            }
            let (wall, now) = (self.wall(ms), self.start + Duration::from_millis(ms));
            self.settling.note(Path::new("/c"), &event, wall, now);
        }

        fn wall(&self, ms: u64) -> Timestamp {
            Timestamp::from_millisecond(ms as i64).unwrap()
        }

        fn settled(&mut self, ms: u64) -> Vec<(String, i64)> {
            let settled = self
                .settling
                .take_settled(self.start + Duration::from_millis(ms));
            let paths = settled.paths.into_iter();
            paths
                .map(|(path, at)| (path, at.as_millisecond()))
                .collect()
        }
    }

    fn rename() -> EventKind {
        EventKind::Modify(ModifyKind::Name(RenameMode::Both))
    }

    #[test]
    fn a_closed_file_is_due_at_once_since_its_first_event() {
        let mut watched = Watched::new();
        watched.event(0, CREATED, &["a.md"]);
        watched.event(5, WRITTEN, &["a.md"]);
        assert_eq!(watched.settled(10), []);
        watched.event(20, CLOSED, &["a.md"]);
        assert_eq!(watched.settled(20), [("a.md".to_owned(), 0)]);
        assert_eq!(watched.settled(5000), []);
    }

    #[test]
    fn what_is_written_without_being_closed_must_rest_but_not_forever() {
        let mut watched = Watched::new();
        for ms in (0..9_500).step_by(500) {
            watched.event(ms, WRITTEN, &["a.md"]);
            assert_eq!(watched.settled(ms + 400), [], "{ms}");
        }
        watched.event(9_900, WRITTEN, &["a.md"]);
        assert_eq!(watched.settled(10_000).len(), 1);
        watched.event(20_000, WRITTEN, &["a.md"]);
        assert_eq!(watched.settled(20_999), []);
        assert_eq!(watched.settled(21_000).len(), 1);
    }

    #[test]
    fn what_is_being_written_is_told_with_the_folder_that_is_due() {
        let mut watched = Watched::new();
        watched.event(0, WRITTEN, &["a/written.md"]);
        watched.event(0, CLOSED, &["a/closed.md"]);
        watched.event(0, REMOVED, &["a/gone.md"]);
        watched.event(1, CLOSED, &["a/_defaults.yaml"]);
        let settled = watched.settling.take_settled(watched.start + REST / 100);
        let paths: Vec<_> = settled.paths.keys().collect();
        assert_eq!(paths, ["a", "a/closed.md"]);
        let being_written: Vec<_> = settled.being_written.iter().collect();
        assert_eq!(being_written, ["a/written.md"]);
        // A comparison found it to differ.
        let (wall, now) = (watched.wall(10), watched.start + REST / 100);
        watched.settling.look_if_at_rest("a/written.md", wall, now);
        let settled = watched.settling.take_settled(watched.start + REST / 2);
        assert!(settled.being_written.contains("a/written.md"));
        watched.event(600, CLOSED, &["a/written.md"]);
        let settled = watched.settling.take_settled(watched.start + REST);
        assert_eq!(settled.being_written.len(), 0);
        assert!(settled.paths.contains_key("a/written.md"));
    }

    #[test]
    fn a_save_by_renaming_never_looks_like_a_removal() {
        // As vim: aside, new, backup deleted.
        let mut watched = Watched::new();
        watched.event(0, rename(), &["a.md", "a.md~"]);
        assert_eq!(watched.settled(1), []);
        watched.event(2, CREATED, &["a.md"]);
        watched.event(4, CLOSED, &["a.md"]);
        watched.event(5, REMOVED, &["a.md~"]);
        assert_eq!(watched.settled(5), [("a.md".to_owned(), 0)]);
        // As office programs: a temporary file over the old one.
        watched.event(100, CLOSED, &["lu12.tmp"]);
        watched.event(101, rename(), &["lu12.tmp", "a.docx"]);
        assert_eq!(watched.settled(101), [("a.docx".to_owned(), 101)]);
        // Removed and written anew.
        watched.event(200, REMOVED, &["b.md"]);
        assert_eq!(watched.settled(210), []);
        watched.event(220, CREATED, &["b.md"]);
        watched.event(230, CLOSED, &["b.md"]);
        assert_eq!(watched.settled(230).len(), 1);
    }

    #[test]
    fn both_ends_of_a_rename_are_due_together() {
        let mut watched = Watched::new();
        let from = EventKind::Modify(ModifyKind::Name(RenameMode::From));
        let to = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        watched.event(0, from, &["a"]);
        watched.event(0, to, &["b"]);
        watched.event(0, rename(), &["a", "b"]);
        let paths: Vec<_> = watched
            .settled(0)
            .into_iter()
            .map(|(path, _)| path)
            .collect();
        assert_eq!(paths, ["a", "b"]);
    }

    #[test]
    fn metadata_stand_for_what_they_shape() {
        let mut watched = Watched::new();
        watched.event(0, CLOSED, &["民政局/_defaults.yaml"]);
        watched.event(0, CLOSED, &["a.md.meta.yaml"]);
        watched.event(0, CLOSED, &["_defaults.yaml"]);
        watched.event(0, CLOSED, &[".hidden/x.md"]);
        watched.event(0, CLOSED, &["_drafts/x.md"]);
        watched.event(0, CLOSED, &["~$a.docx"]);
        watched.event(0, CLOSED, &["_lexicon/words.txt"]);
        let settled = watched
            .settling
            .take_settled(watched.start + Duration::from_secs(1));
        let paths: Vec<_> = settled.paths.keys().map(String::as_str).collect();
        assert_eq!(paths, ["", "a.md", "民政局"]);
        assert!(settled.lexicon.is_some());
    }

    #[test]
    fn reading_is_no_change_and_lost_events_are_told() {
        let mut watched = Watched::new();
        watched.event(
            0,
            EventKind::Access(AccessKind::Open(AccessMode::Any)),
            &["a"],
        );
        assert_eq!(watched.settling.n_waiting(), 0);
        let overflow = Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan);
        let (wall, start) = (watched.wall(0), watched.start);
        watched
            .settling
            .note(Path::new("/c"), &overflow, wall, start);
        assert!(watched.settling.take_settled(start).lost);
        assert!(watched.settling.take_settled(start).is_empty());
    }

    #[test]
    fn what_could_not_be_dealt_with_comes_back_with_its_time() {
        let mut watched = Watched::new();
        watched.event(3, CLOSED, &["a.md"]);
        let now = watched.start + Duration::from_millis(3);
        let settled = watched.settling.take_settled(now);
        watched.settling.try_again(settled, REST, now);
        assert_eq!(watched.settled(500), []);
        assert_eq!(watched.settled(1_003), [("a.md".to_owned(), 3)]);

        watched.event(2_000, CLOSED, &["b.md"]);
        let now = watched.start + Duration::from_millis(2_000);
        let settled = watched.settling.take_settled(now);
        watched.settling.try_again(settled, REST, now);
        watched.event(2_001, CREATED, &["c.md"]);
        let now = watched.start + Duration::from_millis(2_100);
        watched.settling.hurry(now);
        assert_eq!(watched.settled(2_100), [("b.md".to_owned(), 2_000)]);
    }
}
