import { onTestFinished } from 'vitest';
import { connectEngine } from '../../src/serve/engine-target.ts';
import {
  createGateway,
  type Gateway,
  type GatewayOptions,
  type PromptOptions,
} from '../../src/serve/gateway/gateway.ts';
import { fixedKeys } from '../../src/serve/gateway/key-file.ts';
import type { EngineSource } from '../../src/serve/seams.ts';
import { readyEngine } from '../../src/serve/gateway/engine-call.ts';
import { GatewayError } from '../../src/serve/gateway/errors.ts';
import { quietObserver } from '../../src/serve/observe/quiet.ts';
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
    prompts: plainPrompts(engine),
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
  const supervised = supervise(fakeEngine(name));
  await supervised.supervisor.start();
  return { ...supervised, ...(await openGateway(supervised.supervisor, options)) };
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

/** No media, no checks, one slot that is never full: the gateway alone. */
function plainPrompts(source: EngineSource): PromptOptions {
  const observer = quietObserver(() => undefined);
  const nothing = () => undefined;
  const turn = { slot: 0, held: 0, media: 'none', queuedMs: 0, encodeMs: null } as const;
  return {
    preparer: {
      prepare: (parts) => {
        if (parts.length === 0) return Promise.resolve([]);
        return Promise.reject(new GatewayError(400, 'invalid_media', 'no media here'));
      },
    },
    witness: { check: () => Promise.resolve(true) },
    turns: {
      take: () => {
        readyEngine(source);
        return Promise.resolve({ ...turn, begun: nothing, end: nothing });
      },
    },
    observer,
    imageOrder: 'as-sent',
  };
}
