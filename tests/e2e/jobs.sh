#!/usr/bin/env bash
# tests/e2e: campaigns whose calls the hub makes by its own jobs: every device called once and proven, wave by wave; a
# pause that acts between jobs; and a service that is killed while a job runs.
. "$(dirname "$0")/lib.sh"

times='"answerMs": [10, 50], "reportMs": [20, 100], "leaveMs": [20, 100], "queryLagMs": 50'
for hub in waves pause kill; do # ten devices a second, one job at a time
	start_hub $hub --devices 60 --seed 5 --sku S1 --boot-seconds 0.2-0.5 <<<"{\"history\": true, $times}"
done
configure <<<'{}'
start_service

# spec HUB MEMBERS
spec() {
	jq -nc --arg hub "$1" --argjson more "$2" '{name: $hub, hubs: [$hub], action: {type: "reboot", transport: "hubJob"},
		targets: {all: true, seed: 7}, rollout: {maxUnavailable: 60}, verify: {timeoutSeconds: 5, settleSeconds: 0}} * $more'
}

calls_n() { grep -c '"kind":"call"' "$folder/$1.journal"; }
calls_at_least() { [ "$(calls_n "$1")" -ge "$2" ]; }
none_out() { ask GET "/v1/campaigns/$1" && is "$(body_of '.counts | .invoking + .doubtful + .awaitingProof')" 0; }

# hub_jobs HUB: what the hub says of its jobs, a line each.
hub_jobs() {
	curl -sS --fail -H "Authorization: $("$HUBSIM" --print-token 600)" \
		"${hub_url[$1]}/jobs/v2/query?api-version=2021-04-12" | jq -c '.[]'
}

must create "$(spec waves '{"rollout": {"waves": [{"upToCount": 20}, {"upToPercent": 100}]}}')"
waves=$id
must create "$(spec kill '{}')"
kill=$id
must wait_for 60 calls_at_least kill 5
kill_service
start_service
must create "$(spec pause '{"rollout": {"maxUnavailable": 20}}')"
pause=$id
must wait_for 60 calls_at_least pause 1
ask POST "/v1/campaigns/$pause/pause"
it "pause is answered while a job runs" is "$status" 200
etag=$(body_of .etag)
ask PATCH "/v1/campaigns/$pause" -H 'Content-Type: application/merge-patch+json' -H "If-Match: $etag" --data \
	'{"schedule": {"windows": [{"cron": "0 2 * * *", "durationMinutes": 60}]}, "abort": [{"count": 1}]}'
it "what a job cannot heed is refused for one that lives, too" is "$status $(body_of -c '[.errors[].pointer]')" \
	'422 ["/schedule/windows","/abort"]'
must wait_for 60 none_out "$pause"
paused_n=$(calls_n pause)
it "a paused campaign's job goes on to its end, and no other begins" test "$paused_n" -le 20
ask POST "/v1/campaigns/$pause/resume"
for hub in waves kill pause; do
	must wait_for 120 campaign_is "${!hub}" completed
	record "${!hub}" $hub
	it "$hub: every device is proven" is "$(jq -s 'map(select(.state == "succeeded")) | length' "$folder/$hub.list")" 60
	it "$hub: no device acted twice" nothing truth $hub acted_twice
	it "$hub: no two calls to one device overlapped" nothing truth $hub overlaps
	it "$hub: each device was called once" is "$(calls_n $hub)" 60
	it "$hub: all calls were made by jobs of the hub" is "$(hub_jobs $hub | jq -s 'map(.deviceJobStatistics.deviceCount) | add')" 60
done
it "pause: no job had more devices than may be unavailable" is \
	"$(hub_jobs pause | jq -s 'map(.deviceJobStatistics.deviceCount) | max <= 20')" true
ask POST /v1/campaigns/preview --data "$(spec waves '{}')"
it "the preview says what a job of the hub cannot do" is \
	"$status $(body_of '.warnings[] | select(.code == "hubJob") | .detail | test("256 in each.*cannot be stopped or paced")')" "200 true"
ask POST /v1/campaigns --data "$(spec waves '{"rollout": {"ratePerMinute": 5}, "abort": [{"count": 1}]}')"
it "what a job cannot heed is refused" is "$status $(body_of -c '[.errors[].pointer]')" \
	'422 ["/rollout/ratePerMinute","/abort"]'
