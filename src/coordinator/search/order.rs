use std::cmp::Ordering;

use serde_json::Value as Json;

use super::{BadQuery, Document, Value};

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
        keys.map(key_from_text).collect::<Result<_, _>>().map(Self)
    }

    /// A list of names, or of `{"field": {"order": "desc"}}` or `{"field": "desc"}`.
    pub fn from_json(items: &[Json]) -> Result<Self, BadQuery> {
        let mut keys = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let at = format!("sort[{index}]");
            match item {
                Json::String(text) => keys.push(key_from_text(text)?),
                Json::Object(fields) => {
                    for (field, order) in fields {
                        let order = order.get("order").unwrap_or(order);
                        let order = order.as_str().ok_or_else(|| bad(&at))?;
                        keys.push((field.clone(), direction(order, &at)?));
                    }
                }
                _ => return Err(bad(&at)),
            }
        }
        Ok(Self(keys))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What has no value for a key comes last.
    pub fn compare(&self, one: &dyn Document, other: &dyn Document) -> Ordering {
        for (field, direction) in &self.0 {
            let (one, other) = (one.values(field), other.values(field));
            let order = match (one.first(), other.first()) {
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
        (Value::Flag(one), Value::Flag(other)) => one.cmp(other),
        _ => one.as_text().cmp(&other.as_text()),
    }
}

/// The documents that a page of a sorted list shows.
pub fn page<D: Document>(
    mut found: Vec<D>,
    order: &Order,
    from: usize,
    size: usize,
) -> impl Iterator<Item = D> {
    if !order.is_empty() {
        found.sort_by(|one, other| order.compare(one, other));
    }
    found.into_iter().skip(from).take(size)
}
