import { readAnnotation } from "./annotation.ts";
import type { Annotation } from "./annotation.ts";
import type { Block } from "./block.ts";
import { report } from "./reading.ts";
import type { Reading } from "./reading.ts";

/** Says which annotations are not understood, or stand where they have no effect. */
export function checkAnnotations(reading: Reading, blocks: readonly Block[]): void {
  for (const [index, block] of blocks.entries()) {
    if (block.kind === "list") for (const entry of block.items) checkAnnotations(reading, entry.blocks);
    if (block.kind !== "comment") continue;
    const annotation = readAnnotation(block.text);
    if (annotation === undefined) continue;
    for (const problem of annotation.problems) report(reading, "RB109", block, problem);
    if (annotation.problems.length > 0) continue;
    const next = blocks[index + 1];
    if (hasSettings(annotation) && next?.kind !== "code") {
      report(reading, "RB109", block, "These settings belong directly above a code block; here they have no effect.");
    }
    const named = next?.kind === "heading" || blocks[index - 1]?.kind === "heading";
    if (annotation.kind !== undefined && !named && !(annotation.kind === "ignore" && next?.kind === "code")) {
      report(
        reading,
        "RB109",
        block,
        `\`${annotation.kind}\` belongs directly below a heading; here it has no effect.`,
      );
    }
  }
}

function hasSettings(annotation: Annotation): boolean {
  const { kind: _kind, problems: _problems, ...settings } = annotation;
  return Object.keys(settings).length > 0;
}
