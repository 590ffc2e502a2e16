/// The redirect, and the metrics.
const PORTS_FOR_ANYBODY: usize = 2;

/// For whom a port is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    Hosts,
    Users,
    /// Nobody has to say who they are.
    Anybody,
}

/// How many connections a port may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Connections that nobody vouches for yet, in total
    pub strangers: usize,
    /// and from one place.
    pub strangers_at: usize,
    /// Connections of those who are known, in total.
    pub known: usize,
    /// A host needs one, and another while it changes over.
    pub of_a_key: usize,
    pub of_a_user: usize,
    /// Of one user from one place.
    pub of_a_user_at: usize,
}

impl Bounds {
    /// The port's share of the descriptors that this process may have. Hosts get what others leave;
    /// some are kept back for the datastore and everything else.
    pub fn of(audience: Audience, open_files: usize) -> Self {
        let for_users = (open_files / 4).min(2560.max(open_files / 8));
        let for_anybody = (open_files / 32).min(256);
        let kept_back = (open_files / 16).min(640);
        let share = match audience {
            Audience::Hosts => open_files - for_users - PORTS_FOR_ANYBODY * for_anybody - kept_back,
            Audience::Users => for_users,
            Audience::Anybody => for_anybody,
        };
        let strangers = match audience {
            Audience::Anybody => share,
            Audience::Hosts | Audience::Users => (share / 4).min(1024),
        };
        let known = share - strangers;
        Self {
            strangers,
            strangers_at: (strangers / 2).min(256),
            known,
            of_a_key: 8,
            of_a_user: (known / 2).min(1024),
            of_a_user_at: (known / 4).min(256),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ports_together_leave_descriptors_for_the_rest() {
        for open_files in [256, 1024, 20_000, 1_000_000] {
            use Audience::*;
            let taken: usize = [Hosts, Users, Anybody, Anybody]
                .map(|audience| Bounds::of(audience, open_files))
                .map(|bounds| bounds.strangers + bounds.known)
                .iter()
                .sum();
            let left = open_files - taken;
            assert!(left >= 640.min(open_files / 16), "{left} of {open_files}");
        }
    }

    #[test]
    fn where_there_are_descriptors_enough_the_bounds_do_not_depend_on_them() {
        let bounds = Bounds::of(Audience::Users, 100_000);
        assert_eq!((bounds.strangers, bounds.strangers_at), (1024, 256));
        assert_eq!((bounds.of_a_user, bounds.of_a_user_at), (1024, 256));
    }

    #[test]
    fn a_fleet_of_fifteen_thousand_needs_twenty_thousand_descriptors() {
        assert!(Bounds::of(Audience::Hosts, 20_000).known >= 15_000);
    }
}
