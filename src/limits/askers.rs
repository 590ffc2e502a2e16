use super::{allowance::Allowance, source::Source};

/// A second's worth of requests for each user, and for the strangers at each address.
pub struct Askers {
    users: Allowance<String>,
    strangers: Allowance<Source>,
}

impl Askers {
    /// Requests a second of one user, and from one address of whoever is nobody's; of each as many as
    /// `most` are remembered.
    pub fn new(of_a_user: f64, of_strangers: f64, most: usize) -> Self {
        Self {
            users: Allowance::new(of_a_user, of_a_user, most),
            strangers: Allowance::new(of_strangers, of_strangers, most),
        }
    }

    /// Whether one more request may pass, of this user or of a stranger at that address.
    pub fn allow(&self, user: Option<&str>, from: Source) -> bool {
        match user {
            Some(user) => self.users.take(user.to_owned()).is_ok(),
            None => self.strangers.take(from).is_ok(),
        }
    }
}
