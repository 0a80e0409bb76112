#!/bin/bash
# Puts a folder into an archive and hands it to upload.sh. Each step is a span, both scripts are one
# trace, and what matters about a backup is in metrics: when the last one succeeded, how large it is.
#
# usage: backup.sh FOLDER TARGET-FOLDER
set -euo pipefail

# The script runs itself as the span that all its steps belong to.
if [ "${BACKUP_IS_TRACED:-}" != "$0" ]; then
    BACKUP_IS_TRACED=$0 exec microtrace run --name backup --attr "backup.folder=$1" -- "$0" "$@"
fi

folder=$1 target=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'microtrace log --level error --name backup --field "line=$LINENO" "backup failed"' ERR

archive=$work/$(basename "$folder").tar.gz
microtrace run --name tar -- tar -C "$folder" -czf "$archive" .

bytes=$(stat -c %s "$archive")
files=$(find "$folder" -type f | wc -l)
microtrace count backup_files_total "$files" --help-text "Files that were put into backups."
microtrace gauge backup_last_size_bytes "$bytes" --unit bytes
microtrace log --name backup --field "files=$files" --field "bytes=$bytes" "archive made"

"$(dirname "$0")/upload.sh" "$archive" "$target"
