use serde::{Deserialize, Serialize};

use super::Stored;
use crate::store::StorePath;

/// Says by its version that something was added to a collection. Whoever counts what is there and
/// adds one writes it too, and so counts anew when somebody else was faster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdditionsRecord {}

impl Stored for AdditionsRecord {
    const SCHEMA: u32 = 1;
}

impl AdditionsRecord {
    /// `kind` is one of a few, `name` may come from a request.
    pub fn path(kind: &str, name: &str) -> StorePath {
        StorePath::root("additions").child(kind).child(&format!("x{}", hex::encode(name)))
    }
}
