import type { AnyNode, ArrayExpression, CallExpression, ObjectExpression, Property } from "acorn";
import type { InputIssue } from "../../core/input.ts";
import { nodesOf, type SyntaxTree } from "./syntax-tree.ts";

/** What the arguments of our functions are called in the paths of issues. A last `...name` takes the rest. */
const PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  run: ["...argv"],
  runFor: ["timeoutMs", "...argv"],
  writeFile: ["path", "content"],
  copyIn: ["source", "path"],
  waitFor: ["reason", "argv"],
  fromTemplate: ["name"],
  localDisk: ["path"],
  defineStep: ["name", "ops"],
};

export function calleeName({ callee }: CallExpression): string | undefined {
  const named = callee.type === "MemberExpression" ? callee.property : callee;
  return named.type === "Identifier" ? named.name : undefined;
}

/** The value of a string that is written out. */
export function textOf(node: AnyNode): string | undefined {
  if (node.type === "Literal") return typeof node.value === "string" ? node.value : undefined;
  if (node.type !== "TemplateLiteral" || node.expressions.length > 0) return undefined;
  return node.quasis[0]?.value.cooked ?? undefined;
}

interface Start {
  readonly node: AnyNode;
  readonly rest: readonly (string | number)[];
}

/** The argument that a path of an issue starts in, and what of the path is left inside it. */
export function argumentFor(tree: SyntaxTree, call: CallExpression, path: InputIssue["path"]): Start | undefined {
  const named = namedArgument(call, path);
  if (named) return { ...named, node: resolved(tree, named.node) };
  const literals = call.arguments.map((argument) => resolved(tree, argument)).filter(isLiteral);
  const [first] = path;
  const holder = literals.find((node) => node.type === "ObjectExpression" && member(tree, node, first) !== undefined);
  const node = holder ?? literals[0] ?? call.arguments[0];
  return node && { node, rest: path };
}

/** The argument that has the name of the path's first part. */
function namedArgument(call: CallExpression, [name, index, ...inside]: InputIssue["path"]): Start | undefined {
  const names = PARAMETERS[calleeName(call) ?? ""] ?? [];
  const node = call.arguments[names.indexOf(String(name))];
  if (node) return { node, rest: index === undefined ? [] : [index, ...inside] };
  const rest = names.indexOf(`...${String(name)}`);
  const among = rest >= 0 && typeof index === "number" ? call.arguments[rest + index] : undefined;
  return among && { node: among, rest: inside };
}

interface Way {
  readonly parts: readonly (string | number)[];
  /** Whether the last part's key is looked for rather than its value. */
  readonly atKey: boolean;
}

interface Descent {
  readonly node: AnyNode;
  readonly left: number;
}

/** As far as the literals go; `left` counts the parts that were not found. */
export function descend(tree: SyntaxTree, node: AnyNode, way: Way): Descent {
  return way.parts.length === 0 ? { node, left: 0 } : (into(tree, node, way) ?? { node, left: way.parts.length });
}

function into(tree: SyntaxTree, node: AnyNode, way: Way): Descent | undefined {
  switch (node.type) {
    case "ObjectExpression":
      return intoObject(tree, node, way);
    case "ArrayExpression":
      return intoList(tree, node, way);
    case "CallExpression":
      return intoCall(tree, node, way);
    case "ArrowFunctionExpression":
      return node.expression ? descend(tree, node.body, way) : undefined;
    default:
      return undefined;
  }
}

function intoObject(tree: SyntaxTree, node: ObjectExpression, way: Way): Descent | undefined {
  const property = member(tree, node, way.parts[0]);
  if (!property) return undefined;
  return way.atKey && way.parts.length === 1 ? { node: property.key, left: 0 } : within(tree, property.value, way);
}

function intoList(tree: SyntaxTree, { elements }: ArrayExpression, way: Way): Descent | undefined {
  const index = Number(way.parts[0]);
  // Behind a spread nobody can tell by the text which element has which index.
  const spread = elements.findIndex((element) => element?.type === "SpreadElement");
  const known = spread === -1 || index < spread ? elements[index] : undefined;
  if (known) return within(tree, known, way);
  const last = elements.at(-1);
  return last && spread === elements.length - 1 ? { node: last, left: way.parts.length } : undefined;
}

function intoCall(tree: SyntaxTree, call: CallExpression, way: Way): Descent | undefined {
  const start = argumentFor(tree, call, way.parts);
  // Only through an argument by its name: anything else would be a guess at what the function makes of it.
  const named = start !== undefined && start.rest.length < way.parts.length;
  return named ? descend(tree, start.node, { ...way, parts: start.rest }) : undefined;
}

/** A value that is a name is shown where it is used, and followed to where it is written out only for what is inside. */
function within(tree: SyntaxTree, value: AnyNode, way: Way): Descent {
  const parts = way.parts.slice(1);
  if (parts.length === 0) return { node: value, left: 0 };
  const inside = resolved(tree, value);
  const found = descend(tree, inside, { ...way, parts });
  return found.node === inside && found.left > 0 ? { node: value, left: found.left } : found;
}

/** Whether an object's keys can all be read from the text; otherwise what is missing may come from elsewhere. */
export function isWrittenOut(tree: SyntaxTree, node: AnyNode): boolean {
  if (node.type !== "ObjectExpression") return node.type === "ArrayExpression";
  return node.properties.every(
    (property) => property.type !== "SpreadElement" || isWrittenOut(tree, resolved(tree, property.argument)),
  );
}

function isLiteral(node: AnyNode): boolean {
  return node.type === "ObjectExpression" || node.type === "ArrayExpression";
}

function member(tree: SyntaxTree, object: ObjectExpression, part: string | number | undefined): Property | undefined {
  for (const property of object.properties.toReversed()) {
    if (property.type === "SpreadElement") {
      const spread = resolved(tree, property.argument);
      const inner = spread.type === "ObjectExpression" ? member(tree, spread, part) : undefined;
      if (inner) return inner;
    } else if (keyOf(property.key) === String(part)) return property;
  }
  return undefined;
}

function keyOf(key: AnyNode): string | undefined {
  return key.type === "Identifier" ? key.name : key.type === "Literal" ? String(key.value) : undefined;
}

/** What a name stands for, when a declaration of the file says it. */
export function resolved(tree: SyntaxTree, node: AnyNode, depth = 0): AnyNode {
  if (node.type !== "Identifier" || depth > 8) return node;
  const value = declared(tree, node.name);
  return value ? resolved(tree, value, depth + 1) : node;
}

function declared(tree: SyntaxTree, name: string): AnyNode | undefined {
  for (const node of nodesOf(tree.root)) {
    if (node.type !== "VariableDeclarator" || node.id.type !== "Identifier") continue;
    if (node.id.name === name && node.init) return node.init;
  }
  return undefined;
}
