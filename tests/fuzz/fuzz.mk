# SPDX-License-Identifier: Apache-2.0
# Fuzz targets (tests/fuzz/README); included by the Makefile after the unit tests.

FUZZ_SECONDS := 60
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*_fuzz.c))
FUZZ_SAN	:= -fsanitize=address,undefined -fno-sanitize-recover=all

# ---- replay of the corpora, in `make check-unit` ---------------------------------

replay	:= $(patsubst %,$(O)/tests/fuzz/%_replay,$(FUZZ_TARGETS))

$(replay): $(O)/tests/fuzz/%_replay: $(O)/tests/fuzz/%.o $(O)/tests/fuzz/replay.o $$(call unit_ars,$$*)
	$(call say,LD)
	$(Q)$(CC) -pie $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(call unit_ars,$*) -Wl,--end-group $(YAJL) $(SECCOMP) $(CAP) $(UNPACK)

unit	+= $(replay)
check-unit: $(replay)

# ---- fuzzing: a build of its own below $(O)/fuzz -----------------------------------

fuzzers	:= $(patsubst %,$(O)/bin/%,$(FUZZ_TARGETS))

$(fuzzers): $(O)/bin/%: $(O)/tests/fuzz/%.o $$(call unit_ars,$$*)
	$(call say,LD)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -pie $(LDFLAGS) -fsanitize=fuzzer -o $@ $< -Wl,--start-group $(call unit_ars,$*) -Wl,--end-group $(YAJL) $(SECCOMP) $(CAP) $(UNPACK)

fuzz-build fuzz-run fuzz-merge-run: $(fuzzers)

fuzz fuzz-merge:
	+$(Q)$(MAKE) --no-print-directory CC=clang O=$(O)/fuzz OPT='-O1 -g' FORTIFY= SANFLAGS='-fsanitize=fuzzer-no-link $(FUZZ_SAN)' \
		FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_TARGETS='$(FUZZ_TARGETS)' $@-run

fuzz-run:
	$(Q)tests/fuzz/run-fuzz fuzz $(O) $(FUZZ_SECONDS) $(FUZZ_TARGETS)

fuzz-merge-run:
	$(Q)tests/fuzz/run-fuzz merge $(O) $(FUZZ_SECONDS) $(FUZZ_TARGETS)

.PHONY: fuzz fuzz-build fuzz-run fuzz-merge fuzz-merge-run
