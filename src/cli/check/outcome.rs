//! How a check can end: the exit codes and the words.
//!
//! Owns: the table [`EXIT_CODES`] and every sentence that `check` prints. May not know: sockets, messages.
//! Driven by: [`super`] and [`super::visit`].

use crate::core::codes;

/// How a check ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// Accounts and an answer came.
    Ok,
    /// The command line is wrong.
    Usage,
    /// Nobody accepts connections.
    NothingListens,
    /// twsmux is there, the Gateway is not.
    GatewayAway,
    /// twsmux took the connection and did not let the client in.
    Refused,
    /// The Gateway is there and manages nothing.
    NoAccounts,
    /// The Gateway itself, or a program that does not speak the API.
    NotTwsmux,
    /// The connection was taken, and then nothing came.
    NoAnswer,
    /// The certificate of what listens is not one that the check accepts.
    ServerCertificate,
    /// What listens did not accept the check's certificate, or wants one.
    ClientCertificate,
}

/// One row of the table of exit codes.
#[derive(Clone, Copy, Debug)]
pub struct ExitCode {
    /// The code of the process.
    pub code: u8,
    /// What it stands for.
    pub ending: Ending,
    /// The name in JSON.
    pub name: &'static str,
    /// What it says, in the help.
    pub meaning: &'static str,
}

const fn row(code: u8, ending: Ending, name: &'static str, meaning: &'static str) -> ExitCode {
    ExitCode { code, ending, name, meaning }
}

/// The exit codes of `twsmux check`. The table in docs/operations.md is compared with it by a test. Codes are never given a
/// new meaning: start scripts decide by them.
pub const EXIT_CODES: [ExitCode; 10] = [
    row(0, Ending::Ok, "ok", "the accounts are printed"),
    row(2, Ending::Usage, "usage", "wrong arguments"),
    row(3, Ending::NothingListens, "nothing_listens", "nothing listens"),
    row(4, Ending::GatewayAway, "gateway_away", "twsmux is up and has no Gateway (the reason is printed)"),
    row(5, Ending::Refused, "refused", "the handshake was refused (the reason is printed)"),
    row(6, Ending::NoAccounts, "no_accounts", "the Gateway manages no accounts"),
    row(7, Ending::NotTwsmux, "not_twsmux", "what listens is not twsmux"),
    row(8, Ending::NoAnswer, "no_answer", "no answer in time"),
    row(9, Ending::ServerCertificate, "server_certificate", "TLS: twsmux's certificate is not accepted here"),
    row(
        10,
        Ending::ClientCertificate,
        "client_certificate",
        "TLS: twsmux does not accept this client's certificate",
    ),
];

impl Ending {
    fn row(self) -> &'static ExitCode {
        // Every ending has a row; a test walks them all.
        EXIT_CODES.iter().find(|row| row.ending == self).expect("every ending has an exit code")
    }

    /// The exit code of `twsmux check`.
    pub fn exit_code(self) -> u8 {
        self.row().code
    }

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        self.row().name
    }
}

/// The exit codes in one sentence, for the help.
pub fn help() -> String {
    let rows: Vec<String> = EXIT_CODES.iter().map(|row| format!("{} {}", row.code, row.meaning)).collect();
    format!("Exit codes: {}.", rows.join("; "))
}

/// Why a check did not succeed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Which exit code.
    pub ending: Ending,
    /// What happened, and to whom; a sentence.
    pub happened: String,
    /// What to do; a sentence, or nothing when what happened says it.
    pub next: String,
    /// The code that a refusal came with.
    code: Option<u16>,
}

impl Fault {
    fn new(ending: Ending, happened: String, next: &str) -> Fault {
        Fault { ending, happened, next: next.to_owned(), code: None }
    }

    /// Whether another client id would do.
    pub fn is_id_in_use(&self) -> bool {
        self.code == Some(codes::CLIENT_ID_IN_USE)
    }

    /// Both in one line.
    pub fn words(&self) -> String {
        format!("{} {}", self.happened, self.next).trim_end().to_owned()
    }

    /// The arguments cannot be used.
    pub fn usage(words: String) -> Fault {
        Fault::new(Ending::Usage, words, "")
    }

    /// The host name leads nowhere.
    pub fn unresolved(name: &str, why: &str) -> Fault {
        let happened = format!("The host name in {name} has no address: {why}.");
        Fault::new(Ending::NothingListens, happened, "Check the name given to --connect.")
    }

    /// Nobody takes the connection.
    pub fn nothing_listens(name: &str, why: &str) -> Fault {
        let happened = format!("Nothing answers at {name} ({why}).");
        let next = "Start `twsmux run`, or give --connect the address that stands after listen= in its ready line. If it runs \
                    and the connection is reset, its `allow` does not name this address: its log says so.";
        Fault::new(Ending::NothingListens, happened, next)
    }

    /// The Gateway itself listens, held by `process`.
    pub fn gateway_itself(name: &str, process: &str) -> Fault {
        let happened =
            format!("At {name} listens the Gateway itself, {process}, and not twsmux; it was not dialled.");
        let next = "Give --connect the address of twsmux (127.0.0.1:4010 by default). `twsmux doctor` looks at the \
                    Gateway's own port.";
        Fault::new(Ending::NotTwsmux, happened, next)
    }

    /// What answers does not speak the API.
    pub fn no_api(name: &str, why: &str) -> Fault {
        let happened = format!("What listens at {name} does not speak the API: {why}.");
        let next = "Give --connect the address that stands after listen= in twsmux's ready line.";
        Fault::new(Ending::NotTwsmux, happened, next)
    }

    /// twsmux says that it has no Gateway.
    pub fn gateway_away(name: &str, said: &str) -> Fault {
        // It begins as every 504 does.
        let why = said.strip_prefix("Not connected: ").unwrap_or(said).trim_end_matches('.');
        let happened = format!("twsmux at {name} is up and has no Gateway: {why}.");
        Fault::new(Ending::GatewayAway, happened, "")
    }

    /// The client was told that it is not let in.
    pub fn refused(name: &str, code: u16, said: &str) -> Fault {
        let happened =
            format!("twsmux at {name} refused the client ({code}): {}.", said.trim_end_matches('.'));
        let next = match code {
            codes::CLIENT_ID_IN_USE if said.contains("not allowed") => {
                "Give --client-id one that a policy allows, for example with a section [client.1900000000] that says read_only = true."
            }
            codes::CLIENT_ID_IN_USE => "Leave --client-id out: check then takes one that is free.",
            _ => "The log of twsmux says more.",
        };
        Fault { code: Some(code), ..Fault::new(Ending::Refused, happened, next) }
    }

    /// The file of the Unix socket is not for this user.
    pub fn no_permission(name: &str) -> Fault {
        let happened = format!("This user may not connect to {name} (permission denied).");
        let next =
            "Run it as a user or in a group that may write to the socket and enter its folder (socket_mode).";
        Fault::new(Ending::Refused, happened, next)
    }

    /// Whoever listens on the Unix socket takes no connections.
    pub fn queue_full(name: &str) -> Fault {
        let happened =
            format!("At {name} so many connections wait to be accepted that there is no room for another.");
        let next = "If it is twsmux, it is stuck or the machine is overloaded: look at /livez.";
        Fault::new(Ending::NoAnswer, happened, next)
    }

    /// The certificate of what listens is not accepted.
    pub fn server_certificate(name: &str, why: &str) -> Fault {
        let happened =
            format!("The certificate that {name} showed is not accepted: {}.", why.trim_end_matches('.'));
        let next = "Give --tls-ca the CA that signed it and --tls-name a name that stands in it; an expired one needs renewing at \
                    twsmux. If neither is wrong, something else answers there.";
        Fault::new(Ending::ServerCertificate, happened, next)
    }

    /// The certificate that was shown is not accepted, or none was.
    pub fn client_certificate(name: &str, why: &str, shown: bool) -> Fault {
        let what = if shown { "did not accept the certificate of --tls-cert" } else { "wants a certificate" };
        let happened = format!("{name} {what} ({}).", why.trim_end_matches('.'));
        let next = match shown {
            true => {
                "It must be signed by the CA of tls_client_ca, be in force, and have a name in tls_client_names. The log of twsmux \
                 names the reason."
            }
            false => "Give one with --tls-cert and --tls-key, signed by the CA of twsmux's tls_client_ca.",
        };
        Fault::new(Ending::ClientCertificate, happened, next)
    }

    /// The connection was closed without a word.
    pub fn closed(name: &str, stage: Stage) -> Fault {
        let happened =
            format!("The connection to {name} was taken and closed without a word {}.", stage.when());
        let next = match stage {
            Stage::Securing => {
                "A listener without TLS does that: leave out tls:// and --tls-ca. Or this address is in no network of `allow`: \
                 the log of twsmux tells."
            }
            _ => {
                "twsmux does that when it stops or has as many clients as it may (max_clients): see its log and `twsmux \
                 status`. A port forwarder does it when nothing listens behind it."
            }
        };
        Fault::new(Ending::Refused, happened, next)
    }

    /// The list of accounts is empty.
    pub fn no_accounts(name: &str) -> Fault {
        let happened = format!("twsmux at {name} is connected to a Gateway that manages no accounts.");
        let next = "Look at the Gateway's window: the login may not be finished, or the user has no account for the API.";
        Fault::new(Ending::NoAccounts, happened, next)
    }

    /// Nothing came in time.
    pub fn no_answer(name: &str, stage: Stage, seconds: f64) -> Fault {
        let happened =
            format!("{name} took the connection and did not answer within {seconds} s {}.", stage.when());
        let next = match stage {
            Stage::Securing => {
                "If it is twsmux, its machine is overloaded; if not, what listens there does not speak TLS."
            }
            Stage::Greeting => {
                "If it is twsmux, it is stuck or the machine is overloaded: look at /livez. If it is a Gateway, it is \
                 wedged: `twsmux doctor` looks at its port."
            }
            Stage::Starting => {
                "twsmux tells after 1.5 s that it has no Gateway: give --timeout at least 3. If that was given, look at \
                 /readyz and `twsmux status`."
            }
            Stage::Started => {
                "The accounts had come; the Gateway's clock had not. Right after a connect twsmux asks the Gateway for \
                 it first: look at the round trip in `twsmux status`, and whether the Gateway hangs."
            }
        };
        Fault::new(Ending::NoAnswer, happened, next)
    }
}

/// How far a check has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// TLS is being set up.
    Securing,
    /// The greeting is out.
    Greeting,
    /// startApi is out.
    Starting,
    /// The accounts have come, and the question for the time is out.
    Started,
}

impl Stage {
    fn when(self) -> &'static str {
        match self {
            Stage::Securing => "during the TLS handshake",
            Stage::Greeting => "during the handshake",
            Stage::Starting => "after the handshake, before the accounts",
            Stage::Started => "after the accounts",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_codes_in_the_manual_are_those_of_the_program() {
        let manual = include_str!("../../../docs/operations.md");
        let cell = |row: &str, i: usize| row.split('|').nth(i).map(|c| c.trim().trim_matches('`').to_owned());
        let rows = manual.lines().skip_while(|l| !l.starts_with("| exit code | name |")).skip(2);
        let documented: Vec<(String, String)> = rows
            .take_while(|l| l.starts_with('|'))
            .map(|l| (cell(l, 1).unwrap(), cell(l, 2).unwrap()))
            .collect();
        let coded: Vec<(String, String)> =
            EXIT_CODES.iter().map(|row| (row.code.to_string(), row.name.to_owned())).collect();
        assert_eq!(documented, coded);
    }

    #[test]
    fn every_ending_has_one_code_and_one_name() {
        let mut codes: Vec<u8> = EXIT_CODES.iter().map(|row| row.code).collect();
        codes.dedup();
        assert_eq!(codes.len(), EXIT_CODES.len());
        for row in &EXIT_CODES {
            assert_eq!(row.ending.exit_code(), row.code);
            assert_eq!(row.ending.name(), row.name);
        }
    }

    #[test]
    fn every_fault_is_one_line_that_ends_as_a_sentence() {
        let faults = [
            Fault::unresolved("gw:4010", "no such host"),
            Fault::nothing_listens("a:1", "connection refused"),
            Fault::gateway_itself("a:1", "process 7 (java)"),
            Fault::no_api("a:1", "it sent HTTP"),
            Fault::gateway_away(
                "a:1",
                "Not connected: nothing listens at b:2; twsmux tries again by itself.",
            ),
            Fault::refused("a:1", 326, "the client id 3 is in use."),
            Fault::closed("a:1", Stage::Greeting),
            Fault::closed("a:1", Stage::Securing),
            Fault::no_permission("unix:/a"),
            Fault::queue_full("unix:/a"),
            Fault::server_certificate("a:1", "invalid peer certificate: UnknownIssuer"),
            Fault::client_certificate("a:1", "received fatal alert: UnknownCA", true),
            Fault::client_certificate("a:1", "received fatal alert: CertificateRequired", false),
            Fault::no_accounts("a:1"),
            Fault::no_answer("a:1", Stage::Started, 5.0),
            Fault::no_answer("a:1", Stage::Securing, 5.0),
        ];
        for fault in faults {
            let words = fault.words();
            assert!(words.ends_with('.') && !words.contains('\n') && !words.contains(".."), "{words}");
        }
    }
}
