//! What a client may not do, before anything of it is done: the policy of its client id, and the kill switch.
//!
//! **What is denied never reaches the Gateway, and is answered with the error that the Gateway has for it.** A cancel is denied
//! by `read_only` and `data_only` alone.

use super::ask::Asked;
use super::client::Client;
use super::policy::Policy;
use super::{Core, Ctx, codes};
use crate::protocol::model::{Class, Handling, Kind, Lane, Shared};

/// Why nobody may place orders.
pub(super) const KILL_SWITCH: &str =
    "the kill switch of twsmux is on: no new orders and no modifications leave, cancels do";

/// What a denied request gets.
enum Denied {
    /// An order: as any order that cannot be sent.
    Order(String),
    /// Something else: a code and words.
    Other(u16, String),
}

impl Core {
    /// Whether a client may do what it asks; if not, it has been told.
    pub(super) fn is_permitted(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>) -> bool {
        match self.denied(asked) {
            None => return true,
            Some(Denied::Order(why)) => self.refuse_order(ctx, asked, &why),
            Some(Denied::Other(code, words)) => {
                self.send_error(ctx, asked.key, asked.error_id(), code, &words);
            }
        }
        self.stats.denied += 1;
        false
    }

    fn denied(&self, asked: &Asked<'_>) -> Option<Denied> {
        use Handling::{CancelOrder, Exercise, GlobalCancel, PlaceOrder};
        let policy = self.config.policies.of(asked.client_id);
        let decl = asked.shape.decl;
        let (read_only, id) = (policy.read_only || policy.data_only, asked.client_id);
        match decl.handling {
            PlaceOrder | Exercise if read_only => Some(Denied::Order(only("read_only", policy, id.0))),
            PlaceOrder | Exercise if self.config.kill_switch => Some(Denied::Order(KILL_SWITCH.into())),
            PlaceOrder | Exercise => self.order_fault(asked, policy).map(Denied::Order),
            CancelOrder | GlobalCancel if read_only => {
                let why = only("read_only", policy, id.0);
                Some(match decl.handling {
                    CancelOrder => Denied::Other(
                        codes::ORDER_MESSAGE,
                        format!("Order Message:\nWarning: the cancel was not sent to the Gateway: {why}."),
                    ),
                    _ => Denied::Other(codes::INVALID, format!("Error validating request: {why}.")),
                })
            }
            _ if policy.data_only && is_about_the_account(asked) => {
                let why = only("data_only", policy, id.0);
                Some(Denied::Other(codes::INVALID, format!("Error validating request: {why}.")))
            }
            _ => self.too_many_lines(asked, policy),
        }
    }

    fn too_many_lines(&self, asked: &Asked<'_>, policy: &Policy) -> Option<Denied> {
        let most = policy.max_lines?;
        let decl = asked.shape.decl;
        let streams =
            matches!(decl.kind, Kind::Stream | Kind::OneShotIfFlag) && decl.class == Class::MarketData;
        if !streams || self.is_one_shot(asked) {
            return None;
        }
        let held = self.clients.get(asked.key).map_or(0, |client| self.lines_of(client));
        (held >= most as usize).then(|| {
            let words = format!(
                "Max number of tickers has been reached: the policy of client id {} (max_lines) allows {most}.",
                asked.client_id.0
            );
            Denied::Other(codes::TOO_MANY_TICKERS, words)
        })
    }

    /// Subscriptions to market data that a client has.
    fn lines_of(&self, client: &Client) -> usize {
        let is_line = |message: u16| {
            crate::protocol::request(message.into()).is_some_and(|r| r.class == Class::MarketData)
        };
        let entries = client.active.iter().filter_map(|up| self.requests.get(*up));
        entries.filter(|entry| !entry.one_shot && entry.lives() && is_line(entry.message)).count()
    }
}

/// Which of two policies it is that allows no orders, or nothing about the account.
fn only(name: &str, policy: &Policy, id: i32) -> String {
    let name = if policy.data_only { "data_only" } else { name };
    let what = if policy.data_only { "market data only" } else { "no orders, modifications and cancels" };
    format!("the policy of client id {id} ({name}) allows {what}")
}

/// Whether something asked tells of the account, its orders or its positions.
fn is_about_the_account(asked: &Asked<'_>) -> bool {
    let decl = asked.shape.decl;
    match decl.handling {
        Handling::Join(stream) => stream != Shared::Bulletins,
        Handling::Lane(lane) => {
            matches!(lane, Lane::OpenOrders | Lane::CompletedOrders | Lane::Fa | Lane::FamilyCodes)
        }
        Handling::Executions => true,
        Handling::ById => decl.private,
        _ => false,
    }
}
