# Thin on purpose: each target is one command that can also be typed.

# What the tests need from Debian beside Go. `make run` needs none of it.
PACKAGES = ca-certificates chromium ffmpeg fonts-dejavu-core gir1.2-gst-rtsp-server-1.0 gstreamer1.0-libav gstreamer1.0-plugins-bad \
           gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly gstreamer1.0-rtsp gstreamer1.0-tools \
           gstreamer1.0-x mosquitto openssl poppler-utils postgresql-15 python3 python3-gi swtpm vlc-bin vlc-plugin-base \
           $(if $(shell command -v npm),,nodejs npm)

.PHONY: run test packages bench soak lint assets

run: ## the main job on this machine: three cameras, one recorder, one centre
	@go build -o bin/ ./cmd/beeldwacht # and not go run, which calls an orderly stop a failure
	@bin/beeldwacht demo

test: packages ## everything that must hold, with the race detector, under fifteen minutes on two cores
	go vet ./...
	go test -race -timeout 14m ./...

packages: ## installs the Debian packages that the tests need and that are missing, or says which
	@missing=; for p in $(PACKAGES); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'install ok installed' || missing="$$missing $$p"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ]; then apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing; \
	else echo "The tests need these Debian packages:$$missing"; echo "Install them with: sudo apt-get install --no-install-recommends$$missing"; exit 1; fi

bench: ## what a recorder costs beside ffmpeg and a bare reader on this machine, seven minutes, BENCH=-h lists what it can be told; the steady traffic of FLEET recorders (20000) on the witness with both brokers, twenty minutes; a start of the centre on ENTRIES entries beside bare reading of them; a centre with a country's register (PLACEMENTS, RECORDERS, REQUESTS; 10 GB of memory); and what it costs to verify a log, beside bare SHA-256 of it, and to prove one entry of ten million
	go run ./cmd/beeldwacht/bench $(BENCH)
	go run ./cmd/beeldwacht/bench -fleet $(or $(FLEET),20000)
	LEDGER_ENTRIES=$(or $(ENTRIES),1000000) go test -run '^$$' -bench Start -benchtime 1x -timeout 30m ./central/ledger
	go test -run '^$$' -bench Country -benchtime 1x -timeout 60m ./central/office
	go test -run '^$$' -bench Cost -benchtime 1x ./protocol/chain

soak: ## longer: each fuzz target for FUZZTIME (ten minutes) on a processor of its own, every change to a log at many places, every fault of every step on the disk, HISTORIES of wrong clocks, a recorder killed KILLS times, the demo's promises ROUNDS times
	@for p in $$(go list ./...); do for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz'); do echo $$p $$f; done; done | \
		xargs -L1 -P $$(nproc) sh -c 'echo "$$0 $$1"; go test -run "^\$$" -fuzz "^$$1\$$" -fuzztime $(or $(FUZZTIME),10m) -fuzzminimizetime 1x -parallel 1 $$0 || exit 255'
	BEELDWACHT_TAMPER=all go test -run Tamper -timeout 30m ./protocol/chain
	BEELDWACHT_SWEEP=all go test -run FaultAtEveryStep -timeout 30m ./edge/footage ./edge/journal
	BEELDWACHT_HISTORIES=$(or $(HISTORIES),500) go test -run NeverLate -timeout 60m ./edge/footage
	BEELDWACHT_KILLS=$(or $(KILLS),1000) go test -v -run SIGKILL -timeout 90m ./edge
	@for i in $$(seq $(or $(ROUNDS),3)); do go run ./cmd/beeldwacht demo -check || exit 1; done

lint:
	gofmt -l cmd edge central protocol | (! grep .)
	go vet ./...

assets: ## makes the committed clips and browser files again (needs ffmpeg and npm)
	edge/ingest/cameratest/clips/make.sh
	edge/viewer/assets/make.sh
	central/page/assets/make.sh
