use std::collections::HashSet;

use super::*;

#[test]
fn names_are_dotted_lower_case_and_unique() {
    let mut seen = HashSet::new();
    for code in Code::ALL {
        let name = code.name();
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == '.'), "{name}");
        assert!(seen.insert(name), "{name} twice");
        assert_eq!(Code::from_name(name), Some(*code));
    }
}
