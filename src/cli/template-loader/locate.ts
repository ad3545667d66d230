import type { AnyNode, CallExpression } from "acorn";
import type { InputIssue } from "../../core/input.ts";
import { argumentFor, calleeName, descend, isWrittenOut, resolved, textOf } from "./follow-path.ts";
import { nodesOf, type SyntaxTree } from "./syntax-tree.ts";

/** A stretch of one line. */
export interface Place {
  /** Absolute path. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 code units, as editors and V8 count. */
  readonly column: number;
  /** At least 1; what goes on over several lines is cut at the first one's end. */
  readonly length: number;
}

/** Where a path was followed to: to its end, to the nearest ancestor that is written out, or not even a step. */
export interface Found {
  readonly place: Place;
  readonly reach: "end" | "part" | "none";
}

type Where = Omit<InputIssue, "message">;

export interface FoundCall {
  readonly tree: SyntaxTree;
  readonly call: CallExpression;
  readonly place: Place;
}

/** The call that V8 names by a stack frame's line and column: those of the callee, or of the property of `a.b()`. */
export function callAt(tree: SyntaxTree, line: number, column: number): CallExpression | undefined {
  return callsIn(tree).find(({ callee }) => {
    const { start } = positionOf(callee.type === "MemberExpression" ? callee.property : callee);
    return start.line === line && start.column === column - 1;
  });
}

/** The first call of a function by its name. */
export function callOf(trees: readonly SyntaxTree[], name: string): FoundCall | undefined {
  for (const tree of trees) {
    const call = callsIn(tree).find((candidate) => calleeName(candidate) === name);
    if (call) return { tree, call, place: placeOf(tree, call.callee) };
  }
  return undefined;
}

/** Follows an issue's path from a call into the literals of its arguments. */
export function locateIssue(tree: SyntaxTree, call: CallExpression, { path, at }: Where): Found {
  const start = argumentFor(tree, call, path);
  if (!start) return { place: placeOf(tree, call.callee), reach: "none" };
  const { node, left } = descend(tree, start.node, { parts: start.rest, atKey: at === "key" });
  if (left === 0) return { place: placeOf(tree, node), reach: "end" };
  if (node !== start.node || start.rest.length < path.length) return { place: placeOf(tree, node), reach: "part" };
  // A key that is missing at the very top: the call's name says more than its opening brace.
  return { place: placeOf(tree, call.callee), reach: isWrittenOut(tree, node) ? "part" : "none" };
}

/** Follows an issue's path from what the module exports by default; the export itself when that is not written out there. */
export function locateInExport(tree: SyntaxTree, { path, at }: Where): Place | undefined {
  for (const node of nodesOf(tree.root)) {
    if (node.type !== "ExportDefaultDeclaration") continue;
    if (path.length === 0) return placeOf(tree, node.declaration);
    const found = descend(tree, resolved(tree, node.declaration), { parts: path, atKey: at === "key" });
    return placeOf(tree, found.left === path.length ? node.declaration : found.node);
  }
  return undefined;
}

/** Where a file to copy is named: in a copyIn call, else anywhere as a string. */
export function locateText(trees: readonly SyntaxTree[], text: string): Place | undefined {
  const copies = trees.flatMap((tree) =>
    callsIn(tree).flatMap(({ callee, arguments: [source] }) => {
      const isCopy = callee.type === "Identifier" && callee.name === "copyIn" && source && textOf(source) === text;
      return isCopy ? [placeOf(tree, source)] : [];
    }),
  );
  return copies[0] ?? findPlace(trees, (node) => textOf(node) === text);
}

/** The module name of the import (or re-export) of `specifier`. */
export function locateImport(tree: SyntaxTree, specifier: string): Place | undefined {
  for (const node of nodesOf(tree.root)) {
    const source = "source" in node ? node.source : undefined;
    if (typeof source === "object" && source !== null && textOf(source) === specifier) {
      return placeOf(tree, source);
    }
  }
  return undefined;
}

/** The first node of a type, for example the `await` that does not end. */
export function locateType(trees: readonly SyntaxTree[], type: AnyNode["type"]): Place | undefined {
  return findPlace(trees, (node) => node.type === type);
}

function findPlace(trees: readonly SyntaxTree[], fits: (node: AnyNode) => boolean): Place | undefined {
  for (const tree of trees) for (const node of nodesOf(tree.root)) if (fits(node)) return placeOf(tree, node);
  return undefined;
}

function callsIn(tree: SyntaxTree): CallExpression[] {
  return [...nodesOf(tree.root)].filter((node) => node.type === "CallExpression");
}

function positionOf(node: AnyNode): { start: { line: number; column: number }; end: { line: number; column: number } } {
  return node.loc ?? { start: { line: 1, column: 0 }, end: { line: 1, column: 0 } };
}

function placeOf(tree: SyntaxTree, node: AnyNode): Place {
  const { start, end } = positionOf(node);
  const length = start.line === end.line ? end.column - start.column : 1;
  return { file: tree.file, line: start.line, column: start.column + 1, length: Math.max(1, length) };
}
