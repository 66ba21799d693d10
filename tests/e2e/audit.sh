#!/usr/bin/env bash
# tests/e2e: the record of orders: who changed what, when, from where; nothing else is in it; it survives a kill with what it
# tells of; a byte that is changed in the file is found and named; and what retention leaves is proven still.
. "$(dirname "$0")/lib.sh"

start_hub main --devices 20 --seed 1 --boot-seconds 0.2-0.5 <<<'{"history": true}'
declare -A token
for role in viewer operator approver admin; do
	must "$ROLLCALLD" token new --name "$role" --role "$role" >"$folder/$role.token"
	token[$role]=$(head -n 1 "$folder/$role.token")
	tail -n +2 "$folder/$role.token" >>"$folder/entries"
done
jq -s . "$folder/entries" >"$folder/tokens.json"
configure <<<"{\"tokensFile\": \"$folder/tokens.json\"}"
start_service

# as ROLE METHOD PATH ARGUMENT…: asks with that role's token.
as() { ask "${@:2}" -H "Authorization: Bearer ${token[$1]}"; }
# order STATUS ROLE METHOD PATH ARGUMENT…
order() {
	as "${@:2}"
	is "$status" "$1" || { cat "$folder/body"; return 1; }
}
# audit: "actor role method path before after", a line each, the oldest first; of it the last N with "audit N".
audit() {
	as admin GET "/v1/audit?limit=1000"
	body_of --arg id "${id-}" '.value | reverse | .[] | [.actor, .role, .method, (.path | sub($id; "ID")), .before // "", .after]
		| join("|")' | tail -n "${1:-1000}"
}

must order 201 operator POST /v1/campaigns --data '{"name": "first", "action": {"type": "reboot"}, "targets": {"all": true},
	"rollout": {"gate": {"approval": "start"}}, "verify": {"settleSeconds": 0}}'
id=$(body_of .id)
it "a campaign that is made is on record" is "$(audit)" "operator|operator|POST|/v1/campaigns||selecting: first"
must order 200 operator POST "/v1/campaigns/$id/pause"
it "an order that changes something, too" is "$(audit 1 | cut -d'|' -f1-4,6)" "operator|operator|POST|/v1/campaigns/ID/pause|paused"
must order 200 operator POST "/v1/campaigns/$id/pause"
must order 403 viewer POST "/v1/campaigns/$id/cancel"
must order 422 operator POST /v1/campaigns --data '{}'
must order 200 viewer GET "/v1/campaigns/$id"
it "what changes nothing is not" is "$(audit | wc -l)" 2
must order 200 operator POST "/v1/campaigns/$id/resume"
as operator GET "/v1/campaigns/$id"
must order 200 operator PATCH "/v1/campaigns/$id" -H "If-Match: $(body_of .etag)" --data '{"rollout": {"ratePerMinute": 600}}'
it "another spec is, with the patch" is "$(audit 1)" \
	'operator|operator|PATCH|/v1/campaigns/ID|spec 1|spec 2: {"rollout": {"ratePerMinute": 600}}'
approvable() { as approver POST "/v1/campaigns/$id/approve" && [ "$status" = 200 ]; }
must wait_for 20 approvable
it "who approved is" is "$(audit 1)" "approver|approver|POST|/v1/campaigns/ID/approve|awaitingApproval|approved"
campaign_is() { # lib.sh's, with a token
	as operator GET "/v1/campaigns/$1"
	is "$status $(body_of .state)" "200 $2"
}
must wait_for 30 campaign_is "$id" completed
type=text/plain
must order 201 operator PUT /v1/device-lists/tills --data-binary $'a\nb'
type=application/json
must order 204 operator DELETE /v1/device-lists/tills
must order 204 operator DELETE "/v1/campaigns/$id"
must order 201 operator POST /v1/schedules --data '{"name": "nightly", "recurrence": {"cron": "0 3 * * *"},
	"campaign": {"name": "n", "action": {"type": "reboot"}, "targets": {"all": true}}}'
schedule=$(body_of .id)
must order 200 operator POST "/v1/schedules/$schedule/pause"
must order 204 operator DELETE "/v1/schedules/$schedule"
it "orders about schedules are" is "$(audit 3 | sed "s/$schedule/SCHEDULE/")" "operator|operator|POST|/v1/schedules||created: nightly
operator|operator|POST|/v1/schedules/SCHEDULE/pause||paused
operator|operator|DELETE|/v1/schedules/SCHEDULE||deleted"
kill_service
start_service
it "a list, its end, and the end of a campaign are, and all of it after a kill" is "$(audit 6 | head -n 3)" \
	"operator|operator|PUT|/v1/device-lists/tills||2 devices
operator|operator|DELETE|/v1/device-lists/tills||deleted
operator|operator|DELETE|/v1/campaigns/ID|completed|deleted"
as admin GET /v1/audit
it "each has an address, a request's id and a time" is "$(body_of '[.value[] | .address == "127.0.0.1" and (.requestId | length > 5) and
	(.at | startswith("20"))] | all')" true
n=$(body_of '.value | length')
verify() {
	"$ROLLCALLD" audit verify --database "$database" >"$folder/verified" 2>&1
	verified=$?
}
verify
it "the record is sound, also while the service runs" is "$verified $(grep -c "$n audit entries.*: sound" "$folder/verified")" "0 1"
kill -TERM "$service" && ended "$service" 20
for victim in 1 3 "$n"; do
	cp "$database" "$folder/copy.db"
	sqlite3 "$folder/copy.db" "UPDATE audit SET path = replace(path, 'v1', 'v2') WHERE no = $victim"
	"$ROLLCALLD" audit verify --database "$folder/copy.db" >"$folder/verified"
	it "one byte changed in entry $victim is found and named" is "$? $(grep -c "^audit entry $victim does not fit" "$folder/verified")" "1 1"
done
sqlite3 "$database" "DELETE FROM audit WHERE no = $n"
verify
it "an entry cut off the end is found and named" is "$verified $(grep -c "^audit entry $n not there any more, at the end" "$folder/verified")" "1 1"
noted=$((n - 1)):$(sqlite3 "$database" "SELECT lower(hex(hash)) FROM audit WHERE no = $n - 1")
sqlite3 "$database" "UPDATE audit_head SET (no, hash) = (SELECT no, hash FROM audit WHERE no = $n - 1)"
"$ROLLCALLD" audit verify "$noted" --database "$database" >"$folder/verified"
it "an entry that was noted is looked for, and there" is "$? $(grep -c sound "$folder/verified")" "0 1"
"$ROLLCALLD" audit verify "${noted%??}00" --database "$database" >"$folder/verified"
it "one that was made anew is not" is "$? $(grep -c "^audit entry $((n - 1)) not the one that was noted" "$folder/verified")" "1 1"

# --- retention: a record of last year's, which an old build left ---

database=$folder/old.db
zcat "$e2e/../store/released/schema-10.sql.gz" | sqlite3 "$database"
sqlite3 "$database" 'DELETE FROM targets; DELETE FROM campaigns' # nothing is under way, so that time is that of the clock
old=$(sqlite3 "$database" 'SELECT count(*), (SELECT no || ":" || lower(hex(hash)) FROM audit_head) FROM audit')
configure <<<"{\"tokensFile\": \"$folder/tokens.json\"}"
start_service --retention-days 30
left() { # nothing but the word of it
	as admin GET /v1/audit
	is "$(body_of '.value[] | [.no, .actor, .role, .method, .before, .after] | map(tostring) | join(" ")')" \
		"$((${old%|*} + 1)) rollcalld null null ${old#*|} forgotten, with those before: entry ${old%|*}"
}
it "orders older than retentionDays are forgotten, and that is on record" wait_for 20 left
verify
it "what remains is sound, and says from when on" is "$verified $(grep -cE "1 audit entries from 2.* on \(${old%|*} older ones are forgotten\).*: sound" "$folder/verified")" "0 1"
kill -TERM "$service" && ended "$service" 20
sqlite3 "$database" "UPDATE audit SET was = replace(was, '${old%|*}:', '1:')"
verify
it "who moves the point from which it goes on is found" is "$verified $(grep -c "^audit entries 2 to ${old%|*} not there any more" "$folder/verified")" "1 1"
