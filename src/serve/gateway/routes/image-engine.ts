import { MmdeployError } from '../../../errors.ts';

/** OpenAI's path, here and at the image server. */
export const IMAGES_PATH = '/v1/images/generations';

/**
 * The address of `--image-engine`: an image server that speaks OpenAI's interface, named with or without
 * `/v1`. Throws `usage.invalid` for what is no http address.
 */
export function imageEngineUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && /^https?:$/.test(url.protocol)) {
    const folder = url.pathname.replace(/\/+$/, '').replace(/\/v1$/, '');
    return new URL(`${folder}${IMAGES_PATH}`, url);
  }
  throw new MmdeployError('usage.invalid', `\`--image-engine ${text}\` is no http address`, {
    hints: ['name an image server: `mmdeploy serve … --image-engine http://127.0.0.1:8188`'],
  });
}
