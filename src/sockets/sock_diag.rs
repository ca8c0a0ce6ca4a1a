//! What only netlink can do with a socket of another program: find it with the kernel's cookie for it, and end it.
//!
//! Owns: the few bytes of `SOCK_DIAG_BY_FAMILY` and `SOCK_DESTROY`. May not know: what a Gateway is, which sockets deserve it.
//! Driven by: [`super::destroy`] alone, when a person has asked for it.
//!
//! The kernel gives every socket a number that no other socket gets, the cookie. A socket is found by a dump of those that
//! are in CLOSE_WAIT, and ended under its cookie: **whatever has its addresses by then, only that very socket is meant**. And
//! one in CLOSE_WAIT never becomes anything else but closed, so nothing that lives can be hit. Written by hand because the
//! crate netlink-packet-sock-diag (0.5.0) has no `SOCK_DESTROY`, and the messages have a fixed form of 72 bytes
//! (`linux/inet_diag.h`, `linux/sock_diag.h`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
    sockopt::{self, Timeout},
};

use super::table::canonical;

/// Longest wait for the kernel, which answers at once.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of one datagram; the kernel fills at most a few pages.
const DATAGRAM: usize = 64 * 1024;
/// Most sockets that one dump may have.
const MAX_SOCKETS: usize = 100_000;

/// `SOCK_DIAG_BY_FAMILY`, `SOCK_DESTROY`.
const BY_FAMILY: u16 = 20;
const DESTROY: u16 = 21;
/// `NLMSG_ERROR`, `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `NLM_F_REQUEST`, `NLM_F_ACK`, `NLM_F_DUMP`.
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const DUMP: u16 = 0x300;
/// `IPPROTO_TCP`, `TCP_CLOSE_WAIT`, and the bit of `CAP_NET_ADMIN`.
const TCP: u8 = 6;
const CLOSE_WAIT: u8 = 8;
const CAP_NET_ADMIN: u32 = 12;
/// Sizes of `nlmsghdr`, of `inet_diag_sockid`, and of the part of `inet_diag_msg` before the latter.
const HEADER: usize = 16;
const ID: usize = 48;
const ID_AT: usize = 4;

/// One socket, as the kernel names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// The near end, canonical.
    pub local: SocketAddr,
    /// The far end, canonical.
    pub remote: SocketAddr,
    family: u8,
    /// `inet_diag_sockid` as it came, the cookie in it.
    id: [u8; ID],
}

/// Why a socket was not ended.
#[derive(Debug, thiserror::Error)]
pub enum DiagError {
    /// It is not there any more: its program or the kernel has closed it.
    #[error("the socket is gone")]
    Gone,
    /// The right is missing.
    #[error("the kernel does not permit it: that needs CAP_NET_ADMIN in the network namespace of the socket")]
    NotPermitted,
    /// The kernel cannot do that.
    #[error("this kernel was built without CONFIG_INET_DIAG_DESTROY")]
    NotSupported,
    /// Anything else.
    #[error("the kernel's socket diagnosis does not work: {0}")]
    Failed(String),
}

/// The sockets in CLOSE_WAIT whose near port is `port`, of both families.
///
/// # Errors
/// The kernel does not tell.
pub fn close_waits(port: u16) -> Result<Vec<Held>, DiagError> {
    let mut found = Vec::new();
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        let mut id = [0; ID];
        id[..2].copy_from_slice(&port.to_be_bytes());
        let socket = open()?;
        let family = u8::try_from(family.as_raw()).unwrap_or(0);
        ask(&socket, &request(BY_FAMILY, REQUEST | DUMP, family, &id))?;
        while !take_in(&receive(&socket)?, port, &mut found)? {}
    }
    Ok(found)
}

/// Ends the socket: its peer gets a reset, its program an error at the next use, its descriptor stays. Needs CAP_NET_ADMIN.
///
/// # Errors
/// [`DiagError`].
pub fn destroy(held: &Held) -> Result<(), DiagError> {
    let socket = open()?;
    ask(&socket, &request(DESTROY, REQUEST | ACK, held.family, &held.id))?;
    take_in(&receive(&socket)?, held.local.port(), &mut Vec::new()).map(drop)
}

/// Whether this process has CAP_NET_ADMIN. In a user namespace of its own that may not be enough; `None`: not known.
pub fn may_destroy() -> Option<bool> {
    has_net_admin(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn has_net_admin(status: &str) -> Option<bool> {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    Some(u64::from_str_radix(effective.trim(), 16).ok()? >> CAP_NET_ADMIN & 1 == 1)
}

fn open() -> Result<OwnedFd, DiagError> {
    let protocol = Some(netlink::SOCK_DIAG);
    let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, protocol)
        .map_err(failed)?;
    sockopt::set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE)).map_err(failed)?;
    Ok(socket)
}

fn failed(error: Errno) -> DiagError {
    DiagError::Failed(io::Error::from(error).to_string())
}

/// Without an address a netlink message goes to the kernel.
fn ask(socket: &OwnedFd, message: &[u8]) -> Result<(), DiagError> {
    send(socket, message, SendFlags::empty()).map(drop).map_err(failed)
}

fn receive(socket: &OwnedFd) -> Result<Vec<u8>, DiagError> {
    let mut datagram = vec![0; DATAGRAM];
    let (read, length) = recv(socket, &mut datagram[..], RecvFlags::TRUNC).map_err(failed)?;
    if length > read {
        return Err(DiagError::Failed(format!("an answer of {length} bytes")));
    }
    datagram.truncate(read);
    Ok(datagram)
}

/// `nlmsghdr` and `inet_diag_req_v2`.
fn request(kind: u16, flags: u16, family: u8, id: &[u8; ID]) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + 8 + ID);
    message.extend_from_slice(&((HEADER + 8 + ID) as u32).to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&flags.to_ne_bytes());
    // Sequence number and sender: one question for each socket of ours, so there is nothing to tell apart.
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&[family, TCP, 0, 0]);
    message.extend_from_slice(&(1u32 << CLOSE_WAIT).to_ne_bytes());
    message.extend_from_slice(id);
    message
}

/// Takes in one datagram; says whether it was the last one.
fn take_in(mut datagram: &[u8], port: u16, found: &mut Vec<Held>) -> Result<bool, DiagError> {
    let garbled = || DiagError::Failed("the kernel's answer is not understood".to_owned());
    while !datagram.is_empty() {
        let length = u32_at(datagram, 0).ok_or_else(garbled)? as usize;
        let kind = u32_at(datagram, 4).ok_or_else(garbled)?.to_ne_bytes();
        let kind = u16::from_ne_bytes([kind[0], kind[1]]);
        let body = datagram.get(HEADER..length).ok_or_else(garbled)?;
        match kind {
            DONE => return Ok(true),
            ERROR => {
                let code = u32_at(body, 0).ok_or_else(garbled)?.cast_signed();
                return if code == 0 { Ok(true) } else { Err(refusal(code.saturating_neg())) };
            }
            BY_FAMILY => {
                let held = socket_of(body).ok_or_else(garbled)?;
                // The kernel was asked for these alone; that nothing else is ever ended does not rest on it.
                if body.get(1) == Some(&CLOSE_WAIT) && held.local.port() == port && found.len() < MAX_SOCKETS
                {
                    found.push(held);
                }
            }
            _ => {}
        }
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Ok(false)
}

fn refusal(code: i32) -> DiagError {
    match Errno::from_raw_os_error(code) {
        // ESTALE: another socket has its addresses by now.
        Errno::NOENT | Errno::STALE => DiagError::Gone,
        Errno::PERM | Errno::ACCESS => DiagError::NotPermitted,
        // A kernel before 4.5 does not know the message at all.
        Errno::OPNOTSUPP | Errno::INVAL => DiagError::NotSupported,
        error => failed(error),
    }
}

/// The beginning of `inet_diag_msg`: family, state, timer, retransmissions, and the id with ports, addresses, interface, cookie.
fn socket_of(body: &[u8]) -> Option<Held> {
    let id: [u8; ID] = body.get(ID_AT..ID_AT + ID)?.try_into().ok()?;
    let family = *body.first()?;
    let end = |port: usize, address: usize| {
        let port = u16::from_be_bytes([id[port], id[port + 1]]);
        let bytes: [u8; 16] = id[address..address + 16].try_into().ok()?;
        let ip = match AddressFamily::from_raw(family.into()) {
            AddressFamily::INET => IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3])),
            AddressFamily::INET6 => IpAddr::V6(Ipv6Addr::from(bytes)),
            _ => return None,
        };
        Some(canonical(SocketAddr::new(ip, port)))
    };
    Some(Held { local: end(0, 4)?, remote: end(2, 20)?, family, id })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One message of the kernel's.
    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&[0; 10]);
        bytes.extend_from_slice(body);
        bytes
    }

    /// `inet_diag_msg` of a socket at 127.0.0.1, mapped where it is IPv6.
    fn socket(family: AddressFamily, state: u8, port: u16) -> Vec<u8> {
        let mut body = vec![family.as_raw() as u8, state, 0, 0];
        body.extend_from_slice(&port.to_be_bytes());
        body.extend_from_slice(&50_000u16.to_be_bytes());
        for _ in 0..2 {
            match family {
                AddressFamily::INET => {
                    body.extend_from_slice(&[127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
                }
                _ => body.extend_from_slice(&Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets()),
            }
        }
        body.extend_from_slice(&[0, 0, 0, 0, 7, 0, 0, 0, 9, 0, 0, 0]);
        body.extend_from_slice(&[0; 20]);
        body
    }

    fn taken(datagram: &[u8]) -> (Result<bool, String>, Vec<Held>) {
        let mut found = Vec::new();
        let last = take_in(datagram, 4002, &mut found).map_err(|e| format!("{e:?}"));
        (last, found)
    }

    #[test]
    fn a_dump_tells_the_ends_and_the_cookie_and_goes_back_as_it_came() {
        for family in [AddressFamily::INET, AddressFamily::INET6] {
            let (last, found) = taken(&message(BY_FAMILY, &socket(family, CLOSE_WAIT, 4002)));
            assert_eq!((last, found.len()), (Ok(false), 1));
            assert_eq!(found[0].local, "127.0.0.1:4002".parse().unwrap());
            assert_eq!(found[0].remote, "127.0.0.1:50000".parse().unwrap());
            let asked = request(DESTROY, REQUEST | ACK, found[0].family, &found[0].id);
            assert_eq!(
                (asked.len(), asked[24..].to_vec()),
                (72, socket(family, CLOSE_WAIT, 4002)[4..52].to_vec())
            );
            assert_eq!(asked[asked.len() - 8..], [7, 0, 0, 0, 9, 0, 0, 0], "the cookie");
            assert_eq!(asked[16..20], [family.as_raw() as u8, TCP, 0, 0]);
        }
    }

    #[test]
    fn nothing_but_close_wait_on_the_port_is_taken_in_whatever_the_kernel_says() {
        let mut datagram = Vec::new();
        for state in (1..=12).filter(|state| *state != CLOSE_WAIT) {
            datagram.extend(message(BY_FAMILY, &socket(AddressFamily::INET, state, 4002)));
        }
        datagram.extend(message(BY_FAMILY, &socket(AddressFamily::INET, CLOSE_WAIT, 4001)));
        datagram.extend(message(DONE, &[0; 4]));
        assert_eq!(taken(&datagram), (Ok(true), vec![]));
    }

    #[test]
    fn each_refusal_has_its_own_error() {
        for (code, error) in [
            (2, "Gone"),
            (116, "Gone"),
            (1, "NotPermitted"),
            (95, "NotSupported"),
            (22, "NotSupported"),
            (12, "Failed"),
        ] {
            let (answer, _) = taken(&message(ERROR, &i32::to_ne_bytes(-code)));
            assert!(answer.as_ref().is_err_and(|e| e.starts_with(error)), "{code}: {answer:?}");
        }
        assert_eq!(taken(&message(ERROR, &[0; 24])).0, Ok(true), "that is an acknowledgement");
    }

    #[test]
    fn an_answer_that_is_cut_short_is_an_error_and_no_panic() {
        let whole = message(BY_FAMILY, &socket(AddressFamily::INET, CLOSE_WAIT, 4002));
        for length in 1..whole.len() {
            assert!(taken(&whole[..length]).0.is_err(), "{length}");
        }
        for length in [0u32, 15, u32::MAX] {
            let mut lies = whole.clone();
            lies[..4].copy_from_slice(&length.to_ne_bytes());
            assert!(taken(&lies).0.is_err(), "{length}");
        }
        assert!(taken(&message(BY_FAMILY, &[2, 8, 0, 0])).0.is_err());
    }

    #[test]
    fn the_capability_is_a_bit_of_the_status() {
        let status = |mask: &str| has_net_admin(&format!("Name:\tx\nCapPrm:\t0\nCapEff:\t{mask}\n"));
        assert_eq!(status("000001ffffffffff"), Some(true));
        assert_eq!(status("0000000000001000"), Some(true));
        assert_eq!(status("000001ffffffefff"), Some(false));
        assert_eq!((status("x"), has_net_admin("")), (None, None));
    }
}
