//! What the policy of a client id has against an order: its account, its quantity, its value.
//!
//! **What is not known is refused**: an order whose quantity or value cannot be told from what it says could be of any size.

use super::Core;
use super::ask::Asked;
use super::policy::Policy;
use crate::protocol::model::{Handling, Role};

/// Numbers above this mean that a field is not set.
const UNSET: f64 = 1e300;

/// The fields that say at which price an order of a type is carried out, about; the higher one counts. With every other type
/// those fields are offsets or mean nothing.
const PRICES: &[(&str, &[&str])] = &[
    ("LMT", &["lmtPrice"]),
    ("LOC", &["lmtPrice"]),
    ("MIDPRICE", &["lmtPrice"]),
    ("REL", &["lmtPrice"]),
    ("STP LMT", &["lmtPrice", "auxPrice"]),
    ("LIT", &["lmtPrice", "auxPrice"]),
    ("STP", &["auxPrice"]),
    ("STP PRT", &["auxPrice"]),
    ("MIT", &["auxPrice"]),
];

/// What a price is multiplied with where the contract names no multiplier.
const MULTIPLIERS: &[(&str, f64)] = &[
    ("STK", 1.0),
    ("CFD", 1.0),
    ("CASH", 1.0),
    ("CRYPTO", 1.0),
    ("FUND", 1.0),
    ("WAR", 1.0),
    ("OPT", 100.0),
];

/// What an order says.
struct Said<'a, 'b>(&'a Asked<'b>);

impl Said<'_, '_> {
    fn text(&self, name: &str) -> String {
        self.0.shape.field(&self.0.message, name).ok().flatten().unwrap_or_default()
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.text(name).parse::<f64>().ok().filter(|n| n.abs() < UNSET)
    }

    fn above_zero(&self, name: &str) -> Option<f64> {
        self.number(name).filter(|n| *n > 0.0)
    }

    /// Contracts or shares.
    fn quantity(&self) -> Option<f64> {
        let is_order = self.0.shape.decl.handling == Handling::PlaceOrder;
        self.above_zero(if is_order { "totalQuantity" } else { "exerciseQuantity" })
    }

    /// In the currency of the contract. `Err`: why it is not known.
    fn value(&self) -> Result<f64, String> {
        // With both it is not known which of them counts.
        let cash = self.above_zero("cashQty");
        if let (Some(cash), None) = (cash, self.quantity()) {
            return Ok(cash);
        }
        let (kind, security) = (self.text("orderType"), self.text("secType"));
        let fields = PRICES.iter().find(|(of, _)| *of == kind).map_or(&[][..], |(_, fields)| fields);
        let prices = fields.iter().filter_map(|name| self.number(name)).map(f64::abs);
        let price = prices.fold(0.0, f64::max);
        if price == 0.0 {
            return Err(format!("it has no price (order type {kind:?})"));
        }
        if security == "BAG" {
            return Err("it is for a combination".into());
        }
        let usual = MULTIPLIERS.iter().find(|(of, _)| *of == security).map(|(_, multiplier)| *multiplier);
        let Some(multiplier) = self.above_zero("multiplier").or(usual) else {
            return Err(format!("its contract names no multiplier (security type {security:?})"));
        };
        let value = self.quantity().ok_or("it has no quantity")? * price * multiplier;
        Ok(value.max(cash.unwrap_or(0.0)))
    }
}

impl Core {
    /// Why a policy does not allow an order.
    pub(super) fn order_fault(&self, asked: &Asked<'_>, policy: &Policy) -> Option<String> {
        let (said, id) = (Said(asked), asked.client_id.0);
        if !policy.accounts.is_empty() {
            let account = self.account_of(asked);
            if !account.as_ref().is_some_and(|account| policy.accounts.contains(account)) {
                let named = account.unwrap_or_else(|| "no single account".to_owned());
                return Some(format!(
                    "it names {named}, and the policy of client id {id} (accounts) allows {}",
                    policy.accounts.join(", ")
                ));
            }
        }
        if let Some(most) = policy.max_order_quantity {
            let of = format!("which the policy of client id {id} (max_order_quantity)");
            match said.quantity() {
                Some(quantity) if quantity > most => {
                    return Some(format!("its quantity of {quantity} is above {most}, {of} allows"));
                }
                // An amount of money is bounded by the other limit, if there is one.
                None if policy.max_order_value.is_none() || said.above_zero("cashQty").is_none() => {
                    return Some(format!("it has no quantity, {of} limits"));
                }
                _ => {}
            }
        }
        let most = policy.max_order_value?;
        let of = format!("which the policy of client id {id} (max_order_value)");
        match said.value() {
            Ok(value) if value > most => Some(format!("its value of {value} is above {most}, {of} allows")),
            Ok(_) => None,
            Err(why) => Some(format!("{why}, so that its value is not known, {of} limits")),
        }
    }

    /// The one account that an order is for.
    fn account_of(&self, asked: &Asked<'_>) -> Option<String> {
        let said = Said(asked);
        if ["faGroup", "faProfile"].into_iter().any(|name| !said.text(name).is_empty()) {
            return None;
        }
        let account = asked.shape.str(&asked.message, Role::Account).ok().flatten().unwrap_or_default();
        if !account.is_empty() {
            return Some(String::from_utf8_lossy(account).into_owned());
        }
        let all = self.known.accounts.as_deref().unwrap_or_default().trim_end_matches(',');
        (!all.contains(',') && !all.is_empty()).then(|| all.to_owned())
    }
}
