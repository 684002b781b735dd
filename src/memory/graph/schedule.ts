import type { PlacedGraph } from './allocate.ts';
import { dependency, isViewOp, layoutCopy } from './tensor.ts';
import type { Graph, GraphTensor } from './tensor.ts';

/** Copies of every input that pipeline parallelism keeps (`GGML_SCHED_MAX_COPIES`). */
export const PIPELINE_COPIES = 4;

/**
 * Gives every node a backend, cuts the graph where it changes and copies what crosses the cut
 * (`ggml_backend_sched_split_graph` in `ggml-backend.cpp`). `cpu` is the last backend; `copies` is more
 * than 1 where several GPUs work as a pipeline.
 */
export function schedule(graph: Graph, cpu: number, copies: number): PlacedGraph {
  assign(graph, cpu);
  return split(graph, copies);
}

function assign({ leaves, nodes }: Graph, cpu: number): void {
  for (const leaf of leaves) leaf.backend = fromData(leaf, cpu);
  for (const node of nodes) node.backend = fromData(node, cpu);
  const computed = nodes.filter((node) => !isViewOp(node));
  const backwards = [...computed].reverse();
  // GPUs spread over their neighbours first, so that the CPU computes only what its weights ask for.
  spread(computed, cpu);
  spread(backwards, cpu);
  spread(computed, null);
  spread(backwards, null);
  for (const node of nodes) {
    if (node.viewOf !== null) node.backend ??= node.viewOf.backend;
    for (const source of node.sources) source.backend ??= (source.viewOf ?? node).backend;
    node.backend ??= 0;
  }
}

/** Where data or weights already lie decides; user inputs are filled on the CPU. */
function fromData(tensor: GraphTensor, cpu: number): number | null {
  const own = tensor.home ?? tensor.viewOf?.home ?? null;
  if (own !== null) return own;
  if (tensor.input) return cpu;
  // The frequency factors of ROPE are too small to decide where it runs.
  if (tensor.op === 'ROPE') return null;
  for (const source of tensor.sources) if (source.weight) return source.home;
  return null;
}

function spread(nodes: readonly GraphTensor[], stopAt: number | null): void {
  let current: number | null = null;
  for (const node of nodes) {
    if (node.backend !== null) current = node.backend === stopAt ? null : node.backend;
    else node.backend = current;
  }
}

type Part = {
  readonly backend: number;
  readonly inputs: GraphTensor[];
  readonly nodes: GraphTensor[];
};

function split(graph: Graph, copies: number): PlacedGraph {
  const parts: Part[] = [];
  const crossings = new Crossings(copies);
  let part: Part | null = null;
  for (const node of graph.nodes) {
    const window = isViewOp(node);
    // Windows before the first computed node belong to its part.
    const leading = part === null ? (graph.nodes.find((each) => !isViewOp(each)) ?? node) : node;
    const backend = backendOf(leading);
    if (part === null || (!window && part.backend !== backend)) {
      part = { backend, inputs: [], nodes: [] };
      parts.push(part);
    }
    part.nodes.push(node);
    if (!window) crossings.replaceSources(node, part);
  }
  return crossings.placed(graph, parts);
}

/** Copies that the graph's inputs and what crosses between backends need. */
class Crossings {
  private readonly graphInputs: GraphTensor[] = [];
  private readonly copied = new Map<GraphTensor, Map<number, readonly GraphTensor[]>>();

  private readonly copies: number;

  constructor(copies: number) {
    this.copies = copies;
  }

  replaceSources({ sources }: GraphTensor, part: Part): void {
    for (let index = 0; index < sources.length; index++) {
      const source = sources[index];
      const replaced = source === undefined ? null : this.visit(source, part);
      if (replaced !== null) sources[index] = replaced;
    }
  }

  /** What `part` reads in place of `source`: a copy on its own backend, or null for the source itself. */
  private visit(source: GraphTensor, part: Part): GraphTensor | null {
    const home = backendOf(source);
    this.keepInput(source);
    if (home === part.backend) return null;
    const known = this.copied.get(source) ?? new Map<number, readonly GraphTensor[]>();
    this.copied.set(source, known);
    let made = known.get(part.backend);
    if (made === undefined) {
      made = Array.from({ length: this.copies }, () => {
        const copy = layoutCopy(source);
        return this.copies > 1 ? this.pinned(copy) : copy;
      });
      known.set(part.backend, made);
      part.inputs.push(source);
    }
    return made[0] ?? null;
  }

  /** Copies of an input beside the original, so that the next run can be filled while this one works. */
  private keepInput(source: GraphTensor): void {
    if (!source.input || this.copies === 1 || this.copied.has(source)) return;
    const spare = Array.from({ length: this.copies - 1 }, () => this.pinned(layoutCopy(source)));
    const home = backendOf(source);
    this.copied.set(source, new Map([[home, [this.pinned(source), ...spare]]]));
    this.graphInputs.push(source);
  }

  placed(graph: Graph, parts: readonly Part[]): PlacedGraph {
    const nodes: GraphTensor[] = [];
    const nodeBackends: number[] = [];
    const leaves: GraphTensor[] = [];
    const leafBackends: number[] = [];
    const addNode = (node: GraphTensor, backend: number) => {
      nodes.push(node);
      nodeBackends.push(backend);
    };
    const addLeaves = (tensor: GraphTensor, backend: number) => {
      for (const leaf of this.copied.get(tensor)?.get(backend) ?? []) {
        leaves.push(leaf);
        leafBackends.push(backend);
      }
    };
    for (const part of parts) {
      for (const source of part.inputs) {
        addNode(dependency(source), backendOf(source));
        const copy = this.copied.get(source)?.get(part.backend)?.[0];
        if (copy !== undefined) addNode(copy, part.backend);
      }
      for (const node of part.nodes) addNode(node, backendOf(node));
    }
    // Inputs that no node reads (embeddings of an image, while tokens are taken) are kept just the same.
    for (const leaf of graph.leaves) this.keepInput(leaf);
    if (this.copies > 1) {
      for (const tensor of this.graphInputs) addLeaves(tensor, backendOf(tensor));
      for (const part of parts) for (const tensor of part.inputs) addLeaves(tensor, part.backend);
    }
    for (const leaf of graph.leaves) {
      leaves.push(leaf);
      leafBackends.push(backendOf(leaf));
    }
    return { nodes, nodeBackends, leaves, leafBackends };
  }

  private pinned(tensor: GraphTensor): GraphTensor {
    tensor.input = true;
    tensor.output = true;
    return tensor;
  }
}

function backendOf({ backend }: GraphTensor): number {
  return backend ?? 0;
}
