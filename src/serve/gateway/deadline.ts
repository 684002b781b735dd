import type { RequestStage } from '../observe/request-notes.ts';
import { GatewayError } from './errors.ts';

/** The code of every error that says so. */
export const REQUEST_TIMEOUT = 'request_timeout';

/** What a request was waiting for, for the client to be told. */
const DOING: Readonly<Record<RequestStage, string>> = {
  body: 'its body was still being received',
  media: 'its media were being fetched and decoded',
  engine: 'the engine was not ready',
  count: 'the engine was counting its media',
  queue: 'it was waiting for a slot',
  encode: 'its media were being encoded',
  answer: 'the engine was answering',
};

/** The end of a request that took longer than `limitMs` as a whole. */
export function requestTimeout(limitMs: number, stage: RequestStage): GatewayError {
  const message = `the request took longer than ${limitMs / 1000} s (\`--request-timeout\`): ${DOING[stage]}`;
  return new GatewayError(504, REQUEST_TIMEOUT, message);
}
