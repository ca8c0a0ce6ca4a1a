//! Orders that are well formed and refused all the same: by the order back end, by a rule of the test, or by chance.

use serde::Deserialize;

use super::{
    ConnId, Gateway,
    book::{Key, Order, Status},
};
use crate::{
    limits,
    sim::{rng, view::Answered},
};

/// In which way orders are refused on demand.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
pub enum Rejection {
    /// By the order back end: the order is there and dead, its Inactive pairs stand around error 201. A change draws
    /// the error alone.
    #[default]
    #[serde(rename = "back_end_201")]
    BackEnd201,
    /// The same with the words for lack of margin.
    #[serde(rename = "margin")]
    Margin,
    /// By the Gateway itself: error 321 alone, no order comes to be.
    #[serde(rename = "validation_321")]
    Validation321,
    /// The same with another error.
    #[serde(rename = "error")]
    Error {
        /// Error code.
        code: i32,
        /// Text of the error.
        text: String,
    },
}

/// Which orders are refused, new ones and changes; a condition that is not set holds for all.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RejectRule {
    /// How they are refused.
    pub rejection: Rejection,
    /// How many; `None` is without end.
    pub times: Option<u32>,
    /// Only those in contracts of this symbol.
    pub symbol: Option<String>,
    /// Only those with this note.
    pub order_ref: Option<String>,
    /// Only those of this client id.
    pub client_id: Option<i32>,
}

/// What is wrong with an order.
#[derive(Debug)]
pub enum Objection {
    /// The reason of error 201.
    BackEnd(String),
    /// Code and text of a single error.
    Gateway(i32, String),
}

impl Gateway {
    /// Refuses orders from now on; the oldest rule that fits counts. At most [`limits::MAX_SIM_PLANS`] rules are
    /// kept.
    pub fn reject_orders(&mut self, rule: RejectRule) {
        if rule.times != Some(0) && self.reject_rules.len() < limits::MAX_SIM_PLANS {
            self.reject_rules.push(rule);
        }
    }

    /// Refuses the next `n` orders, changes included; what-ifs are not orders.
    pub fn reject_next(&mut self, n: u32, rejection: Rejection) {
        self.reject_orders(RejectRule { rejection, times: Some(n), ..RejectRule::default() });
    }

    /// Drops the rules of [`Gateway::reject_orders`].
    pub fn clear_rejections(&mut self) {
        self.reject_rules.clear();
    }

    /// What speaks against an order that is well formed.
    pub(super) fn objection(&mut self, order: &Order) -> Option<Objection> {
        if let Some(rejection) = self.rule_for(order) {
            return Some(match rejection {
                Rejection::BackEnd201 => Objection::BackEnd("The order was rejected on demand.".into()),
                Rejection::Margin => {
                    let equity = self.accounts.get(&order.account);
                    let equity = equity.map_or(0.0, |a| a.net_liquidation(&self.instruments));
                    Objection::BackEnd(no_margin(equity, equity + 1.0))
                }
                Rejection::Validation321 => {
                    let text = "Error validating request.-'v' : cause - The order was refused on demand";
                    Objection::Gateway(321, text.into())
                }
                Rejection::Error { code, text } => Objection::Gateway(code, text),
            });
        }
        let faults = self.config.order_faults;
        // A change is an order of its own here: it may be refused when the order was not.
        let what =
            order.price("lmtPrice").unwrap_or_default().to_bits() ^ order.quantity.to_bits().rotate_left(7);
        if self.by_chance(faults.rejected, order.key, [21, what]) {
            return Some(Objection::BackEnd("The order was rejected by chance.".into()));
        }
        self.back_end_objection(order).map(Objection::BackEnd)
    }

    fn rule_for(&mut self, order: &Order) -> Option<Rejection> {
        let symbol = self.instruments.by_id(order.con_id).map_or(order.text("symbol"), |i| &i.symbol);
        let fits = |rule: &RejectRule| {
            rule.client_id.is_none_or(|id| id == order.key.0)
                && rule.symbol.as_ref().is_none_or(|s| s == symbol)
                && rule.order_ref.as_ref().is_none_or(|r| r == order.text("orderRef"))
        };
        let at = self.reject_rules.iter().position(fits)?;
        let rule = &mut self.reject_rules[at];
        let rejection = rule.rejection.clone();
        if let Some(times) = &mut rule.times {
            *times -= 1;
            if *times == 0 {
                self.reject_rules.remove(at);
            }
        }
        Some(rejection)
    }

    /// What the order back end finds wrong by its own rules.
    fn back_end_objection(&self, order: &Order) -> Option<String> {
        let i = self.instruments.by_id(order.con_id)?;
        if order.text("tif") == "FOK" {
            let text = "The time-in-force FOK is invalid for this combination of exchange and security type.";
            return Some(text.into());
        }
        // What closes a position needs no margin.
        let account = self.accounts.get(&order.account)?;
        let held = account.positions.get(&i.con_id).map_or(0.0, |p| p.quantity);
        let closes = if order.buys() { -held } else { held };
        let opened = (order.quantity - closes.max(0.0)).max(0.0);
        let rate = if i.sec_type == "FUT" { 0.1 } else { 0.25 };
        let margin = opened * order.price("lmtPrice").unwrap_or(i.price) * i.unit() * rate;
        let equity = account.net_liquidation(&self.instruments);
        (margin > equity).then(|| no_margin(equity, margin))
    }

    /// Refuses a new order: a single error, or Inactive pairs around a 201.
    pub(super) fn reject(&mut self, conn: ConnId, mut order: Order, objection: &Objection) {
        let key = order.key;
        let reason = match objection {
            Objection::BackEnd(reason) => reason,
            Objection::Gateway(code, text) => return self.back_end_refusal(conn, key.1, *code, text),
        };
        self.decide(Answered::Refused(201));
        order.status = Status::Inactive;
        order.remembered_dead = true;
        order.completed_status = format!("Rejected by System:\n{reason}");
        order.completed_time = self.completed_time();
        self.book.insert(order);
        self.announce(key);
        for conn in self.audience(key) {
            self.back_end_error(conn, key.1, 201, &format!("Order rejected - reason:{reason}"));
        }
        self.announce(key);
    }

    /// Refuses a change: one error, and the order stays as it was.
    pub(super) fn reject_change(&mut self, conn: ConnId, id: i32, objection: &Objection) {
        match objection {
            Objection::BackEnd(reason) => {
                self.back_end_refusal(conn, id, 201, &format!("Order rejected - reason:{reason}"));
            }
            Objection::Gateway(code, text) => self.back_end_refusal(conn, id, *code, text),
        }
    }

    /// Whether something happens to an order that happens to so many of a thousand. The same for every run, and
    /// whatever other clients do.
    pub(super) fn by_chance(&self, per_mille: u32, key: Key, what: [u64; 2]) -> bool {
        let draw = [what[0], what[1], key.0 as u64, key.1 as u64];
        per_mille > 0 && rng::below(1000, self.config.seed, &draw) < u64::from(per_mille)
    }
}

fn no_margin(equity: f64, margin: f64) -> String {
    format!(
        "YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY WITH LOAN VALUE \
         [{equity:.2} USD] MUST EXCEED THE INITIAL MARGIN [{margin:.2} USD]"
    )
}
