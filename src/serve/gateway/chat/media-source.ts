import type { MediaPart } from '../../seams.ts';
import { GatewayError } from '../errors.ts';

/**
 * A data URI, a web address, or bare base64 where the interface has it. Local files are never read
 * for a client: `file://` under the media path is how the gateway itself speaks to the engine.
 */
export function readSource(
  text: string,
  place: string,
  bare: 'base64' | 'address',
): MediaPart['source'] {
  const head = text.slice(0, 256);
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(head)?.[1]?.toLowerCase();
  if (scheme === 'data') {
    const comma = text.indexOf(',');
    if (comma === -1 || !/;base64$/i.test(text.slice(0, comma))) {
      const message = `\`${place}\` is a data URI without base64: send \`data:TYPE;base64,…\``;
      throw new GatewayError(400, 'invalid_media', message);
    }
    return { kind: 'base64', text: text.slice(comma + 1) };
  }
  if (scheme === 'http' || scheme === 'https') return { kind: 'remote', url: text };
  if (scheme === undefined && bare === 'base64') {
    return { kind: 'base64', text };
  }
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  throw new GatewayError(
    400,
    'invalid_media',
    `\`${place}\` is \`${shown}\`: media are sent as a data URI (\`data:image/png;base64,…\`)`,
  );
}
