import { expect, test } from 'vitest';
import { ENGINE_EVENTS, ENGINE_STATES, nextState } from '../../../src/serve/state.ts';

test('the whole table, so that no transition appears or vanishes by accident', () => {
  const table = Object.fromEntries(
    ENGINE_STATES.map((state) => [
      state,
      ENGINE_EVENTS.map((event) => `${event}: ${nextState(state, event) ?? '-'}`).join(', '),
    ]),
  );
  expect(table).toEqual({
    stopped: 'start: starting, healthy: -, drain: -, exited: -, stop: stopped, gave-up: failed',
    starting: 'start: -, healthy: ready, drain: -, exited: stopped, stop: stopping, gave-up: -',
    ready: 'start: -, healthy: -, drain: draining, exited: stopped, stop: stopping, gave-up: -',
    draining: 'start: -, healthy: -, drain: draining, exited: stopped, stop: stopping, gave-up: -',
    stopping: 'start: -, healthy: -, drain: -, exited: stopped, stop: stopping, gave-up: -',
    failed: 'start: starting, healthy: -, drain: -, exited: -, stop: failed, gave-up: -',
  });
});
