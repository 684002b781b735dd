import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { writeDemoModel } from '../../src/demo/model.ts';
import { NO_WISHES } from '../../src/match/types.ts';
import { prepareServe } from '../../src/workflows/serve-model.ts';
import { startServing } from '../../src/workflows/start-serving.ts';
import { serveContext, serveRequest } from '../helpers/serve-context.ts';
import { DEMO_MODEL, REAL_ENGINE } from '../helpers/serve-engine.ts';
import { temporaryFolder } from '../helpers/serve-supervisor.ts';

const fixture = (name: string) =>
  fileURLToPath(new URL(`../fixtures/detect/${name}`, import.meta.url));
const INSTANCE = 'MIG-e07a497d-1bb6-5a42-b670-1c33bf55ab6e';

/** An A100 cut in two, and a llama-server that shows it: programs, first on PATH. */
function machineWithMig(): Readonly<Record<string, string>> {
  const folder = temporaryFolder();
  const install = (name: string, script: string) => {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, name), 0o755);
  };
  install(
    'nvidia-smi',
    `case "$1" in
-q) cat '${fixture('mig-a100.nvidia-smi.xml')}' ;;
-L) cat '${fixture('mig-a100.nvidia-smi-list.constructed.txt')}' ;;
esac`,
  );
  install(
    'llama-server',
    `if [ "$1" = --list-devices ]; then
  echo 'Available devices:'
  echo '  CUDA0: NVIDIA A100-SXM4-40GB MIG 3g.20gb (20096 MiB, 20059 MiB free)'
else
  exec '${REAL_ENGINE}' "$@"
fi`,
  );
  const PATH = `${folder}:${process.env['PATH'] ?? ''}`;
  return { PATH, MMDEPLOY_LLAMA_SERVER: join(folder, 'llama-server') };
}

/** What `mmdeploy serve FILE` would start on that machine. */
async function prepared(gpus: readonly string[] = []) {
  const { ctx } = serveContext(machineWithMig());
  const { model, mmproj } = await writeDemoModel(join(ctx.cwd, 'demo'));
  const machine = { gpus, machineFile: null, profilesDir: null };
  const wishes = { ...NO_WISHES, contextPerSlot: 4096, slots: 1 };
  const plan = { model: { name: model, mmproj, profilesDir: null }, machine, wishes };
  const { media, ...listen } = serveRequest('unused');
  const asked = {
    plan: { ...plan, requirements: [], engine: 'auto' as const },
    kind: 'model' as const,
  };
  const files = { llamaServer: null, cacheDir: media.cacheDir, cacheBytes: 1e6 };
  return prepareServe({ what: asked, listen, ...files }, ctx);
}

describe.skipIf(REAL_ENGINE === '' || process.platform !== 'linux')(
  'the cards of a served plan',
  () => {
    test('one of two MIG instances: the engine sees no other', async () => {
      const { plan, request } = await prepared();
      expect(plan.machine.gpus).toHaveLength(2);
      expect(request.engineEnv).toMatchObject({ CUDA_VISIBLE_DEVICES: INSTANCE });
    });

    test('without a card nothing is said of any', async () => {
      const { request } = await prepared(['none']);
      expect(request.engineEnv).toEqual({});
    });
  },
);

test('the engine is started with it', async () => {
  const context = serveContext();
  const request = serveRequest('tells-all', { engineEnv: { CUDA_VISIBLE_DEVICES: INSTANCE } });
  const serving = await startServing(request, context.ctx, { model: DEMO_MODEL });
  await serving.stop();
  const log = readFileSync(join(context.ctx.folders.state, 'engine.log'), 'utf8');
  expect(log).toContain(`"CUDA_VISIBLE_DEVICES":"${INSTANCE}"`);
});
