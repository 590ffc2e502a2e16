use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex},
};

use tokio::sync::Notify;

/// Connections that nobody vouches for yet, in total.
const MOST_STRANGERS: usize = 1024;

/// And from one address.
const MOST_FROM_ONE_ADDRESS: usize = 256;

/// Counts the connections of strangers. One whose peer turns out to be known no longer counts.
///
/// Where there are too many, the oldest has to go: whoever has something to say does so within
/// milliseconds, and idle connections cannot keep others out, not even from their own address.
#[derive(Default)]
pub struct Door(Mutex<Strangers>);

#[derive(Default)]
struct Strangers {
    next: u64,
    by_age: BTreeMap<u64, (IpAddr, Arc<Notify>)>,
    by_address: HashMap<IpAddr, BTreeSet<u64>>,
}

/// A stranger's place; dropping it gives it back.
pub struct Admission {
    door: Arc<Door>,
    number: u64,
    evicted: Arc<Notify>,
}

impl Strangers {
    fn remove(&mut self, number: u64) -> Option<Arc<Notify>> {
        let (address, evicted) = self.by_age.remove(&number)?;
        if let Some(numbers) = self.by_address.get_mut(&address) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_address.remove(&address);
            }
        }
        Some(evicted)
    }

    /// The one who has to make room for another from `address`, if there is none.
    fn oldest_too_many(&self, address: &IpAddr) -> Option<u64> {
        match self.by_address.get(address) {
            Some(numbers) if numbers.len() >= MOST_FROM_ONE_ADDRESS => numbers.first().copied(),
            _ if self.by_age.len() >= MOST_STRANGERS => self.by_age.keys().next().copied(),
            _ => None,
        }
    }
}

impl Door {
    /// A place for a connection from `address`.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Admission {
        let mut strangers = self.0.lock().expect("no panic while held");
        if let Some(oldest) = strangers.oldest_too_many(&address)
            && let Some(evicted) = strangers.remove(oldest)
        {
            evicted.notify_one();
        }
        let (number, evicted) = (strangers.next, Arc::new(Notify::new()));
        strangers.next += 1;
        strangers.by_age.insert(number, (address, evicted.clone()));
        strangers.by_address.entry(address).or_default().insert(number);
        Admission { door: self.clone(), number, evicted }
    }
}

impl Admission {
    /// Told when the place is needed for somebody else.
    pub fn evicted(&self) -> Arc<Notify> {
        self.evicted.clone()
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.door.0.lock().expect("no panic while held").remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Duration, timeout};

    use super::*;

    async fn is_evicted(admission: &Admission) -> bool {
        timeout(Duration::ZERO, admission.evicted.notified()).await.is_ok()
    }

    #[tokio::test]
    async fn the_oldest_of_an_address_makes_room_for_the_next_from_there() {
        let door = Arc::new(Door::default());
        let (here, there) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let elsewhere = door.admit(there);
        let mut held: Vec<Admission> =
            (0..MOST_FROM_ONE_ADDRESS).map(|_| door.admit(here)).collect();
        assert!(!is_evicted(&held[0]).await);
        held.push(door.admit(here));
        assert!(is_evicted(&held[0]).await);
        assert!(!is_evicted(&held[1]).await);
        assert!(!is_evicted(&elsewhere).await);
    }

    #[tokio::test]
    async fn one_that_is_vouched_for_has_left_and_is_not_evicted() {
        let door = Arc::new(Door::default());
        let first = door.admit([10, 0, 0, 1].into());
        let told = first.evicted();
        drop(first);
        let _held: Vec<Admission> = (0..2 * MOST_STRANGERS)
            .map(|number| door.admit([10, 1, 0, (number % 256) as u8].into()))
            .collect();
        assert!(timeout(Duration::ZERO, told.notified()).await.is_err());
    }
}
