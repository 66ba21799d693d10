#!/usr/bin/env bash
# tests/deploy: deploy/container/compose.yaml with --profile demo: the service, the simulated hub on its loopback, and
# Prometheus, which is Debian's in an image made here, as its own is in a registry.
. "$(dirname "$0")/lib.sh"

export ROLLCALL_IMAGE=localhost/rollcall:test ROLLCALL_HUBSIM_IMAGE=localhost/hubsim:test PROMETHEUS_IMAGE=localhost/prometheus:test
make_image "$ROLLCALL_IMAGE" rollcalld "$ROLLCALLD" "$ROLLCALL"
make_image "$ROLLCALL_HUBSIM_IMAGE" hubsim "$HUBSIM"
must "$top/deploy/container/rootfs" "$folder/prometheus/root" /usr/bin/prometheus
mkdir "$folder/prometheus/state"
printf 'FROM scratch\nCOPY root /\nCOPY --chown=65534:65534 state /prometheus\nVOLUME /prometheus\nUSER 65534:65534\nENTRYPOINT ["/usr/bin/prometheus"]\n' \
	>"$folder/prometheus/Containerfile"
must buildah build --isolation chroot --network host --pull=never --format docker --quiet -t "$PROMETHEUS_IMAGE" "$folder/prometheus" \
	>"$folder/prometheus.out"

must cp -r "$top/deploy" "$folder/deploy"
token=$("$folder/deploy/container/make-secrets" --demo podman 2>"$folder/secrets.log")
it "make-secrets prints the administrator's token" test "${#token}" -ge 32
it "it makes what is mounted" is "$(stat -c '%n %a %u' "$folder"/deploy/container/secrets-demo/* | sed 's|.*/||' | tr '\n' ' ')" \
	"hub 600 10001 metrics-token 600 65534 tokens.json 600 10001 "

podman system service --time 0 "unix://$folder/podman.sock" >"$folder/podman.log" 2>&1 &
must wait_for 20 test -S "$folder/podman.sock"
export DOCKER_HOST=unix://$folder/podman.sock
compose() {
	(cd "$folder/deploy/container" && docker-compose -p rollcall --env-file demo.env "$@") >>"$folder/compose.log" 2>&1
}
it "the file is sound" compose config -q
it "everything starts" compose --profile demo up -d
export ROLLCALL_URL=http://127.0.0.1:8080 ROLLCALL_TOKEN=$token
ready() { curl -sS --fail --max-time 1 "$ROLLCALL_URL/readyz"; }
must wait_for 30 ready
of_service() { podman inspect rollcall_rollcalld_1 --format "$1"; }
it "the service's root cannot be written to" is "$(of_service '{{.HostConfig.ReadonlyRootfs}}')" true
it "it has no capability" is "$(of_service '{{.EffectiveCaps}}')" "[]"
it "it gets no new ones" is "$(of_service '{{.HostConfig.SecurityOpt}}')" "[no-new-privileges]"
it "a campaign over the simulated hub's devices runs to its end" "$ROLLCALL" run --watch --file - \
	<<<'{"name": "composed", "action": {"type": "reboot"}, "targets": {"all": true}, "rollout": {"maxUnavailable": 500},
		"verify": {"settleSeconds": 0}}'
it "all 1,000 devices are proven" is "$("$ROLLCALL" list -o json | jq -r '.[0].counts.succeeded')" 1000
scraped() { curl -sS http://127.0.0.1:9090/api/v1/targets | jq -e '.data.activeTargets[0].health == "up"'; }
it "Prometheus scrapes it, with its own token" wait_for 40 scraped
it "it has taken the alert rules" is "$(curl -sS http://127.0.0.1:9090/api/v1/rules | jq '[.data.groups[].rules[]] | length')" \
	"$(cat "$folder"/deploy/monitoring/alerts*.yml | grep -c -- '- alert:')"
must podman stop --time 30 rollcall_rollcalld_1 >"$folder/stop.out" 2>&1
it "it stops with status 0" is "$(of_service '{{.State.ExitCode}}')" 0
must compose --profile demo rm --stop --force hubsim # podman does not remove a container in whose network another is
it "everything is taken down" compose --profile demo down --volumes
