import type { Served } from './served.ts';

/** How many of everything: the whole bar for the report, a small one for the tests. */
export type Sizes = {
  readonly kills: number;
  readonly crashes: number;
  readonly malformed: number;
  readonly halfOpen: number;
  readonly goodRequests: number;
  readonly overload: number;
  readonly hangUps: number;
  readonly streams: number;
  readonly soakImages: number;
  /** How long a connection that drips is watched, ms. */
  readonly dripMs: number;
};

export const WHOLE: Sizes = {
  kills: 100,
  crashes: 4,
  malformed: 1000,
  halfOpen: 2000,
  goodRequests: 300,
  overload: 400,
  hangUps: 60,
  streams: 2000,
  soakImages: 10_000,
  dripMs: 140_000,
};

export const SMALL: Sizes = {
  kills: 10,
  crashes: 2,
  malformed: 100,
  halfOpen: 100,
  goodRequests: 20,
  overload: 60,
  hangUps: 8,
  streams: 200,
  soakImages: 500,
  dripMs: 20_000,
};

/** What the items of the bar are given: servers to start, and how much of everything. */
export type World = {
  readonly sizes: Sizes;
  /** `mmdeploy serve` with the demo model on the real engine, or on a fake of `test/fakes`. */
  readonly serve: (options?: ServeOptions) => Promise<Served>;
  /** The program's output once it has ended; throws where it fails. */
  readonly run: (args: readonly string[], options?: ServeOptions) => Promise<string>;
  /** A private folder. */
  readonly folder: () => string;
};

export type ServeOptions = {
  /** Name of a fake in `test/fakes`; without one the real engine. */
  readonly fake?: string;
  readonly flags?: readonly string[];
  /** Model and settings; the demo model where absent. */
  readonly what?: readonly string[];
  /** A folder of an earlier server, so that it knows what that one knew. */
  readonly home?: string;
  /** For the fake. */
  readonly env?: Readonly<Record<string, string>>;
  /** A command in front of the server's own, as `unshare` or `prlimit`. */
  readonly wrapper?: readonly string[];
};
