#!/usr/bin/env bash
# tests/security: tokens of an OpenID Connect issuer, signed by openssl: who is let in as what, whose are refused, what the
# record of orders says, and new keys of the issuer without a restart.
. "$(dirname "$0")/../e2e/lib.sh"

start_hub main --devices 5 --seed 1 --boot-seconds 0.2-0.5 <<<'{"history": true}'
mkdir "$folder/issuer"
python3 "$(dirname "$0")/issuer.py" "$folder/issuer" >"$folder/issuer.log" 2>&1 &
must wait_for 20 test -s "$folder/issuer/port"
issuer=http://127.0.0.1:$(cat "$folder/issuer/port")/realm
configure <<<"{\"oidcIssuer\": \"$issuer\", \"oidcAudience\": \"api://rollcall\", \"oidcRolesClaim\": \"realm_access.roles\",
	\"oidcRoles\": \"fleet-ops=operator,fleet-look=viewer\", \"oidcNameClaim\": \"email\"}"

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
new_key() { # NAME: a key pair, and NAME.jwk
	openssl genrsa -out "$folder/$1.key" 2048 2>>"$folder/openssl.log"
	jq -nc --arg kid "$1" --arg n "$(openssl rsa -in "$folder/$1.key" -noout -modulus | cut -d= -f2 | xxd -r -p | base64url)" \
		'{kty: "RSA", use: "sig", $kid, $n, e: "AQAB"}' >"$folder/$1.jwk"
}
publish() { # NAME…: these keys are the issuer's
	jq -sc '{keys: .}' "${@/#/$folder/}" >"$folder/issuer/keys.new" && mv "$folder/issuer/keys.new" "$folder/issuer/keys"
}
claims() { # OBJECT laid over sound ones
	jq -nc --arg iss "$issuer" --argjson now "$(date +%s)" --argjson more "${1:-{\}}" '{$iss, aud: ["api://rollcall"], sub: "1",
		email: "eva@x.example", iat: $now, exp: ($now + 600), realm_access: {roles: ["fleet-ops"]}} * $more'
}
sign() { # KEY CLAIMS [HEADER]: a token
	local input
	input=$(printf %s "${3:-{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"$1\"\}}" | base64url).$(printf %s "$2" | base64url)
	printf '%s.%s' "$input" "$(printf %s "$input" | openssl dgst -sha256 -sign "$folder/$1.key" -binary | base64url)"
}
as() { ask "$2" "$3" -H "Authorization: Bearer $1" "${@:4}"; } # TOKEN METHOD PATH ARGUMENT…
answers() { # STATUS CODE METHOD PATH TOKEN
	as "$5" "$3" "$4"
	is "$status $(body_of '.code // ""')" "$1 $2"
}
campaigns="GET /v1/campaigns"

new_key one
new_key two
start_service
good=$(sign one "$(claims)")
it "while the issuer has no keys its tokens are answered 503" answers 503 issuerUnavailable $campaigns "$good"
it "with when to come back" grep -qi '^retry-after: 1' "$folder/head"
ask GET /readyz
it "the service takes orders all the same" is "$status" 200
publish one.jwk
it "when the keys are there a token lets in" wait_for 10 answers 200 '' $campaigns "$good"
ask GET /v1/campaigns
it "none does not" is "$status $(body_of .code)" "401 unauthenticated"
as "$good" POST /v1/campaigns --data '{"name": "n", "action": {"type": "reboot"}, "targets": {"deviceIds": ["dev-000001"]},
	"schedule": {"startAt": "2099-01-01T00:00:00Z", "endAfterSeconds": 9}}'
it "an operator gives orders" is "$status" 201
it "they are the operator's" is "$(body_of .createdBy)" oidc:eva@x.example
it "and does not see the record" answers 403 forbidden GET /v1/audit "$good"
it "a viewer looks" answers 200 '' $campaigns "$(sign one "$(claims '{"realm_access": {"roles": ["fleet-look", "x"]}}')")"
it "and gives no orders" answers 403 forbidden POST /v1/campaigns "$(sign one "$(claims '{"realm_access": {"roles": ["fleet-look"]}}')")"
it "a role that is not mapped is none" answers 403 forbidden $campaigns "$(sign one "$(claims '{"realm_access": {"roles": ["admin"]}}')")"
now=$(date +%s)
for wrong in "{\"exp\": $((now - 61))}" "{\"nbf\": $((now + 120))}" '{"aud": "api://other"}' '{"iss": "https://evil.example"}' '{"email": ""}'; do
	it "refused: $wrong" answers 401 unauthenticated $campaigns "$(sign one "$(claims "$wrong")")"
done
it "an unsigned token is refused" answers 401 unauthenticated $campaigns "$(sign one "$(claims)" '{"alg":"none"}' | sed 's/[^.]*$//')"
openssl rsa -in "$folder/one.key" -pubout -out "$folder/one.pub" 2>>"$folder/openssl.log"
input=$(printf '{"alg":"HS256","kid":"one"}' | base64url).$(claims | base64url)
secret=$(xxd -p -c 100000 "$folder/one.pub")
forged=$input.$(printf %s "$input" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$secret" -binary | base64url)
it "one that takes the public key for a secret is refused" answers 401 unauthenticated $campaigns "$forged"
asked() { grep -c '"/realm/keys"' "$folder/issuer/asked"; }
before=$(asked)
for ((n = 0; n < 20; n++)); do as "$(sign two "$(claims)" "{\"alg\":\"RS256\",\"kid\":\"$n\"}")" $campaigns; done
it "20 tokens of unknown keys have the issuer asked once more at most" test $(($(asked) - before)) -le 1
publish one.jwk two.jwk
it "a new key of the issuer's is found without a restart" wait_for 30 answers 200 '' $campaigns "$(sign two "$(claims)")"
publish two.jwk
kill "$service"
it "it stops as asked" ended "$service" 12
it "no token is in the log" is "$(grep -c "$(cut -d. -f3 <<<"$good")" "$folder/service.log")" 0
run_service --config "$folder/config.json" --listen 0.0.0.0:0 --check-config
it "with an issuer and no tokens file it may listen for others" is $? 0
run_service --config "$folder/config.json" --oidc-audience '' --oidc-ca-file /none --check-config
it "an unsound issuer is refused, with all that is wrong" \
	is "$? $(grep -c -e 'needs oidcAudience' -e '/none cannot be read' "$folder/end.err")" "2 2"
run_service --config "$folder/config.json" --oidc-issuer http://login.example --check-config
it "as is one without TLS" is "$? $(grep -c 'not a sound issuer' "$folder/end.err")" "2 1"
