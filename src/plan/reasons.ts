import type { DeviceMemory } from '../contracts/plan.ts';
import type { Change } from '../match/changes.ts';
import { imageTokensOf } from '../match/launch.ts';
import type { Evaluated } from '../match/types.ts';
import { roomBytes, usableBytes } from '../match/verdict.ts';
import { gib } from './wording.ts';

/** Why the verdict is what it is, and what would better it; the first sentence is the verdict's own. */
export function reasonsFor(chosen: Evaluated, changes: readonly Change[]): string[] {
  if (chosen.fault !== null) return [chosen.fault];
  if (chosen.verdict === 'no') {
    return [...shortages(chosen), ...changes.map(changeSentence)];
  }
  return [...comfort(chosen, changes), ...chosen.notes];
}

function comfort(chosen: Evaluated, changes: readonly Change[]): string[] {
  if (chosen.verdict === 'offload') {
    return [offloadSentence(chosen), ...changes.map(changeSentence)];
  }
  const tightest = tightestDevice(chosen.devices.filter(({ id }) => id !== 'host'));
  if (tightest === null) return [];
  const room = `${gib(roomBytes(tightest))} of ${gib(usableBytes(tightest) ?? 0)} left on ${tightest.id} at the peak`;
  return [chosen.verdict === 'tight' ? `${room}: less than a comfortable margin` : room];
}

function shortages(chosen: Evaluated): string[] {
  return chosen.devices
    .filter((device) => roomBytes(device) < 0)
    .map(
      (device) =>
        `${device.id} (${device.name}) needs ${gib(device.peakBytes)} and has ` +
        `${gib(usableBytes(device) ?? 0)} usable: ${gib(-roomBytes(device))} short${whereShort(chosen, device)}`,
    );
}

/** Whether it is short before any image, or only at the largest one; nothing where an image adds nothing. */
function whereShort(chosen: Evaluated, device: DeviceMemory): string {
  if (device.peakBytes === device.afterLoadBytes) return '';
  const atLoad = device.afterLoadBytes - (usableBytes(device) ?? Infinity);
  if (atLoad > 0) return `, ${gib(atLoad)} of it before the first image: no image cap helps`;
  const open = chosen.settings.imageMaxTokens === null && imageTokensOf(chosen.model)?.adjustable;
  return ` at the largest image${open === true ? '; no cap that holds the images asked for fits' : ''}`;
}

function changeSentence({ flags, result }: Change): string {
  const device = tightestDevice(result.devices);
  const cap = flags.includes('--image-max-tokens') ? null : result.imageCap;
  const images = cap === null ? '' : ` with images of up to ${cap} tokens`;
  const verb =
    result.verdict === 'offload'
      ? 'runs partly on the CPU'
      : result.verdict === 'tight'
        ? 'fits tightly'
        : 'fits';
  return device === null
    ? `\`${flags}\` ${verb}${images}`
    : `\`${flags}\` needs ${gib(device.peakBytes)} on ${device.id} and ${verb}${images}`;
}

function offloadSentence(chosen: Evaluated): string {
  const layers = chosen.model.text?.layers ?? 0;
  const { gpuLayers, cpuMoeLayers = 0 } = chosen.settings;
  const gpus = chosen.devices.filter(({ id }) => id !== 'host');
  if (gpus.length === 0) return 'CPU only: every layer and the encoder run on the CPU';
  const encoder =
    chosen.model.encoder === null
      ? ''
      : chosen.encoderGpu === null
        ? '; the encoder runs on the CPU'
        : '; the encoder runs on the GPU';
  const split =
    gpuLayers > layers
      ? 'all layers run on the GPU'
      : `${gpuLayers} of ${layers + 1} layers fit on the GPU, the rest run on the CPU`;
  const spared = cpuMoeLayers >= layers ? 'all' : `the first ${cpuMoeLayers}`;
  const experts = cpuMoeLayers === 0 ? '' : `; the experts of ${spared} layers stay on the CPU`;
  return `${split}${experts}${encoder}`;
}

function tightestDevice(devices: readonly DeviceMemory[]): DeviceMemory | null {
  return devices.reduce<DeviceMemory | null>(
    (worst, device) => (worst === null || roomBytes(device) < roomBytes(worst) ? device : worst),
    null,
  );
}
