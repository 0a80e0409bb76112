# Each recipe line of this Makefile is a span with its target's name:
#
#     microtrace run --name make -- make -f traced.mk -j4
SHELL := microtrace
.SHELLFLAGS = run --name $@ --attr make.target=$@ -- /bin/sh -c

all: greeting.txt size.txt

greeting.txt:
	echo hello >$@

size.txt: greeting.txt
	wc -c <greeting.txt >$@
	microtrace count built_total --label target=$@

.PHONY: all
