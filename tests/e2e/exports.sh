#!/usr/bin/env bash
# tests/e2e: while a campaign runs, what is told of the same revision agrees (P8), at 1,000 revisions; see agree.py. Then a
# large campaign as CSV, with the memory that it takes.
# Usage: exports.sh
. "$(dirname "$0")/lib.sh"

start_hub main --devices 100 --boot-seconds 0.2-0.5 <<<'{"history": true, "answerMs": [5, 100], "reportMs": [10, 50],
	"tempers": {"refusing": 0.9}}'
configure <<<'{}'
start_service
# Those that refuse are called again and again: few devices, many changes.
must create '{"name": "watched", "action": {"type": "reboot"}, "targets": {"all": true}, "verify": {"settleSeconds": 0},
	"retry": {"maxAttempts": 100, "on": ["refused"], "backoffSeconds": 1, "backoffMaxSeconds": 1}}'
must wait_for 20 campaign_is "$id" running
agrees() {
	nothing python3 "$e2e/agree.py" "$api" "$id" "$1" 2>"$folder/tellings" || return
	cat "$folder/tellings" >&3
}
it "campaign, list, CSV, metrics and events agree at 1,000 revisions of a campaign that runs" agrees 1000 3>&1
ask POST "/v1/campaigns/$id/cancel"
must wait_for 30 campaign_is "$id" cancelled
it "… and when it is over" agrees 1 3>&1

# --- a large one: ids that no hub has, and nothing is called before it is approved ---

seq -f 'none-%.0f' 150000 >"$folder/ids"
type=text/plain
ask PUT /v1/device-lists/large --data-binary @"$folder/ids"
must is "$status" 201
type=application/json
must create '{"name": "large", "action": {"type": "reboot"}, "targets": {"list": "large", "order": "asGiven"},
	"rollout": {"gate": {"approval": "start"}}, "verify": {"by": "none"}}'
must wait_for 60 campaign_is "$id" awaitingApproval
resident() { awk '/VmRSS/ { print $2 }' "/proc/$service/status"; }
highest() { awk '/VmHWM/ { print $2 }' "/proc/$service/status"; }
echo 5 >"/proc/$service/clear_refs" # the highest counts afresh
before=$(resident)
took=$(curl -sS -o "$folder/csv" -w '%{time_total}' "$api/v1/campaigns/$id/targets" -H 'Accept: text/csv')
grew=$(($(highest) - before))
echo "150,000 targets, $(stat -c %s "$folder/csv") bytes, in $took s; the service grew by $grew KiB"
it "all are there, in the order given" cmp <(tail -n +2 "$folder/csv" | cut -d, -f1) "$folder/ids"
it "it takes no more memory than a few pages and the snapshot's cache, 16 MiB" test "$grew" -lt 24000
