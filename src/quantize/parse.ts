import { MIB } from '../units.ts';

/** What a `llama-quantize` takes. `COPY` is none: it changes nothing. */
export type QuantizeFormats = {
  /** As the engine spells them, in its own order. */
  readonly names: readonly string[];
  /** Second names, and the mix that each stands for. */
  readonly aliases: ReadonlyMap<string, string>;
};

// `  15  or  Q4_K_M  :  4.58G, …`, `  15  or  Q4_K    : alias for Q4_K_M`
const FORMAT = /^ *\d+ +or +([\w.]+) *:(?: *alias for (\w+))?/gm;

/** The formats of `llama-quantize --help`; none where the text has no such list. */
export function parseFormats(help: string): QuantizeFormats {
  const found = [...help.matchAll(FORMAT)].map(([, name = '', alias]) => ({ name, alias }));
  return {
    names: found.filter(({ alias }) => alias === undefined).map(({ name }) => name),
    aliases: new Map(
      found.flatMap(({ name, alias }) => (alias === undefined ? [] : [[name, alias] as const])),
    ),
  };
}

// `llama_model_quantize_impl: quant size  =     9.77 MiB (9.06 BPW)`
const SIZE = /quant size\s*=\s*([\d.]+) MiB/;

/** Bytes of all tensors that `--dry-run` foretells, to 0.01 MiB; null where the line is not there. */
export function parseQuantSize(log: string): number | null {
  const mib = SIZE.exec(log)?.[1];
  return mib === undefined ? null : Math.ceil(Number(mib) * MIB);
}

// `[  12/ 291] blk.0.attn_q.weight - [ 4096, …], type = f16, converting to q4_K .. size = …`
const STEP = /\[ *(\d+)\/ *(\d+)\]/g;

/** The last tensor that a piece of the log speaks of; null where it speaks of none. */
export function parseStep(text: string): { readonly done: number; readonly total: number } | null {
  const last = [...text.matchAll(STEP)].at(-1);
  return last === undefined ? null : { done: Number(last[1]), total: Number(last[2]) };
}

// Every program of llama.cpp says which libraries it tried.
const NOISE = /^(ggml_backend_load_best|load_backend|version:|built with|llama_model_loader)\b/;

/** The end of a log without what is always there: what a person wants to see of a failure. */
export function lastWords(log: string, lines = 6): string[] {
  return log
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '' && !NOISE.test(line))
    .slice(-lines);
}
