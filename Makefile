# MicroTrace: see README.md. `make help` lists the targets.

BUILD  ?= build
CC     ?= gcc
CFLAGS ?= -O2 -g

VERSION := 0.1.0

# A sanitizer build is chosen by its folder: make test BUILD=build/asan.
SANITIZE_build/asan := -fsanitize=address,undefined -fno-sanitize-recover=all
SANITIZE := $(SANITIZE_$(BUILD))

override CPPFLAGS += -I. -D_GNU_SOURCE -DMICROTRACE_VERSION='"$(VERSION)"'
MT_CFLAGS  := -std=gnu11 -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
              -Wpointer-arith -Wwrite-strings -Wundef -Wvla -fno-common -fstack-protector-strong \
              -ffile-prefix-map=$(CURDIR)=. $(SANITIZE) $(CFLAGS)
MT_LDFLAGS := $(SANITIZE) -Wl,--as-needed $(LDFLAGS)

LIBS_analyze       := -lfcgi -ljansson -lcurl -lm
LIBS_metrics-agent := -lmicrohttpd -lcurl -lz -lm
LIBS_microtrace    := -lcurl -lm

# Every program is its folder's sources; nothing is listed by hand.
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(sort $(wildcard $(1)/*.c)))

LIB          := $(BUILD)/lib/libmicrotrace.a
ANALYZE_OBJS := $(call objects,fcgi-app)
AGENT_OBJS   := $(call objects,metrics-agent)
CLI_OBJS     := $(call objects,cli)
PROGRAMS     := $(if $(ANALYZE_OBJS),$(BUILD)/bin/analyze) \
                $(if $(AGENT_OBJS),$(BUILD)/bin/metrics-agent) \
                $(if $(CLI_OBJS),$(BUILD)/bin/microtrace)
UNIT_TESTS   := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/unit/test_*.c)))

all: $(PROGRAMS) $(LIB)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(MT_CFLAGS) -MMD -MP -c -o $@ $<

$(LIB): $(call objects,lib)
	@mkdir -p $(@D)
	rm -f $@
	$(AR) rcsD $@ $^

$(BUILD)/bin/analyze: $(ANALYZE_OBJS) $(LIB)
	@mkdir -p $(@D)
	$(CC) $(MT_LDFLAGS) -o $@ $^ $(LIBS_analyze)

$(BUILD)/bin/metrics-agent: $(AGENT_OBJS) $(LIB)
	@mkdir -p $(@D)
	$(CC) $(MT_LDFLAGS) -o $@ $^ $(LIBS_metrics-agent)

$(BUILD)/bin/microtrace: $(CLI_OBJS) $(LIB)
	@mkdir -p $(@D)
	$(CC) $(MT_LDFLAGS) -o $@ $^ $(LIBS_microtrace)

# A program's modules without its main, for the unit tests.
$(BUILD)/lib/%-modules.a:
	@mkdir -p $(@D)
	rm -f $@
	$(AR) rcsD $@ $^
$(BUILD)/lib/fcgi-app-modules.a: $(filter-out %/main.o,$(ANALYZE_OBJS))
$(BUILD)/lib/metrics-agent-modules.a: $(filter-out %/main.o,$(AGENT_OBJS))

$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(BUILD)/lib/fcgi-app-modules.a \
                       $(BUILD)/lib/metrics-agent-modules.a $(LIB)
	@mkdir -p $(@D)
	$(CC) $(MT_LDFLAGS) -o $@ $^ -lcmocka $(LIBS_analyze) $(LIBS_metrics-agent)

unit: $(UNIT_TESTS)
	@status=0; for t in $(UNIT_TESTS); do $$t || status=1; done; exit $$status

clean:
	rm -rf $(BUILD)

.PHONY: all unit clean
.DELETE_ON_ERROR:

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
