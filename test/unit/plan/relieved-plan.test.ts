import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { NO_WISHES } from '../../../src/match/types.ts';
import { NO_RELIEF, type Relief } from '../../../src/serve/relief.ts';
import { relievedPlan, reliefOptions } from '../../../src/workflows/engine-relief.ts';
import { loadModel } from '../../../src/workflows/model.ts';
import { planWorkflow, type PlanRequest } from '../../../src/workflows/plan.ts';
import { serveContext } from '../../helpers/serve-context.ts';

const engine = { path: '/opt/llama-server', build: 11669 };
const flags = ['--no-mmproj-offload', '--image-max-tokens'];
const request: PlanRequest = {
  model: { name: 'qwen2.5-vl-7b', mmproj: null, profilesDir: null },
  machine: { gpus: ['24GiB'], machineFile: null, profilesDir: null },
  wishes: { ...NO_WISHES, slots: 4 },
  requirements: [],
  engine: 'llama.cpp',
};

async function setUp() {
  const { ctx, notices } = serveContext();
  const planned = await planWorkflow(request, ctx);
  const { source } = await loadModel(request.model, ctx);
  const ranOut = async (plan: typeof planned, relief: Relief) => {
    const options = await reliefOptions(plan, source.model, { ...engine, flags }, ctx);
    await options.remember(relief);
  };
  return { ctx, notices, planned, source, ranOut };
}

test('without a lack of memory the plan is as it was', async () => {
  const { ctx, planned } = await setUp();
  expect(await relievedPlan(request, planned, engine, ctx)).toEqual({ plan: planned, caveats: [] });
});

test('what had to be given up is planned without, and nothing else changes', async () => {
  const { ctx, planned, ranOut } = await setUp();
  await ranOut(planned, { encoderOnCpu: true, imageMaxTokens: 1024, slots: 2 });
  const { plan, caveats } = await relievedPlan(request, planned, engine, ctx);
  expect(plan.engine?.args).toContain('--no-mmproj-offload');
  expect(plan.settings).toMatchObject({
    imageMaxTokens: 1024,
    slots: 2,
    contextPerSlot: planned.settings?.contextPerSlot,
    quant: planned.settings?.quant,
    gpuLayers: planned.settings?.gpuLayers,
  });
  expect(caveats).toHaveLength(1);
  expect(caveats[0]).toMatch(
    /ran out of memory here on \d{4}-\d\d-\d\d: it is started with --no-mmproj-offload, --image-max-tokens 1024, --parallel 2 \(delete `\/.*\.json` to plan afresh\)/,
  );
});

test('the plan made with less can run out as well; both are heeded', async () => {
  const { ctx, planned, ranOut } = await setUp();
  await ranOut(planned, { ...NO_RELIEF, encoderOnCpu: true });
  const once = await relievedPlan(request, planned, engine, ctx);
  await ranOut(once.plan, { ...NO_RELIEF, slots: 1 });
  const { plan, caveats } = await relievedPlan(request, planned, engine, ctx);
  expect(plan.settings?.slots).toBe(1);
  expect(plan.engine?.args).toContain('--no-mmproj-offload');
  expect(caveats).toHaveLength(2);
});

test('other settings, another build and a deleted file know nothing of it', async () => {
  const { ctx, planned, ranOut } = await setUp();
  await ranOut(planned, { ...NO_RELIEF, slots: 1 });
  const smaller = { ...request, wishes: { ...request.wishes, contextPerSlot: 2048 } };
  const other = await planWorkflow(smaller, ctx);
  expect((await relievedPlan(smaller, other, engine, ctx)).caveats).toEqual([]);
  const newer = { ...engine, build: 99_999 };
  expect((await relievedPlan(request, planned, newer, ctx)).caveats).toEqual([]);
  const folder = join(ctx.folders.state, 'reliefs');
  expect(readdirSync(folder)).toHaveLength(1);
  rmSync(folder, { recursive: true });
  expect((await relievedPlan(request, planned, engine, ctx)).plan).toEqual(planned);
});

test('a server of the same plan starts with it at once, and says so', async () => {
  const { ctx, notices, planned, source, ranOut } = await setUp();
  await ranOut(planned, { ...NO_RELIEF, imageMaxTokens: 2048 });
  const options = await reliefOptions(planned, source.model, { ...engine, flags }, ctx);
  expect(options.initial).toEqual({ ...NO_RELIEF, imageMaxTokens: 2048 });
  expect(notices.at(-1)).toMatch(/^warning: llama-server ran out of memory here/);
  expect(options.scope.imageTokens?.least).toBeGreaterThan(0);
});
