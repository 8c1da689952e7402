//! How long work says how far it is. Knows nothing of terminals.

/// Hears of the stages of a build. Calls come from any thread.
pub trait Progress: Sync {
    /// The next stage begins, of `n_steps` steps; the one before it is done.
    fn stage(&self, name: &str, n_steps: u64);
    /// `n_steps` more steps of the current stage are done.
    fn advance(&self, n_steps: u64);
}

/// Tells nobody.
#[derive(Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn stage(&self, _name: &str, _n_steps: u64) {}
    fn advance(&self, _n_steps: u64) {}
}
