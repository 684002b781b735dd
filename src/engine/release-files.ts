import type { ReleaseFile, ReleaseRecipe } from './catalogue.ts';

export type ReleaseTarget = {
  readonly platform: string;
  readonly arch: string;
  readonly accelerator: string;
  /** CUDA version that the driver reports, e.g. `12.8`; null when unknown. */
  readonly cudaVersion: string | null;
  /** Of the oldest card, e.g. `8.9`; null when unknown. */
  readonly computeCapability: string | null;
};

export type ReleaseChoice =
  | { readonly kind: 'file'; readonly file: ReleaseFile }
  | { readonly kind: 'none'; readonly reason: string };

/**
 * The file of a release for this system. Of several CUDA builds the newest that is not newer than the
 * driver's CUDA; where all are newer, one of the same major version, which NVIDIA's minor version
 * compatibility covers.
 */
export function chooseReleaseFile(recipe: ReleaseRecipe, target: ReleaseTarget): ReleaseChoice {
  const { platform, arch, accelerator } = target;
  const built = recipe.files.filter(
    (file) => file.platform === platform && file.arch === arch && file.accelerator === accelerator,
  );
  if (built.length === 0) {
    return {
      kind: 'none',
      reason: `llama.cpp publishes no ${accelerator} build for ${platform} ${arch}`,
    };
  }
  const capable = built.filter((file) => covers(file, target.computeCapability));
  const newestFirst = [...capable].sort((a, b) => versionOf(b.cuda) - versionOf(a.cuda));
  const driver = target.cudaVersion === null ? Infinity : versionOf(target.cudaVersion);
  const file =
    newestFirst.find(({ cuda }) => versionOf(cuda) <= driver) ??
    newestFirst.find(({ cuda }) => major(cuda) <= Math.floor(driver / 1000));
  if (file !== undefined) return { kind: 'file', file };
  const versions = built.map(({ cuda }) => cuda ?? accelerator).join(', ');
  return {
    kind: 'none',
    reason: `the driver (CUDA ${target.cudaVersion ?? 'unknown'}) or the card (compute capability ${
      target.computeCapability ?? 'unknown'
    }) does not run the published builds (CUDA ${versions})`,
  };
}

function covers(file: ReleaseFile, capability: string | null): boolean {
  if (capability === null) return true;
  const value = Number(capability);
  if (!Number.isFinite(value)) return true;
  return (
    value >= (file.minComputeCapability ?? 0) && value <= (file.maxComputeCapability ?? Infinity)
  );
}

/** `12.8` to 12008, so that 12.10 is above 12.8; 0 for a build without CUDA. */
function versionOf(version: string | undefined): number {
  const [majorPart = '0', minorPart = '0'] = (version ?? '0').split('.');
  return Number(majorPart) * 1000 + Number(minorPart);
}

function major(version: string | undefined): number {
  return Math.floor(versionOf(version) / 1000);
}

/** The tag of a build, as llama.cpp names its releases. */
export function tagOf(build: number): string {
  return `b${build}`;
}

/** Fills `{tag}` and `{file}` into a pattern of the catalogue. */
export function fill(pattern: string, values: Readonly<Record<string, string>>): string {
  return pattern.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}
