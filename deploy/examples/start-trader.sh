#!/usr/bin/env bash
# Starts a trading program as soon as, and only when, it can work with IB Gateway through twsmux.
#
#     start-trader.sh COMMAND [ARGUMENT...]
#
# The command finds in its environment where to connect (IB_HOST, IB_PORT) and the accounts (IB_ACCOUNTS).
# TWSMUX_CONNECT says where twsmux listens, WAIT_SECONDS how long to wait for it and for the Gateway.
set -euo pipefail

: "${TWSMUX_CONNECT:=127.0.0.1:4010}" "${WAIT_SECONDS:=120}"
export TWSMUX_CONNECT

deadline=$((SECONDS + WAIT_SECONDS))
until IB_ACCOUNTS=$(twsmux check); do
  code=$?
  case $code in
    3 | 4 | 8) ;; # passes by itself: twsmux starts, the Gateway restarts or waits for its login
    *) exit "$code" ;; # needs a person; check has said what is wrong
  esac
  if ((SECONDS >= deadline)); then
    echo "start-trader: gave up after $WAIT_SECONDS s" >&2
    exit "$code"
  fi
  sleep 1
done

echo "start-trader: the Gateway is ready, accounts $IB_ACCOUNTS" >&2
export IB_ACCOUNTS IB_HOST="${TWSMUX_CONNECT%:*}" IB_PORT="${TWSMUX_CONNECT##*:}"
exec "$@"
