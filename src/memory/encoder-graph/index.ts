import type { Graph } from '../graph/tensor.ts';
import { internvl, llama4 } from './clip.ts';
import { glmEdge, ldp, ldpv2, llava } from './llava.ts';
import { minicpmv, minicpmv46 } from './minicpm.ts';
import { gemma3n } from './mobilenet.ts';
import { dotsOcr, hunyuan, kimiK25, paddleOcr } from './ocr.ts';
import { glm4v, qwen2vl, qwen3vl } from './qwen.ts';
import type { Scene } from './scene.ts';
import { deepseekOcr } from './deepseek-ocr.ts';
import { gemma4uv, gemma4v } from './gemma4.ts';
import { glma, meralion, musicflamingo, qwen2a, ultravox, voxtral } from './whisper.ts';
import { gemma4a, gemma4ua } from './gemma4a.ts';
import { lfm2a } from './lfm2a.ts';
import { qwen3a } from './qwen3a.ts';
import { gemma3, idefics3, janusPro, kimivl, lfm2, phi4, pixtral } from './siglip.ts';
import { cogvlm, nemotron, step3vl, youtuvl } from './towers.ts';

type GraphOf = (scene: Scene) => Graph;

/** An encoder's graph for one picture, by `clip.projector_type`. */
const GRAPHS: ReadonlyMap<string, GraphOf> = new Map<string, GraphOf>([
  ['adapter', glmEdge],
  ['cogvlm', cogvlm],
  ['deepseekocr', deepseekOcr],
  ['dots_ocr', dotsOcr],
  ['gemma3', gemma3],
  ['gemma3nv', gemma3n],
  ['gemma4uv', gemma4uv],
  ['gemma4a', gemma4a],
  ['gemma4ua', gemma4ua],
  ['glma', glma],
  ['meralion', meralion],
  ['musicflamingo', musicflamingo],
  ['qwen3a', qwen3a],
  ['gemma4v', gemma4v],
  ['glm4v', glm4v],
  ['hunyuanvl', hunyuan],
  ['idefics3', idefics3],
  ['internvl', internvl],
  ['janus_pro', janusPro],
  ['kimik25', kimiK25],
  ['kimivl', kimivl],
  ['ldp', ldp],
  ['ldpv2', ldpv2],
  ['lfm2', lfm2],
  ['lightonocr', pixtral],
  ['lfm2a', lfm2a],
  ['llama4', llama4],
  ['minicpmv4_6', minicpmv46],
  ['mlp', llava],
  ['nemotron_v2_vl', nemotron],
  ['paddleocr', paddleOcr],
  ['phi4', phi4],
  ['pixtral', pixtral],
  ['qwen2.5vl_merger', qwen2vl],
  ['qwen2a', qwen2a],
  ['qwen2vl_merger', qwen2vl],
  ['qwen3vl_merger', qwen3vl],
  ['resampler', minicpmv],
  ['step3vl', step3vl],
  ['ultravox', ultravox],
  ['voxtral', voxtral],
  ['youtuvl', youtuvl],
]);

export const graphOf = (projectorType: string): GraphOf | null => GRAPHS.get(projectorType) ?? null;
