import { useState } from "preact/hooks";
import { llmModels, llmStatus } from "../../api/assistant";
import { fill, text } from "../../texts";
import { useLoaded } from "../../ui/hooks";
import { Badge, Notice, ProblemNotice, Tabs } from "../../ui/parts";
import { AgentRun, AgentTask, AgentsNow } from "./agents";
import { ReadCode, WriteCode } from "./code";
import { PromptHelp, Questions } from "./words";

export default function Assistant() {
  const [shown, setShown] = useState("agents");
  const { value, problem, reload } = useLoaded(async () => ({ status: await llmStatus(), models: await llmModels() }), []);
  const available = value?.status.reachable ?? false;
  return (
    <div class="page">
      <header class="page-head">
        <div><h1>{text.views.assistant.title}</h1><p class="lead">{text.views.assistant.lead}</p></div>
        {value && <Badge tone={available ? "good" : "info"}>{available ? fill(text.assistant.on, { model: value.models.available_models[0]?.name ?? "" }) : text.assistant.offShort}</Badge>}
      </header>
      {problem !== null && <ProblemNotice cause={problem} onRetry={reload} />}
      <Tabs label={text.views.assistant.title} tabs={[["agents", text.assistant.tabs.agents], ["words", text.assistant.tabs.words], ["code", text.assistant.tabs.code]]} value={shown} onChange={setShown}>
        {value && !available && shown !== "agents" && <Notice title={text.assistant.offShort}>{value.models.configured ? text.assistant.silent : text.assistant.off}</Notice>}
        <div class="cards">
          {shown === "agents" && <><AgentRun /><AgentTask /><AgentsNow /></>}
          {shown === "words" && <><PromptHelp available={available} /><Questions available={available} /></>}
          {shown === "code" && <><ReadCode /><WriteCode available={available} /></>}
        </div>
      </Tabs>
    </div>
  );
}
