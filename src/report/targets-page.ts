/** What one target writes for one kind of deployment; a refusal where it cannot. */
type TargetSample = {
  /** `llama.cpp`, `llama.cpp with --gateway`, `vLLM`. */
  readonly kind: string;
  readonly files: readonly { readonly path: string; readonly validator: string }[];
  readonly start: readonly string[];
};

export type TargetEntry = {
  readonly id: string;
  readonly title: string;
  readonly samples: readonly TargetSample[];
  /** Why it cannot, each reason once. */
  readonly refusals: readonly string[];
};

/** `docs/targets.md`; `npm run docs:targets` writes it. */
export function targetsPage(entries: readonly TargetEntry[]): string {
  return [
    '# Deployment targets',
    '',
    'Made by `npm run docs:targets` from the targets themselves.',
    '',
    '```sh',
    'mmdeploy plan MODEL --target compose --write deploy/   # or several: --target compose,systemd',
    'mmdeploy plan MODEL --target compose --dry-run         # prints the files instead',
    'mmdeploy check deploy/                                 # what has drifted since; exit 8 if anything has',
    '```',
    '',
    'Every file says in its head which command made it and from which plan. `plan.json` and `mmdeploy.json` (the',
    'manifest: a hash of each file, who validated it) are written beside them. Nothing is replaced without',
    '`--force`. The engine’s arguments are the same in every target but for folders, host and port.',
    '',
    'Before a file is given out it is shown to the program that will read it, if that is on this machine; the',
    'output says by whom a file was validated, or `syntax only` and why. `npm run validators` of this repository',
    'installs the readers on Debian, without root.',
    '',
    '`--with monitoring` writes into `monitoring/` alert rules for what answers `/metrics` (the gateway, or the',
    'engine alone), a Prometheus configuration that finds it and names the rules, and a Grafana dashboard. What is',
    'slow is judged by the day before; queues, context and starts by the plan. Where the gateway has API keys, its',
    'job needs one: `authorization: {credentials_file: …}`.',
    '',
    'Where the model or the users outgrow a machine, `kserve` and `lws` deploy what the plan proposes instead:',
    'so many copies of vLLM, or one over several machines.',
    '',
    '| `--target` | what | validated by |',
    '| --- | --- | --- |',
    ...entries.map(row),
    '',
    ...entries.flatMap(section),
  ].join('\n');
}

function row({ id, title, samples }: TargetEntry): string {
  const validators = samples.flatMap(({ files }) => files.map(({ validator }) => validator));
  return `| [\`${id}\`](#${id}) | ${title} | ${[...new Set(validators)].join('; ')} |`;
}

function section({ id, title, samples, refusals }: TargetEntry): string[] {
  return [
    `## ${id}`,
    '',
    `${title}.`,
    '',
    ...samples.flatMap(sample),
    ...(refusals.length === 0
      ? []
      : ['It is refused, with the targets that work, where', '', ...refusals.map(bullet), '']),
  ];
}

function sample({ kind, files, start }: TargetSample): string[] {
  return [
    `${kind}:`,
    '',
    ...files.map(({ path, validator }) => `- \`${path}\`: ${validator}`),
    '',
    '```sh',
    ...start,
    '```',
    '',
  ];
}

function bullet(text: string): string {
  return `- ${text}`;
}
