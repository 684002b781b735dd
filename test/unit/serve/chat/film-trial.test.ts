import { expect, test, vi } from 'vitest';
import { FilmTrial } from '../../../../src/serve/gateway/chat/film-trial.ts';
import type { CountInput } from '../../../../src/serve/gateway/chat/witness.ts';
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

test('a refusal is an answer', async () => {
  const trial = new FilmTrial(deadEngine(true), () => Promise.reject(new Error('no video')));
  expect(await trial.takesFilms(never)).toBe(false);
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
