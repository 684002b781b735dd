import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import type { DeploymentPlan } from '../../src/contracts/plan.ts';
import { hostArgs } from '../../src/render/parts/host.ts';
import { routerPreset } from '../../src/validators/router.ts';
import { MACHINES, planFor, rendered } from '../helpers/deployments.ts';
import { nastyPlan } from '../helpers/nasty-names.ts';
import { temporaryFolder } from '../helpers/serve-supervisor.ts';
import { made, validatorContext } from '../helpers/validators.ts';

/** What the router itself decides: where each engine listens, and how its log looks. */
const ROUTERS = ['--host', '--port', '--log-colors'];

/** Flags with their values: the router puts them into an order of its own. */
function flags(args: readonly string[]): Record<string, string> {
  const pairs = args.flatMap((arg, index) => {
    const next = args[index + 1];
    if (!arg.startsWith('--') || ROUTERS.includes(arg)) return [];
    return [[arg, next === undefined || next.startsWith('--') ? '' : next]];
  });
  return Object.fromEntries(pairs) as Record<string, string>;
}

/** What a real router makes of the preset, and what the plan wants. */
async function resolved(plan: DeploymentPlan) {
  const { text, deployment } = await rendered(plan, ['models-ini']);
  const file = join(temporaryFolder(), 'models.ini');
  writeFileSync(file, text('models.ini'));
  const { models, ...report } = await routerPreset(file, validatorContext());
  const [[name, args] = ['', []]] = Object.entries(models);
  return { report: made(report), name, found: flags(args), wanted: flags(hostArgs(deployment)) };
}

describe.skipIf(inject('llamaServer') === null)('the router on our preset', () => {
  it.each(Object.entries(MACHINES))('starts the planned engine: %s', async (_, gpus) => {
    const { report, name, found, wanted } = await resolved(
      // Switches, and one that says no.
      await planFor({
        model: 'qwen2.5-vl-7b',
        gpus,
        wishes: gpus[0] === 'none' ? {} : { unifiedKv: true, encoderOnCpu: true },
      }),
    );
    expect(report).toMatchObject({ ok: true, findings: [] });
    expect(name).toBe('qwen2.5-vl-7b');
    expect(found).toEqual(wanted);
  });

  it('reads what was meant, whatever else is in the names', async () => {
    const { report, found, wanted } = await resolved(await nastyPlan('#;:]'));
    expect(report.findings).toEqual([]);
    expect(found).toEqual(wanted);
  });
});
