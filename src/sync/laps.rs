//! How long the steps of an update took.

use std::time::Instant;

/// What the steps of an update took, for the log.
pub struct Laps {
    last: Instant,
    /// Name and milliseconds.
    pub times: Vec<(&'static str, f64)>,
}

impl Laps {
    pub fn start() -> Self {
        Self {
            last: Instant::now(),
            times: Vec::new(),
        }
    }

    /// The step that ends now was `name`.
    pub fn lap(&mut self, name: &'static str) {
        let now = Instant::now();
        let ms = (now - self.last).as_secs_f64() * 1_000.0;
        self.times.push((name, ms));
        self.last = now;
    }
}
