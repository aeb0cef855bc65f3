//! Operators as text: a new one with its pass, the list, a revocation.

use super::table;
use tweenfarm_protocol::operator::{AddedOperator, OperatorRow, RevokedOperator};

pub fn added_operator(added: &AddedOperator) -> String {
    let AddedOperator { name, role, token, line } = added;
    match line {
        Some(line) => format!(
            "{line}\n\n{name} may use the operator API as {role}. Put the line into a file for `tweenfarm --token-file FILE`; what is \
             behind its last slash is the token for other programs. It is shown this once: whoever has it is {name}."
        ),
        None => format!(
            "{token}\n\n{name} may use the operator API as {role}. The token is shown this once. The daemon listens on its socket \
             only: set operator.listen in its configuration, so that the token is of use."
        ),
    }
}

pub fn operators(operators: &[OperatorRow]) -> String {
    if operators.is_empty() {
        return "nobody but this machine's operator: add one with `tweenfarm operators add NAME --role viewer`"
            .to_owned();
    }
    let rows = operators.iter().map(|operator| {
        let seen = operator.last_seen_at.clone().unwrap_or_default();
        let state = operator.revoked_at.as_ref().map_or("works".into(), |at| format!("revoked {at}"));
        [operator.name.clone(), operator.role.to_string(), operator.created_at.clone(), seen, state]
    });
    table(["OPERATOR", "ROLE", "CREATED", "LAST SEEN", "TOKEN"], rows)
}

pub fn revoked_operator(revoked: &RevokedOperator) -> String {
    match revoked.revoked {
        true => format!("{} may not use the operator API any more", revoked.name),
        false => format!("there is no operator {} whose token works: nothing was changed", revoked.name),
    }
}
