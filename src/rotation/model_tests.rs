//! The brain against a small model of the world, by random sequences of runs, crashes,
//! lost replies, strangers' hands, restores and fail-overs.
//!
//! The driver here is `fold`, `assess` and `decide` as they are, over evidence gathered
//! as the real driver gathers it. After every step the model knows the truth and says
//! whether a promise was broken.
//!
//! `HANDOVER_TEST_SEED` repeats a run, `HANDOVER_MODEL_CASES` makes it longer. Failing
//! cases are not written into the tree: the seed in the failure repeats them.

use std::cell::RefCell;
use std::collections::HashSet;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use super::model_world_tests::{Flight, Node, Password, Role, World};
use super::*;
use crate::model::{LoginOutcome, ServerIdentity};

/// More turns than an honest run takes, as in the driver.
const MOST_TURNS: u32 = 100;

/// A user, and the password that the store knows of it.
type Known = (usize, Option<Password>);

/// The store: what consumers read, and the journal of the open rotation.
#[derive(Debug)]
struct Store {
    current: Known,
    previous: Known,
    server: ServerIdentity,
    revision: u64,
    /// The newest generation, which is the newest password too.
    generation: Password,
    open: bool,
    journal: Vec<Event>,
}

/// What a run keeps in memory, and a crash forgets.
#[derive(Debug)]
struct Run {
    intent: Intent,
    waits: u32,
    promotion_unknown: bool,
}

#[derive(Debug)]
struct Model {
    world: World,
    store: Store,
    run: Option<Run>,
    /// Every case that was recognised.
    seen: HashSet<Case>,
}

/// How the model begins.
#[derive(Debug, Clone)]
struct Setting {
    standbys: usize,
    unnamed: bool,
    synchronous: bool,
    pooler: bool,
    /// The store knows no password of the user in `previous`.
    previous_unknown: bool,
    /// Nor of the one in `current`: a first rotation.
    first: bool,
}

/// One thing that happens.
#[derive(Debug, Clone, Copy)]
enum Step {
    Rotate,
    /// A person asks for a way back, and for this one if it is offered.
    Back(Option<Way>),
    Come(Intent),
    /// The run goes on by one turn; the number is its fate.
    Turn(u8),
    Crash,
    Change(usize),
    Lock(usize),
    Replay(usize),
    Reach(usize),
    ManagerOut,
    Gate,
    Trust,
    Twins,
    Refresh,
    Stuck,
    Cancel,
    Land,
    Restore(u8),
    FailOver,
    Accept,
}

type Held = Result<(), String>;

fn hold(held: bool, promise: &str) -> Held {
    match held {
        true => Ok(()),
        false => Err(promise.to_owned()),
    }
}

impl Model {
    fn new(setting: &Setting) -> Self {
        let role = |password| Role {
            password,
            login: true,
        };
        let node = |index: usize| Node {
            replayed: 0,
            reachable: true,
            named: !(setting.unnamed && index == setting.standbys),
        };
        let mut nodes: Vec<Node> = (0..=setting.standbys).map(node).collect();
        nodes[0].named = true;
        let world = World {
            log: vec![[role(1), role(2)]],
            nodes,
            timeline: 1,
            flight: None,
            synchronous: setting.synchronous && setting.standbys > 0,
            stuck: false,
            pooler: setting.pooler.then_some([1, 2]),
            manager_out: false,
            gate_shut: false,
            trust: false,
            twins_differ: false,
            restored_unseen: false,
            restored: false,
            broken: [false; 2],
        };
        let store = Store {
            current: (0, (!setting.first).then_some(1)),
            previous: (
                1,
                (!setting.first && !setting.previous_unknown).then_some(2),
            ),
            server: world.identity(),
            revision: 1,
            generation: 100,
            open: false,
            journal: Vec::new(),
        };
        Self {
            world,
            store,
            run: None,
            seen: HashSet::new(),
        }
    }

    /// N, as it stands in the journal; a run remembers nothing better.
    fn pending(&self) -> Option<Password> {
        let journal = fold(&self.store.journal);
        if journal.takes_known() {
            return self.store.previous.1;
        }
        let pending = journal.pending?;
        Some(pending.sealed.parse().expect("a password"))
    }

    fn manager(&self) -> Manager {
        match self.world.nodes[0].reachable {
            false => Manager::Unreachable,
            true if self.world.manager_out => Manager::Out,
            true => Manager::Ready,
        }
    }

    fn standing(&self, user: usize, password: Option<Password>) -> Standing {
        let Some(password) = password else {
            return Standing::default();
        };
        let nodes = self.world.nodes.iter().filter(|node| node.named);
        let outcomes: Vec<LoginOutcome> = nodes
            .map(|node| self.world.login(node, user, password))
            .collect();
        assess(&outcomes, self.knowledge())
    }

    fn knowledge(&self) -> RoleKnowledge {
        match self.manager() {
            Manager::Ready => RoleKnowledge::Sound,
            _ => RoleKnowledge::NotKnown,
        }
    }

    fn pooled(&self, user: usize, password: Option<Password>) -> Standing {
        let (Some(cache), Some(password)) = (self.world.pooler, password) else {
            return Standing::default();
        };
        let proven = usize::from(cache[user] == password);
        Standing {
            proven,
            refused: 1 - proven,
            ..Standing::default()
        }
    }

    fn gather(&self, journal: &PathJournal, run: &Run) -> Evidence {
        let (user, previous) = self.store.previous;
        let previous = previous.filter(|_| !journal.takes_known());
        let sent = journal.is_sent();
        let pending = self.pending().filter(|_| sent);
        let current = self.standing(self.store.current.0, self.store.current.1);
        let manager = self.manager();
        let ready = manager == Manager::Ready;
        let shut = !ready || self.world.gate_shut;
        let decoy = previous.is_none() && sent;
        Evidence {
            current,
            previous: self.standing(user, previous.filter(|_| sent || !current.is_everywhere())),
            pending: self.standing(user, pending),
            pooled: self.pooled(user, pending),
            decoy_accepted: decoy && self.standing(user, Some(0)).is_proven_somewhere(),
            pair_unsound: false,
            in_parts: false,
            untried: false,
            server: match ready {
                true => match_server(Some(&self.store.server), &self.world.identity()),
                false => ServerMatch::NotKnown,
            },
            replication: match ready {
                true => self.replication(journal),
                false => Replication::NotLooked,
            },
            unnamed_standbys: match ready {
                true => self.world.nodes.iter().filter(|node| !node.named).count(),
                false => 0,
            },
            twins: match (ready && sent, self.world.twins_differ) {
                (false, _) => TwinLook::NotLooked,
                (true, true) => TwinLook::Differ,
                (true, false) => TwinLook::Alike,
            },
            waits: run.waits,
            manager,
            gate: if shut { GateLook::Shut } else { GateLook::Open },
            promotion_unknown: run.promotion_unknown,
            sink: SinkLook::Confirmed,
        }
    }

    fn replication(&self, journal: &PathJournal) -> Replication {
        if self.world.flight.is_some_and(|flight| flight.waiting) {
            return Replication::Waiting;
        }
        let needed = journal.unreplicated_at.unwrap_or(0);
        let standby = self.world.nodes.get(1).filter(|_| self.world.synchronous);
        let lacks = standby.is_some_and(|node| (node.replayed as i64) < needed);
        match lacks {
            true => Replication::Waiting,
            false => Replication::Confirmed,
        }
    }

    /// S1: what admits a rotation, and its first two lines.
    fn rotate(&mut self) {
        let current = self.standing(self.store.current.0, self.store.current.1);
        let sound = current.is_everywhere() || self.store.current.1.is_none();
        let found = self.world.identity();
        let admitted = self.manager() == Manager::Ready
            && !self.world.gate_shut
            && match_server(Some(&self.store.server), &found) == ServerMatch::Same
            && sound;
        if self.store.open || self.run.is_some() || !admitted {
            return;
        }
        self.rotate_anew(found);
        self.come(Intent::Rotate);
    }

    /// The first line of a rotation on this server.
    fn rotate_anew(&mut self, found: ServerIdentity) {
        self.store.server = found.clone();
        self.store.open = true;
        self.store.journal = vec![Event::Admitted(Admitted {
            secret: String::new(),
            current: String::new(),
            user: String::new(),
            accounts: [1.into(), 2.into()],
            statements: 1,
            login_limit: None,
            current_limit: None,
            hosts: Vec::new(),
            server: found,
            previous_known: self.store.previous.1.is_some(),
            current_known: self.store.current.1.is_some(),
        })];
    }

    /// S1 of a way back, agreed to with the environment's name typed. The user that consumers
    /// read changes its password by no other hand here.
    fn back(&mut self, wanted: Option<Way>) {
        if self.store.open || self.run.is_some() {
            return;
        }
        let looks = Run {
            intent: Intent::Recover,
            waits: 0,
            promotion_unknown: false,
        };
        let (user, password) = self.store.previous;
        let evidence = self.gather(&fold(&[]), &looks);
        let found = Back {
            evidence: Evidence {
                previous: self.standing(user, password),
                pooled: self.pooled(user, password),
                ..evidence
            },
            knows_current: self.store.current.1.is_some(),
            knows_back: password.is_some(),
            stage: None,
            can_log_in: Some(self.world.roles()[user].login),
            leaked: false,
            promoted: true,
            published: false,
        };
        let wanted = Wanted {
            way: wanted,
            ..Wanted::default()
        };
        let Ok(choice) = choose(&found, wanted) else {
            return;
        };
        let is_gated = choice.way == Way::Reissue && self.world.gate_shut;
        if choice.way == Way::Reapply || is_gated {
            return;
        }
        let server = self.world.identity();
        if choice.case == Case::Restored {
            self.store.server = server.clone();
        }
        if match_server(Some(&self.store.server), &server) != ServerMatch::Same {
            return;
        }
        self.rotate_anew(server);
        if let Some(Event::Admitted(admitted)) = self.store.journal.first_mut() {
            let refused = found.evidence.previous.is_nowhere();
            admitted.previous_known &= choice.way == Way::Reissue && !refused;
        }
        self.append(Event::WayChosen(Chosen {
            way: choice.way,
            case: choice.case,
            consumers_down: choice.is_down(),
            compromised: false,
            agreed_by: String::new(),
            break_glass: None,
            file: None,
        }));
        self.seen.insert(choice.case);
        self.come(Intent::Rotate);
    }

    /// Somebody goes on with the open rotation; a second operator is locked out.
    fn come(&mut self, intent: Intent) {
        if self.store.open && self.run.is_none() {
            self.run = Some(Run {
                intent,
                waits: 0,
                promotion_unknown: false,
            });
        }
    }

    fn append(&mut self, event: Event) {
        self.store.journal.push(event);
    }

    fn end(&mut self, event: Event) {
        self.append(event);
        self.store.open = false;
        self.run = None;
    }

    fn park(&mut self, case: Case) {
        let event = Event::Parked {
            case,
            message: String::new(),
        };
        if self.store.journal.last() != Some(&event) {
            self.append(event);
        }
        self.run = None;
    }

    /// Evidence, a decision, one action.
    fn turn(&mut self, fate: u8) -> Held {
        let Some(run) = &self.run else {
            return Ok(());
        };
        let journal = fold(&self.store.journal);
        let evidence = self.gather(&journal, run);
        let decision = decide(&journal, &evidence, run.intent);
        let case = decision.case.unwrap_or(Case::NothingDone);
        hold(case != Case::Unrecognised, "a situation without a name")?;
        self.seen.extend(decision.case);
        match decision.action {
            Action::SealPending => {
                hold(journal.pending.is_none(), "one pending password at most")?;
                if fate == 0 {
                    self.run = None;
                    return Ok(());
                }
                self.store.generation += 1;
                self.append(Event::PendingSealed {
                    generation: u64::from(self.store.generation),
                    sealed: self.store.generation.to_string(),
                    salt: String::new(),
                });
            }
            Action::Unlock => hold(false, "let in without an agreement")?,
            Action::ApplyAgain => {
                self.append(Event::RivalSeen);
                return self.apply(fate);
            }
            Action::Apply => return self.apply(fate),
            Action::Outwait => self.outwait(fate)?,
            Action::Wait => {
                if let Some(run) = &mut self.run {
                    run.waits += 1;
                }
                if fate.is_multiple_of(2) {
                    self.world.replay_all();
                    self.world.refresh_pooler();
                }
            }
            Action::DropPending => {
                self.may_drop()?;
                self.append(Event::PendingDropped);
            }
            Action::Verify => self.append(Event::Verified { nodes: Vec::new() }),
            Action::Promote => return self.promote(fate),
            Action::ReadStoreAgain => {
                if let Some(run) = &mut self.run {
                    run.promotion_unknown = false;
                }
            }
            Action::Close | Action::Publish => {
                self.store.open = false;
                self.run = None;
            }
            Action::Release | Action::Abort => {
                self.may_drop()?;
                self.end(Event::Aborted {
                    case,
                    message: String::new(),
                });
            }
            Action::Abandon => {
                let asked = self.run.as_ref().map(|run| run.intent);
                hold(asked == Some(Intent::Abandon), "abandoned unasked")?;
                self.store.previous.1 = self.pending();
                self.store.revision += 1;
                let revision = self.store.revision;
                self.end(Event::Abandoned { revision, case });
            }
            Action::Park => self.park(case),
        }
        Ok(())
    }

    /// Nothing of ours may still come, and N is not what the user has.
    fn may_drop(&self) -> Held {
        let user = self.store.previous.0;
        // A password that its user had before is not lost by giving up to promote it.
        let known = fold(&self.store.journal).takes_known();
        let set = self.pending() == Some(self.world.roles()[user].password) && !known;
        let comes = self.world.flight.is_some();
        let server = match_server(Some(&self.store.server), &self.world.identity());
        let hidden = self.world.restored && server == ServerMatch::Same;
        let trusted = !self.world.restored_unseen && !hidden;
        hold(
            !(comes || set && trusted),
            "a password was dropped that may be set",
        )
    }

    /// S3, with every way in which it can end.
    fn apply(&mut self, fate: u8) -> Held {
        let user = self.store.previous.0;
        let pending = self.pending();
        let password = pending.ok_or("sent before it was in the journal")?;
        let same = match_server(Some(&self.store.server), &self.world.identity());
        hold(!self.world.gate_shut, "sent through a shut gate")?;
        hold(user != self.store.current.0, "sent to what consumers read")?;
        hold(same == ServerMatch::Same, "sent to another server")?;
        hold(self.manager() == Manager::Ready, "sent by nobody")?;
        let still = self.world.flight.is_some();
        hold(!still, "sent while an earlier statement may still run")?;
        let fate = fate % 16;
        if fate == 12 {
            self.run = None;
            return Ok(());
        }
        self.append(Event::ApplySent);
        let refused = |class| Event::ApplyRefused {
            class,
            code: String::new(),
            message: String::new(),
        };
        match fate {
            5 => self.append(refused(RefusalClass::Retryable)),
            6 => self.append(refused(RefusalClass::Password)),
            7 => self.append(refused(RefusalClass::Final)),
            // The line was cut, or the run was killed, before the server had it.
            8 => {}
            13 => self.run = None,
            10 | 15 => {
                self.world.flight = Some(Flight {
                    user,
                    password,
                    waiting: false,
                });
                if fate == 15 {
                    self.run = None;
                }
            }
            // It reached the server; the answer did, or did not.
            _ => {
                let waiting = self.world.synchronous && self.world.stuck;
                let flight = Flight {
                    user,
                    password,
                    waiting,
                };
                self.world.flight = Some(flight);
                // While the standby is stuck, only somebody's cancelling brings an answer.
                if waiting && fate != 0 {
                    return Ok(());
                }
                self.world.land();
                let end = i64::try_from(self.world.log.len() - 1).expect("a short log");
                match fate {
                    9 => {}
                    14 => self.run = None,
                    _ => self.append(Event::ApplyConfirmed {
                        unreplicated_at: waiting.then_some(end),
                    }),
                }
            }
        }
        Ok(())
    }

    /// Takes the lock that a running statement holds, or gives up.
    fn outwait(&mut self, fate: u8) -> Held {
        hold(self.manager() == Manager::Ready, "outwaited by nobody")?;
        if let Some(flight) = self.world.flight {
            if flight.waiting || fate % 4 == 3 {
                self.park(Case::ReplyLost);
                return Ok(());
            }
            match fate % 2 {
                0 => self.land()?,
                _ => self.world.flight = None,
            }
        }
        self.append(Event::Outwaited);
        Ok(())
    }

    /// S5: one transaction, whose answer may be lost.
    fn promote(&mut self, fate: u8) -> Held {
        let (user, _) = self.store.previous;
        let pending = self.pending().ok_or("promoted without a password")?;
        let back = fold(&self.store.journal).back;
        let down = back.is_some_and(|back| back.consumers_down);
        // Somebody agreed to it, with what nobody can look at left out.
        let unseen = down && self.world.nodes.iter().any(|node| !node.named);
        hold(
            unseen || self.world.holds(user, pending),
            "promoted what a node does not accept",
        )?;
        let fate = fate % 16;
        if matches!(fate, 12 | 13) {
            self.run = None;
            return Ok(());
        }
        if fate == 10
            && let Some(run) = &mut self.run
        {
            run.promotion_unknown = true;
            return Ok(());
        }
        self.store.previous = self.store.current;
        self.store.current = (user, Some(pending));
        self.store.revision += 1;
        self.world.broken[user] = unseen;
        let revision = self.store.revision;
        self.append(Event::Promoted { revision });
        self.store.open = false;
        match (fate, &mut self.run) {
            (9, Some(run)) => run.promotion_unknown = true,
            (14, run) => *run = None,
            _ => {}
        }
        Ok(())
    }

    /// A statement in flight lands, which must mean something to the open rotation.
    fn land(&mut self) -> Held {
        if let Some(flight) = self.world.flight {
            let ours = self.store.open && self.pending() == Some(flight.password);
            hold(ours, "a statement landed that no rotation waits for")?;
            self.world.land();
        }
        Ok(())
    }

    fn step(&mut self, step: Step) -> Held {
        let mut stranger = Role {
            password: 0,
            login: true,
        };
        match step {
            Step::Rotate => self.rotate(),
            Step::Back(way) => self.back(way),
            Step::Come(intent) => self.come(intent),
            Step::Turn(fate) => self.turn(fate)?,
            Step::Crash => self.run = None,
            Step::Change(user) => {
                self.store.generation += 1;
                stranger.password = self.store.generation;
                self.world.meddle(user, stranger);
            }
            Step::Lock(user) => {
                stranger.password = self.world.roles()[user].password;
                stranger.login = false;
                self.world.meddle(user, stranger);
            }
            Step::Replay(node) => self.world.replay(node),
            Step::Reach(node) => {
                if let Some(node) = self.world.nodes.get_mut(node) {
                    node.reachable = !node.reachable;
                }
            }
            Step::ManagerOut => self.world.manager_out = !self.world.manager_out,
            Step::Gate => self.world.gate_shut = !self.world.gate_shut,
            Step::Trust => self.world.trust = !self.world.trust,
            Step::Twins => self.world.twins_differ = !self.world.twins_differ,
            Step::Refresh => self.world.refresh_pooler(),
            Step::Stuck => {
                self.world.stuck = !self.world.stuck;
                if self.world.flight.is_some_and(|flight| flight.waiting) {
                    self.land()?;
                }
            }
            Step::Cancel => {
                if self.world.flight.is_some_and(|flight| flight.waiting) {
                    self.land()?;
                }
            }
            Step::Land => {
                if self.world.flight.is_some_and(|flight| !flight.waiting) {
                    self.land()?;
                }
            }
            Step::Restore(to) => {
                let to = usize::from(to) % self.world.log.len();
                // Recorded is where the server was at S1: it is not seen that it went back
                // to a later place than that.
                self.world.restored_unseen |= to as i64 >= self.store.server.position;
                self.world.restored = true;
                self.world.restore(to);
            }
            Step::FailOver => self.world.fail_over(),
            Step::Accept => self.store.server = self.world.identity(),
        }
        self.consumers_can_log_in()
    }

    /// The first promise.
    fn consumers_can_log_in(&self) -> Held {
        let (user, password) = self.store.current;
        let Some(password) = password else {
            return Ok(());
        };
        hold(
            self.world.broken[user] || self.world.holds(user, password),
            "what consumers read does not log in",
        )
    }

    /// Faults end, people come back: it is over, or it is parked for a reason that lasts.
    fn come_to_rest(&mut self) -> Held {
        self.world.heal();
        self.land()?;
        self.run = None;
        let mut seen = Vec::new();
        for _ in 0..7 {
            self.come(Intent::Recover);
            for _ in 0..MOST_TURNS {
                self.turn(2)?;
                self.consumers_can_log_in()?;
            }
            hold(self.run.is_none(), "a run did not come to an end")?;
            let journal = fold(&self.store.journal);
            seen.push((
                self.store.current,
                self.store.previous,
                self.store.revision,
                self.pending(),
                journal.progress.step(),
                journal.parked,
            ));
        }
        let last = &seen[seen.len() - 3..];
        hold(
            last.iter().all(|one| *one == last[0]),
            "further recovers change something",
        )?;
        if !self.store.open {
            return Ok(());
        }
        let parked = fold(&self.store.journal).parked;
        let case = parked.ok_or("neither over nor parked")?;
        hold(self.lasts(case), &format!("parked without need: {case}"))
    }

    /// Whether the reason of a parking is still there after every fault has ended.
    fn lasts(&self, case: Case) -> bool {
        let (current, password) = self.store.current;
        let (idle, _) = self.store.previous;
        let dead = password.is_some_and(|password| !self.world.holds(current, password));
        let server = match_server(Some(&self.store.server), &self.world.identity());
        match case {
            Case::Restored => dead && server != ServerMatch::Same,
            Case::StoreBehind | Case::CurrentDead => dead,
            Case::OtherServer => server != ServerMatch::Same,
            Case::NotReplicated => self.world.nodes.iter().any(|node| !node.named),
            Case::VerifyFailed => !self.world.roles()[idle].login,
            Case::RivalOwner => self.world.gate_shut,
            // Nobody agreed to another password than the one that was known.
            Case::BackScrambled => {
                let known = self.store.previous.1;
                known.is_some_and(|known| !self.world.holds(idle, known))
            }
            _ => false,
        }
    }
}

fn any_setting() -> impl Strategy<Value = Setting> {
    let often = |odds| proptest::bool::weighted(odds);
    (
        0usize..3,
        often(0.1),
        any::<bool>(),
        often(0.3),
        often(0.2),
        often(0.1),
    )
        .prop_map(
            |(standbys, unnamed, synchronous, pooler, previous_unknown, first)| Setting {
                standbys,
                unnamed,
                synchronous,
                pooler,
                previous_unknown,
                first,
            },
        )
}

fn any_step() -> impl Strategy<Value = Step> {
    let intent = prop_oneof![
        4 => Just(Intent::Recover),
        2 => Just(Intent::Retry),
        1 => Just(Intent::Abandon),
    ];
    let back = prop_oneof![
        3 => Just(None),
        1 => Just(Some(Way::Reissue)),
        1 => Just(Some(Way::Repromote)),
    ];
    prop_oneof![
        60 => any::<u8>().prop_map(Step::Turn),
        10 => Just(Step::Rotate),
        4 => back.prop_map(Step::Back),
        14 => intent.prop_map(Step::Come),
        3 => Just(Step::Crash),
        2 => (0usize..2).prop_map(Step::Change),
        1 => (0usize..2).prop_map(Step::Lock),
        4 => (0usize..3).prop_map(Step::Replay),
        2 => (0usize..3).prop_map(Step::Reach),
        1 => Just(Step::ManagerOut),
        2 => Just(Step::Gate),
        1 => Just(Step::Trust),
        1 => Just(Step::Twins),
        2 => Just(Step::Refresh),
        2 => Just(Step::Stuck),
        1 => Just(Step::Cancel),
        2 => Just(Step::Land),
        1 => any::<u8>().prop_map(Step::Restore),
        2 => Just(Step::FailOver),
        2 => Just(Step::Accept),
    ]
}

/// A number from the environment, for whoever repeats or prolongs a run.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}

#[test]
fn no_sequence_of_mishaps_breaks_a_promise() {
    let seed = number("HANDOVER_TEST_SEED").unwrap_or_else(|| {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).expect("the system gives random bytes");
        u64::from_le_bytes(bytes)
    });
    let cases = number("HANDOVER_MODEL_CASES").unwrap_or(10_000);
    let config = ProptestConfig {
        cases: u32::try_from(cases).expect("a number of cases"),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let chance = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let steps = proptest::collection::vec(any_step(), 1..50);
    let seen = RefCell::new(HashSet::new());
    let ran = TestRunner::new_with_rng(config, chance).run(
        &(any_setting(), steps),
        |(setting, steps)| {
            let mut model = Model::new(&setting);
            let mut held = Ok(());
            for step in steps {
                held = held.and_then(|()| model.step(step));
            }
            let held = held.and_then(|()| model.come_to_rest());
            seen.borrow_mut().extend(model.seen.iter().copied());
            held.map_err(|broken| TestCaseError::fail(format!("{broken}\n{model:?}")))
        },
    );
    if let Err(broken) = ran {
        panic!("to repeat: HANDOVER_TEST_SEED={seed} HANDOVER_MODEL_CASES={cases}\n{broken}");
    }
    // A model that does not come by a case says nothing of its rows.
    let seen = seen.into_inner();
    // Nobody retires a user here, and the model ends at S5: the cases of S6 are the table's alone.
    let elsewhere = [
        Case::BackLocked,
        Case::SinkFailed,
        Case::SinkForeign,
        Case::Unrecognised,
    ];
    let named = Case::ALL.iter().filter(|case| !elsewhere.contains(case));
    let missed: Vec<&Case> = named.filter(|case| !seen.contains(case)).collect();
    assert!(
        cases < 10_000 || missed.is_empty(),
        "never seen: {missed:?}"
    );
}
