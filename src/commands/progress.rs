//! What a long command shows while it works: a bar on a terminal, plain lines otherwise.
//!
//! Everything goes to stderr; results own stdout.

use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::sync::Progress;

/// Time between two plain lines of one stage.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Progress on stderr.
pub struct Console {
    is_terminal: bool,
    stage: Mutex<Stage>,
}

struct Stage {
    name: String,
    n_steps: u64,
    n_done: u64,
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl Console {
    /// A bar when stderr is a terminal, plain lines otherwise.
    pub fn new() -> Self {
        Self {
            is_terminal: std::io::stderr().is_terminal(),
            stage: Mutex::new(Stage {
                name: String::new(),
                n_steps: 0,
                n_done: 0,
                bar: None,
                last_line: Instant::now(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Stage> {
        // A panic while a line was printed leaves nothing half-changed that matters.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the bar, so that what is printed next starts on a clean line.
    pub fn finish(&self) {
        if let Some(bar) = self.lock().bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Default for Console {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress for Console {
    fn stage(&self, name: &str, n_steps: u64) {
        self.finish();
        let mut stage = self.lock();
        stage.name = name.to_owned();
        stage.n_steps = n_steps;
        stage.n_done = 0;
        stage.last_line = Instant::now();
        if n_steps == 0 {
            return;
        }
        if self.is_terminal {
            let bar = ProgressBar::new(n_steps).with_message(name.to_owned());
            if let Ok(style) = ProgressStyle::with_template(
                "{msg:<10} {bar:32} {pos}/{len}  {elapsed} (剩余 {eta})",
            ) {
                bar.set_style(style);
            }
            stage.bar = Some(bar);
        } else {
            eprintln!("{name}: 0/{n_steps}");
        }
    }

    fn advance(&self, n_steps: u64) {
        let mut stage = self.lock();
        stage.n_done += n_steps;
        if let Some(bar) = &stage.bar {
            bar.inc(n_steps);
        } else if stage.last_line.elapsed() >= LINE_INTERVAL {
            eprintln!("{}: {}/{}", stage.name, stage.n_done, stage.n_steps);
            stage.last_line = Instant::now();
        }
    }
}
