/**
 * The library: the workflows behind the commands, the values they return, and the pure functions that
 * other tools may want. Everything else is private.
 */
export { MmdeployError, EXIT_CODES } from './errors.ts';
export type { ErrorCode } from './errors.ts';
export type { Estimate, EstimateItem, ModelEstimate } from './contracts/estimate.ts';
export type { Gpu, Machine } from './contracts/machine.ts';
export type { DeploymentPlan, DeviceMemory, MemoryItem, Survey } from './contracts/plan.ts';
export { machineSchema } from './contracts/machine.ts';
export { planSchema, surveySchema } from './contracts/plan.ts';
export { readGgufHeader } from './gguf/read-file.ts';
export type { GgufHeader } from './gguf/header.ts';
export { createContext } from './workflows/create-context.ts';
export type { Context } from './workflows/context.ts';
export { estimateWorkflow } from './workflows/estimate.ts';
export type { EstimateRequest } from './workflows/estimate.ts';
export { planWorkflow, surveyWorkflow } from './workflows/plan.ts';
export type { PlanRequest } from './workflows/plan.ts';
export { NO_WISHES } from './match/types.ts';
export type { Wishes, Workload } from './match/types.ts';
