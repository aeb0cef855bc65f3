//! How many connections may be between knocking and being known, together and from one address: a flood of them costs
//! the flooder's own places and nobody else's.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

pub(super) struct Threshold {
    places_max: usize,
    places_per_address_max: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection on the threshold; it leaves when this is dropped.
pub(super) struct Place {
    threshold: Arc<Threshold>,
    address: IpAddr,
}

impl Threshold {
    pub(super) fn new(places_max: usize, places_per_address_max: usize) -> Arc<Threshold> {
        Arc::new(Threshold { places_max, places_per_address_max, taken: Mutex::default() })
    }

    /// None when the threshold, or this address's part of it, is full.
    pub(super) fn enter(self: &Arc<Threshold>, address: IpAddr) -> Option<Place> {
        let address = one_sender(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.get(&address).copied().unwrap_or(0);
        if own >= self.places_per_address_max || taken.values().sum::<usize>() >= self.places_max {
            return None;
        }
        taken.insert(address, own + 1);
        Some(Place { threshold: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.threshold.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

/// An IPv6 host has a whole /64 to send from.
fn one_sender(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_fills_its_own_places_only() {
        let threshold = Threshold::new(5, 3);
        let enter = |address: &str| threshold.enter(address.parse().unwrap());
        let flood: Vec<_> = (0..10).filter_map(|_| enter("192.0.2.1")).collect();
        assert_eq!(flood.len(), 3);
        let other = enter("192.0.2.2");
        assert!(other.is_some(), "another address comes in");
        drop(flood);
        assert!(enter("192.0.2.1").is_some(), "places that were left are free again");
    }

    #[test]
    fn one_host_has_one_share_whichever_of_its_addresses_it_uses() {
        let threshold = Threshold::new(10, 1);
        let _first = threshold.enter("2001:db8::1".parse().unwrap()).expect("a place");
        assert!(threshold.enter("2001:db8::ffff:2".parse().unwrap()).is_none());
        assert!(threshold.enter("2001:db8:0:1::1".parse().unwrap()).is_some());
        let _mapped = threshold.enter("::ffff:192.0.2.1".parse().unwrap()).expect("a place");
        assert!(threshold.enter("192.0.2.1".parse().unwrap()).is_none());
    }

    #[test]
    fn all_together_have_a_limit() {
        let threshold = Threshold::new(2, 2);
        let places: Vec<_> = (0..9).filter_map(|host| threshold.enter(IpAddr::from([192, 0, 2, host]))).collect();
        assert_eq!(places.len(), 2);
    }
}
