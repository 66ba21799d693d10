#!/usr/bin/env bash
# tests/e2e: one campaign over three hubs, of which one answers nothing but errors for a while: the other two finish as if
# nothing were, its own devices wait for it and are called when it is back, and every number is exact.
. "$(dirname "$0")/lib.sh"

times='"answerMs": [10, 50], "reportMs": [20, 100], "leaveMs": [20, 100], "queryLagMs": 50'
from_ms=6000 until_ms=19000
start_hub down --devices 60 --seed 23 --boot-seconds 0.2-0.5 <<<"{\"history\": true, \"siteSize\": 10, $times,
	\"faults\": [{\"kind\": \"errorBefore\", \"fromMs\": $from_ms, \"untilMs\": $until_ms}]}"
began_ms=$(date +%s%3N) # a little after the hub did
start_hub up --devices 60 --seed 21 --boot-seconds 0.2-0.5 <<<"{\"history\": true, \"siteSize\": 10, $times}"
start_hub top --devices 60 --seed 22 --boot-seconds 0.2-0.5 <<<"{\"history\": true, \"siteSize\": 10, $times}"
configure <<<'{}'
start_service

is_past() { [ "$(date +%s%3N)" -gt $((began_ms + $1)) ]; }
# on HUB FILTER: how many of the campaign's targets there.
on() { pages "/v1/campaigns/$id/targets?limit=1000&hub=$1&$2" | wc -l; }
proven_on() { is "$(on "$1" state=succeeded)" 60; }
# The shortest time-outs: what got an error is in doubt for 5 s + 5 s + 10 s + 2 s.
must create '{"name": "three hubs", "action": {"type": "reboot", "responseTimeoutSeconds": 5},
	"targets": {"all": true, "seed": 5}, "verify": {"timeoutSeconds": 2, "settleSeconds": 0},
	"rollout": {"maxUnavailable": 180, "ratePerMinute": 1800, "group": {"by": "tags.site", "maxUnavailable": 9},
		"gate": {"approval": "start"}}}'
it "where none is named all configured hubs are meant" is "$(body_of '.hubs | sort | join(" ")')" "down top up"
must wait_for 5 campaign_is "$id" awaitingApproval
it "the devices of all three are selected" is "$(body_of .counts.total)" 180
it "in one calling order" is "$(pages "/v1/campaigns/$id/targets?limit=60" | head -n 60 | jq -r .hub | sort -u | wc -l)" 3
must pages "/v1/campaigns/$id/groups" >"$folder/groups"
it "a tag value on three hubs is three groups" is "$(jq -rs 'group_by(.group) | map("\(length) of \(map(.size) | unique | join(","))") | unique | join(" ")' "$folder/groups")" "3 of 10"
ask GET "/v1/campaigns/$id/targets/dev-000007"
it "an id that several hubs have is ambiguous: 409" is "$status $(body_of .code)" "409 ambiguousDevice"
ask GET "/v1/campaigns/$id/targets/dev-000007?hub=top"
it "with ?hub= it is not" is "$status $(body_of '"\(.hub) \(.state)"')" "200 top waiting"

# --- one hub is down ---

must wait_for 10 is_past $((from_ms - 1500))
ask POST "/v1/campaigns/$id/approve"
must is "$status" 200
must wait_for 15 proven_on up
must wait_for 15 proven_on top
left=$(on down state=waiting)
ask GET "/v1/campaigns/$id"
it "two hubs are done while the third is down, and some of its devices wait for it" test "$left" -gt 0
it "all that wait, wait for their hub, and say until when" is "$(pages "/v1/campaigns/$id/targets?state=waiting&limit=1000" | jq -r '"\(.waitingFor) \(.nextAt != null) \(.hub)"' | sort -u)" "hub true down"
it "the campaign counts them so" is "$(ask GET "/v1/campaigns/$id"; body_of '.waitingBy | keys | join(" ")')" hub
it "by the hub's own state it is down" is "$(ask GET /v1/hubs; body_of '[.value[] | select(.state != "open").name] | join(" ")')" down
in_doubt=$(on down state=doubtful)

# --- and comes back ---

it "it resumes, and all are proven" wait_for 60 campaign_is "$id" completed
it "totals are exact" is "$(body_of '.counts | "\(.total) \(.succeeded)"') $(body_of '.failedBy, .skippedBy' | jq -sc add)" "180 180 {}"
it "an error is no proof that a call was not made: some were in doubt" test "$in_doubt" -gt 0
must pages "/v1/campaigns/$id/events?limit=1000" >"$folder/all.events"
it "events say on which hub a device is" is "$(jq -rs '[.[] | select(.type == "target" and .to == "succeeded") | .hub] | group_by(.) | map("\(.[0]) \(length)") | join(", ")' "$folder/all.events")" "down 60, top 60, up 60"
for hub in down up top; do
	must pages "/v1/campaigns/$id/targets?limit=1000&hub=$hub" >"$folder/$hub.targets"
	jq -c --arg hub "$hub" 'select(.hub == $hub)' "$folder/all.events" >"$folder/$hub.events"
	it "$hub: by the journal every device acted exactly once" is "$(truth $hub '[$journal[] | select(.kind == "act").deviceId] | "\(length) \(unique | length)"')" "60 60"
	it "$hub: no two calls to one device overlapped" nothing truth $hub overlaps
	it "$hub: every device is proven" is "$(truth $hub tally)" "proven 60"
done

# --- ids that do not say where they are ---

must create '{"name": "by id", "action": {"type": "reboot"}, "verify": {"settleSeconds": 0}, "rollout": {"group": {"by": "tags.site",
	"maxUnavailable": 1}}, "hubs": ["up", "top"], "targets": {"deviceIds": ["dev-000001", "nowhere", "dev-000012"]}}'
must wait_for 20 campaign_is "$id" completed
it "given ids are found on every hub that has them, with their groups; what none has is not found" \
	is "$(pages "/v1/campaigns/$id/targets?limit=100" | jq -r '"\(.deviceId) \(.hub) \(.group) \(.reason // .state)"' | sort)" \
	"dev-000001 top site-000 succeeded
dev-000001 up site-000 succeeded
dev-000012 top site-001 succeeded
dev-000012 up site-001 succeeded
nowhere up null notFound"
