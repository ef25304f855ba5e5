# Sends one regular file over standard output, announced with its size and SHA-256. POSIX sh, read from standard input.
# It must never send anything but a regular file that was hashed first, and never take the path for a command.
LC_ALL=C; export LC_ALL
PATH=${FO_PATH:+$FO_PATH:}${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
unset CDPATH ENV BASH_ENV
cd / || exit 1
fo_none() { printf '\n@fo %s none %s\n' "$fo_n" "$1"; exit 1; }
fo_fetch() {
  fo_n=$1 fo_p=$2
  [ -e "$fo_p" ] || fo_none "no such file, or not visible"
  [ -f "$fo_p" ] || fo_none "not a regular file"
  fo_b=$(wc -c <"$fo_p") || fo_none "not readable"
  fo_b=$((fo_b))
  fo_h=$(sha256sum <"$fo_p") || fo_none "sha256sum failed"
  printf '\n@fo %s file %s %s\n' "$fo_n" "$fo_b" "${fo_h%% *}"
  head -c "$fo_b" <"$fo_p"
}
