//! `doctor`: everything that would refuse a rotation, or make one fail later.
//!
//! Changes nothing and takes no lock, so that it works while a rotation is open.

use serde::Serialize;

use super::hand_over::{document_problem, examine};
use super::patients::patients;
use super::{Exit, Failure, Workspace};
use crate::model::EnvironmentName;
use crate::rotation::{Finding, Verdict, verdict};

/// All environments that were examined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// One for each.
    pub environments: Vec<EnvironmentDiagnosis>,
}

/// One environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EnvironmentDiagnosis {
    /// Which.
    pub environment: EnvironmentName,
    /// Its rotated secrets.
    pub paths: Vec<PathDiagnosis>,
}

/// One rotated secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PathDiagnosis {
    /// Which.
    pub path: String,
    /// What was found, in the order of the checks.
    pub findings: Vec<Finding>,
}

impl Diagnosis {
    /// How a command that prints this ends.
    #[must_use]
    pub fn exit(&self) -> Exit {
        let paths = self.environments.iter().flat_map(|one| &one.paths);
        paths.fold(Exit::Done, |exit, path| {
            exit.worse(match verdict(&path.findings) {
                Verdict::Fit => Exit::Done,
                Verdict::Unfit => Exit::Refused,
                Verdict::Unreachable => Exit::Unreachable,
                Verdict::CurrentDead => Exit::NeedsHuman,
            })
        })
    }
}

/// Examines one environment, or all that have rotated secrets.
///
/// # Errors
/// No such environment, or the store's own; a database that does not answer is a finding.
pub async fn diagnose(
    workspace: &Workspace,
    only: Option<EnvironmentName>,
) -> Result<Diagnosis, Failure> {
    let mut found = Vec::new();
    for patient in patients(workspace, only.into_iter().collect()).await? {
        let environment = patient.environment;
        let mut paths = Vec::new();
        match patient.paths {
            Ok(all) => {
                for path in all {
                    let findings = examine(workspace, &environment, &path).await?;
                    let path = path.to_string();
                    paths.push(PathDiagnosis { path, findings });
                }
            }
            Err((failure, all)) => paths.extend(all.into_iter().map(|path| PathDiagnosis {
                path,
                findings: vec![document_problem(&failure)],
            })),
        }
        found.push(EnvironmentDiagnosis { environment, paths });
    }
    Ok(Diagnosis {
        environments: found,
    })
}
