//! Whether enough was agreed to, before anything is changed.

use super::Confirmation;
use super::outcome::{ErrorReport, ExitCode, HandOverStatus, PathOutcome, PathReport, Report};
use super::report;
use super::subject::Subject;
use crate::model::{EnvironmentName, Step};
use crate::operations::Exit;
use crate::untrusted::Untrusted;

/// What an agreement is asked for.
pub(super) struct Asked {
    environment: EnvironmentName,
    protected: bool,
    /// The option that shows what would be done.
    look: &'static str,
    /// Path and the user whose password is changed.
    paths: Vec<(String, String)>,
}

impl Asked {
    pub(super) fn of<'a>(
        environment: &EnvironmentName,
        look: &'static str,
        subjects: impl IntoIterator<Item = &'a Subject>,
    ) -> Self {
        let mut asked = Self {
            environment: environment.clone(),
            protected: false,
            look,
            paths: Vec::new(),
        };
        for subject in subjects {
            asked.protected |= subject.protected;
            let user = report::shown(subject.user());
            asked.paths.push((subject.path.to_string(), user));
        }
        asked
    }

    /// Something else of the environment is asked for as well.
    pub(super) fn and_protected(mut self, protected: bool) -> Self {
        self.protected |= protected;
        self
    }
}

/// What agreement is missing, if any; `look` shows what would be done.
pub(in crate::operations) fn missing_agreement(
    environment: &EnvironmentName,
    protected: bool,
    look: &str,
    confirmation: &Confirmation,
) -> Option<ErrorReport> {
    let name = environment.to_string();
    let (code, message, remedy) = match confirmation {
        Confirmation::Named(typed) if *typed == name => return None,
        Confirmation::Named(typed) => (
            "name-differs",
            format!(
                "the name to confirm is {name}, not {}",
                Untrusted::new(typed)
            ),
            format!("--yes --confirm {name}"),
        ),
        Confirmation::Yes if protected => (
            "protected",
            format!("{name} is a production environment; its name has to be typed"),
            format!("--yes --confirm {name}"),
        ),
        Confirmation::Yes => return None,
        Confirmation::None => (
            "not-confirmed",
            "nobody agreed to it".to_owned(),
            match protected {
                true => format!("look at it with {look}, then agree with --yes --confirm {name}"),
                false => format!("look at it with {look}, then agree with --yes"),
            },
        ),
    };
    Some(ErrorReport {
        code: code.to_owned(),
        message,
        remedy,
    })
}

/// A report that says what agreement is missing, if any is.
pub(super) fn unconfirmed(asked: &Asked, confirmation: &Confirmation) -> Option<Report> {
    let error = missing_agreement(
        &asked.environment,
        asked.protected,
        asked.look,
        confirmation,
    )?;
    let ends = asked.paths.iter().map(|(path, user)| {
        let mut of_path = PathReport::new(path.clone(), PathOutcome::Refused, Step::Preflight);
        of_path.user = Some(user.clone());
        of_path.error = Some(error.clone());
        (of_path, Exit::Refused)
    });
    let mut report = report::together(&asked.environment, ends.collect());
    report.status = HandOverStatus::Refused;
    report.exit = ExitCode(Exit::Refused);
    report.error = Some(error);
    report.protected = asked.protected;
    Some(report)
}
