#!/bin/sh
# Calls an upgrade off outside of a maintenance window. Hours are UTC; a window may pass midnight.
#
#   [[hooks]]
#   name = "maintenance-window"
#   point = "before-upgrade"
#   command = ["./hooks/maintenance_window.sh", "02:00", "05:30"]
#
# Exit code 75 is a veto: nothing was changed, the same upgrade may be tried again later.
set -eu

if [ "$#" -ne 2 ]; then
    echo "say when the window begins and ends, such as 02:00 05:30" >&2
    exit 64
fi

# HH:MM as a number that compares, 1HHMM: the 1 keeps a leading zero from meaning octal.
number() {
    case "$1" in
        [01][0-9]:[0-5][0-9] | 2[0-3]:[0-5][0-9]) echo "1${1%:*}${1#*:}" ;;
        *)
            echo "$1 is no time of the day such as 02:00" >&2
            exit 64
            ;;
    esac
}

begin=$(number "$1")
end=$(number "$2")
now=$(number "$(date -u +%H:%M)")

if [ "$begin" -le "$end" ]; then
    [ "$now" -ge "$begin" ] && [ "$now" -lt "$end" ] && exit 0
else
    { [ "$now" -ge "$begin" ] || [ "$now" -lt "$end" ]; } && exit 0
fi
echo "outside of the maintenance window from $1 to $2 UTC"
exit 75
