#!/usr/bin/env bash
# tests/e2e: the service under valgrind, from start over a small campaign and refused requests to its stop: nothing
# is leaked, nothing read or written that must not be.
. "$(dirname "$0")/lib.sh"

start_hub main --devices 60 --seed 8 --boot-seconds 0.2-0.5 <<<'{"history": true, "agents": 0.3,
	"tempers": {"slow": 0.1, "refusing": 0.1, "noMethod": 0.05, "offline": 0.05, "lostAfter": 0.1},
	"leaveMs": [20, 100], "reportMs": [20, 200], "slowReportMs": [500, 1000], "slowAnswerMs": [500, 1000],
	"faults": [{"kind": "cutBefore", "share": 0.05, "families": ["twins", "queries"]}, {"kind": "shortPage", "share": 0.2}]}'
echo "whsec_$(head -c 24 /dev/urandom | base64)" >"$folder/secret"
mkdir -p "$folder/gone/status" && echo 410 >"$folder/gone/status/gone"
python3 "$e2e/receiver.py" "$folder/gone" "$(cat "$folder/secret")" 2>"$folder/receiver.log" &
must wait_for 20 test -s "$folder/gone/port"
jq -n --arg secret "$folder/secret" --arg gone "http://127.0.0.1:$(cat "$folder/gone/port")" '[{name: "good", url: "\($gone)/good", secretFile: $secret},
	{name: "gone", url: "\($gone)/gone", secretFile: $secret}, {name: "late", url: "http://127.0.0.1:9/", secretFile: $secret}]' >"$folder/webhooks.json"
chmod 600 "$folder/secret" "$folder/webhooks.json"
configure <<<"{\"webhooksFile\": \"$folder/webhooks.json\"}"
under=(valgrind --quiet --leak-check=full --error-exitcode=99 --log-file="$folder/valgrind.log")
start_service

spec='{"name": "looked at", "action": {"type": "reboot", "responseTimeoutSeconds": 5}, "targets": {"where": "is_defined(tags.site)",
	"exclude": ["dev-000007"]}, "rollout": {"maxUnavailable": "50%", "ratePerMinute": 1200}, "retry": {"maxAttempts": 2,
	"on": ["refused"], "backoffSeconds": 1, "doubtful": "never"}, "offline": {"expireAfterSeconds": 3},
	"verify": {"timeoutSeconds": 5, "settleSeconds": 1}}'
must create "$spec" -H 'Idempotency-Key: k'
main=$id
ask POST /v1/campaigns --data '{"name": 7, "surprise": 1}'
ask POST /v1/campaigns --data '{"name": '
ask GET /v1/nothing
ask GET "/v1/campaigns?limit=1"
ask GET "/v1/campaigns/$main/targets?state=waiting&limit=5"
ask GET /v1/hubs
ask GET /v1/webhooks
ask GET /v1/webhooks/gone/dead-letters
ask DELETE /v1/webhooks/gone/dead-letters
ask GET /metrics
for order in pause resume; do ask POST "/v1/campaigns/$main/$order"; done
must create "${spec/looked at/cancelled}"
ask POST "/v1/campaigns/$id/cancel"
must wait_for 200 campaign_is "$main" completed
must wait_for 200 campaign_is "$id" cancelled
record "$main" main
echo "main: $(truth main tally)"
it "every target is final" nothing truth main unfinished
must create "${spec/looked at/under way}"
kill "$service"
ended "$service" 60
it "it stops as asked, and valgrind finds no error" is $? 0
it "valgrind says nothing" is "$(cat "$folder/valgrind.log")" ''
