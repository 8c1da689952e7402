//! How long work says how far it is. Knows nothing of terminals.

/// The steps of an update. A crash after any of them loses nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Everything is read and handed to the index; nothing of it counts yet.
    Read,
    /// What the records will say is put down.
    Prepared,
    /// The index has committed and serves the new generation.
    Committed,
    /// The records say so too.
    Recorded,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Read, Self::Prepared, Self::Committed, Self::Recorded];
}

/// Hears of the stages of a build. Calls come from any thread.
pub trait Progress: Sync {
    /// The next stage begins, of `n_steps` steps; the one before it is done.
    fn stage(&self, name: &str, n_steps: u64);
    /// `n_steps` more steps of the current stage are done.
    fn advance(&self, n_steps: u64);
    /// An update has got so far.
    fn reached(&self, _step: Step) {}
}

/// Tells nobody.
#[derive(Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn stage(&self, _name: &str, _n_steps: u64) {}
    fn advance(&self, _n_steps: u64) {}
}
