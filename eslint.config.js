import tseslint from "typescript-eslint";

/** Everything a user can see carries a code and a hint; see src/core/error.ts. */
const teachingErrors = [
  "error",
  {
    selector: "ThrowStatement > NewExpression[callee.name='Error']",
    message: "Throw KvciError with a code of the ERRORS table and a hint that says what to do next.",
  },
  {
    selector: "TSEnumDeclaration, TSModuleDeclaration[kind='namespace'], TSParameterProperty",
    message: "Node runs the sources by stripping types; use a union of literals, a module or a plain field.",
  },
  {
    selector: "ExportDefaultDeclaration",
    message: "Named exports only: a default export has no name to look for.",
  },
];

/** What a newer Node has and TypeScript knows, but not Node 22. */
const oldestNode = [
  {
    selector: "VariableDeclaration[kind='await using'], VariableDeclaration[kind='using']",
    message: "Node 22 cannot parse `using`: call withDisposal of src/core/disposal.ts, or write try and finally.",
  },
  {
    selector: "Identifier[name=/^(Async)?DisposableStack$/]",
    message: "Node 22 has no stack of disposables; take the Disposer of src/core/disposal.ts.",
  },
];

export default tseslint.config(
  { ignores: ["node_modules/", "dist/", "out/", ".kvci/", "test/golden/", "*.js", ".*.js"] },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      complexity: ["error", 8],
      "max-lines": ["error", { max: 300, skipBlankLines: true, skipComments: true }],
      "max-lines-per-function": ["error", { max: 50, skipBlankLines: true, skipComments: true }],
      "max-params": ["error", 3],
      "no-console": "error",
      "no-restricted-syntax": [...teachingErrors, ...oldestNode],
      eqeqeq: "error",
      curly: ["error", "multi-line"],
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      // Template literals of numbers are plain to read, and what they say is plain, too.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // `void promise` and `return void f()` say that a result is not looked at.
      "@typescript-eslint/no-confusing-void-expression": "off",
      "@typescript-eslint/no-meaningless-void-operator": "off",
      "@typescript-eslint/no-invalid-void-type": "off",
      // Ports are records of closures; taking a function out of one is how they are passed on.
      "@typescript-eslint/unbound-method": "off",
    },
  },
  {
    files: ["src/cli/**", "launcher/**", "test/run.ts", "test/reporter.ts", "test/bench/**"],
    rules: { "no-console": "off" },
  },
  {
    files: ["templates/**", "environments/**", "test/reporter.ts", "test/**/fixtures/**"],
    rules: { "no-restricted-syntax": [teachingErrors[0], teachingErrors[1], teachingErrors[2], ...oldestNode] },
  },
  {
    files: ["test/**"],
    rules: {
      // A describe block is a list of its tests.
      "max-lines-per-function": "off",
      // Tests throw what they like at the code under test, mocha awaits what `it` returns, and fakes do nothing at length.
      "no-restricted-syntax": [teachingErrors[0], teachingErrors[2], ...oldestNode],
      "@typescript-eslint/no-floating-promises": "off",
      // What mocha constructs as a reporter.
      "@typescript-eslint/no-extraneous-class": ["error", { allowConstructorOnly: true }],
      "@typescript-eslint/no-empty-function": "off",
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/only-throw-error": "off",
    },
  },
);
