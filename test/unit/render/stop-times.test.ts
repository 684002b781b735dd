import { expect, it } from 'vitest';
import { DEFAULT_STOP_TIMINGS } from '../../../src/serve/supervisor/stop-process.ts';
import { planFor, rendered } from '../../helpers/deployments.ts';

const TARGETS = ['compose', 'systemd', 'quadlet', 'kubernetes'] as const;
const KEYS =
  /(?:stop_grace_period: |StopTimeout=|TimeoutStopSec=|terminationGracePeriodSeconds: )(\d+)/g;

it('no target kills a gateway that lets its requests end, nor its engine', async () => {
  const plan = await planFor({ model: 'llava-1.5-7b', gpus: ['none'] });
  const { files } = await rendered(plan, TARGETS, { shape: 'gateway' });
  const { politeMs, killMs } = DEFAULT_STOP_TIMINGS;
  const times = files
    .filter(({ reader }) => TARGETS.some((each) => each === reader))
    .flatMap(({ text }) => [...text.matchAll(KEYS)].map(([, seconds]) => Number(seconds)));
  expect(times).toHaveLength(5);
  const drained = files.flatMap(({ text }) => /--drain["\s\-]+(\d+)s/.exec(text)?.[1] ?? []);
  expect(drained).toEqual(['30', '30', '30', '30']);
  expect(Math.min(...times)).toBeGreaterThan(30 + (politeMs + killMs) / 1000);
});

it('Kubernetes waits for its own pause as well', async () => {
  const plan = await planFor({ model: 'llava-1.5-7b', gpus: ['none'] });
  const { files } = await rendered(plan, ['kubernetes', 'compose'], { shape: 'gateway' });
  const text = (reader: string) => files.find((file) => file.reader === reader)?.text ?? '';
  const grace = Number(/stop_grace_period: (\d+)s/.exec(text('compose'))?.[1]);
  const pod = text('kubernetes');
  const pause = Number(/- sleep\n\s+- "(\d+)"/.exec(pod)?.[1]);
  const podGrace = Number(/terminationGracePeriodSeconds: (\d+)/.exec(pod)?.[1]);
  expect(podGrace).toBe(grace + pause);
});
