import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { Observer } from '../seams.ts';
import type { EngineTimings } from './engine-timings.ts';
import { measureLoopDelay } from './loop-delay.ts';
import { Together } from './together.ts';
import { UniqueCount } from './unique-count.ts';

/** From a token of a small model to an encode on a CPU. */
const STAGE_SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120,
];
const REQUEST_SECONDS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
/** Counted together, and whenever somebody asks. */
const AT_ONCE = 64;
/** Labels from outside are few; a mistake must not make a series of every request. */
const MOST_KINDS = 64;

export const PREFIX = 'mmdeploy_';

type FinishedRequest = {
  /** As registered; `unknown` for what is no route. */
  readonly route: string;
  readonly status: number;
  /** Code of the error; null for success. */
  readonly reason: string | null;
  readonly seconds: number;
  readonly bytesIn: number;
  readonly timings: EngineTimings | null;
};

export type Metrics = {
  readonly registry: Registry;
  readonly observer: Observer;
  readonly requestBegan: () => void;
  readonly requestEnded: (request: FinishedRequest) => void;
};

/** What the gateway counts, in a registry of its own. */
export function createMetrics(
  version: string,
  log: (what: string, detail: string) => void,
): Metrics {
  const registry = new Registry();
  processMetrics(registry);
  gauge(registry, 'build_info', 'Always 1; the version is in the label.', ['version']).set(
    { version },
    1,
  );
  return { registry, observer: observerOf(registry, log), ...requestMetrics(registry) };
}

/** prom-client's, but for its event loop's lag (`measureLoopDelay`), which cannot be left out: it is put to sleep. */
function processMetrics(registry: Registry): void {
  const eventLoopMonitoringPrecision = 3_600_000;
  collectDefaultMetrics({ register: registry, prefix: PREFIX, eventLoopMonitoringPrecision });
  for (const { name } of registry.getMetricsAsArray()) {
    if (name.startsWith(`${PREFIX}nodejs_eventloop_lag`)) registry.removeSingleMetric(name);
  }
  measureLoopDelay(registry, PREFIX);
}

function observerOf(registry: Registry, log: (what: string, detail: string) => void): Observer {
  const observed = new Together<readonly [stage: string, ms: number]>(AT_ONCE, ([stage, ms]) =>
    stages.observe({ stage }, ms / 1000),
  );
  const stages = new Histogram({
    name: `${PREFIX}stage_seconds`,
    help: 'Time of each stage of a request; inter_token is the gap between two events of a stream.',
    labelNames: ['stage'],
    buckets: STAGE_SECONDS,
    registers: [registry],
    collect: () => observed.flush(),
  });
  const media = counter(registry, 'media_total', 'Media asked about, by where they were found.', [
    'kind',
    'hit',
  ]);
  const encodes = counter(registry, 'encodes_total', 'Media that the engine encoded.', []);
  const unique = counter(
    registry,
    'encoded_unique_total',
    'Different media among them: encodes over this is how often each was encoded.',
    [],
  );
  const received = counter(registry, 'media_received_bytes_total', 'Media as sent.', []);
  const handedOn = counter(registry, 'media_prepared_bytes_total', 'Media as handed on.', []);
  const troubles = counter(registry, 'troubles_total', 'What requests survived, by kind.', [
    'what',
  ]);
  const seen = new UniqueCount();
  const few = fewKinds();
  return {
    stage: (stage, ms) => observed.add([stage, ms]),
    media: (kind, hit) => media.inc({ kind, hit }),
    encoded: (key) => {
      encodes.inc();
      if (seen.add(key)) unique.inc();
    },
    mediaBytes: (bytesReceived, bytesHandedOn) => {
      received.inc(bytesReceived);
      handedOn.inc(bytesHandedOn);
    },
    trouble: (what, detail = '') => {
      troubles.inc({ what: few(what) });
      log(what, detail);
    },
  };
}

function requestMetrics(registry: Registry): Pick<Metrics, 'requestBegan' | 'requestEnded'> {
  const labels = ['route', 'status'];
  const ended = new Together<FinishedRequest>(AT_ONCE, (request) => count(request));
  const collect = () => ended.flush();
  const requests = counter(registry, 'requests_total', 'Requests answered.', labels, collect);
  const errors = counter(
    registry,
    'request_errors_total',
    'Answers of 400 and above, and streams that broke.',
    [...labels, 'reason'],
    collect,
  );
  const duration = new Histogram({
    name: `${PREFIX}request_seconds`,
    help: 'From the head of a request to the last byte of its answer.',
    labelNames: ['route'],
    buckets: REQUEST_SECONDS,
    registers: [registry],
    collect,
  });
  const bytes = counter(registry, 'request_bytes_total', 'Bodies of requests.', ['route'], collect);
  const tokens = counter(
    registry,
    'tokens_total',
    'Tokens by the engine: prompt (evaluated), cached, answer.',
    ['kind'],
    collect,
  );
  const inFlight = gauge(registry, 'requests_in_flight', 'Requests being answered.', []);
  const few = fewKinds();
  const count = ({ route, status, reason, seconds, bytesIn, timings }: FinishedRequest) => {
    requests.inc({ route, status });
    if (reason !== null) errors.inc({ route, status, reason: few(reason) });
    duration.observe({ route }, seconds);
    if (bytesIn > 0) bytes.inc({ route }, bytesIn);
    if (timings === null) return;
    tokens.inc({ kind: 'prompt' }, timings.promptTokens);
    tokens.inc({ kind: 'cached' }, timings.cachedTokens);
    tokens.inc({ kind: 'answer' }, timings.answerTokens);
  };
  return {
    requestBegan: () => inFlight.inc(),
    requestEnded: (request) => {
      inFlight.dec();
      ended.add(request);
    },
  };
}

function fewKinds(): (kind: string) => string {
  const known = new Set<string>();
  return (kind) => {
    if (!known.has(kind) && known.size >= MOST_KINDS) return 'other';
    known.add(kind);
    return kind;
  };
}

function counter(
  registry: Registry,
  name: string,
  help: string,
  labelNames: string[],
  collect?: () => void,
): Counter {
  const config = { name: PREFIX + name, help, labelNames, registers: [registry] };
  return new Counter(collect === undefined ? config : { ...config, collect });
}

function gauge(registry: Registry, name: string, help: string, labelNames: string[]): Gauge {
  return new Gauge({ name: PREFIX + name, help, labelNames, registers: [registry] });
}
