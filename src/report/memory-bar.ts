import type { DeviceMemory, Part } from '../contracts/plan.ts';
import { roomBytes, usableBytes } from '../match/verdict.ts';
import { gib } from '../plan/wording.ts';
import { sum } from '../units.ts';

/** What a letter of the bar stands for; letters, because colour alone would say nothing in a pipe. */
const LETTERS: readonly (readonly [Part, string, string])[] = [
  ['weights', 'W', 'weights'],
  ['kv-cache', 'K', 'KV cache'],
  ['compute', 'C', 'compute'],
  ['encoder-weights', 'E', 'encoder'],
  ['encoder-compute', 'e', 'encoder compute'],
  ['runtime', 'R', 'runtime'],
];
/** Encoder buffers grow beyond what is there at load when the largest image comes. */
const GROWTH = ['i', 'largest image'] as const;
const FREE = '.';
const MOST_CELLS = 60;
const LEAST_CELLS = 10;

/**
 * One bar for each device whose size is known, `columns` wide in all: what fills it at its peak and what
 * is left, then a legend of the letters that occur. A part that is there has at least one letter.
 */
export function memoryBars(devices: readonly DeviceMemory[], columns: number): string[] {
  const sized = devices.filter((device) => (usableBytes(device) ?? 0) > 0);
  if (sized.length === 0) return [];
  const labels = sized.map(({ id }) => id);
  const ends = sized.map(ending);
  const label = Math.max(...labels.map((each) => each.length));
  const end = Math.max(...ends.map((each) => each.length));
  const cells = Math.min(MOST_CELLS, Math.max(LEAST_CELLS, columns - label - end - 4));
  const bars = sized.map((device) => bar(device, cells));
  const lines = bars.map(
    (each, index) => `${labels[index]?.padEnd(label) ?? ''} [${each}] ${ends[index] ?? ''}`,
  );
  const used = new Set(bars.join(''));
  const names = [...LETTERS.map(([, letter, name]) => [letter, name] as const), GROWTH];
  const legend = names.filter(([letter]) => used.has(letter)).map(([l, name]) => `${l} ${name}`);
  return [...lines, `${' '.repeat(label)}  ${[...legend, `${FREE} left`].join('  ')}`];
}

function ending(device: DeviceMemory): string {
  const usable = usableBytes(device) ?? 0;
  const room = roomBytes(device);
  return room < 0
    ? `${gib(device.peakBytes)} of ${gib(usable)}: ${gib(-room)} short`
    : `${gib(device.peakBytes)} of ${gib(usable)}`;
}

function bar(device: DeviceMemory, cells: number): string {
  const parts = [
    ...LETTERS.map(([part, letter]) => ({
      letter,
      bytes: sum(device.items.filter((item) => item.part === part).map(({ bytes }) => bytes)),
    })),
    { letter: GROWTH[0], bytes: device.peakBytes - device.afterLoadBytes },
  ].filter(({ bytes }) => bytes > 0);
  const whole = Math.max(usableBytes(device) ?? 0, device.peakBytes);
  const drawn = parts.map(({ letter, bytes }) =>
    letter.repeat(Math.max(1, Math.round((bytes / whole) * cells))),
  );
  return drawn.join('').slice(0, cells).padEnd(cells, FREE);
}
