use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex},
};

/// Connections that nobody vouches for yet, in total.
const MOST_STRANGERS: usize = 1024;

/// And from one address.
const MOST_FROM_ONE_ADDRESS: usize = 256;

/// Counts the connections of strangers. One whose peer turns out to be known no longer counts,
/// so that strangers cannot take the room of hosts and users.
#[derive(Default)]
pub struct Door(Mutex<Strangers>);

#[derive(Default)]
struct Strangers {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A stranger's place; dropping it gives it back.
pub struct Admission {
    door: Arc<Door>,
    address: IpAddr,
}

impl Door {
    /// A place for a connection from `address`, if there is room.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Admission> {
        let mut strangers = self.0.lock().expect("no panic while held");
        let from_address = strangers.by_address.get(&address).copied().unwrap_or(0);
        if strangers.total >= MOST_STRANGERS || from_address >= MOST_FROM_ONE_ADDRESS {
            return None;
        }
        strangers.total += 1;
        strangers.by_address.insert(address, from_address + 1);
        Some(Admission { door: self.clone(), address })
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut strangers = self.door.0.lock().expect("no panic while held");
        strangers.total -= 1;
        if let Some(count) = strangers.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                strangers.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_all_places() {
        let door = Arc::new(Door::default());
        let here: IpAddr = [10, 0, 0, 1].into();
        let there: IpAddr = [10, 0, 0, 2].into();
        let held: Vec<Admission> = std::iter::from_fn(|| door.admit(here)).collect();
        assert_eq!(held.len(), MOST_FROM_ONE_ADDRESS);
        assert!(door.admit(there).is_some());
        drop(held);
        assert!(door.admit(here).is_some());
    }
}
