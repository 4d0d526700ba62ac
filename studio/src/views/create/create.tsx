/** From a picture, several pictures or a sentence to a job. */
import { Sparkles } from "lucide";
import { useEffect, useRef, useState } from "preact/hooks";
import { assetOf } from "../../api/meshes";
import { drawPicture, generate, generateBatch, upload } from "../../api/generation";
import { jobOf, listJobs } from "../../api/jobs";
import { go } from "../../router";
import type { Route } from "../../router";
import { counted, text } from "../../texts";
import { Button } from "../../ui/button";
import { Segmented } from "../../ui/fields";
import { useAction, useLoaded } from "../../ui/hooks";
import { Notice, ProblemNotice } from "../../ui/parts";
import { JobCard } from "../library/card";
import { BLANK, batchOptions, draftOf, wishOf } from "./draft";
import type { Draft } from "./draft";
import { Forecast, useForecast } from "./forecast";
import { Pictures } from "./pictures";
import type { Chosen } from "./pictures";
import { Settings } from "./settings";
import { Words } from "./words";

export function Create({ route }: { route: Route }) {
  const again = route.query.get("again");
  const [draft, setDraft] = useState<Draft>({ ...BLANK, way: route.query.get("way") === "words" ? "words" : "images", prompt: route.query.get("prompt") ?? "" });
  const [chosen, setChosen] = useState<Chosen[]>([]);
  const [kept, setKept] = useState<string | null>(null);
  const typed = useRef<Partial<Draft>>({});
  function change(some: Partial<Draft>): void {
    typed.current = { ...typed.current, ...some };
    setDraft((now) => ({ ...now, ...some }));
  }
  const batch = draft.way === "images" && chosen.length > 1;

  const refill = useAction(async (id: string) => {
    const job = await jobOf(id);
    // What was typed while the job was on its way stays.
    setDraft({ ...draftOf(job), ...typed.current });
    const image = (job.request as { image?: { asset_id: string } } | null)?.image?.asset_id;
    if (!image) return;
    const asset = await assetOf(image);
    setChosen([{ file: null, url: `/api/v1/assets/${image}/preview`, name: asset.filename }]);
    setKept(image);
  });
  useEffect(() => {
    if (again) refill.run(again);
  }, [again]);

  // A single picture is sent as soon as it is chosen: a refusal shows at once, and the forecast is of that picture.
  const single = draft.way === "images" && chosen.length === 1 ? chosen[0]!.file : null;
  const sent = useLoaded(async (signal) => (single ? await upload(single, signal) : null), [single]);
  const sending = single !== null && sent.value === null && sent.problem === null;
  const assetId = single ? (sent.value?.id ?? null) : kept;
  function choose(next: Chosen[]): void {
    setChosen(next);
    setKept(null);
    making.clear();
  }

  const ready = draft.way === "words" ? draft.prompt.trim() !== "" : batch || assetId !== null;
  const forecast = useForecast(ready && !batch && !(draft.way === "words" && draft.pictureFirst) ? wishOf(draft, assetId) : null);

  const making = useAction(async () => {
    if (batch) {
      const files = chosen.flatMap(({ file }) => (file ? [file] : []));
      const started = await generateBatch(files, batchOptions(draft));
      sessionStorage.setItem(`batch ${started.batch_id}`, JSON.stringify(started.rejected));
      return go(`#/batch/${started.batch_id}`);
    }
    if (draft.way === "words" && draft.pictureFirst) return go(`#/jobs/${(await drawPicture({ prompt: draft.prompt.trim(), style: draft.style })).job_id}`);
    go(`#/jobs/${(await generate(wishOf(draft, assetId))).id}`);
  });

  const problem = sent.problem ?? making.problem ?? refill.problem;
  return (
    <div class="page create">
      <div class="hero">
        <h1>{text.create.title}</h1>
        <p class="lead">{text.create.lead}</p>
      </div>
      <form class="bench" onSubmit={(event) => { event.preventDefault(); if (ready) making.run(); }}>
        <div class="bench-input">
          <Segmented label={text.create.way} hideLabel value={draft.way} choices={[["images", text.create.ways.images], ["words", text.create.ways.words]]} onChange={(way) => change({ way: way as Draft["way"] })} />
          {draft.way === "images" ? <Pictures chosen={chosen} onChange={choose} /> : <Words draft={draft} change={change} />}
        </div>
        <div class="bench-settings card">
          {again && <Notice title={text.create.again}>{text.create.againHint}</Notice>}
          <Settings draft={draft} change={change} batch={batch} />
          {problem ? <ProblemNotice cause={problem} /> : forecast.problem ? <ProblemNotice cause={forecast.problem} /> : null}
          <div class="bench-go">
            <Button type="submit" kind="primary" icon={Sparkles} disabled={!ready && !sending} busy={making.busy || sending}>
              {batch ? counted(text.create.makeMany, chosen.length) : draft.way === "words" && draft.pictureFirst ? text.create.draw : text.create.make}
            </Button>
            <Forecast found={ready ? forecast.found : null} />
          </div>
        </div>
      </form>
      <Recent />
    </div>
  );
}

/** The last models, so that the way back is short; on a new server, what the studio is for. */
function Recent() {
  const { value } = useLoaded((signal) => listJobs({ limit: 30 }, signal), []);
  const made = value?.items.filter(({ type, state }) => type === "generation" && state === "succeeded").slice(0, 6) ?? [];
  if (value && !made.length) {
    return (
      <section class="steps" aria-label={text.create.how}>
        {text.create.steps.map(({ title, what }, index) => (
          <div key={title}>
            <span class="step-number" aria-hidden="true">{index + 1}</span>
            <h2>{title}</h2>
            <p>{what}</p>
          </div>
        ))}
      </section>
    );
  }
  return (
    <section class="recent" aria-labelledby="recent">
      <div class="section-head"><h2 id="recent">{text.create.recent}</h2><a href="#/library">{text.create.all}</a></div>
      <ul class="grid">{value ? made.map((job) => <JobCard key={job.id} job={job} size={192} />) : Array.from({ length: 4 }, (_, index) => <li key={index} class="card-skeleton" />)}</ul>
    </section>
  );
}
