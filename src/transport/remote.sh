# The one script that failover runs on a host. POSIX sh, read from standard input by a shell that is held open.
# Every batch is: fo_begin NONCE [UNTIL], then fo_op NAME ARG... lines, then fo_end. Output is framed line by line:
#   @fo NONCE begin MACHINE BOOT | @fo NONCE op N | o STDOUT | e STDERR | x STATUS | @fo NONCE end MACHINE BOOT
# It must never take a value for a command, never remove what it did not create, never print a secret.
FO_ROOT=${FO_ROOT-}
LC_ALL=C; export LC_ALL
PATH=${FO_PATH:+$FO_PATH:}${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
unset CDPATH ENV BASH_ENV SYSTEMD_PAGER PAGER
SYSTEMD_COLORS=0 SYSTEMD_PAGER=cat; export SYSTEMD_COLORS SYSTEMD_PAGER
umask 077
cd / || exit 1
FO_STATE=$FO_ROOT/var/lib/failover
exec 4>&1

fo_first_line() { IFS= read -r fo_line <"$1" 2>/dev/null; printf %s "${fo_line-}"; unset fo_line; }
fo_machine() { fo_first_line "$FO_ROOT/etc/machine-id"; }
fo_boot() { fo_first_line "$FO_ROOT/proc/sys/kernel/random/boot_id"; }
fo_begin() { FO_N=$1 FO_UNTIL=${2-} FO_I=0 FO_BROKEN='' FO_BARS=$(fo_bars); printf '\n@fo %s begin %s %s\n' "$FO_N" "$(fo_machine)" "$(fo_boot)"; }
fo_end() { printf '\n@fo %s end %s %s\n' "$FO_N" "$(fo_machine)" "$(fo_boot)"; }
# What a failed call forbids to the rest of its batch: after a claim or a standing that is not there, everything that
# changes; after another step that failed, everything but barring and stopping.
fo_blocked() {
  case $FO_BROKEN$1 in
  standing*) case $1 in mine|stands|unchanged|generation|bar|unbar|stop|start|archive|copy|pack|put|put_back|run|work_dir|settle|sole) return 0;; esac;;
  step*) case $1 in generation|unbar|start|archive|copy|pack|put|put_back|run|settle|sole) return 0;; esac;;
  esac
  return 1
}
fo_breaks() {
  case $1 in
  mine|stands|unchanged) FO_BROKEN=standing;;
  generation|bar|unbar|archive|copy|put|work_dir|settle|sole) [ "$FO_BROKEN" ] || FO_BROKEN=step;;
  esac
}
fo_late() { [ -n "$FO_UNTIL" ] && ! [ "$(fo_uptime)" -lt "$FO_UNTIL" ]; }
# How often this host was barred in this boot: an unbar or a start that was asked for before a bar must not follow it.
fo_bars() { cat "$FO_ROOT/run/failover.bars" 2>/dev/null || echo 0; }
# What may not run twice at once: a call that a lost line left behind, and the one that its asker sends again. Barring
# waits for it, so that a late unbar cannot follow a bar.
fo_alone() {
  case $1 in claim|release|generation|bar|unbar|start|put|put_back|archive) ;; *) shift; "$@"; return;; esac
  shift
  command -v flock >/dev/null || { echo "flock is missing" >&2; return 127; }
  mkdir -p "$FO_ROOT/run" && exec 9>>"$FO_ROOT/run/failover.lock" || return
  flock -w 20 9 || { echo "another operation of failover runs on this host" >&2; return 124; }
  if fo_late; then echo "not begun: the deadline of the question had passed on the host" >&2; return 124; fi
  case $1 in
  fo_unbar|fo_start) [ "$(fo_bars)" = "$FO_BARS" ] || { echo "not begun: the host was barred since the question was asked" >&2; return 124; };;
  esac
  "$@" 9>&-
}
FO_NL='
'
fo_op() {
  printf '\n@fo %s op %s\n' "$FO_N" "$FO_I"
  FO_I=$((FO_I + 1))
  # A batch that a healed network delivers after its asker has given up must do nothing.
  if fo_late; then
    printf 'e not begun: the deadline of the question had passed on the host\nx 124\n'
    return
  fi
  fo_fn=$1; shift
  if fo_blocked "$fo_fn"; then
    printf 'e not begun: an earlier step of the same batch failed\nx 125\n'
    return
  fi
  # Standard error is held back until standard output has ended: two writers on one pipe cut into each other's lines.
  # The exit status is its last line.
  FO_E=$( { { ( fo_alone "$fo_fn" "fo_$fo_fn" "$@" ) </dev/null 4>&-; printf '\n%s' "$?" >&2; } | sed 's/^/o /' >&4; } 2>&1 )
  FO_X=${FO_E##*"$FO_NL"} FO_E=${FO_E%"$FO_NL"*} FO_E=${FO_E%"$FO_NL"}
  [ -z "$FO_E" ] || { echo; printf '%s\n' "$FO_E" | sed 's/^/e /'; }
  [ "$FO_X" = 0 ] || fo_breaks "$fo_fn"
  printf '\nx %s\n' "$FO_X"
}
# Hundredths of a second since the host started, of the real kernel also in a test's root.
fo_uptime() { read -r fo_up </proc/uptime && fo_up=${fo_up%% *} && printf '%s\n' "${fo_up%.*}${fo_up#*.}"; }

# ---- looking -------------------------------------------------------------------------------------------------

fo_identity() {
  printf 'uid=%s\n' "$(id -u)"
  printf 'time=%s\n' "$(date +%s.%N)"
  printf 'hostname=%s\n' "$(uname -n)"
  printf 'ntp=%s\n' "$(timedatectl show -p NTPSynchronized --value 2>/dev/null)"
}

fo_unit() {
  fo_shown=$(systemctl show "$1" -p Id,LoadState,ActiveState,SubState,Result,UnitFileState,MainPID,NRestarts,InvocationID \
    -p ExecMainStartTimestampMonotonic,FragmentPath,DropInPaths,User,ControlGroup,Restart,RestartUSec,KillMode \
    -p TriggeredBy,WantedBy,RequiredBy,UpheldBy,BoundBy,ConsistsOf,ExecStart,WorkingDirectory,Environment,EnvironmentFiles) || return
  printf '%s\n' "$fo_shown"
  case $fo_shown in *LoadState=not-found*) printf 'Asserts=a(sbbsi) 0\nCgroupPids=\nCgroupRead=yes\n'; return 0;; esac
  fo_path=$(busctl --system call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager LoadUnit s "$1") || return
  fo_path=${fo_path#*\"}; fo_path=${fo_path%\"*}
  fo_asserts=$(busctl --system get-property org.freedesktop.systemd1 "$fo_path" org.freedesktop.systemd1.Unit Asserts) || return
  printf 'Asserts=%s\n' "$fo_asserts"
  fo_pids=$(fo_cgroup_pids "$1") || return
  printf 'CgroupPids=%s\nCgroupRead=yes\n' "$fo_pids"
}

# Members of every cgroup that bears the unit's name, and of those below. Found by name, because systemd forgets the
# path of a stopped unit whose children live on. A directory that goes away in between has none; one that stays and
# cannot be read is an error, not an empty cgroup.
fo_cgroup_pids() {
  for fo_tool in find sort tr; do command -v "$fo_tool" >/dev/null || { echo "$fo_tool is missing" >&2; return 127; }; done
  [ -d "$FO_ROOT/sys/fs/cgroup" ] || { echo "no cgroups are mounted" >&2; return 1; }
  # Positive control: a search that works finds the members file of some cgroup.
  [ -n "$(find "$FO_ROOT/sys/fs/cgroup" -maxdepth 3 -name cgroup.procs 2>/dev/null | head -n 1)" ] || { echo "the cgroups cannot be searched" >&2; return 1; }
  fo_named=$(printf %s "$1" | sed 's/[][\\*?]/\\&/g')
  fo_procs=$(find "$FO_ROOT/sys/fs/cgroup" -type d -name "$fo_named" -exec find {} -name cgroup.procs \; 2>/dev/null)
  [ -n "$fo_procs" ] || return 0
  fo_members=$(printf '%s\n' "$fo_procs" | while IFS= read -r fo_file; do
    cat "$fo_file" 2>/dev/null || [ ! -e "$fo_file" ] || { echo "$fo_file cannot be read" >&2; exit 1; }
  done) || return 1
  [ -n "$fo_members" ] || return 0
  printf '%s\n' "$fo_members" | sort -un | tr '\n' ' '
}

fo_bar_state() {
  fo_show_file lock "$2"
  # Which lock it is: one that was taken away and put back by hand is another.
  if [ -e "$2" ]; then printf 'lock.id=%s\n' "$(stat -L -c '%d:%i:%Z' "$2")"; fi
  fo_show_file gate "$FO_ROOT/etc/systemd/system/$1.d/90-failover.conf"
}

# NAME=absent, NAME=unreadable, or NAME=present and the content as NAME.base64.
fo_show_file() {
  if [ ! -e "$2" ] && [ ! -L "$2" ]; then
    # Absent is believed only when the directory itself (or its nearest parent) can be searched.
    if fo_searchable "$2"; then printf '%s=absent\n' "$1"; else printf '%s=unreadable\n' "$1"; fi
  elif fo_content=$(base64 <"$2"); then
    printf '%s=present\n%s.base64=%s\n' "$1" "$1" "$(printf %s "$fo_content" | tr -d '\n')"
  else printf '%s=unreadable\n' "$1"; fi
}
fo_searchable() {
  fo_dir=$(dirname "$1")
  while [ ! -e "$fo_dir" ] && [ "$fo_dir" != / ] && [ "$fo_dir" != . ]; do fo_dir=$(dirname "$fo_dir"); done
  [ -d "$fo_dir" ] && [ -x "$fo_dir" ] && [ -r "$fo_dir" ]
}

# All processes: pid, executable, command line (NUL shown as space). Positive control: pid 1 and this shell are in it.
fo_processes() {
  for fo_tool in ls head awk find sed; do command -v "$fo_tool" >/dev/null || { echo "$fo_tool is missing" >&2; return 127; }; done
  printf 'uid=%s\nself=%s\n' "$(id -u)" "$$"
  # shellcheck disable=SC2012 # ls is the one that shows link targets everywhere
  ls -ln "$FO_ROOT"/proc/[0-9]*/exe 2>/dev/null | sed -n 's|^.* [^ ]*/proc/\([0-9][0-9]*\)/exe -> |exe.\1=|p'
  head -v -c 16384 "$FO_ROOT"/proc/[0-9]*/cmdline 2>/dev/null | tr '\000' ' ' |
    awk 'function say() { if (pid != "" && line != "") print "cmd." pid "=" line; line = "" }
         /^==> .*\/proc\/[0-9]+\/cmdline <==$/ { say(); n = split($2, part, "/"); pid = part[n - 1]; next }
         { line = line (line == "" ? "" : " ") $0 }
         END { say() }'
  fo_holders "$1" && printf 'listed=yes\n'
}

# Who holds a file of the database open, by device and inode: names may be unlinked, replaced or another container's.
# Positive control: the search itself holds the database open and has to be found, under its own pid.
fo_holders() {
  if [ -z "$1" ] || [ ! -e "$1" ]; then return 0; fi
  fo_real=$(readlink -f "$1") && fo_inodes=$(find "$fo_real" -printf '%D:%i\n' | sort -u) || return
  { find -L "$FO_ROOT"/proc/[0-9]*/fd -mindepth 1 -maxdepth 1 -printf '%D:%i %h\n' 5<"$fo_real" 2>/dev/null & printf 'control %s\n' "$!"; wait "$!"; } |
    FO_INODES=$fo_inodes awk '
      BEGIN { n = split(ENVIRON["FO_INODES"], list, "\n"); for (i = 1; i <= n; i++) wanted[list[i]] = 1 }
      $1 == "control" { control = $2; next }
      ($1 in wanted) { n = split($2, part, "/"); held[part[n - 1]] = 1 }
      END { if (!(control in held)) exit 5; for (pid in held) if (pid != control) print "open=" pid }' ||
    { echo "who holds the database open could not be read" >&2; return 5; }
}

fo_papers() {
  fo_show_file claim "$FO_STATE/claim.json"
  fo_show_file generation "$FO_STATE/generation.json"
}

fo_disk() {
  fo_at=$1
  while [ ! -e "$fo_at" ] && [ "$fo_at" != / ]; do fo_at=$(dirname "$fo_at"); done
  fo_free=$(df -Pk "$fo_at" | awk 'NR == 2 { printf "%.0f\n", $4 * 1024 }') && [ -n "$fo_free" ] || return 1
  fo_state_at=$FO_STATE
  while [ ! -e "$fo_state_at" ] && [ "$fo_state_at" != / ]; do fo_state_at=$(dirname "$fo_state_at"); done
  fo_state_free=$(df -Pk "$fo_state_at" | awk 'NR == 2 { printf "%.0f\n", $4 * 1024 }') && [ -n "$fo_state_free" ] || return 1
  printf 'free_bytes=%s\nstate_free_bytes=%s\n' "$fo_free" "$fo_state_free"
  if [ -e "$1" ]; then printf 'used_bytes=%s\n' "$(du -sbH "$1" | cut -f1)"; else printf 'used_bytes=absent\n'; fi
  if [ -w "$fo_state_at" ]; then printf 'writable=yes\n'; else printf 'writable=no\n'; fi
}

fo_http() {
  if [ -n "$3" ]; then
    curl -sS -g --noproxy '*' --max-time "$4" -X "$1" -H 'Content-Type: application/json' --data-binary "$3" -w '\n%{http_code}' -- "$2"
  else
    curl -sS -g --noproxy '*' --max-time "$4" -X "$1" -w '\n%{http_code}' -- "$2"
  fi
}

# A client's own command as a user. With @offline in front it has no network: a program that ignores its arguments and
# starts to validate gets no duties. A shell script is refused, since it may do just that; not Gradle's launcher (Teku),
# which ends in handing its arguments to Java whole.
fo_run() {
  fo_user=$1 fo_limit=$2; shift 2
  if [ "$1" = @offline ]; then
    shift
    command -v unshare >/dev/null || { echo "unshare is missing" >&2; return 127; }
    set -- unshare -n -- "$@"
  fi
  for fo_word in "$@"; do
    case $fo_word in unshare|-n|--|env|[A-Z]*=*) continue;; esac
    fo_program=$(command -v "$fo_word" 2>/dev/null) || break
    case $fo_program in /*) ;; *) break;; esac
    case $(head -c 4 "$fo_program" | od -An -tx1 | tr -d ' \n') in
    7f454c46) ;;
    2321*)
      # shellcheck disable=SC2016 # the script's own words
      if grep -q -x -F 'exec "$JAVACMD" "$@"' "$fo_program"; then break; fi
      fo_line=$(head -n 1 "$fo_program"); case $fo_line in *sh|*sh\ *) fo_program="$fo_program (a shell script)";; *) break;; esac;;
    *) fo_program="$fo_program (neither a program nor a script that names its interpreter)";;
    esac
    case $fo_program in *\)) ;; *) break;; esac
    echo "$fo_program may ignore its arguments and start a validator: name the client's own program (validator.program)" >&2
    return 126
  done
  case $1 in unshare) fo_net='unshare -n --'; shift 3;; *) fo_net=;; esac
  # shellcheck disable=SC2086 # words on purpose
  if [ -z "$fo_user" ] || [ "$fo_user" = "$(id -un)" ] || [ "$fo_user" = "$(id -u)" ]; then $fo_net timeout -k 5 "$fo_limit" "$@"
  else $fo_net timeout -k 5 "$fo_limit" runuser -u "$fo_user" -- "$@"; fi
}

# A file's size and hash; its content too when it is no larger than LIMIT bytes.
fo_get() {
  fo_bytes=$(wc -c <"$1") && fo_sum=$(sha256sum <"$1") || return
  printf 'bytes=%d\nsha256=%s\n' "$fo_bytes" "${fo_sum%% *}"
  [ "$fo_bytes" -gt "$2" ] || base64 <"$1"
}

# ---- waiting -------------------------------------------------------------------------------------------------

# Only a positive reading counts: a unit whose state cannot be read is not called dead.
fo_dead() { case $(systemctl show "$1" -p ActiveState --value 2>/dev/null) in inactive|failed) return 0;; *) return 1;; esac; }
fo_metric() {
  curl -sS -g --noproxy '*' --max-time 2 -- "$1" 2>/dev/null |
    awk -v name="$2" '$1 == name || index($1, name "{") == 1 { sum += $NF; seen = 1 } END { if (seen) printf "%d\n", sum }'
}
fo_await_metric() {
  fo_until=$(($(date +%s) + $4))
  while :; do
    fo_value=$(fo_metric "$1" "$2")
    if [ -n "$fo_value" ] && [ "$fo_value" -gt "$3" ]; then printf 'seen=%s\ntime=%s\n' "$fo_value" "$(date +%s.%N)"; return 0; fi
    fo_dead "$5" && { printf 'seen=dead\n'; return 0; }
    [ "$(date +%s)" -lt "$fo_until" ] || { printf 'seen=no\n'; return 0; }
    sleep 0.2
  done
}
fo_await_head() {
  fo_until=$(($(date +%s) + $3))
  while :; do
    fo_head=$(curl -sS -g --noproxy '*' --max-time 2 -- "$1/beacon/headers/head" 2>/dev/null | sed -n 's/.*"slot":"\{0,1\}\([0-9][0-9]*\).*/\1/p')
    if [ -n "$fo_head" ] && [ "$fo_head" -ge "$2" ]; then printf 'head=%s\n' "$fo_head"; return 0; fi
    [ "$(date +%s)" -lt "$fo_until" ] || { printf 'head=no\n'; return 0; }
    sleep 0.2
  done
}
fo_await_journal() {
  fo_until=$(($(date +%s) + $4))
  while :; do
    # Only this invocation's own lines: an earlier term of the same unit may have signed in the same hour.
    fo_call=$(systemctl show "$1" -p InvocationID --value)
    fo_hit=$(journalctl _SYSTEMD_INVOCATION_ID="${fo_call:-none}" --since "@$2" -o short-unix --no-pager -q 2>/dev/null | grep -F -m1 -e "$3")
    if [ -n "$fo_hit" ]; then printf 'seen=yes\ntime=%s\n' "${fo_hit%% *}"; return 0; fi
    fo_dead "$1" && { printf 'seen=dead\n'; return 0; }
    [ "$(date +%s)" -lt "$fo_until" ] || { printf 'seen=no\n'; return 0; }
    sleep 0.2
  done
}

# ---- changing ------------------------------------------------------------------------------------------------

# The claim of a run lies here. First in every batch that only its holder may send.
fo_mine() {
  grep -F -q -e "\"run\":\"$1\"" "$FO_STATE/claim.json" 2>/dev/null || { echo "run $1 holds no claim on this host" >&2; return 9; }
}

# The host stands: its lock is there, its unit rests and its cgroup is empty. First in every batch that touches a
# database.
fo_stands() {
  [ -e "$2" ] || { echo "the lock $2 is not there" >&2; return 9; }
  case $(systemctl show "$1" -p ActiveState --value) in
  inactive|failed) ;;
  '') echo "the state of $1 cannot be read" >&2; return 8;;
  *) echo "$1 does not rest" >&2; return 9;;
  esac
  fo_left=$(fo_cgroup_pids "$1") || return 8
  [ -z "$fo_left" ] || { echo "$1 has processes: $fo_left" >&2; return 9; }
}

# Exactly one file of that name lies below a directory, and it is this one: some clients open the first that they find.
fo_sole() {
  fo_found=$(find "$1" -name "$2" -not -path "$FO_STATE/*") || return
  [ "$fo_found" = "$3" ] || { echo "below $1 there has to be one $2, $3, but there are: $fo_found" >&2; return 9; }
}

# What a database looks like from outside: changes whenever anything in it is written.
fo_fingerprint() {
  # Without one of these the hash would be of nothing, and every database would look alike.
  for fo_tool in find sort sha256sum; do command -v "$fo_tool" >/dev/null || { echo "$fo_tool is missing" >&2; return 127; }; done
  if [ ! -e "$1" ]; then fo_absent "$1" && printf 'fingerprint=absent\n'; return; fi
  fo_real=$(readlink -f "$1") || return
  set -- "$fo_real"
  for fo_part in -wal -journal; do if [ -e "$fo_real$fo_part" ]; then set -- "$@" "$fo_real$fo_part"; fi; done
  fo_seen=$(find "$@" -printf '%P %i %s %T@\n') || return
  printf 'fingerprint=%s\n' "$(printf '%s\n' "$fo_seen" | LC_ALL=C sort | sha256sum | cut -d' ' -f1)"
}

# A database still looks as it did: PATH FINGERPRINT. What was written to it since, by whomever, is known to nobody. Behind
# the standing in a batch that writes to it: one that comes late finds its own writing there, and does nothing.
fo_unchanged() {
  fo_now=$(fo_fingerprint "$1") || return 8
  case $fo_now in
  fingerprint=) echo "the fingerprint of $1 cannot be read" >&2; return 8;;
  "fingerprint=$2") ;;
  *) echo "$1 is not as it was when it was collected: something has written to it since" >&2; return 9;;
  esac
}

# What a client has written is on disk.
fo_settle() { [ -e "$1" ] && sync -f "$1"; }

fo_state_dir() { mkdir -p "$FO_STATE" && chmod 0711 "$FO_STATE"; }

# Written beside, synced and renamed: PATH MODE, content on standard input.
fo_write() {
  cat >"$1.new.$$" && chmod "$2" "$1.new.$$" && sync "$1.new.$$" && mv -f "$1.new.$$" "$1" && sync "$(dirname "$1")"
}

fo_claim() {
  # A run that has released this host never claims it again: what asks for that was left behind by a lost line.
  if [ -e "$FO_ROOT/run/failover.released.$1" ]; then echo "run $1 has released this host" >&2; return 9; fi
  fo_state_dir || return
  # A complete file is linked into place: exclusive like O_EXCL, and never seen half written.
  printf '%s\n' "$2" >"$FO_STATE/claim.$1" && sync "$FO_STATE/claim.$1" || return
  ln "$FO_STATE/claim.$1" "$FO_STATE/claim.json" 2>/dev/null
  rm -f "$FO_STATE/claim.$1"
  sync "$FO_STATE"
  fo_papers
}

fo_release() {
  # In memory: the shells of an earlier boot are gone, and what they were asked with them.
  case $1 in ''|*/*|.*) ;; *) : >"$FO_ROOT/run/failover.released.$1" || return;; esac
  if [ -e "$FO_STATE/claim.json" ] && grep -F -q -e "\"run\":\"$1\"" "$FO_STATE/claim.json"; then
    rm -f "$FO_STATE/claim.json" && sync "$FO_STATE" || return
  fi
  fo_papers
}

fo_bar() {
  fo_lock_dir=$(dirname "$2")
  # Every part is tried, whatever became of the others: each one bars by itself. The first failure is what is told.
  fo_bad=0
  if ! echo "$(($(fo_bars) + 1))" >"$FO_ROOT/run/failover.bars"; then fo_bad=1; fi
  mkdir -p "$fo_lock_dir" "$FO_ROOT/etc/systemd/system/$1.d" && chmod 0755 "$FO_ROOT/etc/systemd/system/$1.d" || fo_bad=$?
  if [ ! -e "$2" ]; then ( set -C; printf '%s\n' "$3" >"$2" ) || [ -e "$2" ] || fo_bad=$?; fi
  sync "$2" "$fo_lock_dir" || fo_bad=$?
  printf '%s\n' "# Written by failover: refuses to start the validator while the host is barred." \
    "[Unit]" "AssertPathExists=!$2" | fo_write "$FO_ROOT/etc/systemd/system/$1.d/90-failover.conf" 0644 || fo_bad=$?
  systemctl daemon-reload || fo_bad=$?
  systemctl disable "$1" || fo_bad=$?
  systemctl daemon-reload || fo_bad=$?
  return "$fo_bad"
}

fo_unbar() {
  if [ "$3" = enable ]; then systemctl enable "$1" || return; fi
  if fo_late; then echo "the deadline of the question passed before the lock was taken away" >&2; return 124; fi
  rm -f "$2" && sync "$(dirname "$2")"
}

fo_stop() {
  timeout -k 2 "$2" systemctl stop "$1"
  fo_left=$(fo_cgroup_pids "$1") || fo_left=unknown
  if [ -n "$fo_left" ] || [ "$(systemctl show "$1" -p ActiveState --value)" = deactivating ]; then
    systemctl kill --kill-who=all --signal=SIGKILL "$1" || return
  fi
  fo_until=$(($(fo_uptime) + 1000))
  while ! fo_left=$(fo_cgroup_pids "$1") || [ -n "$fo_left" ] ||
    [ "$(systemctl show "$1" -p ActiveState --value)" = deactivating ]; do
    [ "$(fo_uptime)" -lt "$fo_until" ] || return 124
    sleep 0.1
  done
  # A unit left in "failed" by the kill is stopped all the same, and its state is what the next reading sees.
  systemctl reset-failed "$1" 2>/dev/null || :
}

fo_start() { systemctl reset-failed "$1" 2>/dev/null; timeout -k 2 "$2" systemctl start "$1"; }

fo_generation() {
  case $1 in ''|*[!0-9]*) echo "not a generation: $1" >&2; return 2;; esac
  fo_state_dir || return
  if [ -e "$FO_STATE/generation.json" ] || [ -L "$FO_STATE/generation.json" ]; then
    fo_now=$(sed -n 's/.*"generation":\([0-9][0-9]*\).*/\1/p' "$FO_STATE/generation.json" | head -n 1)
    # A paper that does not say its number may say a higher one.
    [ -n "$fo_now" ] || { echo "the generation that lies here cannot be read" >&2; return 3; }
    [ "$fo_now" -le "$1" ] || { echo "generation $fo_now lies here, $1 would lower it" >&2; return 3; }
    fo_run_of() { printf %s "$1" | sed -n 's/.*"run":"\([^"]*\)".*/\1/p'; }
    if [ "$fo_now" = "$1" ] && [ "$(fo_run_of "$2")" != "$(fo_run_of "$(cat "$FO_STATE/generation.json")")" ]; then
      echo "generation $1 of another run lies here" >&2; return 3
    fi
  fi
  printf '%s\n' "$2" | fo_write "$FO_STATE/generation.json" 0644 || return
  fo_papers
}

fo_work_dir() {
  fo_state_dir && mkdir -p "$FO_STATE/work" && chmod 0711 "$FO_STATE/work" && mkdir -p "$FO_STATE/work/$1" || return
  if [ -n "$2" ]; then chown "$2" "$FO_STATE/work/$1" || return; fi
  printf '%s\n' "$FO_STATE/work/$1"
}
fo_clear_work() {
  case $1 in ''|*/*|.*) return 2;; esac
  rm -rf "${FO_STATE:?}/work/$1" "${FO_STATE:?}/work/$1".* && { rmdir "$FO_STATE/work" "$FO_STATE" 2>/dev/null || :; }
}

# Whether a path that does not show is really absent, and was not left half way by a put-back.
fo_absent() {
  for fo_rest in "$1.failover-back" "$1.failover-failed."*; do
    if [ -e "$fo_rest" ]; then echo "$1 is not there, but $fo_rest is: a put-back was cut off; put the database in place by hand" >&2; return 5; fi
  done
  for fo_rest in "$1-wal" "$1-journal"; do
    if [ -e "$fo_rest" ]; then echo "$1 is not there, but what belongs to it is: $fo_rest" >&2; return 5; fi
  done
  if [ ! -L "$1" ] && fo_searchable "$1"; then return 0; fi
  echo "$1 cannot be looked at" >&2; return 5
}

# FROM to TO, with what SQLite leaves beside a database after a kill: without its log or journal it is another state of it.
# (Its -shm is an index that the next opener makes anew.)
fo_take() {
  rm -rf "$2" "$2-wal" "$2-journal" "$2-shm" && cp -aH "$1" "$2" && fo_real=$(readlink -f "$1") || return
  for fo_part in -wal -journal; do
    if [ -s "$fo_real$fo_part" ]; then cp -a "$fo_real$fo_part" "$2$fo_part" || return; fi
  done
}

# A private copy of a database in the run's work directory, so that a client may open it and the original stays as it is.
fo_copy() {
  case $1 in ''|*/*|.*) return 2;; esac
  if [ ! -e "$2" ]; then fo_absent "$2" && printf 'copy=absent\n'; return; fi
  fo_to=$FO_STATE/work/$1/$(basename "$2")
  fo_take "$2" "$fo_to" && printf 'copy=%s\n' "$fo_to"
}

# The files of a database that match patterns, and nothing else, as a tar.gz in a directory of root's own; its content too
# when it is no larger than LIMIT bytes: ID DATABASE LIMIT DIRECTORY PATTERN... A data directory also holds keystores,
# passwords and tokens, so nothing is taken that is not named, and nothing through a link. Ends with 6 when the files are
# none that this can pack, 5 when they cannot be looked at, 4 when they could not be read as a database at rest. What failed
# leaves nothing behind: a full disk would stand in the way of giving the primary back.
fo_pack() {
  case $1 in ''|*/*|.*) return 2;; esac
  fo_packed "$@" && return
  fo_failed=$?
  cd / && rm -rf "${FO_STATE:?}/work/$1"
  return "$fo_failed"
}
fo_packed() {
  fo_to=$FO_STATE/work/$1 fo_db=$2 fo_most=$3 fo_top=$4
  shift 4 && [ $# -gt 0 ] || return 2
  for fo_tool in tar gzip sha256sum stat xargs sort tr awk df timeout; do command -v "$fo_tool" >/dev/null || { echo "$fo_tool is missing" >&2; return 127; }; done
  for fo_pattern in "$@"; do
    case /$fo_pattern/ in /-*|*//*|*/./*|*/../*|*"$FO_NL"*) echo "no pattern of files below a directory: $fo_pattern" >&2; return 2;; esac
  done
  if [ ! -e "$fo_db" ]; then fo_absent "$fo_db" && printf 'pack=absent\n'; return; fi
  fo_state_dir && mkdir -p "$FO_STATE/work" && chmod 0711 "$FO_STATE/work" && rm -rf "$fo_to" && mkdir "$fo_to" || return
  cd "$fo_top" || return 5
  unset TAR_OPTIONS GZIP
  fo_matching "$fo_to/names" "$@" || return
  fo_stats "$fo_to/names" >"$fo_to/was" || return 4
  fo_kib=$(tr '\n' '\000' <"$fo_to/names" | xargs -0 stat -c %s | awk '{ sum += $1 } END { printf "%d\n", sum / 1024 + 65536 }') || return 4
  fo_free=$(df -Pk "$fo_to" | awk 'NR == 2 { print $4 }') || return 4
  [ "$fo_free" -gt "$fo_kib" ] || { echo "$FO_STATE has $fo_free KiB free, packing the database may take $fo_kib" >&2; return 4; }
  { timeout "$(fo_left_s)" tar -cf - -T "$fo_to/names"; echo "$?" >"$fo_to/status"; } | gzip -1 >"$fo_to/pack.tar.gz" || return 4
  case $(cat "$fo_to/status") in
  0) ;;
  124) echo "packing the database took longer than the question allows: raise timeouts.client_s" >&2; return 4;;
  *) echo "the database could not be read whole" >&2; return 4;;
  esac
  fo_matching "$fo_to/names.now" "$@" && fo_stats "$fo_to/names.now" >"$fo_to/now" || return 4
  [ "$(sha256sum <"$fo_to/was")" = "$(sha256sum <"$fo_to/now")" ] || { echo "the database changed while it was packed" >&2; return 4; }
  printf 'pack=%s\n' "$fo_to/pack.tar.gz" && fo_get "$fo_to/pack.tar.gz" "$fo_most"
}
# Four fifths of the seconds until the asker gives up; the rest is for hashing and sending.
fo_left_s() {
  [ -n "$FO_UNTIL" ] || { echo 600; return; }
  fo_now=$(fo_uptime) && [ "$FO_UNTIL" -gt "$fo_now" ] && echo $(((FO_UNTIL - fo_now) / 125 + 1)) || echo 1
}
# FILE PATTERN...: the names that match, sorted, into FILE. A pattern is expanded as a name only: its words are not split.
fo_matching() {
  fo_names=$1; shift
  ( IFS=
    for fo_pattern in "$@"; do
      for fo_file in $fo_pattern; do
        [ -e "$fo_file" ] || [ -L "$fo_file" ] || continue
        case $fo_file in -*|*\\*|*"$FO_NL"*) echo "a name that cannot be packed: $fo_file" >&2; exit 6;; esac
        [ -f "$fo_file" ] || { echo "$fo_file is no regular file" >&2; exit 6; }
        fo_part=$fo_file
        while :; do
          [ ! -L "$fo_part" ] || { echo "$fo_part is a link" >&2; exit 6; }
          case $fo_part in */*) fo_part=${fo_part%/*};; *) break;; esac
        done
        printf '%s\n' "$fo_file"
      done
    done ) >"$fo_names" || return
  [ -s "$fo_names" ] || { echo "none of the files of a database is there" >&2; return 6; }
  sort -u -o "$fo_names" "$fo_names"
}
# Name, inode, size and times of every file on a list.
fo_stats() { tr '\n' '\000' <"$1" | xargs -0 stat -c '%n %i %s %y %z'; }

# Every file below a path with its hash, in a fixed order: equal text means equal content.
fo_sums() {
  if [ ! -d "$1" ]; then
    fo_real=$(readlink -f "$1") && sha256sum <"$fo_real" || return
    for fo_part in -wal -journal; do
      if [ -s "$fo_real$fo_part" ]; then printf '%s ' "$fo_part" && sha256sum <"$fo_real$fo_part" || return; fi
    done
    return 0
  fi
  fo_hashes=$(cd "$1" && find . -type f -exec sha256sum {} +) || return
  printf '%s\n' "$fo_hashes" | LC_ALL=C sort -k2
}

# A verified copy of the old database, in archive/RUN/N: what is archived already as it is now is not copied again, and
# what has changed since gets the next number, so that no state of it is lost. (cp -H: of a database that is reached
# through a link, the content is copied and not the link.)
fo_archive() {
  case $1 in ''|*/*|.*) return 2;; esac
  if [ ! -e "$2" ]; then fo_absent "$2" && printf 'archive=absent\n'; return; fi
  fo_was=$(fo_sums "$2") || return
  fo_newest "$1"
  if [ "$fo_n" -gt 0 ] && [ "$fo_was" = "$(cat "$fo_to/sums")" ]; then fo_archived "$fo_to"; return; fi
  fo_n=$((fo_n + 1)) fo_to=$FO_STATE/archive/$1/$fo_n
  fo_state_dir && mkdir -p "$fo_to" && chmod 0700 "$FO_STATE/archive" "$FO_STATE/archive/$1" "$fo_to" || return
  rm -rf "$fo_to/old"* && fo_take "$2" "$fo_to/old.part" || return
  # shellcheck disable=SC2015 # the last part is for either of the first two failing
  [ "$fo_was" = "$(fo_sums "$2")" ] && [ "$fo_was" = "$(fo_sums "$fo_to/old.part")" ] || { echo "the copy differs from the original" >&2; return 4; }
  for fo_part in -wal -journal; do
    if [ -e "$fo_to/old.part$fo_part" ]; then mv "$fo_to/old.part$fo_part" "$fo_to/old$fo_part" || return; fi
  done
  printf '%s\n' "$fo_was" >"$fo_to/sums" && mv "$fo_to/old.part" "$fo_to/old" && sync -f "$fo_to" || return
  : >"$fo_to/complete" && sync "$fo_to/complete" "$fo_to" || return
  fo_archived "$fo_to"
}
# The newest complete copy of a run: fo_n and fo_to; 0 when there is none.
fo_newest() {
  fo_n=0 fo_to=
  while [ -e "$FO_STATE/archive/$1/$((fo_n + 1))/complete" ]; do fo_n=$((fo_n + 1)) fo_to=$FO_STATE/archive/$1/$fo_n; done
}
fo_archived() {
  [ "$(fo_sums "$1/old")" = "$(cat "$1/sums")" ] || { echo "the archived copy in $1 does not match its hashes" >&2; return 4; }
  printf 'archive=%s\nsha256=%s\n' "$1/old" "$(sha256sum <"$1/sums" | cut -d' ' -f1)"
}

# The newest archived copy takes the place of a failed import: copied beside, compared, and renamed in. What it replaces
# is kept. Asked again right before the rename: does the host still stand, and does anybody still wait?
fo_put_back() {
  case $1 in ''|*/*|.*) return 2;; esac
  fo_newest "$1"
  [ "$fo_n" -gt 0 ] || { echo "no verified copy of run $1" >&2; return 4; }
  fo_archived "$fo_to" >/dev/null || return
  fo_from=$fo_to
  if [ -e "$2" ] && [ "$(fo_sums "$2")" = "$(cat "$fo_from/sums")" ]; then printf 'put_back=same\n'; return; fi
  rm -rf "$2.failover-back"* && fo_take "$fo_from/old" "$2.failover-back" || return
  [ "$(fo_sums "$2.failover-back")" = "$(cat "$fo_from/sums")" ] && fo_stands "$3" "$4" && fo_mine "$1" || return
  if fo_late; then echo "the deadline of the question passed before the database was put back" >&2; return 124; fi
  fo_k=1
  while [ -e "$2.failover-failed.$fo_k" ]; do fo_k=$((fo_k + 1)); done
  if [ -e "$2" ]; then mv "$2" "$2.failover-failed.$fo_k" || return; fi
  # The database is away while what belongs to it changes places: it is never beside the log of another state.
  for fo_part in -wal -journal -shm; do
    if [ -e "$2$fo_part" ]; then mv "$2$fo_part" "$2.failover-failed.$fo_k$fo_part" || return; fi
    if [ -e "$2.failover-back$fo_part" ]; then mv "$2.failover-back$fo_part" "$2$fo_part" || return; fi
  done
  mv "$2.failover-back" "$2" && sync -f "$(dirname "$2")" && [ "$(fo_sums "$2")" = "$(cat "$fo_from/sums")" ] && printf 'put_back=yes\n'
}

fo_put() {
  case $1 in ''|*/*|.*) return 2;; esac
  case $2 in ''|*/*|.*) return 2;; esac
  fo_file=$FO_STATE/work/$1/$2
  printf %s "$5" | base64 -d >"$fo_file.new" || return
  [ "$(sha256sum <"$fo_file.new" | cut -d' ' -f1)" = "$4" ] || { rm -f "$fo_file.new"; echo "what arrived does not have the hash that was sent" >&2; return 4; }
  if [ -n "$3" ]; then chown "$3" "$fo_file.new" || return; fi
  sync "$fo_file.new" && mv -f "$fo_file.new" "$fo_file" && printf 'path=%s\nsha256=%s\n' "$fo_file" "$4"
}
# fo: end of the script
