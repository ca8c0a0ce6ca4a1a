//! What concerns the session and not the market.

use twsmux::protocol::layout::Record;
use twsmux::record;

use super::differences::Tag::*;
use super::{Tour, exists};

impl Tour<'_> {
    /// Ids, accounts, clocks, log level, display groups, what is refused to everybody, what cannot be read.
    pub(super) fn session(&mut self) {
        let none = Record::new;
        self.ask("reqIds", "reqIds", record! { numIds: 1 }, "nextValidId");
        self.ask("reqManagedAccts", "reqManagedAccts", none(), "managedAccounts");
        self.ask("reqCurrentTime", "reqCurrentTime", none(), "currentTime").differs(Clock);
        self.ask("reqCurrentTimeInMillis", "reqCurrentTimeInMillis", none(), "currentTimeInMillis")
            .differs(Clock);
        self.say("a log level", "setServerLogLevel", record! { logLevel: 5 });
        let timed = self.is_timed();
        self.say("no log level", "setServerLogLevel", record! { logLevel: 9 }).differs_if(timed, OwnTime);
        self.ask_wrongly("no market data type", "reqMarketDataType", record! { marketDataType: 7 }, 321)
            .differs(OwnWords);
        self.display_groups();
        self.refusals();
        self.unreadable();
    }

    fn display_groups(&mut self) {
        let id = self.id();
        self.say("display groups", "queryDisplayGroups", record! { reqId: id });
        let id = self.id();
        self.say("a display group", "subscribeToGroupEvents", record! { reqId: id, groupId: 1 });
        self.say("the same again", "subscribeToGroupEvents", record! { reqId: id, groupId: 1 })
            .differs(OwnWords);
        self.say(
            "a contract for the group",
            "updateDisplayGroup",
            record! { reqId: id, contractInfo: "265598@SMART" },
        );
        self.say("no display group any more", "unsubscribeFromGroupEvents", record! { reqId: id });
        self.say(
            "a contract for no group",
            "updateDisplayGroup",
            record! { reqId: id, contractInfo: "none" },
        )
        .differs(OwnWords);
        let id = self.id();
        self.say("no such group", "subscribeToGroupEvents", record! { reqId: id, groupId: 9 });
    }

    fn refusals(&mut self) {
        self.ask_wrongly("verifyRequest", "verifyRequest", record! { apiName: "tour", apiVersion: "1" }, 321)
            .differs(OwnWords);
        self.ask_wrongly("verifyMessage", "verifyMessage", record! { apiData: "x" }, 321).differs(OwnWords);
        self.ask_wrongly(
            "verifyAndAuthRequest",
            "verifyAndAuthRequest",
            record! { apiName: "tour", apiVersion: "1", opaqueIsvKey: "x" },
            321,
        )
        .differs(OwnWords);
        self.ask_wrongly(
            "verifyAndAuthMessage",
            "verifyAndAuthMessage",
            record! { apiData: "x", xyzResponse: "y" },
            321,
        )
        .differs(OwnWords);
        let client_id = self.who.client_id;
        self.say("startApi again", "startApi", record! { clientId: client_id }).differs(SecondStart);
        let id = self.id();
        let there = exists("reqConfig", self.who.gateway);
        self.say("reqConfig", "reqConfig", record! { reqId: id }).differs_if(!there, Inexpressible);
        let id = self.id();
        self.say("updateConfig", "updateConfig", record! { reqId: id }).differs(Settings);
    }

    /// Messages that break the form, are of no kind, or of a later version.
    fn unreadable(&mut self) {
        let id = self.id();
        let text = format!("9\08\0{id}\00\0AAPL\0STK\0");
        let proto = [209u32.to_be_bytes().as_slice(), &[0x0a, 0x7f, 1, 2]].concat();
        let broken = if self.who.version >= 205 { proto } else { text.into_bytes() };
        self.say_raw("half a message", &broken, &[320]).differs(OwnWords);
        let numbered = |id: u32| match self.who.version {
            201.. => id.to_be_bytes().to_vec(),
            _ => format!("{id}\0").into_bytes(),
        };
        let (unknown, later) = (numbered(150), numbered(108));
        self.say_raw("a message that nobody knows", &unknown, &[320]).differs(OwnWords);
        if !self.has("reqConfig") {
            self.say_raw("a message of a later version", &later, &[320, 503]).differs(LaterVersion);
        }
    }
}
