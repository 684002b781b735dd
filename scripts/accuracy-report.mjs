// Limits, verdicts and the page of `npm run accuracy`.

const MIB = 2 ** 20;

/** How far the formulas may be from the engine: a share of its figure or so many MiB, whichever is more. */
export const LIMITS = {
  gpu: { share: 0.005, mib: 8, below: { share: 0.005, mib: 4 } },
  host: { share: 0.02, mib: 8, below: { share: 0.02, mib: 8 } },
  encoder: { share: 0.03, mib: 0, below: { share: 0.03, mib: 0 } },
  quant: { share: 0.001, mib: 0, below: { share: 0.001, mib: 0 } },
};

const sum = (parts) => Object.values(parts).reduce((total, bytes) => total + bytes, 0);
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** The difference of a row in MiB and as a share, and whether it is within its limit. */
function judged({ kind, ours, theirs, ...rest }) {
  const [we, they] = [sum(ours) / MIB, sum(theirs) / MIB];
  const off = we - they;
  const { share, mib, below } = LIMITS[kind];
  const allowed = off < 0 ? Math.max(below.share * they, below.mib) : Math.max(share * they, mib);
  const ratio = they === 0 ? 0 : off / they;
  return { ...rest, kind, ours, theirs, we, they, off, ratio, ok: Math.abs(off) <= allowed };
}

const rowsOf = ({ results }) =>
  results.flatMap(({ rows, name, config }) =>
    rows.map((row) => ({ ...judged(row), name, model: config.model })),
  );
const sizeFault = ({ ours, theirs }) =>
  theirs === null || Math.abs(ours - theirs) > LIMITS.quant.share * theirs;

/** One line for each figure that is outside its limit, or that could not be had. */
export function broken(facts) {
  const failed = facts.results.filter(({ error }) => error !== null);
  return [
    ...failed.map(({ name, error }) => `${name}: ${error}`),
    ...rowsOf(facts)
      .filter(({ ok }) => !ok)
      .map((row) => `${row.name}: ${row.device} ${row.kind} ${shown(row)}`),
    ...facts.sizes
      .filter(sizeFault)
      .map(({ model, quant, ours, theirs }) =>
        theirs === null
          ? `${model} ${quant}: llama-quantize names no size`
          : `${model} ${quant}: ${ours.toFixed(2)} instead of ${theirs.toFixed(2)} MiB`,
      ),
  ];
}

function shown({ we, they, off, ratio, ours, theirs }) {
  const parts = Object.keys(theirs)
    .filter((part) => part in ours)
    .map((part) => `${part} ${(ours[part] / MIB).toFixed(1)}/${(theirs[part] / MIB).toFixed(1)}`);
  const signed = `${off > 0 ? '+' : ''}${off.toFixed(1)} MiB, ${(ratio * 100).toFixed(2)} %`;
  return `${we.toFixed(1)} instead of ${they.toFixed(1)} MiB (${signed}${parts.length > 0 ? `: ${parts.join(', ')}` : ''})`;
}

export function report(facts) {
  const { engine, models, results, sizes } = facts;
  const rows = rowsOf(facts);
  const faults = broken(facts);
  const asked = results.filter(({ error }) => error === null);
  const times = asked.map(({ milliseconds }) => milliseconds / 1000);
  const build = `${engine.version ?? ''} (build ${engine.build ?? 'unknown'})`;
  const of = (kind) => rows.filter((row) => row.kind === kind);
  const passed = (list) => `${list.filter(({ ok }) => ok).length} of ${list.length}`;
  return `${[
    '# Accuracy of `mmdeploy plan`',
    '',
    `Made by \`npm run accuracy\` on llama.cpp ${build}: ${asked.length} configurations of ${models.length} models,`,
    'each planned by the formulas and laid out by llama-server itself from the argv of the plan, on sparse',
    'files of the real dimensions and one stand-in device per GPU. MiB; the engine prints weights and KV',
    'cache in whole MiB, cut off.',
    '',
    '| figure | limit | within it |',
    '| --- | --- | --- |',
    `| GPU total (weights, KV cache, compute) | 0.5 % or 8 MiB; below: 0.5 % or 4 MiB | ${passed(of('gpu'))} |`,
    `| host total | 2 % or 8 MiB | ${passed(of('host'))} |`,
    `| projector at load (weights and buffer) | 3 % | ${passed(of('encoder'))} |`,
    `| quantised size beside \`llama-quantize --dry-run\` | 0.1 % | ${sizes.filter((size) => !sizeFault(size)).length} of ${sizes.length} |`,
    '',
    `One layout by the engine takes ${median(times).toFixed(2)} s (median; ${Math.min(...times).toFixed(2)}-${Math.max(...times).toFixed(2)}) with one run per core.`,
    '',
    '## By model',
    '',
    'The worst difference of all configurations of a model: MiB and share of the figure of the engine.',
    '',
    '| model | configurations | GPU | host | projector | quants |',
    '| --- | --- | --- | --- | --- | --- |',
    ...models.map((model) => modelLine(model, facts, rows)),
    '',
    '## Outside the limits',
    '',
    ...(faults.length === 0
      ? ['Nothing.']
      : ['By part: ours/that of the engine, MiB.', '', ...faults.map((line) => `- ${line}`)]),
  ].join('\n')}\n`;
}

function modelLine({ id }, { results, sizes }, rows) {
  const own = rows.filter(({ model }) => model === id);
  const worst = (kind) => {
    const [first] = own
      .filter((row) => row.kind === kind)
      .sort((a, b) => Number(a.ok) - Number(b.ok) || Math.abs(b.off) - Math.abs(a.off));
    if (first === undefined) return '-';
    const text = `${first.off > 0 ? '+' : ''}${first.off.toFixed(1)} (${(first.ratio * 100).toFixed(2)} %)`;
    return first.ok ? text : `**${text}**`;
  };
  const quants = sizes.filter(({ model }) => model === id);
  const right = quants.filter((size) => !sizeFault(size)).length;
  const count = results.filter(({ config, error }) => config.model === id && error === null).length;
  return `| ${id} | ${count} | ${worst('gpu')} | ${worst('host')} | ${worst('encoder')} | ${right} of ${quants.length} |`;
}
