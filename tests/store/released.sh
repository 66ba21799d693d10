#!/usr/bin/env bash
# tests/store: databases that old builds left when they were killed (released/, made by released/make; one for each version of
# the schema that any commit had: 6 and 7 came together). Today's build opens each, answers what the old one had answered,
# and goes on with the campaigns that were under way, without a second call to any device.
. "$(dirname "$0")/../e2e/lib.sh"
released=$(cd "$(dirname "$0")/released" && pwd)

# Without a name: all of them, side by side.
if [ $# -eq 0 ]; then
	for file in "$released"/*.sql.gz; do
		name=${file##*/} name=${name%.sql.gz}
		"$0" "$name" >"$folder/$name.out" 2>&1 &
	done
	wait
	for out in "$folder"/*.out; do
		head -n -1 "$out"
		read -r n _ f _ < <(tail -n 1 "$out" | tr -d ,)
		if [[ $n =~ ^[0-9]+$ && $f =~ ^[0-9]+$ ]]; then passed=$((passed + n)) failed=$((failed + f)); else failed=$((failed + 1)); fi
	done
	it "each version of the schema was tested" test "$passed" -ge $((7 * $(find "$released" -name '*.sql.gz' | wc -l)))
	exit 0
fi
name=$1

# The database of that name in today's service, beside a fleet of the same devices, none of whom acted as yet.
open() {
	mkdir "$folder/$1"
	database=$folder/$1/rollcall.db
	zcat "$released/$1.sql.gz" | sqlite3 "$database"
	zcat "$released/$1.json.gz" >"$folder/$1/told.json"
	start_hub main --devices 24 --seed 7 --boot-seconds 0.1-0.2 <<<"{$fast}"
	start_hub lost --devices 10 --seed 8 --boot-seconds 0.1-0.2 <<<"{$fast}"
	configure <<<"{\"webhooksFile\": \"$folder/webhooks.json\"}"
	start_service
}
fast='"history": true, "answerMs": 5, "reportMs": 20, "leaveMs": 20, "siteSize": 6'

mkdir -p "$folder/receiver/status"
secret=whsec_$(head -c 24 /dev/zero | base64)
echo "$secret" >"$folder/secret"
python3 "$e2e/receiver.py" "$folder/receiver" "$secret" 2>"$folder/receiver.log" &
must wait_for 20 test -s "$folder/receiver/port"
jq -n --arg at "http://127.0.0.1:$(cat "$folder/receiver/port")" --arg secretFile "$folder/secret" \
	'[{name: "ops", url: "\($at)/ops", $secretFile}, {name: "gone", url: "\($at)/gone", $secretFile}]' >"$folder/webhooks.json"
chmod 600 "$folder/secret" "$folder/webhooks.json"

called() { jq -r 'select(.kind == "call") | .deviceId' "$folder"/{main,lost}.journal | sort; }
# old FILTER…: jq on what the old build told; campaign NAME: its id.
old() { jq -r "$@" "$folder/$name/told.json"; }
campaign() { old --arg name "$1" '[.[] | objects | select(.name == $name and .counts) | .id][0] // ""'; }

first_told() { jq -s '[.[] | select(.name == "ops") | .body.data.id] | min' "$folder/receiver/received"; }
first_after() { # the first event to be told that the old build did not know
	local last
	last=$(old '[.[] | objects | .value? // [] | arrays | .[] | objects | select(.type and .id) | .id | numbers] | max')
	curl -sS "$api/v1/events?after=$last&limit=1000" | jq '[.value[] | select(.type == "campaign" or .type == "wave") | .id] | min'
}
goes_on() { is "$(first_told)" "$(first_after)"; }

open "$name"
it "$name: what the old build told is told" python3 "$(dirname "$0")/released.py" "$folder/$name/told.json" "$api"
half=$(campaign half) caught=$(campaign caught)
ask POST "/v1/campaigns/$half/approve"
it "$name: the gate that waited is opened" is "$status" 200
it "$name: the campaign goes on to its end" wait_for 60 campaign_is "$half" completed
it "$name: so does the one whose calls were cut short" wait_for 60 campaign_is "$caught" completed
it "$name: who had not been called is called once, and nobody else" is "$(called)" "$(old --arg half "$half" --arg caught "$caught" \
	'to_entries[] | select(.key | test("/(\($half)|\($caught))/targets/")) | .value | select(.state == "waiting") | .deviceId' | sort)"
if [ "$(old 'has("/v1/webhooks/gone/dead-letters")')" = true ]; then
	it "$name: webhooks go on where they were" wait_for 10 goes_on
fi
must kill -TERM "$service"
must ended "$service" 20
it "$name: check finds nothing" "$ROLLCALLD" check --database "$database"
it "$name: the record of orders is sound" "$ROLLCALLD" audit verify --database "$database"
