use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::ids::{ClientKey, LinkId};
use crate::protocol::layout::Record as Values;
use crate::record;
use crate::time::Time;

const CLIENT: Side = Side::Client(ClientKey { slot: 0, generation: 0 });
const LINK: Side = Side::Upstream(LinkId(1));

fn masked(masker: &mut Masker, side: Side, what: What) -> What {
    let mut record = Record { time: Time::ZERO, side, what };
    masker.mask(&mut record);
    record.what
}

fn framed(payload: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    frame::put(payload, &mut out);
    out.to_vec()
}

fn words(masker: &mut Masker, text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    masker.words(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

fn request_of(version: u16, id: u32, values: &Values) -> Vec<u8> {
    let mut out = BytesMut::new();
    Dialect::new(version).request(id).unwrap().compose(values, &mut out);
    framed(&out)
}

fn response_of(version: u16, id: u32, values: &Values) -> Vec<u8> {
    let mut out = BytesMut::new();
    Dialect::new(version).response(id).unwrap().compose(values, &mut out);
    framed(&out)
}

/// Both sides at a version.
fn greeted(version: u16) -> Masker {
    let mut masker = Masker::default();
    let hello = framed(format!("{version}\x00now\0").as_bytes());
    masked(&mut masker, LINK, What::Read(hello.clone()));
    masked(&mut masker, CLIENT, What::Written { taken: 4, bytes: hello });
    masker
}

#[test]
fn equal_numbers_have_equal_stand_ins_of_their_length() {
    let mut masker = Masker::default();
    let once = words(&mut masker, "U1234567,DU7654321;U1234567 F0000001A (DU7654321)");
    assert_eq!(once, "U9000001,DU9000002;U9000001 F9000003A (DU9000002)");
    assert_eq!(words(&mut masker, "DU7654321"), "DU9000002");
}

#[test]
fn what_is_no_account_number_stays() {
    let mut masker = Masker::default();
    let text =
        "AAPL 12345678 US0378331005 XU1234567 U123 SYM0042 F12345678901 0000e0d5.67.01 20261123 22:27:38";
    assert_eq!(words(&mut masker, text), text);
}

/// A number that is a stand-in already is another account, and gets a stand-in of its own.
#[test]
fn a_stand_in_that_is_somebodys_number_is_not_mixed_up() {
    let mut masker = Masker::default();
    assert_eq!(words(&mut masker, "DU9000001 DU1111111 DU9000002"), "DU9000002 DU9000003 DU9000004");
}

#[test]
fn managed_accounts_of_any_form_are_masked_from_then_on() {
    for version in [176, 226] {
        let mut masker = greeted(version);
        let list = response_of(version, 15, &record! { accountsList: "DEMO12,U1234567,XYZ" });
        let What::Read(bytes) = masked(&mut masker, LINK, What::Read(list.clone())) else { panic!() };
        assert_eq!(bytes.len(), list.len());
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for gone in ["DEMO12", "U1234567", "XYZ"] {
            assert!(!text.contains(gone), "{version}: {text}");
        }
        assert_eq!(words(&mut masker, "for DEMO12 and XYZ"), "for DEMO01 and X03");
        assert_eq!(words(&mut masker, "refDEMO12x but not DEMO123"), "refDEMO01x but not DEMO123");
    }
}

/// Before anybody has named the accounts: by the field, and by its looks.
#[test]
fn an_order_before_the_accounts_are_known_is_masked_in_either_form() {
    for version in [176, 226] {
        let mut masker = greeted(version);
        let order = record! {
            orderId: 7, symbol: "AAPL", secType: "STK", action: "BUY", orderType: "LMT", totalQuantity: 100,
            lmtPrice: "1.5", account: "ODD77", orderRef: "for U1234567",
        };
        let bytes = request_of(version, 3, &order);
        let What::Read(masked) = masked(&mut masker, CLIENT, What::Read(bytes.clone())) else { panic!() };
        let dialect = Dialect::new(version);
        let m = text::message(&masked[4..], version).unwrap();
        let (record, fault) = dialect.request(3).unwrap().read_partly(&m);
        assert!(fault.is_none(), "{fault:?}");
        assert_eq!(record.get("account"), Some("ODD01"));
        assert_eq!(record.get("orderRef"), Some("for U9000002"));
        assert_eq!(record.get("lmtPrice"), Some("1.5"));
        assert_eq!(masked.len(), bytes.len());
    }
}

/// A tag of a protobuf field can look like a digit that goes on.
#[test]
fn a_number_in_protobuf_ends_where_its_field_ends() {
    let mut body = BytesMut::new();
    proto::put_bytes(5, b"U1234567", &mut body);
    // Field 6 with a length: its tag is the digit 2.
    proto::put_bytes(6, b"55555", &mut body);
    let mut places = Vec::new();
    assert!(strings(&body, 0, None, DEEPEST, &mut places));
    let mut masker = Masker::default();
    let mut bytes = body.to_vec();
    for place in places {
        masker.words(&mut bytes[place]);
    }
    let mut wanted = BytesMut::new();
    proto::put_bytes(5, b"U9000001", &mut wanted);
    proto::put_bytes(6, b"55555", &mut wanted);
    assert_eq!(bytes, wanted);
}

/// What a newer Gateway sends, and what is damaged, is unknown to the schema and must not leak.
#[test]
fn numbers_in_what_the_schema_does_not_know_are_masked() {
    let put = |number, value: &[u8]| {
        let mut out = BytesMut::new();
        proto::put_bytes(number, value, &mut out);
        out.to_vec()
    };
    let inner = [put(1, b"U1234567"), put(2, &put(6, b"DU7654321"))].concat();
    let deep = (0..40).fold(put(1, b"U1234567"), |inner, _| put(1, &inner));
    let cut = [put(99, b"U1234567"), vec![0x0A, 100, b'U'], b"U1234567".to_vec()].concat();
    let binary = put(99, b"\xFF\x00U1234567\x00");
    for body in [put(99, &inner), deep, cut, binary] {
        // nextValidId, as protobuf.
        let payload = [&209u32.to_be_bytes()[..], &body].concat();
        let bytes = framed(&payload);
        let mut masker = greeted(226);
        let What::Read(masked) = masked(&mut masker, LINK, What::Read(bytes.clone())) else { panic!() };
        let text = String::from_utf8_lossy(&masked);
        assert!(!text.contains("U1234567") && !text.contains("DU7654321"), "{text:?}");
        assert_eq!((masked.len(), &masked[..8]), (bytes.len(), &bytes[..8]));
    }
    let mut masker = greeted(226);
    let bytes = framed(&[&209u32.to_be_bytes()[..], &put(99, &inner)].concat());
    let What::Read(masked) = masked(&mut masker, LINK, What::Read(bytes)) else { panic!() };
    let wanted = [put(1, b"U9000001"), put(2, &put(6, b"DU9000002"))].concat();
    assert_eq!(&masked[8..], put(99, &wanted), "tags and lengths are as they were");
}

#[test]
fn an_account_with_a_model_behind_it_is_masked() {
    let mut masker = greeted(176);
    let order = record! {
        orderId: 7, symbol: "AAPL", secType: "STK", action: "BUY", orderType: "LMT", totalQuantity: 100,
        lmtPrice: "1.5", account: "ODD77/Tech",
    };
    let bytes = request_of(176, 3, &order);
    let What::Read(masked) = masked(&mut masker, CLIENT, What::Read(bytes)) else { panic!() };
    assert!(contains(&masked, b"\0ODD01/Tech\0"));
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|w| w == part)
}

#[test]
fn settings_words_and_broken_bytes_are_masked_too() {
    let mut masker = Masker::new(["ODD7".to_owned()]);
    let closed = masked(&mut masker, LINK, What::Closed("no U1234567".into()));
    assert_eq!(closed, What::Closed("no U9000002".into()));
    let mut config = Config::default();
    config.policies.default.accounts = vec!["ODD7".into(), "OTHER8".into()];
    let settings = What::Event(Event::Settings(serde_json::to_value(&config).unwrap()));
    let What::Event(Event::Settings(settings)) = masked(&mut masker, Side::None, settings) else { panic!() };
    let config: Config = serde_json::from_value(settings).unwrap();
    assert_eq!(config.policies.default.accounts, ["ODD1", "OTHER3"]);
    assert_eq!(config.gateway, Config::default().gateway);
    let broken = masked(&mut masker, CLIENT, What::Broken(b"\xFF\xFF\xFF\xFFDU1234567".to_vec()));
    assert_eq!(broken, What::Broken(b"\xFF\xFF\xFF\xFFDU9000004".to_vec()));
}

#[test]
fn accounts_beyond_the_limit_lose_their_digits() {
    let mut masker = Masker::default();
    for n in 0..MAX_MASKED_ACCOUNTS {
        words(&mut masker, &format!("U{:07}", 1_000_000 + n));
    }
    assert_eq!(words(&mut masker, "U7777777"), "U9999999");
}

proptest! {
    /// Lengths and framing stay, whatever the bytes are, and a number of the usual form never does.
    #[test]
    fn masking_keeps_lengths(bytes in proptest::collection::vec(any::<u8>(), 0..300), version in 100u16..226) {
        let mut masker = greeted(version);
        for (side, read) in [(CLIENT, true), (CLIENT, false), (LINK, true), (LINK, false)] {
            let mut out = framed(b"x");
            out.extend_from_slice(&bytes);
            let before = out.clone();
            masker.frames(side, &mut out, read);
            prop_assert_eq!(out.len(), before.len());
            prop_assert_eq!(&out[..4], &before[..4]);
        }
    }
}
