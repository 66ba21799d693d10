#!/usr/bin/env bash
# tests/e2e: rollcall, the command line, against the service: what scripts go by (exit statuses, JSON, CSV), a watch through
# a kill of the service, and what a person sees on a terminal.
. "$(dirname "$0")/lib.sh"
: "${ROLLCALL:?the path of rollcall}" "${CLI:?the folder of its sources}"

# role NAME: a token, in $folder/NAME.token.
role() {
	"$ROLLCALLD" token new --name "$1" --role "$1" >"$folder/new"
	head -n 1 "$folder/new" >"$folder/$1.token"
	tail -n +2 "$folder/new" >>"$folder/entries"
}
for name in viewer operator approver; do role "$name"; done
jq -s . "$folder/entries" >"$folder/tokens.json"
times='"history": true, "answerMs": [10, 100], "reportMs": [20, 100], "queryLagMs": 50'
start_hub good --devices 200 --seed 1 --boot-seconds 0.2-0.5 <<<"{$times}"
start_hub bad --devices 20 --seed 2 --boot-seconds 0.2-0.5 <<<"{$times, \"tempers\": {\"refusing\": 1}}"
configure <<<"{\"tokensFile\": \"$folder/tokens.json\"}"
start_service
export ROLLCALL_URL=$api ROLLCALL_TOKEN_FILE=$folder/approver.token TZ=UTC

# cli ARGUMENT…: sets status, and leaves what it says in $folder/out and $folder/err.
cli() {
	"$ROLLCALL" "$@" >"$folder/out" 2>"$folder/err"
	status=$?
}
# ends STATUS ARGUMENT…
ends() {
	local expected=$1
	shift
	cli "$@"
	is "$status" "$expected" || { cat "$folder/out" "$folder/err"; return 1; }
}
says() { grep -qF -- "$1" "$folder/out" "$folder/err" || { cat "$folder/out" "$folder/err"; return 1; }; }

# spec HUB MORE: into $folder/spec.json
spec() {
	jq -n --arg hub "$1" --argjson more "$2" '{name: "on \($hub)", hubs: [$hub], action: {type: "reboot"},
		targets: {all: true}, verify: {settleSeconds: 0}} * $more' >"$folder/spec.json"
}

# --- exit statuses ---

spec good '{}'
it "0: run --watch, every device proven" ends 0 run -f "$folder/spec.json" --watch
first=$(head -n 1 "$folder/out")
it "its first line is the id" is "$(curl -sS -H "Authorization: Bearer $(cat "$folder/viewer.token")" "$api/v1/campaigns/$first" | jq -r .state)" completed
it "its last line says what became of it" is "$(tail -n 1 "$folder/out")" "completed: 200 of 200 devices proven"
it "1: refused, with all that is wrong" ends 1 run -f - <<<'{"name": 5}'
it "… by pointer" says "/targets: "
it "1: no such campaign" ends 1 watch none
it "2: a file that is not there" ends 2 run -f "$folder/nothing.json"
it "2: no such command" ends 2 fly
it "2: an option of another command" ends 2 list --override
wrong() { # WHAT ARGUMENT…: the command line is refused, and that is said of it
	local what=$1
	shift
	ends 2 "$@" && says "$what"
}
echo "no token" >"$folder/two.words"
many=() letters=()
for n in {1..17}; do many+=(--reason x); done
for n in {1..64}; do letters+=(-w); done
it "2: no command" wrong "which command"
it "2: an option that nobody knows" wrong "unrecognized" list --fly
it "2: another output" wrong '--output must be text, json or csv, not "xml"' list -o xml
for limit in x '' -1 99999999999999999999 4294967296; do it "2: --limit '$limit'" wrong "--limit must be a whole number" list --limit "$limit"; done
it "2: too many reasons" wrong "too many reasons" retry x "${many[@]}"
it "2: two reasons, where one is taken" wrong "one --reason" targets x --reason a --reason b
it "2: too many options" wrong "too many options" watch "${letters[@]}"
it "2: an argument too many" wrong 'what is "y" for' watch x y
it "2: an argument too few" wrong "usage: rollcall watch ID" watch
it "2: CSV of what has none" wrong "only targets" list -o csv
it "2: no such token file" wrong "No such file" list --token-file "$folder/nothing"
it "2: a token file that is none" wrong "Is a directory" list --token-file "$folder"
it "2: a token of two words" wrong "what should be the token" list --token-file "$folder/two.words"
it "2: a full disk behind standard output" bash -c '"$0" list >/dev/full 2>/dev/null; [ $? = 2 ]' "$ROLLCALL"
it "the version is told" ends 0 --version
it "a token that others could read on the way is told of" ends 7 list --url http://0.0.0.0:1
it "… so" says "the token goes to http://0.0.0.0:1 unencrypted"
it "… also where http:// is left out" ends 7 list --url 0.0.0.0:1
it "… so" says "unencrypted"
kept() { ends 7 list --ca-file "$folder/nothing.pem" --url "$1" && ! says "unencrypted" >"$folder/none"; }
for url in http://localhost:1/ 'http://[::1]:1' https://127.0.0.1:1; do it "… not on the way to $url" kept "$url"; done
it "a token may be in a variable" is "$(ROLLCALL_TOKEN=$(cat "$folder/viewer.token") "$ROLLCALL" list -o json)" "$("$ROLLCALL" list -o json)"
spec bad '{}'
it "3: devices failed" ends 3 run -f "$folder/spec.json" -w
bad=$(head -n 1 "$folder/out")
it "… each is told as it happens" says "refused"
it "… and what can be done" says "rollcall retry $bad"
spec bad '{"abort": [{"cause": "any", "count": 3, "do": "pause"}], "rollout": {"maxUnavailable": 2}}'
it "4: paused by a rule" ends 4 run -f "$folder/spec.json" -w
paused=$(head -n 1 "$folder/out")
spec good '{}'
jq '.targets = {deviceIds: ["dev-000001", "nobody"]}' "$folder/spec.json" >"$folder/some.json"
it "5: some were never called" ends 5 run -f "$folder/some.json" -w
it "6: cancelled" ends 6 cancel "$paused" --watch --plain --patience 5
it "7: nobody answers" ends 7 list --url http://127.0.0.1:1
it "8: no token" env -u ROLLCALL_TOKEN_FILE bash -c '"$0" list 2>/dev/null; [ $? = 8 ]' "$ROLLCALL"
it "8: not the role" ends 8 pause "$first" --token-file "$folder/viewer.token"
spec good '{"rollout": {"gate": {"approval": "start"}}}'
it "9: waits for approval" ends 9 run -f "$folder/spec.json" -w --until-approval
waits=$(head -n 1 "$folder/out")
it "0: approved, and watched to the end" ends 0 approve "$waits" -w

# --- what is written ---

it "list, as JSON, is one array" ends 0 list -o json
it "… of all campaigns" is "$(jq length "$folder/out")" 5
it "list --state chooses" ends 0 list --state cancelled
it "… one" is "$(tail -n +2 "$folder/out" | wc -l)" 1
it "targets as CSV are what the service gives" cmp <("$ROLLCALL" targets "$bad" -o csv) \
	<(curl -sS -H "Authorization: Bearer $(cat "$folder/viewer.token")" -H 'Accept: text/csv' "$api/v1/campaigns/$bad/targets")
it "targets choose by state and reason" ends 0 targets "$bad" --state failed --reason refused -o json
it "… all" is "$(jq length "$folder/out")" 20
it "targets choose by all that is told of them" ends 0 targets "$bad" --state failed --reason refused --wave 0 --group none --hub bad \
	--device dev-000001 -o text
it "… of which nothing is left" is "$(wc -l <"$folder/out")" 1
it "events are told from one on, so many" ends 0 events --after 3 --limit 2 -o json
it "… those" is "$(jq -s -c '[.[].id]' "$folder/out")" '[4,5]'
it "campaigns are found by name" ends 0 list --name "on bad" --limit 1 -o json
it "… one" is "$(jq -c '[.[].name]' "$folder/out")" '["on bad"]'
it "show tells a device's attempts and evidence" ends 0 show "$first" dev-000001
it "… the call" says "call: answered"
it "… the proof" says "evidence: proven"
it "… as it came about" is "$(sed -n 's/^  [0-9:]*  \([a-z]*: [a-z]*\).*/\1/p' "$folder/out" | tr '\n' ',')" \
	"evidence: baseline,call: answered,evidence: proven,"
it "show tells a campaign" ends 0 show "$bad"
it "… why devices failed" says "20 refused"
it "events are a line each" ends 0 events "$first" -o json
it "… in order, each once" is "$(jq -s '[.[].id] == ([.[].id] | unique) and length > 600' "$folder/out")" true
it "hubs are told" ends 0 hubs
it "… with their state" says "open"
ask POST /v1/schedules -H "Authorization: Bearer $(cat "$folder/approver.token")" --data "$(jq -c '{name: "nightly",
	recurrence: {cron: "30 2 * * *", timeZone: "Europe/Stockholm", from: "2027-03-27T00:00:00Z"}, campaign: .}' "$folder/spec.json")"
must is "$status" 201
it "8: to forget what was given up is for admins" ends 8 webhooks none --forget
it "schedules are told" ends 0 schedules
it "… with when they come next" says "2027-03-27 01:30"
it "… and one's occurrences, on the clocks of its zone" is "$("$ROLLCALL" schedules "$(body_of .id)" --limit 2 | awk 'NR > 1 { print $1 "/" $3 }')" \
	"2027-03-27T02:30:00+01:00/
2027-03-28T03:30:00+02:00/gap"
spec good '{}'
it "one key makes one campaign" is "$("$ROLLCALL" run -f "$folder/spec.json" --key again)" "$("$ROLLCALL" run -f "$folder/spec.json" --key again)"
it "retry makes a new campaign over the failed" ends 3 retry "$bad" -w
it "… of which there are as many" is "$(tail -n 2 "$folder/out" | head -n 1)" "completed: 0 of 20 devices proven, failed: 20 refused"

# --- a terminal ---

spec good '{"rollout": {"waves": [{"name": "canary", "upToCount": 5}, {"upToPercent": 100}]}}'
LC_ALL=C.UTF-8 TERM=xterm script -qec "stty cols 72 rows 20; $ROLLCALL run -f $folder/spec.json --watch" "$folder/typescript" \
	>/dev/null </dev/null
it "on a terminal it ends by the same status" grep -q 'COMMAND_EXIT_CODE="0"' "$folder/typescript"
# What stands there in the end: each picture begins by going up as many lines as the one before had.
tr -d '\r' <"$folder/typescript" | awk 'NR > 2' | sed 's/\x1b\[[0-9;]*[mKJ]//g' >"$folder/seen"
seen() { tail -n 12 "$folder/seen" | grep -q "$1" || { tail -n 12 "$folder/seen"; return 1; }; }
it "… with a line for each wave" seen '^canary .*█ 100%  5 proven$'
it "… and one for all" seen '^all    .*█ 100%  200 proven$'
too_wide() { sed 's/\x1b\[[0-9;]*[A-Za-z]//g' "$folder/seen" | grep -v '^Script ' | LC_ALL=C.UTF-8 grep -E '^.{72}'; }
it "no line is as wide as the terminal" is "$(too_wide)" ''

# --- a watch goes on through a kill of the service ---

# A call on its way when the service was killed may never have left, and is never made again: its proof is not
# waited for as long as by default (5 + 10 + 60 s), and what the campaign ends by is what a second watch is told.
spec good '{"action": {"type": "reboot", "responseTimeoutSeconds": 5}, "rollout": {"ratePerMinute": 1800}, "verify": {"timeoutSeconds": 10}}'
must ends 0 run -f "$folder/spec.json"
killed=$(cat "$folder/out")
"$ROLLCALL" watch "$killed" -o json >"$folder/watched" 2>"$folder/watched.err" &
watching=$!
must wait_for 20 test -s "$folder/watched"
kill_service
start_service --listen "${api#http://}"
must wait_for 150 is_over "$watching"
wait "$watching"
status=$?
it "it ends by the same status" ends "$status" watch "$killed"
it "it has each event once, in order" is "$(jq -s '[.[].id | numbers] | . == unique' "$folder/watched")" true
it "it ends with the campaign" is "$(tail -n 1 "$folder/watched" | jq -r .state)" completed

# --- what comes with it ---

it "the manual page is sound" nothing mandoc -T lint "$CLI/rollcall.1"
it "… and tells every exit status that --help tells" is "$(sed -n '/^\.Sh EXIT/,/^\.Sh EXAM/s/^\.It \([0-9]\).*/\1/p' "$CLI/rollcall.1")" \
	"$("$ROLLCALL" --help | sed -n '/^Exit/,$s/^  \([0-9]\) .*/\1/p')"
complete_line() {
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
	_rollcall
	echo "${COMPREPLY[*]}"
}
. "$CLI/completion.bash"
rollcall() { "$ROLLCALL" "$@"; }
it "completion knows the commands" is "$(complete_line rollcall re)" "resume retry"
it "… their options" is "$(complete_line rollcall retry --re)" "--reason"
it "… states" is "$(complete_line rollcall targets x --state s)" "succeeded skipped"
it "… campaigns" is "$(complete_line rollcall show "$bad")" "$bad"
it "completion knows every command that --help tells" is \
	"$(complete_line rollcall '' | tr ' ' '\n' | grep -v '^--' | sort)" \
	"$("$ROLLCALL" --help | sed -n '/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p' | sort)"
