//! S6: files get the new credential, and their readers are told, on all engines; what stands
//! in the way is named, and nothing of somebody else's is overwritten.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use handover::secret::Secret;
use serde_json::Value;

use crate::cases::passed;
use crate::harness::{Run, Running, wait_until};
use crate::shop::{Account, Shop, ShopEngine, ShopOptions};

for_both! {
    a_file_has_the_new_credential_after_a_rotation
    a_file_that_fails_is_brought_to_its_end
    a_file_of_somebody_else_is_never_overwritten_silently
}

mod postgres {
    use crate::shop::ShopEngine::Postgres;

    #[test]
    fn a_file_has_the_new_credential_after_a_rotation() {
        super::a_file_has_the_new_credential_after_a_rotation(Postgres);
    }

    #[test]
    fn a_file_that_fails_is_brought_to_its_end() {
        super::a_file_that_fails_is_brought_to_its_end(Postgres);
    }

    #[test]
    fn a_file_of_somebody_else_is_never_overwritten_silently() {
        super::a_file_of_somebody_else_is_never_overwritten_silently(Postgres);
    }
}

const TEMPLATE: &str = "USER=${db.current.username}\\nPASSWORD=${db.current.password}\\n";

/// A shop that is published to one file in a folder of its own.
struct Published {
    shop: Shop,
}

impl Published {
    fn open(engine: ShopEngine, name: &str, more: &str) -> Option<Self> {
        let shop = Shop::open_on(engine, name, ShopOptions::default())?;
        let published = Self { shop };
        let folder = published.folder();
        fs::create_dir(&folder).expect("makes a folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("protects");
        published.publish_to(&published.file(), more).expect_code(0);
        Some(published)
    }

    fn folder(&self) -> PathBuf {
        self.shop.home().join("sinks")
    }

    fn file(&self) -> PathBuf {
        self.folder().join("db.env")
    }

    fn publish_to(&self, file: &Path, more: &str) -> Run {
        self.settings(&format!(
            "publish:\n  - file: {}\n    template: \"{TEMPLATE}\"\n{more}",
            file.display()
        ))
    }

    fn settings(&self, more: &str) -> Run {
        self.shop.write_settings(more);
        let settings = self.shop.file("settings.yaml").display().to_string();
        let words = ["env", "settings", "set", "shop/orders", "-f", &settings];
        self.shop.run(&words)
    }

    fn run(&self, words: &[&str]) -> (Option<i32>, Value) {
        let run = self.shop.run(&[words, &["--output", "json"]].concat());
        let value = serde_json::from_str(&run.stdout);
        (
            run.code(),
            value.unwrap_or_else(|error| panic!("{error}: {run:#?}")),
        )
    }

    fn recover(&self) -> (Option<i32>, Value) {
        self.run(&["recover", "shop/orders", "--yes"])
    }

    /// What a consumer reads in the file.
    #[track_caller]
    fn read(&self) -> Account {
        account_in(&self.file())
    }

    #[track_caller]
    fn assert_file_logs_in(&self, when: &str) -> Account {
        let read = self.read();
        let outcome = self.shop.login(&read);
        assert!(outcome.is_accepted(), "{when}: {} {outcome:?}", read.name);
        assert_eq!(read.name, self.shop.current().name, "{when}");
        read
    }

    /// The next rotation and the retirement of the outgoing user are refused meanwhile.
    #[track_caller]
    fn assert_held(&self) {
        let (code, result) = self.run(&["rotate", "shop/orders", "--yes"]);
        assert_eq!(code, Some(4), "{result:#}");
        assert_eq!(result["error"]["code"], "open-rotation", "{result:#}");
        let (code, result) = self.run(&["retire", "shop/orders", "db", "--yes"]);
        assert_eq!(code, Some(4), "{result:#}");
        assert_eq!(result["error"]["code"], "open-rotation", "{result:#}");
        let (_, result) = self.run(&["drain", "shop/orders"]);
        assert_ne!(result["drains"][0]["verdict"], "drained", "{result:#}");
    }

    /// No draft of a text is left beside the file.
    #[track_caller]
    fn assert_nothing_left(&self) {
        let names: Vec<_> = fs::read_dir(self.folder())
            .expect("lists")
            .map(|entry| entry.expect("an entry").file_name())
            .filter(|name| name.to_string_lossy().starts_with(".handover"))
            .collect();
        assert!(names.is_empty(), "{names:?}");
    }
}

#[track_caller]
fn account_in(file: &Path) -> Account {
    let text = fs::read_to_string(file).expect("the file is there");
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_else(|| panic!("no {key}")).to_owned()
    };
    Account {
        name: value("USER="),
        password: Secret::new(value("PASSWORD=")),
    }
}

#[track_caller]
fn expect_sink((code, result): &(Option<i32>, Value), wanted: i32, case: &str, words: &str) {
    assert_eq!(*code, Some(wanted), "{result:#}");
    let sink = &result["sinks"][0];
    assert_eq!(sink["case"], case, "{result:#}");
    assert_eq!(sink["error"]["code"], case, "{result:#}");
    let message = sink["error"]["message"].as_str().expect("a message");
    assert!(message.contains(words), "{words}: {message}");
    assert!(
        !sink["error"]["remedy"]
            .as_str()
            .unwrap_or_default()
            .is_empty()
    );
}

fn a_file_has_the_new_credential_after_a_rotation(engine: ShopEngine) {
    let Some(published) = Published::open(engine, "sink", "") else {
        return;
    };
    let shop = &published.shop;
    // Before the first rotation it is published by hand.
    let told = shop.run(&["status"]).expect_code(0).stdout;
    assert!(told.contains("was never written"), "{told}");
    let (code, planned) = published.run(&["publish", "shop/orders", "--plan"]);
    assert_eq!(
        (code, &planned["status"]),
        (Some(0), &Value::from("planned"))
    );
    assert!(!published.file().exists(), "a plan writes nothing");
    let (code, done) = published.run(&["publish", "shop/orders", "--yes"]);
    assert_eq!(code, Some(0), "{done:#}");
    assert_eq!(published.read().name, shop.first.name);

    let run = shop.rotate(&[]).expect_code(0);
    let result = run.json();
    assert_eq!(result["sinks"][0]["state"], "confirmed", "{result:#}");
    assert_eq!(result["paths"][0]["step"], "S6", "{result:#}");
    let read = published.assert_file_logs_in("after a rotation");
    assert_eq!(read.name, shop.second.name);
    let metadata = fs::metadata(published.file()).expect("a file");
    assert_eq!(metadata.mode() & 0o7777, 0o600);
    published.assert_nothing_left();
    for text in [&run.stdout, &run.stderr] {
        assert!(!text.contains(read.password.expose()), "it is told nowhere");
    }
    shop.rotate(&[]).expect_code(0);
    published.assert_file_logs_in("after the second rotation");
    let (code, back) = published.run(&["rollback", "shop/orders", "--yes"]);
    assert_eq!(code, Some(0), "{back:#}");
    assert_eq!(back["sinks"][0]["state"], "confirmed", "{back:#}");
    let read = published.assert_file_logs_in("after a way back");
    assert_eq!(read.name, shop.second.name);
    let told = shop.run(&["status"]).expect_code(0).stdout;
    assert!(!told.contains("is to have"), "{told}");
    // What a save does not change is not due; what it changes is.
    shop.run(&["env", "set", "shop/orders", "greeting", "hi"])
        .expect_code(0);
    let told = shop.run(&["status"]).expect_code(0).stdout;
    assert!(!told.contains("is to have"), "{told}");
    shop.run(&["audit", "verify"]).expect_code(0);
}

fn a_file_that_fails_is_brought_to_its_end(engine: ShopEngine) {
    let Some(published) = Published::open(engine, "sink_failed", "") else {
        return;
    };
    let shop = &published.shop;
    fs::create_dir(published.file()).expect("a folder in its place");
    let (code, result) = published.run(&["rotate", "shop/orders", "--yes"]);
    expect_sink(&(code, result.clone()), 3, "sink-failed", "is a folder");
    assert_eq!(result["status"], "partial", "{result:#}");
    assert_eq!(result["paths"][0]["status"], "done", "{result:#}");
    shop.assert_current_logs_in("promoted all the same");
    assert!(
        shop.login(&shop.first).is_accepted(),
        "and the old one stays"
    );
    published.assert_held();
    let told = shop.run(&["status"]).expect_code(0).stdout;
    assert!(told.contains("is a folder"), "{told}");

    // It is named again without an agreement, and nothing is tried without one.
    let (code, seen) = published.run(&["recover", "shop/orders", "--explain"]);
    assert_eq!(code, Some(3), "{seen:#}");
    fs::remove_dir(published.file()).expect("mended");
    let (code, unasked) = published.run(&["recover", "shop/orders"]);
    assert_eq!(
        (code, &unasked["error"]["code"]),
        (Some(4), &Value::from("not-confirmed"))
    );
    assert!(!published.file().exists());
    let (code, done) = published.run(&["retry", "shop/orders", "--yes"]);
    assert_eq!(code, Some(0), "{done:#}");
    assert_eq!(done["sinks"][0]["state"], "confirmed", "{done:#}");
    published.assert_file_logs_in("after it was mended");
    shop.rotate(&[]).expect_code(0);
    published.assert_file_logs_in("after the next rotation");
    shop.run(&["audit", "verify"]).expect_code(0);
    passed(engine, "sink-failed");
}

fn a_file_of_somebody_else_is_never_overwritten_silently(engine: ShopEngine) {
    let Some(published) = Published::open(engine, "sink_foreign", "") else {
        return;
    };
    let shop = &published.shop;
    shop.rotate(&[]).expect_code(0);
    let foreign = "USER=somebody\nPASSWORD=else\n";
    fs::write(published.file(), foreign).expect("somebody writes");
    let unchanged = || {
        let text = fs::read_to_string(published.file()).expect("a file");
        assert_eq!(text, foreign, "it stays as it is");
    };
    let parked = published.run(&["rotate", "shop/orders", "--yes"]);
    expect_sink(&parked, 5, "sink-foreign", "did not write");
    assert_eq!(parked.1["status"], "parked", "{:#}", parked.1);
    unchanged();
    published.assert_held();
    expect_sink(&published.recover(), 5, "sink-foreign", "did not write");
    let (code, _) = published.run(&["publish", "shop/orders", "--yes"]);
    assert_eq!(code, Some(5));
    unchanged();

    // Only by its name.
    let file = published.file().display().to_string();
    let overwrite = ["publish", "shop/orders", "--yes", "--overwrite"];
    let (code, wrong) = published.run(&[&overwrite[..], &["/tmp/other"]].concat());
    assert_eq!(
        (code, &wrong["error"]["code"]),
        (Some(2), &Value::from("no-such-sink"))
    );
    let (code, done) = published.run(&[&overwrite[..], &[&file]].concat());
    assert_eq!(code, Some(0), "{done:#}");
    published.assert_file_logs_in("after it was overwritten");
    let told = shop
        .run(&["audit", "ls", "--output", "json"])
        .expect_code(0)
        .stdout;
    assert!(told.contains("\"overwrite\""), "{told}");
    let (_, seen) = published.run(&["status"]);
    assert_eq!(
        seen["environments"][0]["open_rotation"],
        Value::Null,
        "{seen:#}"
    );
    passed(engine, "sink-foreign");
}

fn postgres(name: &str, more: &str) -> Published {
    Published::open(ShopEngine::Postgres, name, more).expect("PostgreSQL")
}

/// Taken out of the settings, a file holds nothing open any more.
#[test]
fn a_file_that_is_taken_out_of_the_settings_holds_no_rotation_open() {
    let published = postgres("sink_out", "");
    fs::create_dir(published.file()).expect("a folder in its place");
    let failed = published.run(&["rotate", "shop/orders", "--yes"]);
    expect_sink(&failed, 3, "sink-failed", "is a folder");
    published.settings("").expect_code(0);
    let (code, done) = published.recover();
    assert_eq!(code, Some(0), "{done:#}");
    published.shop.rotate(&[]).expect_code(0);
}

/// Each of these is named, and none is overwritten.
#[test]
fn what_is_no_plain_file_of_ours_is_named() {
    let published = postgres("sink_kinds", "");
    let (file, folder) = (published.file(), published.folder());
    published.shop.rotate(&[]).expect_code(0);
    let publish = || published.run(&["publish", "shop/orders", "--yes"]);
    let expect = |wanted: i32, case: &str, words: &str| {
        expect_sink(&publish(), wanted, case, words);
    };
    let other = folder.join("other");
    fs::copy(&file, &other).expect("copies");
    let text = fs::read_to_string(&other).expect("reads");

    fs::remove_file(&file).expect("removes");
    symlink(&other, &file).expect("links");
    expect(5, "sink-foreign", "symbolic link");
    assert_eq!(fs::read_to_string(&other).expect("reads"), text);
    fs::remove_file(&file).expect("removes");

    let pipe = Command::new("mkfifo").arg(&file).status().expect("runs");
    assert!(pipe.success());
    expect(3, "sink-failed", "a pipe");
    fs::remove_file(&file).expect("removes");

    fs::copy(&other, &file).expect("copies");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("opens");
    expect(3, "sink-failed", "others can read");
    assert_eq!(fs::metadata(&file).expect("a file").mode() & 0o777, 0o644);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("protects");

    fs::set_permissions(&folder, fs::Permissions::from_mode(0o770)).expect("opens");
    expect(3, "sink-failed", "others can write into the folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("protects");

    published
        .publish_to(&folder.join("nowhere/db.env"), "")
        .expect_code(0);
    expect(3, "sink-failed", "is not there");
    published
        .publish_to(&file, "    owner: nobody-of-that-name\n")
        .expect_code(0);
    expect(3, "sink-failed", "no user nobody-of-that-name");
    published.publish_to(&file, "").expect_code(0);
    let (code, done) = publish();
    assert_eq!(
        code,
        Some(0),
        "what was there before is still known: {done:#}"
    );
    published.assert_nothing_left();
}

/// Only root gives files away, and fills a disk of its own.
#[test]
fn other_owners_full_disks_and_read_only_ones_are_named() {
    if !nix::unistd::geteuid().is_root() {
        not_as_root_is_named();
        return;
    }
    let published = postgres("sink_root", "");
    let file = published.file();
    published.shop.rotate(&[]).expect_code(0);
    let publish = || published.run(&["publish", "shop/orders", "--yes"]);
    chown(&file, Some(65_534), None).expect("gives it away");
    let before = fs::read_to_string(&file).expect("reads");
    expect_sink(&publish(), 5, "sink-foreign", "belongs to another user");
    assert_eq!(fs::read_to_string(&file).expect("reads"), before);
    // The settings may say whose it is.
    let folder = published.folder();
    published
        .publish_to(&file, "    owner: \"65534\"\n")
        .expect_code(0);
    let (code, done) = publish();
    assert_eq!(code, Some(0), "{done:#}");
    published.shop.rotate(&[]).expect_code(0);
    assert_eq!(fs::metadata(&file).expect("a file").uid(), 65_534);
    published.assert_file_logs_in("with another owner");

    let disk = folder.join("disk");
    fs::create_dir(&disk).expect("makes a folder");
    published
        .publish_to(&disk.join("db.env"), "")
        .expect_code(0);
    let Some(mounted) = Mounted::tmpfs(&disk) else {
        eprintln!("NOT TRIED here: a full disk and a read-only one (no right to mount)");
        return;
    };
    fs::write(disk.join("ballast"), vec![0; 4096]).expect("fills it");
    let full = published.run(&["rotate", "shop/orders", "--yes"]);
    expect_sink(&full, 3, "sink-failed", "no room left");
    assert!(!disk.join("db.env").exists());
    published.assert_held();
    fs::remove_file(disk.join("ballast")).expect("makes room");
    mounted.remount("ro");
    expect_sink(&published.recover(), 3, "sink-failed", "read-only");
    mounted.remount("rw");
    let (code, done) = published.recover();
    assert_eq!(code, Some(0), "{done:#}");
    let read = account_in(&disk.join("db.env"));
    assert!(published.shop.login(&read).is_accepted());
    assert_eq!(
        fs::read_dir(&disk).expect("lists").count(),
        1,
        "no draft is left"
    );
    mounted.unmount();
}

/// Whoever is not root can see a folder that is not theirs to write.
fn not_as_root_is_named() {
    let published = postgres("sink_user", "");
    let folder = published.folder();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).expect("closes");
    let (code, result) = published.run(&["rotate", "shop/orders", "--yes"]);
    expect_sink(&(code, result), 3, "sink-failed", "has no right");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("opens");
    assert_eq!(published.recover().0, Some(0));
}

/// A disk of 4 KiB.
struct Mounted(PathBuf);

impl Mounted {
    fn tmpfs(folder: &Path) -> Option<Self> {
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4k,mode=0700", "tmpfs"])
            .arg(folder)
            .output()
            .ok()?;
        mount.status.success().then(|| Self(folder.to_owned()))
    }

    fn remount(&self, how: &str) {
        let options = format!("remount,{how}");
        let mut mount = Command::new("mount");
        let status = mount.args(["-o", &options]).arg(&self.0).status();
        assert!(status.expect("runs").success(), "{how}");
    }

    fn unmount(self) {
        drop(self);
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_command_runs_once_the_file_stands_and_gets_no_secret() {
    let published = postgres("sink_command", "");
    let (file, folder) = (published.file(), published.folder());
    let seen = folder.join("seen");
    let script = folder.join("reload");
    let write = |text: &str| {
        fs::write(&script, format!("#!/bin/sh\n{text}\n")).expect("writes");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).expect("protects");
    };
    // It is given a way to its file as an argument; a `;` is no shell's.
    let then = format!(
        "    then: {{command: [{}, {}, \"a; touch b\"]}}\n",
        script.display(),
        file.display()
    );
    published.publish_to(&file, &then).expect_code(0);
    write(&format!(
        "cp \"$1\" {seen}.file; env > {seen}.env; printf '%s\\n' \"$@\" > {seen}.argv",
        seen = seen.display()
    ));
    published.shop.rotate(&[]).expect_code(0);
    let read = published.assert_file_logs_in("with a command");
    let copied = account_in(&folder.join("seen.file"));
    assert_eq!(
        copied.password, read.password,
        "the file stood before it ran"
    );
    for name in ["seen.env", "seen.argv"] {
        let text = fs::read_to_string(folder.join(name)).expect("it ran");
        assert!(!text.contains(read.password.expose()), "{name}");
        assert!(!text.contains("HANDOVER"), "{name}: {text}");
    }
    let text = fs::read_to_string(folder.join("seen.argv")).expect("it ran");
    assert!(text.ends_with("a; touch b\n"), "{text}");

    // It fails, and tells what it has read.
    write("cat \"$1\"; printf '\\033[31mno\\n' >&2; exit 3");
    let failed = published.run(&["rotate", "shop/orders", "--yes"]);
    expect_sink(&failed, 3, "sink-failed", "the command");
    let message = failed.1["sinks"][0]["error"]["message"].to_string();
    assert!(message.contains("stands with the new text"), "{message}");
    assert!(message.contains("exit status: 3"), "{message}");
    assert!(message.contains("PASSWORD=[secret]"), "{message}");
    let read = published.assert_file_logs_in("the file stands");
    assert!(!message.contains(read.password.expose()), "{message}");
    assert!(!message.contains('\u{1b}'), "{message}");
    published.assert_held();
    let told = published
        .shop
        .run(&["audit", "ls", "--output", "json"])
        .stdout;
    assert!(!told.contains(read.password.expose()), "{told}");
    write("exit 0");
    assert_eq!(published.recover().0, Some(0));

    fs::remove_file(&script).expect("removes");
    let failed = published.run(&["rotate", "shop/orders", "--yes"]);
    expect_sink(&failed, 3, "sink-failed", "cannot be run");
}

#[test]
fn a_signal_reaches_the_reader_and_each_fault_of_its_pid_file_is_named() {
    let published = postgres("sink_signal", "");
    let (file, folder) = (published.file(), published.folder());
    let pidfile = folder.join("app.pid");
    let seen = folder.join("seen");
    let then = format!(
        "    then: {{signal: HUP, pidfile: {}}}\n",
        pidfile.display()
    );
    published.publish_to(&file, &then).expect_code(0);
    let mut reader = Command::new("sh");
    reader.args([
        "-c",
        "trap 'cp \"$0\" \"$1\"' HUP; echo ready; while :; do sleep 0.05; done",
    ]);
    reader
        .arg(&file)
        .arg(&seen)
        .stdout(std::process::Stdio::piped());
    let mut reader = reader.spawn().expect("starts");
    let mut ready = [0; 6];
    let out = reader.stdout.as_mut().expect("a pipe");
    std::io::Read::read_exact(out, &mut ready).expect("it is ready");
    fs::write(&pidfile, format!("{}\n", reader.id())).expect("writes");

    published.shop.rotate(&[]).expect_code(0);
    let read = published.assert_file_logs_in("with a signal");
    wait_until("the reader has read it", || {
        fs::read_to_string(&seen).is_ok_and(|text| text.contains(read.password.expose()))
    });
    reader.kill().expect("ends it");
    reader.wait().expect("it ended");

    let failed = published.run(&["rotate", "shop/orders", "--yes"]);
    expect_sink(&failed, 3, "sink-failed", "and there is none");
    let expect = |words: &str| expect_sink(&published.recover(), 3, "sink-failed", words);
    for text in [
        "",
        "12 13",
        "-1",
        "0",
        "x",
        "99999999999999999999999999999999999",
    ] {
        fs::write(&pidfile, text).expect("writes");
        expect("something else than one number");
    }
    fs::set_permissions(&pidfile, fs::Permissions::from_mode(0o666)).expect("opens");
    fs::write(&pidfile, "12").expect("writes");
    expect("others can write the pid file");
    if nix::unistd::geteuid().is_root() {
        fs::set_permissions(&pidfile, fs::Permissions::from_mode(0o600)).expect("protects");
        chown(&pidfile, Some(65_534), None).expect("gives it away");
        expect("neither to root nor to the owner");
    }
    fs::remove_file(&pidfile).expect("removes");
    expect("is not there");
    symlink(&file, &pidfile).expect("links");
    expect("is a symbolic link");
    fs::remove_file(&pidfile).expect("removes");
    published.publish_to(&file, "").expect_code(0);
    assert_eq!(published.recover().0, Some(0));
}

/// As if a run was killed after the move and before its outcome was written down.
#[test]
fn a_text_that_a_killed_run_has_written_is_known_as_our_own() {
    let published = postgres("sink_killed", "");
    let (file, folder) = (published.file(), published.folder());
    let script = folder.join("reload");
    let then = format!("    then: {{command: [{}]}}\n", script.display());
    fs::write(
        &script,
        "#!/bin/sh\necho $PPID > \"${0%/*}/ppid\"\nsleep 20\n",
    )
    .expect("writes");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).expect("protects");
    published.publish_to(&file, &then).expect_code(0);
    let mut running: Running = published.shop.start(&["rotate", "shop/orders", "--yes"]);
    wait_until("the file stands and its reader is told", || {
        folder.join("ppid").exists() || running.has_ended()
    });
    assert!(!running.has_ended(), "it waits for the command");
    running.kill();
    let written = fs::metadata(&file).expect("the file stands").ino();
    fs::write(&script, "#!/bin/sh\nexit 0\n").expect("writes");
    let (code, done) = published.recover();
    assert_eq!(code, Some(0), "{done:#}");
    assert_eq!(done["sinks"][0]["state"], "confirmed", "{done:#}");
    let now = fs::metadata(&file).expect("the file stands").ino();
    assert_eq!(written, now, "it was not written again");
    published.assert_file_logs_in("after the recovery");
    published.shop.rotate(&[]).expect_code(0);
}

#[test]
fn a_template_is_checked_where_it_is_saved() {
    let published = postgres("sink_save", "");
    let file = published.file();
    let set = |template: &str, more: &str| {
        published.settings(&format!(
            "publish:\n  - file: {}\n    template: \"{template}\"\n{more}",
            file.display()
        ))
    };
    for (template, words) in [
        ("${db.curent.password}", "did you mean \"current\"?"),
        ("${db.current}", "db.current is an object"),
        ("${db.current.password", "missing closing brace"),
        ("${environments.shop.nothing.x}", "there is no environment"),
    ] {
        set(template, "")
            .expect_code(1)
            .expect_told(&[words, "template:"]);
    }
    let command = "    then: {command: [reload, \"${db.current.password}\"]}\n";
    set(TEMPLATE, command)
        .expect_code(1)
        .expect_told(&["have no place here"]);
    let (_, seen) = published.run(&["env", "settings", "get", "shop/orders"]);
    assert!(
        seen["settings"].to_string().contains("db.current.username"),
        "{seen:#}"
    );
    // What a template refers to is not taken away under it.
    set("${greeting}", "").expect_code(0);
    let (code, _) = published.run(&["publish", "shop/orders", "--yes"]);
    assert_eq!(code, Some(0));
    published
        .shop
        .run(&["env", "set", "shop/orders", "greeting", "good evening"])
        .expect_code(0);
    let told = published.shop.run(&["status"]).expect_code(0).stdout;
    assert!(told.contains("handover publish shop/orders"), "{told}");
    published.run(&["publish", "shop/orders", "--yes"]);
    assert_eq!(fs::read_to_string(&file).expect("reads"), "good evening");
}
