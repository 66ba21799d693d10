#!/usr/bin/env bash
# tests/e2e: what the service is asked wrongly, it refuses as the contract says, with all that is wrong at once; it goes
# on, and a campaign that runs meanwhile is not disturbed.
. "$(dirname "$0")/lib.sh"

start_hub main --devices 300 --seed 3 --boot-seconds 0.2-0.5 <<<'{"history": true, "leaveMs": [20, 100]}'
declare -A token
for role in viewer operator; do
	must "$ROLLCALLD" token new --name "$role" --role "$role" >"$folder/$role.token"
	token[$role]=$(head -n 1 "$folder/$role.token")
	tail -n +2 "$folder/$role.token" >>"$folder/entries"
done
jq -s . "$folder/entries" >"$folder/tokens.json"
configure <<<"{\"tokensFile\": \"$folder/tokens.json\", \"campaignsMax\": 2}"
start_service
port=${api##*:}

# as ROLE METHOD PATH ARGUMENT…: asks with that role's token.
as() { ask "${@:2}" -H "Authorization: Bearer ${token[$1]}"; }
campaign_is() { # lib.sh's, with a token
	as operator GET "/v1/campaigns/$1"
	is "$status $(body_of .state)" "200 $2"
}

# refused STATUS CODE: the last answer is that problem, whole and of the right type.
refused() {
	is "$status" "$1" && is "$(body_of '"\(.status) \(.code)"')" "$1 $2" &&
		is "$(body_of '[.type, .title] | map(type) | unique | join(" ")')" string &&
		grep -qi '^content-type: application/problem+json' "$folder/head" || { cat "$folder/head" "$folder/body"; return 1; }
}
# names POINTER…: the last answer names exactly these places, in any order.
names() { is "$(body_of '[.errors[].pointer] | sort | join(" ")')" "$(printf '%s\n' "$@" | sort | paste -sd ' ')"; }
has() { grep -qi "$1" "$folder/head" || { cat "$folder/head"; return 1; }; }

# --- clients that say half of it, more than the service takes connections: they stay to the end of this script ---

slow=()
for ((n = 0; n < 600; n++)); do
	exec {fd}<>"/dev/tcp/127.0.0.1/$port"
	case $((n % 3)) in
	0) ;;
	1) printf 'POST /v1/campaigns HTTP/1.1\r\nHost: localhost\r\nContent-Le' >&"$fd" ;;
	2) printf 'POST /v1/campaigns HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"na' \
		"${token[operator]}" >&"$fd" ;;
	esac
	slow+=("$fd")
done

# --- a campaign that runs meanwhile: 300 devices in about 20 s ---

spec='{"name": "meanwhile", "action": {"type": "reboot"}, "targets": {"all": true}, "rollout": {"ratePerMinute": 900},
	"verify": {"settleSeconds": 1}}'
as operator POST /v1/campaigns --data "$spec"
it "600 slow clients do not keep a campaign from being created" is "$status" 201
main=$(body_of .id)
campaigns() { as viewer GET /v1/campaigns && body_of '.value | length'; }

# --- who asks ---

ask GET /v1/campaigns
it "without a token: 401" refused 401 unauthenticated
it "it says how to authenticate" has '^www-authenticate: bearer'
ask GET /v1/campaigns -H 'Authorization: Bearer wrong'
it "with a wrong token: 401" refused 401 unauthenticated
ask GET /v1/campaigns -H "Authorization: Bearer ${token[viewer]}x"
it "with a token and a letter more: 401" refused 401 unauthenticated
ask GET /v1/campaigns -H "Authorization: Basic ${token[viewer]}"
it "with another scheme: 401" refused 401 unauthenticated
ask GET /livez
it "health asks for no token" is "$status" 200
as viewer POST /v1/campaigns --data "$spec"
it "a viewer may not create: 403" refused 403 forbidden
as viewer POST "/v1/campaigns/$main/pause"
it "a viewer may not pause: 403" refused 403 forbidden
it "the campaign is not paused" campaign_is "$main" running

# --- what is asked ---

as operator GET /v1/nothing
it "an unknown path: 404" refused 404 notFound
as operator GET /v1/campaigns/0nosuchcampaign
it "an unknown campaign: 404" refused 404 notFound
as operator GET "/v1/campaigns/$main/targets/nobody"
it "an unknown target: 404" refused 404 notFound
as operator DELETE /v1/campaigns
it "a wrong method: 405" refused 405 methodNotAllowed
it "it names the right ones" has '^allow: .*POST'
as operator PATCH "/v1/campaigns/$main/pause"
it "a wrong method on an order: 405" refused 405 methodNotAllowed
as operator GET '/v1/campaigns?state=sleeping&colour=red&limit=0'
it "unknown parameters: 400" refused 400 invalidParameter
as operator GET '/v1/campaigns?state=sleeping&limit=0&cursor=x'
it "wrong values of parameters: 400, all of them" is "$(body_of '[.errors[].parameter] | sort | join(" ")')" "cursor limit state"

# --- bodies ---

create_as_operator() { as operator POST /v1/campaigns "$@"; }
for broken in '{' '{"name": }' '{"name": "x"' 'name' '{"name": "x"} x' '{"name": "x", "name": "y"}' '' $'{"name": "\xff"}' \
	"$(printf '[%.0s' {1..5000})"; do
	create_as_operator --data-binary "$broken"
	it "broken JSON: 400 ($(printf %q "${broken:0:24}"))" refused 400 notJson
done
for document in '[]' '"text"' 'null' '7'; do
	create_as_operator --data "$document"
	it "JSON that is no campaign: 422 ($document)" refused 422 unsound
done
create_as_operator --data '{"name": 7, "hubs": "main", "action": {"type": "explode", "responseTimeoutSeconds": "long"},
	"targets": {"all": true, "where": 1, "colour": "red"}, "rollout": {"maxUnavailable": -1, "ratePerMinute": 1.5},
	"retry": {"maxAttempts": 0, "on": ["rain"], "doubtful": "always"}, "offline": {"wait": "yes"}, "verify": [], "surprise": {}}'
it "wrong types, unknown members and values out of range: 422" refused 422 unsound
it "all of them are named" names /name /hubs /action/type /action/responseTimeoutSeconds /targets /targets/where \
	/targets/colour /rollout/maxUnavailable /rollout/ratePerMinute /retry/maxAttempts /retry/on/0 /retry/doubtful \
	/offline/wait /verify /surprise
create_as_operator --data '{"name": "x", "action": {"type": "reboot", "transport": "hubJob"}, "targets": {"all": true},
	"rollout": {"ratePerMinute": 5}, "abort": [{"count": 1}]}'
it "what a hub's job cannot keep is refused, not ignored: 422" refused 422 unsound
it "all of it is named" names /rollout/ratePerMinute /abort
create_as_operator --data '{"name": "x", "hubs": ["other"], "action": {"type": "reboot"}, "targets": {"where": "tags.site ="}}'
it "a hub that is not there and a predicate that cannot be read: 422" refused 422 unsound
it "both are named" names /hubs/0 /targets/where

head -c 10485760 /dev/zero | tr '\0' ' ' >"$folder/10mb"
create_as_operator --data-binary "@$folder/10mb"
it "10 MB: 413" refused 413 bodyTooLarge
create_as_operator --data-binary "@$folder/10mb" -H 'Transfer-Encoding: chunked' -H 'Expect:'
it "10 MB in chunks, sent without asking: 413" refused 413 bodyTooLarge
type=text/plain create_as_operator --data "$spec"
it "another media type: 415" refused 415 unsupportedMediaType
create_as_operator -H 'Content-Length:'
it "no body and no length: 411" refused 411 lengthRequired
as operator POST "/v1/campaigns/$main/pause" --data '{"why": "lunch"}'
it "an order with members that it has not: 422" refused 422 unsound
create_as_operator --data "$spec" -H "Idempotency-Key: $(printf 'k%.0s' {1..256})"
it "a key of 256 characters: 400" refused 400 malformedRequest

exec {raw}<>"/dev/tcp/127.0.0.1/$port"
printf '\x16\x03\x01\x02\x00 no HTTP at all\r\n\r\n' >&"$raw"
it "what is not HTTP is answered 400 or cut" grep -qE '^(HTTP/1.1 400|$)' <(timeout 10 head -n 1 <&"$raw"; echo)
exec {raw}>&-

it "none of that made a campaign" is "$(campaigns)" 1
it "the service is alive and ready" wait_for 1 curl -sS --fail "$api/readyz"

# --- the same key, the same campaign ---

later='{"name": "later", "action": {"type": "reboot"}, "targets": {"deviceIds": ["dev-000001"]}, "schedule": {"startAt": "2099-01-01T00:00:00Z", "endAfterSeconds": 9}}'
create_as_operator --data "$later" -H 'Idempotency-Key: k1'
first=$(body_of .id)
create_as_operator --data "$later" -H 'Idempotency-Key: k1'
it "a key used again gives the same campaign" is "$(body_of .id)" "$first"
create_as_operator --data "${later/later/else}" -H 'Idempotency-Key: k1'
it "a key used again with another body: 422" refused 422 idempotencyKeyReused

# --- as many campaigns as there may be ---

create_as_operator --data "${later/later/third}"
it "a campaign more than campaignsMax: 429" refused 429 tooMany
it "it says when to ask again" has '^retry-after: 60'
as viewer GET /metrics
it "the metrics show that the limit is reached" grep -qx 'rollcall_limit_used{limit="campaigns"} 2' "$folder/body"

# --- other tokens ---

jq 'map(select(.name != "viewer"))' "$folder/tokens.json" >"$folder/fewer" && cp "$folder/fewer" "$folder/tokens.json"
kill -HUP "$service"
viewer_is() { as viewer GET /v1/campaigns && is "$status" "$1"; }
it "after SIGHUP a token that is not in the file any more is refused" wait_for 10 viewer_is 401
echo '[{]' >"$folder/tokens.json"
kill -HUP "$service"
it "a file that cannot be read is not taken, and the log says so" \
	wait_for 10 grep -q '"message":"file not taken.*"setting":"tokensFile"' "$folder/service.log"
as operator GET /v1/campaigns
it "the tokens stay as they were" is "$status" 200

# --- at the end ---

must wait_for 60 campaign_is "$main" completed
it "the campaign that ran meanwhile proved every device" is "$(body_of .counts.succeeded)" 300
half_said() { # those whose head is not whole
	local n
	for ((n = 0; n < ${#slow[@]}; n++)); do [ $((n % 3)) -eq 2 ] || echo "${slow[n]}"; done
}
cut_off() {
	local fd
	for fd in $(half_said); do
		# A read that ends at once, with nothing: the peer has closed. One that times out (status above 128): it has not.
		read -r -t 0.01 -u "$fd" _
		[ $? -le 128 ] || return 1
	done
}
it "clients that do not finish their head are cut off" wait_for 45 cut_off
kill "$service"
it "slow clients do not keep the service from stopping" ended "$service" 12
