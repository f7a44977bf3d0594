#!/bin/sh
# Which case of the decision table was brought about, named and ended on which engine: the
# table at the end of `make test`, from tests/cases.txt and from what the scenarios noted in
# the file named by HANDOVER_CASES. A case that no scenario noted, and that could be there,
# is MISSING, which fails the run.
set -eu

noted=${HANDOVER_CASES:?the file in which the scenarios noted their cases}
[ -e "$noted" ] || : >"$noted"

awk -v left_out=" ${HANDOVER_TESTS_WITHOUT:-} " '
function trim(text) {
    gsub(/^[ \t]+|[ \t]+$/, "", text)
    return text
}

BEGIN {
    engines = split("postgres postgres-18 mysql mariadb", engine, " ")
}

# The notes of the run come first: engine and case.
FILENAME != ARGV[2] {
    split($0, note, "\t")
    ok[note[2], note[1]] = 1
    next
}

/^#/ || /^[ \t]*$/ { next }

{
    split($0, column, "|")
    name = trim(column[1])
    needs = trim(column[3])
    known[name] = 1
    split(trim(column[4]), cannot, ":")
    reason = trim(substr(trim(column[4]), length(cannot[1]) + 2))
    if (!titled++) {
        printf "%-21s", "case"
        for (at = 1; at <= engines; at++) printf "%-13s", engine[at]
        print ""
    }
    line = sprintf("%-21s", name)
    for (at = 1; at <= engines; at++) {
        if ((name, engine[at]) in ok) word = "ok"
        else if (index(" " cannot[1] " ", " " engine[at] " ")) word = "-"
        else if (at > 1 && index(left_out, engine[at])) word = "LEFT OUT"
        else if (needs != "" && index(left_out, needs)) word = "LEFT OUT"
        else {
            word = "MISSING"
            missing++
        }
        line = line sprintf("%-13s", word)
    }
    sub(/ +$/, "", line)
    # The width of a dash that is more than one byte is not known to every awk.
    gsub(/ - /, " – ", line)
    sub(/ -$/, " –", line)
    print line
    if (reason != "") reasons = reasons sprintf("– %s on %s: %s\n", name, cannot[1], reason)
}

END {
    printf "\n%s", reasons
    for (pair in ok) {
        split(pair, of, SUBSEP)
        if (!(of[1] in known)) {
            print "noted, and no case of the table: " of[1]
            strange++
        }
    }
    if (missing) print missing " MISSING: no scenario of this run has seen them there"
    exit missing || strange ? 1 : 0
}' "$noted" "$(dirname "$0")/cases.txt"
