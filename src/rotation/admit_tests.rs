//! Each refusal by its name, and the order of the table.

use super::*;
use crate::model::{
    Barrier, Capacity, Difference, DifferenceKind, OwnSession, RoleFacts, Session, SessionKind,
    SessionView, Twin, UnknownCause,
};
use chrono::{DateTime, Utc};
use std::time::Duration;

/// A situation in which a rotation may begin; each test spoils one thing.
struct Sound {
    environment: EnvironmentName,
    node: Node,
    manager: UserName,
    current: UserName,
    user: UserName,
    managing: Result<ManagingFacts, DatabaseFault>,
    logins: Vec<(Node, LoginOutcome)>,
    gate: Gate,
    locked_by: Option<LockHolder>,
    open_rotation: Option<RotationId>,
    promoted_before: bool,
    acknowledged: bool,
    waiver: Option<String>,
    recorded_account: Option<AccountId>,
    recorded_server: Option<ServerIdentity>,
    recorded_certificate: Option<String>,
    tls: TlsMode,
    owner: Option<Owner>,
    twins: Option<TwinFacts>,
    twin_strict: bool,
    retired: bool,
}

fn user(name: &str) -> UserName {
    UserName::new(name).expect("a name")
}

fn moment() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).expect("a valid time")
}

fn role(account: u32) -> RoleFacts {
    RoleFacts {
        account: account.into(),
        rows: Vec::new(),
        statements: 1,
        unfit: None,
        login_limit: None,
        remarks: Vec::new(),
        is_mute: false,
        can_log_in: true,
        expired: false,
        superuser: false,
        replication: false,
        may_alter: true,
        grant: None,
    }
}

impl Sound {
    fn new() -> Self {
        let node = Node {
            host: "db".to_owned(),
            port: 5432,
        };
        let managing = ManagingFacts {
            identity: ServerIdentity {
                flavour: crate::model::Flavour::Postgresql,
                gtids: String::new(),
                system: "7".to_owned(),
                timeline: 1,
                position: 100,
                transaction: 10,
                version: 150_000,
            },
            server_time: moment(),
            read_only: false,
            receiving: false,
            certificate: None,
            standbys: vec![],
            synchronous_wanted: 0,
            roles: [Some(role(10)), Some(role(11))],
            sessions: SessionView {
                sessions: vec![],
                complete: true,
                grant: None,
            },
        };
        let login = LoginOutcome::LoggedIn {
            session: OwnSession {
                node: node.clone(),
                pid: 1,
                started: Some(moment()),
                span: (moment(), moment()),
            },
            server_time: moment(),
            row: None,
        };
        Self {
            environment: "shop/orders".parse().expect("a name"),
            manager: user("mgr"),
            current: user("app_a"),
            user: user("app_b"),
            recorded_server: Some(managing.identity.clone()),
            recorded_certificate: managing.certificate.clone(),
            tls: TlsMode::VerifyFull,
            owner: None,
            twins: Some(twins(&[])),
            twin_strict: true,
            retired: false,
            managing: Ok(managing),
            logins: vec![(node.clone(), login)],
            node,
            gate: Gate::Open,
            locked_by: None,
            open_rotation: None,
            promoted_before: true,
            acknowledged: false,
            waiver: None,
            recorded_account: Some(11.into()),
        }
    }

    fn role(&mut self, index: usize) -> &mut Option<RoleFacts> {
        let managing = self.managing.as_mut().expect("reachable");
        &mut managing.roles[index]
    }

    fn spoil_role(&mut self, index: usize, spoil: impl FnOnce(&mut RoleFacts)) {
        spoil(self.role(index).as_mut().expect("there"));
    }

    fn admit(&self) -> Result<Plan, Refusal> {
        admit(&Facts {
            others: &[],
            environment: &self.environment,
            path: "db",
            revision: 3,
            locked_by: self.locked_by.as_ref(),
            open_rotation: self.open_rotation,
            node: &self.node,
            manager: &self.manager,
            current: &self.current,
            user: &self.user,
            managing: self.managing.as_ref(),
            owner: self.owner.as_ref(),
            recorded_server: self.recorded_server.as_ref(),
            recorded_certificate: self.recorded_certificate.as_deref(),
            tls: self.tls,
            current_logins: &self.logins,
            engine: Engine::Postgres,
            recorded_account: self.recorded_account.as_ref(),
            twins: self.twins.as_ref(),
            twin_strict: self.twin_strict,
            gate: &self.gate,
            seen: &[],
            retired: self.retired,
            promoted_before: self.promoted_before,
            acknowledged: self.acknowledged,
            waiver: self.waiver.as_deref(),
            remedies: &RoleRemedies {
                create: "create".to_owned(),
                let_in: "let in".to_owned(),
                prolong: "prolong".to_owned(),
            },
            statement: "change",
        })
    }

    fn refused(&self, case: AdmitCase) -> Refusal {
        let refusal = self.admit().expect_err("must be refused");
        assert_eq!(refusal.case, case, "{refusal:?}");
        assert!(!refusal.remedy.is_empty());
        refusal
    }
}

fn session() -> Session {
    Session {
        is_nameless_from_here: false,
        node: Node {
            host: "db".to_owned(),
            port: 5432,
        },
        pid: 4711,
        kind: SessionKind::Client,
        application: Untrusted::new("nightly\u{1b}[2J"),
        client: Some(Untrusted::new("10.0.0.7")),
        started: Some(moment()),
    }
}

#[test]
fn a_sound_situation_is_admitted() {
    let plan = Sound::new().admit().expect("admitted");
    assert_eq!(plan.accounts, [10.into(), 11.into()]);
    assert!(!plan.first_promotion);
    assert!(plan.waived.is_empty());
}

#[test]
fn locked_by() {
    let mut facts = Sound::new();
    facts.locked_by = Some(LockHolder {
        holder: "alice".to_owned(),
        host: "bastion".to_owned(),
        pid: 99,
        since: moment(),
    });
    let refusal = facts.refused(AdmitCase::LockedBy);
    assert!(
        refusal
            .message
            .contains("alice on bastion (process 99) since 2023-11-14")
    );
}

#[test]
fn open_rotation() {
    let mut facts = Sound::new();
    facts.open_rotation = Some(RotationId(7));
    let refusal = facts.refused(AdmitCase::OpenRotation);
    assert!(refusal.message.contains("R-0007"));
    assert_eq!(refusal.remedy, "handover recover shop/orders");
}

#[test]
fn unreachable_database() {
    let mut facts = Sound::new();
    facts.managing = Err(DatabaseFault::Unreachable {
        node: facts.node.clone(),
        cause: UnknownCause::TimedOut,
    });
    facts.refused(AdmitCase::Unreachable);
    let mut facts = Sound::new();
    facts.logins[0].1 = LoginOutcome::Unknown(UnknownCause::TimedOut);
    facts.refused(AdmitCase::Unreachable);
}

#[test]
fn owned_elsewhere() {
    let mut facts = Sound::new();
    facts.owner = Some(billing());
    let refusal = facts.refused(AdmitCase::OwnedElsewhere);
    assert!(
        refusal
            .message
            .starts_with("app_b belongs to the rotated secret db of shop/billing"),
        "{}",
        refusal.message
    );
    assert!(refusal.remedy.contains("${environments.shop.billing.db}"));
}

fn billing() -> Owner {
    Owner {
        environment: "shop/billing".parse().expect("a name"),
        path: "db".to_owned(),
        user: Untrusted::new("app_b"),
    }
}

#[test]
fn other_server() {
    type Spoil = fn(&mut ServerIdentity);
    let spoil: [(Spoil, &str); 4] = [
        (|seen| seen.system = "8".to_owned(), "system 8"),
        (|seen| seen.timeline = 2, "fail-over"),
        (|seen| seen.position = 99, "a clone, or a snapshot"),
        (|seen| seen.transaction = 9, "was written to"),
    ];
    for (spoil, words) in spoil {
        let mut facts = Sound::new();
        let managing = facts.managing.as_mut().expect("reachable");
        spoil(&mut managing.identity);
        let refusal = facts.refused(AdmitCase::OtherServer);
        assert!(refusal.message.contains(words), "{}", refusal.message);
        assert!(
            refusal.message.ends_with("(app_a) logs in there"),
            "{refusal:?}"
        );
        let accept = "handover doctor shop/orders --accept-server";
        assert!(refusal.remedy.contains(accept), "{}", refusal.remedy);

        // Consumers that are down there do not hide which server it is.
        facts.logins[0].1 = LoginOutcome::PasswordRefused;
        let refusal = facts.refused(AdmitCase::OtherServer);
        assert!(
            refusal.message.ends_with("does not log in there"),
            "{refusal:?}"
        );
        // The first contact has nothing to compare with.
        facts.recorded_server = None;
        facts.refused(AdmitCase::CurrentDead);
    }
}

#[test]
fn another_certificate_warns_where_the_name_is_verified_and_refuses_elsewhere() {
    let mut facts = Sound::new();
    facts.managing.as_mut().expect("reachable").certificate = Some("b2".repeat(32));
    facts.recorded_certificate = Some("a1".repeat(32));
    let plan = facts.admit().expect("admitted");
    assert_eq!(
        plan.warnings,
        [
            "db:5432 shows another certificate than before: SHA-256 b2b2b2b2b2b2b2b2…, before \
             a1a1a1a1a1a1a1a1…"
        ]
    );
    for tls in [TlsMode::VerifyCa, TlsMode::Require] {
        facts.tls = tls;
        facts.refused(AdmitCase::OtherServer);
    }
    // What was never seen, and what is not shown, cannot differ.
    facts.recorded_certificate = None;
    assert!(facts.admit().expect("admitted").warnings.is_empty());
    facts.recorded_certificate = Some("a1".repeat(32));
    facts.managing.as_mut().expect("reachable").certificate = None;
    assert!(facts.admit().expect("admitted").warnings.is_empty());
}

#[test]
fn a_standby_behind_the_mark_is_told_as_a_standby() {
    let mut facts = Sound::new();
    let managing = facts.managing.as_mut().expect("reachable");
    managing.read_only = true;
    managing.identity.position = 99;
    facts.refused(AdmitCase::NoRight);
    let managing = facts.managing.as_mut().expect("reachable");
    managing.identity.system = "8".to_owned();
    facts.refused(AdmitCase::OtherServer);
}

#[test]
fn manager_out() {
    let mut facts = Sound::new();
    facts.managing = Err(DatabaseFault::ManagerOut {
        user: user("mgr"),
        message: Untrusted::new("password authentication failed"),
    });
    facts.refused(AdmitCase::ManagerOut);
}

#[test]
fn no_right() {
    let mut facts = Sound::new();
    facts.spoil_role(1, |role| {
        role.may_alter = false;
        role.grant = Some("ALTER ROLE \"mgr\" CREATEROLE;".to_owned());
    });
    let refusal = facts.refused(AdmitCase::NoRight);
    assert!(refusal.remedy.contains("ALTER ROLE \"mgr\" CREATEROLE;"));
    let mut facts = Sound::new();
    facts.managing.as_mut().expect("reachable").read_only = true;
    facts.refused(AdmitCase::NoRight);
}

#[test]
fn no_such_user() {
    let spoil: [fn(&mut Sound); 4] = [
        |facts| *facts.role(1) = None,
        |facts| facts.spoil_role(1, |role| role.can_log_in = false),
        |facts| facts.spoil_role(1, |role| role.expired = true),
        |facts| facts.recorded_account = Some(9.into()),
    ];
    for spoil in spoil {
        let mut facts = Sound::new();
        spoil(&mut facts);
        facts.refused(AdmitCase::NoSuchUser);
    }
}

#[test]
fn current_dead() {
    let spoil: [fn(&mut Sound); 4] = [
        |facts| *facts.role(0) = None,
        |facts| facts.spoil_role(0, |role| role.expired = true),
        |facts| facts.logins[0].1 = LoginOutcome::PasswordRefused,
        |facts| facts.logins[0].1 = LoginOutcome::PasswordAccepted(Barrier::NotPermitted),
    ];
    for spoil in spoil {
        let mut facts = Sound::new();
        spoil(&mut facts);
        let refusal = facts.refused(AdmitCase::CurrentDead);
        assert_eq!(refusal.remedy, "handover recover shop/orders");
    }
    // A refusal that says nothing of the password is no reason to say that they are down.
    let mut facts = Sound::new();
    facts.logins[0].1 = LoginOutcome::PasswordRefused;
    facts.spoil_role(0, |role| role.is_mute = true);
    facts.refused(AdmitCase::NoSuchUser);
}

fn twins(differences: &[(Twin, DifferenceKind)]) -> TwinFacts {
    TwinFacts {
        differences: differences
            .iter()
            .map(|(holder, kind)| Difference {
                kind: *kind,
                holder: *holder,
                what: Untrusted::new("orders: SELECT"),
                give: Some("GRANT SELECT ON orders TO app_b;".to_owned()),
                take: None,
            })
            .collect(),
        capacity: Capacity {
            for_everybody: 97,
            used: 1,
            limits: [-1, -1],
            unlimit: [String::new(), String::new()],
            manager_has_reserve: false,
            reserve: None,
        },
        subscriptions: Vec::new(),
    }
}

#[test]
fn twins_differ() {
    let mut facts = Sound::new();
    facts.twins = Some(twins(&[(Twin::Current, DifferenceKind::Table)]));
    let refusal = facts.refused(AdmitCase::TwinsDiffer);
    assert_eq!(
        refusal.message,
        "app_b becomes what consumers read, and app_a has what app_b lacks: orders: SELECT"
    );
    assert_eq!(refusal.remedy, "GRANT SELECT ON orders TO app_b;");
    facts.twin_strict = false;
    let plan = facts.admit().expect("admitted");
    assert_eq!(
        plan.warnings,
        ["app_a has what app_b lacks: orders: SELECT"]
    );
}

#[test]
fn twins_of_which_the_idle_one_has_more_are_admitted_in_silence() {
    let mut facts = Sound::new();
    facts.twins = Some(twins(&[(Twin::Idle, DifferenceKind::Table)]));
    assert!(facts.admit().expect("admitted").warnings.is_empty());
}

#[test]
fn what_cannot_be_shared_or_compared_only_warns() {
    for kind in [DifferenceKind::Owned, DifferenceKind::Elsewhere] {
        let mut facts = Sound::new();
        facts.twins = Some(twins(&[(Twin::Current, kind)]));
        assert_eq!(
            facts.admit().expect("admitted").warnings.len(),
            1,
            "{kind:?}"
        );
    }
}

#[test]
fn never_promoted() {
    let mut facts = Sound::new();
    facts.promoted_before = false;
    facts.recorded_account = None;
    facts.refused(AdmitCase::NeverPromoted);
    facts.acknowledged = true;
    assert!(facts.admit().expect("admitted").first_promotion);
}

#[test]
fn not_drained() {
    let mut facts = Sound::new();
    facts.gate = Gate::Shut(vec![
        Shut::Sessions(vec![session()]),
        Shut::MaskedView {
            viewer: crate::model::Viewer::Managing,
            grant: Some("GRANT pg_read_all_stats TO \"mgr\";".to_owned()),
        },
        Shut::Propagating {
            until: moment(),
            remaining: Duration::from_millis(1500),
        },
    ]);
    let refusal = facts.refused(AdmitCase::NotDrained);
    for part in [
        "1 session is connected: \"nightly␛[2J\" from 10.0.0.7 on db:5432 (pid 4711) since 2023-11-14 22:13:20 UTC",
        "until 2023-11-14 22:13:20 UTC (2 s left)",
    ] {
        assert!(refusal.message.contains(part), "{}", refusal.message);
    }
    assert!(
        refusal
            .remedy
            .contains("GRANT pg_read_all_stats TO \"mgr\";")
    );
    assert!(refusal.remedy.contains("--waive-drain"));
}

#[test]
fn a_waiver_passes_the_gate_and_stands_in_the_plan() {
    let mut facts = Sound::new();
    facts.gate = Gate::Shut(vec![Shut::Sessions(vec![session()])]);
    facts.waiver = Some("ticket 7".to_owned());
    let plan = facts.admit().expect("admitted");
    assert_eq!(plan.sessions.len(), 1);
    assert_eq!(plan.waived.len(), 1);
    // A waiver is bound to what will be done, not to who happens to be connected.
    assert_eq!(
        plan.digest(),
        Sound::new().admit().expect("admitted").digest()
    );
}

#[test]
fn the_order_of_the_table_is_kept() {
    let mut facts = Sound::new();
    facts.gate = Gate::Shut(vec![Shut::Sessions(vec![session()])]);
    facts.refused(AdmitCase::NotDrained);
    facts.twins = Some(twins(&[(Twin::Current, DifferenceKind::Setting)]));
    facts.refused(AdmitCase::TwinsDiffer);
    facts.logins[0].1 = LoginOutcome::PasswordRefused;
    facts.refused(AdmitCase::CurrentDead);
    facts.spoil_role(1, |role| role.expired = true);
    facts.refused(AdmitCase::NoSuchUser);
    facts.spoil_role(1, |role| role.may_alter = false);
    facts.refused(AdmitCase::NoRight);
    facts
        .managing
        .as_mut()
        .expect("reachable")
        .identity
        .timeline = 2;
    facts.refused(AdmitCase::OtherServer);
    facts.owner = Some(billing());
    facts.refused(AdmitCase::OwnedElsewhere);
    facts.managing = Err(DatabaseFault::ManagerOut {
        user: user("mgr"),
        message: Untrusted::new("no"),
    });
    facts.refused(AdmitCase::ManagerOut);
    facts.open_rotation = Some(RotationId(1));
    facts.refused(AdmitCase::OpenRotation);
    facts.locked_by = Some(LockHolder {
        holder: "alice".to_owned(),
        host: "bastion".to_owned(),
        pid: 99,
        since: moment(),
    });
    facts.refused(AdmitCase::LockedBy);
}
