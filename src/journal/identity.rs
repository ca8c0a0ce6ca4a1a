//! Whether a journal belongs to the Gateway and the client id that twsmux is to use.
//!
//! Owns: the words for a journal that is another's. May not know: files. Driven by: `run` before the Gateway is met (the
//! client id). The accounts are the core's business, which learns them.

use super::State;
use crate::ids::ClientId;

/// The journal is another's. **Its orders must not be taken for ours**, so twsmux does not start with it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IdentityError {
    /// Its orders were placed under another client id.
    #[error(
        "the order journal {file} holds the orders of client id {journal} at the Gateway, and this twsmux is to use \
         client id {asked}, which does not own them. Start it with --upstream-client-id {journal}, or give the other \
         client id a journal of its own with --state-dir"
    )]
    Client {
        /// The file, as it is to be called.
        file: String,
        /// The client id in it.
        journal: ClientId,
        /// The client id that twsmux was told to use.
        asked: ClientId,
    },
}

/// Refuses a journal with the orders of another client id than `asked`. One that names none yet is anybody's.
///
/// # Errors
/// [`IdentityError::Client`].
pub fn check_upstream_client(state: &State, asked: ClientId, file: &str) -> Result<(), IdentityError> {
    match &state.identity {
        Some(identity) if identity.upstream_client != asked => {
            Err(IdentityError::Client { file: file.to_owned(), journal: identity.upstream_client, asked })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Record;

    #[test]
    fn a_journal_of_another_client_id_is_refused_with_the_way_out() {
        let mut state = State::default();
        assert_eq!(check_upstream_client(&state, ClientId(4), "j"), Ok(()), "nobody's yet");
        state.apply(&Record::Identity { upstream_client: ClientId(3), accounts: vec!["DU1".into()] });
        assert_eq!(check_upstream_client(&state, ClientId(3), "j"), Ok(()));
        let words = check_upstream_client(&state, ClientId(4), "j").unwrap_err().to_string();
        assert!(words.contains("client id 4") && words.contains("--upstream-client-id 3"), "{words}");
    }
}
