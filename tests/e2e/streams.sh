#!/usr/bin/env bash
# tests/e2e: event streams while the service and the reader are killed at moments drawn from a seed: each event once, in
# order (P11). Then a thousand readers at once. Usage: streams.sh [SEED]; ROLLCALL_TEST_LONG=true: 100,000 events.
long=${ROLLCALL_TEST_LONG:-false}
. "$(dirname "$0")/lib.sh"

seed=${1:-$((SRANDOM % 100000))}
echo "seed $seed: streams.sh $seed runs the same moments again"
RANDOM=$seed
devices=3000
! $long || devices=50000
streams=$e2e/streams.py

start_hub main --devices "$devices" --seed "$seed" --boot-seconds 0.2 <<<'{"answerMs": [50, 300]}'
start_hub other --devices 50 --seed "$seed" --boot-seconds 0.2-0.8 <<<'{"answerMs": [5, 50], "reportMs": [20, 100]}'
configure <<<'{}'
start_service
port=${api##*:}

# restart: where it was, so that the reader finds it.
restart() {
	kill_service
	start_service --listen "127.0.0.1:$port"
}

reader=
start_reader() {
	python3 "$streams" follow "$api/v1/events" "$folder/events.read" 2>>"$folder/reader.log" &
	reader=$!
}

start_reader
# Without verification nothing is waited for where a kill cuts a call short: that device ends unknown.
must create "$(jq -n --argjson n "$((devices / 50))" '{name: "the first", hubs: ["main"], targets: {all: true},
	action: {type: "method", methodName: "reboot"}, rollout: {maxUnavailable: $n}}')"
first=$id
kills=0
until campaign_is "$first" completed >/dev/null; do
	sleep "0.$((RANDOM % 900 + 100))" # no condition: a moment that nobody chose
	case $((RANDOM % 3)) in
	0) restart ;;
	1) must kill -9 "$reader" && wait "$reader" 2>/dev/null; start_reader ;;
	2) must kill -9 "$reader" && wait "$reader" 2>/dev/null; restart; start_reader ;;
	esac
	kills=$((kills + 1))
done
ask GET "/v1/events?limit=1"
last=$(body_of .lastId)
echo "$last events, $kills kills"

has_read() { tail -n 1 "$folder/events.read" | grep -q "^$1 "; }
it "the reader gets to the last event" wait_for 60 has_read "$last"
kill -9 "$reader" && wait "$reader" 2>/dev/null
it "there were at least $((devices * 2)) events and 5 kills" test "$last" -ge $((devices * 2)) -a "$kills" -ge 5
it "each id came once, in order" nothing awk '$1 != NR { print "line " NR ": " $1; exit }' "$folder/events.read"
must pages "/v1/events?limit=1000" >"$folder/events.paged"
it "what was streamed is what the pages tell" cmp <(cut -d' ' -f3- "$folder/events.read") "$folder/events.paged"

# --- a thousand readers ---

# crowd NAME PATH: 512 of them, until that campaign is over.
crowds=()
crowd() {
	python3 "$streams" crowd "$api$2" 512 "$last" '"to":"completed"' >"$folder/crowd.$1" 2>"$folder/crowd.$1.log" &
	crowds+=($!)
	must wait_for 60 grep -q open "$folder/crowd.$1"
}
must create '{"name": "the second", "hubs": ["other"], "targets": {"all": true}, "action": {"type": "reboot"},
	"rollout": {"gate": {"approval": "start"}}, "verify": {"settleSeconds": 0}}'
second=$id
must wait_for 30 campaign_is "$second" awaitingApproval
ask GET "/v1/events?limit=1"
last=$(body_of .lastId)
crowd all /v1/events
crowd one "/v1/campaigns/$second/events"
refused() {
	ask GET /v1/events -H 'Accept: text/event-stream'
	is "$status $(body_of .code)" "429 tooManyStreams"
}
it "one more than 1,024 is refused" refused
ask POST "/v1/campaigns/$second/approve"
slowest=0
until campaign_is "$second" completed >/dev/null; do
	took=$(curl -sS -o /dev/null -w '%{time_total}' "$api/v1/campaigns/$second")
	slowest=$(jq -n "[$slowest, $took] | max")
done
it "512 readers of all campaigns got the same, without a gap" ended "${crowds[0]}" 60
it "512 readers of one campaign got the same, in order" ended "${crowds[1]}" 60
echo "readers, events, ms from the first to the last reader: $(tail -n 1 "$folder/crowd.all"); $(tail -n 1 "$folder/crowd.one");" \
	"slowest request meanwhile: $slowest s"
