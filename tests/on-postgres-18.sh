#!/bin/sh
# What depends on the server's version, once more on PostgreSQL 18: the live tests but for
# those of the store, the keys, the screens, webhooks, schedules and the other engines, and
# every failpoint of a rotation. Left out is what fails alike on all, and what sends nothing to a
# server that the rest does not send. A test that is new belongs to it unless it is named
# here; what brings a case of the table about is never left out, and a house test holds that.
set -eu

case " ${HANDOVER_TESTS_WITHOUT:-} " in *postgres-18*)
    echo "LEFT OUT by name: postgres-18"
    exit 0
    ;;
esac

export HANDOVER_TEST_POSTGRES=18
cargo test --locked --test live -- \
    --skip console --skip demo:: --skip documents:: --skip editing:: --skip engines \
    --skip keyring:: --skip keys:: --skip mysql --skip mariadb --skip screenshots:: \
    --skip signals:: --skip tampering:: --skip terminal:: --skip webhooks:: \
    --skip environment_run:: --skip document_rollback:: --skip rotation_report:: \
    --skip schedule --skip agent_ --skip storm:: --skip verification:: --skip crash:: \
    --skip failing_disk:: --skip verify:: --skip ways_back_after:: --skip bad_input::
cargo test --locked --features failpoints --test crash_matrix -- \
    --skip a_network_that_breaks --skip a_disk_that_takes_no_write --skip engines:: \
    --skip ways_back:: --skip import:: --skip sinks:: --skip retire:: --skip sleeper:: \
    --skip two_paths
