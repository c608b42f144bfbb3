#!/bin/sh
# Publishes a recording in parts: one process for each part, and one stream for each process.
#
#   NATS_URL=nats://a:4222,nats://b:4222,nats://c:4222 partitions.sh RECORDING [FLAG...]
#
# Part K of N goes to the stream NAME-K, which is created. Its subjects are pK.PREFIX.EXCHANGE.SYMBOL.
# Started again after any failure, it continues every stream. FLAGs are those of `tickdeck replay`.
#
#   TICKDECK_PARTS     N, by default 4
#   TICKDECK_STREAM    NAME, by default TICKS
#   TICKDECK_REPLICAS  servers that keep each stream, by default 3
#
# Prints one JSON summary for each part. The exit code is 0 if all are 0, else the last other one.
set -u

if [ $# -lt 1 ]; then
    echo "usage: $0 RECORDING [FLAG...]" >&2
    exit 2
fi
recording=$1
shift
parts=${TICKDECK_PARTS:-4}
stream=${TICKDECK_STREAM:-TICKS}
replicas=${TICKDECK_REPLICAS:-3}

pids=
trap 'kill $pids 2> /dev/null' INT TERM
part=1
while [ "$part" -le "$parts" ]; do
    tickdeck replay "$recording" --partition "$part/$parts" \
        --subject-prefix "p$part.market.tick" \
        --sink "jetstream:$stream-$part" --create-stream --stream-replicas "$replicas" \
        --resume --json "$@" &
    pids="$pids $!"
    part=$((part + 1))
done
ended=0
for pid in $pids; do
    wait "$pid" || ended=$?
done
# A signal interrupts a wait: the parts end first.
wait
exit "$ended"
