import type { ProgressState } from '../workflows/context.ts';
import { GIB, MIB } from '../units.ts';
import type { Io } from './io.ts';

const FIRST_AFTER_MS = 500;
const REDRAW_MS = 100;
const PLAIN_EVERY_MS = 10_000;

/**
 * One line of progress on stderr: redrawn in place on a TTY once the work has taken half a second,
 * otherwise a plain line every ten seconds. `null` ends it and clears the line.
 */
export function progressLine(io: Io): (state: ProgressState | null) => void {
  let startedAt: number | null = null;
  let lastAt = 0;
  let drawn = false;
  return (state) => {
    if (state === null) {
      if (drawn && io.stderrIsTty) io.stderr('\r\u001b[K');
      startedAt = null;
      drawn = false;
      return;
    }
    const now = io.now().getTime();
    startedAt ??= now;
    const every = io.stderrIsTty ? REDRAW_MS : PLAIN_EVERY_MS;
    const wait = io.stderrIsTty ? FIRST_AFTER_MS : PLAIN_EVERY_MS;
    if (now - startedAt < wait || now - lastAt < every) return;
    lastAt = now;
    drawn = true;
    const text = describe(state, (now - startedAt) / 1000);
    io.stderr(io.stderrIsTty ? `\r\u001b[K${text.slice(0, io.columns - 1)}` : `${text}\n`);
  };
}

/** `downloading  12.4 of 98.0 MiB  (13 %, 4.2 MiB/s)`. */
function describe(state: ProgressState, seconds: number): string {
  const { done, total, unit, label } = state;
  const amount =
    total === null ? quantity(done, unit) : `${quantity(done, unit)} of ${quantity(total, unit)}`;
  const share = total === null || total === 0 ? null : `${Math.floor((100 * done) / total)} %`;
  const rate = seconds > 0 && unit !== 'steps' ? `${quantity(done / seconds, unit)}/s` : null;
  const notes = [share, rate].filter((note) => note !== null);
  return `${label}  ${amount}${notes.length > 0 ? `  (${notes.join(', ')})` : ''}`;
}

function quantity(value: number, unit: ProgressState['unit']): string {
  if (unit !== 'bytes') return `${Math.round(value)} ${unit}`;
  return value >= GIB ? `${(value / GIB).toFixed(2)} GiB` : `${(value / MIB).toFixed(1)} MiB`;
}
