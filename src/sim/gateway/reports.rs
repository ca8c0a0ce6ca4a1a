//! How clients hear of an execution: its message, the order's new state, and the commission report, which may come
//! before the execution, after it, or much later.

use super::{ConnId, Gateway, Timer, book::Key, book::Status, m};
use crate::sim::config::Commissions;

impl Gateway {
    /// Tells of the newest execution of an order.
    pub(super) fn tell_execution(&mut self, key: Key) {
        let Some(execution) = self.book.executions.last().cloned() else { return };
        let done = self.book.get(key).is_some_and(|o| o.status == Status::Filled);
        let audience = self.audience(key);
        if self.config.commissions == Commissions::Before {
            self.report_commission(&audience, &execution.commission);
        }
        let mut live = execution.values;
        live.set("reqId", -1);
        for conn in &audience {
            self.send(*conn, m::EXECUTION, &live);
        }
        if done {
            self.announce_without_commission(key);
        }
        match self.config.commissions {
            Commissions::Late(after) => {
                if !done {
                    self.announce(key);
                }
                if let Some(last) = self.book.executions.last_mut() {
                    last.reported = false;
                }
                let id = live.get("execId").unwrap_or_default().to_owned();
                self.later(after, Timer::Commission(id));
            }
            Commissions::Before => self.announce(key),
            Commissions::After => {
                self.announce(key);
                self.report_commission(&audience, &execution.commission);
            }
        }
    }

    /// A commission is known at last.
    pub(super) fn late_commission(&mut self, exec_id: &str) {
        let is_it = |e: &&mut super::book::Execution| e.values.get("execId") == Some(exec_id);
        let Some(execution) = self.book.executions.iter_mut().rev().find(is_it) else { return };
        execution.reported = true;
        let (key, commission) = (execution.key, execution.commission.clone());
        if self.book.get(key).is_some_and(|o| o.status == Status::Filled) {
            self.announce(key);
        }
        let audience = self.audience(key);
        self.report_commission(&audience, &commission);
    }

    fn report_commission(&mut self, audience: &[ConnId], commission: &crate::protocol::layout::Record) {
        for conn in audience {
            self.send(*conn, m::COMMISSION, commission);
        }
    }
}
