/** Help with code: written, looked over, and errors explained. Looking over needs no language model. */
import { Bug, FileCode, ScanSearch } from "lucide";
import { useState } from "preact/hooks";
import { analyzeCode, debugCode, writeCode } from "../../api/assistant";
import type { Debugged, Findings, GeneratedCode } from "../../api/assistant";
import { fill, text, whole, word } from "../../texts";
import { Button } from "../../ui/button";
import { Select, TextArea, Toggle } from "../../ui/fields";
import { useAction } from "../../ui/hooks";
import { Badge, Card, Code, Facts, Notice, ProblemNotice } from "../../ui/parts";

const LANGUAGES = ["python", "javascript", "typescript", "java", "c", "cpp", "go", "rust", "csharp"];
const METRICS = ["lines", "functions", "classes", "max_complexity", "max_function_lines", "unused_imports"];

export function WriteCode({ available }: { available: boolean }) {
  const [wanted, setWanted] = useState("");
  const [language, setLanguage] = useState("python");
  const [tests, setTests] = useState(false);
  const [found, setFound] = useState<GeneratedCode | null>(null);
  const writing = useAction(async () => setFound(await writeCode({ requirements: wanted, language, context: { include_tests: tests, include_docs: false } })));
  return (
    <Card title={text.code.write}>
      <form class="fields" onSubmit={(event) => { event.preventDefault(); writing.run(); }}>
        <TextArea label={text.code.wanted} value={wanted} rows={3} maxLength={8000} placeholder={text.code.wantedExample} onChange={setWanted} />
        <div class="two">
          <Language value={language} onChange={setLanguage} />
          <Toggle label={text.code.tests} checked={tests} onChange={setTests} />
        </div>
        <div class="row"><Button type="submit" icon={FileCode} busy={writing.busy} disabled={!available || !wanted.trim()}>{text.code.write}</Button></div>
      </form>
      {writing.problem !== null && <ProblemNotice cause={writing.problem} />}
      {found && (
        <div class="stack" role="status">
          <Code title={found.quality_score === null ? language : fill(text.code.scored, { language, score: whole(found.quality_score) })}>{found.generated_code}</Code>
          {found.tests && <Code title={text.code.testsTitle}>{found.tests}</Code>}
        </div>
      )}
    </Card>
  );
}

export function ReadCode() {
  const [code, setCode] = useState("");
  const [error, setError] = useState("");
  const [language, setLanguage] = useState("python");
  const [findings, setFindings] = useState<Findings | null>(null);
  const [debugged, setDebugged] = useState<Debugged | null>(null);
  const looking = useAction(async () => {
    setDebugged(null);
    setFindings(await analyzeCode({ code, language }));
  });
  const explaining = useAction(async () => {
    const found = await debugCode({ code, language, error_message: error });
    setDebugged(found);
    setFindings(found.static_findings);
  });
  return (
    <Card title={text.code.read}>
      <form class="fields" onSubmit={(event) => { event.preventDefault(); if (error.trim()) explaining.run(); else looking.run(); }}>
        <TextArea label={text.code.code} code value={code} rows={8} maxLength={200_000} placeholder={text.code.codeExample} onChange={setCode} />
        <TextArea label={text.code.error} code value={error} rows={2} maxLength={8000} hint={text.code.errorHint} onChange={setError} />
        <div class="two"><Language value={language} onChange={setLanguage} /></div>
        <div class="row wrap">
          <Button icon={ScanSearch} busy={looking.busy} disabled={!code.trim()} onClick={() => looking.run()}>{text.code.look}</Button>
          <Button icon={Bug} busy={explaining.busy} disabled={!code.trim() || !error.trim()} onClick={() => explaining.run()}>{text.code.explain}</Button>
        </div>
      </form>
      {(looking.problem ?? explaining.problem) ? <ProblemNotice cause={looking.problem ?? explaining.problem} /> : null}
      {debugged?.debug_analysis && <Notice title={text.code.explanation} live><p class="answer-text">{debugged.debug_analysis}</p></Notice>}
      {debugged && !debugged.debug_analysis && <Notice tone="warn" live>{debugged.warnings?.join(" ") ?? text.assistant.off}</Notice>}
      {findings && <FindingsOf found={findings} />}
    </Card>
  );
}

function FindingsOf({ found }: { found: Findings }) {
  const remarks = [...found.suggestions.map(({ line, message }) => ({ line, message })), ...found.refactoring_opportunities.map(({ line, name, reason }) => ({ line, message: `${name}: ${reason}` }))];
  return (
    <div class="stack" role="status">
      {found.syntax_error && <Notice tone="bad" title={fill(text.code.syntax, { line: found.syntax_error.line })}>{found.syntax_error.message}</Notice>}
      <p>{found.quality_score === null ? <Badge>{text.code.unscored}</Badge> : <Badge tone={found.quality_score >= 80 ? "good" : "warn"}>{fill(text.code.score, { score: whole(found.quality_score) })}</Badge>}</p>
      {remarks.length > 0 ? <ul class="plain-list">{remarks.map(({ line, message }) => <li key={`${line}${message}`}><span class="quiet">{fill(text.code.line, { line })}</span> {message}</li>)}</ul> : <p class="quiet">{text.code.nothing}</p>}
      <Facts rows={METRICS.map((name) => name in found.metrics && [word(text.code.metrics, name), whole(found.metrics[name]!)] as const)} />
    </div>
  );
}

const Language = ({ value, onChange }: { value: string; onChange: (value: string) => void }) => (
  <Select label={text.code.language} value={value} choices={LANGUAGES.map((one) => [one, one])} onChange={onChange} />
);
