// Limits, verdicts and the page of `npm run accuracy`.

const MIB = 2 ** 20;

/** How far the formulas may be from the engine: a share of its figure or so many MiB, whichever is more. */
export const LIMITS = {
  gpu: { share: 0.005, mib: 8, below: { share: 0.005, mib: 4 } },
  host: { share: 0.02, mib: 8, below: { share: 0.02, mib: 8 } },
  encoder: { share: 0.03, mib: 0, below: { share: 0.03, mib: 0 } },
  quant: { share: 0.001, mib: 0, below: { share: 0.001, mib: 0 } },
  peak: { share: 0.03, mib: 0, below: { share: 0.03, mib: 0 } },
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

/** The formula's share of the engine's figure above or below it; null where there is none. */
const peakOff = ({ ours, theirs }) =>
  theirs === null ? null : (ours.device - theirs.device) / theirs.device;
const peakFault = (peak) => peak.error !== null || Math.abs(peakOff(peak)) > LIMITS.peak.share;
const simulationFault = ({ rows, error }) => error !== null || rows.some(({ equal }) => !equal);

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
    ...facts.peaks
      .filter(peakFault)
      .map((peak) => `largest image of ${peak.model}: ${shownPeak(peak)}`),
    ...facts.simulations.filter(simulationFault).map(shownSimulation),
  ];
}

function shownPeak({ ours, theirs, error }) {
  if (error !== null) return error;
  return `${ours.device.toFixed(1)} instead of ${theirs.device.toFixed(1)} MiB`;
}

function shownSimulation({ name, rows, error }) {
  const off = rows
    .filter(({ equal }) => !equal)
    .map(
      (row) =>
        `${row.device} ${row.ours.map((mib) => mib.toFixed(1)).join('/')}, printed ${row.theirs.join('/')}`,
    );
  return `--simulate of ${name}: ${error ?? off.join('; ')}`;
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
    `| largest image, by the formulas (${new Set(facts.peaks.map(({ type }) => type)).size} projector types) | 3 % | ${facts.peaks.filter((peak) => !peakFault(peak)).length} of ${facts.peaks.length} |`,
    `| \`plan --simulate\` beside \`llama-fit-params\` | equal to the MiB | ${facts.simulations.filter((each) => !simulationFault(each)).length} of ${facts.simulations.length} |`,
    '',
    `One layout by the engine takes ${median(times).toFixed(2)} s (median; ${Math.min(...times).toFixed(2)}-${Math.max(...times).toFixed(2)}) with one run per core.`,
    '',
    ...peakSection(facts),
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

function peakSection({ peaks }) {
  const had = peaks.filter(({ error }) => error === null);
  const seconds = had.map(({ seconds: each }) => each);
  return [
    '## The largest image',
    '',
    'Compute buffer of the encoder, MiB: what is held at load, and at the largest image by the formulas and',
    `as llama-server makes it for one (a few blocks of the encoder on a stand-in; ${median(seconds).toFixed(1)} s each, median).`,
    '',
    '| projector | model | encoded at once | at load | formulas | engine | difference | host |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...peaks.map(peakLine),
    '',
  ];
}

function peakLine(peak) {
  const { model, type, pictures, load, ours, theirs, error } = peak;
  const { width, height } = pictures.size;
  const tiles = pictures.count === 1 ? '' : `${pictures.count} x `;
  const start = `| ${type} | ${model} | ${tiles}${width} x ${height} | ${load.toFixed(2)} |`;
  if (error !== null) return `${start} - | - | ${error} | - |`;
  const off = `${(peakOff(peak) * 100).toFixed(2)} %`;
  const host = `${ours.host.toFixed(2)}/${theirs.host.toFixed(2)}`;
  return `${start} ${ours.device.toFixed(2)} | ${theirs.device.toFixed(2)} | ${off} | ${host} |`;
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
