import tseslint from 'typescript-eslint';

// One direction of imports (docs/decisions/0001-architecture.md): a folder may import from the layers
// below it and from itself. The order here is the whole rule; the lint rules are derived from it.
const LAYERS = [
  ['units.ts', 'errors.ts', 'wav.ts', 'contracts'],
  ['gguf', 'tokens', 'layout'],
  ['profiles'],
  ['memory'],
  ['match'],
  ['engines'],
  ['plan'],
  ['render'],
  ['report'],
  ['process'],
  ['detect', 'engine', 'estimate', 'serve', 'demo', 'simulate', 'quantize', 'validators'],
  ['deploy'],
  ['workflows'],
  ['cli'],
];

// Files that touch the machine although their folder is otherwise pure.
const EDGE_FILES = ['src/gguf/read-file.ts', 'src/gguf/write-file.ts', 'src/profiles/load.ts'];
// Pure halves of edge folders.
const PURE_FILES = [
  'src/detect/{mask,merge,values,visible,xml}.ts',
  'src/detect/probes/{amd-smi,nvidia-csv,nvidia-failure,nvidia-log,rocm-smi}.ts',
  'src/engine/{choose,environment,parse,release-files}.ts',
  'src/estimate/{cost,count,count-media,dedupe,describe-input,entry,exact-sample,formats,glob,inputs-tally,merge-tallies,rehearsal,share-set,shard,tally,template-tokens,text,totals,warnings,wrapper}.ts',
  'src/estimate/{advice,baseline,budget,compare,given-price,price-warnings,size-tally}.ts',
  'src/estimate/read/content.ts',
  'src/estimate/manifest/{anthropic,chat,content,data-uri,item,jsonl,lines,list,long-line,request,responses,row}.ts',
  'src/serve/{out-of-memory,progress,quarantine,relief,restart-policy,state}.ts',
  'src/serve/media-store/{lru,names}.ts',
  'src/serve/observe/{engine-timings,log-level,request-id,unique-count}.ts',
  'src/serve/client/{sse,image-kind}.ts',
  'src/serve/gateway/{cors,keys,errors,estimate-prompt,json}.ts',
  'src/serve/gateway/chat/{answer-check,chat-request,media-header,media-source,responses-request,seen,taken-apart,usage}.ts',
  'src/serve/gateway/deadline.ts',
  'src/serve/gateway/messages/*.ts',
  'src/serve/gateway/{allowed-fields,base64,cut-base64,constraint-limits,field-limits,pattern-cost}.ts',
  'src/serve/schedule/{engine-life,fair-queue,prediction,prime-body,slot-choice,slot-file-index,trust}.ts',
  'src/serve/media/worker/{bmp,jobs,resample}.ts',
  'src/serve/media/{frame-limit,gate,keys,limits,picture-format,rules,shared-work,shrink,types}.ts',
  'src/serve/supervisor/start-failure.ts',
  'src/quantize/{drift,made-file,parse}.ts',
  'src/simulate/{apply-layout,cut-encoder,layout-log,load-log,peak-log,plan-args}.ts',
];
const PURE_LAYERS = 9;

const EFFECTS = {
  name: 'effects',
  regex:
    '^(node:(?!buffer$|crypto$|path$|path/posix$)|chalk$|commander$|inquirer$|undici$|fastify$|systeminformation$)',
  message: 'This folder is pure: effects belong at the edge (docs/decisions/0001-architecture.md).',
};

const folderOf = (entry) => (entry.endsWith('.ts') ? `src/${entry}` : `src/${entry}/**/*.ts`);
const above = (index) =>
  LAYERS.slice(index + 1)
    .flat()
    .filter((entry) => !entry.endsWith('.ts'));
const upwards = (index) =>
  above(index).length === 0
    ? []
    : [
        {
          regex: `^(\\.\\./)+(${above(index).join('|')})/`,
          message: `Imports go one way: this layer may not import from ${above(index).join(', ')}.`,
        },
      ];
const restrict = (patterns) => ({ 'no-restricted-imports': ['error', { patterns }] });
const effects = ({ regex, message }) => ({ regex, message });

const layerRules = LAYERS.flatMap((entries, index) => {
  const pure = index < PURE_LAYERS;
  return [
    {
      files: entries.map(folderOf),
      rules: restrict([...upwards(index), ...(pure ? [effects(EFFECTS)] : [])]),
    },
    {
      files: EDGE_FILES.filter((file) => entries.some((e) => file.startsWith(`src/${e}/`))),
      index,
    },
    {
      files: PURE_FILES.filter((file) => entries.some((e) => file.startsWith(`src/${e}/`))),
      index,
      pure: true,
    },
  ]
    .filter((block) => block.files.length > 0)
    .map(({ files, rules, index: layer, pure: strict }) => ({
      files,
      rules: rules ?? restrict([...upwards(layer), ...(strict ? [effects(EFFECTS)] : [])]),
    }));
});

const pureGlobals = {
  files: [...LAYERS.slice(0, PURE_LAYERS).flat().map(folderOf), ...PURE_FILES],
  ignores: EDGE_FILES,
  rules: {
    'no-restricted-globals': ['error', 'process', 'fetch', 'console', 'setTimeout', 'setInterval'],
    'no-restricted-properties': [
      'error',
      { object: 'Date', property: 'now' },
      { object: 'Math', property: 'random' },
    ],
  },
};

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'coverage'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['eslint.config.js', 'bin/*.js', 'scripts/*.mjs'] },
      },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/consistent-type-definitions': ['error', 'type'],
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: true },
      ],
      'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true } }],
      'no-restricted-syntax': [
        'error',
        {
          selector: "CallExpression[callee.object.name='process'][callee.property.name='exit']",
          message: 'process.exit() loses output that is still in the pipe: set process.exitCode.',
        },
      ],
      'max-lines': ['error', { max: 280, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
    },
  },
  ...layerRules,
  pureGlobals,
  {
    files: ['test/**/*.ts'],
    rules: {
      'max-lines': 'off',
      'max-lines-per-function': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
    },
  },
  {
    files: [
      'eslint.config.js',
      'bin/*.js',
      'scripts/**/*.mjs',
      'test/fakes/*.mjs',
      'vitest.config.ts',
    ],
    extends: [tseslint.configs.disableTypeChecked],
    rules: {
      'no-restricted-exports': 'off',
      'max-lines-per-function': 'off',
      'no-restricted-syntax': 'off',
    },
  },
);
