import { MIB } from '../../units.ts';
import type { Deployment } from '../types.ts';
import { DRAIN_SECONDS } from './stop-times.ts';

/** Prepared media that pass to the engine in files in memory: the most that `serve/media-store` puts there. */
export const GATEWAY_MEDIA_BYTES = 256 * MIB;

/**
 * What the gateway itself takes at its worst, when it is sent many broken bodies at once (docs/reliability.md,
 * `malformed`), and what passes through memory on its way to the engine.
 */
export const GATEWAY_BYTES = 600 * MIB + GATEWAY_MEDIA_BYTES;

export type GatewayPlace = {
  /** Where it finds its plan and the engine. */
  readonly plan: string;
  readonly llamaServer: string;
  readonly host: string;
  readonly port: number;
};

/** The arguments of `mmdeploy` wherever something limits its memory and ends it. */
export function gatewayArgs({ memory }: Deployment, place: GatewayPlace): string[] {
  return [
    ...['serve', '--plan', place.plan, '--llama-server', place.llamaServer],
    ...['--host', place.host, '--port', String(place.port)],
    // Stated because the memory limit counts on it: left alone, it goes by what the host has free.
    ...['--slot-cache', `${memory.slotCacheMib}MiB`],
    // Stated because what ends it waits for that.
    ...['--drain', `${DRAIN_SECONDS}s`],
  ];
}
