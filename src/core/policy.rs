//! What single clients may do, and what becomes of their orders.

use rustc_hash::FxBuildHasher;

use crate::ids::ClientId;

/// What becomes of a client's reqGlobalCancel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GlobalCancel {
    /// It goes to the Gateway, which cancels the orders of everybody: a panic button must work.
    #[default]
    Forward,
    /// Its own orders are cancelled one by one.
    Own,
    /// It is refused.
    Deny,
}

/// The policy of one client id. Every field has a default that imitates the Gateway.
#[derive(Clone, PartialEq, Debug, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Whether it may connect at all.
    pub allowed: bool,
    /// The names in certificates that may use it; empty: whoever gets as far as startApi.
    pub certificates: Vec<String>,
    /// Whether it may do nothing with orders: place, modify, cancel, exercise.
    pub read_only: bool,
    /// Whether it may ask for market data only: nothing of orders, nothing of accounts.
    pub data_only: bool,
    /// The accounts that its orders may name; empty: all.
    pub accounts: Vec<String>,
    /// Largest quantity of an order of it; `None`: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_order_quantity: Option<f64>,
    /// Largest value of an order of it, in the currency of its contract; `None`: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_order_value: Option<f64>,
    /// Subscriptions to market data that it may have at once; `None`: any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_lines: Option<u32>,
    /// What becomes of its reqGlobalCancel.
    pub global_cancel: GlobalCancel,
    /// Whether it may cancel orders of others that go through twsmux, by the id that reqAllOpenOrders shows, as long as
    /// that names one order alone.
    pub cancel_foreign: bool,
    /// Whether it hears live of everybody's orders, executions and commissions, as the Gateway's master client does.
    pub master: bool,
    /// Whether its orders are cancelled when its connection ends; not when twsmux itself stops or dies.
    pub cancel_on_disconnect: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            allowed: true,
            certificates: Vec::new(),
            read_only: false,
            data_only: false,
            accounts: Vec::new(),
            max_order_quantity: None,
            max_order_value: None,
            max_lines: None,
            global_cancel: GlobalCancel::default(),
            cancel_foreign: false,
            master: false,
            cancel_on_disconnect: false,
        }
    }
}

impl Policy {
    /// Whether a client with this name in its certificate, or with none, may use the client id.
    pub fn admits(&self, certificate: Option<&str>) -> bool {
        let named = || certificate.is_some_and(|name| self.certificates.iter().any(|own| own == name));
        self.allowed && (self.certificates.is_empty() || named())
    }

    /// The field whose value makes no sense, and what is allowed.
    pub fn fault(&self) -> Option<(&'static str, &'static str)> {
        let makes_no_sense =
            |limit: Option<f64>| limit.is_some_and(|limit| !(limit > 0.0 && limit.is_finite()));
        if makes_no_sense(self.max_order_quantity) {
            return Some(("max_order_quantity", "a number above 0"));
        }
        if makes_no_sense(self.max_order_value) {
            return Some(("max_order_value", "a number above 0"));
        }
        let is_account = |name: &String| !name.is_empty() && !name.contains(',');
        (!self.accounts.iter().all(is_account)).then_some(("accounts", "names of accounts, one by one"))
    }
}

/// The policies of all client ids.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policies {
    /// Of those that have none of their own.
    pub default: Policy,
    /// By client id.
    #[serde(with = "pairs")]
    pub by_id: indexmap::IndexMap<ClientId, Policy, FxBuildHasher>,
}

/// A map as a list of pairs, in its order.
mod pairs {
    use indexmap::IndexMap;
    use rustc_hash::FxBuildHasher;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Policy;
    use crate::ids::ClientId;

    type Map = IndexMap<ClientId, Policy, FxBuildHasher>;

    pub fn serialize<S: Serializer>(map: &Map, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(map)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Map, D::Error> {
        Vec::<(ClientId, Policy)>::deserialize(d).map(|pairs| pairs.into_iter().collect())
    }
}

impl Policies {
    /// The policy of a client id.
    pub fn of(&self, client: ClientId) -> &Policy {
        self.by_id.get(&client).unwrap_or(&self.default)
    }

    /// The accounts that policies name.
    pub fn accounts(&self) -> impl Iterator<Item = &String> {
        self.by_id.values().chain([&self.default]).flat_map(|policy| &policy.accounts)
    }

    /// Whether there can be a master at all.
    pub fn any_master(&self) -> bool {
        self.default.master || self.by_id.values().any(|p| p.master)
    }
}
