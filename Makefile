# MicroTrace: see README.md. `make help` lists the targets.

BUILD  ?= build
CC     ?= gcc
OBJCOPY ?= objcopy
CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
# Below PREFIX; distributions have a folder for each architecture.
LIBDIR ?= lib

VERSION := 0.1.0

# A sanitizer build is chosen by its folder: make test BUILD=build/asan, or
# make fuzz BUILD=build/fuzz CC=clang.
SANITIZE_build/asan := -fsanitize=address,undefined -fno-sanitize-recover=all
SANITIZE_build/fuzz := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
SANITIZE := $(SANITIZE_$(BUILD))

override CPPFLAGS += -I. -Iinclude -D_GNU_SOURCE -DMICROTRACE_VERSION='"$(VERSION)"'
# Hardening as Debian's packages have it. Fortified functions need optimisation, and the sanitizers
# have checks of their own.
# The compiler is asked at the first compilation: before, it may not be installed yet.
MACHINE = $(eval MACHINE := $(shell $(CC) -dumpmachine))$(MACHINE)
HARDEN = -fstack-protector-strong -fstack-clash-protection \
         $(if $(filter x86_64-%,$(MACHINE)),-fcf-protection) \
         $(if $(SANITIZE)$(filter -O0,$(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
MT_CFLAGS   = -std=gnu11 -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
              -Wpointer-arith -Wwrite-strings -Wundef -Wvla -fno-common \
              -ffile-prefix-map=$(CURDIR)=. $(HARDEN) $(SANITIZE) $(CFLAGS)
MT_LDFLAGS := $(SANITIZE) -Wl,--as-needed -Wl,-z,relro,-z,now $(LDFLAGS)

LIBS_analyze        := -lfcgi -ljansson -lm
LIBS_metrics-agent  := -lmicrohttpd -lcurl -lz -lm
# A start of the command is most of what it costs, and each shared library a tenth of that.
LIBS_microtrace     := -Wl,-Bstatic -lz -Wl,-Bdynamic -lm
LIBS_microtrace-run := -lm
LIBS_microtrace-cgi := -lm
LIBS_microtrace-proxy := -lm

# Every program is its folder's sources; nothing is listed by hand.
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(sort $(wildcard $(addsuffix /*.c,$(1)))))

# All of lib, for our own programs; the public libraries hold what include/microtrace.h needs of it.
LIB             := $(BUILD)/lib/microtrace-internal.a
API_OBJS        := $(patsubst %.c,$(BUILD)/obj/%.o,$(sort $(wildcard lib/microtrace*.c)))
SONAME          := libmicrotrace.so.0
LIBRARIES       := $(BUILD)/lib/$(SONAME) $(BUILD)/lib/libmicrotrace.a
# What all programs behind a web server share.
HTTP            := $(BUILD)/lib/http.a
# What all who show traces share.
VIEW            := $(BUILD)/lib/view.a
ANALYZE_OBJS    := $(call objects,fcgi-app)
AGENT_OBJS      := $(call objects,metrics-agent metrics-agent/scrape metrics-agent/export metrics-agent/page)
CLI_OBJS        := $(call objects,cli)
SUPERVISOR_OBJS := $(call objects,supervisor)
# The gateways share a folder; a prefix says whose a file is, and what both have.
GATEWAYS_BOTH   := $(addsuffix _%,$(addprefix $(BUILD)/obj/gateways/,fastcgi head stderr))
CGI_OBJS        := $(filter $(BUILD)/obj/gateways/cgi_% $(GATEWAYS_BOTH),$(call objects,gateways))
PROXY_OBJS      := $(filter $(BUILD)/obj/gateways/proxy% $(GATEWAYS_BOTH),$(call objects,gateways))
# `make tarball` links them once more, in its own way.
PROGRAM_DIR  := $(BUILD)/bin
PROGRAMS     := $(if $(ANALYZE_OBJS),$(PROGRAM_DIR)/analyze) \
                $(if $(AGENT_OBJS),$(PROGRAM_DIR)/metrics-agent) \
                $(if $(CLI_OBJS),$(PROGRAM_DIR)/microtrace) \
                $(PROGRAM_DIR)/microtrace-run $(PROGRAM_DIR)/microtrace-cgi $(PROGRAM_DIR)/microtrace-proxy
UNIT_TESTS   := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/unit/test_*.c)))
FUZZ_TARGETS := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
TEST_TOOLS   := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/tools/*.c)))
TORTURE      := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/torture/test_*.c)))

MAN_PAGES    := $(patsubst docs/man/%,$(BUILD)/man/%,$(sort $(wildcard docs/man/*.[1358])))

# What lighttpd answers where no program can; lighttpd.conf finds them beside the programs.
ERROR_PAGES  := $(patsubst deploy/errors/%,$(BUILD)/share/microtrace/errors/%,$(sort $(wildcard deploy/errors/*.html)))

all: $(PROGRAMS) $(LIBRARIES) $(MAN_PAGES) $(ERROR_PAGES)

# --- Debian packages ---------------------------------------------------------------------------

# What the targets asked for need beyond git and make, by the sets of scripts/packages. It is there
# before the first compilation; `make` alone installs nothing.
PACKAGES_run     := build run
PACKAGES_install := build
PACKAGES_test    := build run test
PACKAGES_torture := build test
PACKAGES_lint    := build test lint
PACKAGES_interop := build run interop
PACKAGES_bench   := build run bench
PACKAGES_tarball := build
PACKAGES_deb     := build deb
PACKAGE_SETS     := $(sort $(foreach goal,$(MAKECMDGOALS),$(PACKAGES_$(goal))))
READY            := $(if $(PACKAGE_SETS),packages)

packages:
	@scripts/install-packages $(PACKAGE_SETS)

# --- Compiling -----------------------------------------------------------------------------------

# One word a command, unless asked for all of it: make V=1.
say = $(if $(V),,@echo '  $(1) $(patsubst $(BUILD)/%,%,$(2))')
Q   = $(if $(V),,@)

$(BUILD)/obj/%.o: %.c | $(READY)
	@mkdir -p $(@D)
	$(call say,CC  ,$<)
	$(Q)$(CC) $(CPPFLAGS) $(MT_CFLAGS) -MMD -MP -c -o $@ $<

# One object for all of lib, so that a program gets our names from microtrace.h alone: those that
# this header does not declare are hidden, in the static library too.
$(BUILD)/obj/lib/%.o: MT_CFLAGS += -fPIC -fvisibility=hidden

$(BUILD)/obj/fcgi-app/openapi.o: fcgi-app/openapi.json

# Their hash stands in their URLs.
PAGE_ASSETS := metrics-agent/page/page.css metrics-agent/page/page.js
$(BUILD)/obj/metrics-agent/page/page_assets.o: $(PAGE_ASSETS)
$(BUILD)/obj/metrics-agent/page/page_assets.o: \
    MT_CFLAGS += -DPAGE_ASSETS_VERSION=\"$$(cat $(PAGE_ASSETS) | sha256sum | cut -c1-16)\"

$(LIB): $(call objects,lib lib/base lib/metrics lib/trace lib/spool lib/control)
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR  ,$@)
	$(Q)$(AR) rcsD $@ $^

$(HTTP): $(call objects,http)
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR  ,$@)
	$(Q)$(AR) rcsD $@ $^

$(VIEW): $(call objects,view)
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR  ,$@)
	$(Q)$(AR) rcsD $@ $^

$(BUILD)/lib/$(SONAME): $(API_OBJS) $(LIB) lib/microtrace.map
	$(call say,LINK,$@)
	$(Q)$(CC) $(MT_LDFLAGS) -shared -Wl,-z,nodelete -Wl,-soname,$(SONAME) -Wl,--version-script=lib/microtrace.map \
	    -Wl,--no-undefined -o $@ $(API_OBJS) $(LIB) -lm
	$(Q)ln -sf $(SONAME) $(BUILD)/lib/libmicrotrace.so

$(BUILD)/lib/libmicrotrace.a: $(API_OBJS) $(LIB)
	@rm -f $@
	$(call say,AR  ,$@)
	$(Q)$(CC) -r -nostdlib -o $(BUILD)/lib/microtrace.o $(API_OBJS) $(LIB)
	$(Q)$(OBJCOPY) --localize-hidden $(BUILD)/lib/microtrace.o
	$(Q)$(AR) rcsD $@ $(BUILD)/lib/microtrace.o

$(PROGRAM_DIR)/analyze: $(ANALYZE_OBJS) $(HTTP) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(MT_LDFLAGS) -o $@ $^ $(LIBS_analyze)

$(PROGRAM_DIR)/metrics-agent: $(AGENT_OBJS) $(VIEW) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(MT_LDFLAGS) -o $@ $^ $(LIBS_metrics-agent)

$(PROGRAM_DIR)/microtrace: $(CLI_OBJS) $(VIEW) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(MT_LDFLAGS) -o $@ $^ $(LIBS_microtrace)

$(PROGRAM_DIR)/microtrace-run: $(SUPERVISOR_OBJS) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(MT_LDFLAGS) -o $@ $^ $(LIBS_microtrace-run)

$(PROGRAM_DIR)/microtrace-cgi: $(CGI_OBJS) $(HTTP) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(MT_LDFLAGS) -o $@ $^ $(LIBS_microtrace-cgi)

$(PROGRAM_DIR)/microtrace-proxy: $(PROXY_OBJS) $(HTTP) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(MT_LDFLAGS) -o $@ $^ $(LIBS_microtrace-proxy)

# Options and settings in a man page are those of the program's --help.
$(BUILD)/man/%: docs/man/% scripts/man-page $(PROGRAMS:$(PROGRAM_DIR)/%=$(BUILD)/bin/%)
	@mkdir -p $(@D)
	$(call say,MAN ,$@)
	$(Q)scripts/man-page $< $(BUILD)/bin >$@

$(ERROR_PAGES): $(BUILD)/share/microtrace/errors/%: deploy/errors/%
	@mkdir -p $(@D)
	$(Q)cp $< $@

# A program's modules without its main, for the unit tests.
$(BUILD)/lib/%-modules.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR  ,$@)
	$(Q)$(AR) rcsD $@ $^
$(BUILD)/lib/fcgi-app-modules.a: $(filter-out %/main.o,$(ANALYZE_OBJS))
$(BUILD)/lib/metrics-agent-modules.a: $(filter-out %/main.o,$(AGENT_OBJS))
$(BUILD)/lib/cli-modules.a: $(filter-out %/main.o,$(CLI_OBJS))
$(BUILD)/lib/cgi-modules.a: $(filter-out %/cgi_main.o,$(CGI_OBJS))
$(BUILD)/lib/proxy-modules.a: $(filter-out %/proxy_main.o,$(PROXY_OBJS))

$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(BUILD)/lib/fcgi-app-modules.a \
                       $(BUILD)/lib/metrics-agent-modules.a $(BUILD)/lib/cli-modules.a \
                       $(BUILD)/lib/cgi-modules.a $(BUILD)/lib/proxy-modules.a $(HTTP) $(VIEW) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(MT_LDFLAGS) -o $@ $^ -lcmocka $(LIBS_analyze) $(LIBS_metrics-agent) \
	    $(LIBS_microtrace)

# As its users build it, but from here.
$(BUILD)/examples/import: examples/import.c include/microtrace.h $(BUILD)/lib/libmicrotrace.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -std=c11 -Iinclude $(SANITIZE) $(CFLAGS) -o $@ $< $(BUILD)/lib/libmicrotrace.a -lm -pthread

# With our own driver, or with libFuzzer where the build is for it.
FUZZ_ENGINE := $(if $(filter build/fuzz,$(BUILD)),-fsanitize=fuzzer,$(BUILD)/obj/tests/fuzz/driver.o)

$(BUILD)/tests/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(filter %.o,$(FUZZ_ENGINE)) \
                       $(BUILD)/lib/fcgi-app-modules.a $(BUILD)/lib/metrics-agent-modules.a \
                       $(BUILD)/lib/cli-modules.a $(BUILD)/lib/cgi-modules.a \
                       $(BUILD)/lib/proxy-modules.a $(HTTP) $(VIEW) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(MT_LDFLAGS) -o $@ $(filter-out %.o,$(FUZZ_ENGINE)) $^ $(LIBS_analyze) \
	    $(LIBS_metrics-agent) $(LIBS_microtrace)

$(BUILD)/tests/tools/otlp_%: $(BUILD)/obj/tests/tools/otlp_%.o \
                             $(BUILD)/lib/metrics-agent-modules.a $(VIEW) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(MT_LDFLAGS) -o $@ $^ $(LIBS_metrics-agent)

$(BUILD)/tests/tools/page_%: $(BUILD)/obj/tests/tools/page_%.o \
                             $(BUILD)/lib/metrics-agent-modules.a $(VIEW) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(MT_LDFLAGS) -o $@ $^ $(LIBS_metrics-agent)

$(BUILD)/tests/tools/%: $(BUILD)/obj/tests/tools/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(MT_LDFLAGS) -o $@ $^ -lm

$(BUILD)/tests/torture/%: $(BUILD)/obj/tests/torture/%.o $(BUILD)/lib/metrics-agent-modules.a $(VIEW) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(MT_LDFLAGS) -o $@ $^ -lcmocka -lm

$(BUILD)/tests/bench/metrics_bench: $(BUILD)/obj/tests/bench/metrics_bench.o \
                                    $(BUILD)/lib/metrics-agent-modules.a $(VIEW) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(MT_LDFLAGS) -o $@ $^ -lm

$(BUILD)/tests/bench/text_bench: $(BUILD)/obj/tests/bench/text_bench.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(MT_LDFLAGS) -o $@ $^ -lm

$(BUILD)/tests/bench/export_bench: $(BUILD)/obj/tests/bench/export_bench.o \
                                   $(BUILD)/lib/metrics-agent-modules.a $(VIEW) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(MT_LDFLAGS) -o $@ $^ $(LIBS_metrics-agent)

# --- Running -------------------------------------------------------------------------------------

# `make run` becomes the supervisor, so that a signal to make is a signal to it, and its exit status
# make's (scripts/make_exec.c). Where make can't load, or only shows what it would do, it is a recipe
# like any other.
RUN := $(BUILD)/bin/microtrace-run --config lighttpd.conf
ONLY_SHOWN := $(findstring n,$(firstword -$(MAKEFLAGS)))$(findstring q,$(firstword -$(MAKEFLAGS)))
ifeq ($(MAKECMDGOALS)$(ONLY_SHOWN),run)
ifneq ($(filter load,$(.FEATURES)),)
MAKE_EXEC := $(BUILD)/make_exec.so
-load $(MAKE_EXEC)
endif
endif
GIVEN = $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))

$(BUILD)/make_exec.so: scripts/make_exec.c | $(READY)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -std=gnu11 -Wall -Wextra -Werror -O2 -fPIC -shared -o $@ $<

# The files of Swagger UI: a source tarball has them, a checkout gets them where npm is there to fetch
# them; /docs takes them from a CDN otherwise.
DOCS_ASSETS := $(or $(wildcard swagger-ui),$(BUILD)/swagger-ui)

run: export MICROTRACE_DOCS_ASSETS := $(abspath $(DOCS_ASSETS))
run: all docs-assets
	$(if $(filter $(MAKE_EXEC),$(.LOADED)),$(exec $(RUN),$(GIVEN) MICROTRACE_DOCS_ASSETS),$(RUN))

docs-assets: | $(READY)
	@scripts/fetch-docs-assets $(DOCS_ASSETS)

# --- Checking ------------------------------------------------------------------------------------

unit: $(UNIT_TESTS)
	@status=0; for t in $(UNIT_TESTS); do $$t || status=1; done; exit $$status

test: all $(UNIT_TESTS) $(FUZZ_TARGETS) $(TORTURE) $(TEST_TOOLS) $(BUILD)/examples/import
	@scripts/run-tests $(BUILD) $(UNIT_TESTS) $(FUZZ_TARGETS) $(TORTURE) $(sort $(wildcard tests/integration/*.bats))

torture: $(TORTURE)
	@TORTURE=full TEST_JOBS=1 scripts/run-tests $(BUILD) $(TORTURE)

# Each target for FUZZ_SECONDS, with coverage to guide it. libfcgi asks for what a peer says that it
# sends, up to 4 GiB, and touches none of it.
FUZZ_SECONDS ?= 60
fuzz: $(FUZZ_TARGETS)
	$(if $(filter build/fuzz,$(BUILD)),,$(error make fuzz BUILD=build/fuzz CC=clang))
	@for t in $(FUZZ_TARGETS); do \
	    echo "=== $$t"; $$t -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -malloc_limit_mb=8192 -verbosity=0 \
	    -artifact_prefix=$(BUILD)/ || exit 1; done

lint: $(MAN_PAGES) | $(READY)
	@BUILD='$(BUILD)' CC='$(CC)' scripts/lint $(CPPFLAGS) $(MT_CFLAGS)

interop: all docs-assets $(BUILD)/tests/tools/otlp_transcode $(BUILD)/tests/tools/page_sample
	@BUILD=$(BUILD) tests/interop/run

bench-programs: all $(BUILD)/tests/bench/metrics_bench $(BUILD)/tests/bench/text_bench \
                $(BUILD)/tests/bench/export_bench $(BUILD)/tests/tools/page_look

bench: bench-programs
	@BUILD=$(BUILD) tests/bench/run

# --- Installing ----------------------------------------------------------------------------------

# The folders below PREFIX, and what goes into each. Those with our name are ours alone.
FOLDERS := bin $(LIBDIR) include share/man/man1 share/man/man3 share/man/man5 share/man/man8 share/microtrace \
           share/microtrace/errors share/microtrace/swagger-ui share/microtrace/dashboards \
           share/doc/microtrace share/bash-completion/completions
FILES_bin                         = $(PROGRAMS)
FILES_$(LIBDIR)                   = $(LIBRARIES)
FILES_include                     = include/microtrace.h
FILES_share/man/man1              = $(filter %.1,$(MAN_PAGES))
FILES_share/man/man3              = $(filter %.3,$(MAN_PAGES))
FILES_share/man/man5              = $(filter %.5,$(MAN_PAGES))
FILES_share/man/man8              = $(filter %.8,$(MAN_PAGES))
FILES_share/microtrace            = lighttpd.conf $(sort $(wildcard deploy/*.conf))
FILES_share/microtrace/errors     = $(ERROR_PAGES)
FILES_share/microtrace/swagger-ui = $(sort $(wildcard $(DOCS_ASSETS)/*))
FILES_share/microtrace/dashboards = $(sort $(wildcard dashboards/*.json dashboards/rules/*.yml))
FILES_share/bash-completion/completions = deploy/completion/microtrace
FILES_share/doc/microtrace        = $(sort $(wildcard README.md LICENSE docs/*.md))
TO = $(DESTDIR)$(PREFIX)

# For the web servers' folders below /etc, with the paths of this installation.
SNIPPETS := $(patsubst deploy/%,%,$(sort $(shell find deploy/lighttpd deploy/nginx deploy/apache -type f)))

# By a rename: who is just starting the program of an installation in use finds the old or the new one.
define install_into
install -d "$(TO)/$(1)"
@for file in $(FILES_$(1)); do \
    install -m $(if $(filter bin,$(1)),755,644) "$$file" "$(TO)/$(1)/.new" && \
        mv -f "$(TO)/$(1)/.new" "$(TO)/$(1)/$${file##*/}" || exit 1; \
done

endef

install: all
	$(foreach folder,$(FOLDERS),$(if $(FILES_$(folder)),$(call install_into,$(folder))))
	ln -sf $(SONAME) "$(TO)/$(LIBDIR)/libmicrotrace.so"
	$(if $(DESTDIR),,-ldconfig 2>/dev/null)
	@for file in $(SNIPPETS); do \
	    install -d "$(TO)/share/microtrace/$$(dirname $$file)" && \
	    sed 's#/usr/bin/\(analyze\|microtrace-\)#$(PREFIX)/bin/\1#g; s#/usr/share/microtrace#$(PREFIX)/share/microtrace#g' \
	        deploy/$$file | install -m 644 /dev/stdin "$(TO)/share/microtrace/$$file" || exit 1; \
	done
	install -d "$(TO)/$(LIBDIR)/pkgconfig"
	sed 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@VERSION@|$(VERSION)|' deploy/microtrace.pc.in \
	    >"$(TO)/$(LIBDIR)/pkgconfig/microtrace.pc"

# Of the web servers' folders below /etc: what they read when they start, then what that leads to.
SERVERS_ETC = $(foreach folder,*-enabled *,$(foreach server,lighttpd nginx apache2,"$(DESTDIR)"/etc/$(server)/$(folder)/*))

# A lighttpd that is told to start one of them would not start any more itself, and no server does with a
# link that leads nowhere: what is enabled goes, and what other files may need stays as a copy.
uninstall:
	@for file in "$(DESTDIR)"/etc/lighttpd/conf-enabled/*; do \
	    program=$$(grep -ohsE '$(PREFIX)/bin/analyze|bin-path.*$(PREFIX)/bin/microtrace-cgi' "$$file" | head -n 1); \
	    if [ -n "$$program" ]; then \
	        echo "lighttpd: $$file starts $${program##*/} and is removed; reload lighttpd"; rm -f "$$file"; \
	    fi; \
	done
	@for link in $(SERVERS_ETC); do \
	    target=$$([ -L "$$link" ] && readlink -m "$$link"); \
	    case $$target:$$link in \
	    *"$(PREFIX)/share/microtrace/"*:*-enabled/*) \
	        echo "$$link leads to $$target and is removed; reload the server"; rm -f "$$link" ;; \
	    *"$(PREFIX)/share/microtrace/"*:*) cp --remove-destination "$$target" "$$link" || rm -f "$$link" ;; \
	    esac; \
	done
	rm -f $(foreach program,$(notdir $(PROGRAMS)),"$(TO)/bin/$(program)") "$(TO)/$(LIBDIR)/libmicrotrace".* \
	    "$(TO)/$(LIBDIR)/pkgconfig/microtrace.pc" "$(TO)/include/microtrace.h" \
	    "$(TO)/share/bash-completion/completions/microtrace" \
	    $(foreach page,$(notdir $(MAN_PAGES)),"$(TO)/share/man/man$(subst .,,$(suffix $(page)))/$(page)")
	rm -rf "$(TO)/share/microtrace" "$(TO)/share/doc/microtrace"

# --- The tarball ---------------------------------------------------------------------------------

# Programs that run from any folder: DT_RPATH, since DT_RUNPATH is not for the libraries' own
# libraries. What starts for a single request has its two small libraries inside; of jansson's
# names only its interface's, others are ours too.
TARBALL      := $(BUILD)/tarball
TARBALL_ROOT := microtrace-$(VERSION)

$(TARBALL)/jansson.o: | $(READY)
	@mkdir -p $(@D)
	$(Q)$(CC) -r -nostdlib -o $@ -Wl,--whole-archive -l:libjansson.a -Wl,--no-whole-archive
	$(Q)$(OBJCOPY) --wildcard --keep-global-symbol='json*' $@

tarball: all $(TARBALL)/jansson.o
	@rm -rf '$(TARBALL)/bin' '$(TARBALL)/$(TARBALL_ROOT)'
	$(Q)$(MAKE) --no-print-directory install PROGRAM_DIR='$(TARBALL)/bin' \
	    LDFLAGS='$(LDFLAGS) -Wl,--disable-new-dtags,-rpath,\$$$$ORIGIN/../lib/microtrace' \
	    LIBS_analyze='$(TARBALL)/jansson.o -Wl,-Bstatic -lfcgi -Wl,-Bdynamic -lm' \
	    DESTDIR='$(CURDIR)/$(TARBALL)' PREFIX='/$(TARBALL_ROOT)' >'$(TARBALL).log' || { cat '$(TARBALL).log'; exit 1; }
	$(Q)CC='$(CC)' scripts/tarball '$(TARBALL)/$(TARBALL_ROOT)' \
	    '$(BUILD)/microtrace-$(VERSION)-linux-$(firstword $(subst -, ,$(MACHINE))).tar.gz'

# --- Packaging -----------------------------------------------------------------------------------

# The source as one file, and Debian packages made of it: nothing is fetched while they are built.
# They run no tests, which `make test` does; DEB_BUILD_OPTIONS= and DEB_BUILD_PROFILES= run the unit
# tests in the build.
DIST := $(BUILD)/microtrace-$(VERSION).tar.gz
DEB_BUILD_OPTIONS  ?= nocheck
DEB_BUILD_PROFILES ?= nocheck

dist: docs-assets
	@scripts/source-tarball $(VERSION) $(DOCS_ASSETS) $(DIST)
	@echo $(DIST)

deb: export DEB_BUILD_OPTIONS := $(DEB_BUILD_OPTIONS)
deb: export DEB_BUILD_PROFILES := $(DEB_BUILD_PROFILES)
deb: dist
	@scripts/debian-packages $(VERSION) $(DIST) $(BUILD)/deb

# --- The rest ------------------------------------------------------------------------------------

clean:
	rm -rf $(BUILD)

help:
	@echo 'make            builds the programs into $(BUILD)/bin'
	@echo 'make run        installs what is missing, builds, and runs everything until Ctrl-C;'
	@echo '                settings: PORT, BIND, AGENT_LISTEN, WORKERS, STATE_DIR, ... (README.md)'
	@echo 'make test       installs what is missing, builds, runs every test that needs nothing else;'
	@echo '                with the sanitizers: make test BUILD=build/asan'
	@echo 'make torture    the kill and crowd tests of the metrics file in their long form'
	@echo 'make fuzz       the fuzz targets under libFuzzer: make fuzz BUILD=build/fuzz CC=clang'
	@echo 'make lint       format, static analysis, shell scripts, dependency rule'
	@echo 'make interop    the tests against a real OpenTelemetry Collector and Prometheus'
	@echo 'make bench      the benchmarks'
	@echo 'make tarball    build/microtrace-VERSION-linux-ARCH.tar.gz: runs from any folder, without root'
	@echo 'make install    into PREFIX ($(PREFIX)), below DESTDIR; make uninstall takes it back'
	@echo 'make dist       the source as $(DIST)'
	@echo 'make deb        Debian packages into $(BUILD)/deb'
	@echo 'make clean      removes $(BUILD)'

.PHONY: all packages run docs-assets unit test torture fuzz lint interop bench bench-programs install uninstall tarball dist deb clean help
.DELETE_ON_ERROR:
.SECONDARY:

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
