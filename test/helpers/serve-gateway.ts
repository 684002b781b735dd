import { performance } from 'node:perf_hooks';
import { onTestFinished } from 'vitest';
import { connectEngine } from '../../src/serve/engine-target.ts';
import {
  createGateway,
  type Gateway,
  type GatewayOptions,
} from '../../src/serve/gateway/gateway.ts';
import { fixedKeys } from '../../src/serve/gateway/key-file.ts';
import { DEFAULT_QUARANTINE, Quarantine } from '../../src/serve/quarantine.ts';
import type { EngineSource } from '../../src/serve/seams.ts';
import { plainPrompts } from './serve-prompts.ts';
import { fakeEngine, supervise, type Supervised } from './serve-supervisor.ts';

export type RunningGateway = {
  readonly url: string;
  readonly gateway: Gateway;
};

/** A gateway on a free port, closed when the test ends. Images have no rule unless `options` says. */
export async function openGateway(
  engine: EngineSource,
  options: Partial<GatewayOptions> = {},
): Promise<RunningGateway> {
  const gateway = createGateway({
    engine,
    keys: fixedKeys([]),
    corsOrigins: [],
    imageEngine: null,
    maxBodyBytes: 1024 * 1024,
    observation: null,
    prompts: plainPrompts(),
    ...options,
  });
  const port = await gateway.listen('127.0.0.1', 0);
  onTestFinished(() => gateway.close());
  return { url: `http://127.0.0.1:${port}`, gateway };
}

/** A gateway in front of a supervised fake that is ready. */
export async function serveFake(
  name: string,
  options: Partial<GatewayOptions> = {},
): Promise<RunningGateway & Supervised> {
  const quarantine = new Quarantine(DEFAULT_QUARANTINE, () => performance.now());
  const supervised = supervise(
    fakeEngine(name),
    {},
    {
      onPhase: (phase) => {
        supervised.phases.push(phase);
        if (phase.kind === 'crashed') quarantine.crashed();
      },
    },
  );
  await supervised.supervisor.start();
  const prompts = plainPrompts({ quarantine });
  return { ...supervised, ...(await openGateway(supervised.supervisor, { prompts, ...options })) };
}

/** An engine source with nobody behind it, or with a port on which nobody listens. */
export function deadEngine(ready: boolean): EngineSource {
  const engine = ready ? connectEngine({ kind: 'port', port: 1 }) : null;
  return {
    engine,
    life: 1,
    retryAfterSeconds: 42,
    whenReady: () =>
      engine === null ? Promise.reject(new Error('nobody is there')) : Promise.resolve(engine),
    requestCompleted: () => undefined,
  };
}

export function chatBody(extra: Readonly<Record<string, unknown>> = {}) {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [{ role: 'user', content: 'hi' }], ...extra }),
  };
}
