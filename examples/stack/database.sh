#!/bin/sh
# PostgreSQL, with an empty table when the volume is new.
set -e
if [ ! -s /data/PG_VERSION ]; then
    initdb --pgdata=/data --username=shop --auth=scram-sha-256 --pwfile=/run/secrets/password > /dev/null
    echo 'host all all all scram-sha-256' >> /data/pg_hba.conf
    echo 'CREATE TABLE visits (host text);' | postgres --single -D /data postgres > /dev/null
fi
exec postgres -D /data -c listen_addresses='*' -c unix_socket_directories=/tmp
