//! Executions: whose they are, and what of them the owner has heard (I6).
//!
//! The Gateway names the order with an execution and only the execution with its commission. It repeats both for every
//! query, so this table also tells news from repetition.

use bytes::Bytes;

use super::recent::Recent;
use crate::ids::{ClientId, UpOrderId};
use crate::journal;
use crate::limits;

/// What is remembered of an execution.
#[derive(Clone, Copy, Debug)]
pub struct Execution {
    /// Client id that its order belongs to.
    pub owner: ClientId,
    /// The order; `None` for one of another program.
    pub up: Option<UpOrderId>,
    /// Whether the owner was told, or it is kept for the owner.
    pub told: bool,
    /// Whether that was as a live fill, not as a part of an answer.
    pub live: bool,
    /// Whether the owner was told of its commission, likewise.
    pub commissioned: bool,
}

/// The most recent executions.
#[derive(Debug)]
pub struct Executions {
    known: Recent<Bytes, Execution>,
}

impl Default for Executions {
    fn default() -> Self {
        Executions { known: Recent::new(limits::MAX_EXECUTIONS) }
    }
}

impl Executions {
    /// Those of the journal.
    pub fn recovered(state: &journal::State) -> Self {
        let mut executions = Executions::default();
        for (exec_id, e) in &state.executions {
            let Some(order) = state.orders.get(&e.up) else { continue };
            let known = Execution {
                owner: order.owner,
                up: Some(e.up),
                told: true,
                live: true,
                commissioned: e.commissioned,
            };
            executions.known.insert(exec_id.clone(), known);
        }
        executions
    }

    /// The Gateway speaks of an execution: what is known of it, which is nothing told for one that is new.
    pub fn meet(&mut self, exec_id: &[u8], owner: ClientId, up: Option<UpOrderId>) -> &mut Execution {
        if self.known.get(exec_id).is_none() {
            let new = Execution { owner, up, told: false, live: false, commissioned: false };
            self.known.insert(Bytes::copy_from_slice(exec_id), new);
        }
        self.known.get_mut(exec_id).expect("it was just put there")
    }

    /// What is remembered of an execution.
    pub fn get(&mut self, exec_id: &[u8]) -> Option<&mut Execution> {
        self.known.get_mut(exec_id)
    }
}
