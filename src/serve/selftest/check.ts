/** The server under test, as a client sees it, and the process of its engine. */
export type TestedServer = {
  /** Without `/v1`. */
  readonly url: string;
  readonly key: string;
  readonly enginePid: () => number | undefined;
  /** Drains and ends it; resolves when it is gone. May be called again. */
  readonly stop: () => Promise<void>;
};

/** One promise of `serve`, tried from outside. */
export type Check = {
  /** A name for scripts: lower case, with hyphens. */
  readonly id: string;
  /** What holds when it passes, one line. */
  readonly promise: string;
  /** Only for models that see. */
  readonly needsImages: boolean;
  /** Throws an error that says what was seen instead. */
  readonly run: (server: TestedServer) => Promise<void>;
};

export type CheckResult = {
  readonly id: string;
  readonly promise: string;
  readonly outcome: 'pass' | 'fail' | 'skip';
  /** Why it failed or was left out; null for a pass. */
  readonly reason: string | null;
  readonly ms: number;
};

export function expectThat(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise);
}
