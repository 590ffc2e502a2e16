use std::fmt;

use zeroize::Zeroizing;

/// Text that must never be printed: a token, a password, a private key.
///
/// `Debug` shows `[redacted]`, there is no `Display`, it cannot be serialised, and the
/// memory is wiped when it is dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for the one place that has to send or store it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_does_not_show_the_text() {
        let shown = format!("{:?}", Some(Secret::new("canary")));
        assert_eq!(shown, "Some([redacted])");
    }
}
