/** So many writes take longer than several of the longest ticks that kernels are built with (10 ms), on any machine. */
const TRIES = 10_000;

/**
 * What a host knows of releases that were verified there: `.sunny/verified/<id>` is written when a release was
 * verified, and the kernel notes every later change of a file, its mode or its place (`ctime`, which no program can set).
 * A hard link changes it as well, so whoever links or removes links, under the lock, looks first and notes anew after.
 *
 * `unchanged ID` holds when nothing below the release changed since; it fails where `find` cannot tell (POSIX has no
 * `-cnewer`; GNU and BSD do). `verified ID...` notes it; without room there is no note, and the release is read next time.
 *
 * The kernel's clock for files goes in ticks of some milliseconds, and a file system may keep seconds only. What changes
 * in the tick of the note would carry its time: `verified` therefore waits until a file written among the releases is
 * newer than the notes, and takes the notes back where that does not come within a few ticks. That file stays,
 * so that no program has to remove it.
 */
export const VERIFIED = String.raw`CLOCK=$root/releases/.clock
unchanged() {
  [ -f "$S/verified/$1" ] && later=$(find "$root/releases/$1" -cnewer "$S/verified/$1" 2>&1) && [ -z "$later" ]
}
verified() {
  [ $# -gt 0 ] || return 0
  { [ -d "$S/verified" ] || mkdir "$S/verified"; } 2>/dev/null
  for note; do
    { printf '%s\n' "$note" >"$S/verified/$note"; } 2>/dev/null || rm -f "$S/verified/$note"
  done
  ticked "$S/verified/$note" || for note; do rm -f "$S/verified/$note"; done
}
# ticked FILE: waits until what is written now is newer than FILE. "-nt" is not in POSIX, and some shells compare seconds.
ticked() {
  tries=0
  while [ "$tries" -lt ${String(TRIES)} ]; do
    { echo >"$CLOCK"; } 2>/dev/null || return 1
    if [ "$CLOCK" -nt "$1" ] 2>/dev/null; then return 0; fi
    tries=$((tries + 1))
  done
  [ -n "$(find "$CLOCK" -newer "$1" 2>/dev/null)" ]
}`;
