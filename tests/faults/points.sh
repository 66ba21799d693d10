#!/usr/bin/env bash
# tests/faults: the Nth malloc, write, fsync, send, recv or connect of the service fails, or it is killed at the Nth of all
# of these, while it reboots a few devices; then it starts again. Whatever N: no device acts twice, every call that reached
# one is on record, and what was answered is there. Some N each (with ROLLCALL_TEST_LONG=true, up to 100 each, and until
# every device is final).
. "$(dirname "$0")/../e2e/lib.sh"
: "${FAULTS:?the path of libfaults.so}"

devices=4 # of one campaign
points=1
! [ "$long" = true ] || points=100
start_hub main --devices $((devices * (7 * points + 1))) --seed 3 --boot-seconds 0.1-0.2 <<<'{"history": true,
	"answerMs": [10, 40], "reportMs": [10, 40], "leaveMs": [10, 20]}'
configure <<<'{}'

spec() { # SLICE
	jq -n --argjson from $(($1 * devices)) --argjson n $devices '{name: "slice", action: {type: "reboot",
		responseTimeoutSeconds: 5}, targets: {deviceIds: [range($from; $from + $n) | "dev-" + ("000000" + tostring)[-6:]]},
		verify: {timeoutSeconds: 2, settleSeconds: 0}}'
}
over() { is_over "$service" || campaign_is "$id" completed; }

# one_run SLICE ENVIRONMENT…: a service with a fault makes a campaign, and ends.
declare -A answered # by slice: the id that a 201 gave
one_run() {
	local slice=$1
	shift
	env "LD_PRELOAD=$FAULTS" "$@" "$ROLLCALLD" --config "$folder/config.json" 2>>"$folder/service.log" &
	service=$!
	wait_for 20 service_listens
	if ! is_over "$service"; then
		api=http://$(started_line | jq -r .listen)
		if create "$(spec "$slice")" -H "Idempotency-Key: $slice" >/dev/null 2>&1; then
			answered[$slice]=$id
			wait_for 2 over
		fi
	fi
	is_over "$service" || { kill "$service" && wait_for 3 is_over "$service"; } || kill -9 "$service"
	wait "$service" 2>/dev/null
	ended_as[$?]=1
}
declare -A ended_as

one_run 0 "FAULTS_COUNT=$folder/counts"
it "without a fault it ends with status 0" is "${!ended_as[*]}" 0
cat "$folder/counts"
slice=0
while read -r what n; do
	for ((i = 1; i <= points && i <= n; i++)); do
		slice=$((slice + 1))
		one_run $slice "FAULTS_AT=$what:$((n * i / (points + 1) + 1))"
	done
done <"$folder/counts"
echo "$slice faults; statuses: ${!ended_as[*]}"

start_service
lost=()
for ((i = 0; i <= slice; i++)); do
	must create "$(spec $i)" -H "Idempotency-Key: $i"
	[ -z "${answered[$i]-}" ] || [ "${answered[$i]}" = "$id" ] || lost+=("$i")
	ids[i]=$id
done
it "what was answered before a fault is there after it" is "${lost[*]}" ''
settled() { # all but what is in doubt; in the long mode that, too
	for id in "${ids[@]}"; do
		ask GET "/v1/campaigns/$id"
		[ "$points" -gt 1 ] && filter=.state || filter='if .counts.waiting + .counts.invoking + .counts.awaitingProof == 0 then "completed" else .state end'
		[ "$(body_of "$filter")" = completed ] || return 1
	done
}
must wait_for 200 settled
for id in "${ids[@]}"; do
	record "$id" one
	cat "$folder/one.targets" >>"$folder/main.targets"
	cat "$folder/one.events" >>"$folder/main.events"
done
echo "$(truth main tally)"
it "no device acted twice" nothing truth main acted_twice
it "no two calls to one device overlapped" nothing truth main overlaps
it "every call that reached a device is on record" nothing truth main unrecorded
proven_without_act() { jq -rn --slurpfile journal "$folder/main.journal" --slurpfile targets "$folder/main.targets" '
	[$journal[] | select(.kind == "act") | .deviceId] as $acted
	| $targets[] | select(.state == "succeeded" and (.deviceId | IN($acted[]) | not)) | .deviceId'; }
it "those that are proven have acted" nothing proven_without_act
[ "$points" -eq 1 ] || it "those that acted are proven, those that did not are not" nothing truth main misproven
