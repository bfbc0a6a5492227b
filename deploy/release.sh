#!/bin/sh
# Releases a version on a pool: waits until the pool shows it, starts a rollout, waits for its end, and
# aborts it when anything goes wrong, so that a job that fails or is cancelled leaves nobody on the new side.
#
#   release.sh SWITCH POOL VERSION [REASON]
#
# Needs tidegate and jq; TIDEGATE_ADDRESS and TIDEGATE_TOKEN say where to and who (role: operator).
# LOAD_TIMEOUT (seconds, 1200) bounds the loading of the model, ROLLOUT_TIMEOUT (2h) the rollout.
# Exit codes: 0 promoted, 1 not promoted and everybody back, 2 usage, 3 not loaded in time.
set -eu

if [ $# -lt 3 ]; then
    echo "usage: $0 SWITCH POOL VERSION [REASON]" >&2
    exit 2
fi
switch=$1 pool=$2 version=$3 reason=${4:-"release of $3"}
load_timeout=${LOAD_TIMEOUT:-1200}
rollout_timeout=${ROLLOUT_TIMEOUT:-2h}

# The pool must show the new version before it counts as healthy; refused while it has traffic.
tidegate expect-version "$switch" "$pool" "$version" --reason "$reason"

waited=0
until tidegate status "$switch" --json |
    jq -e --arg pool "$pool" '.pools[] | select(.name == $pool) | .eligible' >/dev/null; do
    if [ "$waited" -ge "$load_timeout" ]; then
        echo "$pool does not show $version after $load_timeout s" >&2
        tidegate status "$switch" >&2
        exit 3
    fi
    sleep 2
    waited=$((waited + 2))
done
echo "$pool shows $version"

give_up() {
    trap - INT TERM
    tidegate rollout abort "$switch" --reason "the job of $version ended: $1" || true
    exit 1
}
trap 'give_up cancelled' INT TERM

tidegate rollout start "$switch" --to "$pool" --version "$version" --reason "$reason" \
    --wait --fail-on-pause --timeout "$rollout_timeout" &
if wait $!; then
    echo "$version has everybody"
else
    give_up "the rollout did not reach its end"
fi
