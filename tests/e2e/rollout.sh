#!/usr/bin/env bash
# tests/e2e: rollouts that people dare to start, four fleets at a time: a budget per site with a device that never comes
# back; waves that wait for their gates and for a person; an abort rule and the retry of what failed; and a campaign that
# is changed as it runs.
. "$(dirname "$0")/lib.sh"

times='"answerMs": [10, 50], "reportMs": [20, 100], "leaveMs": [20, 100], "queryLagMs": 50'
# By this seed it is one device, that goes down without a report.
start_hub sites --devices 150 --seed 113 --boot-seconds 0.2-0.5 <<<"{\"history\": true, \"siteSize\": 5,
	\"tempers\": {\"neverBack\": 0.0067}, $times}"
start_hub waves --devices 100 --seed 2 --boot-seconds 0.2-0.5 <<<"{\"history\": true, $times}"
start_hub half --devices 200 --seed 3 --boot-seconds 0.2-0.5 <<<"{\"history\": true, \"troubleCalls\": 1,
	\"tempers\": {\"refusing\": 0.5}, $times}"
start_hub live --devices 80 --seed 4 --boot-seconds 0.2-0.5 <<<"{\"history\": true, $times}"
configure <<<'{}'
start_service

# spec HUB MEMBERS: what all campaigns here have in common, and more.
settle_ms=1000
spec() {
	jq -nc --arg hub "$1" --argjson more "$2" '{name: $hub, hubs: [$hub], action: {type: "reboot"},
		targets: {all: true, seed: 7}, verify: {timeoutSeconds: 4, settleSeconds: 1}} * $more'
}

# now: as the API writes it, so that texts compare as times do.
now() { date -u +%Y-%m-%dT%H:%M:%S.%3NZ; }

# targets_n ID FILTER: how many targets a filter of the list finds.
targets_n() { pages "/v1/campaigns/$1/targets?limit=1000&$2" | wc -l; }
some_targets() { [ "$(targets_n "$@")" -gt 0 ]; }

# order STATUS PATH ARGUMENT…: POST, that must be answered so.
order() {
	ask POST "$2" "${@:3}"
	is "$status" "$1" || { cat "$folder/body"; return 1; }
}

# refused STATUS CODE
refused() { is "$status $(body_of '"\(.status) \(.code)"')" "$1 $1 $2"; }

# What the checks below have in common: each call with when its device was available again, by the journal that it was
# connected and by the events that it was proven and had settled; null: never.
spans="def calls: [\$journal[] | select(.kind == \"call\")];
def spans:
	([\$targets[] | {key: .deviceId, value: .group}] | from_entries) as \$groups
	| ([\$events[] | select(.type == \"target\" and .to == \"succeeded\") | {key: .deviceId, value: ((.at | ms) + $settle_ms)}]
		| from_entries) as \$settled
	| (reduce (\$journal[] | select(.kind == \"joined\")) as \$j ({}; .[\$j.deviceId] += [\$j.at | ms])) as \$joins
	| [calls[] | (.at | ms) as \$at | {deviceId, group: \$groups[.deviceId], at: \$at,
		back: ([\$settled[.deviceId], ([(\$joins[.deviceId] // [])[] | select(. > \$at)] | first)]
			| if any(. == null) then null else max end)}];
def is_down(\$at): .at <= \$at and (.back == null or .back > \$at);
"
# spans_of NAME EXPRESSION ARGUMENT…: truth, with these at hand.
spans_of() { truth "$1" "$spans $2" "${@:3}"; }

# --- all are under way at once ---

must create "$(spec sites '{"rollout": {"group": {"by": "tags.site", "maxUnavailable": 1}}}')"
sites=$id
must create "$(spec waves '{"rollout": {"waves": [{"name": "canary", "upToCount": 5}, {"upToPercent": 20}, {"upToPercent": 100}],
	"gate": {"minSuccessPercent": 95, "soakSeconds": 2, "approval": "afterFirst"}}}')"
waves=$id
must create "$(spec half '{"rollout": {"maxUnavailable": 10},
	"abort": [{"cause": "any", "percent": 30, "minFinished": 10, "do": "pause"}]}')"
half=$id
must create "$(spec live '{"rollout": {"maxUnavailable": 2, "ratePerMinute": 6000}}')"
live=$id
live_since=$(now)

must wait_for 10 some_targets "$sites" waitingFor=group
it "while a site is busy its other devices wait for their group" is "$(targets_n "$sites" 'state=waiting&waitingFor=capacity')" 0
it "while a wave is open the devices of later ones wait for it" wait_for 10 is "$(targets_n "$waves" waitingFor=wave)" 95

# --- an abort rule ---

must wait_for 30 campaign_is "$half" paused
by_rule='^abort rule 1: [0-9]+ of 10 finished devices failed$'
reason_matches() { body_of .stateReason | grep -Eqx "$1" || { body_of .stateReason; return 1; }; }
it "an abort rule pauses as soon as its sample has finished, and is named" reason_matches "$by_rule"
out_n() { ask GET "/v1/campaigns/$1" && is "$(body_of '.counts | .invoking + .doubtful + .awaitingProof')" 0; }
must wait_for 15 out_n "$half"
waiting=$(body_of .counts.waiting)
it "in the pause all that is left waits for its end" is "$(targets_n "$half" waitingFor=paused)" "$waiting"
must order 200 "/v1/campaigns/$half/resume"
it "after the resume it goes on" is "$(body_of .state)" running

# --- a campaign is changed ---

# etag: that of the last answer.
etag() { sed -n 's/^[Ee][Tt]ag: *\(.*\)\r$/\1/p' "$folder/head"; }
# change ETAG MERGE-PATCH
change() { ask PATCH "/v1/campaigns/$live" -H "If-Match: $1" -H 'Content-Type: application/merge-patch+json' --data "$2"; }

has_proven() { ask GET "/v1/campaigns/$live" && [ "$(body_of .counts.succeeded)" -ge "$1" ]; }
ask GET "/v1/campaigns/$live"
old=$(etag)
must wait_for 20 has_proven 4
it "an ETag is that of the spec: counts do not move it" is "$(etag)" "$old"
ask PATCH "/v1/campaigns/$live" --data '{"rollout": {"maxUnavailable": 20}}'
it "a change without If-Match: 428" refused 428 preconditionRequired
wide_since=$(now)
change "$old" '{"rollout": {"maxUnavailable": 20}}'
it "a change with the ETag is taken" is "$status $(body_of .rollout.maxUnavailable)" "200 20"
new=$(etag)
it "and makes a new ETag" test "$new" != "$old"
change "$old" '{"rollout": {"maxUnavailable": 80}}'
it "a change with the old ETag: 412" refused 412 preconditionFailed
change "$new" '{"targets": {"seed": 9}}'
it "what a live campaign is about cannot change: 422" refused 422 unsound
ask GET "/v1/campaigns/$live"
it "what was refused changed nothing" is "$(etag) $(body_of .rollout.maxUnavailable)" "$new 20"
must wait_for 20 has_proven 20
change "$new" '{"rollout": {"ratePerMinute": 60}}'
slow_since=$(now)
it "a change of the rate is taken" is "$status $(body_of .rollout.ratePerMinute)" "200 60"
new=$(etag)
ask DELETE "/v1/campaigns/$live"
it "a live campaign cannot be deleted: 409" refused 409 wrongState

# --- a person between the waves ---

must wait_for 20 campaign_is "$waves" awaitingApproval
it "it says which wave waits for a person" is "$(body_of .stateReason)" "waits for approval after wave 1"
it "the waves show it, too" is "$(body_of '[.waves[] | "\(.name // "-") \(.state) \(.size)"] | join(", ")')" \
	"canary passed 5, - pending 15, - pending 80"
it "all that is left waits for the approval" is "$(targets_n "$waves" waitingFor=approval)" 95
left_out=$(pages "/v1/campaigns/$waves/targets?wave=1&limit=1" | head -n 1 | jq -r .deviceId)
must order 200 "/v1/campaigns/$waves/targets/$left_out/skip"
it "a waiting device can be left out" is "$(body_of '"\(.state) \(.reason)"')" "skipped byOperator"
ask POST "/v1/campaigns/$waves/targets/$left_out/skip"
it "but once: 409" refused 409 wrongState
asked_at=$(now)
must order 200 "/v1/campaigns/$waves/approve"
it "the approval opens the gate, by name of who gave it" reason_matches 'approved by .+'
ask POST "/v1/campaigns/$waves/approve"
it "there is nothing more to approve: 409" refused 409 wrongState

# --- the rule again, then those that failed once more ---

must wait_for 30 campaign_is "$half" paused
it "after the resume the rule counted afresh, and is met again" reason_matches "$by_rule"
must order 200 "/v1/campaigns/$half/cancel"
must wait_for 20 campaign_is "$half" cancelled
record "$half" half
again_since=$(now)
ask POST "/v1/campaigns/$half/retry"
it "the retry of those that failed is a campaign of its own" is "$status $(body_of .retryOf)" "201 $half"
again=$(body_of .id)

# --- the rest of the change ---

is_past() { [[ $(now) > $1 ]]; }
later() { date -u -d "$1 + $2 seconds" +%Y-%m-%dT%H:%M:%S.%3NZ; }
fast_since=$(later "$slow_since" 4)
must wait_for 10 is_past "$fast_since"
change "$new" '{"rollout": {"ratePerMinute": null}}'
it "a rate is taken away by null" is "$status $(body_of '.rollout | has("ratePerMinute") and .ratePerMinute != null')" "200 false"

# --- the truth about the change ---

must wait_for 40 campaign_is "$live" completed
record "$live" live
# most_down FROM TO: of devices, at the calls made between.
most_down() {
	spans_of live 'spans as $s | [$s[] | select(.at >= ($from | ms) and .at < ($to | ms)) | .at as $at
		| [$s[] | select(is_down($at))] | length] | max // 0' --arg from "$1" --arg to "$2"
}
calls_between() { truth live '[$journal[] | select(.kind == "call" and .at >= $from and .at < $to)] | length' --arg from "$1" --arg to "$2"; }
it "before the change at most 2 devices were down" is "$(most_down "$live_since" "$wide_since")" 2
it "after it 20 were, and never more" is "$(most_down "$wide_since" 9999-01-01T00:00:00.000Z)" 20
it "with 60 a minute 4 seconds saw no more than 5 calls" test "$(calls_between "$slow_since" "$fast_since")" -le 5
it "and no less than 3" test "$(calls_between "$slow_since" "$fast_since")" -ge 3
it "live: every device is proven" is "$(truth live tally)" "proven 80"
ask DELETE "/v1/campaigns/$live"
it "a final campaign can be deleted: 204" is "$status" 204
ask DELETE "/v1/campaigns/$live"
it "but once: 404" refused 404 notFound
ask GET "/v1/campaigns/$live"
it "and is not there any more: 404" refused 404 notFound

# --- the truth about the rule ---

must wait_for 40 campaign_is "$again" completed
cp "$folder/half.targets" "$folder/half.first"
failed_first=$(jq -r 'select(.state == "failed").deviceId' "$folder/half.first" | sort)
it "half: the rule let at least 6 devices fail, so there was something to retry" test "$(wc -l <<<"$failed_first")" -ge 6
it "half: the retry is over exactly those that failed" is "$(pages "/v1/campaigns/$again/targets?limit=1000" | jq -r .deviceId | sort)" "$failed_first"
it "half: all of them are proven now" is "$(pages "/v1/campaigns/$again/targets?limit=1000" | jq -r .state | sort -u)" succeeded
it "half: what the retry called was only these" is \
	"$(truth half '[$journal[] | select(.kind == "call" and .at >= $since).deviceId] | unique[]' --arg since "$again_since")" "$failed_first"
# In a pause, none begins; who was called in it had been begun before.
in_pauses='([$events[] | select(.type == "campaign" and .to == "paused")]) as $trips
	| ([$events[] | select(.type == "campaign" and .from == "paused")]) as $ends
	| range($trips | length) as $i | $trips[$i] as $trip | $ends[$i] as $resume'
begun='select(.type == "target" and .to == "invoking")'
it "half: the rule tripped twice" is "$(truth half '[$events[] | select(.type == "campaign" and .to == "paused")] | length')" 2
it "half: no call was begun after a trip" nothing truth half "$in_pauses
	| \$events[] | $begun | select(.id > \$trip.id and .id < \$resume.id) | \"\(.deviceId) at \(.at)\""
it "half: no call reached a device after a trip but those that were under way" nothing truth half "$in_pauses
	| ([\$events[] | $begun | select(.id < \$trip.id).deviceId]) as \$under_way
	| \$journal[] | select(.kind == \"call\" and .at > \$trip.at and .at < \$resume.at)
	| select(.deviceId as \$d | \$under_way | index(\$d) | not) | \"\(.deviceId) at \(.at)\""
it "half: between the trips 10 devices or more finished" test "$(truth half '[$events[] | select(.type == "campaign" and .from == "paused")][0] as $resumed
	| [$events[] | select(.type == "campaign" and .to == "paused")][1] as $trip
	| [$events[] | select(.type == "target" and (.to == "succeeded" or .to == "failed") and .id > $resumed.id and .id < $trip.id)] | length')" -ge 10
it "half: what had not been called is cancelled" is "$(truth half '[$targets[] | select((.attempts | length) == 0).state] | unique | join(" ")')" cancelled

# --- a single device's back-off ---

# not_called FROM TO: some of those in hub half that nobody has called yet; half of them refuse their first call.
not_called() { jq -sc --argjson from "$1" --argjson to "$2" '[.[] | select(.state == "cancelled").deviceId][$from:$to]' "$folder/half.first"; }
must create "$(spec half "{\"targets\": {\"deviceIds\": $(not_called 0 20)}, \"retry\": {\"maxAttempts\": 2, \"on\": [\"refused\"],
	\"backoffSeconds\": 600}}" | jq -c 'del(.targets.all)')"
patient=$id
must wait_for 20 some_targets "$patient" waitingFor=backoff
device=$(body_of '.value[0].deviceId')
it "who backs off says until when" is "$(body_of ".value[0].nextAt | . > \"$(later "$(now)" 60)\"")" true
must order 200 "/v1/campaigns/$patient/targets/$device/retry"
device_is() { ask GET "/v1/campaigns/$patient/targets/$device" && is "$(body_of .state)" "$1"; }
it "an order ends the back-off of one device, and it is proven" wait_for 10 device_is succeeded
it "by its second attempt" is "$(body_of .attempt)" 2
ask POST "/v1/campaigns/$patient/targets/$device/retry"
it "who does not back off has none to end: 409" refused 409 wrongState
it "the others back off as before" some_targets "$patient" waitingFor=backoff
must order 200 "/v1/campaigns/$patient/cancel"
must wait_for 20 campaign_is "$patient" cancelled

# --- a gate that fails ---

must create "$(spec half "{\"targets\": {\"deviceIds\": $(not_called 20 40)}, \"rollout\": {\"waves\": [{\"upToCount\": 10},
	{\"upToPercent\": 100}], \"gate\": {\"minSuccessPercent\": 95}}}" | jq -c 'del(.targets.all)')"
strict=$id
must wait_for 20 campaign_is "$strict" paused
it "a gate that cannot hold any more pauses, and is named" \
	reason_matches 'gate of wave 1 failed: [0-9]+ devices? failed, [0-9]+ (is|are) proven, 95 % asked for'
it "its wave has failed, the next one waits" is "$(body_of '[.waves[].state] | join(" ")')" "failed pending"
must wait_for 20 out_n "$strict"
ask POST "/v1/campaigns/$strict/approve"
it "an approval alone does not pass it: 409" refused 409 wrongState
it "nobody of the next wave was called" is "$(targets_n "$strict" 'wave=1&state=waiting')" 10
must order 200 "/v1/campaigns/$strict/approve" --data '{"override": true}'
it "an override does, and says so" is "$(body_of '"\(.state) \(.waves[0].gate.isOverridden)"')" "running true"
it "then the campaign completes" wait_for 20 campaign_is "$strict" completed

# --- the truth about the waves ---

must wait_for 40 campaign_is "$waves" completed
it "waves: the gates have passed" is "$(body_of '[.waves[:2][].state] | join(" ")')" "passed passed"
record "$waves" waves
it "waves: every device is proven but the one left out" is "$(truth waves tally)" "byOperator 1, proven 99"
it "waves: who was left out was not called" is "$(truth waves '[$journal[] | select(.kind == "call" and .deviceId == $d)] | length' --arg d "$left_out")" 0
first_calls='([$targets[] | {key: .deviceId, value: .wave}] | from_entries) as $wave
	| [$journal[] | select(.kind == "call") | {wave: $wave[.deviceId], at: (.at | ms)}]'
it "waves: before the approval exactly the canaries were called" is \
	"$(truth waves "$first_calls | map(select(.at < (\$asked_at | ms)).wave) | group_by(.) | map(\"\(.[0]) \(length)\") | join(\", \")" --arg asked_at "$asked_at")" "0 5"
it "waves: no wave was called until the one before was proven and had soaked for 2 s" nothing truth waves "$first_calls as \$calls
	| (1, 2) as \$n | ([\$events[] | select(.type == \"target\" and .to == \"succeeded\" and \$wave[.deviceId] == \$n - 1).at | ms] | max + 2000) as \$soaked
	| \$calls[] | select(.wave == \$n and .at < \$soaked) | \"wave \(\$n): \(\$soaked - .at) ms too soon\""

# --- the truth about the sites ---

must wait_for 60 campaign_is "$sites" completed
record "$sites" sites
must pages "/v1/campaigns/$sites/groups?limit=7" >"$folder/sites.groups"
lost=$(truth sites '(reduce $journal[] as $j ({}; if $j.kind == "boot" then .[$j.deviceId] = true
	elif $j.kind == "joined" then .[$j.deviceId] = false else . end)) | to_entries[] | select(.value).key')
it "sites: by the journal one device never came back" is "$lost" dev-000082
site=$(jq -r --arg lost "$lost" 'select(.deviceId == $lost).group' "$folder/sites.list")
it "sites: there are 30 of 5 devices" is "$(jq -rs 'group_by(.group) | "\(length) \(map(length) | unique | join(" "))"' "$folder/sites.list")" "30 5"
it "sites: never were two devices of one site down, or not settled" nothing spans_of sites 'spans as $s
	| $s[] | . as $c | $s[] | select(.group == $c.group and .deviceId != $c.deviceId and is_down($c.at))
	| "\($c.deviceId) of \($c.group) was called while \(.deviceId) was down"'
it "sites: they were worked on side by side" test "$(spans_of sites 'spans as $s | [$s[].at as $at | [$s[] | select(is_down($at))] | length] | max')" -ge 25
it "sites: no device was called twice" is "$(spans_of sites '[calls[].deviceId] | "\(length - (unique | length))"')" 0
it "sites: all others were proven to the last device" is \
	"$(jq -rs --arg site "$site" '[.[] | select(.group != $site).state] | group_by(.) | map("\(.[0]) \(length)") | join(", ")' "$folder/sites.list")" "succeeded 145"
it "sites: the lost device has no proof" is "$(jq -r --arg d "$lost" 'select(.deviceId == $d) | "\(.state) \(.reason)"' "$folder/sites.list")" "failed noProof"
it "sites: who came after it in its site was left out for it, and who came before is proven" nothing truth sites 'facts as $facts
	| $targets[] | select(.group == $site and .deviceId != $lost) | facts_of($facts) as $f
	| (if $f.calls == 0 then "groupBlocked" else "proven" end) as $right | select(verdict != $right)
	| "\(.deviceId) ended \(verdict), not \($right)"' --arg site "$site" --arg lost "$lost"
it "sites: somebody came after it" test "$(jq -c 'select(.reason == "groupBlocked")' "$folder/sites.list" | wc -l)" -ge 1
it "sites: the groups' own counts are those of their targets" is \
	"$(jq -rs 'sort_by(.group)[] | "\(.group) \(.size) \(.counts | .total, .succeeded, .failed, .skipped) \(.unavailable) \(.waiting)"' "$folder/sites.groups")" \
	"$(jq -rs 'group_by(.group)[] | . as $g | def n($s): [$g[] | select(.state == $s)] | length;
		"\($g[0].group) \($g | length) \(($g | length), n("succeeded"), n("failed"), n("skipped")) \(n("failed")) 0"' "$folder/sites.list")"
for hub in sites waves half live; do
	it "$hub: no device acted twice" nothing truth $hub acted_twice
	it "$hub: no two calls to one device overlapped" nothing truth $hub overlaps
done
