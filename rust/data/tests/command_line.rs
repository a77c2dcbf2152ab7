//! The program as people meet it: its help, its refusals, its exit codes. Every case is a process of its own.
use std::process::{Command, Output};

fn program(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rustorch-data")).args(arguments).output().expect("the program was built")
}
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
/// Standard output of a command that must succeed.
fn printed(arguments: &[&str]) -> String {
    let output = program(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}
/// What a command that must end with `code` complains about.
fn refused(arguments: &[&str], code: i32) -> String {
    let output = program(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "");
    text(&output.stderr)
}

#[test]
fn help_teaches_by_examples() {
    let all = printed(&["--help"]);
    for part in ["serve", "status", "bench", "index", "verify", "Exit codes", "rustorch.data.connect"] {
        assert!(all.contains(part), "{part}");
    }
    for command in ["serve", "status", "bench", "index", "verify"] {
        let help = printed(&[command, "--help"]);
        assert!(help.contains(&format!("rustorch-data {command}")) && help.contains("Example"), "{help}");
    }
    assert!(printed(&["--version"]).starts_with("rustorch-data "));
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for (arguments, word) in [
        (&["sevre", "x.npy"][..], "serve"),
        (&["serve"], "SOURCE"),
        (&["serve", "x.npy", "--shuffle", "some"], "full"),
        (&["serve", "x.npy", "--batch-size", "0"], "0"),
        (&["serve", "x.bin", "--stride", "2"], "--window"),
        (&["bench", "x.npy", "--seconds", "0"], "seconds"),
    ] {
        assert!(refused(arguments, 2).contains(word), "{arguments:?}");
    }
    // without anything it shows its help where complaints go
    assert!(refused(&[], 2).contains("Usage"));
}

#[test]
fn a_source_that_is_not_there_is_named() {
    for command in ["serve", "bench", "verify"] {
        let complaint = refused(&[command, "/nowhere/images.npy"], 1);
        assert!(complaint.starts_with("rustorch-data: ") && complaint.contains("/nowhere/images.npy"), "{complaint}");
        assert_eq!(complaint.lines().count(), 1);
    }
}
