#!/bin/bash
# Takes the place of run_socat.sh in the ib-gateway image, so that nobody reaches the Gateway but through twsmux.
#
# A socat must run all the same: the image's stop script ends before it has stopped the Gateway when it finds none. This one
# waits at a file that nobody knows of, and forwards nothing.
while true; do
  socat UNIX-LISTEN:/tmp/no-socat,unlink-early,fork /dev/null
  sleep 5
done
