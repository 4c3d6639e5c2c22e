#!/bin/sh
# What the backing servers of the full profile need on a bare Debian or Ubuntu: Java 17 with javac, Maven, redis-server.
# Starts no system service. May be run again: it is quick when all is there.
set -eu

wanted=
command -v mvn >/dev/null || wanted="$wanted maven"
command -v redis-server >/dev/null || wanted="$wanted redis-server"
case $(javac -version 2>&1 || true) in
  "javac 1"[7-9]* | "javac "[2-9][0-9]*) java=present ;;
  *) java=absent ;;
esac
if [ -z "$wanted" ] && [ "$java" = present ]; then exit 0; fi

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

as_root apt-get update -qq
if [ "$java" = absent ]; then
  jdk=openjdk-17-jdk-headless
  apt-cache show "$jdk" >/dev/null 2>&1 || jdk=default-jdk-headless # newer releases have only newer ones
  wanted="$wanted $jdk"
fi

# This file, asked by the packages, forbids them to start their services; one that is already there is left as it is.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'as_root rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
  as_root chmod +x "$policy"
fi
# shellcheck disable=SC2086 # several packages
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $wanted
