#!/bin/bash
# One-node SLURM for the tests: its own munge, MariaDB and slurmdbd, all state under DIR.
#
#   minislurm.sh start DIR    prints the line that points a shell at it (export SLURM_CONF=...)
#   minislurm.sh stop DIR
#   minislurm.sh status DIR
#
# Needs no systemd and no cgroups; runs as root or as an ordinary user. Packages (Debian, Ubuntu):
# slurmctld slurmd slurm-client slurmdbd munge mariadb-server-core mariadb-client-core.
# Knobs: MINISLURM_PORT (and the two ports after it), MINISLURM_CPUS, MINISLURM_MEM (MB),
# MINISLURM_MAX_ARRAY.
set -u
command=$1
mkdir -p "$2"
DIR=$(cd "$2" && pwd)
USER_NAME=$(id -un)
NODE=$(hostname -s)
PORT=${MINISLURM_PORT:-16817}
PATH=$PATH:/usr/sbin
export SLURM_CONF=$DIR/slurm.conf
DAEMONS=(slurmd slurmctld slurmdbd mariadbd munged)  # in the order in which they stop

alive() {  # a zombie that its parent has not collected yet counts as dead
  [ -n "$1" ] && [ -r "/proc/$1/stat" ] && [ "$(cut -d' ' -f3 "/proc/$1/stat")" != Z ]
}

process_of() { cat "$DIR/run/$1.pid" 2> /dev/null; }

wait_for() {  # each probe is bounded: sinfo and sacct block for minutes without their daemons
  local seconds=$1
  shift
  for _ in $(seq $((seconds * 10))); do
    timeout 2 "$@" > /dev/null 2>&1 && return 0
    sleep 0.1
  done
  echo "minislurm: timed out: $*" >&2
  return 1
}

sql() { mariadb --no-defaults -uroot --socket="$DIR/run/my.sock" -e "$1"; }

write_configuration() {
  cat > "$DIR/slurmdbd.conf" <<END
AuthType=auth/munge
AuthInfo=socket=$DIR/run/munge.sock
DbdHost=localhost
DbdPort=$((PORT + 2))
SlurmUser=$USER_NAME
LogFile=$DIR/log/slurmdbd.log
PidFile=$DIR/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
END
  chmod 600 "$DIR/slurmdbd.conf"
  # cred_expire, sched_interval and bf_interval: a requeued job starts after seconds, not minutes.
  # KillWait is the default of 30 s shortened. DefMemPerCPU: without it a job takes all memory.
  # config_overrides: more processors may be claimed than the machine has.
  cat > "$DIR/slurm.conf" <<END
ClusterName=minislurm
SlurmctldHost=$NODE(127.0.0.1)
SlurmUser=$USER_NAME
SlurmdUser=$USER_NAME
AuthType=auth/munge
AuthInfo=socket=$DIR/run/munge.sock,cred_expire=5
SlurmctldPort=$PORT
SlurmdPort=$((PORT + 1))
SlurmctldPidFile=$DIR/run/slurmctld.pid
SlurmdPidFile=$DIR/run/slurmd.pid
StateSaveLocation=$DIR/state
SlurmdSpoolDir=$DIR/spool
SlurmctldLogFile=$DIR/log/slurmctld.log
SlurmdLogFile=$DIR/log/slurmd.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
MaxArraySize=${MINISLURM_MAX_ARRAY:-1001}
ReturnToService=2
KillWait=${MINISLURM_KILL_WAIT:-5}
SchedulerParameters=sched_interval=2,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=1500
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort=$((PORT + 2))
AccountingStoragePass=$DIR/run/munge.sock
NodeName=$NODE NodeAddr=127.0.0.1 CPUs=${MINISLURM_CPUS:-4} RealMemory=${MINISLURM_MEM:-8000} State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
}

start() {
  umask 022
  mkdir -p "$DIR"/{state,spool,log,run,db,munge}
  # munge refuses directories that others may write, and logs that others may read.
  chmod 755 "$DIR" "$DIR"/{run,munge}
  chmod 700 "$DIR/db" "$DIR/log"
  [ -f "$DIR/munge/key" ] || (umask 077; head -c 128 /dev/urandom > "$DIR/munge/key")
  munged --key-file="$DIR/munge/key" --socket="$DIR/run/munge.sock" \
    --pid-file="$DIR/run/munged.pid" --log-file="$DIR/log/munged.log" \
    --seed-file="$DIR/munge/seed" --force 2> /dev/null \
    || { echo "minislurm: munged did not start" >&2; return 1; }
  [ -d "$DIR/db/mysql" ] || mariadb-install-db --no-defaults --datadir="$DIR/db" \
    --auth-root-authentication-method=normal --skip-test-db --user="$USER_NAME" \
    > "$DIR/log/install-db.log" 2>&1 || return 1
  setsid mariadbd --no-defaults --datadir="$DIR/db" --user="$USER_NAME" --skip-networking \
    --socket="$DIR/run/my.sock" --pid-file="$DIR/run/mariadbd.pid" \
    --innodb-buffer-pool-size=64M --innodb-log-file-size=16M --innodb-lock-wait-timeout=900 \
    > "$DIR/log/mariadbd.log" 2>&1 < /dev/null &
  wait_for 30 mariadb --no-defaults -uroot --socket="$DIR/run/my.sock" -e "select 1" || return 1
  sql "CREATE DATABASE IF NOT EXISTS slurm_acct_db;
       CREATE USER IF NOT EXISTS 'slurm'@'localhost' IDENTIFIED BY 'slurm';
       GRANT ALL ON slurm_acct_db.* TO 'slurm'@'localhost';" || return 1
  write_configuration
  MYSQL_UNIX_PORT=$DIR/run/my.sock slurmdbd || return 1
  wait_for 30 bash -c "exec 3<>/dev/tcp/127.0.0.1/$((PORT + 2))" || return 1
  slurmctld || return 1
  slurmd -N "$NODE" || return 1
  wait_for 30 bash -c '[ "$(sinfo -h -o %T)" = idle ]' || return 1
  wait_for 30 sacct -n || return 1
  echo "export SLURM_CONF=$DIR/slurm.conf"
}

stop() {
  timeout 10 scancel --user="$USER_NAME" --state=PENDING 2> /dev/null
  timeout 10 scancel --signal=KILL --full --user="$USER_NAME" 2> /dev/null
  for name in "${DAEMONS[@]}"; do
    local process
    process=$(process_of "$name")  # kept: slurmd removes its file long before it ends
    alive "$process" || continue
    kill "$process"
    for _ in $(seq 100); do alive "$process" || break; sleep 0.1; done
    alive "$process" && kill -9 "$process"
    rm -f "$DIR/run/$name.pid"
  done
}

case $command in
  start) start || { stop; exit 1; } ;;
  stop) stop ;;
  status) for name in "${DAEMONS[@]}"; do alive "$(process_of "$name")" && echo "$name up" || echo "$name down"; done; timeout 5 sinfo ;;
  *) echo "usage: $0 start|stop|status DIR" >&2; exit 2 ;;
esac
