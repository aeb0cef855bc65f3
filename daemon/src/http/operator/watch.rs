//! Watch folders as the operator sees them, and what is asked of the watcher.

use crate::{
    http::{HttpState, error::Failure, intake::desk::DeskError},
    intake::ItemId,
};
use axum::{
    Json,
    extract::{Path, State},
};
use tweenfarm_protocol::operator::{WatchOrder, WatchOrdered, WatchView};

pub async fn view(State(state): State<HttpState>) -> Json<WatchView> {
    Json(state.intake.desk.view(state.farm.now()))
}

pub async fn release(state: State<HttpState>, file: Path<String>) -> Result<Json<WatchOrdered>, Failure> {
    order(state, file, WatchOrder::Release)
}

pub async fn retry(state: State<HttpState>, file: Path<String>) -> Result<Json<WatchOrdered>, Failure> {
    order(state, file, WatchOrder::Retry)
}

fn order(
    State(state): State<HttpState>,
    Path(file): Path<String>,
    order: WatchOrder,
) -> Result<Json<WatchOrdered>, Failure> {
    let id: ItemId = file.parse().map_err(|_| Failure::NotFound("file of a watch folder"))?;
    let file = id.to_string();
    let taken = state.intake.desk.order(file.clone(), order, state.farm.now());
    taken.map_err(|refusal| match refusal {
        DeskError::NoWatcher => Failure::Busy("no watcher is connected, start tweenfarm-watch"),
        DeskError::Full => Failure::Busy("too many orders wait for the watcher"),
    })?;
    Ok(Json(WatchOrdered { file, order }))
}
