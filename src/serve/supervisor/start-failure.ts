/** Why an engine died at its start, told from the last lines of its log. Pure. */
export type StartFailure = {
  /** One clause that completes "llama-server did not start: …". */
  readonly reason: string;
  readonly hints: readonly string[];
};

type Rule = {
  readonly pattern: RegExp;
  readonly explain: (match: RegExpExecArray) => StartFailure;
};

/** Every handled failure of llama-server exits 1, so only its words tell them apart; first match wins. */
const RULES: readonly Rule[] = [
  {
    pattern: /couldn't bind HTTP server socket/i,
    explain: () => ({
      reason: 'its address is already in use',
      hints: ['another server holds the address: stop it, or use `mmdeploy serve … --port 0`'],
    }),
  },
  {
    pattern: /mismatch between text model \(n_embd = (\d+)\) and mmproj \(n_embd = (\d+)\)/i,
    explain: ([, text, projector]) => ({
      reason: `the projector is ${projector ?? '?'} wide and the model ${text ?? '?'}: they are not a pair`,
      hints: [
        'give the projector that was published with this model: `mmdeploy serve … --mmproj FILE`',
      ],
    }),
  },
  {
    pattern: /CLIP cannot be used as main model/i,
    explain: () => ({
      reason: 'the file given as the model is a projector (mmproj)',
      hints: ['swap the two files: `mmdeploy serve MODEL.gguf --mmproj MMPROJ.gguf`'],
    }),
  },
  {
    pattern: /data is not within the file bounds/i,
    explain: () => ({
      reason: 'the model file is incomplete or damaged (tensor data ends past the file)',
      hints: ['fetch the file again and compare its size with the published one'],
    }),
  },
  {
    pattern: /failed to seek for tensor (\S+)/i,
    explain: ([, tensor]) => ({
      reason: `the projector file is incomplete (no data for tensor ${tensor ?? '?'})`,
      hints: ['fetch the mmproj file again and compare its size with the published one'],
    }),
  },
  {
    pattern: /error: invalid argument:?\s*(.*)/i,
    explain: ([, argument]) => ({
      reason: `it does not know the argument \`${argument?.trim() ?? ''}\``,
      hints: ['this build may be too old for it: `mmdeploy engine list`'],
    }),
  },
  {
    pattern: /error while loading shared libraries: ([^:]+)/i,
    explain: ([, library]) => ({
      reason: `the shared library ${library ?? '?'} is missing`,
      hints: ['install an engine that brings its own libraries: `mmdeploy engine install`'],
    }),
  },
  {
    pattern: /out of memory|failed to allocate|cudaMalloc failed|ErrorOutOfDeviceMemory/i,
    explain: () => ({
      reason: 'a device ran out of memory',
      hints: ['see what fits: `mmdeploy plan MODEL`', 'a smaller context helps: `--context N`'],
    }),
  },
  {
    pattern: /failed to load model,?(?: from)? '([^'\n]+)'/i,
    explain: ([, file]) => unreadableModel(` ${file ?? ''}`),
  },
  {
    pattern: /failed to load model|error loading model/i,
    explain: () => unreadableModel(''),
  },
];

export type ProcessEnd = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
};

/** The best explanation for an engine that ended with `end` before it was ready. */
export function classifyStartFailure(log: readonly string[], end: ProcessEnd): StartFailure {
  const text = log.join('\n');
  for (const rule of RULES) {
    const match = rule.pattern.exec(text);
    if (match !== null) return rule.explain(match);
  }
  if (end.signal === 'SIGSEGV' || end.signal === 'SIGBUS') {
    return {
      reason: `it crashed (${end.signal}), as it does when the projector lacks a tensor`,
      hints: ['check the pair of files: `mmdeploy plan MODEL.gguf --mmproj MMPROJ.gguf`'],
    };
  }
  if (end.signal === 'SIGKILL') {
    return {
      reason: 'it was killed (SIGKILL), most likely because the machine ran out of memory',
      hints: ['see what fits: `mmdeploy plan MODEL`'],
    };
  }
  return { reason: `it ended with ${describeEnd(end)}`, hints: [] };
}

/** `exit code 1`, `signal SIGSEGV`. */
export function describeEnd(end: ProcessEnd): string {
  return end.signal === null ? `exit code ${end.code ?? 'unknown'}` : `signal ${end.signal}`;
}

/** A truncated header and an empty, foreign or missing file all lead to the same words. */
function unreadableModel(file: string): StartFailure {
  return {
    reason: `the model file${file} could not be loaded`,
    hints: ['check the file: `mmdeploy plan FILE.gguf`'],
  };
}
