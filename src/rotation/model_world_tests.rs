//! The world of the model: a server with standbys that replay late, two users with one
//! password each, a pooler that remembers, and a statement that may still be running.

use crate::model::{Barrier, LoginOutcome, ServerIdentity, UnknownCause};

pub(super) type Password = u32;

/// What one user may log in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) password: Password,
    pub(super) login: bool,
}

/// A server that consumers may reach.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    /// Up to which entry of the log it has come.
    pub(super) replayed: usize,
    pub(super) reachable: bool,
    /// The settings name it, so it is probed.
    pub(super) named: bool,
}

/// A statement of ours that nobody waits for any more and that has not ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flight {
    pub(super) user: usize,
    pub(super) password: Password,
    /// It waits for the synchronous standby.
    pub(super) waiting: bool,
}

/// Everything outside of the store.
#[derive(Debug)]
pub(super) struct World {
    /// Every state that the two users had, oldest first.
    pub(super) log: Vec<[Role; 2]>,
    /// The first is the primary.
    pub(super) nodes: Vec<Node>,
    pub(super) timeline: i64,
    pub(super) flight: Option<Flight>,
    /// The second node is a synchronous standby.
    pub(super) synchronous: bool,
    /// It does not follow.
    pub(super) stuck: bool,
    /// The passwords that the pooler remembers.
    pub(super) pooler: Option<[Password; 2]>,
    pub(super) manager_out: bool,
    pub(super) gate_shut: bool,
    /// Any password logs in.
    pub(super) trust: bool,
    pub(super) twins_differ: bool,
    /// A restore that the server's position does not tell.
    pub(super) restored_unseen: bool,
    /// A restore that it tells until the server has come as far again.
    pub(super) restored: bool,
    /// Somebody else changed or locked this user, or a restore did.
    pub(super) broken: [bool; 2],
}

impl World {
    pub(super) fn roles(&self) -> [Role; 2] {
        self.log[self.log.len() - 1]
    }

    fn end(&self) -> usize {
        self.log.len() - 1
    }

    pub(super) fn identity(&self) -> ServerIdentity {
        ServerIdentity {
            flavour: crate::model::Flavour::Postgresql,
            gtids: String::new(),
            system: "1".to_owned(),
            timeline: self.timeline,
            position: i64::try_from(self.end()).expect("a short log"),
            transaction: 0,
            version: 150_000,
        }
    }

    fn follows(&self, node: usize) -> bool {
        !(self.synchronous && self.stuck && node == 1)
    }

    /// A change on the primary; a synchronous standby that follows has it too.
    pub(super) fn commit(&mut self, user: usize, role: Role) {
        let mut roles = self.roles();
        roles[user] = role;
        self.log.push(roles);
        self.replay(0);
        if self.synchronous {
            self.replay(1);
        }
    }

    pub(super) fn replay(&mut self, node: usize) {
        let end = self.end();
        if node < self.nodes.len() && self.follows(node) {
            self.nodes[node].replayed = end;
        }
    }

    pub(super) fn replay_all(&mut self) {
        for node in 0..self.nodes.len() {
            self.replay(node);
        }
    }

    pub(super) fn refresh_pooler(&mut self) {
        let roles = self.roles();
        if let Some(cache) = &mut self.pooler {
            *cache = roles.map(|role| role.password);
        }
    }

    /// The statement in flight takes effect.
    pub(super) fn land(&mut self) {
        if let Some(flight) = self.flight.take() {
            let role = Role {
                password: flight.password,
                login: true,
            };
            self.commit(flight.user, role);
        }
    }

    /// Somebody else's hand.
    pub(super) fn meddle(&mut self, user: usize, role: Role) {
        self.broken[user] = true;
        self.commit(user, role);
    }

    /// Back to an earlier state, with the standbys made anew from it.
    pub(super) fn restore(&mut self, to: usize) {
        let before = self.roles();
        self.log.truncate(to + 1);
        self.flight = None;
        for node in &mut self.nodes {
            node.replayed = to;
        }
        for (user, role) in self.roles().iter().enumerate() {
            self.broken[user] |= *role != before[user];
        }
    }

    /// The first standby takes over with what it has; nothing excuses a loss.
    pub(super) fn fail_over(&mut self) {
        if self.nodes.len() < 2 {
            return;
        }
        self.nodes.remove(0);
        let has = self.nodes[0].replayed;
        self.log.truncate(has + 1);
        self.nodes[0].named = true;
        for node in &mut self.nodes {
            node.replayed = node.replayed.min(has);
        }
        self.timeline += 1;
        self.flight = None;
        self.synchronous = false;
    }

    /// A login, as a client sees it.
    pub(super) fn login(&self, node: &Node, user: usize, password: Password) -> LoginOutcome {
        let role = self.log[node.replayed][user];
        if !node.reachable {
            LoginOutcome::Unknown(UnknownCause::TimedOut)
        } else if role.password != password && !self.trust {
            LoginOutcome::PasswordRefused
        } else if role.login {
            // Proven; a session with its clock would say the same to the table.
            LoginOutcome::PasswordAccepted(Barrier::ConnectionLimit)
        } else {
            LoginOutcome::PasswordAccepted(Barrier::NotPermitted)
        }
    }

    /// Whether the password really is the user's on every node, the unnamed included.
    pub(super) fn holds(&self, user: usize, password: Password) -> bool {
        let sound = Role {
            password,
            login: true,
        };
        let mut nodes = self.nodes.iter();
        nodes.all(|node| self.log[node.replayed][user] == sound)
    }

    /// Every fault that passes by itself or by somebody's hand has passed. Standbys
    /// and the pooler still follow late.
    pub(super) fn heal(&mut self) {
        for node in &mut self.nodes {
            node.reachable = true;
        }
        self.manager_out = false;
        self.trust = false;
        self.twins_differ = false;
        self.stuck = false;
        // Other traffic moves the server past every place that was ever recorded.
        let roles = self.roles();
        self.log.extend([roles; 100]);
        self.replay(0);
    }
}
