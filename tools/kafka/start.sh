#!/usr/bin/env bash
# A real Kafka on loopback, from Maven artifacts, without Docker: for development and tests.
#
#   start.sh DIR [NODES] [PORT]   start 1 or 3 nodes with their data in DIR; print the bootstrap servers once all answer.
#                                 The nodes listen at PORT (19092 unless given), PORT + 1 …, their controllers 100 above.
#                                 Started again, it starts only the nodes that are dead. One that was alone and killed
#                                 comes back after WINKEL_KAFKA_DEAD_MS (30000 unless set) at the earliest: for so long
#                                 it counts as alive, also when the machine is too busy for it to say so.
#   start.sh DIR stop             stop them.
#
# Needs Java 17 or newer, and Maven the first time: the jars (54 MB) are kept in WINKEL_KAFKA_JARS, which is
# ~/.cache/winkel/kafka-<version> unless set, and shared by everybody who looks there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2; exit 2; }
say() { echo "start.sh: $*" >&2; }
need() { command -v "$1" > /dev/null || { say "$2"; exit 1; }; }
# FOLDER: whether its node runs; a process id that came again for something else does not count.
alive() { [ -s "$1/pid" ] && ps -ww -o args= -p "$(cat "$1/pid")" 2> /dev/null | grep -qF "kafka.Kafka $1/server.properties"; }

[ $# -ge 1 ] && [ $# -le 3 ] || usage
mkdir -p "$1"; dir=$(cd "$1" && pwd)
nodes=${2:-1} first=${3:-19092}

stop() {
  local home  # all are told to end before any is waited for
  for home in "$dir"/node-*; do alive "$home" && kill "$(cat "$home/pid")" || true; done
  for home in "$dir"/node-*; do
    for _ in $(seq 100); do alive "$home" || break; sleep 0.1; done
    if alive "$home"; then kill -9 "$(cat "$home/pid")"; fi
    rm -f "$home/pid"
  done
}

# Have the jars in the cache. Only one process fetches them; the folder gets its name when it is complete.
fetch() {
  [ -d "$jars" ] && return
  need mvn "Maven is needed to fetch Kafka's jars: install it, or set WINKEL_KAFKA_JARS to a folder that has them"
  mkdir -p "$(dirname "$jars")"
  exec 9> "$jars.lock"
  flock 9
  if [ ! -d "$jars" ]; then
    rm -rf "$jars.part"
    mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$jars.part" >&2
    mv "$jars.part" "$jars"
  fi
  exec 9>&-
}

start() {  # NODE: format its folder the first time, and start it
  local home=$dir/node-$1
  mkdir -p "$home"
  sed -e "s|@NODE@|$1|; s|@PORT@|$((first + $1 - 1))|g; s|@CONTROLLER_PORT@|$((first + 99 + $1))|g" \
      -e "s|@VOTERS@|$voters|; s|@DATA@|$home/data|; s|@COPIES@|$copies|; s|@IN_SYNC@|$in_sync|; s|@SESSION@|$session|" \
      "$here/server.properties" > "$home/server.properties"
  "${java[@]}" kafka.tools.StorageTool format --ignore-formatted -t "$(cat "$dir/cluster-id")" \
    -c "$home/server.properties" > "$home/format.log" 2>&1 || { cat "$home/format.log" >&2; exit 1; }
  setsid "${java[@]}" -Xms256m -Xmx512m -XX:+UseG1GC kafka.Kafka "$home/server.properties" \
    > "$home/server.log" 2>&1 < /dev/null 8>&- &
  echo $! > "$home/pid"
}

await() {  # NODE: wait until it answers
  local home=$dir/node-$1
  for _ in $(seq 1200); do
    alive "$home" || { say "node $1 ended:"; tail -20 "$home/server.log" >&2; exit 1; }
    (exec 3<> "/dev/tcp/127.0.0.1/$((first + $1 - 1))") 2> /dev/null && return
    sleep 0.1
  done
  say "node $1 does not answer after 120 s: see $home/server.log"
  exit 1
}

# One start or stop at a time in one folder.
exec 8> "$dir/lock"
flock 8
if [ "$nodes" = stop ]; then stop; exit 0; fi
case $nodes in 1) copies=1 in_sync=1 session=${WINKEL_KAFKA_DEAD_MS:-30000} ;; 3) copies=3 in_sync=2 session=3000 ;; *) usage ;; esac

need java "Java 17 or newer is needed to run Kafka"
version=$(sed -n 's|.*<kafka.version>\(.*\)</kafka.version>.*|\1|p' "$here/pom.xml")
jars=${WINKEL_KAFKA_JARS:-${XDG_CACHE_HOME:-$HOME/.cache}/winkel/kafka-$version}
fetch
java=(java -cp "$jars/*" "-Dlog4j2.configurationFile=$here/log4j2.properties")

voters='' servers=''
for node in $(seq "$nodes"); do
  voters+="${voters:+,}$node@127.0.0.1:$((first + 99 + node))"
  servers+="${servers:+,}127.0.0.1:$((first + node - 1))"
done
if [ ! -s "$dir/cluster-id" ]; then "${java[@]}" kafka.tools.StorageTool random-uuid 2> /dev/null | tail -1 > "$dir/cluster-id"; fi
for node in $(seq "$nodes"); do alive "$dir/node-$node" || start "$node"; done
for node in $(seq "$nodes"); do await "$node"; done
echo "$servers"
