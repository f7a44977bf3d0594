//! The room that talks to MySQL and MariaDB, called as the drain calls it: what a sample tells
//! of sessions and logins, and what it does not tell as complete.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use chrono::TimeDelta;
use handover::database::{
    Change, ChangeOutcome, Database, Managing, Target, Timeouts, Tls, Watching, connect,
};
use handover::model::{
    AccountId, AccountSample, CounterSource, Credential, Engine, LoginCounter, Node,
    ObservedSession, Sample, UserName,
};
use handover::sandbox::LoginOutcome;
use handover::secret::Secret;
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use tokio::runtime::Runtime;

use crate::harness::wait_until;
use crate::shop::mysql::HeldMysqlSession;
use crate::shop::{Account, Shop, ShopEngine, ShopOptions};

for_both! {
    a_session_is_told_with_what_it_does
    a_masked_view_is_never_told_as_complete
    every_login_is_counted_and_no_refused_one
    knocks_at_a_locked_user_are_heard_or_told_as_unheard
    hostile_names_are_sampled_and_locked
}

/// A shop, and the database room that looks at it.
pub(crate) struct World {
    pub(crate) shop: Shop,
    database: Arc<dyn Database>,
    node: Node,
    pub(crate) runtime: Runtime,
}

impl World {
    pub(crate) fn open(engine: ShopEngine, name: &str, options: ShopOptions) -> Option<Self> {
        let shop = Shop::bare_on(engine, name, options)?;
        if engine == ShopEngine::MariaDb {
            shop.run_sql("SET GLOBAL userstat = ON");
        }
        let limit = Duration::from_secs(10);
        let target = Target {
            engine: Engine::Mysql,
            database: "shop".to_owned(),
            tls: Tls::VerifyFull {
                authority: Some(shop.mysql_server().ca_pem().to_owned()),
            },
            timeouts: Timeouts {
                connect: limit,
                statement: limit,
                lock: limit,
            },
        };
        Some(Self {
            node: Node {
                host: "127.0.0.1".to_owned(),
                port: shop.port,
            },
            shop,
            database: connect(target).expect("the settings are good"),
            runtime: Runtime::new().expect("makes a runtime"),
        })
    }

    fn is_mysql(&self) -> bool {
        self.shop.options.engine == ShopEngine::MySql
    }

    pub(crate) fn watch(&self, login: &Account) -> Box<dyn Watching> {
        let login = credential(login);
        let watching = self.database.watch(&self.node, &login, "handover-test");
        self.runtime.block_on(watching).expect("logs in")
    }

    pub(crate) fn manage(&self) -> Box<dyn Managing> {
        let login = credential(&self.shop.managing);
        let managing = self.database.manage(&self.node, &login, "handover-test");
        self.runtime.block_on(managing).expect("logs in")
    }

    fn sample(&self, watching: &mut dyn Watching, accounts: &[AccountId]) -> Sample {
        let sample = self.runtime.block_on(watching.sample(accounts));
        sample.expect("the server answers")
    }

    /// One look at the second user.
    pub(crate) fn look(&self, watching: &mut dyn Watching) -> AccountSample {
        let sample = self.sample(watching, &[id(&self.shop.second)]);
        sample.accounts.into_iter().next().expect("was asked for")
    }

    fn counter(&self, watching: &mut dyn Watching) -> LoginCounter {
        self.look(watching).counter.expect("the server counts")
    }

    pub(crate) fn session(&self, account: &Account) -> Conn {
        let door = self.shop.mysql_server().door();
        let session = door.connect(&account.name, &account.password);
        self.runtime.block_on(session).expect("logs in")
    }

    /// All parts of a change of the second user, under the lock.
    pub(crate) fn change(&self, managing: &mut dyn Managing, change: Change<'_>) -> ChangeOutcome {
        self.runtime.block_on(async {
            let account = id(&self.shop.second);
            let parts = managing
                .begin_change(&account, Duration::from_secs(5))
                .await
                .expect("takes the lock");
            assert!(!parts.is_empty());
            let mut outcome = None;
            for part in &parts {
                let told = managing.change(part, change).await;
                let confirmed = told == ChangeOutcome::Confirmed;
                outcome = Some(told);
                if !confirmed {
                    break;
                }
            }
            managing.give_up().await;
            outcome.expect("there is a part")
        })
    }

    /// The code of the refusal that is for a locked user.
    pub(crate) fn locked(&self) -> LoginOutcome {
        let code = if self.is_mysql() { "3118" } else { "4151" };
        LoginOutcome::Refused(code.to_owned())
    }
}

fn credential(account: &Account) -> Credential {
    Credential {
        username: name(account),
        password: Some(account.password.duplicate()),
    }
}

pub(crate) fn name(account: &Account) -> UserName {
    UserName::new(&account.name).expect("a name")
}

pub(crate) fn id(account: &Account) -> AccountId {
    AccountId::new(&account.name)
}

pub(crate) fn same_name(account: &Account, password: &str) -> Account {
    Account {
        name: account.name.clone(),
        password: Secret::new(password.to_owned()),
    }
}

pub(crate) fn refused_password() -> LoginOutcome {
    LoginOutcome::Refused("1045".to_owned())
}

fn a_session_is_told_with_what_it_does(engine: ShopEngine) {
    let Some(world) = World::open(engine, "told", ShopOptions::default()) else {
        return;
    };
    let mut watching = world.watch(&world.shop.managing);
    let own = world.sample(&mut *watching, &[id(&world.shop.managing)]);
    let [own] = &own.accounts[0].sessions[..] else {
        panic!("it sees itself: {own:?}");
    };
    let application = if world.is_mysql() {
        "handover-test"
    } else {
        ""
    };
    assert_eq!(own.application.as_str(), application);
    let accounts = [id(&world.shop.first), id(&world.shop.second)];
    let before = world.sample(&mut *watching, &accounts);
    let shown: Vec<&AccountId> = before.accounts.iter().map(|one| &one.account).collect();
    assert_eq!(shown, [&accounts[0], &accounts[1]]);
    for account in &before.accounts {
        assert!(account.complete && account.grant.is_none(), "{account:?}");
        assert!(account.sessions.is_empty(), "{account:?}");
        assert_eq!(account.can_log_in, Some(true));
    }
    let mut managing = world.manage();
    let identity = world.runtime.block_on(managing.identity());
    assert_eq!(before.system, identity.expect("is told").system);

    let mut idle = world.session(&world.shop.second);
    let mut busy = world.session(&world.shop.second);
    let ids = [&idle, &busy].map(|session| i64::from(session.id()));
    world.runtime.block_on(async {
        idle.query_drop("USE shop").await.expect("may");
        let begin = "START TRANSACTION WITH CONSISTENT SNAPSHOT";
        idle.query_drop(begin).await.expect("begins one");
    });
    let asleep = world.runtime.spawn(async move {
        let _ = busy.query_drop("  (select(sleep(60)) + 0)").await;
    });
    wait_until("both do what they shall", || {
        // InnoDB shows its transactions anew only to who has not asked for a tenth of a second.
        thread::sleep(Duration::from_millis(150));
        let sample = world.look(&mut *watching);
        let is_busy = |session: &ObservedSession| session.command.is_some();
        let is_in_one = |session: &ObservedSession| session.transaction_since.is_some();
        let mut sessions = sample.sessions.iter();
        sessions.clone().any(is_busy) && sessions.any(is_in_one)
    });
    let after = world.sample(&mut *watching, &accounts);
    assert_eq!(after.system, before.system);
    assert_eq!(after.server_started, before.server_started, "it jitters");
    assert!(after.server_time > before.server_time);
    assert!(after.server_started < before.server_time);
    assert!(after.accounts[0].sessions.is_empty());
    let sessions = &after.accounts[1].sessions;
    assert_eq!(sessions.len(), 2, "{sessions:?}");
    let [one, other] = ids.map(|id| {
        let mut sessions = sessions.iter();
        sessions.find(|session| session.pid == id).expect("is told")
    });
    for session in [one, other] {
        assert_eq!(session.started, None);
        let client = session.client.as_ref().expect("is told");
        assert_eq!(client.as_str(), "127.0.0.1", "without the port");
        let since = session.state_since.expect("is told");
        let bounds = before.server_time - TimeDelta::seconds(2)..=after.server_time;
        assert!(bounds.contains(&since), "{since} {bounds:?}");
    }
    let words = |text: &Option<handover::untrusted::Untrusted>| {
        text.as_ref().map(|text| text.as_str().to_owned())
    };
    assert_eq!(words(&one.state).as_deref(), Some("Sleep"));
    assert_eq!(
        (words(&one.command), words(&one.database)),
        (None, Some("shop".to_owned()))
    );
    let begun = one.transaction_since.expect("is told");
    assert!(
        (after.server_time - begun).abs() < TimeDelta::minutes(1),
        "{begun}"
    );
    assert_eq!(words(&other.state).as_deref(), Some("Query"));
    assert_eq!(words(&other.command).as_deref(), Some("SELECT"));
    assert_eq!(
        (words(&other.database), other.transaction_since),
        (None, None)
    );
    assert!(!format!("{after:?}").contains("sleep("), "no text");
    asleep.abort();
}

fn a_masked_view_is_never_told_as_complete(engine: ShopEngine) {
    let Some(world) = World::open(engine, "masked", ShopOptions::default()) else {
        return;
    };
    let _session = world.session(&world.shop.second);
    // The first user can do nothing of the kind, and stands for a monitor.
    let monitor = &world.shop.first;
    let mut watching = world.watch(monitor);
    let account = world.look(&mut *watching);
    assert!(!account.complete, "{account:?}");
    assert!(account.sessions.is_empty(), "{account:?}");
    assert_eq!((account.can_log_in, account.counter), (None, None));
    let grant = account.grant.expect("is told");
    assert!(
        grant.contains(&format!("`{}`@`%`", monitor.name)),
        "{grant}"
    );
    world.shop.run_sql(&grant);
    let mut watching = world.watch(monitor);
    let account = world.look(&mut *watching);
    assert!(account.complete && account.grant.is_none(), "{account:?}");
    assert_eq!(account.sessions.len(), 1);
    assert_eq!(account.sessions[0].transaction_since, None);
    assert_eq!(account.counter.expect("counts").total, 1);
    // PROCESS alone serves, too, on both servers.
    world.shop.run_sql(&format!(
        "REVOKE ALL PRIVILEGES, GRANT OPTION FROM `{0}`@`%`; GRANT PROCESS ON *.* TO `{0}`@`%`",
        monitor.name
    ));
    let mut watching = world.watch(monitor);
    let account = world.look(&mut *watching);
    assert!(account.complete, "{account:?}");
    assert_eq!(account.sessions.len(), 1);
    assert_eq!(account.counter.is_some(), !world.is_mysql());
}

fn every_login_is_counted_and_no_refused_one(engine: ShopEngine) {
    let Some(world) = World::open(engine, "counted", ShopOptions::default()) else {
        return;
    };
    let mut watching = world.watch(&world.shop.managing);
    let first = world.counter(&mut *watching);
    let source = match engine {
        ShopEngine::MySql => CounterSource::Accounts,
        _ => CounterSource::UserStatistics,
    };
    assert_eq!((first.source, first.total), (source, 0));
    let started = world.sample(&mut *watching, &[]).server_started;
    assert_eq!(first.since, Some(started));
    assert!(world.shop.logs_in(&world.shop.second));
    let wrong = same_name(&world.shop.second, "another-password");
    let door = world.shop.mysql_server().door();
    // Short logins and refused ones at once, none of which a sample sees.
    world.runtime.block_on(async {
        let good = async {
            for _ in 0..5 {
                let account = &world.shop.second;
                let outcome = door.login(&account.name, &account.password).await;
                assert_eq!(outcome, LoginOutcome::Accepted);
            }
        };
        let bad = async {
            for _ in 0..7 {
                let outcome = door.login(&wrong.name, &wrong.password).await;
                assert_eq!(outcome, refused_password());
            }
        };
        tokio::join!(good, bad);
    });
    // The server lists a session for a moment after its client has gone.
    let mut counter = None;
    wait_until("the last short login is gone", || {
        let account = world.look(&mut *watching);
        counter = account.counter;
        account.sessions.is_empty()
    });
    let counter = counter.expect("counts");
    assert_eq!((counter.total, counter.refused), (6, Some(7)));
    // What a session is refused with the same code is no login that was refused.
    let mut session = world.session(&world.shop.second);
    let load = "LOAD DATA INFILE '/nonexistent' INTO TABLE shop.nothing";
    let told = world.runtime.block_on(session.query_drop(load));
    let Err(mysql_async::Error::Server(error)) = told else {
        panic!("{told:?}");
    };
    assert_eq!(error.code, 1045);
    let counter = world.counter(&mut *watching);
    assert_eq!(counter.total, 7, "{counter:?}");
    drop(session);
}

/// MySQL takes a login off the count of a user that a session leaves: whatever is counted
/// around it is not told, and what comes after it is.
#[test]
fn a_session_that_changed_its_user_makes_mysql_tell_no_count() {
    let options = ShopOptions {
        own_server: true,
        ..ShopOptions::default()
    };
    let Some(world) = World::open(ShopEngine::MySql, "moved", options) else {
        return;
    };
    let mut watching = world.watch(&world.shop.managing);
    assert_eq!(world.counter(&mut *watching).total, 0);
    let mut session = world.session(&world.shop.second);
    assert_eq!(world.counter(&mut *watching).total, 1);
    let first = &world.shop.first;
    let change = mysql_async::ChangeUserOpts::default()
        .with_user(Some(first.name.clone()))
        .with_pass(Some(first.password.expose().to_owned()));
    let changed = world.runtime.block_on(session.change_user(change));
    changed.expect("is let in");
    let account = world.look(&mut *watching);
    assert_eq!((account.sessions.len(), account.counter), (0, None));
    assert!(world.shop.logs_in(&world.shop.second));
    let before = world.counter(&mut *watching).total;
    assert!(world.shop.logs_in(&world.shop.second));
    assert_eq!(world.counter(&mut *watching).total, before + 1);
    // Who comes later cannot know since when nothing of the kind happened.
    let mut later = world.watch(&world.shop.managing);
    assert_eq!(world.look(&mut *later).counter, None);
    assert_eq!(world.counter(&mut *later).total, before + 1);
}

fn knocks_at_a_locked_user_are_heard_or_told_as_unheard(engine: ShopEngine) {
    let Some(world) = World::open(engine, "knocks", ShopOptions::default()) else {
        return;
    };
    assert!(world.shop.logs_in(&world.shop.second));
    let mut managing = world.manage();
    let lock = Change::Lock(&name(&world.shop.second));
    assert_eq!(world.change(&mut *managing, lock), ChangeOutcome::Confirmed);
    let mut watching = world.watch(&world.shop.managing);
    let before = world.look(&mut *watching);
    assert_eq!(before.can_log_in, Some(false));
    let wrong = same_name(&world.shop.second, "another-password");
    let door = world.shop.mysql_server().door();
    world.runtime.block_on(async {
        let right = async {
            for _ in 0..4 {
                let account = &world.shop.second;
                let outcome = door.login(&account.name, &account.password).await;
                assert_eq!(outcome, world.locked());
            }
        };
        let bad = async {
            for _ in 0..3 {
                let outcome = door.login(&wrong.name, &wrong.password).await;
                assert_eq!(outcome, refused_password());
            }
        };
        tokio::join!(right, bad);
    });
    let after = world.look(&mut *watching);
    let [before, after] = [before, after].map(|look| look.counter.expect("counts"));
    assert_eq!(after.total, before.total, "nobody was let in");
    match engine {
        ShopEngine::MySql => {
            let [before, after] = [before, after].map(|counter| counter.refused);
            let heard = after.expect("counts") - before.expect("counts");
            assert_eq!(heard, 7);
        }
        // It counts none of those with the right password: a number would be too small.
        _ => assert_eq!((before.refused, after.refused), (None, None)),
    }
}

fn hostile_names_are_sampled_and_locked(engine: ShopEngine) {
    for odd in [
        "'',''--\\ sampled",
        "back`tick; sampled",
        "Grüße 用户 sampled",
    ] {
        let options = ShopOptions {
            second_user: Some(odd.to_owned()),
            ..ShopOptions::default()
        };
        let Some(world) = World::open(engine, "odd", options) else {
            return;
        };
        let second = &world.shop.second;
        let held = HeldMysqlSession::open(world.shop.mysql_server(), odd, &second.password);
        let mut watching = world.watch(&world.shop.managing);
        let mut managing = world.manage();
        let told = world.change(&mut *managing, Change::Lock(&name(second)));
        assert_eq!(told, ChangeOutcome::Confirmed, "{odd}");
        let account = world.look(&mut *watching);
        assert_eq!(account.sessions.len(), 1, "{account:?}");
        assert_eq!(account.can_log_in, Some(false), "{odd}");
        assert_eq!(account.counter.expect("counts").total, 1, "{odd}");
        drop(held);
        let row = odd.replace('`', "``");
        world.shop.run_sql(&format!("DROP USER `{row}`@`%`"));
    }
}
