//! The choice of the way back, case by case.

use super::*;
use crate::rotation::{GateLook, Replication, SinkLook, TwinLook};

const VALID: Standing = standing(1, 0, 0);
const REFUSED: Standing = standing(0, 1, 0);
const UNKNOWN: Standing = standing(0, 0, 1);
const ABSENT: Standing = standing(0, 0, 0);
const LOCKED: Standing = Standing { barred: 1, ..VALID };

const fn standing(proven: usize, refused: usize, unknown: usize) -> Standing {
    Standing {
        proven,
        barred: 0,
        expired: 0,
        refused,
        unknown,
        statement_failed: 0,
    }
}

/// Y with what consumers read, X with its stored password; everything else in order.
fn found(current: Standing, back: Standing) -> Back {
    Back {
        evidence: Evidence {
            current,
            previous: back,
            pending: ABSENT,
            pooled: ABSENT,
            decoy_accepted: false,
            pair_unsound: false,
            server: ServerMatch::Same,
            replication: Replication::NotLooked,
            unnamed_standbys: 0,
            twins: TwinLook::NotLooked,
            waits: 0,
            manager: Manager::Ready,
            gate: GateLook::Open,
            in_parts: false,
            untried: false,
            promotion_unknown: false,
            sink: SinkLook::Confirmed,
        },
        knows_current: true,
        knows_back: true,
        stage: Some(Stage::Draining),
        can_log_in: Some(true),
        leaked: false,
        promoted: true,
        published: false,
    }
}

fn retired(stage: Stage, back: Standing) -> Back {
    Back {
        stage: Some(stage),
        can_log_in: Some(false),
        ..found(VALID, back)
    }
}

#[track_caller]
fn offers(found: &Back, case: Case, ways: &[Way]) {
    let choice = choose(found, Wanted::default()).expect("there is a way");
    assert_eq!(choice.case, case, "{found:?}");
    assert_eq!(choice.ways, ways, "{found:?}");
    assert_eq!(choice.way, ways[0], "{found:?}");
}

#[track_caller]
fn refuses(found: &Back, why: NoWay) {
    assert_eq!(choose(found, Wanted::default()), Err(why), "{found:?}");
}

#[test]
fn applications_fail() {
    let good = found(VALID, VALID);
    offers(
        &good,
        Case::ApplicationsFail,
        &[Way::Repromote, Way::Reissue],
    );
    refuses(&found(VALID, UNKNOWN), NoWay::Case(Case::Unreachable));
    refuses(&found(UNKNOWN, VALID), NoWay::Case(Case::Unreachable));
    let some = standing(1, 1, 0);
    refuses(&found(VALID, some), NoWay::Case(Case::NotReplicated));
    let fails = Standing {
        statement_failed: 1,
        ..VALID
    };
    refuses(&found(VALID, fails), NoWay::Case(Case::VerifyFailed));
    let mut pooled = good.clone();
    pooled.evidence.pooled = REFUSED;
    refuses(&pooled, NoWay::Case(Case::PoolerRefuses));
    let mut elsewhere = good.clone();
    elsewhere.evidence.server = ServerMatch::Other;
    refuses(&elsewhere, NoWay::Case(Case::OtherServer));
    let mut unseen = good.clone();
    unseen.evidence.unnamed_standbys = 1;
    refuses(&unseen, NoWay::Case(Case::NotReplicated));
    // What else holds a rotation back holds no known password back.
    let mut unnamed = good.clone();
    unnamed.evidence.twins = TwinLook::Differ;
    unnamed.evidence.gate = GateLook::Shut;
    offers(
        &unnamed,
        Case::ApplicationsFail,
        &[Way::Repromote, Way::Reissue],
    );
    let never = Back {
        promoted: false,
        ..good
    };
    refuses(&never, NoWay::NeverPromoted);
}

#[test]
fn back_locked() {
    let ways = [Way::Unretire, Way::Reissue];
    for stage in [Stage::Locking, Stage::Locked, Stage::Unlocking] {
        // It is not tried: each refused login counts as somebody who still tries.
        offers(&retired(stage, ABSENT), Case::BackLocked, &ways);
        offers(&retired(stage, LOCKED), Case::BackLocked, &ways);
    }
    offers(&retired(Stage::Scrambling, LOCKED), Case::BackLocked, &ways);
    // Somebody else has locked it, and may have done so on purpose.
    let by_others = retired(Stage::Draining, LOCKED);
    refuses(&by_others, NoWay::LockedElsewhere);
    // Somebody has let it in again already.
    let let_in = Back {
        stage: Some(Stage::Locked),
        ..found(VALID, VALID)
    };
    offers(
        &let_in,
        Case::ApplicationsFail,
        &[Way::Repromote, Way::Reissue],
    );
}

#[test]
fn back_scrambled() {
    let unknown = Back {
        knows_back: false,
        ..retired(Stage::Scrambled, ABSENT)
    };
    offers(&unknown, Case::BackScrambled, &[Way::Reissue]);
    offers(&found(VALID, REFUSED), Case::BackScrambled, &[Way::Reissue]);
    let scrambled = retired(Stage::Scrambling, REFUSED);
    offers(&scrambled, Case::BackScrambled, &[Way::Reissue]);
    let expired = Standing {
        expired: 1,
        ..LOCKED
    };
    offers(&found(VALID, expired), Case::BackScrambled, &[Way::Reissue]);
}

#[test]
fn current_dead() {
    let all = [Way::Repromote, Way::Reapply, Way::Reissue];
    offers(&found(REFUSED, VALID), Case::CurrentDead, &all);
    // One refused password of two is somebody's deed; X tells nothing here.
    let silent = found(REFUSED, UNKNOWN);
    offers(&silent, Case::CurrentDead, &[Way::Reapply, Way::Reissue]);
    let locked = Back {
        evidence: Evidence {
            current: REFUSED,
            ..retired(Stage::Locked, ABSENT).evidence
        },
        ..retired(Stage::Locked, ABSENT)
    };
    let ways = [Way::Unretire, Way::Reapply, Way::Reissue];
    offers(&locked, Case::CurrentDead, &ways);
    // Whoever locked Y may have meant it: setting its password would let it in again.
    let barred = found(LOCKED, VALID);
    offers(&barred, Case::CurrentDead, &[Way::Repromote, Way::Reissue]);
}

#[test]
fn restored() {
    for server in [ServerMatch::WentBack, ServerMatch::Other] {
        let mut older = found(REFUSED, REFUSED);
        older.evidence.server = server;
        offers(&older, Case::Restored, &[Way::Reapply, Way::Reissue]);
        older.evidence.previous = VALID;
        let all = [Way::Reapply, Way::Repromote, Way::Reissue];
        offers(&older, Case::Restored, &all);
    }
}

#[test]
fn store_behind() {
    let behind = found(REFUSED, REFUSED);
    offers(&behind, Case::StoreBehind, &[Way::Reissue]);
    assert!(may_import(&behind));
    let published = Back {
        published: true,
        ..behind.clone()
    };
    let ways = [Way::Import, Way::Reissue];
    offers(&published, Case::StoreBehind, &ways);
    // What leaked is what this store knows of X, and that is dead.
    let leaked = Back {
        leaked: true,
        ..published.clone()
    };
    offers(&leaked, Case::StoreBehind, &ways);
    // What consumers read now leaked, and they may read the file.
    let compromised = Wanted {
        compromised: true,
        ..Wanted::default()
    };
    let choice = choose(&published, compromised).expect("a way");
    assert_eq!(choice.ways, [Way::Reissue]);
    let wanted = Wanted {
        way: Some(Way::Import),
        ..Wanted::default()
    };
    assert_eq!(
        choose(&published, wanted).map(|one| one.way),
        Ok(Way::Import)
    );
    let why = NoWay::NotOffered(Way::Import, Case::StoreBehind);
    assert_eq!(choose(&behind, wanted), Err(why));
}

/// The retirement of X may be older than the backup, which knows no password of it then.
#[test]
fn a_file_is_asked_only_where_the_store_knows_nothing_that_logs_in() {
    let unknown = Back {
        knows_back: false,
        ..found(REFUSED, ABSENT)
    };
    assert!(may_import(&unknown));
    offers(&unknown, Case::CurrentDead, &[Way::Reapply, Way::Reissue]);
    let published = Back {
        published: true,
        ..unknown.clone()
    };
    let ways = [Way::Import, Way::Reapply, Way::Reissue];
    offers(&published, Case::CurrentDead, &ways);
    for (current, back) in [
        (VALID, REFUSED),
        (UNKNOWN, REFUSED),
        (LOCKED, REFUSED),
        (REFUSED, VALID),
        (REFUSED, UNKNOWN),
        (REFUSED, ABSENT),
    ] {
        assert!(!may_import(&found(current, back)), "{current:?} {back:?}");
    }
    for server in [
        ServerMatch::WentBack,
        ServerMatch::Other,
        ServerMatch::NotKnown,
    ] {
        let mut elsewhere = found(REFUSED, REFUSED);
        elsewhere.evidence.server = server;
        assert!(!may_import(&elsewhere), "{server:?}");
    }
    let mut silent = found(REFUSED, REFUSED);
    silent.evidence.manager = Manager::Out;
    assert!(!may_import(&silent));
    let unsettled = Back {
        knows_current: false,
        ..found(REFUSED, REFUSED)
    };
    assert!(!may_import(&unsettled));
}

#[test]
fn what_leaked_is_given_back_to_nobody() {
    for back in [found(VALID, VALID), retired(Stage::Locked, ABSENT)] {
        let leaked = Back {
            leaked: true,
            ..back
        };
        let case = choose(
            &leaked,
            Wanted {
                break_glass: true,
                ..Wanted::default()
            },
        );
        let case = case.expect("the glass was broken").case;
        refuses(&leaked, NoWay::Compromised(case));
        // Whoever asks for a new password gets it.
        let reissue = Wanted {
            way: Some(Way::Reissue),
            ..Wanted::default()
        };
        let choice = choose(&leaked, reissue).expect("a new password");
        assert_eq!(
            (choice.way, choice.ways),
            (Way::Reissue, vec![Way::Reissue])
        );
    }
    // While consumers are down there is another way than the one that leaked.
    let down = Back {
        leaked: true,
        ..found(REFUSED, VALID)
    };
    offers(&down, Case::CurrentDead, &[Way::Reapply, Way::Reissue]);
    // What leaked now is not set again.
    let compromised = Wanted {
        compromised: true,
        ..Wanted::default()
    };
    let choice = choose(&found(REFUSED, UNKNOWN), compromised).expect("a way");
    assert_eq!(choice.ways, [Way::Reissue]);
}

#[test]
fn a_way_that_is_not_there_is_not_taken() {
    let wanted = Wanted {
        way: Some(Way::Reapply),
        ..Wanted::default()
    };
    let refused = choose(&found(VALID, VALID), wanted);
    let why = NoWay::NotOffered(Way::Reapply, Case::ApplicationsFail);
    assert_eq!(refused, Err(why));
    let chosen = choose(&found(REFUSED, VALID), wanted).expect("it is offered");
    assert_eq!(chosen.way, Way::Reapply);
    assert_eq!(chosen.ways[0], Way::Repromote, "it is not recommended");
}

#[test]
fn where_nobody_answers_there_is_no_way() {
    for (manager, case) in [
        (Manager::Out, Case::ManagerOut),
        (Manager::Unreachable, Case::Unreachable),
    ] {
        let mut silent = found(REFUSED, VALID);
        silent.evidence.manager = manager;
        refuses(&silent, NoWay::Case(case));
    }
}
