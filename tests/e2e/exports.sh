#!/usr/bin/env bash
# tests/e2e: while a campaign runs, what is told of the same revision agrees (P8): the campaign's counts, its list, its CSV,
# the metrics. Then a large campaign as CSV, with the memory that it takes.
# Usage: exports.sh
. "$(dirname "$0")/lib.sh"

start_hub main --devices 400 --boot-seconds 0.2-0.5 <<<'{"history": true, "answerMs": [5, 100], "reportMs": [10, 50]}'
configure <<<'{}'
start_service
must create '{"name": "watched", "action": {"type": "reboot"}, "targets": {"all": true}, "verify": {"settleSeconds": 0},
	"rollout": {"ratePerMinute": 3000, "maxUnavailable": 50}, "offline": {"wait": false}}'
must wait_for 20 campaign_is "$id" running

states='["waiting","invoking","doubtful","awaitingProof","succeeded","failed","skipped","cancelled"]'
# Each gives "revision state n state n …", or what else there is at that time.
by_campaign() {
	curl -sS "$api/v1/campaigns/$id" | jq -r --argjson states "$states" '"\(.revision) \([.counts[$states[]]])"'
}
by_list() {
	curl -sS "$api/v1/campaigns/$id/targets?limit=1000" |
		jq -r --argjson states "$states" '.value as $v | "\(.revision) \([$states[] as $s | [$v[] | select(.state == $s)] | length])"'
}
by_csv() {
	curl -sS -D "$folder/csv.head" "$api/v1/campaigns/$id/targets" -H 'Accept: text/csv' >"$folder/csv"
	echo "$(tr -d '\r' <"$folder/csv.head" | sed -n 's/^X-Revision: //p') $(tail -n +2 "$folder/csv" | cut -d, -f5 |
		jq -cR . | jq -sc --argjson states "$states" '. as $v | [$states[] as $s | [$v[] | select(. == $s)] | length]')"
}
by_metrics() {
	curl -sS "$api/metrics" >"$folder/metrics"
	echo "$(awk '$1 == "rollcall_revision" { print $2 }' "$folder/metrics") $(jq -nr --argjson states "$states" '$states[]' |
		while read -r state; do
			awk -v s="state=\"$state\"" '/^rollcall_campaign_targets/ && index($0, s) { print $2 }' "$folder/metrics"
		done | jq -sc .)"
}

# What was told of each revision, by whom: two tellers that differ about one revision are one too many lines.
tell() {
	for teller in by_campaign by_list by_csv by_metrics; do
		echo "$($teller)" >>"$folder/told"
	done
}
# Every other time in a pause, in which fewer revisions come.
until campaign_is "$id" completed >/dev/null; do
	tell
	ask POST "/v1/campaigns/$id/pause"
	tell
	ask POST "/v1/campaigns/$id/resume"
done
tell
differing() { sort -u "$folder/told" | cut -d' ' -f1 | uniq -d; }
shared=$(cut -d' ' -f1 "$folder/told" | sort | uniq -d | wc -l)
echo "$(wc -l <"$folder/told") tellings of $(cut -d' ' -f1 "$folder/told" | sort -u | wc -l) revisions, $shared of them told more than once"
it "what is told of one revision agrees, by whomever" nothing differing
it "several revisions were told more than once" test "$shared" -ge 5
it "all say the same in the end" is "$(tail -n 4 "$folder/told" | sort -u | wc -l)" 1
it "the CSV has a line for each target" is "$(wc -l <"$folder/csv")" 401

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
