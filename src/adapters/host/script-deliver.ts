import type { DeliveredFile, Delivery, DeliveryBase } from "../../release/delivery.ts";
import { readingPrelude, changingPrelude } from "./script-prelude.ts";
import type { HostPlace, ScriptFence } from "./script-prelude.ts";
import type { System } from "../../system/schema.ts";
import { VERIFIED } from "./script-verified.ts";
import { assignments, shellQuote, shellWords } from "./shell.ts";

/** Arguments of one command at a time; a system's own limit is far above. */
const WORDS = 200;
/** So many changed files are named one by one; where more changed, the whole directory is read. */
const MOST_CHANGED = 400;
/** A transfer below this size finds out by itself that there is no room. */
const SMALL_KILOBYTES = 1024;

/**
 * How a release that was put together over another one is verified: `full` reads all of it; `recorded` reads what is new,
 * and believes the kernel that the other files are as they were when they were verified (`script-verified.ts`).
 */
export type ReleaseCheck = System["rollout"]["releaseCheck"];

/**
 * Prints what a host has of a release before it is sent: `complete`, `release ID` for each complete one, `zstd`, and
 * `partial DIGEST BYTES` for what an earlier attempt left.
 */
export function offerScript(place: HostPlace, releaseId: string): string {
  return String.raw`${readingPrelude(place)}
${assignments({ id: releaseId })}
[ ! -f "$root/releases/$id/.sunny-release" ] || echo complete
for marker in "$root/releases"/*/.sunny-release; do
  [ -f "$marker" ] || continue
  marker=${"$"}{marker%/.sunny-release}
  echo "release ${"$"}{marker##*/}"
done
if command -v zstd >/dev/null 2>&1; then echo zstd; fi
for part in "$root/releases/.incoming-$id"/*.part; do
  [ -f "$part" ] || continue
  name=${"$"}{part##*/}
  echo "partial ${"$"}{name%.part} $(($(wc -c <"$part")))"
done`;
}

/**
 * Takes a delivery in: writes it where it is small, otherwise from descriptor 3, which brings what comes after the `have`
 * bytes that are there already. Checks the digest of all of it, unpacks it beside the releases (over hard links to the
 * base's files, where there is a base, and then verifies what came out as `check` says) and renames it to its place. What
 * a cut connection left stays for the next attempt. Prints `installed yes`, `installed no` (was there already),
 * `installed unfit` (the base is not what it should be) or `installed moved` (there are not `have` bytes any more).
 */
export function deliverScript(
  place: HostPlace,
  fence: ScriptFence,
  release: { readonly id: string; readonly digest: string },
  delivery: Delivery & { readonly have: number },
  check: ReleaseCheck,
): string {
  const { base, files } = delivery;
  return String.raw`${changingPrelude(place, fence)}
${assignments({ id: release.id, digest: release.digest })}
work=$root/releases/.incoming-$id
${ANSWERING}
${VERIFIED}
${files === null ? receiving(delivery) : "built=$work"}
enter later
if [ -f "$root/releases/$id/.sunny-release" ]; then
  ${files === null ? "cat <&3 >/dev/null" : ":"}
  answer no
  return
fi
${files === null ? "receive || return" : ""}
[ ! -d "$built" ] || rm -rf "$built"
${base === null ? 'mkdir "$built" || no_room' : fromBase(base, check)}
${files === null ? unpacking(delivery) : writing(files)}
${base === null ? "" : verification(base)}
{ printf '%s\n' "$digest" >"$built/.sunny-release"; } 2>/dev/null || no_room
[ ! -d "$root/releases/$id" ] || rm -rf "$root/releases/$id"
mv "$built" "$root/releases/$id" || fail HOST_NOT_WRITABLE "cannot write $root/releases"
${base === null ? 'verified "$id"' : 'if [ "$intact" = no ]; then verified "$id"; else verified "$base" "$id"; fi'}
${files === null ? 'answer yes "$work"' : "answer yes"}`;
}

/** Writes files of which the text of the script holds the content; what they replace is gone. */
function writing(files: readonly DeliveredFile[]): string {
  const at = (path: string): string => `"$built/"${shellQuote(path)}`;
  const folders = new Set(files.map(({ file: { path } }) => path.slice(0, Math.max(0, path.lastIndexOf("/")))));
  const lines = [...folders]
    .filter((folder) => folder !== "")
    .map((folder) => `[ -d ${at(folder)} ] || mkdir -p ${at(folder)}`);
  for (const { file, content } of files) {
    if (file.link !== undefined) lines.push(`ln -s -- ${shellQuote(file.link)} ${at(file.path)}`);
    else lines.push(`printf ${printfWord(content)} >${at(file.path)}`);
    if (file.link === undefined && file.mode === 0o755) lines.push(`chmod 755 ${at(file.path)}`);
  }
  return lines.map((line) => `{ ${line}; } 2>/dev/null || no_room`).join("\n");
}

/** What `printf` writes as these bytes: everything that it, or a shell, could take for something else is in octal. */
function printfWord(content: Buffer): string {
  const plain = (byte: number, at: number): boolean =>
    byte >= 0x20 && byte < 0x7f && !"'%\\".includes(String.fromCodePoint(byte)) && (at > 0 || byte !== 0x2d);
  const parts = [...content].map((byte, at) =>
    plain(byte, at) ? String.fromCodePoint(byte) : `\\${byte.toString(8).padStart(3, "0")}`,
  );
  return `'${parts.join("")}'`;
}

/** Functions that take what is sent. */
function receiving(delivery: Delivery & { readonly have: number }): string {
  const values = assignments({
    payload: delivery.sha256,
    bytes: delivery.bytes,
    have: delivery.have,
    kilobytes: Math.ceil((delivery.bytes - delivery.have + delivery.unpackedBytes) / 1024),
  });
  return `${values}\nbuilt=$work/release\npart=$work/$payload.part\n${RECEIVING}`;
}

function unpacking({ encoding }: Delivery): string {
  const unpack = encoding === "zstd" ? "zstd -dqc" : "gzip -dc";
  return String.raw`out=$(${unpack} <"$part" | tar -x -o -f - -C "$built" 2>&1) ||
  give_up HOST_SCRIPT_FAILED "cannot unpack release $id: $out"`;
}

/** How a delivery ends. */
const ANSWERING = String.raw`# answer WORD [FILE...]: removes the files, lets the lock go and tells the end.
answer() {
  word=$1
  shift
  unlock "$@"
  echo "installed $word"
}
give_up() {
  rm -rf "$work"
  case $2 in *"No space left"* | *"Disk quota"*) fail HOST_DISK_FULL "no room for release $id in $root/releases" ;; esac
  fail "$1" "$2"
}
no_room() {
  give_up HOST_DISK_FULL "no room for release $id in $root/releases"
}`;

/** Functions around the part of the payload that is on the host. */
const RECEIVING = String.raw`size_of_part() { SIZE=$(($(wc -c <"$part"))); }
receive() {
  [ -d "$work" ] || mkdir -p "$work" 2>/dev/null || fail HOST_NOT_WRITABLE "cannot write $root/releases"
  # Of what other deliveries of the same release left, nothing can be used.
  for other in "$work"/*; do
    [ "$other" = "$part" ] || [ ! -e "$other" ] || rm -rf "$other"
  done
  SIZE=0
  if [ -s "$part" ]; then size_of_part; else { true >"$part"; } 2>/dev/null || no_room; fi
  if [ "$SIZE" -ne "$have" ]; then
    answer moved "$part"
    return 1
  fi
  if [ "$kilobytes" -ge ${String(SMALL_KILOBYTES)} ]; then
    set -- $(df -Pk "$root/releases" | tail -n 1)
    [ $# -lt 4 ] || [ "$4" -gt "$kilobytes" ] || no_room
  fi
  out=$(cat <&3 2>&1 >>"$part") || give_up HOST_SCRIPT_FAILED "cannot write release $id: $out"
  found=$(sha256sum <"$part" 2>/dev/null) || found=$(shasum -a 256 <"$part")
  found=${"$"}{found%% *}
  [ "$found" != "$payload" ] || return 0
  size_of_part
  [ "$SIZE" -ge "$bytes" ] || fail HOST_TRANSFER_CUT "$SIZE of $bytes bytes of release $id arrived"
  give_up HOST_DIGEST_MISMATCH "release $id arrived with digest $found, what was sent has $payload"
}`;

/**
 * The directory of the base once more, as hard links where the file system can, without what does not belong to the
 * release. `intact` says whether the base is as it was verified, and whether all of this worked.
 */
function fromBase(base: DeliveryBase, check: ReleaseCheck): string {
  const inRelease = (command: string, paths: readonly string[]): string[] =>
    batches(paths).map((words) => `(cd "$built" && ${command} -- ${words}) 2>/dev/null || intact=no`);
  const recorded = check === "recorded" && base.changed.length <= MOST_CHANGED;
  return [
    assignments({ base: base.id }),
    'if [ ! -f "$root/releases/$base/.sunny-release" ]; then answer unfit; return; fi',
    recorded ? 'intact=yes; unchanged "$base" || intact=no' : "intact=no",
    // `cp -l` is not in POSIX; without it the files are copied.
    'if ! cp -al "$root/releases/$base" "$built" 2>/dev/null; then',
    "  intact=no",
    '  rm -rf "$built"',
    '  out=$(cp -Rp "$root/releases/$base" "$built" 2>&1) || give_up HOST_SCRIPT_FAILED "cannot copy $base: $out"',
    "fi",
    ...inRelease("rm -rf", [".sunny-release", ...base.remove]),
    ...inRelease("rmdir", base.removeDirectories),
    ...base.moved.flatMap(({ from, to }) => {
      const folder = to.includes("/") ? to.slice(0, to.lastIndexOf("/")) : ".";
      return [
        `mkdir -p "$built/"${shellQuote(folder)}`,
        `cp -p "$root/releases/$base/"${shellQuote(from)} "$built/"${shellQuote(to)} 2>/dev/null`,
      ];
    }),
  ].join("\n");
}

/**
 * Verifies what came out: where the base is intact, what is new, line by line; otherwise everything, by the digest of
 * `treeDigest` in `src/release/delta.ts`, computed from what lies there.
 */
function verification(base: DeliveryBase): string {
  const { commands, lines } = changedFiles(base);
  return String.raw`${assignments({ tree: base.treeSha256, expected: lines.join("\n") })}
digests() { sha256sum -- "$@" 2>/dev/null || shasum -a 256 -- "$@"; }
executables() { for one; do [ ! -x "$one" ] || printf '%s\n' "$one"; done; }
links() { for one; do printf '%s -> %s\n' "$one" "$(readlink "$one")"; done; }
if [ "$intact" = yes ]; then
  found=$(
    cd "$built" || exit
${commands.join("\n")}
  )
  [ "$found" = "$expected" ] || intact=no
fi
all_lines() {
  if command -v sha256sum >/dev/null 2>&1; then
    find . -type f -exec sha256sum {} +
  else
    find . -type f -exec shasum -a 256 {} +
  fi
  find . -type f -perm -100 -print
  find . -type l -exec sh -c 'for l; do printf "%s -> %s\n" "$l" "$(readlink "$l")"; done' sh {} +
}
is_tree() {
  found=$(cd "$built" && all_lines | sort | { sha256sum 2>/dev/null || shasum -a 256; })
  [ "${"$"}{found%% *}" = "$tree" ]
}
if [ "$intact" = no ] && ! is_tree; then
  answer unfit "$work"
  return
fi`;
}

/** Commands that print what is new as it lies there, and what they have to print. */
function changedFiles({ changed }: DeliveryBase): { readonly commands: string[]; readonly lines: string[] } {
  if (changed.length > MOST_CHANGED) return { commands: [], lines: ["too many"] };
  const files = changed.filter((file) => file.link === undefined);
  const links = changed.filter((file) => file.link !== undefined);
  const over = (command: string, some: typeof changed): string[] =>
    batches(some.map((file) => `./${file.path}`)).map((words) => `    ${command} ${words}`);
  return {
    commands: [...over("digests", files), ...over("executables", files), ...over("links", links)],
    lines: [
      ...files.map((file) => `${file.sha256}  ./${file.path}`),
      ...files.filter((file) => file.mode === 0o755).map((file) => `./${file.path}`),
      ...links.map((file) => `./${file.path} -> ${file.link ?? ""}`),
    ],
  };
}

/** The paths as words, so many at a time as one command gets. */
function batches(paths: readonly string[]): string[] {
  const lines: string[] = [];
  for (let at = 0; at < paths.length; at += WORDS) lines.push(shellWords(paths.slice(at, at + WORDS)));
  return lines;
}
