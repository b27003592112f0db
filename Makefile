# SPDX-License-Identifier: GPL-2.0-only
#
#   make setup     packages, guest kernels and images (as root, Debian 12)
#   make demo      two machines, PostgreSQL, a killed primary, a failover
#   make test      unit tests and the scenarios in virtual machines
#   make test-long         scenarios that make test leaves out
#   make test-kernels      the module, and the smoke set, on these kernels and on the newest
#   make test-debug        cases on a kernel with KASAN, lockdep and more, in user mode
#   make test-debug-smp    the same in emulated machines, on two processors
#   make test-faults       each fault in each state, and the table of it (docs/faults.md)
#   make test-torn, test-cuts, test-lagging, test-hostile     power cuts, lagging links and bad peers, at length
#   make test-programs     fio, stress-ng, PostgreSQL, SQLite and file systems judge what was replicated under them
#   make bench             speed, beside the bare device, dm-writecache and DRBD (docs/performance.md)
#   make bench-check       the ratios that are wanted, from the last results
#   make           the module for the running kernel, and lvrctl
#   make install   both, for this machine; honours DESTDIR and PREFIX

PYTHON  := /usr/bin/python3
KERNELS := 6.1 6.12
# the kernel most cases run on; the others run the smoke set
KERNEL  := 6.1
KDIR    ?= /lib/modules/$(shell uname -r)/build
BUILD   := build

module_sources := Kbuild $(wildcard dm-lvr/*.[ch] dm-lvr/core/*.[ch] include/lvr/*.h)
guest_modules  := $(KERNELS:%=$(BUILD)/payload/%/modules/dm-lvr.ko)
guest_tools    := $(patsubst tests/vm/tools/%.c,%,$(wildcard tests/vm/tools/*.c)) \
		  $(patsubst tests/vm/tools/preload/%.c,%.so,$(wildcard tests/vm/tools/preload/*.c))
plugins        := $(patsubst tests/vm/plugin/%.c,$(BUILD)/plugin/%.so,$(wildcard tests/vm/plugin/*.c))

all: module lvrctl

setup: $(BUILD)/.setup
$(BUILD)/.setup: $(wildcard scripts/*) tests/vm/agent/agent.c
	scripts/setup
	@touch $@

# ---------------------------------------------------------------- this machine

module: $(BUILD)/module/host/dm-lvr.ko
$(BUILD)/module/host/dm-lvr.ko: $(module_sources)
	@mkdir -p $(@D)
	cp -ru --preserve=timestamps Kbuild dm-lvr include $(@D)/
	$(MAKE) -C $(KDIR) M=$(abspath $(@D)) modules

lvrctl:
	$(MAKE) -C lvrctl

install: module lvrctl
	install -D -m 644 $(BUILD)/module/host/dm-lvr.ko \
		$(DESTDIR)/lib/modules/$(shell uname -r)/updates/dm-lvr.ko
	$(MAKE) -C lvrctl install
	$(if $(DESTDIR),,depmod -a)

# ---------------------------------------------------------------------- guests

$(BUILD)/payload/%/modules/dm-lvr.ko: $(module_sources) $(BUILD)/kernels/%/release scripts/build-module
	@mkdir -p $(BUILD)/module/$* $(@D)
	cp -ru --preserve=timestamps Kbuild dm-lvr include $(BUILD)/module/$*/
	+scripts/build-module $* $(BUILD)/module/$*
	strip -g -o $@ $(BUILD)/module/$*/dm-lvr.ko

# named one by one: what only a pattern makes is deleted in the end
$(KERNELS:%=$(BUILD)/kernels/%/release): $(BUILD)/.setup ;

$(BUILD)/guest/tools/%: tests/vm/tools/%.c $(wildcard tests/vm/tools/*.h include/lvr/*.h)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -Wall -Wextra -Werror -Iinclude -static -o $@ $< -lpthread

$(BUILD)/guest/tools/%.so: tests/vm/tools/preload/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -Wall -Wextra -Werror -fPIC -shared -o $@ $<

# of the emulator
$(BUILD)/plugin/%.so: tests/vm/plugin/%.c tests/vm/plugin/api.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -Wall -Wextra -Werror -fPIC -shared -o $@ $<

payload: $(guest_modules) lvrctl $(guest_tools:%=$(BUILD)/guest/tools/%) $(plugins)
	for kernel in $(KERNELS); do \
		mkdir -p $(BUILD)/payload/$$kernel/bin && \
		cp $(BUILD)/lvrctl/lvrctl $(guest_tools:%=$(BUILD)/guest/tools/%) $(BUILD)/payload/$$kernel/bin/ && \
		mkdir -p $(BUILD)/payload/$$kernel/udev && cp lvrctl/udev/*.rules $(BUILD)/payload/$$kernel/udev/ || exit 1; \
	done

# ----------------------------------------------------------------------- tests

check-unit: $(BUILD)/.setup
	$(MAKE) -C tests/unit check

# all states of two nodes that a fixed set of scenarios reaches
check-model: $(BUILD)/.setup
	$(MAKE) -C tests/model check

# not part of the tests: the same with one more of everything that may happen
model: $(BUILD)/.setup
	$(MAKE) -C tests/model deep

check-fuzz: $(BUILD)/.setup
	$(MAKE) -C tests/fuzz check

# not part of the tests: each target for SECONDS, 300 by default
fuzz: $(BUILD)/.setup
	$(MAKE) -C tests/fuzz fuzz

# not part of the tests: the code broken on purpose, place by place
mutants: payload
	tests/mutants

check-lvrctl: lvrctl
	$(PYTHON) -m pytest -q tests/lvrctl

check-vm: payload
	$(PYTHON) -m pytest -q tests/vm --kernel $(KERNEL)
	for kernel in $(filter-out $(KERNEL),$(KERNELS)); do \
		$(PYTHON) -m pytest -q tests/vm --kernel $$kernel -m smoke || exit 1; done

test: $(BUILD)/.setup
	scripts/run-tests

test-long: $(BUILD)/.setup
	scripts/run-tests long

test-kernels: $(BUILD)/.setup
	scripts/fetch-kernels newest
	scripts/build-initramfs $$(cat $(BUILD)/kernels/newest)
	scripts/run-tests kernels

# not part of the tests: cases on a kernel with KASAN, lockdep, kmemleak and more, the first ones of
# CASES for MINUTES; before that, once, a quarter of an hour of processor time to build the kernel
CASES   := $(addprefix tests/vm/cases/,test_starved.py test_lifecycle.py test_link.py test_takeover.py \
	   test_targets.py test_faults.py test_roles.py test_full.py test_crash.py test_peer.py)
MINUTES := 40
test-debug test-debug-smp: MINUTES := 60
test-debug: debug_kernel := 6.1-um
test-debug-smp: debug_kernel := 6.1-debug
test-debug test-debug-smp: $(BUILD)/.setup
	scripts/build-debug-kernel $(debug_kernel)
	scripts/build-initramfs $(debug_kernel)
	$(MAKE) payload KERNELS=$(debug_kernel)
	$(PYTHON) -m pytest -q -rs --durations=0 --kernel $(debug_kernel) --minutes $(MINUTES) $(CASES)

# not part of the tests: what power cuts, lagging links and bad peers leave, in long lanes. Each ends with its figure;
# a seed repeats a lane's decisions
ROUNDS  := 24
SEED    := 1
proof    = $(PYTHON) -m pytest -q -s tests/vm/proof/test_$(1).py --kernel $(KERNEL) --seed $(SEED)
test-torn: payload
	$(call proof,torn) --minutes $(MINUTES)
# each fault in each state; when all have been run, docs/faults.md is written. No state begins after MINUTES
test-faults: MINUTES := 90
test-faults: payload
	$(call proof,states) --minutes $(MINUTES)
test-cuts: payload
	$(call proof,cuts) --rounds $(ROUNDS)
test-lagging: payload
	$(call proof,lagging) --rounds $(ROUNDS)
test-hostile: payload
	$(call proof,hostile) --rounds $(ROUNDS)

# not part of the tests: programs that others wrote, on volumes while they replicate; none begins after MINUTES
test-programs: payload
	scripts/build-debian-image programs
	$(PYTHON) -m pytest -q -s --durations=0 tests/vm/programs --kernel $(KERNEL) --minutes $(MINUTES)

demo: $(BUILD)/.setup payload
	$(PYTHON) scripts/demo

# ----------------------------------------------------------------------- speed

# what make bench leaves out: see tests/bench/run.py --help
ONLY      :=
CONFIGS   :=
WORKLOADS :=
SECONDS   := 5
LOG_MIB   := 64
bench_payload := $(BUILD)/bench/payload/$(KERNEL)

$(BUILD)/bench/tools/bin/fio: scripts/fetch-bench
	scripts/fetch-bench

bench-payload: payload $(BUILD)/bench/tools/bin/fio
	rm -rf $(bench_payload) && mkdir -p $(bench_payload)
	cp -r $(BUILD)/payload/$(KERNEL)/. $(BUILD)/bench/tools/. $(bench_payload)/
	find $(BUILD)/kernels/$(KERNEL)/modules/ '(' -name 'drbd.ko*' -o -name 'lru_cache.ko*' ')' \
		-exec cp {} $(bench_payload)/modules/ ';'

bench: ROUNDS := 3
bench: $(BUILD)/.setup bench-payload
	unshare --net $(PYTHON) tests/bench/run.py --kernel $(KERNEL) --only "$(ONLY)" --configs "$(CONFIGS)" \
		--workloads "$(WORKLOADS)" --rounds $(ROUNDS) --seconds $(SECONDS) --log-mib $(LOG_MIB)

bench-check:
	$(PYTHON) tests/bench/check.py

bench-instructions: $(BUILD)/.setup bench-payload
	$(PYTHON) tests/bench/instructions.py --kernel $(KERNEL)

# where the instructions of a write go, function by function
CONFIG := lvr-async
DEPTH  := 1
bench-profile: $(BUILD)/.setup bench-payload
	$(PYTHON) tests/bench/profile.py --kernel $(KERNEL) --config $(CONFIG) --depth $(DEPTH)

clean:
	rm -rf $(BUILD)/module $(BUILD)/payload $(BUILD)/lvrctl $(BUILD)/unit $(BUILD)/model $(BUILD)/guest/tools $(BUILD)/plugin

.PHONY: all setup module lvrctl install payload check-unit check-model model check-fuzz fuzz mutants \
	check-lvrctl check-vm test test-long test-kernels test-debug test-debug-smp test-faults test-torn test-cuts test-lagging test-hostile \
	test-programs bench bench-payload bench-check bench-instructions bench-profile demo clean
