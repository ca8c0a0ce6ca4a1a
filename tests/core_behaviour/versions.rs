//! Clients at versions of their own. That every frame has exactly the form of the version that it is for is checked by
//! the [`World`] itself.

use crate::support::ease::{SECOND, errors, ids, world};
use crate::support::{Who, World};
use twsmux::core::io::Gone;
use twsmux::core::stats::Drop;
use twsmux::wire::text::Form;

/// A client's version and the Gateway's.
const PAIRS: [(u16, u16); 4] = [(157, 226), (213, 176), (176, 226), (226, 176)];

/// A world whose Gateway speaks `version`.
fn gateway(version: u16) -> World {
    let mut w = world(|c| c.max_server_version = version.max(226));
    w.link_up(version);
    w
}

/// A client that speaks `version` and has had its first messages.
fn client(w: &mut World, id: i32, version: u16) -> Who {
    let who = w.starting(version, version);
    w.start(who, id);
    assert_eq!(w.version_of(who), version);
    w.got(who);
    who
}

/// Values of one client's messages, by message and field.
fn values(w: &mut World, who: Who, fields: &[(u16, &str)]) -> Vec<String> {
    let got = w.got(who);
    let wanted: Vec<u16> = fields.iter().map(|f| f.0).collect();
    assert_eq!(ids(&got), wanted, "{got:?}");
    got.iter().zip(fields).map(|(f, (_, name))| f.response().get(name).unwrap_or("-").to_owned()).collect()
}

fn dropped(w: &World, why: Drop) -> u64 {
    w.core.stats.dropped[why as usize]
}

const STOCK: [(&str, &str); 4] =
    [("symbol", "A"), ("secType", "STK"), ("currency", "USD"), ("exchange", "SMART")];

/// A request about a US stock.
fn about_stock(id: &'static str) -> Vec<(&'static str, &'static str)> {
    STOCK.into_iter().chain([("reqId", id)]).collect()
}

#[test]
fn an_error_without_id_is_one_under_minus_1_for_every_client() {
    let mut w = gateway(226);
    let (text, proto) = (client(&mut w, 1, 176), client(&mut w, 2, 226));
    w.say(4, &[("errorCode", "1102"), ("errorMsg", "restored")]);
    assert_eq!(errors(&w.got(text)), [(-1, 1102)]);
    assert_eq!(w.got(text), []);
    assert_eq!(w.got(proto)[0].response().get("id"), None, "as the Gateway wrote it");
}

#[test]
fn a_client_from_before_fractions_gets_whole_lots() {
    let mut w = gateway(176);
    let (old, middle) = (client(&mut w, 1, 157), client(&mut w, 2, 160));
    for (who, size) in [(old, "12"), (middle, "1250")] {
        let up = w.asks_id(who, 1, &about_stock("7"));
        w.say(2, &[("reqId", &up), ("tickType", "0"), ("size", "1250")]);
        assert_eq!(values(&mut w, who, &[(2, "size")]), [size]);
    }
}

#[test]
fn what_comes_for_a_closing_client_is_late() {
    let mut w = gateway(176);
    let who = client(&mut w, 1, 176);
    let up = w.asks_id(who, 20, &about_stock("7"));
    w.request(who, 25, &[("reqId", "7")]);
    let fault = twsmux::wire::WireError::FrameTooLong { length: 1 << 30, limit: 1 << 20 };
    w.handle(twsmux::core::io::Input::ClientBroken { client: w.peers[who].key, fault });
    w.say_error(up.parse().unwrap(), 162, "query cancelled");
    assert_eq!((dropped(&w, Drop::Late), dropped(&w, Drop::NotAtVersion)), (1, 0));
}
