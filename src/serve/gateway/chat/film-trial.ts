import type { Pool } from 'undici';
import type { EngineSource } from '../../seams.ts';
import { awaitEngine } from '../engine-call.ts';
import { GatewayError } from '../errors.ts';
import { enginePart } from './chat-request.ts';
import type { CountInput } from './witness.ts';

/**
 * One frame of 64 x 64 grey pixels, made as the firewall makes every film: `ffmpeg -f lavfi -i
 * color=gray:size=64x64:rate=4 -frames:v 1` and the flags of `media/films.ts`.
 */
const GREY_FILM =
  'data:video/nut;base64,bnV0L211bHRpbWVkaWEgY29udGFpbmVyAE5NelYfXwStTAMBgf9/AQGEgADAAAYAAAAAAAGgAAIBASgBACkAIQGB/38gAoH/f4F5wAAGAAAAAAABBgMAAAEEAAABtgL/+gL/+wL//AL//byAQjJOUxFAW/L520IAAARGRlYxAA6EgAAAACpWGegz7D388mrAb0O5TW4CZnTLUqW5QgUBDqgpCke2vqI/4nI59mxrd4VAQAEBACQeaEZOSatotZa6eAkAAAAAAAAAAABOSatotZa6eC4BAAAAAgdlbmNvZGVyAglMYXZjIGZmdjEMcl9mcmFtZV9yYXRlAgM0LzFXrA6YTkvkre7KRWkGAAAAAAAAAwCBGPwVgAADzlf///+AA+n/8H9/P///////////////wAAAHgAMn8gUPd6AAAPOV////4AD6f/wf38////////////////AAAAeANDO1RmcHJMAA85X////gAPp//B/fz///////////////8AAAB4A2mdBdBC/PQADzlf///+AA+n/8H9/P///////////////wAAAHgDsmvhPTljdZy8j5k4QAAEQAwAAAAAAAAAZqrakRA==';

/** What llama.cpp writes before the first frame of any film. */
const TITLE = 'Video:';
const PATH = '/v1/chat/completions/input_tokens';
const TIMEOUT_MS = 10_000;

type Verdict = 'takes' | 'refuses' | 'unknown';

/**
 * Whether the engine reads films, found out by giving it one: its build may not know them, and a build
 * that says it does needs ffmpeg and ffprobe in the PATH, and an ffmpeg that reads this format. Nothing is
 * encoded for it. What it shows holds for that life of the engine. A trial that shows nothing (nobody
 * answered in time, the connection broke, 503) is made again for the next film; frames as pictures,
 * which are right for any engine, do for this one.
 */
export class FilmTrial {
  readonly #source: EngineSource;
  readonly #countInput: CountInput;
  #verdict: Promise<Verdict> | null = null;
  #life = 0;

  constructor(source: EngineSource, countInput: CountInput) {
    this.#source = source;
    this.#countInput = countInput;
  }

  /** Throws what `awaitEngine` throws where there is no engine to ask. */
  async takesFilms(signal: AbortSignal): Promise<boolean> {
    const engine = await awaitEngine(this.#source, signal);
    const { life } = this.#source;
    if (life !== this.#life) this.#verdict = null;
    this.#life = life;
    const verdict = (this.#verdict ??= this.#try(engine));
    const shown = await verdict;
    if (shown === 'unknown' && this.#verdict === verdict) this.#verdict = null;
    return shown === 'takes';
  }

  /** Its frame costs a token at least, above the title, which an engine writes that decodes none. */
  async #try(engine: Pool): Promise<Verdict> {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const count = (part: unknown) =>
      this.#countInput(engine, PATH, { messages: [{ role: 'user', content: [part] }] }, signal);
    try {
      const [title, film] = await Promise.all([
        count({ type: 'text', text: TITLE }),
        count(enginePart({ kind: 'video', url: GREY_FILM })),
      ]);
      return title !== null && film !== null && film > title ? 'takes' : 'refuses';
    } catch (error) {
      return isRefusal(error) ? 'refuses' : 'unknown';
    }
  }
}

/** The engine read the film and said no; 503 is said before anything is read. */
function isRefusal(error: unknown): boolean {
  return error instanceof GatewayError && error.status !== 503;
}
