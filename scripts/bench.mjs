// What the benchmark scripts share: runs commands in turn and sums up their wall times.
import { spawnSync } from 'node:child_process';
import { performance } from 'node:perf_hooks';

/** Wall times in ms of `runs` runs of each command, A B A B …, after one warm-up round. */
export function alternate(commands, runs) {
  const times = commands.map(() => []);
  for (let round = -1; round < runs; round++) {
    commands.forEach(([file, args, options = {}], index) => {
      const start = performance.now();
      const { status, error, stderr } = spawnSync(file, args, { encoding: 'utf8', ...options });
      const took = performance.now() - start;
      if (error || status !== 0) {
        throw new Error(
          `${file} ${args.join(' ')}: ${error?.message ?? `exit ${status}: ${stderr}`}`,
        );
      }
      if (round >= 0) times[index].push(took);
    });
  }
  return times;
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function spread(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `median ${median(values).toFixed(0)} ms (${low.toFixed(0)}-${high.toFixed(0)}, n = ${values.length})`;
}
