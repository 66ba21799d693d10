#!/usr/bin/env bash
# tests/security: who we are to Azure: client secret, workload identity and managed identity against stand-ins of the token
# endpoints, whose token the hub takes; the old token while no other comes; and keys of a policy exchanged without a restart.
. "$(dirname "$0")/../e2e/lib.sh"

printf 'eyJ-planted-access-token\n' >"$folder/bearer"
start_hub main --devices 5 --seed 1 --boot-seconds 0.2-0.5 --bearer-file "$folder/bearer" <<<'{"history": true}'
mkdir "$folder/azure"
python3 "$(dirname "$0")/issuer.py" "$folder/azure" >"$folder/azure.log" 2>&1 &
must wait_for 20 test -s "$folder/azure/port"
azure=http://127.0.0.1:$(cat "$folder/azure/port")
grant() { jq -nc --arg token "$(cat "$folder/bearer")" '{token_type: "Bearer", expires_in: 3600, access_token: $token}' >"$folder/azure/token"; }
asked() { jq -sr "$@" "$folder/azure/asked"; }
asked_n() { grep -c . "$folder/azure/asked" 2>/dev/null || true; }

# by ENTRA: the service with that identity; ENTRA is the hub's member of that name.
by() {
	configure <<<'{"logLevel": "debug"}'
	jq --argjson entra "$1" '.hubs[0] |= (del(.connectionString) + {host: "hub.example", $entra})' "$folder/config.json" >"$folder/by.json"
	chmod 600 "$folder/by.json"
	: >"$folder/azure/asked"
	rm -f "$database"*
	start_service --config "$folder/by.json"
}
start_service() { # lib.sh's, with a settings' file of its own
	"$ROLLCALLD" "${@:---config "$folder/config.json"}" 2>>"$folder/service.log" &
	service=$!
	must wait_for 60 service_listens
	must started_line >/dev/null
	api=http://$(started_line | jq -r .listen)
}
stop() { kill "$service" && ended "$service" 20; }
# runs: a campaign over all devices comes to its end.
runs() {
	create '{"name": "n", "action": {"type": "reboot"}, "targets": {"all": true}, "verify": {"settleSeconds": 0}}' &&
		wait_for 30 campaign_is "$id" completed && is "$(body_of .counts.succeeded)" 5
}
# reload: SIGHUP, and the service has read it.
reloads() { grep -c 'credentials of hubs are read again' "$folder/service.log"; }
reloaded_since() { [ "$(reloads)" -gt "$1" ]; }
reload() {
	local n
	n=$(reloads)
	kill -HUP "$service" && wait_for 10 reloaded_since "$n"
}

# --- Entra ID, by a client's secret ---

(umask 077; printf 'planted-client-secret\n' >"$folder/secret")
grant
by "{\"tenantId\": \"tenant-1\", \"clientId\": \"client-1\", \"authority\": \"$azure\", \"clientSecretFile\": \"$folder/secret\"}"
it "with a client's secret a campaign runs" runs
it "it was asked for as documented" is "$(asked '.[0] | [.method, .path, .form.grant_type, .form.client_id, .form.client_secret, .form.scope]
	| join(" ")')" "POST /tenant-1/oauth2/v2.0/token client_credentials client-1 planted-client-secret https://iothubs.azure.net/.default"
it "once, for all requests" is "$(asked_n)" 1
rm "$folder/azure/token"
must reload
it "while no other comes, the old token is good" runs
it "another was asked for" test "$(asked_n)" -gt 1
printf 'planted-other-secret\n' >"$folder/secret"
grant
another() { runs && [ "$(asked '.[-1].form.client_secret')" = planted-other-secret ]; }
it "an exchanged secret is used from then on" wait_for 90 another
stop
it "neither secret nor token is in the log or the database" \
	is "$(cat "$folder/service.log" "$database"* | grep -c -a -e planted-client-secret -e planted-other-secret -e planted-access-token)" 0

# --- workload identity ---

printf 'planted-federated-one' >"$folder/federated"
export AZURE_TENANT_ID=tenant-2 AZURE_CLIENT_ID=client-2 AZURE_FEDERATED_TOKEN_FILE=$folder/federated AZURE_AUTHORITY_HOST=$azure
by '{"workloadIdentity": true}'
it "with a workload identity a campaign runs" runs
it "it shows the platform's token" is "$(asked '.[0] | [.path, .form.client_assertion] | join(" ")')" "/tenant-2/oauth2/v2.0/token planted-federated-one"
printf 'planted-federated-two' >"$folder/federated"
must reload
it "and the new one, once it was exchanged" runs
it "read from the file again" is "$(asked '.[-1].form.client_assertion')" planted-federated-two
stop
unset AZURE_TENANT_ID AZURE_CLIENT_ID AZURE_FEDERATED_TOKEN_FILE AZURE_AUTHORITY_HOST

# --- managed identity ---

jq -c '.expires_in |= tostring' "$folder/azure/token" >"$folder/azure/token.new" && mv "$folder/azure/token.new" "$folder/azure/token"
by "{\"managedIdentity\": true, \"authority\": \"$azure\"}"
it "with a managed identity a campaign runs" runs
it "the metadata service was asked as documented" is "$(asked '.[0] | [.method, .path, .metadata, .query["api-version"], .query.resource] | join(" ")')" \
	"GET /metadata/identity/oauth2/token true 2018-02-01 https://iothubs.azure.net"
stop

# --- keys of a policy ---

good=$(jq -r .connectionString "$folder/main.ready")
gone=${good%SharedAccessKey=*}SharedAccessKey=$(printf planted-old-key-of-the-policy | openssl base64 -A)
by_file() {
	configure <<<'{"logLevel": "debug"}'
	jq --arg file "$folder/strings" '.hubs[0] |= (del(.connectionString) + {connectionStringFile: $file})' "$folder/config.json" >"$folder/by.json"
	rm -f "$database"*
	start_service --config "$folder/by.json"
}
(umask 077; printf '%s\n%s\n' "$gone" "$good" >"$folder/strings")
by_file
it "where the primary key was exchanged the secondary is used" runs
printf '%s\n' "$good" >"$folder/strings"
must reload
it "and on, when the file was mended" runs
stop
printf '%s\n' "$gone" >"$folder/strings"
by_file
must create '{"name": "waits", "action": {"type": "reboot"}, "targets": {"all": true}, "verify": {"settleSeconds": 0}}'
refused() {
	ask GET /v1/hubs
	body_of '.value[0].lastError // ""' | grep -q .
}
it "with an exchanged key alone the hub refuses us, and says so" wait_for 20 refused
printf '%s\n' "$good" >"$folder/strings"
it "when the new key is in the file what waited goes on, without a restart" wait_for 60 campaign_is "$id" completed
stop
it "no key is in the log or the database" is "$(cat "$folder/service.log" "$database"* |
	grep -c -a -F -e "${good##*SharedAccessKey=}" -e "${gone##*SharedAccessKey=}")" 0

# --- what a crash leaves ---

cd "$folder" || exit 1
ulimit -c unlimited 2>/dev/null
by_file
it "no core is allowed, to a file or to a program" grep -qE '^Max core file size +1 +1 ' "/proc/$service/limits"
kill -SEGV "$service"
wait "$service" 2>/dev/null
it "so a crash leaves none" nothing find "$folder" -maxdepth 1 -name '*core*'
