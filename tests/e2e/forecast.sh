#!/usr/bin/env bash
# tests/e2e: what is told of a campaign before it is made, while it runs and after it: its preview, its plan beside what
# became of it, and its counts over time, also through a kill.
. "$(dirname "$0")/lib.sh"

times='"answerMs": [10, 50], "reportMs": [20, 100], "leaveMs": [20, 100], "queryLagMs": 50'
start_hub main --devices 200 --seed 11 --boot-seconds 0.2-0.5 <<<"{\"history\": true, \"siteSize\": 10, $times}"
configure <<<'{}'
start_service

# A call that was on its way when the service is killed may be in doubt for 5 s + 5 s + 60 s + 4 s.
spec='{"name": "forecast", "action": {"type": "reboot", "responseTimeoutSeconds": 5},
	"targets": {"where": "tags.site != '"'site-019'"'", "exclude": ["dev-000003", "dev-000199"]},
	"rollout": {"ratePerMinute": 1200, "maxUnavailable": "100%", "waves": [{"name": "canary", "upToCount": 10},
		{"upToPercent": 100}], "gate": {"minSuccessPercent": 90, "soakSeconds": 2},
		"group": {"by": "tags.site", "maxUnavailable": "100%"}},
	"abort": [{"percent": 20, "minFinished": 20, "do": "pause"}], "verify": {"timeoutSeconds": 4, "settleSeconds": 1}}'

# seconds EXPRESSION: a difference of times in the last body, in whole seconds.
seconds() { body_of 'def ms: sub("\\.(?<ms>[0-9]+)Z$"; "Z") | fromdate; '"$1"; }
is_between() { [ "$1" -ge "$2" ] && [ "$1" -le "$3" ] && return; echo "$1 is not between $2 and $3"; return 1; }

# --- before ---

ask POST /v1/campaigns/preview --data "$spec"
it "a preview is answered" is "$status" 200
it "with the number of devices, and who will never be called" is "$(body_of '.targets | "\(.total) \(.toCall) \([.neverCalled[] | "\(.reason) \(.count)"] | join(","))"')" "190 189 excluded 1"
it "with sizes of waves" is "$(body_of '[.waves[] | "\(.name) \(.size)"] | join(", ")')" "canary 10, null 180"
it "with groups" is "$(body_of '.groups | "\(.by) \(.count) \(.withoutTag) \(.largest[0].size) \(.largest[0].maxUnavailable)"')" "tags.site 19 0 10 10"
it "with the hub's share" is "$(body_of '.hubs[0] | "\(.name) \(.targets) \(.calls) \(.selectionPages) \(.callsPerMinute)"')" "main 190 189 2 null"
it "with nothing to warn of" is "$(body_of '.warnings | length')" 0
it "bounded by its rate: twenty calls a second" is_between "$(seconds '(.waves[1] | (.callsEndAt | ms) - (.opensAt | ms))')" 8 10
it "nothing is stored" is "$(ask GET /v1/campaigns; body_of '.value | length')" 0
it "and no device was called" nothing jq -c 'select(.kind == "call")' "$folder/main.journal"
ask POST /v1/campaigns/preview --data '{"name": "x", "action": {"type": "reboot"}, "targets": {"where": "tags.site ="}}'
it "an unsound spec is refused as it is when a campaign is made: 422" is "$status $(body_of '.errors[0].pointer')" "422 /targets/where"

type=text/plain ask PUT /v1/device-lists/some --data-binary $'dev-000001\ndev-000002\ntill-1\n'
ask POST /v1/campaigns/preview --data '{"name": "x", "action": {"type": "reboot"}, "targets": {"list": "some"}}'
it "devices of a list are looked up" is "$(body_of '.targets | "\(.total) \(.countedBy) \(.neverCalled[0].reason) \(.neverCalled[0].deviceIds[0])"')" "3 list notFound till-1"

# --- while it runs ---

must create "$spec"
must wait_for 10 campaign_is "$id" running
ask GET "/v1/campaigns/$id/plan"
it "a plan is kept, of the targets found" is "$(body_of '.plan.targets | "\(.total) \(.toCall) \(.countedBy) \(.isExact)"')" "190 189 selection true"
it "and what is expected stands beside it" is "$(body_of '"\(.predictedFinishAt != null) \(.actual.startedAt != null) \(.waves[1].predicted != null)"')" "true true true"
planned=$(body_of '.plan' | jq -cS .)
some_proven() { ask GET "/v1/campaigns/$id"; [ "$(body_of .counts.succeeded)" -gt 60 ]; }
must wait_for 30 some_proven
kill_service
start_service
it "a killed service goes on, and foretells again" wait_for 10 is "$(ask GET "/v1/campaigns/$id"; body_of '.predictedFinishAt != null')" true

# --- after ---

must wait_for 150 campaign_is "$id" completed
cp "$folder/body" "$folder/campaign"
ask GET "/v1/campaigns/$id/plan"
it "the plan has not changed" is "$(body_of '.plan' | jq -cS .)" "$planned"
it "each wave has ended after it was opened" is "$(body_of '[.waves[].actual | .openedAt <= .finishedAt] | all')" true
it "the last wave ended when the campaign did" is_between "$(seconds '(.actual.finishedAt | ms) - (.waves[1].actual.finishedAt | ms)')" 0 1
it "what is over is not predicted" is "$(body_of '"\(.predictedFinishAt) \([.waves[].predicted] | all(. == null))"')" "null true"

ask GET "/v1/campaigns/$id/progress?bucketSeconds=1"
cp "$folder/body" "$folder/progress"
it "progress is answered in buckets of the length asked for" is "$status $(body_of .bucketSeconds)" "200 1"
it "each bucket's states sum to its total" is "$(body_of '[.value[].counts | .total == (to_entries | map(select(.key != "total").value) | add)] | all')" true
it "buckets have no gaps" is "$(body_of '[.value as $v | range(1; $v | length) | $v[.].from == $v[. - 1].until] | all')" true
it "each ends with a commit no later than itself, later ones with later commits" is "$(body_of '[.value[] | .at < .until] + [.value as $v | range(1; $v | length) | $v[.].revision >= $v[. - 1].revision] | all')" true
it "final states only grow" is "$(body_of '[.value as $v | range(1; $v | length) | $v[.].counts.succeeded >= $v[. - 1].counts.succeeded] | all')" true
it "the last bucket has the campaign's counts" is "$(body_of '.value[-1].counts' | jq -cS .)" "$(jq -cS .counts "$folder/campaign")"
ask GET "/v1/campaigns/$id/progress?bucketSeconds=5"
it "coarser buckets end with the same counts as the finer ones at the same instants" is "$(body_of -c '.value[-1] | [.revision, .counts.succeeded]')" "$(jq -c '.value[-1] | [.revision, .counts.succeeded]' "$folder/progress")"
it "and agree with them in between" is "$(jq -n --slurpfile fine "$folder/progress" --slurpfile coarse "$folder/body" \
	'[$coarse[0].value[] as $c | $fine[0].value[] | select(.until == $c.until) | .revision == $c.revision] | length > 0 and all')" true
must pages "/v1/campaigns/$id/events?limit=1000" >"$folder/events"
# Events come in the order of commits, and tell when what they are about happened, which is earlier.
it "each bucket's counts are those of the first so many events, later ones of no fewer" is "$(jq -n --slurpfile progress "$folder/progress" --slurpfile events "$folder/events" \
	'def seen: [.invoking, .doubtful, .awaitingProof, .succeeded, .failed] | map(. // 0);
	 [foreach (null, $events[] | select(. == null or .type == "target")) as $e ({}; if $e then .[$e.from] |= (. // 0) - 1 | .[$e.to] |= (. // 0) + 1 else . end; seen)] as $after |
	 reduce $progress[0].value[] as $b (0; if . == null then . else
		[limit(1; range(.; $after | length) as $n | select($after[$n] == ($b.counts | seen)) | $n)][0] end) | . != null and . > 0')" true
