//! `doctor`: everything that would refuse a rotation, or make one fail later.
//!
//! Changes nothing and takes no lock, so that it works while a rotation is open.

use serde::Serialize;

use super::hand_over::{document_problem, examine};
use super::loading::Head;
use super::{Exit, Failure, Workspace};
use crate::document::PropertyPath;
use crate::model::EnvironmentName;
use crate::rotation::{Finding, Verdict, verdict};
use crate::store::{environments, rotated_secrets};

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

/// The rotated secrets of one environment, or why its document cannot be used.
struct Patient {
    environment: EnvironmentName,
    paths: Result<Vec<PropertyPath>, (Failure, Vec<String>)>,
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
    for patient in patients(workspace, only).await? {
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

async fn patients(
    workspace: &Workspace,
    only: Option<EnvironmentName>,
) -> Result<Vec<Patient>, Failure> {
    workspace
        .store
        .read(move |transaction| {
            let rows = match &only {
                Some(name) => vec![Head::load(transaction, name)?.row],
                None => environments::list(transaction)?,
            };
            let mut patients = Vec::new();
            for row in rows {
                let recorded = rotated_secrets::list(transaction, &row.id)?;
                // An environment whose document is at fault must not hide the others.
                let paths = match Head::load(transaction, &row.name) {
                    Ok(head) => {
                        let all = head.environment.rotated_secrets().iter();
                        Ok(all.map(|secret| secret.path.clone()).collect::<Vec<_>>())
                    }
                    Err(failure) => {
                        let all = recorded.into_iter().map(|record| record.path);
                        Err((failure, all.collect::<Vec<_>>()))
                    }
                };
                let is_empty = match &paths {
                    Ok(paths) => paths.is_empty(),
                    Err((_, paths)) => paths.is_empty(),
                };
                if only.is_some() || !is_empty {
                    patients.push(Patient {
                        environment: row.name,
                        paths,
                    });
                }
            }
            Ok(patients)
        })
        .await
}
