//! The command line of the kit.

use std::path::PathBuf;

use crate::scenarios::{PROTOBUF, SCENARIOS, TEXT, TRANSCODED, Versions};

/// What to measure.
#[derive(Debug)]
pub struct Args {
    /// Names of scenarios; all when empty.
    pub only: Vec<String>,
    /// Rounds of each.
    pub rounds: usize,
    /// The CPU for everything; the last one allowed when not given.
    pub cpu: Option<usize>,
    /// Server versions of the sides.
    pub versions: Versions,
    /// Where the numbers go as JSON.
    pub json: PathBuf,
    /// Whether CPUs may sleep while they wait.
    pub may_sleep: bool,
    /// Whether what is required and not met is a failure.
    pub check: bool,
    /// Another twsmux than the one that was built with the kit, for comparisons of two.
    pub binary: Option<PathBuf>,
    /// Only to see that the kit works.
    pub smoke: bool,
}

/// What `--help` says.
pub const HELP: &str = "\
Measures twsmux against a direct connection and HAProxy, in alternating rounds on one CPU.

  --only NAME      one scenario; may be given several times
  --rounds N       rounds of each scenario [default: 9]
  --form FORM      text, protobuf, or transcoded (Gateway protobuf, clients text) [default: text]
  --cpu N          the CPU for everything [default: the last one allowed]
  --may-sleep      CPUs may sleep while they wait; otherwise they are kept awake, where root runs it
  --binary FILE    another twsmux than the one built with the kit
  --json FILE      where the numbers go [default: target/kit.json]
  --check          exit with 1 when a required figure is not met
  --smoke          short runs without HAProxy, to see that the kit works

Scenarios:";

impl Args {
    /// From words; `Err` with what to print.
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Args, String> {
        let mut args = Args {
            only: Vec::new(),
            rounds: 9,
            cpu: None,
            versions: TEXT,
            json: PathBuf::from("target/kit.json"),
            may_sleep: false,
            check: false,
            binary: None,
            // cargo says `--bench` when it is to be measured, and nothing when it is to be tested.
            smoke: true,
        };
        let mut small = false;
        let mut words = words;
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--bench" => args.smoke = false,
                "--smoke" => small = true,
                "--may-sleep" => args.may_sleep = true,
                "--check" => args.check = true,
                "--only" => {
                    let name = value()?;
                    if !SCENARIOS.iter().any(|s| s.name == name) {
                        return Err(format!("there is no scenario {name}\n\n{}", help()));
                    }
                    args.only.push(name);
                }
                "--rounds" => args.rounds = value()?.parse().map_err(|_| "--rounds needs a number")?,
                "--cpu" => args.cpu = Some(value()?.parse().map_err(|_| "--cpu needs a number")?),
                "--json" => args.json = value()?.into(),
                "--binary" => args.binary = Some(value()?.into()),
                "--form" => {
                    let name = value()?;
                    let known = [TEXT, PROTOBUF, TRANSCODED].into_iter().find(|v| v.name == name);
                    args.versions = known.ok_or("--form is text, protobuf or transcoded")?;
                }
                "--help" => return Err(help()),
                // What `cargo test` passes on to all tests means nothing here.
                _ if args.smoke => {}
                other => return Err(format!("{other} is unknown\n\n{}", help())),
            }
        }
        args.smoke |= small;
        Ok(args)
    }
}

fn help() -> String {
    let names: Vec<_> = SCENARIOS.iter().map(|s| format!("  {:<20} {}", s.name, s.about)).collect();
    format!("{HELP}\n{}", names.join("\n"))
}
