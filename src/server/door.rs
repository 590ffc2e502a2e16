use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, atomic::Ordering},
};

use super::{
    Bounds,
    places::{Joined, Owner, Place, Places},
};
use crate::{limits::quiet::Quiet, model::KeyId};

/// Counts the connections of a port: those of strangers, and those of each host and user.
///
/// Of too many strangers the oldest has to go: whoever has something to say does so within
/// milliseconds, and idle connections cannot keep others out, not even from their own address. But
/// of those at one address nobody is turned out who has just begun to speak, so that many who come
/// at once do not end each other's handshakes: where all have, the next is turned away. Of too many
/// that belong to one who is known, it is the oldest over which no request is under way.
pub struct Door {
    bounds: Bounds,
    places: Mutex<Places>,
}

/// A connection's place; dropping it gives it back.
pub struct Admission {
    door: Arc<Door>,
    place: Arc<Place>,
}

/// A request over a connection, until its answer has been given.
pub struct UnderWay(Arc<Place>);

/// A request that waits for its turn, until it has had it.
pub struct Queued(Arc<Place>);

impl Door {
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, places: Mutex::default() }
    }

    /// A place for a connection from `address`, if there is one.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Admission> {
        let place = Arc::new(Place::new(address));
        let joined = self.lock().give(&place, None, &self.bounds);
        (joined != Joined::Not).then(|| Admission { door: self.clone(), place })
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().expect("no panic while held")
    }
}

impl Admission {
    /// Comes back when the place is needed for somebody else.
    pub fn evicted(&self) -> impl Future<Output = ()> + Send + use<> {
        let place = self.place.clone();
        async move { place.evicted.notified().await }
    }

    /// Something has come over the connection.
    pub fn speaks(&self) {
        self.place.speaks.store(true, Ordering::Relaxed);
    }

    /// Marks the connection as one that is not idle.
    pub fn request(&self) -> UnderWay {
        self.place.busy.store(true, Ordering::Relaxed);
        UnderWay(self.place.clone())
    }

    /// Marks the connection as one whose request waits for its turn.
    pub fn queue(&self) -> Queued {
        self.place.queued.store(true, Ordering::Relaxed);
        Queued(self.place.clone())
    }

    pub fn belongs_to_key(&self, key: KeyId) {
        if *self.place.owner() != Some(Owner::Key(key)) {
            self.belongs_to(Owner::Key(key));
        }
    }

    pub fn belongs_to_user(&self, name: &str) {
        let same = matches!(&*self.place.owner(), Some(Owner::User(own)) if **own == *name);
        if !same {
            self.belongs_to(Owner::User(name.into()));
        }
    }

    fn belongs_to(&self, owner: Owner) {
        static SAID: Quiet = Quiet::new();
        let bounds = &self.door.bounds;
        let joined = self.door.lock().give(&self.place, Some(owner.clone()), bounds);
        if joined == Joined::Not {
            self.place.evicted.notify_one();
        }
        let from = self.place.address;
        let (Joined::InPlaceOf(Some(_)) | Joined::Not) = joined else { return };
        let Some(left_out) = SAID.may_tell(from) else { return };
        match joined {
            Joined::InPlaceOf(Some(greedy)) => {
                tracing::warn!(%from, left_out, "{greedy} has too many connections: one was closed for {owner}");
            }
            Joined::InPlaceOf(None) | Joined::WithRoom | Joined::Not => {
                tracing::warn!(%from, left_out, "turned {owner} away: the limit of open files (LimitNOFILE) leaves no room for another connection");
            }
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.door.lock().remove(&self.place);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Relaxed);
        self.0.speaks.store(false, Ordering::Relaxed);
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.queued.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use tokio::time::{Duration, Instant, advance, timeout};

    use super::*;
    use crate::server::places::{Group, UNDISTURBED};

    const BOUNDS: Bounds = Bounds {
        strangers: 10,
        strangers_at: 4,
        known: 20,
        of_a_key: 3,
        of_a_user: 8,
        of_a_user_at: 4,
    };

    fn door() -> Arc<Door> {
        Arc::new(Door::new(BOUNDS))
    }

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn key(number: u8) -> KeyId {
        KeyId::from_digest([number; 32])
    }

    fn stranger(door: &Arc<Door>, from: u8) -> Admission {
        door.admit(address(from)).expect("a place")
    }

    fn speaking(door: &Arc<Door>, from: u8) -> Option<Admission> {
        door.admit(address(from)).inspect(Admission::speaks)
    }

    fn of_key(door: &Arc<Door>, number: u8) -> Admission {
        let admission = stranger(door, number);
        admission.belongs_to_key(key(number));
        admission
    }

    fn of_user(door: &Arc<Door>, name: &str, from: u8) -> Admission {
        let admission = stranger(door, from);
        admission.belongs_to_user(name);
        admission
    }

    async fn is_evicted(admission: &Admission) -> bool {
        timeout(Duration::ZERO, admission.evicted()).await.is_ok()
    }

    #[tokio::test]
    async fn the_oldest_of_an_address_makes_room_for_the_next_from_there() {
        let door = door();
        let elsewhere = stranger(&door, 2);
        let mut held: Vec<Admission> = (0..4).map(|_| stranger(&door, 1)).collect();
        let _busy = held[0].request();
        assert!(!is_evicted(&held[0]).await);
        held.push(stranger(&door, 1));
        assert!(is_evicted(&held[0]).await, "a stranger stays by being busy");
        assert!(!is_evicted(&held[1]).await);
        assert!(!is_evicted(&elsewhere).await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_begun_to_speak_has_time_and_who_comes_meanwhile_from_there_is_turned_away() {
        let door = door();
        let mut held: Vec<Admission> = (0..2).map(|_| speaking(&door, 1).expect("room")).collect();
        let (answered, silent) = (speaking(&door, 1).expect("room"), stranger(&door, 1));
        drop(answered.request());
        held.push(speaking(&door, 1).expect("the place of the one who has an answer"));
        let fourth = speaking(&door, 1).expect("the place of the one who has said nothing");
        assert!(is_evicted(&answered).await && is_evicted(&silent).await);
        assert!(door.admit(address(1)).is_none(), "all are at their handshakes");
        assert!(door.admit(address(2)).is_some(), "another address");
        advance(UNDISTURBED).await;
        held.push(stranger(&door, 1));
        assert!(is_evicted(&held[0]).await, "it has had its time");
        held.push(stranger(&door, 1));
        assert!(is_evicted(&held[1]).await, "who has had their time goes before who came just now");
        for stays in [&held[2], &held[3], &held[4], &fourth] {
            assert!(!is_evicted(stays).await);
        }
        drop((held, fourth));
        assert!(door.lock().groups.is_empty());
    }

    /// Hosts that come back behind one address, fewer of whom have a place than come, while `others`
    /// there take one every so often and do nothing with it. How long until all hosts are in, and
    /// how many handshakes that took.
    async fn a_burst(others: Option<Duration>) -> (Duration, usize) {
        const TICK: Duration = Duration::from_millis(1);
        const OF_A_HANDSHAKE: u32 = 50;
        const AGAIN: u32 = 100;
        enum Host {
            Away(u32),
            Shaking(Admission, u32),
        }
        let (door, start) = (door(), Instant::now());
        let mut hosts: Vec<Host> = (0..40).map(|number| Host::Away(number % 3)).collect();
        let (mut idle, mut handshakes) = (VecDeque::new(), 0);
        let mut next_idle = start;
        while !hosts.is_empty() {
            while let Some(pause) = others
                && next_idle <= Instant::now()
            {
                idle.extend(door.admit(address(1)));
                next_idle += pause;
            }
            let mut waiting = Vec::new();
            for host in hosts {
                waiting.push(match host {
                    Host::Away(0) => match speaking(&door, 1) {
                        Some(admission) => {
                            handshakes += 1;
                            Host::Shaking(admission, OF_A_HANDSHAKE)
                        }
                        None => Host::Away(AGAIN),
                    },
                    Host::Away(left) => Host::Away(left - 1),
                    Host::Shaking(admission, _) if is_evicted(&admission).await => {
                        Host::Away(AGAIN)
                    }
                    Host::Shaking(_, 0) => continue,
                    Host::Shaking(admission, left) => Host::Shaking(admission, left - 1),
                });
            }
            hosts = waiting;
            assert!(start.elapsed() < Duration::from_secs(60), "{} are not in", hosts.len());
            advance(TICK).await;
        }
        (start.elapsed(), handshakes)
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_that_come_at_once_from_one_address_do_not_end_each_others_handshakes() {
        let (took, handshakes) = a_burst(None).await;
        assert_eq!(handshakes, 40, "each began one");
        assert!(took < Duration::from_secs(2), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_takes_places_and_says_nothing_keeps_nobody_out() {
        let (took, _) = a_burst(Some(Duration::from_millis(5))).await;
        assert!(took < Duration::from_secs(3), "{took:?}");
    }

    #[tokio::test]
    async fn of_too_many_strangers_those_of_the_source_with_most_go_first() {
        let door = door();
        let patient = stranger(&door, 100);
        // Four sources that come again and again.
        let mut held = VecDeque::new();
        for number in 0..200u8 {
            held.push_back(stranger(&door, number % 4));
            if held.len() > 16 {
                held.pop_front();
            }
        }
        assert!(!is_evicted(&patient).await);
    }

    #[tokio::test]
    async fn a_stranger_who_waits_for_a_turn_stays_while_others_come_and_go() {
        let door = door();
        let told_to_wait = stranger(&door, 100);
        let queued = told_to_wait.queue();
        let others: Vec<Admission> = (0..30).map(|number| stranger(&door, number)).collect();
        assert!(!is_evicted(&told_to_wait).await);
        drop(queued);
        let _more: Vec<Admission> = (30..40).map(|number| stranger(&door, number)).collect();
        assert!(is_evicted(&told_to_wait).await);
        drop(others);
    }

    #[tokio::test]
    async fn the_addresses_of_one_network_of_ipv6_count_as_one() {
        let door = door();
        let from = |last: u16| door.admit([0x2001, 0xdb8, 0, 0, 0, 0, 0, last].into());
        let held: Vec<Admission> = (0..5).filter_map(from).collect();
        assert!(is_evicted(&held[0]).await);
    }

    #[tokio::test]
    async fn one_that_is_vouched_for_has_left_the_strangers_and_is_not_evicted_for_them() {
        let door = door();
        let known = of_key(&door, 1);
        let _held: Vec<Admission> = (0..40).map(|number| stranger(&door, number % 20)).collect();
        assert!(!is_evicted(&known).await);
    }

    #[tokio::test]
    async fn of_a_keys_connections_the_oldest_idle_one_goes_first() {
        let door = door();
        let other = of_key(&door, 2);
        let (first, second, third) = (of_key(&door, 1), of_key(&door, 1), of_key(&door, 1));
        let under_way = first.request();
        let fourth = of_key(&door, 1);
        assert!(is_evicted(&second).await);
        for stays in [&first, &third, &fourth, &other] {
            assert!(!is_evicted(stays).await);
        }
        let _all_busy = (third.request(), fourth.request());
        let _fifth = of_key(&door, 1);
        assert!(is_evicted(&first).await, "none was idle, so the oldest goes");
        drop(under_way);
    }

    #[tokio::test]
    async fn a_user_has_so_many_from_one_address_and_so_many_in_all() {
        let door = door();
        let here: Vec<Admission> = (0..5).map(|_| of_user(&door, "ann", 1)).collect();
        assert!(is_evicted(&here[0]).await && !is_evicted(&here[1]).await);
        let there: Vec<Admission> = (2..7).map(|from| of_user(&door, "ann", from)).collect();
        assert!(is_evicted(&here[1]).await && !is_evicted(&here[2]).await);
        assert!(!is_evicted(&there[0]).await);
        assert_eq!(door.lock().groups[&Group::User("ann".into())].len(), 8);
    }

    #[tokio::test]
    async fn a_connection_counts_for_whoever_used_it_last() {
        let door = door();
        let shared: Vec<Admission> = (0..4).map(|_| of_user(&door, "ann", 1)).collect();
        shared[0].belongs_to_user("bob");
        let _next = of_user(&door, "ann", 1);
        assert!(!is_evicted(&shared[0]).await && !is_evicted(&shared[1]).await);
        assert_eq!(door.lock().known, 5);
        drop(shared);
        assert_eq!(door.lock().known, 1);
    }

    #[tokio::test]
    async fn when_all_room_is_taken_whoever_has_most_makes_some() {
        let door = door();
        let hosts: Vec<Admission> = (0..17).map(|number| of_key(&door, number)).collect();
        let greedy: Vec<Admission> = (0..3).map(|_| of_key(&door, 99)).collect();
        let (one, two) = (of_key(&door, 100), of_key(&door, 101));
        assert!(is_evicted(&greedy[0]).await && is_evicted(&greedy[1]).await);
        let late = of_key(&door, 102);
        assert!(is_evicted(&late).await, "each has one, and there is no room");
        for stays in hosts.iter().chain([&one, &two, &greedy[2]]) {
            assert!(!is_evicted(stays).await);
        }
        drop((hosts, greedy, one, two, late));
        assert!(door.lock().groups.is_empty());
        assert_eq!(door.lock().known, 0);
    }
}
