//! What is new in the reports of drains.

use std::collections::BTreeMap;

use super::News;
use crate::drain::{Drain, Verdict};
use crate::model::EnvironmentName;
use crate::operations::drain::{DrainReport, Sampler};
use crate::untrusted::Untrusted;

/// What was told of each environment.
#[derive(Default)]
pub(super) struct Told {
    environments: BTreeMap<EnvironmentName, ToldOf>,
}

#[derive(Default)]
struct ToldOf {
    sampler: Option<Sampler>,
    problem: Option<String>,
    /// By path: the user, and what was said of it.
    verdicts: BTreeMap<String, (Untrusted, Verdict)>,
}

impl Told {
    /// What is new in a report.
    pub(super) fn take(&mut self, report: &DrainReport) -> Vec<News> {
        let environment = &report.environment;
        let told = self.environments.entry(environment.clone()).or_default();
        let mut news = Vec::new();
        if let Some(problem) = &report.problem
            && told.problem.as_ref() != Some(problem)
        {
            news.push(News::Problem {
                environment: Some(environment.clone()),
                problem: problem.clone(),
            });
        }
        told.problem.clone_from(&report.problem);
        let is_here = report.sampler == Sampler::Here;
        if report.sampler == Sampler::Elsewhere && told.sampler != Some(Sampler::Elsewhere) {
            news.push(News::Waiting {
                environment: environment.clone(),
            });
        }
        let begins = is_here && told.sampler != Some(Sampler::Here);
        told.sampler = Some(report.sampler);
        if !is_here {
            told.verdicts.clear();
            return news;
        }
        told.verdicts
            .retain(|path, _| report.drains.iter().any(|drain| drain.path == *path));
        for drain in &report.drains {
            let before = told.verdicts.get(&drain.path);
            let before = before.filter(|(user, _)| *user == drain.user);
            let before = before.map(|(_, verdict)| *verdict);
            if begins || before.is_none() {
                news.push(sampling(environment, drain));
            }
            if before != Some(drain.verdict) {
                news.push(verdict(environment, drain, before));
                let now = (drain.user.clone(), drain.verdict);
                told.verdicts.insert(drain.path.clone(), now);
            }
        }
        news
    }
}

fn sampling(environment: &EnvironmentName, drain: &Drain) -> News {
    News::Sampling {
        environment: environment.clone(),
        path: drain.path.clone(),
        user: drain.user.clone(),
        nodes: drain.coverage.nodes.len(),
    }
}

fn verdict(environment: &EnvironmentName, drain: &Drain, before: Option<Verdict>) -> News {
    News::Verdict {
        environment: environment.clone(),
        path: drain.path.clone(),
        user: drain.user.clone(),
        verdict: drain.verdict,
        before,
        reason: drain.reasons.first().cloned(),
    }
}
