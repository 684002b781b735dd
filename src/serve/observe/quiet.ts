import type { Observer } from '../seams.ts';

/** Counts nothing; troubles are lines for `--verbose`. */
export function quietObserver(trace: (line: string) => void): Observer {
  const nothing = () => undefined;
  return {
    stage: nothing,
    media: nothing,
    encoded: nothing,
    mediaBytes: nothing,
    trouble: (what) => trace(`trouble: ${what}`),
  };
}
