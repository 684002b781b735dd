import type { Verification } from '../contracts/plan.ts';
import { gib } from '../plan/wording.ts';
import { MIB } from '../units.ts';
import type { View } from './palette.ts';
import { textTable } from './text-table.ts';

/** What a real load took beside what was planned, by part and device. */
export function verificationText(found: Verification, view: View): string {
  const rows = found.devices.flatMap(({ id, parts }) =>
    parts.map(({ part, plannedBytes, measuredBytes }) => [
      `${id} ${part}`,
      mib(plannedBytes),
      mib(measuredBytes),
      signed(measuredBytes - plannedBytes),
    ]),
  );
  const driver = found.devices.flatMap(({ id, driverBytes }) =>
    driverBytes === null ? [] : [`${id}: ${gib(driverBytes)} in use by the driver's count`],
  );
  const resident =
    found.residentBytes === null
      ? []
      : [`host: ${gib(found.residentBytes)} resident, mapped files included`];
  return [
    textTable(
      {
        head: ['measured, MiB', 'planned', 'measured', 'difference'],
        rows,
        align: ['left', 'right', 'right', 'right'],
      },
      view.boxes,
    ),
    '',
    ...[...driver, ...resident, `kept in ${found.calibrationFile}`].map(view.palette.dim),
  ].join('\n');
}

const mib = (bytes: number) => (bytes / MIB).toFixed(2);

function signed(bytes: number): string {
  const text = mib(Math.abs(bytes));
  if (text === '0.00') return text;
  return `${bytes > 0 ? '+' : '-'}${text}`;
}
