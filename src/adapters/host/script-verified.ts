/**
 * What a host knows of releases that were verified there: `.sunny/verified/<id>` is written when a release was
 * verified, and the kernel notes every later change of a file, its mode or its place (`ctime`, which no program can set).
 * A hard link changes it as well, so whoever links or removes links, under the lock, looks first and notes anew after.
 *
 * `unchanged ID` holds when nothing below the release changed since; it fails where `find` cannot tell (POSIX has no
 * `-cnewer`; GNU and BSD do). `verified ID` notes it; without room there is no note, and the release is read next time.
 */
export const VERIFIED = String.raw`unchanged() {
  [ -f "$S/verified/$1" ] && later=$(find "$root/releases/$1" -cnewer "$S/verified/$1" 2>&1) && [ -z "$later" ]
}
verified() {
  { [ -d "$S/verified" ] || mkdir "$S/verified"; } 2>/dev/null
  { printf '%s\n' "$1" >"$S/verified/$1"; } 2>/dev/null || rm -f "$S/verified/$1"
}`;
