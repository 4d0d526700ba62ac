/** The models of the catalogue: what is here, under which terms, and how far a download is. */
import { Download, Play, Power, ShieldCheck, Trash2 } from "lucide";
import { useState } from "preact/hooks";
import { finished } from "../../api/follow";
import { acknowledge, command, modelCatalogue, pullModel, removeModel, verifyModel } from "../../api/system";
import type { ModelEntry } from "../../api/system";
import type { Job } from "../../api/types";
import { fill, size, text, whole, word } from "../../texts";
import { Button } from "../../ui/button";
import { TextField } from "../../ui/fields";
import { useAction, useLoaded } from "../../ui/hooks";
import { Badge, Card, Confirm, More, ProblemNotice, Skeleton } from "../../ui/parts";
import { problemOfJob } from "../model/print-panel";
import { ProgressLine } from "../model/progress";

const TONES = { installed: "good", loaded: "good", downloading: "live", corrupt: "bad", absent: "info" } as const;

export function Models() {
  const { value, problem, reload } = useLoaded(modelCatalogue, []);
  const here = value?.filter(({ state }) => state !== "absent") ?? [];
  const others = value?.filter(({ state }) => state === "absent") ?? [];
  return (
    <Card title={text.models.title} wide>
      <p class="quiet">{text.models.what}</p>
      {problem !== null && <ProblemNotice cause={problem} onRetry={reload} />}
      {!value && problem === null && <Skeleton lines={4} />}
      {value && here.length === 0 && <p>{text.models.none}</p>}
      <ul class="models">{here.map((model) => <ModelRow key={model.id} model={model} onChange={reload} />)}</ul>
      {others.length > 0 && <More title={fill(text.models.others, { n: others.length })}><ul class="models">{others.map((model) => <ModelRow key={model.id} model={model} onChange={reload} />)}</ul></More>}
    </Card>
  );
}

function ModelRow({ model, onChange }: { model: ModelEntry; onChange: () => void }) {
  const [job, setJob] = useState<Job | null>(null);
  const [asking, setAsking] = useState(false);
  const work = useAction(async (start: () => Promise<Job>) => {
    const started = await start();
    setJob(started);
    const done = await finished(started, setJob);
    onChange();
    if (done.state === "failed") throw problemOfJob(done);
  });
  const act = useAction(async (start: () => Promise<unknown>) => {
    await start();
    onChange();
  });
  const present = model.state === "installed" || model.state === "loaded" || model.state === "corrupt";
  return (
    <li>
      <div class="model-head">
        <div>
          <p><b>{model.id}</b> <Badge tone={TONES[model.state as keyof typeof TONES] ?? "info"}>{word(text.models.states, model.state)}</Badge></p>
          <p class="hint">{[word(text.models.tasks, model.task), model.repo, model.size_bytes ? size(model.size_bytes) : null, model.vram_mb.value ? fill(text.models.memory, { mb: whole(model.vram_mb.value) }) : null].filter(Boolean).join(" · ")}</p>
          {model.licence && <Licence model={model} />}
        </div>
        <div class="row wrap">
          {!present && <Button small icon={Download} busy={work.busy} onClick={() => work.run(() => pullModel(model.id))}>{text.models.pull}</Button>}
          {present && <Button small icon={ShieldCheck} busy={work.busy} onClick={() => work.run(() => verifyModel(model.id))}>{text.models.verify}</Button>}
          {model.state === "installed" && <Button small icon={Play} busy={act.busy} onClick={() => act.run(() => command(model.id, "load"))}>{text.models.load}</Button>}
          {model.state === "loaded" && <Button small icon={Power} busy={act.busy} onClick={() => act.run(() => command(model.id, "unload"))}>{text.models.unload}</Button>}
          {present && <Button small kind="quiet" icon={Trash2} onClick={() => setAsking(true)}>{text.models.remove}</Button>}
        </div>
      </div>
      {work.busy && <ProgressLine job={job} words={text.models.working} />}
      {(work.problem ?? act.problem) ? <ProblemNotice cause={work.problem ?? act.problem} /> : null}
      {present && model.licence && model.licence.acknowledged === null && <Accept model={model} onChange={onChange} />}
      {asking && <Confirm title={fill(text.models.removeTitle, { model: model.id })} yes={text.models.remove} onNo={() => setAsking(false)} onYes={() => { setAsking(false); act.run(() => removeModel(model.id)); }}>{text.models.removeText}</Confirm>}
    </li>
  );
}

function Licence({ model }: { model: ModelEntry }) {
  const { name, url, user_cap: cap, excluded_territories: excluded } = model.licence!;
  return (
    <p class="hint">
      <a href={url} target="_blank" rel="noreferrer">{name}</a>
      {cap !== null && <> · {fill(text.models.cap, { n: whole(cap) })}</>}
      {excluded.length > 0 && <> · <span title={excluded.join(", ")}>{fill(text.models.excluded, { n: excluded.length })}</span></>}
    </p>
  );
}

function Accept({ model, onChange }: { model: ModelEntry; onChange: () => void }) {
  const [by, setBy] = useState("");
  const [purpose, setPurpose] = useState("");
  const accepting = useAction(async () => {
    await acknowledge(model.id, by.trim(), purpose.trim());
    onChange();
  });
  return (
    <More title={text.models.accept}>
      <form class="fields" onSubmit={(event) => { event.preventDefault(); accepting.run(); }}>
        <div class="two">
          <TextField label={text.models.by} value={by} maxLength={128} onChange={setBy} />
          <TextField label={text.models.purpose} value={purpose} maxLength={500} onChange={setPurpose} />
        </div>
        <div class="row"><Button type="submit" small busy={accepting.busy} disabled={!by.trim() || !purpose.trim()}>{text.models.acceptNow}</Button></div>
        {accepting.problem !== null && <ProblemNotice cause={accepting.problem} />}
      </form>
    </More>
  );
}
