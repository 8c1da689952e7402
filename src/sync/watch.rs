//! A corpus folder under watch: by events, by looking, or not at all.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use notify::{Config, Event, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher};

use super::source::{FolderIdentity, identity_of};

/// Between two looks where the operating system cannot tell.
const FALLBACK_INTERVAL: Duration = Duration::from_secs(5);

/// By what changes are noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The operating system tells.
    Events,
    /// Looking every so often.
    Looking(Duration),
    /// Nothing: only requests and comparisons of all hashes.
    Never,
}

/// How the corpus is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchSettings {
    /// By what changes are noticed.
    pub notice: Notice,
    /// How long a file that is being written and was not closed must rest.
    pub rest: Duration,
    /// How often all hashes are compared; `None`: never.
    pub reconcile_every: Option<Duration>,
}

/// What reaches whoever follows the corpus.
pub enum Message {
    /// Something happened, or watching stumbled.
    Event(notify::Result<Event>),
    /// Read a file or folder again.
    Reindex(String),
    /// Look at everything.
    LookAtAll,
    /// What a comparison of all hashes found to differ.
    Differing(Result<Vec<String>, String>),
}

/// Asks a [`Live`] for updates, from any thread.
#[derive(Clone, Debug)]
pub struct Requests(Sender<Message>);

impl Requests {
    /// Has the file or folder at `path`, relative to the corpus, read again even if nothing about it
    /// changed; the empty path is the whole corpus. Whether anybody is there to do it.
    pub fn reindex(&self, path: &str) -> bool {
        self.0.send(Message::Reindex(path.to_owned())).is_ok()
    }

    /// Has everything looked at, after an update that failed.
    pub fn look_at_all(&self) -> bool {
        self.0.send(Message::LookAtAll).is_ok()
    }
}

/// A corpus under watch. Events gather from [`Watch::start`] on, so nothing is missed by whoever
/// first brings the index up to date and then follows.
pub struct Watch {
    /// As it was configured.
    given: PathBuf,
    /// The real path: events name it.
    pub(super) corpus: PathBuf,
    /// Which folder that is, while there is one.
    identity: Option<FolderIdentity>,
    pub(super) settings: WatchSettings,
    pub(super) sender: Sender<Message>,
    pub(super) messages: Receiver<Message>,
    watcher: Option<Box<dyn Watcher + Send>>,
}

impl Watch {
    /// Starts watching. Where the operating system refuses (too many folders, say), changes are
    /// found by looking, and a warning says so.
    pub fn start(corpus: &Path, settings: WatchSettings) -> Self {
        let (sender, messages) = mpsc::channel();
        let mut watch = Self {
            given: corpus.to_owned(),
            corpus: corpus.to_owned(),
            identity: None,
            settings,
            sender,
            messages,
            watcher: None,
        };
        watch.begin();
        watch
    }

    /// For asking from other threads.
    pub fn requests(&self) -> Requests {
        Requests(self.sender.clone())
    }

    /// Whether another folder stands where the watched one stood: a share was mounted, a link
    /// points elsewhere.
    pub(super) fn is_of_another_folder(&self) -> bool {
        let now = identity_of(&self.given).ok();
        now.is_some() && now != self.identity
    }

    /// Whether there is a folder to watch.
    pub(super) fn is_there(&self) -> bool {
        identity_of(&self.given).is_ok()
    }

    /// Starts watching, or starts anew where another folder stands now.
    pub(super) fn begin(&mut self) {
        self.watcher = None;
        self.corpus = self
            .given
            .canonicalize()
            .unwrap_or_else(|_| self.given.clone());
        self.identity = identity_of(&self.given).ok();
        if self.settings.notice == Notice::Never {
            return;
        }
        if self.settings.notice == Notice::Events {
            match self.watch_by(|config, sender| {
                let watcher = RecommendedWatcher::new(sender, config)?;
                Ok(Box::new(watcher))
            }) {
                Ok(watcher) => {
                    self.watcher = Some(watcher);
                    return;
                }
                Err(error) => tracing::warn!(
                    %error,
                    "the system cannot watch the corpus, so it is looked at every few seconds; with \
                     many folders, raise fs.inotify.max_user_watches"
                ),
            }
        }
        let polled = self.watch_by(|config, sender| {
            let watcher = PollWatcher::new(sender, config)?;
            Ok(Box::new(watcher))
        });
        match polled {
            Ok(watcher) => self.watcher = Some(watcher),
            Err(error) => tracing::error!(%error, "the corpus is not watched"),
        }
    }

    fn watch_by(
        &self,
        make: impl FnOnce(Config, EventSender) -> notify::Result<Box<dyn Watcher + Send>>,
    ) -> notify::Result<Box<dyn Watcher + Send>> {
        let interval = match self.settings.notice {
            Notice::Looking(interval) => interval,
            Notice::Events | Notice::Never => FALLBACK_INTERVAL,
        };
        let config = Config::default()
            .with_follow_symlinks(false)
            .with_poll_interval(interval);
        let mut watcher = make(config, EventSender(self.sender.clone()))?;
        watcher.watch(&self.corpus, RecursiveMode::Recursive)?;
        Ok(watcher)
    }
}

struct EventSender(Sender<Message>);

impl notify::EventHandler for EventSender {
    fn handle_event(&mut self, event: notify::Result<Event>) {
        // Nobody listens any more when this fails.
        let _ = self.0.send(Message::Event(event));
    }
}
