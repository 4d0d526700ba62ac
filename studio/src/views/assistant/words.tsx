/** A language model for prompts and questions. */
import { ArrowRight, Sparkles } from "lucide";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ask, orchestrate } from "../../api/assistant";
import type { Generated, Orchestrated } from "../../api/assistant";
import { presets } from "../../api/server";
import { go } from "../../router";
import { counted, duration, fill, text } from "../../texts";
import { Button } from "../../ui/button";
import { Segmented, TextArea } from "../../ui/fields";
import { useAction } from "../../ui/hooks";
import { Card, CopyButton, Notice, ProblemNotice } from "../../ui/parts";

const WAIT_MS = 60_000;

/** Turns an idea into a sentence that the modeller understands, as it knows a published vocabulary only. */
export function PromptHelp({ available }: { available: boolean }) {
  const [idea, setIdea] = useState("");
  const [found, setFound] = useState<Generated | null>(null);
  const asking = useAction(async () => {
    const { vocabulary } = await presets();
    const known = Object.values(vocabulary).flat().join(", ");
    setFound(await ask({ prompt: fill(text.assistant.promptFrame, { idea, known }), task_type: "creative_writing", quality: "fast", max_latency: WAIT_MS }));
  });
  return (
    <Card title={text.assistant.prompts}>
      <p class="quiet">{text.assistant.promptsText}</p>
      <form class="fields" onSubmit={(event) => { event.preventDefault(); asking.run(); }}>
        <TextArea label={text.assistant.idea} value={idea} rows={3} maxLength={2000} placeholder={text.assistant.ideaExample} onChange={setIdea} />
        <div class="row"><Button type="submit" kind="primary" icon={Sparkles} busy={asking.busy} disabled={!available || !idea.trim()}>{text.assistant.rephrase}</Button></div>
      </form>
      {asking.problem !== null && <ProblemNotice cause={asking.problem} />}
      {found && (
        <Answer words={found.generated_content} foot={`${found.model_used} · ${duration(found.processing_time)}`}>
          <Button small icon={ArrowRight} onClick={() => go(`#/create?way=words&prompt=${encodeURIComponent(found.generated_content.trim())}`)}>{text.assistant.use}</Button>
        </Answer>
      )}
    </Card>
  );
}

export function Questions({ available }: { available: boolean }) {
  const [question, setQuestion] = useState("");
  const [way, setWay] = useState("ask");
  const [found, setFound] = useState<Generated | null>(null);
  const [split, setSplit] = useState<Orchestrated | null>(null);
  const asking = useAction(async () => {
    setFound(null);
    setSplit(null);
    if (way === "ask") setFound(await ask({ prompt: question, task_type: "general", max_latency: WAIT_MS }));
    else setSplit(await orchestrate({ task_description: question }));
  });
  return (
    <Card title={text.assistant.questions}>
      <form class="fields" onSubmit={(event) => { event.preventDefault(); asking.run(); }}>
        <Segmented label={text.assistant.way} value={way} choices={Object.entries(text.assistant.ways)} onChange={setWay} />
        <TextArea label={text.assistant.question} value={question} rows={3} maxLength={8000} placeholder={text.assistant.questionExample} onChange={setQuestion} />
        <div class="row"><Button type="submit" busy={asking.busy} disabled={!available || !question.trim()}>{text.assistant.send}</Button></div>
      </form>
      {asking.problem !== null && <ProblemNotice cause={asking.problem} />}
      {found && <Answer words={found.generated_content} foot={`${found.model_used} · ${duration(found.processing_time)}`}>{found.truncated && <Notice tone="warn">{text.assistant.truncated}</Notice>}</Answer>}
      {split && (
        <Answer words={split.final_result} foot={`${counted(text.assistant.steps, split.execution_breakdown.length)} · ${duration(split.total_execution_time)}`}>
          <ol class="plain-list">{split.execution_breakdown.map((step) => <li key={step.step}><b>{step.task}</b> <span class="quiet">{step.model} · {duration(step.seconds)}</span>{step.error && <p>{step.error}</p>}</li>)}</ol>
        </Answer>
      )}
    </Card>
  );
}

function Answer({ words, foot, children }: { words: string; foot: string; children?: ComponentChildren }) {
  return (
    <div class="answer" role="status">
      <p class="answer-text">{words}</p>
      {children}
      <p class="row wrap"><CopyButton value={words} /><span class="quiet">{foot}</span></p>
    </div>
  );
}
