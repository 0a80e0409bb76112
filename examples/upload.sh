#!/bin/bash
# Copies a file and checks the copy. Started by backup.sh it is part of that one's trace; started by
# hand it begins its own.
#
# usage: upload.sh FILE TARGET-FOLDER
set -euo pipefail

file=$1 target=$2
microtrace run --name copy --timeout 10m -- cp "$file" "$target/"

# A step that is no program: its times are taken, and the span is written when it is over.
start=$(date +%s.%N)
status=ok
cmp -s "$file" "$target/$(basename "$file")" || status="error:the copy differs"
microtrace span compare --start "$start" --status "$status" --attr "file.name=$(basename "$file")"
microtrace observe upload_check_seconds "$(awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN { print b - a }')" \
    --unit seconds
[ "$status" = ok ]
