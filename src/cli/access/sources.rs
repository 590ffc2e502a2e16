use std::{fmt, path::PathBuf};

/// What has a say in how the API is reached, beside flags and variables.
pub(super) struct Sources {
    pub(super) state: PathBuf,
    pub(super) profile: FromProfile,
}

pub(super) enum FromProfile {
    Used(PathBuf),
    /// There is none at the usual place.
    Missing(PathBuf),
    /// This flag says that another cluster is meant.
    LeftOut(PathBuf, &'static str),
    NoHome,
}

impl fmt::Display for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.display();
        match &self.profile {
            FromProfile::Used(file) => write!(f, "by the profile {}", file.display()),
            FromProfile::Missing(file) => {
                write!(f, "by the state directory {state}; there is no profile {}", file.display())
            }
            FromProfile::LeftOut(file, flag) => write!(
                f,
                "by the state directory {state}; the profile {} is left out because of {flag}",
                file.display()
            ),
            FromProfile::NoHome => write!(f, "by the state directory {state}"),
        }
    }
}

impl Sources {
    /// Where something was looked for in vain.
    pub(super) fn searched(&self, is_host: bool) -> String {
        let state = self.state.display();
        let no_host = (!is_host).then(|| format!("no host is installed in {state}"));
        let profile = match &self.profile {
            FromProfile::Used(file) => Some(format!("the profile {} has none", file.display())),
            FromProfile::Missing(file) => Some(format!("there is no profile {}", file.display())),
            FromProfile::LeftOut(file, flag) => {
                Some(format!("the profile {} is left out because of {flag}", file.display()))
            }
            FromProfile::NoHome => None,
        };
        no_host.into_iter().chain(profile).collect::<Vec<_>>().join(", and ")
    }
}
