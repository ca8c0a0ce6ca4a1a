//! What clients and client ids hold, for the view.
//!
//! Owns: nothing. Driven by: `view`, once a second; hence what would take long is left out.

use rustc_hash::FxBuildHasher;

use super::client::Client;
use super::lines::Subject;
use super::orders::Orders;
use crate::ids::ClientId;
use crate::limits;

/// How many requests of one kind a client has.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Holding {
    /// The request.
    pub message: &'static str,
    /// How many.
    pub count: usize,
}

/// The orders of one client id, which may be away.
#[derive(Clone, Debug, serde::Serialize)]
pub struct OwnerView {
    /// The client id.
    pub client_id: i32,
    /// Orders that are not over; absent when there are too many to count.
    pub live: Option<usize>,
    /// Orders remembered, those that are over included.
    pub orders: usize,
    /// Messages that are kept until it comes back.
    pub kept: usize,
}

/// The instrument that a subscription is about, in words; empty where it is about none.
pub fn instrument((_, _, values): &Subject) -> String {
    const LONGEST: usize = 80;
    let value = |wanted: &str| {
        let values = std::str::from_utf8(values).unwrap_or_default();
        let mut pairs = values.split('\0').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(name, value)| *name == wanted && !matches!(*value, "" | "0" | "0.0"))
            .map(|(_, value)| value)
    };
    let name = match value("localSymbol").or(value("symbol")) {
        Some(symbol) => symbol.to_owned(),
        None => value("conId").map(|id| format!("conId {id}")).unwrap_or_default(),
    };
    let rest = ["secType", "lastTradeDateOrContractMonth", "right", "strike", "exchange", "currency"];
    let parts = std::iter::once(name.as_str()).chain(rest.into_iter().filter_map(value));
    let words = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    words.chars().take(LONGEST).collect()
}

/// What [`of_owners`] found.
pub struct Owners {
    /// The first of them.
    pub views: Vec<OwnerView>,
    /// How many there are.
    pub total: usize,
    /// Live orders over all of them.
    pub live: Option<usize>,
}

/// The active requests of a client by kind, most first.
pub fn of_client(client: &Client) -> Vec<Holding> {
    let mut counts: Vec<(u16, usize)> = Vec::new();
    for (message, _) in client.requests.keys() {
        match counts.iter_mut().find(|(id, _)| id == message) {
            Some((_, n)) => *n += 1,
            None => counts.push((*message, 1)),
        }
    }
    counts.sort_unstable_by_key(|(id, n)| (std::cmp::Reverse(*n), *id));
    let named = |(id, count): (u16, usize)| {
        Some(Holding { message: crate::protocol::request(id.into())?.message.name, count })
    };
    counts.into_iter().filter_map(named).collect()
}

/// The client ids that have orders or for which something is kept, those with most live orders first. `kept`: messages for
/// a client id.
pub fn of_owners(orders: &Orders, kept: impl Iterator<Item = (ClientId, usize)>) -> Owners {
    let counts = orders.len() <= limits::MAX_COUNTED_ORDERS;
    let mut owners: indexmap::IndexMap<ClientId, OwnerView, FxBuildHasher> = Default::default();
    let new = |id: ClientId| OwnerView { client_id: id.0, live: counts.then_some(0), orders: 0, kept: 0 };
    for (id, n) in orders.known_by_owner() {
        owners.entry(id).or_insert_with(|| new(id)).orders = n;
    }
    for (id, n) in kept {
        owners.entry(id).or_insert_with(|| new(id)).kept = n;
    }
    if counts {
        for owner in orders.live_owners() {
            if let Some(n) = owners.entry(owner).or_insert_with(|| new(owner)).live.as_mut() {
                *n += 1;
            }
        }
    }
    let total = owners.len();
    let live = owners.values().map(|o| o.live).sum();
    let mut views: Vec<OwnerView> = owners.into_values().collect();
    views.sort_unstable_by_key(|o| {
        (std::cmp::Reverse(o.live), std::cmp::Reverse(o.kept), std::cmp::Reverse(o.orders), o.client_id)
    });
    views.truncate(limits::MAX_SHOWN_OWNERS);
    Owners { views, total, live }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::DownOrderId;

    #[test]
    fn too_many_orders_are_not_counted_and_too_many_owners_not_listed() {
        let mut orders = Orders::new(ClientId(0));
        orders.gateway_next(1);
        let owners = limits::MAX_SHOWN_OWNERS + 5;
        for n in 0..limits::MAX_COUNTED_ORDERS {
            orders.place(ClientId((n % owners) as i32), DownOrderId(1 + (n / owners) as i32));
        }
        let kept = [(ClientId(9999), 3)];
        let found = of_owners(&orders, kept.into_iter());
        assert_eq!(found.live, Some(limits::MAX_COUNTED_ORDERS));
        assert_eq!((found.views.len(), found.total), (limits::MAX_SHOWN_OWNERS, owners + 1));
        orders.place(ClientId(7777), DownOrderId(1));
        let found = of_owners(&orders, kept.into_iter());
        assert_eq!((found.live, found.views[0].live), (None, None));
        assert_eq!((found.views[0].client_id, found.views[0].kept), (9999, 3), "for whom most is kept");
    }

    #[test]
    fn an_instrument_is_named_by_what_the_request_says() {
        let of = |values: &str| instrument(&(1, 0, values.as_bytes().into()));
        assert_eq!(of("conId=265598\0exchange=SMART\0"), "conId 265598 SMART");
        let option = "currency=USD\0exchange=SMART\0lastTradeDateOrContractMonth=20261218\0right=C\0secType=OPT\0\
                      strike=250\0symbol=AAPL\0";
        assert_eq!(of(option), "AAPL OPT 20261218 C 250 SMART USD");
        assert_eq!(of("account=DU1234567\0modelCode=x\0"), "");
        assert_eq!(of(&format!("symbol={}\0", "é".repeat(500))).chars().count(), 80);
    }
}
