import { expect, test, vi } from 'vitest';
import { FilmTrial } from '../../../../src/serve/gateway/chat/film-trial.ts';
import type { CountInput } from '../../../../src/serve/gateway/chat/witness.ts';
import { GatewayError } from '../../../../src/serve/gateway/errors.ts';
import type { EngineSource } from '../../../../src/serve/seams.ts';
import { deadEngine } from '../../../helpers/serve-gateway.ts';

const never = new AbortController().signal;

/** An engine that counts the film at so many tokens, and its title at 7. */
const counting = (film: number | null) =>
  vi.fn<CountInput>((_engine, _path, body) =>
    Promise.resolve(JSON.stringify(body).includes('video_url') ? film : 7),
  );

test.each([
  ['counts its frame', 34, true],
  ['wrote the title and decoded nothing', 7, false],
  ['cannot be asked', null, false],
])('an engine that %s', async (_, film, answer) => {
  const trial = new FilmTrial(deadEngine(true), counting(film));
  expect(await trial.takesFilms(never)).toBe(answer);
});

test.each([
  ['a refusal is an answer', new GatewayError(400, 'engine_refused', 'no video'), 2],
  ['so is a failure to read it', new GatewayError(500, 'engine_refused', 'no ffprobe'), 2],
  ['an engine that loads is asked again', new GatewayError(503, 'engine_refused', 'Loading'), 4],
  ['so is one that did not answer in time', new DOMException('too late', 'TimeoutError'), 4],
  ['and one whose connection broke', new Error('read ECONNRESET'), 4],
])('%s', async (_, error, calls) => {
  const count = vi.fn<CountInput>(() => Promise.reject(error));
  const trial = new FilmTrial(deadEngine(true), count);
  expect(await trial.takesFilms(never)).toBe(false);
  expect(await trial.takesFilms(never)).toBe(false);
  expect(count).toHaveBeenCalledTimes(calls);
});

test('a trial that showed nothing is made once for all who wait, and what the next one shows is kept', async () => {
  const count = counting(34);
  count.mockRejectedValueOnce(new Error('read ECONNRESET'));
  const trial = new FilmTrial(deadEngine(true), count);
  const both = [trial.takesFilms(never), trial.takesFilms(never)];
  expect(await Promise.all(both)).toEqual([false, false]);
  expect(await trial.takesFilms(never)).toBe(true);
  expect(await trial.takesFilms(never)).toBe(true);
  expect(count).toHaveBeenCalledTimes(4);
});

test('is made once in each life of the engine', async () => {
  const source: EngineSource & { life: number } = { ...deadEngine(true), life: 1 };
  const count = counting(34);
  const trial = new FilmTrial(source, count);
  await Promise.all([trial.takesFilms(never), trial.takesFilms(never)]);
  expect(count).toHaveBeenCalledTimes(2);
  source.life = 2;
  expect(await trial.takesFilms(never)).toBe(true);
  expect(count).toHaveBeenCalledTimes(4);
});

test('without an engine the client is told to come again', async () => {
  const trial = new FilmTrial({ ...deadEngine(false), life: 0 }, counting(34));
  await expect(trial.takesFilms(never)).rejects.toMatchObject({ status: 503 });
});
