//! What makes a run fail on purpose is never in what is shipped.

use std::fs;

/// The variables that arm a fault; each is read by its name.
const VARIABLES: [&str; 4] = [
    "HANDOVER_FAILPOINT",
    "HANDOVER_FAILPOINT_MARKER",
    "HANDOVER_STORE_FULL_AT",
    "HANDOVER_STORE_READ_ONLY_AT",
];

/// The list above is complete: a new variable of a file that has faults is missed here.
#[test]
fn every_variable_that_arms_a_fault_is_known() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    for file in ["process/failpoint.rs", "store/failing_disk.rs"] {
        let text = fs::read_to_string(format!("{root}/{file}")).expect("reads a source file");
        for part in text.split('"').filter(|part| part.starts_with("HANDOVER_")) {
            assert!(VARIABLES.contains(&part), "{file} reads {part}");
        }
    }
}

/// The built program itself is searched, so that it does not matter how the feature was
/// spelt in the source. With the feature the same search finds them all.
#[test]
fn the_program_listens_to_no_fault_unless_it_was_built_for_them() {
    let program = fs::read(env!("CARGO_BIN_EXE_handover")).expect("reads the program");
    for variable in VARIABLES {
        let found = program
            .windows(variable.len())
            .any(|window| window == variable.as_bytes());
        assert_eq!(found, cfg!(feature = "failpoints"), "{variable}");
    }
}

#[test]
fn faults_are_not_among_the_default_features() {
    let manifest = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .expect("reads the manifest");
    let defaults = manifest
        .lines()
        .find(|line| line.starts_with("default = "))
        .expect("the default features stand on one line");
    assert!(!defaults.contains("failpoints"), "{defaults}");
}
