#!/usr/bin/env bash
# tests/faults: a full disk, a disk that may only be read, a database that is deleted, a clock set back an hour, a query
# index half an hour behind: the service says what is wrong, keeps the promises, and goes on when the trouble ends.
. "$(dirname "$0")/../e2e/lib.sh"
: "${FAULTS:?the path of libfaults.so}"

switch=$folder/switch
turn() { printf %s "$1" | dd of="$switch" conv=notrunc status=none; }
printf -- - >"$switch"
under=(env "LD_PRELOAD=$FAULTS" "FAULTS_SWITCH=$switch" FAULTS_PATH=rollcall.db)

start_hub main --devices 120 --seed 7 --boot-seconds 0.2-0.4 <<<'{"history": true, "answerMs": [20, 80], "reportMs": [20, 80],
	"leaveMs": [20, 50]}'
start_hub lagging --devices 40 --seed 8 --boot-seconds 0.2-0.4 <<<'{"history": true, "answerMs": [20, 80],
	"reportMs": [20, 80], "leaveMs": [20, 50], "queryLagMs": [1800000, 1800000], "ghostMs": 1800000}'
configure <<<'{}'
spec() { # HUB RATE
	jq -n --arg hub "$1" --argjson rate "$2" '{name: $hub, hubs: [$hub], action: {type: "reboot", responseTimeoutSeconds: 5},
		targets: {all: true}, rollout: {ratePerMinute: $rate, maxUnavailable: 20}, verify: {timeoutSeconds: 10, settleSeconds: 0}}'
}
said() { grep -F "$1" "$folder/service.log" | tail -n +"$((marked + 1))" | grep -q . || { tail -5 "$folder/service.log"; return 1; }; }
mark() { marked=$(grep -cF "$1" "$folder/service.log"); }
proven() { ask GET "/v1/campaigns/$main"; [ "$(body_of .counts.succeeded)" -ge "$1" ]; }

start_service
must create "$(spec main 900)"
main=$id
must wait_for 30 proven 10

# --- full, then read-only: the process ends with a reason, does not start while it lasts, and goes on after ---

for what in "f:no space left" "r:not allowed"; do
	reason=${what#*:}
	mark "$reason"
	turn "${what%%:*}"
	ended "$service" 30
	it "$reason: the service ends with status 1" is $? 1
	it "$reason: it says so" said "$reason"
	turn -
	start_service
	it "$reason: when it is over the next start goes on" campaign_is "$main" running
	ask GET "/v1/campaigns/$main"
	before=$(body_of .counts.succeeded)
	must wait_for 30 proven $((before + 5))
done
kill "$service"
ended "$service" 20
turn r
"${under[@]}" "$ROLLCALLD" --config "$folder/config.json" >"$folder/end.out" 2>"$folder/end.err" &
ended $! 20
it "a start on a disk that may only be read ends with status 3" is $? 3
it "it names the database and the reason" grep -qE "rollcall.db cannot be opened: .*(read-only|Read-only|only be read|not allowed)" "$folder/end.err"
turn -

# --- the clock set back by an hour, and forward again ---

start_service
mark "the clock was set"
turn b
must wait_for 10 said "the clock was set"
it "the clock is set back by an hour: it says so" said "the clock was set"
# Tokens are signed by our clock, so that the hub may find them over: then that is said, and nobody is called.
sleep 1
turn -
ask GET "/v1/campaigns/$main"
before=$(body_of .counts.succeeded)
it "when it is right again calls go on" wait_for 60 proven $((before + 5))

# --- the database is deleted, and put back ---

mark "has been deleted, or moved"
mv "$database" "$folder/away.db"
ended "$service" 30
it "the database is deleted: the service ends with status 1" is $? 1
it "it says so" said "has been deleted, or moved"
mv "$folder/away.db" "$database"
start_service
must wait_for 90 campaign_is "$main" completed
record "$main" main
it "after all of that every device is proven, or in doubt with that reason" nothing jq -r 'select(.state != "succeeded"
	and .reason != "unknown") | .deviceId' "$folder/main.targets"
it "no device acted twice" nothing truth main acted_twice
it "no two calls to one device overlapped" nothing truth main overlaps
it "every call that reached a device is on record" nothing truth main unrecorded
it "those that acted are proven, those that did not are not" nothing truth main misproven

# --- queries that are half an hour behind, with ghosts: devices that are gone, or others by now, are in the index as they were ---

token=$("$HUBSIM" --policy iothubowner --print-token 3600)
registry() { # METHOD DEVICE ARGUMENT…
	local method=$1 device=$2
	shift 2
	curl -sS --fail -o "$folder/body" -X "$method" -H "Authorization: $token" -H 'Content-Type: application/json' "$@" \
		"${hub_url[lagging]}/devices/$device?api-version=2021-04-12"
}
for i in 0 1 2 3 4 5; do must registry DELETE "dev-00000$i" -H 'If-Match: *'; done
for i in 3 4 5; do must registry PUT "dev-00000$i" --data "{\"deviceId\": \"dev-00000$i\"}"; done
must create "$(spec lagging 2400 | jq '. + {offline: {expireAfterSeconds: 5}}')"
lagging=$id
must wait_for 60 campaign_is "$lagging" completed
record "$lagging" lagging
ends() { jq -r "select(.deviceId <= \"dev-000005\") | [.deviceId, .state, .reason] | join(\" \")" "$folder/lagging.targets" | sort; }
it "queries are half an hour behind: point reads prove every device" is \
	"$(jq -r 'select(.deviceId > "dev-000005") | .state' "$folder/lagging.targets" | sort | uniq -c | xargs)" "34 succeeded"
it "no device acted twice" nothing truth lagging acted_twice
it "those that are deleted are not found, those that were created anew are gone" is "$(ends)" "$(for i in 0 1 2; do
	echo "dev-00000$i skipped notFound"; done; for i in 3 4 5; do echo "dev-00000$i failed gone"; done)"
it "what the old index says of anybody proves nothing" nothing jq -r '.deviceId as $id | .evidence[]
	| select(.source == "query" and .verdict != "baseline") | "\($id) \(.verdict)"' "$folder/lagging.targets"
