//! Each way in which twsmux itself can die leaves no CLOSE_WAIT at a Gateway that never closes (I2), read from the
//! kernel's table.

mod support;

use support::{Manners, Mux, Standin, wait_until};
use twsmux::sockets::table::State;

fn ready(gateway: &Standin, more: &[&str]) -> Mux {
    let mux = Mux::start(&gateway.addr.to_string(), more);
    mux.wait_ready();
    assert_eq!(gateway.count(State::Established), 1, "one socket at the Gateway");
    mux
}

#[test]
fn a_plain_close_would_leave_close_wait_at_this_stand_in() {
    // Without this the other tests could not fail.
    let gateway = Standin::start(Manners::Mute);
    drop(std::net::TcpStream::connect(gateway.addr).unwrap());
    wait_until("a zombie", || gateway.count(State::CloseWait) == 1);
}

#[test]
fn sigterm_drains_exits_0_and_leaves_nothing() {
    let gateway = Standin::start(Manners::Complete);
    let mut mux = ready(&gateway, &[]);
    mux.signal("TERM");
    assert_eq!(mux.wait_exit().code(), Some(0));
    gateway.assert_clean();
}

#[test]
fn graceful_close_ends_in_a_reset_when_the_gateway_does_not_close() {
    let gateway = Standin::start(Manners::Complete);
    let mut mux = ready(&gateway, &["--upstream-close", "graceful"]);
    mux.signal("TERM");
    assert_eq!(mux.wait_exit().code(), Some(0));
    gateway.assert_clean();
}

#[test]
fn sigkill_leaves_nothing() {
    let gateway = Standin::start(Manners::Complete);
    let mut mux = ready(&gateway, &[]);
    mux.signal("KILL");
    assert_eq!(mux.wait_exit().code(), None, "killed by the signal");
    gateway.assert_clean();
}

#[test]
fn a_panic_leaves_nothing() {
    let gateway = Standin::start(Manners::Complete);
    let mut mux = Mux::start(&gateway.addr.to_string(), &["--die", "panic-when-ready"]);
    assert_eq!(mux.wait_exit().code(), Some(101));
    assert!(mux.log().contains("told to panic"), "{}", mux.log());
    assert_eq!(gateway.accepted(), 1);
    gateway.assert_clean();
}

#[test]
fn sigterm_during_the_handshake_leaves_nothing() {
    let gateway = Standin::start(Manners::Mute);
    let mut mux = Mux::start(&gateway.addr.to_string(), &[]);
    wait_until("the dial", || gateway.count(State::Established) == 1);
    mux.signal("TERM");
    assert_eq!(mux.wait_exit().code(), Some(0));
    gateway.assert_clean();
}

#[test]
fn sigkill_during_the_handshake_leaves_nothing() {
    let gateway = Standin::start(Manners::Mute);
    let mut mux = Mux::start(&gateway.addr.to_string(), &[]);
    wait_until("the dial", || gateway.count(State::Established) == 1);
    mux.signal("KILL");
    mux.wait_exit();
    gateway.assert_clean();
}

#[test]
fn a_panic_or_an_exit_during_the_handshake_leaves_nothing() {
    for (how, code) in [("panic-in-handshake", 101), ("exit-in-handshake", 1)] {
        let gateway = Standin::start(Manners::Mute);
        let mut mux = Mux::start(&gateway.addr.to_string(), &["--die", how]);
        assert_eq!(mux.wait_exit().code(), Some(code), "{how}");
        wait_until("the dial to be seen", || gateway.accepted() > 0);
        gateway.assert_clean();
    }
}

#[test]
fn a_handshake_that_takes_too_long_is_reset_and_not_hammered() {
    let gateway = Standin::start(Manners::Mute);
    let mux = Mux::start(
        &gateway.addr.to_string(),
        &["--handshake-time", "0.3", "--backoff-min", "600", "--backoff-max", "600"],
    );
    mux.wait_log("did not finish the handshake");
    gateway.assert_clean();
    assert_eq!(gateway.accepted() / 2, 1, "one attempt"); // a mute stand-in keeps each socket twice
}
