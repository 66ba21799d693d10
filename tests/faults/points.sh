#!/usr/bin/env bash
# tests/faults: the Nth malloc, write, fsync, send, recv or connect of the service fails, or it is killed at the Nth of all
# of these but malloc, while it reboots a few devices; then it starts again. Whatever N: no device acts twice, every call
# that reached one is on record, what was answered is there, and the service never ends by touching memory that it must not.
# One N each; with ROLLCALL_TEST_LONG=true every N, in two rows at a time, and until every device is final; but of the
# mallocs, some 20,000, every 50th before the service listens and every 10th from there on, beginning with another one in
# each run. ($POINTS: a pattern of those to look at alone, "^malloc:".)
. "$(dirname "$0")/../e2e/lib.sh"
: "${FAULTS:?the path of libfaults.so}"

given=${1-} # a file of the points to make: in the other row, from the one that has counted
rows=1
devices=4 # of one campaign
[ "$long" = true ] && rows=2 devices=2
at_once=10 # campaigns in one database, so that each start finds about as little

spec() { # SLICE
	jq -n --argjson from $(($1 * devices)) --argjson n $devices '{name: "slice", action: {type: "reboot",
		responseTimeoutSeconds: 5}, targets: {deviceIds: [range($from; $from + $n) | "dev-" + ("000000" + tostring)[-6:]]},
		verify: {timeoutSeconds: 2, settleSeconds: 0}}'
}
over() { is_over "$service" || campaign_is "$id" completed; }
# kept_in SLICE: names its database
kept_in() { database=$folder/$(($1 / at_once)).db; }

# serve SLICE ENVIRONMENT…: a service with a fault, until it listens or is over.
serve() {
	kept_in "$1"
	shift
	: >"$folder/service.log"
	env "LD_PRELOAD=$FAULTS" "$@" "$ROLLCALLD" --config "$folder/config.json" --database "$database" 2>"$folder/service.log" &
	service=$!
	wait_for 20 service_listens
}
declare -A ended_as point # by slice
asserted=()
finish() { # SLICE
	is_over "$service" || { kill "$service" && wait_for 3 is_over "$service"; } || kill -9 "$service"
	wait "$service" 2>/dev/null
	ended_as[$?]+=" $1"
	! grep -F Assertion "$folder/service.log" || asserted+=("${point[$1]-none}")
}

# one_run SLICE ENVIRONMENT…: a service with a fault makes a campaign, and ends.
declare -A answered # by slice: the id that a 201 gave
one_run() {
	serve "$@"
	if ! is_over "$service"; then
		api=http://$(started_line | jq -r .listen)
		if create "$(spec "$1")" -H "Idempotency-Key: $1" >/dev/null 2>&1; then
			answered[$1]=$id
			wait_for $((rows == 1 ? 2 : 1)) over
		fi
	fi
	finish "$1"
}

# --- how many there are, and which of them fail ---

count() {
	local luck=$SRANDOM start what n
	start_hub count --devices $((2 * devices)) --seed 3 --boot-seconds 0.1-0.2 <<<'{"history": true,
		"answerMs": [10, 40], "reportMs": [10, 40], "leaveMs": [10, 20]}'
	configure <<<'{}'
	one_run 0 "FAULTS_COUNT=$folder/counts"
	it "without a fault it ends with status 0" is "${!ended_as[*]}" 0
	cat "$folder/counts"
	serve 0 "FAULTS_COUNT=$folder/start"
	finish 0
	start=$(sed -n 's/^malloc //p' "$folder/start")
	echo "malloc $start before it listens, and to stop; luck $luck"
	while read -r what n; do
		if [ "$rows" -eq 1 ]; then
			echo "$what:$((n / 2 + 1))"
		elif [ "$what" = malloc ]; then
			seq -f "$what:%.0f" $((luck % 50 + 1)) 50 "$start"
			seq -f "$what:%.0f" $((start + luck % 10 + 1)) 10 "$n"
		else
			seq -f "$what:%.0f" 1 "$n"
		fi
	done <"$folder/counts" | grep -e "${POINTS-}" >"$folder/all"
	unset 'hub_url[count]'
	ended_as=()
}

if [ -n "$given" ]; then
	cp "$given" "$folder/points"
else
	count
	for ((row = 0; row < rows; row++)); do # every one in one row, and each row some of every kind
		awk -v row=$row -v rows=$rows 'NR % rows == row' "$folder/all" >"$folder/points.$row"
	done
	mv "$folder/points.0" "$folder/points"
	if [ "$rows" -gt 1 ]; then
		ROLLCALL_TEST_LONG=true ROLLCALL_TEST_RESULTS='' "$0" "$folder/points.1" >"$folder/other.out" 2>&1 &
		other=$!
	fi
fi

# --- one after the other ---

start_hub main --devices $((devices * ($(wc -l <"$folder/points") + at_once + 1))) --seed 3 --boot-seconds 0.1-0.2 <<<'{"history": true,
	"answerMs": [10, 40], "reportMs": [10, 40], "leaveMs": [10, 20]}'
configure <<<'{}'
slice=$at_once # the first database has counted
first=$slice
while read -r at <&3; do
	point[$slice]=$at
	one_run $slice "FAULTS_AT=$at"
	slice=$((slice + 1))
done 3<"$folder/points"
echo "$((slice - first)) faults"
kinds() { for one in "$@"; do echo "${point[$one]%:*}"; done | sort | uniq -c | awk '{printf "%s%s %s", (NR == 1 ? "" : ", "), $1, $2}'; }
for status in "${!ended_as[@]}"; do echo "status $status: $(kinds ${ended_as[$status]})"; done
wild() { for one in ${ended_as[139]-} ${ended_as[135]-}; do echo "${point[$one]}"; done; }
it "it never touched memory that it must not" nothing wild
it "what it takes for granted held" is "${asserted[*]}" ''

# --- and what is left of them ---

settled() { # all but what is in doubt; in the long mode that, too
	for id in "${ids[@]}"; do
		ask GET "/v1/campaigns/$id"
		[ "$rows" -gt 1 ] && filter=.state || filter='if .counts.waiting + .counts.invoking + .counts.awaitingProof == 0 then "completed" else .state end'
		[ "$(body_of "$filter")" = completed ] || return 1
	done
}
lost=()
for ((from = first; from < slice; from += at_once)); do
	ids=()
	kept_in "$from"
	: >"$folder/service.log"
	start_service --database "$database"
	for ((i = from; i < from + at_once && i < slice; i++)); do
		must create "$(spec $i)" -H "Idempotency-Key: $i"
		[ -z "${answered[$i]-}" ] || [ "${answered[$i]}" = "$id" ] || lost+=("${point[$i]}")
		ids+=("$id")
	done
	must wait_for 60 settled
	for id in "${ids[@]}"; do
		record "$id" one
		cat "$folder/one.targets" >>"$folder/main.targets"
		cat "$folder/one.events" >>"$folder/main.events"
	done
	kill "$service"
	ended "$service" 20
done
it "what was answered before a fault is there after it" is "${lost[*]}" ''
echo "$(truth main tally)"
it "no device acted twice" nothing truth main acted_twice
it "no two calls to one device overlapped" nothing truth main overlaps
it "every call that reached a device is on record" nothing truth main unrecorded
proven_without_act() { jq -rn --slurpfile journal "$folder/main.journal" --slurpfile targets "$folder/main.targets" '
	([$journal[] | select(.kind == "act") | {key: .deviceId, value: true}] | from_entries) as $acted
	| $targets[] | select(.state == "succeeded" and ($acted[.deviceId] | not)) | .deviceId'; }
it "those that are proven have acted" nothing proven_without_act
[ "$rows" -eq 1 ] || it "those that acted are proven, those that did not are not" nothing truth main misproven
if [ -n "${other-}" ]; then
	wait "$other"
	other_status=$?
	sed 's/^/    /' "$folder/other.out"
	it "the other row, too" is "$other_status" 0
fi
