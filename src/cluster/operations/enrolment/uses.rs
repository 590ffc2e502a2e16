use super::refused::EnrolError;
use crate::{
    cluster::{
        app::App,
        joins::Slot,
        operations::BATCH,
        records::{TokenRecord, UseRecord, create},
    },
    model::TokenId,
    rt::random_fraction,
    store::{Op, PageFrom, StoreError},
};

/// The operation that counts this use. With a limit it takes a free slot, of two hosts that want the
/// last one, one loses the commit.
pub(super) async fn use_of(
    app: &App,
    token: &TokenRecord,
    used: &UseRecord,
) -> Result<Op, EnrolError> {
    let Some(limit) = token.max_uses else {
        return Ok(create(UseRecord::host_path(token.id, &used.key), used));
    };
    loop {
        let slot = match app.joins.slot(token.id, random_fraction()) {
            Slot::Free(slot) => slot,
            Slot::None => return Err(EnrolError::TokenUsedUp(limit)),
            Slot::Unknown => {
                read_uses(app, token.id, limit).await?;
                continue;
            }
        };
        let path = UseRecord::slot_path(token.id, slot);
        if app.store.get(&path).await?.is_none() {
            return Ok(create(path, used));
        }
        app.joins.are_taken(token.id, limit, [slot]);
    }
}

/// Once for all who come with the token, and by pages, so that nobody else waits for it.
async fn read_uses(app: &App, token: TokenId, limit: u32) -> Result<(), StoreError> {
    let _one_at_a_time = app.joins.reading.lock().await;
    if app.joins.slot(token, 0.0) != Slot::Unknown {
        return Ok(());
    }
    let (root, mut taken, mut last) = (UseRecord::root(token), Vec::new(), None);
    loop {
        let from = last.as_ref().map_or(PageFrom::Start, PageFrom::After);
        let mut page = app.store.page(&root, from, BATCH).await?;
        taken.extend(page.iter().filter_map(|used| used.path.below(&root)?.parse::<u32>().ok()));
        let is_last = page.len() < BATCH;
        last = page.pop().map(|used| used.path);
        if is_last {
            app.joins.are_taken(token, limit, taken);
            return Ok(());
        }
    }
}
