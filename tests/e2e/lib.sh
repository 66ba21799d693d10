# tests/e2e: what the scripts share, sourced by each. A script starts hubsim and rollcalld on loopback, drives them
# through their doors and says, line by line, what holds; the truth it compares with is hubsim's journal.
# $ROLLCALLD and $HUBSIM name the programs. What is started is ended by its process id, also on failure. With $E2E_KEEP
# the folder with logs, journals and database stays; with $E2E_COVERAGE the service is let end at the end by itself, as only
# then its counts of branches are written.
set -u
export LC_ALL=C
: "${ROLLCALLD:?the path of rollcalld}" "${HUBSIM:?the path of hubsim}"
long=${ROLLCALL_TEST_LONG-}
results=${ROLLCALL_TEST_RESULTS-}
for name in "${!ROLLCALL_@}"; do unset "$name"; done # rollcalld would take them for settings
e2e=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(mktemp -d)
passed=0
failed=0
service=           # rollcalld's process id
under=()           # what rollcalld is run under: valgrind …
database=$folder/rollcall.db
declare -A hub_url # by name: where a hubsim is
type=application/json # of bodies that are sent

# --- saying what holds ---

# it SENTENCE COMMAND…: one test, that passes if the command does; what it says is shown if not.
it() {
	local sentence=$1
	shift
	if "$@" >"$folder/said" 2>&1; then
		passed=$((passed + 1))
		echo "ok      $sentence"
	else
		failed=$((failed + 1))
		echo "FAILED  $sentence"
		echo "        $*" | head -c 2000
		head -c 4000 "$folder/said"
	fi
}

# must COMMAND…: ends the script where the rest would make no sense.
must() {
	"$@" && return
	echo "FAILED  could not: $*"
	failed=$((failed + 1))
	exit 1
}

# is GOT EXPECTED
is() {
	[ "$1" = "$2" ] && return
	printf 'got      %s\nexpected %s\n' "$1" "$2"
	return 1
}

# nothing COMMAND…: the command says nothing, and does not fail.
nothing() {
	local said
	said=$("$@") || return
	is "$said" ''
}

# wait_for SECONDS COMMAND…: until the command passes.
wait_for() {
	local until=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -le "$until" ] || { echo "in vain waited for: $*"; return 1; }
		sleep 0.05
	done
}

on_exit() {
	local status=$? pid
	trap - EXIT
	if [ -n "${E2E_COVERAGE-}" ] && [ -n "$service" ]; then kill "$service" 2>/dev/null && ended "$service" 20; fi
	for pid in $(jobs -rp); do kill -9 "$pid" && wait "$pid" 2>/dev/null; done # by the shell's own table: ids are used again
	[ "$passed" -gt 0 ] || [ "$failed" -gt 0 ] || failed=1
	if [ "$failed" -gt 0 ]; then
		for file in "$folder"/*.log; do [ -f "$file" ] && echo "-- ${file##*/}" && tail -n 40 "$file"; done
		[ "$status" -ne 0 ] || status=1
	fi
	echo "$passed passed, $failed failed"
	[ -z "$results" ] || echo "$passed $failed" >"$results/${0##*/}"
	if [ -n "${E2E_KEEP-}" ]; then echo "kept: $folder"; else rm -rf "$folder"; fi
	exit "$status"
}
trap on_exit EXIT
trap 'exit 130' INT TERM

# --- programs ---

# is_over PID
is_over() { ! jobs -rp | grep -qx "$1"; }

# ended PID SECONDS: waits for its end, which may take so long, and gives its status.
ended() {
	wait_for "$2" is_over "$1" || return 124
	wait "$1"
}

# kill_service: as a power cut does.
kill_service() {
	must kill -9 "$service"
	wait "$service" 2>/dev/null
}

# start_hub NAME ARGUMENT…: a hubsim, with $folder/NAME.journal; its temperament is read from standard input.
start_hub() {
	local name=$1 ready=$folder/$1.ready
	shift
	cat >"$folder/$name.temperament"
	"$HUBSIM" --listen 127.0.0.1:0 --journal "$folder/$name.journal" --ready-file "$ready" \
		--temperament "$folder/$name.temperament" "$@" >"$folder/$name.log" 2>&1 &
	must wait_for 30 test -s "$ready"
	hub_url[$name]=$(jq -r .http "$ready")
}

# configure: the settings' file, with all hubs that were started; standard input is one more JSON object to lay over it.
configure() {
	local name hubs='[]'
	for name in "${!hub_url[@]}"; do
		hubs=$(jq -c --argjson hubs "$hubs" --arg name "$name" --arg url "${hub_url[$name]}" '$hubs + [{name: $name,
			endpoint: $url, connectionString: .connectionString, sku: "none", trackIntervalMs: 200}]' "$folder/$name.ready")
	done
	jq --argjson hubs "$hubs" --arg database "$database" \
		'{listen: "127.0.0.1:0", $database, logFormat: "json", $hubs} * .' >"$folder/config.json"
	chmod 600 "$folder/config.json"
}

# start_service ARGUMENT…: rollcalld, until it listens; sets service and api.
start_service() {
	"${under[@]}" "$ROLLCALLD" --config "$folder/config.json" "$@" 2>>"$folder/service.log" &
	service=$!
	must wait_for 60 service_listens
	must started_line >/dev/null
	api=http://$(started_line | jq -r .listen)
}

started_line() { grep -F '"message":"started"' "$folder/service.log" | grep -F "\"pid\":$service}"; }

service_listens() { started_line >/dev/null || is_over "$service"; }

# run_service ARGUMENT…: rollcalld where it is expected not to serve; its status, and what it says.
run_service() {
	"$ROLLCALLD" "$@" >"$folder/end.out" 2>"$folder/end.err" &
	ended $! 20
}

# --- the API ---

# ask METHOD PATH ARGUMENT…: sets status; the body is for body_of, the head in $folder/head. Arguments are curl's.
ask() {
	local method=$1 path=$2
	shift 2
	: >"$folder/body"
	status=$(curl -sS -o "$folder/body" -D "$folder/head" -w '%{http_code}' --max-time 30 -X "$method" \
		-H "Content-Type: $type" "$@" "$api$path" 2>>"$folder/curl.log") || true
}

# body_of FILTER…: jq on the last body.
body_of() { jq -r "$@" "$folder/body"; }

# create SPEC ARGUMENT…: a campaign; sets id.
create() {
	local spec=$1
	shift
	ask POST /v1/campaigns --data "$spec" "$@"
	[ "$status" = 201 ] || { echo "$status"; cat "$folder/body"; return 1; }
	id=$(body_of .id)
}

# campaign_is ID STATE
campaign_is() {
	ask GET "/v1/campaigns/$1"
	[ "$status" = 200 ] && is "$(body_of .state)" "$2"
}

# pages PATH: the rows of a whole list, a line each.
pages() {
	local path=$1
	while [ -n "$path" ]; do
		ask GET "$path"
		[ "$status" = 200 ] || { echo "$status $path" >&2; return 1; }
		jq -c '.value[]' "$folder/body"
		path=$(body_of '.nextLink // ""')
	done
}

# record ID NAME: everything about a campaign's targets, alone each, into $folder/NAME.targets; events into NAME.events.
record() {
	must pages "/v1/campaigns/$1/events?limit=1000" >"$folder/$2.events"
	must pages "/v1/campaigns/$1/targets?limit=1000" >"$folder/$2.list"
	jq -r --arg at "$api/v1/campaigns/$1/targets" '"url = \($at)/\(.deviceId)"' "$folder/$2.list" >"$folder/urls"
	must curl -sS --fail -K "$folder/urls" >"$folder/$2.targets"
}

# truth NAME FUNCTION: one of truth.jq's, over the campaign recorded as NAME on the hub of that name; further
# arguments are jq's.
truth() {
	local name=$1 function=$2
	shift 2
	jq -rn "$@" --slurpfile journal "$folder/$name.journal" --slurpfile targets "$folder/$name.targets" \
		--slurpfile events "$folder/$name.events" -L "$e2e" "include \"truth\"; $function"
}
