/// A number of seconds, or of what its unit says: `s`, `m`, `h` or `d`.
pub fn seconds(text: &str) -> Result<i64, String> {
    let unit = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let factor = match unit {
        "" | "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        "d" => Some(86_400),
        _ => None,
    };
    let seconds = factor.and_then(|factor: i64| number.parse::<i64>().ok()?.checked_mul(factor));
    seconds.filter(|seconds| *seconds > 0).ok_or_else(|| {
        "it is a number above 0, of seconds or with one of s, m, h and d behind it".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit_or_is_in_seconds() {
        for (text, expected) in
            [("60", 60), ("60s", 60), ("10m", 600), ("1h", 3600), ("7d", 604_800)]
        {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for bad in ["", "h", "0", "1w", "-1", "1h30m", "1.5h", "99999999999999999999", "1 h"] {
            seconds(bad).expect_err(bad);
        }
    }
}
