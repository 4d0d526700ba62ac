/** What agents did for a run, step by step: what they measured, decided and why. */
import type { Job, TraceStep } from "../../api/types";
import { duration, fill, text, word } from "../../texts";
import { Badge, More } from "../../ui/parts";

const shown = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

export function Trace({ job }: { job: Job }) {
  const { trace = [], goal } = job.result ?? {};
  if (!trace.length) return <p class="quiet">{text.agents.noTrace}</p>;
  return (
    <section class="trace" aria-label={text.agents.trace}>
      <h2>{text.agents.trace}</h2>
      {goal && typeof goal === "object" && (
        <ul class="goals">
          {Object.entries(goal).map(([name, { wanted, measured, ok }]) => (
            <li key={name}><Badge tone={ok ? "good" : ok === false ? "bad" : "info"}>{fill(text.agents.goal, { name: word(text.checks, name), wanted: shown(wanted), measured: shown(measured) })}</Badge></li>
          ))}
        </ul>
      )}
      <ol>{trace.map((step, index) => <Step key={index} step={step} />)}</ol>
    </section>
  );
}

function Step({ step }: { step: TraceStep }) {
  return (
    <li>
      <p><b>{word(text.agents.actions, step.action)}</b>{step.decision !== null && <> · {shown(step.decision)}</>}</p>
      <p class="quiet">{[word(text.agents.names, step.agent_id), step.seconds !== null ? duration(step.seconds) : null, step.reason].filter(Boolean).join(" · ")}</p>
      {step.measured !== null && step.measured !== undefined && <More title={text.agents.measured}><pre tabIndex={0} aria-label={text.agents.measured}>{JSON.stringify(step.measured, null, 2)}</pre></More>}
      {step.job_id && <a href={`#/jobs/${step.job_id}`}>{text.agents.openJob}</a>}
    </li>
  );
}
