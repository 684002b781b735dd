import { Counter, Gauge, type Registry } from 'prom-client';
import type { MediaStoreStats } from '../media-store/open.ts';
import type { SchedulerStats } from '../schedule/scheduler.ts';
import type { EngineSource } from '../seams.ts';
import { PREFIX } from './metrics.ts';
import type { GpuMemory } from './gpu-memory.ts';

/** Parts whose state is read when somebody asks for the metrics. */
export type Watched = {
  readonly engine: Pick<EngineSource, 'engine' | 'life'>;
  readonly schedule: (() => SchedulerStats) | null;
  readonly store: (() => MediaStoreStats) | null;
  /** null where nothing tells. */
  readonly gpus: (() => Promise<readonly GpuMemory[]>) | null;
};

/** Adds what `watched` tells to the registry. */
export function watch(registry: Registry, watched: Watched): void {
  watchEngine(registry, watched.engine);
  if (watched.schedule !== null) watchSchedule(registry, watched.schedule);
  if (watched.store !== null) watchStore(registry, watched.store);
  if (watched.gpus !== null) watchGpus(registry, watched.gpus);
}

function watchEngine(registry: Registry, engine: Watched['engine']): void {
  read(registry, 'engine_up', 'Whether the engine can be asked.', () =>
    engine.engine === null ? 0 : 1,
  );
  readTotal(registry, 'engine_restarts_total', 'Starts of the engine after the first.', () =>
    Math.max(0, engine.life - 1),
  );
}

function watchSchedule(registry: Registry, stats: () => SchedulerStats): void {
  read(registry, 'queue_requests', 'Requests that wait for a slot.', () => stats().queued);
  read(registry, 'slots', 'Slots of the engine.', () => stats().slots);
  read(registry, 'slots_busy', 'Slots that answer a request.', () => stats().busySlots);
  read(registry, 'slot_files', 'Saved slots.', () => stats().slotFiles);
  read(registry, 'slot_files_bytes', 'Size of saved slots.', () => stats().slotFileBytes);
  readTotal(
    registry,
    'queue_refused_total',
    'Requests that found the queue full.',
    () => stats().refused,
  );
  readTotal(
    registry,
    'missed_hits_total',
    'Media that a slot should have held and the engine evaluated again.',
    () => stats().missedHits,
  );
}

function watchStore(registry: Registry, stats: () => MediaStoreStats): void {
  read(registry, 'media_store_bytes', 'Size of prepared media that are kept.', () => stats().bytes);
  read(registry, 'media_store_entries', 'Prepared media that are kept.', () => stats().entries);
  readTotal(
    registry,
    'media_store_evictions_total',
    'Given up for newer ones.',
    () => stats().evicted,
  );
  readTotal(registry, 'media_store_lost_total', 'Found damaged or gone.', () => stats().lost);
  new Counter({
    name: `${PREFIX}media_store_writes_total`,
    help: 'New media by where they went: disk, memory when the disk takes none, inline when nothing does.',
    labelNames: ['place'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [place, count] of Object.entries(stats().written)) this.inc({ place }, count);
    },
  });
}

function watchGpus(registry: Registry, gpus: NonNullable<Watched['gpus']>): void {
  const perGpu = (name: string, help: string, value: (gpu: GpuMemory) => number) =>
    new Gauge({
      name: PREFIX + name,
      help,
      labelNames: ['gpu', 'name'],
      registers: [registry],
      async collect() {
        const found = await gpus();
        this.reset();
        for (const gpu of found) this.set({ gpu: String(gpu.index), name: gpu.name }, value(gpu));
      },
    });
  perGpu('gpu_memory_used_bytes', 'In use by all programs.', (gpu) => gpu.usedBytes);
  perGpu('gpu_memory_total_bytes', 'As the driver tells it.', (gpu) => gpu.totalBytes);
}

function read(registry: Registry, name: string, help: string, value: () => number): void {
  new Gauge({
    name: PREFIX + name,
    help,
    registers: [registry],
    collect() {
      this.set(value());
    },
  });
}

/** A count that a part keeps itself. */
function readTotal(registry: Registry, name: string, help: string, value: () => number): void {
  new Counter({
    name: PREFIX + name,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(value());
    },
  });
}
