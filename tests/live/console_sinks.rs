//! Files and reports in the console, on a real PostgreSQL: a rotation that waits for a file is
//! brought to its end, the file is written again, and the report of the rotation is exported.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use crate::shop::{Shop, ShopOptions};
use crate::terminal::Terminal;

const TEMPLATE: &str = "USER=${db.current.username}\\nPASSWORD=${db.current.password}\\n";

/// A shop that is published to one file, and that file.
fn published(name: &str) -> (Shop, PathBuf) {
    let shop = Shop::open(name, ShopOptions::default());
    let folder = shop.home().join("sinks");
    fs::create_dir(&folder).expect("makes a folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("protects");
    let file = folder.join("db.env");
    shop.write_settings(&format!(
        "publish:\n  - file: {}\n    template: \"{TEMPLATE}\"\n",
        file.display()
    ));
    let settings = shop.file("settings.yaml").display().to_string();
    shop.run(&["env", "settings", "set", "shop/orders", "-f", &settings])
        .expect_code(0);
    (shop, file)
}

#[test]
fn a_file_is_written_again_and_the_report_of_the_rotation_is_exported() {
    let (shop, file) = published("consolesinks");
    fs::create_dir(&file).expect("a folder in its place");
    let mut terminal = Terminal::console(&shop);
    terminal
        .see("shop/orders")
        .press("R")
        .see("gate")
        .press("y");
    terminal
        .see("✗ S6")
        .see("PARTIAL")
        .see("✗ failed")
        .see("is a folder");
    shop.assert_current_logs_in("it is promoted all the same");

    // The report tells of it while it is open, and another one beside it when it is closed.
    terminal.press("E").see("handover-R-0001.md");
    terminal
        .press("esc")
        .see("▲ sink failed")
        .see("R-0001 waits");
    fs::remove_dir(&file).expect("mends");
    terminal.press("V").see("WAITS FOR ITS FILES").press("y");
    terminal.see("DONE").see("✓ S6").see("● confirmed");
    let read = fs::read_to_string(&file).expect("is written");
    let current = shop.assert_current_logs_in("after the recovery");
    assert!(read.contains(&format!("USER={}\n", current.name)));
    assert!(read.contains(current.password.expose()));

    let names = |number: &str| shop.home().join(format!("handover-R-0001{number}.md"));
    symlink(shop.home().join("elsewhere"), names("-2")).expect("links");
    terminal.press("E").see("handover-R-0001-3.md");
    assert!(
        !shop.home().join("elsewhere").exists(),
        "no link is followed"
    );
    for number in ["", "-3"] {
        let page = fs::read_to_string(names(number)).expect("is there");
        assert!(
            page.starts_with("# Rotation R-0001 of shop/orders"),
            "{page}"
        );
        assert!(page.contains("sink-failed"), "{page}");
        for user in [&current, &shop.first, &shop.second, &shop.managing] {
            assert!(!page.contains(user.password.expose()), "{page}");
        }
        let mode = fs::metadata(names(number)).expect("is there").permissions();
        assert_eq!(mode.mode() & 0o7777, 0o600);
    }
    let open = fs::read_to_string(names("")).expect("is there");
    let closed = fs::read_to_string(names("-3")).expect("is there");
    assert!(
        open.contains("still open") && !closed.contains("still open"),
        "{open}{closed}"
    );
    for (page, is_written) in [(&open, false), (&closed, true)] {
        assert_eq!(page.contains("has revision 3"), is_written, "{page}");
    }

    // By hand, where the file was taken away; the safe button is the default.
    terminal.press("esc").see("ENVIRONMENT").press("enter");
    terminal.see("● confirmed");
    fs::remove_file(&file).expect("takes it away");
    terminal.press("W").see("Write them (y)").press("enter");
    terminal.see_not("won't");
    assert!(!file.exists(), "leaving writes nothing");
    terminal.press("W").see("Write them (y)").press("y");
    terminal.see("1 file of shop/orders has revision");
    assert_eq!(fs::read_to_string(&file).expect("is back"), read);

    // What somebody else wrote stays; the command that would overwrite it is told.
    fs::write(&file, "ours\n").expect("writes");
    terminal.press("W").see("needs you: sink-foreign");
    terminal.see("--overwrite");
    terminal.press("esc").see_not("sink-foreign");
    assert_eq!(fs::read_to_string(&file).expect("is there"), "ours\n");
    terminal.press("q");
    assert_eq!(terminal.exit_code(), 0);
    terminal.assert_given_back();
}
