//! The command line that every driver has.

use std::time::Duration;

pub const TOURS: [&str; 9] = [
    "full",
    "connect",
    "stream",
    "hang",
    "place-and-exit",
    "place-and-rest",
    "come-back",
    "rejected",
    "outage",
];

const USAGE: &str = "Tours of an API server with the Rust crate ibapi.

  --host HOST             default 127.0.0.1
  --port PORT             required
  --client-id N           default 1
  --tour NAME             full, connect, stream, hang, place-and-exit, place-and-rest, come-back, rejected, outage
  --start-order-id N      first order id, instead of nextValidId
  --quantity N            order quantity, default 100 + client id
  --symbol NAME           default AAPL
  --patience SECONDS      that a single wait may take, default 20
  --deadline SECONDS      that the whole tour may take, default 120
  --meet DIR              directory in which the parties of one run leave their marks
  --parties N             how many clients meet there, default 1";

#[derive(Clone)]
pub struct Args {
    pub host: String,
    pub port: u16,
    pub client_id: i32,
    pub tour: String,
    pub start_order_id: i32,
    pub quantity: i32,
    pub symbol: String,
    pub patience: Duration,
    pub deadline: Duration,
    pub meet: String,
    pub parties: usize,
}

impl Args {
    /// Reads the command line. One that cannot be read ends the process with 2, as in the other drivers.
    pub fn from_command_line() -> Self {
        Self::parse(std::env::args().skip(1)).unwrap_or_else(|complaint| {
            if complaint.is_empty() {
                println!("{USAGE}");
                std::process::exit(0);
            }
            eprintln!("{USAGE}\n\ntour: {complaint}");
            std::process::exit(2);
        })
    }

    fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut args = Self {
            host: "127.0.0.1".into(),
            port: 0,
            client_id: 1,
            tour: "full".into(),
            start_order_id: 0,
            quantity: 0,
            symbol: "AAPL".into(),
            patience: Duration::from_secs(20),
            deadline: Duration::from_secs(120),
            meet: String::new(),
            parties: 1,
        };
        let mut words = words;
        while let Some(name) = words.next() {
            if name == "-h" || name == "--help" {
                return Err(String::new());
            }
            let value = words.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--host" => args.host = value,
                "--port" => args.port = number(&name, &value)?,
                "--client-id" => args.client_id = number(&name, &value)?,
                "--tour" => args.tour = value,
                "--start-order-id" => args.start_order_id = number(&name, &value)?,
                "--quantity" => args.quantity = number(&name, &value)?,
                "--symbol" => args.symbol = value,
                "--patience" => args.patience = seconds(&name, &value)?,
                "--deadline" => args.deadline = seconds(&name, &value)?,
                "--meet" => args.meet = value,
                "--parties" => args.parties = number(&name, &value)?,
                _ => return Err(format!("there is no option {name}")),
            }
        }
        if args.port == 0 {
            return Err("--port is needed".into());
        }
        if !TOURS.contains(&args.tour.as_str()) {
            return Err(format!("there is no tour {}", args.tour));
        }
        if args.quantity == 0 {
            args.quantity = 100 + args.client_id;
        }
        Ok(args)
    }
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{name}: {value} is not a number that fits"))
}

fn seconds(name: &str, value: &str) -> Result<Duration, String> {
    Duration::try_from_secs_f64(number(name, value)?)
        .map_err(|_| format!("{name}: {value} is no span of time"))
}
