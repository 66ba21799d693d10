#!/usr/bin/env bash
# tests/e2e: the service under valgrind, from start over a small campaign and refused requests to its stop: nothing
# is leaked, nothing read or written that must not be.
. "$(dirname "$0")/lib.sh"

start_hub main --devices 60 --seed 8 --boot-seconds 0.2-0.5 <<<'{"history": true, "agents": 0.3,
	"tempers": {"slow": 0.1, "refusing": 0.1, "noMethod": 0.05, "offline": 0.05, "lostAfter": 0.1},
	"leaveMs": [20, 100], "reportMs": [20, 200], "slowReportMs": [500, 1000], "slowAnswerMs": [500, 1000],
	"faults": [{"kind": "cutBefore", "share": 0.05, "families": ["twins", "queries"]}, {"kind": "shortPage", "share": 0.2}]}'
configure <<<'{}'
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
