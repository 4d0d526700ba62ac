import { ArrowRight, Check, CircleAlert, Copy, Info, TriangleAlert } from "lucide";
import type { IconNode } from "lucide";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Problem } from "../api/client";
import { fill, text, word } from "../texts";
import { Button } from "./button";
import { Icon } from "./icon";

export function Empty({ icon, title, children, action }: { icon: IconNode; title: string; children?: ComponentChildren; action?: ComponentChildren }) {
  return (
    <div class="empty">
      <span class="empty-icon"><Icon of={icon} size={26} /></span>
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {action}
    </div>
  );
}

/** The place of something that is on its way. */
export function Skeleton({ lines = 3 }: { lines?: number }) {
  return (
    <div class="skeleton" role="status" aria-label={text.common.loading}>
      {Array.from({ length: lines }, (_, index) => <span key={index} />)}
    </div>
  );
}

type Tone = "info" | "good" | "warn" | "bad";
const TONES: Record<Tone, IconNode> = { info: Info, good: Check, warn: TriangleAlert, bad: CircleAlert };

export function Notice({ tone = "info", title, children, live }: { tone?: Tone; title?: string; children?: ComponentChildren; live?: boolean }) {
  return (
    <div class={`notice ${tone}`} role={live ? (tone === "bad" ? "alert" : "status") : undefined}>
      <Icon of={TONES[tone]} />
      <div>
        {title && <p class="notice-title">{title}</p>}
        {children && <div class="notice-text">{children}</div>}
      </div>
    </div>
  );
}

interface Words {
  title: string;
  advice: string;
}

/** What a problem means in plain words, what the server said of this one, and what to do. */
export function wordsOf(cause: unknown): Words & { detail: string | null; problem: Problem } {
  const problem = Problem.of(cause);
  const words = (text.problems as Record<string, Words>)[problem.code] ?? text.problems.internal;
  return { ...words, detail: problem.body.detail ?? null, problem };
}

export function ProblemNotice({ cause, onRetry }: { cause: unknown; onRetry?: () => void }) {
  const { title, advice, detail, problem } = wordsOf(cause);
  const near = Object.entries(problem.body.near ?? {});
  const unknown = problem.body.unrecognized_words?.filter((one) => !problem.body.near?.[one]) ?? [];
  return (
    <Notice tone="bad" title={title} live>
      {detail && <p>{detail}</p>}
      {unknown.length > 0 && <p>{fill(text.common.unknown, { words: unknown.join(", ") })}</p>}
      {near.length > 0 && (
        <ul>
          {near.map(([strange, known]) => <li key={strange}>{fill(text.common.near, { word: strange, known: known.join(", ") })}</li>)}
        </ul>
      )}
      {advice && <p>{advice}</p>}
      <p class="problem-foot">
        {onRetry && <Button small onClick={onRetry}>{text.common.tryAgain}</Button>}
        {problem.status > 0 && <a href={`/problems/${problem.code.replaceAll("_", "-")}`} target="_blank" rel="noreferrer">{problem.code}</a>}
      </p>
    </Notice>
  );
}

/** Tabs after the ARIA authoring practices: arrows move, Home and End jump. */
export function Tabs({ label, tabs, value, onChange, children }: { label: string; tabs: readonly (readonly [id: string, label: string])[]; value: string; onChange: (id: string) => void; children: ComponentChildren }) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  function move(event: KeyboardEvent): void {
    const at = tabs.findIndex(([tab]) => tab === value);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = tabs[(to + tabs.length) % tabs.length]!;
    onChange(next[0]);
    list.current?.querySelector<HTMLElement>(`[data-tab="${next[0]}"]`)?.focus();
  }
  return (
    <div class="tabs">
      <div role="tablist" aria-label={label} class="tab-list" ref={list} onKeyDown={move}>
        {tabs.map(([tab, name]) => (
          <button key={tab} type="button" role="tab" data-tab={tab} id={`${id}-${tab}`} aria-selected={tab === value} aria-controls={`${id}-panel`} tabIndex={tab === value ? 0 : -1} onClick={() => onChange(tab)}>
            {name}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${value}`} class="tab-panel" tabIndex={0}>{children}</div>
    </div>
  );
}

export function CopyButton({ value, label = text.common.copy }: { value: string; label?: string }) {
  const [done, setDone] = useState(false);
  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(value);
    } catch {
      copyBySelection(value);
    }
    setDone(true);
    setTimeout(() => setDone(false), 1600);
  }
  return <Button small icon={done ? Check : Copy} onClick={() => void copy()}>{done ? text.common.copied : label}</Button>;
}

// The clipboard interface exists on https and loopback only.
function copyBySelection(value: string): void {
  const area = document.createElement("textarea");
  area.value = value;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

export function Code({ title, children }: { title: string; children: string }) {
  return (
    <figure class="code-block">
      <figcaption>
        <span>{title}</span>
        <CopyButton value={children} />
      </figcaption>
      <pre tabIndex={0} aria-label={title}><code>{children}</code></pre>
    </figure>
  );
}

export function Facts({ rows }: { rows: readonly (readonly [name: string, value: ComponentChildren] | null | undefined | false | 0 | "")[] }) {
  return (
    <dl class="facts">
      {rows.map((row) => row && (
        <div key={row[0]}>
          <dt>{row[0]}</dt>
          <dd>{row[1]}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Meter({ label, value, max, shown, tone }: { label: string; value: number; max: number; shown: string; tone?: "good" | "warn" | "bad" }) {
  const share = max > 0 ? Math.min(1, value / max) : 0;
  return (
    <div class="meter">
      <div class="field-head"><span>{label}</span><span class="quiet">{shown}</span></div>
      <div class={`meter-bar ${tone ?? ""}`} role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={max} aria-valuenow={Math.min(value, max)} aria-valuetext={shown}>
        <span style={{ width: `${share * 100}%` }} />
      </div>
    </div>
  );
}

export function Badge({ tone = "info", children }: { tone?: Tone | "live"; children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>;
}

const STATES: Record<string, Tone | "live"> = { succeeded: "good", failed: "bad", cancelled: "info", running: "live", queued: "live", pending: "info" };

export const StateBadge = ({ state }: { state: string }) => <Badge tone={STATES[state] ?? "info"}>{word(text.states, state)}</Badge>;

export function More({ title, children, open }: { title: string; children: ComponentChildren; open?: boolean }) {
  return (
    <details class="more" open={open}>
      <summary><Icon of={ArrowRight} size={16} />{title}</summary>
      <div class="more-body">{children}</div>
    </details>
  );
}

/** Asks before something is lost. */
export function Confirm({ title, children, yes, onYes, onNo }: { title: string; children: ComponentChildren; yes: string; onYes: () => void; onNo: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    return () => shown?.close();
  }, []);
  return (
    <dialog ref={dialog} class="confirm" aria-labelledby={id} onCancel={onNo}>
      <h2 id={id}>{title}</h2>
      <p>{children}</p>
      <div class="row end">
        <Button onClick={onNo}>{text.common.keep}</Button>
        <Button kind="danger" onClick={onYes}>{yes}</Button>
      </div>
    </dialog>
  );
}

export function Card({ title, action, children, wide }: { title: string; action?: ComponentChildren; children: ComponentChildren; wide?: boolean }) {
  const id = useId();
  return (
    <section class={`card${wide ? " wide" : ""}`} aria-labelledby={id}>
      <header class="card-head"><h2 id={id}>{title}</h2>{action}</header>
      {children}
    </section>
  );
}
