//! What is drawn from the command line: completions and manual pages name every subcommand.

use std::process::{Command, Output};

fn twsmux(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_twsmux")).args(arguments).output().expect("the binary runs")
}

fn subcommands() -> Vec<String> {
    twsmux::cli::command().get_subcommands().map(|c| c.get_name().to_owned()).collect()
}

#[test]
fn the_command_line_agrees_with_itself() {
    twsmux::cli::command().debug_assert();
}

#[test]
fn every_shell_gets_completions_of_every_subcommand_and_flag() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = twsmux(&["completions", shell]);
        assert!(output.status.success() && output.stderr.is_empty(), "{shell}");
        let script = String::from_utf8(output.stdout).unwrap();
        for word in subcommands().iter().map(String::as_str).chain(["upstream", "alive", "state-dir"]) {
            assert!(script.contains(word), "{word} for {shell}");
        }
    }
    assert_eq!(twsmux(&["completions", "cmd"]).status.code(), Some(2));
}

#[test]
fn bash_reads_its_completions() {
    let script = twsmux(&["completions", "bash"]).stdout;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("twsmux");
    std::fs::write(&file, script).unwrap();
    // What bash does for `twsmux check --al` and the tabulator.
    let ask = "source \"$0\"; COMP_WORDS=(twsmux check --al); COMP_CWORD=2; _twsmux twsmux --al check; \
               echo \"${COMPREPLY[*]}\"";
    let output = Command::new("bash").arg("-c").arg(ask).arg(&file).output().expect("bash runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "--alive", "{output:?}");
}

#[test]
fn the_manual_has_a_page_for_every_subcommand() {
    let main = String::from_utf8(twsmux(&["man"]).stdout).unwrap();
    assert!(main.starts_with(".ie") || main.contains(".TH twsmux 1"), "{main}");
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("man1");
    assert!(twsmux(&["man", "--dir", &place.display().to_string()]).status.success());
    for name in subcommands() {
        assert!(main.contains(&name.replace('-', "\\-")), "{name} is named");
        let page = std::fs::read_to_string(place.join(format!("twsmux-{name}.1"))).expect(&name);
        assert!(page.contains(".SH SYNOPSIS"), "{name}");
    }
    let check = std::fs::read_to_string(place.join("twsmux-check.1")).unwrap();
    assert!(check.contains("Exit codes"), "{check}");
    assert_eq!(twsmux(&["man", "--dir", "/dev/null/x"]).status.code(), Some(1));
}
