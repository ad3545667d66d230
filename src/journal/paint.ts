import { styleText } from "node:util";

/** Colours a text, or not: then it returns it as it is. */
export type Paint = (style: "bold" | "dim" | "red" | "green" | "yellow" | "cyan", text: string) => string;

export const plainPaint: Paint = (_style, text) => text;

/** Colours where `stream` shows them; NO_COLOR, NODE_DISABLE_COLORS and FORCE_COLOR have their say. */
export function streamPaint(stream: NodeJS.WritableStream): Paint {
  return (style, text) => styleText(style, text, { stream });
}
