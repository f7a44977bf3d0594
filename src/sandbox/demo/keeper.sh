# Removes the demo's folder when the program that made it is gone, however it ended.
# argument: the folder
# Standard input is a pipe whose other end only the program holds; its end means that the
# program is gone. An order `child PID` names a process that must not outlive the program;
# `child` alone says that there is none any more.
folder=$1
child=

finish() {
    [ -z "$child" ] || kill -KILL "$child" 2>/dev/null
    cd /
    # The server's own watchdog ends the server and removes its folder; pulling the files
    # from under a running server would only make it complain.
    tries=0
    while [ "$tries" -lt 600 ]; do
        left=
        for server in "$folder"/handover-sandbox-*; do
            [ ! -e "$server" ] || left=yes
        done
        [ -n "$left" ] || break
        tries=$((tries + 1))
        sleep 0.1
    done
    # A process that is about to end may still make a file: then once more.
    tries=0
    while [ "$tries" -lt 50 ]; do
        rm -rf -- "$folder" 2>/dev/null
        [ -e "$folder" ] || break
        tries=$((tries + 1))
        sleep 0.1
    done
    exit 0
}

trap finish HUP INT TERM

while read -r order argument; do
    case $order in
    child) child=$argument ;;
    esac
done
finish
