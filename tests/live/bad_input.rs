//! What goes wrong in an operator's hands: each has a clear message, a remedy and no
//! stack trace, and changes nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use handover::sandbox::{Authority, SilentServer};
use handover::secret::Secret;

use crate::contract::{assert_refused, errors_of, result_of};
use crate::harness::{
    HeldSession, Run, has_rights_since_16, identifier, literal, server, single, wait_until,
};
use crate::shop::{Shop, ShopOptions};

/// A failure of a command that has no result object.
#[track_caller]
fn assert_clear(run: Run, codes: &[i32], told: &[&str]) {
    let code = run.code().unwrap_or(-1);
    assert!(codes.contains(&code), "exit {code} of\n{run:#?}");
    run.expect_no_stack_trace().expect_told(told);
}

#[test]
fn a_yaml_error_is_shown_at_its_place_without_the_lines_of_secrets() {
    let shop = Shop::bare("yaml", ShopOptions::default());
    shop.init_key();
    shop.init_managing().expect_code(0);
    let broken = shop
        .orders_document()
        .replace("greeting: hello", "greeting: [hello");
    fs::write(shop.file("orders.yaml"), broken).expect("writes");
    let run = shop.init_orders();
    assert!(
        !run.told().contains(shop.first.password.expose()),
        "a secret is shown: {run:#?}"
    );
    assert_clear(run, &[1], &["orders.yaml"]);

    let doubled = format!("{}  greeting: again\n", shop.orders_document());
    fs::write(shop.file("orders.yaml"), doubled).expect("writes");
    assert_clear(
        shop.init_orders(),
        &[1],
        &["orders.yaml", "greeting", "duplicate", "^"],
    );
    shop.write_orders();
    shop.init_orders().expect_code(0);
}

#[test]
fn an_unknown_settings_key_is_refused_with_the_known_one() {
    let shop = Shop::bare("settingskey", ShopOptions::default());
    shop.init_key();
    shop.init_managing().expect_code(0);
    let text = fs::read_to_string(shop.file("settings.yaml")).expect("reads");
    let misspelt = text.replace("propagation", "propagatoin");
    fs::write(shop.file("settings.yaml"), misspelt).expect("writes");
    assert_clear(
        shop.init_orders(),
        &[1],
        &["settings.yaml", "propagatoin", "propagation"],
    );
    shop.write_settings("");
    shop.init_orders().expect_code(0);
}

#[test]
fn a_port_where_nobody_listens_is_unreachable() {
    let mut shop = Shop::bare("wrongport", ShopOptions::default());
    // Bound for a moment and given back: nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    shop.port = free.local_addr().expect("has an address").port();
    drop(free);
    shop.write_orders();
    shop.init_key();
    shop.init_managing().expect_code(0);
    shop.init_orders().expect_code(0);
    let address = format!("127.0.0.1:{}", shop.port);
    for run in [shop.plan(), shop.rotate(&[])] {
        assert_unreachable(run, &[&address]);
    }
    assert_clear(
        shop.run(&["rotate", "shop/orders", "--yes"]),
        &[6],
        &[&address],
    );
    // What is in the store can be read all the same.
    assert_eq!(shop.current().name, shop.first.name);
}

#[test]
fn a_server_that_accepts_and_never_answers_is_unreachable_in_time() {
    let silent = SilentServer::start().expect("listens");
    let mut shop = Shop::bare(
        "silent",
        ShopOptions {
            connect_timeout: "1s",
            ..ShopOptions::default()
        },
    );
    shop.port = silent.port();
    shop.write_orders();
    shop.init_key();
    shop.init_managing().expect_code(0);
    shop.init_orders().expect_code(0);
    let begun = std::time::Instant::now();
    assert_unreachable(shop.rotate(&[]), &["time-out"]);
    let elapsed = begun.elapsed();
    assert!(
        elapsed < std::time::Duration::from_secs(20),
        "a connect time-out of one second took {elapsed:?}"
    );
}

/// Exit 6, nothing changed, and the remedy is said.
#[track_caller]
fn assert_unreachable(run: Run, told: &[&str]) {
    let run = run.expect_code(6).expect_no_stack_trace().expect_told(told);
    let result = result_of(&run);
    assert_eq!(result["status"], "unreachable", "{result:#}");
    let errors = errors_of(&result);
    assert!(!errors.is_empty(), "{result:#}");
    for error in errors {
        assert!(error["remedy"].is_string(), "{result:#}");
    }
}

#[test]
fn another_certificate_authority_is_not_trusted_and_named_as_the_cause() {
    let shop = Shop::bare("wrongca", ShopOptions::default());
    let stranger = Authority::new("a stranger").expect("makes an authority");
    fs::write(shop.file("ca.pem"), stranger.pem()).expect("writes");
    shop.init_key();
    shop.init_managing().expect_code(0);
    shop.init_orders().expect_code(0);
    let before = shop.verifier_of(&shop.second);
    let run = shop.rotate(&[]);
    assert_clear(run, &[1, 6], &["certificate", "ca"]);
    assert_clear(
        shop.run(&["rotate", "shop/orders", "--yes"]),
        &[1, 6],
        &["certificate", "ca"],
    );
    assert_eq!(shop.verifier_of(&shop.second), before, "nothing changed");

    // The settings are mended, and so is the environment.
    fs::write(shop.file("ca.pem"), server().ca_pem()).expect("writes");
    let settings = shop.file("settings.yaml").display().to_string();
    shop.run(&["env", "settings", "set", "shop/orders", "-f", &settings])
        .expect_code(0);
    shop.rotate(&[]).expect_code(0);
}

#[test]
fn a_wrong_key_file_is_named_with_the_slot_that_is_wanted() {
    let shop = Shop::open("wrongkey", ShopOptions::default());
    let other = Shop::bare("otherkey", ShopOptions::default());
    other.init_key();
    for arguments in [
        &["env", "open", "shop/orders", "db"][..],
        &["rotate", "shop/orders", "--yes"],
        &["env", "get", "shop/orders", "--show-secrets"],
    ] {
        let mut command = shop.command(arguments);
        command.env("HANDOVER_KEY_FILE", other.key_file());
        let run = crate::harness::Running::start(command).finish();
        let path = other.key_file().display().to_string();
        assert_clear(run, &[1, 4], &["key", &path]);
    }
    let mut command = shop.command(&["env", "open", "shop/orders", "db"]);
    command.env("HANDOVER_KEY_FILE", shop.home().join("no-such.key"));
    let run = crate::harness::Running::start(command).finish();
    assert_clear(run, &[1, 4], &["no-such.key"]);
    shop.assert_current_logs_in("with the right key");
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let shop = Shop::open("openkey", ShopOptions::default());
    fs::set_permissions(shop.key_file(), fs::Permissions::from_mode(0o644)).expect("opens");
    assert_clear(
        shop.run(&["env", "open", "shop/orders", "db"]),
        &[1, 4],
        &["chmod", &shop.key_file().display().to_string()],
    );
    fs::set_permissions(shop.key_file(), fs::Permissions::from_mode(0o600)).expect("closes");
    shop.assert_current_logs_in("with a private key file");
}

#[test]
fn a_master_key_is_never_overwritten_and_never_made_without_a_place() {
    let shop = Shop::open("keyinit", ShopOptions::default());
    let before = fs::read(shop.key_file()).expect("reads");
    assert_eq!(mode_of_key(&shop), 0o600);
    let same = shop.key_file().display().to_string();
    let new = shop.home().join("second.key").display().to_string();
    for path in [&same, &new] {
        assert_clear(
            shop.run(&["key", "init", "--file", path]),
            &[1, 4],
            &["key"],
        );
    }
    assert_eq!(fs::read(shop.key_file()).expect("reads"), before);
    assert!(
        !shop.home().join("second.key").exists(),
        "a second master key was made over an existing store"
    );
    assert_clear(shop.run(&["key", "init"]), &[2], &["--file"]);
}

fn mode_of_key(shop: &Shop) -> u32 {
    let metadata = fs::metadata(shop.key_file()).expect("is there");
    metadata.permissions().mode() & 0o777
}

#[test]
fn a_role_that_does_not_exist_is_refused_with_the_statement_that_makes_it() {
    let shop = Shop::bare("norole", ShopOptions::default());
    let role = identifier(&shop.second.name);
    server()
        .sql(&format!("DROP ROLE {role}"))
        .expect("drops the role");
    shop.init_key();
    shop.init_managing().expect_code(0);
    shop.init_orders().expect_code(0);
    for run in [shop.plan(), shop.rotate(&[])] {
        assert_refused(&run, "no-such-user");
        run.expect_no_stack_trace()
            .expect_told(&[&shop.second.name, &format!("CREATE ROLE {role}")]);
    }
    // What the refusals name does mend it.
    shop.create_role(&shop.second, "LOGIN");
    if has_rights_since_16() {
        let refused = assert_refused(&shop.plan(), "no-right");
        let remedy = refused["error"]["remedy"].as_str().expect("a remedy");
        let (_, statement) = remedy.split_once(": ").expect("a statement");
        server().sql(statement).expect("the server takes it");
    }
    shop.rotate(&[]).expect_code(0);
    shop.assert_current_logs_in("after the role was made");
}

#[test]
fn a_wrong_managing_password_is_refused_before_anything_changes() {
    let shop = Shop::bare("wrongmanaging", ShopOptions::default());
    shop.init_key();
    shop.write_managing(&Secret::new("not-the-managing-password".to_owned()));
    shop.init_managing().expect_code(0);
    shop.init_orders().expect_code(0);
    let before = shop.verifier_of(&shop.second);
    for run in [shop.plan(), shop.rotate(&[])] {
        assert_refused(&run, "manager-out");
        let run = run.expect_no_stack_trace().expect_told(&[
            &shop.managing.name,
            "password",
            "managingUser",
        ]);
        assert!(!run.told().contains("not-the-managing-password"));
    }
    assert_eq!(shop.verifier_of(&shop.second), before, "nothing changed");
    shop.assert_current_logs_in("while the managing user is locked out");
}

#[test]
fn a_store_folder_that_others_can_read_is_refused() {
    let shop = Shop::open("openstore", ShopOptions::default());
    let store = shop.store().display().to_string();
    for mode in [0o755, 0o750, 0o701] {
        fs::set_permissions(shop.store(), fs::Permissions::from_mode(mode)).expect("opens");
        for arguments in [&["status"][..], &["rotate", "shop/orders", "--yes"]] {
            assert_clear(shop.run(arguments), &[1, 4], &["chmod", &store]);
        }
    }
    fs::set_permissions(shop.store(), fs::Permissions::from_mode(0o700)).expect("closes");
    shop.assert_current_logs_in("with a private store");
}

#[test]
fn without_a_state_and_with_both_users_connected_a_rotation_is_refused() {
    let shop = Shop::bare("nostate", ShopOptions::default());
    shop.init_key();
    shop.init_managing().expect_code(0);
    let document = shop.orders_document();
    let (without_state, _) = document.split_once("      state:").expect("has a state");
    fs::write(shop.file("orders.yaml"), without_state).expect("writes");
    shop.init_orders().expect_code(0);
    let consumers = [&shop.first, &shop.second]
        .map(|account| HeldSession::open(&account.name, &account.password));
    for run in [shop.plan(), shop.rotate(&[])] {
        let run = run.expect_code(4).expect_no_stack_trace();
        assert_eq!(result_of(&run)["status"], "refused", "{run:#?}");
        run.expect_told(&["state", "current", "username"]);
    }
    // With one of them gone it is told who is idle.
    let [first, _second] = consumers;
    drop(first);
    wait_until("the session has ended", || {
        single(&format!(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = {}",
            literal(&shop.first.name)
        )) == "0"
    });
    shop.rotate(&[]).expect_code(0);
    let current = shop.assert_current_logs_in("after the first rotation");
    assert_eq!(current.name, shop.first.name);
}

#[test]
fn an_unknown_environment_is_named_with_the_command_that_makes_it() {
    let shop = Shop::open("noenv", ShopOptions::default());
    for arguments in [
        &["rotate", "shop/order", "--yes"][..],
        &["env", "open", "shop/order"],
        &["env", "get", "shop/order"],
    ] {
        assert_clear(shop.run(arguments), &[1, 2], &["shop/order"]);
    }
}
