//! The drain: from observed sessions to what may be said of them.
//!
//! Pure. It answers whether anybody still uses the outgoing user: since when, until when, and
//! how that is known. Unknown is never an open gate.

mod arrival;
mod counted;
mod coverage;
mod forecast;
mod gate;
mod history;
mod judge;
mod listening;
mod observed;
mod reasons;
mod record;
mod retire;
mod seen;
mod status;
mod stragglers;
mod timeline;
mod window;
mod words;

pub use gate::{
    PROBE_APPLICATION_PREFIX, foreign_sessions, gate, may_be_lingering_probe, together,
};
pub use judge::{PoolerAddress, Question, judge};
pub use listening::{Ear, Listening, listening};
pub use record::{Looked, Silence, Write, absorb};
pub use retire::{Leak, NextStep, Situation, leak, next_step};
pub use seen::seen_clients;
pub use status::{
    Arrival, Counts, Coverage, Drain, Forecast, HistoryPoint, LateLogin, Method, NodeCoverage,
    PoolerNote, Straggler, StragglerSession, Verdict, View, Window,
};
pub use timeline::{
    Answered, CountedLogins, Ended, FoldedClient, LastLook, NodeTimeline, Run, SeenSession,
    SessionKey, Timeline,
};

#[cfg(test)]
mod builder_tests;
#[cfg(test)]
mod judge_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod record_tests;
