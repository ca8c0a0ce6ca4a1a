//! Connections that are cut around an order: the client cannot know whether the Gateway has it.

use super::{Close, ConnId, Gateway, Output};
use crate::limits;

/// On which side of an order its connection is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// The order was read by nobody: it is lost.
    BeforeProcessing,
    /// The order was taken in, and none of its answers gets out.
    AfterProcessing,
}

/// A cut that waits for its message.
#[derive(Debug)]
pub struct Planned {
    message: &'static str,
    cut: Cut,
    /// Messages of that name that are still to come, the fatal one included.
    left: u32,
}

impl Gateway {
    /// Resets the connection on which the `nth` next placeOrder arrives (1 is the next; changes and what-ifs count
    /// too), whoever sends it. Everything behind it in the same read is lost, and so are answers that were not
    /// handed out yet. Several cuts may wait at once; at most [`limits::MAX_SIM_PLANS`] do.
    pub fn cut_at_order(&mut self, cut: Cut, nth: u32) {
        self.plan_cut("placeOrder", cut, nth);
    }

    /// The same for the `nth` next cancelOrder.
    pub fn cut_at_cancel(&mut self, cut: Cut, nth: u32) {
        self.plan_cut("cancelOrder", cut, nth);
    }

    fn plan_cut(&mut self, message: &'static str, cut: Cut, nth: u32) {
        if self.cuts.len() < limits::MAX_SIM_PLANS {
            self.cuts.push(Planned { message, cut, left: nth.max(1) });
        }
    }

    /// Takes back all cuts that wait.
    pub fn clear_cuts(&mut self) {
        self.cuts.clear();
    }

    /// Counts a message, and says whether its connection is to be cut.
    pub(super) fn cut_due(&mut self, name: &str) -> Option<Cut> {
        self.cuts.iter_mut().filter(|c| c.message == name).for_each(|c| c.left -= 1);
        let due = self.cuts.iter().position(|c| c.left == 0)?;
        // Cuts that fall on the same message are one cut.
        let cut = self.cuts[due].cut;
        self.cuts.retain(|c| c.left > 0);
        Some(cut)
    }

    /// Resets a connection at once, with all that was read from it and all that waits to be sent to it.
    pub(super) fn cut(&mut self, conn: ConnId) {
        if !self.forget(conn) {
            return;
        }
        self.stats.cuts += 1;
        self.outputs.retain(|o| !matches!(o, Output::Send(to, _) if *to == conn));
        self.outputs.push_back(Output::Close(conn, Close::Reset));
    }
}
