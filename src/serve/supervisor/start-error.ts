import { MmdeployError } from '../../errors.ts';
import type { EngineProcess } from './engine-process.ts';
import type { Readiness } from './readiness.ts';
import { classifyStartFailure } from './start-failure.ts';

const TAIL_LINES = 20;

/** What a start that came to nothing is reported as, once the process is gone. */
export async function startError(
  engine: EngineProcess,
  readiness: Readiness,
  readyTimeoutMs: number,
): Promise<MmdeployError> {
  const end = await engine.exited;
  if (readiness === 'aborted') return interrupted('stopped while the engine was loading');
  const details = logTail(engine);
  if (readiness === 'silent') {
    const seconds = Math.round(readyTimeoutMs / 1000);
    return new MmdeployError(
      'engine.start',
      `llama-server did not become ready and printed nothing for ${seconds} s`,
      {
        details,
        hints: ['if the disk is just slow, allow more: `mmdeploy serve … --ready-timeout 600s`'],
      },
    );
  }
  const { reason, hints } = classifyStartFailure(engine.log.tail(Infinity), end);
  return new MmdeployError('engine.start', `llama-server did not start: ${reason}`, {
    details,
    hints,
  });
}

/** The circuit breaker's words. */
export function crashLoop(
  crashes: number,
  reason: string,
  engine: EngineProcess | null,
): MmdeployError {
  const message = `llama-server crashed ${crashes} times in a row without answering a request; last: ${reason}`;
  return new MmdeployError('engine.crashed', message, {
    details: engine === null ? [] : logTail(engine),
  });
}

export function interrupted(message: string): MmdeployError {
  return new MmdeployError('interrupted', message);
}

function logTail({ log }: EngineProcess): readonly string[] {
  return [
    log.path === null ? "the engine's last lines:" : `last lines of ${log.path}:`,
    ...log.tail(TAIL_LINES),
  ];
}
