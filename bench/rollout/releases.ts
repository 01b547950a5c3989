/** Releases for the benchmark's hosts, each with one file that differs from the one before, and what they look like on a host. */
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseSigner } from "../../src/audit/note.ts";
import { releaseRef } from "../../src/release/manifest.ts";
import { packRelease } from "../../src/release/pack.ts";

export interface BenchRelease {
  readonly id: string;
  readonly version: string;
  readonly digest: string;
  readonly archive: string;
  readonly manifest: string;
  readonly bytes: number;
  /** Digest over all files as they have to be on every host. */
  readonly tree: string;
}

/** A server as small as one can be: perl is on every Debian, starts in 10 ms and takes 8 MB. */
const SERVER = `use strict; use Socket;
my ($address, $port) = ($ENV{ADDRESS}, $ENV{PORT});
open(my $f, "<", "VERSION") or die; chomp(my $version = <$f>);
socket(my $s, PF_INET, SOCK_STREAM, 0) or die; setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1);
bind($s, sockaddr_in($port, inet_aton($address))) or die "bind: $!"; listen($s, 64);
$SIG{TERM} = sub { exit 0 };
while (1) {
  accept(my $c, $s) or next;
  while (my $line = <$c>) { last if $line =~ /^\\r?\\n$/ }
  my $body = "{\\"version\\":\\"$version\\"}";
  syswrite($c, "HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\nconnection: close\\r\\ncontent-length: "
    . length($body) . "\\r\\n\\r\\n" . $body);
  close($c);
}
`;

const FILE_BYTES = 12_500;

/** One after the other, as a service gets them. */
export type BenchReleases = readonly [BenchRelease, BenchRelease, BenchRelease, BenchRelease];

/** Packs them, with so many files of 12,500 bytes each. */
export async function makeReleases(dir: string, signer: string, files: number): Promise<BenchReleases> {
  const source = path.join(dir, "source");
  for (let at = 0; at < files; at++) {
    const file = path.join(source, "lib", `part-${at % 25}`, `file-${at}.bin`);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, noise(`file ${at}`, FILE_BYTES));
  }
  writeFileSync(path.join(source, "server.pl"), SERVER);
  const pack = async (version: string): Promise<BenchRelease> => {
    const content = path.join(dir, `source-${version}`);
    cpSync(source, content, { recursive: true });
    writeFileSync(path.join(content, "VERSION"), `${version}\n`);
    writeFileSync(path.join(content, "release.json"), JSON.stringify({ name: "api" }));
    const options = { directory: content, version, out: path.join(dir, "store"), signers: [parseSigner(signer)] };
    const { manifest, archive, manifestFile } = await packRelease(options);
    const tree = treeOf(content);
    return { ...releaseRef(manifest), archive, manifest: manifestFile, bytes: statSync(archive).size, tree };
  };
  return [await pack("1.0.0"), await pack("1.0.1"), await pack("1.0.2"), await pack("1.0.3")];
}

/** Bytes that no compression makes smaller, the same in every run. */
function noise(seed: string, bytes: number): Buffer {
  const blocks: Buffer[] = [];
  for (let at = 0; at * 32 < bytes; at++) blocks.push(createHash("sha256").update(`${seed} ${at}`).digest());
  return Buffer.concat(blocks).subarray(0, bytes);
}

/** Digest over paths and contents below a directory; Sunny's own marker is not part of a release. */
export function treeOf(root: string): string {
  const hash = createHash("sha256");
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => name !== ".sunny-release");
  for (const name of files.toSorted()) {
    const file = path.join(root, name);
    if (statSync(file).isFile()) hash.update(`${name}\0`).update(readFileSync(file));
  }
  return hash.digest("hex");
}
