use std::cmp::Ordering;

use serde_json::Value as Json;

use super::{
    BadQuery, Searchable, Value,
    bounds::{Effort, MOST_SORT_KEYS, check_field, compared},
};

/// By which fields a list is sorted, the most important first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order(Vec<(String, Direction)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

impl Order {
    /// `field`, `-field`, `field:desc`, separated by commas.
    pub fn from_text(text: &str) -> Result<Self, BadQuery> {
        let keys = text.split(',').map(str::trim).filter(|key| !key.is_empty());
        // One more than is allowed is enough to be refused.
        Self(keys.take(MOST_SORT_KEYS + 1).map(key_from_text).collect::<Result<_, _>>()?)
            .within_bounds()
    }

    /// A list of names, or of `{"field": {"order": "desc"}}` or `{"field": "desc"}`.
    pub fn from_json(items: &[Json]) -> Result<Self, BadQuery> {
        let mut keys = Vec::new();
        for (index, item) in items.iter().take(MOST_SORT_KEYS + 1).enumerate() {
            let at = format!("sort[{index}]");
            match item {
                Json::String(text) => keys.push(key_from_text(text)?),
                Json::Object(fields) => {
                    for (field, order) in fields.iter().take(MOST_SORT_KEYS + 1) {
                        let order = order.get("order").unwrap_or(order);
                        let order = order.as_str().ok_or_else(|| bad(&at))?;
                        keys.push((field.clone(), direction(order, &at)?));
                    }
                }
                _ => return Err(bad(&at)),
            }
        }
        Self(keys).within_bounds()
    }

    fn within_bounds(self) -> Result<Self, BadQuery> {
        if self.0.len() > MOST_SORT_KEYS {
            return Err(BadQuery::new("sort", format!("it has more than {MOST_SORT_KEYS} keys")));
        }
        self.0.iter().try_for_each(|(field, _)| check_field(field, "sort"))?;
        Ok(self)
    }

    pub fn keys(&self) -> usize {
        self.0.len()
    }

    /// The values that a document is sorted by, as long as there is effort left.
    fn of(&self, document: &dyn Searchable, effort: &Effort) -> Vec<Option<Value<'static>>> {
        let first = |field: &String| {
            let mut first = None;
            let mut is_first = |value: Value<'_>| {
                effort.see(&value);
                first = Some(value.owned());
                true
            };
            let _found = effort.look() && document.any(field, &mut is_first);
            first
        };
        self.0.iter().map(|(field, _)| first(field)).collect()
    }

    /// What has no value for a key comes last.
    fn compare(&self, one: &[Option<Value<'_>>], other: &[Option<Value<'_>>]) -> Ordering {
        for ((_, direction), values) in self.0.iter().zip(one.iter().zip(other)) {
            let order = match values {
                (None, None) => Ordering::Equal,
                (None, Some(_)) => return Ordering::Greater,
                (Some(_), None) => return Ordering::Less,
                (Some(one), Some(other)) => compare(one, other),
            };
            match direction {
                _ if order == Ordering::Equal => {}
                Direction::Up => return order,
                Direction::Down => return order.reverse(),
            }
        }
        Ordering::Equal
    }
}

fn bad(at: &str) -> BadQuery {
    BadQuery::new(at, "it is the name of a field, or {\"field\": {\"order\": \"asc\" or \"desc\"}}")
}

fn direction(text: &str, at: &str) -> Result<Direction, BadQuery> {
    match text {
        "asc" => Ok(Direction::Up),
        "desc" => Ok(Direction::Down),
        _ => Err(bad(at)),
    }
}

fn key_from_text(text: &str) -> Result<(String, Direction), BadQuery> {
    if let Some(field) = text.strip_prefix('-') {
        return Ok((field.to_owned(), Direction::Down));
    }
    match text.split_once(':') {
        Some((field, order)) => Ok((field.to_owned(), direction(order, "sort")?)),
        None => Ok((text.to_owned(), Direction::Up)),
    }
}

fn compare(one: &Value<'_>, other: &Value<'_>) -> Ordering {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.total_cmp(other),
        _ => one.as_text().cmp(&other.as_text()),
    }
}

/// The documents that a page of a sorted list shows, as long as there is effort left. Without an order
/// no more are found than it takes.
pub fn page<D: Searchable>(
    found: impl Iterator<Item = D>,
    order: &Order,
    from: usize,
    size: usize,
    effort: &Effort,
) -> Vec<D> {
    if order.keys() == 0 {
        return found.skip(from).take(size).collect();
    }
    // Each document is asked once, not with each comparison.
    let mut keyed: Vec<_> = found.map(|document| (order.of(&document, effort), document)).collect();
    let bytes = keyed.iter().flat_map(|(keys, _)| keys).map(|key| key.as_ref().map_or(1, compared));
    if !effort.sort(keyed.len(), bytes.sum()) {
        return Vec::new();
    }
    keyed.sort_by(|(one, _), (other, _)| order.compare(one, other));
    keyed.into_iter().map(|(_, document)| document).skip(from).take(size).collect()
}
