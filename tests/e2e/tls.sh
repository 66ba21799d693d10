#!/usr/bin/env bash
# tests/e2e: the hub behind TLS: with its certificate as caFile it is trusted; without, or for another name, it is shown
# as down, with the reason, and nothing is called.
. "$(dirname "$0")/lib.sh"

# tls_hub: a hub named main behind TLS, by cert.pem and key.pem; where they are absent it makes them, for localhost.
tls_hub() {
	rm -f "$folder/main.ready"
	"$HUBSIM" --tls-listen 127.0.0.1:0 --cert "$folder/cert.pem" --key "$folder/key.pem" --devices 50 --boot-seconds 0.2-0.5 \
		--journal "$folder/main.journal" --ready-file "$folder/main.ready" >"$folder/main.log" 2>&1 &
	must wait_for 30 test -s "$folder/main.ready"
	hub_url[main]=$(jq -r .https "$folder/main.ready")
	endpoint=https://localhost:${hub_url[main]##*:}
}
spec='{"name": "by TLS", "action": {"type": "reboot"}, "targets": {"all": true}, "verify": {"settleSeconds": 1}}'

# over OBJECT: the settings, with that laid over the only hub's.
over() {
	configure <<<'{}'
	jq --argjson hub "$1" '.hubs[0] *= $hub' "$folder/config.json" >"$folder/over.json" && mv "$folder/over.json" "$folder/config.json"
	chmod 600 "$folder/config.json"
}
hub_is_down() {
	ask GET /v1/hubs
	body_of '.value[0] | "\(.state) \(.lastError)"' | grep -q '^down .*certificate' || { cat "$folder/body"; return 1; }
}

# refused WHY OBJECT: under these settings a campaign does not get anywhere.
refused() {
	database=$folder/$1.db
	over "$2"
	start_service
	must create "$spec"
	it "$1: the hub is shown as down, and why" wait_for 20 hub_is_down
	it "$1: the service is ready all the same" curl -sS --fail "$api/readyz"
	it "$1: the campaign is still selecting" campaign_is "$id" selecting
	it "$1: nothing was called" test ! -s "$folder/main.journal"
	kill "$service"
	it "$1: the service stops as asked" ended "$service" 12
}

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=elsewhere \
	-addext subjectAltName=DNS:elsewhere -keyout "$folder/key.pem" -out "$folder/cert.pem" 2>"$folder/openssl.log" || exit 1
tls_hub
refused "a certificate for another name" "{\"endpoint\": \"$endpoint\", \"caFile\": \"$folder/cert.pem\"}"
rm "$folder/cert.pem" "$folder/key.pem"
tls_hub
refused "without caFile" "{\"endpoint\": \"$endpoint\"}"

database=$folder/rollcall.db
over "{\"endpoint\": \"$endpoint\", \"caFile\": \"$folder/cert.pem\"}"
start_service
must create "$spec"
it "with the hub's certificate as caFile the campaign runs to its end" wait_for 60 campaign_is "$id" completed
it "every device is proven" is "$(body_of .counts.succeeded)" 50
record "$id" main
it "no device acted twice" nothing truth main acted_twice

# --- the service's own door behind TLS ---

must kill "$service"
must ended "$service" 12
make_cert() { # NAME: for localhost
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
		-addext subjectAltName=DNS:localhost -keyout "$folder/api.key" -out "$folder/api.pem" 2>>"$folder/openssl.log"
	chmod 600 "$folder/api.key"
	cp "$folder/api.pem" "$folder/$1.pem"
}
shows() { # NAME: the certificate of that name is shown
	openssl s_client -connect "localhost:$port" -CAfile "$folder/$1.pem" -verify_return_error </dev/null 2>&1 |
		grep -q "Verify return code: 0"
}
must make_cert first
over "{\"endpoint\": \"$endpoint\", \"caFile\": \"$folder/cert.pem\"}"
start_service --tls-cert-file "$folder/api.pem" --tls-key-file "$folder/api.key"
port=${api##*:}
api=https://localhost:$port
export CURL_CA_BUNDLE=$folder/first.pem
it "over TLS the API answers" campaign_is "$id" completed
it "it tells browsers to stay with TLS" grep -qi '^strict-transport-security: max-age=31536000' "$folder/head"
must create "$(jq --arg pad "$(head -c 100000 /dev/zero | tr '\0' a)" '.action.payload = $pad' <<<"$spec")"
it "over TLS a large body comes in whole" wait_for 60 campaign_is "$id" completed
pages "/v1/campaigns/$id/targets?limit=7" >"$folder/listed"
it "over TLS lists come page by page" is "$(wc -l <"$folder/listed")" 50
it "who speaks no TLS is not answered" is "$(curl -s -o "$folder/plain" -w '%{http_code}' "http://localhost:$port/livez")" 000
old_tls() { ! openssl s_client -connect "localhost:$port" "$1" -cipher ALL:@SECLEVEL=0 </dev/null >"$folder/old" 2>&1; }
for version in -tls1 -tls1_1; do it "TLS below 1.2 is refused ($version)" old_tls "$version"; done
must make_cert second
must kill -HUP "$service"
it "after SIGHUP a new certificate is shown" wait_for 10 shows second
echo "broken" >"$folder/api.pem"
must kill -HUP "$service"
it "one that cannot be read is not taken" wait_for 10 grep -q 'file not taken.*api.pem' "$folder/service.log"
it "then the one before is still shown" shows second

# --- the health check, which asks this machine whether the service takes orders, and not what its certificate is worth ---

# healthy: with the certificate that is in api.pem now the service, asked by its settings, is ready.
healthy() {
	must kill -HUP "$service"
	must wait_for 10 serves "$folder/api.pem"
	run_service health --config "$folder/config.json" --listen "127.0.0.1:$port" --tls-cert-file "$folder/api.pem" --tls-key-file "$folder/api.key"
	is "$? $(cat "$folder/end.out")" "0 ready"
}
serves() { # FILE: the first certificate in it is the one that is shown
	is "$(openssl s_client -connect "localhost:$port" </dev/null 2>/dev/null | openssl x509 -noout -fingerprint)" "$(openssl x509 -noout -fingerprint -in "$1")"
}
must make_cert third
it "health finds it ready with a certificate that it signed itself" healthy
must openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority -keyout "$folder/ca.key" -out "$folder/ca.pem" 2>>"$folder/openssl.log"
signed() { # DAYS: api.pem, by that authority, for a name that is not this machine's
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=rollcall.example -keyout "$folder/api.key" -out "$folder/api.csr" &&
		openssl x509 -req -in "$folder/api.csr" -CA "$folder/ca.pem" -CAkey "$folder/ca.key" -CAcreateserial -days "$1" -out "$folder/api.pem" &&
		cat "$folder/ca.pem" >>"$folder/api.pem"
} 2>>"$folder/openssl.log"
must signed 2
it "… and with one of an authority of its own" healthy
must signed -1
it "… and with one that has expired" healthy
it "which others do not take" is "$(curl -sS --cacert "$folder/ca.pem" -o "$folder/plain" "https://rollcall.example:$port/livez" \
	--resolve "rollcall.example:$port:127.0.0.1" 2>&1 | grep -c expired)" 1
must kill "$service"
must ended "$service" 12
run_service health --config "$folder/config.json" --listen "127.0.0.1:$port" --tls-cert-file "$folder/api.pem" --tls-key-file "$folder/api.key"
it "health says when nobody answers" is "$? $(grep -c 'https://127.0.0.1.*onnect' "$folder/end.out")" "1 1"
