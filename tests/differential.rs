//! The same client script against a Gateway directly and through twsmux: the client must not be able to tell.

mod support;

use support::{distinct, mux_for, script, sim};

#[test]
fn a_client_sees_through_twsmux_what_it_sees_at_the_gateway() {
    let direct = script(sim(|_| {}).address(), 0);
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    let through = script(mux.listen, 0);
    assert_eq!(distinct(&through), distinct(&direct));
    assert_eq!(gateway.stats().malformed, 0, "{}", gateway.stats().last_malformed);
}

#[test]
fn another_client_id_differs_in_nothing_but_its_id() {
    let direct = script(sim(|_| {}).address(), 31);
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    // Somebody else was here before and used up ids at the Gateway.
    script(mux.listen, 5);
    let through = script(mux.listen, 31);
    let without_perm_id = |lines: Vec<String>| -> Vec<String> {
        let cut = |line: &String| {
            line.split(' ').filter(|word| !word.starts_with("permId=")).collect::<Vec<_>>().join(" ")
        };
        distinct(&lines.iter().map(cut).collect::<Vec<_>>())
    };
    assert_eq!(without_perm_id(through), without_perm_id(direct));
}
