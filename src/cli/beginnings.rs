use crate::model::{Code, Failure};

/// So short a beginning is a slip.
const SHORTEST: usize = 4;

/// The one id that begins so.
pub fn the_one<'a>(
    beginning: &str,
    (of, list): (&str, &str),
    ids: impl Iterator<Item = &'a str>,
) -> Result<&'a str, Failure> {
    let refused = |message: String, fix: String| {
        Err(Failure::new(Code::ConfigInvalid, message).with_fix(fix))
    };
    if beginning.len() < SHORTEST {
        let message = format!("{beginning:?} is too short to say which {of} is meant");
        return refused(message, format!("Give at least {SHORTEST} characters of the id."));
    }
    let lower = beginning.to_ascii_lowercase();
    let found: Vec<&str> = ids.filter(|id| id.starts_with(&lower)).collect();
    match found[..] {
        [id] => Ok(id),
        [] => Err(Failure::new(
            Code::ApiRefused,
            format!("there is no {of} whose id begins with {beginning:?}"),
        )
        .with_fix(format!("'{list}' shows those that there are."))),
        _ => refused(
            format!("several ids begin with {beginning:?}: {}", found.join(", ")),
            "Give more of the id.".into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_beginning_that_fits_one_id_says_which() {
        let of = |beginning| {
            the_one(beginning, ("key", "list keys"), ["abcd1", "abcd2", "ffff0"].into_iter())
        };
        assert_eq!(of("FFFF").expect("one"), "ffff0");
        assert!(of("abcd").expect_err("two").message.contains("abcd1, abcd2"));
        assert!(of("0000").expect_err("none").is(Code::ApiRefused));
        assert!(of("fff").expect_err("too short").message.contains("too short"));
    }
}
