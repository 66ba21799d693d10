#!/usr/bin/env bash
# tests/e2e: webhooks: what campaigns and waves do is told to a receiver that checks signatures for itself, in order, again
# where it failed, and after kill -9; what is given up is on record; TLS is verified, redirects are not followed.
. "$(dirname "$0")/lib.sh"

secret=whsec_$(head -c 32 /dev/urandom | base64)
echo "$secret" >"$folder/secret"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
	-addext subjectAltName=DNS:localhost -keyout "$folder/key.pem" -out "$folder/cert.pem" 2>/dev/null
receiver() { # FOLDER ARGUMENT…
	mkdir -p "$1/status"
	: >"$1/received"
	python3 "$e2e/receiver.py" "$1" "$secret" "${@:2}" 2>"$1.log" &
	must wait_for 20 test -s "$1/port"
}
receiver "$folder/plain"
receiver "$folder/tls" "$folder/cert.pem" "$folder/key.pem"
plain=http://127.0.0.1:$(cat "$folder/plain/port") tls=https://localhost:$(cat "$folder/tls/port")
answer() { echo "$2" >"$folder/plain/status/$1"; } # NAME STATUS: from now on
received() { jq -c --arg name "$1" 'select(.name == $name)' "$folder/${2:-plain}/received"; }

hook() { jq -cn --arg name "$1" --arg url "$2" --arg secret "$folder/secret" --argjson more "${3-{\}}" '{$name, $url, secretFile: $secret} + $more'; }
{
	hook good "$plain/hooks/good"
	hook failing "$plain/failing"
	hook gone "$plain/gone"
	hook moved "$plain/moved"
	hook trusted "$tls/trusted" "{\"caFile\": \"$folder/cert.pem\"}"
	hook untrusted "$tls/untrusted"
} | jq -s . >"$folder/webhooks.json"
chmod 600 "$folder/webhooks.json" "$folder/secret"
answer failing 500
answer gone 410
answer moved 302

start_hub main --devices 20 --seed 4 --boot-seconds 0.1-0.2 <<<'{"history": true, "answerMs": 5, "reportMs": 10, "leaveMs": 20,
	"tempers": {"refusing": 0.3}}'
configure <<<"{\"webhooksFile\": \"$folder/webhooks.json\"}"
start_service
must create '{"name": "waves", "action": {"type": "reboot"}, "targets": {"all": true}, "verify": {"settleSeconds": 0},
	"rollout": {"maxUnavailable": 2, "waves": [{"upToCount": 4}, {"upToPercent": 100}]}, "abort": [{"count": 2, "do": "pause"}]}'
first=$id
must wait_for 30 campaign_is "$first" paused

told() { curl -sS "$api/v1/events?limit=1000" | jq -c '.value[] | select(.type == "campaign" or .type == "wave") | .id'; }
all_told() { is "$(received "$1" "${2-}" | jq -c .body.data.id)" "$(told)"; }
it "each event of campaigns and waves is told once, in order" wait_for 10 all_told good
it "each is signed, and fresh" nothing jq -c 'select((.signed and .fresh) | not)' "$folder/plain/received"
it "each is JSON" is "$(received good | jq -r .type | sort -u)" application/json
it "a campaign that a rule paused says so" is "$(received good | jq -r '.body | select(.type == "campaign.paused") | .data.stoppedBy')" abortRule
it "the same over TLS, where the certificate is trusted" wait_for 10 all_told trusted tls
it "nothing is told where it is not" is "$(received untrusted tls)" ''

view() { ask GET /v1/webhooks && body_of --arg name "$1" ".value[] | select(.name == \$name) | $2"; }
says() { view "$1" "$2" | grep -qE "$3"; }
it "why is in the API" wait_for 10 says untrusted .lastError certificate
it "what was refused by 410 is given up at once" wait_for 10 says gone .deadLetters '^[1-9]'
it "a redirect is not followed" nothing received elsewhere
it "what failed waits, and its place holds the others" wait_for 10 says failing .state '^waiting$'

# delivered NAME: at least once each, and in order.
all_delivered() { is "$(received "$1" | jq -c "select(.status == 204) | .body.data.id" | uniq)" "$(told)"; }

# --- again, and over kill -9 ---

first_of() { received failing | head -n 1 | jq -r .id; }
sent_again() { [ "$(received failing | jq -r .id | grep -cx "$(first_of)")" -ge 2 ]; }
it "what failed is sent again under its id" wait_for 15 sent_again
answer failing 204
answer gone 204
before=$(view gone .deadLetters)
kill_service
start_service
it "after kill -9 what was not delivered is" wait_for 15 all_delivered failing
it "dead letters are kept over it" is "$(view gone .deadLetters)" "$before"
ask GET /v1/webhooks/gone/dead-letters
it "each dead letter has its message, its error and how often it was tried" is \
	"$(body_of '[.value[] | select(.attempts == 1 and .error == "answered 410" and .body.data.id == .eventId)] | length')" "$before"
cli() { "$ROLLCALL" -u "$api" webhooks "$@"; }
it "the command line lists webhooks" is "$(cli | awk '{ print $1 }' | paste -sd ' ')" "WEBHOOK good failing gone moved trusted untrusted"
it "… each with how many were given up" grep -qE "^gone +$plain +idle .* $before *$" <(cli)
it "… and as JSON" is "$(cli -o json | jq -c 'map(.name)')" "$(curl -sS "$api/v1/webhooks" | jq -c '.value | map(.name)')"
it "it lists what was given up" is "$(cli gone | tail -n +2 | grep -cE '^[0-9]+ .*1  campaign\.[a-z]+ +[0-9a-z]+ +answered 410$|wave\.moved')" "$before"
it "it takes no --forget without a name" is "$(cli --forget 2>&1; echo $?)" $'rollcall: --forget needs the name of a webhook\n2'
it "it says when there is no such webhook" is "$(cli nobody 2>&1 >"$folder/cli.out"; echo $?)" $'rollcall: 404 There is no such thing: no webhook has this name\n1'
it "dead letters can be forgotten" is "$(cli gone --forget)$? $(view gone .deadLetters)" "0 0"
ask GET /v1/audit
it "that is on record" is "$(body_of '.value[0] | "\(.method) \(.path)"')" "DELETE /v1/webhooks/gone/dead-letters"
ask POST "/v1/campaigns/$first/cancel"
it "what happens next is told, too" wait_for 15 all_told good
kill "$service"
it "a stop does not wait for who does not answer" ended "$service" 12
it "no secret is in the log or the database" is "$(grep -Fl "${secret#whsec_}" "$folder/service.log" "$database"*)" ''

# --- what is not taken ---

wrong() { hook bad "$1" | jq -s . >"$folder/wrong.json"; run_service --config "$folder/config.json" --webhooks-file "$folder/wrong.json" --check-config; is $? 2; }
it "plain http goes to this machine only" wrong http://169.254.169.254/latest/meta-data
it "other protocols are refused" wrong file:///etc/passwd
it "names in the URL are refused" wrong https://user:password@localhost/
