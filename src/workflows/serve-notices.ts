import { reliefFlags } from '../serve/relief.ts';
import type { RequestLog } from '../serve/observe/log.ts';
import type { SupervisorPhase } from '../serve/supervisor/options.ts';

const NO_LOG = 'no log: its file cannot be written (`--engine-log FILE` names another)';

/**
 * One line for each turn of the engine's life. The first start's `ready` line is printed with the URL by
 * whoever asked for it.
 */
export function phaseNotices(notice: (line: string) => void): (phase: SupervisorPhase) => void {
  let again = false;
  return (phase) => {
    switch (phase.kind) {
      case 'loading':
        notice(`loading   ${phase.logFile === null ? NO_LOG : `log: ${phase.logFile}`}`);
        return;
      case 'ready':
        if (again) notice(`ready     again in ${seconds(phase.tookMs)} s`);
        again = true;
        return;
      case 'crashed':
        notice(`crashed   ${phase.reason}: ${nextAfter(phase.restartInMs)}`);
        return;
      case 'relieved':
        notice(`memory    it ran out: started with ${reliefFlags(phase.relief)} from now on`);
        return;
      case 'asleep':
        notice(
          `asleep    no request for ${seconds(phase.afterMs)} s: the next one starts the engine`,
        );
    }
  };
}

/** The same turns for the log, where whoever looks into last night's trouble finds them. */
export function phaseLog(log: RequestLog['event']): (phase: SupervisorPhase) => void {
  return (phase) => {
    switch (phase.kind) {
      case 'crashed':
        log('error', { reason: phase.reason, restartInMs: phase.restartInMs }, 'engine crashed');
        return;
      case 'relieved':
        log('error', { startedWith: reliefFlags(phase.relief) }, 'engine needs less memory');
        return;
      case 'ready':
        log('info', { tookMs: Math.round(phase.tookMs) }, 'engine ready');
        return;
      case 'asleep':
        log('info', { afterMs: phase.afterMs }, 'engine unloaded');
        return;
      case 'loading':
    }
  };
}

function nextAfter(restartInMs: number | null): string {
  return restartInMs === null ? 'giving up' : `restart in ${seconds(restartInMs)} s`;
}

/** Seconds with one decimal. */
export function seconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}
