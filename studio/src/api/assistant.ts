/** Language models and agents. */
import { call, create } from "./client";
import type { Job } from "./types";

export interface LlmStatus {
  llm_system_enabled: boolean;
  reachable: boolean;
  latency_ms: number | null;
}

export interface LlmModels {
  available_models: { name: string }[];
  configured: boolean;
}

export interface Generated {
  generated_content: string;
  model_used: string;
  confidence_score: number | null;
  processing_time: number;
  truncated: boolean;
}

export interface Findings {
  quality_score: number | null;
  metrics: Record<string, number>;
  suggestions: { line: number; code: string; message: string }[];
  refactoring_opportunities: { name: string; line: number; reason: string }[];
  syntax_error?: { line: number; column: number; message: string };
}

export interface GeneratedCode {
  generated_code: string;
  quality_score: number | null;
  suggestions: { line: number; message: string }[];
  tests: string | null;
  documentation: string | null;
}

export interface Orchestrated {
  final_result: string;
  execution_breakdown: { step: number; task: string; model: string; seconds: number; output: string | null; error: string | null }[];
  total_execution_time: number;
}

export interface Debugged {
  debug_analysis: string | null;
  static_findings: Findings;
  model_used: string | null;
  warnings?: string[];
}

export const llmStatus = () => call<LlmStatus>("/api/llm/status");
export const llmModels = () => call<LlmModels>("/api/llm/models");
export const ask = (json: { prompt: string; task_type: string; quality?: string; max_latency?: number }) => call<Generated>("/api/llm/generate", { json });
export const writeCode = (json: { requirements: string; language: string; context: Record<string, boolean> }) => call<GeneratedCode>("/api/llm/code-generate", { json });
export const orchestrate = (json: { task_description: string }) => call<Orchestrated>("/api/llm/orchestrate", { json });
export const analyzeCode = (json: { code: string; language: string }) => call<Findings>("/api/llm/analyze-code", { json });
export const debugCode = (json: { code: string; error_message: string; language: string }) => call<Debugged>("/api/llm/debug-code", { json });

export interface AgentStatus {
  orchestrator_status: {
    active_tasks: number;
    agent_status: Record<string, { agent_type: string; capabilities: string[]; status: string; performance_metrics: { tasks_completed: number; success_rate: number | null; average_execution_time: number | null } }>;
  };
}

export interface Coordination {
  active_coordinations: Record<string, { goal: Record<string, unknown> | null; step: string | null; started_at: string }>;
  service_discovery: { total_agents: number; healthy_agents: number };
}

export interface Messages {
  message_statistics: { stats: Record<string, number>; pending_messages: number };
}

export const agentStatus = () => call<AgentStatus>("/api/agents/status");
export const coordination = () => call<Coordination>("/api/agents/coordination/status");
export const messages = () => call<Messages>("/api/agents/communication/message-stats");

export interface TaskDone {
  result: Record<string, unknown>;
  message: string;
  agent_id: string;
  job_id?: string;
}

export const submitTask = (json: { task_type: string; task_data: Record<string, unknown> }) => call<TaskDone>("/api/agents/submit-task", { json });

/** A model that is measured and mended until it is good; the run is followed as a job. */
export function generateUntilGood(image: File, options: Record<string, string>): Promise<{ job_id: string }> {
  const form = new FormData();
  form.set("image", image, image.name);
  for (const [name, value] of Object.entries({ ...options, format: "glb", wait: "false" })) form.set(name, value);
  return call("/api/agents/intelligent-generation", { form });
}

export const startRun = (json: Record<string, unknown>) => create<Job>("/api/v1/agents/runs", { json });
