//! How often somebody may ask.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Addresses share so many counters at most, by a hash that nobody outside knows: memory is bounded
/// whoever knocks.
const N_COUNTERS: u64 = 1 << 18;

/// How long to wait before the next request.
pub type Wait = Duration;

/// So many requests a second in the long run, and so many at once. GCRA, by the crate governor.
fn quota(rate: f64, burst: u32) -> Quota {
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    let period = Duration::from_secs_f64(1.0 / rate.clamp(1e-6, 1e9));
    Quota::with_period(period)
        .unwrap_or(Quota::per_second(burst))
        .allow_burst(burst)
}

/// The requests of one key.
#[derive(Debug)]
pub struct Limiter {
    limiter: DefaultDirectRateLimiter,
    clock: DefaultClock,
}

impl Limiter {
    pub fn new(rate: f64, burst: u32) -> Self {
        Self {
            limiter: RateLimiter::direct(quota(rate, burst)),
            clock: DefaultClock::default(),
        }
    }

    /// Counts a request, if there is room for it.
    pub fn admit(&self) -> Result<(), Wait> {
        let admitted = self.limiter.check();
        admitted.map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

/// What comes from each address; of IPv6, from each network of 64 bits, which is one household's.
#[derive(Debug)]
pub struct AddressLimiter {
    limiter: DefaultKeyedRateLimiter<u64>,
    clock: DefaultClock,
    hasher: RandomState,
}

impl AddressLimiter {
    pub fn new(rate: f64, burst: u32) -> Self {
        Self {
            limiter: RateLimiter::keyed(quota(rate, burst)),
            clock: DefaultClock::default(),
            hasher: RandomState::new(),
        }
    }

    /// Counts a request of an address, if there is room for it.
    pub fn admit(&self, address: IpAddr) -> Result<(), Wait> {
        let counter = self.hasher.hash_one(household(address)) % N_COUNTERS;
        let admitted = self.limiter.check_key(&counter);
        admitted.map_err(|until| until.wait_time_from(self.clock.now()))
    }

    /// Forgets addresses that could ask as often as new ones.
    pub fn forget_idle(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

fn household(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        // Never one of the above: those fill the lower half.
        IpAddr::V6(address) => address.to_bits() >> 64 << 64 | 1 << 63,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_it_is_said_how_long_to_wait() {
        let limiter = Limiter::new(0.01, 3);
        assert!((0..3).all(|_| limiter.admit().is_ok()));
        let wait = limiter.admit().unwrap_err();
        assert!(
            wait > Duration::from_secs(90) && wait <= Duration::from_secs(100),
            "{wait:?}"
        );
    }

    #[test]
    fn addresses_do_not_disturb_each_other_but_households_share() {
        let limiter = AddressLimiter::new(0.001, 1);
        let admit = |address: &str| limiter.admit(address.parse().unwrap()).is_ok();
        assert!(admit("192.0.2.1") && !admit("192.0.2.1"));
        assert!(
            !admit("::ffff:192.0.2.1"),
            "the same address, written otherwise"
        );
        assert!(admit("192.0.2.2"));
        assert!(admit("2001:db8::1") && !admit("2001:db8::ffff:2"));
        assert!(admit("2001:db8:0:1::1"));
    }
}
