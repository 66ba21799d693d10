#!/usr/bin/env bash
# tests/e2e: kill -9 of the service, 25 times at moments drawn from a seed, while it reboots 600 devices whose twins hold
# an earlier lastReboot ("old": absence can be decided, so every device ends proven) and 600 whose twins do not ("new":
# those in doubt end unknown). No device acts twice, and what was answered before a kill is there after it.
# Usage: kill.sh [SEED]
. "$(dirname "$0")/lib.sh"

seed=${1:-$((SRANDOM % 100000))}
echo "seed $seed: kill.sh $seed runs the same moments again"
RANDOM=$seed
kills=25

# Some calls get lost on their way to the hub, so that for some of those that a kill cuts short absence has to be decided.
fleet='"answerMs": [20, 400], "reportMs": [20, 300], "leaveMs": [20, 100], "queryLagMs": [50, 500],
	"faults": [{"kind": "silentBefore", "share": 0.05, "families": ["methods"], "count": 15}]'
start_hub old --devices 600 --seed "$seed" --boot-seconds 0.2-0.8 <<<"{\"history\": true, \"agents\": 0.2, $fleet}"
start_hub new --devices 600 --seed "$seed" --boot-seconds 0.2-0.8 <<<"{\"history\": false, $fleet}"
configure <<<'{}'
start_service

spec() {
	jq -n --arg hub "$1" '{name: $hub, hubs: [$hub], action: {type: "reboot", responseTimeoutSeconds: 5}, targets: {all: true},
		rollout: {ratePerMinute: 1200, maxUnavailable: 600}, verify: {timeoutSeconds: 5, settleSeconds: 1}}'
}
must create "$(spec old)"
old=$id
must create "$(spec new)"
new=$id

# later N: a campaign that is only stored, with a key of its own.
later() {
	jq -n --arg n "$1" '{name: "later \($n)", hubs: ["old"], action: {type: "reboot"}, targets: {deviceIds: ["dev-000001"]},
		schedule: {startAt: "2099-01-01T00:00:00Z", endAfterSeconds: 60}}'
}
is_there() {
	ask GET "/v1/campaigns/$1"
	is "$status $(body_of '"\(.name) \(.state)"')" "200 later $2 scheduled"
}
is_replayed() {
	ask POST /v1/campaigns --data "$(later "$2")" -H "Idempotency-Key: $seed-$2"
	is "$(body_of .id)" "$1"
}
order() {
	ask POST "/v1/campaigns/$old/$1"
	is "$status" 200
}

lost=() # what was answered, and not there after a kill
for ((n = 1; n <= kills; n++)); do
	sleep "$((RANDOM % 2)).$((RANDOM % 900 + 100))" # no condition: a moment that nobody chose
	kill_service
	start_service
	# Something is answered now and then the service is killed at once, every other time.
	case $((n % 4)) in
	0)
		must create "$(later "$n")" -H "Idempotency-Key: $seed-$n"
		kill_service
		start_service
		is_there "$id" "$n" && is_replayed "$id" "$n" || lost+=("campaign $n")
		;;
	2)
		for what in pause:paused resume:running; do
			campaign_is "$old" completed >/dev/null && break
			must order "${what%:*}"
			kill_service
			start_service
			campaign_is "$old" "${what#*:}" || lost+=("${what%:*} at kill $n")
		done
		;;
	esac
done
it "what was answered before a kill is there after it" is "${lost[*]}" ''
it "the campaign was still running at the last kill" campaign_is "$old" running
must wait_for 200 campaign_is "$old" completed
must wait_for 200 campaign_is "$new" completed
record "$old" old
record "$new" new
echo "old: $(truth old tally)"
echo "new: $(truth new tally)"
it "devices with an earlier value: all are proven" is "$(truth old tally)" "proven 600"
for hub in old new; do
	it "$hub: no device acted twice" nothing truth $hub acted_twice
	it "$hub: no two calls to one device overlapped" nothing truth $hub overlaps
	it "$hub: every call that reached a device is on record" nothing truth $hub unrecorded
	it "$hub: those that acted are proven, those that did not are not" nothing truth $hub misproven
done
it "devices without an earlier value: the others were in doubt and end unknown" nothing truth new not_unknown
it "kills left calls in doubt" test "$(truth old cut_short)" -gt 0
it "some devices were called again, after evidence that they had not acted" test -n "$(truth old repeated)"
it "without an earlier value none was called again" nothing truth new repeated
