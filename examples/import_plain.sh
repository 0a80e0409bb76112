#!/bin/sh
# The same as import.bats without any framework: PATH=.:$PATH ./import_plain.sh
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/run" "$dir/spool"
export MICROTRACE_RUN_DIR="$dir/run" MICROTRACE_SPOOL_DIR="$dir/spool"

microtrace expect metric --snapshot "$dir/before"
import
microtrace expect metric 'imported_total{kind="book"}' --increase 3 --since "$dir/before"
microtrace expect span --name import --attr import.articles=3 --count 1
microtrace expect log --level ERROR --none
echo "import tells the truth"
