/**
 * The life of a supervised engine in six words. `draining` is a ready engine that finishes what it has:
 * a crash is not made good any more. `failed` means that the supervisor gave up: only a new `start`
 * leaves it. A crash leads to `stopped`; whether it is started again is the restart policy's decision,
 * not this machine's. An engine that was unloaded because nobody asked is `stopped` as well.
 */
export const ENGINE_STATES = [
  'stopped',
  'starting',
  'ready',
  'draining',
  'stopping',
  'failed',
] as const;
export type EngineState = (typeof ENGINE_STATES)[number];

/** `exited` is the end of the process for whatever reason; `gave-up` is the circuit breaker. */
export const ENGINE_EVENTS = ['start', 'healthy', 'drain', 'exited', 'stop', 'gave-up'] as const;
export type EngineEvent = (typeof ENGINE_EVENTS)[number];

const TRANSITIONS: Readonly<Record<EngineState, Partial<Record<EngineEvent, EngineState>>>> = {
  stopped: { start: 'starting', stop: 'stopped', 'gave-up': 'failed' },
  starting: { healthy: 'ready', exited: 'stopped', stop: 'stopping' },
  ready: { drain: 'draining', exited: 'stopped', stop: 'stopping' },
  draining: { drain: 'draining', exited: 'stopped', stop: 'stopping' },
  stopping: { exited: 'stopped', stop: 'stopping' },
  failed: { start: 'starting', stop: 'failed' },
};

/** The state after `event`, or null when the event has no meaning in this state. */
export function nextState(state: EngineState, event: EngineEvent): EngineState | null {
  return TRANSITIONS[state][event] ?? null;
}
