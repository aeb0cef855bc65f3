//! Commands on operators: added, revoked.

use super::{error::FarmError, transaction::Transaction};
use crate::{
    model::{About, Event, Operator, SecretHash, What},
    store::Write,
};
use tweenfarm_protocol::operator::Role;

/// None when somebody active has the name.
pub(super) fn add(
    tx: &mut Transaction,
    name: String,
    role: Role,
    token: SecretHash,
) -> Result<Option<Operator>, FarmError> {
    if tx.operator(&name)?.is_some_and(|known| known.is_active()) {
        return Ok(None);
    }
    let operator = Operator { name, role, token, created_at: tx.now, revoked_at: None };
    let text = format!("{} may use the operator API as {role}", operator.name);
    tx.tell(Event::new(tx.now, What::Configured("operator_added"), About::default(), text));
    tx.put(Write::PutOperator(operator.clone()));
    Ok(Some(operator))
}

/// False when there is none, or it was revoked before.
pub(super) fn revoke(tx: &mut Transaction, name: &str) -> Result<bool, FarmError> {
    let Some(mut operator) = tx.operator(name)?.filter(Operator::is_active) else { return Ok(false) };
    operator.revoked_at = Some(tx.now);
    let text = format!("{name} may not use the operator API any more");
    tx.tell(Event::new(tx.now, What::Configured("operator_revoked"), About::default(), text));
    tx.put(Write::PutOperator(operator));
    Ok(true)
}
