#!/usr/bin/env bash
# tests/e2e: how the service stops and how it refuses to start: SIGTERM in the middle of a campaign, a database that is
# damaged, newer or in use, a busy port, wrong settings. Each has its exit status, and says why.
. "$(dirname "$0")/lib.sh"

start_hub main --devices 200 --seed 5 --boot-seconds 0.2-0.5 <<<'{"history": true, "answerMs": [200, 1500],
	"leaveMs": [20, 100]}'
start_hub deaf --devices 6 <<<'{"history": true, "tempers": {"deaf": 1}}'
configure <<<'{}'
spec() { # HUB [TARGETS]
	jq -n --arg hub "$1" --argjson targets "${2:-{\"all\": true\}}" '{name: $hub, hubs: [$hub], action: {type: "reboot"}, $targets,
		rollout: {maxUnavailable: 50}, verify: {settleSeconds: 1}}'
}
# stop_service: by SIGTERM; sets stopped to its exit status and took to the milliseconds that it took.
stop_service() {
	local from=${EPOCHREALTIME/./}
	kill "$service"
	ended "$service" 15
	stopped=$?
	took=$(((${EPOCHREALTIME/./} - from) / 1000))
}

# --- in the middle of a campaign ---

start_service
must create "$(spec main)"
main=$id
some_proven() { campaign_is "$main" running && [ "$(body_of .counts.succeeded)" -ge 20 ] && [ "$(body_of .counts.invoking)" -gt 0 ]; }
must wait_for 30 some_proven
stop_service
it "SIGTERM in the middle of a campaign ends with status 0" is "$stopped" 0
it "it takes less than 10 s" test "$took" -lt 10000
start_service
ask GET "/v1/campaigns/$main"
it "after the restart the campaign goes on" is "$(body_of .state)" running
it "nothing was left in doubt" is "$(body_of .counts.doubtful)" 0
must wait_for 60 campaign_is "$main" completed
record "$main" main
it "every device ends proven" is "$(truth main tally)" "proven 200"
it "no device acted twice" nothing truth main acted_twice
it "every call that reached a device is on record" nothing truth main unrecorded
it "no call was cut short" is "$(truth main doubts)" 0

# --- with calls that nobody answers ---

must create "$(spec deaf '{"deviceIds": ["dev-000003", "dev-000004", "dev-000005"]}')"
all_out() { campaign_is "$id" running && is "$(body_of .counts.invoking)" 3; }
must wait_for 30 all_out
stopping_again() { is "$(grep -cF '"message":"stopping"' "$folder/service.log")" 2; } # its first life did
kill "$service"
must wait_for 5 stopping_again
stop_service
it "a second SIGTERM ends it with status 5 as well" is "$stopped" 5
it "it does not wait for what is out" test "$took" -lt 4000
start_service
must create "$(spec deaf '{"deviceIds": ["dev-000000", "dev-000001", "dev-000002"]}')"
deaf=$id
must wait_for 30 all_out
stop_service
it "SIGTERM while devices keep silent ends with status 5" is "$stopped" 5
it "it takes less than 10 s too" test "$took" -lt 10000
start_service
ask GET "/v1/campaigns/$deaf"
it "the next start treats those calls as doubtful" is "$(body_of .counts.doubtful)" 3

# --- a second service, a busy port ---

says() { grep -qiE "$1" "$folder/end.err" || { cat "$folder/end.err"; return 1; }; }
run_service --config "$folder/config.json"
it "a second service on one database ends with status 3" is $? 3
it "it says that another process has the database" says 'another|in use|locked'
run_service --config "$folder/config.json" --database "$folder/other.db" --listen "${api#http://}"
it "a busy port ends the start with status 4" is $? 4
it "it names the address" says "cannot listen.*${api##*:}"
it "the first service is not disturbed" campaign_is "$deaf" running
run_service health --listen "${api#http://}"
it "health finds the service ready" is "$?: $(cat "$folder/end.out")" "0: ready"
stop_service
run_service health --listen "${api#http://}"
it "health without a service ends with status 1" is $? 1
it "it says where it asked, and what came of it" grep -q "^$api/readyz: .*onnect" "$folder/end.out"

# --- a copy, and a check ---

start_service
run_service backup "$folder/copy.db" --database "$database"
it "a copy is made while the service runs" is $? 0
run_service backup "$folder/copy.db" --database "$database"
it "a copy does not replace a file" is $? 3
run_service check --config "$folder/config.json"
it "a check finds the database sound while the service runs" is $? 0
stop_service
database=$folder/copy.db
configure <<<'{}'
chmod 644 "$folder/config.json"
start_service
it "settings with secrets that everybody may read are warned of" grep -q '"warn".*may be read by every user' "$folder/service.log"
ask GET "/v1/campaigns/$deaf"
it "in the copy the campaign that ran is paused" is "$(body_of .state)" paused
it "it says why" body_of .stateReason
stop_service
sqlite3 "$folder/copy.db" 'DELETE FROM targets WHERE key = (SELECT min(key) FROM targets)'
run_service check --database "$folder/copy.db"
it "a check that finds faults ends with status 1" is $? 1
it "it names them" grep -q P8 "$folder/end.out"
database=$folder/rollcall.db
configure <<<'{}'

jq '.hubs |= map(select(.name != "deaf"))' "$folder/config.json" >"$folder/fewer.json"
chmod 600 "$folder/fewer.json"
run_service --config "$folder/fewer.json"
it "a hub that a campaign needs and that is not configured any more ends the start with status 2" is $? 2
it "it names campaign and hub" says 'needs a hub that is not configured.*"campaign":"[^"]+","hub":"deaf"'

# --- databases that are none of ours ---

fingerprint() { sha256sum <"$1"; }
cp "$database" "$folder/newer.db"
sqlite3 "$folder/newer.db" 'PRAGMA user_version = 999'
before=$(fingerprint "$folder/newer.db")
run_service --config "$folder/config.json" --database "$folder/newer.db"
it "a database of a newer version ends the start with status 3" is $? 3
it "it says so" says 'newer'
it "the newer database is not touched" is "$(fingerprint "$folder/newer.db")" "$before"

head -c 65536 /dev/zero | tr '\0' 'x' >"$folder/corrupt.db"
before=$(fingerprint "$folder/corrupt.db")
run_service --config "$folder/config.json" --database "$folder/corrupt.db"
it "a file that is no database ends the start with status 3" is $? 3
it "it says that it is no database" says 'not a|corrupt|damaged'
for task in check 'audit verify'; do
	# shellcheck disable=SC2086
	run_service $task --database "$folder/corrupt.db"
	it "$task of it ends with status 3, and says why" is "$? $(grep -c '^rollcalld: .' "$folder/end.err")" '3 1'
done
it "the file is not touched" is "$(fingerprint "$folder/corrupt.db")" "$before"

cp "$database" "$folder/damaged.db"
pages=$(($(stat -c %s "$folder/damaged.db") / 4096))
for ((page = 1; page < pages; page++)); do
	printf 'damage, damage' | dd of="$folder/damaged.db" bs=1 seek=$((page * 4096)) conv=notrunc status=none
done
run_service --config "$folder/config.json" --database "$folder/damaged.db"
it "a damaged database ends the start with status 3" is $? 3
it "it says that it is damaged" says 'corrupt|damaged|malformed'

run_service --config "$folder/config.json" --database "$folder/none/rollcall.db"
it "a database that cannot be made ends the start with status 3" is $? 3
it "it names the file" says "none/rollcall.db"

# --- under systemd ---

mkdir "$folder/units"
unit=$e2e/../../deploy/systemd/rollcalld.service
sed "s|/usr/bin/rollcalld|$ROLLCALLD|" "$unit" >"$folder/units/rollcalld.service"
cp "${unit%service}socket" "$folder/units"
it "the units are sound" systemd-analyze verify --man=no "$folder/units/rollcalld.service" "$folder/units/rollcalld.socket"
database=$folder/activated.db
configure <<<'{}'
it "a socket of the service manager's is taken, and left to the next" python3 "$e2e/activation.py" "$ROLLCALLD" "$folder/config.json"
database=$folder/rollcall.db
configure <<<'{}'
it "the unit leaves as little open as can be" systemd-analyze security --offline=true --threshold=20 "$unit"

page=$e2e/../../deploy/systemd/rollcalld.8
it "the manual page is sound" nothing mandoc -T lint -W warning "$page"
it "… and tells every exit status that --help tells" is "$(sed -n '/^\.Sh EXIT/,/^\.Sh EXAM/s/^\.It \([0-9]\).*/\1/p' "$page")" \
	"$("$ROLLCALLD" --help | sed -n '/^Exit status/,$s/^  \([0-9]\) .*/\1/p')"

# --- settings ---

jq '.listen = "0.0.0.0:http" | .logLevel = "loud" | .surprise = 1 | .hubs[0].sku = "S9" | .hubs[1].trackIntervalMs = 5' \
	"$folder/config.json" >"$folder/wrong.json"
chmod 600 "$folder/wrong.json"
for check in '' --check-config; do
	# shellcheck disable=SC2086
	run_service --config "$folder/wrong.json" $check
	it "wrong settings end with status 2 ${check:+(--check-config)}" is $? 2
	for word in listen logLevel surprise sku trackIntervalMs; do
		it "it names $word" says "$word"
	done
done
# shellcheck disable=SC2046
run_service $(printf -- '--x%s ' {1..150})
it "of very many faults the first are told, and how many there are more" says '^rollcalld: and 5[0-9] more'
it "what cannot be written down ends with status 1" is "$("$ROLLCALLD" --help >/dev/full; echo $?)" 1
not_by_variable() { # settings that the environment cannot say: a container has little else
	local flag
	for flag in $("$ROLLCALLD" --help | sed -n 's/^  --\([a-z-]*\) [A-Z|:a-z]*$/\1/p'); do
		env "ROLLCALL_$(tr a-z- A-Z_ <<<"$flag")=?" "$ROLLCALLD" --check-config 2>&1 | grep 'there is no such setting'
	done
	env ROLLCALL_HUB_CONNECTION_STRING='?' "$ROLLCALLD" --check-config 2>&1 | grep 'there is no such setting'
	return 0
}
it "every setting can be said by a variable" nothing not_by_variable
it "… of which there are many" test "$("$ROLLCALLD" --help | grep -c '^  --[a-z-]* [A-Z|:a-z]*$')" -ge 25
run_service --config "$folder/config.json" --check-config
it "sound settings are found sound" is $? 0
key=$(jq -r .connectionString "$folder/main.ready" | sed 's/.*SharedAccessKey=//')
it "no key is in any log" is "$(grep -Fl "$key" "$folder/service.log" "$folder/end.err" "$folder/end.out")" ''
