import { formatElapsed } from "./format.ts";
import type { Paint } from "./paint.ts";
import type { SpanNode } from "./span-tree.ts";
import { cutText, textWidth } from "./text-width.ts";
import { nodeLines, type TreeStyle } from "./tree-lines.ts";

/** One build as the terminal shows it. */
export interface BuildView {
  readonly build: string;
  /** Holds the build's phases, or one span of kind "build" that does. */
  readonly root: SpanNode;
  readonly placeOf: TreeStyle["placeOf"];
}

export interface FrameOptions {
  readonly columns: number;
  readonly rows: number;
  readonly nowMs: number;
  readonly paint: Paint;
  readonly spinner: string;
  /** Give every build a heading. */
  readonly headings: boolean;
}

/** From roomy to tight; the first that fits the screen is taken. */
const DENSITIES = [
  { maxDone: Infinity, maxNotes: 3 },
  { maxDone: 5, maxNotes: 2 },
  { maxDone: 2, maxNotes: 1 },
  { maxDone: 0, maxNotes: 0 },
] as const;

/** The live area: what runs in every build, in at most `rows` - 1 lines of less than `columns`. */
export function frameLines(builds: readonly BuildView[], options: FrameOptions): string[] {
  const rows = Math.max(1, options.rows - 1);
  for (const density of DENSITIES) {
    const lines = builds.flatMap((build) => buildLines(build, options, density));
    if (lines.length <= rows) return lines;
    if (density.maxDone === 0) return lines.slice(0, rows);
  }
  return [];
}

function buildLines(view: BuildView, options: FrameOptions, density: (typeof DENSITIES)[number]): string[] {
  const open = phasesOf(view.root).filter(({ state }) => state === "running");
  const depth = options.headings ? 1 : 0;
  const style = treeStyle(view, options, density);
  const lines = open.flatMap((node) => nodeLines(node, depth, style));
  return options.headings ? [headingLine(view, options), ...lines] : lines;
}

function headingLine(view: BuildView, { paint, columns, nowMs }: FrameOptions): string {
  const elapsed = formatElapsed(nowMs - view.root.startedMs);
  const name = cutText(view.build, columns - 1 - textWidth(elapsed) - 2);
  return `${paint("bold", name)}  ${paint("dim", elapsed)}`;
}

/** A finished span and all below it, as it stays on the screen. */
export function finishedLines(
  view: BuildView,
  node: SpanNode,
  options: FrameOptions & { readonly nameWidth: number },
): string[] {
  const style = treeStyle(view, options, { maxDone: Infinity, maxNotes: Infinity });
  if (!options.headings) return nodeLines(node, 0, style);
  const name = cutText(view.build, options.nameWidth);
  const prefix = `${name}${" ".repeat(options.nameWidth - textWidth(name))} `;
  const narrower = { ...style, width: style.width - textWidth(prefix) };
  return nodeLines(node, 0, narrower).map((line) => options.paint("dim", prefix) + line);
}

function treeStyle(
  view: BuildView,
  options: FrameOptions,
  density: Pick<TreeStyle, "maxDone" | "maxNotes">,
): TreeStyle {
  const { paint, nowMs, spinner, columns } = options;
  // The last column stays free: some terminals wrap when it is written.
  return { paint, nowMs, spinner, width: columns - 1, placeOf: view.placeOf, ...density };
}

/** The spans directly under the build, whether or not the build is a span itself. */
export function phasesOf(root: SpanNode): readonly SpanNode[] {
  return root.children.flatMap((node) => (node.kind === "build" ? node.children : [node]));
}
