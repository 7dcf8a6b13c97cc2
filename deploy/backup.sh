#!/usr/bin/env bash
# Backs a data folder up, while runs go on: backup.sh DATA_FOLDER BACKUP_FOLDER
#
# The store is what counts, and nothing in it is ever overwritten: files are copied once.
# The database is copied with SQLite's own backup, and can be made again from the store.
# Not copied: scratch, and what the archive and CRDS have. With PostgreSQL set
# REWEBB_DATABASE_URL (its password in ~/.pgpass), and pg_dump is taken.
#
# To restore: copy the backup to an empty data folder, bring the database back (SQLite: it
# is a file of the folder; PostgreSQL: `pg_restore --clean --dbname URL rewebb.dump`), then
# `rewebb db verify` reads every product, and `rewebb db rebuild` records what the database
# does not know yet.
#
# Tried: with SQLite, restored, every job reused, by tests/system/test_deploy.py. Not tried:
# PostgreSQL.
set -euo pipefail

if [[ $# -ne 2 || ! -d $1 ]]; then
    echo "usage: backup.sh DATA_FOLDER BACKUP_FOLDER" >&2
    exit 2
fi
data=$1 backup=$2
mkdir -p "$backup"

# Before the files: what it knows of is there then.
if [[ -n ${REWEBB_DATABASE_URL:-} ]]; then
    pg_dump --format=custom --file="$backup/rewebb.dump.part" \
        "${REWEBB_DATABASE_URL/postgresql+psycopg:/postgresql:}"
    mv "$backup/rewebb.dump.part" "$backup/rewebb.dump"
elif [[ -f $data/rewebb.db ]]; then
    sqlite3 "$data/rewebb.db" ".backup '$backup/rewebb.db.part'"
    mv "$backup/rewebb.db.part" "$backup/rewebb.db"
fi

# Hard links between runs/ and store/ stay; a second backup copies what is new.
rsync --archive --hard-links --partial \
    --exclude=/rewebb.db* --exclude=/scratch --exclude=/clusters \
    "$data/" "$backup/"
