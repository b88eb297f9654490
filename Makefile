# SPDX-License-Identifier: Apache-2.0
# One non-recursive makefile; products go to build/.  V=1 shows the commands,
# CC=clang, WERROR=0 and O=dir are honoured.

CC	:= gcc
O	:= build
PREFIX	:= /usr/local
LIBEXEC	= $(PREFIX)/libexec/hull
PKGLIB	= $(PREFIX)/lib/hull
MANDIR	= $(PREFIX)/share/man

VERSION	:= 0.1.0

all: hull hull-vmm hull-net hull-systemd agent initramfs

Q	:= $(if $(V),,@)
say	= $(if $(V),@:,@printf '  %-7s %s\n' '$(1)' '$(patsubst $(O)/%,%,$@)')

# ---- flags -----------------------------------------------------------------

WARN	:= -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	   -Wformat=2 -Wvla -Wundef -Wpointer-arith -Wwrite-strings -Wcast-qual \
	   -Wconversion -Wswitch-enum -Wimplicit-fallthrough
ifneq ($(findstring gcc,$(CC)),)
WARN	+= -Wjump-misses-init
endif
ifneq ($(WERROR),0)
WARN	+= -Werror
endif
CPPFLAGS += -D_GNU_SOURCE -DHULL_VERSION='"$(VERSION)"' -I. -include lib/banned.h
FORTIFY	:= -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
OPT	:= -O2 -g
CFLAGS	+= -std=gnu17 $(OPT) $(FORTIFY) -fPIE -fno-common -fstack-protector-strong \
	   -fno-strict-aliasing -pthread $(WARN) $(SANFLAGS)
LDFLAGS	+= -pthread -Wl,-z,relro,-z,now $(SANFLAGS)
# Everything of Debian's that a start needs exists as a static library: no dynamic
# linker runs then, and nothing is looked up after the jail.
STATIC	:= -static-pie

YAJL	:= -lyajl_s
SECCOMP	:= -lseccomp
CAP	:= -lcap
SYSTEMD	:= -lsystemd
MNL	:= -lmnl
# What bzImages are packed with.
UNPACK	:= -llz4 -llzma -lz -lzstd

# ---- sources: an archive per folder, mains apart ----------------------------

folders	:= lib oci runtime runtime/systemd vmm vmm/arch/x86 vmm/snapshot vmm/virtio vmm/net vmm/net/helper vmm/fs vmm/jail rootfs/agent
# Programs of their own, not part of their folder's archive.
mains	:= runtime/main.c runtime/systemd/main.c vmm/main.c vmm/net/helper/main.c rootfs/agent/main.c vmm/jail/gen_filters.c
srcs_of	= $(filter-out $(mains),$(wildcard $(1)/*.c))
objs	= $(patsubst %.c,$(O)/%.o,$(1))
ar_of	= $(O)/$(subst /,_,$(1)).a
ars	= $(foreach f,$(1),$(call ar_of,$(f)))

define archive
$(call ar_of,$(1)): $(call objs,$(call srcs_of,$(1)))
	$$(call say,AR)
	$$(Q)rm -f $$@.$$$$$$$$ && ar rcs $$@.$$$$$$$$ $$^ && mv $$@.$$$$$$$$ $$@
endef
$(foreach f,$(folders),$(eval $(call archive,$(f))))

$(O)/%.o: %.c Makefile
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

-include $(shell test ! -d $(O) || find $(O) -name '*.d')

# ---- programs ----------------------------------------------------------------

vmm_ars	:= $(call ars,vmm vmm/snapshot vmm/fs vmm/net vmm/virtio vmm/arch/x86 vmm/jail lib)
run_ars	:= $(call ars,runtime oci vmm/snapshot lib)
net_ars	:= $(call ars,vmm/net/helper vmm/jail lib)
agt_ars	:= $(call ars,rootfs/agent oci lib)

hull: $(O)/bin/hull
hull-vmm: $(O)/bin/hull-vmm
hull-net: $(O)/bin/hull-net
hull-systemd: $(O)/bin/hull-systemd
agent: $(O)/bin/hull-agent

$(O)/bin/hull: $(O)/runtime/main.o $(run_ars)
	$(call say,LD)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(STATIC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(run_ars) -Wl,--end-group $(YAJL) $(SECCOMP) $(CAP) -lz

$(O)/bin/hull-vmm: $(O)/vmm/main.o $(vmm_ars)
	$(call say,LD)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(STATIC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(vmm_ars) -Wl,--end-group $(SECCOMP) $(CAP) $(UNPACK)

# There is no static libmnl, nor a static libsystemd: programs of their own, with a dynamic
# linker. hull starts the one where there is a network, the other for --systemd-cgroup.
$(O)/bin/hull-net: $(O)/vmm/net/helper/main.o $(net_ars)
	$(call say,LD)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -pie $(LDFLAGS) -o $@ $^ $(MNL) -Wl,-Bstatic $(CAP) -Wl,-Bdynamic

$(O)/bin/hull-systemd: $(O)/runtime/systemd/main.o $(call ars,runtime/systemd lib)
	$(call say,LD)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -pie $(LDFLAGS) -o $@ $^ $(SYSTEMD)

$(O)/bin/hull-agent: $(O)/rootfs/agent/main.o $(agt_ars)
	$(call say,LD)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(STATIC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(agt_ars) -Wl,--end-group $(YAJL) $(SECCOMP) $(CAP)

initramfs: $(O)/initramfs.cpio
$(O)/initramfs.cpio: $(O)/bin/hull-agent rootfs/initramfs/mkinitramfs
	$(call say,CPIO)
	$(Q)strip -o $@.init $< && rootfs/initramfs/mkinitramfs $@.init $@ && rm $@.init

# The seccomp programs of hull-vmm's threads, made at build time.
$(O)/bin/gen_filters: $(O)/vmm/jail/gen_filters.o $(call ars,lib)
	$(call say,LD)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -pie $(LDFLAGS) -o $@ $^ $(SECCOMP)

$(O)/vmm/jail/filters.h: $(O)/bin/gen_filters
	$(call say,GEN)
	$(Q)$< >$@.tmp && mv $@.tmp $@

$(O)/vmm/jail/jail.o: $(O)/vmm/jail/filters.h
$(O)/vmm/jail/jail.o: CPPFLAGS += -I$(O)/vmm/jail

# ---- unit tests ----------------------------------------------------------------

unit	:= $(patsubst %.c,$(O)/%,$(wildcard tests/unit/*_test.c))
all_ars	:= $(call ars,$(folders))

# A test links against every archive it may need: those of the folder that begins its name, and what lies below.
unit_ars = $(if $(filter lib_%,$(1)),$(call ars,lib),$(if $(filter oci_%,$(1)),$(call ars,oci lib),$(if \
	$(filter runtime_%,$(1)),$(run_ars),$(if $(filter systemd_%,$(1)),$(call ars,runtime/systemd lib),$(if $(filter net_%,$(1)),$(net_ars),$(if $(filter agent_%,$(1)),$(agt_ars),$(vmm_ars)))))))

.SECONDEXPANSION:
$(unit): $(O)/tests/unit/%: $(O)/tests/unit/%.o $$(call unit_ars,$$*)
	$(call say,LD)
	$(Q)$(CC) -pie $(LDFLAGS) -o $@ $< -Wl,--start-group $(call unit_ars,$*) -Wl,--end-group $(YAJL) $(SECCOMP) $(CAP) $(UNPACK) $(if $(filter systemd_%,$*),$(SYSTEMD)) $(if $(filter net_%,$*),$(MNL))
# They run it.
$(filter $(O)/tests/unit/net_%,$(unit)): $(O)/bin/hull-net

unit: $(unit)
check-unit: $(unit)
	$(Q)tests/run-unit $(unit)

# Every test, here and on a KVM host; it installs what it needs.
check:
	$(Q)tests/check

# docker, podman and containerd on hull.
check-callers:
	$(Q)tests/check-callers

# hull with --systemd-cgroup, where systemd is PID 1.
check-systemd:
	$(Q)tests/check-systemd

# Other projects' suites with hull as their runtime: SUITES=DIR, with checkouts of runc, runtime-tools and runtime-spec in DIR. Writes docs/conformance.md.
# FILES="x.bats ..." or PROGRAMS="x ..." runs only those of the one suite.
conf_bins := $(addprefix $(O)/conformance/bin/,recvtty pidfd-kill fs-idmap)
$(conf_bins): $(O)/conformance/bin/%: tests/conformance/%.c tests/conformance/receive_fd.h $(call ars,runtime lib)
	$(call say,LD)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(STATIC) $(LDFLAGS) -o $@ $< $(call ars,runtime lib)
conformance-products: all $(O)/vmlinux $(conf_bins)
conformance:
	$(if $(FILES)$(PROGRAMS),,$(Q)tests/install-packages conformance && $(MAKE) --no-print-directory hull && tests/conformance/run-schemas "$(SUITES)" $(O))
	$(if $(PROGRAMS),,$(Q)tests/conformance/run "$(SUITES)" $(FILES))
	$(if $(FILES),,$(Q)tests/conformance/run-runtime-tools "$(SUITES)" $(PROGRAMS))

# One container, to look at; it installs and builds what it needs.
demo:
	$(Q)tests/demo

# Each man page says what its command's --help says.
check-man: hull
	$(Q)HULL=$(O)/bin/hull tests/check-man

# Speed and size beside the peers'; BENCH="start_cold exec" measures only those.
bench_bins := $(O)/bench/elapsed $(O)/bench/rr $(O)/bench/peer_init
$(bench_bins): $(O)/bench/%: tests/bench/%.c
	$(call say,LD)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(STATIC) $(LDFLAGS) -s -o $@ $<

$(O)/bench/peer.cpio: $(O)/bench/peer_init rootfs/initramfs/mkinitramfs
	$(call say,CPIO)
	$(Q)rootfs/initramfs/mkinitramfs $< $@

bench-products: all $(O)/vmlinux $(bench_bins) $(O)/bench/peer.cpio
	@:
bench:
	$(Q)tests/install-packages build lab-host
	$(Q)$(MAKE) --no-print-directory bench-products
	$(Q)tests/bench/run $(O) $(BENCH)

# ASan and UBSan over the unit tests, in a build tree of their own.
sanitize:
	$(Q)$(MAKE) O=$(O)/sanitize OPT='-O1 -g' FORTIFY= STATIC=-pie \
		SANFLAGS='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer' check-unit

# ---- guest kernel ----------------------------------------------------------------

# Cached outside the checkout, keyed by its inputs; this is a copy.
$(O)/vmlinux: rootfs/kernel/build-kernel $(wildcard rootfs/kernel/config/* rootfs/kernel/patches/*)
	$(Q)mkdir -p $(@D)
	$(Q)kernel=$$(rootfs/kernel/build-kernel) && cp "$$kernel" $@.tmp && touch $@.tmp && mv $@.tmp $@
kernel: $(O)/vmlinux

# ---- the source --------------------------------------------------------------------

c_files	:= $(shell git ls-files '*.c' '*.h' 2>/dev/null)
sh_files := $(shell git grep -lE '^\#!.*(bash|/sh)' 2>/dev/null)

# Each header compiles alone, with both compilers.
headers	:= $(filter-out %_syscalls.h %/syscalls.h,$(filter %.h,$(c_files)))
check-headers: $(O)/vmm/jail/filters.h
	$(Q)for h in $(headers); do \
		$(CC) $(CPPFLAGS) $(filter-out -MMD,$(CFLAGS)) -Wno-unused-function -Wno-unused-variable -x c -fsyntax-only "$$h" || exit 1; \
	done

lint: check-headers $(O)/vmm/jail/filters.h
	$(Q)shellcheck -x $(sh_files)
	$(Q)cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr -j2 \
		--enable=warning,portability --suppress=memleak --suppress=resourceLeak \
		--suppress=missingInclude --suppress=uninitvar --suppress=nullPointer \
		-D_GNU_SOURCE -I. $(filter lib/% oci/% runtime/% vmm/% rootfs/%,$(filter %.c,$(c_files)))
	$(Q)clang-tidy --quiet $(filter lib/% oci/% runtime/% vmm/% rootfs/%,$(filter %.c,$(c_files))) -- \
		$(CPPFLAGS) -I$(O)/vmm/jail -std=gnu17 2>/dev/null

format:
	$(Q)clang-format -i $(c_files)

# ---- installation --------------------------------------------------------------------

install: all $(O)/vmlinux
	install -D -m 755 $(O)/bin/hull $(DESTDIR)$(PREFIX)/bin/hull
	install -D -m 755 $(O)/bin/hull-vmm $(DESTDIR)$(LIBEXEC)/hull-vmm
	install -D -m 755 $(O)/bin/hull-net $(DESTDIR)$(LIBEXEC)/hull-net
	install -D -m 755 $(O)/bin/hull-systemd $(DESTDIR)$(LIBEXEC)/hull-systemd
	install -D -m 644 $(O)/initramfs.cpio $(DESTDIR)$(PKGLIB)/initramfs.cpio
	install -D -m 644 $(O)/vmlinux $(DESTDIR)$(PKGLIB)/vmlinux
	$(Q)for page in man/*.8; do install -D -m 644 "$$page" "$(DESTDIR)$(MANDIR)/man8/$${page##*/}" || exit 1; done

include tests/fuzz/fuzz.mk

clean:
	rm -rf $(O)/bin $(O)/*.a $(O)/lib $(O)/oci $(O)/runtime $(O)/vmm $(O)/rootfs $(O)/tests $(O)/initramfs.cpio

.PHONY: all hull hull-vmm hull-net hull-systemd agent initramfs kernel unit check check-callers check-systemd check-man check-unit check-headers conformance conformance-products demo bench bench-products \
	sanitize lint format install clean
