//! `handover agent`.

use std::time::Duration;

use clap::Args;

use super::overlap::time;

/// Verification shows passwords to servers, one environment after the other.
const LEAST_VERIFY_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
#[command(
    after_help = "It rotates what is due by the schedules in the settings, samples overlaps, delivers notices,
verifies every credential once a day, and retires what has drained where the settings say
`retire: {mode: lock}`. It signs no waiver and takes no way back. While `handover pause --all`
holds, it rotates nothing and retires nobody.

Each thing that happens is one line on standard error; with --output json, one object a line on
standard output. Several agents on one host share the work. SIGTERM and ctrl-c end it with exit
code 0 when the running steps have ended; what is left is gone on with by the next agent.

As a service, with systemd: see \"Running the agent\" in the README.

Examples:
  handover agent
  handover agent --at-once 8 --per-server 2 --metrics 127.0.0.1:9187"
)]
pub(in crate::cli) struct AgentArguments {
    /// Rotate at most so many environments at once, over all agents of this host
    #[arg(long, value_name = "COUNT", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(in crate::cli) at_once: u32,
    /// The same on one server
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(in crate::cli) per_server: u32,
    /// Verify the credentials of each environment so often, such as 24h or 7d; 0s: never
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = verify_every)]
    pub(in crate::cli) verify_every: Duration,
    /// Serve metrics at this address, such as 127.0.0.1:9187; there is no password on it
    #[arg(long, value_name = "ADDR")]
    pub(in crate::cli) metrics: Option<std::net::SocketAddr>,
}

/// A time at which servers have a moment for others, too; or never.
fn verify_every(text: &str) -> Result<Duration, String> {
    let every = time(text)?;
    let is_too_often = !every.is_zero() && every < LEAST_VERIFY_EVERY;
    match is_too_often {
        true => Err(
            "the agent would do nothing else: write 1s or more, or 0s, which is never".to_owned(),
        ),
        false => Ok(every),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verification_is_at_most_once_a_second_or_never() {
        for (text, every) in [("0s", 0), ("1s", 1), ("24h", 86_400)] {
            assert_eq!(verify_every(text), Ok(Duration::from_secs(every)));
        }
        for text in ["1ms", "999ms"] {
            let refused = verify_every(text).expect_err("it is too often");
            assert!(refused.contains("1s or more"), "{refused}");
        }
        assert!(verify_every("often").is_err());
    }
}
