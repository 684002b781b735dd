import type { Candidate, Survey } from '../contracts/plan.ts';
import { roomBytes } from '../match/verdict.ts';
import { gib } from '../plan/wording.ts';
import type { View } from './palette.ts';
import { machineLine } from './plan.ts';
import { textTable } from './text-table.ts';

/** Every profile in one table, best first. */
export function surveyText(survey: Survey, view: View): string {
  const table = textTable(
    {
      head: ['model', 'verdict', 'quant', 'context', 'slots', 'peak', 'left', 'engine'],
      align: ['left', 'left', 'left', 'right', 'right', 'right', 'right', 'left'],
      rows: survey.candidates.map(row),
    },
    view.boxes,
  );
  if (view.quiet) return table;
  return [
    `${view.palette.bold('Machine'.padEnd(9))} ${machineLine(survey.machine)}`,
    '',
    table,
    '',
    'next: `mmdeploy plan MODEL --explain` shows how each number was reached',
  ].join('\n');
}

function row(candidate: Candidate): string[] {
  const { settings, memory } = candidate;
  const devices = memory.devices.filter(({ id }) => id !== 'host');
  const counted = devices.length > 0 ? devices : memory.devices;
  const peak = counted.reduce((total, device) => total + device.peakBytes, 0);
  const least = Math.min(...counted.map(roomBytes));
  return [
    candidate.model.id,
    candidate.verdict,
    settings?.quant ?? '-',
    settings === null ? '-' : String(settings.contextPerSlot),
    settings === null ? '-' : String(settings.slots),
    counted.length === 0 ? '-' : gib(peak),
    Number.isFinite(least) ? gib(least) : '-',
    candidate.engine?.name ?? 'api',
  ];
}
