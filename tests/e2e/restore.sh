#!/usr/bin/env bash
# tests/e2e: a copy made in the middle of a campaign. The service goes on calling devices of which the copy does not know,
# and is lost; the copy is put in its place: it has the counts that there were, waits for a person, and calls no device again
# that has acted meanwhile.
. "$(dirname "$0")/lib.sh"

start_hub main --devices 80 --seed 9 --boot-seconds 0.1-0.3 <<<'{"history": true, "answerMs": [5, 50], "reportMs": [10, 50],
	"leaveMs": [20, 100], "queryLagMs": 50}'
configure <<<'{}'
start_service
must create '{"name": "lost half-way", "action": {"type": "reboot"}, "targets": {"all": true}, "verify": {"settleSeconds": 0},
	"rollout": {"ratePerMinute": 900, "maxUnavailable": 8}}'
campaign=$id
succeeded() { ask GET "/v1/campaigns/$campaign" && [ "$(body_of .counts.succeeded)" -ge "$1" ]; }
must wait_for 30 succeeded 10

# counts FILE: by state, from the rows themselves.
counts() { sqlite3 -readonly "$1" 'SELECT state, count(*) FROM targets GROUP BY 1' | paste -sd ' '; }
must kill -STOP "$service" # so that what is copied can be compared
must run_service backup "$folder/copy.db" --database "$database"
before=$(counts "$database")
must kill -CONT "$service"
it "a copy has the counts that there were" is "$(counts "$folder/copy.db")" "$before"
must wait_for 30 succeeded 50
kill_service
quiet() { local n; n=$(wc -l <"$folder/main.journal"); sleep 1; [ "$(wc -l <"$folder/main.journal")" = "$n" ]; }
must wait_for 20 quiet # what was under way is over

database=$folder/copy.db
configure <<<'{}'
start_service
ask GET "/v1/campaigns/$campaign"
it "the copy waits for a person" is "$(body_of .state)" paused
it "it says why" is "$(body_of .stateReason | cut -c -13)" 'from a backup'
it "what waits there waits" is "$(body_of .counts.waiting)" "$(sed 's/^0|\([0-9]*\).*/\1/' <<<"$before")"
ask POST "/v1/campaigns/$campaign/resume"
must wait_for 60 campaign_is "$campaign" completed
record "$campaign" main
it "all devices end proven" is "$(truth main tally)" "proven 80"
it "no device acted twice" nothing truth main acted_twice
kill "$service"
must ended "$service" 12
run_service check --database "$database"
it "the database is sound" is $? 0

# --- as many events as may be kept ---

start_service --events-max 100
first() { curl -sS "$api/v1/events?limit=1" | jq '.value[0].id'; }
told() { curl -sS "$api/metrics" | awk -v name="$1" '$1 == name { print $2 }'; }
bounded() { [ $(($(told rollcall_events_total) - $(first))) -lt 200 ]; } # events of one commit go together
it "of more events than eventsMax the oldest are forgotten" wait_for 10 bounded
it "the newest are kept" test $(($(told rollcall_events_total) - $(first) + 1)) -ge 100
it "the metrics show the limit" is "$(told 'rollcall_limit_max{limit="events"}')" 100
