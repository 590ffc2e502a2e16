use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::Bounds;
use crate::{limits::source::Source, model::KeyId};

/// How long a stranger who has begun to speak, and has no answer yet, is not disturbed by others from
/// the same address: what a handshake takes while all of them are at theirs, and far less than one may
/// take.
pub const UNDISTURBED: Duration = Duration::from_secs(1);

/// Who a connection belongs to, once that is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Owner {
    Key(KeyId),
    User(Arc<str>),
}

/// Connections that share a bound.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Group {
    Strangers,
    StrangersAt(Source),
    Key(KeyId),
    User(Arc<str>),
    UserAt(Arc<str>, Source),
}

/// The places of a port.
#[derive(Default)]
pub struct Places {
    /// Places that have an owner.
    pub known: usize,
    pub groups: HashMap<Group, Vec<Arc<Place>>>,
}

/// What one connection takes up.
pub struct Place {
    pub address: IpAddr,
    since: Instant,
    /// Something has come over it, and no request has been answered yet.
    pub speaks: AtomicBool,
    /// Changes only while the door's places are locked.
    owner: Mutex<Option<Owner>>,
    /// A request is under way.
    pub busy: AtomicBool,
    /// It is the coordinator that lets a request wait, for a turn among few.
    pub queued: AtomicBool,
    pub evicted: Notify,
}

/// What had to be done so that a connection could become somebody's.
#[derive(Debug, PartialEq, Eq)]
pub enum Joined {
    WithRoom,
    /// A connection of this owner was told to go; `None` for a stranger's.
    InPlaceOf(Option<Owner>),
    /// There is no room for it: everybody who is here has one connection, or is at a handshake that
    /// may take its time.
    Not,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "the host with the key {key}"),
            Self::User(name) => write!(f, "the user {name}"),
        }
    }
}

impl Group {
    fn all_of(owner: Option<&Owner>, address: IpAddr) -> impl Iterator<Item = Self> {
        let (one, other) = match owner {
            None => (Self::StrangersAt(Source::of(address)), Some(Self::Strangers)),
            Some(Owner::Key(key)) => (Self::Key(*key), None),
            Some(Owner::User(name)) => {
                (Self::UserAt(name.clone(), Source::of(address)), Some(Self::User(name.clone())))
            }
        };
        std::iter::once(one).chain(other)
    }

    fn most(&self, bounds: &Bounds) -> usize {
        match self {
            Self::Strangers => bounds.strangers,
            Self::StrangersAt(_) => bounds.strangers_at,
            Self::Key(_) => bounds.of_a_key,
            Self::User(_) => bounds.of_a_user,
            Self::UserAt(..) => bounds.of_a_user_at,
        }
    }

    /// The one who makes room in a full group; `None` if nobody has to. A stranger cannot stay by
    /// being busy. Places are in the order in which they were given.
    fn first_to_go(&self, places: &[Arc<Place>]) -> Option<Arc<Place>> {
        let idle = |place: &&Arc<Place>| !place.busy.load(Ordering::Relaxed);
        let silent = |place: &&Arc<Place>| !place.speaks.load(Ordering::Relaxed);
        let had_its_time = |place: &&Arc<Place>| place.since.elapsed() >= UNDISTURBED;
        let oldest = places.first();
        let first = match self {
            Self::Strangers => oldest,
            Self::StrangersAt(_) => oldest.filter(had_its_time).or(places.iter().find(silent)),
            Self::Key(_) | Self::User(_) | Self::UserAt(..) => places.iter().find(idle).or(oldest),
        };
        first.cloned()
    }

    fn is_of_an_owner(&self) -> bool {
        matches!(self, Self::Key(_) | Self::User(_))
    }
}

impl Place {
    pub fn new(address: IpAddr) -> Self {
        Self {
            address,
            since: Instant::now(),
            speaks: AtomicBool::new(false),
            owner: Mutex::new(None),
            busy: AtomicBool::new(false),
            queued: AtomicBool::new(false),
            evicted: Notify::new(),
        }
    }

    pub fn owner(&self) -> MutexGuard<'_, Option<Owner>> {
        self.owner.lock().expect("no panic while held")
    }
}

impl Places {
    pub fn remove(&mut self, place: &Arc<Place>) {
        let owner = place.owner().clone();
        let mut found = false;
        for group in Group::all_of(owner.as_ref(), place.address) {
            let Entry::Occupied(mut places) = self.groups.entry(group) else { continue };
            if let Some(at) = places.get().iter().position(|it| Arc::ptr_eq(it, place)) {
                places.get_mut().remove(at);
                found = true;
            }
            if places.get().is_empty() {
                places.remove();
            }
        }
        if found && owner.is_some() {
            self.known -= 1;
        }
    }

    fn evict(&mut self, place: &Arc<Place>) -> Joined {
        self.remove(place);
        place.evicted.notify_one();
        Joined::InPlaceOf(place.owner().clone())
    }

    /// Gives a place to somebody: to a stranger, where there is no owner.
    pub fn give(&mut self, place: &Arc<Place>, owner: Option<Owner>, bounds: &Bounds) -> Joined {
        self.remove(place);
        *place.owner() = owner;
        self.add(place, bounds)
    }

    /// Puts a place that is in no group where its owner's are.
    fn add(&mut self, place: &Arc<Place>, bounds: &Bounds) -> Joined {
        let owner = place.owner().clone();
        let mut joined = Joined::WithRoom;
        for group in Group::all_of(owner.as_ref(), place.address) {
            if let Some(places) = self.groups.get(&group)
                && places.len() >= group.most(bounds)
            {
                joined = match self.first_of(&group, places) {
                    Some(gone) => self.evict(&gone),
                    None => return Joined::Not,
                };
            }
        }
        if owner.is_some() {
            if self.known >= bounds.known {
                joined = match self.of_the_one_with_most() {
                    Some(gone) => self.evict(&gone),
                    None => return Joined::Not,
                };
            }
            self.known += 1;
        }
        for group in Group::all_of(owner.as_ref(), place.address) {
            self.groups.entry(group).or_insert_with(|| Vec::with_capacity(1)).push(place.clone());
        }
        joined
    }

    /// Of all strangers one of the oldest goes: that of the source which has most of them, so that
    /// those who are few get the time to say who they are. Whoever was told to wait may do so.
    fn first_of(&self, group: &Group, places: &[Arc<Place>]) -> Option<Arc<Place>> {
        const OLDEST: usize = 16;
        if *group != Group::Strangers {
            return group.first_to_go(places);
        }
        let of_source = |place: &&Arc<Place>| {
            let source = Group::StrangersAt(Source::of(place.address));
            self.groups.get(&source).map_or(0, Vec::len)
        };
        let not_queued = |place: &&Arc<Place>| !place.queued.load(Ordering::Relaxed);
        let mut oldest: Vec<_> = places.iter().filter(not_queued).take(OLDEST).collect();
        if oldest.is_empty() {
            oldest = places.iter().take(OLDEST).collect();
        }
        // Of several the last is taken, which is the oldest.
        oldest.into_iter().rev().max_by_key(of_source).cloned()
    }

    /// The first to go of whoever has most connections, if anybody has several.
    fn of_the_one_with_most(&self) -> Option<Arc<Place>> {
        let owners = self.groups.iter().filter(|(group, _)| group.is_of_an_owner());
        let (group, places) = owners.max_by_key(|(_, places)| places.len())?;
        if places.len() < 2 {
            return None;
        }
        group.first_to_go(places)
    }
}
