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

/// A folder of this test's own, gone at its end, with an array of 1,000 rows of two bytes.
fn folder_with_array() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1000, 2), }";
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend((0..2000u32).map(|i| i as u8));
    let path = folder.path().join("rows.npy");
    std::fs::write(&path, bytes).expect("a file");
    let path = path.display().to_string();
    (folder, path)
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect(text)
}

#[test]
fn verify_counts_records_and_names_damage() {
    let (folder, array) = folder_with_array();
    assert!(printed(&["verify", &array]).contains("1,000 records") && printed(&["verify", &array]).contains("all sound"));
    assert_eq!(json(&printed(&["verify", "--json", &array])), serde_json::json!({"records": 1000, "damaged": []}));
    std::fs::write(&array, &std::fs::read(&array).expect("the array")[..1500]).expect("a file");
    assert!(refused(&["verify", &array], 1).contains("is damaged at byte 1500"));
    let images = folder.path().join("images");
    std::fs::create_dir_all(images.join("cat")).expect("a folder");
    std::fs::write(images.join("cat/0.jpg"), "no picture").expect("a file");
    let images = images.display().to_string();
    assert!(refused(&["verify", &images], 1).contains("--size"));
    let output = program(&["verify", &images, "--size", "8"]);
    assert_eq!(output.status.code(), Some(1));
    let lines = text(&output.stdout);
    assert!(lines.contains("record 0:") && lines.contains("cat/0.jpg' is damaged at byte 0") && lines.contains("1 damaged"), "{lines}");
}

#[test]
fn bench_names_the_bottleneck() {
    let (_folder, array) = folder_with_array();
    let words = printed(&["bench", &array, "--seconds", "0.05", "--threads", "1"]);
    assert!(words.contains("gather") && words.contains("bottleneck: ") && words.contains("samples/s"), "{words}");
    let report = json(&printed(&["bench", &array, "--seconds", "0.05", "--json"]));
    assert_eq!(report["bottleneck"], "gather");
    assert!(report["stream"].as_f64() > Some(0.0) && report["one_thread"].as_f64() > Some(0.0));
}

#[test]
fn a_root_confines() {
    let (folder, array) = folder_with_array();
    let inside = folder.path().join("inside");
    std::fs::create_dir(&inside).expect("a folder");
    assert!(refused(&["verify", &array, "--root", &inside.display().to_string()], 1).contains("outside"));
    std::os::unix::fs::symlink("../rows.npy", inside.join("link.npy")).expect("a link");
    let link = inside.join("link.npy").display().to_string();
    assert!(refused(&["verify", &link, "--root", &inside.display().to_string()], 1).contains("leads out"));
    assert!(printed(&["verify", &link, "--root", &folder.path().display().to_string()]).contains("all sound"));
}

#[test]
fn a_service_tells_its_address_its_state_and_ends_in_order() {
    let (folder, array) = folder_with_array();
    let socket = folder.path().join("run/data.sock");
    let (address, log) = (format!("unix:{}", socket.display()), folder.path().join("log.jsonl"));
    let status = ["status", "--json", &address];
    assert!(refused(&status, 1).contains("data.sock"));
    let mut service = Command::new(env!("CARGO_BIN_EXE_rustorch-data"))
        .args(["serve", &array, "--address", &address, "--seed", "7", "--log"])
        .arg(&log)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the program was built");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(service.stdout.take().expect("a pipe")));
    let mut line = || lines.next().expect("a line").expect("text");
    assert!(line().contains("serving 1,000 samples") && line().contains(&address));
    assert!(line().contains("Python") && line().contains(&format!("rustorch.data.connect(\"{address}\")")));
    let report = json(&printed(&status));
    assert_eq!((&report["samples"], &report["process"]), (&1000.into(), &service.id().into()));
    assert!(printed(&["status", "--once", &address]).contains("no clients"));
    assert!(refused(&["serve", &array, "--address", &address], 1).contains("already"));
    assert!(Command::new("kill").arg(service.id().to_string()).status().expect("kill runs").success());
    assert_eq!(service.wait().expect("it ends").code(), Some(0));
    assert!(!socket.exists());
    let log = std::fs::read_to_string(log).expect("the log");
    let events: Vec<_> = log.lines().map(|line| json(line)["message"].clone()).collect();
    assert_eq!((events.first(), events.last()), (Some(&"serving".into()), Some(&"ended".into())));
}
