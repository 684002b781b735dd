import type { Deployment, FlagRange, Refusal } from '../types.ts';

/** Flags of a command line that a build has not for certain, and those of which that is not known. */
export type Missing = {
  readonly lacks: readonly FlagRange[];
  readonly unsure: readonly FlagRange[];
};

/** What `build` does not have of the flags in `args`. */
export function missingIn(
  build: number,
  args: readonly string[],
  known: readonly FlagRange[],
): Missing {
  const used = known.filter(({ flag }) => args.includes(flag));
  const lacks = used.filter(
    ({ since, until }) => build < (since ?? 0) || build > (until ?? Infinity),
  );
  const unsure = used.filter((range) => build < (range.seenIn ?? 0) && !lacks.includes(range));
  return { lacks, unsure };
}

/** The newest engine that was found on the machine of the plan: what starts there. Null: none is known. */
function buildFound({ plan, engine }: Pick<Deployment, 'plan' | 'engine'>): number | null {
  if (engine !== 'llama.cpp') return null;
  const builds = plan.machine.engines.flatMap((found) => found.build ?? []);
  return builds.length === 0 ? null : Math.max(...builds);
}

/** The engine on the machine itself has not what the command line needs: an image has. */
export function tooOldHere(deployment: Deployment, args: readonly string[]): Refusal | null {
  const build = buildFound(deployment);
  if (build === null) return null;
  const [flag] = missingIn(build, args, deployment.release.flags).lacks;
  if (flag === undefined) return null;
  const when =
    flag.since !== undefined && build < flag.since
      ? `it came with build ${flag.since}`
      : `build ${flag.until ?? ''} was the last`;
  return {
    reason: `the llama-server here (build ${build}) has no \`${flag.flag}\`: ${when}`,
    instead: ['compose', 'quadlet', 'kubernetes'],
  };
}

/** `llama.cpp 0.7.0 (build 11669)`: the release that a file is written for. */
export function releaseName({ engine, release }: Deployment): string {
  const count = release.build === null ? '' : ` (build ${release.build})`;
  return `${engine === 'vllm' ? 'vLLM' : engine} ${release.version}${count}`;
}

/** What an older llama-server on the machine may not have; null: nothing is in doubt. */
export function doubtHere(deployment: Deployment, args: readonly string[]): string | null {
  const build = buildFound(deployment);
  if (build === null) return null;
  const { unsure } = missingIn(build, args, deployment.release.flags);
  if (unsure.length === 0) return null;
  const flags = unsure.map(({ flag }) => flag).join(', ');
  return `The llama-server found here is build ${build}: its --help says whether it has ${flags}.`;
}
