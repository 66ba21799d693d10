#!/usr/bin/env bash
# tests/e2e: devices of every temper, on two hubs that also misbehave: each ends in the right state for the right
# reason, none acts twice, no two calls to one overlap, and the limit of unavailable devices is kept. On hub "may"
# trouble lasts for one call and calls in doubt may be repeated after evidence; on hub "never" it stays and they may not,
# and twins hold nothing to compare with.
. "$(dirname "$0")/lib.sh"

tempers='"slow": 0.05, "away": 0.05, "offline": 0.03, "refusing": 0.05, "noMethod": 0.03, "lostAfter": 0.05,
	"lostBefore": 0.03, "deaf": 0.02, "neverBack": 0.04, "lying": 0.04, "looping": 0.03'
times='"answerMs": [10, 200], "slowAnswerMs": [1000, 2000], "reportMs": [20, 200], "slowReportMs": [1000, 2000],
	"leaveMs": [50, 200], "awayMs": [2000, 8000], "loopMs": [500, 1000], "queryLagMs": [100, 1000]'
faults='{"kind": "throttled", "share": 0.02, "count": 2}, {"kind": "cutBefore", "share": 0.01}, {"kind": "offline404", "share": 0.02,
	"families": ["methods"]}, {"kind": "shortPage", "share": 0.1}, {"kind": "emptyPage", "share": 0.05}'
start_hub may --devices 300 --seed 11 --boot-seconds 0.5-1.5 <<<"{\"history\": true, \"agents\": 0.3, \"troubleCalls\": 1,
	\"tempers\": {$tempers}, $times, \"faults\": [$faults,
	{\"kind\": \"errorAfter\", \"share\": 0.02, \"families\": [\"methods\"]}]}"
start_hub never --devices 300 --seed 12 --boot-seconds 0.5-1.5 <<<"{\"history\": false,
	\"tempers\": {$tempers}, $times, \"faults\": [$faults], \"quirks\": {\"drop_is_504\": 1}}"
configure <<<'{}'
start_service

# spec HUB DOUBTFUL: proof takes up to 5 s here (slow answer, slow report, query lag), and a restart 2 s more.
spec() {
	jq -n --arg hub "$1" --arg doubtful "$2" '{name: $hub, hubs: [$hub], action: {type: "reboot", responseTimeoutSeconds: 5},
		targets: {all: true, seed: 1}, rollout: {maxUnavailable: 60},
		retry: {maxAttempts: 2, on: ["refused"], $doubtful, backoffSeconds: 1},
		offline: {expireAfterSeconds: 30}, verify: {timeoutSeconds: 8, settleSeconds: 3}}'
}
must create "$(spec may afterEvidence)"
may=$id
must create "$(spec never never)"
never=$id
must wait_for 200 campaign_is "$never" completed
must wait_for 200 campaign_is "$may" completed
record "$may" may
record "$never" never
echo "may: $(truth may tally)"
echo "never: $(truth never tally)"

for hub in may never; do
	it "$hub: no device acted twice" nothing truth $hub acted_twice
	it "$hub: no two calls to one device overlapped" nothing truth $hub overlaps
	it "$hub: every call that reached a device is on record" nothing truth $hub unrecorded
	it "$hub: by the journal at most 60 devices were away at once" test "$(truth $hub most_away)" -le 60
	it "$hub: by the events at most 60 targets were out at once" test "$(truth $hub most_out)" -le 60
	it "$hub: the limit was made use of" test "$(truth $hub most_out)" -ge 50
	it "$hub: every target is final" nothing truth $hub unfinished
done
it "may: every state and reason is what the journal makes of it" nothing truth may misjudged --argjson repeats true
it "never: every state and reason is what the journal makes of it" nothing truth never misjudged --argjson repeats false
it "never: no device in doubt was called again" nothing truth never repeated
it "may: all ends were met that there are" is "$(truth may kinds)" "noMethod noProof offlineExpired proven"
it "never: all ends were met that there are" is "$(truth never kinds)" "noMethod noProof offlineExpired proven refused unknown"
