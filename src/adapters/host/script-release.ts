import type { ReleaseRef } from "../../operation.ts";
import { changingPrelude } from "./script-prelude.ts";
import type { HostPlace, ScriptFence } from "./script-prelude.ts";
import { VERIFIED } from "./script-verified.ts";
import { assignments, shellWords } from "./shell.ts";

/**
 * Unpacks the archive on descriptor 3 beside the releases, and renames it to its place when its digest is right: a
 * directory with a complete marker is a complete release. Prints `installed yes` or `installed no` (was there already).
 */
export function installScript(
  place: HostPlace,
  fence: ScriptFence,
  release: ReleaseRef & { readonly bytes: number },
): string {
  const values = assignments({ id: release.id, digest: release.digest, kilobytes: Math.ceil(release.bytes / 1024) });
  return String.raw`${changingPrelude(place, fence)}
${values}
work=$root/releases/.incoming-$id
give_up() {
  rm -rf "$work"
  case $2 in *"No space left"*) fail HOST_DISK_FULL "no room for release $id in $root/releases" ;; esac
  fail "$1" "$2"
}
digest_of() {
  if command -v sha256sum >/dev/null 2>&1; then sha256sum; else shasum -a 256; fi
}
enter later
if [ -f "$root/releases/$id/.sunny-release" ]; then
  cat <&3 >/dev/null
  echo "installed no"
  unlock
  return
fi
rm -rf "$work" "$root/releases/$id"
set -- $(df -Pk "$root/releases" | tail -n 1)
[ $# -lt 4 ] || [ "$4" -gt "$kilobytes" ] || give_up HOST_DISK_FULL "no room for release $id in $root/releases"
out=$(mkdir "$work" 2>&1 && { cat <&3 >"$work/archive"; } 2>&1) || give_up HOST_SCRIPT_FAILED "cannot write the archive: $out"
found=$(digest_of <"$work/archive")
found=${"$"}{found%% *}
[ "$found" = "$digest" ] ||
  give_up HOST_DIGEST_MISMATCH "release $id arrived with digest $found, the plan says $digest"
out=$(mkdir "$work/release" && tar -x -z -o -f "$work/archive" -C "$work/release" 2>&1) ||
  give_up HOST_SCRIPT_FAILED "cannot unpack release $id: $out"
out=$(printf '%s\n' "$digest" 2>&1 >"$work/release/.sunny-release") ||
  give_up HOST_DISK_FULL "cannot write the marker of release $id: $out"
mv "$work/release" "$root/releases/$id" || give_up HOST_NOT_WRITABLE "cannot write $root/releases"
rm -rf "$work"
echo "installed yes"
unlock`;
}

/**
 * Removes releases by name, each checked again under the lock: what is active, pending or a pending one's way back
 * stays. Also removes what an interrupted installation left. Prints `removed ID` for each.
 */
export function pruneScript(place: HostPlace, fence: ScriptFence, ids: readonly string[]): string {
  return String.raw`${changingPrelude(place, fence)}
${VERIFIED}
clear() {
  # Of the releases that share files with it, those that were as verified are so afterwards.
  set --
  for record in "$S/verified"/*; do
    [ -f "$record" ] || continue
    record=${"$"}{record##*/}
    if unchanged "$record"; then set -- "$@" "$record"; else rm -f "$S/verified/$record"; fi
  done
  rm -rf "$root/releases"/.removed-* "$root/releases"/.incoming-*
  verified "$@"
}
enter
active
pending
for id in ${ids.length === 0 ? "''" : shellWords(ids)}; do
  [ -n "$id" ] && [ -d "$root/releases/$id" ] || continue
  case $id in "$ACTIVE" | "$N_ID" | "$N_PREV") continue ;; esac
  mv "$root/releases/$id" "$root/releases/.removed-$id" || fail HOST_NOT_WRITABLE "cannot remove $root/releases/$id"
  echo "removed $id"
done
for gone in "$root/releases"/.removed-* "$root/releases"/.incoming-*; do
  [ ! -d "$gone" ] || clear
done
unlock`;
}
