#!/usr/bin/env bash
# tests/security: the attacks of attacks.py, while a campaign runs; it is not disturbed, and the service goes on.
. "$(dirname "$0")/../e2e/lib.sh"

start_hub main --devices 100 --seed 3 --boot-seconds 0.2-0.5 <<<'{"history": true, "leaveMs": [20, 100]}'
for role in metrics viewer operator approver admin; do
	must "$ROLLCALLD" token new --name "$role" --role "$role" >"$folder/$role.token"
	tail -n +2 "$folder/$role.token" >>"$folder/entries"
	jq -n --arg role "$role" --arg token "$(head -n 1 "$folder/$role.token")" '{($role): $token}' >>"$folder/pairs"
done
jq -s . "$folder/entries" >"$folder/tokens.json"
jq -s add "$folder/pairs" >"$folder/roles.json"
configure <<<"{\"logLevel\": \"debug\", \"tokensFile\": \"$folder/tokens.json\"}"
start_service
as() { ask "${@:2}" -H "Authorization: Bearer $(jq -r ".$1" "$folder/roles.json")"; }
campaign_is() { # lib.sh's, with a token
	as operator GET "/v1/campaigns/$1"
	is "$status $(body_of .state)" "200 $2"
}
as operator POST /v1/campaigns --data '{"name": "meanwhile", "action": {"type": "reboot"}, "targets": {"where": "is_defined(tags.site)"},
	"rollout": {"ratePerMinute": 900}, "verify": {"settleSeconds": 1}}'
must is "$status" 201
main=$(body_of .id)
ulimit -n "$(ulimit -H -n)"
python3 "$(dirname "$0")/attacks.py" "$api" "$(dirname "$0")/../../api/routes.c" "$folder/roles.json" >"$folder/attacks.out" 2>&1
cat "$folder/attacks.out"
read -r n _ f _ < <(tail -n 1 "$folder/attacks.out" | tr -d ,)
if [[ $n =~ ^[0-9]+$ && $f =~ ^[0-9]+$ ]]; then passed=$((passed + n)) failed=$((failed + f)); else failed=$((failed + 1)); fi
it "the campaign that ran meanwhile proved every device" wait_for 30 campaign_is "$main" completed
it "all of them" is "$(body_of .counts.succeeded)" 100
it "500 wrong tokens are no 500 lines" test "$(grep -c 'a token was refused' "$folder/service.log")" -lt 100
for role in metrics viewer operator approver admin; do
	it "the token of $role is in no log and not in the database" \
		is "$(cat "$folder/service.log" "$folder"/rollcall.db* | grep -c -F "$(jq -r ".$role" "$folder/roles.json")")" 0
done
kill "$service"
it "it stops as asked" ended "$service" 20
