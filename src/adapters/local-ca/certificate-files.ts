import { createHash, createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { copyFile, mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { TerminalError, type StepScope } from "../../engine/context.ts";
import { messageOf } from "../../errors.ts";
import { sha256 } from "../../json.ts";
import type {
  CertificateFiles,
  CertificateOnDisk,
  CertificateSpec,
  IssuedCertificate,
} from "../../operations/tls/ports.ts";

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/**
 * The files of the configured certificates on this machine. What a renewal replaces is kept in `.replaced/<turn>` beside
 * the certificate, mode 0700; a person removes it when it is wanted no more.
 */
export function certificateFiles(): CertificateFiles {
  return { read, replace, replacedBy, restore };
}

async function read(spec: CertificateSpec): Promise<CertificateOnDisk> {
  const chainPem = await certificatesIn(spec.certFile, spec.name);
  const caPem = spec.caFile === undefined ? [] : await certificatesIn(spec.caFile, spec.name);
  try {
    const keyMode = (await stat(spec.keyFile)).mode & 0o777;
    const key = createPublicKey(createPrivateKey(await readFile(spec.keyFile, "utf8")));
    const keyPublicSha256 = createHash("sha256")
      .update(key.export({ format: "der", type: "spki" }))
      .digest("hex");
    return { chainPem, caPem, keyMode, keyPublicSha256 };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT")
      return { chainPem, caPem, keyMode: null, keyPublicSha256: null };
    throw unreadable(spec.name, spec.keyFile, error);
  }
}

async function certificatesIn(file: string, name: string): Promise<string[]> {
  try {
    const found = (await readFile(file, "utf8")).match(PEM) ?? [];
    if (found.length === 0) throw new Error("it holds no certificate");
    return found.map((pem) => new X509Certificate(pem).toString());
  } catch (error) {
    throw unreadable(name, file, error);
  }
}

async function replace(
  spec: CertificateSpec,
  issued: IssuedCertificate,
  turn: string,
  scope: StepScope,
): Promise<void> {
  if (await replacedBy(spec, turn)) return;
  const kept = keptDirectory(spec, turn);
  const marker = path.join(kept, "new.sha256");
  // With the marker there, an attempt before this one may have replaced the key already: what is kept is the old pair.
  if (!(await exists(marker))) {
    await mkdir(kept, { recursive: true, mode: 0o700 });
    await keep(spec.certFile, path.join(kept, "cert.pem"));
    await keep(spec.keyFile, path.join(kept, "key.pem"));
  }
  scope.signal.throwIfAborted();
  scope.requireLease?.();
  const key = issued.key.reveal();
  await writeWhole(marker, `${sha256(issued.chainPem)}\n`, 0o600);
  // The key first: in between a server that is started anew fails to load the pair, which is noticed, where an old key
  // under a new certificate would be as well; no reader sees half a file.
  await writeWhole(spec.keyFile, key, 0o600);
  await writeWhole(spec.certFile, issued.chainPem, 0o644);
}

async function replacedBy(spec: CertificateSpec, turn: string): Promise<boolean> {
  try {
    const wanted = (await readFile(path.join(keptDirectory(spec, turn), "new.sha256"), "utf8")).trim();
    return sha256(await readFile(spec.certFile)) === wanted;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

async function restore(spec: CertificateSpec, turn: string, scope: StepScope): Promise<boolean> {
  const kept = keptDirectory(spec, turn);
  if (!(await exists(path.join(kept, "new.sha256")))) return false;
  scope.signal.throwIfAborted();
  scope.requireLease?.();
  for (const [file, name, mode] of [
    [spec.keyFile, "key.pem", 0o600],
    [spec.certFile, "cert.pem", 0o644],
  ] as const) {
    const old = path.join(kept, name);
    if (await exists(old)) await writeWhole(file, await readFile(old, "utf8"), mode);
    else await rm(file, { force: true });
  }
  return true;
}

function keptDirectory(spec: CertificateSpec, turn: string): string {
  return path.join(path.dirname(spec.certFile), ".replaced", `${spec.name}-${sha256(turn).slice(0, 16)}`);
}

async function keep(from: string, to: string): Promise<void> {
  if (await exists(from)) await copyFile(from, to);
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

/** A reader sees the old file or the new one; the permissions are right from the first byte on. */
async function writeWhole(file: string, text: string, mode: number): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const next = `${file}.next`;
  await rm(next, { force: true });
  const handle = await open(next, "wx", mode);
  try {
    await handle.writeFile(text);
    await handle.chmod(mode);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(next, file);
}

function unreadable(name: string, file: string, error: unknown): TerminalError {
  return new TerminalError(
    "CERTIFICATE_UNREADABLE",
    `The certificate ${name} cannot be read from ${file}: ${messageOf(error)}`,
  );
}
