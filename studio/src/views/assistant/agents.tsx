/** Agents: runs that measure and mend until a goal holds, single tasks, and how the agents stand. */
import { Bot, Send } from "lucide";
import { useRef, useState } from "preact/hooks";
import { agentStatus, coordination, generateUntilGood, messages, startRun, submitTask } from "../../api/assistant";
import type { TaskDone } from "../../api/assistant";
import { upload } from "../../api/generation";
import { listJobs } from "../../api/jobs";
import { go } from "../../router";
import { duration, fill, percent, text, whole, word } from "../../texts";
import { Button } from "../../ui/button";
import { NumberField, Select, Slider, TextField, Toggle } from "../../ui/fields";
import { useAction, useLoaded } from "../../ui/hooks";
import { Badge, Card, Facts, Notice, ProblemNotice, Skeleton } from "../../ui/parts";
import { JobCard } from "../library/card";

const TASKS = ["general", "image_quality", "mesh_quality", "prompt_plan", "workflow_optimization", "performance_advice"];

export function AgentRun() {
  const [file, setFile] = useState<File | null>(null);
  const [quality, setQuality] = useState(5);
  const [speed, setSpeed] = useState("balanced");
  const [own, setOwn] = useState(false);
  const [faces, setFaces] = useState<number | undefined>(undefined);
  const [wall, setWall] = useState<number | undefined>(undefined);
  const [likeness, setLikeness] = useState<number | undefined>(undefined);
  const [attempts, setAttempts] = useState<number | undefined>(3);
  const input = useRef<HTMLInputElement>(null);
  const starting = useAction(async () => {
    if (!file) return;
    if (!own) return go(`#/jobs/${(await generateUntilGood(file, { quality: String(quality), speed_preference: speed })).job_id}`);
    const goal = { watertight: true, ...(faces ? { max_faces: faces } : {}), ...(wall ? { min_wall_mm: wall } : {}), ...(likeness ? { min_silhouette_iou: likeness / 100 } : {}) };
    go(`#/jobs/${(await startRun({ image: { asset_id: (await upload(file)).id }, quality, goal, max_attempts: attempts ?? 3 })).id}`);
  });
  return (
    <Card title={text.agents.run}>
      <p class="quiet">{text.agents.runText}</p>
      <form class="fields" onSubmit={(event) => { event.preventDefault(); starting.run(); }}>
        <div class="row wrap">
          <Button onClick={() => input.current?.click()}>{file ? text.create.replace : text.agents.choose}</Button>
          <span class="quiet">{file?.name ?? text.agents.noPicture}</span>
          <input ref={input} id="agent-photo" hidden type="file" accept="image/*" onChange={(event) => setFile(event.currentTarget.files?.[0] ?? null)} />
        </div>
        <Slider label={text.create.quality} min={1} max={10} value={quality} shown={whole(quality)} onChange={setQuality} />
        <Toggle label={text.agents.own} hint={text.agents.ownHint} checked={own} onChange={setOwn} />
        {own ? (
          <>
            <div class="two">
              <NumberField label={text.agents.goals.faces} min={4} value={faces} onChange={setFaces} />
              <NumberField label={text.agents.goals.wall} unit="mm" min={0.1} value={wall} onChange={setWall} />
            </div>
            <div class="two">
              <NumberField label={text.agents.goals.likeness} unit="%" min={0} max={100} value={likeness} onChange={setLikeness} />
              <NumberField label={text.agents.goals.attempts} min={1} max={10} step={1} value={attempts} onChange={setAttempts} />
            </div>
          </>
        ) : <Select label={text.agents.speed} value={speed} choices={Object.entries(text.agents.speeds)} onChange={setSpeed} />}
        {starting.problem !== null && <ProblemNotice cause={starting.problem} />}
        <div class="row"><Button type="submit" kind="primary" icon={Bot} busy={starting.busy} disabled={!file}>{text.agents.start}</Button></div>
      </form>
    </Card>
  );
}

export function AgentTask() {
  const [type, setType] = useState("general");
  const [prompt, setPrompt] = useState("");
  const [found, setFound] = useState<TaskDone | null>(null);
  const asking = useAction(async () => setFound(await submitTask({ task_type: type, task_data: prompt.trim() ? { prompt: prompt.trim() } : {} })));
  return (
    <Card title={text.agents.task}>
      <p class="quiet">{text.agents.taskText}</p>
      <form class="fields" onSubmit={(event) => { event.preventDefault(); asking.run(); }}>
        <Select label={text.agents.kind} value={type} choices={TASKS.map((one) => [one, word(text.agents.tasks, one)])} onChange={setType} />
        {type === "prompt_plan" && <TextField label={text.create.prompt} value={prompt} maxLength={2000} onChange={setPrompt} />}
        <div class="row"><Button type="submit" icon={Send} busy={asking.busy}>{text.agents.ask}</Button></div>
      </form>
      {asking.problem !== null && <ProblemNotice cause={asking.problem} />}
      {found && (
        <Notice tone="good" title={found.message} live>
          <Facts rows={Object.entries(found.result).filter(([, value]) => typeof value !== "object" || Array.isArray(value)).slice(0, 12).map(([name, value]) => [name.replaceAll("_", " "), Array.isArray(value) ? value.join(", ") || "–" : String(value)] as const)} />
        </Notice>
      )}
    </Card>
  );
}

export function AgentsNow() {
  const { value, problem, reload } = useLoaded(async () => ({ status: await agentStatus(), active: await coordination(), told: await messages() }), [], 5000);
  const runs = useLoaded((signal) => listJobs({ type: "agent", limit: 6 }, signal), [], 5000);
  return (
    <Card title={text.agents.now} wide>
      {problem !== null && <ProblemNotice cause={problem} onRetry={reload} />}
      {!value ? problem === null && <Skeleton lines={5} /> : (
        <>
          <Facts rows={[
            [text.agents.healthy, fill(text.agents.ofAll, { n: value.active.service_discovery.healthy_agents, all: value.active.service_discovery.total_agents })],
            [text.agents.active, whole(Object.keys(value.active.active_coordinations).length)],
            [text.agents.messages, whole(value.told.message_statistics.stats.sent ?? 0)],
          ]} />
          <div class="table-scroll" tabIndex={0} role="region" aria-label={text.agents.table}>
            <table>
              <thead><tr><th scope="col">{text.agents.agent}</th><th scope="col">{text.agents.state}</th><th scope="col">{text.agents.done}</th><th scope="col">{text.agents.rate}</th><th scope="col">{text.agents.mean}</th></tr></thead>
              <tbody>
                {Object.entries(value.status.orchestrator_status.agent_status).map(([id, agent]) => (
                  <tr key={id}>
                    <th scope="row">{word(text.agents.names, id)}</th>
                    <td><Badge tone={agent.status === "idle" ? "info" : "live"}>{agent.status}</Badge></td>
                    <td>{whole(agent.performance_metrics.tasks_completed)}</td>
                    <td>{agent.performance_metrics.success_rate === null ? "–" : percent(agent.performance_metrics.success_rate)}</td>
                    <td>{agent.performance_metrics.average_execution_time === null ? "–" : duration(agent.performance_metrics.average_execution_time)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
      {(runs.value?.items.length ?? 0) > 0 && <><h3>{text.agents.runs}</h3><ul class="grid">{runs.value!.items.map((job) => <JobCard key={job.id} job={job} />)}</ul></>}
    </Card>
  );
}
