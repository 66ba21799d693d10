#!/usr/bin/env bash
# tests/deploy: the image as it is shipped: both stages of the Containerfile, on a base that is made from Debian's packages,
# as no registry is asked; then image.sh on it. $BASE_ARCHIVE: a base that is there already, as mmdebstrap writes it.
needs_network=yes
. "$(dirname "$0")/lib.sh"

revision=$(git -C "$top" rev-parse HEAD)
base=${BASE_ARCHIVE-$folder/base.tar}
timed() { # WHAT COMMAND…
	local what=$1 from=${EPOCHREALTIME/./}
	shift
	must "$@" >"$folder/timed.log" 2>&1
	echo "        $what: $(((${EPOCHREALTIME/./} - from) / 100000)) tenths of a second"
}
[ -f "$base" ] || timed "base" mmdebstrap --variant=minbase --mode=root --aptopt='Acquire::Languages "none"' \
	--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
	--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$base"
timed "import" podman import "$base" docker.io/library/debian:bookworm-slim
build() {
	buildah build --layers --isolation chroot --network host --pull=never --format docker -f "$top/deploy/container/Containerfile" \
		--build-arg REVISION="$revision" "$@" "$top"
}
timed "build" build -t localhost/rollcall:test
it "the image of the simulated hub comes from the same file" build --target hubsim -t localhost/hubsim:test
it "it runs" podman run --rm --network none --read-only localhost/hubsim:test --print-connection-string
it "the label names the revision" is "$(podman image inspect localhost/rollcall:test \
	--format '{{index .Config.Labels "org.opencontainers.image.revision"}}')" "$revision"
must podman save --quiet -o "$folder/image.tar" localhost/rollcall:test
echo "        compressed: $(($(gzip -6 <"$folder/image.tar" | wc -c) / 1000000)) MB"
it "what image.sh asks holds of it" env -u DEPLOY_INSIDE -u needs_network IMAGE_ARCHIVE="$folder/image.tar" "$deploy/image.sh"
cat "$folder/said"
