import { MIB } from '../../units.ts';
import type { Deployment } from '../types.ts';

/**
 * What the gateway itself takes at its worst, when it is sent many broken bodies at once (docs/reliability.md),
 * and what passes through memory on its way to the engine (`serve/media-store`).
 */
export const GATEWAY_BYTES = (600 + 256) * MIB;

export type GatewayPlace = {
  /** Where it finds its plan and the engine. */
  readonly plan: string;
  readonly llamaServer: string;
  readonly host: string;
  readonly port: number;
};

/** The arguments of `mmdeploy` wherever something limits its memory. */
export function gatewayArgs({ memory }: Deployment, place: GatewayPlace): string[] {
  return [
    ...['serve', '--plan', place.plan, '--llama-server', place.llamaServer],
    ...['--host', place.host, '--port', String(place.port)],
    // Stated because the memory limit counts on it: left alone, it goes by what the host has free.
    ...['--slot-cache', `${memory.slotCacheMib}MiB`],
  ];
}
